"""Private support vector classification."""

from skopt2._core.class_scores import ClassScores
from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_positive
from skopt2.losses import HuberizedHinge
from skopt2.privacy.private_linear_classifier import PrivateLinearClassifier


class DPSVMClassifier(ClassScores, PrivateLinearClassifier):
    r"""Differentially private linear support vector machine.

    Noisy gradient descent on the mean of the huberised hinge loss. Several classes are
    told from the rest each, in one joint gradient with one clipping norm and one noise:
    no budget is split between them.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy loss of a fit; smaller is more private. Infinity turns the noise off.
    delta : float, default=None
        Probability with which the loss may be larger, far below one over the number of
        rows. None for ``min(0.01, 1 / n_samples**1.1)``.
    noise_multiplier : float, default=None
        Standard deviation of the noise over the sensitivity, in place of ``epsilon``.
    classes : array-like of shape (n_classes,), default=None
        All labels that there can be. None takes them from ``y`` and warns: the labels
        that occur are private too.
    delta_hinge : float, default=1.0
        Width of the quadratic piece that rounds off the hinge.
    feature_norm : float, default=1.0
        Rows are scaled down to this Euclidean norm at most. It must not come from the
        data.
    bounds : tuple (low, high), default=None
        Public bounds of the features, numbers or arrays of shape (n_features,). Values
        are clipped to them, mapped to [-1, 1] and divided by ``sqrt(n_features)``;
        ``coef_`` is for the features as they come. None for features that have a
        public scale, with rows of norm about ``feature_norm``.
    center : {"midpoint", "private", None}, default="midpoint"
        With ``bounds``, whether the middle of them becomes 0. ``"private"`` spends a
        fifth of the budget, as ``mu**2``, on the mean and the spread of the rows, which
        pays from about ``n_samples * epsilon = 300`` on.
    fit_intercept : bool, default=True
        Whether to fit an intercept; it counts in the norm of a row.
    intercept_scaling : float, default=0.25
        Value of the column that the intercept multiplies. A long column would fill the
        clipped gradients, and leave less of them for the features; a very short one
        makes the intercept slow.
    solver : {"auto", "gd", "sgd", "dicesgd", "diff2"}, default="auto"
        ``"gd"`` reads all rows in each step, ``"sgd"`` Poisson batches of the expected
        size ``batch_size``. ``"auto"`` is ``"sgd"`` where a ``batch_size`` is given,
        else ``"gd"``. ``"dicesgd"``, error feedback in the last steps, and ``"diff2"``,
        gradient differences, are experimental: full batches, no better than ``"gd"``.
    batch_size : int, default=None
        Expected rows of a batch; each row is in it with probability ``batch_size /
        n_samples``. None for all rows, which needs less noise for the same budget.
    max_iter : int or "auto", default="auto"
        Steps; each of them is done.
    learning_rate : float or "auto", default="auto"
        Step size. ``"auto"`` follows from public numbers, as all defaults, and comes
        with momentum where all rows are read; a number comes without.
    max_grad_norm : float or "auto", default="auto"
        Norm to which the gradient of a row is clipped. 1.0 is the m-NGP method.
    clipping : {"flat", "automatic"}, default="flat"
        ``"automatic"`` scales every gradient to ``max_grad_norm``, short ones too.
    alpha : float, default=0.0
        Level of the squared-norm penalty ``alpha / 2 * sum(coef_**2)``, without the
        intercept, in the units of the scaled rows.
    average : bool, default=True
        Whether to return the mean of the iterates of the last third, which costs no
        privacy, or the last iterate.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Neighbouring data sets, of the same public number of rows: a row counts as
        nothing in one of them, or has other values, which takes twice the noise.
    noise : {"gaussian", "discrete"}, default="gaussian"
        Distribution of the noise. ``"discrete"`` rounds the sums to a grid and adds
        integers from the operating system's secure generator, for releases to someone
        who can study the last bits of the coefficients.
    accountant : PrivacyAccountant, default=None
        Budget that the fit spends on, before any value is read.
    random_state : int, RandomState instance or None, default=None
        None draws fresh noise from the entropy of the system. Anything else makes the
        noise reproducible, for tests, and void as protection.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute, and to draw the noise; None follows ``X``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients for the features as they come; one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; 0.0 without.
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
    DPLogisticClassifier : The same with probabilities.
    PrivacyAccountant : A budget that several fits share.

    Notes
    -----
    Private are the values of ``X`` and ``y``. Public are the number of rows, the number
    and the names of features, dtypes, and all parameters. A row with NaN or infinity,
    with values whose squares overflow, or with a label that is not in ``classes``
    counts as nothing; no error and no warning depends on a value. Every fit spends: a
    search over parameters with k fits spends k times, and its choice is not private
    unless an accountant counts them all.

    References
    ----------
    Abadi and others, CCS 2016, algorithm 1 (noisy gradients); Yang and Zou, Journal of
    Computational and Graphical Statistics 22, 2013 (huberised hinge); Dong, Roth and
    Su, Journal of the Royal Statistical Society B 84, 2022 (composition).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skopt2.privacy import DPSVMClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> bounds = (0.0, 1.2 * X.max(axis=0))  # public in earnest
    >>> model = DPSVMClassifier(epsilon=4.0, bounds=bounds, classes=[0, 1])
    >>> model.fit(X, y).score(X, y) > 0.8
    True
    """

    def __init__(
        self,
        epsilon=1.0,
        *,
        delta=None,
        noise_multiplier=None,
        classes=None,
        delta_hinge=1.0,
        feature_norm=1.0,
        bounds=None,
        center="midpoint",
        fit_intercept=True,
        intercept_scaling=0.25,
        solver="auto",
        batch_size=None,
        max_iter="auto",
        learning_rate="auto",
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
        self.classes = classes
        self.delta_hinge = delta_hinge
        self.feature_norm = feature_norm
        self.bounds = bounds
        self.center = center
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.solver = solver
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_grad_norm = max_grad_norm
        self.clipping = clipping
        self.alpha = alpha
        self.average = average
        self.relation = relation
        self.noise = noise
        self.accountant = accountant
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None):
        """Fit the model, and spend its epsilon.

        Parameters
        ----------
        X : array-like, CSR matrix or Dask array of shape (n_samples, n_features)
            Training data, or an iterator of chunks ``(X, y)``. float32 stays float32.
        y : array-like of shape (n_samples,)
            Class labels; None with an iterator.

        Returns
        -------
        self : DPSVMClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, a shape or a type is wrong.
        BudgetError
            If the accountant's budget does not suffice: nothing was read then.
        """
        return self._fit(X, y)

    def _task(self, data):
        loss = HuberizedHinge(check_positive("delta_hinge", self.delta_hinge))
        loss.check_parameters()
        encode = self._encoder(data, "signs")
        return loss, self._n_outputs(), encode
