"""Draws of a Gaussian process before any data, as functions.

f0 ~ N(0, k) is drawn as f0(x) = phi(x).w with random features phi of the kernel
(:mod:`skopt2.kernels.random_features`) and w ~ N(0, I): its covariance given the
features is phi(x).phi(y), with the right variance k(x, x) at each point.

Symbols: X (n, d) points; s number of draws; D number of features.

Source: A. Rahimi, B. Recht, Random features for large-scale kernel machines, NIPS 2007;
J. Wilson, V. Borovitskiy, A. Terenin, P. Mostowsky, M. Deisenroth, Pathwise
conditioning of Gaussian processes, JMLR 22, 2021.
"""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, to_numpy
from skopt2.kernels.random_features import RandomFeatures, draw_features

# Random numbers of the noise that are drawn at a time.
_ENTRIES = 2**22


@dataclass(frozen=True, eq=False)
class Prior:
    """Draws of the prior as functions; see :func:`draw_prior`.

    Attributes
    ----------
    features : RandomFeatures
        Of the kernel.
    weights : array of shape (D, s)
        Standard normal numbers, in the widest dtype of the device.
    """

    features: RandomFeatures
    weights: Any

    @property
    def n_samples(self):
        """Number s of draws."""
        return int(self.weights.shape[1])

    def values(self, X, **limits):
        """Evaluate the draws.

        Parameters
        ----------
        X : array of shape (n, d)
            Points, beside the features.
        **limits : dict
            ``n_threads`` and ``budget`` of
            :meth:`skopt2.kernels.random_features.RandomFeatures.product`.

        Returns
        -------
        F : array of shape (n, s)
            In the dtype of X.
        """
        return self.features.product(X, self.weights, **limits)


def draw_prior(kernel, X, n_samples, n_features=2000, rng=None):
    """Draw functions of a Gaussian process with mean 0.

    Parameters
    ----------
    kernel : Kernel
        With random features.
    X : array of shape (n, d)
        Points of the data, for the device and the number of features.
    n_samples : int
        s, how many functions. All have the same frequencies.
    n_features : int, default=2000
        Cosines and sines.
    rng : numpy.random.Generator or None, default=None
        Draws on the host, so that all devices get the same functions.

    Returns
    -------
    prior : Prior
        Functions that can be evaluated anywhere.

    Raises
    ------
    ValueError
        If the kernel has no random features, or a number is out of range.
    """
    if not isinstance(n_samples, Integral) or n_samples < 1:
        raise ValueError(
            f"n_samples must be a positive whole number; got {n_samples!r}."
        )
    rng = np.random.default_rng() if rng is None else rng
    features = draw_features(kernel, X, n_features, rng)
    weights = rng.standard_normal((features.n_features, int(n_samples)))
    wide = accumulation_dtype(features.frequencies)
    return Prior(features, asarray_like(weights, features.frequencies, wide))


def sample_targets(prior, X, lam, rng=None):
    """Draw targets of the prior's functions with noise.

    Parameters
    ----------
    prior : Prior
        Functions.
    X : array of shape (n, d)
        Points of the data.
    lam : float or array of shape (n,)
        Variances of the noise.
    rng : numpy.random.Generator or None, default=None
        Draws the noise, on the host.

    Returns
    -------
    Y : array of shape (n, s)
        f0(X) + eps in the dtype of X; its covariance is that of the kernel system.

    Raises
    ------
    ValueError
        If ``lam`` has another shape, is negative or is not finite.
    """
    rng = np.random.default_rng() if rng is None else rng
    Y = prior.values(X)
    n, s = Y.shape
    scale = np.asarray(to_numpy(lam), dtype=np.float64)
    if scale.shape not in ((), (n,)):
        raise ValueError(
            f"lam must be a number or have the shape ({n},); got {scale.shape}."
        )
    if not (np.isfinite(scale).all() and (scale >= 0).all()):
        raise ValueError("lam must be finite and not negative.")
    scale = np.broadcast_to(np.sqrt(scale), (n,))[:, None]
    step = max(1, _ENTRIES // max(1, s))
    for start in range(0, n, step):
        stop = min(n, start + step)
        # One generator gives the same numbers for every size of the pieces.
        noise = scale[start:stop] * rng.standard_normal((stop - start, s))
        Y[start:stop, :] += asarray_like(noise, Y)
    return Y
