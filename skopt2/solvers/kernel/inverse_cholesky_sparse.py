"""A Gaussian distribution whose inverse covariance has a sparse Cholesky factor.

    Sigma^-1 = U U',  U upper triangular,  U_ji = 0 unless j = i or j a neighbour of i.

Column i says how f_i depends on its neighbours, which come before it:
f_i = sum_j b_ij f_j + sqrt(v_i) z_i with b_ij = -U_ji / U_ii, v_i = 1 / U_ii^2.

Symbols: U (n, n); neighbours (n, m) positions before i, in increasing order with -1 in
front where there are fewer; values (n, m + 1) the entries of column i at its
neighbours, and U_ii last; X (n, c) right-hand sides.

Cao et al., ICML 2023, section 3.1.
"""

import functools

import numpy as np
import scipy.sparse as sp

from skopt2.solvers.symmetric_lu import symmetric_lu


class SparseFactor:
    """Sparse inverse Cholesky factor.

    Parameters
    ----------
    neighbours : ndarray of shape (n, m), intp
        Rows of the entries of each column; -1 for none.
    values : ndarray of shape (n, m + 1)
        The entries, the diagonal last and positive; 0 where there is no neighbour.
    """

    def __init__(self, neighbours, values):
        self.neighbours = neighbours
        self.values = values

    def __getstate__(self):
        return {"neighbours": self.neighbours, "values": self.values}

    @property
    def n_rows(self):
        """Number of rows n."""
        return int(self.values.shape[0])

    @functools.cached_property
    def matrix(self):
        """U as a sparse array in columns."""
        n, width = self.values.shape
        rows = np.concatenate([self.neighbours, np.arange(n)[:, None]], axis=1)
        there = rows >= 0
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        kind = np.int32 if n * width < 2**31 else np.int64
        return sp.csc_array(
            (self.values[there], rows[there].astype(kind), starts.astype(kind)),
            shape=(n, n),
        )

    @functools.cached_property
    def _solver(self):
        # A triangular matrix in its natural order is its own factor: no entry is added.
        return symmetric_lu(self.matrix, ordered=True)

    @functools.cached_property
    def _transposed(self):
        return self.matrix.T

    def product(self, X):
        """Return U X, shape (n,) or (n, c)."""
        return self.matrix @ X

    def transposed_product(self, X):
        """Return U' X, shape (n,) or (n, c)."""
        return self._transposed @ X

    def solve(self, X):
        """Return U^-1 X, shape (n,) or (n, c)."""
        return self._solver.solve(np.ascontiguousarray(X))

    def transposed_solve(self, X):
        """Return U'^-1 X, shape (n,) or (n, c): samples, for standard normal X."""
        return self._solver.solve(np.ascontiguousarray(X), trans="T")

    @property
    def log_determinant(self):
        """Logarithm of det U, half that of the inverse covariance."""
        return float(np.log(self.values[:, -1]).sum())
