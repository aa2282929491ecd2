"""Smoothing and continuation for the pinball loss, with an exact end.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem` with the pinball loss of level q.
Symbols: h the half-width of the quadratic piece of the smoothed loss, F_h the objective
with it, F <= F_h <= F + h / 4; theta the gradient of the smoothed loss at its solution.

One step solves one smoothed problem by proximal gradient with a Newton finish, started
where the last two solutions point: with the pieces of all samples and coefficients
fixed, the solution is linear in h. Then h is divided by 4. theta lies in the domain of
the conjugate of the pinball itself, and c = X'(s * theta) obeys the conditions of the
penalty up to the accuracy of the solution; so (w, theta) is a primal-dual pair of the
true problem, and the certificate is its duality gap, not that of the smoothed one.

Where the penalty is piecewise linear too, the problem is a linear program. As soon as
the samples within 2 h of the fit and the features in use are few, that small program is
solved (:mod:`skopt2.solvers.quantile_vertex`), which ends at an exact solution: no h is
small enough for that, and each is harder than the last.

Nonconvex penalties have no gap. Their certificate is the stationarity of the smoothed
solution or, if it is larger, the pinball's gap sum_i s_i (l(eta_i) + l*(theta_i) -
theta_i eta_i), which says how far theta is from a subgradient. Programs of their
tangents (:mod:`skopt2.solvers.local_linear`) bring both to 0, also where a narrow loss
and a concave penalty leave the smoothed problem without a minimum that can be found.

Sources: Y. Nesterov, Smooth minimization of non-smooth functions, Mathematical
Programming 103, 2005; X. He, X. Pan, K. M. Tan and W.-X. Zhou, Smoothed quantile
regression with large-scale inference, Journal of Econometrics 232, 2023.
"""

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import dot64
from skopt2._core.result import Measure
from skopt2.solvers.certificate import (
    GAP,
    certificate_name,
    kkt_violation,
    objective_scale,
)
from skopt2.solvers.fixed_point import FIXED_POINT
from skopt2.solvers.local_linear import LocalLinear, is_concave
from skopt2.solvers.proximal_gradient import ProximalGradient
from skopt2.solvers.quantile_vertex import Vertex, VertexProgram, has_vertex
from skopt2.solvers.state import Solution

# Each smoothing is this much narrower than the last.
SHRINK = 0.25
# Steps of the proximal gradient solver for one smoothed problem.
INNER_STEPS = 12
# Rows times columns of a program that is solved whatever the band looks like.
SMALL_PROGRAM = 3_000
# Smoothing, relative to the scale, at which a concave penalty's minimum is chosen:
# wider ones lead past poor minima, as long as their own problems are solved.
DESCENT = 0.03
# Samples times features up to which a second descent starts from 0.
LONG_WAY = 50_000


@dataclass(frozen=True)
class State:
    """A primal-dual pair and the smoothing that it came from.

    Parameters
    ----------
    solution : Solution
        Coefficients and intercept.
    eta : array of shape (n,)
        Linear predictor, beside X.
    theta : array of shape (n,)
        Dual point of the pinball loss, beside X.
    c : ndarray of shape (p,)
        X'(s * theta) on the host.
    h : float
        Smoothing of the solution; inf before the first step.
    start : Solution
        Where the next smoothed problem starts.
    smoothed : float
        Relative stationarity of the smoothed solution.
    exact : bool
        True at a vertex.
    """

    solution: Solution
    eta: Any
    theta: Any
    c: np.ndarray
    h: float
    start: Solution | None
    smoothed: float = math.inf
    exact: bool = False


class Smoothing:
    """Continuation in the smoothing of the loss.

    Parameters
    ----------
    problem : LinearProblem
        A loss with ``smoothable`` set, any penalty.
    tol : float
        Tolerance of the certificate.

    Raises
    ------
    ValueError
        If the loss has no smoothed form.
    """

    name = "smoothing"
    check_every = 1

    def __init__(self, problem, tol):
        if not problem.loss.smoothable:
            raise ValueError(
                f"solver='smoothing' is for losses with a kink, and the "
                f"{problem.loss.name} loss is differentiable; use solver='auto'."
            )
        self.problem, self.tol = problem, tol
        fixed = problem.penalty.stationarity == "fixed_point"
        self.certificate_name = FIXED_POINT if fixed else certificate_name(problem)
        self.scale = objective_scale(problem)
        self.floor = 1e-10 if problem.y.dtype == problem.xp.float64 else 1e-4
        # An explicit smoothing of the user's stays: nothing narrower is wanted.
        self.narrowest = max(float(problem.loss.smoothing), self.floor * self.scale)
        self.vertex = self.tangents = None
        if not problem.loss.smoothing:
            concave = is_concave(problem.penalty)
            if concave or has_vertex(problem.penalty):
                self.vertex = VertexProgram(problem)
            if concave:
                self.tangents = LocalLinear(self.vertex, 1e-12 * self.scale)
        self._inner = None

    def init(self, start=None):
        """Return the state of a start, the null model by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        problem = self.problem
        if start is None or start.ids.size == 0:
            none = np.empty(0, dtype=np.int64)
            b = problem.null_intercept
            start = Solution(
                none, np.zeros(0), problem.original_intercept(none, none, b)
            )
        return self._pair(start, math.inf, None)

    def _pair(self, solution, h, following):
        """Return the state of a solution with the subgradients of the pinball."""
        problem = self.problem
        b = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
        eta = problem.predictor(solution.ids, solution.w, b)
        theta = problem.loss.gradient(problem.y, eta)
        c = problem.design.gradient(problem.weigh(theta))
        return State(solution, eta, theta, c, h, following)

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        self.problem.set_level(lam)
        self._inner = None
        # One width back: the band of the next solution is about as narrow.
        h = min(state.h / SHRINK**2, self.scale)
        return replace(state, h=h, start=state.solution, smoothed=math.inf, exact=False)

    def step(self, state):
        """Solve the next smoothed problem, and the program if it is small by then."""
        if state.exact:
            return state
        h = self._next_width(state)
        smooth = copy.copy(self.problem)
        smooth.loss = self.problem.loss.smoothed(h)
        smooth._null = smooth._null_gradient = None
        accuracy = max(0.1 * self.tol, min(1e-2, 0.02 * h / self.scale))
        inner = ProximalGradient(smooth, accuracy)
        point = inner.init(state.start or state.solution)
        for _ in range(INNER_STEPS):
            point = inner.step(point)
            measure = inner.certificate(point)
            if measure.value <= accuracy or measure.stalled:
                break
        solution = inner.finalize(point)
        theta = smooth.loss.gradient(smooth.y, point.point.eta)
        following = self._extrapolate(state, solution, h)
        new = State(
            solution, point.point.eta, theta, point.c, h, following, measure.value
        )
        if self.vertex is None or self.certificate(new).value <= self.tol:
            return new
        lost = measure.value > accuracy
        if self.tangents is not None and h > DESCENT * self.scale and not lost:
            return new
        return self._crossover(new) or new

    def _next_width(self, state):
        """Return the smoothing of the next problem."""
        if math.isinf(state.h):
            return max(self.problem.loss_value(state.eta), self.narrowest)
        return max(SHRINK * state.h, self.narrowest)

    def _extrapolate(self, state, solution, h):
        """Return where two solutions point for the next h, coefficients and all."""
        last = state.solution
        if not math.isfinite(state.h) or state.smoothed > 1e-2:
            return solution
        p = self.problem.design.p
        shape = (p, *solution.w.shape[1:])
        before, now = np.zeros(shape), np.zeros(shape)
        before[last.ids], now[solution.ids] = last.w, solution.w
        share = (
            SHRINK * h / (state.h - h) * (1.0 / SHRINK - 1.0) if state.h > h else 0.0
        )
        ahead = now + share * (now - before)
        ahead[ahead * now <= 0.0] = 0.0
        intercept = solution.intercept + share * (solution.intercept - last.intercept)
        ids = np.flatnonzero(ahead)
        return Solution(ids, ahead[ids], intercept)

    def _crossover(self, state):
        """Return the state of the vertex, None if it is not worth the program."""
        problem = self.problem
        eta = problem.design.to_host(state.eta)
        near = np.abs(eta - self.vertex.y) <= 2.0 * state.h
        ids = state.solution.ids
        k, size = ids.size + int(problem.explicit_intercept), int(near.sum())
        if size > 1.5 * k + 20 and size * (k + 1) > SMALL_PROGRAM:
            return None
        if self.tangents is None:
            found = self.vertex.solve(eta, near, ids)
        else:
            found = self._descend(state, eta, near)
        if found is None:
            return None
        ids, w, b = found.ids, found.w, found.b
        used = w != 0
        solution = Solution(
            ids[used], w[used], problem.original_intercept(ids[used], w[used], b)
        )
        new = self._pair(solution, state.h, state.start)
        theta = problem.design.to_device(found.theta)
        c = problem.design.gradient(problem.weigh(theta))
        full = np.zeros(c.shape)
        full[solution.ids] = solution.w
        new = replace(new, theta=theta, c=c, smoothed=kkt_violation(problem, full, c))
        reached = self.certificate(new).value
        better = reached < self.certificate(state).value
        return replace(new, exact=reached <= self.tol) if better else None

    def _descend(self, state, eta, near):
        """Return the lowest vertex that tangent programs reach from here.

        One descent starts from the solution of the smoothed problem; one from 0, whose
        first program is that of the l1 norm, if all samples at once are few: its way is
        long. Neither is always the better.
        """
        held = state.solution
        b = self.problem.centred_intercept(held.ids, held.w, held.intercept)
        smooth = Vertex(held.ids, held.w, b, eta, eta, near)
        tangent = None
        if eta.size * (held.ids.size + 1) <= LONG_WAY:
            tangent = self.vertex.solve(eta, near, held.ids)
        return self.tangents.best([smooth] if tangent is None else [smooth, tangent])

    def _gap(self, state):
        """Return the gap between the pinball's objective and its dual at theta."""
        problem, loss = self.problem, self.problem.loss
        primal = problem.loss_value(state.eta) + self._penalty_value(state)
        theta, c = state.theta, state.c
        if problem.explicit_intercept:
            theta = loss.balance(problem.y, theta, problem.s)
            c = problem.design.gradient(problem.weigh(theta))
        scale = loss.to_domain(problem.y, theta)
        scale *= problem.penalty.dual_scale(-scale * c, problem.lam_full)
        dual = -loss.conjugate(problem.y, theta * scale, problem.s)
        dual -= problem.penalty.conjugate(-scale * c, problem.lam_full)
        return max(primal - dual, 0.0)

    def _penalty_value(self, state):
        full = np.zeros(state.c.shape)
        full[state.solution.ids] = state.solution.w
        return self.problem.penalty_value(full)

    def certificate(self, state):
        """Return objective and certificate of the unsmoothed problem."""
        problem = self.problem
        objective = problem.loss_value(state.eta) + self._penalty_value(state)
        gap = math.nan
        if self.certificate_name == GAP:
            gap = self._gap(state)
            relative = gap / self.scale
        else:
            kink = problem.loss_value(state.eta) - dot64(
                problem.weigh(state.theta), state.eta
            )
            kink += problem.loss.conjugate(problem.y, state.theta, problem.s)
            relative = max(state.smoothed, kink / self.scale)
        extra = {"support": int(state.solution.ids.size), "smoothing": state.h}
        stalled = not state.exact and state.h <= self.narrowest
        return Measure(objective, relative, gap, extra, stalled)

    def finalize(self, state):
        """Return the solution."""
        return state.solution

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        return {**state.solution.pack(), "h": state.h}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        solution = Solution.unpack(packed)
        return self._pair(solution, float(packed["h"]), solution)
