"""Sinkhorn's scaling of a plan to its marginals, over-relaxed by its own observed rate.

Problem: max_(f, g) <a, f> + <b, g> - eps * sum_ij P_ij,
P_ij = exp((f_i + g_j - C_ij) / eps).
Symbols: r = P 1 (n,), c = P' 1 (m,); e = |r - a|_1 + |c - b|_1 the marginal error;
x = log of the row scaling, y of the column scaling; w the relaxation.

One sweep: x += w log(a / r), then y += w log(b / c), in the form of
:mod:`skopt2.solvers.transport.stored` or, where the cost is not stored, of
:mod:`skopt2.solvers.transport.streamed_plan`. The relaxation follows the observed rate,
see :mod:`skopt2.solvers.transport.relaxation`. The start leaves nonnegative costs with
a zero in every row and column, so that no sum underflows, whatever eps is.

Sources: R. Sinkhorn, Diagonal equivalence to matrices with prescribed row and column
sums, American Mathematical Monthly 74, 1967; M. Cuturi, Sinkhorn distances, NIPS 2013;
A. Thibault, L. Chizat, C. Dossal and N. Papadakis, Overrelaxed Sinkhorn-Knopp algorithm
for regularized optimal transport, 2017.
"""

from skopt2.solvers.transport.balanced import PERIOD, BalancedSolver
from skopt2.solvers.transport.relaxation import Relaxation


class Scaling(BalancedSolver):
    """Over-relaxed scaling of the plan; see BalancedSolver."""

    name = "sinkhorn"

    def _memory(self, warm):
        return {**super()._memory(warm), **vars(Relaxation()), "sweeps": 0}

    def interval(self, state):
        """Return the number of sweeps to the next measure."""
        return PERIOD

    def step(self, state):
        """Take one sweep."""
        self.sweep(state, state.memory["omega"])
        return state

    def certificate(self, state):
        """Measure the error, and adapt the relaxation to its rate."""
        memory = state.memory
        measure = self.measure(state, memory["omega"])
        relaxation = Relaxation.of(memory)
        relaxation.update(measure.value, measure.objective, memory["sweeps"])
        memory.update(vars(relaxation), sweeps=0)
        return measure
