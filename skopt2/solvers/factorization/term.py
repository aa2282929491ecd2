r"""What is asked of one block of a factorisation: sign, size, sparsity, norm.

Term of a block A (k, d), one component a row:

    sum_j sum_i s_i (lam1 * abs(A_ji) + lam2 / 2 * A_ji^2 + pen(A_ji; lam))
    such that A >= 0, A <= a bound and the norm of every row at most 1, where asked.

The quadratic part of the loss in one row of a block, all others fixed, is a multiple L
of the identity. A row is therefore minimised exactly by the prox of its term with the
step 1 / L, element by element. Of l1, sign and a ball in that order the prox of the
sum is the composition; with another penalty a ball is not offered.

Symbols: s (d,) weights, L (k, 1) or a number.

Source: N. Gillis and F. Glineur, Accelerated multiplicative updates and hierarchical
ALS algorithms for nonnegative matrix factorization, Neural Computation 24, 2012; Y.-L.
Yu, On decomposing the proximal map, NIPS 2013 (the composition).
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like, dot64, namespace, sum64
from skopt2.penalties.base import soft_threshold

# Penalties with c^2 pen(a; lam) = pen(c a; c lam); others are linear in the level.
_SQUARE_SCALED = ("mcp", "scad")


@dataclass(frozen=True)
class Term:
    """Constraint and penalty of a block.

    Parameters
    ----------
    nonnegative : bool, default=False
        Whether no element may be negative.
    l1, ridge : float, default=0.0
        Levels of the l1 norm and of half the squared norm.
    penalty : Penalty, default=None
        Further separable penalty.
    level : float, default=0.0
        Its level.
    ball : bool, default=False
        Whether the norm of each row is at most one; not with ``upper``.
    upper : array of shape (d,), default=None
        Bound of each column, not with another penalty.
    """

    nonnegative: bool = False
    l1: float = 0.0
    ridge: float = 0.0
    penalty: Any = None
    level: float = 0.0
    ball: bool = False
    upper: Any = None

    @property
    def penalised(self):
        """Whether anything is added to the loss."""
        return self.l1 > 0.0 or self.ridge > 0.0 or self.level > 0.0

    @property
    def linear(self):
        """Whether the minimiser over the block solves a linear system."""
        plain = self.l1 == 0.0 and self.level == 0.0 and self.upper is None
        return plain and not self.nonnegative and not self.ball

    @property
    def convex(self):
        """Whether the term is convex."""
        return self.level == 0.0 or self.penalty.convex

    def prox(self, z, L):
        """Return the minimiser over v of L / 2 (v - z)^2 + term, ridge left out.

        Parameters
        ----------
        z : array of shape (d,) or (k, d)
            Points; one row for each component.
        L : float or array of shape (k, 1)
            Curvature, positive.
        """
        xp = namespace(z)
        if self.level > 0.0:
            if self.nonnegative:
                z = xp.maximum(z, 0.0)
            z = self.penalty.prox(z, 1.0 / L, xp.zeros_like(z) + self.level)
        if self.l1 > 0.0:
            z = z - self.l1 / L if self.nonnegative else soft_threshold(z, self.l1 / L)
        if self.nonnegative:
            z = xp.maximum(z, 0.0)
        if self.upper is not None:
            z = xp.minimum(z, self.upper)
        return into_ball(z) if self.ball else z

    @property
    def clipped(self):
        """Whether the prox is that of the sign alone."""
        plain = self.l1 == 0.0 and self.level == 0.0 and self.upper is None
        return self.nonnegative and plain and not self.ball

    def value(self, A, weights=None):
        """Return the penalties of a block as a float.

        Parameters
        ----------
        A : array of shape (k, d)
            Block.
        weights : array of shape (d,) or float, default=None
            Of the columns.
        """
        xp, total = namespace(A), 0.0
        s = 1.0 if weights is None else weights
        if self.l1 > 0.0:
            total += self.l1 * sum64(xp.abs(A) * s)
        if self.ridge > 0.0:
            total += 0.5 * self.ridge * dot64(A, A * s)
        if self.level > 0.0:
            if self.penalty.name in _SQUARE_SCALED:
                root = math.sqrt(s) if isinstance(s, float) else xp.sqrt(s)
                level = xp.zeros_like(A) + self.level * root
                total += self.penalty.value(A * root, level)
            else:
                total += self.penalty.value(A, xp.zeros_like(A) + self.level * s)
        return total

    def feasible(self, A):
        """Return the nearest block that keeps to the constraints."""
        if self.nonnegative:
            A = namespace(A).maximum(A, 0.0)
        if self.upper is not None:
            A = namespace(A).minimum(A, self.upper)
        return into_ball(A) if self.ball else A


def into_ball(z):
    """Return rows, or a vector, scaled down to a norm of at most one."""
    xp = namespace(z)
    norm = xp.sqrt(xp.sum(z * z, axis=-1, keepdims=True))
    return z / xp.maximum(norm, asarray_like(1.0, z))
