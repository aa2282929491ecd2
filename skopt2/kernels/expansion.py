"""Kernels as sums of terms whose random features are known.

A kernel that is built of others by sums, products and factors is multiplied out,

    k = sum_t v_t prod_f k_tf,    v_t > 0,

where each k_tf is stationary, or the product of two points. A term without factors is
constant.
"""

import functools
from dataclasses import dataclass

from skopt2.kernels.constant import Constant
from skopt2.kernels.linear import Linear
from skopt2.kernels.polynomial import Polynomial
from skopt2.kernels.power import Power
from skopt2.kernels.product import Product
from skopt2.kernels.scaled import Scaled
from skopt2.kernels.spectral import has_frequencies
from skopt2.kernels.sum import Sum


@dataclass(frozen=True)
class Term:
    """One product of the expanded kernel.

    Parameters
    ----------
    weight : float
        v_t.
    waves : tuple of Kernel
        Stationary factors.
    degree : int
        How often the inner product x.y is a factor.
    """

    weight: float
    waves: tuple = ()
    degree: int = 0

    def times(self, other):
        """Return the product with another term."""
        return Term(
            self.weight * other.weight,
            self.waves + other.waves,
            self.degree + other.degree,
        )


def expand(kernel):
    """Multiply a kernel out.

    Parameters
    ----------
    kernel : Kernel
        With numbers for parameters; a gamma of None counts as 1.

    Returns
    -------
    terms : list of Term
        Their sum is the kernel.

    Raises
    ------
    ValueError
        If a part of the kernel has no random features; it is named.
    """
    if has_frequencies(kernel):
        return [Term(1.0, (kernel,))]
    if isinstance(kernel, Scaled):
        return _product([Term(float(kernel.variance))], expand(kernel.kernel))
    if isinstance(kernel, Sum):
        return [term for part in kernel.kernels for term in expand(part)]
    if isinstance(kernel, Product):
        return functools.reduce(_product, map(expand, kernel.kernels))
    if isinstance(kernel, Power):
        return functools.reduce(_product, [expand(kernel.kernel)] * kernel.exponent)
    if isinstance(kernel, Constant):
        return _positive([Term(float(kernel.value))])
    if isinstance(kernel, Linear):
        return [Term(1.0, degree=1)]
    if isinstance(kernel, Polynomial):
        gamma = 1.0 if kernel.gamma is None else float(kernel.gamma)
        base = _positive([Term(gamma, degree=1), Term(float(kernel.coef0))])
        return functools.reduce(_product, [base] * kernel.degree)
    raise ValueError(
        f"The kernel {kernel!r} has no random features: use Gaussian, Laplacian, "
        "Matern, Cauchy, ExponentialPower, RationalQuadratic, Linear, Constant, or "
        "sums and products of them."
    )


def _product(left, right):
    """Return the terms of a product of two kernels, like ones collected."""
    collected = {}
    for one in left:
        for other in right:
            term = one.times(other)
            key = (term.waves, term.degree)
            weight = collected.get(key, 0.0) + term.weight
            collected[key] = weight
    return [Term(weight, *key) for key, weight in collected.items()]


def _positive(terms):
    """Return the terms whose weight is not 0."""
    return [term for term in terms if term.weight > 0.0]
