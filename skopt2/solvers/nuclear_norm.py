r"""Penalties of the singular values: accelerated proximal steps, then Newton.

Problem: min_B f(B) + sum_j pen(sigma_j(B); lam), f quadratic, in the coordinates of
:mod:`skopt2.solvers.nuclear_norm_model`.
Symbols: B (r, K); M = grad f(B); L the largest eigenvalue of the Hessian.

One step of this solver takes the gradient at its point from the data, and minimises the
quadratic that it then knows exactly:

1. proximal steps, B+ = prox(Z - M(Z) / L; 1 / L), with momentum that restarts where it
   points uphill. The prox moves the singular values; it needs an eigendecomposition of
   Z'Z or ZZ', whichever is smaller;
2. where the rank has not changed between two looks of the host, Newton's method on the
   matrices of that rank ends the search (:mod:`skopt2.solvers.fixed_rank_newton`). If
   the rank was wrong, the proximal steps that follow say so.

Certificate: the duality gap, with the residual scaled by the spectral norm of the
gradient, from the coefficients themselves; for concave penalties the distance of -M to
the subdifferential U diag(pen'(sigma)) V' + {N : U'N = 0, N V = 0, |N| <= lam}.

Sources: A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009, eqs. 4.1-4.3; J.-F.
Cai, E. Candes and Z. Shen, A singular value thresholding algorithm for matrix
completion, SIAM J. Optimization 20, 2010, theorem 2.1 (prox); B. O'Donoghue and E.
Candes, Foundations of Computational Mathematics 15, 2015, section 3.2 (restart); A.
Lewis, J. Convex Analysis 2, 1995, theorem 2.4 (subdifferential).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.result import Measure
from skopt2.penalties.l1 import L1
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.multitask_problem import best_dual
from skopt2.solvers.nuclear_norm_model import least_squares, make_model
from skopt2.solvers.nuclear_norm_search import Search
from skopt2.solvers.singular_values import spectral_norm, subspace_distance
from skopt2.solvers.state import Solution

# Proximal steps between two looks of the host, most of them in one outer step, and
# most of them for the convex problem that concave penalties start from.
PERIOD, INNER_LIMIT, COARSE = 10, 2000, 200


@dataclass(frozen=True)
class SpectralState:
    """A point, its gradient from the data, and its measure.

    Parameters
    ----------
    B : array of shape (r, K)
        Coordinates.
    M : array of shape (r, K)
        Gradient.
    measure : Measure
        At the level of the problem.
    loss, fit : float
        The loss, and <R, Y>_s of the residual R.
    precision : float
        Factor of the inner tolerance.
    cold : bool
        Whether it is the null model of a first step.
    """

    B: Any
    M: Any
    measure: Measure
    loss: float
    fit: float
    precision: float = 1.0
    cold: bool = False


class NuclearNorm:
    """Proximal steps and Newton for penalties of singular values.

    Parameters
    ----------
    problem : MultiTaskProblem
        On any device, with a penalty of the spectrum.
    tol : float
        Tolerance of the certificate, which the inner tolerances follow.
    model : EigenModel or PlainModel, default=None
        Coordinates; None to choose them.
    """

    def __init__(self, problem, tol, model=None):
        self.problem, self.tol, self.xp = problem, tol, problem.xp
        self.model = make_model(problem) if model is None else model
        self.scalar = problem.penalty.scalar
        self.convex = problem.penalty.convex
        self.null_norm = spectral_norm(self.model.target)
        exact = math.sqrt(2.0 * problem.null_value * self.model.bound)
        self.scale = problem.gradient_scale(self.null_norm, exact)

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
        B = asarray_like(np.zeros(self.model.shape), self.model.target)
        if start is not None and start.ids.size:
            W = np.zeros((self.problem.design.p, self.model.shape[1]))
            W[start.ids] = start.w
            B = self.model.from_features(asarray_like(W, self.problem.y))
            return self._state(B)
        return replace(self._state(B), cold=True)

    def retarget(self, state, lam):
        """Return the state with a new target level, for the next point of a path."""
        self.problem.set_level(lam)
        return self._state(state.B)

    def _state(self, B):
        """Return the state of a point, measured with the data."""
        W = self.model.to_features(B)
        r = self.problem.y - self.model.columns.times(W)
        M = -self.model.reduce(r)
        loss, fit = (
            0.5 * self.problem.inner(r, r),
            self.problem.inner(r, self.problem.y),
        )
        return SpectralState(B, M, self._measure(B, W, M, loss, fit), loss, fit)

    def _measure(self, B, W, M, loss, fit):
        problem, lam = self.problem, self.problem.level
        sigma = np.asarray(to_numpy(self.xp.linalg.svdvals(W)), dtype=np.float64)
        objective = loss + self.scalar.value(sigma, np.float64(lam))
        eps = float(self.xp.finfo(W.dtype).eps)
        extra = {"rank": int((sigma > 100.0 * eps * sigma.max()).sum())}
        if self.certificate_name == GAP:
            gap = objective - best_dual(2.0 * loss, fit, lam, spectral_norm(M))
            gap = max(gap, 0.0)
            return Measure(objective, gap / problem.objective_scale, gap, extra)
        distance = subspace_distance(self.xp, self.scalar, B, M, lam)
        return Measure(objective, distance / self.scale, math.nan, extra)

    def step(self, state):
        """Minimise with the gradient of the data at the point, and measure."""
        lam = self.problem.level
        if lam == 0.0:
            curved, diagonal = self.model.curved, self.model.diagonal
            expired = self._expired
            B = least_squares(curved, diagonal, state.B, state.M, expired)
            return self._judged(state, self._state(B), True)
        start = state
        if not self.convex and state.cold:
            # The convex problem leads to better minima than the null model does.
            start = self._state(self._searched(state, lam, L1(), COARSE).best)
        run = self._searched(start, lam)
        return self._judged(state, self._state(run.best), run.done)

    def _searched(self, state, lam, scalar=None, limit=None):
        """Return the search for the minimiser of the quadratic at a state."""
        run = Search(self, state, lam, scalar)
        for _ in range((INNER_LIMIT if limit is None else limit) // PERIOD):
            run.advance(PERIOD)
            if run.done or self.problem.expired:
                break
        return run

    def _expired(self):
        return self.problem.expired

    def _judged(self, old, new, done):
        """Return the new state with the next tolerance; stalled at its rounding."""
        if not done:
            return replace(new, precision=old.precision)
        precision = 0.1 * old.precision
        gained = new.measure.value < 0.5 * old.measure.value
        stalled = precision < 1e-3 and not gained and not self.problem.expired
        measure = replace(new.measure, stalled=stalled)
        return replace(new, measure=measure, precision=precision)

    def certificate(self, state):
        """Return objective and certificate at the target level."""
        return state.measure

    def finalize(self, state):
        """Return the solution."""
        W = np.asarray(to_numpy(self.model.to_features(state.B)), dtype=np.float64)
        ids = np.flatnonzero(W.any(axis=1))
        return Solution(ids, W[ids], self.problem.intercept_of(W))

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        return {**self.finalize(state).pack(), "precision": state.precision}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        state = self.init(Solution.unpack(packed))
        return replace(state, precision=float(packed["precision"]))
