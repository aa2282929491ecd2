"""Regression for several tasks at once: shared features, or shared directions."""

from sklearn.base import RegressorMixin

from skopt2._core.estimator import fit_method
from skopt2.linear_model.multitask_model import MultiTaskModel


class MultiTaskRegressor(RegressorMixin, MultiTaskModel):
    r"""Linear regression for several tasks that share features, or few directions.

    Minimises, with weights :math:`s_i` that sum to 1 (:math:`s_i = 1/n` without
    ``sample_weight``), over the matrix W of coefficients, one column per task,

    .. math:: \tfrac12 \sum_i s_i \lVert y_i - W^\top x_i - b \rVert^2
              + \sum_j \mathrm{pen}(t_j(W); \alpha),

    where :math:`t_j` are the norms of the rows of W, one per feature, or its singular
    values.

    Parameters
    ----------
    penalty : str or MultiTaskPenalty, default="row_lasso"
        ``"row_lasso"``, ``"row_mcp"``, ``"row_scad"`` select features for all tasks
        together. ``"nuclear"``, ``"spectral_mcp"``, ``"spectral_scad"`` give
        coefficients of low rank. An object from :mod:`skopt2.penalties` sets the
        parameters of the penalty; a search reaches them as ``penalty__gamma``.
    alpha : float, default=1.0
        Level of the penalty, nonnegative.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept for each task.
    tol : float, default=1e-6
        Tolerance of ``certificate_``, relative to the scale of the problem.
    max_iter : int, default=1000
        Largest number of solver iterations, each with a pass over the data.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    warm_start : bool, default=False
        Start from the previous fit.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients.
    intercept_ : ndarray of shape (n_tasks,)
        Intercepts; 0.0 without.
    rank_ : int
        Rank of ``coef_``: its singular values that are not rounding errors.
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
        ``support`` or ``rank``, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    MultiTaskRegressorCV : Chooses ``alpha`` by cross-validation.
    GroupRegressor : Groups of features, for one task or several.
    SparseRegressor : One task.

    References
    ----------
    Obozinski, Taskar and Jordan, Statistics and Computing 20, 2010 (rows); Yuan et al.,
    JRSS B 69, 2007 (nuclear norm); Lu et al., CVPR 2014 (nonconvex spectral penalties).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import MultiTaskRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 30))
    >>> Y = X[:, :3] @ rng.standard_normal((3, 5)) + 0.1 * rng.standard_normal((100, 5))
    >>> model = MultiTaskRegressor(alpha=0.2).fit(X, Y)
    >>> np.flatnonzero(model.coef_.any(axis=0)).tolist()
    [0, 1, 2]
    >>> MultiTaskRegressor("nuclear", alpha=0.2).fit(X, Y).rank_
    3
    """

    def __init__(
        self,
        penalty="row_lasso",
        *,
        alpha=1.0,
        fit_intercept=True,
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        device=None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.device = device

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32.
        y : array-like of shape (n_samples, n_tasks)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : MultiTaskRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has one dimension.
        """
        return self._fit(X, y, sample_weight)

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples, n_tasks)
            Predictions, in the namespace of ``X``.
        """
        return self._linear(X, "predict")
