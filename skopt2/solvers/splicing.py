"""Best subsets by splicing: exchange features until no exchange helps.

Problem: min_(w, b) f(w, b) + sum_j lam_j [w_j != 0].
Symbols: S the support, r_j the rise of f if j leaves it, g the gradient of f, D_l its
second derivative in w_l.

The gain of every single exchange at a refitted support is known at once, see
:mod:`skopt2.solvers.exchange_scores`.

The search starts at a fixed point of the proximal gradient iteration. It first splices
as its paper does: the m features of S of least r_j for the m others of largest
g_l^2 / (2 D_l), m halved until the refitted objective falls. Then the best single
removal, addition or exchange is taken, refitted, and kept if the objective fell, until
none does. Last, the support is doubled by the features of largest gain and swept again,
for those that only help together. What this ends in is no worse than the fixed point,
has no better neighbour, and is a fixed point again: the exact gains exceed those of
coordinate steps.

Source: J. Zhu, C. Wen, J. Zhu, H. Zhang and X. Wang, A polynomial algorithm for best
subset selection problem, PNAS 117, 2020, algorithm 1 (sacrifices and splicing).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.penalties import L0
from skopt2.solvers.certificate import objective_scale
from skopt2.solvers.composite import (
    CompositeModel,
    column_scale,
    host_intercept,
    intercept_array,
)
from skopt2.solvers.exchange_scores import Scores
from skopt2.solvers.fixed_point import FIXED_POINT
from skopt2.solvers.proximal_gradient import ProximalGradient
from skopt2.solvers.state import Solution
from skopt2.solvers.support_newton import newton_step

# Entries of K that are held; beyond, exchanges are scored without M.
LARGEST = 20_000_000
# Single moves of one step, features of the first splice, scored moves that are tried.
MOVES, SPLICE, TRIALS = 50, 16, 3
REFITS = 30
# Features that a detour adds at least.
DETOUR = 10


@dataclass(frozen=True)
class Fit:
    """Coefficients refitted on a support.

    Parameters
    ----------
    ids : ndarray of int of shape (k,)
        Support and unpenalised features, in increasing order.
    w : ndarray of shape (k,)
        Coefficients.
    b : float
        Intercept of the centred problem.
    eta : array of shape (n,)
        Linear predictor, beside X.
    value : float
        Objective.
    """

    ids: np.ndarray
    w: np.ndarray
    b: float
    eta: object
    value: float


@dataclass(frozen=True)
class State:
    """The fixed point, and what exchanges would still gain.

    Parameters
    ----------
    inner : State
        Of the proximal gradient solver.
    exchange : float
        What the last sweep of exchanges gained, relative to the scale of the objective:
        0 once none helps, inf before the first.
    """

    inner: object
    exchange: float = math.inf


class Splicing:
    """Proximal gradient, then exchanges of features.

    Parameters
    ----------
    problem : LinearProblem
        With the l0 penalty and one output.
    tol : float
        Tolerance of the certificate.

    Raises
    ------
    ValueError
        For another penalty, or several outputs.
    """

    name = "splicing"
    check_every = 1

    def __init__(self, problem, tol):
        if not isinstance(problem.penalty, L0):
            raise ValueError(
                "solver='splicing' searches subsets for the l0 penalty, got the "
                f"{problem.penalty.name} penalty; use solver='proxgrad'."
            )
        if problem.n_outputs > 1:
            raise ValueError(
                "solver='splicing' takes one output, and the loss has "
                f"{problem.n_outputs}; use solver='proxgrad'."
            )
        self.problem, self.tol = problem, tol
        self.inner = ProximalGradient(problem, tol)
        self.certificate_name = FIXED_POINT
        self.scale = objective_scale(problem)
        self._products = {}

    def init(self, start=None):
        """Return the state of a start, the null model by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        return State(self.inner.init(start))

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        return State(self.inner.retarget(state.inner, lam))

    def step(self, state):
        """Take one step to the fixed point, or, there, one sweep of exchanges."""
        inner = state.inner
        measure = self.inner.certificate(inner)
        if inner.level != 1.0 or not (measure.value <= self.tol or measure.stalled):
            return replace(state, inner=self.inner.step(inner))
        # The support, and not the working set, which may be all features.
        found = self.inner.finalize(inner)
        start = self._refit(found.ids, found)
        fit = self._sweep(self._splice(start))
        if not measure.objective - fit.value > self._slack:
            fit = self._detour(fit)
        gained = measure.objective - fit.value
        if not gained > 1e-12 * self.scale:
            return replace(state, exchange=0.0)
        solution = Solution(
            fit.ids,
            fit.w,
            self.problem.original_intercept(fit.ids, fit.w, fit.b),
        )
        back = replace(self.inner.init(solution), level=1.0)
        return State(back, gained / self.scale)

    def _refit(self, ids, start):
        """Minimise the loss over some features; the unpenalised ones join.

        Parameters
        ----------
        ids : ndarray of int
            Features.
        start : Solution or Fit
            Coefficients to start from; those of other features are dropped.
        """
        problem = self.problem
        ids = np.union1d(ids, np.flatnonzero(problem.lam == 0)).astype(np.int64)
        w = np.zeros(ids.size)
        kept = np.isin(start.ids, ids)
        w[np.searchsorted(ids, start.ids[kept])] = start.w[kept]
        if isinstance(start, Fit):
            b = start.b
        else:
            b = problem.centred_intercept(start.ids, start.w, start.intercept)
        model = CompositeModel(problem, ids)
        point = model.at(problem.design.to_device(w), intercept_array(problem, b))
        free = model.levels(np.zeros(problem.design.p))
        value = problem.loss_value(point.eta)
        for _ in range(1 if problem.loss.is_quadratic else REFITS):
            found = newton_step(model, point, free, value, point.w == point.w)
            if found is None:
                break
            before, (point, value) = value, found
            if before - value <= 1e-14 * self.scale:
                break
        w = problem.design.to_host(point.w)
        value += problem.penalty_value(w, ids)
        return Fit(ids, w, host_intercept(problem, point.b), point.eta, value)

    def _splice(self, fit):
        """Exchange many features at a time, fewer until the objective falls."""
        m = SPLICE
        while m:
            scores = self._scores(fit)
            leave, enter = scores.leaving(m), scores.entering(m)
            size = min(leave.size, enter.size)
            if not size:
                break
            ids = np.setdiff1d(fit.ids, leave[:size])
            trial = self._refit(np.union1d(ids, enter[:size]), fit)
            if trial.value < fit.value - self._slack:
                fit = trial
            else:
                m = size // 2
        return fit

    def _detour(self, fit):
        """Return the end of a sweep from a support that is too large, if it is lower.

        Features that only help together are found by taking the useless ones away.
        """
        room = self.problem.design.n // 2 - fit.ids.size
        enter = self._scores(fit).entering(max(0, min(max(DETOUR, fit.ids.size), room)))
        if enter.size == 0:
            return fit
        large = self._refit(np.union1d(fit.ids, enter), fit)
        kept = self._scores(large).worthwhile()
        if np.array_equal(kept, fit.ids):
            return fit
        end = self._sweep(self._refit(kept, large))
        return end if end.value < fit.value - self._slack else fit

    @property
    def _slack(self):
        """A gain that is more than rounding error."""
        single = self.problem.y.dtype == self.problem.xp.float32
        return (1e-6 if single else 1e-11) * self.scale

    def _sweep(self, fit):
        """Take the best single move again and again; return where none helps."""
        for _ in range(MOVES):
            for gain, leave, enter in self._scores(fit).best(TRIALS):
                if gain <= self._slack:
                    return fit
                ids = np.union1d(np.setdiff1d(fit.ids, leave), enter)
                trial = self._refit(ids, fit)
                if trial.value < fit.value - self._slack:
                    fit = trial
                    break
            else:
                return fit
        return fit

    def _scores(self, fit):
        """Return the model of all exchanges at a refitted support."""
        problem, design = self.problem, self.problem.design
        g = design.gradient(problem.weighted_gradient(fit.eta))
        h = problem.weigh(problem.curvature(fit.eta))
        if problem.loss.is_quadratic:
            level = 1.0
        else:
            self._products.clear()
            level = float(problem.xp.sum(h))
        D = level * column_scale(design)
        k = fit.ids.size
        exact = k * design.p <= LARGEST
        offset = int(problem.explicit_intercept)
        H = np.zeros((k + offset, k + offset))
        K = np.zeros((design.p if exact else 0, k + offset))
        for j, feature in enumerate(fit.ids):
            column = self._product(feature, h)
            H[offset:, offset + j] = column[fit.ids]
            if exact:
                K[:, offset + j] = column
        if offset:
            cross = design.gradient(h)
            H[0, 0] = float(problem.xp.sum(h))
            H[0, 1:] = H[1:, 0] = cross[fit.ids]
            if exact:
                K[:, 0] = cross
        # Constant columns have no curvature, copies of a column share theirs.
        size = H.diagonal().copy()
        size[offset:] = np.maximum(size[offset:], D[fit.ids])
        P = np.linalg.inv(H + 1e-12 * np.diag(size))
        return Scores(problem, fit, g, D, K, P, offset)

    def _product(self, feature, h):
        """Return X' diag(h) x of one feature, on the host, kept while h is the same."""
        if feature not in self._products:
            design = self.problem.design
            one = np.ones(1)
            column = design.predict(np.array([feature]), one)
            if len(self._products) * design.p > LARGEST:
                self._products.clear()
            self._products[feature] = design.gradient(h * column)
        return self._products[feature]

    def certificate(self, state):
        """Return objective and certificate; what exchanges gained counts too."""
        measure = self.inner.certificate(state.inner)
        exchange = min(state.exchange, 1.0)
        extra = {**measure.extra, "exchange": exchange}
        return Measure(
            measure.objective,
            max(measure.value, exchange),
            measure.gap,
            extra,
            measure.stalled and state.exchange == 0.0,
        )

    def finalize(self, state):
        """Return the solution."""
        return self.inner.finalize(state.inner)

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        return {**self.inner.pack(state.inner), "exchange": state.exchange}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        return State(self.inner.unpack(packed), float(packed["exchange"]))
