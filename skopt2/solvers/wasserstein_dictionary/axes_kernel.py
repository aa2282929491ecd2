"""Logarithms of products with the kernel of a sum of costs, axis by axis.

Symbols: C_m (n_m, n_m) the cost along axis m, C = sum of all C_m (n, n) with n the
product of the n_m, eps > 0, L (k, n) logarithms of k vectors; wanted
R_ki = log sum_j exp(L_kj - C_ij / eps).

exp(-C / eps) is the Kronecker product of the exp(-C_m / eps), so the sums run along one
axis after the other, n sum n_m operations a vector instead of n^2.

Source: J. Solomon et al., Convolutional Wasserstein distances, ACM TOG 34, 2015,
section 3.2, for costs along the axes that need not be squared distances.
"""

import math

from skopt2._core.array import namespace
from skopt2.solvers.transport.log_kernel import DenseLogKernel


class AxesLogKernel:
    """Kernel of a sum of one stored cost for each axis.

    Parameters
    ----------
    costs : list of array of shape (n_m, n_m)
        Finite costs along the axes; bins are numbered in row-major order.
    """

    def __init__(self, costs):
        self._axes = [DenseLogKernel(C) for C in costs]
        self.lengths = tuple(axis.shape[0] for axis in self._axes)
        n = math.prod(self.lengths)
        self.shape, self.dtype = (n, n), costs[0].dtype

    def set_reg(self, eps):
        """Prepare the products for a regularisation."""
        self.eps = eps
        for axis in self._axes:
            axis.set_reg(eps)

    def rows(self, L):
        """Return log sum_j exp(L_kj - C_ij / eps), shape (k, n)."""
        return self._apply(L, "rows")

    def cols(self, L):
        """Return log sum_i exp(L_ki - C_ij / eps), shape (k, n)."""
        return self._apply(L, "cols")

    def _apply(self, L, side):
        if len(self._axes) == 1:
            return getattr(self._axes[0], side)(L)
        xp, shape = namespace(L), L.shape
        L = xp.reshape(L, (shape[0], *self.lengths))
        for number, axis in enumerate(self._axes, start=1):
            moved = xp.moveaxis(L, number, -1)
            lines = xp.reshape(moved, (-1, moved.shape[-1]))
            done = xp.reshape(getattr(axis, side)(lines), moved.shape)
            L = xp.moveaxis(done, -1, number)
        return xp.reshape(L, shape)
