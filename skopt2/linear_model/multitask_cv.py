"""Regression for several tasks at a level chosen along the path."""

from skopt2.linear_model.multitask_freedom import RowCriterion
from skopt2.linear_model.multitask_regressor import MultiTaskRegressor
from skopt2.linear_model.path_selection import PathSelection


class MultiTaskRegressorCV(PathSelection, MultiTaskRegressor):
    """Multitask regression that chooses ``alpha`` itself.

    By cross-validation, with the paths of the folds in parallel and every solution
    started from the one before; or, for penalties of the rows, by an information
    criterion, without folds.

    Parameters
    ----------
    penalty : str or MultiTaskPenalty, default="row_lasso"
        As in :class:`MultiTaskRegressor`.
    alphas : int or array-like of shape (n_alphas,), default=100
        Number of levels on a geometric grid, or the levels. The grid starts at the
        smallest ``alpha`` whose model on all the data is empty.
    eps : float, default=1e-3
        Smallest over largest level of the grid.
    cv : int, splitter or iterable of (train, test), default=None
        Folds, made once for all levels; None for five.
    scoring : str, callable or None, default=None
        Scikit-learn scorer, larger is better. None is minus the squared error, the
        mean over the tasks.
    criterion : {"cv", "aic", "bic", "ebic"}, default="cv"
        Mean score over the folds, or an information criterion of the models on all the
        data, for penalties of the rows.
    selection : {"min", "1se"}, default="min"
        The best level, or the largest one whose mean score is within one standard
        error of the best.
    ebic_gamma : float, default=0.5
        Weight of the size of the model space in ``"ebic"``; 0 makes it ``"bic"``.
    n_jobs : int, default=None
        Folds at a time; ``joblib.parallel_config`` chooses where they run.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept for each task.
    tol : float, default=1e-6
        Tolerance of the certificate of every fit.
    max_iter : int, default=1000
        Largest number of solver iterations at one level.
    time_limit : float, default=None
        Seconds after which the fit at one level stops.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    alpha_ : float
        Chosen level.
    alphas_ : ndarray of shape (n_alphas,)
        Levels, descending.
    coef_path_ : ndarray of shape (n_alphas, n_features, n_tasks)
        Coefficients on all the data at every level.
    intercept_path_ : ndarray of shape (n_alphas, n_tasks)
        Intercepts.
    scores_path_ : ndarray of shape (n_alphas, n_folds) or None
        Score of every fold, larger is better; None with an information criterion.
    criterion_path_ : ndarray of shape (n_alphas,) or None
        Information criterion, smaller is better; None with ``criterion="cv"``.
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients at ``alpha_``.
    intercept_ : ndarray of shape (n_tasks,)
        Intercepts; 0.0 without.
    rank_ : int
        Rank of ``coef_``: its singular values that are not rounding errors.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Solver iterations at ``alpha_``, from the solution at the level before.
    converged_ : bool
        Whether the certificate at ``alpha_`` holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"stalled"`` or
        ``"diverged"``.
    certificate_ : Certificate
        Relative duality gap of a convex problem, relative KKT violation of a nonconvex
        one, with the tolerance.
    objective_ : float
        Value of the objective.
    dual_gap_ : float
        Absolute duality gap, NaN where the problem has none.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``support`` or ``rank``, one row per check at ``alpha_``.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    MultiTaskRegressor : The model at one ``alpha``.
    SparseRegressorCV : One task.

    Notes
    -----
    All folds share the levels. The model is the point at ``alpha_`` of a last path, on
    all the data: under a nonconvex penalty a better minimum than a fit from nothing
    finds. Scores are weighted by ``sample_weight`` in a fold, and folds count alike.

    Information criteria use the exact divergence of the lasso of the rows as degrees of
    freedom, one variance of the noise for all tasks, and the sum of ``sample_weight``
    times the number of tasks as observations.

    References
    ----------
    Friedman, Hastie and Tibshirani, Journal of Statistical Software 33(1), 2010 (paths,
    one standard error); Vaiter et al., arXiv:1205.1481, 2012 (degrees of freedom); Chen
    and Chen, Biometrika 95, 2008 (EBIC).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import MultiTaskRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 30))
    >>> Y = X[:, :3] @ rng.standard_normal((3, 5)) + 0.1 * rng.standard_normal((100, 5))
    >>> model = MultiTaskRegressorCV("row_mcp", alphas=20, eps=0.01).fit(X, Y)
    >>> np.flatnonzero(model.coef_.any(axis=0)).tolist()
    [0, 1, 2]
    """

    _criterion = RowCriterion

    def __init__(
        self,
        penalty="row_lasso",
        *,
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        criterion="cv",
        selection="min",
        ebic_gamma=0.5,
        n_jobs=None,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        device=None,
    ):
        self.penalty = penalty
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.criterion = criterion
        self.selection = selection
        self.ebic_gamma = ebic_gamma
        self.n_jobs = n_jobs
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.device = device
