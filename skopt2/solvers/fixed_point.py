"""Stationarity where zero is always stationary: fixed points of the coordinate proxes.

For l0 and l_q every subset of features has a point without subdifferential violation,
so that violation proves nothing. The measure here is

    max_j L_j * abs(w_j - prox_{1/L_j}(w_j - grad_j / L_j)),

L_j = c * D_j the Lipschitz constant of the j-th partial derivative (c and D of
:mod:`skopt2.solvers.composite`). It is 0 exactly at the points that no change of one
coordinate can improve within that quadratic bound: for the squared loss, at all.

Source: A. Beck and Y. Eldar, Sparsity constrained nonlinear optimization: optimality
conditions and algorithms, SIAM J. Optimization 23, 2013, sections 2.3 and 3.3.
"""

import numpy as np

from skopt2.solvers.certificate import gradient_scale
from skopt2.solvers.composite import column_scale, smoothness

FIXED_POINT = "relative fixed-point violation"


def coordinate_bounds(problem, eta):
    """Return L (p,) on the host: bounds of the second partial derivatives."""
    return smoothness(problem, eta) * column_scale(problem.design)


def fixed_point_violation(problem, w, gradient, bounds):
    """Return the measure above, relative to max_j abs(gradient_j at 0).

    Parameters
    ----------
    problem : LinearProblem
        Any penalty.
    w : ndarray of shape (p,) or (p, K)
        Coefficients, on the host.
    gradient : ndarray of the shape of w
        Gradient of the smooth part.
    bounds : ndarray of shape (p,)
        L.
    """
    moves = coordinate_moves(problem.penalty, w, gradient, problem.lam_full, bounds)
    largest = float(np.abs(moves).max()) if moves.size else 0.0
    return largest / gradient_scale(problem)


def coordinate_moves(penalty, w, gradient, lam, bounds):
    """Return L_j * (prox_{1/L_j}(w_j - grad_j / L_j) - w_j) per coordinate."""
    L = bounds if w.ndim == 1 else bounds[:, None]
    return L * (penalty.prox(w - gradient / L, 1.0 / L, lam) - w)
