"""Rows of a design whose columns are centred, with a 1 for the intercept.

Symbols: X (n, p); A (m,) chosen columns; o 1 with an intercept, else 0; m_A the means
that are subtracted; z_i = (1, x_iA - m_A), (o + m,), the rows. Coefficients of K
outputs are (o + m, K), or (o + m,) for one.
"""

import numpy as np

from skopt2._core.array import is_sparse


class Rows:
    """The matrix Z of the rows z_i, formed or not.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, p)
        Data on the host.
    ids : ndarray of int of shape (m,)
        Columns.
    means : ndarray of shape (p,) or None
        What is subtracted; None for nothing.
    intercept : bool
        Whether there is a 1 before them.
    formed : bool
        Whether to hold Z, which takes n (o + m) numbers.
    """

    def __init__(self, X, ids, means, intercept, formed):
        self.offset = int(intercept)
        self.n, self.size = X.shape[0], ids.size + self.offset
        self.Z = None
        self._means = np.zeros(ids.size) if means is None else means[ids]
        whole = ids.size == X.shape[1]
        self._X = X if whole else X[:, ids]
        if formed:
            block = self._X.toarray() if is_sparse(X) else self._X
            self.Z = np.empty((self.n, self.size))
            self.Z[:, : self.offset] = 1.0
            np.subtract(block, self._means, out=self.Z[:, self.offset :])
            self._X = None

    def times(self, v):
        """Return Z v, (n,) or (n, K)."""
        if self.Z is not None:
            return self.Z @ v
        rest = v[self.offset :]
        out = self._X @ rest - self._means @ rest
        return out + v[0] if self.offset else out

    def adjoint(self, u):
        """Return Z'u, (o + m,) or (o + m, K)."""
        if self.Z is not None:
            return self.Z.T @ u
        total = u.sum(axis=0)
        out = self._X.T @ u - np.multiply.outer(self._means, total)
        return np.concatenate([total[None], out]) if self.offset else out

    def squares(self, d):
        """Return sum_j d_j (x_ij - m_j)^2 for each row, (n,)."""
        if self.Z is not None:
            block = self.Z[:, self.offset :]
            return (block * block) @ d
        X, means = self._X, self._means
        power = X.power(2) if is_sparse(X) else X * X
        return np.maximum(power @ d - 2.0 * (X @ (means * d)) + means**2 @ d, 0.0)
