"""First-order methods whose iteration goes on from one step of the solver to the next.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`, on the working sets and levels of
:mod:`skopt2.solvers.first_order`.

Where the method proper has a memory, momentum, a step length, a factorised matrix, a
step of the solver takes a few of its iterations, and the next goes on where it stopped,
as long as the working set and the point are the same.
"""

import math
from dataclasses import replace

from skopt2.solvers.certificate import objective_scale
from skopt2.solvers.first_order import FirstOrder

# Steps without any progress after which rounding is to blame.
PATIENCE = 5


class RunningMethod(FirstOrder):
    """Base of the methods that remember their run.

    Parameters
    ----------
    problem : LinearProblem
        What the method can take its subclass says.
    tol : float
        Tolerance of the certificate.
    """

    def __init__(self, problem, tol):
        super().__init__(problem, tol)
        self._run = self._known = None
        self._least, self._idle, self._done = math.inf, 0, False

    def slack(self, model, value):
        """Return by how much objectives differ that are the same but for rounding."""
        eps = float(model.xp.finfo(self.problem.y.dtype).eps)
        return 8.0 * eps * max(abs(value), objective_scale(self.problem))

    def met(self, length, goal):
        """Tell whether a step may end, and remember how far it came."""
        if length < 0.99 * self._least:
            self._least, self._idle = length, 0
        self._done = length <= goal
        return self._done or self.problem.expired

    def step(self, state):
        """Run some iterations; the tolerance follows only those that reach it."""
        if state.level != 1.0:
            self._least = math.inf
        self._done, self._idle = False, self._idle + 1
        new = super().step(state)
        if self._done or new.level != 1.0:
            return new
        # A step is short, and a sequence that is not monotone may pause in it.
        if self._gained(state, new):
            self._idle = 0
        precision = state.precision if state.level == 1.0 else 1.0
        return replace(new, precision=precision, stalled=self._idle >= PATIENCE)

    def _gained(self, state, new):
        """Tell whether a step lowered the objective by more than rounding."""
        model = self._model
        if state.ids.size != new.ids.size or model is None:
            return True
        lam = model.levels(self.problem.lam)
        before, after = (model.objective(at.point, lam) for at in (state, new))
        return before - after > self.slack(model, before)

    def _kept(self, point, final):
        """Return the run that ended in this point at this level, None for another."""
        known = self._known
        same = known is not None and known[0] is point.eta and known[1] == final
        return self._run if same and final else None

    def _keep(self, run, point, final):
        """Remember the run that ends in a point."""
        self._run, self._known = run, (point.eta, final)

    def retarget(self, state, lam):
        """Return the state with a new target level; momentum is for the old one."""
        self._run = self._known = None
        return super().retarget(state, lam)
