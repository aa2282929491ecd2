"""Factors of symmetric positive matrices that are used more than once.

Problem: (G + r I) x = b for one G (N, N), scaled to a diagonal of one size, and some r.
G is in the widest floats of its device, which its entries need not be exact in.
"""

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from skopt2._core.array import asarray_like, cholesky_solve, max_abs, namespace

# Sizes of what is added until a matrix is definite, in units of its rounding error.
SHIFTS = (1.0, 1e2, 1e4, 1e6, 1e8)


class Factor:
    """Cholesky factor of G + r I, an inverse where there is no LAPACK.

    Parameters
    ----------
    G : array of shape (N, N)
        Positive semidefinite up to rounding.
    r : float
        Nonnegative.
    eps : float
        Relative error of its entries.
    """

    def __init__(self, G, r, eps):
        self.r = r
        top = largest(G)
        unit = max(top, r) * eps * (10.0 + G.shape[0])
        one = asarray_like(np.eye(G.shape[0]), G)
        self._factor = self._inverse = None
        self._matrix = G
        for shift in SHIFTS:
            matrix = G + (r + shift * unit) * one
            if isinstance(G, np.ndarray):
                (potrf,) = get_lapack_funcs(("potrf",), (matrix,))
                factor, info = potrf(matrix, lower=True, clean=False)
                if info == 0:
                    self._factor = factor
                    return
            else:
                self._inverse = cholesky_solve(matrix, one)
                if self._inverse is not None:
                    self._matrix = matrix
                    return
        # So far from definite that only the size of the diagonal can be trusted.
        size = top + r if top + r > 0.0 else 1.0
        self._matrix, self._inverse, self._factor = size * one, one / size, None

    def solve(self, b):
        """Return the solution for b (N,) or (N, K)."""
        if self._factor is None:
            # The inverse of a nearly singular matrix loses digits that residuals have.
            x = self._inverse @ b
            for _ in range(2):
                x = x + self._inverse @ (b - self._matrix @ x)
            return x
        (potrs,) = get_lapack_funcs(("potrs",), (self._factor, b))
        return potrs(self._factor, b, lower=True)[0]


class Spectrum:
    """Eigenvectors of G, which solve for any r.

    Parameters
    ----------
    G : array of shape (N, N)
        Positive semidefinite up to rounding.
    eps : float
        Relative error of its entries.
    """

    def __init__(self, G, eps):
        self._values, self._vectors = namespace(G).linalg.eigh(G)
        self._least = max_abs(self._values) * eps * (10.0 + G.shape[0])

    def at(self, r):
        """Return what solves with G + r I."""
        xp = namespace(self._values)
        return _Shifted(self._vectors, xp.maximum(self._values, 0.0) + r + self._least)


class _Shifted:
    """Solve with the eigenvectors and the eigenvalues of a matrix."""

    def __init__(self, vectors, values):
        self._vectors, self._values = vectors, values

    def solve(self, b):
        """Return the solution for b (N,) or (N, K)."""
        V, values = self._vectors, self._values
        return V @ ((V.T @ b) / (values if b.ndim == 1 else values[:, None]))


def largest(G):
    """Return the largest element of the diagonal as a float."""
    diagonal = np.diagonal if isinstance(G, np.ndarray) else None
    return max_abs((diagonal or namespace(G).linalg.diagonal)(G))
