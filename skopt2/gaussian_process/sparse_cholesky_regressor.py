"""Gaussian process regression with sparse inverse Cholesky factors."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin, clone
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.utils.validation import check_is_fitted

from skopt2._core.array import to_numpy
from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_count
from skopt2._core.random import spawn
from skopt2._core.validation import check_fit_input
from skopt2.gaussian_process.hyperparameters import warn_at_bounds
from skopt2.gaussian_process.sparse_cholesky_model import (
    OPTIMIZER,
    SparseCholeskyModel,
    beside,
)
from skopt2.gaussian_process.targets import Targets, noise_of_rows
from skopt2.kernels.point_blocks import PointBlocks
from skopt2.kernels.process import ProcessKernel
from skopt2.solvers.kernel.inverse_cholesky_factor import prior_factor
from skopt2.solvers.kernel.inverse_cholesky_incomplete import incomplete_factor
from skopt2.solvers.kernel.inverse_cholesky_joint import JointPosterior
from skopt2.solvers.kernel.inverse_cholesky_likelihood import sparse_log_likelihood
from skopt2.solvers.kernel.inverse_cholesky_mean import RESIDUAL, PosteriorMean
from skopt2.solvers.kernel.inverse_cholesky_posterior import (
    SparsePosterior,
    split_noise,
)


class SparseCholeskyGPRegressor(MultiOutputMixin, RegressorMixin, SparseCholeskyModel):
    r"""Gaussian process regression in time almost linear in the number of rows.

    Rows are ordered from coarse to fine, and each depends on its nearest
    ``n_neighbors`` predecessors alone. The inverse covariance of the process then has a
    sparse Cholesky factor, whose best entries come from one small system a row. So has
    that of its posterior, by an incomplete factorisation; conjugate gradients with it
    make the posterior mean exact for the sparse prior.

    Few neighbours give more than a local fit: what distant rows say arrives through the
    chain of neighbours. The approximation suits stationary kernels of finite
    smoothness, such as Matern kernels, on inputs of two or three dimensions, or with
    few relevant features. With all rows for neighbours it is the exact Gaussian
    process.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels, default=None
        Covariance of the process. None is ``1.0 * Matern(nu=1.5) + WhiteKernel()``. A
        white part is noise of the targets.
    alpha : float or array-like of shape (n_samples,), default=1e-10
        Variance of the noise, beside the white part of the kernel.
    n_neighbors : int, default=30
        Most predecessors that a row depends on. Time grows with its cube, accuracy
        quickly at first.
    rho : float, default=None
        Largest distance of a neighbour in units of the spacing of the rows up to its
        place in the order; None for no bound. ``rho=5`` has about 20 neighbours a row
        in two dimensions.
    optimizer : "fmin_l_bfgs_b", callable or None, default="fmin_l_bfgs_b"
        How the parameters of the kernel maximise the likelihood of the sparse factor;
        None keeps them. A callable is as in
        :class:`sklearn.gaussian_process.GaussianProcessRegressor`.
    optimizer_size : int, default=5000
        Most terms of that likelihood that are summed, one for each row; more rows are
        drawn from at random.
    n_restarts_optimizer : int, default=0
        Further starts of the optimizer, within the bounds of the kernel.
    normalize_y : bool, default=False
        Whether to shift and scale the targets to mean 0 and variance 1 first.
    tol : float, default=1e-8
        Relative residual of the posterior mean at which the fit ends.
    max_iter : int, default=200
        Most iterations for the posterior mean.
    random_state : None, int, RandomState or Generator, default=None
        Draws the terms of the likelihood and the restarts.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        As for the other estimators. The fit is computed in host memory.

    Attributes
    ----------
    kernel_ : kernel object
        With the parameters that were found.
    log_marginal_likelihood_value_ : float
        Logarithm of the likelihood of its sparse factor, all rows, in the units in
        which the targets were fitted.
    X_train_ : ndarray of shape (n_samples, n_features)
        The rows.
    y_train_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        The targets, shifted and scaled if that was asked for.
    order_ : ndarray of shape (n_samples,)
        Numbers of the rows from coarse to fine.
    n_iter_ : int
        Iterations for the posterior mean.
    certificate_ : Certificate
        Relative residual of the posterior mean.
    converged_ : bool
        Whether it reached ``tol``.
    stop_reason_ : str
        Why the fit ended.
    objective_ : float
        Quadratic function that the posterior mean minimises.
    dual_gap_ : float
        NaN, for a quadratic function has no use of one.
    history_ : dict of ndarray
        Objective and certificate of each iteration.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    device_ : str
        Where the arrays live.

    See Also
    --------
    SparseCholeskyGPClassifier : The same for classes.
    GaussianProcessRegressor : Exact, or by samples, in any number of dimensions.

    References
    ----------
    Cao, Kang, Jimenez, Sang, Schaefer and Katzfuss, Variational sparse inverse Cholesky
    approximation for latent Gaussian processes via double Kullback-Leibler
    minimization, ICML 2023; Schaefer, Katzfuss and Owhadi, Sparse Cholesky
    factorization by Kullback-Leibler minimization, SIAM J. Sci. Comput. 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.gaussian_process import SparseCholeskyGPRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(2000, 2))
    >>> y = np.sin(6 * X[:, 0]) * X[:, 1] + 0.1 * rng.normal(size=2000)
    >>> model = SparseCholeskyGPRegressor(n_neighbors=15).fit(X, y)
    >>> mean, std = model.predict([[0.25, 1.0]], return_std=True)
    >>> bool(abs(mean[0] - np.sin(1.5)) < 0.1), mean.shape, std.shape
    (True, (1,), (1,))
    """

    def __init__(
        self,
        kernel=None,
        *,
        alpha=1e-10,
        n_neighbors=30,
        rho=None,
        optimizer=OPTIMIZER,
        optimizer_size=5000,
        n_restarts_optimizer=0,
        normalize_y=False,
        tol=1e-8,
        max_iter=200,
        random_state=None,
        device=None,
    ):
        self.kernel = kernel
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.rho = rho
        self.optimizer = optimizer
        self.optimizer_size = optimizer_size
        self.n_restarts_optimizer = n_restarts_optimizer
        self.normalize_y = normalize_y
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y):
        """Find the parameters of the kernel and the posterior.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, dense.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; all columns share the kernel.

        Returns
        -------
        self : SparseCholeskyGPRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are out of range.
        TypeError
            If the kernel is no kernel object.
        """
        self._check_parameters()
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        rows = np.asarray(to_numpy(data.X), dtype=np.float64)
        alpha = self._noise(rows.shape[0])
        y = np.asarray(to_numpy(data.y), dtype=np.float64)
        targets = Targets.of(y, self.normalize_y, np.float64)
        kernel = _default() if self.kernel is None else clone(self.kernel)
        search = self._search(spawn(self.random_state, 1)[0])
        with data.target.activate():
            fitted = search.run(kernel, rows, targets.Y, alpha)
            if self.optimizer is not None:
                warn_at_bounds(ProcessKernel(fitted.kernel))
            return self._fit_posterior(data, fitted, targets, alpha)

    def _fit_posterior(self, data, fitted, targets, alpha):
        """Compute the factors and the posterior mean, and store the model."""
        blocks, points = PointBlocks(fitted.kernel), fitted.points
        Y, alpha = targets.Y[points.order], alpha[points.order]
        noise = alpha + blocks.noise(points.X)
        nugget, rest = split_noise(noise, blocks.diagonal(points.X))
        prior = prior_factor(blocks, points.X, points.neighbours, nugget)
        factor = incomplete_factor(prior, 1.0 / rest)
        value = sparse_log_likelihood(
            blocks, points.X, Y, alpha, points.neighbours, gradient=False
        )
        units = targets.center, targets.unit
        y_train = targets.Y[:, 0] if data.y.ndim == 1 else targets.Y

        def describe(mean):
            return {
                "kernel_": fitted.kernel,
                "log_marginal_likelihood_value_": value,
                "X_train_": data.X,
                "y_train_": beside(y_train, data.X),
                "order_": points.order,
                "_posterior": SparsePosterior(blocks, points, nugget, factor, mean),
                # Lists, which stay in host memory as the posterior does.
                "_units": [values.tolist() for values in units],
            }

        solver = PosteriorMean(prior, factor, 1.0 / rest, Y)
        return self._run(solver, solver.start(), data, describe, RESIDUAL)

    def predict(self, X, return_std=False, return_cov=False):
        """Predict targets, and how uncertain they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows.
        return_std : bool, default=False
            Whether to return standard deviations. The white part of the kernel is in
            them, ``alpha`` is not.
        return_cov : bool, default=False
            Whether to return covariances, which takes (n_samples + rows of the fit)
            times n_samples numbers.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the dtype of ``X``.
        y_std : ndarray of the shape of y_mean
            Only if ``return_std``.
        y_cov : ndarray of shape (n_samples, n_samples) or \
                (n_samples, n_samples, n_targets)
            Only if ``return_cov``.

        Raises
        ------
        RuntimeError
            If both are asked for.
        """
        if return_std and return_cov:
            raise RuntimeError(
                "At most one of return_std or return_cov can be requested."
            )
        X, rows = self._points_of(X, "predict")
        mean, variance = self._posterior.predict(rows, with_variance=return_std)
        shift, scale = np.asarray(self._units)
        mean = beside(self._shaped(shift + scale * mean), X)
        if return_std:
            std = np.sqrt(variance + self._posterior.blocks.noise(rows))
            return mean, beside(self._shaped(std[:, None] * scale), X)
        if return_cov:
            covariance = JointPosterior(self._posterior, rows).covariance()
            covariance += np.diag(self._posterior.blocks.noise(rows))
            both = covariance[:, :, None] * scale**2
            return mean, beside(both[:, :, 0] if self.y_train_.ndim == 1 else both, X)
        return mean

    def sample_y(self, X, n_samples=1, random_state=0):
        """Draw functions from the posterior and evaluate them, with white noise.

        Parameters
        ----------
        X : array-like of shape (n_samples_X, n_features)
            New rows.
        n_samples : int, default=1
            Number of draws.
        random_state : None, int, RandomState or Generator, default=0
            Source of the draws.

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, n_samples) or \
                (n_samples_X, n_targets, n_samples)
            In the dtype of ``X``.
        """
        check_count("n_samples", n_samples)
        X, rows = self._points_of(X, "sample_y")
        rng = spawn(random_state, 1)[0]
        drawn = JointPosterior(self._posterior, rows).sample(n_samples, rng)
        white = np.sqrt(self._posterior.blocks.noise(rows))
        if white.any():
            drawn += white[:, None, None] * rng.standard_normal(drawn.shape)
        shift, scale = np.asarray(self._units)
        drawn = shift[:, None] + scale[:, None] * drawn
        return beside(drawn[:, 0] if self.y_train_.ndim == 1 else drawn, X)

    def log_marginal_likelihood(self, theta=None, eval_gradient=False):
        """Compute the likelihood of the sparse factor at parameters of the kernel.

        Parameters
        ----------
        theta : array-like of shape (n_theta,), default=None
            Logarithms of the free parameters; None for those of the fit. Neighbours
            stay those of the fit.
        eval_gradient : bool, default=False
            Whether to return the gradient as well.

        Returns
        -------
        log_likelihood : float
            Of the targets as they were fitted, all rows and columns.
        gradient : ndarray of shape (n_theta,)
            Only if ``eval_gradient``.
        """
        check_is_fitted(self, "X_train_")
        blocks, points = self._posterior.blocks, self._posterior.points
        if theta is not None:
            theta = np.asarray(theta, dtype=np.float64)
            blocks = PointBlocks(self.kernel_.clone_with_theta(theta))
        n, order = points.X.shape[0], points.order
        Y = np.asarray(to_numpy(self.y_train_), dtype=np.float64).reshape(n, -1)
        return sparse_log_likelihood(
            blocks, points.X, Y[order], self._noise(n)[order], points.neighbours,
            gradient=eval_gradient,
        )  # fmt: skip

    def _shaped(self, values):
        """Return a column as a vector where the targets were one."""
        return values[:, 0] if self.y_train_.ndim == 1 else values

    def _noise(self, n):
        """Return the variance of the noise of each row, float64."""
        return np.broadcast_to(noise_of_rows(self.alpha, n), (n,))


def _default():
    """Return the kernel for kernel=None."""
    return 1.0 * Matern(nu=1.5) + WhiteKernel()
