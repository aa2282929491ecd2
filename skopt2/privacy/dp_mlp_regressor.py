"""Private regression by a small neural network."""

from sklearn.base import MultiOutputMixin, RegressorMixin

from skopt2._core.estimator import fit_method
from skopt2.privacy.private_network import PrivateNetwork
from skopt2.privacy.private_targets import (
    BoundedTargets,
    TargetScale,
    check_y_bounds,
    scaled_loss,
)
from skopt2.solvers.privacy.network_schedule import REGRESSION


class DPMLPRegressor(BoundedTargets, MultiOutputMixin, RegressorMixin, PrivateNetwork):
    r"""Differentially private regression by a network of one or two hidden layers.

    Noisy gradient descent on the mean of the squared loss, or of Huber's, of targets
    that public bounds map to [-1, 1].

    The gradient of a row in a layer is an outer product, so its norm follows from one
    backward pass: no gradient of a row is ever stored. The gradient of each row is
    clipped, Gaussian noise is added to their sum, and momentum and the mean of the last
    iterates are computed from the noisy sums alone. The noise of all steps together is
    calibrated so that the released weights are (epsilon, delta)-differentially private:
    exactly for full batches, by a pessimistic privacy loss distribution for Poisson
    batches.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy loss of a fit; smaller is more private. Infinity turns the noise off.
    delta : float, default=None
        Probability with which the loss may be larger, far below one over the number of
        rows. None for ``min(0.01, 1 / n_samples**1.1)``.
    noise_multiplier : float, default=None
        Standard deviation of the noise over the sensitivity, in place of ``epsilon``.
    hidden_layer_sizes : int or tuple of int, default=(64,)
        Units of one or two hidden layers.
    activation : {"tanh", "relu"}, default="tanh"
        Of the hidden units. Bounded units bear more noise than those of ``"relu"``.
    loss : {"squared", "huber"}, Squared or Huber, default="squared"
        Loss of a row. ``delta`` of an object is in units of ``y``; ``"huber"`` has a
        tenth of the width of ``y_bounds``.
    y_bounds : tuple (low, high)
        Public bounds of the targets, numbers or arrays of shape (n_outputs,). Targets
        are clipped to them. There is no default: bounds of the data are private.
    feature_norm : float, default=1.0
        Rows are scaled down to this Euclidean norm at most, in the fit and in
        predictions. It must not come from the data.
    bounds : tuple (low, high), default=None
        Public bounds of the features, numbers or arrays of shape (n_features,). Values
        are clipped to them, mapped to [-1, 1] and divided by ``sqrt(n_features)``. None
        for features that have a public scale, with rows of norm about ``feature_norm``.
    center : {"midpoint", "private", None}, default="midpoint"
        With ``bounds``, whether the middle of them becomes 0. ``"private"`` spends a
        part of the budget on the mean and the spread of the rows.
    solver : {"auto", "gd", "sgd"}, default="auto"
        ``"gd"`` reads all rows in each step, ``"sgd"`` Poisson batches of the expected
        size ``batch_size``. ``"auto"`` is ``"sgd"`` where a ``batch_size`` is given.
    batch_size : int, default=None
        Expected rows of a batch; each row is in it with probability ``batch_size /
        n_samples``. None for all rows, which needs less noise for the same budget.
    max_iter : int or "auto", default="auto"
        Steps; each of them is done.
    learning_rate : float or "auto", default="auto"
        Step size. ``"auto"`` gives the weights a fixed amount of noise, within what is
        stable without any.
    momentum : float or "auto", default="auto"
        Share of the last move that a step makes again, from 0 to below 1. It costs no
        privacy. ``"auto"`` is 0.9 where the noise allows steps that are too long
        without, else 0.
    max_grad_norm : float or "auto", default="auto"
        Norm to which the gradient of a row, in all layers together, is clipped.
    clipping : {"flat", "automatic"}, default="flat"
        ``"automatic"`` scales every gradient to ``max_grad_norm``, short ones too.
    alpha : float, default=0.0
        Level of the squared-norm penalty ``alpha / 2 * sum(W**2)`` on the weights,
        without the biases, in the units of the descent.
    average : bool, default=True
        Whether to return the mean of the iterates of the last third, which costs no
        privacy, or the last iterate.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Neighbouring data sets, of the same public number of rows: a row counts as
        nothing in one of them, or has other values, which takes twice the noise.
    noise : {"gaussian", "discrete"}, default="gaussian"
        Distribution of the noise. ``"discrete"`` rounds the sums to a grid and adds
        integers from the operating system's secure generator, for releases to someone
        who can study the last bits of the weights.
    accountant : PrivacyAccountant, default=None
        Budget that the fit spends on, before any value is read.
    random_state : int, RandomState instance or None, default=None
        None draws fresh noise from the entropy of the system. Anything else makes the
        noise reproducible, for tests, and void as protection. The starting weights are
        public, and from another stream than the noise.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute, and to draw the noise; None follows ``X``.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n_inputs, n_units)
        Weights of each layer, for rows as ``bounds`` and ``feature_norm`` map them.
    intercepts_ : list of ndarray of shape (n_units,)
        Biases of each layer.
    privacy_ : PrivacyRecord
        Epsilon, delta, relation, the mechanisms that read the data, the noise.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps, a public number.
    converged_ : bool
        Whether all steps were done.
    stop_reason_ : str
        ``"converged"``, or ``"callback"`` where one stopped the fit.
    certificate_ : Certificate
        The privacy loss epsilon.
    history_ : dict of ndarray
        Columns ``iteration`` and ``epsilon``, one row: what the data say of the
        progress of a private fit is private.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    DPMLPClassifier : The same for labels.

    Notes
    -----
    Private are the values of ``X`` and ``y``. Public are the number of rows, the number
    and the names of features, dtypes, and all parameters. A row with NaN or infinity,
    with values whose squares overflow, or with a target that is not finite
    counts as nothing; no error and no warning depends on a value,
    but that targets of which none is finite are refused, as scikit-learn asks.
    Every fit spends: a
    search over parameters with k fits spends k times, and its choice is not private
    unless an accountant counts them all.

    References
    ----------
    Abadi and others, Deep learning with differential privacy, CCS 2016, algorithm 1;
    Goodfellow, arXiv 1510.01799 (norms from the factors of a layer); Papernot and
    others, Tempered sigmoid activations for deep learning with differential privacy,
    AAAI 2021 (bounded units); Dong, Roth and Su, Journal of the Royal Statistical
    Society B 84, 2022, corollary 3.3 (composition of Gaussian mechanisms).

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from skopt2.privacy import DPMLPRegressor
    >>> X, y = make_friedman1(5000, n_features=5, noise=1.0, random_state=0)
    >>> model = DPMLPRegressor(epsilon=4.0, bounds=(0, 1), y_bounds=(0, 30))
    >>> model.fit(X, y).score(X, y) > 0.8
    True
    """

    _y_kind = "numbers"
    _defaults = REGRESSION

    def __init__(
        self,
        epsilon=1.0,
        *,
        delta=None,
        noise_multiplier=None,
        hidden_layer_sizes=(64,),
        activation="tanh",
        loss="squared",
        y_bounds=None,
        feature_norm=1.0,
        bounds=None,
        center="midpoint",
        solver="auto",
        batch_size=None,
        max_iter="auto",
        learning_rate="auto",
        momentum="auto",
        max_grad_norm="auto",
        clipping="flat",
        alpha=0.0,
        average=True,
        relation="zero_out",
        noise="gaussian",
        accountant=None,
        random_state=None,
        device=None,
    ):
        self.epsilon = epsilon
        self.delta = delta
        self.noise_multiplier = noise_multiplier
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.y_bounds = y_bounds
        self.feature_norm = feature_norm
        self.bounds = bounds
        self.center = center
        self.solver = solver
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.max_grad_norm = max_grad_norm
        self.clipping = clipping
        self.alpha = alpha
        self.average = average
        self.relation = relation
        self.noise = noise
        self.accountant = accountant
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A few rows cannot be learnt from without telling of them.
        tags.regressor_tags.poor_score = True
        return tags

    @fit_method
    def fit(self, X, y=None):
        """Fit the model, and spend its epsilon.

        Parameters
        ----------
        X : array-like, CSR matrix or Dask array of shape (n_samples, n_features)
            Training data, or an iterator of chunks ``(X, y)``. float32 stays float32.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; None with an iterator.

        Returns
        -------
        self : DPMLPRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, a shape or a type is wrong, or ``y_bounds`` is missing.
        BudgetError
            If the accountant's budget does not suffice: nothing was read then.
        """
        return self._fit(X, y)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, in the units of the targets.
        """
        outputs = self._outputs(X, "predict")
        return outputs[:, 0] if self._single else outputs

    def _check_parameters(self):
        check_y_bounds(self.y_bounds)
        super()._check_parameters()

    def _task(self, data):
        _, y = next(data.chunks())
        self._single = y.ndim == 1
        n_outputs = None if self._single else y.shape[1]
        scale = TargetScale(self.y_bounds, n_outputs)
        return scaled_loss(self.loss, scale), n_outputs or 1, scale

    def _in_units(self, coef, intercept):
        n_outputs = None if self._single else intercept.shape[0]
        return TargetScale(self.y_bounds, n_outputs).fold(coef, intercept)
