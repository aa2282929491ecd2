r"""The loss of a residual, by the weights that majorise it.

Problem: psi(r) = c r^2 / 2 for abs(r) <= d and c (d abs(r) - d^2 / 2) beyond.

With c = 1 it is Huber's loss, squared for d = infinity, and with c = 1 / d and a small
d the absolute value but for d / 2. At any point it lies below the parabola

    psi(r) + w (s^2 - r^2) / 2,  w = c min(1, d / abs(r)),

which touches it at s = r (reweighted least squares). Its conjugate is t^2 / (2 c) for
abs(t) <= c d. Residuals are weighted by "ones": a one for each known entry, or the
weight of a sample.

Source: P. Huber, Robust Statistics, 1981, section 7.8.
"""

import math
from dataclasses import dataclass

from skopt2._core.array import dot64, namespace, sum64
from skopt2.solvers.low_rank.reciprocal import reciprocal


@dataclass(frozen=True)
class EntryLoss:
    """A loss that is quadratic near zero.

    Parameters
    ----------
    delta : float, default=inf
        Where it becomes linear.
    curvature : float, default=1.0
        Second derivative at zero, c.
    """

    delta: float = math.inf
    curvature: float = 1.0

    @property
    def squared(self):
        """Whether it is quadratic everywhere."""
        return math.isinf(self.delta)

    def total(self, r, ones):
        """Return the sum over residuals, weighted by ones, as a float."""
        if self.squared:
            return 0.5 * self.curvature * dot64(ones * r, r)
        xp, d = namespace(r), self.delta
        size = xp.abs(r)
        low = xp.where(size < d, size, xp.zeros_like(size) + d)
        return self.curvature * sum64(ones * low * (size - 0.5 * low))

    def weights(self, r, ones):
        """Return the weight of the parabola at every residual, times ones."""
        if self.squared:
            return ones if self.curvature == 1.0 else self.curvature * ones
        xp = namespace(r)
        size = xp.abs(r)
        floor = xp.zeros_like(size) + self.delta
        size = xp.where(size > floor, size, floor)
        return ones * (self.curvature * self.delta / size)

    def slope(self, r, ones):
        """Return the derivative at every residual, times ones."""
        if self.squared:
            return ones * r if self.curvature == 1.0 else self.curvature * ones * r
        return self.curvature * ones * namespace(r).clip(r, -self.delta, self.delta)

    def conjugate(self, t, ones):
        """Return the sum of the conjugates of ones times the loss, t being feasible."""
        return 0.5 * dot64(t * reciprocal(ones), t) / self.curvature

    def excess(self, t, ones):
        """Return by what factor t exceeds the domain of the conjugate, as a float."""
        if self.squared:
            return 0.0
        xp = namespace(t)
        top = float(xp.max(xp.abs(t) * reciprocal(ones)))
        return top / (self.delta * self.curvature)
