"""Kernel classification by ridge regression on the classes."""

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2._core.chunks import is_chunked, is_dask, labels_among
from skopt2._core.estimator import fit_method
from skopt2._core.labels import codes_among, known_labels, labels_of, signs
from skopt2._core.random import spawn
from skopt2._core.validation import check_fit_input
from skopt2.kernel_machine.calibration import (
    MOST_ROWS,
    calibration_scale,
    leave_one_out_scores,
)
from skopt2.kernel_machine.center_model import has_centers, same_features
from skopt2.kernel_machine.kernel_model import KernelModel
from skopt2.kernel_machine.reservoir import Reservoir


class EigenProClassifier(ClassifierMixin, KernelModel):
    r"""Kernel classifier: ridge regression on targets 1 and -1, one for each class.

    All classes share one solve, see :class:`EigenProRegressor` for what is minimised
    and how. The prediction is the class with the largest score.

    Parameters
    ----------
    kernel : str, Kernel, callable or kernel of scikit-learn, default="laplacian"
        A name or an object of :mod:`skopt2.kernels`, a function of two sets of points,
        a kernel object of ``sklearn.gaussian_process``, a name that
        :func:`sklearn.metrics.pairwise.pairwise_kernels` knows, or "precomputed".
        "laplacian" is exp(-r), r the Euclidean distance.
    length_scale : float, array of shape (n_features,) or "median", default="median"
        Unit of the distance for kernels given by a name: one for all features, one for
        each, or the median distance between the different rows of the fit.
    alpha : float, default=1.0
        Strength of the ridge penalty, at least 0, as in
        :class:`sklearn.kernel_ridge.KernelRidge`; 0 interpolates.
    centers : None, int or array-like of shape (n_centers, n_features), default=None
        Points of the model: all rows of the fit, this many of them, or these. With
        centres the size of the model is free of that of the data, and ``fit`` takes
        data in chunks too.
    center_selection : {"random", "k-means++", "thinning"}, default="random"
        How rows become centres: at random; far from each other, see
        :func:`rejection_kmeans_plusplus`; or like the whole sample, see
        :class:`KernelThinning`.
    solver : {"auto", "cholesky", "sap", "eigenpro", "sdd", "cg"}, default="auto"
        "cholesky" factorises the kernel matrix, which takes n^2 memory and n^3 time;
        "sap" solves blocks of equations exactly, with momentum; "eigenpro" takes
        gradient steps that are preconditioned by the leading eigenvectors of a
        subsample; "sdd" is stochastic dual descent, and "cg" preconditioned conjugate
        gradients. "auto" is "cholesky" or, where that is faster or all that fits the
        memory, "sap"; with early stopping it is "sap", or "eigenpro" for an ``alpha``
        below 1e-4 in units of the kernel. With centres there are "cholesky", which
        solves their normal equations in one pass, and "eigenpro" (EigenPro 3 and 4).
    tol : float, default=1e-3
        Tolerance of the relative residual. The predictions at the rows of the fit are
        then off by at most this share of the norm of the targets.
    max_iter : int, default=100
        Largest number of epochs: passes over the kernel matrix.
    batch_size : int, default=None
        Rows of a block of the iterative solvers; None lets the solver choose.
    n_components : int, default=None
        Rank of the preconditioner of "eigenpro" and "cg"; None lets the solver choose.
    early_stopping : bool, default=False
        Whether to hold rows out, stop when their mean squared error no longer falls,
        and keep the coefficients with which it was smallest.
    validation_fraction : float, default=0.1
        Share of the rows to hold out.
    n_iter_no_change : int, default=5
        Epochs without a smaller error after which to stop.
    time_limit : float, default=None
        Seconds after which the solver stops at the end of an epoch.
    warm_start : bool, default=False
        Whether to start at the former coefficients, where their number is the same.
    random_state : int, RandomState, Generator or None, default=None
        For the order of the blocks, subsamples, and the rows held out.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    dual_coef_ : ndarray of shape (n_centers,) or (n_centers, n_classes)
        Coefficients of the kernel functions of ``centers_``; one column for two
        classes.
    probability_scale_ : float
        What scores are multiplied by before the softmax, see :meth:`predict_proba`.
    centers_ : ndarray of shape (n_centers, n_features)
        Points of the model: the rows of the fit with positive weight that were not held
        out; None for a precomputed kernel, whose coefficients are those of all rows.
    kernel_ : Kernel
        The kernel with numbers for parameters.
    solver_ : str
        The algorithm that ran.
    batch_size_ : int or None
        Rows of a block of an iterative solver.
    step_size_ : float or None
        Its last step.
    n_components_ : int or None
        Rank of its preconditioner.
    n_restarts_ : int
        How often an iterative solver diverged, and went on with half the step.
    validation_errors_ : ndarray of shape (n_checks,) or None
        Mean squared errors on the rows held out; None without early stopping.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_epochs_ : float
        Passes over the kernel matrix.
    n_iter_ : int
        Steps of the solver, each for a block of rows.
    converged_ : bool
        Whether the residual reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, which early
        stopping is too, ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        The relative residual, with the tolerance.
    objective_ : float
        Dual objective 1/2 a'(K + alpha W^-1) a - a'y, summed over the targets.
    dual_gap_ : float
        NaN: the residual is the certificate.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        those of the solver, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    EigenProRegressor : The same for numbers.

    References
    ----------
    Ma and Belkin, Kernel machines that adapt to GPUs for effective large batch
    training, MLSys 2019 (EigenPro 2); Rathore, Frangella and others, Have ASkotch: a
    neat solution for large-scale kernel ridge regression, 2024; Lin, Padhy, Antoran and
    others, Stochastic gradient descent for Gaussian processes done right, ICLR 2024.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skopt2.kernel_machine import EigenProClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = EigenProClassifier().fit(X, y)
    >>> bool(model.score(X, y) > 0.95), model.predict_proba(X[:2]).shape
    (True, (2, 3))
    """

    def __init__(
        self,
        kernel="laplacian",
        *,
        length_scale="median",
        alpha=1.0,
        centers=None,
        center_selection="random",
        solver="auto",
        tol=1e-3,
        max_iter=100,
        batch_size=None,
        n_components=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.kernel = kernel
        self.length_scale = length_scale
        self.alpha = alpha
        self.centers = centers
        self.center_selection = center_selection
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_components = n_components
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), Dask collection or iterator
            Training data, or the kernel matrix (n_samples, n_samples) with
            ``kernel="precomputed"``. float32 stays float32. A Dask array or data frame,
            or an iterator that yields ``(X, y)`` or ``(X, y, sample_weight)``, is read
            chunk by chunk; it needs ``centers``, which come from the first chunk, as
            all classes of an iterator must. It is read once; Dask with
            ``solver="eigenpro"``, or more than 10,000 centres, once an epoch.
        y : array-like of shape (n_samples,)
            Class labels of any kind. None with an iterator.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            Nonnegative weights. A weight k is the row repeated k times, unless rows are
            held out or drawn as centres, which are single rows.

        Returns
        -------
        self : EigenProClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has one class only.

        Warns
        -----
        ConvergenceWarning
            If the residual did not reach ``tol``.
        """
        self._check_parameters()
        if is_chunked(X):
            self._know(labels_among(y, sample_weight) if is_dask(X) else None)
            return self._fit_chunks(X, y, sample_weight)
        self._forget()
        data = check_fit_input(
            self,
            X,
            y,
            sample_weight,
            accept_sparse=False,
            y_kind="classification",
        )
        self.classes_ = data.classes
        codes = to_numpy(data.y)
        with data.target.activate():
            Y = asarray_like(signs(codes, len(data.classes)), data.X)
            return self._fit_system(data, Y, sample_weight, codes)

    @available_if(has_centers)
    @fit_method
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Add rows to a model with centres.

        The result is that of one fit, with the same centres, to all rows of the calls
        so far and of a fit in one pass over chunks before them. The first rows fix the
        centres and the length scale. Any other fit is begun anew, not gone on from.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will come; None in the first call for those in ``y``.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            Nonnegative weights.

        Returns
        -------
        self : EigenProClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or unlike those before.
        """
        self._check_parameters()
        former = self.classes_ if hasattr(self, "_normal") else None
        self._know(known_labels(classes, former))
        return self._fit_more(X, y, sample_weight)

    def _know(self, classes):
        """Take labels for those of all chunks; None or one for those of the first."""
        vars(self).pop("classes_", None)
        if classes is not None and classes.size > 1:
            self.classes_ = classes

    def _checked(self, X, y, sample_weight):
        known = hasattr(self, "classes_")
        with same_features(self):
            data = check_fit_input(
                self,
                X,
                y,
                sample_weight,
                accept_sparse=False,
                y_kind="classification",
                min_classes=1 if known else 2,
            )
        if not known:
            self.classes_ = data.classes
        codes = codes_among(self.classes_, data.classes, data.y)
        with data.target.activate():
            Y = asarray_like(signs(codes, self.classes_.size), data.X)
        return data, Y

    def _keep(self, sample):
        if not hasattr(self, "_kept"):
            self._kept = Reservoir(MOST_ROWS, spawn(self.random_state, 4)[3])
        self._kept.add(sample)

    def _shape(self, a):
        return a[:, 0] if a.shape[1] == 1 else a

    def _calibrate(self, kernel, fitted, held, scores):
        if held is None:
            scores, truth, weight = leave_one_out_scores(
                kernel, fitted, float(self.alpha)
            )
        else:
            truth, weight = to_numpy(held.Y), to_numpy(held.weight)
        scale = calibration_scale(to_numpy(scores), truth, weight)
        return {"probability_scale_": scale}

    def _calibrate_stream(self, kernel, Z):
        return self._calibrate(kernel, self._kept.sample(Z), None, None)

    def decision_function(self, X):
        """Return the score of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; with a precomputed kernel its values (n_samples, n_centers).

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Near 1 for the class and near -1 for the others; with two classes positive
            for ``classes_[1]``.
        """
        scores = self._values(X, "decision_function")
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; with a precomputed kernel its values (n_samples, n_centers).

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; in the namespace of ``X`` where they are numbers.
        """
        return labels_of(self._values(X, "predict"), self.classes_, X)

    def predict_proba(self, X):
        """Predict class probabilities: the softmax of the scaled scores.

        The scale is fitted by the likelihood of labels that the scores have not seen:
        the rows held out with early stopping, else each row left out of a fit to at
        most 2000 of the rows, which is exact where there are no more. A fit to fewer
        rows is less sure of itself, so that the probabilities of a large fit err
        towards caution.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; with a precomputed kernel its values (n_samples, n_centers).

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        scores = self._values(X, "predict_proba")
        xp = namespace(scores)
        if scores.shape[1] == 1:
            scores = xp.concat([-scores, scores], axis=1)
        scores = self.probability_scale_ * scores
        shares = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
        return shares / xp.sum(shares, axis=1, keepdims=True)
