"""Newton's method on the pattern that a block descent has identified.

Problem: min_x f(x) + sum_i pen(x_i; lam_i). S holds the coordinates around which the
penalty is smooth: those that are neither 0 at a kink nor at a bound. Their pattern is
the code of the smooth piece that each is on.

Where -g_i lies in the interior of the subdifferential for the coordinates outside S,
block descent finds the pattern of the minimiser after finitely many updates, and keeps
it. What remains is a smooth problem: (H + C) d = -(g + pen')_S, with a line search.
Its steps converge superlinearly; for the squared loss one is enough, so that the whole
method ends after finitely many updates.

No method knows that it has found the pattern. Once it has rested for some sweeps, steps
are taken until one leaves it, or until no coordinate of S is left to improve; the
descent then looks at the others. A step that crosses a kink ends there, and only counts
if the objective falls: trying too early costs time and nothing else.

Source: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022, sections 5 and 6.
"""

import numpy as np

from skopt2.solvers.block_coordinate_descent.block_minimum import DenseMatrix
from skopt2.solvers.block_coordinate_descent.pieces import limits, piece
from skopt2.solvers.krylov import conjugate_gradient

# Sweeps for which the pattern has to rest, and Newton steps of one attempt.
PATIENCE, STEPS = 2, 12
# Larger systems are solved by conjugate gradients.
DENSE = 1500
HALVINGS, PRODUCTS = 12, 300
# Too small to be seen in the rate of convergence.
RIDGE = 1e-9


class PatternNewton:
    """Watches the pattern of an engine, and takes Newton steps where it rests.

    Parameters
    ----------
    engine : BlockEngine
        Whose point it moves.
    """

    def __init__(self, engine):
        self.engine = engine
        self.n_steps = 0
        self.forget()

    def forget(self):
        """Start to watch afresh."""
        self._pattern, self._rested = None, 0

    def observe(self):
        """Look at the pattern after a sweep, and finish where it has rested."""
        pattern = self.pattern()
        same = self._pattern is not None and np.array_equal(pattern, self._pattern)
        self._rested = self._rested + 1 if same else 0
        self._pattern = pattern
        if self._rested >= PATIENCE:
            self.finish()

    def pattern(self):
        """Return the code of the smooth piece of each coordinate."""
        engine = self.engine
        if engine.penalty is None:
            return np.ones(engine.x.size, dtype=np.int8)
        codes = engine.penalty.region(engine.x, engine.lam)
        return np.where(engine.penalty.unpenalised(engine.lam), 1, codes)

    def finish(self):
        """Take Newton steps until one fails or leaves the pattern."""
        start = self._pattern
        for _ in range(STEPS):
            before = self._worst
            if not self.step():
                # The next attempt waits for another pattern, or for as long again.
                self._rested = -PATIENCE
                return
            pattern = self.pattern()
            if not np.array_equal(pattern, start):
                self._pattern, self._rested = pattern, 0
                return
            if self.engine.smooth.exact or not self._worst < 0.5 * before:
                return

    @property
    def _worst(self):
        """Distance from stationarity on the pattern."""
        inside, q = self._inside()
        return float(np.abs(q[inside]).max(initial=0.0))

    def _inside(self):
        """Return S as a mask, and the derivative of the objective."""
        engine = self.engine
        g = engine.smooth.gradient()
        if engine.penalty is None:
            return np.ones(g.size, dtype=bool), g
        penalty, x, lam = engine.penalty, engine.x, engine.lam
        inside = penalty.free(x, lam) | penalty.unpenalised(lam)
        return inside, np.where(inside, piece(penalty, x, g, lam).q, 0.0)

    def step(self):
        """Take one Newton step on the pattern; return whether the objective fell."""
        engine = self.engine
        inside, q = self._inside()
        S = np.flatnonzero(inside)
        if not S.size or not q.any():
            return False
        part, lam, x = engine.part(S), engine.lam[S], engine.x[S]
        C = np.zeros(S.size) if part is None else part.curvature(x, lam)
        d = self._direction(S, q[S], C)
        drop = float(d @ q[S])
        if not drop < 0.0:
            return False
        low, high, before = None, None, 0.0
        if part is not None:
            low, high = self._ends(part, x, lam)
            before = part.terms(x, lam)
        length = 1.0
        for _ in range(HALVINGS):
            new = x + length * d
            rise = 0.0
            if part is not None:
                new = np.clip(new, low, high)
                rise = float((part.terms(new, lam) - before).sum())
            change, token = engine.smooth.change(S, new - x)
            if change + rise <= 1e-4 * length * drop + engine.smooth.rounding:
                engine.smooth.accept(token)
                engine.x[S] = new
                self.n_steps += 1
                return True
            length *= 0.5
        return False

    def _ends(self, part, x, lam):
        """Return the ends of the half-lines that the coordinates are on."""
        low, high = limits(part, lam)
        kink = (part.slope_at_zero(lam) > 0.0) & ~part.unpenalised(lam)
        low = np.where(kink & (x > 0.0), np.maximum(low, 0.0), low)
        return low, np.where(kink & (x < 0.0), np.minimum(high, 0.0), high)

    def _direction(self, S, q, C):
        """Return -(H + C)^-1 q on S."""
        engine = self.engine
        if S.size <= DENSE:
            H = DenseMatrix(engine.smooth.hessian(S), RIDGE)
            return -H.solve(q, None, C)
        size = np.zeros(engine.x.size)
        diagonal = engine.smooth.lipschitz[S] + np.maximum(C, 0.0)
        diagonal = np.where(diagonal > 0.0, diagonal, 1.0)

        def multiply(v):
            size[S] = v
            return engine.smooth.hessian_times(size)[S] + C * v

        d, _ = conjugate_gradient(
            multiply, -q, lambda v: v / diagonal, 1e-8, PRODUCTS, False, lambda: False
        )
        return d
