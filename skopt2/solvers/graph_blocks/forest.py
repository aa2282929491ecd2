"""Exact solution on a block of nodes without cycles, by messages between levels.

Problem: A_bb x = r for a block b whose graph is a forest, x and r (m, k).

Each round removes the nodes that have one neighbour left. A node sends its parent the
message that eliminates it, the parents answer in the opposite order; both passes are
linear in m. All nodes of a round are done at once, and there are half as many rounds as
the longest path has nodes. Nodes that are not free have x = 0 and take no part, which
may differ from column to column.

Source: J. Nutini, I. Laradji, M. Schmidt, Let's make block coordinate descent converge
faster, JMLR 23, 2022, section 4.3 and appendix on message passing.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Level:
    """Nodes that are eliminated in one round.

    Parameters
    ----------
    child : slice
        Their places in the order of elimination.
    parent : ndarray of int of shape (c,)
        Places of their parents.
    unique, start : ndarray of int or None
        The parents without repetition, and where their children start; None where each
        parent has one child.
    weight : ndarray of shape (c, 1)
        Elements of A between child and parent.
    """

    child: slice
    parent: np.ndarray
    unique: np.ndarray
    start: np.ndarray
    weight: np.ndarray

    def gather(self, target, messages):
        """Subtract what the children send from their parents, in place."""
        if self.start is None:
            target[self.parent] -= messages
        else:
            target[self.unique] -= np.add.reduceat(messages, self.start, axis=0)


class ForestBlock:
    """A block of nodes whose graph is a forest.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric and positive definite.
    nodes : ndarray of int of shape (m,)
        The block.

    Raises
    ------
    ValueError
        If there is a cycle among the nodes.
    """

    def __init__(self, A, nodes):
        nodes = np.asarray(nodes)
        inner = A[nodes][:, nodes].tocoo()
        off = (inner.row != inner.col) & (inner.data != 0.0)
        rounds = _peel(nodes.size, inner.row[off], inner.col[off])
        order = np.concatenate([child for child, _, _ in rounds])
        place = np.empty(nodes.size, dtype=np.intp)
        place[order] = np.arange(nodes.size)
        self.nodes = nodes[order]
        # The rows of the symmetric A serve as its columns.
        self.columns = A[self.nodes].T.tocsr()
        self.inner = A[self.nodes][:, self.nodes]
        self.diagonal = self.inner.diagonal()[:, None]
        self.levels = _levels(rounds, place, inner.data[off])
        self._factor = self.factor(None)

    def factor(self, free, extra=None):
        """Return pivots (m, 1 or k) and the multipliers of the levels.

        Parameters
        ----------
        free : ndarray of bool of shape (m, k) or None
            Which nodes take part.
        extra : ndarray of shape (m, 1), default=None
            Nonnegative, what is added to the diagonal.

        Returns
        -------
        pivot : ndarray
            Of the elimination.
        multipliers : list of ndarray
            One for each level: element of A over the pivot of the child.
        """
        shape = self.diagonal.shape if free is None else free.shape
        pivot = np.broadcast_to(self.diagonal, shape).copy()
        if extra is not None:
            pivot += extra
        multipliers = []
        for level in self.levels:
            weight = level.weight
            if free is not None:
                weight = weight * (free[level.child] & free[level.parent])
            multiplier = weight / pivot[level.child]
            level.gather(pivot, multiplier * weight)
            multipliers.append(multiplier)
        return pivot, multipliers

    def solve(self, rhs, free=None, factor=None):
        """Return the solution for the free nodes, 0 for the others.

        Parameters
        ----------
        rhs : ndarray of shape (m, k)
            In the order of ``nodes``.
        free : ndarray of bool of shape (m, k), default=None
            None for all.
        factor : tuple, default=None
            What :meth:`factor` returned for ``free``; None to compute it.

        Returns
        -------
        x : ndarray of shape (m, k)
            In the order of ``nodes``.
        """
        if factor is None:
            factor = self._factor if free is None else self.factor(free)
        pivot, multipliers = factor
        x = rhs.copy() if free is None else np.where(free, rhs, 0.0)
        for level, multiplier in zip(self.levels, multipliers, strict=True):
            level.gather(x, multiplier * x[level.child])
        x /= pivot
        for level, multiplier in zip(self.levels[::-1], multipliers[::-1], strict=True):
            x[level.child] -= multiplier * x[level.parent]
        return x


def _peel(m, row, col):
    """Return the rounds of elimination: nodes, their parents, numbers of the edges.

    A node with one neighbour left finds it as the sum of its neighbours left, which
    costs no search; likewise the number of the edge.
    """
    number = np.arange(row.size)
    degree = np.bincount(row, minlength=m)
    # Sums of integers below 2^53 are exact in the float64 of bincount.
    nearest = np.bincount(row, weights=col, minlength=m).astype(np.int64)
    edge = np.bincount(row, weights=number, minlength=m).astype(np.int64)
    reverse = _reverse_edges(row, col, m)
    left = np.ones(m, dtype=bool)
    # Only parents change: nodes of degree at most 1 come from them.
    candidates = np.flatnonzero(degree <= 1)
    rounds, roots = [], []
    while candidates.size:
        roots.append(candidates[degree[candidates] == 0])
        leaves = candidates[degree[candidates] == 1]
        parent = nearest[leaves]
        # Of two leaves that only have each other, the later stays as the root.
        keep = (degree[parent] > 1) | (leaves < parent)
        left[roots[-1]] = False
        leaves, parent = leaves[keep], parent[keep]
        if not leaves.size:
            break
        by_parent = np.argsort(parent, kind="stable")
        leaves, parent = leaves[by_parent], parent[by_parent]
        rounds.append((leaves, parent, edge[leaves]))
        left[leaves] = False
        np.subtract.at(degree, parent, 1)
        np.subtract.at(nearest, parent, leaves)
        np.subtract.at(edge, parent, reverse[edge[leaves]])
        touched = np.unique(parent)
        candidates = touched[(degree[touched] <= 1) & left[touched]]
    if left.any():
        raise ValueError("the graph of the block has a cycle: it is no forest.")
    empty = np.zeros(0, dtype=np.int64)
    return [*rounds, (np.concatenate([empty, *roots]), empty, empty)]


def _reverse_edges(row, col, m):
    """Return the number of the edge (j, i) for each edge (i, j)."""
    forward = row.astype(np.int64) * m + col
    backward = col.astype(np.int64) * m + row
    order = np.argsort(forward)
    return order[np.searchsorted(forward[order], backward)]


def _levels(rounds, place, data):
    """Return the levels of all rounds but the last, which has the roots."""
    levels, begin = [], 0
    for child, parent, edge in rounds[:-1]:
        end = begin + child.size
        unique, start = np.unique(parent, return_index=True)
        many = unique.size < parent.size
        levels.append(
            Level(
                slice(begin, end),
                place[parent],
                place[unique] if many else None,
                start if many else None,
                data[edge][:, None],
            )
        )
        begin = end
    return levels
