"""The variance of a direction as a quadratic form, centred and deflated implicitly.

q(x) = 1/2 x'P C P x, with C = (X - 1m')' diag(s) (X - 1m') the covariance matrix (p, p)
of rows of weight s (n,), sum 1, and P = I - QQ' the projection away from directions
that are taken already, Q (p, k) orthonormal. A sparse X stays sparse. C is formed only
where p is small.

Source: L. Mackey, Deflation methods for sparse PCA, NeurIPS 2008 (orthogonalised
projection deflation).
"""

import numpy as np

from skopt2._core.array import is_sparse
from skopt2.solvers.design import Block, Design

# Features up to which C is formed: always, and where its products are the cheaper.
SMALL, LARGE = 100, 3000
# Variance that is rounding, in units of eps times the largest value of a column.
NOISE = 64.0


class CovarianceForm:
    """Half the variance along a direction.

    Parameters
    ----------
    design : Design
        The data.
    variances : ndarray of shape (p,)
        Diagonal of C.
    C : ndarray of shape (p, p) or None
        Covariance matrix, where it was formed.
    Q : ndarray of shape (p, k), default=None
        Directions taken.
    """

    def __init__(self, design, variances, C=None, Q=None):
        self.design, self.variances, self.C = design, variances, C
        p = variances.size
        self.Q = np.zeros((p, 0)) if Q is None else Q
        self.origin = 0.0, np.zeros(p)
        self.diagonal = variances
        if self.Q.shape[1]:
            self.CQ = self._covariance(self.Q)
            self.QCQ = self.Q.T @ self.CQ
            cross = np.einsum("ik,ik->i", self.Q, 2.0 * self.CQ - self.Q @ self.QCQ)
            self.diagonal = np.maximum(variances - cross, 0.0)

    @property
    def total(self):
        """Variance of all features together, nothing taken."""
        return float(self.variances.sum())

    def deflated(self, v):
        """Return the form with one more direction taken."""
        q = v - self.Q @ (self.Q.T @ v)
        q -= self.Q @ (self.Q.T @ q)
        Q = np.column_stack([self.Q, q / np.linalg.norm(q)])
        return CovarianceForm(self.design, self.variances, self.C, Q)

    def products(self, V):
        """Return P C P V, for V (p,) or (p, m)."""
        return self._away(self._covariance(self._away(V)))

    def _away(self, V):
        return V - self.Q @ (self.Q.T @ V) if self.Q.shape[1] else V

    def _covariance(self, V):
        if self.C is not None:
            return self.C @ V
        design = self.design
        used = V if V.ndim == 1 else np.abs(V).max(axis=1)
        ids = np.flatnonzero(used)
        z = design.predict(ids, V[ids])
        return design.gradient(design.s * z if V.ndim == 1 else design.s[:, None] * z)

    def evaluate(self, x):
        """Return the value and the gradient."""
        gradient = self.products(x)
        return 0.5 * float(x @ gradient), gradient

    def gram(self, ids):
        """Return the block of P C P."""
        if self.C is not None:
            H = self.C[np.ix_(ids, ids)]
        else:
            block = Block(self.design)
            block.extend(ids)
            H = block.gram(np.arange(ids.size), self.design.s)
        if self.Q.shape[1]:
            Q, cross = self.Q[ids], self.CQ[ids] @ self.Q[ids].T
            H = H - cross - cross.T + Q @ self.QCQ @ Q.T
        return H


def covariance_form(X, s=None):
    """Return the form of a sample.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, p)
        Rows; not changed.
    s : ndarray of shape (n,) or None
        Weights of sum 1, None for equal ones.

    Returns
    -------
    form : CovarianceForm
        In float64, nothing taken.
    mean : ndarray of shape (p,)
        Weighted mean of the rows.
    """
    n, p = X.shape
    s = np.full(n, 1.0 / n) if s is None else s.astype(np.float64)
    if is_sparse(X):
        design = Design(X.astype(np.float64), s, True)
        mean, variances = design.offset, design.squared_norms
    else:
        X = np.array(X, dtype=np.float64)
        size = np.abs(X).max(axis=0)
        mean = s @ X
        X -= mean
        # The rounding of a large mean is a mean too.
        rest = s @ X
        X -= rest
        mean = mean + rest
        variances = np.einsum("ij,ij,i->j", X, X, s)
        noise = variances <= (NOISE * np.finfo(np.float64).eps * size) ** 2
        X[:, noise], variances[noise] = 0.0, 0.0
        design = Design(X, s, False)
    C = None
    if p <= SMALL or p <= min(LARGE, 2 * n):
        block = Block(design)
        ids = np.arange(p)
        block.extend(ids)
        C = block.gram(ids, s)
        C = 0.5 * (C + C.T)
    return CovarianceForm(design, variances, C), mean
