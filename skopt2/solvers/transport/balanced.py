"""What the solvers of balanced transport share: start, measure, end, checkpoint."""

import math

import numpy as np

from skopt2._core.array import asarray_like
from skopt2._core.result import Measure
from skopt2.solvers.transport.state import DualState, Potentials
from skopt2.solvers.transport.stored import StoredPlan
from skopt2.solvers.transport.streamed_plan import StreamedPlan

# Sweeps between two measures.
PERIOD = 10
# Measures without progress, at the floor of rounding, before the search is given up.
PATIENCE, NEAR_FLOOR = 10, 3.0
# Marginal error down to which sums in float32 will do.
SINGLE = 1e-5
# Relative rounding error of the plan above which the error is measured anew for the
# potentials as they are returned.
ROUNDING = 4e-13


class BalancedSolver:
    """Base of the solvers of balanced transport; each is one for ``iterate``.

    Parameters
    ----------
    geometry : object
        See :mod:`skopt2.solvers.transport.geometry`.
    a : array of shape (n,)
        Positive masses of the rows.
    b : array of shape (m,)
        Positive masses of the columns, of the same sum.
    eps : float
        Regularisation.
    tol : float, default=1e-6
        Tolerance of the marginal error.
    """

    def __init__(self, geometry, a, b, eps, *, tol=1e-6):
        self.geometry, self.a, self.b = geometry, a, b
        self.eps, self.tol = eps, tol
        kind = StoredPlan if geometry.stored else StreamedPlan
        self.plan = kind(geometry, a, b)
        unit = float(geometry.xp.finfo(geometry.dtype).eps)
        self.floor = unit * (10.0 + geometry.scale / eps)

    def start(self, f=None, g=None):
        """Return the state at given potentials, or at those of the reduced cost.

        Parameters
        ----------
        f, g : array of shape (n,), (m,), default=None
            Finite potentials in the units of the cost. Both sides are updated once, so
            that any of them are safe.

        Returns
        -------
        state : DualState
        """
        geometry, xp = self.geometry, self.plan.xp
        warm = f is not None
        eps = self._first_level(warm)
        log_a, log_b = eps * xp.log(self.a), eps * xp.log(self.b)
        if warm:
            f = log_a + geometry.row_softmin(g, eps)
            g = log_b + geometry.col_softmin(f, eps)
        else:
            f, g = geometry.reduction()
            f, g = f + log_a, g + log_b
        state = DualState(f, g, eps, rough=self.plan.roughens)
        state.memory = self._memory(warm)
        self.plan.renew(state)
        state.last = (state.x, state.y)
        return state

    def _first_level(self, warm):
        """Return the regularisation to start with."""
        return self.eps

    def _memory(self, warm):
        """Return what a solver remembers, at its start."""
        careful = self.plan.xp is np or not self.geometry.stored
        return {"sweeps": 0, "idle": 0, "best": math.inf, "careful": careful}

    def sweep(self, state, omega=1.0):
        """Take one sweep."""
        self.plan.sweep(state, omega)
        state.memory["sweeps"] += 1
        state.exact = False
        if state.memory["careful"] and self.plan.far(state):
            self.plan.absorb(state)

    def measure(self, state, omega):
        """Return the Measure of a state, for the potentials as they are returned."""
        plan = self.plan
        error = plan.error(state)
        if not state.memory["careful"]:
            error = self._watch(state, error)
        last = state.eps == self.eps
        if state.rough and last and error <= max(self.tol, SINGLE):
            plan.sharpen(state)
            state.exact = True
            error = plan.error(state)
        if error <= self.tol and not state.exact and self.floor > ROUNDING:
            plan.absorb(state)
            state.exact = True
            error = plan.error(state)
        state.error = error
        return Measure(
            plan.objective(state),
            error,
            extra={"reg": state.eps, "omega": omega},
            stalled=self._stalled(state),
        )

    def _watch(self, state, error):
        """Keep the scalings in range where the sweeps do not; return the error.

        Looking at every sweep would make a device wait. Scalings grow little between
        two measures; should they overflow nevertheless, those of the last measure are
        taken up again, and every sweep is looked at from there on.
        """
        plan = self.plan
        if not math.isfinite(error):
            state.x, state.y = state.last
            state.memory["careful"] = True
            plan.absorb(state)
            error = plan.error(state)
        elif plan.far(state):
            plan.absorb(state)
        state.last = (state.x, state.y)
        return error

    def _stalled(self, state):
        """Return True if the error stands at the floor that rounding sets."""
        memory = state.memory
        if state.error < 0.9 * memory["best"]:
            memory["best"], memory["idle"] = state.error, 0
            return False
        memory["idle"] += 1
        return memory["idle"] >= PATIENCE and state.error <= NEAR_FLOOR * self.floor

    def finalize(self, state):
        """Return the potentials."""
        return Potentials(*self.plan.potentials(state))

    def pack(self, state):
        """Return the state as arrays and numbers."""
        solution = self.finalize(state)
        return {"f": solution.f, "g": solution.g, "eps": state.eps, **state.memory}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        packed = dict(packed)
        f = asarray_like(packed.pop("f"), self.a)
        g = asarray_like(packed.pop("g"), self.b)
        state = DualState(f, g, packed.pop("eps"))
        state.memory = packed
        self.plan.renew(state)
        state.last = (state.x, state.y)
        return state
