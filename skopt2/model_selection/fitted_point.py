"""A fitted sparse or group model up to second order, on the support that it found."""

import numpy as np

from skopt2.linear_model.group_formulation import GroupFormulation
from skopt2.linear_model.group_freedom import columns_of, curvatures_of, support
from skopt2.solvers.block_coordinate_descent.coordinates import group_columns
from skopt2.solvers.leave_out.newton import FittedPoint

# Numbers that a design may have: half a gigabyte, of which there are a few copies.
LARGEST = 2**26


def check_smooth(formulation):
    """Raise unless a fold that is left out changes the model smoothly.

    Parameters
    ----------
    formulation : Formulation
        The problem.

    Raises
    ------
    ValueError
        With what to use instead.
    """
    loss, penalty = formulation.loss, formulation.penalty
    if loss.smoothable:
        raise ValueError(
            f"loss={loss.name!r} has no curvature, so a step from the fit says nothing "
            "of a fit to fewer rows. Use loss='huber', or "
            "sklearn.model_selection.cross_val_score."
        )
    if isinstance(formulation, GroupFormulation):
        if formulation._orthonormalize:
            raise ValueError(
                "orthonormalize=True lets every row change the penalty, which the step "
                "does not know. Use orthonormalize=False on scaled columns, or "
                "sklearn.model_selection.cross_val_score."
            )
        return
    if not penalty.separable or formulation._n_reweightings:
        raise ValueError(
            f"penalty={penalty.name!r} has no Hessian of single coefficients that "
            "stays in place when rows are left out. Use 'l1', 'elasticnet', 'mcp' or "
            "'scad', or sklearn.model_selection.cross_val_score."
        )


def fitted_point(formulation, solution):
    """Return the derivatives at a solution, in the coordinates that are free.

    Parameters
    ----------
    formulation : Formulation
        In float64 in host memory, at the level of the solution.
    solution : Solution
        The fit to all rows.

    Returns
    -------
    point : FittedPoint
        Intercepts are the last coordinates.

    Raises
    ------
    ValueError
        If it would take more than half a gigabyte.
    """
    problem = formulation.problem
    K, n = problem.n_outputs, problem.design.n
    grouped = isinstance(formulation, GroupFormulation)
    used, D, q = (_grouped if grouped else _separable)(problem, solution)
    free = K if problem.fit_intercept else 0
    size = used.size + free
    if n * K * size > LARGEST:
        raise ValueError(
            f"The model has {size} free coefficients for {n} rows and {K} outputs, "
            f"more than this computes with ({LARGEST:.0e} products of the three). "
            "Increase alpha, or take some of the rows."
        )
    rows = np.unique(used // K)
    B = columns_of(problem, rows) if grouped else group_columns(problem.design, rows)
    J = np.zeros((n, K, size))
    for k in range(K):
        own = np.flatnonzero(used % K == k)
        J[:, k, own] = B[:, np.searchsorted(rows, used[own] // K)]
        if free:
            J[:, k, used.size + k] = 1.0
    if D.ndim == 2:
        D = np.pad(D, (0, free))
    else:
        D = np.concatenate([D, np.zeros(free)])
    base = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
    eta = problem.predictor(solution.ids, solution.w, base)
    g = problem.weighted_gradient(eta).reshape(n, K)
    if q is not None:
        q = np.concatenate([q, np.zeros(free)])
    return FittedPoint(J, D, g, curvatures_of(problem, solution), q)


def _separable(problem, solution):
    """Return the free coefficients (d,), and derivatives of their penalty."""
    w, lam = solution.w, problem.lam_full[solution.ids]
    part = problem.penalty.restrict(solution.ids)
    loose = np.asarray(part.free(w, lam))
    places = (
        solution.ids
        if w.ndim == 1
        else np.add.outer(
            solution.ids * problem.n_outputs, np.arange(problem.n_outputs)
        )
    )
    return places[loose], part.curvature(w, lam)[loose], part.derivative(w, lam)[loose]


def _grouped(problem, solution):
    """Return the free coefficients, the Hessian of their penalty, no gradient."""
    used, bend = support(problem, solution)
    return used, bend, None
