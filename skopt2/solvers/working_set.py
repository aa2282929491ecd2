"""Working sets: solve on few columns, check all of them, repeat.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`.
Symbols: c = X'(s * l'(y, eta)) (p,), the gradient, the only quantity of O(np) work;
W the working set: the features that matter so far.

One step of this solver:

1. choose the level: from a cold start the target level is approached by a geometric
   sequence, so that every support is found from that of a slightly stronger penalty;
2. enlarge W by the features that the strong rule or a violation names;
3. run active-set Newton on W;
4. form c, which tells whether the solution on W is one on all features.

Sources: T. Johnson and C. Guestrin, Blitz, ICML 2015, for growing working sets; R.
Tibshirani et al., Strong rules for discarding predictors, JRSS B 74, 2012.
"""

import math
from dataclasses import replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.active_newton import ActiveNewton
from skopt2.solvers.certificate import (
    GAP,
    certificate_name,
    duality_gap,
    gradient_scale,
    kkt_violation,
    objective_scale,
)
from skopt2.solvers.choice import choose_linear_algebra
from skopt2.solvers.flat_penalty import flat_penalty
from skopt2.solvers.levels import level_ratio, next_fraction
from skopt2.solvers.state import Checkpointed, Solution, State, in_use
from skopt2.solvers.subsample import (
    solve_part,
    subsample,
    without_excess,
    worth_subsampling,
)
from skopt2.solvers.widening import widened_start
from skopt2.solvers.working_model import CurvedModel, QuadraticModel

# Where this share of the features will be active on a tall problem, one symmetric Gram
# matrix of all of them costs less than what a working set would grow by in pieces.
CROWDED = 0.5
# With fewer features than this the working set is all of them at once, and the levels
# on the way are left out where they would only lead to the same minimum.
SMALL = 200


class WorkingSetNewton(Checkpointed):
    """Active-set Newton inside growing working sets.

    Parameters
    ----------
    problem : LinearProblem
        Any loss with a curvature, any penalty with subdifferential stationarity.
    tol : float
        Tolerance of the certificate, which the inner tolerances follow.
    """

    # Model of a loss that is not quadratic.
    curved = CurvedModel

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.certificate_name = certificate_name(problem)
        problem.scale = gradient_scale(problem)
        p, n = problem.design.p, problem.design.n
        algebra = choose_linear_algebra(
            0, min(p, SMALL), n, problem.design.sparse, problem.n_outputs
        )
        kind = QuadraticModel if problem.loss.is_quadratic else self.curved
        self.model = kind(problem, gram=algebra == "inverse")
        self.newton = ActiveNewton(self.model)
        self.position = np.full(p, -1, dtype=np.int64)
        # True before the first step from a subsample: what lies outside its support
        # cannot be judged before the coefficients have been corrected.
        self._settling = False
        if p <= SMALL:
            self._extend(np.flatnonzero(np.isfinite(problem.lam)))

    @property
    def ids(self):
        """Features of the working set."""
        return self.model.block.ids

    def init(self, start=None):
        """Return the state of a start, the null model by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        problem = self.problem
        K = problem.n_outputs
        level = math.inf
        if start is None:
            start, level = self._subsampled_start()
        if start is None:
            start, level = widened_start(problem, WorkingSetNewton), 1.0
        if start is None or start.ids.size == 0:
            w = np.zeros((self.ids.size,) if K == 1 else (self.ids.size, K))
            intercept = problem.null_intercept
            eta, c = problem.null_predictor, problem.null_gradient
            return State(w, intercept, eta, c)
        missing = start.ids[self.position[start.ids] < 0]
        self._extend(missing)
        w = np.zeros((self.ids.size,) if K == 1 else (self.ids.size, K))
        w[self.position[start.ids]] = start.w
        intercept, eta, c = self._evaluate(start)
        return State(w, intercept, eta, c, level)

    def _evaluate(self, start):
        """Return the centred intercept, the predictor and the gradient of a point."""
        problem = self.problem
        intercept = problem.centred_intercept(start.ids, start.w, start.intercept)
        eta = problem.predictor(start.ids, start.w, intercept)
        c = problem.design.gradient(problem.weighted_gradient(eta))
        return intercept, eta, c

    def _subsampled_start(self):
        """Return a start from part of the rows and its level; None where no help."""
        problem = self.problem
        # Under a nonconvex penalty the part may lead to another local minimum, and the
        # same sample, with weights or with repeated rows, has another part.
        if (
            not (problem.penalty.convex and worth_subsampling(problem.design))
            or self._violation(problem.null_gradient, None) < 2.0
        ):
            return None, math.inf
        part = subsample(problem)
        if part is None:
            return None, math.inf
        self._settling = True
        start, level, share = solve_part(WorkingSetNewton(part, 1e-3))
        if share > CROWDED and problem.loss.is_quadratic:
            # Few features are all in the working set from the beginning.
            outside = np.isfinite(problem.lam) & (self.position < 0)
            self._extend(np.flatnonzero(outside))
        _, _, c = self._evaluate(start)
        return without_excess(start, problem, part, c, level), level

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        previous = self.problem.lam
        self.problem.set_level(lam)
        ratio = level_ratio(previous, lam)
        return replace(state, level=state.level * ratio, precision=1.0, worst=math.inf)

    def step(self, state):
        """Solve on the working set at the next level and check all features."""
        level = state.level if self._settling else self._next_level(state)
        lam = self.problem.lam * level if level != 1.0 else self.problem.lam
        if not self._settling:
            self._enlarge(state, lam, level)
        self._settling = False
        w = np.zeros((self.ids.size, *state.w.shape[1:]))
        w[: state.w.shape[0]] = state.w
        final = level == 1.0
        precision = state.precision if final else 1.0
        w, intercept = self._solve(w, state, lam, final, precision)
        eta = self.model.predictor()
        c = self.problem.design.gradient(self.problem.weighted_gradient(eta))
        again = final and state.level == 1.0
        reached = self._distance(w, c, lam)
        if again and reached > 0.1 * state.worst and self.ids.size == state.w.shape[0]:
            self.newton.sharpen()
        return State(
            w,
            intercept,
            eta,
            c,
            level,
            self._next_precision(precision, w, state) if final else 1.0,
            reached,
            again
            and precision < 1e-6
            and not self.problem.expired
            and reached > 0.5 * state.worst
            and not self._gained(state, w, eta),
        )

    def _next_precision(self, precision, w, state):
        """Return the factor of the inner tolerance for the next step.

        A violation is the largest of all features: if it is one of those that have just
        entered, nothing speaks against the tolerance. A gap is the sum of all.
        """
        grown = w.shape[0] > state.w.shape[0]
        kept = grown and self.certificate_name != GAP
        return precision if kept else 0.1 * precision

    def _gained(self, state, w, eta):
        """Tell whether the objective has fallen by more than its rounding."""
        problem, ids = self.problem, self.ids
        before = problem.loss_value(state.eta)
        before += problem.penalty_value(state.w, ids[: state.w.shape[0]])
        after = problem.loss_value(eta) + problem.penalty_value(w, ids)
        rounding = 50.0 * float(np.finfo(problem_dtype(problem)).eps)
        return before - after > rounding * abs(before)

    def _distance(self, w, c, lam):
        """Return the true subdifferential distance on the working set."""
        ids = self.ids
        level = lam[ids] if w.ndim == 1 else lam[ids, None]
        penalty = self.problem.penalty.restrict(ids)
        distance = penalty.subdiff_distance(w, c[ids], level)
        return float(distance.max()) if distance.size else 0.0

    def _next_level(self, state):
        """Return the level to solve for: the target, or one on the way there."""
        convex = self.problem.penalty.convex
        everything = self.ids.size == self.problem.design.p
        if state.level == 1.0 or (everything and convex):
            return 1.0
        violation = self._violation(state.c, self.ids[in_use(state.w)])
        ratio = next_fraction(self.problem, np.count_nonzero(state.w))
        target = ratio * min(violation, state.level)
        return target if target > ratio**-0.5 else 1.0

    def _violation(self, c, support):
        """Return the multiple of the levels that would keep all other features out."""
        slope = self.problem.penalty.slope_at_zero(self.problem.lam)
        outside = np.isfinite(slope) & (slope > 0)
        if support is not None:
            outside[support] = False
        force = self._force(c)[outside]
        return float((force / slope[outside]).max()) if force.size else 0.0

    def _force(self, c):
        """Return how hard the gradient draws each feature away from zero, (p,)."""
        force = self.problem.penalty.pull(c)
        return force if force.ndim == 1 else force.max(axis=1)

    def _enlarge(self, state, lam, level):
        """Add features to the working set: strong rule first, violations always."""
        design = self.problem.design
        if self.ids.size == design.p:
            return
        force = self._force(state.c)
        slope = self.problem.penalty.slope_at_zero(lam)
        threshold = slope
        if state.level != level and math.isfinite(state.level):
            old = self.problem.lam * state.level
            strong = self.problem.penalty.strong_rule(lam, old)
            threshold = np.clip(strong, 0.9 * slope, slope)
        outside = (self.position < 0) & np.isfinite(lam)
        new = np.flatnonzero(outside & (force > threshold))
        active = int(np.count_nonzero(in_use(state.w)))
        # Near saturation most of a large batch would only enter to leave again.
        limit = max(100, active // 2)
        if new.size > limit and design.distinct.at_least(10 * active):
            limit = max(100, 2 * active)
        if new.size > limit:
            ratio = force[new] - slope[new]
            new = np.sort(new[np.argpartition(-ratio, limit - 1)[:limit]])
        unpenalised = np.flatnonzero(outside & (lam == 0))
        if unpenalised.size:
            new = np.union1d(new, unpenalised)
        self._extend(new, active)

    def _extend(self, new, n_active=0):
        if new.size == 0:
            return
        design = self.problem.design
        size = self.ids.size + new.size
        self.position[new] = np.arange(self.ids.size, size)
        distinct = design.distinct
        rows = design.n if distinct.at_least(n_active) else distinct.count
        algebra = choose_linear_algebra(
            n_active, size, rows, design.sparse, self.problem.n_outputs
        )
        if self.model.has_gram and algebra == "cg":
            self.model.drop_gram()
        self.model.extend(new)

    def _solve(self, w, state, lam, final, precision):
        """Run Newton on the working set; return w and the intercept."""
        problem, ids = self.problem, self.ids
        K, offset = problem.n_outputs, int(problem.explicit_intercept)
        levels = np.repeat(lam[ids], K)
        flat = w.ravel()
        if offset:
            levels = np.concatenate([np.zeros(K), levels])
            flat = np.concatenate([np.ravel(state.intercept), flat])
        self.model.start(state.eta, state.c[ids].ravel())
        penalty = flat_penalty(
            problem.penalty, problem.penalty.restrict(ids), K, K * offset
        )
        goal = self._tolerance(lam, levels, final, precision)
        flat, _ = self.newton.minimise(penalty, flat, levels, goal)
        intercept = state.intercept
        if offset:
            intercept = float(flat[0]) if K == 1 else flat[:K].copy()
            flat = flat[K:]
        return flat.reshape(w.shape), intercept

    def _tolerance(self, lam, levels, final, precision):
        """Return the map from w to the inner tolerance.

        A distance v from stationarity costs about v * norm1(w) of duality gap, so the
        tolerance of the gap becomes one of the distance.
        """
        problem = self.problem
        scale = problem.scale
        rounding = 4.0 * float(np.finfo(problem_dtype(problem)).eps) * scale
        if not final:
            # A stray step on the way costs a convex problem time, another its minimum.
            share = 0.05 if problem.penalty.convex else 0.01
            typical = lam[np.isfinite(lam) & (lam > 0)]
            loose = share * float(np.median(typical)) if typical.size else 0.0
            return lambda w: max(loose, rounding)
        if self.certificate_name != GAP:
            tight = 0.3 * self.tol * precision * scale
            return lambda w: max(tight, rounding)
        budget = 0.3 * self.tol * precision * objective_scale(problem)
        ceiling = 0.1 * precision * float(lam[np.isfinite(lam)].min(initial=scale))
        offset = problem.n_outputs if problem.explicit_intercept else 0

        def tolerance(w):
            size = float(np.abs(w[offset:]).sum())
            allowed = budget / size if size > 0.0 else math.inf
            return max(min(allowed, ceiling), rounding)

        return tolerance

    def certificate(self, state):
        """Return objective and certificate at the target level."""
        problem = self.problem
        support = in_use(state.w)
        value = problem.penalty_value(state.w, self.ids)
        gap = math.nan
        if self.certificate_name == GAP:
            objective, gap = duality_gap(problem, state.eta, state.c, value)
            relative = gap / objective_scale(problem)
        else:
            objective = problem.loss_value(state.eta) + value
            full = np.zeros(state.c.shape)
            full[self.ids] = state.w
            relative = max(
                kkt_violation(problem, full, state.c), self._free_violation(state)
            )
        extra = {"support": int(support.sum()), "working_set": int(self.ids.size)}
        return Measure(objective, relative, gap, extra, state.stalled)

    def _free_violation(self, state):
        """Return the gradient with respect to the intercept, relative to the scale."""
        problem = self.problem
        if not problem.explicit_intercept:
            return 0.0
        total = problem.xp.sum(problem.weighted_gradient(state.eta), axis=0)
        return float(problem.xp.max(problem.xp.abs(total))) / problem.scale

    def finalize(self, state):
        """Return the solution."""
        support = in_use(state.w)
        ids = self.ids[support]
        order = np.argsort(ids)
        ids, w = ids[order], state.w[support][order]
        intercept = self.problem.original_intercept(ids, w, state.intercept)
        return Solution(ids, w, intercept)


def problem_dtype(problem):
    """Return the NumPy dtype in which the problem is computed."""
    return np.float32 if problem.y.dtype == problem.xp.float32 else np.float64
