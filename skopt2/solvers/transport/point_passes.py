"""Two point clouds made ready for passes over a plan between them.

Symbols: x_i (n, d) and y_j (m, d) points, C_ij their costs, f (n,) and g (m,)
potentials, eps > 0 the regularisation. The clouds are centred (:mod:`.centring`), on
the host brought into an order that keeps close points together, and cut in blocks
(:mod:`.point_blocks`); potentials go in and out in the order of the user.
"""

import functools
import math

import numpy as np

from skopt2._core.array import accumulation_dtype, device_of, namespace, put
from skopt2.solvers.transport import shards
from skopt2.solvers.transport.centring import centred
from skopt2.solvers.transport.cost import ground_cost
from skopt2.solvers.transport.plan_pass import Gather, PlanPass
from skopt2.solvers.transport.point_blocks import PointBlocks
from skopt2.solvers.transport.power import Power
from skopt2.solvers.transport.spatial import TILE, spatial_order, worth_ordering

# Entries left out of a sum are smaller than exp(CUT), relative to the product of their
# masses: together they are less than rounding, and a factor of 60 is kept in hand.
CUT = {"float64": -60.0 * math.log(2.0), "float32": -32.0 * math.log(2.0)}


class PointPasses:
    """Point clouds, their cost, and passes over plans between them.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Points.
    metric : str or callable
        See :func:`.cost.ground_cost`.
    block : int or None
        Rows of a block; None to choose.
    """

    def __init__(self, X, Y, metric, block):
        self.X, self.Y, self.cost = X, Y, ground_cost(metric)
        self.xp, self.dtype = namespace(X, Y), X.dtype
        self.shape = (int(X.shape[0]), int(Y.shape[0]))
        self.wide = accumulation_dtype(X)
        self.power = Power(self.xp, self.dtype)
        self.centring = centred(self.cost, X, Y)
        self.block = block
        single = self.dtype == self.xp.float32
        self._cut = CUT["float32" if single else "float64"]
        x, y = self.centring.X, self.centring.Y
        self.tiled = self.centring.cost.bounded and worth_ordering(x, y)
        self.orders = (None, None)
        if self.tiled:
            self.orders = (spatial_order(x), spatial_order(y))
            x, y = x[self.orders[0]], y[self.orders[1]]
        self.rows = self.blocks(x, y, self.tiled)

    @functools.cached_property
    def cols(self):
        """Blocks of the transposed problem."""
        return self.rows.swapped(self.tiled)

    def blocks(self, X, Y, tiled=False):
        """Return blocks between other centred points."""
        return PointBlocks(self.centring.cost, X, Y, tiled, self.block)

    def enter(self, values, side):
        """Return values of the rows (side 0) or columns (1) in the order of the blocks.

        In the widest float of the device.
        """
        values = self.xp.astype(values, self.wide)
        order = self.orders[side]
        return values if order is None else values[order]

    def leave(self, values, side, dtype=None):
        """Return values in the order of the user, by default in the points' dtype."""
        dtype = self.dtype if dtype is None else dtype
        values, order = self.xp.astype(values, dtype), self.orders[side]
        if order is None:
            return values
        out = np.empty_like(values)
        out[order] = values
        return out

    def make(self, f, g, eps, masses=None, side=None, cut=-math.inf, **options):
        """Return a pass over exp((f_i + g_j - C_ij) / eps) / (mass_i mass_j).

        Parameters
        ----------
        f, g : array
            Potentials in the order of the side.
        eps : float
            Regularisation.
        masses : tuple of array, default=None
            Logarithms of the masses. None for ones, and zeros at potentials of -inf.
        side : PointBlocks, default=None
            Blocks; those of the rows by default.
        cut : float, default=-inf
            Logarithm below which entries are left out.
        **options : dict
            Of :class:`.plan_pass.PlanPass`.

        Returns
        -------
        one : PlanPass
        """
        xp, base = self.xp, self.power.log_base
        side = self.rows if side is None else side
        offsets, weights = [], []
        for k, z in enumerate((f, g)):
            offset = z / (eps * base)
            if masses is None:
                weight = xp.astype(z > -math.inf, self.wide)
            else:
                weight = xp.exp(masses[k])
                log = xp.where(weight > 0, masses[k], xp.zeros_like(z))
                offset = offset - log / base
            offsets.append(xp.where(weight > 0, offset, xp.zeros_like(z) - math.inf))
            weights.append(weight)
        exponents = side.exponents(*offsets, 1.0 / (eps * base), cut / base)
        return PlanPass(side, exponents, offsets, weights, self.power, **options)

    def over_plan(
        self, f, g, eps, masses=None, transposed=False, complete=False, **options
    ):
        """Return a pass over the plan of potentials in the order of the user.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Potentials.
        eps : float
            Regularisation.
        masses : tuple of array of shape (n,), (m,), default=None
            Logarithms of masses by which the plan is divided.
        transposed : bool, default=False
            Whether to pass over P'.
        complete : bool, default=False
            Whether entries far below rounding are wanted as well.
        **options : dict
            Of :class:`.plan_pass.PlanPass`.

        Returns
        -------
        one : PlanPass
        """
        f, g = self.enter(f, 0), self.enter(g, 1)
        cut = -math.inf if complete else self._cut
        if masses is None:
            # For want of masses entries of about 1 / (n m) are taken to matter.
            cut -= math.log(self.shape[0]) + math.log(self.shape[1])
        else:
            masses = tuple(self.enter(mass, k) for k, mass in enumerate(masses))
        if not transposed:
            return self.make(f, g, eps, masses, self.rows, cut, **options)
        masses = None if masses is None else masses[::-1]
        return self.make(g, f, eps, masses, self.cols, cut, **options)

    def first_sweep(self, f, g, log_a, log_b, eps):
        """Return the pass of a sweep: over P_ij / (a_i b_j), checked row by row."""
        masses = (log_a, log_b)
        return self.make(f, g, eps, masses, None, self._cut, form="checked")

    def softmin(self, side, g, eps):
        """Return -eps * log sum_j exp((g_j - C_ij) / eps) of a side, in its order."""
        xp, base = self.xp, self.power.log_base
        zeros = xp.zeros(side.n, dtype=self.wide, device=device_of(side.X))
        cut = self._cut - math.log(max(side.m, 1))
        one = self.make(zeros, g, eps, side=side, cut=cut, form="relative")
        out = xp.zeros_like(zeros)

        def value(block):
            log_s = xp.log(xp.astype(block.s, self.wide))
            return -eps * (log_s + base * (0.0 if block.top is None else block.top))

        one.run(lambda: Gather(out, value))
        return out

    def hardmin(self, side, g):
        """Return min_j (C_ij - g_j) of a side, in its order."""
        xp = self.xp
        u = xp.zeros(side.n, dtype=self.wide, device=device_of(side.X))
        out, exponents = xp.zeros_like(u), side.exponents(u, g, 1.0)

        def work(start, stop):
            for block in side.walk(exponents, start, stop):
                out[block.rows] = -xp.astype(xp.max(block.E, axis=1), self.wide)

        if side.on_host:
            list(shards.run(work, side.n, side.m, TILE))
        else:
            work(0, side.n)
        return out

    def some_columns(self, index):
        """Return the blocks of some columns against all rows, columns first."""
        Y = self.xp.take(self.rows.Y, index, axis=0)
        return self.blocks(self.rows.X, Y).swapped(False)

    def complete(self, c, doubt, one, w):
        """Return column sums with those in doubt computed once more, completely.

        Parameters
        ----------
        c : array of shape (m,)
            Sums sum_i w_i Z_ij of the pass.
        doubt : array of bool of shape (m,)
            Which to compute once more.
        one : PlanPass
            The pass, over the rows.
        w : array of shape (n,)
            Weights of its rows.

        Returns
        -------
        c : array of shape (m,)
        """
        xp = self.xp
        if not bool(xp.any(doubt)):
            return c
        (index,) = xp.nonzero(doubt)
        side = self.some_columns(index)
        u, v, k = one.v, one.u, one.exponents.k
        u, kappa = xp.take(u, index), xp.take(one.kappa, index)
        again = PlanPass(side, side.exponents(u, v, k), (u, v), (kappa, w), self.power)
        sums = xp.zeros_like(u)
        again.run(lambda: Gather(sums, lambda block: xp.astype(block.s, self.wide)))
        return put(c, index, sums)
