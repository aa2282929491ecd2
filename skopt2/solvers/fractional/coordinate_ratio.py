r"""The least ratio along one coordinate, found globally.

Problem: min over eta in [lo, hi] of N(eta) / D(eta), or of N(eta) / sqrt(D(eta)), with

    N(eta) = a2 eta^2 + a1 eta + a0 + lam (abs(x + eta) - abs(x)),
    D(eta) = d2 eta^2 + d1 eta + d0.

On either side of the breakpoint -x the derivative of the ratio is a polynomial over
something positive: with b1 = a1 +- lam and b0 = a0 + lam (+-x - abs(x)),

- for the root, of degree three: a2 d2 eta^3 + 3/2 a2 d1 eta^2
  + (2 a2 d0 + b1 d1 / 2 - b0 d2) eta + b1 d0 - b0 d1 / 2;
- without it, of degree two: (a2 d1 - b1 d2) eta^2 + 2 (a2 d0 - b0 d2) eta
  + b1 d0 - b0 d1.

The minimum is at one of its zeros, at the breakpoint or at an end of the interval. Each
is put back into the interval and evaluated, so that an inexact zero costs digits of the
step and never a wrong decision.

Source: G. Yuan, Coordinate descent methods for fractional minimization, ICML 2023,
arXiv:2201.12691 (breakpoint search). The polynomials are ours.
"""

import math

import numpy as np

TURN = 2.0 * math.pi / 3.0


def least_ratios(a2, a1, a0, lam, x, d2, d1, d0, lo, hi, root):
    """Return the best step and its ratio for each of many coordinates or pieces.

    Parameters
    ----------
    a2, a1, a0, x, d2, d1, d0, lo, hi : ndarray or float
        As in the module, broadcast against each other; ``hi < lo`` is an empty piece.
    lam : float
        Weight of the absolute value, nonnegative.
    root : bool
        Whether the denominator is the root of D.

    Returns
    -------
    eta, value : ndarray
        The step, and the ratio there: infinity without a positive denominator.
    """
    arrays = np.broadcast_arrays(a2, a1, a0, x, d2, d1, d0, lo, hi)
    a2, a1, a0, x, d2, d1, d0, lo, hi = (np.asarray(v, dtype=float) for v in arrays)
    best, least = np.zeros(x.shape), np.full(x.shape, np.inf)
    with np.errstate(all="ignore"):
        for sign in (1.0, -1.0):
            left = np.maximum(lo, -x) if sign > 0 else lo
            right = hi if sign > 0 else np.minimum(hi, -x)
            b1, b0 = a1 + sign * lam, a0 + lam * (sign * x - np.abs(x))
            zeros = (_cubic if root else _quadratic)(
                *stationary(a2, b1, b0, d2, d1, d0, root)
            )
            for eta in (*zeros, left, right):
                eta = np.minimum(np.maximum(eta, left), right)
                D = (d2 * eta + d1) * eta + d0
                value = (a2 * eta + b1) * eta + b0
                value = value / (np.sqrt(D) if root else D)
                better = (value < least) & (D > 0.0) & (left <= right)
                better &= np.isfinite(eta)
                best, least = (
                    np.where(better, eta, best),
                    np.where(better, value, least),
                )
    return best, least


def stationary(a2, b1, b0, d2, d1, d0, root):
    """Return the coefficients, highest first, of the module's polynomial."""
    if root:
        return (
            a2 * d2,
            1.5 * a2 * d1,
            2.0 * a2 * d0 + 0.5 * b1 * d1 - b0 * d2,
            b1 * d0 - 0.5 * b0 * d1,
        )
    return a2 * d1 - b1 * d2, 2.0 * (a2 * d0 - b0 * d2), b1 * d0 - b0 * d1


def _quadratic(c2, c1, c0):
    """Return the real zeros of quadratics, NaN where there are none."""
    q = -0.5 * (c1 + np.copysign(np.sqrt(c1 * c1 - 4.0 * c2 * c0), c1))
    return q / c2, c0 / q


def _cubic(c3, c2, c1, c0):
    """Return the real zeros of cubics, one of them three times where it is alone."""
    straight = c3 == 0.0
    lead = np.where(straight, 1.0, c3)
    shift = c2 / (3.0 * lead)
    p = c1 / lead - 3.0 * shift * shift
    q = shift * (2.0 * shift * shift - c1 / lead) + c0 / lead
    inside = 0.25 * q * q + p * p * p / 27.0
    # One zero: by roots of the same sign, which do not cancel.
    outer = np.cbrt(-0.5 * q - np.copysign(np.sqrt(np.maximum(inside, 0.0)), q))
    alone = outer - np.where(outer == 0.0, 0.0, p / (3.0 * outer))
    radius = 2.0 * np.sqrt(np.maximum(-p / 3.0, 0.0))
    cosine = np.clip(-4.0 * q / radius**3, -1.0, 1.0)
    angle = np.arccos(np.where(radius > 0.0, cosine, 1.0)) / 3.0
    found = []
    for turn in (0.0, TURN, -TURN):
        z = np.where(inside > 0.0, alone, radius * np.cos(angle + turn)) - shift
        z = np.where(straight, -c0 / c1, z)
        for _ in range(2):
            slope = (3.0 * c3 * z + 2.0 * c2) * z + c1
            step = (((c3 * z + c2) * z + c1) * z + c0) / slope
            z = np.where(np.isfinite(step), z - step, z)
        found.append(z)
    return found


def least_root_ratio(a2, a1, a0, lam, x, d2, d1, d0):
    """Return the best step for one coordinate under a root, in Python floats.

    The same as :func:`least_ratios` on the whole line, tens of times faster.

    Parameters
    ----------
    a2, a1, a0, lam, x, d2, d1, d0 : float
        As in the module; ``d0`` is positive.

    Returns
    -------
    eta : float
        0 where no step is better.
    """
    best, least, size = 0.0, a0 / math.sqrt(d0), abs(x)
    for sign in (1.0, -1.0) if lam else (1.0,):
        b1, b0 = a1 + sign * lam, a0 + lam * (sign * x - size)
        for eta in _zeros(
            a2 * d2,
            1.5 * a2 * d1,
            2.0 * a2 * d0 + 0.5 * b1 * d1 - b0 * d2,
            b1 * d0 - 0.5 * b0 * d1,
        ):
            if lam and sign * (x + eta) < 0.0:
                continue
            D = (d2 * eta + d1) * eta + d0
            if D > 0.0:
                value = ((a2 * eta + b1) * eta + b0) / math.sqrt(D)
                if value < least:
                    best, least = eta, value
    if lam and x:
        D = (-d2 * x + d1) * -x + d0
        if D > 0.0 and ((a2 * x - a1) * x + a0 - lam * size) / math.sqrt(D) <= least:
            best = -x
    return best


def least_plain_ratio(a2, a1, a0, lam, x, d2, d1, d0, far):
    """Return the best step for one coordinate without a root, in Python floats.

    The same as :func:`least_ratios` on the interval from -far to far.

    Parameters
    ----------
    a2, a1, a0, lam, x, d2, d1, d0 : float
        As in the module; ``d0`` is positive.
    far : float
        Longest step.

    Returns
    -------
    eta : float
        0 where no step is better.
    """
    best, least, size = 0.0, a0 / d0 * (1.0 - 1e-15), abs(x)
    tried = [-far, far]
    for sign in (1.0, -1.0) if lam else (1.0,):
        b1, b0 = a1 + sign * lam, a0 + lam * (sign * x - size)
        c2, c1, c0 = a2 * d1 - b1 * d2, a2 * d0 - b0 * d2, b1 * d0 - b0 * d1
        inside = c1 * c1 - c2 * c0
        if inside >= 0.0:
            q = -c1 - math.copysign(math.sqrt(inside), c1)
            tried += [q / c2] if c2 else []
            tried += [c0 / q] if q else []
    if lam:
        tried.append(-x)
    for eta in tried:
        D = (d2 * eta + d1) * eta + d0
        if D > 0.0 and abs(eta) <= far:
            value = (a2 * eta + a1) * eta + a0 + lam * (abs(x + eta) - size)
            if value < least * D:
                best, least = eta, value / D
    return best


def least_linear_ratio(a2, a1, a0, lam, x, pieces):
    """Return the best step for one coordinate where D is linear on a few pieces.

    The same as :func:`least_ratios` with d2 = 0, in Python floats.

    Parameters
    ----------
    a2, a1, a0, lam, x : float
        As in the module.
    pieces : list of tuple of float
        Slope d1, level d0, and the ends lo and hi of each piece.

    Returns
    -------
    eta : float
        0 where no step is better.
    """
    size, tried = abs(x), [-x] if lam else []
    for d1, d0, lo, hi in pieces:
        tried += [end for end in (lo, hi) if math.isfinite(end)]
        for sign in (1.0, -1.0) if lam else (1.0,):
            b1, b0 = a1 + sign * lam, a0 + lam * (sign * x - size)
            if d1 == 0.0:
                zeros = (-0.5 * b1 / a2,) if a2 else ()
            else:
                # (a2 d1, 2 a2 d0, b1 d0 - b0 d1), the quadratic of the module.
                inside = a2 * (a2 * d0 * d0 - d1 * (b1 * d0 - b0 * d1))
                half = math.sqrt(inside) if a2 and inside >= 0.0 else math.nan
                span = a2 * d1 or math.nan
                zeros = ((-a2 * d0 + half) / span, (-a2 * d0 - half) / span)
            tried += [eta for eta in zeros if lo <= eta <= hi]
    best, least = 0.0, math.inf
    for eta in (0.0, *tried):
        top = (a2 * eta + a1) * eta + a0 + lam * (abs(x + eta) - size)
        for d1, d0, lo, hi in pieces:
            if lo <= eta <= hi:
                D = d1 * eta + d0
                break
        # Zero comes first, and is left for no less than rounding.
        if D > 0.0 and top < least * D:
            best, least = eta, top / D * (1.0 - 1e-15)
    return best


def _zeros(c3, c2, c1, c0):
    """Return the real zeros of one cubic."""
    if c3 == 0.0:
        return (-c0 / c1,) if c1 else ()
    shift = c2 / (3.0 * c3)
    c = c1 / c3
    p = c - 3.0 * shift * shift
    q = shift * (2.0 * shift * shift - c) + c0 / c3
    inside = 0.25 * q * q + p * p * p / 27.0
    if inside > 0.0:
        outer = math.cbrt(-0.5 * q - math.copysign(math.sqrt(inside), q))
        zeros = (outer - p / (3.0 * outer) - shift,) if outer else (-shift,)
    elif p < 0.0:
        radius = 2.0 * math.sqrt(-p / 3.0)
        cosine = max(-1.0, min(1.0, -4.0 * q / (radius * radius * radius)))
        angle = math.acos(cosine) / 3.0
        zeros = (
            radius * math.cos(angle) - shift,
            radius * math.cos(angle + TURN) - shift,
            radius * math.cos(angle - TURN) - shift,
        )
    else:
        zeros = (-shift,)
    found = []
    for z in zeros:
        slope = (3.0 * c3 * z + 2.0 * c2) * z + c1
        if slope:
            z -= (((c3 * z + c2) * z + c1) * z + c0) / slope
        found.append(z)
    return found
