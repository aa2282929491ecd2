"""The white parts of kernel objects, on the diagonal of the matrix.

A kernel object is a tree. White parts are zero for two points, whatever these are, and
count on the diagonal of the matrix alone. With s_i the diagonals of the parts that are
functions of two points, and w_i the noise,

sum: s = s_1 + s_2, w = w_1 + w_2;
product: s = s_1 s_2, w = s_1 w_2 + w_1 s_2 + w_1 w_2;
power: s = s_1^q, w = (s_1 + w_1)^q - s_1^q.

The derivatives by theta, the logarithms of the parameters, go along.
"""

import numpy as np
from sklearn.gaussian_process import kernels as gp

from skopt2.kernels.gradient_opaque import differences
from skopt2.kernels.gradient_places import branches, places


class Dual:
    """Number, or one for each point, with its derivatives.

    Parameters
    ----------
    value : float or ndarray of shape (n,)
        The number.
    derivatives : dict
        The derivatives by place in theta, where they are not zero.
    """

    def __init__(self, value, derivatives):
        self.value, self.derivatives = value, derivatives

    def _combined(self, value, other, own, others):
        derivatives = {k: own * x for k, x in self.derivatives.items()}
        for k, x in other.derivatives.items():
            derivatives[k] = derivatives.get(k, 0.0) + others * x
        return Dual(value, derivatives)

    def __add__(self, other):
        """Sum of two numbers."""
        return self._combined(self.value + other.value, other, 1.0, 1.0)

    def __sub__(self, other):
        """Difference of two numbers."""
        return self._combined(self.value - other.value, other, 1.0, -1.0)

    def __mul__(self, other):
        """Product of two numbers."""
        value = self.value * other.value
        return self._combined(value, other, other.value, self.value)

    def __pow__(self, exponent):
        """Power of a number, 0 for the base 0."""
        slope = np.where(self.value == 0.0, 1.0, self.value) ** (exponent - 1.0)
        slope = exponent * np.where(self.value == 0.0, 0.0, slope)
        derivatives = {k: slope * x for k, x in self.derivatives.items()}
        return Dual(self.value**exponent, derivatives)


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


def noise_of(kernel, X):
    """Return what the white parts of a kernel object add on the diagonal.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        With or without white parts.
    X : ndarray of shape (n, d)
        Points, in float64.

    Returns
    -------
    noise : Dual
        With numbers where it is the same for all points.
    """
    return _diagonal(kernel, X, 0)[1]


def _diagonal(kernel, X, place):
    """Return the diagonals of the signal and of the noise."""
    kind = type(kernel)
    if isinstance(kernel, gp.WhiteKernel):
        return Dual(0.0, {}), _number(kernel.noise_level, kernel, place)
    if kind not in (gp.Sum, gp.Product, gp.Exponentiation):
        return _leaf(kernel, X, place), Dual(0.0, {})
    parts = [_diagonal(part, X, where) for part, where in branches(kernel, place)]
    s, w = parts[0]
    if kind is gp.Exponentiation:
        exponent = float(kernel.exponent)
        return s**exponent, (s + w) ** exponent - s**exponent
    t, v = parts[1]
    if kind is gp.Sum:
        return s + t, w + v
    return s * t, s * v + w * t + w * v


def _number(value, kernel, place):
    """Return the one parameter of a kernel object, which is its value."""
    value = float(value)
    (where,) = places(kernel, place).values()
    return Dual(value, {} if where is None else {where: value})


def _leaf(kernel, X, place):
    """Return the diagonal of a kernel object that is not made of others."""
    kind = type(kernel)
    if kind is gp.ConstantKernel:
        return _number(kernel.constant_value, kernel, place)
    if kind in (gp.RBF, gp.Matern, gp.RationalQuadratic):
        return Dual(1.0, {})
    if kernel.is_stationary():
        value = float(kernel.diag(X[:1])[0]) if X.shape[0] else 0.0
        X = X[:1]
    else:
        value = kernel.diag(X)
    found = differences(kernel, lambda moved: moved.diag(X))
    return Dual(value, {place + k: x for k, x in enumerate(found)})
