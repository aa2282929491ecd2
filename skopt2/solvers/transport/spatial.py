"""Points in an order that keeps close ones together, and bounds from their boxes.

Symbols: X (n, d) and Y (m, d) points. Tiles are runs of ``TILE`` points in the order.
"""

import numpy as np

from skopt2._core.array import device_of, namespace, to_numpy

# Points in a tile, the unit that a pass over a plan leaves out or not.
TILE = 32
# Boxes of many features are never far apart relative to their size.
MOST_FEATURES = 16
# Pairs of points from which an order can save more than it costs.
WORTHWHILE = 2**18


def cost_reach(cost, X, Y):
    """Return a bound of the cost between any two points; None if boxes bound none.

    Parameters
    ----------
    cost : GroundCost
        Cost.
    X, Y : array of shape (n, d), (m, d)
        Points.

    Returns
    -------
    reach : float or None
        The cost between the corners of the two boxes that are furthest apart.
    """
    if not cost.bounded:
        return None
    xp = namespace(X)
    gaps = xp.maximum(
        xp.abs(xp.max(X, axis=0) - xp.min(Y, axis=0)),
        xp.abs(xp.max(Y, axis=0) - xp.min(X, axis=0)),
    )
    return float(cost.of_gaps(to_numpy(gaps).astype(np.float64)))


def spatial_order(X, leaf=TILE):
    """Return an order of points in which consecutive ones are close.

    The leaves of a k-d tree that halves the widest feature at its median; every leaf
    but the last has ``leaf`` points.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Points.
    leaf : int
        Points of a leaf.

    Returns
    -------
    order : ndarray of shape (n,)
        Indices.
    """
    order = np.arange(X.shape[0])
    pending = [(0, X.shape[0])]
    while pending:
        start, stop = pending.pop()
        if stop - start <= leaf:
            continue
        points = X[order[start:stop]]
        axis = int(np.argmax(points.max(axis=0) - points.min(axis=0)))
        half = max((stop - start) // 2 // leaf, 1) * leaf
        part = np.argpartition(points[:, axis], half)
        order[start:stop] = order[start:stop][part]
        pending += [(start, start + half), (start + half, stop)]
    return order


def worth_ordering(X, Y):
    """Return True where the order of the points can save work."""
    d, pairs = int(X.shape[1]), int(X.shape[0]) * int(Y.shape[0])
    return d <= MOST_FEATURES and pairs >= WORTHWHILE and device_of(X) == "cpu"
