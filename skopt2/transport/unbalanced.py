"""Entropic transport that may create and destroy mass, at a price."""

import functools
import math
import numbers
from dataclasses import dataclass, replace

from skopt2._core.array import move
from skopt2._core.iterate import iterate
from skopt2._core.result import Certificate, brief_repr
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.solvers.transport.unbalanced import UnbalancedScaling
from skopt2.transport.result import TransportResult


@dataclass(frozen=True, eq=False, kw_only=True)
class UnbalancedResult(TransportResult):
    """Solution of an unbalanced transport problem.

    The plan P_ij = exp((f_i + g_j - cost_ij) / reg) is that of the masses as they were
    passed. It has no given marginals, and nothing is rounded onto them.

    Attributes
    ----------
    potentials : tuple of array
        ``(f, g)`` of shapes (n,) and (m,), in the units of the cost; -inf where there
        is no mass. A shift between both, which the plan does not depend on, is that of
        the largest dual objective.
    objective : float
        Dual objective of the unbalanced problem, which :func:`sinkhorn` states: a lower
        bound on its minimum.
    marginal_error : float
        L1 distance of the sums of the plan to a exp(-f' / rho1) and b exp(-g' / rho2),
        divided by the mass of the plan, with the potentials relative to the masses
        f' = f - reg log a and g' = g - reg log b. It is the norm of the gradient of the
        dual objective, zero at the solution only.
    converged : bool
        Whether the marginal error reached the tolerance.
    stop_reason : str
        As in :class:`TransportResult`.
    n_iter : int
        Sweeps.
    history : dict of ndarray
        As in :class:`TransportResult`, and ``gap``, a bound on the error of the
        objective.
    certificate : Certificate
        Marginal error beside its tolerance.
    solver : str
        ``"sinkhorn"``.
    reg : float
        Regularisation, in the units of the cost.
    reg_marginal : tuple of float
        Prices (rho1, rho2) of leaving a and b, in the units of the cost.
    """

    reg_marginal: tuple

    __repr__ = brief_repr

    @functools.cached_property
    def dual_gap(self):
        """Bound on the error of the objective, in units of cost times mass.

        The primal objective of the plan, or of a plan near it, less the dual objective;
        never negative. It is a sum of terms without cancellation, and may be far below
        the rounding of the objective.
        """
        problem = self._problem
        method = _solver(problem, self.reg, self.reg_marginal, self.certificate.tol)
        return method.gap(*self._inner)

    @property
    def rounded_cost(self):
        """Raise: the marginals of the plan are free."""
        raise AttributeError(
            "rounded_cost is that of a plan with given marginals, which the plan of an "
            "unbalanced problem does not have. Its cost is the attribute cost."
        )


def check_reg_marginal(reg_marginal, solver="auto"):
    """Return the prices of leaving the marginals; None for balanced transport.

    Parameters
    ----------
    reg_marginal : None, float or pair of float
        What the user passed.
    solver : str, default="auto"
        Name of the solver that the user asked for.

    Returns
    -------
    prices : tuple of float or None
        None if both are infinite.

    Raises
    ------
    ValueError
        If a price is not positive, there are not one or two of them, or the solver is
        one for balanced transport only.
    """
    if reg_marginal is None:
        return None
    pair = reg_marginal
    if isinstance(pair, numbers.Real):
        pair = (pair, pair)
    valid = isinstance(pair, (tuple, list)) and len(pair) == 2
    if not valid or not all(
        isinstance(rho, numbers.Real) and not isinstance(rho, bool) and rho > 0
        for rho in pair
    ):
        raise ValueError(
            "reg_marginal must be None, a positive number, or a pair of positive "
            f"numbers; got {reg_marginal!r}. It is in the units of the cost, and inf "
            "fixes the sums of its side."
        )
    prices = tuple(float(rho) for rho in pair)
    if all(math.isinf(rho) for rho in prices):
        return None
    if solver == "newton":
        raise ValueError(
            "solver='newton' solves balanced transport only; with reg_marginal="
            f"{reg_marginal!r} pass solver='auto'."
        )
    return prices


def keep_masses(problem):
    """Return a problem with its masses as they were passed, not divided by their sums.

    Parameters
    ----------
    problem : TransportProblem
        With masses of sum one.

    Returns
    -------
    problem : TransportProblem
        With totals of one, so that nothing that is computed is scaled back.
    """
    a, b = (
        mass * total
        for mass, total in zip((problem.a, problem.b), problem.masses, strict=True)
    )
    return replace(problem, a=a, b=b, masses=(1.0, 1.0))


def solve_unbalanced(
    problem,
    reg,
    prices,
    start,
    *,
    tol,
    max_iter,
    time_limit=None,
    monitor=None,
    resume=None,
):
    """Solve an unbalanced problem.

    Parameters
    ----------
    problem : TransportProblem
        From :func:`keep_masses`.
    reg : float
        Regularisation.
    prices : tuple of float
        From :func:`check_reg_marginal`.
    start : tuple of array
        Potentials of the geometry, or None twice.
    tol : float
        Tolerance of the marginal error.
    max_iter : int
        Largest number of sweeps.
    time_limit : float, default=None
        Seconds after which to stop.
    monitor, resume : object, default=None
        As in :func:`skopt2._core.iterate.iterate`.

    Returns
    -------
    found : UnbalancedResult
    """
    method = _solver(problem, reg, prices, tol)
    kept = resume is not None and "state" in resume
    result = iterate(
        method,
        None if kept else method.start(*start),
        tol=tol,
        max_iter=max_iter,
        check_every=method.interval,
        time_limit=time_limit,
        monitor=monitor,
        resume=resume,
        name=MARGINAL_ERROR,
    )
    f, g = result.solution.f, result.solution.g
    potentials = problem.extend(*method.translated(f, g))
    return UnbalancedResult(
        potentials=tuple(move(values, problem.source) for values in potentials),
        objective=result.objective,
        marginal_error=result.certificate.value,
        converged=result.certificate.holds,
        stop_reason=str(result.reason),
        n_iter=result.n_iter,
        history=result.history.as_dict(),
        certificate=Certificate(MARGINAL_ERROR, result.certificate.value, tol),
        solver=method.name,
        reg=reg,
        reg_marginal=prices,
        _problem=problem,
        _inner=(f, g),
    )


def _solver(problem, reg, prices, tol):
    """Return the solver of a problem."""
    masses = problem.a, problem.b
    return UnbalancedScaling(problem.geometry, *masses, reg, prices, tol=tol)
