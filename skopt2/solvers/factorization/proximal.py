r"""Block coordinate descent with proximal regularisation (BCD-PR) for factorisations.

Problem: that of :mod:`.descent`. The blocks are minimised in turn, each with a proximal
term, from where it stands:

    A_b <- argmin F(..., A_b, ...) + mu_b / 2 |A_b - A_b old|^2   (codes weighted by s),

a convex problem where the term is convex, solved by sweeps (:mod:`.block`) until one
moves less than the accuracy of the iteration, which is summable over iterations; an
inexact block is never worse than the old one. Nothing is extrapolated. The weights mu_b
are ``prox`` times the mean curvature of the block where the fit starts, and stay.

Measure of the paper, for blocks whose term is smooth on a cone (no penalty but a ridge,
or an l1 norm of nonnegative blocks):

    sup { <-grad F, D> : blocks + D feasible, |D| <= 1 },

which min over iterations t = 1..T is O(T^(-1/2)): an epsilon-stationary point, in which
the square of the measure is at most epsilon, after O(1 / epsilon) iterations. The
supremum over a cone has D = max(-t grad, -A) where that is bounded, with t such that
its norm is one.

Source: D. Kwon and H. Lyu, Complexity of block coordinate descent with proximal
regularization and applications to Wasserstein CP-dictionary learning, ICML 2023,
algorithm 1 and theorem 2.1.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, dot64, namespace
from skopt2.solvers.factorization.block import solve_block
from skopt2.solvers.factorization.data import gram
from skopt2.solvers.factorization.descent import FactorDescent, FactorState

# Sweeps for a block at most, and its accuracy at iteration t: this over t^2, in units
# of the norm of X.
SWEEPS, ACCURACY = 50, 1e-2


@dataclass(frozen=True, eq=False)
class ProximalState(FactorState):
    """A state with the proximal weights.

    Parameters
    ----------
    mu : list of float
        Proximal weight of each block.
    """

    mu: Any = ()


class ProximalDescent(FactorDescent):
    """BCD-PR of a factorisation; a solver for ``iterate``.

    Parameters
    ----------
    data : MatrixData or TensorData
        What to factorise.
    terms : list of Term
        One for each block, codes first.
    prox : float, default=0.1
        Proximal weight, in units of the mean curvature at the start.
    """

    name = "bcd-pr"

    def __init__(self, data, terms, prox=0.1):
        super().__init__(data, terms)
        self.prox = prox
        self.may_revive = False

    def start(self, factors):
        """Return the state at given blocks, feasible ones."""
        mu = []
        for b in range(len(factors)):
            G = gram(factors, b, self.data.weights)
            mean = float(namespace(G).linalg.trace(G)) / int(G.shape[0])
            mu.append(self.prox * (mean if mean > 0.0 else 1.0))
        return self._with_product(ProximalState(list(factors), mu=mu))

    def step(self, state):
        """Take one sweep over all blocks; never one that increases the objective."""
        return self._closed(state, self._sweep(state, 0.0))

    def certificate(self, state):
        """Return the objective and the measure of stationarity."""
        measure = super().certificate(state)
        if any(not _smooth(term) for term in self.terms):
            return measure
        return replace(measure, extra={"stationarity": self.stationarity(state)})

    def stationarity(self, state):
        """Return the measure of the paper, of F over all blocks, as a float."""
        pairs = []
        for b, (A, term) in enumerate(zip(state.factors, self.terms, strict=True)):
            B = self.data.product(b, state.factors)
            gradient = gram(state.factors, b, self.data.weights) @ A - B
            gradient = gradient + term.ridge * A + term.l1
            if b == 0:
                gradient = gradient * self.data.weights
            pairs.append((A, gradient, term.nonnegative))
        return steepest_descent(pairs)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {**super().pack(state), "mu": list(state.mu)}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        plain = super().unpack(packed)
        mu = [float(value) for value in packed["mu"]]
        return ProximalState(**vars(plain), mu=mu)

    def _block(self, state, b, B, G):
        """Return one block minimised with its proximal term, the others fixed."""
        floor = ACCURACY * self.norm / (state.turn + 1) ** 2
        A, mu = state.factors[b], state.mu[b]
        weights = self.data.weights if b == 0 else 1.0
        return solve_block(A, B, G, self.terms[b], SWEEPS, 0.0, mu, floor, weights)


def steepest_descent(pairs):
    """Return sup <-g, D> over D of norm at most one that keep blocks feasible.

    Parameters
    ----------
    pairs : list of (array, array, bool)
        Blocks, gradients, and whether the block is nonnegative.

    Returns
    -------
    value : float
        Nonnegative; zero at stationary points.
    """
    free, fixed = [], 0.0
    clipped = [None] * len(pairs)
    while True:
        slope = 0.0
        for (_, g, _), held in zip(pairs, clipped, strict=True):
            part = g if held is None else namespace(g).where(held, 0.0, g)
            slope += dot64(part, part)
        if slope == 0.0 or fixed >= 1.0:
            t = math.inf
            break
        t = math.sqrt((1.0 - fixed) / slope)
        free, before, fixed = [], fixed, 0.0
        for A, g, nonnegative in pairs:
            xp = namespace(g)
            with np.errstate(over="ignore", under="ignore"):
                held = asarray_like(t, g) * g > A if nonnegative else None
            free.append(held)
            if held is not None:
                stopped = xp.where(held, A, 0.0)
                fixed += dot64(stopped, stopped)
        clipped = free
        if fixed <= before:
            break
    return _gain(pairs, clipped, t)


def _gain(pairs, clipped, t):
    """Return <-g, D> of the direction D = max(-t g, -A)."""
    total = 0.0
    for (A, g, _), held in zip(pairs, clipped, strict=True):
        xp = namespace(g)
        if held is not None:
            total += dot64(g, xp.where(held, A, 0.0))
            g = xp.where(held, 0.0, g)
        if math.isfinite(t):
            total += t * dot64(g, g)
    return total


def _smooth(term):
    """Tell whether a term is smooth on a cone."""
    if term.level > 0.0 or term.ball:
        return False
    return term.nonnegative or term.l1 == 0.0
