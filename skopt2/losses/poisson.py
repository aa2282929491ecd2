"""The Poisson loss with the log link.

Loss: l(y, eta) = exp(eta) - y * eta, the negative log likelihood up to log(y!).
Conjugate: (theta + y) * log(theta + y) - (theta + y) on theta >= -y.

Source: P. McCullagh and J. A. Nelder, Generalized Linear Models, 2nd edition, 1989,
section 6.2; conjugate after S. Boyd and L. Vandenberghe, Convex Optimization, 2004,
section 3.3.
"""

import math

from skopt2._core.array import dot64, namespace, xlogy
from skopt2.losses.base import Loss, share_above


class Poisson(Loss):
    """Poisson loss exp(eta) - y * eta, for counts and rates.

    The second derivative has no bound: use solvers that need none, Newton or a line
    search.

    References
    ----------
    McCullagh and Nelder, Generalized Linear Models, 2nd edition, 1989, section 6.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Poisson
    >>> Poisson().gradient(np.array([0.0, 3.0]), np.zeros(2)).tolist()
    [1.0, -2.0]
    """

    name = "poisson"
    has_lipschitz = False

    def check_target(self, y):
        """Raise ValueError unless y >= 0 and some y > 0."""
        xp = namespace(y)
        if bool(xp.any(y < 0)):
            raise ValueError(
                "The poisson loss needs targets y >= 0, got a smallest y of "
                f"{float(xp.min(y))}; use loss='squared' for targets of both signs."
            )
        if not bool(xp.any(y > 0)):
            raise ValueError(
                "The poisson loss needs at least one y > 0: for y = 0 everywhere the "
                "fitted rate is 0 and its logarithm minus infinity."
            )

    def inverse_link(self, eta):
        """Mean exp(eta), finite in any case."""
        xp = namespace(eta)
        # A trial step may be absurdly long. Rates of 1e19 in float32 and 1e152 in
        # float64 are refused by any line search, and their squares do not overflow.
        ceiling = 44.0 if eta.dtype == xp.float32 else 350.0
        return xp.exp(xp.minimum(eta, ceiling))

    def value(self, y, eta, s):
        """Weighted sum of exp(eta) - y * eta, as a float."""
        return dot64(s, self.inverse_link(eta) - y * eta)

    def gradient(self, y, eta):
        """Derivative exp(eta) - y of each sample."""
        return self.inverse_link(eta) - y

    def curvature(self, y, eta):
        """Second derivative exp(eta) of each sample."""
        return self.inverse_link(eta)

    @property
    def lipschitz(self):
        """None: the second derivative is unbounded."""
        return None

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates, as a float."""
        xp = namespace(theta)
        rate = xp.maximum(theta + y, 0.0)
        return dot64(s, xlogy(rate, rate) - rate)

    def to_domain(self, y, theta):
        """Largest t in [0, 1] with t * theta >= -y; 0.0 if theta < 0 where y is 0."""
        return share_above(y, theta)

    def intercept_start(self, y, s):
        """Logarithm of the weighted mean of y."""
        return math.log(max(dot64(s, y), 1e-300))
