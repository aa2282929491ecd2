"""Regression of the worst losses."""

from sklearn.base import RegressorMixin

from skopt2._core.estimator import fit_method
from skopt2.linear_model.cvar_model import CVaRModel


class CVaRRegressor(RegressorMixin, CVaRModel):
    r"""Linear regression that minimises the mean of the worst losses.

    Minimises, over w, b and the level a of the tail, with weights :math:`s_i` that sum
    to 1,

    .. math:: a + \frac{1}{1 - \beta} \sum_i s_i
              \max\{\ell(y_i, x_i^\top w + b) - a,\, 0\}
              + \sum_j \mathrm{pen}(w_j; \alpha),

    whose first two terms are the mean of the largest losses, a share
    :math:`1 - \beta` of them.

    Parameters
    ----------
    loss : {"squared", "absolute", "huber", "quantile"} or Loss, default="squared"
        Loss of a sample, half of the square for ``"squared"``; ``Huber(delta)`` and
        ``Quantile(quantile)`` of :mod:`skopt2.losses` set a parameter.
    penalty : {"ridge", "l1", "elasticnet"} or ElasticNet, default="ridge"
        Penalty of a coefficient; ridge is alpha / 2 times its square.
    beta : float, default=0.9
        Share of the losses below the tail, in [0, 1): 0.9 fits the mean of the worst
        tenth, 0 the mean of all, a value above ``1 - 1 / n_samples`` the largest.
    alpha : float, default=0.01
        Level of the penalty, positive.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    solver : {"auto", "exact", "spl+"}, default="auto"
        ``"exact"``, the choice of ``"auto"``, takes proximal points in the weights of
        the tail by Newton steps; ``"spl+"`` the stochastic prox-linear steps of the
        paper, a sample at a time on the CPU.
    step_size : float, default=1.0
        Size of the steps of ``"spl+"``, in units of the start; they fall with the root
        of their number.
    tol : float, default=1e-6
        Tolerance of ``certificate_``. ``"spl+"`` is for 1e-2 or so.
    max_iter : int, default=1000
        Largest number of solver iterations; an iteration of ``"spl+"`` is an epoch.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    warm_start : bool, default=False
        Start from the previous fit.
    random_state : int, RandomState instance or None, default=None
        Draws the samples of ``"spl+"``; the other solver draws nothing.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept; 0.0 without one.
    quantile_ : float
        Value at risk: the smallest loss that a share ``beta`` of the training weight
        does not exceed.
    cvar_ : float
        Conditional value at risk: the mean training loss of the tail.
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
        Duality gap relative to the risk of a constant prediction, with the tolerance.
    objective_ : float
        Value of the objective.
    dual_gap_ : float
        Absolute duality gap.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate``,
        ``quantile`` and ``cvar``, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    CVaRClassifier : The same for two classes.
    SparseRegressor : The mean of the losses, and more penalties.

    References
    ----------
    Meng and Gower, A model-based method for minimizing CVaR and beyond, ICML 2023;
    Rockafellar and Uryasev, Journal of Risk 2, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import CVaRRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 3))
    >>> noise = np.where(X[:, 0] > 0, 2.0, 0.2) * rng.standard_normal(200)
    >>> y = X @ [1.0, -2.0, 0.5] + noise
    >>> worst = CVaRRegressor(beta=0.9).fit(X, y)
    >>> mean = CVaRRegressor(beta=0.0).fit(X, y)
    >>> tail = lambda model: np.sort((y - model.predict(X)) ** 2)[-20:].mean() / 2
    >>> bool(tail(worst) < tail(mean))
    True
    >>> round(float(worst.cvar_ / tail(worst)), 6)
    1.0
    """

    def __init__(
        self,
        loss="squared",
        penalty="ridge",
        *,
        beta=0.9,
        alpha=0.01,
        fit_intercept=True,
        solver="auto",
        step_size=1.0,
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        super().__init__(
            loss,
            penalty,
            beta=beta,
            alpha=alpha,
            fit_intercept=fit_intercept,
            solver=solver,
            step_size=step_size,
            tol=tol,
            max_iter=max_iter,
            time_limit=time_limit,
            warm_start=warm_start,
            random_state=random_state,
            device=device,
        )

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32 outside of the solver.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : CVaRRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range.
        """
        return self._fit(X, y, sample_weight)

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions, in the namespace of ``X``.
        """
        return self._linear(X, "predict")
