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
AGREEMENT = 0.6


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
    before : float, default=1.0
        The same between the two measures before.
    age : int, default=0
        Measures since the relaxation changed.
    objective : float, default=-inf
        Dual objective at the last measure.
    patience : int, default=3
        Measures for which the error may rise after the relaxation changed.
    """

    omega: float = 1.0
    last: float = math.inf
    rate: float = 1.0
    before: float = 1.0
    age: int = 0
    objective: float = -math.inf
    patience: int = 3

    @classmethod
    def of(cls, memory):
        """Return the relaxation whose fields are among the items of a dict."""
        return cls(*(memory[name] for name in cls.__match_args__))

    def remaining(self, tol, slowest=0.0):
        """Return how many more sweeps the observed rate promises to take.

        Parameters
        ----------
        tol : float
            Error to reach.
        slowest : float, default=0.0
            What q is expected to be at least. It counts until the rate of relaxed
            sweeps has been observed.

        Returns
        -------
        sweeps : float
            Infinite without a rate.
        """
        if self.last <= tol:
            return 0.0
        w, p = self.omega, self.rate
        if tol <= 0.0:
            return math.inf
        if w > 1.0:
            # A single interval may be a beat of the complex modes.
            p = math.sqrt(p * self.before)
            if self.age == 0 or (self.age == 1 and p >= 1.0):
                # The rate is that of the old relaxation, or of the jump to the new one.
                p = max(w - 1.0, _relaxed(slowest))
        if not 0.0 < p < 1.0:
            return math.inf
        if w == 1.0:
            p = _relaxed(max(p, slowest))
        return math.log(tol / self.last) / math.log(max(p, w - 1.0, 1e-3))

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
        self.before = before = self.rate
        self.rate = (error / old) ** (1.0 / sweeps)
        fell = objective < self.objective - 1e-8 * abs(self.objective)
        self.objective = objective
        if self.omega > 1.0 and self.rate >= 1.0:
            if fell or (self.age > self.patience and self.rate * before >= 1.0):
                self._set(1.0 + 0.5 * (self.omega - 1.0))
        elif self.age >= 2 and self.rate < 1.0:
            self._grow()

    def _grow(self):
        """Raise the relaxation if the rate says that it is too small."""
        w, p, before = self.omega, self.rate, self.before
        if w == 1.0:
            q, least = p, 0.1
            if not 0.0 < before < 1.0 or abs(
                math.log(p) - math.log(before)
            ) > AGREEMENT * abs(math.log(p)):
                return
        else:
            # A single slow interval is a beat of the complex modes.
            p = min(p, math.sqrt(p * before))
            if p <= w - 1.0 + 0.1 * (2.0 - w):
                return
            q, least = (p + w - 1.0) ** 2 / (p * w * w), 0.5 * (2.0 / w - 1.0)
        if 0.0 < q < 1.0:
            wider = 2.0 / (1.0 + max(math.sqrt(1.0 - q), least))
            if wider > w:
                self._set(wider)

    def _set(self, omega):
        self.omega, self.age = omega, 0


def _relaxed(q):
    """Return the rate of the best relaxation, for the rate of plain sweeps."""
    s = math.sqrt(1.0 - q)
    return (1.0 - s) / (1.0 + s)
