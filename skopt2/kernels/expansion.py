"""Kernels as sums of terms whose random features are known.

A kernel that is built of others by sums, products and factors is multiplied out,

    k = sum_t v_t prod_f k_tf,    v_t > 0,

where each k_tf is stationary, or the product of two points. A term without factors is
constant.
"""

from dataclasses import dataclass

from skopt2.kernels.linear import Linear
from skopt2.kernels.polynomial import Polynomial
from skopt2.kernels.spectral import has_frequencies


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
    if isinstance(kernel, Linear):
        return [Term(1.0, degree=1)]
    if isinstance(kernel, Polynomial) and kernel.degree == 1:
        gamma = 1.0 if kernel.gamma is None else float(kernel.gamma)
        terms = [Term(gamma, degree=1), Term(float(kernel.coef0))]
        return [term for term in terms if term.weight > 0.0]
    raise ValueError(
        f"The kernel {kernel!r} has no random features: use Gaussian, Laplacian, "
        "Matern, Cauchy, ExponentialPower, RationalQuadratic, Linear, Constant, or "
        "sums and products of them."
    )
