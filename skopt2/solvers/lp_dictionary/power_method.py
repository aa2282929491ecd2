r"""Largest l_p norm of rotated rows, by the generalised power method.

Problem: rows z_i (k,) with weights s_i of sum 1 and identity covariance, p > 2. Over
the orthogonal matrices A (k, k) maximise

    F(A) = sum_i s_i sum_j |y_ij|^p,    Y = Z A' (n, k).

Of vectors of one length the sparse ones have the largest l_p norm, so that the codes Y
become sparse.

Step: with half the slope G = (|Y|^(p-2) Y)' diag(s) Z, for which F(A) = <G, A>,

    A+ = polar(G) = UV' of G = U diag(sigma) V'.

F is convex, so that F(A+) >= F(A) + p (|G|_* - <G, A>): no step size, and no fall of F.
A is stationary if and only if A = polar(G): the certificate is |A - polar(G)|_F over
sqrt(k).

Two faster steps are taken where they gain at least what the plain one is sure of:
Newton's form polar(G - diag(h) A), h_j = (p - 1) sum_i s_i |y_ij|^(p-2), which
converges quadratically where the codes are independent, and elsewhere may cycle or be
slow; and momentum, polar(polar(G) + beta (A - A_old)).

Sources: Y. Shen, Y. Xue, J. Zhang, K. Letaief and V. Lau, Complete dictionary learning
via l_p-norm maximization, UAI 2020 (generalised power method); Y. Zhai, Z. Yang,
Z. Liao, J. Wright and Y. Ma, JMLR 21, 2020 (p = 4, MSP); A. Hyvarinen, IEEE
Transactions on Neural Networks 10, 1999 (the shift). The momentum is ours.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import asarray_like, dot64, max_abs, namespace
from skopt2._core.result import Measure

CERTIFICATE = "relative distance from the fixed point"
# Other steps after a shifted one that was refused or brought little, and at most.
PAUSE, LONGEST = 2, 64
# What a shifted step leaves of the distance where it is of use.
QUICK = 0.7
# Momentum to begin with, its growth, and the largest.
BETA, GROWTH, LARGEST = 0.5, 1.1, 0.98
# Steps without progress beyond rounding after which the solver has stalled.
IDLE = 20


@dataclass(frozen=True, eq=False)
class PowerState:
    """Where the solver stands.

    Parameters
    ----------
    A : array of shape (k, k)
        Rotation.
    G : array of shape (k, k)
        Slope.
    P : array of shape (k, k)
        Its polar factor.
    shift : array of shape (k,)
        h.
    value : float
        F.
    sure : float
        What the plain step gains at least.
    distance, best : float
        From the fixed point, and the smallest so far.
    old : array of shape (k, k) or None
        Rotation before.
    beta : float
        Momentum.
    wait, pause : int
        Steps to take before the next shifted one, and after it.
    idle : int
        Steps without progress.
    """

    A: Any
    G: Any
    P: Any
    shift: Any
    value: float
    sure: float
    distance: float = math.inf
    best: float = math.inf
    old: Any = None
    beta: float = BETA
    wait: int = 0
    pause: int = PAUSE
    idle: int = 0


class PowerMethod:
    """Generalised power method; a solver for ``iterate``.

    Parameters
    ----------
    Z : array of shape (n, k)
        Whitened rows.
    s : array of shape (n,) or None
        Weights of sum 1, None for equal ones.
    p : float
        Larger than 2.
    """

    name = "power method"

    def __init__(self, Z, s, p):
        xp = namespace(Z)
        self.p, self.n, self.k = float(p), int(Z.shape[0]), int(Z.shape[1])
        # Codes are at most the longest row: powers of them do not overflow.
        self.size = max(max_abs(xp.sqrt(xp.sum(Z * Z, axis=1))), 1e-300)
        self.Z = Z / self.size
        self.s = None if s is None else s[:, None]
        weighted = self.Z / self.n if s is None else self.Z * self.s
        self.weighted = weighted
        self.eps = float(xp.finfo(Z.dtype).eps)

    def start(self, M):
        """Return the state at the rotation nearest to a matrix (k, k)."""
        return self._evaluate(polar(M)[0])

    def step(self, state):
        """Take one step; F never falls by more than rounding."""
        if state.wait == 0:
            moved = polar(state.G - state.shift[:, None] * state.A)[0]
            new = self._evaluate(_facing(moved, state.A))
            quick = new.distance <= QUICK * state.distance
            wait, pause = state.pause, min(2 * state.pause, LONGEST)
            if quick:
                wait, pause = 0, max(PAUSE, state.pause // 2)
            if new.value >= state.value + state.sure:
                return self._closed(state, new, wait=wait, pause=pause)
        else:
            wait, pause = state.wait - 1, state.pause
        beta = state.beta
        if state.old is not None:
            moved = polar(state.P + beta * (state.A - state.old))[0]
            new = self._evaluate(moved)
            if new.value >= state.value + state.sure:
                beta = min(GROWTH * beta, LARGEST)
                return self._closed(state, new, wait=wait, pause=pause, beta=beta)
            beta = 0.5 * beta
        new = self._evaluate(state.P)
        return self._closed(state, new, wait=wait, pause=pause, beta=beta)

    def certificate(self, state):
        """Return the l_p norm of a code and the distance from the fixed point."""
        norm = self.size * (state.value / self.k) ** (1.0 / self.p)
        return Measure(norm, state.distance, stalled=state.idle >= IDLE)

    def finalize(self, state):
        """Return the state itself."""
        return state

    def pack(self, state):
        """Return the state as arrays and numbers."""
        names = ("A", "best", "beta", "wait", "pause", "idle")
        packed = {name: getattr(state, name) for name in names}
        return packed if state.old is None else {**packed, "old": state.old}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        state = self._evaluate(asarray_like(packed["A"], self.Z))
        parts = {name: int(packed[name]) for name in ("wait", "pause", "idle")}
        parts |= {name: float(packed[name]) for name in ("best", "beta")}
        if "old" in packed:
            parts["old"] = asarray_like(packed["old"], self.Z)
        return replace(state, **parts)

    def code_norms(self, A):
        """Return l_p norm and root mean square of the codes of a rotation.

        Parameters
        ----------
        A : array of shape (k, k)
            Rotation.

        Returns
        -------
        norms, sizes : array of shape (k,)
            The first divided by the second, and the second.
        """
        xp = namespace(A)
        powers = xp.sum(self._slope(A)[0] * A, axis=1)
        Y = self.Z @ xp.matrix_transpose(A)
        Y2 = Y * Y
        sizes = xp.mean(Y2, axis=0) if self.s is None else xp.sum(self.s * Y2, axis=0)
        sizes = xp.sqrt(sizes)
        return powers ** (1.0 / self.p) / sizes, sizes * self.size

    def _slope(self, A):
        """Return G, and the codes to the power p - 2."""
        xp = namespace(A)
        Y = self.Z @ xp.matrix_transpose(A)
        if self.p == 3.0:
            powers = xp.abs(Y)
        elif self.p == 4.0:
            powers = Y * Y
        else:
            powers = xp.abs(Y) ** (self.p - 2.0)
        return xp.matrix_transpose(powers * Y) @ self.weighted, powers

    def _evaluate(self, A):
        """Return the state at a rotation."""
        xp = namespace(A)
        G, powers = self._slope(A)
        mean = xp.mean(powers, axis=0)
        if self.s is not None:
            mean = xp.sum(self.s * powers, axis=0)
        value = dot64(G, A)
        P, nuclear = polar(G)
        sure = self.p * max(nuclear - value, 0.0)
        # Rows of Z have been divided by their size, which squares in the shift.
        shift = (self.p - 1.0) * mean / self.size**2
        away = A - P
        distance = (dot64(away, away) / self.k) ** 0.5
        return PowerState(A, G, P, shift, value, sure, distance, distance)

    def _closed(self, last, new, **counts):
        """Return the new state with its counters."""
        grown = new.value > last.value * (1.0 + 4.0 * self.eps)
        nearer = new.distance < last.best
        return replace(
            new,
            old=last.A,
            best=min(last.best, new.distance),
            idle=0 if grown or nearer else last.idle + 1,
            **{"beta": last.beta, **counts},
        )


def polar(M):
    """Return the nearest orthogonal matrix and the sum of the singular values."""
    U, sigma, Vt = namespace(M).linalg.svd(M, full_matrices=False)
    return U @ Vt, float(namespace(M).sum(sigma))


def _facing(A, old):
    """Return A with rows turned to the side of those of an old rotation."""
    xp = namespace(A)
    turn = xp.sum(A * old, axis=1, keepdims=True) < 0.0
    return xp.where(turn, -A, A)
