"""Constrained search by confidence bounds (CONFIG).

Problem: max f(x) subject to c_i(x) >= 0, i = 1 .. k, all of them expensive and noisy,
each with a Gaussian process of posterior mean mu and standard deviation sigma.

Every round evaluates the maximiser of the upper bound of f over the x at which every
constraint may hold, mu_i(x) + b sigma_i(x) >= 0: optimism on both sides, so that a
constraint is learned where that matters. If there is no such x the problem is declared
infeasible. W. Xu, Y. Jiang, B. Svetozarevic, C. N. Jones, "Constrained Efficient Global
Optimization of Expensive Black-box Functions" (ICML 2023), who minimise lower bounds;
their b makes the bounds hold everywhere with high probability, from norms that nobody
knows, and is a number that the user sets here.
"""

import numpy as np

# Below every bound of f in its standardised units: what cannot be feasible lies there.
BARRIER = 1e6


def optimistic_value(objective, slacks):
    """Return the function that a constrained search maximises.

    Parameters
    ----------
    objective : ndarray of shape (m,)
        Upper bounds of f at m points.
    slacks : ndarray of shape (k, m)
        Upper bounds of the constraints; negative where one cannot hold.

    Returns
    -------
    value : ndarray of shape (m,)
        The bound of f where all constraints may hold. Elsewhere less than any of those,
        and the less the further it is from that, so that a search finds its way.
    """
    missing = np.sum(np.maximum(-slacks, 0.0), axis=0)
    return np.where(missing > 0.0, -BARRIER * (1.0 + missing), objective)


def may_be_feasible(value):
    """Say whether a value of `optimistic_value` is of a point that may be feasible."""
    return value > -BARRIER


def least_violation(slacks):
    """Return how far each point is from holding all constraints.

    Parameters
    ----------
    slacks : ndarray of shape (k, m)
        Measured; not finite where the fit failed.

    Returns
    -------
    violation : ndarray of shape (m,)
        Sum over the constraints of what is missing, in deviations of each, so that
        units do not count; infinite where something was not measured.
    """
    missing = np.maximum(-slacks, 0.0)
    scale = np.ones(len(slacks))
    for index, row in enumerate(slacks):
        finite = row[np.isfinite(row)]
        if len(finite) and finite.std() > 0.0:
            scale[index] = finite.std()
    total = np.sum(missing / scale[:, None], axis=0)
    return np.where(np.isfinite(total), total, np.inf)
