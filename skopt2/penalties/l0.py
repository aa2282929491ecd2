"""The l0 count.

Penalty: pen(w; lam) = lam where w != 0. Its prox is hard thresholding at
sqrt(2 * step * lam).

Source: T. Blumensath and M. Davies, Iterative thresholding for sparse approximations,
Journal of Fourier Analysis and Applications 14, 2008.
"""

import math

from skopt2._core.array import namespace
from skopt2.penalties.base import Penalty, active_level, plain


class L0(Penalty):
    """Number of nonzero coefficients, lam each.

    Zero is a local minimum for every lam > 0, so progress is measured by fixed points
    of the prox.

    References
    ----------
    Blumensath and Davies, Journal of Fourier Analysis and Applications 14, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import L0
    >>> L0().prox(np.array([1.5, 1.4]), 1.0, np.ones(2)).tolist()
    [1.5, 0.0]
    """

    name = "l0"
    convex = False
    stationarity = "fixed_point"

    def slope_at_zero(self, lam):
        """Right derivative at 0: inf where lam > 0."""
        return namespace(lam).where(lam > 0, math.inf, lam)

    def terms(self, w, lam):
        """Level of each coefficient that is not zero, 0 elsewhere."""
        return active_level(w, lam)

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + lam * [v != 0]."""
        xp = namespace(z)
        return xp.where(xp.abs(z) > xp.sqrt((2.0 * plain(step)) * lam), z, 0.0)

    def derivative(self, w, lam):
        """Derivative where w != 0: zero."""
        return namespace(w).zeros_like(w)

    def alpha_max(self, grad_abs, factor, steps=None):
        """Smallest alpha for which w = 0 is a fixed point of the prox.

        That is step * grad^2 / 2 over the factor. Missing steps are 1.
        """
        step = 1.0 if steps is None else steps
        return super().alpha_max(0.5 * step * grad_abs * grad_abs, factor)

    def strong_rule(self, lam_new, lam_old):
        """No rule is known: 0, which keeps every feature, inf for excluded ones."""
        xp = namespace(lam_new)
        return xp.where(xp.isinf(lam_new), lam_new, 0.0)
