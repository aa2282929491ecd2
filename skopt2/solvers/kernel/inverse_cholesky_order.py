"""The order of the points and their neighbours for sparse inverse Cholesky factors.

Order x_1 .. x_n from coarse to fine: each point is the one that is farthest from all
before it,

    x_k = argmax_j  l_j,   l_j = min over i < k of |x_j - x_i|.

Neighbours of x_i are earlier points: the m nearest, or those within rho l_i, where the
distances l_i at the time of the choice are the scale of the points so far.

Symbols: X (n, d) points, in units of the length scale; order (n,); spacing (n,) the l_i
in that order, infinite for the first; neighbours (n, m) positions in the order.

Schaefer, Katzfuss and Owhadi, Sparse Cholesky factorization by Kullback-Leibler
minimization, SIAM J. Sci. Comput. 2021, sections 3.1 and 3.2; Cao et al., ICML 2023,
section 4.1. The heap is that of algorithm 4.1 of Schaefer, Sullivan and Owhadi, 2021,
with balls from a k-d tree: in a fixed dimension O(n log^2 n) for points that are spread
out.
"""

import heapq

import numpy as np
from scipy.spatial import cKDTree

# Growth of the leading part of the order that one k-d tree serves.
_GROWTH = 1.25
# Share of all points in a ball from which distances to all are cheaper than the ball.
_DENSE = 0.1
# Distances of the first rows, whose predecessors are all looked at.
_FIRST = 128


def maximin_order(X):
    """Order points from coarse to fine.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Points, finite.

    Returns
    -------
    order : ndarray of shape (n,)
        Row numbers; the first is the nearest to the mean. Of points at equal distance
        the first row comes first.
    spacing : ndarray of shape (n,)
        Distance of each point to the nearest one before it.
    """
    n = X.shape[0]
    tree = cKDTree(X)
    order = np.empty(n, dtype=np.intp)
    spacing = np.empty(n)
    first = int(np.argmin(((X - X.mean(axis=0)) ** 2).sum(axis=1)))
    order[0], spacing[0] = first, np.inf
    nearest = np.sqrt(((X - X[first]) ** 2).sum(axis=1))
    heap = [(-d, j) for j, d in enumerate(nearest.tolist()) if j != first]
    heapq.heapify(heap)
    nearest[first] = -1.0
    dense, k = True, 1
    while k < n:
        key, j = heap[0]
        radius = nearest[j]
        if -key != radius:
            # Keys are lowered when they come up, not when a distance changes.
            heapq.heapreplace(heap, (-float(radius), j))
            continue
        heapq.heappop(heap)
        order[k], spacing[k] = j, radius
        k += 1
        nearest[j] = -1.0
        if radius > 0:
            dense = _lower(X, tree, nearest, j, radius, dense)
    return order, spacing


def _lower(X, tree, nearest, j, radius, dense):
    """Lower distances by a new point; tell whether to look at all points again."""
    if dense:
        step = X - X[j]
        distance = np.sqrt(np.einsum("ij,ij->i", step, step))
        inside = int(np.count_nonzero(distance <= radius))
        np.minimum(nearest, distance, out=nearest)
        return inside > _DENSE * X.shape[0]
    near = np.asarray(tree.query_ball_point(X[j], radius), dtype=np.intp)
    step = X[near] - X[j]
    distance = np.sqrt(np.einsum("ij,ij->i", step, step))
    nearest[near] = np.minimum(nearest[near], distance)
    return False


def earlier_neighbours(X, n_neighbors):
    """Find the nearest earlier points of each point.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Points in their order.
    n_neighbors : int
        m, at least 1.

    Returns
    -------
    neighbours : ndarray of shape (n, min(m, n - 1)), intp
        Positions in increasing order, at the end of each row; -1 in front of those of
        the first rows, which have fewer.
    """
    n = X.shape[0]
    m = min(n_neighbors, n - 1)
    found = np.full((n, m), -1, dtype=np.intp)
    start = min(n, max(4 * m, _FIRST))
    for i in range(1, start):
        step = X[:i] - X[i]
        distance = np.einsum("ij,ij->i", step, step)
        k = min(m, i)
        found[i, m - k :] = np.sort(np.argsort(distance, kind="stable")[:k])
    while start < n:
        stop = min(n, int(start * _GROWTH) + 1)
        rows = np.arange(start, stop)
        _search(cKDTree(X[:stop]), X, rows, found)
        start = stop
    return found


def _search(tree, X, rows, found):
    """Write the nearest earlier points of some rows, by ever wider searches."""
    m, size = found.shape[1], tree.n
    wanted = int(_GROWTH * m) + 10
    while rows.size:
        wanted = min(wanted, size)
        _, index = tree.query(X[rows], wanted)
        earlier = index < rows[:, None]
        full = earlier.sum(axis=1) >= m
        index, earlier, done = index[full], earlier[full], rows[full]
        # The first m earlier ones, nearest first, as a stable sort leaves them.
        kept = np.argsort(~earlier, axis=1, kind="stable")[:, :m]
        found[done] = np.sort(np.take_along_axis(index, kept, axis=1), axis=1)
        rows, wanted = rows[~full], 2 * wanted


def within_spacing(X, spacing, neighbours, rho):
    """Keep the neighbours of each point that are within rho times its spacing.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Points in their order.
    spacing : ndarray of shape (n,)
        What :func:`maximin_order` returned.
    neighbours : ndarray of shape (n, m)
        What :func:`earlier_neighbours` returned.
    rho : float
        At least 1, which keeps one neighbour at least.

    Returns
    -------
    kept : ndarray of shape (n, k)
        As ``neighbours``, with -1 in front; k is the largest number of any row.
    """
    kept = neighbours.copy()
    for start in range(0, kept.shape[0], 4096):
        rows = slice(start, start + 4096)
        step = X[kept[rows]] - X[rows, None]
        distance = np.sqrt(np.einsum("imd,imd->im", step, step))
        # Rounded distances must not lose the point that is the spacing away.
        kept[rows][distance > rho * spacing[rows, None] * (1 + 1e-12)] = -1
    kept = np.sort(kept, axis=1)
    width = max(1, int((kept >= 0).sum(axis=1).max()))
    return kept[:, kept.shape[1] - width :]
