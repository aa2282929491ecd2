"""What targets say about the process: expectations of their log densities.

For f ~ N(m, v) and a density p(y | f),

    value = E log p(y | f),   slope = d value / dm = E d log p / df,
    curvature = -2 d value / dv = -E d^2 log p / df^2,

all that a Gaussian variational approximation asks of a likelihood. Expectations without
a closed form are Gauss-Hermite sums.

Symbols: y, m, v (n,); the results (n,), float64.

Opper and Archambeau, The variational Gaussian approximation revisited, Neural
Computation 2009, equations 2.9 to 2.11.
"""

import functools
import math

import numpy as np
from scipy.special import expit, log_ndtr, ndtr

# Nodes of the quadrature.
_NODES = 48
# Variance from which the nodes would miss the bend of a logistic density.
_WIDE = 4.0
# Rows that are integrated at a time.
_CHUNK = 4096


@functools.cache
def _hermite():
    """Return nodes and weights for expectations over N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / math.sqrt(2.0 * math.pi)


def expectation(function, mean, variance):
    """Return the expectation of a function under normal distributions.

    Parameters
    ----------
    function : callable
        Of values (b, nodes) and a slice of the n rows that they belong to; returns an
        array of that shape, or a tuple of such arrays.
    mean, variance : ndarray of shape (n,)
        Of the distributions.

    Returns
    -------
    expected : ndarray of shape (n,) or (k, n)
        For k functions.
    """
    nodes, weights = _hermite()
    parts = []
    for start in range(0, max(1, mean.shape[0]), _CHUNK):
        rows = slice(start, start + _CHUNK)
        f = mean[rows, None] + np.sqrt(variance[rows, None]) * nodes
        parts.append(np.asarray(function(f, rows)) @ weights)
    return np.concatenate(parts, axis=-1)


class Normal:
    """y = f + e, e normal.

    Parameters
    ----------
    noise : float or ndarray of shape (n,)
        Variance of e.
    """

    def __init__(self, noise):
        self.noise = noise

    def expectations(self, y, m, v):
        """Return value, slope and curvature; see the module."""
        noise = np.broadcast_to(np.asarray(self.noise, dtype=np.float64), y.shape)
        value = -0.5 * (np.log(2.0 * math.pi * noise) + ((y - m) ** 2 + v) / noise)
        return value, (y - m) / noise, 1.0 / noise

    def part(self, rows):
        """Return the likelihood of some rows."""
        return Normal(self.noise if np.ndim(self.noise) == 0 else self.noise[rows])


class Bernoulli:
    """y in {-1, 1} with p(y | f) = 1 / (1 + exp(-y f))."""

    def expectations(self, y, m, v):
        """Return value, slope and curvature; see the module."""
        margin = y * m
        found = np.empty((3, m.shape[0]))
        wide = v > _WIDE
        found[:, ~wide] = expectation(_logistic, margin[~wide], v[~wide])
        found[:, wide] = _wide_logistic(margin[wide], v[wide])
        return found[0], y * found[1], found[2]

    def part(self, rows):
        """Return the likelihood of some rows."""
        return self

    def probability(self, m, v):
        """Return the probability of 1 for f ~ N(m, v)."""
        # The slope of log p is the probability of -1.
        return self.expectations(np.ones(m.shape[0]), -m, v)[1]


def _logistic(f, rows=None):
    """Return log p, its derivative, and its second derivative negated, for y = 1."""
    wrong = expit(-f)
    return -np.logaddexp(0.0, -f), wrong, wrong * (1.0 - wrong)


@functools.cache
def _half_line():
    """Return nodes and weights for integrals over f > 0 of what decays as exp(-f)."""
    x, w = np.polynomial.legendre.leggauss(16)
    ends = np.array([0.0, 2.0, 6.0, 14.0, 40.0])
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    nodes = (middle[:, None] + half[:, None] * x).ravel()
    return nodes, (half[:, None] * w).ravel()


def _wide_logistic(m, v):
    """Return the expectations of :func:`_logistic` under wide distributions.

    log p is min(f, 0) but for a part near 0, and so are the derivatives: the first is
    integrated exactly, the other with nodes that do not depend on v.
    """
    s = np.sqrt(v)
    z = m / s
    below, density = ndtr(-z), np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    nodes, weights = _half_line()
    rest = np.exp(-nodes)
    near = (-np.log1p(rest), rest / (1.0 + rest), rest / (1.0 + rest) ** 2)
    scale = 1.0 / (math.sqrt(2.0 * math.pi) * s[:, None])
    right = np.exp(-0.5 * ((nodes - m[:, None]) / s[:, None]) ** 2) * scale
    left = np.exp(-0.5 * ((nodes + m[:, None]) / s[:, None]) ** 2) * scale
    value = m * below - s * density + (right + left) @ (weights * near[0])
    slope = below + (right - left) @ (weights * near[1])
    curvature = (right + left) @ (weights * near[2])
    return np.stack([value, slope, curvature])


class Probit:
    """y in {-1, 1} with p(y | f) the normal distribution function at y f."""

    def expectations(self, y, m, v):
        """Return value, slope and curvature; see the module."""

        def function(f, rows):
            margin = y[rows, None] * f
            value = log_ndtr(margin)
            ratio = np.exp(-0.5 * margin * margin - value) / math.sqrt(2.0 * math.pi)
            return value, y[rows, None] * ratio, ratio * (ratio + margin)

        return expectation(function, m, v)

    def part(self, rows):
        """Return the likelihood of some rows."""
        return self

    def probability(self, m, v):
        """Return the probability of 1 for f ~ N(m, v)."""
        return ndtr(m / np.sqrt(1.0 + v))
