"""Derivatives of kernel objects that have no closed form here.

Most kernel objects compute their own derivatives, for all pairs of one set of points:
those of a tile of two sets are a part of those of both sets together. Where they would
do so by one-sided differences themselves, the kernel is differentiated by central
differences of the fourth order in theta = log(parameters) instead,

dk / dtheta = (8 (k(theta + h) - k(theta - h)) - k(theta + 2 h) + k(theta - 2 h))
/ (12 h) + O(h^4).
"""

import math

import numpy as np
from sklearn.gaussian_process import kernels as gp

from skopt2._core.array import accumulation_dtype, asarray_like, to_numpy
from skopt2.kernels.from_pairwise import FromPairwise
from skopt2.kernels.gradient_tree import Leaf

# Step in theta, at which the error of the differences is about that of rounding.
_STEP = 2e-3
_WEIGHTS = ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0))


class OpaqueLeaf(Leaf):
    """Kernel object that scikit-learn, or its author, computes.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        Not made of others, without a white part.
    place : int
        Where in theta its parameters begin.
    """

    def __init__(self, kernel, place):
        super().__init__(FromPairwise(kernel))
        self.process, self.place = kernel, place
        self.active = bool(np.size(kernel.theta))

    def contract(self, tile, W, coef, wanted):
        """Add the sums over the derivatives; see :meth:`Node.contract`."""
        if self.active:
            rows, columns = (
                np.asarray(to_numpy(tile.X[part, :]), dtype=np.float64)
                for part in (tile.rows, tile.columns)
            )
            weights = np.asarray(to_numpy(W), dtype=np.float64)
            if has_own_derivative(self.process):
                sums = self._own(rows, columns, weights, tile.rows == tile.columns)
            else:
                sums = differences(
                    self.process, lambda kernel: np.vdot(weights, kernel(rows, columns))
                )
            accurate = accumulation_dtype(tile.X)
            tile.add(self.place, asarray_like(coef * sums, tile.X, accurate))
        return super().contract(tile, W, coef, wanted)

    def _own(self, rows, columns, weights, same):
        """Return the sums over the derivatives that the kernel object computes."""
        if same:
            return np.tensordot(weights, self.process(rows, eval_gradient=True)[1], 2)
        total, height = 0.0, rows.shape[0]
        for start in range(0, columns.shape[0], height):
            some = columns[start : start + height]
            both = self.process(np.concatenate([rows, some]), eval_gradient=True)[1]
            part = weights[:, start : start + height]
            total = total + np.tensordot(part, both[:height, height:], 2)
        return total


def has_own_derivative(kernel):
    """Return whether a kernel object computes its derivatives exactly.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        Not made of others.

    Returns
    -------
    found : bool
        False for those of scikit-learn that take one-sided differences.
    """
    if isinstance(kernel, gp.Matern):
        return kernel.nu in (0.5, 1.5, 2.5, math.inf)
    return not isinstance(kernel, gp.PairwiseKernel)


def differences(kernel, function):
    """Return the derivatives by theta of a function of a kernel object.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        Where to take them.
    function : callable
        ``function(kernel)`` returns a number or an array.

    Returns
    -------
    derivatives : ndarray of shape (n_theta, ...)
        One for each parameter that is not fixed.
    """
    theta = np.asarray(kernel.theta, dtype=np.float64)
    found = []
    for k in range(theta.size):
        total = 0.0
        for steps, weight in _WEIGHTS:
            moved = theta.copy()
            moved[k] += steps * _STEP
            total = total + weight * function(kernel.clone_with_theta(moved))
        found.append(total / (12.0 * _STEP))
    return np.asarray(found)
