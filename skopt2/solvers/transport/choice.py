"""Which algorithm runs: sweeps, Newton steps, or sweeps until Newton steps pay.

Sweeps cost little and win wherever their rate is good; Newton steps do not depend on
the rate, but each costs as much as some dozens of sweeps. Over-relaxed sweeps come
first. At every measure their observed rate
(:mod:`skopt2.solvers.transport.relaxation`) promises a number of further sweeps. From
the ``FIRST``-th measure on this is compared with the cost of a Newton finish, in
sweeps:

    steps * (time of a Newton step) / (time of a sweep),

where the time of a Newton step follows from the sizes and from the number of large
entries of the plan, counted once. With an error of at most ``NEAR`` the finish starts
where the sweeps stand, and needs about ``NEAR_STEPS`` steps. Farther away, where Newton
steps would be lost, it starts anew along the levels of regularisation, whose sweeps and
steps are counted as well. Two comparisons in a row that Newton's method wins end the
sweeps; that is not taken back. Where the error is large and the regularisation tiny,
the rate does not mean anything yet, and Newton's method begins at once.
"""

import functools
import math
from dataclasses import replace

from skopt2.solvers.transport.annealing import LEVEL_TOL
from skopt2.solvers.transport.laplacian import seconds_of_factor
from skopt2.solvers.transport.newton import SinkhornNewton
from skopt2.solvers.transport.scaling import Scaling

# Measures before the first comparison, and comparisons in a row that decide.
FIRST, ROW = 5, 2
# Range of costs over regularisation from which sweeps do not come near a solution.
STEEP = 4000.0
# Marginal error from which Newton steps at the last level succeed, and their number.
NEAR, NEAR_STEPS = 0.1, 4.0
# Newton steps of one level on the way, its sweeps, and those that its kernel costs.
LEVEL_STEPS, LEVEL_SWEEPS = 1.5, 25.0
# Seconds per entry of a sweep: with a kernel that fits the cache, with a larger one,
# and without one; of its arithmetic on vectors.
CACHED, LARGE, STREAMED, SWEEP = 1.6e-10, 3.2e-10, 2.5e-9, 2e-5
CACHE = 2_000_000
# What float32 makes of that time.
SINGLE = 0.6
# Seconds per entry of a Newton step besides its factorisation, in sweeps where nothing
# is stored, and at all.
STEP_ENTRY, STEP_SWEEPS, STEP = 3e-9, 3.0, 1e-3


class Auto(Scaling):
    """Sweeps, then Newton steps where these are predicted to finish first.

    Parameters and methods are those of BalancedSolver; ``name`` is the algorithm that
    is running.
    """

    def __init__(self, geometry, a, b, eps, *, tol=1e-6):
        super().__init__(geometry, a, b, eps, tol=tol)
        self.name = Scaling.name

    @functools.cached_property
    def newton(self):
        """Newton's method for the same problem."""
        found = SinkhornNewton(self.geometry, self.a, self.b, self.eps, tol=self.tol)
        found.plan = self.plan
        return found

    def _memory(self, warm):
        return {**super()._memory(warm), "phase": self.name, "measures": 0, "votes": 0}

    def unpack(self, packed):
        """Return the state of what ``pack`` returned."""
        self.name = packed["phase"]
        return super().unpack(packed)

    def interval(self, state):
        """Return the number of steps to the next measure."""
        if state.memory["phase"] == "newton":
            return self.newton.interval(state)
        return super().interval(state)

    def step(self, state):
        """Take one sweep, or one Newton step."""
        if state.memory["phase"] == "newton":
            return self.newton.step(state)
        return super().step(state)

    def certificate(self, state):
        """Measure the error, and decide how to go on."""
        memory = state.memory
        if memory["phase"] == "newton":
            return self.newton.certificate(state)
        measure = super().certificate(state)
        if measure.value <= self.tol:
            return measure
        memory["measures"] += 1
        if memory["measures"] >= FIRST:
            memory["votes"] = memory["votes"] + 1 if self._newton_pays(state) else 0
        if memory["votes"] >= ROW:
            memory["phase"] = self.name = self.newton.name
            self.newton.take_over(state, measure.value <= NEAR)
            return replace(measure, stalled=False)
        return measure

    def _newton_pays(self, state):
        """Return True if Newton's method is predicted to finish before the sweeps."""
        memory, stored = state.memory, self.geometry.stored
        near = state.error <= NEAR
        if not near and stored and self.newton.spread > STEEP * self.eps:
            memory["votes"] = ROW
            return True
        size = self.geometry.shape[0] * self.geometry.shape[1]
        rate = (CACHED if size <= CACHE else LARGE) if stored else STREAMED
        sweep = SWEEP + rate * size * (1.0 if state.single is None else SINGLE)
        step = STEP + (STEP_ENTRY * size if stored else STEP_SWEEPS * sweep)
        levels = 0 if near else len(self.newton.levels) - 1
        steps = NEAR_STEPS + LEVEL_STEPS * levels
        left = self.relaxation(state).remaining(self.tol)
        left = (left - LEVEL_SWEEPS * levels) * sweep
        if left <= steps * step:
            # Not even if the factorisations were free.
            return False
        if "factor" not in memory:
            share = min(LEVEL_TOL, state.error)
            S = self.plan.large_entries(state, share)
            held = S is not None or stored
            memory["factor"] = seconds_of_factor(S, *self.geometry.shape)
            memory["factor"] = memory["factor"] if held else math.inf
        return left > steps * (step + memory["factor"])


def balanced_solver(name, geometry, a, b, eps, *, tol):
    """Return a solver of balanced transport.

    Parameters
    ----------
    name : {"auto", "sinkhorn", "newton"}
        Algorithm.
    geometry, a, b, eps, tol
        See :class:`~skopt2.solvers.transport.balanced.BalancedSolver`.

    Returns
    -------
    solver : BalancedSolver
    """
    kind = {"auto": Auto, "sinkhorn": Scaling, "newton": SinkhornNewton}[name]
    return kind(geometry, a, b, eps, tol=tol)
