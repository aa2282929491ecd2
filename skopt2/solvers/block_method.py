"""What the block methods of the papers share: blocks, passes, and the best point.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`, on the working sets and levels of
:mod:`skopt2.solvers.first_order`, which all first-order methods here have in common.

A pass is one reading of all entries of X by a product; a cycle over the blocks of a
working set of m of p columns that multiplies by each block and by its transpose counts
2 m / p. Gradients over all features, one a step, count too, and what the metric costs.
"""

import math

from skopt2.solvers.column_blocks import POWER_ITERATIONS, ColumnBlocks
from skopt2.solvers.running_method import RunningMethod

# Cycles between two certificates.
CYCLES = 20


class BlockMethod(RunningMethod):
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
        self._blocks = None
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
