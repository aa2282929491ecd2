"""A group penalty as the penalty of a linear problem, and the scale of its KKT figure.

:class:`~skopt2.solvers.problem.LinearProblem` holds one level per group here, and the
certificates ask its penalty for a feasible dual point. Gradients arrive with respect to
the features and are turned to the coordinates of the groups.
"""

import math

import numpy as np

from skopt2.solvers.certificate import KKT, certificate_name, duality_gap


class GroupedPenalty:
    """A group penalty with its groups.

    Parameters
    ----------
    penalty : GroupPenalty
        Its shape.
    coordinates : Coordinates
        Groups, as given or orthonormal.
    """

    # Zero is never as good as another point at the largest level of a path.
    stationarity = "subdifferential"

    def __init__(self, penalty, coordinates):
        self.penalty, self.coordinates = penalty, coordinates
        self.partition = coordinates.partition
        self.name, self.convex = penalty.name, penalty.convex
        self.has_gap = penalty.has_gap

    def value(self, v, lam):
        """Return the penalty of coefficients in the coordinates of the groups."""
        return self.penalty.value(v, self.partition, lam)

    def dual_scale(self, u, lam):
        """Return the factor that makes a dual point, (p,) or (p, K), feasible."""
        u = self.coordinates.gradient(u)
        return self.penalty.dual_scale(u, self.partition, lam.ravel())

    def conjugate(self, u, lam):
        """Return the conjugate at a feasible point, 0 for norms."""
        u = self.coordinates.gradient(u)
        return self.penalty.conjugate(u, self.partition, lam.ravel())

    def critical_level(self, c, lam):
        """Return the multiples of their levels that keep groups at zero, (G,)."""
        return self.penalty.critical_level(c, self.partition, lam)


def group_scale(problem):
    """Return the largest norm of a group of the null gradient, of the data if it is 0.

    What constant columns leave behind is rounding error, and no scale.
    """
    coordinates = problem.penalty.coordinates
    partition = coordinates.partition
    norms = partition.norms(coordinates.gradient(problem.null_gradient))
    slope = problem.loss.gradient(problem.y, problem.null_predictor)
    slope = math.sqrt(problem.energy(slope))
    if coordinates.orthonormal:
        bound = np.full(partition.n_groups, slope)
    else:
        bound = slope * np.sqrt(coordinates.groups.sums(problem.design.squared_sizes))
    eps = 1e-4 if problem.y.dtype == np.float32 else 2e-13
    allowed = np.isfinite(problem.lam)
    sound = allowed & (norms > eps * bound)
    candidates = norms[sound] if sound.any() else bound
    scale = float(candidates.max()) if candidates.size else 1.0
    return scale if 0.0 < scale < math.inf else 1.0


def measure_of(problem, v, eta, c):
    """Return objective, relative-to-be certificate and gap of a point.

    Parameters
    ----------
    problem : LinearProblem
        With a :class:`GroupedPenalty`.
    v : ndarray of shape (r,)
        Coefficients in the coordinates of the groups.
    eta : ndarray of shape (n,) or (n, K)
        Linear predictor.
    c : ndarray of shape (p,) or (p, K)
        Gradient with respect to the features.

    Returns
    -------
    objective : float
        At the level of the problem.
    distance : float
        Largest distance from stationarity, NaN where there is a gap.
    gap : float
        NaN where there is none.
    """
    grouped = problem.penalty
    value = grouped.value(v, problem.lam)
    if certificate_name(problem) != KKT:
        objective, gap = duality_gap(problem, eta, c, value)
        return objective, math.nan, gap
    objective = problem.loss_value(eta) + value
    turned = grouped.coordinates.gradient(c)
    distance = grouped.penalty.subdiff_distance(
        v, turned, grouped.partition, problem.lam
    )
    worst = float(distance.max()) if distance.size else 0.0
    if problem.explicit_intercept:
        pull = problem.weighted_gradient(eta).sum(axis=0)
        worst = max(worst, float(np.linalg.norm(pull)))
    return objective, worst, math.nan
