"""The log-sum penalty.

Penalty: pen(w; lam) = lam * epsilon * log(1 + abs(w) / epsilon), scaled to slope lam at
0. It tends to the l1 norm for large epsilon and to a multiple of l0 for small epsilon.

Source: E. Candes, M. Wakin and S. Boyd, Enhancing sparsity by reweighted l1
minimization, JFAA 14, 2008, section 2.3. Prox: with u = step * lam and a = abs(z), a
nonzero minimiser v solves v^2 + (epsilon - a) v + epsilon (u - a) = 0; its larger root
is a local minimum and is compared with 0 (P. Gong et al., A general iterative shrinkage
and thresholding algorithm, ICML 2013).
"""

from skopt2._core.array import namespace
from skopt2._core.parameters import check_positive
from skopt2.penalties.base import Penalty, active_level, plain


class LogSum(Penalty):
    """Log-sum penalty lam * epsilon * log(1 + abs(w) / epsilon).

    Parameters
    ----------
    epsilon : float, default=0.1
        Positive size of a coefficient at which the slope has halved.

    References
    ----------
    Candes, Wakin and Boyd, JFAA 14, 2008, section 2.3.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import LogSum
    >>> LogSum(epsilon=1.0).prox(np.array([3.0, 0.9]), 1.0, np.ones(2)).round(4)
    array([2.7321, 0.    ])
    """

    name = "log_sum"
    convex = False

    def __init__(self, epsilon=0.1):
        self.epsilon = epsilon

    def check_parameters(self, n_features=None):
        """Raise ValueError unless epsilon is positive and finite."""
        hint = "Try 0.1 for standardised features."
        check_positive("epsilon", self.epsilon, of="the log-sum penalty", hint=hint)

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        xp, eps = namespace(w), float(self.epsilon)
        logs = xp.log1p(xp.abs(w) / eps)
        return eps * active_level(w, lam) * logs

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + pen(v; lam)."""
        xp, eps = namespace(z), float(self.epsilon)
        size, reach = xp.abs(z), plain(step) * lam
        lead = size - eps
        square = lead * lead + (4.0 * eps) * (size - reach)
        real = square >= 0
        reach = xp.where(real, reach, 0.0)
        half = 0.5 * (xp.abs(lead) + xp.sqrt(xp.where(real, square, 0.0)))
        # The larger root, without cancellation where lead < 0 (then half >= -lead / 2).
        v = xp.where(
            lead >= 0, half, eps * (size - reach) / xp.where(lead < 0, half, 1.0)
        )
        v = xp.maximum(v, 0.0)
        gain = v * (size - 0.5 * v) - eps * reach * xp.log1p(v / eps)
        return xp.where(real & (gain > 0), xp.copysign(v, z), 0.0)

    def derivative(self, w, lam):
        """Derivative sign(w) * lam * epsilon / (epsilon + abs(w)), 0 where w == 0."""
        xp, eps = namespace(w), float(self.epsilon)
        slope = active_level(w, lam) * eps / (eps + xp.abs(w))
        return xp.copysign(slope, w)

    def curvature(self, w, lam):
        """Second derivative -lam * epsilon / (epsilon + abs(w))^2, 0 where w == 0."""
        eps = float(self.epsilon)
        shifted = eps + namespace(w).abs(w)
        return -eps * active_level(w, lam) / (shifted * shifted)
