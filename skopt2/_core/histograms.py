"""Histograms in rows, and the ground costs between their bins."""

import math
import numbers
import warnings

import numpy as np

from skopt2._core.array import (
    all_finite,
    as_float,
    asarray_like,
    move,
    namespace,
    sum64,
)
from skopt2._core.checks import check_real
from skopt2._core.parameters import check_choice
from skopt2._core.weighted_quantile import weighted_quantile

# Bins above which products with a kernel are faster axis by axis.
LARGE = 200
# Figures of the costs that can be the unit of the regularisation.
NORMALISATIONS = (None, "mean", "max", "median")


def normalise(X, name):
    """Return rows that sum to one.

    A row of zeros has no shape: it counts as equal masses in all bins, with a warning.

    Parameters
    ----------
    X : array of shape (n_samples, n_bins)
        Finite.
    name : str
        Class of the estimator, for the messages.

    Returns
    -------
    A : array of shape (n_samples, n_bins)

    Raises
    ------
    ValueError
        If a value is negative.
    """
    xp = namespace(X)
    low, top = float(xp.min(X)), xp.max(X, axis=1, keepdims=True)
    if low < 0.0:
        raise ValueError(
            f"Negative values in data passed to {name}: rows of X are histograms, "
            f"but X holds {low:.4g}. Clip it, or shift each row to start at 0."
        )
    if float(xp.min(top)) == 0.0:
        row = int(xp.argmin(top))
        warnings.warn(
            f"Row {row} of the data passed to {name}, at least, is zero: a histogram "
            "without mass counts as one with equal masses in all bins. Remove such "
            "rows if that is not meant.",
            UserWarning,
            stacklevel=2,
        )
        X = xp.where(top == 0, xp.ones_like(X), X)
        top = xp.where(top == 0, xp.ones_like(top), top)
    # Divided by the largest first: the sum of huge masses must not overflow.
    A = X / top
    return A / xp.sum(A, axis=1, keepdims=True)


def ground_cost(cost, X, target):
    """Return the costs between the bins of histograms.

    Parameters
    ----------
    cost : None, "grid", tuple of int or array-like of shape (n_bins, n_bins)
        None for bins on a line; "grid" for a square image in row-major order, a tuple
        of lengths for an image of that shape: squared distances of the positions. An
        array is taken as it is.
    X : array of shape (n_samples, n_bins)
        Checked histograms, on the target.
    target : Target
        Where the costs go.

    Returns
    -------
    C : array of shape (n_bins, n_bins)
        In the dtype of ``X``.

    Raises
    ------
    ValueError
        If the shape does not fit the histograms, or a cost is negative or not finite.
    """
    n = int(X.shape[1])
    if cost is None or isinstance(cost, (str, tuple)):
        return asarray_like(grid_cost(grid_shape(cost, n)), X)
    if not hasattr(cost, "dtype"):
        cost = np.asarray(cost)
    check_real(cost, "cost")
    if tuple(cost.shape) != (n, n):
        raise ValueError(
            f"cost has the shape {tuple(cost.shape)}, but X has {n} features: it must "
            f"hold the costs between all pairs of bins, shape ({n}, {n})."
        )
    cost = as_float(cost)
    if not all_finite(cost) or float(namespace(cost).min(cost)) < 0.0:
        raise ValueError(
            "cost must be finite and nonnegative. Forbid a pair of bins by a cost far "
            "above the others instead of infinity."
        )
    with np.errstate(over="ignore"):
        C = asarray_like(move(cost, target), X)
    if not all_finite(C):
        raise ValueError(
            f"cost has values too large for the {C.dtype} of X. Divide all costs by a "
            "common factor, or pass X in float64."
        )
    return C


def grid_shape(cost, n):
    """Return the lengths of the grid on which the bins lie.

    Parameters
    ----------
    cost : None, "grid" or tuple of int
        As in :func:`ground_cost`.
    n : int
        Number of bins.
    """
    if cost is None:
        return (n,)
    if isinstance(cost, tuple):
        whole = all(isinstance(k, numbers.Integral) and k >= 1 for k in cost)
        if not (whole and cost and math.prod(cost) == n):
            raise ValueError(
                f"cost={cost!r} is the shape of an image, but its lengths do not "
                f"multiply to the {n} features of X."
            )
        return cost
    if cost != "grid":
        raise ValueError(
            "cost must be None, 'grid', a tuple of lengths or an array of ground "
            f"costs; got {cost!r}."
        )
    side = math.isqrt(n)
    if side * side != n:
        raise ValueError(
            f"cost='grid' needs square images, but X has {n} features. Pass the shape "
            "of the images, such as cost=(2, 3)."
        )
    return (side, side)


def grid_axes(cost, X):
    """Return the costs along each axis of a grid of bins, None without a grid.

    Parameters
    ----------
    cost : None, "grid", tuple of int or array
        As in :func:`ground_cost`.
    X : array of shape (n_samples, n_bins)
        Histograms.

    Returns
    -------
    axes : list of array of shape (n_k, n_k) or None
        In the dtype of ``X`` and beside it; None too where products with the whole
        matrix are no slower.
    """
    if not (cost is None or isinstance(cost, (str, tuple))) or X.shape[1] < LARGE:
        return None
    shape = grid_shape(cost, int(X.shape[1]))
    return [asarray_like(grid_cost((k,)), X) for k in shape] if len(shape) > 1 else None


def grid_cost(shape):
    """Return squared distances between the points of a grid in row-major order.

    Parameters
    ----------
    shape : tuple of int
        Numbers of points along the axes.
    """
    axes = np.meshgrid(*(np.arange(float(k)) for k in shape), indexing="ij")
    return sum((x.ravel()[:, None] - x.ravel()) ** 2 for x in axes)


def check_normalisation(value):
    """Raise ValueError unless the unit of the regularisation has a known name."""
    check_choice("normalize_cost", value, NORMALISATIONS)


def cost_scale(C, normalize_cost):
    """Return the unit of the regularisation: mean, maximum or median of the costs.

    Parameters
    ----------
    C : array of shape (n, m)
        Costs.
    normalize_cost : {None, "mean", "max", "median"}
        Which, the lower one of two medians; None for 1.

    Returns
    -------
    scale : float
        1.0 where it would be zero.
    """
    check_normalisation(normalize_cost)
    if normalize_cost is None:
        return 1.0
    xp = namespace(C)
    if normalize_cost == "mean":
        scale = sum64(C) / math.prod(C.shape)
    elif normalize_cost == "max":
        scale = float(xp.max(C))
    else:
        scale = weighted_quantile(xp.reshape(C, (-1,)), 0.5)
    return scale if scale > 0.0 else 1.0
