"""The search of the nuclear norm solver on one quadratic model.

Problem: min_B q(B) + sum_j pen(sigma_j(B); lam), see
:mod:`skopt2.solvers.nuclear_norm`.
Symbols: z the extrapolated point, t the momentum; steps 1 / bound.

Every tenth step the host looks. If the objective rose, the steps since the last look
are dropped and the next ones go without momentum, which cannot rise unless they are too
long; then they are halved. If the rank has not changed, Newton takes over.

Sources: those of :mod:`skopt2.solvers.nuclear_norm`.
"""

import math

import numpy as np

from skopt2._core.array import dot64, to_numpy
from skopt2.solvers.fixed_rank_newton import FixedRank
from skopt2.solvers.multitask_problem import best_dual
from skopt2.solvers.singular_values import shrink, spectral_norm, subspace_distance

# Below this ratio of threshold to largest singular value, squares lose the threshold.
SQUARES = 1e-5


class Quadratic:
    """The loss around a point, from its gradient there.

    Parameters
    ----------
    model : EigenModel or PlainModel
        Coordinates.
    B, M : array of shape (r, K)
        The point and its gradient.
    """

    def __init__(self, model, B, M):
        self.model, self.xp = model, model.xp
        self.B, self.M = B, M
        self.curved, self.diagonal = model.curved, model.diagonal

    def gradient(self, B):
        """Return the gradient."""
        return self.M + self.curved(B - self.B)

    def value(self, B, M):
        """Return the loss, up to a constant, from the gradient at the same point."""
        return 0.5 * dot64(B - self.B, self.M + M)


class Search:
    """Proximal steps on one quadratic, with looks of the host in between.

    Parameters
    ----------
    solver : NuclearNorm
        Problem, coordinates, tolerance.
    state : SpectralState
        Where to start.
    lam : float
        Level, positive.
    scalar : Penalty, default=None
        Of one singular value; None for that of the solver.
    """

    def __init__(self, solver, state, lam, scalar=None):
        problem = solver.problem
        self.solver, self.xp, self.lam = solver, solver.xp, lam
        self.scalar = solver.scalar if scalar is None else scalar
        self.convex = self.scalar.convex
        self.quadratic = Quadratic(solver.model, state.B, state.M)
        self.best = self.new = self.old = state.B
        self.t, self.bound = 1.0, solver.model.bound
        share = 0.1 * state.precision * solver.tol
        self.by_gap = self.convex
        self.goal = share * (problem.objective_scale if self.by_gap else solver.scale)
        self.done = False
        self.rank = state.measure.extra["rank"]
        self.exact = self.plain = False
        self.wait = 0
        self.base, self.fit = state.loss, state.fit
        self.value = self.base + self._penalty(state.B)
        # Two objectives that differ by less are the same but for rounding.
        eps = float(self.xp.finfo(state.B.dtype).eps)
        self.slack = 8.0 * eps * max(abs(self.value), problem.objective_scale)
        self.idle, self.least = 0, math.inf

    def _penalty(self, B):
        sigma = np.asarray(to_numpy(self.xp.linalg.svdvals(B)))
        return self.scalar.value(sigma, np.float64(self.lam))

    def advance(self, count):
        """Take proximal steps, then look: newton, restart, or done."""
        xp, quadratic = self.xp, self.quadratic
        sigma = None
        one = xp.sum(0.0 * self.new) + 1.0
        t = one * self.t
        for _ in range(count):
            ahead = 0.5 * (1.0 + (1.0 + 4.0 * t * t) ** 0.5)
            z = self.new
            if not self.plain:
                z = z + ((t - 1.0) / ahead) * (z - self.old)
            moved = z - quadratic.gradient(z) / self.bound
            end, sigma, top = shrink(
                xp, self.scalar, moved, 1.0 / self.bound, self.lam, self.exact
            )
            turn = xp.sum((z - end) * (end - self.new))
            t = xp.where(turn > 0.0, one, ahead)
            self.old, self.new = self.new, end
        self.t = float(t)
        self.exact = self.lam / self.bound < SQUARES * float(top)
        self._look(np.asarray(to_numpy(sigma), dtype=np.float64))

    def _look(self, sigma):
        """Judge the last iterate on the host."""
        rank = int((sigma > 0.0).sum())
        M = self.quadratic.gradient(self.new)
        value = self.base + self.quadratic.value(self.new, M)
        value += self.scalar.value(sigma, np.float64(self.lam))
        if not value <= self.value + self.slack:
            if self.plain:
                self.bound *= 2.0
            self._restart(self.best, plain=True)
            self.done = self.bound > 1e6 * self.solver.model.bound
            return
        moved = self.value - value
        self.best, self.value, self.plain = self.new, value, False
        distance = self._distance(self.new, M, value)
        if distance <= self.goal:
            self.done = True
            return
        # At the floor of rounding neither the objective nor the distance falls.
        moving = moved > self.slack or distance < 0.9 * self.least
        self.idle, self.least = (
            0 if moving else self.idle + 1,
            min(self.least, distance),
        )
        if self.idle > 3:
            self.done = True
            return
        settled, self.rank = rank == self.rank, rank
        self.wait -= 1
        if settled and self.wait <= 0 and rank > 0:
            self._newton(rank)

    def _distance(self, B, M, value):
        """Return the gap, or the distance to stationarity, of the quadratic model."""
        if not self.by_gap:
            return subspace_distance(self.xp, self.scalar, B, M, self.lam)
        D = B - self.quadratic.B
        energy = 2.0 * (self.base + self.quadratic.value(B, M))
        fit = self.fit - dot64(D, self.solver.model.target)
        return value - best_dual(energy, fit, self.lam, spectral_norm(M))

    def _restart(self, B, plain=False):
        self.best = self.new = self.old = B
        self.t, self.plain = 1.0, plain

    def _newton(self, rank):
        """Minimise on the matrices of the rank, and go on from there if it is lower."""
        xp = self.xp
        U, sigma, Vt = xp.linalg.svd(self.best, full_matrices=False)
        V = xp.matrix_transpose(Vt)[:, :rank]
        factors = U[:, :rank], sigma[:rank], V
        if not float(sigma[rank - 1]) > 0.0:
            return
        # A gradient that is off by g changes the gap by about g * |B|_*.
        size = float(xp.sum(sigma))
        goal = 0.1 * self.goal / size if self.by_gap else 0.1 * self.goal
        problem = FixedRank(self.quadratic, self.scalar, self.convex, self.lam)
        B = problem.minimise(factors, goal, lambda: self.solver.problem.expired)
        M = self.quadratic.gradient(B)
        value = self.base + self.quadratic.value(B, M) + self._penalty(B)
        self.done = self._distance(B, M, value) <= self.goal
        if value < self.value - self.slack or self.done:
            self._restart(B)
            self.value = value
        else:
            # The momentum of the proximal steps is worth more.
            self.wait = 4
