"""All nodes of a graph as one block, by a factor of its matrix.

A graph with an edge between most pairs has no forest of more than a few nodes, and its
matrix is best factored as a whole. The factor of a sparse matrix has nonzeros where
that has none, and their number decides: on graphs of points in the plane it is a few
times that of the matrix, among points of many dimensions it is that of a dense one.
``worth_factoring`` bounds the work from above by an ordering that keeps nonzeros near
the diagonal; the factor has an ordering of least degrees, which is better on planar
graphs.

Sources: E. Cuthill, J. McKee, Reducing the bandwidth of sparse symmetric matrices, ACM
1969; A. George, Nested dissection of a regular finite element mesh, SIAM Journal on
Numerical Analysis 10, 1973, for the work on planar graphs.
"""

import functools

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

from skopt2._core.array import cholesky_solve
from skopt2.solvers.symmetric_lu import symmetric_lu

# Conjugate gradients take some ten products with A for each digit. Up to about this
# much work of the factor, in multiplications, that costs more.
SMALL_WORK = 5e8
# The same as a multiple of n^2: planar graphs are below 7, whatever their size.
PLANAR_WORK = 10.0


def worth_factoring(A):
    """Return whether a factor is likely to be faster than conjugate gradients.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric.

    Returns
    -------
    worth : bool
    """
    n = A.shape[0]
    order = reverse_cuthill_mckee(A, symmetric_mode=True)
    place = np.empty(n, dtype=np.intp)
    place[order] = np.arange(n)
    rows = np.repeat(place, np.diff(A.indptr))
    reach = np.zeros(n)
    np.maximum.at(reach, rows, rows - place[A.indices])
    return float(reach @ reach) <= max(SMALL_WORK, PLANAR_WORK * float(n) ** 2)


class WholeGraph:
    """All nodes.

    Parameters
    ----------
    A : ndarray or csr_array of shape (n, n)
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
            return self._solve_all(rhs)
        x = np.zeros(rhs.shape)
        for j in range(rhs.shape[1]):
            some = np.flatnonzero(free[:, j])
            if some.size:
                x[some, j] = _solver_of(self.inner[some][:, some])(rhs[some, j])
        return x

    @functools.cached_property
    def _solve_all(self):
        return _solver_of(self.inner)


def _solver_of(A):
    """Return what solves with a positive definite matrix, and raises if it is none."""
    if not issparse(A):
        return lambda rhs: _checked(cholesky_solve(A, rhs))
    try:
        factor = symmetric_lu(A)
    except RuntimeError:
        return _checked(None)
    return _checked(factor.solve if np.all(factor.U.diagonal() > 0.0) else None)


def _checked(found):
    if found is None:
        raise ValueError(
            "The weights of the graph span too many orders of magnitude for float64: "
            "groups of nodes hang on fixed nodes by weights that are lost in rounding. "
            "Use a smaller gamma, or kernel='knn'."
        )
    return found
