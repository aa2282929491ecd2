"""How far a point is from optimal: the duality gap, or the KKT violation.

Dual of F: max_theta -sum_i s_i l*(y_i, theta_i) - sum_j pen*(-x_j'(s * theta)), with
sum_i s_i theta_i = 0 where an intercept is fitted. The gradient theta = l'(y, eta) of
the loss is a dual point up to scale: theta is balanced for the intercept and then
shrunk to where both conjugates are finite. Any such point bounds the suboptimality, so
the gap is a proof and not an estimate.

Source: O. Fercoq, A. Gramfort and J. Salmon, Mind the duality gap, ICML 2015,
section 3, for the rescaled dual point; R. T. Rockafellar, Convex Analysis, 1970,
section 31, for the dual.
"""

import math

import numpy as np

GAP = "relative duality gap"
KKT = "relative KKT violation"


def certificate_name(problem):
    """Return which certificate a problem has.

    The gap needs a convex penalty whose dual points can be rescaled. With unpenalised
    features the dual point would have to be orthogonal to them exactly, which a fit
    only is up to rounding: there the KKT violation is the honest figure.
    """
    if problem.penalty.has_gap and np.all(problem.lam > 0):
        return GAP
    return KKT


def duality_gap(problem, eta, gradient, penalty_value):
    """Return objective and duality gap.

    Parameters
    ----------
    problem : LinearProblem
        Convex.
    eta : array of shape (n,) or (n, K)
        Linear predictor.
    gradient : ndarray of shape (p,) or (p, K)
        X'(s * l'(y, eta)) of the centred columns.
    penalty_value : float
        Penalty at the point.
    """
    loss, s = problem.loss, problem.s
    primal = problem.loss_value(eta) + penalty_value
    theta = loss.gradient(problem.y, eta)
    if problem.explicit_intercept:
        balanced = loss.balance(problem.y, theta, s)
        shift = problem.xp.max(problem.xp.abs(balanced - theta))
        if float(shift) > 0.0:
            # Centred columns see no constant, yet balancing is not always a shift.
            theta = balanced
            gradient = problem.design.gradient(problem.weigh(theta))
    scale = loss.to_domain(problem.y, theta)
    scale *= problem.penalty.dual_scale(-scale * gradient, problem.lam_full)
    if not scale > 0.0:
        scale = 0.0
    dual = -loss.conjugate(problem.y, theta * scale, s)
    dual -= problem.penalty.conjugate(-scale * gradient, problem.lam_full)
    return primal, max(primal - dual, 0.0)


def kkt_violation(problem, w, gradient):
    """Return max_j dist(-gradient_j, d pen(w_j)) / max_j abs(gradient_j at 0)."""
    distance = problem.penalty.subdiff_distance(w, gradient, problem.lam_full)
    largest = float(distance.max()) if distance.size else 0.0
    return largest / gradient_scale(problem)


def gradient_scale(problem):
    """Return the largest gradient of the null model, that of the data where it is 0.

    What a constant column, or a target without variation, leaves behind is rounding
    error: relative to that, nothing would ever be stationary.
    """
    if problem.null_scale is None:
        problem.null_scale = _null_scale(problem)
    return problem.null_scale


def _null_scale(problem):
    force = np.abs(problem.null_gradient)
    force = force if force.ndim == 1 else force.max(axis=1)
    force = np.where(np.isfinite(problem.lam), force, 0.0)
    top = int(force.argmax())
    eps = 1e-4 if problem.y.dtype == problem.xp.float32 else 2e-13
    slope = problem.loss.gradient(problem.y, problem.null_predictor)
    slope = math.sqrt(float(problem.xp.sum(problem.weigh(slope * slope))))
    # By Cauchy and Schwarz the gradient is at most norm * slope. One norm will do as
    # long as the largest gradient is not suspiciously small.
    column = problem.design.columns(np.array([top]))
    column = column @ problem.design.to_device(np.ones(1))
    largest = float(force[top])
    if largest > eps * slope * math.sqrt(problem.energy(column)):
        return largest if math.isfinite(largest) else 1.0
    bound = slope * np.sqrt(problem.design.squared_sizes)
    sound = force > eps * bound
    scale = float((force[sound] if sound.any() else bound).max())
    return scale if 0.0 < scale < math.inf else 1.0


def objective_scale(problem):
    """Return by how much the null model misses the best fit of each sample, 1 at 0.

    That is its deviance, up to a factor. For losses that reach 0 it is the objective of
    the null model; the Poisson loss has another minimum, and may be 0 at that model.
    """
    if problem.null_excess is None:
        null = problem.null_value
        zero = problem.xp.zeros_like(problem.y)
        best = -problem.loss.conjugate(problem.y, zero, problem.s)
        excess = null - best
        # The intercept of a constant target is off by a rounding of it, which the loss
        # squares: relative to that, no fit would ever be good.
        whole = problem.loss.value(problem.y, zero, problem.s) - best
        least = max(1e-14 * (abs(null) + abs(best)), 1e-28 * whole)
        sound = least < excess < math.inf
        problem.null_excess = excess if sound else 1.0
    return problem.null_excess
