"""The unit of the regularisation: one figure of all costs."""

import math

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    dot64,
    flatnonzero,
    index_like,
    namespace,
    sum64,
    take,
    to_numpy,
)
from skopt2._core.histograms import check_normalisation
from skopt2._core.weighted_quantile import weighted_quantile
from skopt2.solvers.transport.cost import ground_cost
from skopt2.solvers.transport.geometry import DEVICE_BLOCK, HOST_BLOCK

# Points of each cloud whose costs enter a median.
MEDIAN = 2000


def check_magnitude(X, Y, a, b, metric):
    """Raise ValueError if squares of distances leave the range of their dtype.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Points.
    a, b : array of shape (n,), (m,) or None
        Masses. Points of no mass count for nothing.
    metric : str or callable
        Only costs that square differences are looked at.

    Raises
    ------
    ValueError
        If the square of the largest difference in a feature over- or underflows.
    """
    if metric not in ("sqeuclidean", "euclidean"):
        return
    xp = namespace(X)
    clouds = [_with_mass(*side)[0] for side in ((X, a), (Y, b))]
    gap = max(float(xp.max(xp.abs(points - clouds[0][0, :]))) for points in clouds)
    smallest, largest, dtype, wider = _range_of(X)
    if gap > math.sqrt(largest):
        raise ValueError(
            f"Points of X and Y differ by {gap:.1e} in a feature, and their costs "
            f"overflow {dtype}. Divide X and Y by a common factor{wider}."
        )
    if 0.0 < gap < math.sqrt(smallest):
        raise ValueError(
            f"Points of X and Y differ by no more than {gap:.1e} in a feature, and "
            f"their costs underflow {dtype}. Multiply X and Y by a common factor"
            f"{wider}."
        )


def check_divisor(reg, X):
    """Raise ValueError if a regularisation is too small for the dtype of the costs.

    Parameters
    ----------
    reg : float
        In the unit of the cost.
    X : array
        In the dtype of the costs.

    Raises
    ------
    ValueError
        If it underflows.
    """
    smallest, _, dtype, wider = _range_of(X)
    if reg < smallest:
        raise ValueError(
            f"reg is {reg:.1e} in the unit of the cost, which underflows {dtype}. "
            f"Increase reg, or multiply X and Y by a common factor{wider}."
        )


def _range_of(X):
    """Return the smallest and largest numbers of a dtype, its name, and a way out."""
    found, dtype = namespace(X).finfo(X.dtype), str(X.dtype).rpartition(".")[2]
    wider = ", or pass them in float64" if dtype == "float32" else ""
    return float(found.smallest_normal), float(found.max), dtype, wider


def cloud_scale(X, Y, a, b, metric, normalize_cost):
    """Return the unit of the regularisation for costs between points.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Points.
    a, b : array of shape (n,), (m,) or None
        Masses of sum one; None for equal ones. Points of no mass count for nothing.
    metric : str or callable
        See :func:`skopt2.solvers.transport.cost.ground_cost`.
    normalize_cost : {None, "mean", "max", "median"}
        Which; None for 1. The median is that of the pairs of at most 2000 evenly
        spaced points of each cloud, the lower one of two.

    Returns
    -------
    scale : float
        1.0 where it would be zero.
    """
    check_normalisation(normalize_cost)
    if normalize_cost is None:
        return 1.0
    if normalize_cost == "mean" and metric == "sqeuclidean":
        scale = _mean_square(X, Y, a, b)
    elif normalize_cost == "median":
        scale = _median(X, Y, a, b, metric)
    else:
        X, a = _with_mass(X, a)
        Y, b = _with_mass(Y, b)
        scale = _over_blocks(X, Y, a, b, metric, normalize_cost)
    return scale if scale > 0.0 else 1.0


def _mean_square(X, Y, a, b):
    """Return the mean of |x - y|^2, in the time of the means of both clouds."""
    xp, wide = namespace(X), accumulation_dtype(X)
    centre = xp.astype(X[0, :], wide)
    total, means = 0.0, []
    for points, mass in ((X, a), (Y, b)):
        n = int(points.shape[0])
        points = xp.astype(points, wide) - centre
        share = xp.zeros_like(points[:, 0]) + 1.0 / n
        share = share if mass is None else xp.astype(mass, wide)
        mean = share @ points
        total += dot64(share, xp.sum((points - mean) ** 2, axis=1))
        means.append(mean)
    return total + sum64((means[0] - means[1]) ** 2)


def _with_mass(X, a):
    """Return points and masses without those of no mass."""
    if a is None or bool(namespace(a).all(a > 0)):
        return X, a
    index = flatnonzero(a > 0)
    return take(X, index), take(a, index)


def _over_blocks(X, Y, a, b, metric, name):
    """Return the weighted mean or the maximum of the costs, block by block."""
    xp, cost = namespace(X), ground_cost(metric)
    size = HOST_BLOCK if xp is np else DEVICE_BLOCK
    n, step, total = int(X.shape[0]), max(1, size // int(Y.shape[0])), 0.0
    for i in range(0, n, step):
        block = slice(i, min(i + step, n))
        C = cost.block(X[block, :], Y)
        if name == "max":
            total = max(total, float(xp.max(C)))
            continue
        rows = xp.mean(C, axis=1) if b is None else C @ b
        total += sum64(rows) / n if a is None else dot64(rows, a[block])
    return total


def _median(X, Y, a, b, metric):
    """Return the weighted median of the costs of evenly spaced points."""
    parts = []
    for points, mass in ((X, a), (Y, b)):
        n = int(points.shape[0])
        mass = np.full(n, 1.0 / n) if mass is None else to_numpy(mass)
        kept = np.flatnonzero(mass)
        kept = kept[np.arange(0, kept.size, max(1, -(-kept.size // MEDIAN)))]
        index = index_like(kept, points)
        parts.append((take(points, index), mass[kept]))
    (X, a), (Y, b) = parts
    C = to_numpy(ground_cost(metric).block(X, Y))
    return weighted_quantile(C.ravel(), 0.5, np.outer(a, b).ravel())
