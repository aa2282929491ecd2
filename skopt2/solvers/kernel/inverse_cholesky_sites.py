"""Variational posterior of a sparse process under any likelihood, by natural steps.

Maximise over q(f) = N(m, (V V')^-1) the bound on log p(y)

    L = sum_i E_q log p(y_i | f_i) - KL(q | N(0, (U U')^-1)).

Where it is stationary, q is the posterior under Gaussian sites: with the slopes g_i and
the curvatures c_i of the expectations at the moments of q,

    V V' = U U' + diag(w),  w = c,      (U U' + diag(w)) m = h,  h = g + w m.

A step moves (w, h), the natural parameters of the sites, to these values, or a part of
the way where the bound would fall: a natural gradient step. V is the incomplete factor,
and m exact for U. Five to ten steps reach three digits, where stochastic gradients need
hundreds of passes over the rows.

Symbols: U, V sparse factors; y, m, w, h (n,); v (n,) the variances under q.

Cao et al., ICML 2023, for the double approximation and the bound (equation 5); Opper
and Archambeau, Neural Computation 2009, for the fixed point; Khan and Lin, AISTATS
2017, for the steps.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.iterate import iterate
from skopt2._core.result import Measure
from skopt2.solvers.kernel.inverse_cholesky_ancestors import marginal_variances
from skopt2.solvers.kernel.inverse_cholesky_incomplete import (
    EliminationPlan,
    incomplete_factor,
)
from skopt2.solvers.kernel.inverse_cholesky_mean import PosteriorMean

# What the certificate of a variational posterior is called.
STATIONARITY = "relative stationarity of the evidence bound"
# Smallest precision of a site, relative to that of the process.
_WEAK = 1e-10
# Fall of the bound that the approximate trace explains.
_SLACK = 1e-4
# Shortest part of the way, but for steps after which the bound would fall.
_SHORTEST = 0.25
# Halvings of a step, and relative residual of the mean within a step.
_HALVINGS = 6
# Steps without a stationarity that is a tenth smaller, after which the factor is to
# blame, which is not exact.
_PATIENCE = 12
_TOL, _ITERATIONS = 1e-8, 100


@dataclass(frozen=True)
class SiteState:
    """A variational posterior.

    Parameters
    ----------
    mean, variances : ndarray of shape (n,)
        m and v.
    precisions, shifts : ndarray of shape (n,)
        w and h.
    factor : SparseFactor
        V.
    moments : tuple of three ndarrays of shape (n,)
        Value, slope and curvature of the likelihood at m and v.
    bound : float
        L, with the trace in the divergence as if V were exact.
    best : float
        Smallest stationarity of this state and those before.
    idle : int
        Steps since it was a tenth larger.
    length : float
        Part of the way to take in the next step.
    move : ndarray of shape (n,) or None
        Last change of the precisions, relative to them.
    """

    mean: Any
    variances: Any
    precisions: Any
    shifts: Any
    factor: Any
    moments: tuple
    bound: float
    best: float = math.inf
    idle: int = 0
    length: float = 1.0
    move: Any = None


class SiteProblem:
    """One set of targets of a sparse process.

    Parameters
    ----------
    prior : SparseFactor
        U.
    points : ndarray of shape (n, d)
        The points in their order and in the units of the distance.
    y : ndarray of shape (n,)
        Targets.
    likelihood : object
        See :mod:`skopt2.solvers.kernel.inverse_cholesky_observation`.
    plan : EliminationPlan or None, default=None
        Of the neighbours of U.
    """

    def __init__(self, prior, points, y, likelihood, plan=None):
        self.prior, self.points, self.y = prior, points, y
        self.likelihood = likelihood
        self.plan = EliminationPlan(prior.neighbours) if plan is None else plan
        self.plan.discount = 0
        self._least = _WEAK * prior.values[:, -1] ** 2

    def start(self, precisions=None, shifts=None):
        """Return the posterior of given sites.

        Parameters
        ----------
        precisions, shifts : ndarray of shape (n,) or None, default=None
            w and h; None for those that a posterior N(0, 1) of each value asks for.

        Returns
        -------
        state : SiteState
        """
        zeros = np.zeros(self.prior.n_rows)
        if precisions is None:
            _, shifts, curvature = self.likelihood.expectations(
                self.y, zeros, zeros + 1.0
            )
            precisions = np.maximum(curvature, self._least)
        return self._posterior(precisions, shifts, zeros)

    def step(self, state):
        """Return the next state, of no smaller a bound but for rounding."""
        new = self._next(state)
        value, length = self.stationarity(new), state.length
        move = (new.precisions - state.precisions) / new.precisions
        if state.move is not None and float(move @ state.move) < 0.0:
            # Full steps can overshoot from side to side; shorter ones do not.
            length = max(0.7 * length, _SHORTEST)
        else:
            length = min(1.2 * length, 1.0)
        new = dataclasses.replace(new, move=move, length=length)
        if value < 0.9 * state.best:
            return dataclasses.replace(new, best=value)
        return dataclasses.replace(new, best=state.best, idle=state.idle + 1)

    def _next(self, state):
        _, slope, curvature = state.moments
        w = np.maximum(curvature, self._least)
        h = slope + w * state.mean
        length = state.length
        for _ in range(_HALVINGS):
            new = self._posterior(
                state.precisions + length * (w - state.precisions),
                state.shifts + length * (h - state.shifts),
                state.mean,
            )
            if new.bound >= state.bound - _SLACK * (1.0 + abs(state.bound)):
                return new
            length *= 0.5
        return new

    def stationarity(self, state):
        """Return how far the sites are from those that their posterior asks for."""
        _, slope, curvature = state.moments
        pull = self.prior.product(self.prior.transposed_product(state.mean))
        scale = max(np.linalg.norm(slope), np.linalg.norm(pull), np.finfo(float).tiny)
        mean = np.linalg.norm(slope - pull) / scale
        w = np.maximum(curvature, self._least)
        return float(
            max(mean, np.linalg.norm(w - state.precisions) / np.linalg.norm(w))
        )

    def _posterior(self, w, h, mean):
        """Return the posterior under sites, from a guess of its mean."""
        factor = incomplete_factor(self.prior, w, self.plan)
        solver = PosteriorMean(self.prior, factor, w, (h / w)[:, None])
        found = iterate(
            solver, solver.start(mean[:, None]), tol=_TOL, max_iter=_ITERATIONS
        )
        mean = found.solution[:, 0]
        variances = marginal_variances(factor, self.points)
        moments = self.likelihood.expectations(self.y, mean, variances)
        half = self.prior.transposed_product(mean)
        divergence = 0.5 * float(half @ half - w @ variances)
        divergence += factor.log_determinant - self.prior.log_determinant
        bound = float(moments[0].sum()) - divergence
        return SiteState(mean, variances, w, h, factor, moments, bound)

    def certificate(self, state):
        """Return the bound, negated, and the stationarity."""
        value = self.stationarity(state)
        return Measure(-state.bound, value, stalled=state.idle >= _PATIENCE)

    def finalize(self, state):
        """Return m and V."""
        return state.mean, state.factor

    def pack(self, state):
        """Return the sites and the state of the steps, for checkpoints."""
        names = ("mean", "precisions", "shifts", "best", "idle", "length", "move")
        packed = {name: getattr(state, name) for name in names}
        return {**packed, "discount": self.plan.discount}

    def unpack(self, packed):
        """Return the state of packed sites."""
        self.plan.discount = int(packed["discount"])
        sites = [packed[name] for name in ("precisions", "shifts", "mean")]
        return dataclasses.replace(
            self._posterior(*sites),
            best=float(packed["best"]),
            idle=int(packed["idle"]),
            length=float(packed["length"]),
            move=packed["move"],
        )


class SideBySide:
    """Solver for the iteration loop: several problems, each with its own solver.

    Parameters
    ----------
    solvers : list of solvers
        One for each problem.
    tol : float
        Certificate from which a problem is left as it is.
    """

    def __init__(self, solvers, tol):
        self.solvers, self.tol = solvers, tol
        self._reached = [False] * len(solvers)

    def step(self, states):
        """Take one step in each problem whose certificate does not hold yet."""
        parts = zip(self.solvers, states, self._reached, strict=True)
        return [
            state if reached else solver.step(state) for solver, state, reached in parts
        ]

    def certificate(self, states):
        """Return the sum of the objectives and the worst certificate."""
        pairs = zip(self.solvers, states, strict=True)
        found = [solver.certificate(state) for solver, state in pairs]
        self._reached = [measure.value <= self.tol for measure in found]
        worst = max(measure.value for measure in found)
        stalled = all(
            measure.stalled or reached
            for measure, reached in zip(found, self._reached, strict=True)
        )
        objective = sum(measure.objective for measure in found)
        return Measure(objective, worst, stalled=stalled)

    def finalize(self, states):
        """Return the list of solutions."""
        pairs = zip(self.solvers, states, strict=True)
        return [solver.finalize(state) for solver, state in pairs]

    def pack(self, states):
        """Return the packed states, their names after their numbers."""
        pairs = enumerate(zip(self.solvers, states, strict=True))
        return {
            f"{k}.{name}": value
            for k, (solver, state) in pairs
            for name, value in solver.pack(state).items()
        }

    def unpack(self, packed):
        """Return the states of packed ones."""
        return [
            solver.unpack(
                {
                    name.partition(".")[2]: value
                    for name, value in packed.items()
                    if name.partition(".")[0] == str(k)
                }
            )
            for k, solver in enumerate(self.solvers)
        ]
