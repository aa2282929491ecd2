"""How far to over-relax the sweeps of many problems, each by its own rate.

The rules are those of :mod:`skopt2.solvers.transport.relaxation`, for one vector of
numbers on the host. A relaxed sweep takes a logarithm and an exponential more for every
scaling, so problems that plain sweeps finish soon stay with them.
"""

import math

import numpy as np

from skopt2.solvers.transport.relaxation import AGREEMENT

# Plain sweeps to go that are cheaper than relaxed ones.
FEW = 60
# Rates this close to 1 are 1.
STILL = 1e-9


class BatchRelaxation:
    """Relaxations of several problems, adapted at every measure.

    Parameters
    ----------
    n : int
        Number of problems.
    tol : float
        Tolerance of the marginal error.
    """

    def __init__(self, n, tol):
        self.tol = tol
        self.omega, self.rate = np.ones(n), np.ones(n)
        self.last, self.objective = np.full(n, math.inf), np.full(n, -math.inf)
        self.age = np.zeros(n, dtype=np.int64)

    def take(self, index):
        """Keep some of the problems only."""
        for name in ("omega", "rate", "last", "objective", "age"):
            setattr(self, name, getattr(self, name)[index])

    def update(self, error, objective, sweeps):
        """Adapt to a measure.

        Parameters
        ----------
        error, objective : ndarray of shape (n,)
            Marginal errors and dual objectives.
        sweeps : int
            Number of sweeps since the last measure.
        """
        old, before = self.last, self.rate
        fell = objective < self.objective - 1e-12 * np.abs(self.objective)
        self.last, self.objective = error, objective
        known = (error > 0) & (error < math.inf) & (old < math.inf)
        safe = np.where(known, error / np.where(known, old, 1.0), 1.0)
        self.rate = safe ** (1.0 / sweeps)
        self.age = np.where(known, self.age + 1, 0)
        rising = known & (self.omega > 1.0) & (self.rate >= 1.0)
        shrink = rising & ((self.age > 3) | fell)
        wider = self._wider(before)
        grow = known & ~rising & (self.age >= 2) & (wider > self.omega)
        half = 1.0 + 0.5 * (self.omega - 1.0)
        self.omega = np.where(shrink, half, np.where(grow, wider, self.omega))
        self.age[shrink | grow] = 0

    def _wider(self, before):
        """Return the relaxations that the rates call for, 1 where they say nothing."""
        w = self.omega
        # While mass moves over a distance the error stands still: no rate yet, but the
        # larger steps pay all the same. Rounding must not decide whether they are seen.
        falling = self.rate < 1.0 + STILL
        p, before = (np.clip(x, 1e-300, 1.0 - STILL) for x in (self.rate, before))
        plain = w == 1.0
        log_p = np.log(p)
        settled = np.abs(log_p - np.log(before)) < AGREEMENT * -log_p
        to_go = np.log(max(self.tol, 1e-300) / np.maximum(self.last, 1e-300))
        settled &= to_go < FEW * log_p
        slow = p > w - 1.0 + 0.1 * (2.0 - w)
        q = np.where(plain, p, (p + w - 1.0) ** 2 / (p * w * w))
        usable = np.where(plain, settled, slow) & falling & (q > 0.0) & (q < 1.0)
        s = np.sqrt(1.0 - np.where(usable, q, 0.0))
        # The estimate of a small relaxation is that of fast modes: halve s at most.
        s = np.maximum(s, np.where(plain, 0.1, 0.5 * (2.0 / w - 1.0)))
        return np.where(usable, 2.0 / (1.0 + s), 1.0)
