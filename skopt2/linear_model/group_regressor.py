"""Regression with groups of features."""

from dataclasses import replace

import numpy as np

from skopt2._core.checks import column
from skopt2._core.estimator import fit_method
from skopt2.linear_model.group_model import GroupLinearModel
from skopt2.linear_model.loss_regression import LossRegression
from skopt2.losses import get_loss


class GroupRegressor(LossRegression, GroupLinearModel):
    r"""Linear regression with a penalty of groups of coefficients, convex or not.

    Minimises, with weights :math:`s_i` that sum to 1 (:math:`s_i = 1/n` without
    ``sample_weight``),

    .. math:: \sum_i s_i\, \ell(y_i, x_i^\top w + b)
              + \sum_g \mathrm{pen}(\lVert w_g \rVert; \alpha\, \mathrm{weight}_g).

    Groups of one give the problem of :class:`SparseRegressor`.

    The target may have several outputs: the loss is then summed over them, and
    :math:`w_g` are the coefficients of a group for all of them, so that a group enters
    or leaves the model for every output. Groups of one give the problem of
    :class:`sklearn.linear_model.MultiTaskLasso`.

    Parameters
    ----------
    loss : {"squared", "huber", "poisson"} or Loss, default="squared"
        Loss of a sample: ``"huber"`` resists outliers, and ``"poisson"`` is for counts,
        with the mean :math:`e^{x^\top w + b}`. A target of several outputs needs the
        squared loss.
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
    alpha : float, default=1.0
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
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients; one row per column of a two-dimensional ``y``.
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
    SparseRegressor : Penalties of single coefficients.
    GroupClassifier : The same penalties for classification.

    References
    ----------
    Yuan and Lin, JRSS B 68, 2006 (group lasso); Breheny and Huang, Statistics and
    Computing 25, 2015 (group MCP and SCAD, orthonormal groups); Simon et al., Journal
    of Computational and Graphical Statistics 22, 2013 (sparse-group lasso); Bertrand
    and Massias, AISTATS 2021 (acceleration).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import GroupRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 12))
    >>> y = X[:, :3].sum(axis=1) + 0.1 * rng.standard_normal(100)
    >>> model = GroupRegressor(groups=3, alpha=0.2).fit(X, y)
    >>> np.unique(model.groups_[model.coef_ != 0]).tolist()
    [0]
    >>> bool(model.certificate_.holds)
    True
    """

    _y_kind = "multioutput"

    def __init__(
        self,
        loss="squared",
        penalty="group_lasso",
        *,
        groups=None,
        alpha=1.0,
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        loss = getattr(self.loss, "name", self.loss)
        tags.target_tags.multi_output = loss == "squared"
        return tags

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : GroupRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range.
        """
        return self._fit(X, y, sample_weight)

    def _check_input(self, X, y, sample_weight):
        data = super()._check_input(X, y, sample_weight)
        if data.y.ndim == 1:
            return data
        outputs, several = data.y.shape[1], get_loss(self.loss).is_quadratic
        if outputs > 1 and not several:
            raise ValueError(
                f"loss={self.loss!r} is for one target, and y has {outputs}. Use "
                "loss='squared', or wrap the model in "
                "sklearn.multioutput.MultiOutputRegressor."
            )
        if not several:
            return replace(data, y=column(data.y), y_source=data.y_source[:, 0])
        # One output, which the attributes and predictions show as a column.
        return replace(data, y=data.y[:, 0]) if outputs == 1 else data

    def _describe(self, solution, data):
        """Return the attributes of a solution, rows of outputs for a matrix y."""
        attributes = super()._describe(solution, data)
        if data.y_source.ndim == 2 and attributes["coef_"].ndim == 1:
            attributes["coef_"] = attributes["coef_"][None, :]
            attributes["intercept_"] = np.full(
                1, attributes["intercept_"], dtype=attributes["coef_"].dtype
            )
        return attributes

    def _shape_attributes(self, coef, intercept):
        if coef.ndim == 1:
            return super()._shape_attributes(coef, intercept)
        return {"coef_": np.ascontiguousarray(coef.T), "intercept_": intercept}

    def _unshape(self, coef, intercept):
        if coef.ndim == 1:
            return coef, float(intercept)
        if coef.shape[0] == 1:
            return coef[0], float(intercept[0])
        return coef.T, intercept.astype(np.float64)
