"""The smooth piece of a separable penalty around a point.

Problem: min_x f(x) + sum_i pen(x_i; lam_i), g = grad f(x).

A coordinate is confined to [low, high]: its bounds, cut at 0 where the penalty has a
kink there. The half-line of a coordinate at the kink is the one that it would leave to.
Inside, the objective has the derivative q; a coordinate at an end is held if q points
outwards. This is what the two-metric projection needs to know about a penalty: bounds
and kinks are the same to it.

Source: D. Bertsekas, Projected Newton methods for optimization problems with simple
constraints, SIAM J. Control and Optimization 20, 1982, section 2; M. Schmidt, G. Fung
and R. Rosales, Fast optimization methods for l1 regularization, ECML 2007, section 3,
for the half-lines of the l1 norm.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Piece:
    """Where coordinates may move, and how the objective rises there.

    Parameters
    ----------
    low, high : ndarray of shape (m,)
        Ends.
    q : ndarray of shape (m,)
        Derivative of the objective, one-sided at a kink.
    free : ndarray of bool of shape (m,)
        Coordinates that no end holds.
    """

    low: np.ndarray
    high: np.ndarray
    q: np.ndarray
    free: np.ndarray


def limits(penalty, lam):
    """Return the bounds of the coordinates, (m,) each.

    Parameters
    ----------
    penalty : Penalty
        Restricted to the coordinates.
    lam : ndarray of shape (m,)
        Levels; a coordinate with level inf is 0.
    """
    low, high = penalty.bounds or (-np.inf, np.inf)
    shut = np.isinf(lam)
    return np.where(shut, 0.0, low), np.where(shut, 0.0, high)


def piece(penalty, x, g, lam):
    """Return the piece around a point.

    Parameters
    ----------
    penalty : Penalty
        Restricted to the coordinates of x.
    x, g : ndarray of shape (m,)
        Point, and gradient of f.
    lam : ndarray of shape (m,)
        Levels.
    """
    low, high = limits(penalty, lam)
    slope = penalty.slope_at_zero(lam)
    kink = np.isfinite(slope) & (slope > 0.0) & ~penalty.unpenalised(lam)
    slope = np.where(kink, slope, 0.0)
    at_zero = x == 0.0
    # At a kink the derivative is taken on the side to which the gradient draws.
    side = np.where(at_zero, -np.sign(g), np.sign(x))
    q = g + np.where(at_zero, side * slope, penalty.derivative(x, lam))
    low = np.where(kink & (side >= 0.0), np.maximum(low, 0.0), low)
    high = np.where(kink & (side <= 0.0), np.minimum(high, 0.0), high)
    free = ~((x <= low) & (q >= 0.0)) & ~((x >= high) & (q <= 0.0))
    return Piece(low, high, q, free)
