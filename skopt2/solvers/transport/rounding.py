"""A stored matrix moved onto the transport polytope.

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


def _share(mass, total):
    """Return min(1, mass / total), 1 where there is nothing to share."""
    xp = namespace(mass)
    one = xp.ones_like(mass)
    return xp.minimum(mass / xp.where(total > 0, total, one), one)
