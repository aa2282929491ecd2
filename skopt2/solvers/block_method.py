"""What the block methods of the papers share: blocks, passes, and the best point.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`, on the working sets and levels of
:mod:`skopt2.solvers.first_order`, which all first-order methods here have in common.

A pass is one reading of all entries of X by a product; a cycle over the blocks of a
working set of m of p columns that multiplies by each block and by its transpose counts
2 m / p. Gradients over all features, one a step, count too, and what the metric costs.
"""

import math
from dataclasses import replace

from skopt2.solvers.certificate import objective_scale
from skopt2.solvers.column_blocks import POWER_ITERATIONS, ColumnBlocks
from skopt2.solvers.first_order import FirstOrder

# Cycles between two certificates.
CYCLES = 20
# Steps without any progress after which rounding is to blame.
PATIENCE = 5


class BlockMethod(FirstOrder):
    """Base of the block methods.

    Parameters
    ----------
    problem : LinearProblem
        A loss of bounded curvature.
    tol : float
        Tolerance of the certificate.

    Raises
    ------
    ValueError
        If the loss has no bounded curvature, or the method does not know the penalty.
    """

    width = None

    def __init__(self, problem, tol):
        loss, penalty = problem.loss, problem.penalty
        if not loss.has_lipschitz and not loss.smoothable:
            raise ValueError(
                f"solver={self.name!r} needs a loss of bounded curvature, and that of "
                f"the {loss.name} loss has no bound; use solver='newton' or 'proxgrad'."
            )
        self._refuse(penalty)
        super().__init__(problem, tol)
        self.passes = 0.0
        self._blocks = self._run = self._known = None
        self._least, self._idle, self._done = math.inf, 0, False
        self._values = []

    def _refuse(self, penalty):
        """Raise ValueError if the method has no step for a penalty."""
        raise NotImplementedError

    def _chosen_width(self):
        """Return the columns of a block, None for the usual choice."""
        return self.width

    def _partition(self, model):
        """Return the blocks of a model; the last ones if it is the same."""
        if self._blocks is None or self._blocks.model is not model:
            c = float(self.problem.loss.lipschitz)
            self._blocks = ColumnBlocks(model, c, self._chosen_width())
            self.read(model, 1 if self._blocks.exact else 2 * POWER_ITERATIONS)
            self._run, self._least, self._idle = None, math.inf, 0
        return self._blocks

    def read(self, model, times, share=1.0):
        """Count products with a share of the rows of a model."""
        self.passes += times * share * model.m / max(self.problem.design.p, 1)

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
        """Run some cycles; the tolerance follows only those that reach it."""
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
        if state.ids.size != new.ids.size or self._blocks is None:
            return True
        model, lam = self._blocks.model, self._blocks.model.levels(self.problem.lam)
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

    def certificate(self, state):
        """Return objective and certificate at the target level, and the passes."""
        self.passes += 1.0
        measure = super().certificate(state)
        measure.extra["passes"] = self.passes
        return measure


def longest(blocks, start, end):
    """Return the largest entry of the gradient mapping as a float; waits.

    Parameters
    ----------
    blocks : ColumnBlocks
        The metric.
    start, end : tuple of array
        Coefficients and intercept before and after a step of length 1 in the metric.
    """
    xp, model = blocks.xp, blocks.model
    length = 0.0
    if model.m:
        length = float(xp.max(xp.abs(start[0] - end[0]) * blocks.metric))
    if model.explicit:
        free = float(xp.max(xp.abs(start[1] - end[1]))) * blocks.free
        length = max(length, free)
    return length
