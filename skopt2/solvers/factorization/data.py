r"""Matrices and arrays to factorise, and the only products in which they are used.

A model of an array X (n, d_1, ..., d_m) is sum_j A_0j x A_1j x ... x A_mj with blocks
A_b (k, d_b): codes A_0, and one block of factors for each mode. With m = 1 it is W H,
W = A_0'. With weights s of the samples, the loss

    f = 1/2 sum_i s_i |X_i - model_i|^2

is quadratic in every block: of block b it is 1/2 <A_b, G A_b> - <A_b, B> + constant,
with the elementwise product G (k, k) of the other blocks' Gram matrices and

    B = X_(b) (Khatri-Rao product of the other blocks),

in which block 0 leaves out s_i and the others weight A_0 by it. Arrays are contracted
with the last mode by one matrix product, which the blocks before it share, and with the
first for the last block; the modes between are batched matrix-vector products.

Source: T. Kolda and B. Bader, Tensor decompositions and applications, SIAM Review 51,
2009, section 3.4.
"""

import math

import numpy as np

from skopt2._core.array import asarray_like, dot64, is_sparse, namespace, sum64

# Elements of a block of rows whose residuals are formed at once.
_CHUNK = 2**21


class MatrixData:
    """A matrix, dense or sparse.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, p)
        Rows are samples.
    weights : array of shape (n,), default=None
        Nonnegative, with sum one; None for equal ones.
    """

    def __init__(self, X, weights=None):
        self.X, self.shape = X, (int(X.shape[0]), int(X.shape[1]))
        self.sparse = is_sparse(X)
        self.weights = 1.0 / self.shape[0] if weights is None else weights
        # Rows of the transpose too, for both products walk along rows.
        self._transpose = X.T.tocsr() if self.sparse else None
        self.like = X.data if self.sparse else X
        self.entries = self.shape[1]
        self.norm2 = self._square_norm()

    def _square_norm(self):
        """Return the weighted sum of squares."""
        if isinstance(self.weights, float):
            return dot64(self.like, self.like) * self.weights
        return sum64(self.row_norms() * self.weights)

    def row_norms(self):
        """Return the squared norm of every sample."""
        if self.sparse:
            ones = asarray_like(np.ones(self.shape[1]), self.like)
            return self.X.power(2) @ ones
        return namespace(self.X).sum(self.X * self.X, axis=1)

    def row(self, i):
        """Return one sample as a dense array."""
        if self.sparse:
            return self.X[i : i + 1].toarray()[0, :]
        return self.X[i, :]

    def mean(self):
        """Return the weighted mean of all elements as a float."""
        ones = asarray_like(np.ones(int(self.X.shape[1])), self.like)
        return sum64((self.X @ ones) * self.weights) / self.entries

    def product(self, mode, factors):
        """Return B (k, d) of a block; the factor of the mode itself is not used."""
        if mode == 0:
            return _rows_out(self.X, factors[1])
        A = factors[0] * self.weights
        if self.sparse:
            return _rows_out(self._transpose, A)
        return A @ self.X

    def residual(self, factors):
        """Return f without cancellation, as a float; of sparse X by expansion."""
        A, H = factors
        if self.sparse:
            G, B = H @ namespace(H).matrix_transpose(H), self.product(0, factors)
            wide = dot64(A * self.weights, B) - 0.5 * dot64(A * self.weights, G @ A)
            return max(0.5 * self.norm2 - wide, 0.0)
        total, step = 0.0, min(self.shape[0], max(1, _CHUNK // self.entries))
        for start in range(0, self.shape[0], step):
            rows = slice(start, min(start + step, self.shape[0]))
            R = self.X[rows, :] - namespace(A).matrix_transpose(A[:, rows]) @ H
            if isinstance(self.weights, float):
                total += dot64(R, R) * self.weights
            else:
                total += dot64(R, R * self.weights[rows, None])
        return 0.5 * total


class TensorData:
    """A dense array of three or more modes.

    Parameters
    ----------
    X : array of shape (n, d_1 * ... * d_m)
        A sample a row, in row-major order.
    lengths : tuple of int
        d_1, ..., d_m.
    weights : array of shape (n,), default=None
        Nonnegative, with sum one; None for equal ones.
    """

    sparse = False

    def __init__(self, X, lengths, weights=None):
        self.X, self.like = X, X
        self.shape = (int(X.shape[0]), *lengths)
        self.weights = 1.0 / self.shape[0] if weights is None else weights
        self.entries = math.prod(lengths)
        self.norm2 = MatrixData._square_norm(self)
        self._kept = (None, None)

    row_norms = MatrixData.row_norms
    row = MatrixData.row
    mean = MatrixData.mean

    def product(self, mode, factors):
        """Return B (k, d) of a block; the factor of the mode itself is not used."""
        xp, last = namespace(self.X), len(self.shape) - 1
        if mode == last:
            A = factors[0] * self.weights
            partial = xp.reshape(A @ self.X, (-1, *self.shape[1:]))
            for F in factors[1:-1]:
                partial = _contract_first(partial, F)
            return partial
        partial = self._without_last(factors[last])
        for F in reversed(factors[mode + 1 : last]):
            partial = _contract_last(partial, F)
        if mode > 0:
            partial = _contract_first(partial, factors[0] * self.weights)
            for F in factors[1:mode]:
                partial = _contract_first(partial, F)
        return partial

    def _without_last(self, F):
        """Return X contracted with the last block, (k, n, ..., d_(m-1))."""
        if self._kept[0] is not F:
            xp = namespace(F)
            flat = xp.reshape(self.X, (-1, self.shape[-1]))
            partial = F @ xp.matrix_transpose(flat)
            self._kept = (F, xp.reshape(partial, (-1, *self.shape[:-1])))
        return self._kept[1]

    def residual(self, factors):
        """Return f without cancellation, as a float."""
        flat = MatrixData.__new__(MatrixData)
        flat.X, flat.shape, flat.sparse = self.X, self.X.shape, False
        flat.weights, flat.entries = self.weights, self.entries
        return flat.residual([factors[0], atoms(factors)])


def atoms(factors):
    """Return the products of the factors of a model, (k, d_1 * ... * d_m)."""
    H = factors[1]
    for F in factors[2:]:
        xp = namespace(H)
        H = xp.reshape(H[:, :, None] * F[:, None, :], (H.shape[0], -1))
    return H


def gram(factors, mode, weights):
    """Return G (k, k) of a block: the product of the Gram matrices of the others."""
    G = None
    for b, A in enumerate(factors):
        if b != mode:
            M = A * weights if b == 0 else A
            M = M @ namespace(A).matrix_transpose(A)
            G = M if G is None else G * M
    return G


def _rows_out(X, A):
    """Return (X A')' with rows that lie together in memory."""
    xp = namespace(A)
    if is_sparse(X):
        product = xp.matrix_transpose(X @ xp.matrix_transpose(A))
        return np.ascontiguousarray(product) if xp is np else product
    return A @ xp.matrix_transpose(X)


def _contract_last(partial, F):
    """Return (k, ...) without its last mode, component by component."""
    shape, n = partial.shape, int(partial.shape[-1])
    xp = namespace(F)
    flat = xp.reshape(partial, (shape[0], -1, n))
    return xp.reshape((flat @ F[:, :, None])[..., 0], shape[:-1])


def _contract_first(partial, F):
    """Return (k, ...) without its first mode, component by component."""
    shape = partial.shape
    xp = namespace(F)
    flat = xp.reshape(partial, (shape[0], int(shape[1]), -1))
    return xp.reshape(F[:, None, :] @ flat, (shape[0], *shape[2:]))
