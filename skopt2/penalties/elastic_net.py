"""The elastic net.

Penalty: pen(w; lam) = lam * (rho * abs(w) + (1 - rho) / 2 * w^2), rho = l1_ratio.

Source: H. Zou and T. Hastie, Regularization and variable selection via the elastic net,
JRSS B 67, 2005, in the parametrisation of scikit-learn. The conjugate, for rho < 1, is
max(abs(u) - rho * lam, 0)^2 / (2 * lam * (1 - rho)).
"""

import math

from skopt2._core.array import namespace, sum64
from skopt2._core.parameters import check_number
from skopt2.penalties.base import (
    Penalty,
    active_level,
    largest_ratio,
    plain,
    soft_threshold,
)


class ElasticNet(Penalty):
    """Elastic net: lam * (l1_ratio * abs(w) + (1 - l1_ratio) / 2 * w^2).

    Parameters
    ----------
    l1_ratio : float, default=0.5
        Share of the l1 norm, in [0, 1]; 0 is ridge, 1 is the lasso.

    References
    ----------
    Zou and Hastie, JRSS B 67, 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import ElasticNet
    >>> ElasticNet(0.5).prox(np.array([3.0, 0.2]), 1.0, np.array([2.0, 2.0])).tolist()
    [1.0, 0.0]
    """

    name = "elasticnet"

    def __init__(self, l1_ratio=0.5):
        self.l1_ratio = l1_ratio

    def check_parameters(self, n_features=None):
        """Raise ValueError unless 0 <= l1_ratio <= 1."""
        hint = "Use 1 for the lasso, 0 for ridge."
        check_number("l1_ratio", self.l1_ratio, 0, 1, of="the elastic net", hint=hint)

    def slope_at_zero(self, lam):
        """Right derivative at 0: l1_ratio * lam, inf for excluded features."""
        if self.l1_ratio == 0:
            xp = namespace(lam)
            return xp.where(xp.isinf(lam), lam, 0.0)
        return float(self.l1_ratio) * lam

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        rho = float(self.l1_ratio)
        size = namespace(w).abs(w)
        return active_level(w, lam) * size * (rho + 0.5 * (1 - rho) * size)

    def prox(self, z, step, lam):
        """Minimiser over v of (v - z)^2 / (2 step) + pen(v; lam)."""
        rho, step = float(self.l1_ratio), plain(step)
        # 0 * inf is NaN, so the two ends of the range leave the vanishing term out.
        if rho == 0:
            return z / (1.0 + step * lam)
        shrunk = soft_threshold(z, (step * rho) * lam)
        return shrunk if rho == 1 else shrunk / (1.0 + (step * (1 - rho)) * lam)

    def derivative(self, w, lam):
        """Derivative lam * (rho * sign(w) + (1 - rho) * w), 0 where w == 0."""
        rho = float(self.l1_ratio)
        return active_level(w, lam) * (rho * namespace(w).sign(w) + (1 - rho) * w)

    def curvature(self, w, lam):
        """Second derivative lam * (1 - rho), 0 where w == 0."""
        return (1 - float(self.l1_ratio)) * active_level(w, lam)

    def alpha_max(self, grad_abs, factor, steps=None):
        """Smallest alpha for which w = 0 is stationary; inf for ridge."""
        top = largest_ratio(grad_abs, factor)
        if self.l1_ratio == 0:
            return math.inf if top > 0 else 0.0
        return top / self.l1_ratio

    def dual_scale(self, u, lam):
        """Largest t in (0, 1] with a finite conjugate at t * u: 1 unless l1_ratio=1."""
        if self.l1_ratio < 1:
            return 1.0
        return 1.0 / max(1.0, largest_ratio(namespace(u).abs(u), lam))

    def conjugate(self, u, lam):
        """Sum of the convex conjugates, as a float; unpenalised features count 0."""
        rho = float(self.l1_ratio)
        if rho == 1:
            return 0.0
        xp = namespace(u)
        excess = xp.maximum(xp.abs(u) - self.slope_at_zero(lam), 0.0)
        level = xp.where(lam > 0, lam, xp.inf)
        return sum64(excess * excess / level) / (2.0 * (1.0 - rho))
