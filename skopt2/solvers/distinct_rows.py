"""How many different rows a design has.

Problem: count the different rows x_i of X (n, p) with s_i > 0.

The Gram matrix of k columns is singular as soon as k exceeds this number, however often
each row is repeated. The number n of rows says something else: a repeated row counts
again, and one of weight 0 counts too. A solver that n leads ends at another local
minimum where the same sample is written in another way.

Rows are told apart by their product with a fixed random vector, formed in the same
order of operations for all of them: equal rows have equal products to the last digit.
"""

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, namespace, to_numpy

# Columns of the first, cheap look; nonzeros of it per row where X is sparse.
FEW = 4
# Elements of a dense X that are multiplied at a time.
CHUNK = 2**20


class DistinctRows:
    """Number of different rows of positive weight, found out no further than asked.

    Parameters
    ----------
    X : array or sparse CSC matrix of shape (n, p)
        On any device.
    s : array of shape (n,)
        Sample weights, beside X.
    sparse : bool
        Whether X is sparse.
    """

    def __init__(self, X, s, sparse):
        self._X, self._s, self._sparse = X, s, sparse
        self._least = self._count = self._weighted = None

    def at_least(self, k):
        """Tell whether there are ``k`` different rows; a few columns mostly do."""
        if k <= 1 or k > self._X.shape[0]:
            return k <= 1
        if self._least is None:
            self._look()
        return k <= self._least or k <= self.count

    @property
    def count(self):
        """Number of different rows."""
        if self._least is None:
            self._look()
        if self._count is None:
            self._count = self._different(1)
        return self._count

    def _look(self):
        """Bound the number from below, by what a few columns tell apart."""
        n, p = self._X.shape
        self._weighted = np.flatnonzero(to_numpy(self._s) > 0)
        wanted = FEW * n * p // max(self._X.nnz, 1) if self._sparse else FEW
        step = max(1, p // max(wanted, FEW))
        self._least = self._different(step)
        if step == 1 or self._least == self._weighted.size:
            self._count = self._least

    def _different(self, step):
        """Count what every ``step``-th column tells apart."""
        v = np.random.default_rng(0).random(len(range(0, self._X.shape[1], step)))
        products = self._sparse_product if self._sparse else self._dense_product
        return np.unique(products(step, v)[self._weighted]).size

    def _sparse_product(self, step, v):
        X = self._X if step == 1 else self._X[:, ::step]
        out = to_numpy(X @ asarray_like(v, self._s))
        # A device adds the terms of a row in any order.
        return out if isinstance(self._s, np.ndarray) else out.astype(np.float32)

    def _dense_product(self, step, v):
        return row_products(self._X, v, step)


def row_products(X, v, step=1):
    """Return the products of rows with a vector; those of equal rows are equal.

    Parameters
    ----------
    X : array of shape (n, p)
        On any device.
    v : ndarray of shape (ceil(p / step),)
        In host memory.
    step : int, default=1
        Every ``step``-th column counts.

    Returns
    -------
    products : ndarray of shape (n,)
        In host memory, in the widest float of the device.
    """
    xp, wide = namespace(X), accumulation_dtype(X)
    v = asarray_like(v, X, wide)
    n, rows = X.shape[0], max(1, CHUNK // v.shape[0])
    parts = []
    for start in range(0, n, rows):
        chunk = X[start : min(start + rows, n), ::step]
        if xp is np:
            # Not a product with BLAS, nor in the layout of X: there the position of a
            # row decides in which order its terms are added.
            chunk = np.ascontiguousarray(chunk, dtype=wide)
        else:
            chunk = xp.astype(chunk, wide)
        parts.append(to_numpy(xp.sum(chunk * v, axis=1)))
    return np.concatenate(parts)
