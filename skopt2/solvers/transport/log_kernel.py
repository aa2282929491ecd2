"""Logarithms of products with a kernel, for many vectors at once.

Symbols: C (n, m) the cost, eps > 0, L (k, m) logarithms of k vectors; wanted
R_ki = log sum_j exp(L_kj - C_ij / eps), the row sums of k plans that share the kernel.

With t_k = max_j L_kj, R_ki = t_k + log sum_j exp(-C_ij / eps) exp(L_kj - t_k) is one
matrix product. Terms that are below the range of the floats are lost; they matter only
where the whole sum is near the end of that range, and those sums are computed once more
in the log domain. So R is exact to rounding for every eps, at the price of a matrix
product for all but the smallest.

On a grid with squared distances the kernel is a product of one kernel for each axis,
and the sums run along one axis after the other.

Source: J. Solomon et al., Convolutional Wasserstein distances, ACM TOG 34, 2015,
section 3.2 (kernels of grids); J. Feydy, Geometric data analysis beyond convolutions,
2020, section 3.3 (log domain, axis by axis).
"""

import math

import numpy as np

from skopt2._core.array import asarray_like, max_abs, namespace, put
from skopt2.solvers.transport.geometry import DEVICE_BLOCK, HOST_BLOCK, DenseGeometry

# Sums above these have lost nothing that rounding would not lose. A kernel whose
# entries are above them needs no look at the sums.
LOWEST_SUM = {"float64": 1e-280, "float32": 1e-30}


class DenseLogKernel:
    """Kernel of a stored cost.

    Parameters
    ----------
    C : array of shape (n, m)
        Finite costs.
    """

    def __init__(self, C):
        self.C, self.shape = C, (int(C.shape[0]), int(C.shape[1]))
        self.dtype = C.dtype
        # Nonnegative costs with a zero in every row and column: no line of the kernel
        # is then below the range of the floats, whatever the costs are.
        self._f, self._g = DenseGeometry(C).reduction()
        self._reduced = C - self._f[:, None] - self._g[None, :]
        self.scale = max_abs(C)

    def set_reg(self, eps):
        """Prepare the products for a regularisation."""
        self.eps = eps
        E = self._reduced * (1.0 / eps)
        T = E.T if namespace(E) is not np else np.ascontiguousarray(E.T)
        self._rows, self._cols = LogProduct(E), LogProduct(T)
        self._x, self._y = self._f * (1.0 / eps), self._g * (1.0 / eps)

    def rows(self, L):
        """Return log sum_j exp(L_kj - C_ij / eps), shape (k, n)."""
        return self._rows(L - self._y[None, :]) - self._x[None, :]

    def cols(self, L):
        """Return log sum_i exp(L_ki - C_ij / eps), shape (k, m)."""
        return self._cols(L - self._x[None, :]) - self._y[None, :]


class GridLogKernel:
    """Kernel of squared distances between the points of a grid, axis by axis.

    Bins are numbered in row-major order, and the points of an axis are 0, 1, 2, ...

    Parameters
    ----------
    lengths : tuple of int
        Numbers of points along each axis.
    like : array
        Of the dtype and on the device to use.
    """

    def __init__(self, lengths, like):
        self.lengths = tuple(int(n) for n in lengths)
        n = math.prod(self.lengths)
        self.shape, self.dtype, self._like = (n, n), like.dtype, like
        self.scale = float(sum((n - 1) ** 2 for n in self.lengths))

    def set_reg(self, eps):
        """Prepare the products for a regularisation."""
        self.eps, made = eps, {}
        for n in self.lengths:
            if n not in made:
                x = np.arange(n, dtype=np.float64)
                E = (x[:, None] - x) ** 2 / eps
                made[n] = LogProduct(asarray_like(E, self._like))
        self._axes = [made[n] for n in self.lengths]

    def rows(self, L):
        """Return log sum_j exp(L_kj - C_ij / eps), shape (k, n)."""
        xp, shape = namespace(L), L.shape
        L = xp.reshape(L, (shape[0], *self.lengths))
        for axis, product in enumerate(self._axes, start=1):
            moved = xp.moveaxis(L, axis, -1)
            lines = xp.reshape(moved, (-1, moved.shape[-1]))
            L = xp.moveaxis(xp.reshape(product(lines), moved.shape), -1, axis)
        return xp.reshape(L, shape)

    # The costs are symmetric.
    cols = rows

    def points(self):
        """Return the points of the grid, shape (n, d), in the order of the bins."""
        axes = np.meshgrid(*(np.arange(float(n)) for n in self.lengths), indexing="ij")
        return asarray_like(np.stack([x.ravel() for x in axes], axis=1), self._like)


class LogProduct:
    """The map L -> log sum_j exp(L_kj - E_ij) of lines L_k.

    Parameters
    ----------
    E : array of shape (n, m)
        Nonnegative exponents with a zero in every row.
    """

    def __init__(self, E):
        xp = namespace(E)
        self.E = E
        with np.errstate(under="ignore"):
            self._kernel = xp.exp(-E).T
        name = "float32" if E.dtype == xp.float32 else "float64"
        self._lowest = LOWEST_SUM[name]
        self._safe = float(xp.max(E)) <= -math.log(self._lowest)

    def __call__(self, L):
        """Return the logarithms of the sums, shape (k, n); -inf for lines of -inf."""
        xp = namespace(L)
        top = xp.max(L, axis=1, keepdims=True)
        some = top > -math.inf
        top = xp.where(some, top, xp.zeros_like(top))
        with np.errstate(divide="ignore", under="ignore"):
            total = xp.exp(L - top) @ self._kernel
            out = xp.log(total) + top
        if self._safe:
            return out
        small = (total < self._lowest) & some
        if not bool(xp.any(small)):
            return out
        return self._exact(L, out, small)

    def _exact(self, L, out, small):
        """Return ``out`` with some of the sums computed in the log domain."""
        xp, (n, m) = namespace(L), self.E.shape
        flat = xp.reshape(out, (-1,))
        (index,) = xp.nonzero(xp.reshape(small, (-1,)))
        step = max(1, (HOST_BLOCK if xp is np else DEVICE_BLOCK) // m)
        count = int(index.shape[0])
        for start in range(0, count, step):
            some = index[start : min(start + step, count)]
            z = xp.take(L, some // n, axis=0) - xp.take(self.E, some % n, axis=0)
            top = xp.max(z, axis=1)
            with np.errstate(under="ignore"):
                total = xp.log(xp.sum(xp.exp(z - top[:, None]), axis=1))
            flat = put(flat, some, total + top)
        return xp.reshape(flat, out.shape)
