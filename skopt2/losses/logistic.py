"""The logistic loss.

Loss: l(y, eta) = log(1 + exp(-y * eta)), y in {-1, 1}. Conjugate, with p = -y * theta
in [0, 1]: p * log(p) + (1 - p) * log(1 - p).

Source: T. Hastie, R. Tibshirani and J. Friedman, The Elements of Statistical Learning,
2nd edition, 2009, section 4.4; conjugate after S. Boyd and L. Vandenberghe, Convex
Optimization, 2004, section 3.3.
"""

import math

from skopt2._core.array import dot64, expit, namespace, xlogy
from skopt2.losses.base import Loss, check_signs


class Logistic(Loss):
    """Logistic loss log(1 + exp(-y * eta)), for two classes.

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Logistic
    >>> Logistic().gradient(np.array([1.0, -1.0]), np.zeros(2)).tolist()
    [-0.5, 0.5]
    """

    name = "logistic"
    task = "binary"
    probabilistic = True

    def check_target(self, y):
        """Raise ValueError unless y is -1 or 1 everywhere."""
        check_signs(y, self.name)

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        xp = namespace(eta)
        margin = y * eta
        tail = xp.log1p(xp.exp(-xp.abs(margin)))
        return dot64(s, tail - xp.minimum(margin, 0.0))

    def gradient(self, y, eta):
        """Derivative -y / (1 + exp(y * eta)) of each sample."""
        xp = namespace(eta)
        # Beyond this margin exp overflows; before it the quotient has underflowed to 0.
        ceiling = 87.0 if eta.dtype == xp.float32 else 700.0
        return -y / (1.0 + xp.exp(xp.minimum(y * eta, ceiling)))

    def curvature(self, y, eta):
        """Second derivative p * (1 - p) of each sample, p = 1 / (1 + exp(-eta))."""
        xp = namespace(eta)
        small = xp.exp(-xp.abs(eta))
        total = 1.0 + small
        total *= total
        small /= total
        return small

    @property
    def lipschitz(self):
        """Bound 1/4 of the second derivative."""
        return 0.25

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates (negative entropies), as a float."""
        xp = namespace(theta)
        p = xp.minimum(xp.maximum(-y * theta, 0.0), 1.0)
        return dot64(s, xlogy(p, p) + xlogy(1.0 - p, 1.0 - p))

    def to_domain(self, y, theta):
        """Largest t in [0, 1] with 0 <= -y * t * theta <= 1; 0.0 if a sign is wrong."""
        xp = namespace(theta)
        p = -y * theta
        if float(xp.min(p)) < 0:
            return 0.0
        return 1.0 / max(1.0, float(xp.max(p)))

    def inverse_link(self, eta):
        """Probability of the class y = 1."""
        return expit(eta)

    def intercept_start(self, y, s):
        """Log odds of the class y = 1; finite even if one class has no weight."""
        mean = dot64(s, y)
        return math.log(max(1.0 + mean, 1e-12) / max(1.0 - mean, 1e-12))
