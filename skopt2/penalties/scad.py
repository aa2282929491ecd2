"""The smoothly clipped absolute deviation penalty (SCAD).

Penalty, a = abs(w), A = gamma: lam * a for a <= lam; then the slope falls linearly,
(A * lam - a) / (A - 1), to 0 at a = A * lam; constant at (A + 1) * lam^2 / 2 beyond.

Source: J. Fan and R. Li, Variable selection via nonconcave penalized likelihood, JASA
96, 2001, eq. 2.7; prox for step 1 in eq. 2.8. For steps s >= A - 1 the objective is
concave on [lam, A * lam] and the minimiser is soft(z, s * lam) or z. The two values
meet at abs(z) = lam * (A + 1 + s) / 2 if the soft threshold is passed there, which is
s <= A + 1, and at lam * sqrt((A + 1) * s) otherwise.
"""

import math

from skopt2._core.array import namespace
from skopt2._core.parameters import check_number
from skopt2.penalties.base import (
    Penalty,
    active_level,
    extrapolate,
    plain,
    soft_threshold,
)


class SCAD(Penalty):
    """Smoothly clipped absolute deviation of Fan and Li (2001).

    Parameters
    ----------
    gamma : float, default=3.7
        Greater than 2 (``a`` in the paper): the penalty is flat beyond ``gamma * lam``.

    References
    ----------
    Fan and Li, JASA 96, 2001, eq. 2.7 and 2.8.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import SCAD
    >>> SCAD().prox(np.array([4.0, 1.5]), 1.0, np.array([1.0, 1.0])).tolist()
    [4.0, 0.5]
    """

    name = "scad"
    convex = False

    def __init__(self, gamma=3.7):
        self.gamma = gamma

    def check_parameters(self, n_features=None):
        """Raise ValueError unless gamma > 2 and finite."""
        of, hint = "the SCAD penalty", "3.7 is usual."
        check_number("gamma", self.gamma, 2, closed="neither", of=of, hint=hint)

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        xp, gamma = namespace(w), float(self.gamma)
        size, level = xp.abs(w), active_level(w, lam)
        bent = xp.minimum(xp.maximum(size, level), gamma * level)
        falling = (bent - level) * (gamma * level - 0.5 * (bent + level))
        return level * xp.minimum(size, level) + falling / (gamma - 1.0)

    def _zones(self, xp, step):
        """Ends, in units of lam, of the soft and the falling zone, and the stretch.

        A large step has no falling zone: its two ends coincide.
        """
        gamma = float(self.gamma)
        if isinstance(step, float):
            if step < gamma - 1:
                return 1.0 + step, gamma, (gamma - 1) / (gamma - 1 - step)
            meet = (
                0.5 * (gamma + 1 + step)
                if step <= gamma + 1
                else math.sqrt((gamma + 1) * step)
            )
            return meet, meet, 1.0
        small = step < gamma - 1
        meet = xp.where(
            step <= gamma + 1,
            0.5 * (gamma + 1 + step),
            xp.sqrt((gamma + 1) * step),
        )
        gap = xp.where(small, gamma - 1 - step, gamma - 1.0)
        soft_to = xp.where(small, 1.0 + step, meet)
        return soft_to, xp.where(small, gamma, meet), (gamma - 1) / gap

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + pen(v; lam)."""
        xp, gamma, step = namespace(z), float(self.gamma), plain(step)
        size, reach = xp.abs(z), step * lam
        soft_to, falling_to, stretch = self._zones(xp, step)
        soft = soft_threshold(z, reach)
        falling = stretch * soft_threshold(z, (gamma / (gamma - 1.0)) * reach)
        inside = xp.where(size <= soft_to * lam, soft, falling)
        return xp.where(size > falling_to * lam, z, inside)

    def derivative(self, w, lam):
        """Derivative: lam, then falling to 0, with the sign of w; 0 where w == 0."""
        xp, gamma = namespace(w), float(self.gamma)
        level = active_level(w, lam)
        falling = xp.maximum(gamma * level - xp.abs(w), 0.0) / (gamma - 1.0)
        return xp.copysign(xp.minimum(level, falling), w)

    def curvature(self, w, lam):
        """Second derivative -1 / (gamma - 1) where lam < abs(w) <= gamma * lam."""
        xp, gamma = namespace(w), float(self.gamma)
        size, level = xp.abs(w), active_level(w, lam)
        concave = (size > level) & (size <= gamma * level)
        return xp.astype(concave, w.dtype) * (-1.0 / (gamma - 1.0))

    def region(self, w, lam):
        """Smooth piece: 1 linear, 2 falling, 3 flat, with the sign of w; 0 at 0."""
        xp = namespace(w)
        size = xp.abs(w)
        bent = xp.astype(size > lam, xp.int8)
        flat = xp.astype(size > float(self.gamma) * lam, xp.int8)
        return xp.astype(xp.sign(w), xp.int8) * (bent + flat + 1)

    def strong_rule(self, lam_new, lam_old):
        """Strong rule with rate gamma / (gamma - 2), as in ncvreg.

        Lee and Breheny, Journal of Computational and Graphical Statistics 24, 2015.
        """
        gamma = float(self.gamma)
        return extrapolate(lam_new, lam_old, gamma / (gamma - 2.0))
