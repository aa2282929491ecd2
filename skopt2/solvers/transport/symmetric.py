"""Transport of a measure to itself, by averaged updates of one potential.

Problem: min_(P >= 0) <P, C> + eps KL(P | a a') + rho KL(P 1 | a) + rho KL(P' 1 | a)
with C' = C and KL(p | q) = sum p log(p / q) - p + q; rho = inf makes P 1 = P' 1 = a.
Symbols: a (n,) masses; f (n,) the potential of both sides, P_ij = a_i a_j exp((f_i +
f_j - C_ij) / eps); r = P 1, r* = a exp(-f / rho) its target; k = rho / (rho + eps), 1
for rho = inf; T(f) = f - eps k log(r / r*) the update of a scaling solver.

T does not increase the largest difference of two potentials, so that
f <- f + w (T(f) - f) converges for 0 < w < 1 (Krasnoselskii and Mann). Near the
solution a step multiplies errors by 1 - w (1 + k s) with s in [0, 1] the eigenvalues of
diag(r)^-1 P, not negative where exp(-C / eps) is positive semidefinite: by 1/3 at most
for w = 2/3, whatever eps is. The scaling of two sides is slow where eps is small.

Sources: J. Feydy, T. Sejourne, F.-X. Vialard et al., Interpolating between optimal
transport and MMD using Sinkhorn divergences, AISTATS 2019, equation 25 (w = 1/2);
T. Sejourne, J. Feydy, F.-X. Vialard et al., Sinkhorn divergences for unbalanced optimal
transport, 2019; M. A. Krasnoselskii, Two remarks on the method of successive
approximations, Uspekhi Mat. Nauk 10, 1955.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from skopt2._core.array import asarray_like, dot64, logsumexp
from skopt2._core.iterate import iterate
from skopt2._core.result import Measure
from skopt2.solvers.transport.plan_sums import PlanSums
from skopt2.solvers.transport.relaxed_marginal import RelaxedMarginal
from skopt2.solvers.transport.state import Potentials

# Weight of an update.
WEIGHT = 2.0 / 3.0
# Steps between two measures.
PERIOD = 5
# Measures without progress, at the floor of rounding, before the search is given up.
PATIENCE = 10
# Far more than thirds need; kernels that are not positive may need it.
MAX_ITER = 1000


@dataclass
class SymmetricState:
    """Where the solver stands; it changes it in place.

    Parameters
    ----------
    f : array of shape (n,)
        Potential relative to the masses, of the cost that the geometry has.
    memory : dict
        What the solver remembers between steps, numbers only.
    """

    f: Any
    memory: dict = field(default_factory=dict)


class SymmetricScaling:
    """Averaged updates of the potential of both sides; a solver for ``iterate``.

    Parameters
    ----------
    geometry : object
        Of a symmetric cost, see :mod:`skopt2.solvers.transport.geometry`.
    a : array of shape (n,)
        Positive masses.
    eps : float
        Regularisation.
    rho : float, default=inf
        Price of leaving the masses; inf for fixed marginals.
    constant : float, default=0.0
        Added to the objective.
    """

    name = "symmetric"

    def __init__(self, geometry, a, eps, rho=math.inf, *, constant=0.0):
        self.geometry, self.a, self.eps = geometry, a, eps
        self.constant = constant
        left_out, _ = geometry.centring.outside(*(geometry.xp.zeros_like(a),) * 2)
        self.side = RelaxedMarginal(a, rho, rho, eps, left_out)
        self.sums = PlanSums(geometry, eps)
        unit = float(geometry.xp.finfo(geometry.dtype).eps)
        self.floor = unit * max(1.0, geometry.scale / eps)

    def start(self, f=None):
        """Return the state after one update of a potential.

        Parameters
        ----------
        f : array of shape (n,), default=None
            Finite potential of the geometry, in the units of the cost; zero relative to
            the masses by default.

        Returns
        -------
        state : SymmetricState
        """
        f = -self.side.left_out if f is None else self.side.relative(f)
        exact = PlanSums(self.geometry, self.eps, stored=False)
        # Half of an exact update leaves no entry of the plan above its marginals, so
        # that a kernel there is safe.
        f = self._update(f, exact, 0.5)
        return SymmetricState(f, {"idle": 0, "best": math.inf})

    def interval(self, state):
        """Return the number of steps to the next measure."""
        return PERIOD

    def step(self, state):
        """Take one averaged update."""
        state.f = self._update(state.f, self.sums, WEIGHT)
        return state

    def _update(self, f, sums, weight):
        """Return f + weight (T(f) - f)."""
        lifted = self.side.lift(f)
        change = sums.rows(lifted, lifted) - self.side.target(f)
        return f - weight * self.eps * self.side.damping * change

    def certificate(self, state):
        """Measure error and objective."""
        lifted = self.side.lift(state.f)
        rows = self.sums.rows(lifted, lifted)
        found = self._measure(state.f, rows)
        memory = state.memory
        if found.value < 0.9 * memory["best"]:
            memory.update(best=found.value, idle=0)
        else:
            memory["idle"] += 1
        stalled = memory["idle"] >= PATIENCE and found.value <= 1e3 * self.floor
        return replace(found, extra={"reg": self.eps, "omega": WEIGHT}, stalled=stalled)

    def _measure(self, f, rows):
        """Return the Measure of a potential with given log P 1."""
        side, total = self.side, float(logsumexp(rows))
        plan = math.exp(total) if total < 709.0 else math.inf
        # Both sides are the same.
        error = 2.0 * side.error(f, rows, total)
        objective = 2.0 * side.objective(f) - self.eps * plan
        return Measure(objective + self.constant, error)

    def finalize(self, state):
        """Return the potentials, twice the same."""
        f = self.side.lift(state.f)
        return Potentials(f, f)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"f": state.f, **state.memory}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        packed = dict(packed)
        f = asarray_like(packed.pop("f"), self.a)
        return SymmetricState(f, packed)


def self_transport(geometry, a, eps, tol, f=None):
    """Solve balanced transport of a measure to itself.

    Parameters
    ----------
    geometry : object
        Symmetric, see :mod:`skopt2.solvers.transport.geometry`.
    a : array of shape (n,)
        Positive masses with sum 1.
    eps : float
        Regularisation.
    tol : float
        Tolerance of the marginal error.
    f : array of shape (n,), default=None
        Potential of the geometry to start from; zero relative to the masses by default.

    Returns
    -------
    result : Result
        With the objective of balanced transport, 2 <a, f> - eps sum P for the
        potentials that the geometry has.
    """
    entropy = 2.0 * eps * dot64(a, geometry.xp.log(a))
    constant = entropy - geometry.centring.offset(a, a)
    method = SymmetricScaling(geometry, a, eps, constant=constant)
    return iterate(
        method,
        method.start(f),
        tol=tol,
        max_iter=MAX_ITER,
        check_every=method.interval,
    )
