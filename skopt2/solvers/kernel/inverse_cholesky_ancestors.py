"""Variances under a sparse inverse Cholesky factor, from nearby ancestors.

For f ~ N(0, (V V')^-1) the variance of c'f is |V^-1 c|^2. The entries of V^-1 c belong
to the points of c and to their ancestors: their neighbours, the neighbours of these,
and so on. The influence of ancestors decays with each generation, so that the first
ones and a dense triangular system of some hundred points give three digits or more, at
a cost that does not grow with n.

Targets that are near each other share a system.

Symbols: V (n, n); c (q, m) weights at the points index (q, m).

Cao et al., ICML 2023, section 4.3, where ancestors are chosen by distance.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial import cKDTree

# Targets that share a system: new points, and the points of the factor themselves,
# which have more neighbours in common.
_LEAF = 16
_OWN_LEAF = 64
# Rows of a system from which its targets get smaller systems of their own.
_LARGE = 3000


def generations(n_neighbors):
    """Return how many generations of ancestors give three digits of a variance.

    Parameters
    ----------
    n_neighbors : int
        m: points with few neighbours have more influence through their ancestors.

    Returns
    -------
    depth : int
        At least 1.
    """
    if n_neighbors >= 20:
        return 1
    return 2 if n_neighbors >= 10 else 5


def combination_variances(factor, points, index, weights, depth=None, leaf=_LEAF):
    """Return the variances of combinations of f at neighbouring points.

    Parameters
    ----------
    factor : SparseFactor
        V.
    points : ndarray of shape (q, d)
        Where the combinations are centred: near ones share their work.
    index : ndarray of shape (q, m)
        Points of each; -1 for none.
    weights : ndarray of shape (q, m)
        c.
    depth : int or None, default=None
        Generations of ancestors; None for :func:`generations`.
    leaf : int, default=16
        Most combinations that share a system.

    Returns
    -------
    variances : ndarray of shape (q,)
        |V^-1 c|^2.
    """
    if depth is None:
        depth = generations(factor.neighbours.shape[1])
    variances = np.empty(points.shape[0])
    for group in leaves(points, leaf):
        _solve(factor, group, index, weights, depth, variances)
    return variances


def marginal_variances(factor, points, depth=None):
    """Return the variance of f at each point.

    Parameters
    ----------
    factor : SparseFactor
        V.
    points : ndarray of shape (n, d)
        The points, in their order.
    depth : int or None, default=None
        See :func:`combination_variances`.

    Returns
    -------
    variances : ndarray of shape (n,)
        Diagonal of (V V')^-1.
    """
    scale = factor.values[:, -1]
    weights = factor.values[:, :-1] / -scale[:, None]
    passed = combination_variances(
        factor, points, factor.neighbours, weights, depth, _OWN_LEAF
    )
    return passed + 1.0 / scale**2


def leaves(points, size):
    """Yield the numbers of points that are near each other.

    Parameters
    ----------
    points : ndarray of shape (q, d)
        Points.
    size : int
        Most points together.

    Yields
    ------
    numbers : ndarray of int
        Each point once.
    """
    if not points.shape[0]:
        return
    nodes = [cKDTree(points, leafsize=size).tree]
    while nodes:
        node = nodes.pop()
        if node.split_dim == -1:
            yield node.indices
        else:
            nodes += [node.lesser, node.greater]


def ancestors_of(factor, index, depth):
    """Return points and some generations of their ancestors.

    Parameters
    ----------
    factor : SparseFactor
        Whose neighbours are the parents.
    index : ndarray of int
        Points; -1 for none.
    depth : int
        Generations.

    Returns
    -------
    rows : ndarray of int
        Sorted.
    """
    found = np.unique(index)
    found = front = found[found >= 0]
    for _ in range(depth):
        new = np.unique(factor.neighbours[front])
        front = np.setdiff1d(new[new >= 0], found, assume_unique=True)
        if not front.size:
            break
        found = np.union1d(found, front)
    return found


@dataclass(frozen=True)
class LocalSystem:
    """A sparse factor at a few of its rows and columns, as a dense matrix.

    Parameters
    ----------
    rows : ndarray of shape (r,)
        Which, sorted.
    matrix : ndarray of shape (r, r)
        Upper triangular.
    place, column, slot : ndarray of shape (e,)
        Row and column of each entry beside the diagonal, and its slot among the values
        of that column of the factor.
    """

    rows: np.ndarray
    matrix: np.ndarray
    place: np.ndarray
    column: np.ndarray
    slot: np.ndarray

    def combinations(self, index, weights):
        """Return combinations of rows as columns, shape (r, q).

        Parameters
        ----------
        index, weights : ndarray of shape (q, m)
            Numbers of rows, -1 for none, and their coefficients.
        """
        rhs = np.zeros((self.rows.size, index.shape[0]), order="F")
        target, slot = np.nonzero(index >= 0)
        place = np.searchsorted(self.rows, index[target, slot])
        rhs[place, target] = weights[target, slot]
        return rhs

    def add(self, G, out):
        """Add the entries of G, shape (r, r), at the pattern to those of a factor."""
        out[self.rows[self.column], self.slot] += G[self.place, self.column]
        out[self.rows, -1] += np.diag(G)


def local_system(factor, rows):
    """Return a sparse factor at some of its rows.

    Parameters
    ----------
    factor : SparseFactor
        V.
    rows : ndarray of shape (r,)
        Sorted, at least one.

    Returns
    -------
    system : LocalSystem
    """
    neighbours = factor.neighbours[rows]
    place = np.minimum(np.searchsorted(rows, neighbours), rows.size - 1)
    column, slot = np.nonzero(rows[place] == neighbours)
    place = place[column, slot]
    matrix = np.zeros((rows.size, rows.size), order="F")
    matrix[place, column] = factor.values[rows[column], slot]
    np.fill_diagonal(matrix, factor.values[rows, -1])
    return LocalSystem(rows, matrix, place, column, slot)


def _solve(factor, group, index, weights, depth, out):
    """Write the variances of a group of targets."""
    rows = ancestors_of(factor, index[group], depth)
    if rows.size > _LARGE and group.size > 1:
        half = group.size // 2
        for part in (group[:half], group[half:]):
            _solve(factor, part, index, weights, depth, out)
        return
    if not rows.size:
        out[group] = 0.0
        return
    system = local_system(factor, rows)
    rhs = system.combinations(index[group], weights[group])
    half = solve_triangular(system.matrix, rhs, overwrite_b=True, check_finite=False)
    out[group] = np.einsum("ij,ij->j", half, half)
