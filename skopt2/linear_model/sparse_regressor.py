"""Sparse regression."""

from skopt2._core.estimator import fit_method
from skopt2.linear_model.loss_regression import LossRegression
from skopt2.linear_model.sparse_model import SparseLinearModel


class SparseRegressor(LossRegression, SparseLinearModel):
    r"""Linear regression with a sparse penalty, convex or not.

    Minimises, with weights :math:`s_i` that sum to 1 (:math:`s_i = 1/n` without
    ``sample_weight``),

    .. math:: \sum_i s_i\, \ell(y_i, x_i^\top w + b)
              + \sum_j \mathrm{pen}(w_j; \alpha\, \mathrm{factor}_j).

    With the defaults this is the problem of :class:`sklearn.linear_model.Lasso` at the
    same ``alpha``.

    Parameters
    ----------
    loss : str or Loss, default="squared"
        Loss of a sample: ``"squared"``, ``"huber"``, ``"quantile"``, ``"expectile"``,
        ``"poisson"``, or an object from :mod:`skopt2.losses` with its parameters.
    penalty : str or Penalty, default="l1"
        Penalty of a coefficient: ``"l1"``, ``"elasticnet"``, ``"ridge"``,
        ``"adaptive_l1"``, ``"mcp"``, ``"scad"``, ``"l_half"``, ``"l_two_thirds"``,
        ``"log_sum"``, ``"transformed_l1"``, ``"l0"``, ``"box"``, ``"slope"``,
        ``"fused_lasso"``, or an object from :mod:`skopt2.penalties`, which sets its
        parameters; a search reaches them as ``penalty__gamma`` and the like, also
        those of a name.
    alpha : float, default=1.0
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
        ``penalty="l0"``; ``"smoothing"`` is for the quantile loss. The block methods
        of two papers are here to be compared with: ``"a-coder"`` and ``"vr-a-coder"``
        for convex penalties, ``"p-ccd"`` and ``"vro-ccd"`` for those, MCP and SCAD; the
        second of each estimates gradients from samples of the rows. ``"bcd"`` moves
        greedily chosen blocks of coefficients; a :class:`BlockCoordinateDescent` sets
        its rules, which a search reaches as ``solver__selection`` and the like.
        ``"auto"`` picks ``"curvature"``, steps of ``"poly"`` and then of
        ``"newton-damped"`` if those end sooner, for the Poisson and Huber losses with a
        ridge, large ``X`` and no more features than samples, and Newton wherever else
        it applies.
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
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept; 0.0 without one.
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
    SparseRegressorCV : Chooses ``alpha`` by cross-validation or a criterion.
    sparse_path : Solutions for a sequence of ``alpha``.
    SparseClassifier : The same penalties for classification.

    References
    ----------
    Zhang, Annals of Statistics 38, 2010 (MCP); Nutini, Laradji and Schmidt, JMLR
    23:131, 2022 (active sets); Johnson and Guestrin, ICML 2015 (working sets).

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import SparseRegressor
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=100, n_features=300, n_informative=4, random_state=0
    ... )
    >>> model = SparseRegressor(penalty="mcp", alpha=0.3).fit(X, y)
    >>> model.converged_
    True
    >>> bool(model.certificate_.holds)
    True
    """

    def __init__(
        self,
        loss="squared",
        penalty="l1",
        *,
        alpha=1.0,
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
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : SparseRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range.
        """
        return self._fit(X, y, sample_weight)
