"""The l_q quasi-norm for q = 1/2 and q = 2/3.

Penalty: pen(w; lam) = lam * abs(w)^q. Both cases have a closed-form prox. With
u = step * lam, a = abs(z), and t the size up to which the minimiser is 0, all formulas
below are in the ratio r = t / a in [0, 1), which neither overflows nor divides by 0:

q = 1/2, t = 3/2 * u^(2/3):  v = 2/3 * z * (1 + cos(2/3 * arccos(-sqrt(1/2) * r^(3/2))))
q = 2/3, t = 2 * (2u/3)^(3/4):  v = z * y^3, where y is the largest root of
    y^4 - y + c = 0, c = (r/2)^(4/3), found by Ferrari's method: m is the real root of
    m^3 - 4 c m - 1 = 0, and y = (sqrt(m) + sqrt(2 / sqrt(m) - m)) / 2.

Sources: Z. Xu, X. Chang, F. Xu and H. Zhang, L1/2 regularization: a thresholding
representation theory and a fast solver, IEEE TNNLS 23, 2012; W. Cao, J. Sun and Z. Xu,
Fast image deconvolution using closed-form thresholding formulas of Lq (q = 1/2, 2/3)
regularization, JVCIR 24, 2013.
"""

import math
from numbers import Real

from skopt2._core.array import namespace
from skopt2.penalties.base import Penalty, active_level, plain

# The derivatives blow up at 0. Sizes below this count as this, so that none overflows,
# not even in float32; no value that the prox returns is so small in a scaled problem.
_FLOOR = 1e-20


class Lq(Penalty):
    """Quasi-norm lam * abs(w)^q, q = 1/2 or 2/3.

    Zero is stationary for every lam > 0, so progress is measured by fixed points of the
    prox.

    Parameters
    ----------
    q : float, default=0.5
        1/2 or 2/3, the exponents with a closed-form prox.

    References
    ----------
    Xu, Chang, Xu and Zhang, IEEE TNNLS 23, 2012; Cao, Sun and Xu, JVCIR 24, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import Lq
    >>> Lq(q=0.5).prox(np.array([3.0, 1.4]), 1.0, np.ones(2)).round(4).tolist()
    [2.6955, 0.0]
    """

    convex = False
    stationarity = "fixed_point"

    def __init__(self, q=0.5):
        self.q = q

    @property
    def name(self):
        """``"l_half"`` or ``"l_two_thirds"``."""
        return "l_half" if self._is_half() else "l_two_thirds"

    def _is_half(self):
        return self.q < 0.6

    def check_parameters(self, n_features=None):
        """Raise ValueError unless q is 1/2 or 2/3."""
        if not isinstance(self.q, Real) or not any(
            math.isclose(self.q, q, rel_tol=1e-9) for q in (0.5, 2 / 3)
        ):
            raise ValueError(
                "q of the l_q penalty must be 1/2 or 2/3, the exponents with a closed "
                f"form, got q={self.q!r}; use Lq(q=0.5), Lq(q=2/3) or penalty='l1'."
            )

    def slope_at_zero(self, lam):
        """Right derivative at 0: inf where lam > 0."""
        return namespace(lam).where(lam > 0, math.inf, lam)

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        return active_level(w, lam) * namespace(w).abs(w) ** float(self.q)

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + lam * abs(v)^q."""
        xp = namespace(z)
        size, reach = xp.abs(z), plain(step) * lam
        if self._is_half():
            threshold = 1.5 * reach ** (2 / 3)
        else:
            threshold = 2.0 * (reach * (2 / 3)) ** 0.75
        keep = size > threshold
        ratio = xp.where(keep, threshold, 0.0) / xp.where(keep, size, 1.0)
        shrink = _shrink_half if self._is_half() else _shrink_two_thirds
        return xp.where(keep, z * shrink(xp, ratio), 0.0)

    def _steep(self, w):
        xp = namespace(w)
        return xp.maximum(xp.abs(w), _FLOOR)

    def derivative(self, w, lam):
        """Derivative q * lam * sign(w) * abs(w)^(q - 1), 0 where w == 0."""
        q = float(self.q)
        slope = q * active_level(w, lam) * self._steep(w) ** (q - 1)
        return namespace(w).copysign(slope, w)

    def curvature(self, w, lam):
        """Second derivative q * (q - 1) * lam * abs(w)^(q - 2), 0 where w == 0."""
        q = float(self.q)
        return q * (q - 1) * active_level(w, lam) * self._steep(w) ** (q - 2)

    def alpha_max(self, grad_abs, factor, steps=None):
        """Smallest alpha for which w = 0 is a fixed point of the prox.

        The prox of z = step * grad is 0 up to a level of (z / 1.5)^(3/2) / step for q =
        1/2, and of 3/2 * (z / 2)^(4/3) / step for q = 2/3. Missing steps are 1.
        """
        step = 1.0 if steps is None else steps
        if self._is_half():
            level = (step * grad_abs / 1.5) ** 1.5 / step
        else:
            level = 1.5 * (0.5 * step * grad_abs) ** (4 / 3) / step
        return super().alpha_max(level, factor)

    def strong_rule(self, lam_new, lam_old):
        """No rule is known: 0, which keeps every feature, inf for excluded ones."""
        xp = namespace(lam_new)
        return xp.where(xp.isinf(lam_new), lam_new, 0.0)


def _shrink_half(xp, ratio):
    """Return prox / z for q = 1/2 at a threshold of ``ratio`` times abs(z)."""
    angle = xp.acos(-math.sqrt(0.5) * ratio * xp.sqrt(ratio))
    return (2 / 3) * (1.0 + xp.cos((2 / 3) * angle))


def _shrink_two_thirds(xp, ratio):
    """Return prox / z for q = 2/3 at a threshold of ``ratio`` times abs(z)."""
    c = (0.5 * ratio) ** (4 / 3)
    product = (4 / 3) * c
    # Cardano: the two cube roots have this product, so one division replaces the root
    # that would cancel.
    root = (0.5 + xp.sqrt(0.25 - product * product * product)) ** (1 / 3)
    m = root + product / root
    side = xp.sqrt(m)
    y = 0.5 * (side + xp.sqrt(2.0 / side - m))
    return y * y * y
