"""Levels of regularisation, from coarse to the one that is asked for.

Symbols: eps the regularisation, eps_k = max(eps, 0.1 (max C - min C) 4^-k) its levels.

Small regularisation makes a dual objective whose Newton steps only hold nearby, and
sweeps that forget slowly. Potentials in the units of the cost change little from one
level to the next, so that each level starts near its solution. Only the last one has to
reach the tolerance.

Source: B. Schmitzer, Stabilized sparse scaling algorithms for entropy regularized
transport problems, SIAM J. Sci. Comput. 41, 2019, section 3.2.
"""

# The first level as a share of the range of costs, and the factor between two levels.
FIRST, FACTOR = 0.1, 4.0
# Marginal error at which a level is left for the next.
LEVEL_TOL = 1e-2


def levels(spread, eps):
    """Return decreasing levels of regularisation that end with ``eps``.

    Parameters
    ----------
    spread : float
        Range of the costs.
    eps : float
        Regularisation that is asked for.

    Returns
    -------
    levels : list of float
    """
    found, level = [], FIRST * spread
    while level > 1.2 * eps:
        found.append(level)
        level /= FACTOR
    return [*found, eps]
