"""The largest curvature with which a parabola stays below a loss on an interval.

Problem: for a loss l(y, .), a point z in [-C, C] and its tangent there, the largest c
with l(y, u) >= l(y, z) + l'(y, z) (u - z) + c (u - z)^2 / 2 for all u in [-C, C].

Symbols: R(u) = 2 (l(u) - l(z) - l'(z) (u - z)) / (u - z)^2, a mean of the second
derivative between z and u; m = y z for the losses of two classes.

c = min_u R(u). For the losses here, whose second derivative has one peak or one step,
the minimum is that of R(-C), R(C) and l''(z) = R(z).

Source: E. Hazan, A. Agarwal and S. Kale, Logarithmic regret algorithms for online
convex optimization, Machine Learning 69, 2007, lemma 3, where c is l'(z)^2 times one
number for all of the interval; the losses' own minima by elementary calculus.
"""

import numpy as np


def _logistic(m):
    return np.log1p(np.exp(-np.abs(m))) - np.minimum(m, 0.0)


def _squared_hinge(m):
    return np.maximum(1.0 - m, 0.0) ** 2


_VALUES = {"logistic": _logistic, "squared_hinge": _squared_hinge}
CURVED = ("squared", *_VALUES)


def safe_curvature(loss, y, z, bound):
    """Return the curvature of the parabola below a loss.

    Parameters
    ----------
    loss : Loss
        Squared, logistic or squared hinge.
    y, z : ndarray of shape (K,)
        Targets and predictions.
    bound : float
        C, at least the largest abs(z).

    Returns
    -------
    c : ndarray of shape (K,)
        Nonnegative.
    """
    c = loss.curvature(y, z)
    if loss.is_quadratic:
        return c
    value, m = _VALUES[loss.name], y * z
    here, slope = value(m), y * loss.gradient(y, z)
    for end in (-bound, bound):
        step = end - m
        rise = value(end) - here - slope * step
        # A step within rounding of nothing has the curvature of the point.
        long = np.abs(step) > 1e-4 * (1.0 + bound)
        ratio = 2.0 * rise / np.where(long, step, 1.0) ** 2
        c = np.minimum(c, np.where(long, ratio, c))
    return np.maximum(c, 0.0)
