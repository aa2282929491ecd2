"""OASIS: a diagonal of second derivatives and a step from local smoothness.

Problem and symbols: :mod:`skopt2.solvers.curvature.field`; D (N,) or (N, K) the
diagonal, norms those of D and, for gradients, of 1 / D; e_k the step.

    D <- beta D + (1 - beta) abs(z H z),  z random signs,
    u <- prox(u - e_k / D * g, e_k / D),
    e_k = min((1 + t)^1/2 e_{k-1}, norm(u - u_old) / (2 norm(g - g_old))), t the ratio
    of the last two steps,

where z H z is an unbiased estimate of the diagonal of H by Hutchinson, one product with
the Hessian for each step. No learning rate, no bound of the curvature, no line search.

Two things keep it safe from any start and in any units. The estimate is made in the
metric M: the noise in a coordinate comes from the others, and without units that match,
a column in large units would drown one in small ones. D is at least FLOOR times what a
bound of the curvature gives. And every PERIOD steps the objective is looked at: where
it has risen, the iteration goes back to the best point, halves the step and forgets the
ratio, and each step from then on has to pass a test of decrease until one period has.

The diagonal is a metric in which separable penalties have their prox, concave ones too.

Source: M. Jahani, S. Rusakov, Z. Shi, P. Richtarik, M. W. Mahoney and M. Takac, Doubly
adaptive scaled algorithm for machine learning using second-order information, ICLR
2022, algorithm 1 and eq. (7); the step: Y. Malitsky and K. Mishchenko, Adaptive
gradient descent without descent, ICML 2020.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, max_abs, sum64
from skopt2._core.random import seed_sequence
from skopt2.solvers.curvature.method import CurvatureMethod, Run

# Estimates of the diagonal that are averaged at the start.
PROBES = 10
# Least diagonal, relative to the curvature of the data.
FLOOR = 1e-2
# Steps between two looks at the objective.
PERIOD = 10


@dataclass(frozen=True)
class Pace:
    """What the method remembers.

    Parameters
    ----------
    D : array of the shape of u
        Diagonal.
    step, ratio : float
        Last step and its ratio to the one before.
    old : Local or None
        Point of the last step, None before the first.
    best : Run or None
        Best point that has been looked at, None for the start.
    safe : bool
        Whether each step has to pass the test of decrease.
    """

    D: Any
    step: float
    ratio: float
    old: Any = None
    best: Any = None
    safe: bool = False


class Oasis(CurvatureMethod):
    """Gradient steps scaled by an estimated diagonal, with adaptive lengths.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a separable penalty with a slope at 0.
    tol : float
        Tolerance of the certificate.
    random_state : None, int, RandomState or Generator, default=None
        Seed of the estimates.
    beta : float, default=0.99
        Memory of the diagonal.
    """

    name = "oasis"
    takes = "separable"
    stochastic = True

    def __init__(self, problem, tol, random_state=None, beta=0.99):
        super().__init__(problem, tol)
        self.beta = beta
        self._rng = np.random.default_rng(seed_sequence(random_state))

    def _signs(self, field, like):
        signs = 2.0 * self._rng.integers(0, 2, like.shape) - 1.0
        return asarray_like(signs, like)

    def _estimate(self, field, local, h):
        """Return an estimate of the diagonal of the Hessian, in the metric."""
        root, z = field.metric**0.5, self._signs(field, local.u)
        d = z / root
        bent = self.problem.curvature_product(h, field.times(d))
        self.counts["gradients"] += 1
        return z * (field.adjoint(bent) / root + field.q / root * d)

    def _floored(self, field, local, h, D):
        """Return a diagonal in the metric that is nowhere too small."""
        xp = field.xp
        bend = self.problem.mean_curvature(h)
        least = FLOOR * max(max_abs(xp.reshape(bend, (-1,))), 1e-300)
        return xp.maximum(xp.abs(D), 0.0 * D + least) * field.metric

    def _begin(self, field, local):
        h = field.curvature(local.eta)
        total = 0.0
        for _ in range(PROBES):
            total = total + self._estimate(field, local, h) / PROBES
        D = self._floored(field, local, h, total)
        # A step so short that it cannot be too long: the second knows better.
        return Pace(D, 1e-3 / field.model.theta, 1e9)

    def _advance(self, field, run):
        """Take one period of steps; see CurvatureMethod."""
        best = run.memory.best or run
        for _ in range(PERIOD):
            run = self._step(field, run)
        self.counts["iterations"] += PERIOD - 1
        if run.objective <= best.objective + self.rounding(best):
            best = replace(run, memory=replace(run.memory, best=None))
            return replace(run, memory=replace(run.memory, best=best, safe=False))
        step = 0.5 * min(run.memory.step, best.memory.step)
        pace = Pace(run.memory.D, step, 1.0, None, best, True)
        return replace(best, memory=pace)

    def _best(self, run):
        return (run.memory.best or run).local

    def _step(self, field, run):
        """Take one step."""
        local, memory = run.local, run.memory
        h = field.curvature(local.eta)
        scaled = self.beta * memory.D / field.metric
        scaled = scaled + (1.0 - self.beta) * self._estimate(field, local, h)
        D = self._floored(field, local, h, scaled)
        step = self._length(field, local, memory, D)
        for _ in range(60):
            u, rest = self._prox(field, local, step / D)
            eta = field.times(u)
            value = field.value(u, eta)
            move = u - local.u
            if not memory.safe:
                if np.isfinite(value):
                    break
            else:
                bound = sum64(local.g * move) + 0.5 / step * sum64(move * move * D)
                if value <= local.value + bound + self.rounding(run):
                    break
            step *= 0.5
        new = field.at(u, eta, value)
        self.counts["gradients"] += 1
        ratio = step / memory.step
        kept = Pace(D, step, ratio, local, memory.best, memory.safe)
        return Run(new, rest, run.length, kept)

    def _length(self, field, local, memory, D):
        """Return the step from the ratio of the last two and from local smoothness."""
        if memory.old is None:
            return memory.step
        longest = (1.0 + memory.ratio) ** 0.5 * memory.step
        moved, changed = local.u - memory.old.u, local.g - memory.old.g
        size = sum64(changed * changed / D) ** 0.5
        if not size > 0.0:
            return longest
        return min(longest, 0.5 * sum64(moved * moved * D) ** 0.5 / size)

    def _prox(self, field, local, steps):
        """Return the proximal step and the penalty there."""
        u = local.u - steps * local.g
        if field.smooth:
            return u, 0.0
        k = field.offset
        w = field.penalty.prox(u[k:, ...], steps[k:, ...], field.lam)
        u = field.join(u[:1, ...], w)
        return u, field.rest(u)
