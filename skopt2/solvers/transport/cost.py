"""Ground costs between points: blocks of the cost matrix, and gradients.

Symbols: X (n, d) and Y (m, d) points, C_ij = c(x_i, y_j) their costs, W (n, m) weights,
sum_j W_ij dc(x_i, y_j) / dx_i the gradient (n, d), delta = mean(X) - mean(Y).

Names: ``"sqeuclidean"`` |x - y|^2, ``"euclidean"`` |x - y|, ``"cityblock"``
sum_k |x_k - y_k|, ``"cosine"`` 1 - <x, y> / (|x| |y|), and 1 where x or y is zero.
"""

import math

import numpy as np
from scipy.spatial.distance import cdist

from skopt2._core.array import (
    accumulation_dtype,
    all_finite,
    namespace,
    put,
)

# Up to so many features squares of differences are summed as they are: no slower than a
# matrix product, and exact where points are close.
FEW_FEATURES = 8
# Pairs at a time where points are gathered, or distances held in float64.
PAIRS = 2**16


class GroundCost:
    """A cost c(x, y) that is symmetric in its arguments.

    ``of_gaps`` maps the distances between two boxes along each feature, shape (..., d),
    to the smallest cost between points of the boxes; ``bounded`` says that it exists.
    """

    name = ""
    bounded = True

    def block(self, X, Y):
        """Return the costs of shape (n, m), a new array."""
        raise NotImplementedError

    def grad_x(self, X, Y, W):
        """Return sum_j W_ij dc(x_i, y_j) / dx_i.

        As the cost is symmetric, ``grad_x(Y, X, W.T)`` is the gradient with respect
        to ``Y``. Where the cost has a kink, the kink counts zero: a subgradient.

        Parameters
        ----------
        X, Y : array of shape (n, d), (m, d)
            Points.
        W : array of shape (n, m)
            Weights, for example a transport plan.

        Returns
        -------
        gradient : array of shape (n, d)
        """
        raise NotImplementedError

    def of_gaps(self, gaps):
        """Return the cost of points that differ by ``gaps``, (..., d) to (...)."""
        raise NotImplementedError


class SquaredEuclidean(GroundCost):
    """Cost ``factor`` * |x - y|^2.

    Parameters
    ----------
    factor : float, default=1.0
        Constant in front.
    """

    name = "sqeuclidean"

    def __init__(self, factor=1.0):
        self.factor = factor

    def block(self, X, Y):
        """Return the costs of shape (n, m)."""
        C = squared_distances(X, Y)
        if self.factor == 1.0:
            return C
        C *= self.factor
        return C

    def grad_x(self, X, Y, W):
        """Return 2 factor sum_j W_ij (x_i - y_j)."""
        xp = namespace(X)
        # A mass that is nearly at its aim has a gradient of nearly zero, which must not
        # drown in the rounding of a common shift.
        centre = _mean(Y)
        X, Y = X - centre, Y - centre
        return 2.0 * self.factor * (X * xp.sum(W, axis=1)[:, None] - W @ Y)

    def of_gaps(self, gaps):
        """Return the cost of the gaps."""
        return self.factor * (gaps * gaps).sum(axis=-1)


class Euclidean(GroundCost):
    """Cost |x - y|; its gradient at x = y counts zero."""

    name = "euclidean"

    def block(self, X, Y):
        """Return the costs of shape (n, m)."""
        if namespace(X) is np and X.shape[1] <= FEW_FEATURES:
            return _distances(X, Y, "euclidean")
        C = squared_distances(X, Y)
        if namespace(X) is np:
            return np.sqrt(C, out=C)
        return namespace(X).sqrt(C)

    def grad_x(self, X, Y, W):
        """Return sum_j W_ij (x_i - y_j) / |x_i - y_j|."""
        xp = namespace(X)
        C = self.block(X, Y)
        apart = C > 0
        V = xp.where(apart, W / xp.where(apart, C, xp.ones_like(C)), xp.zeros_like(C))
        # Differences first: close pairs have large V, in which the cancellation of two
        # sums would be seen.
        parts = [xp.sum(V * gap, axis=1) for gap in _gaps(X, Y)]
        return xp.stack(parts, axis=1)

    def of_gaps(self, gaps):
        """Return the cost of the gaps."""
        return np.sqrt((gaps * gaps).sum(axis=-1))


class CityBlock(GroundCost):
    """Cost sum_k |x_k - y_k|; its derivative at x_k = y_k counts zero."""

    name = "cityblock"

    def block(self, X, Y):
        """Return the costs of shape (n, m)."""
        xp = namespace(X)
        if xp is np:
            return _distances(X, Y, "cityblock")
        total = None
        for gap in _gaps(X, Y):
            total = xp.abs(gap) if total is None else total + xp.abs(gap)
        return total

    def grad_x(self, X, Y, W):
        """Return sum_j W_ij sign(x_i - y_j)."""
        xp = namespace(X)
        parts = [xp.sum(W * xp.sign(gap), axis=1) for gap in _gaps(X, Y)]
        return xp.stack(parts, axis=1)

    def of_gaps(self, gaps):
        """Return the cost of the gaps."""
        return gaps.sum(axis=-1)


class Cosine(GroundCost):
    """Cost 1 - <x, y> / (|x| |y|), and 1 where x or y is zero.

    Boxes of points do not bound it; :mod:`.centring` turns it into a squared distance
    of normalised points, which they do.
    """

    name = "cosine"
    bounded = False

    def block(self, X, Y):
        """Return the costs of shape (n, m)."""
        C = normalised(X)[0] @ normalised(Y)[0].T
        if namespace(X) is not np:
            return namespace(X).clip(1.0 - C, 0.0, 2.0)
        np.subtract(1.0, C, out=C)
        return np.clip(C, 0.0, 2.0, out=C)

    def grad_x(self, X, Y, W):
        """Return -sum_j W_ij (y^_j - <x^_i, y^_j> x^_i) / |x_i|, ^ normalised."""
        xp = namespace(X)
        unit, length = normalised(X)
        pull = W @ normalised(Y)[0]
        along = xp.sum(unit * pull, axis=1)[:, None]
        safe = xp.where(length > 0, length, xp.ones_like(length))[:, None]
        moved = (along * unit - pull) / safe
        return xp.where(length[:, None] > 0, moved, xp.zeros_like(moved))


class CallableCost(GroundCost):
    """Cost of a function of two arrays of points.

    Parameters
    ----------
    function : callable
        ``function(X, Y)`` of points of shape (n, d) and (m, d) returns their costs,
        shape (n, m).
    """

    name = "callable"
    bounded = False

    def __init__(self, function):
        self.function = function

    def block(self, X, Y):
        """Return the costs of shape (n, m).

        Raises
        ------
        ValueError
            If the function fails, returns another shape, NaN or an infinite cost.
        """
        try:
            C = self.function(X, Y)
        except (TypeError, ValueError, IndexError) as error:
            # Metrics of scikit-learn and SciPy take two points, and fail on blocks.
            text = str(error).strip().rstrip(".")
            raise ValueError(
                f"metric failed on points of shape {tuple(X.shape)} and "
                f"{tuple(Y.shape)}: {text}. It gets all points at once, and returns "
                "the costs of all pairs, as scipy.spatial.distance.cdist does."
            ) from error
        if namespace(X) is np:
            C = np.asarray(C)
        expected = (X.shape[0], Y.shape[0])
        if tuple(C.shape) != expected:
            raise ValueError(
                f"metric returned an array of shape {tuple(C.shape)} for points of "
                f"shape {tuple(X.shape)} and {tuple(Y.shape)}; it must return one cost "
                f"for each pair, shape {expected}."
            )
        C = namespace(X).astype(C, X.dtype)
        if not all_finite(C):
            raise ValueError(
                "metric returned costs that are NaN or infinite; forbid a pair by a "
                "large finite cost."
            )
        return C

    def grad_x(self, X, Y, W):
        """Raise: a function has no gradient here."""
        raise ValueError(
            "The gradient of a transport cost needs a metric with a known gradient, "
            f"one of {METRICS}, but metric is the callable {self.function!r}."
        )


_COSTS = {cls.name: cls for cls in (SquaredEuclidean, Euclidean, CityBlock, Cosine)}
METRICS = tuple(_COSTS)


def ground_cost(metric):
    """Return the ground cost of a metric.

    Parameters
    ----------
    metric : str or callable or GroundCost
        A name, or a function of two arrays of points.

    Returns
    -------
    cost : GroundCost

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if isinstance(metric, GroundCost):
        return metric
    if isinstance(metric, str) and metric in _COSTS:
        return _COSTS[metric]()
    if callable(metric):
        return CallableCost(metric)
    raise ValueError(
        f"metric must be one of {METRICS} or a callable (X, Y) -> costs; "
        f"got {metric!r}."
    )


def normalised(X):
    """Return rows of length one, zeros unchanged, and the lengths, shape (n,)."""
    xp = namespace(X)
    # Divided by the largest first: squares of tiny or huge entries leave the range.
    top = xp.max(xp.abs(X), axis=1)
    safe = xp.where(top > 0, top, xp.ones_like(top))[:, None]
    scaled = X / safe
    length = xp.sqrt(xp.sum(scaled * scaled, axis=1))
    unit = scaled / xp.where(length > 0, length, xp.ones_like(length))[:, None]
    return unit, length * top


def squared_distances(X, Y):
    """Return |x_i - y_j|^2 of shape (n, m), accurate where points are close.

    Through one matrix product if there are many features. What that says of close
    points is rounding: they are computed once more from their differences.
    """
    xp = namespace(X, Y)
    if X.shape[1] <= FEW_FEATURES:
        if xp is np:
            return _distances(X, Y, "sqeuclidean")
        total = None
        for gap in _gaps(X, Y):
            total = gap * gap if total is None else total + gap * gap
        return total
    centre = _mean(Y)
    X, Y = X - centre, Y - centre
    square_x, square_y = xp.sum(X * X, axis=1), xp.sum(Y * Y, axis=1)
    C = (-2.0 * X) @ Y.T
    C += square_y[None, :]
    C += square_x[:, None]
    unsure = math.sqrt(float(xp.finfo(X.dtype).eps))
    unsure *= float(xp.max(square_x) + xp.max(square_y))
    return _refine(C, X, Y, unsure)


def _distances(X, Y, metric):
    """Return distances of NumPy points from their differences, in their dtype."""
    if X.dtype == np.float64:
        return cdist(X, Y, metric)
    # SciPy computes in float64, which must not be held for all pairs.
    C = np.empty((X.shape[0], Y.shape[0]), dtype=X.dtype)
    step = max(1, PAIRS // Y.shape[0])
    for start in range(0, X.shape[0], step):
        C[start : start + step] = cdist(X[start : start + step], Y, metric)
    return C


def _refine(C, X, Y, unsure):
    """Return C with the squared distances below a bound computed from differences."""
    xp, m = namespace(C), int(C.shape[1])
    if float(xp.min(C)) > unsure:
        return C
    flat = xp.reshape(C, (-1,))
    (index,) = xp.nonzero(flat <= unsure)
    count = int(index.shape[0])
    for start in range(0, count, PAIRS):
        pairs = index[start : min(start + PAIRS, count)]
        gap = xp.take(X, pairs // m, axis=0) - xp.take(Y, pairs % m, axis=0)
        flat = put(flat, pairs, xp.sum(gap * gap, axis=1))
    return xp.reshape(flat, C.shape)


def _gaps(X, Y):
    """Yield the differences x_ik - y_jk of shape (n, m), feature by feature."""
    for k in range(int(X.shape[1])):
        yield X[:, k][:, None] - Y[:, k][None, :]


def _mean(X):
    """Return the mean point, accumulated in float64."""
    xp = namespace(X)
    return xp.astype(xp.mean(xp.astype(X, accumulation_dtype(X)), axis=0), X.dtype)
