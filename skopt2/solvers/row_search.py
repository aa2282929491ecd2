r"""Proximal steps on a working set of rows, and Newton where they lead.

Problem: that of :mod:`skopt2.solvers.row_model`.
Symbols: d = diag(G); theta the largest eigenvalue of G scaled to a unit diagonal.

Proximal steps with momentum find which rows are zero. Each row has its own step,
1 / (theta d_j): the prox of a norm allows that, and the method does not see the scale
of the features. When the rows in use have not changed between two looks, Newton's
method minimises over them (:mod:`skopt2.solvers.row_newton`).

Concave penalties have points that are stationary but minimal for no single row, where
d_j is less than the concavity. There rows are moved to the minima of their own models.

Sources: A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009, eqs. 4.1-4.3; B.
O'Donoghue and E. Candes, Foundations of Computational Mathematics 15, 2015, section
3.2 (restart); Z. Qin, K. Scheinberg and D. Goldfarb, Mathematical Programming
Computation 5, 2013 (one row).
"""

import math

import numpy as np

from skopt2.solvers.row_model import row_norms
from skopt2.solvers.row_newton import newton_rows

# Proximal steps between two looks, and most of them in one call.
PERIOD, INNER_LIMIT = 5, 3000


def minimise_rows(model, by_gap, goal, expired):
    """Return the minimiser on a working set of rows.

    Parameters
    ----------
    model : RowModel
        Objective and start.
    by_gap : bool
        Whether the goal is one of the duality gap, or of the distance to stationarity.
    goal : float
        Where to end.
    expired : callable
        True when time is up.
    """
    return _Search(model, by_gap, goal, expired).run()


class _Search:
    """Proximal steps with momentum, and Newton once the rows in use stay the same."""

    def __init__(self, model, by_gap, goal, expired):
        self.model, self.by_gap, self.goal = model, by_gap, goal
        self.expired = expired
        self.best = self.new = self.old = model.V
        self.t, self.plain, self.stretch = 1.0, False, 1.0
        self.value = model.value(model.V, model.M)
        self.slack = 1e-15 * abs(self.value)
        self.used, self.wait, self.idle, self.looks = None, 0, 0, 0

    def run(self):
        """Iterate to the goal."""
        reached = self._reached(self.best, self.model.M, self.value)
        if reached and not self._move_rows(self.model.M):
            return self.best
        if np.any(self.best):
            # A warm start may have the rows already.
            self._newton(row_norms(self.best) > 0.0)
        for _ in range(INNER_LIMIT // PERIOD):
            self._advance()
            if self._look() or self.expired():
                break
        return self.best

    def _reached(self, V, M, value):
        model = self.model
        if self.by_gap:
            return model.gap(V, M, value) <= self.goal
        return model.distance(V, M) <= self.goal

    def _advance(self):
        model = self.model
        scale = self.stretch * model.theta * model.d
        steps = 1.0 / scale
        for _ in range(PERIOD):
            ahead = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * self.t**2))
            Z = self.new
            if not self.plain:
                Z = Z + ((self.t - 1.0) / ahead) * (self.new - self.old)
            end = model.prox(Z - steps[:, None] * model.gradient(Z), steps)
            turn = np.einsum("ij,ij,i->", Z - end, end - self.new, scale)
            self.t = 1.0 if turn > 0.0 else ahead
            self.old, self.new = self.new, end

    def _restart(self, V, plain=False):
        self.best = self.new = self.old = V
        self.t, self.plain = 1.0, plain

    def _look(self):
        """Judge the last iterate; True at the end."""
        model = self.model
        M = model.gradient(self.new)
        value = model.value(self.new, M)
        if not value <= self.value + self.slack:
            if self.plain:
                self.stretch *= 2.0
            self._restart(self.best, plain=True)
            return self.stretch > 1e6
        moved = self.value - value
        self.best, self.value, self.plain = self.new, value, False
        if self._reached(self.best, M, value):
            return not self._move_rows(M)
        used = row_norms(self.best) > 0.0
        settled = self.used is not None and np.array_equal(used, self.used)
        self.used = used
        self.wait -= 1
        self.looks += 1
        if (settled or self.looks % 3 == 0) and self.wait <= 0 and used.any():
            before = self.value
            self._newton(used)
            moved += before - self.value
            M = model.gradient(self.best)
            if self._reached(self.best, M, self.value):
                return not self._move_rows(M)
        self.idle = 0 if moved > self.slack else self.idle + 1
        return self.idle > 3

    def _newton(self, used):
        """Run Newton on some rows; go on from there if the objective is lower."""
        ids = np.flatnonzero(used)
        found = newton_rows(
            self.model, self.best, ids, self.by_gap, self.goal, self.expired
        )
        if found is None:
            self.wait = 4
            return
        V, value = found
        if value < self.value - self.slack:
            self._restart(V)
            self.value = value
        else:
            # The momentum of the proximal steps is worth more.
            self.wait = 4

    def _move_rows(self, M):
        """Move rows to the minima of their own models, all or half; True if it gains.

        One row at a time this cannot fail.
        """
        model = self.model
        if model.convex:
            return False
        steps = 1.0 / model.d
        moves = model.prox(self.best - steps[:, None] * M, steps) - self.best
        # Twice as far as stationarity allows: these rows are no minima of their own.
        force = row_norms(moves) * model.d
        gains = np.where(force > 2.0 * max(self.goal, 1e-9 * model.lam), force, 0.0)
        order = np.argsort(-gains)[: int(np.count_nonzero(gains))]
        while order.size:
            V = self.best.copy()
            V[order] += moves[order]
            value = model.value(V, model.gradient(V))
            if value < self.value - self.slack:
                self._restart(V)
                self.value = value
                return True
            order = order[: order.size // 2]
        return False
