"""The levels on the way from a cold start to the target.

Problem: solve for lam, given the solution for a larger multiple of lam.
Symbols: a level, the multiple of the target levels lam that is solved for.

Each level is a fraction of the one before, as small as the Newton steps between them
stay few. While few features are active hardly any step is needed, least of all where
the columns are sparse, and so nearly orthogonal, and the loss is quadratic. Many active
features of a sparse X are solved for by conjugate gradients, and take the most. Without
convexity it is the small steps of a path that lead to low minima.

Source: the fractions were measured on Gaussian and sparse designs of 1000 x 20000 and
20000 x 100000.
"""

import numpy as np

FRACTION = {"few": 0.35, "dense": 0.6, "sparse": 0.7, "nonconvex": 0.9}
# Up to so many active features are few: dense columns, sparse ones.
FEW = {"dense": 30, "sparse": 200}


def next_fraction(problem, n_active):
    """Return how far the next level may lie below the one before.

    Parameters
    ----------
    problem : LinearProblem
        What is solved.
    n_active : int
        Features in use at the level before.

    Returns
    -------
    fraction : float
        Between 0 and 1.
    """
    if not problem.penalty.convex:
        return FRACTION["nonconvex"]
    kind = "sparse" if problem.design.sparse else "dense"
    easy = kind == "dense" or problem.loss.is_quadratic
    return FRACTION["few" if easy and n_active <= FEW[kind] else kind]


def level_ratio(previous, lam):
    """Return how much larger the previous levels were, on the penalised features.

    Parameters
    ----------
    previous, lam : ndarray of shape (p,)
        Levels in [0, inf].

    Returns
    -------
    ratio : float
        1 where no feature is penalised by both.
    """
    both = np.isfinite(previous) & np.isfinite(lam) & (lam > 0)
    return float((previous[both] / lam[both]).max()) if both.any() else 1.0
