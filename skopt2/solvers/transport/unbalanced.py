"""Unbalanced transport: marginals of the plan are near given masses, not equal to them.

Problem: min_(P >= 0) <P, C> + eps KL(P | a b') + rho1 KL(P 1 | a) + rho2 KL(P' 1 | b),
KL(p | q) = sum p log(p / q) - p + q; rho1 = inf or rho2 = inf make P 1 = a or P' 1 = b.
Symbols: a (n,), b (m,) masses of any totals; f (n,), g (m,) potentials of the plan
P_ij = a_i b_j exp((f_i + g_j - C_ij) / eps); r = P 1, c = P' 1; their targets
r* = a exp(-f / rho1), c* = b exp(-g / rho2). The potentials of the geometry, without a
and b in the plan, are f + eps log a and g + eps log b, less what :mod:`.centring` takes
out of the cost.

Dual: max_(f, g) D, D = -rho1 <a, exp(-f / rho1) - 1> - rho2 <b, exp(-g / rho2) - 1>
- eps sum(P - a b'), where rho = inf has <a, f>. Its gradient is (r* - r, c* - c).

Steps: D hardly changes where t is added to f and subtracted from g, if eps is small
beside rho1 and rho2, and plain sweeps hardly move in that direction. These maximise
h(f, g) = max_t D(f + t, g - t) instead, one side at a time, by the closed form of
:mod:`.relaxed_marginal`. They are block Gauss-Seidel steps on h, over-relaxed by their
observed rate as those of balanced transport are.

Gap: let P' = P or a plan near it, with marginals r' and c'. Since <P', C> +
eps KL(P' | a b') = <r', f> + <c', g> + eps KL(P' | P) - eps sum(P - a b'), its primal
objective exceeds D by eps KL(P' | P) + rho1 KL(r' | r*) + rho2 KL(c' | c*): sums of
terms that are never negative. P' is P itself; or P with its rows (columns) scaled to
a (b) where rho1 (rho2) is inf; or P rounded onto r* and c*, which have equal totals
where t is optimal.

Sources: L. Chizat, G. Peyre, B. Schmitzer and F.-X. Vialard, Scaling algorithms for
unbalanced optimal transport problems, Math. Comp. 87, 2018; T. Sejourne, F.-X. Vialard
and G. Peyre, Faster unbalanced optimal transport: translation invariant Sinkhorn and
1-D Frank-Wolfe, AISTATS 2022, section 3; A. Thibault, L. Chizat, C. Dossal and
N. Papadakis, Overrelaxed Sinkhorn-Knopp algorithm for regularized optimal transport,
2017.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from skopt2._core.array import (
    asarray_like,
    logsumexp,
    max_abs,
    sum64,
)
from skopt2._core.result import Measure
from skopt2.solvers.transport.annealing import LEVEL_TOL, levels
from skopt2.solvers.transport.certificate import bound
from skopt2.solvers.transport.plan_sums import LARGEST, PlanSums
from skopt2.solvers.transport.relaxation import Relaxation
from skopt2.solvers.transport.relaxed_marginal import RelaxedMarginal, divergence
from skopt2.solvers.transport.state import Potentials

# Sweeps between two measures.
PERIOD = 10
# Measures without progress, at the floor of rounding, before the search is given up.
PATIENCE = 30
# Sweeps for which an error may rise after the relaxation grew, at most.
LONGEST_RISE = 100
# Up to so many levels of regularisation the last one alone is as fast.
FEW_LEVELS = 5
# Largest logarithm of a sum over its target for sweeps with one evaluation of the plan.
CALM = 10.0
# Measures after which a level of regularisation before the last is left at any error.
LEVEL_MEASURES = 5
RELAXATION = tuple(asdict(Relaxation()))


@dataclass
class UnbalancedState:
    """Where the solver stands; it changes it in place.

    Parameters
    ----------
    f, g : array of shape (n,), (m,)
        Potentials relative to the masses, of the cost that the geometry has.
    rows : array of shape (n,) or None
        log(P 1) at these potentials; None where it has to be computed.
    memory : dict
        What the solver remembers between steps, numbers only.
    """

    f: Any
    g: Any
    rows: Any = None
    memory: dict = field(default_factory=dict)


class UnbalancedScaling:
    """Over-relaxed, translation-invariant scaling; a solver for ``iterate``.

    Parameters
    ----------
    geometry : object
        See :mod:`skopt2.solvers.transport.geometry`.
    a : array of shape (n,)
        Positive masses of the rows.
    b : array of shape (m,)
        Positive masses of the columns, of any sum.
    eps : float
        Regularisation.
    rho : tuple of float
        Prices (rho1, rho2) of leaving a and b. One of them may be inf: fixed marginals.
    tol : float, default=1e-6
        Tolerance of the marginal error.
    """

    name = "sinkhorn"

    def __init__(self, geometry, a, b, eps, rho, *, tol=1e-6):
        self.geometry, self.eps, self.tol = geometry, eps, tol
        self.a, self.b, self.rho = a, b, rho
        xp = geometry.xp
        zeros = xp.zeros_like(a), xp.zeros_like(b)
        self._left_out = geometry.centring.outside(*zeros)
        # Costs far above the prices play no part, and no step is slow at eps = rho.
        prices = [price for price in rho if math.isfinite(price)]
        reach = geometry.scale if len(prices) < 2 else 10.0 * max(prices)
        found = levels(min(geometry.scale, reach), eps)
        self.levels = found if len(found) > FEW_LEVELS else [eps]
        unit = float(xp.finfo(geometry.dtype).eps)
        self.floor = unit * max(1.0, geometry.scale / eps)
        self._enter(len(self.levels) - 1)

    def _enter(self, level):
        """Prepare for a level of regularisation."""
        eps, (p, q), (rho1, rho2) = self.levels[level], self._left_out, self.rho
        self.left = RelaxedMarginal(self.a, rho1, rho2, eps, p)
        self.right = RelaxedMarginal(self.b, rho2, rho1, eps, q)
        self.sums = PlanSums(self.geometry, eps)
        # The rate of a plain sweep is k1 k2 at most, which bounds the best relaxation.
        slowest = self.left.damping * self.right.damping
        self.largest = 2.0 / (1.0 + math.sqrt(1.0 - slowest))

    def start(self, f=None, g=None):
        """Return the state at given potentials, or at zeros, after exact updates.

        Parameters
        ----------
        f, g : array of shape (n,), (m,), default=None
            Finite potentials of the geometry, in the units of the cost. They skip the
            levels of larger regularisation.

        Returns
        -------
        state : UnbalancedState
        """
        level = len(self.levels) - 1
        if f is None:
            f, g = (-p for p in self._left_out)
            level = 0
        else:
            f, g = self.left.relative(f), self.right.relative(g)
            # A large shift between both sides would cost digits that the plan needs.
            shift = 0.5 * (self.geometry.xp.mean(f) - self.geometry.xp.mean(g))
            f, g = f - shift, g + shift
        state = UnbalancedState(f, g)
        state.memory = {"idle": 0, "best": math.inf}
        self._descend(state, level)
        return state

    def _descend(self, state, level):
        """Go to a level of regularisation."""
        self._enter(level)
        left, right = self.left, self.right
        # Only after exact updates are the potentials near enough for a kernel there.
        exact = PlanSums(self.geometry, left.eps, stored=False)
        rows = exact.rows(*self._lift(state.f, state.g))
        state.f = left.update(state.f, rows, right.total(state.g), 1.0)
        cols = exact.cols(*self._lift(state.f, state.g))
        state.g = right.update(state.g, cols, left.total(state.f), 1.0)
        state.rows = None
        state.memory.update(asdict(Relaxation()), sweeps=0, level=level, measures=0)
        state.memory["calm"] = False

    def interval(self, state):
        """Return the number of sweeps to the next measure."""
        return PERIOD

    def step(self, state):
        """Take one sweep."""
        omega = state.memory["omega"]
        state.memory["sweeps"] += 1
        if state.memory["calm"] and not self.geometry.stored:
            state.f, state.g = self._streamed_sweep(state.f, state.g, omega)
            state.rows = None
            return state
        rows = self._rows(state)
        state.f = self.left.update(state.f, rows, self.right.total(state.g), omega)
        cols = self.sums.cols(*self._lift(state.f, state.g))
        state.g = self.right.update(state.g, cols, self.left.total(state.f), omega)
        state.rows = None
        return state

    def _streamed_sweep(self, f, g, omega):
        """Return the potentials after a sweep with one evaluation of the exponentials.

        That of the geometry towards the present targets leaves out the shift of the
        rows, which multiplies all column sums by one factor, and that of the columns.
        """
        left, right = self.left, self.right
        relaxations = (omega * left.damping, omega * right.damping)
        lifted = self._lift(f, g)
        targets = left.target(f), right.target(g)
        moved = self.geometry.sweep(*lifted, *targets, left.eps, relaxations)
        change = (moved[0] - lifted[0]) / omega
        shift = left.shift(f + change, right.total(g))
        f = f + omega * (change + shift)
        change = (moved[1] - lifted[1]) / omega - right.damping * omega * shift
        return f, g + omega * (change + right.shift(g + change, left.total(f)))

    def _rows(self, state):
        """Return log(P 1), kept until the next sweep."""
        if state.rows is None:
            state.rows = self.sums.rows(*self._lift(state.f, state.g))
        return state.rows

    def _lift(self, f, g):
        """Return the potentials of the geometry."""
        return self.left.lift(f), self.right.lift(g)

    def _shift(self, f, g):
        """Return the best t of D(f + t, g - t), where both targets have one total.

        The plan does not depend on t, which may be far larger than what the plan
        resolves: the potentials of the state are without it.
        """
        left, right = self.left, self.right
        t = float(left.total(f)) - float(right.total(g))
        return t / (1.0 / left.rho + 1.0 / right.rho)

    def translated(self, f, g):
        """Return the potentials of the geometry with the largest dual objective.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Finite potentials of the geometry.

        Returns
        -------
        f, g : array of shape (n,), (m,)
            The same, shifted against each other.
        """
        t = self._shift(self.left.relative(f), self.right.relative(g))
        return f + t, g - t

    def certificate(self, state):
        """Measure error and gap, and adapt the relaxation to the rate of the error."""
        memory = state.memory
        found, eps = self._error(state), self.left.eps
        extra = {"reg": eps, "omega": memory["omega"], "gap": found.gap}
        found = replace(found, extra=extra)
        memory["measures"] += 1
        if memory["level"] < len(self.levels) - 1:
            if found.value <= LEVEL_TOL or memory["measures"] >= LEVEL_MEASURES:
                self._descend(state, memory["level"] + 1)
            # A level before the last never ends the loop.
            return replace(found, value=max(found.value, 2.0 * self.tol))
        self._relax(memory, found)
        return replace(found, stalled=self._stalled(memory, found.value))

    def _relax(self, memory, found):
        """Adapt the relaxation to a measure."""
        relaxation = Relaxation(**{name: memory[name] for name in RELAXATION})
        # An error rises at first, for about as many sweeps, where the relaxation grew.
        rise = min(2.0 / (2.0 - relaxation.omega), LONGEST_RISE)
        relaxation.patience = max(3, int(rise / PERIOD))
        relaxation.update(found.value, found.objective, memory["sweeps"])
        memory.update(asdict(relaxation), sweeps=0)
        memory["omega"] = min(memory["omega"], self.largest)

    def _error(self, state):
        """Return the Measure of a state."""
        left, right, eps = self.left, self.right, self.left.eps
        rows = self._rows(state)
        cols = self.sums.cols(*self._lift(state.f, state.g))
        t = self._shift(state.f, state.g)
        f, g = state.f + t, state.g - t
        total = float(left.total(f))
        error = left.error(f, rows, total) + right.error(g, cols, total)
        state.memory["calm"] = self._calm(state, rows, cols)
        objective = left.objective(f) + right.objective(g)
        plan = _exp(float(logsumexp(rows)))
        objective -= eps * (plan - sum64(self.a) * sum64(self.b))
        targets = left.target(f), right.target(g)
        gap = _exp(total) * self._relative_gap(state, (rows, cols), targets, total)
        return Measure(objective, error, gap=gap)

    def _calm(self, state, rows, cols):
        """Return whether all sums are near their targets, and these in the floats."""
        if self.geometry.stored:
            return False
        worst = 0.0
        targets = self.left.target(state.f), self.right.target(state.g)
        for sums, target in zip((rows, cols), targets, strict=True):
            apart = max_abs(sums - target) / CALM
            worst = max(worst, apart, max_abs(target) / LARGEST["float32"])
        return worst <= 1.0

    def _relative_gap(self, state, sums, targets, total):
        """Return the gap of the plan, or of the plan scaled to a fixed marginal.

        All vectors are logarithms, and the gap is a share of the total.
        """
        left, right, eps = self.left, self.right, self.left.eps
        (rows, cols), (r, c) = sums, targets
        if math.isinf(left.rho):
            f = state.f + eps * (r - rows)
            moved = self.sums.cols(*self._lift(f, state.g))
            gap = eps * divergence(r, rows, total)
            return gap + right.rho * divergence(moved, c, total)
        if math.isinf(right.rho):
            g = state.g + eps * (c - cols)
            moved = self.sums.rows(*self._lift(state.f, g))
            gap = eps * divergence(c, cols, total)
            return gap + left.rho * divergence(moved, r, total)
        gap = left.rho * divergence(rows, r, total)
        return gap + right.rho * divergence(cols, c, total)

    def _stalled(self, memory, error):
        """Return True if the error stands at the floor that rounding sets."""
        if error < 0.9 * memory["best"]:
            memory["best"], memory["idle"] = error, 0
            return False
        memory["idle"] += 1
        return memory["idle"] >= PATIENCE and error <= 1e3 * self.floor

    def gap(self, f, g):
        """Return a bound on the error of the dual objective, in the units of the cost.

        The smaller of the gaps of the plan and of the plan rounded onto its targets.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Finite potentials of the geometry.

        Returns
        -------
        gap : float
        """
        state = UnbalancedState(self.left.relative(f), self.right.relative(g))
        plain = self._error(state).gap
        xp, t = self.geometry.xp, self._shift(state.f, state.g)
        rows = xp.exp(self.left.target(state.f + t))
        cols = xp.exp(self.right.target(state.g - t))
        rounded = bound(self.geometry, f, g, self.eps, rows, cols).gap
        return min(plain, rounded)

    def finalize(self, state):
        """Return the potentials of the plan, without a shift between both sides."""
        return Potentials(*self._lift(state.f, state.g))

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"f": state.f, "g": state.g, **state.memory}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        packed = dict(packed)
        self._enter(packed["level"])
        f = asarray_like(packed.pop("f"), self.a)
        g = asarray_like(packed.pop("g"), self.b)
        return UnbalancedState(f, g, memory=packed)


def _exp(x):
    """Return exp(x) of a float, infinite where it overflows."""
    return math.exp(x) if x < 709.0 else math.inf
