"""Online kernel regression by Newton steps on an adaptive dictionary."""

import numpy as np
from sklearn.base import RegressorMixin

from skopt2._core.array import to_numpy
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.kernel_machine.kernel_newton import KernelNewton


class KernelNewtonRegressor(RegressorMixin, KernelNewton):
    r"""Kernel regression of a stream, one Newton step a row.

    Each row is predicted first and learnt from afterwards. The function
    :math:`f(x) = \sum_j a_j k(x, z_j) + b` has centres :math:`z_j` in a dictionary of
    rows that joins those which the former ones do not represent, by their ridge
    leverage scores: its size follows the effective dimension of the data, and not their
    number. For the squared loss ``f`` solves

    .. math:: \min_f \; \frac12 \sum_{t} (y_t - f(x_t))^2 + \frac\alpha2 \|f\|^2

    on the rows so far, with each row projected on the dictionary of its time: the total
    loss of the predictions exceeds that of the best function by a multiple of
    :math:`\log T` after T rows, where gradient steps leave :math:`\sqrt T`. A row costs
    :math:`O(j^2)` for a dictionary of j.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Kernel, see :func:`skopt2.kernels.get_kernel`.
    loss : {"squared"} or Loss, default="squared"
        Loss of a prediction.
    alpha : float, default=0.1
        Ridge, in units of the loss of one row: unlike a penalty on a mean it weighs
        less as rows come in.
    length_scale : float, array of shape (n_features,) or "median", default="median"
        Of a kernel given by its name; "median" is the median distance between the rows
        of the first call.
    eta : float or "auto", default="auto"
        Factor of the squared gradients that A, the matrix of the Newton steps,
        accumulates. "auto" takes the curvature of the loss, the most that the theory
        allows.
    clip : float, default=None
        Bound on the absolute value of predictions while learning; None for none.
    fit_intercept : bool, default=True
        Whether to add a constant, which has the same ridge.
    dictionary_alpha : float, default=None
        Ridge of the leverage scores; None for ``alpha``. Smaller values make the
        dictionary larger.
    oversampling : float, default=1.0
        A row joins the dictionary with this many times its leverage score for the
        probability; infinity for all that are not in the span already.
    max_dictionary : int, default=1000
        Most rows of the dictionary; None for no bound. Memory and time of a row grow
        with its square.
    restart : bool, default=False
        Whether to begin anew with each row that joins the dictionary, which the proof
        of the regret bound needs, and which costs all that has been learnt. Otherwise
        coefficients go over to the larger dictionary unchanged.
    n_passes : int, default=1
        Times that ``fit`` goes through the data.
    shuffle : bool, default=True
        Whether ``fit`` goes through the rows in random order; ``partial_fit`` takes
        them as they come.
    random_state : None, int, RandomState or Generator, default=None
        Draws the order, the dictionary, and the sample for the median.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where kernel values are computed; None where ``X`` lives. The steps, which
        follow one another, are taken in host memory.

    Attributes
    ----------
    centers_ : ndarray of shape (n_centers, n_features)
        Rows of the dictionary.
    dual_coef_ : ndarray of shape (n_centers,) or (n_centers, n_targets)
        Coefficients of the kernel at the centres.
    intercept_ : ndarray of shape (1,) or (n_targets,)
        Constant.
    kernel_ : Kernel
        The kernel, with numbers for parameters.
    cumulative_loss_ : float
        Total loss of the predictions that were made before the rows were learnt, over
        all passes and targets.
    n_samples_seen_ : int
        Rows learnt, over all passes and calls of ``partial_fit``.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    device_ : str
        Where kernel values were computed.

    See Also
    --------
    KernelNewtonClassifier : The same for classes.

    Notes
    -----
    There is no ``sample_weight``: a row that comes k times in a row is predicted k
    times, by k different functions, which no weight of one step equals.

    References
    ----------
    Calandriello, Lazaric and Valko, Second-order kernel online convex optimization with
    adaptive sketching, ICML 2017; the same, Efficient second-order online kernel
    learning with adaptive embedding, NIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernel_machine import KernelNewtonRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-3.0, 3.0, (600, 1))
    >>> y = np.sin(2.0 * X[:, 0])
    >>> model = KernelNewtonRegressor(alpha=0.01, length_scale=0.7, random_state=0)
    >>> for start in range(0, 500, 100):
    ...     model = model.partial_fit(X[start : start + 100], y[start : start + 100])
    >>> bool(model.score(X[500:], y[500:]) > 0.99)
    True
    """

    _losses = ("squared",)

    def __init__(
        self,
        kernel="gaussian",
        loss="squared",
        alpha=0.1,
        *,
        length_scale="median",
        eta="auto",
        clip=None,
        fit_intercept=True,
        dictionary_alpha=None,
        oversampling=1.0,
        max_dictionary=1000,
        restart=False,
        n_passes=1,
        shuffle=True,
        random_state=None,
        device=None,
    ):
        self.kernel = kernel
        self.loss = loss
        self.alpha = alpha
        self.length_scale = length_scale
        self.eta = eta
        self.clip = clip
        self.fit_intercept = fit_intercept
        self.dictionary_alpha = dictionary_alpha
        self.oversampling = oversampling
        self.max_dictionary = max_dictionary
        self.restart = restart
        self.n_passes = n_passes
        self.shuffle = shuffle
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # What is left is learnt from the rows since the last that joined.
        tags.regressor_tags.poor_score = bool(self.restart)
        return tags

    def fit(self, X, y):
        """Learn from all rows, in ``n_passes`` passes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data. float32 stays float32.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        self : KernelNewtonRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range.
        """
        self._check_parameters()
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        self._vector = data.y.ndim == 1
        self._store(self._passes(data, self._targets(data)), data)
        return self

    def partial_fit(self, X, y):
        """Learn from more rows, in their order.

        The result is the same however the rows are shared out among calls.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. The first call sets the number of features, and the length scale.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        self : KernelNewtonRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or does not fit the former
            calls.
        """
        self._check_parameters()
        first = not hasattr(self, "_stream")
        if not first:
            check_predict_input(
                self,
                X,
                accept_sparse=False,
                attribute="dual_coef_",
                method="partial_fit",
            )
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        Y = self._targets(data)
        if first:
            self._vector = data.y.ndim == 1
        elif Y.shape[0] != self._stream.model.W.shape[0]:
            raise ValueError(
                f"y has {Y.shape[0]} targets, the calls before had "
                f"{self._stream.model.W.shape[0]}."
            )
        self._store(self._more(data, Y), data)
        return self

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the namespace and dtype of ``X``.
        """
        values = self._values(X, "predict")
        return values[:, 0] if self._vector else values

    def _targets(self, data):
        """Return the targets in host memory, one row each."""
        Y = np.asarray(to_numpy(data.y), dtype=np.float64)
        return Y[None, :] if Y.ndim == 1 else Y.T

    def _shaped(self, coefficients):
        return coefficients[:, 0] if self._vector else coefficients
