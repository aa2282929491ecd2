"""A kernel times a number.

k(x, y) = v k_1(x, y), v > 0: where k_1(x, x) = 1, v is the variance of the process.
"""

from skopt2._core.parameters import check_positive
from skopt2.kernels.composite import Wrapped


class Scaled(Wrapped):
    """Kernel times a positive number.

    Parameters
    ----------
    kernel : Kernel
        Not precomputed.
    variance : float, default=1.0
        Positive factor.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, Scaled
    >>> kernel = Scaled(Gaussian(length_scale=1.0), variance=2.0)
    >>> kernel(np.array([[0.0], [1.0]])).round(4).tolist()
    [[2.0, 1.2131], [1.2131, 2.0]]
    """

    name = "scaled"

    def __init__(self, kernel, variance=1.0):
        self.kernel = kernel
        self.variance = variance

    def check_parameters(self):
        """Raise ValueError unless the kernel is one and the variance positive."""
        super().check_parameters()
        check_positive("variance", self.variance, of="the scaled kernel")

    def resolve(self, X, rng=None):
        """Copy of the kernel with numbers for parameters, in the quickest form.

        See :meth:`Kernel.resolve`. A scaled kernel that is scaled again becomes one.
        """
        from skopt2.kernels.folding import folded

        self.check_parameters()
        return folded(Scaled(self.kernel.resolve(X, rng), self.variance))

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        return float(self.variance) * self.kernel.block(A, B)

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        self.kernel.fill(A, B, out, workspace, same)
        out *= float(self.variance)

    def diag(self, A):
        """Diagonal times the variance; see :meth:`Kernel.diag`."""
        return float(self.variance) * self.kernel.diag(A)
