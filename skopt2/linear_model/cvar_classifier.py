"""Classification by the worst losses."""

from sklearn.base import ClassifierMixin

from skopt2._core.estimator import fit_method
from skopt2.linear_model.class_coefficients import ClassCoefficients
from skopt2.linear_model.cvar_model import CVaRModel


class CVaRClassifier(ClassCoefficients, ClassifierMixin, CVaRModel):
    r"""Linear classification that minimises the mean of the worst losses.

    Minimises, over w, b and the level a of the tail, with weights :math:`s_i` that sum
    to 1,

    .. math:: a + \frac{1}{1 - \beta} \sum_i s_i
              \max\{\ell(y_i, x_i^\top w + b) - a,\, 0\}
              + \sum_j \mathrm{pen}(w_j; \alpha),

    whose first two terms are the mean of the largest losses, a share
    :math:`1 - \beta` of them.

    Parameters
    ----------
    loss : {"logistic", "hinge", "squared_hinge"} or Loss, default="logistic"
        Loss of a sample.
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
    classes_ : ndarray of shape (2,)
        Class labels.
    coef_ : ndarray of shape (1, n_features)
        Coefficients.
    intercept_ : ndarray of shape (1,)
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
    CVaRRegressor : The same for regression.
    SparseClassifier : The mean of the losses, and more penalties.

    References
    ----------
    Meng and Gower, A model-based method for minimizing CVaR and beyond, ICML 2023;
    Rockafellar and Uryasev, Journal of Risk 2, 2000.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skopt2.linear_model import CVaRClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> worst = CVaRClassifier(beta=0.9, alpha=1e-3).fit(X, y)
    >>> mean = CVaRClassifier(beta=0.0, alpha=1e-3).fit(X, y)
    >>> worst.cvar_ < CVaRClassifier(beta=0.9, alpha=1.0).fit(X, y).cvar_
    True
    >>> worst.score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        loss="logistic",
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32 outside of the solver.
        y : array-like of shape (n_samples,)
            Labels of two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : CVaRClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has not two classes.
        """
        return self._fit(X, y, sample_weight)
