"""Entropic transport between two measures."""

import math
import warnings

from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import asarray_like, move
from skopt2._core.iterate import iterate
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.result import Certificate, StopReason
from skopt2._core.shared_parameters import check_time_limit
from skopt2.solvers.transport.certificate import MARGINAL_ERROR, marginal_error
from skopt2.solvers.transport.choice import balanced_solver
from skopt2.transport.problem import check_problem
from skopt2.transport.result import TransportResult
from skopt2.transport.unbalanced import (
    check_reg_marginal,
    keep_masses,
    solve_unbalanced,
)

MAX_ITER = 10_000
SOLVERS = ("auto", "sinkhorn", "newton")


def sinkhorn(
    a,
    b,
    cost,
    reg,
    *,
    solver="auto",
    tol=1e-6,
    max_iter=None,
    reg_marginal=None,
    start=None,
    time_limit=None,
    device=None,
):
    """Solve entropic optimal transport between two measures.

    Minimises <P, cost> + reg * sum(P (log P - 1)) over plans P >= 0 with row sums a and
    column sums b. With ``reg_marginal`` = (rho1, rho2) the sums are free at a price,
    and it minimises, over all P >= 0,

    <P, cost> + reg * KL(P | a b') + rho1 * KL(P 1 | a) + rho2 * KL(P' 1 | b),

    where KL(p | q) = sum(p log(p / q) - p + q). The solution of both is P_ij =
    exp((f_i + g_j - cost_ij) / reg).

    Parameters
    ----------
    a, b : array-like of shape (n,), (m,) or None
        Nonnegative masses; None for equal masses of sum 1. Their totals have to be
        equal unless ``reg_marginal`` is set.
    cost : array-like of shape (n, m) or PointCloud
        Finite costs of any scale and sign, in float32 or float64. NumPy, CuPy, and
        other array-API arrays while scikit-learn's array API dispatch is on.
    reg : float
        Regularisation, in the units of the cost.
    solver : {"auto", "sinkhorn", "newton"}, default="auto"
        Over-relaxed scaling, Newton steps along a decreasing regularisation, or scaling
        for as long as its observed rate promises to finish first, then Newton steps.
        Unbalanced problems are solved by over-relaxed scaling that is invariant to
        translation of the potentials; they have no Newton steps.
    tol : float, default=1e-6
        Tolerance of the marginal error, as a share of the total mass of the plan.
    max_iter : int, default=None
        Largest number of sweeps and Newton steps; None for 10000.
    reg_marginal : float or (float, float), default=None
        Prices of row sums that are not a, and of column sums that are not b, in the
        units of the cost; one number for both. Large ones keep the sums near to the
        masses, and inf keeps them equal: (inf, rho) fixes the row sums only. None, or
        inf on both sides, is balanced transport.
    start : tuple of array, default=None
        Potentials ``(f, g)`` to start from, in the units of the cost, of any ``reg``.
    time_limit : float, default=None
        Seconds after which to stop.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None is where the cost is. The result is where the cost is.

    Returns
    -------
    result : TransportResult
        Potentials, certificate and history; plan, cost and duality gap when asked for.
        An :class:`~skopt2.transport.UnbalancedResult` if ``reg_marginal`` is set.

    Raises
    ------
    ValueError
        If a mass is negative or not finite, the totals differ, the cost is not finite
        or of the wrong shape, or a parameter is out of range.

    Warns
    -----
    ConvergenceWarning
        If the marginal error did not reach the tolerance; ``result.converged`` is False
        then.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import sinkhorn
    >>> cost = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> result = sinkhorn([0.5, 0.5], [0.25, 0.75], cost, reg=0.1)
    >>> result.plan.round(3)
    array([[0.25, 0.25],
           [0.  , 0.5 ]])
    >>> result.converged
    True

    Masses of unequal totals, at the price 1 for mass that is created or destroyed:

    >>> result = sinkhorn([1.0, 2.0], [2.0, 3.0], cost, reg=0.1, reg_marginal=1.0)
    >>> result.plan.round(3)
    array([[1.438, 0.   ],
           [0.   , 2.556]])
    """
    reg = check_positive("reg", reg, hint="It is in the units of the cost.")
    check_options(solver, tol, max_iter, time_limit)
    prices = check_reg_marginal(reg_marginal, solver)
    problem = check_problem(a, b, cost, device=device, balanced=prices is None)
    found = transport(
        problem,
        reg,
        prices,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        start=start,
        time_limit=time_limit,
    )
    warn_unless_converged(found)
    return found


def transport(
    problem, reg, prices, *, solver, tol, max_iter=None, start=None, time_limit=None
):
    """Solve a checked problem, balanced or not.

    Parameters
    ----------
    problem : TransportProblem
        With masses of sum one.
    reg : float
        Regularisation.
    prices : tuple of float or None
        Prices of leaving the marginals; None for balanced transport.
    solver, tol, max_iter, start, time_limit
        As in :func:`sinkhorn`.

    Returns
    -------
    found : TransportResult
    """
    options = {"tol": tol, "max_iter": max_iter, "time_limit": time_limit}
    with problem.target.activate():
        if prices is None:
            result, name = solve(problem, reg, solver=solver, start=start, **options)
            return describe(problem, reg, result, name)
        problem = keep_masses(problem)
        start = check_start(problem, reg, start)
        options["max_iter"] = MAX_ITER if max_iter is None else max_iter
        return solve_unbalanced(problem, reg, prices, start, **options)


def check_options(solver, tol, max_iter, time_limit):
    """Raise ValueError unless the options of the loop are in range."""
    check_choice("solver", solver, SOLVERS)
    hint = "It bounds the marginal error as a share of the total mass: 1e-6 is usual."
    check_number("tol", tol, 0, hint=hint)
    check_count("max_iter", max_iter, optional=True)
    check_time_limit(time_limit)


def solve(
    problem,
    reg,
    *,
    solver="auto",
    tol=1e-6,
    max_iter=None,
    start=None,
    time_limit=None,
    monitor=None,
    resume=None,
):
    """Run the iteration loop on a checked problem.

    Parameters
    ----------
    problem : TransportProblem
        Balanced.
    reg : float
        Regularisation.
    solver, tol, max_iter, start, time_limit
        As in :func:`sinkhorn`.
    monitor, resume : object, default=None
        As in :func:`skopt2._core.iterate.iterate`.

    Returns
    -------
    result : Result
        With :class:`~skopt2.solvers.transport.state.Potentials` of the rows and columns
        that have mass, for masses of sum one.
    name : str
        Algorithm that finished.
    """
    method = balanced_solver(
        solver, problem.geometry, problem.a, problem.b, reg, tol=tol
    )
    f, g = check_start(problem, reg, start)
    result = iterate(
        method,
        None if resume is not None and "state" in resume else method.start(f, g),
        tol=tol,
        max_iter=MAX_ITER if max_iter is None else max_iter,
        check_every=method.interval,
        time_limit=time_limit,
        monitor=monitor,
        name=MARGINAL_ERROR,
        resume=resume,
    )
    return result, method.name


def check_start(problem, reg, start):
    """Return potentials to start from for masses of sum one; None without a start."""
    if start is None:
        return None, None
    if len(start) != 2:
        raise ValueError(
            f"start must be a pair of potentials (f, g); it has {len(start)} items."
        )
    pair, shift = [], 0.5 * reg * math.log(problem.mass)
    for values, length, name in zip(start, problem.shape, "fg", strict=True):
        values = asarray_like(values, problem.a)
        if values.shape != (length,):
            raise ValueError(
                f"start: {name} has the shape {tuple(values.shape)}, expected "
                f"({length},)."
            )
        pair.append(values - shift)
    pair = problem.restrict(*pair)
    xp = problem.geometry.xp
    if not all(bool(xp.all(xp.isfinite(values))) for values in pair):
        raise ValueError(
            "start must be finite where there is mass. Leave it out, or pass "
            "potentials of a problem that had mass in the same places."
        )
    return pair


def describe(problem, reg, result, name):
    """Return what the user gets for the outcome of the loop.

    Parameters
    ----------
    problem : TransportProblem
        Solved.
    reg : float
        Regularisation.
    result : Result
        What :func:`solve` returned.
    name : str
        Algorithm that finished.

    Returns
    -------
    found : TransportResult
    """
    f, g = result.solution.f, result.solution.g
    geometry, mass = problem.geometry, problem.mass
    error = result.certificate.value
    if not result.certificate.holds:
        # The potentials may have been rounded since the last measure.
        error = marginal_error(geometry, f, g, reg, problem.a, problem.b)
    shift = 0.5 * reg * math.log(mass)
    full = problem.extend(f + shift, g + shift)
    offset = geometry.centring.offset(problem.a, problem.b)
    history = result.history.as_dict()
    if history:
        # Of the masses and the cost as they were passed, like the objective; empty
        # while a fit is under way.
        shifted = history["objective"] + offset + math.log(mass) * history["reg"]
        history["objective"] = mass * shifted
    return TransportResult(
        potentials=tuple(move(values, problem.source) for values in full),
        objective=mass * (result.objective + offset + reg * math.log(mass)),
        marginal_error=error,
        converged=result.certificate.holds,
        stop_reason=str(result.reason),
        n_iter=result.n_iter,
        history=history,
        certificate=Certificate(MARGINAL_ERROR, error, result.certificate.tol),
        solver=name,
        reg=reg,
        _problem=problem,
        _inner=(f, g),
    )


def warn_unless_converged(found):
    """Emit a ConvergenceWarning that says what was reached and what to change."""
    if found.converged or found.stop_reason == StopReason.CALLBACK:
        return
    advice = {
        "max_iter": "Increase max_iter or reg, loosen tol, or use solver='auto'",
        "time_limit": "Increase time_limit or reg, or loosen tol",
        "stalled": "Loosen tol to what the floats can hold, pass the cost in float64, "
        "or increase reg",
        "diverged": "Increase reg, or pass the cost in float64",
    }[found.stop_reason]
    warnings.warn(
        f"Transport stopped ({found.stop_reason}) after {found.n_iter} iterations with "
        f"reg={found.reg:.3g}: {found.certificate}. {advice}.",
        ConvergenceWarning,
        stacklevel=3,
    )
