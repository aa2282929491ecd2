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

Optimism bounds how much the constraints are violated in all, and not in the end: where
the maximum lies on the boundary of a constraint the points come to lie just outside it.
So what is known well, with a sigma of less than a fiftieth of the spread of c, has to
keep within the constraint by b sigma: there is nothing more to learn there.
"""

import numpy as np

# Below every bound of f in its standardised units: what cannot be feasible lies there.
BARRIER = 1e6
# Standard deviation below which a constraint is known, in its standardised units.
KNOWN = 0.02


def slack_bound(mean, std, confidence):
    """Return what is asked of a constraint at some points.

    Parameters
    ----------
    mean, std : ndarray of shape (m,)
        Posterior of what is left up to the bound, in standardised units.
    confidence : float
        b, the width in standard deviations.

    Returns
    -------
    bound : ndarray of shape (m,)
        The upper bound, or the lower one where the constraint is known.
    """
    return mean + np.where(std < KNOWN, -confidence, confidence) * std


def optimistic_value(objective, slacks):
    """Return the function that a constrained search maximises.

    Parameters
    ----------
    objective : ndarray of shape (m,)
        Upper bounds of f at m points.
    slacks : ndarray of shape (k, m)
        Bounds of the constraints; negative where one cannot hold.

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
        Measured: NaN where the fit failed, infinite where there is no bound.

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
