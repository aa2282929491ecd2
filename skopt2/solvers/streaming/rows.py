"""Rows of X in an order, a minibatch at a time."""

import numpy as np

from skopt2._core.array import index_like, is_sparse, namespace, take


class Rows:
    """Rows with targets and weights.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, p)
        On any device.
    y : array of shape (n,) or (n, K)
        As the loss wants it, beside X.
    s : array of shape (n,)
        Weights, whose unit counts.
    """

    def __init__(self, X, y, s):
        self.X, self.y, self.s = X, y, s
        self.n, self.xp = X.shape[0], namespace(s)

    def chosen(self, order):
        """Return some rows.

        Parameters
        ----------
        order : ndarray of int of shape (k,)
            Their numbers, on the host.
        """
        index = order
        if self.xp is not np:
            index = index_like(order, self.s)
        return Rows(take(self.X, index), take(self.y, index), take(self.s, index))

    def batches(self, size, order=None):
        """Yield minibatches of nearly equal sizes.

        Parameters
        ----------
        size : int
            Most rows of one.
        order : ndarray of int of shape (n,), default=None
            Order of the rows, on the host; None for as they come.

        Yields
        ------
        batch : Rows
        """
        rows = self
        if order is not None and is_sparse(self.X):
            # One pass over a sparse X costs less than gathering from it each time.
            rows, order = self.chosen(order), None
        count = self.count(size)
        for k in range(count):
            part = slice(k * self.n // count, (k + 1) * self.n // count)
            yield rows.chosen(order[part]) if order is not None else rows.between(part)

    def between(self, part):
        """Return a range of rows, without a copy where the library can."""
        # The standard wants an index for every axis.
        X = self.X[part] if is_sparse(self.X) else self.X[part, :]
        return Rows(X, self.y[part, ...], self.s[part])

    def count(self, size):
        """Return the number of minibatches."""
        return -(-self.n // size)
