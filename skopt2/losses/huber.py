"""The Huber loss.

Loss, r = y - eta: l(y, eta) = r^2 / 2 for abs(r) <= delta,
else delta * abs(r) - delta^2 / 2.
Conjugate: theta^2 / 2 + y theta on abs(theta) <= delta.

Source: P. J. Huber, Robust estimation of a location parameter, Annals of Mathematical
Statistics 35, 1964.
"""

from skopt2._core.array import dot64, max_abs, namespace
from skopt2._core.parameters import check_positive
from skopt2.losses.base import Loss, constant_minimiser


class Huber(Loss):
    """Huber loss, for regression with outliers: quadratic near 0, linear beyond.

    Parameters
    ----------
    delta : float, default=1.35
        Residual, in units of y, from which the loss is linear.

    References
    ----------
    Huber, Annals of Mathematical Statistics 35, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Huber
    >>> Huber(delta=1.0).gradient(np.zeros(2), np.array([0.5, 3.0])).tolist()
    [0.5, 1.0]
    """

    name = "huber"

    def __init__(self, delta=1.35):
        self.delta = delta

    def check_parameters(self):
        """Raise ValueError unless delta is positive and finite."""
        hint = "1.35 times the noise level is usual."
        check_positive("delta", self.delta, of="the huber loss", hint=hint)

    def gradient(self, y, eta):
        """Derivative of each sample: eta - y, clipped to [-delta, delta]."""
        xp, delta = namespace(eta), float(self.delta)
        return xp.minimum(xp.maximum(eta - y, -delta), delta)

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        residual = eta - y
        slope = self.gradient(y, eta)
        return dot64(s * slope, residual - 0.5 * slope)

    def curvature(self, y, eta):
        """Second derivative of each sample: 1 for abs(y - eta) <= delta, else 0."""
        xp = namespace(eta)
        return xp.astype(xp.abs(eta - y) <= float(self.delta), eta.dtype)

    def conjugate(self, y, theta, s):
        """Weighted sum of theta^2 / 2 + y theta, as a float."""
        return dot64(s * theta, 0.5 * theta + y)

    def to_domain(self, y, theta):
        """Largest t in (0, 1] with abs(t * theta) <= delta."""
        return 1.0 / max(1.0, max_abs(theta) / self.delta)

    def widened(self, width):
        """Return the loss with the same slopes that is quadratic up to a width.

        Parameters
        ----------
        width : float
            At least delta.

        Returns
        -------
        loss : WideHuber
            Below this one, and equal to it at the width delta.
        """
        return WideHuber(self.delta, width)

    def intercept_start(self, y, s):
        """Location estimate of y, by safeguarded Newton."""
        xp = namespace(y)
        return constant_minimiser(self, y, s, float(xp.min(y)), float(xp.max(y)))


class WideHuber(Huber):
    """Huber loss delta / h * l_h, l_h that of the width h: the slopes stay in delta.

    As h falls to delta its solutions lead to those of the loss itself.

    Parameters
    ----------
    delta : float
        Largest slope.
    width : float
        Residual h from which the loss is linear.
    """

    # This is what the other is widened to.
    widened = None

    def __init__(self, delta, width):
        super().__init__(delta)
        self.width = width

    @property
    def lipschitz(self):
        """Largest second derivative, delta / h."""
        return float(self.delta) / float(self.width)

    def gradient(self, y, eta):
        """Derivative of each sample: (eta - y) delta / h within [-delta, delta]."""
        xp, delta = namespace(eta), float(self.delta)
        return xp.minimum(xp.maximum((eta - y) * self.lipschitz, -delta), delta)

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        slope = self.gradient(y, eta)
        return dot64(s * slope, (eta - y) - (0.5 / self.lipschitz) * slope)

    def curvature(self, y, eta):
        """Second derivative of each sample: delta / h for abs(y - eta) <= h, else 0."""
        xp = namespace(eta)
        inside = xp.astype(xp.abs(eta - y) <= float(self.width), eta.dtype)
        return inside * self.lipschitz

    def conjugate(self, y, theta, s):
        """Weighted sum of h / delta theta^2 / 2 + y theta, as a float."""
        return dot64(s * theta, (0.5 / self.lipschitz) * theta + y)
