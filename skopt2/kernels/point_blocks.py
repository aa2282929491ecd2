"""Many small kernel matrices at once, and their gradients.

A kernel object of :mod:`sklearn.gaussian_process.kernels` is a tree of sums, products
and powers over simple kernels. :class:`PointBlocks` walks it for a stack of b small
sets of points in one call, where the object itself would need b calls.

Symbols: A (b, p, d) and B (b, q, d) stacks of points; K (b, p, q); G (b, p, q) weights;
theta (t,) the logarithms of the free parameters, in scikit-learn's order. The white
part of a kernel is its noise, on the diagonal alone, and not in K.
"""

import functools
import math

import numpy as np

from skopt2.kernels.block_distances import squared_distances

# Step of central differences in theta.
_STEP = 1e-5


class PointBlocks:
    """A kernel object of scikit-learn, evaluated on stacks of points.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        With float parameters. Constant, RBF, Matern, RationalQuadratic, DotProduct and
        white kernels, sums, products and powers have closed forms; other stationary
        kernels are called once for all blocks, other kernels once a block.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF
    >>> from skopt2.kernels.point_blocks import PointBlocks
    >>> A = np.arange(4.0).reshape(2, 2, 1)
    >>> PointBlocks(RBF(1.0)).values(A, A).round(4).tolist()
    [[[1.0, 0.6065], [0.6065, 1.0]], [[1.0, 0.6065], [0.6065, 1.0]]]
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self._root = _node(kernel)

    @property
    def n_theta(self):
        """Number of free parameters."""
        return int(self.kernel.theta.shape[0])

    def scales(self, n_features):
        """Units of the distance in each feature.

        Parameters
        ----------
        n_features : int
            d.

        Returns
        -------
        scales : ndarray of shape (d,)
            The smallest length scale of any part with one for each feature, where the
            process varies fastest; ones where there is no such part.
        """
        found = [
            np.asarray(value, dtype=np.float64)
            for name, value in self.kernel.get_params().items()
            if name.rsplit("__", 1)[-1] == "length_scale" and np.size(value) > 1
        ]
        found = [value for value in found if value.shape == (n_features,)]
        return np.min(found, axis=0) if found else np.ones(n_features)

    def values(self, A, B):
        """Kernel matrices without the white part.

        Parameters
        ----------
        A, B : ndarray of shape (b, p, d) and (b, q, d)
            Points, float64.

        Returns
        -------
        K : ndarray of shape (b, p, q)
            float64.
        """
        return self._root.value(A, B, False)

    def diagonal(self, X):
        """k(x, x) without the white part.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Points.

        Returns
        -------
        diagonal : ndarray of shape (n,)
            float64.
        """
        return self._root.value(X[:, None], X[:, None], False)[:, 0, 0]

    def noise(self, X):
        """White part of the kernel at points, which is 0 where there is none.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Points.

        Returns
        -------
        noise : ndarray of shape (n,)
            Variances.
        """
        if not self._root.white:
            return np.zeros(X.shape[0])
        both = self._root.value(X[:, None], X[:, None], True)[:, 0, 0]
        return np.maximum(both - self.diagonal(X), 0.0)

    def gradient(self, A, G):
        """Sum of G times the derivative of the square blocks, white part included.

        Parameters
        ----------
        A : ndarray of shape (b, p, d)
            Points; no two of one block are meant as the same point.
        G : ndarray of shape (b, p, p)
            Weights, symmetric in the last two axes.

        Returns
        -------
        gradient : ndarray of shape (t,)
            sum over i, j, k of G_ijk dK_ijk / dtheta.
        """
        parts = self._root.gradient(A, G)
        return np.concatenate(parts) if parts else np.zeros(0)


def _node(kernel):
    """Return the evaluator of a kernel object."""
    kind = type(kernel)
    known = _KINDS.get(kind.__name__)
    if known is None or not kind.__module__.startswith("sklearn."):
        return _Other(kernel)
    if kind.__name__ == "Matern" and kernel.nu not in (0.5, 1.5, 2.5, math.inf):
        return _Other(kernel)
    return known(kernel)


class _Leaf:
    """Base of the evaluators: no white part, parameters of the object itself."""

    white = False

    def __init__(self, kernel):
        self.kernel = kernel

    @functools.cached_property
    def free(self):
        """Names of the free parameters, in the order of theta."""
        return [h.name for h in self.kernel.hyperparameters if not h.fixed]


class _Constant(_Leaf):
    def value(self, A, B, white):
        return np.full(
            (A.shape[0], A.shape[1], B.shape[1]), float(self.kernel.constant_value)
        )

    def gradient(self, A, G):
        if not self.free:
            return []
        return [np.array([self.kernel.constant_value * G.sum()])]


class _White(_Leaf):
    white = True

    def value(self, A, B, white):
        K = np.zeros((A.shape[0], A.shape[1], B.shape[1]))
        if white:
            p = np.arange(A.shape[1])
            K[:, p, p] = self.kernel.noise_level
        return K

    def gradient(self, A, G):
        if not self.free:
            return []
        return [np.array([self.kernel.noise_level * np.einsum("bii->", G)])]


class _DotProduct(_Leaf):
    def value(self, A, B, white):
        return A @ B.swapaxes(1, 2) + self.kernel.sigma_0**2

    def gradient(self, A, G):
        if not self.free:
            return []
        return [np.array([2.0 * self.kernel.sigma_0**2 * G.sum()])]


class _Distance(_Leaf):
    """Base of the functions of the scaled distance."""

    def _squares(self, A, B):
        scale = np.asarray(self.kernel.length_scale, dtype=np.float64)
        if A is B:
            A = B = A / scale
        else:
            A, B = A / scale, B / scale
        return squared_distances(A, B)

    def value(self, A, B, white):
        return self.profile(self._squares(A, B))

    def _scale_gradient(self, A, weights, squares):
        """Return sum of weights times (d_k / l_k)^2, for each k or in all."""
        scale = np.asarray(self.kernel.length_scale, dtype=np.float64)
        if scale.ndim == 0 or scale.size == 1:
            return np.array([np.vdot(weights, squares)])
        rows = A / scale
        found = np.empty(scale.shape[0])
        for k in range(scale.shape[0]):
            step = rows[:, :, k, None] - rows[:, None, :, k]
            found[k] = np.vdot(weights, step * step)
        return found

    def gradient(self, A, G):
        if not self.free:
            return []
        squares = self._squares(A, A)
        return [self._scale_gradient(A, G * self.slope(squares), squares)]


class _RBF(_Distance):
    def profile(self, s):
        return np.exp(-0.5 * s)

    def slope(self, s):
        """Return the factor of (d_k / l_k)^2 in the derivative by log l_k."""
        return np.exp(-0.5 * s)


class _Matern(_Distance):
    def profile(self, s):
        nu = self.kernel.nu
        if nu == math.inf:
            return np.exp(-0.5 * s)
        t = np.sqrt(2.0 * nu * s)
        decay = np.exp(-t)
        if nu == 0.5:
            return decay
        return (1.0 + t) * decay if nu == 1.5 else (1.0 + t + t * t / 3.0) * decay

    def slope(self, s):
        """Return the factor of (d_k / l_k)^2 in the derivative by log l_k."""
        nu = self.kernel.nu
        if nu == math.inf:
            return np.exp(-0.5 * s)
        t = np.sqrt(2.0 * nu * s)
        decay = np.exp(-t)
        if nu == 0.5:
            return np.divide(decay, t, out=np.zeros_like(t), where=t > 0)
        return 3.0 * decay if nu == 1.5 else (5.0 / 3.0) * (1.0 + t) * decay


class _RationalQuadratic(_Distance):
    def profile(self, s):
        return (1.0 + s / (2.0 * self.kernel.alpha)) ** -self.kernel.alpha

    def gradient(self, A, G):
        squares = self._squares(A, A)
        alpha = self.kernel.alpha
        base = 1.0 + squares / (2.0 * alpha)
        weighted = G * base**-alpha
        parts = []
        if "alpha" in self.free:
            slope = squares / (2.0 * base) - alpha * np.log(base)
            parts.append(np.array([np.vdot(weighted, slope)]))
        if "length_scale" in self.free:
            parts.append(np.array([np.vdot(weighted / base, squares)]))
        return parts


class _Pair:
    """Base of the sums and products of two kernels."""

    def __init__(self, kernel):
        self.first, self.second = _node(kernel.k1), _node(kernel.k2)
        self.white = self.first.white or self.second.white


class _Sum(_Pair):
    def value(self, A, B, white):
        return self.first.value(A, B, white) + self.second.value(A, B, white)

    def gradient(self, A, G):
        return self.first.gradient(A, G) + self.second.gradient(A, G)


class _Product(_Pair):
    def value(self, A, B, white):
        return self.first.value(A, B, white) * self.second.value(A, B, white)

    def gradient(self, A, G):
        return self.first.gradient(
            A, G * self.second.value(A, A, True)
        ) + self.second.gradient(A, G * self.first.value(A, A, True))


class _Power:
    def __init__(self, kernel):
        self.kernel, self.base = kernel, _node(kernel.kernel)
        self.white = self.base.white

    def value(self, A, B, white):
        return self.base.value(A, B, white) ** self.kernel.exponent

    def gradient(self, A, G):
        exponent = self.kernel.exponent
        inner = self.base.value(A, A, True) ** (exponent - 1.0)
        return self.base.gradient(A, G * (exponent * inner))


class _Other(_Leaf):
    """Any other kernel object: by its own call, and central differences."""

    def __init__(self, kernel):
        super().__init__(kernel)
        point = np.zeros((1, _n_features(kernel)))
        # A white part is seen where a point is compared with itself, not with its copy.
        with np.errstate(all="ignore"):
            alone, beside = kernel(point)[0, 0], kernel(point, point.copy())[0, 0]
        self.white = bool(alone != beside)

    def value(self, A, B, white, kernel=None):
        kernel = self.kernel if kernel is None else kernel
        b, p, q = A.shape[0], A.shape[1], B.shape[1]
        if kernel.is_stationary():
            steps = (A[:, :, None, :] - B[:, None, :, :]).reshape(b * p * q, -1)
            K = kernel(steps, np.zeros((1, steps.shape[1]))).reshape(b, p, q)
        else:
            K = np.stack([kernel(A[i], B[i]) for i in range(b)])
        if white and self.white:
            # The diagonal of the object is that of one point with itself.
            index = np.arange(p)
            K[:, index, index] = kernel.diag(A.reshape(b * p, -1)).reshape(b, p)
        return K

    def gradient(self, A, G):
        theta = self.kernel.theta
        found = np.zeros(theta.shape[0])
        for k in range(theta.shape[0]):
            for sign in (1.0, -1.0):
                moved = theta.copy()
                moved[k] += sign * _STEP
                K = self.value(A, A, True, self.kernel.clone_with_theta(moved))
                found[k] += sign * np.vdot(G, K) / (2.0 * _STEP)
        return [found]


def _n_features(kernel):
    """Return a number of features that a kernel object accepts."""
    scale = getattr(kernel, "length_scale", 1.0)
    return int(np.size(scale))


_KINDS = {
    "ConstantKernel": _Constant,
    "WhiteKernel": _White,
    "DotProduct": _DotProduct,
    "RBF": _RBF,
    "Matern": _Matern,
    "RationalQuadratic": _RationalQuadratic,
    "Sum": _Sum,
    "Product": _Product,
    "Exponentiation": _Power,
}
