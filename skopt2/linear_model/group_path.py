"""Solutions of a group model for a sequence of penalty levels."""

from skopt2.linear_model.group_classifier import GroupClassifier
from skopt2.linear_model.group_regressor import GroupRegressor
from skopt2.linear_model.sparse_path import alpha_grid, collect, follow
from skopt2.losses import get_loss


def group_path(
    X,
    y,
    *,
    loss="squared",
    penalty="group_lasso",
    groups=None,
    alphas=100,
    eps=1e-3,
    sample_weight=None,
    group_weights=None,
    orthonormalize=False,
    fit_intercept=True,
    tol=1e-6,
    max_iter=1000,
):
    """Solve a linear problem with groups for a sequence of penalty levels.

    Each solution is the start of the next, which is faster than separate fits and, for
    nonconvex penalties, finds better minima.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Target, or class labels where the loss is one of classification.
    loss : str or Loss, default="squared"
        As in :class:`GroupRegressor` and :class:`GroupClassifier`.
    penalty : str or GroupPenalty, default="group_lasso"
        As in :class:`GroupRegressor`.
    groups : int, array-like, list of lists or dict, default=None
        Which features belong together, as in :class:`GroupRegressor`.
    alphas : int or array-like of shape (n_alphas,), default=100
        Number of levels on a geometric grid, or the levels.
    eps : float, default=1e-3
        Smallest over largest level of the grid.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights.
    group_weights : array-like of shape (n_groups,), default=None
        Multiplies the level group by group.
    orthonormalize : bool, default=False
        Penalise what a group predicts in the place of its coefficients.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    tol : float, default=1e-6
        Tolerance of each certificate.
    max_iter : int, default=1000
        Largest number of iterations per level.

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
    GroupRegressorCV : Chooses one level.
    sparse_path : Penalties of single coefficients.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skopt2.linear_model import group_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> blood = [[4, 5, 6, 7, 8, 9]]
    >>> path = group_path(X, y, groups=blood, alphas=20)
    >>> path.coefs.shape
    (20, 10)
    >>> all(c.holds for c in path.certificates)
    True
    """
    kind = GroupRegressor if get_loss(loss).task == "regression" else GroupClassifier
    model = kind(
        loss,
        penalty,
        groups=groups,
        group_weights=group_weights,
        orthonormalize=orthonormalize,
        fit_intercept=fit_intercept,
        tol=tol,
        max_iter=max_iter,
    )
    data = model._check_input(X, y, sample_weight)
    with data.target.activate():
        formulation = model._formulate(data)
        grid = alpha_grid(formulation, alphas, eps)
        results = follow(formulation, grid)
    return collect(results, grid, data.X.shape[1])
