"""Classification with groups of features."""

from sklearn.base import ClassifierMixin

from skopt2._core.estimator import fit_method
from skopt2.linear_model.class_coefficients import ClassCoefficients
from skopt2.linear_model.group_model import GroupLinearModel


class GroupClassifier(ClassCoefficients, ClassifierMixin, GroupLinearModel):
    r"""Classification with a penalty of groups of coefficients, convex or not.

    Minimises, with weights :math:`s_i` that sum to 1 and :math:`y_i = \pm 1` (one-hot
    rows for several classes),

    .. math:: \sum_i s_i\, \ell(y_i, x_i^\top w + b)
              + \sum_g \mathrm{pen}(\lVert w_g \rVert; \alpha\, \mathrm{weight}_g).

    Groups of one give the problem of :class:`SparseClassifier` for two classes. With
    more, :math:`w_g` are the coefficients of a group for all classes: a group enters or
    leaves the model for every class.

    Parameters
    ----------
    loss : {"logistic", "multinomial"} or Loss, default="logistic"
        Loss of a sample; ``"logistic"`` becomes multinomial with more than two classes.
    penalty : str or GroupPenalty, default="group_lasso"
        Penalty of a group: ``"group_lasso"``, ``"group_mcp"``, ``"group_scad"``,
        ``"sparse_group_lasso"``, ``"exclusive_lasso"`` (:math:`\alpha\,
        \mathrm{weight}_g \lVert w_g \rVert_1^2 / 2`: features of a group compete), or
        an object from :mod:`skopt2.penalties`, which sets its parameters; a search
        reaches them as ``penalty__gamma`` and the like.
    groups : int, array-like, list of lists or dict, default=None
        Which features belong together: a number for consecutive groups of that size;
        one label per feature, (n_features,); or the columns of each group, where a
        column in none is a group of its own: indices or names, in lists, with a label
        as the key if you like. A name may be that of a column before a
        ColumnTransformer, of a transformer, or a pattern such as ``"onehot__*"``, and
        stands for all their columns. Where groups share columns, each has a coefficient
        of its own for them, and ``coef_`` is the sum. None for groups of one.
    alpha : float, default=0.01
        Level of the penalty, nonnegative.
    group_weights : array-like of shape (n_groups,), default=None
        Multiplies ``alpha`` group by group: 0 leaves a group unpenalised, inf excludes
        it. None for the square roots of the sizes, and 1 under the exclusive lasso.
        Groups are numbered by their first feature, or as listed, single columns last.
    orthonormalize : bool, default=False
        Penalise what a group predicts, the standard deviation of ``X_g @ coef_g``, in
        the place of its coefficients: the result does not depend on the units or the
        basis within a group. The coefficients are those of least norm where a group is
        rank-deficient.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    sweep : {"cyclic", "random"}, default="cyclic"
        In which order a sweep visits the groups.
    tol : float, default=1e-6
        Tolerance of ``certificate_``, relative to the scale of the problem.
    max_iter : int, default=1000
        Largest number of solver iterations, each with its own working set.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    warm_start : bool, default=False
        Start from the previous fit.
    random_state : int, RandomState instance or None, default=None
        Seed of ``sweep="random"``.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``. On a GPU all groups move at once, by
        proximal gradient steps, and ``sweep`` has no meaning; penalties that
        select inside groups, overlapping groups and ``orthonormalize=True`` are
        for the CPU, to which arrays of a GPU are copied for them.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row for two classes, except with ``loss="multinomial"``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; 0.0 without.
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
        Solver iterations.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        Relative duality gap of a convex problem, relative KKT violation of a nonconvex
        one, with the tolerance.
    objective_ : float
        Value of the objective.
    dual_gap_ : float
        Absolute duality gap, NaN where the problem has none.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        those of the solver, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseClassifier : Penalties of single coefficients.
    GroupRegressor : The same penalties for regression.

    References
    ----------
    Yuan and Lin, JRSS B 68, 2006 (group lasso); Breheny and Huang, Statistics and
    Computing 25, 2015 (group MCP and SCAD, orthonormal groups); Simon et al., Journal
    of Computational and Graphical Statistics 22, 2013 (sparse-group lasso); Bertrand
    and Massias, AISTATS 2021 (acceleration).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import GroupClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 12))
    >>> y = X[:, :3].sum(axis=1) > 0
    >>> model = GroupClassifier(groups=3, alpha=0.1).fit(X, y)
    >>> np.unique(model.groups_[model.coef_[0] != 0]).tolist()
    [0]
    >>> bool(model.certificate_.holds)
    True
    """

    def __init__(
        self,
        loss="logistic",
        penalty="group_lasso",
        *,
        groups=None,
        alpha=0.01,
        group_weights=None,
        orthonormalize=False,
        fit_intercept=True,
        sweep="cyclic",
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.groups = groups
        self.alpha = alpha
        self.group_weights = group_weights
        self.orthonormalize = orthonormalize
        self.fit_intercept = fit_intercept
        self.sweep = sweep
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32.
        y : array-like of shape (n_samples,)
            Class labels of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : GroupClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has one class only.
        """
        return self._fit(X, y, sample_weight)
