"""A kernel operator whose matrix is given: what the solvers ask for, in ten lines."""

import numpy as np

from skopt2._core.array import namespace, take


class DenseOperator:
    """Rows of a stored symmetric matrix, with the interface of KernelOperator.

    Counts the entries of rows that it was asked for.
    """

    def __init__(self, K):
        self.K, self.shape, self.dtype = K, tuple(K.shape), K.dtype
        self.xp, self.entries = namespace(K), 0

    def rows(self, index, V):
        part = self.K[index, ...] if isinstance(index, slice) else take(self.K, index)
        self.entries += part.shape[0] * part.shape[1]
        if self.xp is np:
            return np.matmul(part, V, dtype=np.float64).astype(self.dtype)
        return part @ V

    def block(self, index, columns):
        part = self.K[index, ...] if isinstance(index, slice) else take(self.K, index)
        if isinstance(columns, slice):
            return self.xp.asarray(part[:, columns], copy=True)
        return take(part, columns, axis=1)

    def diagonal(self):
        return self.xp.linalg.diagonal(self.K)

    def product(self, V):
        return self.rows(slice(None), V)


def matern_matrix(X, length_scale=1.0):
    """Return the Matern-3/2 kernel matrix in float64."""
    r = np.sqrt(np.sum((X[:, None] - X[None]) ** 2, axis=-1)) / length_scale
    return (1.0 + np.sqrt(3.0) * r) * np.exp(-np.sqrt(3.0) * r)
