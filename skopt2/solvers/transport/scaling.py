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

import math
from dataclasses import asdict

from skopt2._core.array import asarray_like
from skopt2._core.result import Measure
from skopt2.solvers.transport.relaxation import Relaxation
from skopt2.solvers.transport.state import DualState, Potentials
from skopt2.solvers.transport.stored import StoredPlan
from skopt2.solvers.transport.streamed_plan import StreamedPlan

# Sweeps between two measures.
PERIOD = 10
# Measures without progress, at the floor of rounding, before the search is given up.
PATIENCE = 10


class Scaling:
    """Over-relaxed scaling of the plan; a solver for ``iterate``.

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
    relax : bool, default=True
        Whether to over-relax.
    """

    name = "sinkhorn"

    def __init__(self, geometry, a, b, eps, *, tol=1e-6, relax=True):
        self.geometry, self.a, self.b = geometry, a, b
        self.eps, self.tol, self.relax = eps, tol, relax
        self.plan = (StoredPlan if geometry.stored else StreamedPlan)(geometry, a, b)
        # What rounding the potentials to the floats costs, relative to each mass.
        unit = float(geometry.xp.finfo(geometry.dtype).eps)
        self.floor = unit * max(1.0, geometry.scale / eps)

    def start(self, f=None, g=None):
        """Return the state at given potentials, or at those of the reduced cost."""
        if f is None:
            f, g = self.geometry.reduction()
        state = DualState(f, g, self.eps)
        self.plan.renew(state)
        state.memory.update(asdict(Relaxation()), sweeps=0, idle=0, best=math.inf)
        return state

    def interval(self, state):
        """Return the number of sweeps to the next measure."""
        return PERIOD

    def step(self, state):
        """Take one sweep."""
        self.plan.sweep(state, state.memory["omega"])
        state.memory["sweeps"] += 1
        state.exact = False
        if self.plan.far(state):
            self.plan.absorb(state)
        return state

    def certificate(self, state):
        """Measure the error, and adapt the relaxation to its rate."""
        memory = state.memory
        error, objective = self.plan.error(state), self.plan.objective(state)
        if error <= self.tol and not state.exact and self.floor > 4e-13:
            # What is returned is rounded to the floats; the error must be that of it.
            self.plan.absorb(state)
            state.exact = True
            error, objective = self.plan.error(state), self.plan.objective(state)
        omega = memory["omega"]
        if self.relax:
            names = ("omega", "last", "rate", "age", "objective")
            relaxation = Relaxation(**{name: memory[name] for name in names})
            relaxation.update(error, objective, memory["sweeps"])
            memory.update(asdict(relaxation))
        memory["sweeps"] = 0
        state.error = error
        return Measure(
            objective,
            error,
            extra={"reg": state.eps, "omega": omega},
            stalled=self._stalled(state),
        )

    def _stalled(self, state):
        """Return True if the error stands at the floor that rounding sets."""
        memory = state.memory
        if state.error < 0.9 * memory["best"]:
            memory["best"], memory["idle"] = state.error, 0
            return False
        memory["idle"] += 1
        return memory["idle"] >= PATIENCE and state.error <= 1e3 * self.floor

    def finalize(self, state):
        """Return the potentials."""
        return Potentials(state.f + state.eps * state.x, state.g + state.eps * state.y)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        solution = self.finalize(state)
        return {"f": solution.f, "g": solution.g, "eps": state.eps, **state.memory}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        packed = dict(packed)
        f = asarray_like(packed.pop("f"), self.a)
        g = asarray_like(packed.pop("g"), self.b)
        state = self.start(f, g)
        state.eps = packed.pop("eps")
        state.memory.update(packed)
        return state
