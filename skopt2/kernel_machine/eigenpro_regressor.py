"""Kernel ridge regression from hundreds of rows to hundreds of thousands."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from skopt2._core.chunks import is_chunked
from skopt2._core.estimator import fit_method
from skopt2._core.validation import check_fit_input
from skopt2.kernel_machine.center_model import has_centers, same_features
from skopt2.kernel_machine.kernel_model import KernelModel
from skopt2.kernel_machine.target_penalties import check_penalties, solve_by_penalty


class EigenProRegressor(MultiOutputMixin, RegressorMixin, KernelModel):
    r"""Kernel ridge regression without the matrix of all pairs of rows.

    Minimises :math:`\sum_i w_i (y_i - f(x_i))^2 + \alpha \|f\|^2` over the functions
    of a kernel's space, as :class:`sklearn.kernel_ridge.KernelRidge` does, by a
    Cholesky factorisation where that is fastest and by iterations in linear memory
    where it is not. Each fit reports the residual that it reached.

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
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the ridge penalty, at least 0, as in
        :class:`sklearn.kernel_ridge.KernelRidge`; 0 interpolates. Targets with
        penalties of their own are solved for one after the other, without callbacks.
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
    dual_coef_ : ndarray of shape (n_centers,) or (n_centers, n_targets)
        Coefficients of the kernel functions of ``centers_``.
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
    EigenProClassifier : The same for classes.

    References
    ----------
    Ma and Belkin, Kernel machines that adapt to GPUs for effective large batch
    training, MLSys 2019 (EigenPro 2); Rathore, Frangella and others, Have ASkotch: a
    neat solution for large-scale kernel ridge regression, 2024; Lin, Padhy, Antoran and
    others, Stochastic gradient descent for Gaussian processes done right, ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernel_machine import EigenProRegressor
    >>> X = np.linspace(0.0, 6.0, 200)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> model = EigenProRegressor("gaussian", alpha=1e-3).fit(X, y)
    >>> round(model.score(X, y), 3), model.converged_
    (1.0, True)
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
            chunk by chunk; it needs ``centers``, which come from the first chunk. It is
            read once; Dask with ``solver="eigenpro"``, or more than 10,000 centres,
            once an epoch.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; several share all work with the kernel. None with an iterator.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            Nonnegative weights. A weight k is the row repeated k times, unless rows are
            held out or drawn as centres, which are single rows.

        Returns
        -------
        self : EigenProRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If the residual did not reach ``tol``.
        """
        self._check_parameters()
        if is_chunked(X):
            return self._fit_chunks(X, y, sample_weight)
        self._forget()
        data = check_fit_input(
            self, X, y, sample_weight, accept_sparse=False, y_kind="multioutput"
        )
        self._one_target = data.y.ndim == 1
        with data.target.activate():
            return self._fit_system(data, self._columns(data.y), sample_weight)

    @available_if(has_centers)
    @fit_method
    def partial_fit(self, X, y, sample_weight=None):
        """Add rows to a model with centres.

        The result is that of one fit, with the same centres, to all rows of the calls
        so far and of a fit in one pass over chunks before them. The first rows fix the
        centres and the length scale. Any other fit is begun anew, not gone on from.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            Nonnegative weights.

        Returns
        -------
        self : EigenProRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or unlike those before.
        """
        self._check_parameters()
        return self._fit_more(X, y, sample_weight)

    def _checked(self, X, y, sample_weight):
        with same_features(self):
            data = check_fit_input(
                self, X, y, sample_weight, accept_sparse=False, y_kind="multioutput"
            )
        if not hasattr(self, "_normal"):
            self._one_target = data.y.ndim == 1
        return data, self._columns(data.y)

    def _solve(self, kernel, fitted, Z, rows=None, **loop):
        if np.ndim(self.alpha) == 0:
            return super()._solve(kernel, fitted, Z, rows, **loop)
        solve = super()._solve
        loop |= {"monitor": None, "resume": None}
        return solve_by_penalty(
            check_penalties(self.alpha),
            fitted,
            lambda part, alpha: solve(kernel, part, Z, alpha=alpha, **loop),
        )

    def _check_alpha(self):
        if np.ndim(self.alpha) == 0:
            super()._check_alpha()
            return
        check_penalties(self.alpha)
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True needs one alpha for all targets: set a number, or "
                "fit the targets one by one."
            )

    def _columns(self, y):
        return y[:, None] if y.ndim == 1 else y

    def _shape(self, a):
        return a[:, 0] if self._one_target else a

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; with a precomputed kernel its values (n_samples, n_centers).

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the dtype of ``X``.
        """
        values = self._values(X, "predict")
        return values[:, 0] if self.dual_coef_.ndim == 1 else values
