r"""Scaled gradient descent on the factors of a matrix, with damping.

Problem: as in :mod:`skopt2.solvers.low_rank.problem`, or of linear measurements.
Symbols: S = psi'(R), and A*(S) the matrix that its products make; h the mean curvature
of the loss along one entry of U V'; mu the damping.

Step: with the gradients g_U = A*(S) V - lam U and g_V = A*(S)'U - lam V,

    U + e g_U inv(h (V'V + mu I) + lam I),  V + e g_V inv(h (U'U + mu I) + lam I),

and for intercepts their Newton step. Without damping this is invariant to a change of
the basis of the factors, hence to the condition number of U V'; the damping keeps
directions from growing without bound where the rank is larger than that of the
solution. Plain gradient descent leaves out the inverses.

The constant damping of the first paper needs the least singular value of the solution.
The second shows that damping like the distance to the solution converges as fast as if
the rank were known: here mu = c sqrt(sum w r^2 / h), an estimate of that distance.

The step e is exact (:mod:`skopt2.solvers.low_rank.line_search`): there is no step size
to choose, and the objective never increases.

Sources: X. Xu, Y. Shen, Y. Chi and C. Ma, The power of preconditioning in
overparameterized low-rank matrix sensing, ICML 2023, eq. 4; J. Zhang, S. Fattahi and R.
Zhang, Preconditioned gradient descent for over-parameterized nonconvex matrix
factorization, NeurIPS 2021, eq. 4 and theorem 6 (damping).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, dot64, sum64, to_numpy
from skopt2._core.result import Measure
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.line_search import exact_step, moved
from skopt2.solvers.low_rank.problem import Factors
from skopt2.solvers.low_rank.reciprocal import reciprocal
from skopt2.solvers.low_rank.row_solver import spectrum

# Steps in a row without a lower objective, after which rounding is to blame.
PATIENCE = 5
# Factor of the width of the loss from one step to the next.
SHRINK = 0.9


@dataclass(frozen=True)
class DescentState:
    """A model, its residuals and its measure.

    Parameters
    ----------
    model : Factors
        Any factors of it.
    r : array
        Residuals.
    measure : Measure
        Of the problem.
    idle : int
        Steps in a row that gained nothing.
    delta : float
        Width of the loss, which shrinks to that of the problem.
    """

    model: Factors
    r: Any
    measure: Measure
    idle: int = 0
    delta: float = np.inf


class ScaledDescent:
    """Descent along preconditioned gradients of both factors.

    Parameters
    ----------
    problem : Completion or Sensing
        What to minimise.
    damping : float, default=2.0
        Damping relative to the distance that is left, c. About one and above, large
        singular values are found before small ones, in directions that are right.
    scaled : bool, default=True
        False for plain gradient descent.
    constant : float, default=None
        A damping mu that does not change instead.
    """

    def __init__(self, problem, damping=2.0, scaled=True, constant=None):
        self.problem, self.damping = problem, float(damping)
        self.scaled, self.constant = scaled, constant
        self.loss = problem.loss

    def start(self, model, delta=0.0):
        """Return the state of a model; robust losses begin at a wider one."""
        return self._state(model, delta=max(delta, self.loss.delta))

    def _state(self, model, previous=None, **kept):
        r = self.problem.residual(model)
        measure = self.problem.measure(model, r)
        if previous is None:
            return DescentState(model, r, measure, **kept)
        gained = previous.measure.objective - measure.objective
        eps = float(self.problem.xp.finfo(model.V.dtype).eps)
        idle = gained <= eps * abs(measure.objective)
        idle = previous.idle + 1 if idle and kept["delta"] <= self.loss.delta else 0
        measure = replace(measure, stalled=idle >= PATIENCE)
        return DescentState(model, r, measure, idle, kept["delta"])

    def step(self, state):
        """Take one step."""
        delta = max(SHRINK * state.delta, self.loss.delta)
        loss = self.loss if delta <= self.loss.delta else EntryLoss(delta, 1.0 / delta)
        problem, model = self.problem, state.model
        entries, U, V, lam = problem.entries, model.U, model.V, problem.level
        w = loss.weights(state.r, entries.ones())
        S = w * state.r
        pulled = entries.pull(S)
        dU = entries.times(pulled, V) - lam * U
        dV = entries.adjoint(pulled, U) - lam * V
        if self.scaled:
            h = sum64(w) * entries.unit
            mu = self.constant
            if mu is None:
                mu = self.damping * (max(dot64(S, state.r), 0.0) / h) ** 0.5
            dU, dV = _scaled(dU, V, h, mu, lam), _scaled(dV, U, h, mu, lam)
        db = 0.0 * model.b
        if problem.intercept:
            db = entries.column_sums(S) * reciprocal(entries.column_sums(w))
        direction = Factors(dU, dV, db)
        e = exact_step(problem, w, state.r, model, direction)
        return self._state(moved(model, direction, e), state, delta=delta)

    def certificate(self, state):
        """Return objective and certificate."""
        return state.measure

    def finalize(self, state):
        """Return the model."""
        return state.model

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        model = state.model
        arrays = {"U": model.U, "V": model.V, "b": model.b}
        packed = {name: to_numpy(values) for name, values in arrays.items()}
        return {**packed, "idle": state.idle, "delta": state.delta}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        like = self.problem.entries.like
        model = Factors(*(asarray_like(packed[name], like) for name in "UVb"))
        return self._state(
            model, idle=int(packed["idle"]), delta=float(packed["delta"])
        )


def _scaled(gradient, B, h, mu, lam):
    """Return the gradient times the inverse of h (B'B + mu I) + lam I."""
    scale, turn = spectrum(B)
    turned = gradient @ turn
    turned = turned * reciprocal(h * (scale + mu) + lam)[None, :]
    return turned @ turn.T
