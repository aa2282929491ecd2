r"""The least parametric difference along one coordinate, found globally.

Problem: min over eta in [lo, hi] of

    c/2 eta^2 + a1 eta + lam (abs(x + eta) - abs(x)) - alpha G(eta),

with G(eta) = D(eta) or sqrt(D(eta)), D(eta) = d2 eta^2 + d1 eta + d0.

Without the root it is a parabola on either side of the breakpoint -x. With it, put
eta = eta0 + delta u, where eta0 = -d1 / (2 d2) and delta^2 = d0 / d2 - eta0^2: the
derivative is zero where A u + B = u / sqrt(1 + u^2). The line is steeper than the right
side beyond abs(u) = v with (1 + v^2)^(-3/2) = A, so every minimum lies there, at most
one on each side; Newton from outside falls onto it without ever passing it, since
the difference is convex there.

Source: G. Yuan, Coordinate descent methods for fractional minimization, ICML 2023,
arXiv:2201.12691 (PCD). The reduction is ours.
"""

import math

import numpy as np

TINY = float(np.finfo(np.float64).tiny)
EPS = float(np.finfo(np.float64).eps)


def least_differences(c, a1, lam, x, alpha, d2, d1, d0, lo, hi):
    """Return the best step without a root, for each of many pieces.

    Parameters
    ----------
    c, a1, lam, x, alpha : float
        As in the module, ``lam`` nonnegative.
    d2, d1, d0, lo, hi : ndarray
        One piece each; ``hi < lo`` is an empty one.

    Returns
    -------
    eta : float
        Over all pieces, 0 where no step is better.
    """
    best, least = 0.0, math.inf
    curvature = c - 2.0 * alpha * d2
    with np.errstate(all="ignore"):
        for sign in (1.0, -1.0):
            left = np.maximum(lo, -x) if sign > 0 else lo
            right = hi if sign > 0 else np.minimum(hi, -x)
            b1, b0 = a1 + sign * lam, lam * (sign * x - abs(x))
            slope = b1 - alpha * d1
            middle = np.where(curvature > 0.0, -slope / curvature, left)
            for eta in (middle, left, right):
                eta = np.minimum(np.maximum(eta, left), right)
                value = (0.5 * curvature * eta + slope) * eta + b0 - alpha * d0
                value[~((left <= right) & np.isfinite(eta))] = np.inf
                k = int(value.argmin())
                if value[k] < least:
                    best, least = float(eta[k]), float(value[k])
    return best


def least_piece_difference(c, a1, lam, x, alpha, pieces):
    """Return the best step without a root on a few pieces, in Python floats.

    The same as :func:`least_differences`.

    Parameters
    ----------
    c, a1, lam, x, alpha : float
        As in the module, ``lam`` nonnegative.
    pieces : list of tuple of float
        d2, d1, d0 and the ends lo and hi of each piece.

    Returns
    -------
    eta : float
        0 where no step is better.
    """
    best, least, size = 0.0, math.inf, abs(x)
    for d2, d1, d0, lo, hi in pieces:
        curvature = c - 2.0 * alpha * d2
        for sign in (1.0, -1.0) if lam else (1.0,):
            left = max(lo, -x) if lam and sign > 0.0 else lo
            right = min(hi, -x) if sign < 0.0 else hi
            if left > right:
                continue
            slope = a1 + sign * lam - alpha * d1
            level = lam * (sign * x - size) - alpha * d0
            middle = -slope / curvature if curvature > 0.0 else left
            for eta in (min(max(middle, left), right), left, right):
                if math.isfinite(eta):
                    value = (0.5 * curvature * eta + slope) * eta + level
                    if value < least:
                        best, least = eta, value
    return best


def least_root_difference(c, a1, lam, x, alpha, d2, d1, d0):
    """Return the best step under a root, on the whole line.

    Parameters
    ----------
    c, a1, lam, x, alpha, d2, d1, d0 : float
        As in the module; ``c`` and ``d0`` are positive.

    Returns
    -------
    eta : float
        0 where no step is better.
    """
    best, least, size = 0.0, -alpha * math.sqrt(d0), abs(x)
    for sign in (1.0, -1.0) if lam else (1.0,):
        b1 = a1 + sign * lam
        for eta in _minima(c, b1, alpha, d2, d1, d0):
            if lam and sign * (x + eta) < 0.0:
                continue
            D = max((d2 * eta + d1) * eta + d0, 0.0)
            value = (0.5 * c * eta + a1) * eta + lam * (abs(x + eta) - size)
            value -= alpha * math.sqrt(D)
            if value < least:
                best, least = eta, value
    if lam and x:
        D = max((-d2 * x + d1) * -x + d0, 0.0)
        if (0.5 * c * x - a1) * x - lam * size - alpha * math.sqrt(D) <= least:
            best = -x
    return best


def _minima(c, b, alpha, d2, d1, d0):
    """Return the minima of c/2 eta^2 + b eta - alpha sqrt(D(eta))."""
    if d2 <= TINY or alpha <= 0.0:
        slope = 0.5 * alpha * d1 / math.sqrt(d0)
        return ((slope - b) / c,)
    eta0 = -0.5 * d1 / d2
    # Zero where the column is a multiple of the rest: then the root is an absolute
    # value, and a hyperbola this sharp is one to all digits.
    delta = math.sqrt(max(d0 / d2 - eta0 * eta0, EPS * EPS * d0 / d2))
    scale = alpha * math.sqrt(d2)
    A, B = c * delta / scale, (c * eta0 + b) / scale
    if A >= 1.0:
        # One minimum, on the side where the line still has to come to zero.
        return (eta0 + delta * (_fall(A, -B) if B < 0.0 else -_fall(A, B)),)
    v = math.sqrt(A ** (-2.0 / 3.0) - 1.0)
    found = []
    for side in (1.0, -1.0):
        # The minimum of this side is there if the derivative is negative at v.
        if A * v + side * B < v / math.sqrt(1.0 + v * v):
            found.append(eta0 + side * delta * _fall(A, -side * B))
    return found


def _fall(A, b):
    """Return the largest zero of A u - b - u / sqrt(1 + u^2), by Newton from above."""
    u = (1.0 + b) / A
    for _ in range(100):
        w = 1.0 + u * u
        r = math.sqrt(w)
        slope = A - 1.0 / (w * r)
        if slope <= 0.0:
            break
        step = (A * u - b - u / r) / slope
        u -= step
        if step <= 2.0 * EPS * abs(u):
            break
    return u
