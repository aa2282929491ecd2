"""The expectile loss, asymmetric least squares.

Loss, r = y - eta: l(y, eta) = c r^2, with c = tau for r > 0 and c = 1 - tau else. At
tau = 1/2 it is the squared loss.
Conjugate: theta^2 / (4 c) + y theta, with c = tau for theta < 0 and c = 1 - tau else.

Source: W. K. Newey and J. L. Powell, Asymmetric least squares estimation and testing,
Econometrica 55, 1987, eq. 2.7.
"""

from skopt2._core.array import dot64, namespace
from skopt2._core.parameters import check_number
from skopt2.losses.base import Loss, constant_minimiser


class Expectile(Loss):
    """Squared loss of two weights, for conditional expectiles: the mean at 0.5.

    Smooth, so that it is fitted faster than quantiles; and unlike them it depends on
    how far the tail reaches, not on how often.

    Parameters
    ----------
    expectile : float, default=0.5
        Level in (0, 1): weight of the residuals above 0, against 1 less it for those
        below.

    References
    ----------
    Newey and Powell, Econometrica 55, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Expectile
    >>> Expectile(0.75).gradient(np.array([0.0, 3.0]), np.ones(2)).tolist()
    [0.5, -3.0]
    """

    name = "expectile"

    def __init__(self, expectile=0.5):
        self.expectile = expectile

    def check_parameters(self):
        """Raise ValueError unless 0 < expectile < 1."""
        of, hint = "the expectile loss", "Use 0.5 for the mean."
        check_number(
            "expectile", self.expectile, 0, 1, closed="neither", of=of, hint=hint
        )

    def _doubled(self, is_above, dtype):
        """Return 2 c of each sample, given where the target is above eta."""
        tau = float(self.expectile)
        above = namespace(is_above).astype(is_above, dtype)
        return 2.0 * (1.0 - tau) + (4.0 * tau - 2.0) * above

    @property
    def lipschitz(self):
        """Largest second derivative, 2 max(tau, 1 - tau)."""
        return 2.0 * max(float(self.expectile), 1.0 - float(self.expectile))

    def value(self, y, eta, s):
        """Weighted sum of c (y - eta)^2, as a float."""
        return 0.5 * dot64(s * (eta - y), self.gradient(y, eta))

    def gradient(self, y, eta):
        """Derivative of each sample, 2 c (eta - y)."""
        return self.curvature(y, eta) * (eta - y)

    def curvature(self, y, eta):
        """Second derivative of each sample, 2 c."""
        return self._doubled(y > eta, eta.dtype)

    def conjugate(self, y, theta, s):
        """Weighted sum of theta^2 / (4 c) + y theta, as a float."""
        share = 0.5 * theta / self._doubled(theta < 0, theta.dtype)
        return dot64(s * theta, share + y)

    def intercept_start(self, y, s):
        """Weighted expectile of y, by safeguarded Newton."""
        xp = namespace(y)
        return constant_minimiser(self, y, s, float(xp.min(y)), float(xp.max(y)))
