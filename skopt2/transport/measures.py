"""Checks of several measures, and of their weights."""

import math

import numpy as np

from skopt2._core.array import (
    all_finite,
    as_float,
    is_sparse,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.checks import check_real
from skopt2.transport.dense_input import check_points


def check_weights(weights, n):
    """Return weights of measures with the sum one.

    Parameters
    ----------
    weights : array-like of shape (n,) or None
        Nonnegative; None for equal ones.
    n : int
        Number of measures.

    Returns
    -------
    weights : ndarray of shape (n,)
        float64, in host memory.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or the shape is wrong.
    """
    if weights is None:
        return np.full(n, 1.0 / n)
    host = to_numpy(weights) if hasattr(weights, "dtype") else weights
    weights = np.asarray(host)
    check_real(weights, "weights")
    weights = weights.astype(np.float64)
    if weights.shape != (n,):
        raise ValueError(
            f"weights has the shape {weights.shape}, expected ({n},): one for each "
            "measure."
        )
    top = float(weights.max())
    if not (float(weights.min()) >= 0.0 and 0.0 < top < math.inf):
        raise ValueError(
            "weights must be finite and nonnegative, and not all zero; got "
            f"{weights.tolist()}."
        )
    # Divided by the largest first: the sum of huge weights must not overflow.
    weights = weights / top
    return weights / weights.sum()


def check_histograms(measures, source):
    """Return histograms, each divided by its sum.

    Parameters
    ----------
    measures : array-like of shape (k, n) or (k, n_1, ..., n_d)
        Nonnegative.
    source : Target
        Where they live.

    Returns
    -------
    B : array
        Of the same shape, in float32 or float64, where they live.

    Raises
    ------
    ValueError
        If they are negative, not finite, empty, of the wrong shape, or one is zero.
    """
    if is_sparse(measures):
        raise TypeError("Histograms must be dense. Pass measures.toarray().")
    if source.kind == "numpy":
        try:
            measures = np.asarray(measures)
        except ValueError as error:
            raise ValueError(
                "Histograms must all have the same bins. Pass n_support for the "
                "barycentre of point clouds."
            ) from error
        if measures.dtype == object:
            measures = measures.astype(np.float64)
    if measures.ndim < 2 or 0 in measures.shape:
        raise ValueError(
            "Histograms must have the shape (n_measures, n_bins), or (n_measures, "
            "height, width, ...) for images, with at least one of each; got "
            f"{tuple(measures.shape)}."
        )
    check_real(measures, "measures")
    B = as_float(measures)
    xp = namespace(B)
    if not all_finite(B):
        raise ValueError("measures must be finite, but holds NaN or infinity.")
    low = float(xp.min(B))
    if low < 0.0:
        raise ValueError(
            f"measures must be nonnegative, but holds {low:.4g}. Remove or clip it."
        )
    axes = tuple(range(1, B.ndim))
    top = xp.max(B, axis=axes, keepdims=True)
    if float(xp.min(top)) == 0.0:
        number = int(xp.argmin(xp.reshape(top, (-1,))))
        raise ValueError(
            f"Histogram {number} is zero in all bins: it has no mass to transport. "
            "Remove it."
        )
    # Divided by the largest first: the sum of huge masses must not overflow.
    B = B / top
    return B / xp.sum(B, axis=axes, keepdims=True)


def check_clouds(clouds, source):
    """Return point clouds in one float dtype, where the first lives.

    Parameters
    ----------
    clouds : sequence of array-like of shape (n_k, n_features)
        Points.
    source : Target
        Where the first lives.

    Returns
    -------
    clouds : list of array

    Raises
    ------
    ValueError
        If a cloud is empty, not finite, or the numbers of features differ.
    """
    if len(clouds) == 0:
        raise ValueError("measures must hold at least one point cloud; it is empty.")
    clouds = [
        move(check_points(Y, f"measures[{k}]"), source) for k, Y in enumerate(clouds)
    ]
    features = {int(Y.shape[1]) for Y in clouds}
    if len(features) > 1:
        raise ValueError(
            "All point clouds must have the same number of features; got "
            f"{[int(Y.shape[1]) for Y in clouds]}."
        )
    xp = namespace(clouds[0])
    if len({Y.dtype for Y in clouds}) > 1:
        clouds = [xp.astype(Y, xp.float64) for Y in clouds]
    return clouds


def check_masses(masses, n, name):
    """Return masses of points with the sum one.

    Parameters
    ----------
    masses : array-like of shape (n,) or None
        Nonnegative; None for equal ones.
    n : int
        Number of points.
    name : str
        Name of the parameter.

    Returns
    -------
    masses : ndarray of shape (n,)
        float64, in host memory.

    Raises
    ------
    ValueError
        If a mass is negative or not finite, all are zero, or the shape is wrong.
    """
    if masses is None:
        return np.full(n, 1.0 / n)
    masses = np.asarray(to_numpy(masses) if hasattr(masses, "dtype") else masses)
    check_real(masses, name)
    masses = masses.astype(np.float64)
    if masses.shape != (n,):
        raise ValueError(
            f"{name} has the shape {masses.shape}, expected ({n},): one mass for each "
            "point."
        )
    low, top = float(masses.min()), float(masses.max())
    if not (low >= 0.0 and 0.0 < top < math.inf):
        what = "NaN" if math.isnan(low) else f"{low:.4g} to {top:.4g}"
        raise ValueError(
            f"{name} must be finite and nonnegative with a positive sum; it holds "
            f"{what}."
        )
    masses = masses / top
    return masses / masses.sum()
