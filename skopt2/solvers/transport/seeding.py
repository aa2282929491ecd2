"""Starting centres for the clustering of points with masses.

Symbols: m points with masses w, S_ij a divergence of point i to point j, zero for
i = j; k centres wanted. The first is drawn by its mass, every other one with the
probability w_i min_j S_ij over the centres j so far; the best of a few such draws, by
sum_i w_i min_j S_ij, is kept.

Draws invert the cumulative masses, so that a point of mass two and two equal points of
mass one are drawn alike.

Source: D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding,
SODA 2007, sections 2 and 6 (several draws).
"""

import math

import numpy as np


def spread_out(divergences, w, k, rng):
    """Draw centres that are far apart.

    Parameters
    ----------
    divergences : callable
        ``divergences(ids)`` returns those of all points to some, (m, len(ids)), as
        nonnegative numbers in host memory.
    w : ndarray of shape (m,)
        Masses with the sum one.
    k : int
        Number of centres, at most that of the points with mass.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    ids : ndarray of shape (k,)
        Numbers of different points of positive mass.
    """
    trials = 2 + int(math.log(k))
    ids = [int(_draw(w, 1, rng)[0])]
    nearest = divergences(np.asarray(ids))[:, 0]
    while len(ids) < k:
        chance = w * nearest
        # Rounding may leave a trace of divergence at a centre.
        chance[ids] = 0.0
        if not chance.sum() > 0.0:
            chance = np.where(np.isin(np.arange(w.size), ids), 0.0, w)
        drawn = np.unique(_draw(chance, trials, rng))
        values = np.minimum(nearest[:, None], divergences(drawn))
        best = int((w @ values).argmin())
        ids.append(int(drawn[best]))
        nearest = values[:, best]
    return np.asarray(ids)


def drawn_by_mass(w, k, rng):
    """Draw different points, one after the other, each by its mass.

    Parameters
    ----------
    w : ndarray of shape (m,)
        Masses, at least ``k`` of them positive.
    k : int
        Number of points.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    ids : ndarray of shape (k,)
        Numbers of points of positive mass.
    """
    chance, ids = w.astype(np.float64), []
    for _ in range(k):
        ids.append(int(_draw(chance, 1, rng)[0]))
        chance[ids[-1]] = 0.0
    return np.asarray(ids)


def _draw(chance, count, rng):
    """Draw points with replacement, with probabilities in proportion to ``chance``."""
    some = np.flatnonzero(chance)
    total = np.cumsum(chance[some])
    found = np.searchsorted(total, rng.random(count) * total[-1], side="right")
    return some[np.minimum(found, some.size - 1)]
