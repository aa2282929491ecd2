"""Solutions for a sequence of penalty levels, each started from the one before."""

from dataclasses import dataclass

import numpy as np

from skopt2._core.array_parameters import check_alphas
from skopt2._core.parameters import check_number
from skopt2._core.result import brief_repr
from skopt2.linear_model.formulation import Formulation, levels
from skopt2.solvers.certificate import gradient_scale


@dataclass(frozen=True, eq=False)
class PathResult:
    """Solutions along a path of penalty levels.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Levels, descending.
    coefs : ndarray of shape (n_alphas, n_features) or (n_alphas, n_features, n_classes)
        Coefficients.
    intercepts : ndarray of shape (n_alphas,) or (n_alphas, n_classes)
        Intercepts.
    certificates : tuple of Certificate
        What each solution reached.
    objectives : ndarray of shape (n_alphas,)
        Objective at each solution.
    n_iters : ndarray of int of shape (n_alphas,)
        Solver iterations.
    degrees_of_freedom : ndarray of int of shape (n_alphas,)
        Number of nonzero coefficients, the intercept not counted.
    """

    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    certificates: tuple
    objectives: np.ndarray
    n_iters: np.ndarray
    degrees_of_freedom: np.ndarray

    __repr__ = brief_repr


def alpha_grid(formulation, alphas, eps):
    """Return the levels of a path, descending.

    Parameters
    ----------
    formulation : Formulation
        Gives the largest level worth trying.
    alphas : int or array-like of shape (n_alphas,)
        A number of levels on a geometric grid, or the levels themselves.
    eps : float
        Ratio of the smallest to the largest level of the grid.

    Raises
    ------
    ValueError
        If a level is no number or out of range or the grid cannot be placed.
    """
    check_number("eps", eps, 0, 1, closed="neither")
    alphas = check_alphas(alphas)
    if not isinstance(alphas, int):
        return alphas
    top = formulation.alpha_max()
    if not np.isfinite(top):
        raise ValueError(
            "No level of this penalty makes every coefficient zero, so there is no "
            "natural grid. Give the levels as alphas=[...]."
        )
    if top <= 0.0:
        # Nothing to explain, or nothing that explains: every level has the null model.
        top = gradient_scale(formulation.problem)
    if formulation.penalty.stationarity == "fixed_point":
        # At the level itself zero ties with a nonzero point of the prox.
        top *= 1.0 + 1e-9
    return np.geomspace(top, top * eps, alphas)


def follow(formulation, alphas, *, on_point=None):
    """Solve at each level of a descending sequence, starting from the last solution.

    Parameters
    ----------
    formulation : Formulation
        The problem.
    alphas : ndarray of shape (n_alphas,)
        Levels, descending.
    on_point : callable, default=None
        ``on_point(i, result)`` after each level; True ends the path there.

    Returns
    -------
    results : list of Result
        One per level that was solved.
    """
    problem = formulation.problem
    solver, state, results = None, None, []
    for i, alpha in enumerate(alphas):
        lam = levels(float(alpha), formulation.factor)
        if solver is None:
            problem.set_level(lam)
            solver = formulation.solver()
            state = solver.init(None)
        else:
            state = solver.retarget(state, lam)
        result, state = formulation.minimise(solver, state)
        results.append(result)
        if on_point is not None and on_point(i, results[-1]):
            break
    return results


def collect(results, alphas, n_features, dtype=np.float64):
    """Return the results of a path as one PathResult.

    Parameters
    ----------
    results : list of Result
        From :func:`follow`.
    alphas : ndarray of shape (n_alphas,)
        Their levels.
    n_features : int
        Number of features.
    dtype : dtype, default=float64
        Of the coefficients.
    """
    outputs = results[0].solution.w.shape[1:]
    coefs = np.zeros((len(results), n_features, *outputs), dtype=dtype)
    for row, result in zip(coefs, results, strict=True):
        row[result.solution.ids] = result.solution.w
    return PathResult(
        alphas=np.asarray(alphas[: len(results)]),
        coefs=coefs,
        intercepts=np.asarray([r.solution.intercept for r in results], dtype=dtype),
        certificates=tuple(r.certificate for r in results),
        objectives=np.asarray([r.objective for r in results]),
        n_iters=np.asarray([r.n_iter for r in results]),
        degrees_of_freedom=np.asarray(
            [np.count_nonzero(r.solution.w) for r in results]
        ),
    )


def sparse_path(
    X,
    y,
    *,
    loss="squared",
    penalty="l1",
    alphas=100,
    eps=1e-3,
    sample_weight=None,
    penalty_factor=None,
    positive=False,
    fit_intercept=True,
    solver="auto",
    tol=1e-6,
    max_iter=1000,
    device=None,
):
    """Solve a sparse linear problem for a sequence of penalty levels.

    Each solution is the start of the next, which is faster than separate fits and, for
    nonconvex penalties, finds better minima.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Target, or class labels where the loss is one of classification.
    loss : str or Loss, default="squared"
        As in :class:`SparseRegressor` and :class:`SparseClassifier`.
    penalty : str or Penalty, default="l1"
        As in :class:`SparseRegressor`.
    alphas : int or array-like of shape (n_alphas,), default=100
        Number of levels on a geometric grid, or the levels.
    eps : float, default=1e-3
        Smallest over largest level of the grid.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights.
    penalty_factor : array-like of shape (n_features,), default=None
        Multiplies the level feature by feature.
    positive : bool, default=False
        Restrict the coefficients to nonnegative values.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    solver : str or BlockCoordinateDescent, default="auto"
        As in :class:`SparseRegressor`.
    tol : float, default=1e-6
        Tolerance of each certificate.
    max_iter : int, default=1000
        Largest number of iterations per level.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute.

    Returns
    -------
    path : PathResult
        Levels, coefficients, intercepts, certificates; NumPy arrays.

    Raises
    ------
    ValueError
        If the data or a parameter is out of range.

    See Also
    --------
    SparseRegressorCV : Chooses one level.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skopt2.linear_model import sparse_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = sparse_path(X, y, penalty="mcp", alphas=20)
    >>> path.coefs.shape
    (20, 10)
    >>> all(c.holds for c in path.certificates)
    True
    """
    from skopt2.linear_model.sparse_classifier import SparseClassifier
    from skopt2.linear_model.sparse_regressor import SparseRegressor
    from skopt2.losses import get_loss

    kind = SparseRegressor if get_loss(loss).task == "regression" else SparseClassifier
    model = kind(
        loss,
        penalty,
        penalty_factor=penalty_factor,
        positive=positive,
        fit_intercept=fit_intercept,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        device=device,
    )
    data = model._check_input(X, y, sample_weight)
    with data.target.activate():
        formulation = Formulation(model, data)
        grid = alpha_grid(formulation, alphas, eps)
        results = follow(formulation, grid)
    return collect(results, grid, data.X.shape[1])
