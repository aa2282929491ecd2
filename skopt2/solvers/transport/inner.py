"""Balanced transport as a step of another iteration."""

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.choice import balanced_solver

# Sweeps and Newton steps in which an inner problem has to be solved.
MAX_ITER = 2000
# An inner problem is solved to this share of the outer error, but no worse than to
# COARSE and no better than to this share of the outer tolerance.
SHARE, COARSE = 0.1, 1e-3


def inner_tolerance(error, tol, share=SHARE):
    """Return the marginal error to ask of the plans of an outer iteration.

    Parameters
    ----------
    error : float
        Last outer error; infinite before the first.
    tol : float
        Outer tolerance.
    share : float, default=0.1
        Share of both that is small enough.

    Returns
    -------
    tol : float
    """
    return max(min(COARSE, share * error), share * tol)


def solve_balanced(geometry, a, b, eps, tol, start=None, solver="auto"):
    """Solve balanced transport from a near solution.

    Parameters
    ----------
    geometry : object
        See :mod:`skopt2.solvers.transport.geometry`.
    a, b : array of shape (n,), (m,)
        Positive masses with sums of one.
    eps : float
        Regularisation.
    tol : float
        Tolerance of the marginal error.
    start : tuple of array, default=None
        Potentials (f, g) of the original cost to start from.
    solver : str, default="auto"
        See :mod:`skopt2.solvers.transport.choice`.

    Returns
    -------
    result : Result
        With the potentials that belong to the geometry, see
        :mod:`skopt2.solvers.transport.centring`.
    """
    method = balanced_solver(solver, geometry, a, b, eps, tol=tol)
    # Solvers update both sides of a start once: that of another cost is safe.
    pair = (None, None) if start is None else geometry.centring.inside(*start)
    return iterate(
        method,
        method.start(*pair),
        tol=tol,
        max_iter=MAX_ITER,
        check_every=method.interval,
    )
