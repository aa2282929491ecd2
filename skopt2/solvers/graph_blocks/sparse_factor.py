"""All nodes of a sparse graph as one block, by a sparse triangular factor.

The factor of A = L U has nonzeros where A has none, and their number decides: on graphs
of points in the plane it is a few times that of A, among points of many dimensions that
of a dense matrix. ``worth_factoring`` bounds the work from above by an ordering that
keeps nonzeros near the diagonal; the factor has an ordering of least degrees, which is
better on planar graphs.

Sources: E. Cuthill, J. McKee, Reducing the bandwidth of sparse symmetric matrices, ACM
1969; A. George, Nested dissection of a regular finite element mesh, SIAM Journal on
Numerical Analysis 10, 1973, for the work on planar graphs.
"""

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from skopt2.solvers.graph_blocks.dense import LOST

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
    """
    n = A.shape[0]
    order = reverse_cuthill_mckee(A, symmetric_mode=True)
    place = np.empty(n, dtype=np.intp)
    place[order] = np.arange(n)
    rows = np.repeat(place, np.diff(A.indptr))
    reach = np.zeros(n)
    np.maximum.at(reach, rows, rows - place[A.indices])
    return float(reach @ reach) <= max(SMALL_WORK, PLANAR_WORK * float(n) ** 2)


class SparseBlock:
    """All nodes, for a sparse matrix.

    Parameters
    ----------
    A : csr_array of shape (n, n)
        Symmetric and positive definite.
    """

    def __init__(self, A):
        self.nodes = np.arange(A.shape[0])
        self.columns = self.inner = A
        self._factor = None

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
            if self._factor is None:
                self._factor = _factor(self.inner)
            return self._factor.solve(rhs)
        x = np.zeros(rhs.shape)
        for j in range(rhs.shape[1]):
            some = np.flatnonzero(free[:, j])
            if some.size:
                factor = _factor(self.inner[some][:, some])
                x[some, j] = factor.solve(rhs[some, j])
        return x


def _factor(A):
    # Pivots on the diagonal are those of Cholesky's factor, as A is positive definite.
    try:
        factor = splu(
            csc_array(A),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError as error:
        raise ValueError(LOST) from error
    if not np.all(factor.U.diagonal() > 0.0):
        raise ValueError(LOST)
    return factor
