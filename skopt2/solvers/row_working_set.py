"""Working sets of rows: solve on few features, check all of them, repeat.

Problem: that of :mod:`skopt2.solvers.multitask_problem` with a penalty of the norms of
the rows.
Symbols: M = -X'(s * (Y - X W)) (p, K), the gradient, the only quantity of O(npK) work;
A the working set; G the Gram matrix of the features that were ever in one.

One step of this solver:

1. concave penalties approach the target from the null model by a geometric sequence of
   levels, so that the minimum is the one that the path leads to;
2. A: the rows in use and the largest violations, at most twice as many;
3. minimise on A (:mod:`skopt2.solvers.row_search`), around the gradient from the data,
   so that rounding in G does no harm;
4. form M, which tells whether the solution on A is one on all features.

Sources: M. Massias, A. Gramfort and J. Salmon, Celer: a fast solver for the lasso with
dual extrapolation, ICML 2018, section 3, for the growth of A; R. Tibshirani et al.,
Strong rules for discarding predictors, JRSS B 74, 2012.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.composite import column_scale
from skopt2.solvers.design import Block
from skopt2.solvers.levels import level_ratio
from skopt2.solvers.nuclear_norm_model import least_squares
from skopt2.solvers.row_factors import ColumnFactor, GramFactor, no_factor
from skopt2.solvers.row_model import RowModel, row_distances, row_norms
from skopt2.solvers.row_search import minimise_rows
from skopt2.solvers.state import Checkpointed, Solution

# Fewest features that enter at once; fraction of the levels on the way; most features
# whose Gram matrix is held, and most samples whose kernel matrix is factorised. A Gram
# matrix of a few features may be larger than the sample.
SMALL = 500
FEWEST, LEVEL_RATIO, GRAM_LIMIT, FACTOR_LIMIT = 50, 0.7, 4000, 1500


@dataclass(frozen=True)
class RowState:
    """A point, its gradient, and the level that it was solved for.

    Parameters
    ----------
    W : ndarray of shape (p, K)
        Coefficients, in host memory.
    eta : array of shape (n, K)
        Linear predictor.
    M : ndarray of shape (p, K)
        Gradient.
    measure : Measure
        At the target level.
    level : float
        Multiple of the target level that the point was solved for.
    precision : float
        Factor of the inner tolerance.
    """

    W: np.ndarray
    eta: Any
    M: np.ndarray
    measure: Measure
    level: float = math.inf
    precision: float = 1.0


class RowWorkingSet(Checkpointed):
    """Working sets of features for penalties of the rows.

    Parameters
    ----------
    problem : MultiTaskProblem
        On any device, with a penalty of the norms of the rows.
    tol : float
        Tolerance of the certificate, which the inner tolerances follow.
    """

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.scalar = problem.penalty.scalar
        self.convex = problem.penalty.convex
        design = problem.design
        self.live = design.squared_norms > 0.0
        self.diagonal = column_scale(design)
        self.target = self._masked(-problem.null_gradient)
        norms = row_norms(self.target)
        self.null_norm = float(norms.max(initial=0.0))
        largest = float(design.squared_sizes.max(initial=0.0))
        exact = math.sqrt(2.0 * problem.null_value * largest)
        self.scale = problem.gradient_scale(self.null_norm, exact)
        self.cache = GramCache(design, problem.s)

    def _masked(self, M):
        """Return a gradient without the rounding errors of constant columns."""
        return M if self.live.all() else np.where(self.live[:, None], M, 0.0)

    @property
    def certificate_name(self):
        """The gap, where there is one: at level 0 no multiple is feasible."""
        return GAP if self.convex and self.problem.level > 0.0 else KKT

    def init(self, start=None):
        """Return the state of a start, the null model by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        W = np.zeros((self.problem.design.p, self.problem.n_outputs))
        if start is None or start.ids.size == 0:
            return self._state(W)
        W[start.ids] = start.w
        return self._state(W, level=1.0)

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        ratio = level_ratio(self.problem.lam, lam)
        self.problem.set_level(lam)
        moved = replace(state, measure=self._measure(state.W, state.eta, state.M))
        return replace(moved, level=state.level * ratio, precision=1.0)

    def _state(self, W, **progress):
        problem = self.problem
        ids = np.flatnonzero(W.any(axis=1))
        eta = problem.predictor(ids, W[ids], 0.0)
        M = self._masked(problem.design.gradient(problem.weigh(eta - problem.y)))
        return RowState(W, eta, M, self._measure(W, eta, M), **progress)

    def _measure(self, W, eta, M):
        problem, lam = self.problem, self.problem.level
        norms = row_norms(W)
        value = self.scalar.value(norms, np.float64(lam))
        extra = {"support": int(np.count_nonzero(norms))}
        if self.certificate_name == GAP:
            top = float(row_norms(M).max(initial=0.0))
            objective, gap = problem.gap(eta, value, top)
            return Measure(objective, gap / problem.objective_scale, gap, extra)
        objective = problem.loss_value(eta) + value
        distance = row_distances(self.scalar, W, M, lam).max(initial=0.0)
        return Measure(objective, float(distance) / self.scale, math.nan, extra)

    def step(self, state):
        """Solve on a working set at the next level, and check all features."""
        if self.problem.level == 0.0:
            return self._least_squares(state)
        level = self._next_level(state)
        lam = self.problem.level * level
        ids = self._working_set(state, lam)
        final = level == 1.0
        W = np.zeros_like(state.W)
        W[ids] = self._solve(state, ids, lam, final)
        new = self._state(W, level=level)
        if not final or state.level != 1.0:
            return new
        grown = (row_norms(new.M) > lam) & ~np.isin(np.arange(W.shape[0]), ids)
        if grown.any():
            return replace(new, precision=state.precision)
        gained = new.measure.value < 0.5 * state.measure.value
        stalled = state.precision < 1e-3 and not gained and not self.problem.expired
        measure = replace(new.measure, stalled=stalled)
        return replace(new, precision=0.1 * state.precision, measure=measure)

    def _least_squares(self, state):
        """Minimise without a penalty."""
        ids = np.flatnonzero(self.live)
        curved, _ = self._curved(ids)
        W = state.W.copy()
        W[ids] = least_squares(
            curved,
            self.diagonal[ids, None],
            state.W[ids],
            state.M[ids],
            lambda: self.problem.expired,
        )
        new = self._state(W, level=1.0, precision=0.1 * state.precision)
        gained = new.measure.value < 0.5 * state.measure.value
        stalled = state.precision < 1e-2 and not gained and not self.problem.expired
        return replace(new, measure=replace(new.measure, stalled=stalled))

    def _curved(self, ids):
        """Return the map D -> G D on some features, and factors of G + diag(c)."""
        design, problem = self.problem.design, self.problem
        if self.cache.fits(ids):
            G = self.cache.gram(ids)
            return lambda D: G @ D, GramFactor(G)
        block = Block(design)
        block.extend(ids)
        factor = no_factor
        if design.on_host and not design.sparse and design.n <= FACTOR_LIMIT:
            factor = ColumnFactor(block.matrix(), problem.s)
        return lambda D: block.adjoint(problem.weigh(block.times(D))), factor

    def _next_level(self, state):
        """Return the level to solve for: the target, or one on the way there."""
        if self.convex or state.level == 1.0:
            return 1.0
        unused = ~state.W.any(axis=1)
        largest = float(row_norms(state.M[unused]).max(initial=0.0))
        largest /= self.problem.level
        target = LEVEL_RATIO * min(largest, state.level)
        return target if target > 1.0 / LEVEL_RATIO**0.5 else 1.0

    def _working_set(self, state, lam):
        """Return the rows in use and the largest violations, in increasing order."""
        used = state.W.any(axis=1)
        force = np.where(used, 0.0, row_norms(state.M))
        wanted = force > 0.95 * lam
        if not self.convex:
            # Zero may be stationary for a row whose minimum is elsewhere.
            steps = 1.0 / self.diagonal
            wanted |= self.scalar.prox(force * steps, steps, np.float64(lam)) > 0.0
        rest = np.flatnonzero(wanted)
        limit = max(FEWEST, 2 * int(np.count_nonzero(used)))
        if rest.size > limit:
            rest = rest[np.argpartition(-force[rest], limit - 1)[:limit]]
        return np.sort(np.concatenate([np.flatnonzero(used), rest]))

    def _solve(self, state, ids, lam, final):
        """Return the coefficients of a working set."""
        problem = self.problem
        if ids.size == 0:
            return np.zeros((0, problem.n_outputs))
        r = problem.y - state.eta
        curved, factorise = self._curved(ids)
        model = RowModel(
            self.scalar,
            self.convex,
            curved,
            self.diagonal[ids],
            lam,
            state.W[ids],
            state.M[ids],
            base=0.5 * problem.inner(r, r),
            fit=problem.inner(r, problem.y),
            target=self.target[ids],
            factorise=factorise,
        )
        by_gap = self.certificate_name == GAP
        return minimise_rows(
            model, by_gap, self._goal(state, final, by_gap), lambda: problem.expired
        )

    def _goal(self, state, final, by_gap):
        """Return the inner tolerance: no finer than the features left out allow."""
        problem = self.problem
        tight = 0.3 * self.tol * state.precision
        if by_gap:
            reached = state.measure.value if state.precision == 1.0 else 0.0
            return max(tight, 0.1 * reached) * problem.objective_scale
        if not final:
            return 0.01 * problem.level
        return tight * self.scale

    def certificate(self, state):
        """Return objective and certificate at the target level."""
        return state.measure

    def finalize(self, state):
        """Return the solution."""
        ids = np.flatnonzero(state.W.any(axis=1))
        return Solution(ids, state.W[ids], self.problem.intercept_of(state.W))


class GramCache:
    """The Gram matrix of the features that were ever in a working set.

    Parameters
    ----------
    design : Design
        Columns.
    s : array of shape (n,)
        Weights of the samples.
    """

    def __init__(self, design, s):
        self.design, self.s = design, s
        self.block = Block(design)
        self.position = np.full(design.p, -1, dtype=np.int64)
        self.matrix = np.empty((0, 0))

    def fits(self, ids):
        """Tell whether the features could be held beside those that are."""
        new = int(np.count_nonzero(self.position[ids] < 0))
        limit = max(SMALL, self.design.n)
        return self.block.m + new <= min(GRAM_LIMIT, limit)

    def gram(self, ids):
        """Return the Gram matrix of some features, (k, k), in host memory."""
        new = ids[self.position[ids] < 0]
        if new.size:
            self._extend(new)
        places = self.position[ids]
        m = self.block.m
        if places.size == m and np.array_equal(places, np.arange(m)):
            return self.matrix[:m, :m]
        return self.matrix[np.ix_(places, places)]

    def _extend(self, new):
        held = self.block.m
        self.block.extend(new)
        m = self.block.m
        self.position[new] = np.arange(held, m)
        if self.matrix.shape[0] < m:
            grown = np.empty((max(m, min(2 * held, GRAM_LIMIT)),) * 2)
            grown[:held, :held] = self.matrix[:held, :held]
            self.matrix = grown
        part = self.block.gram(np.arange(held, m), self.s)
        self.matrix[:m, held:m] = part
        self.matrix[held:m, :held] = part[:held].T
