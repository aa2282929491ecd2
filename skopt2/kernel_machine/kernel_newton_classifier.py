"""Online kernel classification by Newton steps on an adaptive dictionary."""

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skopt2._core.array import namespace, to_numpy
from skopt2._core.labels import codes_among, known_labels, labels_of, signs
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.kernel_machine.kernel_newton import KernelNewton
from skopt2.losses import get_loss, is_probabilistic


class KernelNewtonClassifier(ClassifierMixin, KernelNewton):
    r"""Kernel classification of a stream, one Newton step a row.

    Each row is predicted first and learnt from afterwards. The score
    :math:`f(x) = \sum_j a_j k(x, z_j) + b` has centres :math:`z_j` in a dictionary of
    rows that joins those which the former ones do not represent, by their ridge
    leverage scores: its size follows the effective dimension of the data, and not their
    number. A step uses the curvature of the loss, so that the total loss of the
    predictions exceeds that of the best function by a multiple of :math:`\log T` after
    T rows, where gradient steps leave :math:`\sqrt T`. A row costs :math:`O(j^2)` for a
    dictionary of j. Several classes are told apart one against all others, with one
    dictionary for all.

    Parameters
    ----------
    kernel : str, Kernel or callable, default="gaussian"
        Kernel, see :func:`skopt2.kernels.get_kernel`.
    loss : {"logistic", "squared_hinge", "squared"} or Loss, default="logistic"
        Loss of a score, for classes -1 and 1. Only "logistic" has probabilities.
        "squared" is several times faster with many classes, whose matrices A are one.
    alpha : float, default=0.1
        Ridge, in units of the loss of one row: unlike a penalty on a mean it weighs
        less as rows come in.
    length_scale : float, array of shape (n_features,) or "median", default="median"
        Of a kernel given by its name; "median" is the median distance between the rows
        of the first call.
    eta : float or "auto", default="auto"
        Factor of the squared gradients that A, the matrix of the Newton steps,
        accumulates. "auto" takes, row by row, the largest for which a parabola stays
        below the loss within ``clip``, the most that the theory allows.
    clip : float, default=5.0
        Bound C on the absolute value of scores while learning. The larger, the smaller
        the curvature that the logistic loss can rely on. None with the squared loss
        only.
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
        with its square, times the number of classes.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    centers_ : ndarray of shape (n_centers, n_features)
        Rows of the dictionary.
    dual_coef_ : ndarray of shape (n_centers, 1) or (n_centers, n_classes)
        Coefficients of the kernel at the centres.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Constant.
    kernel_ : Kernel
        The kernel, with numbers for parameters.
    cumulative_loss_ : float
        Total loss of the predictions that were made before the rows were learnt, over
        all passes and classes.
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
    KernelNewtonRegressor : The same for numbers, and what is said there of weights.

    References
    ----------
    Calandriello, Lazaric and Valko, Second-order kernel online convex optimization with
    adaptive sketching, ICML 2017; the same, Efficient second-order online kernel
    learning with adaptive embedding, NIPS 2017.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skopt2.kernel_machine import KernelNewtonClassifier
    >>> X, y = make_moons(600, noise=0.2, random_state=0)
    >>> model = KernelNewtonClassifier(length_scale=0.5, random_state=0)
    >>> for start in range(0, 400, 100):
    ...     rows = slice(start, start + 100)
    ...     model = model.partial_fit(X[rows], y[rows], classes=[0, 1])
    >>> bool(model.score(X[400:], y[400:]) > 0.93)
    True
    """

    _losses = ("logistic", "squared_hinge", "squared")

    def __init__(
        self,
        kernel="gaussian",
        loss="logistic",
        alpha=0.1,
        *,
        length_scale="median",
        eta="auto",
        clip=5.0,
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
        # What is left is learnt from the rows since the last that joined.
        tags.classifier_tags.poor_score = bool(self.restart)
        return tags

    def fit(self, X, y):
        """Learn from all rows, in ``n_passes`` passes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data. float32 stays float32.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : KernelNewtonClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or there is only one class.
        """
        self._check_parameters()
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="classification")
        stream = self._passes(data, signs(to_numpy(data.y), data.classes.size).T)
        self.classes_ = data.classes
        self._store(stream, data)
        return self

    def partial_fit(self, X, y, classes=None):
        """Learn from more rows, in their order.

        The result is the same however the rows are shared out among calls.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. The first call sets the number of features, and the length scale.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; the first call needs them.

        Returns
        -------
        self : KernelNewtonClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, does not fit the former calls,
            or has a label that is not one of ``classes``.
        """
        self._check_parameters()
        known = known_labels(classes, vars(self).get("classes_"))
        if known is None:
            raise ValueError(
                "classes is None: the first call of partial_fit needs all labels that "
                "will come."
            )
        if hasattr(self, "_stream"):
            check_predict_input(
                self,
                X,
                accept_sparse=False,
                attribute="dual_coef_",
                method="partial_fit",
            )
        data = check_fit_input(
            self, X, y, accept_sparse=False, y_kind="classification", min_classes=1
        )
        codes = codes_among(known, data.classes, data.y)
        stream = self._more(data, signs(codes, known.size).T)
        self.classes_ = known
        self._store(stream, data)
        return self

    def decision_function(self, X):
        """Compute the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Positive for ``classes_[1]`` with two classes.
        """
        scores = self._values(X, "decision_function")
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; in the namespace of ``X`` where they are numbers.
        """
        return labels_of(self._values(X, "predict"), self.classes_, X)

    @available_if(is_probabilistic)
    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``; with more than two classes those of one
            against the others, divided by their sum.
        """
        scores = self._values(X, "predict_proba")
        xp = namespace(scores)
        p = get_loss(self.loss).inverse_link(scores)
        if scores.shape[1] == 1:
            return xp.concat([1.0 - p, p], axis=1)
        # Where all underflow the class of the largest score would be lost.
        p = xp.maximum(p, float(xp.finfo(p.dtype).tiny))
        return p / xp.sum(p, axis=1, keepdims=True)
