"""Random features: vectors whose inner products are a kernel on average.

    phi(x) = (a_i cos(omega_i . x), a_i sin(omega_i . x), b x, c),    E phi(x).phi(y) =
    k(x, y),

with frequencies omega_i of the spectral distribution (:mod:`skopt2.kernels.spectral`),
m of them for stationary terms of weight v: a_i^2 = v / m. Cosine and sine come in
pairs, so phi(x).phi(x) = k(x, x) without any error. b^2 and c^2 are the weights of the
inner product x.y and of a constant.

Phases omega.x are computed in float64, in turns of which whole ones are dropped, and
only then rounded to the dtype of the points: heavy tails and far points make them
large, and their fractions are all that counts.

Symbols: X (n, d) points, D = 2 m + d + 1 number of features (the last d + 1 where k
has such terms), Phi (n, D), W (D, s).

Source: A. Rahimi, B. Recht, Random features for large-scale kernel machines, NIPS 2007,
algorithm 1; D. Sutherland, J. Schneider, On the error of random Fourier features, UAI
2015, for the pairs.
"""

import math
import threading
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import accumulation_dtype, asarray_like, device_of, namespace
from skopt2._core.threads import TaskPool
from skopt2.kernels.expansion import expand
from skopt2.kernels.points import check_points
from skopt2.kernels.spectral import draw_frequencies
from skopt2.kernels.workspace import Workspace

# Entries of the features that a thread computes at a time: they stay in its cache.
_TILE = 2**16
# Arrays of the size of the features that live at one time on a device.
_TEMPORARIES = 8


@dataclass(frozen=True, eq=False)
class RandomFeatures:
    """Feature map of a kernel; see :func:`draw_features`.

    Attributes
    ----------
    frequencies : array of shape (d, m)
        In turns per unit of the points, in the widest dtype of the device.
    amplitudes : array of shape (m,)
        a_i, likewise.
    slope : float
        b; 0 without linear features.
    constant : float
        c; 0 without a constant feature.
    origin : array of shape (d,)
        Point whose phases are 0, so that points far from 0 lose no digits.
    """

    frequencies: Any
    amplitudes: Any
    slope: float
    constant: float
    origin: Any

    @property
    def n_features(self):
        """Number D of features."""
        d, m = self.frequencies.shape
        return 2 * int(m) + (int(d) if self.slope else 0) + bool(self.constant)

    def transform(self, X):
        """Compute the features of points.

        Parameters
        ----------
        X : array of shape (n, d)
            Points, beside the frequencies.

        Returns
        -------
        Phi : array of shape (n, D)
            In the dtype of X, all of them at a time.
        """
        X = self._checked(X)
        xp, m = namespace(X), int(self.frequencies.shape[1])
        waves = self._waves(X)
        a = xp.astype(self.amplitudes, X.dtype)
        parts = [a * waves[:, :m], a * waves[:, m:]]
        if self.slope:
            parts.append(self.slope * X)
        if self.constant:
            parts.append(xp.zeros_like(X[:, :1]) + self.constant)
        return xp.concat(parts, axis=1)

    def product(self, X, W, *, n_threads=None, budget=None):
        """Compute the product of the features with vectors.

        Rows are taken in pieces, so no array of n D entries is made.

        Parameters
        ----------
        X : array of shape (n, d)
            Points, beside the frequencies.
        W : array of shape (D, s)
            Vectors, one in each column.
        n_threads : int or None, default=None
            Threads on the host; None for as many as the BLAS may use. The result does
            not depend on it.
        budget : int or None, default=None
            Bytes for pieces on a device; None for a share of its free memory.

        Returns
        -------
        values : array of shape (n, s)
            Phi W in the dtype of X.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        X = self._checked(X)
        if W.ndim != 2 or W.shape[0] != self.n_features:
            raise ValueError(
                f"W must have {self.n_features} rows, one for each feature; got the "
                f"shape {tuple(W.shape)}."
            )
        xp, (d, m) = namespace(X), self.frequencies.shape
        a = xp.astype(self.amplitudes, W.dtype)[:, None]
        pairs = xp.concat([a * W[:m, :], a * W[m : 2 * m, :]], axis=0)
        pairs = xp.astype(pairs, X.dtype)
        linear = self.slope * W[2 * m : 2 * m + d, :] if self.slope else None
        shift = self.constant * W[-1, :] if self.constant else None
        if xp is np:
            values = self._on_host(X, pairs, TaskPool(n_threads))
        else:
            values = self._on_device(X, pairs, budget)
        if linear is not None:
            values += X @ xp.astype(linear, X.dtype)
        if shift is not None:
            values += xp.astype(shift, X.dtype)
        return values

    def _checked(self, X):
        """Return X as points beside the frequencies."""
        X, own = check_points(X, "X"), self.frequencies
        if X.shape[1] != own.shape[0]:
            raise ValueError(
                f"X has {X.shape[1]} features, the points of the draw had "
                f"{own.shape[0]}."
            )
        if namespace(X) is not namespace(own) or device_of(X) != device_of(own):
            raise TypeError(
                f"X is on {namespace(X).__name__} ({device_of(X)}), the frequencies "
                f"on {namespace(own).__name__} ({device_of(own)}): move one of them."
            )
        return X

    def _turns(self, X):
        """Return the fractions of the turns, in [-1/2, 1/2]."""
        xp = namespace(X)
        wide = xp.astype(X, self.origin.dtype) - self.origin
        turns = wide @ self.frequencies
        return turns - xp.round(turns)

    def _waves(self, X):
        """Return cosines and sines of all phases, without amplitudes, (n, 2 m)."""
        xp = namespace(X)
        phases = xp.astype(2.0 * math.pi * self._turns(X), X.dtype)
        return xp.concat([xp.cos(phases), xp.sin(phases)], axis=1)

    def _on_device(self, X, pairs, budget):
        """Return the part of cosines and sines, for blocks of rows."""
        xp, (n, s) = namespace(X), (X.shape[0], pairs.shape[1])
        if not pairs.shape[0]:
            return xp.zeros((n, s), dtype=X.dtype, device=device_of(X))
        if budget is None:
            budget = cuda.memory_budget(cuda.target_of(X))
        size = _TEMPORARIES * 8 * int(pairs.shape[0])
        step = max(1, int(budget) // size)
        parts = [
            self._waves(X[start : min(start + step, n), :]) @ pairs
            for start in range(0, max(n, 1), step)
        ]
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)

    def _on_host(self, X, pairs, pool):
        """Return the part of cosines and sines, in pieces set by the sizes alone."""
        n, m = X.shape[0], self.frequencies.shape[1]
        values = np.zeros((n, pairs.shape[1]), dtype=X.dtype)
        threads = threading.local()

        def work(start, stop):
            if not hasattr(threads, "space"):
                threads.space = Workspace()
            space, k = threads.space, stop - start
            turns = space.array("turns", (k, m), np.float64)
            whole = space.array("whole", (k, m), np.float64)
            phases = space.array("phases", (k, m), X.dtype)
            waves = space.array("waves", (k, 2 * m), X.dtype)
            np.matmul(X[start:stop] - self.origin, self.frequencies, out=turns)
            np.rint(turns, out=whole)
            turns -= whole
            np.multiply(turns, 2.0 * math.pi, out=phases, casting="same_kind")
            np.cos(phases, out=waves[:, :m])
            np.sin(phases, out=waves[:, m:])
            np.matmul(waves, pairs, out=values[start:stop])

        if m:
            step = max(1, _TILE // m)
            pool.run(work, [(i, min(i + step, n)) for i in range(0, n, step)])
        return values


def draw_features(kernel, X, n_features=2000, rng=None):
    """Draw random features of a kernel.

    Parameters
    ----------
    kernel : Kernel
        Resolved on X if a parameter such as "median" is left.
    X : array of shape (n, d)
        Points, for the number of their features, their place and their device; the
        features are for these and other points.
    n_features : int, default=2000
        Number of cosines and sines together, even, shared among the stationary terms
        of a sum by their weights. Inner products and constants take further ones.
    rng : numpy.random.Generator or None, default=None
        Draws on the host, so that all devices get the same features.

    Returns
    -------
    features : RandomFeatures
        The error of Phi Phi' goes down as 1 / sqrt(n_features), or faster.

    Raises
    ------
    ValueError
        If a part of the kernel has no random features or does not fit the points, or
        n_features is no positive even number.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian
    >>> from skopt2.kernels.random_features import draw_features
    >>> X, rng = np.array([[0.0], [1.0]]), np.random.default_rng(0)
    >>> Phi = draw_features(Gaussian(length_scale=1.0), X, 2000, rng).transform(X)
    >>> (Phi @ Phi.T).round(2).tolist()
    [[1.0, 0.61], [0.61, 1.0]]
    """
    if not isinstance(n_features, Integral) or n_features < 2 or n_features % 2:
        raise ValueError(
            "n_features must be an even number of at least 2, for pairs of a cosine "
            f"and a sine; got {n_features!r}."
        )
    X = check_points(X, "X")
    rng = np.random.default_rng() if rng is None else rng
    xp, d = namespace(X), int(X.shape[1])
    kernel = kernel.resolve(X)
    terms = _known_terms(kernel)
    # Raises ValueError where length scales do not fit the points.
    kernel.features(X[:1, :])
    waves = [term for term in terms if term.waves]
    counts = _shares([term.weight for term in waves], int(n_features) // 2)
    drawn = [np.zeros((d, 0))]
    amplitudes = [np.zeros(0)]
    for term, count in zip(waves, counts, strict=True):
        drawn.append(draw_frequencies(term.waves, d, count, rng) / (2.0 * math.pi))
        amplitudes.append(np.full(count, math.sqrt(term.weight / count)))
    wide = accumulation_dtype(X)
    count = max(1, int(X.shape[0]))
    origin = xp.sum(xp.astype(X, wide), axis=0) / count
    rest = [term for term in terms if not term.waves]
    return RandomFeatures(
        asarray_like(np.concatenate(drawn, axis=1), X, wide),
        asarray_like(np.concatenate(amplitudes), X, wide),
        math.sqrt(sum(term.weight for term in rest if term.degree)),
        math.sqrt(sum(term.weight for term in rest if not term.degree)),
        origin,
    )


def has_features(kernel):
    """Tell whether random features of a kernel are known.

    Parameters
    ----------
    kernel : Kernel
        Of any kind.

    Returns
    -------
    known : bool
        Whether :func:`draw_features` takes the kernel.
    """
    try:
        _known_terms(kernel)
    except ValueError:
        return False
    return True


def _known_terms(kernel):
    """Return the terms of a kernel, or raise ValueError if one has no features."""
    terms = expand(kernel)
    for term in terms:
        if term.degree > 1 or (term.degree and term.waves):
            raise ValueError(
                f"The kernel {kernel!r} has no random features: inner products can be "
                "added to other kernels and scaled, but not multiplied by them."
            )
    return terms


def _shares(weights, total):
    """Return how many frequencies each term gets, at least one, in all about total.

    The variance of Phi Phi' is the sum of v^2 / m over the terms, least for m
    proportional to v.
    """
    size = sum(weights)
    return [max(1, round(total * weight / size)) for weight in weights]
