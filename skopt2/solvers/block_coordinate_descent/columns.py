"""Columns of a linear model for updates of a few coordinates at a time.

Symbols: A (n, q), the columns of a working set, centred, after a column of ones where
the model has an intercept of its own; f some of the q columns; v (n,) or (n, K).

A dense A is held in the order of its columns, so that a block of neighbours is a view.
A sparse one stays sparse and is centred implicitly.
"""

import numpy as np
import scipy.sparse as sp


def make_columns(model):
    """Return the columns of a working set in host memory.

    Parameters
    ----------
    model : CompositeModel
        NumPy or SciPy arrays.
    """
    if model.problem.design.sparse:
        return SparseColumns(model)
    return DenseColumns(model)


class DenseColumns:
    """Columns in memory.

    Parameters
    ----------
    model : CompositeModel
        Dense.
    """

    def __init__(self, model):
        A, n = model.X, model.X.shape[0]
        offset = int(model.explicit)
        self.A = np.empty((n, offset + model.m), dtype=A.dtype, order="F")
        self.A[:, :offset] = 1.0
        self.A[:, offset:] = A
        if model.means is not None:
            self.A[:, offset:] -= model.means

    def part(self, f):
        """Return the columns f, a view where they are neighbours."""
        if f.size and f[-1] - f[0] + 1 == f.size and bool((f[1:] > f[:-1]).all()):
            return self.A[:, f[0] : f[-1] + 1]
        return self.A[:, f]

    def times(self, d, f=None):
        """Return A d, or A_f d for coefficients of the columns f."""
        A = self.A if f is None else self.part(f)
        return A @ d.astype(A.dtype, copy=False)

    def adjoint(self, v, f=None):
        """Return A'v, or A_f'v."""
        return (self.A if f is None else self.part(f)).T @ v

    def gram(self, f, h):
        """Return A_f' diag(h) A_f in float64."""
        A = self.part(f)
        return (A.T @ (A * h[:, None])).astype(np.float64, copy=False)

    def cross(self, f, h):
        """Return A' diag(h) A_f in float64."""
        return (self.A.T @ (self.part(f) * h[:, None])).astype(np.float64, copy=False)

    def gather(self, f):
        """Return the columns f as a dense array."""
        return self.part(f)


class SparseColumns:
    """Sparse columns, centred implicitly.

    Parameters
    ----------
    model : CompositeModel
        Sparse.
    """

    def __init__(self, model):
        A, offset = sp.csc_array(model.X), int(model.explicit)
        if offset:
            ones = sp.csc_array(np.ones((A.shape[0], 1), dtype=A.dtype))
            A = sp.csc_array(sp.hstack([ones, A], format="csc"))
        self.A, self.At = A, A.T
        self.means = None
        if model.means is not None:
            self.means = np.zeros(A.shape[1], dtype=A.dtype)
            self.means[offset:] = model.means

    def times(self, d, f=None):
        """Return A d, or A_f d for coefficients of the columns f."""
        A, means = self.A, self.means
        if f is not None:
            A, means = A[:, f], None if means is None else means[f]
        d = d.astype(A.dtype, copy=False)
        out = A @ d
        return out if means is None else out - means @ d

    def adjoint(self, v, f=None):
        """Return A'v, or A_f'v."""
        out = self.At @ v if f is None else self.A[:, f].T @ v
        if self.means is None:
            return out
        means = self.means if f is None else self.means[f]
        return out - np.multiply.outer(means, v.sum(axis=0))

    def gram(self, f, h):
        """Return A_f' diag(h) A_f in float64."""
        return self._product(self.A[:, f], f, f, h)

    def cross(self, f, h):
        """Return A' diag(h) A_f in float64."""
        return self._product(self.A, None, f, h)

    def _product(self, left, e, f, h):
        """Return A_e' diag(h) A_f, both centred."""
        right = self.A[:, f]
        out = (left.T @ right.multiply(h[:, None]).tocsc()).toarray()
        out = out.astype(np.float64, copy=False)
        if self.means is None:
            return out
        a = self.means if e is None else self.means[e]
        b, total = self.means[f], float(h.sum())
        out -= np.multiply.outer(left.T @ h, b) + np.multiply.outer(a, right.T @ h)
        return out + total * np.multiply.outer(a, b)

    def gather(self, f):
        """Return the columns f as a dense array."""
        out = self.A[:, f].toarray()
        return out if self.means is None else out - self.means[f]
