r"""Linear measurements of a matrix, with the products of entries.

Problem: y_i = <X_i, M> + b for matrices X_i (d1, d2), one a row of X (n, d1 d2), with
weights s_i of sum one; M = U V'.

The methods are those of :mod:`skopt2.solvers.low_rank.entries`; values r are vectors of
length n, and "ones" are the weights. With an intercept the X_i are centred, implicitly:
M and b then hardly depend on each other.

    forward    <X_i, U V'>
    pull       sum_i r_i X_i, (d1, d2), which times and adjoint multiply

Positive semidefinite M = U U' need nothing else than symmetric X_i, for which a method
that starts at U = V stays there: ``pull`` takes the symmetric part.

Source: B. Recht, M. Fazel and P. Parrilo, Guaranteed minimum-rank solutions of linear
matrix equations via nuclear norm minimization, SIAM Review 52, 2010, eq. 2.1.
"""

import numpy as np

from skopt2._core.array import asarray_like, is_sparse, namespace, sum64


class Measurements:
    """Linear functions of a matrix, and their values.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, d1 * d2)
        A measured matrix a row, in row-major order.
    y : array of shape (n,)
        Values.
    shape : tuple of int
        d1, d2.
    weights : array of shape (n,), default=None
        Nonnegative, of sum one; None for equal ones.
    centre : bool, default=False
        Whether to subtract the mean of the rows of X.
    psd : bool, default=False
        Whether only the symmetric parts count.
    """

    def __init__(self, X, y, shape, weights=None, centre=False, psd=False):
        self.A, self.X, self.like, self.shape, self.psd = X, y, y, tuple(shape), psd
        self.At, self.xp, n = X.T, namespace(y), int(X.shape[0])
        if weights is None:
            weights = asarray_like(np.full(n, 1.0 / n), y)
        self.weights, self.means = weights, None
        if centre:
            self.means = self.At @ weights
        self.unit = self._unit()

    def _unit(self):
        """Return the weighted mean square of the elements of centred rows."""
        xp, w = self.xp, self.weights
        if is_sparse(self.A):
            total = sum64((self.A.power(2) @ xp.ones_like(self.At @ w)) * w)
            if self.means is not None:
                total -= sum64(self.means * self.means)
        else:
            left = self.A if self.means is None else self.A - self.means[None, :]
            total = sum64(xp.sum(left * left, axis=1) * w)
        total = max(total, 0.0) / (self.shape[0] * self.shape[1])
        return total if total > 0.0 else 1.0

    def turned(self):
        """Return nothing: alternating minimisation is for entries."""
        return None

    def forward(self, U, V):
        """Return the measurements of U V'."""
        m = self.xp.reshape(U @ self.xp.matrix_transpose(V), (-1,))
        out = self.A @ m
        return out if self.means is None else out - self.xp.sum(self.means * m)

    def pull(self, r):
        """Return the sum of the measured matrices, weighted by r."""
        out = self.At @ r
        if self.means is not None:
            out = out - self.means * self.xp.sum(r)
        out = self.xp.reshape(out, self.shape)
        return 0.5 * (out + self.xp.matrix_transpose(out)) if self.psd else out

    def times(self, pulled, V):
        """Return the product of a pulled matrix."""
        return pulled @ V

    def adjoint(self, pulled, U):
        """Return the product of its transpose."""
        return self.xp.matrix_transpose(pulled) @ U

    def shift(self, b):
        """Return the intercept for every measurement."""
        return b + self.xp.zeros_like(self.X)

    def column_sums(self, r):
        """Return the sum of values, in a vector of one element."""
        return self.xp.reshape(self.xp.sum(r), (1,))

    def shares(self, w):
        """Return the curvature that the loss has along a row or a column of M."""
        share = asarray_like([[sum64(w) * self.unit]], self.like)
        return share, share

    def ones(self):
        """Return the weights."""
        return self.weights
