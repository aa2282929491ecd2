"""A stream over rows that are all there: epochs in random order, with a certificate.

One step is one pass. After it the model is measured on all rows: duality gap for convex
penalties, KKT violation otherwise, as in :mod:`skopt2.solvers.first_order`. A gap needs
a dual point, which the gradient of the loss at the model is up to scale; with a small
level of the penalty that scale is hard, since every column must correlate less than its
level: the certificate of a stream is an honest bound, and often far from tight.

So the loop has a second end: no progress, where for some epochs in a row the objective
has not fallen by more than the tolerance, relative to the null model.
"""

import math
from dataclasses import replace

import numpy as np

from skopt2._core.array import asarray_like
from skopt2._core.random import pack_seed, unpack_seed
from skopt2._core.result import Measure
from skopt2.solvers.certificate import (
    GAP,
    certificate_name,
    duality_gap,
    gradient_scale,
    kkt_violation,
    objective_scale,
)
from skopt2.solvers.fixed_point import (
    FIXED_POINT,
    coordinate_bounds,
    fixed_point_violation,
)


class Epochs:
    """The solver of the iteration loop.

    Parameters
    ----------
    stream : Stream
        What takes the steps.
    rows : Rows
        All rows, of positive weight.
    problem : LinearProblem
        The problem on the same rows, which measures.
    tol : float
        Tolerance of the certificate and of progress.
    seed : numpy.random.SeedSequence or None
        Of the orders; None for rows as they are.
    patience : int
        Epochs without progress that end the loop.
    """

    def __init__(self, stream, rows, problem, tol, seed, patience):
        self.stream, self.rows, self.problem = stream, rows, problem
        self.tol, self.seed, self.patience = tol, seed, patience
        self.fixed_point = problem.penalty.stationarity == "fixed_point"
        self.certificate_name = (
            FIXED_POINT if self.fixed_point else certificate_name(problem)
        )
        self._best, self._idle = math.inf, 0
        # The last state, where partial_fit goes on.
        self.state = None

    def init(self, x=None):
        """Return the state before the first epoch.

        Parameters
        ----------
        x : array of shape (q,) or (q, K), default=None
            Warm start.
        """
        if x is not None:
            return self.stream.init(x)
        return self.stream.begin(self.rows, self._order(0))

    def _order(self, epoch):
        """Return the order of the rows in an epoch, None for as they are."""
        if self.seed is None:
            return None
        # A seed of its own for each epoch: a resumed fit draws the same orders.
        key = (*self.seed.spawn_key, epoch)
        seed = np.random.SeedSequence(self.seed.entropy, spawn_key=key)
        return np.random.default_rng(seed).permutation(self.rows.n)

    def step(self, state):
        """Return the state after a pass over all rows."""
        order = self._order(state.epoch)
        # Overflow is how a step that is too long shows; it is measured afterwards.
        with np.errstate(over="ignore", invalid="ignore"):
            state = self.stream.consume(state, self.rows, order, state.epoch == 0)
        self.state = replace(state, epoch=state.epoch + 1)
        return self.state

    def certificate(self, state):
        """Return objective and certificate of the model."""
        problem = self.problem
        solution = self.finalize(state)
        ids, w = solution.ids, solution.w
        if not (np.isfinite(w).all() and np.isfinite(solution.intercept).all()):
            return Measure(math.inf, math.inf, extra=self._extra(state, 0))
        with np.errstate(over="ignore", invalid="ignore"):
            objective, value, gap = self._measured(solution)
        scale = objective_scale(problem)
        self._idle += 1
        if objective < self._best - self.tol * scale:
            self._best, self._idle = objective, 0
        return Measure(
            objective,
            value,
            gap,
            self._extra(state, ids.size),
            stalled=self._idle >= self.patience,
        )

    def _extra(self, state, support):
        eta = float(state.run.eta)
        return {"support": int(support), "step_size": eta}

    def _measured(self, solution):
        """Return objective, relative certificate and gap of a solution."""
        problem, ids, w = self.problem, solution.ids, solution.w
        base = problem.centred_intercept(ids, w, solution.intercept)
        # Of a quadratic loss the problem knows the best intercept, and the stream has
        # its own: the difference is part of what is measured.
        off = solution.intercept - problem.original_intercept(ids, w, base)
        off = np.asarray(off, dtype=np.float64)
        eta = problem.predictor(ids, w, base) + asarray_like(off, problem.y)
        c = problem.design.gradient(problem.weighted_gradient(eta))
        full = np.zeros(c.shape)
        full[ids] = w
        value = problem.penalty_value(full)
        if self.certificate_name == GAP:
            objective, gap = duality_gap(problem, eta, c, value)
            return objective, gap / objective_scale(problem), gap
        objective = problem.loss_value(eta) + value
        if self.fixed_point:
            bounds = coordinate_bounds(problem, eta)
            violation = fixed_point_violation(problem, full, c, bounds)
        else:
            violation = kkt_violation(problem, full, c)
        if problem.fit_intercept:
            slope = problem.xp.sum(problem.weighted_gradient(eta), axis=0)
            slope = float(problem.xp.max(problem.xp.abs(slope)))
            violation = max(violation, slope / gradient_scale(problem))
        return objective, violation, math.nan

    def finalize(self, state):
        """Return the model as a Solution, on the host."""
        return self.stream.solution(state)

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        packed = {**state.pack(), "best": self._best, "idle": self._idle}
        if self.seed is not None:
            packed["seed"] = pack_seed(self.seed)
        return packed

    def unpack(self, packed):
        """Return the state of a checkpoint, and go on with its orders."""
        self._best, self._idle = packed["best"], packed["idle"]
        if "seed" in packed:
            self.seed = unpack_seed(packed["seed"])
        return self.stream.unpack(packed, self.rows.s)
