"""Newton's method for entropic transport, along a decreasing regularisation.

Problem: max_(x, y) <a, x> + <b, y> - sum_ij P_ij, P_ij = exp(x_i + y_j - C_ij / eps).
Symbols: r = P 1 (n,), c = P' 1 (m,); e = |r - a|_1 + |c - b|_1 the marginal error.

Per level of regularisation (:mod:`skopt2.solvers.transport.annealing`) some sweeps, and
Newton steps while e is above the tolerance of the level. At coarse levels, where plans
are dense and Newton steps dear, sweeps go on for as long as they are predicted to reach
the tolerance in the time of a Newton step. Small errors that fall slowly are those of
potentials far from the solution: what counts is e / (1 - rate), about the way to go.

A Newton step:

1. The entries P_ij <= min(0.01, e) a_i b_j are dropped from the matrix of the system,
   which takes no row or column more than that share of its mass. The threshold falls
   with the error; were it fixed, the tail would converge linearly.
2. The system of the step is solved with a factorisation as preconditioner, see
   :mod:`skopt2.solvers.transport.newton_system`.
3. If the last step changed the scalings by more than their linear range, the flows
   between weakly connected pieces are balanced first, see
   :mod:`skopt2.solvers.transport.components`.
4. |dx|_inf + |dy|_inf is cut to 50, and the step is halved until the dual objective
   grows by 1e-4 of its prediction, or until e falls where the prediction is below the
   rounding of the objective.
5. One sweep follows.

The sums are those of the stored kernel, scaled, see
:mod:`skopt2.solvers.transport.stored`: most Newton steps evaluate no exponentials.

Sources: X. Tang, M. Shavlovsky, H. Rahmanian et al., Accelerating Sinkhorn algorithm
with sparse Newton iterations, ICLR 2024; B. Schmitzer, Stabilized sparse scaling
algorithms for entropy regularized transport problems, SIAM J. Sci. Comput. 41, 2019.
"""

import functools
import math
from dataclasses import replace

import numpy as np

from skopt2._core.array import asarray_like, dot64, max_abs, sum64, to_numpy
from skopt2.solvers.transport.annealing import LEVEL_TOL, levels
from skopt2.solvers.transport.balanced import PERIOD, BalancedSolver
from skopt2.solvers.transport.components import balance
from skopt2.solvers.transport.newton_system import NewtonSystem, Plan
from skopt2.solvers.transport.pace import Pace
from skopt2.solvers.transport.relaxation import Relaxation

# Newton steps after which a level that is not the last one is left.
LEVEL_STEPS = 30
# Largest change of the log scalings in one step, and the change beyond which the
# exponentials are far from linear.
LARGEST, LINEAR = 50.0, 0.5
# Marginal error beyond which a given start is refined level by level.
FAR = 0.1
# Sweeps between two measures at coarse levels, stored and streamed.
COARSE, STREAMED_COARSE = 5, 2
# Shift of the system, relative to the error.
SHIFT = 0.01
# Halvings of a step; share of the predicted increase that it has to bring; prediction
# below which the objective is rounding, and the error decides, also with rough sums.
HALVINGS, ARMIJO, ROUNDED, ROUNDED_ROUGH = 20, 1e-4, 1e-11, 1e-6
# Error per rate at which it falls, a measure of the way to go, at which sweeps leave a
# level, and share of the time of a Newton step that they may take.
DISTANCE, PRICE = 0.2, 1.5


class SinkhornNewton(BalancedSolver):
    """Sweeps and Newton steps along levels of regularisation; see BalancedSolver."""

    name = "newton"

    def __init__(self, geometry, a, b, eps, *, tol=1e-6):
        super().__init__(geometry, a, b, eps, tol=tol)
        self.system, self.pace = NewtonSystem(), Pace(self.plan)

    @functools.cached_property
    def spread(self):
        """Range of the costs; terms of one side, which change nothing, are left out."""
        geometry = self.geometry
        return geometry.spread if geometry.stored else geometry.scale

    @functools.cached_property
    def levels(self):
        """Levels of regularisation."""
        return levels(self.spread, self.eps)

    def _first_level(self, warm):
        return self.eps if warm else self.levels[0]

    def _memory(self, warm):
        to_go = 0 if warm else len(self.levels) - 1
        return {
            **super()._memory(warm),
            "to_go": to_go,
            "warm": warm,
            **self._level_memory(math.inf, to_go),
        }

    def _level_memory(self, error, to_go):
        """Return what is remembered of a level, at its start."""
        relaxation = vars(Relaxation(last=error))
        left = COARSE if to_go > 0 else PERIOD
        counts = {"left": left, "sweeps": 0, "swept": 0, "newton": 0, "factor": -1.0}
        return {**relaxation, **counts, "curved": False, "dense": False}

    def start(self, f=None, g=None):
        """Return the state at given potentials; see BalancedSolver."""
        state = super().start(f, g)
        state.memory["last"] = self._error_at_start(state)
        return state

    def _error_at_start(self, state):
        """Return the error at the start of a level, where it is known already."""
        return self.plan.error(state)

    def interval(self, state):
        """Return the number of steps to the next measure."""
        memory = state.memory
        left = max(memory["left"], 1)
        if self.geometry.stored:
            return left
        # A measure costs nothing where each sweep evaluates the plan, and coarse levels
        # need few sweeps.
        return min(left, STREAMED_COARSE if memory["to_go"] > 0 else COARSE)

    def step(self, state):
        """Take one sweep, or one Newton step."""
        memory = state.memory
        if memory["left"] > 0:
            memory["left"] -= 1
            memory["swept"] += 1
            self.sweep(state, memory["omega"])
        else:
            self._newton(state)
        return state

    def certificate(self, state):
        """Measure the error of the level, and go on to the next where it suffices."""
        memory = state.memory
        swept = memory["sweeps"] > 0
        measure = self.measure(state, memory["omega"] if swept else 0.0)
        if swept:
            relaxation = Relaxation.of(memory)
            relaxation.update(measure.value, measure.objective, memory["sweeps"])
            memory.update(vars(relaxation), sweeps=0)
        if memory["warm"] and measure.value > FAR:
            # The start is none for Newton steps at this regularisation.
            self._start_over(state)
            return replace(measure, stalled=False)
        memory["warm"] = False
        if memory["to_go"] == 0:
            return self._at_last_level(state, measure)
        if self._may_leave(memory, measure.value):
            self._descend(state)
        elif memory["left"] == 0 and self._sweeps_pay(state):
            memory["left"] = COARSE
        # An intermediate level never ends the loop.
        return replace(measure, value=max(measure.value, 2.0 * self.tol), stalled=False)

    def _at_last_level(self, state, measure):
        """Decide how to go on at the level that is asked for; return the measure."""
        if state.memory["dense"]:
            state.memory["left"] = PERIOD
        return measure

    def _may_leave(self, memory, error):
        """Return True if a level has done its work."""
        if error > LEVEL_TOL:
            return memory["newton"] >= LEVEL_STEPS
        if memory["newton"] > 0:
            return True
        # A small error that falls slowly is that of potentials far from the solution.
        return error <= DISTANCE * (1.0 - memory["rate"])

    def _sweeps_pay(self, state):
        """Return True if the next sweeps are predicted to be worth a Newton step."""
        memory = state.memory
        if memory["newton"] > 0 or memory["dense"]:
            return memory["dense"]
        if memory["factor"] < 0.0:
            memory["factor"] = self.pace.factor(state, state.error)
        left = 0.0
        if memory["omega"] == 1.0 or memory["age"] > 1:
            rate = min(memory["rate"], 1.0)
            goal = min(LEVEL_TOL, DISTANCE * (1.0 - rate))
            left = Relaxation.of(memory).remaining(goal)
        # Without a rate, which a new relaxation has not shown yet, what counts is what
        # the sweeps have taken.
        step = self.pace.step(state) + memory["factor"]
        sweeps = memory["swept"] + max(left - COARSE, 0.0)
        return sweeps * self.pace.sweep(state) <= PRICE * step

    def _start_over(self, state):
        """Begin at the first level, with the potentials of a state."""
        if len(self.levels) > 1:
            state.memory["to_go"] = len(self.levels)
            self._descend(state)
        state.memory["warm"] = False

    def _descend(self, state):
        """Go to the next level of regularisation."""
        memory = state.memory
        to_go = memory["to_go"] - 1
        state.f = state.f + state.eps * state.x
        state.g = state.g + state.eps * state.y
        state.eps, state.rough = self.levels[-1 - to_go], self.plan.roughens
        self.plan.renew(state)
        memory.update(to_go=to_go, best=math.inf, idle=0)
        memory.update(self._level_memory(self._error_at_start(state), to_go))
        self.system.forget()

    def _newton(self, state):
        """Take a Newton step and a sweep."""
        plan, memory = self.plan, state.memory
        if state.rough and state.eps == self.eps:
            plan.sharpen(state)
        error = plan.error(state)
        if memory["curved"] and self._balance(state, error):
            error = plan.error(state)
        S = plan.large_entries(state, min(LEVEL_TOL, error))
        if S is None and not self.geometry.stored:
            # Too many entries to hold, and more as the error falls: a plan for sweeps.
            memory["dense"] = True
            return
        memory["newton"] += 1
        dx, dy, p, q = self._direction(state, S, error)
        if not self._search(state, dx, dy, p, q, error):
            memory["left"] = PERIOD
        memory["curved"] = max(max_abs(dx), max_abs(dy)) > LINEAR
        self.sweep(state)
        memory.update(vars(Relaxation()), sweeps=0)

    def _direction(self, state, S, error):
        """Return the Newton direction (dx, dy) and the errors of rows and columns."""
        p, q = self.a - state.rows, self.b - state.cols
        mu = SHIFT * min(error, 1e-3)
        tol = max(1e-10, min(0.1, math.sqrt(error)))
        if S is None:
            point = Plan(state.rows, state.cols, dense=self.plan.matrix(state))
            dx, dy, _ = self.system.solve(point, p, q, mu, tol)
        else:
            host = [to_numpy(z).astype(np.float64) for z in (state.rows, state.cols)]
            point = Plan(*host, S, S.T.tocsr())
            right = [to_numpy(z).astype(np.float64) for z in (p, q)]
            dx, dy, _ = self.system.solve(point, *right, mu, tol)
        return asarray_like(dx, self.a), asarray_like(dy, self.b), p, q

    def _balance(self, state, error):
        """Balance the flows between weakly connected pieces; False if nothing moved."""
        # Of what is dropped here, no more than this is left after the balance.
        goal = 1e-3 * error
        S = self.plan.large_entries(state, goal)
        if S is None:
            return False
        shift = balance(S, to_numpy(self.a), to_numpy(self.b), error, goal)
        if shift is None:
            return False
        dx, dy = asarray_like(shift[0], self.a), asarray_like(shift[1], self.b)
        before = sum64(state.rows)
        linear = dot64(self.a, dx) + dot64(self.b, dy)
        self.plan.move(state, dx, dy)
        if not linear > sum64(state.rows) - before:
            # The entries that were dropped grew.
            self.plan.move(state, -dx, -dy)
            return False
        self.sweep(state)
        return True

    def _search(self, state, dx, dy, p, q, error):
        """Shorten the step until it is one of ascent; False where none is."""
        plan = self.plan
        slope = dot64(p, dx) + dot64(q, dy)
        linear = dot64(self.a, dx) + dot64(self.b, dy)
        before = sum64(state.rows)
        length = min(1.0, LARGEST / max(max_abs(dx) + max_abs(dy), 1e-300))
        taken = 0.0
        for _ in range(HALVINGS):
            plan.move(state, (length - taken) * dx, (length - taken) * dy)
            taken = length
            gain = length * linear - (sum64(state.rows) - before)
            if length * slope < (ROUNDED_ROUGH if state.rough else ROUNDED):
                if plan.error(state) < error:
                    return True
            elif gain >= ARMIJO * length * slope:
                return True
            length *= 0.5
        plan.move(state, -taken * dx, -taken * dy)
        return False
