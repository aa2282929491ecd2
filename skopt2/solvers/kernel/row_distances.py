"""Squared distances from rows to a few centres, exact where they are small.

Problem: min_c abs(x_i - c)^2 over the centres c, for a handful of rows in host memory
or for all of them in chunks where they live.

Symbols: X (n, d) rows, dense or sparse; C (s, d) centres; nearest distances (n,).

The nearest centre comes from the product X C', whose rounding is relative to the norms;
its distance is then found again from the difference x - c. So rows that repeat a centre
are at distance 0, and tight clusters far from the origin keep their digits.
"""

import math

import numpy as np

from skopt2._core.array import (
    HOST,
    accumulation_dtype,
    asarray_like,
    is_sparse,
    max_abs,
    move,
    namespace,
    take,
    to_numpy,
)

# Values whose squares, summed over features, are safe in float64 and in float32.
SAFE = {8: (1e-120, 1e120), 4: (1e-12, 1e12)}


def row_distances(X, norms=None, budget=2**28):
    """Return the distances of dense or sparse rows.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, d)
        Rows; sparse ones are read in host memory.
    norms : ndarray of shape (n,), default=None
        Squared norms of sparse rows in host memory, where they are known.
    budget : int, default=2**28
        Bytes of the temporary arrays of a chunk.

    Returns
    -------
    rows : DenseRows or SparseRows
        Their common interface is ``take``, ``paired``, ``nearest`` and ``all_nearest``.
    """
    if is_sparse(X):
        return SparseRows(move(X, HOST).tocsr(), norms, budget)
    return DenseRows(X, budget)


def _safe_scale(values):
    """Return the power of two that brings values into the range of safe squares."""
    low, high = SAFE[namespace(values).finfo(accumulation_dtype(values)).bits // 8]
    largest = max_abs(values)
    if largest == 0 or low < largest < high:
        return 1.0
    return 2.0 ** -math.frexp(largest)[1]


class DenseRows:
    """Distances of the rows of a dense array, on any device.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    budget : int
        Bytes of a chunk.
    """

    def __init__(self, X, budget):
        self.X = X
        self.n = int(X.shape[0])
        self.budget = budget
        self.scale = _safe_scale(X)

    def take(self, indices):
        """Return some rows in host memory, in float64 and scaled.

        Parameters
        ----------
        indices : ndarray of shape (m,)
            Which.

        Returns
        -------
        A : ndarray of shape (m, d)
        """
        A = to_numpy(take(self.X, indices)).astype(np.float64)
        return A if self.scale == 1.0 else A * self.scale

    def paired(self, A, B):
        """Return the squared distances of rows that belong together.

        Parameters
        ----------
        A : ndarray of shape (m, d)
            Rows.
        B : ndarray of shape (m, d) or (1, d)
            Their partners.

        Returns
        -------
        distances : ndarray of shape (m,)
        """
        difference = A - B
        return namespace(A).sum(difference * difference, axis=1)

    def nearest(self, A, C):
        """Return the squared distance of each row to the nearest centre.

        Parameters
        ----------
        A : array of shape (m, d)
            Rows, in float64 and scaled.
        C : array of shape (s, d)
            Centres.

        Returns
        -------
        distances : array of shape (m,)
        """
        if C.shape[0] == 1:
            return self.paired(A, C)
        xp = namespace(A)
        # About one of the centres: products far from the origin would say nothing.
        A0, C0 = A - C[:1, :], C - C[:1, :]
        product = A0 @ C0.T
        product -= 0.5 * xp.sum(C0 * C0, axis=1)
        return self.paired(A, take(C, xp.argmax(product, axis=1)))

    def all_nearest(self, C):
        """Return the squared distance of every row to the nearest centre.

        Parameters
        ----------
        C : ndarray of shape (s, d)
            Centres in host memory, in float64 and scaled.

        Returns
        -------
        distances : ndarray of shape (n,)
            In host memory.
        """
        X, xp = self.X, namespace(self.X)
        wide = accumulation_dtype(X)
        C = asarray_like(C, X, wide)
        width = 8 * (C.shape[0] + 5 * C.shape[1])
        step = max(1, min(self.n, self.budget // width, 2**21 // C.shape[0] + 1))
        found = np.empty(self.n)
        for start in range(0, self.n, step):
            stop = min(start + step, self.n)
            A = xp.astype(X[start:stop, :], wide)
            if self.scale != 1.0:
                A = A * self.scale
            found[start:stop] = to_numpy(self.nearest(A, C))
        return found


class SparseRows:
    """Distances of the rows of a sparse matrix in host memory.

    Parameters
    ----------
    X : CSR matrix of shape (n, d)
        Rows.
    norms : ndarray of shape (n,) or None
        Their squared norms.
    budget : int
        Bytes of a chunk.
    """

    def __init__(self, X, norms, budget):
        self.X = X
        self.n = int(X.shape[0])
        self.budget = budget
        self.scale = _safe_scale(X.data)
        if norms is None:
            norms = self._norms()
        else:
            norms = np.asarray(norms, dtype=np.float64) * self.scale**2
        self.norms = norms

    def _norms(self):
        X = self.X
        squares = (X.data.astype(np.float64) * self.scale) ** 2
        # Differences of a running sum would leave its rounding in short rows.
        rows = np.repeat(np.arange(self.n), np.diff(X.indptr))
        return np.bincount(rows, squares, self.n)

    def take(self, indices):
        """Return some rows in float64 and scaled.

        Parameters
        ----------
        indices : ndarray of shape (m,)
            Which.

        Returns
        -------
        A : CSR matrix of shape (m, d)
        """
        return self.X[indices].astype(np.float64) * self.scale

    def paired(self, A, B):
        """Return the squared distances of rows that belong together.

        Parameters
        ----------
        A : CSR matrix of shape (m, d)
            Rows.
        B : CSR matrix of shape (m, d) or (1, d)
            Their partners.

        Returns
        -------
        distances : ndarray of shape (m,)
        """
        if B.shape[0] != A.shape[0]:
            B = B[np.zeros(A.shape[0], dtype=np.intp)]
        difference = A - B
        return np.asarray(difference.multiply(difference).sum(axis=1)).ravel()

    def nearest(self, A, C):
        """Return the squared distance of each row to the nearest centre.

        Parameters
        ----------
        A : CSR matrix of shape (m, d)
            Rows, in float64 and scaled.
        C : CSR matrix of shape (s, d)
            Centres.

        Returns
        -------
        distances : ndarray of shape (m,)
        """
        if C.shape[0] == 1:
            return self.paired(A, C)
        product = (A @ C.T).toarray()
        product -= 0.5 * np.asarray(C.multiply(C).sum(axis=1)).ravel()
        return self.paired(A, C[product.argmax(axis=1)])

    def all_nearest(self, C):
        """Return the squared distance of every row to the nearest centre.

        Parameters
        ----------
        C : CSR matrix of shape (s, d)
            Centres, in float64 and scaled.

        Returns
        -------
        distances : ndarray of shape (n,)
        """
        square = np.asarray(C.multiply(C).sum(axis=1)).ravel()
        if C.shape[0] > 1:
            return self._by_chunks(C)
        found = self.norms + square - 2.0 * self._products(C)
        # Where the terms cancel, the difference itself is needed.
        close = np.flatnonzero(found < 1e-6 * (self.norms + square))
        found[close] = self.paired(self.take(close), C)
        return found

    def _products(self, C):
        """Return the inner products of every row with one centre."""
        return self.X @ (C.toarray().ravel() * self.scale)

    def _by_chunks(self, C):
        found = np.empty(self.n)
        density = self.X.nnz // self.n + C.nnz // C.shape[0] + 1
        step = max(1, self.budget // (8 * (C.shape[0] + 6 * density)))
        for start in range(0, self.n, step):
            stop = min(start + step, self.n)
            found[start:stop] = self.nearest(self.take(slice(start, stop)), C)
        return found
