"""The constant kernel.

k(x, y) = c, c >= 0: the process is one random number of variance c for all points. As a
term of a sum it is an unknown mean.
"""

from skopt2._core.array import device_of, namespace
from skopt2._core.parameters import check_number
from skopt2.kernels.base import Kernel


class Constant(Kernel):
    """Constant kernel, whose functions are the constant ones.

    Parameters
    ----------
    value : float, default=1.0
        Nonnegative.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Constant
    >>> Constant(3.0)(np.array([[0.0], [1.0]])).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """

    name = "constant"
    is_stationary = True
    tile = 2**16

    def __init__(self, value=1.0):
        self.value = value

    def check_parameters(self):
        """Raise ValueError unless the value is finite and at least 0."""
        check_number("value", self.value, 0, of="the constant kernel")

    @property
    def operand(self):
        """The value, which stands for the whole matrix; see :attr:`Kernel.operand`."""
        return float(self.value)

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        return self._full((A.n_rows, B.n_rows), A)

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        out.fill(self.value)

    def diag(self, A):
        """Value at each point; see :meth:`Kernel.diag`."""
        return self._full((A.n_rows,), A)

    def _full(self, shape, A):
        """Return an array of the value beside the points."""
        xp, device = namespace(A.rows), device_of(A.rows)
        return xp.full(shape, float(self.value), dtype=A.dtype, device=device)
