"""A fitted Gaussian process where it is computed, and functions drawn from it."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import float_dtype, move, namespace
from skopt2._core.transfer import is_array
from skopt2.gaussian_process.targets import added
from skopt2.solvers.kernel.exact_posterior import ExactPosterior
from skopt2.solvers.kernel.pathwise import (
    PathwisePosterior,
    draw_prior,
    sample_targets,
)
from skopt2.solvers.kernel.solved_posterior import SolvedPosterior


@dataclass(frozen=True, eq=False)
class PosteriorPaths:
    """Functions drawn from a posterior.

    Parameters
    ----------
    pathwise : PathwisePosterior
        Mean, and the deviations of the draws from it; those of all draws of the first
        target come first.
    center, unit : array of shape (n_targets,)
        Of the targets.
    one_target : bool
        Whether the targets were a vector.
    """

    pathwise: Any
    center: Any
    unit: Any
    one_target: bool

    def __call__(self, X):
        """Evaluate the functions.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Where, beside the data of the fit.

        Returns
        -------
        values : array of shape (n, [n_targets,] n_samples)
            In the units of the targets; float32 for float32.
        """
        X = X if is_array(X) else np.asarray(X, dtype=np.float64)
        xp, dtype = namespace(X), float_dtype(X)
        Z = xp.astype(X, self.pathwise.X.dtype, copy=False)
        mean, deviations = self.pathwise.values(Z)
        c = int(self.unit.shape[0])
        values = xp.reshape(deviations, (int(Z.shape[0]), c, -1)) + mean[:, :, None]
        values = values * self.unit[None, :, None] + self.center[None, :, None]
        values = values[:, 0, :] if self.one_target else values
        return xp.astype(values, dtype, copy=False)


@dataclass(frozen=True, eq=False)
class PlacedProcess:
    """A fitted process on the device that computes.

    Parameters
    ----------
    target, source : Target
        Where it computes, and where the user's data live.
    dtype : dtype or None
        Of the user's data.
    posterior : ExactPosterior, PathwisePosterior or SolvedPosterior
        In the units of the fit.
    process : ProcessKernel
        Kernel with its noise.
    center, unit : array of shape (n_targets,)
        Of the targets.
    noise : float or array of shape (n,)
        The parameter ``alpha``.
    one : bool
        Whether the targets were a vector.
    options : tuple
        Algorithm, tolerance and passes of further solves.
    """

    target: Any
    source: Any
    dtype: Any
    posterior: Any
    process: Any
    center: Any
    unit: Any
    noise: Any
    one: bool
    options: tuple

    def points(self, X):
        """Return new rows in the dtype of the fit.

        Parameters
        ----------
        X : array of shape (m, d)
            The user's.

        Returns
        -------
        Z : array of shape (m, d)
            On the device that computes.
        """
        Z = move(X, self.target)
        return namespace(Z).astype(Z, self.posterior.X.dtype, copy=False)

    def exact(self):
        """Return a posterior that has joint covariances and solves.

        Returns
        -------
        posterior : ExactPosterior or SolvedPosterior
        """
        if isinstance(self.posterior, ExactPosterior):
            return self.posterior
        X, kernel = self.posterior.X, self.posterior.kernel
        lam = added(self.noise, self.process.noise(X), X)
        coef = self.posterior.coef
        return SolvedPosterior(kernel, X, coef, lam, *self.options, seed=0)

    def drawn(self, n_samples, n_features, rng):
        """Return new draws of the posterior.

        Parameters
        ----------
        n_samples : int
            How many.
        n_features : int
            Random features of the prior.
        rng : numpy.random.Generator
            Of prior and noise.

        Returns
        -------
        posterior : PathwisePosterior
        """
        posterior = self.exact()
        X, kernel = posterior.X, posterior.kernel
        lam = added(self.noise, self.process.noise(X), X)
        prior = draw_prior(kernel, X, n_samples, n_features, rng)
        values = sample_targets(prior, X, lam, rng)
        coef = posterior.conditioned(values)
        return PathwisePosterior(kernel, X, posterior.coef, coef, prior)

    def mean(self, mean):
        """Return means in the units, the shape and the place of the user.

        Parameters
        ----------
        mean : array of shape (m, n_targets)
            In the units of the fit.

        Returns
        -------
        mean : array of shape (m,) or (m, n_targets)
        """
        return self.out(mean * self.unit + self.center)

    def std(self, variance):
        """Return standard deviations in the units of the user.

        Parameters
        ----------
        variance : array of shape (m,)
            In the units of the fit.

        Returns
        -------
        std : array of shape (m,) or (m, n_targets)
        """
        root = namespace(variance).sqrt(variance)
        return self.out(root[:, None] * self.unit)

    def covariance(self, C):
        """Return covariances in the units of the user.

        Parameters
        ----------
        C : array of shape (m, m)
            In the units of the fit.

        Returns
        -------
        covariance : array of shape (m, m) or (m, m, n_targets)
        """
        C = C[:, :, None] * (self.unit * self.unit)
        return self.out(C)

    def out(self, values, axis=-1):
        """Return values in the shape, the place and the dtype of the user.

        Parameters
        ----------
        values : array of shape (m, ..., n_targets, ...)
            In the units of the user.
        axis : int, default=-1
            That of the targets; dropped for a single one.

        Returns
        -------
        values : array
        """
        if self.one:
            values = namespace(values).squeeze(values, axis=axis)
        # Dtypes are objects of a namespace: cast where the user's data live.
        values = move(values, self.source)
        return namespace(values).astype(values, self.dtype, copy=False)


def normal_draws(C, n_samples, rng):
    """Draw from a normal distribution with mean 0.

    Parameters
    ----------
    C : ndarray of shape (m, m)
        Covariance, singular or not.
    n_samples : int
        Number of draws.
    rng : numpy.random.Generator
        Of the draws.

    Returns
    -------
    draws : ndarray of shape (m, n_samples)
        float64.

    Warns
    -----
    RuntimeWarning
        If an eigenvalue is negative beyond rounding.
    """
    values, vectors = np.linalg.eigh(np.asarray(C, dtype=np.float64))
    lowest = float(values[0]) if values.size else 0.0
    if lowest < -1e-6 * max(float(values[-1]), 1e-300):
        warnings.warn(
            "The covariance has negative eigenvalues, which count as 0: use a smaller "
            "tol, or a larger alpha.",
            RuntimeWarning,
            stacklevel=3,
        )
    roots = np.sqrt(np.maximum(values, 0.0))
    return vectors @ (roots[:, None] * rng.standard_normal((values.size, n_samples)))
