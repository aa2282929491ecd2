r"""Accelerated hierarchical alternating least squares for factorisations.

Problem: min over blocks A_0, ..., A_m of

    F = 1/2 sum_i s_i |X_i - model_i|^2 + term_0(A_0; s) + sum_b term_b(A_b)

with the model of :mod:`.data` and the terms of :mod:`.term`.

A sweep minimises over the blocks in turn (:mod:`.block`), more exactly with every sweep
up to a limit, from factors extrapolated along the last step,

    Y_b = A_b + beta (A_b - A_b old), b >= 1,

and is kept if F falls, with a larger beta for the next; else beta shrinks and the sweep
is taken again from A_b, where it cannot raise F. F is that of the new blocks, not of
extrapolated ones, so it never increases. Of a matrix the product of block 0 at Y is the
same combination of two that are known: extrapolation, safeguard and certificate of
all blocks together cost no product beyond the two of a plain sweep.

A component that has become zero adds nothing. Where nothing is penalised it is started
again: codes zero, factors from the positive part of the residual of the worst sample,
which leaves F as it is and lets the next sweep lower it.

Certificate: sqrt(sum of all squared residuals of :mod:`.block`, those of codes weighted
by s) over the norm sqrt(sum_i s_i |X_i|^2).

Symbols: s (n,) with sum one, A_0 (k, n), A_b (k, d_b).

Source: A. M. S. Ang and N. Gillis, Accelerating nonnegative matrix factorization
algorithms using extrapolation, Neural Computation 31, 2019, algorithms 2 and 3 (the
schedule of beta); N. Gillis and F. Glineur, 2012 (repeated sweeps). What is
extrapolated, the products and the safeguard on F itself are chosen here.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import asarray_like, dot64, namespace
from skopt2._core.result import Measure
from skopt2.solvers.factorization.block import SWEEPS, residuals, solve_block
from skopt2.solvers.factorization.data import gram
from skopt2.solvers.factorization.restart import dead_components, revive

CERTIFICATE = "relative fixed-point residual"

# First extrapolation, growth of it and of its bound after a success, loss on failure.
BETA, GROWTH, BOUND_GROWTH, DECAY = 0.5, 1.05, 1.01, 1.5
# Measures without progress beyond rounding after which a fit has stalled.
IDLE = 30


@dataclass(frozen=True, eq=False)
class FactorState:
    """Where the solver stands.

    Parameters
    ----------
    factors : list of array of shape (k, d_b)
        Blocks, codes first.
    old : list of array
        Blocks of one step before.
    B : array of shape (k, n)
        Product of block 0 at the factors, of a matrix; else None.
    B_old : array of shape (k, n)
        The same at ``old``.
    last : tuple of array
        B and G of the last block at the factors.
    objective : float
        F.
    beta, bound : float
        Extrapolation and its bound.
    idle : int
        Steps without progress.
    revived : int
        Components started again.
    turn : int
        Sweeps over all blocks done.
    """

    factors: Any
    old: Any = None
    B: Any = None
    B_old: Any = None
    last: Any = None
    objective: float = math.inf
    beta: float = BETA
    bound: float = 1.0
    idle: int = 0
    revived: int = 0
    turn: int = 0


class FactorDescent:
    """Accelerated block descent of a factorisation; a solver for ``iterate``.

    Parameters
    ----------
    data : MatrixData or TensorData
        What to factorise.
    terms : list of Term
        One for each block, codes first.
    """

    name = "hals"

    def __init__(self, data, terms):
        self.data, self.terms = data, list(terms)
        self.matrix = len(terms) == 2
        # The unit of F: one element of X.
        self.unit = float(data.entries)
        self.norm = math.sqrt(data.norm2) if data.norm2 > 0.0 else 1.0
        xp = namespace(data.like)
        self.slack = 4.0 * float(xp.finfo(data.like.dtype).eps) * self.norm**2
        self.may_revive = not any(term.penalised for term in terms)

    def start(self, factors):
        """Return the state at given blocks, feasible ones."""
        return self._with_product(FactorState(list(factors)))

    def step(self, state):
        """Take one sweep over all blocks; never one that increases the objective."""
        if state.old is not None and state.beta > 0.0:
            new = self._sweep(state, state.beta)
            if new.objective <= state.objective:
                beta = min(state.bound, GROWTH * state.beta)
                bound = min(1.0, BOUND_GROWTH * state.bound)
                return self._closed(state, replace(new, beta=beta, bound=bound))
            state = replace(state, bound=state.beta, beta=state.beta / DECAY)
        return self._closed(state, self._sweep(state, 0.0))

    def certificate(self, state):
        """Return the objective and the measure of stationarity."""
        value = self.residual_norm(state) / self.norm
        return Measure(state.objective / self.unit, value, stalled=state.idle >= IDLE)

    def finalize(self, state):
        """Return the state itself."""
        return state

    def residual_norm(self, state):
        """Return the root of the sum of the squared residuals of all blocks."""
        total, last = 0.0, len(self.terms) - 1
        for b, A in enumerate(state.factors):
            if b == last:
                B, G = state.last
            else:
                B = state.B if b == 0 and self.matrix else None
                B = self.data.product(b, state.factors) if B is None else B
                G = gram(state.factors, b, self.data.weights)
            r = residuals(A, B, G, self.terms[b])
            total += dot64(r, r * self.data.weights if b == 0 else r)
        return math.sqrt(total)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        packed = {f"factor_{b}": A for b, A in enumerate(state.factors)}
        if state.old is not None:
            packed |= {f"old_{b}": A for b, A in enumerate(state.old)}
        names = ("objective", "beta", "bound", "idle", "revived", "turn")
        return {**packed, **{name: getattr(state, name) for name in names}}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        like, count = self.data.like, len(self.terms)

        def blocks(name):
            return [asarray_like(packed[f"{name}_{b}"], like) for b in range(count)]

        names = ("objective", "beta", "bound", "idle", "revived", "turn")
        state = FactorState(blocks("factor"), **{k: packed[k] for k in names})
        state = self._with_product(state)
        if "old_0" in packed:
            old = blocks("old")
            B = self.data.product(0, old) if self.matrix else None
            state = replace(state, old=old, B_old=B)
        if math.isfinite(state.objective):
            state = replace(state, last=self._last(state.factors))
        return state

    def _with_product(self, state):
        """Return the state with the product of block 0, of a matrix."""
        if not self.matrix:
            return state
        return replace(state, B=self.data.product(0, state.factors))

    def _last(self, factors):
        """Return B and G of the last block."""
        b = len(factors) - 1
        return self.data.product(b, factors), gram(factors, b, self.data.weights)

    def _sweep(self, state, beta):
        """Return the state after one sweep from an extrapolation, not yet closed."""
        factors, B = list(state.factors), state.B
        points = list(factors)
        if beta > 0.0:
            for b in range(1, len(points)):
                points[b] = points[b] + beta * (points[b] - state.old[b])
            if self.matrix:
                B = B + beta * (B - state.B_old)
        for b in range(len(factors)):
            if b > 0 or not self.matrix:
                B = self.data.product(b, points)
            G = gram(points, b, self.data.weights)
            points[b] = self._block(state, b, B, G)
        F = 0.5 * self.data.norm2 - dot64(points[b], B - 0.5 * (G @ points[b]))
        F = max(F, 0.0) + self.penalties(points)
        return replace(state, factors=points, last=(B, G), objective=F)

    def _block(self, state, b, B, G):
        """Return one block minimised, the others fixed."""
        # Early factors are not worth much exactness of the others.
        sweeps = min(SWEEPS, 1 + state.turn)
        weights = self.data.weights if b == 0 else 1.0
        A, term = state.factors[b], self.terms[b]
        return solve_block(A, B, G, term, sweeps, weights=weights)

    def penalties(self, factors):
        """Return the sum of all terms as a float."""
        total = self.terms[0].value(factors[0], self.data.weights)
        return total + sum(
            term.value(A) for term, A in zip(self.terms[1:], factors[1:], strict=True)
        )

    def _closed(self, state, new):
        """Return the state ready for the next sweep and for a measure."""
        gain = state.objective - new.objective
        idle = state.idle + 1 if gain <= self.slack * 1e-2 else 0
        new = replace(
            new, old=state.factors, B_old=state.B, idle=idle, turn=state.turn + 1
        )
        limit = 4 * int(new.factors[0].shape[0])
        if self.may_revive and new.revived < limit:
            dead = dead_components(new.factors, self.data)
            if dead:
                factors = revive(new.factors, dead, self.data, self.terms)
                new = replace(
                    new,
                    factors=factors,
                    old=factors,
                    last=self._last(factors),
                    revived=new.revived + len(dead),
                    beta=BETA,
                    bound=1.0,
                )
                new = self._with_product(new)
                return replace(new, B_old=new.B)
        return self._with_product(new)
