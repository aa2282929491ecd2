"""Sparse regression and classification at a level chosen along the path."""

from skopt2.linear_model.path_selection import PathSelection
from skopt2.linear_model.sparse_classifier import SparseClassifier
from skopt2.linear_model.sparse_regressor import SparseRegressor


class SparseRegressorCV(PathSelection, SparseRegressor):
    """Sparse linear regression that chooses ``alpha`` itself.

    By cross-validation, with the paths of the folds in parallel and every solution
    started from the one before; or by an information criterion, without folds.

    Parameters
    ----------
    loss : {"squared", "huber", "quantile", "expectile", "poisson"} or Loss, \
            default="squared"
        As in :class:`SparseRegressor`.
    penalty : {"l1", "elasticnet", "adaptive_l1", "mcp", "scad", "l_half", \
            "l_two_thirds", "log_sum", "transformed_l1", "l0", "box", "slope", \
            "fused_lasso"} or Penalty, default="l1"
        As in :class:`SparseRegressor`.
    alphas : int or array-like of shape (n_alphas,), default=100
        Number of levels on a geometric grid, or the levels. The grid starts at the
        smallest ``alpha`` whose model on all the data is empty.
    eps : float, default=1e-3
        Smallest over largest level of the grid.
    cv : int, splitter or iterable of (train, test), default=None
        Folds, made once for all levels; None for five.
    scoring : str, callable or None, default=None
        Scikit-learn scorer, larger is better. None is minus the mean loss: squared
        error, Huber or pinball loss, Poisson deviance.
    criterion : {"cv", "aic", "bic", "ebic"}, default="cv"
        Mean score over the folds, or an information criterion of the models on all the
        data, for the squared and the Poisson loss.
    selection : {"min", "1se"}, default="min"
        The best level, or the largest one whose mean score is within one standard
        error of the best.
    ebic_gamma : float, default=0.5
        Weight of the size of the model space in ``"ebic"``; 0 makes it ``"bic"``.
    n_jobs : int, default=None
        Folds at a time; ``joblib.parallel_config`` chooses where they run.
    penalty_factor : array-like of shape (n_features,), default=None
        Multiplies ``alpha`` feature by feature: 0 leaves a feature unpenalised, inf
        excludes it. None for 1 everywhere.
    positive : bool, default=False
        Restrict the coefficients to nonnegative values.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    solver : str or BlockCoordinateDescent, default="auto"
        As in :class:`SparseRegressor`.
    tol : float, default=1e-6
        Tolerance of the certificate of every fit.
    max_iter : int, default=1000
        Largest number of solver iterations at one level.
    time_limit : float, default=None
        Seconds after which the fit at one level stops.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of ``"vr-a-coder"`` and ``"vro-ccd"``; the other solvers draw
        nothing.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    alpha_ : float
        Chosen level.
    alphas_ : ndarray of shape (n_alphas,)
        Levels, descending.
    coef_path_ : ndarray of shape (n_alphas, n_features)
        Coefficients on all the data at every level.
    intercept_path_ : ndarray of shape (n_alphas,)
        Intercepts.
    scores_path_ : ndarray of shape (n_alphas, n_folds) or None
        Score of every fold, larger is better; None with an information criterion.
    criterion_path_ : ndarray of shape (n_alphas,) or None
        Information criterion, smaller is better; None with ``criterion="cv"``.
    coef_ : ndarray of shape (n_features,)
        Coefficients at ``alpha_``.
    intercept_ : float
        Intercept; 0.0 without one.
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
        those of the solver, one row per check at ``alpha_``.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseRegressor : The model at one ``alpha``.
    sparse_path : The path without a choice.
    SparseClassifierCV : The same for classification.

    Notes
    -----
    All folds share the levels. The model is the point at ``alpha_`` of a last path, on
    all the data: under a nonconvex penalty a better minimum than a fit from nothing
    finds. Scores are weighted by ``sample_weight`` in a fold, and folds count alike.

    Information criteria count nonzero coefficients and the intercept as degrees of
    freedom, and the sum of ``sample_weight`` as observations. The variance of the
    squared loss is profiled out, so its path ends before the model fits the noise: at n
    degrees of freedom, or at n / log(n) where there are n features or more.

    Callbacks see one task a level, inside that of its path. One that asks to stop ends
    the path there; levels that not all paths reached are dropped.

    References
    ----------
    Friedman, Hastie and Tibshirani, Journal of Statistical Software 33(1), 2010 (paths,
    one standard error); Zou, Hastie and Tibshirani, Annals of Statistics 35, 2007
    (degrees of freedom); Chen and Chen, Biometrika 95, 2008 (EBIC); Fan and Lv, JRSS B
    70, 2008 (n / log(n)).

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import SparseRegressorCV
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=100, n_features=300, n_informative=4, random_state=0
    ... )
    >>> model = SparseRegressorCV(penalty="mcp", alphas=30, eps=0.05).fit(X, y)
    >>> model.scores_path_.shape
    (30, 5)
    >>> set((coef != 0).nonzero()[0]) <= set(model.coef_.nonzero()[0])
    True
    """

    def __init__(
        self,
        loss="squared",
        penalty="l1",
        *,
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        criterion="cv",
        selection="min",
        ebic_gamma=0.5,
        n_jobs=None,
        penalty_factor=None,
        positive=False,
        fit_intercept=True,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.criterion = criterion
        self.selection = selection
        self.ebic_gamma = ebic_gamma
        self.n_jobs = n_jobs
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.random_state = random_state
        self.device = device


class SparseClassifierCV(PathSelection, SparseClassifier):
    """Sparse linear classification that chooses ``alpha`` itself.

    By cross-validation, with the paths of the folds in parallel and every solution
    started from the one before; or by an information criterion, without folds.

    Parameters
    ----------
    loss : {"logistic", "multinomial", "sparsemax", "squared_hinge", \
            "huberized_hinge"} or Loss, default="logistic"
        As in :class:`SparseClassifier`.
    penalty : {"l1", "elasticnet", "adaptive_l1", "mcp", "scad", "l_half", \
            "l_two_thirds", "log_sum", "transformed_l1", "l0", "box", "slope", \
            "fused_lasso"} or Penalty, default="l1"
        As in :class:`SparseClassifier`.
    alphas : int or array-like of shape (n_alphas,), default=100
        Number of levels on a geometric grid, or the levels. The grid starts at the
        smallest ``alpha`` whose model on all the data is empty.
    eps : float, default=1e-3
        Smallest over largest level of the grid.
    cv : int, splitter or iterable of (train, test), default=None
        Folds, made once for all levels; None for five, stratified.
    scoring : str, callable or None, default=None
        Scikit-learn scorer, larger is better. None is minus the log loss, and accuracy
        for the hinge losses.
    criterion : {"cv", "aic", "bic", "ebic"}, default="cv"
        Mean score over the folds, or an information criterion of the models on all the
        data, for the logistic and the multinomial loss.
    selection : {"min", "1se"}, default="min"
        The best level, or the largest one whose mean score is within one standard
        error of the best.
    ebic_gamma : float, default=0.5
        Weight of the size of the model space in ``"ebic"``; 0 makes it ``"bic"``.
    n_jobs : int, default=None
        Folds at a time; ``joblib.parallel_config`` chooses where they run.
    penalty_factor : array-like of shape (n_features,), default=None
        Multiplies ``alpha`` feature by feature: 0 leaves a feature unpenalised, inf
        excludes it. None for 1 everywhere.
    positive : bool, default=False
        Restrict the coefficients to nonnegative values.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    solver : str or BlockCoordinateDescent, default="auto"
        As in :class:`SparseClassifier`.
    tol : float, default=1e-6
        Tolerance of the certificate of every fit.
    max_iter : int, default=1000
        Largest number of solver iterations at one level.
    time_limit : float, default=None
        Seconds after which the fit at one level stops.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of ``"vr-a-coder"`` and ``"vro-ccd"``; the other solvers draw
        nothing.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    alpha_ : float
        Chosen level.
    alphas_ : ndarray of shape (n_alphas,)
        Levels, descending.
    coef_path_ : ndarray of shape (n_alphas, n_features) or \
            (n_alphas, n_features, n_classes)
        Coefficients on all the data at every level.
    intercept_path_ : ndarray of shape (n_alphas,) or (n_alphas, n_classes)
        Intercepts.
    scores_path_ : ndarray of shape (n_alphas, n_folds) or None
        Score of every fold, larger is better; None with an information criterion.
    criterion_path_ : ndarray of shape (n_alphas,) or None
        Information criterion, smaller is better; None with ``criterion="cv"``.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients at ``alpha_``; one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; 0.0 without.
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
        those of the solver, one row per check at ``alpha_``.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseClassifier : The model at one ``alpha``.
    sparse_path : The path without a choice.
    SparseRegressorCV : The same for regression; its notes hold here as well.

    Notes
    -----
    The training part of every fold needs samples of all classes. A multinomial model
    with K classes has K - 1 free intercepts among its degrees of freedom.

    References
    ----------
    Friedman, Hastie and Tibshirani, Journal of Statistical Software 33(1), 2010 (paths,
    one standard error); Chen and Chen, Biometrika 95, 2008 (EBIC).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skopt2.linear_model import SparseClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SparseClassifierCV(alphas=20, selection="1se").fit(X, y)
    >>> model.coef_path_.shape
    (20, 4, 3)
    >>> model.score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        loss="logistic",
        penalty="l1",
        *,
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        criterion="cv",
        selection="min",
        ebic_gamma=0.5,
        n_jobs=None,
        penalty_factor=None,
        positive=False,
        fit_intercept=True,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.criterion = criterion
        self.selection = selection
        self.ebic_gamma = ebic_gamma
        self.n_jobs = n_jobs
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.random_state = random_state
        self.device = device
