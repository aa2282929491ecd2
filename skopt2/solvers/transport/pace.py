"""How long a sweep and a Newton step take, for the choice between them.

Symbols: n, m the sizes of a plan.

A sweep passes twice over the kernel. A Newton step passes a few times over it, and
factorises a system whose size and sparsity decide about its time: from microseconds to
the time of thousands of sweeps. The time of the factorisation follows from the number
of large entries of the plan, see :mod:`skopt2.solvers.transport.laplacian`. Only ratios
of times matter, and these within a factor of two.
"""

from skopt2.solvers.transport.annealing import LEVEL_TOL
from skopt2.solvers.transport.laplacian import seconds_of_factor

# Seconds per entry of a sweep: with a kernel in float32, with one that fits the cache,
# with a larger one, and without one; of its arithmetic on vectors.
ROUGH, CACHED, LARGE, STREAMED, SWEEP = 1e-10, 1.6e-10, 3.4e-10, 2.5e-9, 2e-5
CACHE = 2_000_000
# Seconds per entry of a Newton step besides its factorisation, in sweeps where nothing
# is stored, and at all.
STEP_ENTRY, STEP_SWEEPS, STEP = 3e-9, 3.0, 5e-4


class Pace:
    """Predicted seconds of the steps of one problem.

    Parameters
    ----------
    plan : object
        :mod:`skopt2.solvers.transport.stored`, or
        :mod:`skopt2.solvers.transport.streamed_plan`.
    """

    def __init__(self, plan):
        self.plan, self.shape = plan, plan.geometry.shape
        self.size = self.shape[0] * self.shape[1]

    def sweep(self, state):
        """Return the seconds of a sweep."""
        if not self.plan.geometry.stored:
            rate = STREAMED
        elif state.rough:
            rate = ROUGH
        else:
            rate = CACHED if self.size <= CACHE else LARGE
        return SWEEP + rate * self.size

    def step(self, state):
        """Return the seconds of a Newton step without its factorisation."""
        if self.plan.geometry.stored:
            return STEP + STEP_ENTRY * self.size
        return STEP + STEP_SWEEPS * self.sweep(state)

    def factor(self, state, error):
        """Return the seconds of the factorisation of a Newton step.

        Parameters
        ----------
        state : DualState
            Where the step would start.
        error : float
            Its marginal error.

        Returns
        -------
        seconds : float
            Infinite where the plan has more entries than can be held.
        """
        count = self.plan.count_large(state, min(LEVEL_TOL, error))
        return seconds_of_factor(count, *self.shape)
