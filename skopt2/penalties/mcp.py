"""The minimax concave penalty (MCP).

Penalty, a = abs(w): lam * a - a^2 / (2 gamma) for a <= gamma * lam, and constant at
gamma * lam^2 / 2 beyond.

Source: C.-H. Zhang, Nearly unbiased variable selection under minimax concave penalty,
Annals of Statistics 38, 2010, eq. 2.1. Prox: firm thresholding for steps s < gamma; for
s >= gamma the objective is concave up to gamma * lam, its minimiser is 0 or z, and the
two values meet at abs(z) = lam * sqrt(gamma * s).
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


class MCP(Penalty):
    """Minimax concave penalty of Zhang (2010).

    Parameters
    ----------
    gamma : float, default=3.0
        Concavity, greater than 1: the penalty is flat beyond ``gamma * lam``. Large
        values approach the l1 norm.

    References
    ----------
    Zhang, Annals of Statistics 38, 2010, eq. 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import MCP
    >>> MCP(gamma=3.0).prox(np.array([4.0, 0.5]), 1.0, np.array([1.0, 1.0])).tolist()
    [4.0, 0.0]
    """

    name = "mcp"
    convex = False

    def __init__(self, gamma=3.0):
        self.gamma = gamma

    def check_parameters(self, n_features=None):
        """Raise ValueError unless gamma > 1 and finite."""
        check_number(
            "gamma",
            self.gamma,
            1,
            closed="neither",
            of="the MCP penalty",
            hint="3.0 is usual, and the limit of large gamma is penalty='l1'.",
        )

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        xp, gamma = namespace(w), float(self.gamma)
        level = active_level(w, lam)
        size = xp.minimum(xp.abs(w), gamma * level)
        return size * (level - size / (2.0 * gamma))

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + pen(v; lam)."""
        xp, gamma, step = namespace(z), float(self.gamma), plain(step)
        if isinstance(step, float):
            small = step < gamma
            flat_from = gamma if small else math.sqrt(gamma * step)
            stretch = 1.0 / (1.0 - step / gamma) if small else 0.0
        else:
            small = step < gamma
            flat_from = xp.where(small, gamma, xp.sqrt(gamma * step))
            stretch = xp.where(small, 1.0 - step / gamma, 1.0)
            # Large steps have no firm zone: whatever is not kept whole is dropped.
            stretch = xp.where(small, 1.0 / stretch, 0.0)
        inside = stretch * soft_threshold(z, step * lam)
        return xp.where(xp.abs(z) > flat_from * lam, z, inside)

    def derivative(self, w, lam):
        """Derivative sign(w) * max(lam - abs(w) / gamma, 0), 0 where w == 0."""
        xp = namespace(w)
        slope = active_level(w, lam) - xp.abs(w) / float(self.gamma)
        return xp.copysign(xp.maximum(slope, 0.0), w)

    def curvature(self, w, lam):
        """Second derivative -1 / gamma where 0 < abs(w) < gamma * lam, else 0."""
        xp = namespace(w)
        concave = xp.abs(w) < float(self.gamma) * active_level(w, lam)
        return xp.astype(concave, w.dtype) * (-1.0 / float(self.gamma))

    def region(self, w, lam):
        """Smooth piece: 1 on the concave part, 2 on the flat part, signed; 0 at 0."""
        xp = namespace(w)
        flat = xp.astype(xp.abs(w) >= float(self.gamma) * lam, xp.int8)
        return xp.astype(xp.sign(w), xp.int8) * (flat + 1)

    def strong_rule(self, lam_new, lam_old):
        """Strong rule with rate gamma / (gamma - 1), as in ncvreg.

        Lee and Breheny, Journal of Computational and Graphical Statistics 24, 2015.
        """
        gamma = float(self.gamma)
        return extrapolate(lam_new, lam_old, gamma / (gamma - 1.0))
