r"""Robust spectral unmixing by block descent.

Problem: X (n, C) pixels by channels, abundances A (k, n), endmembers S (k, C) and a
guidance map g (n,), mean one:

    F = 1 / (C sigma) sum_c sqrt(q_c + d^2)
        + alpha / n sum_i (g_i phi(a_i) + g_i log(g_i) / guidance),
    q_c = 1 / n sum_i (X_ic - a_i' S_c)^2,

with the sparsity phi of :mod:`.abundances`, nonnegative S, and a_i on the simplex or
nonnegative. The first sum is an l_{2,1} norm over channels, smoothed by d: a channel
that no mixture explains enters with its root mean square and not with its square, so it
moves the abundances by little. sigma is the median of the channels' root mean squares.

Without the sum constraint a small abundance of a large endmember would evade the
penalty: there S_jc is at most the largest value of the channel.

A sweep: weights v_c = 1 / sqrt(q_c + d^2), whose quadratic majorises the roots;
abundances by :func:`.abundances.improve`; endmembers by :mod:`.block`, channel by
channel, in which the weights cancel; the map, exactly. Each lowers F. A sweep from
endmembers extrapolated along the last step is kept if it lowers F (as in
:mod:`.descent`).

Certificate: the root of (1 / n) sum_i |r_i|^2 + sum_jc v_c r_jc^2 / (C sigma), with the
residuals r of both blocks, over that of F with no endmembers at all. Half its square
is what a gradient step of one block gains at least.

Source: F. Zhu et al., Effective spectral unmixing via robust representation and
learning-based sparsity, arXiv 1409.0685: the l_{2,1} norm over channels and the l_p
sparsity with a learnt map per pixel. The paper's update scheme is not used: the weights
(iteratively reweighted least squares: Daubechies et al., CPAM 63, 2010), the form of
the map, the bounds, the extrapolation and the certificate are ours.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, dot64, namespace, sum64, to_numpy
from skopt2._core.result import Measure
from skopt2.solvers.factorization import abundances
from skopt2.solvers.factorization.block import residuals, solve_block
from skopt2.solvers.factorization.descent import (
    BETA,
    BOUND_GROWTH,
    DECAY,
    GROWTH,
    IDLE,
)
from skopt2.solvers.factorization.term import Term


@dataclass(frozen=True, eq=False)
class UnmixingState:
    """Where the solver stands.

    Parameters
    ----------
    A : array of shape (k, n)
        Abundances.
    S : array of shape (k, C)
        Endmembers.
    S_old : array of shape (k, C)
        Those of one step before.
    g : array of shape (n,)
        Guidance map.
    log_mean : float
        Logarithm of its normaliser.
    v : array of shape (C,)
        Channel weights.
    B : array of shape (k, C)
        Products of abundances and channels.
    objective, beta, bound : float
        F, the extrapolation and its bound.
    idle : int
        Steps without progress.
    """

    A: Any
    S: Any
    S_old: Any
    g: Any
    log_mean: float
    v: Any
    B: Any = None
    objective: float = math.inf
    beta: float = BETA
    bound: float = 1.0
    idle: int = 0


# Tangents for the abundances of the endmembers to start from.
START = 30


class UnmixingDescent:
    """Block descent for spectral unmixing; a solver for ``iterate``.

    Parameters
    ----------
    X : array of shape (n, C)
        Pixels in rows.
    sparsity : Sparsity
        Of the abundances.
    smoothing : float
        d, in units of sigma.
    """

    name = "unmixing"

    def __init__(self, X, sparsity, smoothing):
        xp = namespace(X)
        self.X, self.sparsity = X, sparsity
        self.n, self.C = (int(d) for d in X.shape)
        self.squares = xp.mean(X * X, axis=0)
        roots = np.sqrt(to_numpy(self.squares).astype(np.float64))
        sigma = float(np.median(roots))
        self.sigma = sigma if sigma > 0.0 else float(roots.max()) or 1.0
        self.d2 = (smoothing * self.sigma) ** 2
        total = float(np.mean(roots)) / self.sigma
        self.scale = math.sqrt(total) if total > 0.0 else 1.0
        upper = None if sparsity.sum_to_one else xp.max(X, axis=0)
        self.term = Term(nonnegative=True, upper=upper)

    def start(self, S, v):
        """Return the state at endmembers and first channel weights."""
        xp = namespace(S)
        S = self.term.feasible(S)
        k = int(S.shape[0])
        A = xp.zeros((k, self.n), dtype=S.dtype, device=S.device) + 1.0 / k
        ones = xp.ones_like(self.X[:, 0])
        state = UnmixingState(A, S, None, ones, 0.0, v)
        for _ in range(START):
            state = replace(state, A=self._abundances(state, S))
        return state

    def step(self, state):
        """Take one sweep; never one that increases the objective."""
        if state.S_old is not None and state.beta > 0.0:
            S = state.S + state.beta * (state.S - state.S_old)
            new = self._sweep(state, S)
            if new.objective <= state.objective:
                beta = min(state.bound, GROWTH * state.beta)
                bound = min(1.0, BOUND_GROWTH * state.bound)
                return self._closed(state, replace(new, beta=beta, bound=bound))
            state = replace(state, bound=state.beta, beta=state.beta / DECAY)
        return self._closed(state, self._sweep(state, state.S))

    def certificate(self, state):
        """Return the objective and the measure of stationarity."""
        G, B = self.abundance_problem(state.S, state.v)
        r = abundances.residuals(state.A, B, G, self.sparsity, state.g)
        total = dot64(r, r) / self.n
        G = state.A @ namespace(state.A).matrix_transpose(state.A) / self.n
        r = residuals(state.S, state.B, G, self.term)
        total += dot64(r, r * state.v) / (self.C * self.sigma)
        value = math.sqrt(total) / self.scale
        return Measure(state.objective, value, stalled=state.idle >= IDLE)

    def finalize(self, state):
        """Return the state itself."""
        return state

    def channel_errors(self, state):
        """Return the root mean square error of every channel, shape (C,)."""
        xp = namespace(state.v)
        return xp.sqrt(xp.maximum(1.0 / (state.v * state.v) - self.d2, 0.0))

    def pack(self, state):
        """Return the state as arrays and numbers."""
        names = ("A", "S", "g", "v", "B", "log_mean", "objective", "beta", "bound")
        packed = {name: getattr(state, name) for name in (*names, "idle")}
        return packed if state.S_old is None else {**packed, "S_old": state.S_old}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        arrays = ("A", "S", "S_old", "g", "v", "B")
        parts = {
            name: asarray_like(value, self.X) if name in arrays else value
            for name, value in packed.items()
        }
        return UnmixingState(**{"S_old": None, **parts})

    def abundance_problem(self, S, v, X=None):
        """Return G (k, k) and B (k, n) of the abundances of pixels."""
        xp, X = namespace(S), self.X if X is None else X
        weighted = S * (v / (self.C * self.sigma))
        return weighted @ xp.matrix_transpose(S), weighted @ xp.matrix_transpose(X)

    def _abundances(self, state, S):
        """Return abundances that are better for the weights of the state."""
        G, B = self.abundance_problem(S, state.v)
        return abundances.improve(state.A, B, G, self.sparsity, state.g)

    def _sweep(self, state, S):
        """Return the state after one sweep from endmembers S."""
        xp = namespace(S)
        A = self._abundances(state, S)
        G, B = A @ xp.matrix_transpose(A) / self.n, A @ self.X / self.n
        S = solve_block(state.S, B, G, self.term)
        g, log_mean = self.sparsity.map(A)
        q = self.squares - 2.0 * xp.sum(S * B, axis=0) + xp.sum(S * (G @ S), axis=0)
        roots = xp.sqrt(xp.maximum(q, 0.0) + self.d2)
        F = sum64(roots) / (self.C * self.sigma) + self._penalty(A, g)
        return replace(
            state, A=A, S=S, g=g, log_mean=log_mean, v=1.0 / roots, B=B, objective=F
        )

    def _penalty(self, A, g):
        """Return what the sparsity and the map add to F."""
        sparsity, xp = self.sparsity, namespace(A)
        total = dot64(g, sparsity.phi(A))
        if sparsity.guidance > 0.0:
            safe = xp.where(g > 0.0, g, xp.ones_like(g))
            total += dot64(g, xp.log(safe)) / sparsity.guidance
        return sparsity.level * total / self.n

    def _closed(self, state, new):
        """Return the state ready for the next sweep."""
        gain = state.objective - new.objective
        floor = 4.0 * float(namespace(new.S).finfo(new.S.dtype).eps)
        idle = state.idle + 1 if gain <= floor * abs(new.objective) else 0
        return replace(new, S_old=state.S, idle=idle)


def channel_precision(X):
    """Return one over the error with which other channels predict a channel, (C,).

    The conditional variance of a channel given all others is one over the diagonal of
    the inverse of the channels' Gram matrix, which has a small ridge here.

    Parameters
    ----------
    X : array of shape (n, C)
        Pixels in rows.
    """
    xp, (n, C) = namespace(X), X.shape
    K = xp.matrix_transpose(X) @ X / n
    unit = xp.linalg.diagonal(K)
    unit = xp.sqrt(xp.where(unit > 0.0, unit, xp.ones_like(unit)))
    K = K / (unit[:, None] * unit[None, :])
    eye = xp.eye(int(C), dtype=X.dtype, device=X.device)
    inverse = xp.linalg.inv(K + 1e-4 * eye)
    return xp.sqrt(xp.maximum(xp.linalg.diagonal(inverse), 0.0)) / unit


def purest_pixels(X, v, k):
    """Return the numbers of pixels that are far apart, by successive projection.

    Parameters
    ----------
    X : array of shape (n, C)
        Pixels in rows.
    v : array of shape (C,)
        Weights of the channels.
    k : int
        How many.

    Returns
    -------
    pixels : list of int
        Araujo et al., Chemometrics 57, 2001.
    """
    xp = namespace(X)
    R, chosen = X * v, []
    for _ in range(k):
        i = int(xp.argmax(xp.sum(R * R, axis=1)))
        row = R[i, :]
        size = xp.sqrt(xp.sum(row * row))
        row = row / xp.where(size > 0.0, size, xp.ones_like(size))
        R = R - (R @ row)[:, None] * row[None, :]
        chosen.append(i)
    return chosen
