"""Mirror descent on the transport polytope, one scaling a step.

Problem: min F(P), F convex, over P >= 0 with P 1 = a, P'1 = b.

Symbols: a (n,), b (m,) masses of equal sums; P_t (n, m) iterates, P_1 = a b' / sum(a);
G_t (n, m) a subgradient of F at P_t; eta_t the step; H = sum_t eta_t G_t (n, m);
x (n,), y (m,) logarithms of scalings, P = exp(x + y' - H).

One step multiplies P by exp(-eta G) and scales the rows (even t) or the columns (odd t)
to their masses: half a sweep of Sinkhorn's algorithm with the cost H, which grows. With
delta = 2 min(entropy(a), entropy(b)) for masses divided by their sum, which bounds
twice the divergence of any plan from P_1, and B = half of the largest spread of a G_t,

    eta_t = step_size sqrt(delta / t) / B,

the step of the paper for equal masses; the entropies also suit masses of any size, and
the spread does not see what a constant adds to G. The mean of the iterates is within
O(1 / sqrt(T)) of the optimum after rounding onto the polytope.

Certificate. For any Q of the polytope F(Q) >= F(P_t) + <G_t, Q - P_t> at every iterate,
feasible or not, and the minimum over Q of a linear function is at least
<a, f> + <b, g> for any f_i + g_j <= its coefficients. That gives two lower bounds of
the optimum: one from the eta-weighted means over all steps, one from the gradient at
the candidate itself (the Frank-Wolfe gap). Both take g = y / sum_t eta_t, which the
iteration computes anyway, or its change since some earlier step, and f by the
c-transform. The upper bound is F at the better
one of the rounded mean and the rounded last iterate.

Sources: M. Ballu and Q. Berthet, Mirror Sinkhorn: fast online optimization on transport
polytopes, ICML 2023 (algorithm 1); J. Altschuler, J. Weed and P. Rigollet, NIPS 2017,
algorithm 2 (rounding); M. Jaggi, Revisiting Frank-Wolfe, ICML 2013 (the gap).
"""

import math
from dataclasses import replace

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    dot64,
    namespace,
    sum64,
)
from skopt2._core.result import Measure
from skopt2.solvers.transport.geometry import silent_log
from skopt2.solvers.transport.mirror_state import MirrorSolution, MirrorState
from skopt2.solvers.transport.rounding import round_to_marginals

# Steps before the first measure; later ones follow as the count grows by a tenth.
FIRST_MEASURE = 10
# Multiples of the unit of rounding that a difference of two objectives resolves.
RESOLUTION = 1e3


class MirrorDescent:
    """Mirror descent with alternate scaling; a solver for ``iterate``.

    Parameters
    ----------
    objective : object or None
        With ``gradient(P)`` and, if there is one, ``value(P)``; None for streams of
        gradients, which :meth:`advance` takes.
    a, b : array of shape (n,), (m,)
        Nonnegative masses of equal sums.
    step_size : float, default=1.0
        Multiple of the step of theory.
    horizon : int, default=None
        None for steps that decrease with t; a number T for the constant step
        of t = T.
    """

    name = "mirror_sinkhorn"

    def __init__(self, objective, a, b, *, step_size=1.0, horizon=None):
        self.objective, self.a, self.b = objective, a, b
        self.value = getattr(objective, "value", None)
        self.step_size, self.horizon = step_size, horizon
        self.xp = namespace(a)
        self.mass = sum64(a)
        self.log_a, self.log_b = silent_log(a), silent_log(b)
        self.delta = 2.0 * min(_entropy(a, self.mass), _entropy(b, self.mass))
        self.independent = a[:, None] * b[None, :] / self.mass
        self.unit = float(self.xp.finfo(a.dtype).eps)
        # What the independent plan costs; computed at the first measure.
        self.reference = None

    def start(self, warm=None):
        """Return the first state.

        Parameters
        ----------
        warm : MirrorState, default=None
            State of an earlier run with the same masses, perhaps with another
            objective: its iterate and step are taken over, its averages and bounds are
            not.
        """
        xp, P = self.xp, self.independent
        zero = xp.zeros_like(P)
        nothing = xp.sum(zero, dtype=accumulation_dtype(zero))
        if warm is None:
            x = self.log_a - math.log(self.mass)
            return MirrorState(zero, x, self.log_b, P, zero, nothing, nothing, nothing)
        return MirrorState(
            warm.H,
            warm.x,
            warm.y,
            warm.P,
            zero,
            nothing,
            warm.weight,
            warm.spread,
            warm.t,
            warm.t,
            warm.H,
            float(warm.weight),
        )

    def interval(self, state):
        """Return the number of steps to the next measure."""
        return max(FIRST_MEASURE, (state.t - state.first) // 10)

    def step(self, state):
        """Take one step along the objective's gradient."""
        gradient = self.objective.gradient(state.P)
        if self.value is None:
            return self.advance(state, gradient)
        difference = self.value(state.P) - _inner(gradient, state.P)
        return self.advance(state, gradient, difference)

    def advance(self, state, gradient, difference=0.0):
        """Take one step along a gradient.

        Parameters
        ----------
        state : MirrorState
            Before the step.
        gradient : array of shape (n, m)
            Subgradient at ``state.P``, or a cost of this round.
        difference : float or array of shape (), default=0.0
            F(P) - <gradient, P>.

        Returns
        -------
        state : MirrorState
            After it.
        """
        xp, t = self.xp, state.t + 1
        half = 0.5 * (xp.max(gradient) - xp.min(gradient))
        spread = xp.maximum(state.spread, xp.asarray(half, dtype=state.spread.dtype))
        length = self.step_size * math.sqrt(self.delta / (self.horizon or t))
        one = xp.ones_like(spread)
        eta = xp.where(spread > 0, length / xp.where(spread > 0, spread, one), 0 * one)
        H = state.H + xp.asarray(eta, dtype=gradient.dtype) * gradient
        x, y = state.x, state.y
        if t % 2 == 0:
            P, x = _scale(y[None, :] - H, self.a, self.log_a, axis=1)
        else:
            P, y = _scale(x[:, None] - H, self.b, self.log_b, axis=0)
        return replace(
            state,
            H=H,
            x=x,
            y=y,
            P=P,
            total=state.total + state.P,
            offset=state.offset + eta * difference,
            weight=state.weight + eta,
            spread=spread,
            t=t,
        )

    def certificate(self, state):
        """Return the better candidate's objective and its relative gap.

        The gap is a share of what the independent plan a b' / sum(a) loses to the
        lower bound.
        """
        self._mark(state)
        candidates = [
            round_to_marginals(plan, self.a, self.b)
            for plan in (state.total / (state.t - state.first), state.P)
        ]
        if self.value is None:
            return self._linearised(state, candidates)
        if self.reference is None:
            self.reference = float(self.value(self.independent))
        upper, lower, plan = state.upper, state.lower, state.plan
        values = [float(self.value(candidate)) for candidate in candidates]
        for value, candidate in zip(values, candidates, strict=True):
            gradient = self.objective.gradient(candidate)
            bound = self.linear_bound(gradient, state) - float(
                _inner(gradient, candidate)
            )
            lower = max(lower, value + bound)
            if value < upper or plan is None:
                upper, plan = value, candidate
        if not all(math.isfinite(value) for value in values):
            upper = math.nan
        weight = float(state.weight) - state.weight_first
        if weight > 0:
            H = state.H if state.H_first is None else state.H - state.H_first
            mean = self.linear_bound(H / weight, state)
            lower = max(lower, float(state.offset) / weight + mean)
        state.upper, state.lower, state.plan = upper, lower, plan
        return self._measure(upper, lower, self.reference)

    def _mark(self, state):
        """Keep the potentials of an earlier step, a quarter to a half of the way."""
        if state.t >= 2 * state.next_mark:
            state.marks = (
                state.marks[1],
                (self._massive(state.y), float(state.weight)),
            )
            state.next_mark = state.t

    def _linearised(self, state, candidates):
        """Return the Frank-Wolfe gap, all that a gradient without a value has."""
        best = math.inf
        for candidate in candidates:
            gradient = self.objective.gradient(candidate)
            upper = float(_inner(gradient, candidate))
            lower = self.linear_bound(gradient, state)
            if upper - lower < best or not math.isfinite(upper):
                best = upper - lower
                reference = float(_inner(gradient, self.independent))
                state.upper, state.lower, state.plan = upper, lower, candidate
        return self._measure(state.upper, state.lower, reference)

    def _measure(self, upper, lower, reference):
        gap = upper - lower
        noise = RESOLUTION * self.unit * (abs(upper) + abs(lower))
        scale = max(reference - lower, noise)
        if gap < -max(1e-6 * scale, noise):
            raise ValueError(
                f"objective is not convex, or its gradient is wrong: {lower:.6g} would "
                f"be a lower bound, but a feasible plan has the objective {upper:.6g}."
            )
        gap = max(gap, 0.0)
        relative = gap / scale if scale > 0 else gap
        return Measure(upper, relative, gap, {"lower_bound": lower})

    def linear_bound(self, cost, state):
        """Return a lower bound of the smallest <cost, Q> over the polytope.

        Parameters
        ----------
        cost : array of shape (n, m)
            Coefficients of the linear function.
        state : MirrorState
            Where the potentials are taken from.

        Returns
        -------
        bound : float
            Exact up to rounding where the potentials are optimal.
        """
        y, weight = self._massive(state.y), float(state.weight)
        found = [self._potential_bound(cost, y, weight)]
        y_mark, weight_mark = state.marks[0]
        if 0.0 < weight_mark < weight:
            # Differences forget the first steps, whose gradients were others.
            found.append(self._potential_bound(cost, y - y_mark, weight - weight_mark))
        return max(found)

    def _massive(self, y):
        """Return y with zeros for the columns of no mass."""
        return self.xp.where(self.b > 0, y, self.xp.zeros_like(y))

    def _potential_bound(self, cost, y, weight):
        """Return the dual value of g = y / weight, improved by c-transforms."""
        xp = self.xp
        g = y / weight if weight > 0 else xp.zeros_like(y)
        g = xp.where(self.b > 0, g, xp.full_like(g, -math.inf))
        lowest = xp.full_like(self.a, -math.inf)
        for _ in range(2):
            # Rows and columns of no mass bind nothing: their potential is -inf.
            f = xp.where(self.a > 0, xp.min(cost - g[None, :], axis=1), lowest)
            g = xp.min(cost - f[:, None], axis=0)
            g = xp.where(self.b > 0, g, xp.full_like(g, -math.inf))
        f = xp.where(self.a > 0, f, xp.zeros_like(f))
        g = xp.where(self.b > 0, g, xp.zeros_like(g))
        return dot64(self.a, f) + dot64(self.b, g)

    def finalize(self, state):
        """Return the best feasible plan, the mean iterate and the lower bound."""
        average = state.total / max(state.t - state.first, 1)
        return MirrorSolution(state.plan, average, state.lower, state)

    def pack(self, state):
        """Return the state as a dictionary."""
        return dict(vars(state))

    def unpack(self, packed):
        """Return the state of a dictionary from :meth:`pack`."""
        arrays = {
            name: asarray_like(value, self.a, value.dtype)
            for name, value in packed.items()
            if hasattr(value, "dtype")
        }
        return MirrorState(**{**packed, **arrays})


def _scale(exponent, mass, log_mass, axis):
    """Return exp(exponent) with these sums along an axis, and the logarithmic scaling.

    ``axis`` is summed over: 1 for row sums, 0 for column sums.
    """
    xp = namespace(exponent)
    top = xp.max(exponent, axis=axis, keepdims=True)
    plan = xp.exp(exponent - top)
    total = xp.sum(plan, axis=axis)
    plan = plan * xp.expand_dims(mass / total, axis=axis)
    return plan, log_mass - xp.log(total) - xp.squeeze(top, axis=axis)


def _inner(A, B):
    """Return <A, B> as an array of shape (), accumulated in the widest float."""
    xp = namespace(A)
    return xp.sum(A * B, dtype=accumulation_dtype(A))


def _entropy(mass, total):
    """Return the entropy of masses divided by their total."""
    xp = namespace(mass)
    share = mass / total
    safe = xp.where(share > 0, share, xp.ones_like(share))
    return -sum64(share * xp.log(safe))
