"""Exponents of a transport plan between points, one block of rows at a time.

Symbols: x_i (n) and y_j (m) points, c(x_i, y_j) their cost, u (n,) and v (m,) offsets,
k > 0 a factor; the exponents are

    E_ij = u_i + v_j - k c(x_i, y_j),

to the base that the processor's fastest exponential function has: u, v and k carry the
logarithm of the base. For a squared distance with factor h,
E_ij = (u_i - k h |x_i|^2) + (v_j - k h |y_j|^2) + 2 k h <x_i, y_j> is one matrix
product of points with two further features.

Blocks are large enough for the product to be fast and small enough to be still in the
cache when the exponential function and the sums read them.

Where the regularisation is small, most of a plan is far below rounding. On the host the
points are stored in the order of a k-d tree, so that consecutive ones are close. The
boxes around a block of rows and around a tile of columns bound the cost between them
below and the exponent above; tiles with a bound below the cut are left out, and each
block says how much at most it left out.

Source: J. Feydy, Geometric data analysis beyond convolutions, 2020, section 3.2.3
(block sparsity by bounding boxes).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import accumulation_dtype, namespace
from skopt2.solvers.transport.cost import CallableCost, SquaredEuclidean
from skopt2.solvers.transport.spatial import TILE, cost_reach

# Bytes of a block on the host: it has to stay in the cache of one core's share.
HOST_BLOCK = 6 * 2**20
# Elements of a block elsewhere: enough to fill a GPU.
DEVICE_BLOCK = 2**25
# Arrays of the size of a block that are alive at a time where nothing is in place.
TEMPORARIES = 4
MOST_ROWS, FEWEST_ROWS = 128, 16
# Share of the columns above which leaving out the rest costs more than it saves.
NEARLY_ALL = 0.75
# Stands for an offset of minus infinity, which a matrix product would turn into NaN.
NOTHING = {"float64": -1e200, "float32": -1e30}


@dataclass(frozen=True)
class Exponents:
    """Offsets of one pass over the blocks, made by :meth:`PointBlocks.exponents`.

    Parameters
    ----------
    u, v : array of shape (n,), (m,)
        Offsets in the order of the blocks.
    k : float
        Factor of the cost.
    left, right : array of shape (n, d + 2), (d + 2, m), or None
        Factors of the product for a squared distance.
    tops : ndarray of shape (n_tiles,) or None
        Largest v of each tile.
    cut : float
        Tiles whose bound is below are left out; -inf for none.
    lowest : float
        Bound below all exponents.
    """

    u: Any
    v: Any
    k: float
    left: Any = None
    right: Any = None
    tops: Any = None
    cut: float = -math.inf
    lowest: float = -math.inf


@dataclass(frozen=True)
class Block:
    """Exponents of some rows and the columns that were not left out.

    Parameters
    ----------
    rows : slice
        Rows, in the order of the blocks.
    cols : slice or ndarray
        Columns, likewise.
    E : array of shape (n_rows, n_cols)
        Exponents; to be overwritten.
    lost : ndarray of shape (n_tiles,) or None
        For each tile that was left out a bound of its exponents, -inf for the others;
        None if nothing was left out.
    top : float
        What was subtracted from the exponents and the bounds.
    """

    rows: slice
    cols: Any
    E: Any
    lost: Any = None
    top: float = 0.0


class PointBlocks:
    """Blocks of exponents between two sets of points.

    Parameters
    ----------
    cost : GroundCost
        Cost between the points.
    X, Y : array of shape (n, d), (m, d)
        Points, in the order that is to be used.
    tiled : bool
        Whether Y is in an order that keeps the points of a tile together.
    block : int, default=None
        Rows of a block; None to choose.
    """

    def __init__(self, cost, X, Y, tiled, block=None):
        self.cost, self.X, self.Y = cost, X, Y
        self.xp = namespace(X)
        self.on_host = self.xp is np
        self.n, self.m = int(X.shape[0]), int(Y.shape[0])
        self.tiled = tiled
        self.product = isinstance(cost, SquaredEuclidean)
        self.step = self._most_rows() if block is None else block
        self.fixed = block is not None
        self.reach = cost_reach(cost, X, Y)
        if tiled:
            starts = np.arange(0, self.m, TILE)
            self.low = np.minimum.reduceat(Y, starts, axis=0)
            self.high = np.maximum.reduceat(Y, starts, axis=0)

    def swapped(self, tiled):
        """Return the blocks with rows and columns exchanged."""
        cost = self.cost
        if isinstance(cost, CallableCost):
            function = cost.function
            cost = CallableCost(lambda Y, X: function(X, Y).T)
        block = self.step if self.fixed else None
        return PointBlocks(cost, self.Y, self.X, tiled, block)

    def _most_rows(self):
        """Return the rows of a block that has all columns."""
        size, m = self.X.dtype.itemsize if self.on_host else 8, max(self.m, 1)
        budget = cuda.memory_budget(cuda.target_of(self.X), 0.25)
        rows = budget // (TEMPORARIES * size * m)
        if not self.on_host:
            return int(max(1, min(rows, DEVICE_BLOCK // m)))
        fits = HOST_BLOCK // (size * m)
        return int(max(1, min(rows, max(fits, FEWEST_ROWS), MOST_ROWS)))

    def exponents(self, u, v, k, cut=-math.inf):
        """Return the offsets of a pass.

        Parameters
        ----------
        u, v : array of shape (n,), (m,)
            Offsets in the widest float, minus infinity included.
        k : float
            Factor of the cost.
        cut : float, default=-inf
            Tiles whose exponents are all below it are left out.

        Returns
        -------
        exponents : Exponents
        """
        xp, dtype = self.xp, self.X.dtype
        nothing = NOTHING["float32" if dtype == xp.float32 else "float64"]
        if dtype == xp.float32:
            u, v = _level(u, v)
        u, v = (xp.where(xp.isfinite(z), z, xp.full_like(z, nothing)) for z in (u, v))
        left = right = tops = None
        lowest, cut = -math.inf, cut if self.tiled else -math.inf
        if self.on_host and self.reach is not None:
            lowest = float(u.min() + v.min()) - k * self.reach
        if cut > -math.inf:
            tops = np.maximum.reduceat(v, np.arange(0, self.m, TILE))
        if self.product:
            left, right = self._factors(u, v, k * self.cost.factor)
        u, v = xp.astype(u, dtype), xp.astype(v, dtype)
        return Exponents(u, v, k, left, right, tops, cut, lowest)

    def _factors(self, u, v, factor):
        """Return the factors whose product is the exponents of a squared distance."""
        xp, dtype = self.xp, self.X.dtype
        wide = accumulation_dtype(self.X)
        x, y = xp.astype(self.X, wide), xp.astype(self.Y, wide)
        u = u - factor * xp.sum(x * x, axis=1)
        v = v - factor * xp.sum(y * y, axis=1)
        left = xp.concat([x, u[:, None], xp.ones_like(u)[:, None]], axis=1)
        right = xp.concat([2.0 * factor * y.T, xp.ones_like(v)[None, :], v[None, :]])
        return xp.astype(left, dtype), xp.astype(right, dtype)

    def walk(self, exponents, start=0, stop=None, top_of=None):
        """Yield the blocks of a range of rows.

        Parameters
        ----------
        exponents : Exponents
            Of this pass.
        start, stop : int
            Range of rows; all by default.
        top_of : callable, default=None
            Given a slice of rows returns what to subtract from their exponents before
            tiles are left out.

        Yields
        ------
        block : Block
            Its memory is used again for the next one.
        """
        stop = self.n if stop is None else stop
        memory, step = None, self.step
        while start < stop:
            rows = slice(start, min(start + step, stop))
            top = 0.0 if top_of is None else top_of(rows)
            cols, lost = self.columns(exponents, rows, top)
            width = self.m if lost is None else cols.shape[0]
            if self.on_host:
                size = (rows.stop - rows.start) * width
                if memory is None or memory.shape[0] < size:
                    memory = np.empty(size, dtype=self.X.dtype)
            E = self.fill(exponents, rows, cols, top, memory)
            yield Block(rows, cols, E, lost, top)
            start = rows.stop
            if exponents.tops is not None and not self.fixed:
                # The fewer columns remain, the more rows have room in the cache.
                room = self.step * self.m // max(width, 1)
                step = min(room, MOST_ROWS, 2 * step)

    def columns(self, exponents, rows, top=0.0):
        """Return the columns that matter to some rows, and the bounds of the others.

        Parameters
        ----------
        exponents : Exponents
            Of this pass.
        rows : slice
            Which.
        top : float, default=0.0
            What will be subtracted from the exponents.

        Returns
        -------
        cols : slice or ndarray
            Columns.
        lost : ndarray of shape (n_tiles,) or None
            See :class:`Block`.
        """
        if exponents.tops is None:
            return slice(None), None
        x = self.X[rows]
        gaps = np.maximum(self.low - x.max(axis=0), x.min(axis=0) - self.high)
        cost = self.cost.of_gaps(np.maximum(gaps, 0.0, out=gaps))
        bounds = exponents.tops - exponents.k * cost
        bounds += float(exponents.u[rows].max()) - top
        (tiles,) = np.nonzero(bounds >= exponents.cut)
        if tiles.shape[0] >= NEARLY_ALL * bounds.shape[0]:
            return slice(None), None
        bounds[tiles] = -math.inf
        cols = (tiles[:, None] * TILE + np.arange(TILE)).ravel()
        if tiles.shape[0] and tiles[-1] == bounds.shape[0] - 1:
            cols = cols[cols < self.m]
        return cols, bounds

    def fill(self, exponents, rows, cols, top=0.0, memory=None):
        """Return the exponents of some rows and columns.

        Parameters
        ----------
        exponents : Exponents
            Of this pass.
        rows, cols : slice or array
            Which.
        top : float, default=0.0
            What to subtract.
        memory : ndarray, default=None
            Vector that is large enough, to be overwritten; host only.

        Returns
        -------
        E : array of shape (n_rows, n_cols)
        """
        if self.product:
            left, right = exponents.left[rows, :], exponents.right
            if top != 0.0:
                left = left.copy()
                left[:, -2] -= top
            if not isinstance(cols, slice):
                right = right.take(cols, axis=1)
            if memory is None:
                return left @ right
            shape = (left.shape[0], right.shape[1])
            E = memory[: shape[0] * shape[1]].reshape(shape)
            return np.matmul(left, right, out=E)
        u, v = exponents.u[rows] - top, exponents.v[cols]
        C = self.cost.block(self.X[rows, :], self.Y[cols, :])
        if not self.on_host:
            return (u[:, None] - exponents.k * C) + v[None, :]
        C *= -exponents.k
        C += v
        C += u[:, None]
        return C


def _level(u, v):
    """Return offsets of the same sums with equal means, which rounding hurts least."""
    xp, means = namespace(u), []
    for z in (u, v):
        finite = xp.isfinite(z)
        count = xp.sum(xp.astype(finite, z.dtype))
        total = xp.sum(xp.where(finite, z, xp.zeros_like(z)))
        means.append(total / xp.maximum(count, xp.ones_like(count)))
    c = 0.5 * (means[1] - means[0])
    return u + c, v - c
