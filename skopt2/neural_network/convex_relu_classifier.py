"""Classification by a two-layer ReLU network at its optimum."""

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skopt2._core.class_scores import ClassProbabilities
from skopt2._core.estimator import fit_method
from skopt2.losses import is_probabilistic
from skopt2.neural_network.convex_relu_model import ConvexReLUModel


class ConvexReLUClassifier(ClassProbabilities, ClassifierMixin, ConvexReLUModel):
    r"""Classification by a two-layer ReLU network, trained as a convex program.

    With weights :math:`s_i` that sum to 1, the network
    :math:`f(x)_k = \sum_j a_{jk} \max(0, x^\top w_j + c_j) + b_k` minimises

    .. math:: \sum_i s_i\, \ell(y_i, f(x_i))
              + \frac{\alpha}{2} \sum_j \big(\|w_j\|^2 + c_j^2 + \|a_j\|_1^2\big)

    over networks of any width. The fit needs no learning rate and no initial weights,
    and ends with a bound on what is left to gain.

    Parameters
    ----------
    loss : str or Loss, default="logistic"
        Loss of a sample: "logistic", "squared_hinge" or "huberized_hinge". "logistic"
        becomes multinomial, with one output for each class, with more than two classes;
        the others are for two.
    alpha : float, default=0.01
        Positive level of the penalty.
    n_gates : int or "all", default=100
        Activation patterns to draw at random, each with its own neurons; of
        ``solver="sampled"`` neurons to draw. "all" enumerates every pattern, for few
        rows in few dimensions: the optimum is then that of all networks.
    solver : {"auto", "admm", "sampled"}, default="auto"
        "admm" solves the program of the patterns by alternating directions; "sampled"
        keeps the hidden weights that were drawn and fits the output weights by a lasso,
        for large data. "auto" is "admm" where that fits, else "sampled" with ten times
        ``n_gates`` neurons.
    init : {"sampled", "dual", "descent", "zero"}, default="sampled"
        Where "admm" starts: at the network of "sampled" with ten times ``n_gates``
        neurons, whose patterns join those drawn; at that network with neurons that its
        dual asks for, or after a descent on all its weights, which find better patterns
        but are sensitive to rounding; or without neurons.
    robust : float, default=0.0
        The loss counts each sample at the worst point whose features differ by no more
        than this. For ``solver="admm"`` and two classes.
    fit_intercept : bool, default=True
        Whether there are hidden biases, penalised as weights are, and an unpenalised
        output bias.
    tol : float, default=1e-4
        Tolerance of the duality gap, relative to the loss of the best constant.
    max_iter : int, default=2000
        Largest number of iterations.
    time_limit : float, default=None
        Seconds after which the fit stops at the next check.
    warm_start : bool, default=False
        Start from the network of the previous fit, whose patterns join those that are
        drawn: fits in a row search more and more patterns.
    random_state : None, int, RandomState or Generator, default=None
        Draws the patterns.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels.
    coefs_ : list of two ndarray
        Hidden weights (n_features, n_hidden) and output weights (n_hidden, n_outputs),
        as in :class:`sklearn.neural_network.MLPClassifier`. Two classes have one
        output; of several, each neuron serves one with ``solver="admm"``.
    intercepts_ : list of two ndarray
        Hidden biases (n_hidden,) and output biases (n_outputs,).
    neuron_sizes_ : ndarray of shape (n_hidden,)
        :math:`\|(w_j, c_j)\| \|a_j\|_1`, in decreasing order.
    dual_coef_ : ndarray of shape (n_samples, n_outputs)
        Weight times dual variable of each training row, which prove the bound.
    n_hidden_ : int
        Neurons of the network.
    n_gates_ : int
        Different patterns, or neurons, among which they were found.
    solver_ : str
        "admm" or "sampled".
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Iterations.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        Relative duality gap, with the tolerance.
    dual_gap_ : float
        The objective is at most so much above the optimum of the program of the
        patterns; with ``n_gates="all"``, of all networks.
    objective_ : float
        Objective of the network; with ``robust``, an upper bound of it.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``neurons`` (``support`` for "sampled"), one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    ConvexReLURegressor : The same for regression.
    sklearn.neural_network.MLPClassifier : Networks trained by gradient descent.

    References
    ----------
    Pilanci and Ergen, Neural networks are convex regularizers, ICML 2020; Bai, Gautam
    and Sojoudi, Efficient global optimization of two-layer ReLU networks, SIAM Journal
    on Mathematics of Data Science 5, 2023.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skopt2.neural_network import ConvexReLUClassifier
    >>> X, y = make_moons(200, noise=0.1, random_state=0)
    >>> model = ConvexReLUClassifier(alpha=1e-3, random_state=0).fit(X, y)
    >>> print(model.certificate_.name, model.converged_)
    relative duality gap True
    >>> model.score(X, y) > 0.98
    True
    """

    _y_kind = "classification"

    def __init__(
        self,
        loss="logistic",
        *,
        alpha=0.01,
        n_gates=100,
        solver="auto",
        init="sampled",
        robust=0.0,
        fit_intercept=True,
        tol=1e-4,
        max_iter=2000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.alpha = alpha
        self.n_gates = n_gates
        self.solver = solver
        self.init = init
        self.robust = robust
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        loss = getattr(self.loss, "name", self.loss)
        several = loss in ("logistic", "multinomial") and not self.robust
        tags.classifier_tags.multi_class = several
        return tags

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, best with features of one scale. float32 stays float32.
        y : array-like of shape (n_samples,)
            Class labels of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : ConvexReLUClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has one class only.
        """
        return self._fit(X, y, sample_weight)

    def _scores(self, X, method):
        return self._outputs(X, method)

    predict_proba = available_if(is_probabilistic)(ClassProbabilities.predict_proba)
    predict_log_proba = available_if(is_probabilistic)(
        ClassProbabilities.predict_log_proba
    )
