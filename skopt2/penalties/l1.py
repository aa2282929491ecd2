"""The l1 norm.

Penalty: pen(w; lam) = lam * abs(w). Its prox is soft thresholding and its conjugate the
indicator of abs(u) <= lam.

Source: R. Tibshirani, Regression shrinkage and selection via the lasso, JRSS B 58,
1996.
"""

from skopt2._core.array import namespace
from skopt2.penalties.base import (
    Penalty,
    active_level,
    largest_ratio,
    plain,
    soft_threshold,
)


class L1(Penalty):
    """L1 norm: lam * abs(w), Tibshirani (1996).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import L1
    >>> L1().prox(np.array([3.0, -0.5]), 1.0, np.array([1.0, 1.0])).tolist()
    [2.0, 0.0]
    """

    name = "l1"

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        return active_level(w, lam) * namespace(w).abs(w)

    def prox(self, z, step, lam):
        """Minimiser over v of (v - z)^2 / (2 step) + lam * abs(v)."""
        return soft_threshold(z, plain(step) * lam)

    def derivative(self, w, lam):
        """Derivative lam * sign(w), 0 where w == 0."""
        return namespace(w).copysign(active_level(w, lam), w)

    def dual_scale(self, u, lam):
        """Largest t in (0, 1] with a finite conjugate at t * u: abs(t * u) <= lam.

        Parameters
        ----------
        u : array of shape (p,) or (p, K)
            Dual point: minus the gradient of the smooth part.
        lam : array broadcastable to u
            Level per feature, in [0, inf].

        Returns
        -------
        t : float
            Unpenalised coordinates, where u must vanish, are left to the caller.
        """
        return 1.0 / max(1.0, largest_ratio(namespace(u).abs(u), lam))

    def conjugate(self, u, lam):
        """Sum of the convex conjugates at a feasible u, which is 0.

        Parameters
        ----------
        u : array of shape (p,) or (p, K)
            Dual point, scaled to where the conjugate is finite.
        lam : array broadcastable to u
            Level per feature, in [0, inf].

        Returns
        -------
        value : float
            Unpenalised and excluded features count 0.
        """
        return 0.0
