"""Blocks of nodes: forests of a graph.

A set of nodes is a forest if the graph has no cycle among them. Nodes are taken one
after another, and one joins a forest if its neighbours there are in different trees,
which a union-find structure tells in almost constant time. With nodes in the order of
their gradients this is the greedy rule for variable forests.

Source: J. Nutini, I. Laradji, M. Schmidt, Let's make block coordinate descent converge
faster, JMLR 23, 2022, section 4.3 and figure 1.
"""

import numpy as np


def forests(A, order=None):
    """Share nodes out among forests, each as large as the order lets it be.

    A graph whose nodes have at most d neighbours needs no more than d // 2 + 1 forests,
    as a node is refused only where it has two neighbours.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric; off-diagonal elements are edges.
    order : ndarray of int of shape (n,), default=None
        In which nodes are placed; None for the order of their numbers.

    Returns
    -------
    number : ndarray of int of shape (n,)
        Forest of each node.
    """
    n = A.shape[0]
    block, parent = [-1] * n, list(range(n))
    indptr, indices = A.indptr.tolist(), A.indices.tolist()
    for node in range(n) if order is None else np.asarray(order).tolist():
        trees = {}
        for other in indices[indptr[node] : indptr[node + 1]]:
            if other != node and block[other] >= 0:
                trees.setdefault(block[other], []).append(_root(parent, other))
        chosen = 0
        while chosen in trees and len(set(trees[chosen])) < len(trees[chosen]):
            chosen += 1
        block[node] = chosen
        for root in trees.get(chosen, ()):
            parent[root] = node
    return np.asarray(block, dtype=np.intp)


def greedy_forest(A, scores):
    """Return the nodes of one forest, those of large scores first.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric; off-diagonal elements are edges.
    scores : ndarray of shape (n,)
        Nonnegative; nodes with score 0 stay out.

    Returns
    -------
    nodes : ndarray of int of shape (m,)
        One node at least.
    """
    n = A.shape[0]
    chosen, parent = [False] * n, list(range(n))
    indptr, indices = A.indptr.tolist(), A.indices.tolist()
    order = np.argsort(-scores, kind="stable")
    for node in order[: max(1, np.count_nonzero(scores))].tolist():
        roots = [
            _root(parent, other)
            for other in indices[indptr[node] : indptr[node + 1]]
            if other != node and chosen[other]
        ]
        if len(set(roots)) == len(roots):
            chosen[node] = True
            for root in roots:
                parent[root] = node
    return np.flatnonzero(chosen)


def lattice_trees(n_rows, n_columns):
    """Return two trees that cover a lattice with edges to the four nearest nodes.

    They are two combs that lie one in the other: the first has the top row for its
    back and the even columns for its teeth, the second the bottom row and the odd ones.

    Parameters
    ----------
    n_rows, n_columns : int
        Shape of the lattice, whose nodes are numbered row by row; two rows at least.

    Returns
    -------
    number : ndarray of int of shape (n_rows * n_columns,)
        0 or 1: the tree of each node.
    """
    tree = np.zeros((n_rows, n_columns), dtype=np.intp)
    tree[:, 1::2] = 1
    tree[0], tree[-1] = 0, 1
    return tree.ravel()


def _root(parent, node):
    """Return the root of a node, and shorten the way there."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
