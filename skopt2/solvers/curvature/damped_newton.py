r"""Damped Newton steps with explicit schedules, and backtracking over the smoothness.

Problem and symbols: :mod:`skopt2.solvers.curvature.field`; H the Hessian of the smooth
part, d = H^-1 g its Newton direction, delta = (g'd)^1/2 the decrement; the step is
u - alpha d. Norms are those of H at the point: everything here is the same after an
affine change of the variables.

For constants of third order, D^3 f[h]^3 <= m norm(h)^3 near the point and the fourth
order at most m^2 norm(h)^4 / 2 (which convexity makes the one imply the other: between
derivatives of order 2 and 4 that of order 3 is at most the root of twice their
product),

    f(u + h) <= f + g'h + norm(h)^2 / 2 + m norm(h)^3 / 6 + m^2 norm(h)^4 / 48.

- ``schedule="aicn"`` minimises the terms of order up to 3 on the ray, in closed form
  alpha = ((1 + 2 m delta)^1/2 - 1) / (m delta): f falls like k^-2.
- ``schedule="third"`` minimises all: alpha is the root in (0, 1] of
  1 = alpha + m delta alpha^2 / 2 + m^2 delta^2 alpha^3 / 12. For large delta the step
  is delta^-2/3 and the decrease delta^4/3, as of a tensor method of third order: f
  falls like k^-3. Here m^2 / 2 is the Lipschitz constant of the third derivative.

Both steps tend to 1, and the convergence is quadratic in the end. The constant m is
not known: each iteration starts with a quarter of the last and doubles it until the
bound above holds at the new point, or F falls by at least half of what the quadratic
model promises, alpha (1 - alpha / 2) delta^2. Either is a fall of alpha delta^2 / 4 or
more at an alpha no smaller than that of twice the true constant, which is what the
rates rest on. On the ray a trial costs no product with the data.

With a penalty that has a kink, h minimises g'h + h'Hh / (2 alpha) + pen(w + h), where
the decrement is that of the minimiser with alpha = 1.

Sources: S. Hanzely, D. Kamzolov, D. Pasechnyuk, A. Gasnikov, P. Richtarik and M. Takac,
A damped Newton method achieves global O(1/k^2) and local quadratic convergence rate,
NeurIPS 2022, for "aicn"; S. Hanzely, F. Abdukhakimov and M. Takac, Damped Newton method
with near-optimal global O(k^-3) convergence rate (Newton method revisited),
arXiv:2405.18926, for schedules of third order and backtracking; the bound of the third
derivative: Y. Nesterov, Implementable tensor methods in unconstrained convex
optimization, Mathematical Programming 186, 2021, lemma 3. The closed schedule and its
constants here are derived from that bound.
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import sum64
from skopt2.solvers.curvature.matrix import CurvatureMatrix
from skopt2.solvers.curvature.method import CurvatureMethod
from skopt2.solvers.curvature.model_step import model_step

# What the constant is multiplied by before each iteration and after each failure.
FALL, GROW = 0.25, 2.0
# Share of the predicted fall that an actual one may be.
AGREEMENT = 0.5
# Failures of one iteration after which rounding is to blame.
TRIALS = 60


@dataclass(frozen=True)
class Constant:
    """What the method remembers.

    Parameters
    ----------
    m : float
        Smoothness constant of the last iteration, 0 before the first.
    matrix : CurvatureMatrix or None
        Hessian where it has not changed since, None elsewhere.
    """

    m: float
    matrix: Any = None


class DampedNewton(CurvatureMethod):
    """Newton steps with a schedule for their length.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a convex penalty.
    tol : float
        Tolerance of the certificate.
    schedule : {"third", "aicn"}, default="third"
        Length of a step.
    """

    name = "newton-damped"

    def __init__(self, problem, tol, schedule="third"):
        super().__init__(problem, tol)
        self.schedule = schedule

    def _begin(self, field, local):
        return Constant(0.0)

    def _advance(self, field, run):
        """Take one step; see CurvatureMethod."""
        local, problem = run.local, self.problem
        matrix = run.memory.matrix
        if matrix is None:
            h = field.curvature(local.eta)
            matrix = CurvatureMatrix(field, h, coupled=problem.n_outputs > 1)
            self.counts["hessians"] += 1
        full = model_step(field, matrix, local)
        square = sum64(full * matrix.times(full))
        if not square > 0.0 or not math.isfinite(square):
            return run
        found = self._search(field, run, matrix, full, square**0.5)
        if found is None:
            return run
        u, eta, value, m = found
        new = field.at(u, eta, value)
        self.counts["gradients"] += 1
        kept = matrix if problem.loss.is_quadratic else None
        return self._run_at(field, new, Constant(m, kept))

    def _search(self, field, run, matrix, full, delta):
        """Return the new point and its constant: the first that bounds the model."""
        local, slack = run.local, self.rounding(run)
        ray = field.times(full)
        m = FALL * run.memory.m
        for _ in range(TRIALS):
            alpha = step_length(self.schedule, m * delta)
            h, change = alpha * full, alpha * ray
            if not field.smooth and alpha < 1.0:
                h = model_step(field, matrix, local, t=1.0 / alpha)
                change = field.times(h)
            u, eta = local.u + h, local.eta + change
            value = field.value(u, eta)
            size = alpha * delta
            if not field.smooth:
                size = max(sum64(h * matrix.times(h)), 0.0) ** 0.5
            model = sum64(local.g * h) + 0.5 * size * size
            bound = local.value + model + excess(self.schedule, m * size) * size * size
            rest = field.rest(u)
            rise, model = value + rest - run.objective, model + rest - run.rest
            good = value <= bound + slack or rise <= AGREEMENT * model < -slack
            if good and rise <= slack:
                return (*field.centred(u, eta), value, m)
            # At 1 / delta a step is about half of the whole. Where each trial minimises
            # a model, there had better be few of them.
            grow = GROW if field.smooth else GROW * GROW
            m = max(grow * m, 1.0 / delta if field.smooth else 4.0 / delta)
        return None


def step_length(schedule, s):
    """Return alpha of a schedule for s = m * delta.

    Parameters
    ----------
    schedule : {"third", "aicn"}
        See the module.
    s : float
        Nonnegative.
    """
    if s <= 1e-12:
        return 1.0
    alpha = 2.0 / (1.0 + math.sqrt(1.0 + 2.0 * s))
    if schedule == "aicn":
        return alpha
    # Newton from above on a convex increasing function falls to its root.
    for _ in range(60):
        value = alpha + 0.5 * s * alpha**2 + s * s * alpha**3 / 12.0 - 1.0
        slope = 1.0 + s * alpha + 0.25 * s * s * alpha**2
        new = alpha - value / slope
        if not new < alpha * (1.0 - 1e-15):
            break
        alpha = new
    return alpha


def excess(schedule, s):
    """Return what the bound adds to norm(h)^2 / 2, over norm(h)^2, at s = m norm(h)."""
    return s / 6.0 + (s * s / 48.0 if schedule == "third" else 0.0)
