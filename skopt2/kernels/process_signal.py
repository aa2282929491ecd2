"""What the kernel objects of scikit-learn's Gaussian processes say about two points.

A kernel object is a tree. White parts are noise: they are zero for two points, whatever
these are, and count on the diagonal of the matrix alone. With s the part that is a
function of two points and w the noise on the diagonal,

sum: s = s_1 + s_2, w = w_1 + w_2;
product: s = s_1 s_2, w = d_1 w_2 + w_1 d_2 + w_1 w_2, d_i = s_i(x, x);
power: s = s_1^q, w = (d_1 + w_1)^q - d_1^q.
"""

import math

import numpy as np
from sklearn.gaussian_process import kernels as gp

from skopt2.kernels.constant import Constant
from skopt2.kernels.folding import folded, power
from skopt2.kernels.from_pairwise import FromPairwise
from skopt2.kernels.gaussian import Gaussian
from skopt2.kernels.matern import Matern
from skopt2.kernels.polynomial import Polynomial
from skopt2.kernels.power import Power
from skopt2.kernels.product import Product
from skopt2.kernels.rational_quadratic import RationalQuadratic
from skopt2.kernels.sum import Sum

_SMOOTHNESS = (0.5, 1.5, 2.5, math.inf)


def signal_of(kernel):
    """Return the part of a kernel object that is a function of two points.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        With or without white parts.

    Returns
    -------
    signal : Kernel
        In its quickest form; ``Constant(0.0)`` where all is white. Kernels without a
        form here are wrapped, see :class:`FromPairwise`.

    Raises
    ------
    ValueError
        If the kernel is a compound of several, or its parameters are out of range.
    """
    signal = _signal(kernel)
    signal.check_parameters()
    return signal


def _signal(kernel):
    """Return the folded signal of one node of the tree."""
    kind = type(kernel)
    if kind is gp.CompoundKernel:
        raise ValueError(
            f"kernel={kernel!r} stands for several kernels at once: give one of them."
        )
    if kind is gp.Sum:
        return folded(Sum([_signal(kernel.k1), _signal(kernel.k2)]))
    if kind is gp.Product:
        return folded(Product([_signal(kernel.k1), _signal(kernel.k2)]))
    if kind is gp.Exponentiation:
        return _power(kernel)
    return _leaf(kernel)


def _power(kernel):
    """Return the signal of a power."""
    exponent = float(kernel.exponent)
    if exponent > 0:
        inner = _signal(kernel.kernel)
        found = power(inner, exponent)
        if found is not None:
            return found
        if exponent.is_integer():
            return Power(inner, int(exponent))
    return FromPairwise(kernel)


def _leaf(kernel):
    """Return the kernel here of a kernel that is not made of others."""
    kind = type(kernel)
    if kind is gp.WhiteKernel:
        return Constant(0.0)
    if kind is gp.ConstantKernel:
        return Constant(float(kernel.constant_value))
    if kind is gp.RBF:
        return Gaussian(length_scale_of(kernel))
    if kind is gp.Matern and kernel.nu in _SMOOTHNESS:
        return Matern(float(kernel.nu), length_scale_of(kernel))
    if kind is gp.RationalQuadratic:
        return RationalQuadratic(float(kernel.alpha), length_scale_of(kernel))
    if kind is gp.DotProduct:
        return Polynomial(1, gamma=1.0, coef0=float(kernel.sigma_0) ** 2)
    return FromPairwise(kernel)


def length_scale_of(kernel):
    """Return the length scale of a kernel object as scikit-learn takes it.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        One that has a length scale.

    Returns
    -------
    length_scale : float or ndarray of shape (d,)
        An array of one number counts as the number.
    """
    length_scale = np.squeeze(np.asarray(kernel.length_scale, dtype=np.float64))
    return length_scale if length_scale.ndim else float(length_scale)


def has_white(kernel):
    """Return whether a kernel object has a white part.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        Anything else has none.

    Returns
    -------
    found : bool
        Whether a WhiteKernel is anywhere in the tree.
    """
    kind = type(kernel)
    if kind in (gp.Sum, gp.Product):
        return has_white(kernel.k1) or has_white(kernel.k2)
    if kind is gp.Exponentiation:
        return has_white(kernel.kernel)
    return isinstance(kernel, gp.WhiteKernel)


def diagonal_parts(kernel, X):
    """Return the diagonals of the signal and of the noise of a kernel object.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        With or without white parts.
    X : ndarray of shape (n, d)
        Points, in float64.

    Returns
    -------
    signal, noise : float or ndarray of shape (n,)
        s(x, x) and w at each point; a number where it is the same for all.
    """
    kind = type(kernel)
    if isinstance(kernel, gp.WhiteKernel):
        return 0.0, float(kernel.noise_level)
    if kind in (gp.Sum, gp.Product):
        (s, w), (t, v) = (diagonal_parts(k, X) for k in (kernel.k1, kernel.k2))
        if kind is gp.Sum:
            return s + t, w + v
        return s * t, s * v + w * t + w * v
    if kind is gp.Exponentiation:
        s, w = diagonal_parts(kernel.kernel, X)
        exponent = float(kernel.exponent)
        return s**exponent, (s + w) ** exponent - s**exponent
    if kernel.is_stationary() and X.shape[0]:
        return float(kernel.diag(X[:1])[0]), 0.0
    return kernel.diag(X), 0.0
