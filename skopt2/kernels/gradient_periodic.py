"""Weighted sums over the derivatives of the periodic kernel.

k = exp(-p), p = 2 sin(phi)^2 / w^2, phi = pi delta / T, delta = x_i - x_j, and with
theta = log w, log T

dk / dlog w = 2 k p;   dk / dlog T = 2 k sin(2 phi) phi / w^2.

For one feature sin(2 phi) = s_i c_j - c_i s_j, c and s the cosines and sines of
2 pi x / T: the sum over M delta (s_i c_j - c_i s_j), M = W k, is made of the products
of M with the columns c, s, x c and x s, and no sine of a pair is taken.
"""

import math

from skopt2._core.array import accumulation_dtype, namespace
from skopt2.kernels.gradient_opaque import OpaqueLeaf
from skopt2.kernels.gradient_places import places
from skopt2.kernels.gradient_tree import Leaf


class PeriodicLeaf(Leaf):
    """Periodic kernel; points of several features are left to scikit-learn.

    Parameters
    ----------
    process : sklearn.gaussian_process.kernels.ExpSineSquared
        Kernel object.
    kernel : Periodic
        The same kernel here.
    place : int
        Where in theta its parameters begin.
    """

    def __init__(self, process, kernel, place):
        super().__init__(kernel)
        where = places(process, place)
        self.width, self.period = where["length_scale"], where["periodicity"]
        self.active = self.width is not None or self.period is not None
        self.other = OpaqueLeaf(process, place)

    def bind(self, X):
        """Prepare points, and columns of cosines and sines; see :meth:`Node.bind`."""
        super().bind(X)
        self.other = self.other if X.shape[1] > 1 else None
        if self.other is not None:
            self.other.number = self.number
            self.other.bind(X)
            return
        xp = namespace(X)
        x = xp.astype(X, accumulation_dtype(X))
        x = x - xp.mean(x)
        c, s = self.kernel.circle(X)
        self.right = xp.concat([c, s, x * c, x * s], axis=1)
        self.left = xp.concat([x * s, -x * c, -s, c], axis=1)

    def contract(self, tile, W, coef, wanted):
        """Add the sums over the derivatives; see :meth:`Node.contract`."""
        if self.other is not None:
            return self.other.contract(tile, W, coef, wanted)
        if not self.active and not wanted:
            return None
        p = tile.squares(self.kernel, self.A, "p")
        W *= tile.decay(p, "e")
        value = coef * tile.sum(W) if wanted else None
        if self.width is not None:
            tile.add(self.width, 2.0 * coef * tile.dot(W, p))
        if self.period is not None:
            kernel = self.kernel
            factor = 2.0 * math.pi / (float(kernel.width) ** 2 * float(kernel.period))
            tile.add(self.period, factor * coef * self._turned(tile, W))
        return value

    def _turned(self, tile, M):
        """Return the sum over M delta sin(2 phi)."""
        M = tile.without_diagonal(M)
        xp = namespace(M)
        product = xp.astype(M, self.right.dtype) @ self.right[tile.columns, :]
        return xp.sum(self.left[tile.rows, :] * product)
