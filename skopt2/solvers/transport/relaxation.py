"""How far to over-relax Sinkhorn's sweeps, from the rate at which they converge.

Symbols: e the marginal error at a measure, p the mean factor by which a sweep reduced
it since the last one, w the relaxation, s = sqrt(1 - q).

Near the solution a plain sweep contracts by q, the square of the second singular value
of diag(r)^-1/2 P diag(c)^-1/2, and w = 2 / (1 + s) contracts by w - 1. With a smaller w
the rate is the larger root p of (p + w - 1)^2 = p w^2 q (Young), which gives q back.
The rate of the first sweeps is that of fast modes and gives too small a w, which is
safe: w grows step by step, s at most by halves. It shrinks where the error rose or the
dual objective fell.

Sources: D. Young, Iterative solution of large linear systems, 1971, section 6.2;
A. Thibault, L. Chizat, C. Dossal and N. Papadakis, Overrelaxed Sinkhorn-Knopp algorithm
for regularized optimal transport, 2017, section 4.
"""

import math
from dataclasses import dataclass

# Two rates that differ by less, relative to their logarithms, are one asymptotic rate.
AGREEMENT = 0.3


@dataclass
class Relaxation:
    """Relaxation of the sweeps, adapted at every measure.

    Parameters
    ----------
    omega : float, default=1.0
        Relaxation, 1 for plain sweeps.
    last : float, default=inf
        Error at the last measure.
    rate : float, default=1.0
        Factor per sweep between the last two measures.
    age : int, default=0
        Measures since the relaxation changed.
    objective : float, default=-inf
        Dual objective at the last measure.
    """

    omega: float = 1.0
    last: float = math.inf
    rate: float = 1.0
    age: int = 0
    objective: float = -math.inf

    @property
    def contraction(self):
        """Estimate of the best factor per sweep that a relaxation can give."""
        s = 2.0 / self.omega - 1.0
        return max(self.rate if self.omega == 1.0 else self.omega - 1.0, 1.0 - 2.0 * s)

    def update(self, error, objective, sweeps):
        """Adapt to a measure.

        Parameters
        ----------
        error : float
            Marginal error.
        objective : float
            Dual objective.
        sweeps : int
            Number of sweeps since the last measure.
        """
        old, self.last = self.last, error
        self.age += 1
        if not 0.0 < error < math.inf or not old < math.inf or sweeps < 1:
            self.rate, self.age = 1.0, 0
            self.objective = objective
            return
        before, self.rate = self.rate, (error / old) ** (1.0 / sweeps)
        fell = objective < self.objective - 1e-12 * abs(self.objective)
        self.objective = objective
        if self.omega > 1.0 and self.rate >= 1.0:
            if self.age > 3 or fell:
                self._set(1.0 + 0.5 * (self.omega - 1.0))
        elif self.age >= 2 and self.rate < 1.0:
            self._grow(before)

    def _grow(self, before):
        """Raise the relaxation if the rate says that it is too small."""
        w, p = self.omega, self.rate
        if w == 1.0:
            settled = 0.0 < before < 1.0 and abs(
                math.log(p) - math.log(before)
            ) < AGREEMENT * abs(math.log(p))
            if not settled:
                return
            q = p
        elif p > w - 1.0 + 0.1 * (2.0 - w):
            q = (p + w - 1.0) ** 2 / (p * w * w)
        else:
            return
        if 0.0 < q < 1.0:
            s, now = math.sqrt(1.0 - q), 2.0 / w - 1.0
            wider = 2.0 / (1.0 + max(s, 0.5 * now if w > 1.0 else 0.1))
            if wider > w:
                self._set(wider)

    def _set(self, omega):
        self.omega, self.age = omega, 0
