"""Directed graphs as matrices: orders, cycles, distances.

W (d, d) is the matrix of a graph: W_ij is not zero where there is an edge from i to j.
"""

import numpy as np


def topological_order(W):
    """Return an order, parents before children; None where there is a cycle.

    Parameters
    ----------
    W : ndarray of shape (d, d)
        Graph.

    Returns
    -------
    order : ndarray of shape (d,) or None
        Of free nodes the one of the smallest number comes first.
    """
    edges = np.asarray(W) != 0
    waiting = edges.sum(axis=0)
    free, order = list(np.flatnonzero(waiting == 0)), []
    while free:
        i = min(free)
        free.remove(i)
        order.append(int(i))
        children = np.flatnonzero(edges[i])
        waiting[children] -= 1
        free += [j for j in children if waiting[j] == 0]
    return np.array(order, dtype=np.int64) if len(order) == len(edges) else None


def without_cycles(W):
    """Return the graph without its smallest weights, as few as leave no cycle.

    Edges are taken in the order of their weights, the largest first, and one that would
    close a cycle is left out: no smallest value has to be cut at one threshold.

    Parameters
    ----------
    W : ndarray of shape (d, d)
        Weights; the diagonal is ignored.

    Returns
    -------
    W : ndarray of shape (d, d)
        Weights of a graph without a cycle.
    """
    W = np.asarray(W, dtype=np.float64)
    d = len(W)
    # reach[i, j]: there is a path from i to j, or they are one.
    reach = np.eye(d, dtype=bool)
    kept = np.zeros_like(W)
    heads, tails = np.nonzero(W - np.diag(np.diag(W)))
    for k in np.argsort(-np.abs(W[heads, tails]), kind="stable"):
        i, j = heads[k], tails[k]
        if reach[j, i]:
            continue
        kept[i, j] = W[i, j]
        if not reach[i, j]:
            reach |= reach[:, i][:, None] & reach[j][None, :]
    return kept


def hamming_distance(W, V):
    """Return how many edges have to be added, removed or turned.

    Parameters
    ----------
    W, V : ndarray of shape (d, d)
        Graphs.

    Returns
    -------
    distance : int
        An edge of the other direction counts once.
    """
    A, B = np.asarray(W) != 0, np.asarray(V) != 0
    differ = (A != B) | (A != B).T
    return int(np.triu(differ, 1).sum())
