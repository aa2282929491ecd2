"""The quantile (pinball) loss and its smoothed form.

Loss, r = y - eta: l(y, eta) = (q - 1/2) r + abs(r) / 2. With smoothing h > 0 and
abs(r) <= h the second term becomes r^2 / (4 h) + h / 4: the pinball convolved with the
uniform density on [-h, h]. That is convex and continuously differentiable, never below
the pinball, above it by at most h / 4, and equal to it for abs(r) >= h.
Conjugate: y theta + h * ((theta + q - 1/2)^2 - 1/4) on -q <= theta <= 1 - q.

Sources: R. Koenker and G. Bassett, Regression quantiles, Econometrica 46, 1978; X. He,
X. Pan, K. M. Tan and W.-X. Zhou, Smoothed quantile regression with large-scale
inference, Journal of Econometrics 232, 2023 (uniform kernel).
"""

from sklearn.base import clone

from skopt2._core.array import dot64, namespace
from skopt2._core.parameters import check_number
from skopt2._core.weighted_quantile import weighted_quantile
from skopt2.losses.base import Loss, constant_minimiser


class Quantile(Loss):
    """Pinball loss, for conditional quantiles: median regression at 0.5.

    Parameters
    ----------
    quantile : float, default=0.5
        Level in (0, 1).
    smoothing : float, default=0.0
        Half-width h, in units of y, of the quadratic piece; 0 is the pinball itself.

    References
    ----------
    Koenker and Bassett, Econometrica 46, 1978; He et al., Journal of Econometrics 232,
    2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Quantile
    >>> Quantile(0.75).gradient(np.array([0.0, 2.0]), np.ones(2)).tolist()
    [0.25, -0.75]
    """

    name = "quantile"
    smoothable = True

    def __init__(self, quantile=0.5, smoothing=0.0):
        self.quantile = quantile
        self.smoothing = smoothing

    def check_parameters(self):
        """Raise ValueError unless 0 < quantile < 1 and smoothing >= 0."""
        of = "the quantile loss"
        hint = "Use 0.5 for the median."
        check_number(
            "quantile", self.quantile, 0, 1, closed="neither", of=of, hint=hint
        )
        hint = "Use 0.0 for the exact loss."
        check_number("smoothing", self.smoothing, 0, of=of, hint=hint)

    def smoothed(self, smoothing):
        """Return a copy with another smoothing.

        Parameters
        ----------
        smoothing : float
            Half-width of the quadratic piece, in units of y.

        Returns
        -------
        loss : Quantile
            The copy.
        """
        return clone(self).set_params(smoothing=float(smoothing))

    @property
    def has_lipschitz(self):
        """True with smoothing: the pinball has a kink."""
        return self.smoothing > 0

    @property
    def lipschitz(self):
        """Bound 1 / (2 smoothing) of the second derivative; None for the pinball."""
        return 0.5 / self.smoothing if self.smoothing > 0 else None

    def _half_sign(self, excess):
        """Slope, in [-1/2, 1/2], of the smoothed abs(r) / 2."""
        xp = namespace(excess)
        if self.smoothing > 0:
            slope = (0.5 / float(self.smoothing)) * excess
            return xp.minimum(xp.maximum(slope, -0.5), 0.5)
        return 0.5 * xp.sign(excess)

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        excess = eta - y
        slope = self._half_sign(excess)
        total = dot64(s * excess, slope + (0.5 - float(self.quantile)))
        if self.smoothing > 0:
            total += self.smoothing * dot64(s, 0.25 - slope * slope)
        return total

    def gradient(self, y, eta):
        """Derivative of each sample, in [-quantile, 1 - quantile]."""
        return self._half_sign(eta - y) + (0.5 - float(self.quantile))

    def curvature(self, y, eta):
        """Second derivative: 1 / (2 smoothing) on the quadratic piece, else 0."""
        xp = namespace(eta)
        if not self.smoothing > 0:
            return xp.zeros_like(eta)
        inside = xp.abs(eta - y) <= float(self.smoothing)
        return xp.astype(inside, eta.dtype) * (0.5 / float(self.smoothing))

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates, as a float."""
        total = dot64(s * theta, y)
        if self.smoothing > 0:
            slope = theta - (0.5 - float(self.quantile))
            total += self.smoothing * dot64(s, slope * slope - 0.25)
        return total

    def to_domain(self, y, theta):
        """Largest t in (0, 1] with -quantile <= t * theta <= 1 - quantile."""
        xp = namespace(theta)
        above = float(xp.max(theta)) / (1 - self.quantile)
        below = -float(xp.min(theta)) / self.quantile
        return 1.0 / max(1.0, above, below)

    def intercept_start(self, y, s):
        """Weighted quantile of y; with smoothing, by safeguarded Newton."""
        if not self.smoothing > 0:
            return weighted_quantile(y, self.quantile, s)
        xp, h = namespace(y), float(self.smoothing)
        low, high = float(xp.min(y)) - h, float(xp.max(y)) + h
        return constant_minimiser(self, y, s, low, high)
