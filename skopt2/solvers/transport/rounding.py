"""A matrix moved onto the transport polytope, whole or in blocks.

Problem: for P >= 0 (n, m), find P' >= 0 with P' 1 = a and P''1 = b near P. Rows, then
columns, that are too heavy are scaled down; what all of them lack is spread as a
product.

Source: J. Altschuler, J. Weed and P. Rigollet, Near-linear time approximation
algorithms for optimal transport via Sinkhorn iteration, NIPS 2017, algorithm 2.
"""

from skopt2._core.array import namespace, sum64


def round_to_marginals(P, a, b):
    """Return a plan with the given sums near a nonnegative matrix.

    Parameters
    ----------
    P : array of shape (n, m)
        Nonnegative.
    a, b : array of shape (n,), (m,)
        Nonnegative masses of equal sums.

    Returns
    -------
    plan : array of shape (n, m)
        With sum_ij abs(plan - P)_ij <= 2 (abs(P 1 - a)_1 + abs(P'1 - b)_1).
    """
    xp = namespace(P)
    P = P * _share(a, xp.sum(P, axis=1))[:, None]
    P = P * _share(b, xp.sum(P, axis=0))[None, :]
    lack_a = xp.maximum(a - xp.sum(P, axis=1), xp.zeros_like(a))
    lack_b = xp.maximum(b - xp.sum(P, axis=0), xp.zeros_like(b))
    total = sum64(lack_b)
    if total > 0:
        P = P + lack_a[:, None] * (lack_b / total)[None, :]
    return P


class Rounding:
    """The plan moved onto given marginals, block by block.

    P' = diag(x) P diag(y) + e d' / sum(e), with x = min(1, a / P 1), then
    y = min(1, b / P' x), and e, d what the rows and columns still lack.

    Parameters
    ----------
    geometry : object
        With ``marginals``, ``apply`` and ``apply_t``.
    f, g : array of shape (n,), (m,)
        Potentials of the plan.
    eps : float
        Regularisation.
    a, b : array of shape (n,), (m,)
        Marginals of equal sums.
    """

    def __init__(self, geometry, f, g, eps, a, b):
        xp = geometry.xp
        rows = geometry.apply(f, g, eps, xp.ones_like(b))
        self.x = _share(a, rows)
        cols = geometry.apply_t(f, g, eps, self.x)
        self.y = _share(b, cols)
        lack = a - self.x * geometry.apply(f, g, eps, self.y)
        self.e = xp.maximum(lack, xp.zeros_like(lack))
        lack = b - self.y * cols
        d = xp.maximum(lack, xp.zeros_like(lack))
        total = sum64(d)
        self.d = d / total if total > 0.0 else d

    def rows(self, rows, p):
        """Return the rows of P' that a block ``p`` of P becomes."""
        moved = self.x[rows, None] * p * self.y[None, :]
        return moved + self.e[rows, None] * self.d[None, :]


def _share(mass, total):
    """Return min(1, mass / total), 1 where there is nothing to share."""
    xp = namespace(mass)
    one = xp.ones_like(mass)
    return xp.minimum(mass / xp.where(total > 0, total, one), one)
