"""One pass over the blocks of a plan: evaluate, check, accumulate.

Symbols: Z_ij = base**E_ij with the exponents of :mod:`.point_blocks`, rho (n,) and
kappa (m,) masses, P_ij = rho_i kappa_j Z_ij the plan, s_i = sum_j kappa_j Z_ij its row
sums before rho, w (n,) weights of the rows, c_j = sum_i w_i Z_ij.

Masses are kept out of the exponents, so that Z is about 1 where the plan is about
a b', and zero masses give exact zeros.

A block is evaluated as it is. Three things can make that wrong, and all are seen in s:
too much was left out, the exponents overflowed, or they underflowed. Then the rows are
evaluated once more, all columns, and relative to the largest exponent of each row.
Columns are checked in the same way at the end of the pass, by their sums c.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, device_of
from skopt2.solvers.transport import shards
from skopt2.solvers.transport.point_blocks import Block, Exponents, PointBlocks
from skopt2.solvers.transport.power import Power
from skopt2.solvers.transport.spatial import TILE

# What may be left out of a sum, relative to it.
NEGLIGIBLE = {"float64": 2.0**-54, "float32": 2.0**-26}
# Sums outside [1 / LARGE, LARGE] may have lost entries to the range of the floats.
LARGE = {"float64": 1e100, "float32": 1e10}


@dataclass(frozen=True)
class Evaluated:
    """A block of Z.

    Parameters
    ----------
    rows, cols : slice or ndarray
        Which rows and columns.
    Z : array of shape (n_rows, n_cols)
        base**(E - top); to be overwritten.
    s : array of shape (n_rows,)
        Z @ kappa.
    top : array of shape (n_rows,) or None
        What was subtracted from the exponents; None for zeros.
    lost : ndarray of shape (n_tiles,) or None
        Bounds of what was left out; see :class:`.point_blocks.Block`.
    E : array of shape (n_rows, n_cols) or None
        The exponents, if asked for.
    """

    rows: slice
    cols: Any
    Z: Any
    s: Any
    top: Any = None
    lost: Any = None
    E: Any = None


class PlanPass:
    """A pass over the blocks of one side.

    Parameters
    ----------
    side : PointBlocks
        Source of the exponents.
    exponents : Exponents
        Of this pass.
    offsets : tuple of array
        Offsets u (n,) and v (m,) of the exponents, in the widest float.
    masses : tuple of array
        Masses rho (n,) and kappa (m,), likewise.
    power : Power
        Exponential function.
    form : {"plain", "checked", "relative"}, default="plain"
        Z as it is, however small or large; rows out of range evaluated relative to
        their largest exponent; all rows evaluated so.
    keep : bool, default=False
        Whether the exponents are kept beside Z; for the plain form.
    """

    def __init__(
        self, side, exponents, offsets, masses, power, form="plain", keep=False
    ):
        self.side: PointBlocks = side
        self.exponents: Exponents = exponents
        self.power: Power = power
        self.xp, self.dtype = side.xp, side.X.dtype
        self.wide = accumulation_dtype(side.X)
        name = "float32" if self.dtype == self.xp.float32 else "float64"
        self.negligible, self.large = NEGLIGIBLE[name], LARGE[name]
        self.rho, self.kappa = masses
        # Offsets of no mass are minus infinity, and count for nothing in sums.
        self.u, self.v = (
            self.xp.where(mass > 0, offset, self.xp.zeros_like(mass))
            for mass, offset in zip(masses, offsets, strict=True)
        )
        # Rounding of the exponents is far below one.
        self.clipped = exponents.lowest < power.floor + 1.0
        self.weights = self.xp.astype(self.kappa, self.dtype)
        if form == "checked" and not side.on_host:
            # A branch on the sums would wait for the device in every block.
            form = "relative"
        self.form, self.keep = form, keep
        self.tile_mass = None
        if exponents.tops is not None:
            self.tile_mass = np.add.reduceat(self.kappa, np.arange(0, side.m, TILE))

    def run(self, new):
        """Feed every block to accumulators; return these in the order of the rows.

        Parameters
        ----------
        new : callable
            Returns an accumulator, an object with ``add(evaluated)``. Blocks of
            different accumulators may come at the same time.

        Returns
        -------
        accumulators : list
        """
        tiled = self.exponents.tops is not None
        top_of = self._top if self.form == "relative" and tiled else None

        def work(start, stop):
            accumulator = new()
            # The state of floating-point warnings belongs to the thread.
            with np.errstate(all="ignore"):
                for block in self.side.walk(self.exponents, start, stop, top_of):
                    accumulator.add(self.evaluate(block))
            return accumulator

        if not self.side.on_host:
            return [work(0, self.side.n)]
        return list(shards.run(work, self.side.n, self.side.m, TILE))

    def evaluate(self, block):
        """Return Z of a block, and its row sums."""
        rows, tiled = block.rows, self.exponents.tops is not None
        if self.form == "relative" and not tiled:
            return self._relative(rows, block.E)
        found = self._plain(block)
        if not self.side.on_host or self._sound(found):
            return found
        if self.form == "checked" and tiled:
            top = self._top(rows)
            cols, lost = self.side.columns(self.exponents, rows, top)
            E = self.side.fill(self.exponents, rows, cols, top)
            found = self._plain(Block(rows, cols, E, lost, top))
            if self._sound(found):
                return found
        whole = slice(None)
        E = self.side.fill(self.exponents, rows, whole)
        if self.form == "plain":
            return self._plain(Block(rows, whole, E))
        return self._relative(rows, E)

    def _plain(self, block):
        """Return Z as the exponents of a block say."""
        E = block.E + 0.0 if self.keep else None
        Z = self.power(block.E, self.clipped or block.top != 0.0)
        s, top = Z @ self.weights[block.cols], None
        if block.top != 0.0:
            top = self.xp.full_like(self.rho[block.rows], block.top)
        return Evaluated(block.rows, block.cols, Z, s, top, block.lost, E)

    def _top(self, rows):
        """Return the logarithm of the sum of one of the rows.

        Rows that are close have about the same sum. Relative to it tiles can be left
        out, whatever the potentials are: after a change of the regularisation, or in
        the search for a sum that nothing is known of.
        """
        first = rows.start + int(np.argmax(self.rho[rows]))
        E = self.side.fill(self.exponents, slice(first, first + 1), slice(None))
        top = float(E.max())
        total = float((self.power(E - top) @ self.weights)[0])
        return top + math.log(total) / self.power.log_base if total > 0.0 else top

    def _relative(self, rows, E):
        """Return Z relative to the largest exponent of each row."""
        top = self.xp.max(E, axis=1)
        E -= top[:, None]
        Z = self.power(E)
        s, top = Z @ self.weights, self.xp.astype(top, self.wide)
        return Evaluated(rows, slice(None), Z, s, top)

    def _sound(self, block):
        """Return True if the row sums are right to rounding."""
        s = block.s
        ok = s >= 0.0
        if block.lost is not None:
            ok = s * self.negligible >= self.bases(block.lost) @ self.tile_mass
        if self.form != "plain":
            ok &= (s > 1.0 / self.large) & (s < self.large)
        return bool(np.all(ok | (self.rho[block.rows] == 0.0)))

    def bases(self, lost):
        """Return base**lost for the bounds of what was left out."""
        return self.power(np.minimum(lost, 0.0))

    def columns(self, *weighs):
        """Return s, top, and for each choice of weights c and where it is in doubt.

        Parameters
        ----------
        *weighs : callable
            Given an :class:`Evaluated` returns the weights of its rows, such that
            c = sum_i w_i base**(E - top)_ij.

        Returns
        -------
        s, top : array of shape (n,)
            Row sums relative to base**top.
        *sums : tuple of array of shape (m,)
            Column sums c in the widest float, and which columns of positive kappa have
            one that is incomplete or, for the first of several forms of weights and
            unless the pass is plain, out of range.
        """
        xp, n = self.xp, self.side.n
        place = {"dtype": self.wide, "device": device_of(self.side.X)}
        s, top = xp.zeros(n, **place), xp.zeros(n, **place)

        def new():
            zeros = [xp.zeros(self.side.m, **place) for _ in weighs]
            return _Columns(self, weighs, s, top, zeros)

        total = None
        for part in self.run(new):
            total = part if total is None else total.plus(part)
        found = []
        for k, (c, missed) in enumerate(zip(total.c, total.missed, strict=True)):
            ok = c >= 0.0
            if self.form != "plain" and k == 0:
                ok = (c > 1.0 / self.large) & (c < self.large)
            if missed is not None:
                ok &= np.repeat(missed, TILE)[: self.side.m] <= self.negligible * c
            found.append((c, (self.kappa > 0.0) & ~ok))
        return s, top, *found


class _Columns:
    """Accumulates column sums of a range of rows, and stores the row sums."""

    def __init__(self, parent, weighs, s, top, c):
        self.parent, self.weighs = parent, weighs
        self.s, self.top, self.c = s, top, c
        self.missed = [None] * len(weighs)

    def add(self, block):
        parent, xp = self.parent, self.parent.xp
        self.s[block.rows] = xp.astype(block.s, parent.wide)
        if block.top is not None:
            self.top[block.rows] = block.top
        for k, weigh in enumerate(self.weighs):
            w = weigh(block)
            part = xp.astype(xp.astype(w, parent.dtype) @ block.Z, parent.wide)
            if isinstance(block.cols, slice):
                self.c[k] += part
            else:
                self.c[k][block.cols] += part
            if block.lost is not None:
                bound = float(np.sum(w)) * parent.bases(block.lost)
                self.missed[k] = _plus(self.missed[k], bound)

    def plus(self, other):
        """Add the sums of later rows."""
        for k in range(len(self.weighs)):
            self.c[k] += other.c[k]
            self.missed[k] = _plus(self.missed[k], other.missed[k])
        return self


def _plus(x, y):
    """Return x + y, where None is zero."""
    if x is None or y is None:
        return y if x is None else x
    return x + y


@dataclass
class Gather:
    """Accumulator that stores one value of each row.

    Parameters
    ----------
    out : array of shape (n, ...)
        Where to.
    value : callable
        Given an :class:`Evaluated` returns what to store for its rows.
    """

    out: Any
    value: Any

    def add(self, block):
        """Store the value of a block."""
        self.out[block.rows, ...] = self.value(block)


@dataclass
class Collect:
    """Accumulator that keeps what a function returns for each block.

    Parameters
    ----------
    value : callable
        Given an :class:`Evaluated` returns anything.
    """

    value: Any
    parts: list = field(default_factory=list)

    def add(self, block):
        """Keep the value of a block."""
        self.parts.append(self.value(block))
