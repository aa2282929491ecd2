"""The linear kernel.

k(x, y) = x.y, whose functions are linear without an intercept.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2.2.
"""

import numpy as np

from skopt2._core.array import namespace
from skopt2.kernels.base import Kernel


class Linear(Kernel):
    """Linear kernel, the inner product of two points.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    section 4.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Linear
    >>> Linear()(np.array([[1.0, 2.0], [3.0, 0.0]])).tolist()
    [[5.0, 3.0], [3.0, 9.0]]
    """

    name = "linear"
    tile = 2**16

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        return A.rows @ namespace(A.rows).matrix_transpose(B.rows)

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        np.matmul(A.rows, B.rows.T, out=out)

    def diag(self, A):
        """Squared norms; see :meth:`Kernel.diag`."""
        return namespace(A.rows).sum(A.rows * A.rows, axis=1)
