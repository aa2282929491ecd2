"""Gaussian process regression from ten rows to hundreds of thousands."""

import functools

from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from skopt2._core.array import namespace
from skopt2._core.chunks import gathered
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.parameters import check_choice, check_count, check_positive
from skopt2._core.validation import check_fit_input
from skopt2.gaussian_process.hyperparameters import Search
from skopt2.gaussian_process.posterior_plan import (
    PosteriorOptions,
    plan_posterior,
    working_dtype,
)
from skopt2.gaussian_process.process_prediction import ProcessPrediction, resolved
from skopt2.gaussian_process.process_run import ProcessRun
from skopt2.gaussian_process.process_update import ProcessUpdate
from skopt2.gaussian_process.targets import Targets, added, noise_of_rows
from skopt2.kernels.process import ProcessKernel
from skopt2.solvers.kernel.solve import SOLVERS

_VARIANCES = ("auto", "samples", "solves")


class GaussianProcessRegressor(
    ProcessUpdate,
    ProcessPrediction,
    MultiOutputMixin,
    RegressorMixin,
    IterativeEstimator,
):
    r"""Gaussian process regression without the matrix of all pairs of rows.

    The model is :math:`y_i = f(x_i) + e_i`, f a Gaussian process with the given kernel
    and e normal noise, as in
    :class:`sklearn.gaussian_process.GaussianProcessRegressor`, whose parameters,
    methods and attributes this class has. Where a Cholesky factor of the covariance
    matrix is affordable the posterior is exact; beyond, its mean and draws of it come
    from one linear system that is solved by blocks in linear memory, and each fit
    reports the residual that it reached.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels, Kernel or None, default=None
        Covariance function. A ``WhiteKernel`` in it is noise. None is
        ``ConstantKernel() * RBF()``. The hyperparameters of an object of
        :mod:`skopt2.kernels` are not fitted.
    alpha : float or array-like of shape (n_samples,), default=1e-10
        Variance of the noise, beside that of the kernel, in the units of the targets
        after normalisation; one for all rows, or one for each.
    optimizer : str, callable or None, default="auto"
        How hyperparameters are fitted: "subset", and "auto", maximise the marginal
        likelihood of at most ``optimizer_size`` rows, by L-BFGS, and what a subset does
        not tell stays near the kernel's values; "pathwise" goes on from there with
        stochastic gradients of the likelihood of all rows;
        "fmin_l_bfgs_b" takes all rows at once, at the cost of a factorisation for each
        step. A callable has the signature that scikit-learn asks for. None keeps the
        kernel as it is.
    n_restarts_optimizer : int, default=0
        Further starts of the optimiser, log-uniform within the bounds.
    optimizer_size : int, default=2000
        Rows of the subset.
    normalize_y : bool, default=False
        Whether to shift and scale the targets to mean 0 and variance 1.
    copy_X_train : bool, default=True
        Whether to keep a copy of the training data, rather than the array itself.
    n_targets : int or None, default=None
        Number of targets, for samples of the prior; None for that of ``y``.
    solver : {"auto", "cholesky", "sap", "sdd", "eigenpro", "cg"}, default="auto"
        "cholesky" factorises the covariance matrix, which takes n^2 memory and n^3
        time; "sap" solves blocks of equations exactly, with momentum; "sdd" is
        stochastic dual descent; "eigenpro" preconditions it by the leading eigenvectors
        of a subsample; "cg" is preconditioned conjugate gradients. "auto" factorises
        where the factor fits the memory budget, which on the host is scikit-learn's
        ``working_memory``, and else takes "sap".
    tol : float, default=1e-2
        Tolerance of the relative residual of the system for the targets; that for draws
        may be four times as large.
    max_iter : int, default=100
        Largest number of epochs: passes over the covariance matrix.
    variance : {"auto", "samples", "solves"}, default="auto"
        How variances are predicted without a factor: by draws of the posterior, which
        are solved for in the fit, or by one solve for each new row, which is exact up
        to ``tol`` and slow. "auto" draws samples where the kernel has random features.
    n_samples : int, default=64
        Number of draws. The relative error of a standard deviation is at most about
        :math:`1 / \sqrt{2 n}`, and less where near rows explain most of it.
    n_features : int, default=2000
        Random features of a draw of the prior.
    time_limit : float or None, default=None
        Seconds after which the solver stops at the end of an epoch.
    n_jobs : int or None, default=None
        Processes for the restarts of the optimiser.
    random_state : int, RandomState, Generator or None, default=None
        For subsets, blocks, and draws.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    kernel_ : kernel of sklearn.gaussian_process.kernels, or Kernel
        With the fitted hyperparameters.
    X_train_ : ndarray of shape (n_samples, n_features)
        Rows of the fit.
    y_train_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Targets, normalised if asked for.
    alpha_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Dual coefficients of the mean.
    L_ : ndarray of shape (n_samples, n_samples)
        Lower Cholesky factor of the covariance matrix, where there is one.
    log_marginal_likelihood_value_ : float
        Log marginal likelihood at ``kernel_``; NaN where no factor was computed.
    posterior_ : object
        Mean, variance and covariance of the normalised process at new points.
    solver_ : str
        The algorithm that ran.
    batch_size_ : int or None
        Rows of a block of an iterative solver.
    n_restarts_ : int
        How often an iterative solver diverged, and went on with half the step.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_epochs_ : float
        Passes over the covariance matrix.
    n_iter_ : int
        Steps of the solver.
    converged_ : bool
        Whether the residual reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        or ``"diverged"``.
    certificate_ : Certificate
        The relative residual, with the tolerance.
    objective_ : float
        Dual objective 1/2 a'(K + Lambda) a - a'y, summed over the columns.
    dual_gap_ : float
        NaN: the residual is the certificate.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        those of the solver, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    sklearn.gaussian_process.GaussianProcessRegressor : The exact process.
    skopt2.kernel_machine.EigenProRegressor : The mean alone.

    Notes
    -----
    Fits of up to 2000 rows are computed in float64 whatever the dtype of ``X``, and so
    are larger ones whose noise is too small for the rounding errors of float32: below
    ``0.2 / tol`` times eps sqrt(n), in units of the variance of the process. Where the
    coefficients that were found are so large that rounding may exceed ``tol`` all the
    same, the fit goes on from them in float64. ``X_train_`` has the dtype of the fit,
    predictions have that of their argument.

    References
    ----------
    Lin, Padhy, Antoran and others, Stochastic gradient descent for Gaussian processes
    done right, ICLR 2024; Rathore, Frangella and others, Turbocharging Gaussian process
    inference with approximate sketch-and-project, NeurIPS 2025; Wilson, Borovitskiy and
    others, Pathwise conditioning of Gaussian processes, JMLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    >>> from skopt2.gaussian_process import GaussianProcessRegressor
    >>> X = np.linspace(0.0, 6.0, 60)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> model = GaussianProcessRegressor(RBF() + WhiteKernel(1e-2)).fit(X, y)
    >>> mean, std = model.predict(np.array([[1.5], [20.0]]), return_std=True)
    >>> mean.round(2).tolist(), bool(std[0] < 0.1 < std[1])
    ([1.0, 0.0], True)
    """

    _remedies = (
        "increase alpha or the white part of the kernel",
        "increase alpha, or choose solver='cholesky'",
    )
    _sparse_input = False

    def __init__(
        self,
        kernel=None,
        *,
        alpha=1e-10,
        optimizer="auto",
        n_restarts_optimizer=0,
        optimizer_size=2000,
        normalize_y=False,
        copy_X_train=True,
        n_targets=None,
        solver="auto",
        tol=1e-2,
        max_iter=100,
        variance="auto",
        n_samples=64,
        n_features=2000,
        time_limit=None,
        n_jobs=None,
        random_state=None,
        device=None,
    ):
        self.kernel = kernel
        self.alpha = alpha
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.optimizer_size = optimizer_size
        self.normalize_y = normalize_y
        self.copy_X_train = copy_X_train
        self.n_targets = n_targets
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.variance = variance
        self.n_samples = n_samples
        self.n_features = n_features
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    @fit_method
    def fit(self, X, y):
        """Fit the hyperparameters, and solve for the posterior.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), Dask collection or iterator
            Training data. float32 stays float32. The chunks of a Dask array or data
            frame, or of an iterator that yields ``(X, y)``, are gathered first: the
            model keeps all its rows in any case.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; several share the kernel and all work with it.

        Returns
        -------
        self : GaussianProcessRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or the kernel is not positive
            semidefinite.

        Warns
        -----
        ConvergenceWarning
            If the residual did not reach ``tol``, or a hyperparameter ended at one of
            its bounds.
        """
        return self._fit_anew(X, y)

    def _fit_anew(self, X, y):
        """Check the data and fit the process."""
        self._check_parameters()
        X, y = gathered(X, y)
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        noise = noise_of_rows(self.alpha, int(data.X.shape[0]))
        self._check_targets(data.y)
        with data.target.activate():
            return self._fit_process(data, noise)

    def _fit_process(self, data, noise):
        """Fit the process to checked data."""
        self._one_target = data.y.ndim == 1
        shared = {"_noise": noise, "_n_updates": 0}
        run = ProcessRun(self, data, functools.partial(self._describe, shared))
        streams = run.streams(3)
        targets = Targets.of(data.y, self.normalize_y, data.y.dtype)
        process = run.fitted(
            self._start_process(data.X),
            lambda start: self._search().run(
                start, data.X, targets.Y, noise, streams[0]
            ),
        )
        lam = added(noise, process.noise(data.X), data.X)
        dtype = working_dtype(process.signal, data.X, lam, float(self.tol))
        X = self._kept(namespace(data.X).astype(data.X, dtype, copy=False), data.X)
        targets = Targets.of(data.y, self.normalize_y, dtype)
        shared |= {"_center": targets.center, "_unit": targets.unit}
        plan = plan_posterior(
            process.signal, X, targets.Y, lam, self._options(), streams[1]
        )
        return run.solve(plan, process, streams[2])

    def _describe(self, shared, plan, process, solution):
        """Return the fitted attributes of a solution."""
        coef = solution.a[:, : plan.n_targets]
        return {
            **shared,
            "kernel_": process.kernel,
            "X_train_": plan.X,
            "y_train_": self._shape(plan.right[:, : plan.n_targets]),
            "alpha_": self._shape(coef),
            "posterior_": plan.posterior(solution.a),
            "log_marginal_likelihood_value_": plan.log_likelihood(coef),
            "solver_": solution.solver,
            "batch_size_": solution.batch_size,
            "n_restarts_": solution.n_restarts,
            "n_epochs_": solution.n_epochs,
        }

    def _kept(self, X, source):
        """Return rows that later changes of the user's array leave alone."""
        if self.copy_X_train and X is source:
            return namespace(X).asarray(X, copy=True)
        return X

    def _shape(self, a):
        return a[:, 0] if self._one_target else a

    def _start_process(self, X):
        kernel = ConstantKernel() * RBF() if self.kernel is None else self.kernel
        return ProcessKernel(resolved(kernel, X))

    def _search(self):
        return Search(
            self.optimizer,
            self.optimizer_size,
            self.n_restarts_optimizer,
            self.n_jobs,
            self.time_limit,
        )

    def _options(self):
        return PosteriorOptions(
            self.solver,
            float(self.tol),
            self.max_iter,
            self.variance,
            self.n_samples,
            self.n_features,
        )

    def _check_targets(self, y):
        seen = 1 if y.ndim == 1 else int(y.shape[1])
        if self.n_targets is not None and seen != self.n_targets:
            raise ValueError(
                "The number of targets seen in `y` is different from the parameter "
                f"`n_targets`. Got {seen} != {self.n_targets}."
            )

    def _check_parameters(self):
        """Raise ValueError for a parameter out of range."""
        self._search().check()
        check_choice("solver", self.solver, SOLVERS)
        check_choice("variance", self.variance, _VARIANCES)
        check_count("n_samples", self.n_samples)
        check_count("n_features", self.n_features)
        check_positive("tol", self.tol)
        check_count("n_targets", self.n_targets, optional=True)
