"""Block coordinate descent with working sets of groups.

Problem: min_(w, b) sum_i s_i l(y_i, x_i'w + b) + sum_g pen(v_g; lam_g), w = T v.
Symbols: c = T'X'(s * l'(y, eta)) (r,), the gradient; W the working set of groups. With
K outputs a group holds its rows of the coefficients, and r counts all of them.

One step of this solver:

1. choose the level: nonconvex penalties approach the target from the null model by a
   geometric sequence of levels, so that the minimum is the one that the path leads to;
2. W: the groups that are not zero, and the largest violations, at most three times as
   many;
3. descend on W: on the problem itself for the squared loss, on quadratic models with a
   line search for other ones;
4. form c, which tells whether the solution on W is one on all groups.

Sources: M. Massias, A. Gramfort and J. Salmon, Celer: a fast solver for the lasso with
dual extrapolation, ICML 2018, for the growth of W; J. Lee, Y. Sun and M. Saunders,
Proximal Newton-type methods for minimizing composite functions, SIAM J. Optimization
24, 2014, for the models.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.block_coordinate_descent.blocks import Blocks
from skopt2.solvers.block_coordinate_descent.grouped import group_scale, measure_of
from skopt2.solvers.block_coordinate_descent.inner import descend
from skopt2.solvers.certificate import GAP, certificate_name, objective_scale
from skopt2.solvers.levels import level_ratio
from skopt2.solvers.state import Checkpointed, Solution, in_use

# Fewest groups that enter at once, and most of them for each group in use: sweeps over
# groups that stay at zero cost less than another look at all of X.
FEWEST, GROWTH = 10, 3
# How much stronger the last level on the way is.
LEVEL_RATIO = 0.6


@dataclass(frozen=True)
class BlockState:
    """A point, its gradient, and the level that it was solved for.

    Parameters
    ----------
    v : ndarray of shape (r,)
        Coefficients in the coordinates of the groups, float64.
    intercept : float or ndarray of shape (K,)
        Of the centred problem.
    eta : ndarray of shape (n,) or (n, K)
        Linear predictor.
    full : ndarray of shape (p,) or (p, K)
        Gradient with respect to the features.
    c : ndarray of shape (r,)
        Gradient in the coordinates of the groups.
    measure : Measure
        Objective and certificate at the target level.
    level : float
        Multiple of the target penalty that the point was solved for.
    precision : float
        Factor of the inner tolerance.
    """

    v: np.ndarray
    intercept: float
    eta: np.ndarray
    full: np.ndarray
    c: np.ndarray
    measure: Measure
    level: float = math.inf
    precision: float = 1.0


class BlockDescent(Checkpointed):
    """Block coordinate descent on growing working sets of groups.

    Parameters
    ----------
    problem : LinearProblem
        In host memory, with a ``GroupedPenalty`` and one level per group; its loss is
        quadratic, or has a curvature.
    tol : float
        Tolerance of the certificate, which the inner tolerances follow.
    selection : object
        Rule with ``order(blocks)``.
    """

    def __init__(self, problem, tol, selection):
        self.problem, self.tol, self.selection = problem, tol, selection
        self.certificate_name = certificate_name(problem)
        self.coordinates = problem.penalty.coordinates
        self.partition = problem.penalty.partition
        self.blocks = Blocks(problem, self.coordinates)
        problem.null_scale = self.scale = group_scale(problem)

    def init(self, start=None):
        """Return the state of a start, the null model by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        problem = self.problem
        if start is None or start.ids.size == 0:
            v = np.zeros(self.partition.index.size)
            return self._state(
                v, problem.null_intercept, problem.null_predictor, problem.null_gradient
            )
        w = np.zeros((problem.design.p, *start.w.shape[1:]))
        w[start.ids] = start.w
        intercept = problem.centred_intercept(start.ids, start.w, start.intercept)
        v = np.asarray(self.coordinates.from_features(w, start.latent))
        ids, part = self._features(v)
        eta = problem.predictor(ids, part, intercept)
        return self._state(v, intercept, eta, level=1.0)

    def _features(self, v):
        """Return the features in use and their coefficients."""
        w = self.coordinates.to_features(v)
        ids = np.flatnonzero(in_use(w))
        return ids, w[ids]

    def _state(self, v, intercept, eta, full=None, level=math.inf, working=0):
        """Return the state of a point, measured at the target level."""
        problem = self.problem
        if full is None:
            full = problem.design.gradient(problem.weighted_gradient(eta))
        objective, distance, gap = measure_of(problem, v, eta, full)
        if self.certificate_name == GAP:
            relative = gap / objective_scale(problem)
        else:
            relative = distance / self.scale
        support = int(np.count_nonzero(self.partition.largest(np.abs(v))))
        extra = {"support": support, "working_set": working}
        measure = Measure(objective, relative, gap, extra)
        c = self.coordinates.gradient(full)
        return BlockState(v, intercept, eta, full, c, measure, level)

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        ratio = level_ratio(self.problem.lam, lam)
        self.problem.set_level(lam)
        self.problem.null_scale = self.scale
        moved = self._state(state.v, state.intercept, state.eta, state.full)
        return replace(moved, level=state.level * ratio)

    def step(self, state):
        """Solve on a working set at the next level, and check all groups."""
        level = self._next_level(state)
        lam = self.problem.lam * level if level != 1.0 else self.problem.lam
        groups = self._working_set(state, lam)
        final = level == 1.0
        precision = state.precision if final else 1.0
        v, intercept, eta = descend(self, state, groups, lam, final, precision)
        new = self._state(v, intercept, eta, level=level, working=len(groups))
        if not final or state.level != 1.0:
            return new
        grown = self._violations(new, lam, groups)
        if grown:
            return replace(new, precision=precision)
        gained = (
            new.measure.value < 0.5 * state.measure.value
            or state.measure.objective - new.measure.objective
            > 1e-14 * abs(state.measure.objective)
        )
        stalled = precision < 1e-5 and not gained and not self.problem.expired
        measure = replace(new.measure, stalled=stalled)
        return replace(new, precision=0.1 * precision, measure=measure)

    def _violations(self, state, lam, groups):
        """Return the number of groups outside the working set that want to enter."""
        outside = np.ones(self.partition.n_groups, dtype=bool)
        outside[groups] = False
        critical = self.problem.penalty.critical_level(state.c, lam)
        return int(np.count_nonzero(outside & (critical > 1.0)))

    def _next_level(self, state):
        """Return the level to solve for: the target, or one on the way there."""
        if self.problem.penalty.convex or state.level == 1.0:
            return 1.0
        critical = self.problem.penalty.critical_level(state.c, self.problem.lam)
        outside = self.partition.largest(np.abs(state.v)) == 0.0
        largest = float(critical[outside].max(initial=0.0))
        target = LEVEL_RATIO * min(largest, state.level)
        return target if target > 1.0 / LEVEL_RATIO**0.5 else 1.0

    def _working_set(self, state, lam):
        """Return the groups in use, the unpenalised ones, and the largest violations.

        Groups that are almost in use stay for the steps that follow: they are cheap
        beside another look at all of X.
        """
        used = self.partition.largest(np.abs(state.v)) > 0.0
        must = used | (lam == 0.0)
        critical = self.problem.penalty.critical_level(state.c, lam)
        rest = np.flatnonzero(~must & (critical > 0.9))
        limit = max(FEWEST, GROWTH * int(np.count_nonzero(used)))
        if rest.size > limit:
            top = np.argpartition(-critical[rest], limit - 1)[:limit]
            rest = rest[top]
        return np.sort(np.concatenate([np.flatnonzero(must), rest])).tolist()

    def certificate(self, state):
        """Return objective and certificate at the target level."""
        return state.measure

    def finalize(self, state):
        """Return the solution."""
        ids, w = self._features(state.v)
        intercept = self.problem.original_intercept(ids, w, state.intercept)
        return Solution(ids, w, intercept, self.coordinates.latent(state.v))
