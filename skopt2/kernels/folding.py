"""Kernels made of kernels, in the form that is quickest to compute.

v (w k) = (v w) k; sums of sums and products of products are one; constants are pulled
out of products and added up in sums; a product of Gaussian kernels of the scales l_m is
Gaussian, 1 / l^2 = sum_m 1 / l_m^2; powers of Gaussian, Laplacian, rational
quadratic, periodic and polynomial kernels are kernels of the same name.
"""

import math
from numbers import Real

import numpy as np

from skopt2._core.array import to_numpy
from skopt2.kernels.constant import Constant
from skopt2.kernels.gaussian import Gaussian
from skopt2.kernels.laplacian import Laplacian
from skopt2.kernels.matern import Matern
from skopt2.kernels.periodic import Periodic
from skopt2.kernels.polynomial import Polynomial
from skopt2.kernels.power import Power
from skopt2.kernels.product import Product
from skopt2.kernels.rational_quadratic import RationalQuadratic
from skopt2.kernels.scaled import Scaled
from skopt2.kernels.sum import Sum


def folded(kernel):
    """Return a kernel in its quickest form.

    Parameters
    ----------
    kernel : Kernel
        Resolved: its parameters are numbers.

    Returns
    -------
    folded : Kernel
        Of the same values up to rounding; ``kernel`` itself if it has no parts.
    """
    if type(kernel) is Scaled:
        return scaled(folded(kernel.kernel), float(kernel.variance))
    if type(kernel) is Sum:
        return _sum([folded(term) for term in kernel.kernels])
    if type(kernel) is Product:
        return _product([folded(factor) for factor in kernel.kernels])
    if type(kernel) is Power:
        inner = folded(kernel.kernel)
        found = power(inner, kernel.exponent)
        return Power(inner, kernel.exponent) if found is None else found
    return kernel


def scaled(kernel, variance):
    """Return a folded kernel times a number.

    Parameters
    ----------
    kernel : Kernel
        Folded.
    variance : float
        Nonnegative.

    Returns
    -------
    scaled : Kernel
        Folded.
    """
    if variance == 0.0:
        return Constant(0.0)
    if type(kernel) is Scaled:
        kernel, variance = kernel.kernel, variance * kernel.variance
    if type(kernel) is Constant:
        return Constant(variance * kernel.value)
    return kernel if variance == 1.0 else Scaled(kernel, variance)


def power(kernel, exponent):
    """Return a positive power of a folded kernel where it has a form of its own.

    Parameters
    ----------
    kernel : Kernel
        Folded.
    exponent : float
        Positive.

    Returns
    -------
    power : Kernel or None
        Folded.
    """
    if exponent == 1:
        return kernel
    kind = type(kernel)
    if kind is Constant:
        return Constant(float(kernel.value) ** exponent)
    if kind is Scaled:
        inner = power(kernel.kernel, exponent)
        if inner is None and _whole(exponent):
            inner = Power(kernel.kernel, int(exponent))
        if inner is None:
            return None
        return scaled(inner, float(kernel.variance) ** exponent)
    if kind is Product:
        factors = [power(factor, exponent) for factor in kernel.kernels]
        return None if None in factors else _product(factors)
    if kind is Polynomial and kernel.gamma is not None and _whole(exponent):
        degree = int(exponent) * int(kernel.degree)
        return Polynomial(degree, gamma=kernel.gamma, coef0=kernel.coef0)
    if kind is Power and _whole(exponent):
        return Power(kernel.kernel, int(exponent) * int(kernel.exponent))
    return _radial_power(kernel, exponent)


def _radial_power(kernel, exponent):
    """Return the power of a kernel of the distance, or None."""
    kind = type(kernel)
    if kind is Laplacian:
        return Laplacian(_divided(kernel.length_scale, exponent))
    if kind is Matern and kernel.nu == 0.5:
        return Matern(0.5, _divided(kernel.length_scale, exponent))
    root = math.sqrt(exponent)
    if kind is Matern and kernel.nu == math.inf:
        return Matern(math.inf, _divided(kernel.length_scale, root))
    if kind is Gaussian:
        return Gaussian(_divided(kernel.length_scale, root))
    if kind is RationalQuadratic:
        shape = float(kernel.shape) * exponent
        return RationalQuadratic(shape, _divided(kernel.length_scale, root))
    if kind is Periodic:
        return Periodic(kernel.period, float(kernel.width) / root)
    return None


def _divided(length_scale, number):
    """Return a length scale over a number."""
    if isinstance(length_scale, Real):
        return float(length_scale) / number
    return _host(length_scale) / number


def _whole(exponent):
    """Return whether a number is whole."""
    return float(exponent).is_integer()


def _sum(terms):
    """Return the sum of folded kernels."""
    flat, constant = [], 0.0
    for term in terms:
        for part in term.kernels if type(term) is Sum else (term,):
            if type(part) is Constant:
                constant += float(part.value)
            else:
                flat.append(part)
    if constant > 0.0 or not flat:
        flat.append(Constant(constant))
    return flat[0] if len(flat) == 1 else Sum(flat)


def _product(factors):
    """Return the product of folded kernels."""
    flat, variance, smooth = [], 1.0, []
    for factor in factors:
        if type(factor) is Scaled:
            factor, variance = factor.kernel, variance * float(factor.variance)
        for part in factor.kernels if type(factor) is Product else (factor,):
            if type(part) is Constant:
                variance *= float(part.value)
            elif type(part) is Gaussian:
                smooth.append(part)
            else:
                flat.append(part)
    if smooth:
        flat = [*_one_gaussian(smooth), *flat]
    if not flat:
        return Constant(variance)
    return scaled(flat[0] if len(flat) == 1 else Product(flat), variance)


def _one_gaussian(kernels):
    """Return the Gaussian kernel that is a product of such, in a list."""
    scales = [_host(kernel.length_scale) for kernel in kernels]
    sizes = {scale.size for scale in scales if scale.ndim}
    if len(kernels) == 1 or len(sizes) > 1:
        # Length scales of different numbers of features: named as points are prepared.
        return kernels
    total = sum(scale**-2.0 for scale in scales)
    length_scale = 1.0 / np.sqrt(total)
    return [Gaussian(length_scale if length_scale.ndim else float(length_scale))]


def _host(length_scale):
    """Return length scales as a NumPy array."""
    if hasattr(length_scale, "dtype"):
        length_scale = to_numpy(length_scale)
    return np.asarray(length_scale, dtype=np.float64)
