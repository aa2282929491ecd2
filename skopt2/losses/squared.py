"""The squared loss.

Loss: l(y, eta) = (y - eta)^2 / 2, with conjugate l*(y, theta) = theta^2 / 2 + y theta;
summed over the outputs where y is (n, K).

Source: C. F. Gauss, Theoria combinationis observationum, 1823; conjugate after S. Boyd
and L. Vandenberghe, Convex Optimization, 2004, section 3.3.
"""

from skopt2._core.array import dot64, namespace
from skopt2.losses.base import Loss


class Squared(Loss):
    """Squared loss (y - eta)^2 / 2, for regression.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Squared
    >>> Squared().gradient(np.array([1.0, 2.0]), np.array([3.0, 3.0])).tolist()
    [2.0, 1.0]
    """

    name = "squared"
    is_quadratic = True

    def value(self, y, eta, s):
        """Weighted sum of (y - eta)^2 / 2, as a float."""
        residual = eta - y
        return 0.5 * dot64(_rows(s, y) * residual, residual)

    def gradient(self, y, eta):
        """Derivative eta - y of each sample."""
        return eta - y

    def curvature(self, y, eta):
        """Second derivative of each sample: ones."""
        return namespace(eta).ones_like(eta)

    def conjugate(self, y, theta, s):
        """Weighted sum of theta^2 / 2 + y theta, as a float."""
        return dot64(_rows(s, y) * theta, 0.5 * theta + y)

    def balance(self, y, theta, s):
        """Projection of theta on sum_i s_i theta_i = 0: the domain is everything."""
        return theta - (dot64(s, theta) if theta.ndim == 1 else s @ theta)

    def intercept_start(self, y, s):
        """Weighted mean of y, of each output."""
        return dot64(s, y) if y.ndim == 1 else s @ y


def _rows(s, y):
    """Return the weights of the samples beside a target."""
    return s if y.ndim == 1 else s[:, None]
