"""Exact transport in one dimension, for many projections at once.

Problem: W_p^p(t) = min over couplings of the projected measures of sum P_ij
abs(theta_t'x_i - theta_t'y_j)^p = integral over u in (0, 1) of
abs(F^-1(u) - G^-1(u))^p, F^-1 and G^-1 the quantile functions of the two projections.

Symbols: X (n, d), Y (m, d) points; a (n,), b (m,) positive weights with sum 1, None for
equal ones; theta (L, d) unit rows; x (L, n), y (L, m) projections. The quantile
functions are constant between the levels at which either of them jumps. There are
n + m levels at most; sorted together, level k bounds an interval of some width, and the
number of jumps of F before it is the rank of the x that covers it.

Equal weights have the same levels in every direction, integers over n m, and so no
rounding; other weights are accumulated in float64 in the order of each projection.

Source: G. Peyre and M. Cuturi, Computational optimal transport, 2019, section 2.6 and
remark 2.28.
"""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    device_of,
    dot64,
    index_like,
    namespace,
    to_numpy,
)

# Arrays of the size of the merged projections that live at one time.
TEMPORARIES = 10


def sliced_costs(X, Y, a, b, theta, p, budget):
    """Return W_p^p of the projections on every direction.

    Parameters
    ----------
    X : array of shape (n, d)
        Points.
    Y : array of shape (m, d)
        Points, beside ``X`` and in its dtype.
    a : array of shape (n,) or None
        Positive weights with sum 1, in the precision that sums are accumulated in; None
        for equal ones.
    b : array of shape (m,) or None
        Likewise.
    theta : ndarray of shape (L, d)
        Directions, in host memory.
    p : float
        Exponent, at least 1.
    budget : int
        Bytes that the temporary arrays may take.

    Returns
    -------
    costs : ndarray of shape (L,)
        float64, in host memory.
    """
    n, m = X.shape[0], Y.shape[0]
    xp = namespace(X)
    shared = _equal_levels(n, m) if a is None and b is None else None
    rows = max(1, int(budget) // (8 * (n + m) * TEMPORARIES))
    found = []
    for start in range(0, theta.shape[0], rows):
        block = asarray_like(np.ascontiguousarray(theta[start : start + rows]), X)
        x = block @ xp.matrix_transpose(X)
        y = block @ xp.matrix_transpose(Y)
        if shared is None:
            costs = _weighted_costs(x, y, a, b, p)
        else:
            costs = _equal_costs(x, y, shared, p)
        found.append(to_numpy(costs))
    return np.concatenate(found).astype(np.float64, copy=False)


def projected_variances(X, weight, mean, theta, budget):
    """Return theta'S theta of every direction and the trace of S.

    Parameters
    ----------
    X : array of shape (n, d)
        Points.
    weight : array of shape (n,) or None
        Positive weights with sum 1; None for equal ones.
    mean : ndarray of shape (d,)
        Weighted mean of ``X``, in host memory.
    theta : ndarray of shape (L, d)
        Directions, in host memory.
    budget : int
        Bytes that the temporary arrays may take.

    Returns
    -------
    variances : ndarray of shape (L,)
        float64, in host memory.
    trace : float
        Sum of the variances of the columns of ``X``.
    """
    xp = namespace(X)
    n = X.shape[0]
    X = X - asarray_like(mean, X)
    if weight is not None:
        X = X * xp.astype(xp.sqrt(weight), X.dtype)[:, None]
    share = 1.0 if weight is not None else 1.0 / n
    rows = max(1, int(budget) // (8 * n * TEMPORARIES))
    found = []
    for start in range(0, theta.shape[0], rows):
        block = asarray_like(np.ascontiguousarray(theta[start : start + rows]), X)
        squares = _power(block @ xp.matrix_transpose(X), 2.0)
        found.append(to_numpy(xp.sum(squares, axis=1)))
    variances = np.concatenate(found).astype(np.float64, copy=False)
    return share * variances, share * dot64(X, X)


def _equal_levels(n, m):
    """Return ranks of x, ranks of y and widths of the intervals for equal weights."""
    if n == m:
        return None, None, np.full(1, 1.0 / n)
    jumps_x = np.arange(1, n + 1, dtype=np.int64) * m
    jumps_y = np.arange(1, m + 1, dtype=np.int64) * n
    levels = np.union1d(jumps_x, jumps_y)
    widths = np.diff(levels, prepend=0) / (n * m)
    return np.searchsorted(jumps_x, levels), np.searchsorted(jumps_y, levels), widths


def _equal_costs(x, y, levels, p):
    """Return the costs (L,) for equal weights."""
    xp = namespace(x)
    rank_x, rank_y, widths = levels
    x, y = xp.sort(x, axis=1), xp.sort(y, axis=1)
    if rank_x is not None:
        x = xp.take(x, index_like(rank_x, x), axis=1)
        y = xp.take(y, index_like(rank_y, x), axis=1)
    widths = asarray_like(widths, x, accumulation_dtype(x))
    return xp.sum(_power(x - y, p) * widths, axis=1)


def _weighted_costs(x, y, a, b, p):
    """Return the costs (L,) for weights that follow the order of each projection."""
    xp = namespace(x)
    n, m = x.shape[1], y.shape[1]
    x, jumps_x = _quantiles(x, a)
    y, jumps_y = _quantiles(y, b)
    merged = xp.concat([jumps_x, jumps_y], axis=1)
    # Stable: a merge of two sorted runs, and ties keep x before y.
    order = (
        np.argsort(merged, axis=1, kind="stable")
        if xp is np
        else xp.argsort(merged, axis=1)
    )
    levels = xp.take_along_axis(merged, order, axis=1)
    widths = levels - xp.concat([xp.zeros_like(levels[:, :1]), levels[:, :-1]], axis=1)
    of_x = xp.astype(order < n, xp.int64)
    before = _cumulate(of_x) - of_x
    places = xp.arange(n + m, dtype=xp.int64, device=device_of(x))
    # At the ends of the interval (0, 1) a rank can be one too many; its width is 0.
    x = xp.take_along_axis(x, xp.clip(before, 0, n - 1), axis=1)
    y = xp.take_along_axis(y, xp.clip(places - before, 0, m - 1), axis=1)
    return xp.sum(_power(x - y, p) * widths, axis=1)


def _quantiles(x, weight):
    """Return sorted projections and the levels at which their quantiles jump."""
    xp = namespace(x)
    wide = accumulation_dtype(x)
    if weight is None:
        n = x.shape[1]
        levels = xp.arange(1, n + 1, dtype=wide, device=device_of(x)) / n
        return xp.sort(x, axis=1), xp.broadcast_to(levels, x.shape)
    order = xp.argsort(x, axis=1)
    spread = xp.take(weight, xp.reshape(order, (-1,)))
    levels = _cumulate(xp.reshape(spread, x.shape))
    return xp.take_along_axis(x, order, axis=1), levels / levels[:, -1:]


def _cumulate(x):
    """Return the cumulative sums of the rows."""
    xp = namespace(x)
    # NumPy has the standard's name for it only since 2.1.
    return np.cumsum(x, axis=1) if xp is np else xp.cumulative_sum(x, axis=1)


def _power(difference, p):
    """Return abs(difference)^p in the precision that sums are accumulated in."""
    xp = namespace(difference)
    difference = xp.astype(difference, accumulation_dtype(difference))
    if p == 2:
        return difference * difference
    distance = xp.abs(difference)
    return distance if p == 1 else distance**p
