"""Sinkhorn divergence: entropic transport without the bias of its regularisation.

S(a, b) = W(a, b) - W(a, a) / 2 - W(b, b) / 2 + reg / 2 (m_a - m_b)^2, where W is the
optimal value with the regularisation reg KL(P | a b'), m_a and m_b the totals of a and
b. The last term cancels what the KL divergences contribute by their totals alone: with
values W less reg m_a m_b, as here, it is not seen.

With the potentials f, g of W(a, b) and p of W(a, a), all relative to the masses, and
the plans P and Q of both, the envelope theorem gives the gradients

    dS / dx_i = sum_j P_ij d c(x_i, y_j) / dx_i - sum_j Q_ij d c(x_i, x_j) / dx_i,
    dS / da_i = f_i - p_i, or (rho + reg) (exp(-p_i / rho) - exp(-f_i / rho))

for balanced transport, up to a constant, or unbalanced transport. Each potential is the
soft minimum of the other side's, which extends it to points without mass.

Sources: J. Feydy, T. Sejourne, F.-X. Vialard et al., Interpolating between optimal
transport and MMD using Sinkhorn divergences, AISTATS 2019; T. Sejourne, J. Feydy,
F.-X. Vialard et al., Sinkhorn divergences for unbalanced optimal transport, 2019.
"""

import functools
import math
import time
from dataclasses import dataclass, field

from skopt2._core.array import device_of, dot64, move, namespace, sum64, take
from skopt2._core.parameters import check_positive
from skopt2._core.result import Certificate
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.solvers.transport.cost import METRICS
from skopt2.transport.point_cloud import PointCloud
from skopt2.transport.problem import check_problem
from skopt2.transport.result import TransportResult
from skopt2.transport.self_term import solve_self_term
from skopt2.transport.sinkhorn import (
    check_options,
    transport,
    warn_unless_converged,
)
from skopt2.transport.unbalanced import check_reg_marginal, keep_masses


@dataclass(frozen=True, eq=False)
class DivergenceResult:
    """Sinkhorn divergence of two measures, and its gradients.

    Attributes
    ----------
    value : float
        The divergence, in units of cost times mass. For a named metric it is never
        negative, and what rounding takes below zero is returned as zero.
    potentials : tuple of array
        ``(f, g, p, q)`` in the units of the cost: (f, g) of shapes (n,) and (m,)
        between both measures, p (n,) and q (m,) of each measure to itself. -inf where
        there is no mass.
    marginal_error : float
        Largest of the three problems, as a share of the mass.
    converged : bool
        Whether all three problems reached the tolerance.
    stop_reason : str
        ``"converged"``, or why the first of them that did not converge stopped; see
        :class:`TransportResult`.
    n_iter : int
        Sweeps and Newton steps of all three.
    certificate : Certificate
        Marginal error beside its tolerance.
    transport : TransportResult
        Transport between both measures: its plan, its history.
    reg : float
        Regularisation, in the units of the cost.
    """

    value: float
    potentials: tuple = field(repr=False)
    marginal_error: float
    converged: bool
    stop_reason: str
    n_iter: int
    certificate: Certificate
    transport: TransportResult = field(repr=False)
    reg: float
    _clouds: tuple = field(repr=False)
    _selves: tuple = field(repr=False)

    @functools.cached_property
    def dual_gap(self):
        """Bound on the error of the value, in units of cost times mass.

        The value is a difference of dual objectives, which are too small by no more
        than their gaps.
        """
        selves = 0.5 * sum(term.gap() for term in self._selves)
        return max(self.transport.dual_gap, selves)

    def gradient(self):
        """Return the gradient of the value with respect to the points X.

        Returns
        -------
        gradient : array of shape (n, n_features)
            Where ``X`` is; zeros for points without mass. For that with respect to Y,
            exchange the measures.

        Raises
        ------
        ValueError
            If the metric is a callable.
        """
        own = self._selves[0]
        pairs = (
            (self.transport._problem, self.transport._inner),
            (own.problem, own.inner),
        )
        pulls = []
        for cloud, (problem, inner) in zip(self._clouds, pairs, strict=True):
            geometry = _streamed(cloud, problem, problem.rows)
            with problem.target.activate():
                pull = geometry.cost_gradient(*inner, self.reg) * problem.mass
                pulls.append(move(problem.extend_rows(pull), problem.source))
        return pulls[0] - pulls[1]

    def gradient_weights(self):
        """Return the gradient of the value with respect to the masses a.

        Returns
        -------
        gradient : array of shape (n,)
            Where ``X`` is, those of no mass included. Balanced masses can only change
            with their total fixed, so that the gradient is up to a constant: its mean
            over a is zero.
        """
        own, rho = self._selves[0], self._selves[0].rho
        problem = self.transport._problem
        f = self._extended(self._clouds[0], problem, self.potentials[1])
        p = self._extended(self._clouds[1], own.problem, self.potentials[2])
        if not math.isinf(rho):
            xp, damping = namespace(f), rho / (rho + self.reg)
            f, p = damping * f, damping * p
            change = (rho + self.reg) * xp.exp(-p / rho) * -xp.expm1((p - f) / rho)
            return move(change, problem.source)
        change = f - p
        kept = change
        if problem.rows is not None:
            kept = take(change, problem.rows)
        mean = dot64(problem.a, kept) / sum64(problem.a)
        return move(change - mean, problem.source)

    def _extended(self, cloud, problem, g):
        """Return the potential of all rows that the potential of the columns implies.

        Relative to the masses, of the original cost.
        """
        with problem.target.activate():
            whole, g = _streamed(cloud, problem, None), move(g, problem.target)
            g = g if problem.cols is None else take(g, problem.cols)
            unused = whole.xp.zeros(whole.shape[0], dtype=g.dtype, device=device_of(g))
            _, g = whole.centring.inside(unused, g)
            f, _ = whole.centring.outside(whole.row_softmin(g, self.reg), g)
        return f


def sinkhorn_divergence(
    X,
    Y,
    reg,
    *,
    a=None,
    b=None,
    metric="sqeuclidean",
    reg_marginal=None,
    solver="auto",
    tol=1e-6,
    max_iter=None,
    start=None,
    streamed=None,
    time_limit=None,
    device=None,
):
    """Compute the Sinkhorn divergence of two weighted point clouds.

    W(a, b) - W(a, a) / 2 - W(b, b) / 2, with W(a, b) the minimum of <P, cost> +
    reg * KL(P | a b') over plans P with row sums a and column sums b: a loss that is
    zero for equal measures only, and smooth in the points. It tends to the transport
    cost for small ``reg``, and for large to a maximum mean discrepancy, which for
    squared distances is the squared distance of the means.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Points of the first measure. NumPy, CuPy, and other array-API arrays while
        scikit-learn's array API dispatch is on. float32 stays float32.
    Y : array-like of shape (m, n_features)
        Points of the second measure.
    reg : float
        Regularisation, in the units of the cost.
    a, b : array-like of shape (n,), (m,), default=None
        Nonnegative masses; None for equal masses of sum 1. Their totals have to be
        equal unless ``reg_marginal`` is set.
    metric : {"sqeuclidean", "euclidean", "cityblock", "cosine"} or callable, \
            default="sqeuclidean"
        Ground cost, see :class:`PointCloud`. A callable has to be symmetric; with it
        there is no gradient, and the value may be negative.
    reg_marginal : float, default=None
        Price of masses that differ from the sums of the plan, in the units of the cost,
        for all three problems; see :func:`sinkhorn`. The value is then that of the
        unbalanced problems, plus reg / 2 times the squared difference of the totals.
    solver : {"auto", "sinkhorn", "newton"}, default="auto"
        For W(a, b), see :func:`sinkhorn`. The other two take 10 to 30 averaged sweeps.
    tol : float, default=1e-6
        Tolerance of the marginal error of each problem, as a share of the mass. The
        error of the value is of second order in it.
    max_iter : int, default=None
        Largest number of sweeps and Newton steps of each problem; None for 10000.
    start : tuple of array, default=None
        Potentials ``(f, g, p, q)`` to start from, as a result has them.
    streamed : bool, default=None
        Whether costs are computed when needed, see :class:`PointCloud`.
    time_limit : float, default=None
        Seconds after which to stop.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None is where ``X`` is. The result is where ``X`` is.

    Returns
    -------
    result : DivergenceResult
        Value, potentials and certificate; gradients and an error bound when asked for.

    Raises
    ------
    ValueError
        If points, masses or a parameter are out of range, the totals differ, or the
        metric is not symmetric.

    Warns
    -----
    ConvergenceWarning
        If one of the problems did not reach the tolerance.

    See Also
    --------
    sinkhorn : Solve entropic transport.
    sliced_wasserstein : A distance that needs sorts only.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import sinkhorn_divergence
    >>> X = np.random.default_rng(0).standard_normal((50, 2))
    >>> result = sinkhorn_divergence(X, X + [3.0, 4.0], reg=0.5)
    >>> round(result.value, 6)
    25.0
    >>> np.round(result.gradient().sum(axis=0), 6)
    array([-6., -8.])
    >>> sinkhorn_divergence(X, X, reg=0.5).value < 1e-9
    True
    """
    reg = check_positive("reg", reg, hint="It is in the units of the cost.")
    check_options(solver, tol, max_iter, time_limit)
    prices = check_reg_marginal(reg_marginal, solver)
    rho = _one_price(prices)
    start = _check_start(start)
    options = {"tol": tol, "max_iter": max_iter}
    clock = _Clock(time_limit)
    between = PointCloud(X, Y, metric, streamed=streamed)
    problem = check_problem(a, b, between, device=device, balanced=prices is None)
    # The shorter problems first: what time there is belongs to the longest.
    clouds, selves = [], []
    for points, masses, first in ((between.X, a, start[2]), (between.Y, b, start[3])):
        cloud = PointCloud(points, points, metric, streamed=streamed)
        own = check_problem(masses, masses, cloud, device=device)
        own = own if prices is None else keep_masses(own)
        found = solve_self_term(
            own, reg, rho, first, time_limit=clock.left(), **options
        )
        clouds.append(cloud)
        selves.append(found)
    found = transport(
        problem,
        reg,
        prices,
        solver=solver,
        start=start[:2] if start[0] is not None else None,
        time_limit=clock.left(),
        **options,
    )
    result = _describe(found, selves, (between, clouds[0]), metric, tol)
    warn_unless_converged(result)
    return result


def _describe(found, selves, clouds, metric, tol):
    """Return what the user gets for three solved problems."""
    value = _value(found) - 0.5 * (selves[0].value + selves[1].value)
    if metric in METRICS:
        value = max(value, 0.0)
    parts = [(found.marginal_error, found.stop_reason, found.n_iter)]
    for term in selves:
        result = term.result
        parts.append((result.certificate.value, str(result.reason), result.n_iter))
    errors, reasons, counts = zip(*parts, strict=True)
    reasons = [reason for reason in reasons if reason != "converged"]
    return DivergenceResult(
        value=value,
        potentials=(*found.potentials, *(term.potential for term in selves)),
        marginal_error=max(errors),
        converged=not reasons,
        stop_reason=reasons[0] if reasons else "converged",
        n_iter=sum(counts),
        certificate=Certificate(MARGINAL_ERROR, max(errors), tol),
        transport=found,
        reg=found.reg,
        _clouds=clouds,
        _selves=tuple(selves),
    )


def _value(found):
    """Return the optimal value with the reference a b', without reg m_a m_b."""
    problem, reg = found._problem, found.reg
    a, b = problem.a, problem.b
    if hasattr(found, "reg_marginal"):
        return found.objective - reg * sum64(a) * sum64(b)
    xp = namespace(a)
    entropy = dot64(a, xp.log(a)) + dot64(b, xp.log(b)) + math.log(problem.mass)
    return found.objective - reg * problem.mass * entropy


def _streamed(cloud, problem, rows):
    """Return the costs of some rows and the columns that have mass, computed lazily."""
    lazy = PointCloud(cloud.X, cloud.Y, cloud.metric, streamed=True)
    return lazy.geometry(problem.target, rows, problem.cols)


def _one_price(prices):
    """Return the price of both sides, inf for balanced transport."""
    if prices is None:
        return math.inf
    if prices[0] != prices[1]:
        raise ValueError(
            f"reg_marginal must be one number for both sides; got {prices}. Only then "
            "is the divergence zero for equal measures."
        )
    return prices[0]


def _check_start(start):
    """Return four potentials, or None four times."""
    if start is None:
        return (None,) * 4
    if len(start) != 4:
        raise ValueError(
            "start must be four potentials (f, g, p, q), as result.potentials; it has "
            f"{len(start)} items."
        )
    return tuple(start)


class _Clock:
    """Seconds that are left of a limit."""

    def __init__(self, limit):
        self.limit, self.begin = limit, time.perf_counter()

    def left(self):
        """Return the seconds that are left, none less than zero; None for no limit."""
        if self.limit is None:
            return None
        return max(self.limit - (time.perf_counter() - self.begin), 0.0)
