"""The huberized hinge loss.

Loss, m = y * eta, y in {-1, 1}: 0 for m > 1;
(1 - m)^2 / (2 delta) for 1 - delta < m <= 1; 1 - m - delta / 2 for m <= 1 - delta.
Conjugate, with c = y * theta in [-1, 0]: c + delta * c^2 / 2.

Source: Y. Yang and H. Zou, An efficient algorithm for computing the HHSVM and its
generalizations, Journal of Computational and Graphical Statistics 22, 2013.
"""

import math

from skopt2._core.array import dot64, namespace
from skopt2._core.parameters import check_positive
from skopt2.losses.base import Loss, check_signs


class HuberizedHinge(Loss):
    """Hinge loss with its kink rounded off, for two classes.

    Parameters
    ----------
    delta : float, default=2.0
        Width of the quadratic piece; the hinge loss is the limit 0.

    References
    ----------
    Yang and Zou, Journal of Computational and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import HuberizedHinge
    >>> HuberizedHinge(delta=1.0).gradient(np.ones(2), np.array([0.5, -3.0])).tolist()
    [-0.5, -1.0]
    """

    name = "huberized_hinge"
    task = "binary"

    def __init__(self, delta=2.0):
        self.delta = delta

    def check_parameters(self):
        """Raise ValueError unless delta is positive and finite."""
        hint = "2.0 is usual, near 0 it is the hinge loss."
        check_positive("delta", self.delta, of="the huberized hinge loss", hint=hint)

    def check_target(self, y):
        """Raise ValueError unless y is -1 or 1 everywhere."""
        check_signs(y, self.name)

    def _slope(self, shortfall):
        """Minus the derivative in the margin, in [0, 1]."""
        xp = namespace(shortfall)
        scaled = shortfall * (1.0 / float(self.delta))
        return xp.minimum(xp.maximum(scaled, 0.0), 1.0)

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        shortfall = 1.0 - y * eta
        slope = self._slope(shortfall)
        return dot64(s * slope, shortfall - (0.5 * float(self.delta)) * slope)

    def gradient(self, y, eta):
        """Derivative of each sample, between 0 and -y."""
        return -y * self._slope(1.0 - y * eta)

    def curvature(self, y, eta):
        """Generalised second derivative: 1 / delta where 1 - delta < y * eta < 1."""
        margin = y * eta
        inside = (margin < 1) & (margin > 1.0 - float(self.delta))
        return namespace(eta).astype(inside, eta.dtype) * (1.0 / float(self.delta))

    @property
    def lipschitz(self):
        """Bound 1 / delta of the second derivative."""
        return 1.0 / self.delta

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates, as a float."""
        c = y * theta
        return dot64(s * c, 1.0 + (0.5 * float(self.delta)) * c)

    def to_domain(self, y, theta):
        """Largest t in [0, 1] with -1 <= y * t * theta <= 0; 0.0 if a sign is wrong."""
        xp = namespace(theta)
        c = y * theta
        if float(xp.max(c)) > 0:
            return 0.0
        return 1.0 / max(1.0, -float(xp.min(c)))

    def intercept_start(self, y, s):
        """Minimiser over a constant, in closed form.

        With P >= N the weights of the two classes, it solves P * slope(1 - b) = N *
        slope(1 + b): both slopes quadratic gives b = P - N, which needs 2 P <= delta;
        else that of the lighter class is 1. Between equal classes 0 is a minimiser.
        """
        mean = dot64(s, y)
        heavy, light = 0.5 * (1.0 + abs(mean)), 0.5 * (1.0 - abs(mean))
        if mean == 0 or 2.0 * heavy <= self.delta:
            return mean
        return math.copysign(1.0 - self.delta * light / heavy, mean)
