"""A kernel whose matrix the user computed.

The points are the rows of the matrix: X (n, m) holds k(x_i, y_j) for m columns. Those
of a fit are the fitted points themselves, X (n, n).
"""

import numpy as np

from skopt2._core.array import index_like, namespace, take
from skopt2.kernels.base import Kernel, Prepared
from skopt2.kernels.points import check_points


class Precomputed(Kernel):
    """Kernel whose matrix is given instead of the points.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import KernelOperator, Precomputed
    >>> K = KernelOperator(Precomputed(), np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> K.product(np.array([1.0, 0.0])).tolist()
    [2.0, 1.0]
    """

    name = "precomputed"

    def features(self, X, origin=None, wide=False):
        """Number the points of a kernel matrix; see :meth:`Kernel.features`."""
        index = index_like(np.arange(X.shape[0]), X)
        return Prepared(X, X.dtype, index=index)

    def given(self, A, B):
        """Kernel matrix as it was given; see :meth:`Kernel.given`."""
        n_columns = int(A.rows.shape[1])
        if n_columns != B.n_rows:
            raise ValueError(
                f"A precomputed kernel matrix needs a column for each of {B.n_rows} "
                f"points; its shape is {tuple(A.rows.shape)}."
            )
        return A.rows

    def block(self, A, B):
        """Part of the matrix; see :meth:`Kernel.block`."""
        return take(A.rows, B.index, axis=1)

    def diag(self, A):
        """Diagonal of the matrix; see :meth:`Kernel.diag`."""
        xp = namespace(A.rows)
        own = A.index[:, None]
        return xp.take_along_axis(A.rows, own, axis=1)[:, 0]

    def __call__(self, X, Y=None):
        """Kernel matrix itself.

        Parameters
        ----------
        X : array-like of shape (n, m)
            Kernel matrix.
        Y : array-like of shape (m, m) or None, default=None
            Kernel matrix of the points of the columns, of which only the shape counts;
            None where X is square.

        Returns
        -------
        K : array of shape (n, m)
            X in float32 or float64.
        """
        X = check_points(X, "X")
        Y = X if Y is None else check_points(Y, "Y", X)
        return self.given(self.features(X), self.features(Y))
