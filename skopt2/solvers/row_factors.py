r"""Factors of G + diag(c) for the Newton method on rows, whichever side is smaller.

Symbols: G (m, m) the Gram matrix of a working set; A (n, m) its columns, each sample
scaled by sqrt(s), G = A'A; c (k,) positive, on k of the columns.

With more columns than samples, Woodbury's identity needs a factor of size n:
(A'A + C)^-1 = C^-1 - C^-1 A' (1 + A C^-1 A')^-1 A C^-1.

Source: G. Golub and C. Van Loan, Matrix Computations, 4th edition, 2013, eq. 2.1.4.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

# Most columns of a factor: beyond, its cubic cost is no longer that of a few products.
COLUMN_LIMIT = 1500


def no_factor(ids, c):
    """Return None, which stands for a preconditioner without a factor."""
    return None


class GramFactor:
    """Factors from the Gram matrix.

    Parameters
    ----------
    G : ndarray of shape (m, m)
        Of the working set.
    """

    def __init__(self, G):
        self.G = G

    def __call__(self, ids, c):
        """Return the map R -> (G + diag(c))^-1 R on some rows, None if it has none."""
        if ids.size > COLUMN_LIMIT:
            return None
        matrix = self.G[np.ix_(ids, ids)]
        matrix[np.diag_indices_from(matrix)] += c
        try:
            factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None
        return lambda R: cho_solve(factor, R, check_finite=False)


class ColumnFactor:
    """Factors from the columns, where there are more of them than samples.

    Parameters
    ----------
    columns : ndarray of shape (n, m)
        Centred columns of the working set.
    s : ndarray of shape (n,)
        Weights of the samples.
    """

    def __init__(self, columns, s):
        self.columns, self.s = columns, s

    def __call__(self, ids, c):
        """Return the map R -> (A'A + diag(c))^-1 R on some rows, or None."""
        A = self.columns[:, ids] * np.sqrt(self.s)[:, None]
        scaled = A / c.astype(A.dtype)
        matrix = (scaled @ A.T).astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += 1.0
        try:
            factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
        except LinAlgError:
            return None

        def solve(R):
            out = R / c[:, None]
            inner = cho_solve(factor, A @ out, check_finite=False)
            return out - scaled.T @ inner

        return solve
