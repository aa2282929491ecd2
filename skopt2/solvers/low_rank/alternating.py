r"""Alternating minimisation over the factors of rows and of columns.

Problem and symbols as in :mod:`skopt2.solvers.low_rank.problem`.

One sweep: all rows of U, given V and b; all rows of (V, b), given U. Systems of rows
are solved as :mod:`skopt2.solvers.low_rank.row_solver` says, those of higher ranks not
exactly. Losses other than the squared one are majorised before each half.

The change of a sweep is the preconditioned gradient of a nonlinear conjugate gradient
method: d+ = change + beta d, beta the ratio of what this sweep and the last one have
gained, with an exact step along d+. The sweep itself is taken where that gains more,
and ends the memory. Factors are balanced then, and d carried along. The objective never
increases.

For the convex problem (any rank) the factors grow by the singular vectors of the
residual whose values are beyond lam, along which the objective falls, and a direction
leaves as soon as the objective falls without it: with s its value and g = u'S v, if g +
s / 2 < lam.

Sources: Y. Gu, Z. Song, J. Yin and L. Zhang, Low rank matrix completion via robust
alternating minimization in nearly linear time, ICLR 2024, algorithm 4; T. Hastie, R.
Mazumder, J. Lee and R. Zadeh, Matrix completion and low-rank SVD via fast alternating
least squares, JMLR 16, 2015, section 2 (ridge and nuclear norm); H. De Sterck and M.
Winlaw, A nonlinearly preconditioned conjugate gradient algorithm for rank-R canonical
tensor approximation, Numerical Linear Algebra with Applications 22, 2015.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, index_like, to_numpy
from skopt2._core.result import Measure
from skopt2.solvers.low_rank.balance import balanced, carried, without_zeros
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.line_search import exact_step, moved
from skopt2.solvers.low_rank.problem import Factors
from skopt2.solvers.low_rank.reciprocal import reciprocal
from skopt2.solvers.low_rank.row_solver import DIRECT_LIMIT, solve_rows
from skopt2.solvers.low_rank.top_vectors import top_triplets

# Measures without a lower objective, after which rounding is to blame.
PATIENCE = 3
# What a checkpoint keeps beside arrays.
FIGURES = {"idle": int, "gained": float, "delta": float, "swept": float}
# New directions at a time, as a share of the rank.
GROWTH = 0.5
# A sweep has settled when it gains less than this share of the duality gap.
SETTLED = 0.1
# Factor of the width of the loss from one sweep to the next.
SHRINK = 0.7


@dataclass(frozen=True)
class CompletionState:
    """A model and its measure.

    Parameters
    ----------
    model : Factors
        Balanced.
    r : array
        Residuals.
    measure : Measure
        Of the problem.
    idle : int
        Sweeps in a row that gained nothing.
    gained : float
        By how much the last sweep lowered the objective, over the number of entries.
    delta : float
        Width of the loss, which shrinks to that of the problem.
    direction : Factors or None
        Last direction.
    swept : float
        What the last sweep gained by itself.
    """

    model: Factors
    r: Any
    measure: Measure
    idle: int = 0
    gained: float = np.inf
    delta: float = np.inf
    direction: Any = None
    swept: float = 0.0


class AlternatingMinimisation:
    """Sweeps over the rows of both factors.

    Parameters
    ----------
    problem : Completion
        What to minimise.
    exact : bool, default=None
        Whether to factorise the system of every row; None decides by rank and loss.
    """

    def __init__(self, problem, exact=None):
        self.problem, self.exact = problem, exact
        self.loss = problem.loss

    def start(self, model, delta=0.0):
        """Return the state of a model; robust losses begin at a wider one."""
        model, _ = balanced(model, self.problem.intercept)
        return self._state(model, delta=max(delta, self.loss.delta))

    def _state(self, model, previous=None, **kept):
        r = self.problem.residual(model)
        measure = self.problem.measure(model, r)
        state = CompletionState(model, r, measure, **kept)
        if previous is None:
            return state
        gained = previous.measure.objective - measure.objective
        eps = float(self.problem.xp.finfo(model.V.dtype).eps)
        idle = gained <= eps * abs(measure.objective) and state.delta <= self.loss.delta
        idle = previous.idle + 1 if idle else 0
        measure = replace(measure, stalled=idle >= PATIENCE)
        return replace(state, measure=measure, idle=idle, gained=gained)

    def step(self, state):
        """Take one sweep, after a change of the rank where it is due."""
        delta = max(SHRINK * state.delta, self.loss.delta)
        loss = self.loss
        if delta > loss.delta:
            loss = EntryLoss(delta, 1.0 / delta)
        model, r, direction = state.model, state.r, state.direction
        if self.problem.convex:
            model, r = self._fitting_rank(state)
            direction = direction if model is state.model else None
        if not loss.squared:
            new = balanced(self._sweep(model, r, loss), self.problem.intercept)[0]
            return self._state(new, state, delta=delta)
        return self._conjugate(state, model, r, direction)

    def _conjugate(self, state, model, r, direction):
        """Return the state after a sweep and a step along a conjugate direction."""
        problem, intercept = self.problem, self.problem.intercept
        before, swept = problem.objective(model, r), self._sweep(model, r, self.loss)
        left = problem.residual(swept)
        after, new = problem.objective(swept, left), swept
        gain = before - after
        d = Factors(swept.U - model.U, swept.V - model.V, swept.b - model.b)
        if direction is not None and state.swept > 0.0 and gain > 0.0:
            d = moved(d, direction, min(gain / state.swept, 1.0))
        e = exact_step(problem, problem.entries.ones(), r, model, d)
        if e > 0.0:
            further = moved(model, d, e)
            left = problem.residual(further)
            if problem.objective(further, left) < after:
                new = further
        ahead = new is not swept
        balance, _ = balanced(new, intercept)
        d = carried(d, new, balance, intercept) if ahead and balance.rank else None
        return self._state(balance, state, delta=state.delta, direction=d, swept=gain)

    def _sweep(self, model, r, loss):
        """Return the model after both halves."""
        problem, xp = self.problem, self.problem.xp
        entries, level, ones = problem.entries, problem.level, problem.entries.ones()
        U, V, b = model.U, model.V, model.b
        exact = self._exact(model.rank)
        U = solve_rows(entries, loss.weights(r, ones), r, V, U, level, exact=exact)
        if problem.intercept:
            means = xp.mean(U, axis=0)
            U, b = U - means[None, :], b + V @ means
        r = problem.residual(Factors(U, V, b))
        w = loss.weights(r, ones)
        B, Z = U, V
        if problem.intercept:
            B = xp.concat([U, asarray_like(np.ones((U.shape[0], 1)), U)], axis=1)
            Z = xp.concat([V, b[:, None]], axis=1)
        flip = entries.flip
        Z = solve_rows(
            problem.turned, flip(w), flip(r), B, Z, level, problem.intercept, exact
        )
        if problem.intercept:
            V, b = Z[:, : model.rank], Z[:, model.rank]
        else:
            V = Z
        return Factors(U, V, b)

    def _exact(self, rank):
        if self.exact is not None:
            return self.exact
        return rank <= DIRECT_LIMIT or not self.loss.squared

    def _fitting_rank(self, state):
        """Return the model without directions that cost, or with some that are due."""
        problem, xp, model = self.problem, self.problem.xp, state.model
        entries, lam, ones = problem.entries, problem.level, problem.entries.ones()
        S = problem.loss.slope(state.r, ones)
        s = xp.sum(model.U * model.U, axis=0)
        inner = xp.sum(entries.times(S, model.V) * model.U, axis=0) * reciprocal(s)
        curvature = problem.loss.curvature
        kept = to_numpy(inner + 0.5 * curvature * s >= lam)
        if not kept.all():
            ids = index_like(np.flatnonzero(kept), model.U)
            U, V = (xp.take(A, ids, axis=1) for A in (model.U, model.V))
            model = Factors(U, V, model.b)
        elif state.gained < SETTLED * state.measure.gap:
            model = self._grown(model, S)
        if model is state.model:
            return model, state.r
        return model, problem.residual(model)

    def _grown(self, model, S):
        """Return the model with the singular vectors of what is left beyond lam."""
        problem, xp = self.problem, self.problem.xp
        n, p = problem.entries.shape
        count = min(max(2, int(GROWTH * model.rank)), min(n, p) - model.rank)
        if count <= 0:
            return model
        U, s, V = top_triplets(problem.entries, S, count)
        size = (s - problem.level) / problem.loss.curvature
        kept = np.flatnonzero(to_numpy(size) > 0.0)
        if not kept.size:
            return model
        ids = index_like(kept, model.U)
        root = xp.sqrt(xp.take(size, ids))[None, :]
        U = xp.concat([model.U, xp.take(U, ids, axis=1) * root], axis=1)
        V = xp.concat([model.V, xp.take(V, ids, axis=1) * root], axis=1)
        return Factors(U, V, model.b)

    def certificate(self, state):
        """Return objective and certificate."""
        return state.measure

    def finalize(self, state):
        """Return the model, its rows the best ones for its columns."""
        model, problem = state.model, self.problem
        w = self.loss.weights(state.r, problem.entries.ones())
        U = solve_rows(problem.entries, w, state.r, model.V, model.U, problem.level)
        model = Factors(U, model.V, model.b)
        return without_zeros(model) if problem.convex else model

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        model = state.model
        arrays = {"U": model.U, "V": model.V, "b": model.b}
        packed = {name: to_numpy(values) for name, values in arrays.items()}
        if state.direction is not None:
            packed |= {
                "d" + name: to_numpy(getattr(state.direction, name)) for name in "UVb"
            }
        figures = {name: getattr(state, name) for name in FIGURES}
        return {**packed, **figures}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        like = self.problem.entries.like
        model = Factors(*(asarray_like(packed[name], like) for name in "UVb"))
        direction = None
        if "dU" in packed:
            parts = (asarray_like(packed["d" + name], like) for name in "UVb")
            direction = Factors(*parts)
        figures = {name: kind(packed[name]) for name, kind in FIGURES.items()}
        return self._state(model, direction=direction, **figures)
