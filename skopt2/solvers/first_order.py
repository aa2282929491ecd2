"""The outer loop of the first-order methods: levels, working sets, certificates.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`.
Symbols: c = X'(s * l'(y, eta)) (p,), the gradient; W the working set.

One step of these solvers chooses a level, collects the features that are in use or want
to be, runs the method proper on their columns alone, and forms c, the only quantity of
O(np) work. What the method proper is, a subclass says.

Levels: from a cold start the target is approached by a geometric sequence of multiples,
from the largest at which some feature enters. For a convex penalty this only keeps
working sets small. For a nonconvex one it decides which stationary point is found: zero
is stationary for every l_q penalty at every level, and minima near a path that starts
at the strongest penalty are far better than those near a cold start.

The arrays of a working set live beside X. Once per step the gradient comes to the host,
where features are chosen.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.certificate import (
    GAP,
    certificate_name,
    duality_gap,
    gradient_scale,
    kkt_violation,
    objective_scale,
)
from skopt2.solvers.composite import (
    CompositeModel,
    Point,
    host_intercept,
    intercept_array,
)
from skopt2.solvers.fixed_point import (
    FIXED_POINT,
    coordinate_bounds,
    coordinate_moves,
    fixed_point_violation,
)
from skopt2.solvers.state import Checkpointed, Solution, in_use

# From a cold start each level is this fraction of the one before.
CONTINUATION = 0.7
# With fewer features than this the working set is all of them at once.
SMALL = 200
# Iterations of the method proper in one step.
INNER_LIMIT = 300


@dataclass(frozen=True)
class State:
    """A point, its gradient, and the level that it was solved for.

    Parameters
    ----------
    ids : ndarray of int of shape (m,)
        Working set, in increasing order.
    point : Point
        Coefficients on it and the linear predictor, beside X.
    c : ndarray of shape (p,) or (p, K)
        Gradient.
    level : float
        Multiple of the target penalty that the point was solved for; 1 at the target,
        inf before the first step.
    precision : float
        Factor of the inner tolerance.
    stalled : bool
        True if the method proper could not lower the objective any more.
    """

    ids: np.ndarray
    point: Point
    c: np.ndarray
    level: float = math.inf
    precision: float = 1.0
    stalled: bool = False


class FirstOrder(Checkpointed):
    """Base of the methods that use gradients and proxes.

    Parameters
    ----------
    problem : LinearProblem
        Any penalty; what losses the method can take its subclass says.
    tol : float
        Tolerance of the certificate, which the inner tolerances follow.
    """

    check_every = 1
    name = ""

    def __init__(self, problem, tol):
        if problem.loss.smoothable and not problem.loss.has_lipschitz:
            raise ValueError(
                f"solver={self.name!r} needs a differentiable loss, and the "
                f"{problem.loss.name} loss has a kink; use solver='smoothing'."
            )
        self.problem, self.tol = problem, tol
        self.fixed_point = problem.penalty.stationarity == "fixed_point"
        self.certificate_name = (
            FIXED_POINT if self.fixed_point else certificate_name(problem)
        )
        self.scale = gradient_scale(problem)
        self._model = None
        self._last_measured = math.inf

    def _minimise(self, model, point, lam, goal, final):
        """Run the method proper.

        Parameters
        ----------
        model : CompositeModel
            The working set.
        point : Point
            Start.
        lam : array of shape (m,) or (m, 1)
            Levels, beside X.
        goal : float
            Length of the gradient mapping that is short enough.
        final : bool
            Whether this is the target level, where no time is too long spent on finding
            a better point; INNER_LIMIT bounds the iterations all the same.

        Returns
        -------
        point : Point
            A point with no higher an objective than the start.
        """
        raise NotImplementedError

    def init(self, start=None):
        """Return the state of a start, the null model by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        problem = self.problem
        K = problem.n_outputs
        ids = np.empty(0, dtype=np.int64)
        w = np.zeros((0,) if K == 1 else (0, K))
        if start is None or start.ids.size == 0:
            intercept = problem.null_intercept
            eta, c = problem.null_predictor, problem.null_gradient
        else:
            ids, w = start.ids, np.asarray(start.w, dtype=np.float64)
            intercept = problem.centred_intercept(ids, w, start.intercept)
            eta = problem.predictor(ids, w, intercept)
            c = problem.design.gradient(problem.weighted_gradient(eta))
        b = intercept_array(problem, intercept)
        # The shape of an array without rows does not survive the way to every device.
        start = problem.xp.reshape(problem.design.to_device(w), w.shape)
        return State(ids, Point(start, b, eta), c)

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        previous = self.problem.lam
        self.problem.set_level(lam)
        both = np.isfinite(previous) & np.isfinite(lam) & (lam > 0)
        ratio = float((previous[both] / lam[both]).max()) if both.any() else 1.0
        level = max(state.level * ratio, 1.0)
        return replace(state, level=level, precision=1.0, stalled=False)

    def step(self, state):
        """Run the method proper on the working set of the next level."""
        problem = self.problem
        w = self._host(state.point.w)
        used = np.zeros(problem.design.p, dtype=bool)
        used[state.ids[in_use(w)]] = True
        level = self._next_level(state, used)
        lam = problem.lam * level if level != 1.0 else problem.lam
        ids = self._working_set(state, used, lam)
        spread = np.zeros((ids.size, *w.shape[1:]))
        spread[np.searchsorted(ids, state.ids[in_use(w)])] = w[in_use(w)]
        model = self._restrict(ids)
        start = Point(problem.design.to_device(spread), state.point.b, state.point.eta)
        final = level == 1.0
        goal = self._goal(state, spread, used, level)
        point = start
        if ids.size or problem.explicit_intercept:
            point = self._minimise(model, start, model.levels(lam), goal, final)
        c = problem.design.gradient(problem.weighted_gradient(point.eta))
        precision = state.precision if final else 1.0
        tired = final and state.level == 1.0 and ids.size == state.ids.size
        if tired and precision < 1e-6:
            before, after = (
                model.objective(at, model.levels(lam)) for at in (start, point)
            )
            eps = float(problem.xp.finfo(point.eta.dtype).eps)
            tired = before - after <= 50.0 * eps * abs(before)
        return State(
            ids,
            point,
            c,
            level,
            max(precision * 0.1, 1e-8) if final else 1.0,
            tired and precision < 1e-6,
        )

    def _host(self, w):
        return self.problem.design.to_host(w)

    def _next_level(self, state, used):
        """Return the level to solve for: the target, or one on the way there."""
        problem, penalty = self.problem, self.problem.penalty
        if state.level == 1.0:
            return 1.0
        if penalty.convex and problem.design.p <= SMALL:
            return 1.0
        force = penalty.pull(state.c)
        force = np.where(used if force.ndim == 1 else used[:, None], 0.0, force)
        steps = 1.0 / self._bounds(state)
        if force.ndim == 2:
            steps = steps[:, None]
        violation = penalty.alpha_max(force, problem.lam_full, steps)
        target = CONTINUATION * min(violation, state.level)
        if not math.isfinite(target) or target <= 1.0 / CONTINUATION**0.5:
            return 1.0
        return target

    def _bounds(self, state):
        return coordinate_bounds(self.problem, state.point.eta)

    def _working_set(self, state, used, lam):
        """Return the features in use, the violators, and the near-violators of before.

        Features whose slope at zero is 0 (ridge, boxes, penalty factors of 0) always
        belong.
        """
        problem = self.problem
        p = problem.design.p
        if p <= SMALL:
            return np.arange(p)
        allowed = np.isfinite(lam)
        slope = problem.penalty.slope_at_zero(lam)
        wanted, score = self._violators(state, lam, slope, 1.0)
        near, _ = self._violators(state, lam, slope, 0.9)
        before = np.zeros(p, dtype=bool)
        before[state.ids] = True
        certain = allowed & (used | (slope == 0) | (before & near))
        new = np.flatnonzero(allowed & wanted & ~certain)
        limit = max(100, 2 * int(used.sum()))
        if new.size > limit:
            new = new[np.argpartition(-score[new], limit - 1)[:limit]]
        certain[new] = True
        return np.flatnonzero(certain)

    def _violators(self, state, lam, slope, share):
        """Return which features would leave 0 at a share of their level, and how far.

        Parameters
        ----------
        state : State
            Where the gradient comes from.
        lam, slope : ndarray of shape (p,)
            Levels, and slopes of the penalty at 0.
        share : float
            Below 1 names near-violators too.
        """
        c = state.c
        if self.fixed_point:
            bounds = self._bounds(state)
            levels = lam if c.ndim == 1 else lam[:, None]
            zero = np.zeros_like(c)
            moves = coordinate_moves(
                self.problem.penalty, zero, c / share, levels, bounds
            )
            score = np.abs(moves) / np.sqrt(bounds if c.ndim == 1 else bounds[:, None])
            score = score if c.ndim == 1 else score.max(axis=1)
            return score > 0.0, score
        force = self.problem.penalty.pull(c)
        force = force if force.ndim == 1 else force.max(axis=1)
        finite = np.isfinite(slope)
        score = force - share * np.where(finite, slope, 0.0)
        return finite & (score > 0.0), score

    def _restrict(self, ids):
        """Return the model of a working set; the last one if the set is the same."""
        if self._model is None or not np.array_equal(self._model.ids, ids):
            everything = ids.size == self.problem.design.p
            self._model = CompositeModel(self.problem, None if everything else ids)
        return self._model

    def _goal(self, state, w, used, level):
        """Return the length of the gradient mapping to stop at, in gradient units.

        A distance v from stationarity costs about v * norm1(w) of duality gap, so the
        tolerance of the gap becomes one of the distance.
        """
        problem = self.problem
        if level != 1.0:
            force = problem.penalty.pull(state.c)
            outside = force[~used & np.isfinite(problem.lam)]
            return 0.02 * float(outside.max(initial=0.0))
        tight = 0.3 * self.tol * state.precision
        if self.certificate_name != GAP:
            return tight * self.scale
        finite = np.isfinite(problem.lam)
        ceiling = 0.1 * float(problem.lam[finite].min(initial=self.scale))
        size = float(np.abs(w).sum())
        if size == 0.0:
            return min(ceiling, tight * self.scale)
        return min(tight * objective_scale(problem) / size, ceiling)

    def certificate(self, state):
        """Return objective and certificate at the target level."""
        problem = self.problem
        w = self._host(state.point.w)
        full = np.zeros(state.c.shape)
        full[state.ids] = w
        value = problem.penalty_value(full)
        gap = math.nan
        if self.certificate_name == GAP:
            objective, gap = duality_gap(problem, state.point.eta, state.c, value)
            relative = gap / objective_scale(problem)
        else:
            objective = problem.loss_value(state.point.eta) + value
            if self.fixed_point:
                bounds = self._bounds(state)
                violation = fixed_point_violation(problem, full, state.c, bounds)
            else:
                violation = kkt_violation(problem, full, state.c)
            relative = max(violation, self._free_violation(state))
        extra = {
            "support": int(in_use(w).sum()),
            "working_set": int(state.ids.size),
        }
        # Near the solution the objective is flat: the certificate has to rest as well.
        stalled = state.stalled and relative > 0.5 * self._last_measured
        self._last_measured = relative
        return Measure(objective, relative, gap, extra, stalled)

    def _free_violation(self, state):
        """Return the gradient with respect to the intercept, relative to the scale."""
        problem = self.problem
        if not problem.explicit_intercept:
            return 0.0
        total = problem.xp.sum(problem.weighted_gradient(state.point.eta), axis=0)
        return float(problem.xp.max(problem.xp.abs(total))) / self.scale

    def finalize(self, state):
        """Return the solution."""
        w = self._host(state.point.w)
        support = in_use(w)
        ids, w = state.ids[support], w[support]
        intercept = host_intercept(self.problem, state.point.b)
        return Solution(ids, w, self.problem.original_intercept(ids, w, intercept))
