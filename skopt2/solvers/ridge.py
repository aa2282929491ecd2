"""What makes a singular Newton matrix definite.

Problem: solve (G[S, S] + r diag(v)) d = b where G (m, m) is singular on S.

In the null space of the matrix the step is as long as the ridge r is small, and as
inexact. No length is gained from a ridge that is too small: the step ends at the first
coefficient that arrives at zero.
"""

import numpy as np

# Ridges to try, relative to the diagonal.
RIDGES = (1e-7, 1e-5, 1e-3)


def ridge_sizes(model, S, G):
    """Return what a ridge is relative to: the diagonal that is not rounding.

    Parameters
    ----------
    model : QuadraticModel or CurvedModel
        Of one output; with an explicit intercept its first coordinate is that.
    S : ndarray of int of shape (k,)
        Coordinates.
    G : ndarray of shape (m, m)
        The Gram matrix, known on S x S.
    """
    problem = model.problem
    offset, means = model.size - model.block.m, problem.design.means
    diagonal = np.abs(G[S, S])
    if means is not None:
        # A constant column is not quite 0 once it is centred, and a ridge of that size
        # would share the intercept between the two.
        level = G[0, 0] if offset else 1.0
        level *= float(problem.xp.finfo(problem.y.dtype).eps)
        noise = level * means[model.block.ids] ** 2
        diagonal = np.maximum(diagonal, np.append(np.zeros(offset), noise)[S])
    return np.where(diagonal > 0.0, diagonal, diagonal.max())
