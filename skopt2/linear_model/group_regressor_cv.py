"""Regression with groups of features at a level chosen along the path."""

from skopt2.linear_model.group_freedom import GroupCriterion
from skopt2.linear_model.group_regressor import GroupRegressor
from skopt2.linear_model.path_selection import PathSelection


class GroupRegressorCV(PathSelection, GroupRegressor):
    """Regression with groups of features that chooses ``alpha`` itself.

    By cross-validation, with the paths of the folds in parallel and every solution
    started from the one before; or by an information criterion, without folds.

    Parameters
    ----------
    loss : {"squared", "huber", "poisson"} or Loss, default="squared"
        As in :class:`GroupRegressor`.
    penalty : str or GroupPenalty, default="group_lasso"
        As in :class:`GroupRegressor`.
    groups : int, array-like, list of lists or dict, default=None
        Which features belong together, as in :class:`GroupRegressor`. The ``groups``
        of :meth:`fit` are others: groups of samples, for a splitter such as
        ``GroupKFold``.
    alphas : int or array-like of shape (n_alphas,), default=100
        Number of levels on a geometric grid, or the levels. The grid starts at the
        smallest ``alpha`` whose model on all the data has no penalised group.
    eps : float, default=1e-3
        Smallest over largest level of the grid.
    cv : int, splitter or iterable of (train, test), default=None
        Folds, made once for all levels; None for five.
    scoring : str, callable or None, default=None
        Scikit-learn scorer, larger is better. None is minus the mean loss: squared
        error, Huber loss, Poisson deviance.
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
    group_weights : array-like of shape (n_groups,), default=None
        Multiplies ``alpha`` group by group: 0 leaves a group unpenalised, inf excludes
        it. None for the default weights.
    orthonormalize : bool, default=False
        Penalise what a group predicts in the place of its coefficients; each fold takes
        the bases of its own samples.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    sweep : {"cyclic", "random"}, default="cyclic"
        In which order a sweep visits the groups.
    tol : float, default=1e-6
        Tolerance of the certificate of every fit.
    max_iter : int, default=1000
        Largest number of solver iterations at one level.
    time_limit : float, default=None
        Seconds after which the fit at one level stops.
    random_state : int, RandomState instance or None, default=None
        Seed of ``sweep="random"``.
    device : {None, "cpu", "auto"}, default=None
        Blocks are updated on the CPU, as in :class:`GroupRegressor`.

    Attributes
    ----------
    alpha_ : float
        Chosen level.
    alphas_ : ndarray of shape (n_alphas,)
        Levels, descending.
    coef_path_ : ndarray of shape (n_alphas, n_features) or \
            (n_alphas, n_features, n_targets)
        Coefficients on all the data at every level.
    intercept_path_ : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Intercepts.
    scores_path_ : ndarray of shape (n_alphas, n_folds) or None
        Score of every fold, larger is better; None with an information criterion.
    criterion_path_ : ndarray of shape (n_alphas,) or None
        Information criterion, smaller is better; None with ``criterion="cv"``.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients at ``alpha_``.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercept; 0.0 without one.
    groups_ : ndarray of int of shape (n_features,) or list of ndarray
        Number of the group of each feature; where groups overlap, the features of each.
    group_labels_ : ndarray of shape (n_groups,)
        What ``groups`` calls each group, its number where it has no name.
    group_norms_ : ndarray of shape (n_groups,)
        Norm of the coefficients of each group, 0 for groups that are not in the model.
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
    GroupRegressor : The model at one ``alpha``.
    group_path : The path without a choice.
    GroupClassifierCV : The same for classification.

    Notes
    -----
    All folds share the levels. The model is the point at ``alpha_`` of a last path, on
    all the data, with its certificate: under a nonconvex penalty a better minimum than
    a fit from nothing finds.

    Information criteria count degrees of freedom by the divergence of the fit, which is
    less than the number of coefficients: a group lasso of d features shrinks, and
    spends between 1 and d of them. A concave penalty is taken as the group lasso that
    touches it, so that groups that are not shrunk count in full. In ``"ebic"`` models
    are sets of groups. As for :class:`SparseRegressorCV`, a path ends before the model
    fits the noise.

    References
    ----------
    Vaiter, Deledalle, Peyre, Fadili and Dossal, hal-00768896, 2012 (degrees of
    freedom); Yuan and Lin, JRSS B 68, 2006; Chen and Chen, Biometrika 95,
    2008 (EBIC).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import GroupRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 30))
    >>> y = X[:, :3].sum(axis=1) + rng.standard_normal(100)
    >>> model = GroupRegressorCV(penalty="group_mcp", groups=3, alphas=20, eps=0.05)
    >>> model.fit(X, y).scores_path_.shape
    (20, 5)
    >>> np.unique(model.groups_[model.coef_ != 0]).tolist()
    [0]
    """

    _criterion = GroupCriterion
    # Degrees of freedom are those of blocks.
    _moves_at_once = False

    def __init__(
        self,
        loss="squared",
        penalty="group_lasso",
        *,
        groups=None,
        alphas=100,
        eps=1e-3,
        cv=None,
        scoring=None,
        criterion="cv",
        selection="min",
        ebic_gamma=0.5,
        n_jobs=None,
        group_weights=None,
        orthonormalize=False,
        fit_intercept=True,
        sweep="cyclic",
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.groups = groups
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.criterion = criterion
        self.selection = selection
        self.ebic_gamma = ebic_gamma
        self.n_jobs = n_jobs
        self.group_weights = group_weights
        self.orthonormalize = orthonormalize
        self.fit_intercept = fit_intercept
        self.sweep = sweep
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.random_state = random_state
        self.device = device
