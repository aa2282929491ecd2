"""One side of an unbalanced problem: its masses, and the price of leaving them.

Symbols: a (n,) masses, rho the price of KL(r | a), inf for r = a; f (n,) potentials
relative to the masses; p (n,) terms of the cost that its geometry leaves out, and
f~ = f - p, which the code works with; r (n,) sums of the plan, r* = a exp(-f / rho)
their target; B the total of the targets of the other side, whose price is sigma;
k = rho / (rho + eps).

For fixed potentials of the other side the largest h(f, g) = max_t D(f + t, g - t) of
:mod:`.unbalanced` is at

    f - eps k log(r / r*) + s,  s = -eps log(A / B) / (1 + (rho + eps) / sigma),

where A is the total of the targets before s is added; s = 0 for rho = inf.

Source: T. Sejourne, F.-X. Vialard and G. Peyre, Faster unbalanced optimal transport:
translation invariant Sinkhorn and 1-D Frank-Wolfe, AISTATS 2022, section 3.
"""

import math

import numpy as np

from skopt2._core.array import dot64, logsumexp, namespace, sum64


class RelaxedMarginal:
    """Masses of one side of a plan and the price of leaving them.

    Parameters
    ----------
    mass : array of shape (n,)
        Positive masses.
    rho, other : float
        Price of this side and of the other one; inf for fixed marginals, not both.
    eps : float
        Regularisation.
    left_out : array of shape (n,)
        Terms p of the cost.
    """

    def __init__(self, mass, rho, other, eps, left_out):
        self.mass, self.rho, self.eps, self.left_out = mass, rho, eps, left_out
        self.log_mass = namespace(mass).log(mass)
        self.damping = 1.0 if math.isinf(rho) else rho / (rho + eps)
        self.coupling = 1.0 / (1.0 + (rho + eps) / other)
        self._free = self.log_mass - left_out / rho

    def lift(self, f):
        """Return the potentials of the geometry, whose plan has no factor a."""
        return f + self.eps * self.log_mass

    def relative(self, f):
        """Return the potentials relative to the masses, for those of the geometry."""
        return f - self.eps * self.log_mass

    def target(self, f):
        """Return log r*, shape (n,)."""
        return self._free - f / self.rho

    def total(self, f):
        """Return the logarithm of the total of the targets, an array of shape ()."""
        return logsumexp(self.target(f))

    def change(self, f, sums):
        """Return -eps k log(r / r*), for the logarithms of the sums of the plan."""
        return -self.eps * self.damping * (sums - self.target(f))

    def shift(self, f, total):
        """Return s for potentials before it is added, and log B; of shape (), or 0."""
        if math.isinf(self.rho):
            return 0.0
        return -self.eps * self.coupling * (self.total(f) - total)

    def update(self, f, sums, total, omega):
        """Return the potentials that an over-relaxed step leads to.

        Parameters
        ----------
        f : array of shape (n,)
            Potentials f~ of this side.
        sums : array of shape (n,)
            Logarithms of the sums of the plan.
        total : array of shape ()
            Logarithm of the total of the targets of the other side.
        omega : float
            Relaxation.

        Returns
        -------
        f : array of shape (n,)
        """
        change = self.change(f, sums)
        return f + omega * (change + self.shift(f + change, total))

    def objective(self, f):
        """Return -rho <a, exp(-f / rho) - 1>, accumulated in float64."""
        f = f + self.left_out
        if math.isinf(self.rho):
            return dot64(self.mass, f)
        with np.errstate(over="ignore"):
            return -self.rho * dot64(self.mass, namespace(f).expm1(-f / self.rho))

    def error(self, f, sums, total):
        """Return |r - r*|_1 as a share of a total, accumulated in float64.

        Parameters
        ----------
        f, sums : array of shape (n,)
            Potentials of this side, and logarithms of the sums of the plan.
        total : float
            Logarithm of the total.

        Returns
        -------
        error : float
        """
        xp, target = namespace(f), self.target(f)
        # Written with the larger of r and r*, so that neither may underflow alone.
        larger = xp.exp(xp.maximum(sums, target) - total)
        return -sum64(larger * xp.expm1(-xp.abs(sums - target)))


def divergence(log_p, log_q, total):
    """Return KL(p | q) = sum p log(p / q) - p + q as a share of a total.

    Parameters
    ----------
    log_p, log_q : array of shape (n,)
        Logarithms of two vectors.
    total : float
        Logarithm of the total.

    Returns
    -------
    divergence : float
        Not negative: the terms are not, and do not cancel where p is near q.
    """
    xp = namespace(log_p)
    change = log_p - log_q
    larger = xp.exp(xp.maximum(log_p, log_q) - total)
    drop = xp.expm1(-xp.abs(change))
    terms = xp.where(change >= 0, change + drop, change * (1.0 + drop) - drop)
    return max(sum64(larger * terms), 0.0)
