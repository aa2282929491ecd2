"""Proximal gradient with momentum and restarts, for every loss and penalty with a prox.

Problem: min_(w, b) f(w, b) + sum_j pen(w_j; lam_j), see
:mod:`skopt2.solvers.composite`.
Symbols: z = w_k + (t_{k-1} - 1) / t_k * (w_k - w_{k-1}) the extrapolated point, t_k the
momentum; s_j = 1 / (c * theta * D_j) the steps; w_{k+1} = prox(z - s * grad f(z), s).

The momentum restarts, t = 1, when the gradient mapping points back,
sum_j (z - w_{k+1})_j (w_{k+1} - w_k)_j / s_j > 0. Both are decided on the device. Every
tenth iteration the host looks:

- If the objective rose, the iterates since the last look are dropped and the next ten
  go without momentum, which cannot rise unless the steps are too long; then those are
  halved. For nonconvex penalties this makes the sequence of looks monotone.
- If no coordinate has changed its smooth piece since the last look, Newton steps on the
  support end the search (:mod:`skopt2.solvers.support_newton`).
- At a stationary point of a nonconvex penalty, the coordinates that would still gain by
  a step of their own are moved: these steps are longer, so that fewer points are fixed.

A loss without a bound on its curvature has c found by backtracking, which looks every
iteration.

Sources: A. Beck and M. Teboulle, A fast iterative shrinkage-thresholding algorithm,
SIAM J. Imaging Sciences 2, 2009, eqs. 4.1-4.3 and section 4 (backtracking); B.
O'Donoghue and E. Candes, Adaptive restart for accelerated gradient schemes, Foundations
of Computational Mathematics 15, 2015, section 3.2 (gradient scheme); H. Li and Z. Lin,
Accelerated proximal gradient methods for nonconvex programming, NIPS 2015 (monitor).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import asarray_like, max_abs, put, top_k
from skopt2.solvers.box_interior import fits, interior_point, is_box
from skopt2.solvers.certificate import objective_scale
from skopt2.solvers.composite import Point
from skopt2.solvers.first_order import INNER_LIMIT, FirstOrder
from skopt2.solvers.support_newton import newton_step

# Iterations between two looks of the host.
PERIOD = 10


@dataclass(frozen=True)
class Momentum:
    """Where the iteration stands.

    Parameters
    ----------
    new, old : Point
        The last two iterates.
    t : array of shape ()
        Momentum.
    c : float
        Bound of the curvature of the loss times theta: the steps are 1 / (c * D_j).
    """

    new: Point
    old: Point
    t: Any
    c: float


class ProximalGradient(FirstOrder):
    """Proximal gradient with momentum, adaptive restarts and a Newton finish.

    Parameters
    ----------
    problem : LinearProblem
        Any loss with a gradient, any penalty.
    tol : float
        Tolerance of the certificate.
    """

    name = "proxgrad"

    def _minimise(self, model, point, lam, goal, final):
        """Run the iteration; see FirstOrder."""
        xp = model.xp
        one = asarray_like(1.0, point.eta)
        c = model.curvature_bound(point.eta) * model.theta
        run = Momentum(point, point, one, c)
        best, value = point, model.objective(point, lam)
        # Two objectives that differ by less are the same but for rounding.
        slack = 8.0 * float(xp.finfo(point.eta.dtype).eps)
        slack *= max(abs(value), objective_scale(self.problem))
        region, plain, failures, patience, idle = None, False, 0, 1, 0
        least = math.inf
        inside = final and is_box(model.penalty) and fits(model)
        for _ in range(INNER_LIMIT // PERIOD):
            run, residual = self._advance(model, run, lam, plain)
            trial, before = model.objective(run.new, lam), value
            if not trial <= value + slack:
                failures += plain
                if failures > 3:
                    break
                c = run.c * (2.0 if plain else 1.0)
                run, plain = Momentum(best, best, one, c), True
                continue
            best, value, plain = run.new, trial, False
            last, region = region, model.penalty.region(best.w, lam)
            settled = last is not None and bool(xp.all(region == last))
            if settled or residual <= goal:
                patience -= 1
            found = None
            if patience <= 0:
                found = self._newton(model, best, lam, value + slack)
                if found is None and inside:
                    inside = False
                    tight = 1e-4 * self.tol * objective_scale(self.problem)
                    tight = max(tight, 0.1 * slack)
                    found = interior_point(model, best, lam, tight, goal)
                    if found[1] <= value + slack:
                        # Steps from here on could only add rounding errors.
                        return found[0]
                    found = None
                patience = 0 if found is not None else 4
            if found is not None:
                best, value = found
                region = model.penalty.region(best.w, lam)
                residual = self._residual(model, best, lam, run.c)
                run = Momentum(best, best, one, run.c)
            if residual <= goal:
                found = self._move_coordinates(model, best, lam, value, goal, final)
                if found is None:
                    break
                best, value = found
                run = Momentum(best, best, one, run.c)
            # At the floor of rounding neither the objective nor the mapping falls.
            moving = before - value > slack or residual < least
            idle, least = 0 if moving else idle + 1, min(least, residual)
            if idle > 3:
                break
        return best

    def _newton(self, model, point, lam, ceiling):
        """Return the point after a Newton step, None if its objective is too high."""
        return newton_step(model, point, lam, ceiling)

    def _advance(self, model, run, lam, plain):
        """Take one period of iterations; returns them and the gradient mapping."""
        xp = model.xp
        bounded = model.problem.loss.has_lipschitz
        if not bounded:
            # The curvature may have fallen on the way.
            run = replace(run, c=0.5 * run.c)
        for _ in range(PERIOD):
            new, t = run.new, run.t
            ahead = 0.5 * (1.0 + (1.0 + 4.0 * t * t) ** 0.5)
            z = new if plain else model.extrapolate(new, run.old, (t - 1.0) / ahead)
            g, slope = model.gradient(z.eta)
            if bounded:
                c, end = run.c, self._end(model, z, g, slope, run.c, lam)
            else:
                c, end = self._search(model, z, g, slope, run.c, lam)
            turn = xp.sum((z.w - end.w) * (end.w - new.w) * model.metric)
            if model.explicit:
                turn = turn + xp.sum((z.b - end.b) * (end.b - new.b))
            t = xp.where(turn > 0.0, xp.ones_like(t), ahead)
            run = Momentum(end, new, t, c)
        return run, _length(model, z, end, run.c)

    def _end(self, model, z, g, slope, c, lam):
        """Return the proximal step from z with steps 1 / (c * D_j)."""
        steps = 1.0 / (c * model.metric)
        w = model.penalty.prox(z.w - steps * g, steps, lam)
        b = z.b - slope * (1.0 / c) if model.explicit else z.b
        return model.at(w, b)

    def _search(self, model, z, g, slope, c, lam):
        """Raise c until f lies below its quadratic model at the end of the step.

        Every trial waits for the device.
        """
        xp, problem = model.xp, model.problem
        base = problem.loss_value(z.eta)
        for _ in range(60):
            end = self._end(model, z, g, slope, c, lam)
            d, e = end.w - z.w, end.b - z.b
            linear = xp.sum(d * g) + xp.sum(e * slope)
            square = xp.sum(d * d * model.metric) + xp.sum(e * e)
            bound = base + float(linear) + 0.5 * c * float(square)
            if problem.loss_value(end.eta) <= bound + 1e-13 * abs(base):
                break
            c *= 2.0
        return c, end

    def _residual(self, model, point, lam, c):
        """Return the length of the gradient mapping at a point; waits."""
        g, slope = model.gradient(point.eta)
        return _length(model, point, self._end(model, point, g, slope, c, lam), c)

    def _move_coordinates(self, model, point, lam, value, goal, final):
        """Move coordinates to the minima of their own models; None if none gains.

        The moves are those of the fixed-point certificate, with the longest steps that
        a single coordinate allows. One coordinate at a time they cannot fail, but many
        at once usually do not either: the batch is halved until the objective falls.
        Waits for the device at every trial.
        """
        wanted = self.fixed_point or (final and not self.problem.penalty.convex)
        if not wanted or model.m == 0:
            return None
        xp, c = model.xp, model.curvature_bound(point.eta)
        g, _ = model.gradient(point.eta)
        bounds = c * model.metric
        d = model.penalty.prox(point.w - g / bounds, 1.0 / bounds, lam) - point.w
        force = xp.abs(d * bounds)
        if max_abs(force) <= goal:
            return None
        score = xp.reshape(xp.where(force > goal, d * d * bounds, 0.0 * d), (-1,))
        flat, move = xp.reshape(point.w, (-1,)), xp.reshape(d, (-1,))
        batch = max(1, int(xp.sum(xp.astype(score > 0.0, xp.int64))))
        while batch >= 1:
            index = top_k(score, batch)
            values = xp.take(flat, index) + xp.take(move, index)
            w = put(xp.asarray(flat, copy=True), index, values)
            trial = model.at(xp.reshape(w, point.w.shape), point.b)
            reached = model.objective(trial, lam)
            if reached < value:
                return trial, reached
            batch //= 2
        return None


def _length(model, start, end, c):
    """Return the largest entry of the gradient mapping as a float; waits."""
    xp = model.xp
    length = 0.0
    if model.m:
        length = float(xp.max(xp.abs(start.w - end.w) * model.metric)) * c
    if model.explicit:
        length = max(length, float(xp.max(xp.abs(start.b - end.b))) * c)
    return length
