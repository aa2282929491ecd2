"""Whole powers of a kernel.

k(x, y) = k_1(x, y)^q, q a positive whole number: the product of q equal kernels, which
is computed once.
"""

import numpy as np

from skopt2._core.parameters import check_count
from skopt2.kernels.composite import Wrapped


class Power(Wrapped):
    """Whole power of a kernel, entry by entry.

    Parameters
    ----------
    kernel : Kernel
        Not precomputed.
    exponent : int, default=2
        At least 1. Other powers of a kernel need not be positive semidefinite.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Linear, Power
    >>> Power(Linear(), exponent=2)(np.array([[1.0], [3.0]])).tolist()
    [[1.0, 9.0], [9.0, 81.0]]
    """

    name = "power"

    def __init__(self, kernel, exponent=2):
        self.kernel = kernel
        self.exponent = exponent

    def check_parameters(self):
        """Raise ValueError unless the kernel is one and the exponent whole."""
        super().check_parameters()
        check_count("exponent", self.exponent, of="the power kernel")

    def resolve(self, X, rng=None):
        """Copy of the kernel with numbers for parameters, in the quickest form.

        See :meth:`Kernel.resolve`. Powers that a kernel has a form for become that:
        those of a Gaussian kernel are Gaussian.
        """
        from skopt2.kernels.folding import folded

        self.check_parameters()
        return folded(Power(self.kernel.resolve(X, rng), self.exponent))

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        return whole_power(self.kernel.block(A, B), self.exponent)

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        self.kernel.fill(A, B, out, workspace, same)
        raise_in_place(out, self.exponent, workspace, f"part{self.depth}")

    def diag(self, A):
        """Diagonal to the power; see :meth:`Kernel.diag`."""
        return whole_power(self.kernel.diag(A), self.exponent)


def whole_power(base, exponent):
    """Return a whole power by products, exact where they are.

    Parameters
    ----------
    base : array
        Of any shape.
    exponent : int
        At least 1.

    Returns
    -------
    power : array
        ``base`` itself for the exponent 1.
    """
    result = base
    for bit in bin(exponent)[3:]:
        result = result * result
        if bit == "1":
            result = result * base
    return result


def raise_in_place(x, exponent, workspace, name):
    """Overwrite a NumPy array by a whole power of it.

    Parameters
    ----------
    x : ndarray
        Base, and result.
    exponent : int
        At least 1.
    workspace : Workspace
        Arrays of this thread.
    name : str
        Of an array that is not in use.
    """
    bits = bin(exponent)[3:]
    if "1" in bits:
        base = workspace.array(name, x.shape, x.dtype)
        np.copyto(base, x)
    for bit in bits:
        x *= x
        if bit == "1":
            x *= base
