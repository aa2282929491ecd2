"""A penalty restricted to nonnegative coefficients.

Penalty: pen(w; lam) + indicator(w >= 0), for a symmetric nondecreasing pen. Then
prox(z) = pen.prox(max(z, 0)); the subdifferential at 0 is (-inf, pen'(0+)]; the
conjugate at u is that of pen at max(u, 0).

Source: N. Parikh and S. Boyd, Proximal algorithms, Foundations and Trends in
Optimization 1, 2014, section 2.1 (separable sums).
"""

import copy
import math

from skopt2._core.array import namespace
from skopt2.penalties.base import Penalty


class Positive(Penalty):
    """Wrap a penalty to keep coefficients nonnegative.

    Parameters
    ----------
    penalty : Penalty
        Any penalty of this package; its parameters are reached as ``penalty__gamma``.

    References
    ----------
    Parikh and Boyd, Foundations and Trends in Optimization 1, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import L1, Positive
    >>> Positive(L1()).prox(np.array([3.0, -3.0]), 1.0, np.ones(2)).tolist()
    [2.0, 0.0]
    """

    def __init__(self, penalty):
        self.penalty = penalty

    @property
    def name(self):
        """Name of the wrapped penalty after ``"positive "``."""
        return f"positive {self.penalty.name}"

    @property
    def convex(self):
        """Whether the wrapped penalty is convex."""
        return self.penalty.convex

    @property
    def stationarity(self):
        """Measure of stationarity of the wrapped penalty."""
        return self.penalty.stationarity

    @property
    def has_gap(self):
        """Whether the wrapped penalty has a duality gap."""
        return self.penalty.has_gap

    @property
    def bounds(self):
        """Lower bound 0 and the upper bound of the wrapped penalty."""
        inner = self.penalty.bounds
        return (0.0, math.inf) if inner is None else (0.0, inner[1])

    def check_parameters(self, n_features=None):
        """Raise ValueError if the wrapped penalty is none, or has a bad parameter."""
        if not isinstance(self.penalty, Penalty) or isinstance(self.penalty, Positive):
            raise ValueError(
                "penalty of Positive must be one penalty object, got penalty="
                f"{self.penalty!r}; write Positive(L1()), for example."
            )
        self.penalty.check_parameters(n_features)

    def _wrap(self, penalty):
        if penalty is self.penalty:
            return self
        wrapped = copy.copy(self)
        wrapped.penalty = penalty
        return wrapped

    def restrict(self, index):
        """Return the penalty of the features ``index``."""
        return self._wrap(self.penalty.restrict(index))

    def beside(self, x):
        """Return the penalty with arrays it may hold moved to the device of ``x``."""
        return self._wrap(self.penalty.beside(x))

    def pull(self, grad):
        """Force away from 0: max(-grad, 0), for only growth is possible there."""
        return namespace(grad).maximum(-grad, 0.0)

    def slope_at_zero(self, lam):
        """Right derivative at 0 of the wrapped penalty."""
        return self.penalty.slope_at_zero(lam)

    def value(self, w, lam):
        """Sum of the penalty, as a float; inf if a coefficient is negative."""
        if bool(namespace(w).any(w < 0)):
            return math.inf
        return self.penalty.value(w, lam)

    def terms(self, w, lam):
        """Penalty of each coefficient; inf where it is negative."""
        inner = self.penalty.terms(w, lam)
        return namespace(w).where(w < 0, math.inf, inner)

    def prox(self, z, step, lam):
        """Global minimiser over v >= 0 of (v - z)^2 / (2 step) + pen(v; lam)."""
        return self.penalty.prox(namespace(z).maximum(z, 0.0), step, lam)

    def derivative(self, w, lam):
        """Derivative of the wrapped penalty where w > 0, 0 elsewhere."""
        return self.penalty.derivative(w, lam)

    def curvature(self, w, lam):
        """Second derivative of the wrapped penalty where w > 0, 0 elsewhere."""
        return self.penalty.curvature(w, lam)

    def region(self, w, lam):
        """Smooth piece of the wrapped penalty; 0 where w == 0."""
        return namespace(w).where(w == 0, 0, self.penalty.region(w, lam))

    def free(self, w, lam):
        """True where w > 0 and the wrapped penalty is smooth around w."""
        return (w > 0) & self.penalty.free(w, lam)

    def unpenalised(self, lam):
        """False everywhere: the bound holds at every level."""
        xp = namespace(lam)
        return xp.zeros_like(lam, dtype=xp.bool)

    def subdiff_distance(self, w, grad, lam):
        """Distance of -grad to the subdifferential, per coordinate; see Penalty."""
        xp = namespace(w)
        at_zero = xp.maximum(-grad - self.penalty.slope_at_zero(lam), 0.0)
        elsewhere = self.penalty.subdiff_distance(w, grad, lam)
        return xp.where(w == 0, at_zero, elsewhere)

    def alpha_max(self, grad_abs, factor, steps=None):
        """Smallest alpha for which w = 0 is stationary, from ``pull(grad)``."""
        return self.penalty.alpha_max(grad_abs, factor, steps)

    def strong_rule(self, lam_new, lam_old):
        """Threshold on ``pull`` of the gradient, that of the wrapped penalty."""
        return self.penalty.strong_rule(lam_new, lam_old)

    def dual_scale(self, u, lam):
        """Largest t in (0, 1] with a finite conjugate at t * u; u <= 0 is no limit."""
        return self.penalty.dual_scale(namespace(u).maximum(u, 0.0), lam)

    def conjugate(self, u, lam):
        """Sum of the convex conjugates of the wrapped penalty at max(u, 0)."""
        return self.penalty.conjugate(namespace(u).maximum(u, 0.0), lam)
