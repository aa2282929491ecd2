"""CVaR to any precision: proximal points in the weights of the tail.

Problem: min_(w, b) CVaR_beta(l(X w + b)) + sum_j pen(w_j; lam_j).
Symbols: v (J, n) the weights of the tail, which are the multipliers of the definition
of the losses; mu the proximal parameter.

One step minimises the proximal form of :mod:`skopt2.solvers.cvar.problem` about the
last weights by active-set Newton, and takes the weights of its solution. Each problem
is smooth in what the tail leaves open, so that Newton applies to losses with kinks too,
and mu need not vanish: the fixed points are the solutions for every mu. It falls all
the same, which makes convergence superlinear.

Certificate: the duality gap of (w, b) and the weights, which bound the minimum from
below through the tangents of the losses at the solution.

Source: R. T. Rockafellar, Augmented Lagrangians and applications of the proximal point
algorithm in convex programming, Mathematics of Operations Research 1, 1976, section 4.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import dot64, to_numpy
from skopt2._core.result import Measure
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.cvar.problem import TailModel
from skopt2.solvers.state import Solution
from skopt2.solvers.working_set import WorkingSetNewton

# Proximal parameter of the first step, relative to the spread of the losses at the
# bounds of the weights, cold and warm.
FIRST, WARM = 1.0, 0.01
# By what it falls; how far, relative to the scale, while the gap falls to this part
# with every step, and how far at all.
FALL, LEAST, PACE, SMALLEST = 0.2, 1e-3, 0.2, 1e-9
# Steps without a smaller gap after which rounding is taken to forbid one.
PATIENCE = 15
# Steps of the Newton solver for one proximal form.
INNER_STEPS = 10
# Stationarity that it is asked for, relative, at first; at last, in units of the
# tolerance, and whatever that is.
LOOSE, TIGHT, ROUNDING = 1e-2, 0.1, 1e-13
# What a checkpoint holds of a state beside arrays.
PROGRESS = ("mu", "accuracy", "gap", "objective", "bound")


@dataclass(frozen=True)
class TailSolution(Solution):
    """Coefficients, with the risk of the losses that they leave.

    Parameters
    ----------
    quantile : float
        Value at risk.
    cvar : float
        Conditional value at risk.
    """

    quantile: float = math.nan
    cvar: float = math.nan

    @classmethod
    def of(cls, solution, risk):
        """Return a solution with its two risks."""
        return cls(solution.ids, solution.w, solution.intercept, None, *risk)


@dataclass(frozen=True)
class TailState:
    """A point, the weights of the tail there, and the best of all so far.

    Parameters
    ----------
    solution : Solution
        Coefficients and intercept.
    v : array of shape (J, n)
        Weights of the tail.
    mu : float
        Proximal parameter of the next step.
    best : TailSolution
        The solution with the lowest objective.
    accuracy : float
        Stationarity of the next step.
    gap : float
        Duality gap of the point and the weights.
    objective, bound : float
        The lowest objective, and the highest lower bound.
    idle : int
        Steps since their difference has fallen.
    """

    solution: Solution
    v: Any
    mu: float
    best: TailSolution
    accuracy: float = LOOSE
    gap: float = math.inf
    objective: float = math.inf
    bound: float = -math.inf
    idle: int = 0


class TailNewton(WorkingSetNewton):
    """Active-set Newton for one proximal form, to stationarity.

    Parameters
    ----------
    problem : TailProblem
        At its proximal form.
    tol : float
        Tolerance of the stationarity.
    """

    curved = TailModel

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self.certificate_name = KKT


class TailMultipliers:
    """Proximal points in the weights of the tail, with Newton steps.

    Parameters
    ----------
    problem : TailProblem
        With a convex separable penalty.
    tol : float
        Tolerance of the certificate.
    """

    certificate_name = GAP
    check_every = 1

    def __init__(self, problem, tol):
        self.problem, self.tol = problem, tol
        self.scale = objective_scale(problem)
        problem.null_scale, energy = slope_scale(problem)
        problem.steepness = 1e-3 * energy
        # A dual point of an l1 norm shrinks by how much its gradient is too large.
        level = min(float(problem.lam.min()) / problem.null_scale, 1.0)
        self.accurate = max(TIGHT * self.tol * level, ROUNDING)

    def init(self, start=None):
        """Return the state of a start, the best constant by default.

        Parameters
        ----------
        start : Solution, default=None
            Warm start.
        """
        problem = self.problem
        if start is None:
            none = np.empty(0, dtype=np.int64)
            b = constant_predictor(problem)
            start = Solution(none, np.zeros(0), b)
            share = FIRST
        else:
            share = WARM
        base = centred(problem, start)
        eta = problem.predictor(start.ids, start.w, base)
        v, mu = problem.mean_weights(), share * self._spread(eta)
        if share == WARM:
            problem.proximal(v, mu, base)
            v = problem.tail(eta).v
        return TailState(start, v, mu, TailSolution.of(start, problem.risk(eta)))

    def _spread(self, eta):
        """Return the mu at which the losses move the weights over their range."""
        problem = self.problem
        losses = problem.losses(eta)
        mean = dot64(problem.s, losses)
        spread = math.sqrt(max(dot64(problem.s, (losses - mean) ** 2), 0.0))
        return (1.0 - problem.beta) * max(spread, 1e-3 * mean, 1e-12 * self.scale)

    def step(self, state):
        """Minimise the proximal form about the weights, and take the new ones."""
        problem, held = self.problem, state.solution
        problem.proximal(state.v, state.mu, centred(problem, held))
        inner = TailNewton(problem, state.accuracy)
        point = inner.init(held)
        reached = math.inf
        for _ in range(INNER_STEPS):
            point, before = inner.step(point), reached
            reached = inner.certificate(point).value
            done = reached <= state.accuracy or reached > 0.5 * before
            if done or problem.expired:
                break
        solution, eta = inner.finalize(point), point.eta
        v, risk = problem.tail(eta).v, problem.risk(eta)
        objective = risk[1] + problem.penalty_value(solution.w, solution.ids)
        bound = problem.dual_value(eta, v)
        gap = objective - bound
        mu, accuracy = self._next(state, gap, reached > state.accuracy)
        best = state.best
        if objective < state.objective:
            best = TailSolution.of(solution, risk)
        objective, bound = min(objective, state.objective), max(bound, state.bound)
        fell = objective - bound < 0.9 * (state.objective - state.bound)
        idle = 0 if fell else state.idle + 1
        report = (gap, objective, bound, idle)
        return TailState(solution, v, mu, best, accuracy, *report)

    def _next(self, state, gap, missed):
        """Return the proximal parameter of the next step, and its accuracy."""
        scale = (1.0 - self.problem.beta) * self.scale
        if missed:
            # What Newton cannot resolve is smoother further away.
            return min(state.mu / FALL**2, scale), state.accuracy
        slow = gap > PACE * state.gap
        least = min(state.mu, (SMALLEST if slow else LEAST) * scale)
        accuracy = max(0.1 * state.accuracy, self.accurate)
        return max(FALL * state.mu, least), accuracy

    def certificate(self, state):
        """Return the objective, and the duality gap relative to the best constant."""
        gap, best = max(state.objective - state.bound, 0.0), state.best
        extra = {"support": int(best.ids.size)}
        extra |= {"quantile": best.quantile, "cvar": best.cvar}
        stalled = state.idle >= PATIENCE
        return Measure(state.objective, gap / self.scale, gap, extra, stalled)

    def finalize(self, state):
        """Return the best solution with its risk."""
        return state.best

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        best = {f"best_{key}": value for key, value in state.best.pack().items()}
        best |= {key: getattr(state.best, key) for key in ("quantile", "cvar")}
        progress = {key: getattr(state, key) for key in PROGRESS}
        return {**state.solution.pack(), "v": to_numpy(state.v), **best, **progress}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        best = {key[5:]: v for key, v in packed.items() if key.startswith("best_")}
        risk = float(packed["quantile"]), float(packed["cvar"])
        progress = {key: float(packed[key]) for key in PROGRESS}
        return TailState(
            Solution.unpack(packed),
            self.problem.design.to_device(np.asarray(packed["v"])),
            best=TailSolution.of(Solution.unpack(best), risk),
            **progress,
        )


def constant_predictor(problem):
    """Return the best constant for the mean of the losses, 0 without an intercept."""
    return problem.loss.start(problem.y, problem.s) if problem.fit_intercept else 0.0


def centred(problem, solution):
    """Return the intercept of the centred problem."""
    if not problem.fit_intercept:
        return 0.0
    return problem.centred_intercept(solution.ids, solution.w, solution.intercept)


def objective_scale(problem):
    """Return the conditional value at risk of the best constant for the mean, 1 at 0.

    Parameters
    ----------
    problem : TailProblem
        The problem.
    """
    eta = problem.xp.zeros_like(problem.y) + constant_predictor(problem)
    cvar = problem.risk(eta)[1]
    return cvar if cvar > 0.0 else 1.0


def slope_scale(problem):
    """Return the largest gradient that the slopes of the best constant allow.

    And the mean square of these slopes.

    Parameters
    ----------
    problem : TailProblem
        The problem.
    """
    eta = problem.xp.zeros_like(problem.y) + constant_predictor(problem)
    slope = problem.loss.slopes(problem.y, eta)
    slope = problem.xp.max(problem.xp.abs(slope), axis=0)
    norms = problem.design.squared_sizes
    energy = problem.energy(slope)
    size = math.sqrt(energy * float(norms.max(initial=0.0)))
    return size if 0.0 < size < math.inf else 1.0, energy
