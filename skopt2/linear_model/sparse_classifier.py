"""Sparse classification."""

from sklearn.base import ClassifierMixin

from skopt2._core.estimator import fit_method
from skopt2.linear_model.class_coefficients import LossClasses
from skopt2.linear_model.sparse_model import SparseLinearModel


class SparseClassifier(LossClasses, ClassifierMixin, SparseLinearModel):
    r"""Linear classification with a sparse penalty, convex or not.

    Minimises, with weights :math:`s_i` that sum to 1 and :math:`y_i = \pm 1` (one-hot
    rows for several classes),

    .. math:: \sum_i s_i\, \ell(y_i, x_i^\top w + b)
              + \sum_j \mathrm{pen}(w_j; \alpha\, \mathrm{factor}_j).

    ``alpha`` of this class is ``1 / (n_samples * C)`` of
    :class:`sklearn.linear_model.LogisticRegression`.

    Parameters
    ----------
    loss : str or Loss, default="logistic"
        Loss of a sample: ``"logistic"``, ``"multinomial"``, ``"sparsemax"``,
        ``"squared_hinge"``, ``"huberized_hinge"`` or an object from
        :mod:`skopt2.losses`. ``"logistic"`` becomes multinomial with more than two
        classes; the hinge losses are for two.
    penalty : str or Penalty, default="l1"
        Penalty of a coefficient: ``"l1"``, ``"elasticnet"``, ``"ridge"``,
        ``"adaptive_l1"``, ``"mcp"``, ``"scad"``, ``"l_half"``, ``"l_two_thirds"``,
        ``"log_sum"``, ``"transformed_l1"``, ``"l0"``, ``"box"``, ``"slope"``,
        ``"fused_lasso"``, or an object from :mod:`skopt2.penalties`, which sets its
        parameters; a search reaches them as ``penalty__gamma`` and the like, also
        those of a name.
    alpha : float, default=0.01
        Level of the penalty, nonnegative.
    penalty_factor : array-like of shape (n_features,), default=None
        Multiplies ``alpha`` feature by feature: 0 leaves a feature unpenalised, inf
        excludes it. None for 1 everywhere.
    positive : bool, default=False
        Restrict the coefficients to nonnegative values.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    solver : str or object, default="auto"
        ``"newton"`` is active-set Newton on working sets; ``"proxgrad"`` proximal
        gradient with restarts, for every penalty; ``"ag"`` the accelerated gradient
        method for l1, MCP and SCAD; ``"splicing"`` best-subset exchanges for
        ``penalty="l0"``. The block methods of two papers are here to be compared with:
        ``"a-coder"`` and ``"vr-a-coder"`` for convex penalties, ``"p-ccd"`` and
        ``"vro-ccd"`` for those, MCP and SCAD; the second of each estimates gradients
        from samples of the rows. ``"bcd"`` moves greedily chosen blocks of
        coefficients; a :class:`BlockCoordinateDescent` sets its rules, which a search
        reaches as ``solver__selection``. ``"auto"`` picks ``"curvature"``, steps of
        ``"poly"`` and then of ``"newton-damped"`` if those end sooner, for the logistic
        and, with no more features than samples, the multinomial loss with a ridge and
        large ``X``, and Newton wherever else it applies.
        ``"newton-damped"``, ``"newton-lazy"``, ``"newton-gn"``, ``"poly"`` and
        ``"oasis"`` take their steps from curvature and have nothing to tune;
        :class:`DampedNewton`, :class:`LazyNewton`, :class:`GradientNormalizedNewton`,
        :class:`PolynomialGradient` and :class:`Oasis` set their options.
    tol : float, default=1e-6
        Tolerance of ``certificate_``, relative to the scale of the problem.
    max_iter : int, default=1000
        Largest number of solver iterations.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    warm_start : bool, default=False
        Start from the previous fit.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of ``"vr-a-coder"`` and ``"vro-ccd"`` and the signs of
        ``"oasis"``; the other solvers draw nothing.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row for two classes, except with ``loss="multinomial"`` and
        ``loss="sparsemax"``.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; 0.0 without.
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
    SparseClassifierCV : Chooses ``alpha`` by cross-validation or a criterion.
    sparse_path : Solutions for a sequence of ``alpha``.
    SparseRegressor : The same penalties for regression.

    References
    ----------
    Zhang, Annals of Statistics 38, 2010 (MCP); Nutini, Laradji and Schmidt, JMLR
    23:131, 2022 (active sets); Yang and Zou, Journal of Computational and Graphical
    Statistics 22, 2013 (huberised hinge).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skopt2.linear_model import SparseClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = SparseClassifier(penalty="mcp", alpha=0.03).fit(X, y)
    >>> int((model.coef_ != 0).sum()) < 10
    True
    >>> model.score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        loss="logistic",
        penalty="l1",
        *,
        alpha=0.01,
        penalty_factor=None,
        positive=False,
        fit_intercept=True,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.solver = solver
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
        self : SparseClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has one class only.
        """
        return self._fit(X, y, sample_weight)
