"""The design matrix as a linear operator, and the working set of its columns.

Symbols: X (n, p), dense or sparse, on any device; s (n,) sample weights with sum 1;
m = X's (p,), the weighted column means, subtracted implicitly where an intercept is
fitted: (X - 1m')v = Xv - 1(m'v) and (X - 1m')'u = X'u - m(1'u), so that a sparse X
stays sparse. Vectors over samples live beside X; vectors over features and everything
over the working set are float64 in host memory, where index arithmetic is cheap.

Variances by E[x^2] - m_j^2 lose as many digits as m_j^2 is larger than they are. Where
that is half of them, they are formed again from differences, a block at a time: T.
Chan, G. Golub and R. LeVeque, Algorithms for computing the sample variance, The
American Statistician 37, 1983, eq. 1.7. A column of a sparse X can only be like that if
it has hardly a zero: then it is stored centred, which takes no more memory.
"""

import numpy as np
import scipy.sparse as sp

from skopt2._core.array import (
    asarray_like,
    index_like,
    is_sparse,
    namespace,
    take,
    to_numpy,
)
from skopt2.solvers.distinct_rows import DistinctRows

# Rows of a tall matrix are gathered this many at a time, which keeps the block of
# selected columns in the cache between its copy and its product.
ROWS = 4096
# A few columns of a sparse X may be scattered into a block of so many elements, if this
# share of them is stored.
DENSE, FULL = 2**22, 0.01
# Entries of a block of differences.
BLOCK = 1_000_000


class Design:
    """Columns of X, centred by the weighted means if asked.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, p)
        Dense on any device, or SciPy / CuPy sparse.
    s : array of shape (n,)
        Sample weights with sum 1, beside X.
    center : bool
        Subtract the weighted mean of every column, implicitly.
    """

    def __init__(self, X, s, center):
        self.sparse = is_sparse(X)
        # Columns are what a working set reads, and a CSR matrix cannot give them.
        self.X = X.tocsc() if self.sparse and X.format != "csc" else X
        self.s = s
        self.n, self.p = X.shape
        self.xp = namespace(s)
        self.distinct = DistinctRows(self.X, s, self.sparse)
        self._adjoint = self.X.T
        # What products subtract, and what was taken from the columns altogether.
        self.means = self.offset = None
        self._norms, self._drowned = None, False
        self.eps = float(self.xp.finfo(s.dtype).eps)
        if center:
            self.means = self.offset = self.to_host(self._adjoint @ s)
            if self.sparse and self.on_host:
                self._center_full_columns()

    def _center_full_columns(self):
        """Store the columns centred whose mean would drown their variance."""
        full = np.flatnonzero(np.diff(self.X.indptr) > 0.99 * self.n)
        if full.size == 0:
            return
        norms = self.X[:, full].power(2).T @ self.s
        lost = full[self._lost(norms - self.means[full] ** 2, norms)]
        if lost.size == 0:
            return
        block = self.X[:, lost].toarray() - self.means[lost]
        order = np.arange(self.p)
        order[lost] = self.p + np.arange(lost.size)
        columns = sp.csc_array(block.astype(self.X.dtype))
        self.X = sp.hstack([sp.csc_array(self.X), columns], format="csc")[:, order]
        self._adjoint = self.X.T
        self.means = self.offset.copy()
        self.means[lost] = self.to_host(self._adjoint[lost] @ self.s)

    def _lost(self, norms, raw):
        """Tell which variances have lost half of their digits."""
        return (raw > 0.0) & (norms < 100.0 * self.eps**0.5 * raw)

    @property
    def on_host(self):
        """True if X is a NumPy array or a SciPy matrix."""
        return self.xp is np

    def to_host(self, x):
        """Return a device vector as float64 in host memory."""
        return np.asarray(to_numpy(x), dtype=np.float64)

    def to_device(self, x):
        """Return a host vector beside X, in the dtype of X."""
        if self.on_host:
            return x if x.dtype == self.s.dtype else x.astype(self.s.dtype)
        return asarray_like(x, self.s)

    def gradient(self, v):
        """Return (X - 1m')'v on the host, (p,) or (p, K), for v (n,) or (n, K)."""
        out = self.to_host(self._adjoint @ v)
        if self.means is not None:
            total = self.to_host(self.xp.sum(v, axis=0))
            out -= np.multiply.outer(self.means, total)
        return out

    def predict(self, ids, w):
        """Return (X - 1m')[:, ids] @ w beside X, for host ids and w."""
        if ids.size * 3 >= self.p and not self.sparse:
            # A product with all of X reads memory once; a gather of many columns
            # reads and writes it before the product even starts.
            full = np.zeros((self.p, *w.shape[1:]))
            full[ids] = w
            eta = self.X @ self.to_device(full)
        else:
            eta = self.columns(ids) @ self.to_device(w)
        if self.means is not None:
            eta = eta - self.to_device(np.asarray(self.means[ids] @ w))
        return eta

    def columns(self, ids):
        """Return X[:, ids], not centred."""
        if self.on_host:
            return self.X[:, ids]
        return take(self.X, self.index(ids), axis=1)

    def index(self, ids):
        """Return host numbers of rows or columns beside a device X."""
        return index_like(ids, self.s)

    @property
    def squared_sizes(self):
        """Weighted squared norms of the columns, not centred, (p,) on the host."""
        shift = 0.0 if self.offset is None else self.offset**2
        return self.squared_norms + shift

    @property
    def squared_norms(self):
        """Weighted squared norms of the (centred) columns, (p,) on the host."""
        if self._norms is None:
            if self.sparse:
                squares = self.X.power(2).T @ self.s
            elif self.on_host:
                squares = np.einsum("ij,ij,i->j", self.X, self.X, self.s)
            else:
                squares = self.s @ (self.X * self.X)
            norms = self.to_host(squares)
            if self.means is not None:
                raw, norms = norms, norms - self.means**2
                lost = np.flatnonzero(self._lost(norms, raw))
                if lost.size:
                    norms[lost] = self._norms_by_differences(lost)
                    # A constant column takes no part in products.
                    self._drowned = bool((norms[lost] > 0.0).any())
            self._norms = np.maximum(norms, 0.0)
        return self._norms

    @property
    def drowned(self):
        """True if products of some columns are rounding errors of their means."""
        return self.squared_norms is not None and self._drowned

    def _norms_by_differences(self, ids):
        """Return the weighted variances of some columns from their differences.

        0 where all that is left of a constant column is rounding.
        """
        norms = np.zeros(ids.size)
        width = max(1, BLOCK // self.n)
        for first in range(0, ids.size, width):
            part = slice(first, first + width)
            block = self.columns(ids[part])
            block = block.toarray() if self.sparse else block
            block = block - self.to_device(self.means[ids[part]])
            moved = self.to_host(self.s @ block)
            norms[part] = self.to_host(self.s @ (block * block)) - moved * moved
        noise = (100.0 * self.eps * self.offset[ids]) ** 2
        return np.where(norms > noise, norms, 0.0)


class Block:
    """Columns of the working set, side by side, growing.

    A dense X is gathered into one centred, column-major buffer with room to grow; a
    sparse one stays sparse and is centred implicitly.

    Parameters
    ----------
    design : Design
        Where the columns come from.
    """

    def __init__(self, design):
        self.design = design
        self.ids = np.empty(0, dtype=np.int64)
        self._buffer = None
        self._held = 0

    @property
    def m(self):
        """Number of columns."""
        return self.ids.size

    def extend(self, new):
        """Append the columns with these feature numbers."""
        self.ids = np.concatenate([self.ids, new])

    def matrix(self):
        """Return the columns, gathering those that are new since the last call."""
        design, m = self.design, self.m
        if self._held < m:
            new = self.ids[self._held :]
            if design.sparse:
                self._buffer = design.columns(self.ids)
            elif design.on_host:
                self._append(new)
            else:
                fresh = design.columns(new)
                if design.means is not None:
                    fresh = fresh - design.to_device(design.means[new])
                parts = [fresh] if self._held == 0 else [self._buffer, fresh]
                self._buffer = design.xp.concat(parts, axis=1)
            self._held = m
        dense = design.on_host and not design.sparse
        return self._buffer[:, :m] if dense else self._buffer

    def _append(self, new):
        design, m, held = self.design, self.m, self._held
        if self._buffer is None or self._buffer.shape[1] < m:
            capacity = min(design.p, max(2 * held, m, 32))
            grown = np.empty((design.n, capacity), dtype=design.s.dtype, order="F")
            if held:
                grown[:, :held] = self._buffer[:, :held]
            self._buffer = grown
        target = self._buffer[:, held:m]
        target[...] = design.X[:, new]
        if design.means is not None:
            target -= design.means[new].astype(target.dtype)

    def times(self, delta):
        """Return (X - 1m')[:, ids] @ delta beside X, for a host delta."""
        design = self.design
        out = self.matrix() @ design.to_device(delta)
        if design.sparse and design.means is not None:
            out = out - design.to_device(np.asarray(design.means[self.ids] @ delta))
        return out

    def adjoint(self, v):
        """Return (X - 1m')[:, ids]'v on the host, for v beside X."""
        design = self.design
        out = design.to_host(self.matrix().T @ v)
        if design.sparse and design.means is not None:
            total = design.to_host(design.xp.sum(v, axis=0))
            out -= np.multiply.outer(design.means[self.ids], total)
        return out

    def gram(self, new, h, single=False):
        """Return (X - 1m')[:, ids]' diag(h) (X - 1m')[:, new] on the host.

        Parameters
        ----------
        new : ndarray of int of shape (k,)
            Positions in the working set.
        h : array of shape (n,)
            Nonnegative row weights beside X.
        single : bool, default=False
            Allow the products of a tall X to be rounded to float32.

        Returns
        -------
        gram : ndarray of shape (m, k)
            float64.
        """
        design = self.design
        if design.sparse:
            return self._sparse_gram(new, h)
        # Columns that are held already are chunked only for a symmetric product.
        tall = design.n > 2 * ROWS and 2 * new.size > self.m
        if design.on_host and (tall or self._held < self.m):
            return self._chunked_gram(new, h, single)
        A = self.matrix()
        columns = A[:, new] if design.on_host else self._take(A, new)
        if design.on_host and h.strides == (0,):
            # Equal weights: a plain product, symmetric where it is one.
            out = A.T @ columns
            out *= h[0]
            return out.astype(np.float64, copy=False)
        return design.to_host(A.T @ (columns * h[:, None]))

    def _take(self, A, new):
        return take(A, self.design.index(new), axis=1)

    def _sparse_gram(self, new, h):
        design = self.design
        A = self.matrix()
        B = A[:, new] if design.on_host else self._take(A, new)
        if design.on_host and new.size * design.n <= DENSE and _is_full(B):
            # Few columns with many elements: scattered, they need no search.
            out = design.to_host(A.T @ (B.toarray() * h[:, None]))
        else:
            scaled = B.multiply(h[:, None])
            out = A.T @ (scaled.tocsc() if design.on_host else scaled)
            out = design.to_host(out.toarray())
        if design.means is not None:
            mean = design.means[self.ids]
            cross = design.to_host(A.T @ h)
            total = float(design.xp.sum(h))
            out -= np.multiply.outer(cross, mean[new])
            out -= np.multiply.outer(mean, cross[new])
            out += total * np.multiply.outer(mean, mean[new])
        return out

    def _chunked_gram(self, new, h, single):
        """Gram matrix by row chunks: the columns of a tall X are never held at once."""
        design, m = self.design, self.m
        every = m == design.p and bool((self.ids[1:] > self.ids[:-1]).all())
        whole = new.size == m
        equal = h.strides == (0,)
        root = None if equal else np.sqrt(h)
        dtype = np.float32 if single else design.s.dtype
        held = self._held == m
        means = None if held or design.means is None else design.means[self.ids]
        room = np.empty((min(ROWS, design.n), m), dtype=dtype, order="F")
        out = np.zeros((m, new.size))
        for start in range(0, design.n, ROWS):
            rows = slice(start, min(start + ROWS, design.n))
            if held:
                source = self._buffer[rows, :m]
            else:
                source = design.X[rows] if every else design.X[rows][:, self.ids]
            chunk = room[: source.shape[0]]
            # Centred before it is rounded, and both in one pass.
            if means is None:
                np.copyto(chunk, source, casting="same_kind")
            else:
                np.subtract(source, means, out=chunk, casting="same_kind")
            if not equal:
                chunk *= root[rows, None]
            # The same matrix on both sides is a symmetric product, half the work.
            out += chunk.T @ (chunk if whole else chunk[:, new])
        return out * float(h[0]) if equal else out


def _is_full(B):
    """Tell whether enough of a sparse matrix is stored to treat it as dense."""
    return B.nnz >= FULL * B.shape[0] * B.shape[1]
