"""What a fitted Gaussian process answers: moments, draws, and its likelihood."""

from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.utils.validation import check_is_fitted, validate_data

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace, to_numpy
from skopt2._core.chunks import answer_blocks, is_dask
from skopt2._core.random import seed_sequence
from skopt2._core.transfer import convert
from skopt2._core.validation import check_predict_input
from skopt2.gaussian_process.placed_process import (
    PlacedProcess,
    PosteriorPaths,
    normal_draws,
)
from skopt2.kernels import Kernel
from skopt2.kernels.from_pairwise import is_process_kernel
from skopt2.kernels.process import ProcessKernel
from skopt2.solvers.kernel.exact_posterior import ExactPosterior
from skopt2.solvers.kernel.likelihood import log_likelihood
from skopt2.solvers.kernel.pathwise import (
    PathwisePosterior,
)
from skopt2.solvers.kernel.system import add_to_diagonal

# Rows up to which draws come from the joint covariance.
JOINT = 2000


def resolved(kernel, X):
    """Return the kernel of an estimator with numbers for parameters.

    Parameters
    ----------
    kernel : Kernel or kernel of sklearn.gaussian_process.kernels
        The user's.
    X : array of shape (n, d)
        Rows that a length scale "median" is taken from.

    Returns
    -------
    kernel : object of the same kind
        A copy.

    Raises
    ------
    TypeError
        If it is no kernel object.
    """
    if isinstance(kernel, Kernel):
        return kernel.resolve(X)
    if not is_process_kernel(kernel):
        raise TypeError(
            "kernel must be a kernel object of sklearn.gaussian_process.kernels or of "
            f"skopt2.kernels, or None; got kernel={kernel!r}."
        )
    return clone(kernel)


class ProcessPrediction:
    """Base of Gaussian process regression: everything after the fit."""

    def predict(self, X, return_std=False, return_cov=False):
        """Predict the mean of the process, and how sure it is.

        Before a fit these are the moments of the prior, as in scikit-learn.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        return_std : bool, default=False
            Whether to return standard deviations: those of the process, and of the
            noise that is part of the kernel, but not of ``alpha``.
        return_cov : bool, default=False
            Whether to return the joint covariance of all rows of ``X``. Without a
            factor it takes one solve for each of them.

        Returns
        -------
        y_mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Mean, in the dtype of ``X``.
        y_std : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Standard deviation; only with ``return_std``.
        y_cov : ndarray of shape (n_samples, n_samples[, n_targets])
            Covariance; only with ``return_cov``.

        Raises
        ------
        RuntimeError
            If both are asked for.
        ValueError
            If ``X`` is not like the data of the fit.
        """
        if return_std and return_cov:
            raise RuntimeError(
                "At most one of return_std or return_cov can be requested."
            )
        if is_dask(X) and not return_cov:
            return answer_blocks(partial(self.predict, return_std=return_std), X)
        if not hasattr(self, "X_train_"):
            return self._predict_prior(X, return_std, return_cov)
        X, here = self._received(X, "predict")
        with here.target.activate():
            Z = here.points(X)
            white = here.process.noise(Z)
            if return_cov:
                mean, C = here.exact().covariance(Z)
                C = add_to_diagonal(C, white)
                return here.mean(mean), here.covariance(C)
            if return_std:
                mean, variance = here.posterior.moments(Z)
                return here.mean(mean), here.std(variance + white)
            return here.mean(here.posterior.mean(Z))

    def sample_y(self, X, n_samples=1, random_state=0):
        """Draw functions of the process, and return their values.

        Parameters
        ----------
        X : array-like of shape (n_samples_X, n_features)
            Where.
        n_samples : int, default=1
            Number of draws.
        random_state : int, RandomState, Generator or None, default=0
            Of the draws.

        Returns
        -------
        y_samples : ndarray of shape (n_samples_X, [n_targets,] n_samples)
            Values with the noise of the kernel, but not of ``alpha``.

        Raises
        ------
        ValueError
            If ``X`` is not like the data of the fit.

        See Also
        --------
        sample_paths : Draws that can be evaluated anywhere, again and again.
        """
        rng = np.random.default_rng(seed_sequence(random_state))
        exact = isinstance(getattr(self, "posterior_", None), ExactPosterior)
        few = (X.shape[0] if hasattr(X, "shape") else len(X)) <= JOINT
        if hasattr(self, "X_train_") and not (exact and few):
            return self._noisy_paths(X, n_samples, rng)
        mean, C = self.predict(X, return_cov=True)
        source, dtype = cuda.target_of(mean), mean.dtype
        mean, C = to_numpy(mean), to_numpy(C)
        one = mean.ndim == 1
        mean, C = (mean[:, None], C[..., None]) if one else (mean, C)
        draws = [
            mean[:, t, None] + normal_draws(C[..., t], n_samples, rng)
            for t in range(mean.shape[1])
        ]
        values = move(np.stack(draws, axis=1), source)
        values = namespace(values).astype(values, dtype)
        return values[:, 0, :] if one else values

    def sample_paths(self, n_samples=1, random_state=0):
        """Draw functions of the posterior that can be evaluated anywhere.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws. A fit with samples has some in store; others take one
            solve together.
        random_state : int, RandomState, Generator or None, default=0
            Of the draws, or of the choice among those in store.

        Returns
        -------
        paths : PosteriorPaths
            ``paths(X)`` returns the values, of shape (n, [n_targets,] n_samples),
            without noise.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        ValueError
            If the kernel has no random features.
        """
        check_is_fitted(self, "X_train_")
        rng = np.random.default_rng(seed_sequence(random_state))
        posterior, c = self.posterior_, int(self._unit.shape[0])
        wanted = n_samples * c
        if isinstance(posterior, PathwisePosterior) and wanted <= posterior.n_samples:
            chosen = rng.choice(posterior.n_samples, wanted, replace=False)
            pathwise = posterior.some(chosen)
        else:
            source, target = cuda.resolve(self.device, self.X_train_)
            with target.activate():
                drawn = self._at(target).drawn(wanted, self.n_features, rng)
                pathwise = convert(drawn, source)
        one = self.alpha_.ndim == 1
        return PosteriorPaths(pathwise, self._center, self._unit, one)

    def log_marginal_likelihood(
        self, theta=None, eval_gradient=False, clone_kernel=True
    ):
        """Return the log marginal likelihood of the rows of the fit.

        Takes a factorisation in float64 for each call with ``theta``.

        Parameters
        ----------
        theta : array-like of shape (n_kernel_params,) or None, default=None
            Log hyperparameters, as ``kernel_.theta``; None for the value at
            ``kernel_`` that the fit computed.
        eval_gradient : bool, default=False
            Whether to return the gradient by ``theta`` too.
        clone_kernel : bool, default=True
            Whether to leave ``kernel_`` as it is; otherwise it gets ``theta``.

        Returns
        -------
        log_likelihood : float
            Natural logarithm, summed over the targets.
        log_likelihood_gradient : ndarray of shape (n_kernel_params,)
            Only with ``eval_gradient``.

        Raises
        ------
        ValueError
            If a gradient is asked for without ``theta``.
        """
        if theta is None:
            if eval_gradient:
                raise ValueError("Gradient can only be evaluated for theta!=None")
            return self.log_marginal_likelihood_value_
        here = self._at(cuda.target_of(self.X_train_))
        process = here.process.with_theta(np.asarray(theta, dtype=np.float64))
        if not clone_kernel:
            self.kernel_ = process.kernel
        y = self.y_train_
        y = y[:, None] if y.ndim == 1 else y
        found = log_likelihood(
            process, self.X_train_, y, self._noise, gradient=eval_gradient
        )
        return (found.value, found.gradient) if eval_gradient else found.value

    @property
    def L_(self):
        """Lower Cholesky factor of the covariance matrix of the rows of the fit.

        Raises
        ------
        AttributeError
            If the fit computed none.
        """
        factor = getattr(getattr(self, "posterior_", None), "factor", None)
        if getattr(factor, "L", None) is None:
            raise AttributeError(
                f"{type(self).__name__} has no L_: "
                "no Cholesky factor was computed in the fit."
            )
        return namespace(factor.L).tril(factor.L)

    def _received(self, X, method):
        """Return checked data, and the model on the device that computes."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="X_train_", method=method
        )
        source, target = cuda.resolve(self.device, X)
        return X, self._at(target, source, X.dtype)

    def _at(self, target, source=None, dtype=None):
        """Return what predictions need, on a device."""
        fitted = (self.posterior_, self._center, self._unit, self._noise)
        posterior, center, unit, noise = convert(fitted, target)
        return PlacedProcess(
            target,
            target if source is None else source,
            dtype,
            posterior,
            ProcessKernel(self.kernel_),
            center,
            unit,
            noise,
            self.alpha_.ndim == 1,
            (self.solver, float(self.tol), self.max_iter),
        )

    def _noisy_paths(self, X, n_samples, rng):
        """Return values of paths with draws of the kernel's own noise."""
        X, here = self._received(X, "sample_y")
        paths = self.sample_paths(n_samples, rng)
        with here.target.activate():
            Z = here.points(X)
            xp, values = namespace(Z), convert(paths, here.target)(Z)
            white = asarray_like(here.process.noise(Z), Z)
            # Noise is no function: each point of each draw has its own.
            drawn = asarray_like(
                rng.standard_normal((Z.shape[0], here.unit.shape[0], n_samples)), Z
            )
            std = xp.reshape(xp.sqrt(white), (-1, 1, 1)) * here.unit[None, :, None]
            return here.out(xp.reshape(values, drawn.shape) + std * drawn, axis=1)

    def _predict_prior(self, X, return_std, return_cov):
        """Return moments of the prior, for an estimator that is not fitted."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        kernel = self.kernel
        if kernel is None:
            kernel = ConstantKernel(1.0, "fixed") * RBF(1.0, "fixed")
        process = ProcessKernel(resolved(kernel, X))
        n, c = int(X.shape[0]), self.n_targets or 1
        shape = (n,) if c == 1 else (n, c)
        mean, white = np.zeros(shape, dtype=X.dtype), process.noise(X)
        signal = process.signal
        if return_cov:
            C = (signal(X) + white * np.eye(n)).astype(X.dtype)
            return mean, C if c == 1 else np.repeat(C[..., None], c, axis=-1)
        if return_std:
            prior = signal.diag(signal.features(X, signal.origin(X)))
            std = np.sqrt(prior + white).astype(X.dtype)
            return mean, std if c == 1 else np.repeat(std[:, None], c, axis=-1)
        return mean
