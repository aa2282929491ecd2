r"""The observed entries of a matrix, and the products in which they are used.

Symbols: X (n, p), known on a set Omega of N positions; U (n, k), V (p, k), b (p,); the
model U V' + 1 b'; r a value for each position of Omega.

Dense matrices keep Omega as a mask, so that r is an (n, p) array with zeros elsewhere;
sparse ones keep the stored entries, row by row, and r is a vector (N,). Every product
below costs O(N k) of sparse matrices and O(n p k) of dense ones.

    forward    (U V')_Omega
    times      r V, (n, k)
    adjoint    r'U, (p, k)
    grams      sum over the columns j of row i of w_ij v_j v_j', for every i
"""

import numpy as np
import scipy.sparse as sp

from skopt2._core.array import asarray_like, namespace, to_numpy

# Elements of products of factors that are held at once.
_CHUNK = 2**22


class DenseEntries:
    """A dense matrix and the mask of what is known.

    Parameters
    ----------
    X : array of shape (n, p)
        Zero where nothing is known.
    mask : array of shape (n, p)
        One where an entry is known, else zero, in the dtype of X.
    """

    def __init__(self, X, mask):
        self.X, self.mask, self.like = X, mask, X
        self.shape = (int(X.shape[0]), int(X.shape[1]))
        self.xp, self.unit = namespace(X), 1.0 / (self.shape[0] * self.shape[1])

    def turned(self):
        """Return the entries of the transpose."""
        xp = self.xp
        flip = xp.matrix_transpose
        return DenseEntries(flip(self.X), flip(self.mask))

    def flip(self, r):
        """Return values in the order of the transpose."""
        return self.xp.matrix_transpose(r)

    def forward(self, U, V):
        """Return the products of the factors at the known positions."""
        return (U @ self.xp.matrix_transpose(V)) * self.mask

    def shift(self, b):
        """Return a value for each column at the known positions."""
        return self.mask * b[None, :]

    def pull(self, r):
        """Return what ``times`` and ``adjoint`` take of values."""
        return r

    def times(self, r, V):
        """Return r V."""
        return r @ V

    def adjoint(self, r, U):
        """Return r'U."""
        return self.xp.matrix_transpose(r) @ U

    def row_sums(self, r):
        """Return the sum of every row."""
        return self.xp.sum(r, axis=1)

    def column_sums(self, r):
        """Return the sum of every column."""
        return self.xp.sum(r, axis=0)

    def shares(self, w):
        """Return the mean weight in every row and in every column, as columns."""
        n, p = self.shape
        return self.row_sums(w)[:, None] / p, self.column_sums(w)[:, None] / n

    def ones(self):
        """Return a one for each known position."""
        return self.mask

    def known(self, r):
        """Return the values of the known positions as a vector of host memory."""
        return to_numpy(r)[to_numpy(self.mask) > 0.0]

    def grams(self, w, V):
        """Yield the weighted Gram matrices of blocks of rows, and those rows."""
        xp, k = self.xp, V.shape[1]
        outer = xp.reshape(V[:, :, None] * V[:, None, :], (-1, k * k))
        for rows in _blocks(self.shape[0], k):
            yield rows, xp.reshape(w[rows, :] @ outer, (-1, k, k))

    def masked(self, kept):
        """Return the entries of which only some are known: kept is a host vector."""
        mask = np.array(to_numpy(self.mask), copy=True)
        mask[mask > 0.0] = kept
        mask = asarray_like(mask, self.like)
        return DenseEntries(self.X * mask, mask)


class SparseEntries:
    """The stored entries of a sparse matrix, in host memory.

    Parameters
    ----------
    X : CSR matrix of shape (n, p)
        Stored entries are known, zeros among them too; sorted, without duplicates.
    order : ndarray of int of shape (N,), default=None
        Where the transpose holds each entry.
    """

    xp = np

    def __init__(self, X, order=None):
        self.shape = (int(X.shape[0]), int(X.shape[1]))
        self.X, self.like = X.data, X.data
        self.unit = 1.0 / max(1, self.shape[0] * self.shape[1])
        self.indptr, self.columns = X.indptr, X.indices
        self.rows = np.repeat(np.arange(self.shape[0]), np.diff(X.indptr))
        self.order = order
        self._turned = None

    def _matrix(self, r):
        return sp.csr_array((r, self.columns, self.indptr), shape=self.shape)

    def replaced(self, values):
        """Return other values at the same positions."""
        return SparseEntries(self._matrix(values))

    def turned(self):
        """Return the entries of the transpose."""
        if self._turned is None:
            places = np.arange(self.X.size)
            flipped = self._matrix(places).T.tocsr()
            # tocsr keeps the stored number of each place: its position in this matrix.
            order = flipped.data
            flipped = sp.csr_array(
                (self.X[order], flipped.indices, flipped.indptr), shape=flipped.shape
            )
            self._turned = SparseEntries(flipped, order)
        return self._turned

    def flip(self, r):
        """Return values in the order of the transpose."""
        return r[self.turned().order]

    def forward(self, U, V):
        """Return the products of the factors at the known positions."""
        out = np.empty_like(self.X)
        step = max(1, _CHUNK // max(1, U.shape[1]))
        for start in range(0, out.size, step):
            part = slice(start, start + step)
            left = U.take(self.rows[part], axis=0)
            right = V.take(self.columns[part], axis=0)
            out[part] = np.einsum("ij,ij->i", left, right)
        return out

    def shift(self, b):
        """Return a value for each column at the known positions."""
        return b[self.columns]

    def pull(self, r):
        """Return what ``times`` and ``adjoint`` take of values."""
        return r

    def times(self, r, V):
        """Return r V."""
        return self._matrix(r) @ V

    def adjoint(self, r, U):
        """Return r'U."""
        return self.turned().times(self.flip(r), U)

    def row_sums(self, r):
        """Return the sum of every row."""
        return np.bincount(self.rows, r, self.shape[0]).astype(r.dtype, copy=False)

    def column_sums(self, r):
        """Return the sum of every column."""
        return np.bincount(self.columns, r, self.shape[1]).astype(r.dtype, copy=False)

    shares = DenseEntries.shares

    def ones(self):
        """Return a one for each known position."""
        return np.ones_like(self.X)

    def known(self, r):
        """Return the values of the known positions as a vector of host memory."""
        return r

    def grams(self, w, V):
        """Yield the weighted Gram matrices of blocks of rows, and those rows."""
        k, W = V.shape[1], self._matrix(w)
        upper, lower = np.triu_indices(k)
        outer = V[:, upper] * V[:, lower]
        for rows in _blocks(self.shape[0], k):
            half = W[rows] @ outer
            G = np.empty((half.shape[0], k, k), dtype=V.dtype)
            G[:, upper, lower] = half
            G[:, lower, upper] = half
            yield rows, G

    def masked(self, kept):
        """Return the entries of which only some are known: kept is a host vector."""
        counts = np.bincount(self.rows[kept], minlength=self.shape[0])
        indptr = np.concatenate(([0], np.cumsum(counts)))
        parts = (self.X[kept], self.columns[kept], indptr)
        return SparseEntries(sp.csr_array(parts, shape=self.shape))


def _blocks(n, k):
    """Return slices of rows whose Gram matrices fit into memory together."""
    step = max(1, _CHUNK // (k * k))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
