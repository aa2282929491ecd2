"""Which algorithm runs: sweeps, Newton steps, or sweeps until Newton steps pay.

Sweeps cost little and win wherever their rate is good; Newton steps do not depend on
the rate, but each costs as much as some dozens of sweeps. Two decisions:

1. Whether to go back. Over-relaxed sweeps start at the regularisation that is asked
   for. While the error is above ``NEAR`` their rate says little, and Newton steps would
   be lost. Sweeps whose error is still large after some measures, the sooner the
   smaller the regularisation, or that are predicted to need longer to come near than
   all coarser levels do, are given up for the levels of
   :mod:`skopt2.solvers.transport.annealing`.
2. How to end. Near the solution the observed rate
   (:mod:`skopt2.solvers.transport.relaxation`) promises a number of further sweeps, and
   the error a number of Newton steps, since these square it. The lesser time
   (:mod:`skopt2.solvers.transport.pace`) wins. The rate of the first sweeps is that of
   fast modes; until over-relaxed ones have been seen, no better rate is believed than
   that of a diffusion with the step that the regularisation allows. Three comparisons
   in a row that Newton's method wins end the sweeps, one where they came from coarser
   levels; that is not taken back.
"""

import math
from dataclasses import replace

from skopt2.solvers.transport.balanced import PERIOD
from skopt2.solvers.transport.newton import SinkhornNewton
from skopt2.solvers.transport.relaxation import Relaxation
from skopt2.solvers.transport.scaling import Scaling

# Error of the first measure above which sweeps do not come near a solution soon, where
# the range of costs over the regularisation is as large.
STEEP_REMOTE, STEEP = 0.05, 4000.0
# Errors of the first measures that mean the same anywhere, and error per rate at which
# it falls.
REMOTE, DISTANT = (1.0, 0.5), 200.0
# Measures before the rate of the sweeps counts for the same decision, and comparisons
# in a row that decide for Newton steps.
EARLY, ROW = 5, 3
# Measures without a smaller error after which no rate is believed any more: where the
# plan nearly falls apart, the error follows each new relaxation, and does not fall.
IDLE = 12
# Marginal error from which Newton steps at the last level succeed, and the share of
# them that need a new factorisation; error below which nothing more is to be had.
NEAR, FACTORS, TINY = 0.1, 0.6, 1e-14
# Factor by which sweeps have to lose: what is predicted of them is on the safe side.
CAUTION = 1.25
# Newton steps of one level on the way, its sweeps, and those that its kernel costs.
LEVEL_STEPS, LEVEL_SWEEPS = 1.0, 30.0
# 1 - q times the range of costs over the regularisation, for points that fill a space:
# P spreads what is on them as a diffusion does, and forgets its slowest mode at a rate
# of pi^2 / 2 in a cube of one dimension, and somewhat less where points are few.
DIFFUSION = 2.0


class Auto(SinkhornNewton):
    """Sweeps, and Newton steps where these are predicted to finish first.

    Parameters and methods are those of BalancedSolver; ``name`` is the algorithm that
    is running.
    """

    def __init__(self, geometry, a, b, eps, *, tol=1e-6):
        super().__init__(geometry, a, b, eps, tol=tol)
        self.name = Scaling.name

    def _first_level(self, warm):
        return self.eps

    def _memory(self, warm):
        memory = super()._memory(True)
        choice = {"phase": Scaling.name, "measures": 0, "votes": 0, "direct": True}
        return {**memory, **choice, "warm": False}

    def unpack(self, packed):
        """Return the state of what ``pack`` returned."""
        self.name = packed["phase"]
        return super().unpack(packed)

    def _at_last_level(self, state, measure):
        """Decide how to go on at the level that is asked for; return the measure."""
        memory, error = state.memory, measure.value
        if memory["dense"]:
            self.name = memory["phase"] = Scaling.name
            return super()._at_last_level(state, measure)
        if memory["phase"] == SinkhornNewton.name or error <= self.tol:
            return measure
        memory["left"] = PERIOD
        memory["measures"] += 1
        if memory["direct"] and (self._is_remote(state) or self._is_slow(state)):
            memory.update(direct=False, measures=0)
            self._start_over(state)
            return replace(measure, stalled=False)
        if memory["direct"] and error > NEAR:
            return measure
        if self._newton_pays(state):
            memory["votes"] += 1
        elif memory["age"] > 1 or memory["omega"] == 1.0:
            # A new relaxation is given time, and takes nothing back.
            memory["votes"] = 0
        if memory["idle"] >= IDLE:
            memory["votes"] = ROW
        if memory["votes"] < (ROW if memory["direct"] else 1):
            return measure
        memory.update(phase=SinkhornNewton.name, left=0)
        self.name = memory["phase"]
        return replace(measure, stalled=False)

    def _sweeping(self, state, goal, scale):
        """Return the predicted seconds of sweeps to an error, for a range of costs."""
        slowest = 1.0 - min(DIFFUSION * self.eps / scale, 1.0)
        left = Relaxation.of(state.memory).remaining(goal, slowest)
        return left * self.pace.sweep(state)

    def _is_remote(self, state):
        """Return True if the first sweeps show that the solution is far away."""
        error, measures = state.error, state.memory["measures"]
        if measures > len(REMOTE) or not self.geometry.stored:
            # Sweeps of a streamed plan are cheap where the regularisation is small.
            return False
        if error > REMOTE[measures - 1]:
            return True
        steep = STEEP * self.eps
        if measures == 1:
            far = error > STEEP_REMOTE and self.geometry.scale > steep
            return far and self.spread > steep
        # A small error that stays as it is is one of potentials that have far to go.
        return error > DISTANT * (1.0 - state.memory["rate"])

    def _is_slow(self, state):
        """Return True if coarser levels lead near the solution sooner than sweeps."""
        memory, pace, scale = state.memory, self.pace, self.geometry.scale
        if state.error <= NEAR:
            return False
        if memory["measures"] < EARLY or memory["age"] == 0:
            return False
        sweeping = self._sweeping(state, NEAR, scale)
        level = LEVEL_STEPS * pace.step(state) + LEVEL_SWEEPS * pace.sweep(state)
        if sweeping <= level:
            return False
        level += LEVEL_STEPS * self._factor(state)
        return sweeping > (len(self.levels) - 1) * level

    def _newton_pays(self, state):
        """Return True if Newton's method is predicted to finish before the sweeps."""
        # Near the solution an error is squared in each step.
        goal = max(self.tol, TINY)
        squarings = math.log(goal) / math.log(min(state.error, NEAR))
        steps = 1.5 + math.log2(max(squarings, 1.0))
        price = CAUTION * steps * self.pace.step(state)
        sweeping = self._sweeping(state, goal, self.geometry.scale)
        if sweeping <= price:
            # Not even if the factorisations were free.
            return False
        price += CAUTION * FACTORS * steps * self._factor(state)
        if sweeping <= price:
            return False
        # The range takes a look at all costs, where a bound of it does not do.
        return self._sweeping(state, goal, self.spread) > price

    def _factor(self, state):
        """Return the predicted seconds of a factorisation on the way to the end."""
        memory = state.memory
        if self.geometry.stored or memory["factor"] < 0.0:
            memory["factor"] = self.pace.factor(state, 0.1 * state.error)
        return memory["factor"]


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
