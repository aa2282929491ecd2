"""What the kernel objects of scikit-learn's Gaussian processes say about two points.

A kernel object is a tree. White parts are zero for two points, whatever these are; what
they add on the diagonal of the matrix is in :mod:`skopt2.kernels.process_noise`.
"""

import math

import numpy as np
from sklearn.gaussian_process import kernels as gp

from skopt2.kernels.constant import Constant
from skopt2.kernels.folding import folded, power
from skopt2.kernels.from_pairwise import FromPairwise
from skopt2.kernels.gaussian import Gaussian
from skopt2.kernels.matern import Matern
from skopt2.kernels.periodic import Periodic
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
    if kind is gp.ExpSineSquared:
        return Periodic(float(kernel.periodicity), float(kernel.length_scale))
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
