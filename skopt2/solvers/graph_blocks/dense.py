"""All nodes of a graph as one block, by Cholesky factors.

A graph with an edge between all pairs has no forest of more than two nodes, and its
matrix is best factored as a whole.
"""

import numpy as np

from skopt2._core.array import cholesky_solve

LOST = (
    "The weights of the graph span too many orders of magnitude for float64: groups of "
    "nodes hang on fixed nodes by weights that are lost in rounding. Use a smaller "
    "gamma, or kernel='knn'."
)


class DenseBlock:
    """All nodes, for a dense matrix.

    Parameters
    ----------
    A : ndarray of shape (n, n)
        Symmetric and positive definite.
    """

    def __init__(self, A):
        self.nodes = np.arange(A.shape[0])
        self.columns = self.inner = A

    def solve(self, rhs, free=None):
        """Return the solution for the free nodes, 0 for the others.

        Parameters
        ----------
        rhs : ndarray of shape (n, k)
            Right-hand sides.
        free : ndarray of bool of shape (n, k), default=None
            None for all.

        Returns
        -------
        x : ndarray of shape (n, k)

        Raises
        ------
        ValueError
            If the matrix is not positive definite in floating-point numbers.
        """
        if free is None:
            return _solve(self.inner, rhs)
        x = np.zeros(rhs.shape)
        for j in range(rhs.shape[1]):
            some = np.flatnonzero(free[:, j])
            if some.size:
                x[some, j] = _solve(self.inner[np.ix_(some, some)], rhs[some, j])
        return x


def _solve(matrix, rhs):
    x = cholesky_solve(matrix, rhs)
    if x is None:
        raise ValueError(LOST)
    return x
