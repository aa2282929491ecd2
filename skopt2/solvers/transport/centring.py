"""A ground cost between points that are moved to the means of their clouds.

Symbols: x_i (n, d) and y_j (m, d) points, x_i = x~_i + mean(x), y_j = y~_j + mean(y),
delta = mean(x) - mean(y); f (n,) and g (m,) dual potentials of transport. Since

    |x - y|^2 = |x~ - y~|^2 + p_i + q_j,
    p_i = 2 <delta, x~_i>,  q_j = |delta|^2 - 2 <delta, y~_j>,

the plan of f~ and g~ for the cost |x~ - y~|^2 is that of f = f~ + p and g = g~ + q for
|x - y|^2. Computed with f~ and g~ it does not feel how far apart the clouds are, while
f and g have lost the digits that tell near costs apart. A cosine is half a squared
distance of normalised points, likewise.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import accumulation_dtype, dot64, namespace
from skopt2.solvers.transport.cost import (
    Cosine,
    GroundCost,
    SquaredEuclidean,
    normalised,
)


@dataclass(frozen=True)
class Centred:
    """A cost written as c~(x~_i, y~_j) + p_i + q_j; see the module's docstring.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d), or None
        The points x~ and y~.
    cost : GroundCost or None
        The cost c~.
    p, q : array of shape (n,), (m,) or None
        In the widest float of the device; None for zeros.
    """

    X: Any = None
    Y: Any = None
    cost: GroundCost | None = None
    p: Any = None
    q: Any = None

    def outside(self, f, g):
        """Return the potentials of the original cost, for those of c~."""
        return (_add(f, self.p, 1.0), _add(g, self.q, 1.0))

    def inside(self, f, g):
        """Return the potentials of c~, for those of the original cost."""
        return (_add(f, self.p, -1.0), _add(g, self.q, -1.0))

    def offset(self, a, b):
        """Return <a, p> + <b, q>: original cost or dual objective less that of c~."""
        if self.p is None:
            return 0.0
        return dot64(a, self.p) + dot64(b, self.q)


# Of a cost that is what it is, without points.
UNMOVED = Centred()


def centred(cost, X, Y):
    """Return a ground cost between points that have been moved to their means.

    Parameters
    ----------
    cost : GroundCost
        Any; other than squared distances and cosines stay as they are.
    X, Y : array of shape (n, d), (m, d)
        Points.

    Returns
    -------
    centred : Centred
    """
    xp = namespace(X, Y)
    if not isinstance(cost, (SquaredEuclidean, Cosine)):
        return Centred(X, Y, cost)
    dtype, wide = X.dtype, accumulation_dtype(X)
    x, y = xp.astype(X, wide), xp.astype(Y, wide)
    factor, p, q = 0.5, 0.0, 0.0
    if isinstance(cost, Cosine):
        (x, length_x), (y, length_y) = normalised(x), normalised(y)
        # 1 - <x, y> = |x - y|^2 / 2 but where one of them is zero.
        p = 0.5 * xp.astype(length_x == 0, wide)
        q = 0.5 * xp.astype(length_y == 0, wide)
    else:
        factor = cost.factor
    mean_x, mean_y = xp.mean(x, axis=0), xp.mean(y, axis=0)
    x, y, delta = x - mean_x, y - mean_y, mean_x - mean_y
    p = p + 2.0 * factor * (x @ delta)
    q = q + factor * (xp.sum(delta * delta) - 2.0 * (y @ delta))
    x, y = xp.astype(x, dtype), xp.astype(y, dtype)
    return Centred(x, y, SquaredEuclidean(factor), p, q)


def _add(x, shift, sign):
    """Return x + sign * shift in the dtype of x, added in the dtype of the shift."""
    if shift is None:
        return x
    xp = namespace(x)
    return xp.astype(xp.astype(x, shift.dtype) + sign * shift, x.dtype)
