"""Costs between points behind the operator protocol of transport, never held at once.

Symbols: x_i (n, d) and y_j (m, d) points, C_ij = c(x_i, y_j) (n, m) their costs,
eps > 0 the regularisation, f (n,) and g (m,) potentials in the units of C, a (n,) and
b (m,) masses, P_ij = exp((f_i + g_j - C_ij) / eps) the plan.

Memory is O(n + m): the plan exists one block of rows at a time, see
:mod:`.point_blocks` and :mod:`.plan_pass`.

Potentials may have more digits than the points: those of an iteration, whose sums they
correct, should. The potentials of all methods belong to the cost between *centred*
points, from which the original cost differs by terms p_i + q_j; see :mod:`.centring`.
``inside`` and ``outside`` translate the potentials, and <a, f> + <b, g> of the original
ones is larger by ``offset(a, b)``. Costs that methods return are original.

Source: J. Feydy, Geometric data analysis beyond convolutions, 2020, chapter 3
(streamed reductions).
"""

import functools

from skopt2._core.array import device_of, dot64, max_abs, sum64
from skopt2.solvers.transport.plan_pass import Gather
from skopt2.solvers.transport.point_passes import PointPasses
from skopt2.solvers.transport.sparse_plan import LargeEntries
from skopt2.solvers.transport.streamed_rounding import StreamedRounding
from skopt2.solvers.transport.streamed_sweep import take_sweep


class PointCloudGeometry(PointPasses):
    """Costs between two point clouds, evaluated where they are needed.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Points, finite, in one floating dtype and namespace.
    metric : str or callable, default="sqeuclidean"
        See :func:`.cost.ground_cost`.
    block : int, default=None
        Rows of a block; None to choose by the cache, or by the free device memory.
    """

    stored = False

    def __init__(self, X, Y, metric="sqeuclidean", block=None):
        super().__init__(X, Y, metric, block)
        self.outside = self.centring.outside
        self.inside = self.centring.inside
        self.offset = self.centring.offset

    @functools.cached_property
    def scale(self):
        """Largest absolute cost between the centred points, or a bound of it."""
        if self.rows.reach is not None:
            return self.rows.reach
        return max(max_abs(C) for C in self._costs(*self._centred()))

    def mean_cost(self):
        """Return the mean of the original costs C_ij."""
        total = sum(sum64(C) for C in self._costs(self.cost, self.X, self.Y))
        return total / (self.shape[0] * self.shape[1])

    def _centred(self):
        return self.centring.cost, self.centring.X, self.centring.Y

    def _costs(self, cost, X, Y):
        """Yield blocks of the costs."""
        n, step = self.shape[0], self.rows.step
        for start in range(0, n, step):
            yield cost.block(X[start : min(start + step, n), :], Y)

    def reduction(self):
        """Return potentials (f, g) that leave nonnegative costs with tight zeros.

        f_i = min_j C_ij, g_j = min_i (C_ij - f_i), as for a stored cost.
        """
        zeros = self.xp.zeros(self.shape[1], dtype=self.wide, device=device_of(self.X))
        f = self.hardmin(self.rows, zeros)
        g = self.hardmin(self.cols, f)
        return self.leave(f, 0), self.leave(g, 1)

    def row_softmin(self, g, eps):
        """Return -eps * log sum_j exp((g_j - C_ij) / eps), shape (n,)."""
        return self.leave(self.softmin(self.rows, self.enter(g, 1), eps), 0)

    def col_softmin(self, f, eps):
        """Return -eps * log sum_i exp((f_i - C_ij) / eps), shape (m,)."""
        return self.leave(self.softmin(self.cols, self.enter(f, 0), eps), 1)

    def sweep(self, f, g, log_a, log_b, eps, omega=1.0):
        """Update f from g, then g from the new f, with one pass over the plan.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Potentials before the sweep. Rows whose plan is far from their mass are
            evaluated twice: a good f saves time.
        log_a, log_b : array of shape (n,), (m,)
            Logarithms of the masses, minus infinity where there is none.
        eps : float
            Regularisation.
        omega : float or (float, float), default=1.0
            Relaxation, between 0 and 2, of the rows and of the columns. Those that are
            far from their mass are not over-relaxed.

        Returns
        -------
        f, g : array of shape (n,), (m,)
            Potentials after the sweep.
        row_error : float
            L1 error of the row sums before the sweep.
        """
        f, g, row_error, _ = take_sweep(self, f, g, log_a, log_b, eps, omega)
        return f, g, row_error

    def sweep_and_sums(self, f, g, log_a, log_b, eps, omega=1.0):
        """Take a sweep, and return the sums of the plan before it as well.

        Costs little more than the sweep, and as much as the sums alone.

        Parameters
        ----------
        f, g, log_a, log_b, eps, omega
            As in :meth:`sweep`.

        Returns
        -------
        f, g : array of shape (n,), (m,)
            Potentials after the sweep.
        rows, cols : array of shape (n,), (m,)
            Sums of the plan before it.
        """
        arguments = (self, f, g, log_a, log_b, eps, omega)
        f, g, _, sums = take_sweep(*arguments, sums=True)
        return f, g, *sums

    def marginals(self, f, g, eps, log_a=None, log_b=None):
        """Return the sums of the plan over rows (n,) and columns (m,).

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Potentials.
        eps : float
            Regularisation.
        log_a, log_b : array of shape (n,), (m,), default=None
            Logarithms of masses that the sums are near to. They change nothing but the
            time, where masses are unequal and the regularisation is small.

        Returns
        -------
        rows, cols : array of shape (n,), (m,)
        """
        masses = None if log_a is None else (log_a, log_b)
        one = self.over_plan(f, g, eps, masses)
        s, _, (c, doubt) = one.columns(lambda block: one.rho[block.rows])
        c = self.complete(c, doubt, one, one.rho)
        dtype = f.dtype
        return self.leave(one.rho * s, 0, dtype), self.leave(one.kappa * c, 1, dtype)

    def sparsify(self, f, g, eps, threshold, log_a=None, log_b=None, most=None):
        """Return the full sums of the plan, and its entries above a threshold.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Potentials.
        eps : float
            Regularisation.
        threshold : float
            Entries above it are kept; relative to a_i b_j if masses are given.
        log_a, log_b : array of shape (n,), (m,), default=None
            Logarithms of masses.
        most : int, default=None
            Most entries to keep.

        Returns
        -------
        rows, cols : array of shape (n,), (m,)
            Sums over all entries.
        S : sparse matrix of shape (n, m) or None
            CSR; SciPy's for NumPy and for generic namespaces, the device's for CuPy.
            None where there are more than ``most`` entries.
        """
        masses = None if log_a is None else (log_a, log_b)
        one = self.over_plan(f, g, eps, masses)
        entries = LargeEntries(one, threshold, most)

        def weigh(block):
            entries.add(block)
            return one.rho[block.rows]

        s, _, (c, doubt) = one.columns(weigh)
        c = self.complete(c, doubt, one, one.rho)
        S, dtype = entries.matrix(*self.orders), f.dtype
        rows = self.leave(one.rho * s, 0, dtype)
        return rows, self.leave(one.kappa * c, 1, dtype), S

    def apply(self, f, g, eps, V):
        """Return P @ V for V of shape (m,) or (m, k)."""
        return self._apply(f, g, eps, V, transposed=False)

    def apply_t(self, f, g, eps, U):
        """Return P' @ U for U of shape (n,) or (n, k)."""
        return self._apply(f, g, eps, U, transposed=True)

    def _apply(self, f, g, eps, V, transposed):
        xp = self.xp
        one = self.over_plan(f, g, eps, transposed=transposed)
        V = self.enter(V, 0 if transposed else 1)
        column = (slice(None),) + (None,) * (V.ndim - 1)
        weighted = xp.astype(one.kappa[column] * V, self.dtype)
        shape = (one.side.n, *V.shape[1:])
        out = xp.zeros(shape, dtype=self.wide, device=device_of(V))

        def product(block):
            # Only the host, where the products are of NumPy, selects columns.
            part = weighted if isinstance(block.cols, slice) else weighted[block.cols]
            return xp.astype(block.Z @ part, self.wide)

        one.run(lambda: Gather(out, product))
        return self.leave(one.rho[column] * out, 1 if transposed else 0)

    def inner(self, f, g, eps):
        """Return the transport cost <P, C>, accumulated in float64."""
        xp, base = self.xp, self.power.log_base
        one = self.over_plan(f, g, eps, keep=True)
        drop = xp.zeros_like(one.rho)

        def weigh(block):
            E = block.E
            E *= block.Z
            drop[block.rows] = xp.astype(E @ one.weights[block.cols], self.wide)
            return one.rho[block.rows]

        s, _, (c, _) = one.columns(weigh)
        rows, cols = one.rho * s, one.kappa * c
        # C_ij = eps (u_i + v_j - log P_ij): the costs need not be evaluated.
        lifted = dot64(rows, one.u) + dot64(cols, one.v) - dot64(one.rho, drop)
        return eps * base * lifted + self._offset_in_order(rows, cols)

    def _offset_in_order(self, rows, cols):
        """Return <rows, p> + <cols, q> of sums in the order of the blocks."""
        p, q = self.centring.p, self.centring.q
        if p is None:
            return 0.0
        return dot64(rows, self.enter(p, 0)) + dot64(cols, self.enter(q, 1))

    def round(self, f, g, eps, a, b):
        """Return cost and entropy of the plan rounded onto the marginals a and b.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Potentials.
        eps : float
            Regularisation.
        a, b : array of shape (n,), (m,)
            Marginals of equal sums.

        Returns
        -------
        cost : float
            <P', C> of the rounded plan P'.
        entropy : float
            sum_ij P'_ij (log P'_ij - 1).
        """
        return self.round_with_divergence(f, g, eps, a, b)[:2]

    def round_with_divergence(self, f, g, eps, a, b):
        """Return cost, entropy and divergence from P of the plan P' rounded onto a, b.

        The divergence sum_ij P'_ij log(P'_ij / P_ij) - P'_ij + P_ij times eps is the
        duality gap of P' and (f, g).

        Returns
        -------
        cost, entropy, divergence : float
        """
        cost, entropy, divergence = StreamedRounding(self, f, g, eps, a, b).totals()
        return cost + self.centring.offset(a, b), entropy, divergence

    def plan(self, f, g, eps):
        """Return the plan of shape (n, m), in memory."""
        xp, (_, x, y) = self.xp, self._centred()
        f, g = (xp.astype(z, self.wide) for z in (f, g))
        one = self.make(f, g, eps, side=self.blocks(x, y))
        P = xp.empty(self.shape, dtype=self.dtype, device=device_of(x))
        rho = xp.astype(one.rho, self.dtype)

        def entries(block):
            Z = block.Z
            Z *= rho[block.rows][:, None]
            Z *= one.weights[None, :]
            return Z

        one.run(lambda: Gather(P, entries))
        return P

    def cost_gradient(self, f, g, eps):
        """Return sum_j P_ij dc(x_i, y_j) / dx_i, shape (n, d), of the original cost.

        The gradient with respect to Y is that of the geometry with X and Y exchanged.

        Raises
        ------
        ValueError
            If the metric is a callable.
        """
        xp, one = self.xp, self.over_plan(f, g, eps)
        pairs = zip((self.X, self.Y), self.orders, strict=True)
        X, Y = (z if order is None else z[order] for z, order in pairs)
        out = xp.zeros(X.shape, dtype=self.wide, device=device_of(X))

        def gradient(block):
            Z, rows = block.Z, block.rows
            Z *= one.weights[block.cols][None, :]
            part = self.cost.grad_x(X[rows, :], Y[block.cols, :], Z)
            return one.rho[rows][:, None] * xp.astype(part, self.wide)

        one.run(lambda: Gather(out, gradient))
        return self.leave(out, 0)
