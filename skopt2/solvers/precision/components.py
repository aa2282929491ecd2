"""Connected components of the links that the penalty cannot undo.

The theorem is in :mod:`skopt2.solvers.precision.problem`. Isolated nodes have a closed
form. Small components share one matrix: it is block diagonal, what it costs more than
its blocks is less than the calls that are saved.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skopt2._core.array import namespace, to_numpy

# Rows of a matrix that small components share.
SHARED = 48


def find_blocks(problem):
    """Split the nodes.

    Parameters
    ----------
    problem : PrecisionProblem
        Its covariance and slopes are read.

    Returns
    -------
    isolated : ndarray of int of shape (k,)
        Nodes without a link.
    blocks : list of ndarray of int
        Nodes of the matrices to solve, in increasing order in each.
    n_components : int
        Connected components, the isolated nodes among them.
    """
    xp, p = namespace(problem.C), problem.size
    linked = to_numpy(xp.abs(problem.C) > problem.L)
    rows, columns = np.nonzero(linked)
    graph = coo_array((np.ones(rows.size, np.int8), (rows, columns)), shape=(p, p))
    n_components, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=n_components)
    members = np.split(order, np.cumsum(sizes)[:-1])
    isolated = [part for part in members if part.size == 1]
    blocks, shared = [], []
    for part in sorted((m for m in members if m.size > 1), key=len):
        if shared and sum(map(len, shared)) + part.size > SHARED:
            blocks.append(np.sort(np.concatenate(shared)))
            shared = []
        shared.append(part)
    if shared:
        blocks.append(np.sort(np.concatenate(shared)))
    alone = np.concatenate(isolated) if isolated else np.zeros(0, np.int64)
    return np.sort(alone), blocks, int(n_components)
