"""How far the curvature of a loss can change: what turns residuals into distances.

Symbols: l the loss; eta the predictor; K the reach: abs(z_i'd) <= K norm_H(d) for all
rows, H the Hessian at the point; u = R K norm_H(d).

A loss with abs(l''') <= R l'' (squared 0, logistic and Poisson 1, multinomial root 2 in
the Euclidean norm of a row) keeps exp(-u) H <= H(w + d) <= exp(u) H. For the distance N
to the minimiser, in the norm of H, monotonicity of the gradient along the segment gives
N (1 - exp(-u)) / u <= norm of the residual in the dual norm, and its integral
N^2 (1 - exp(-u) (1 + u)) / u^2 <= gap. Both bounds are infinite where the point is
too far away for them. The Huber loss is piecewise quadratic: there the rows that stay
in the quadratic piece within a margin count, and the bound holds inside the margin.

Sources: F. Bach, Self-concordant analysis for logistic regression, Electronic Journal
of Statistics 4, 2010, proposition 1, for the first family; the rest is derived here.
"""

import math

import numpy as np

# R of the losses with abs(l''') <= R l''.
CONCORDANCE = {
    "squared": 0.0,
    "logistic": 1.0,
    "poisson": 1.0,
    "multinomial": math.sqrt(2.0),
}
# Share of the width of a piece of the Huber loss within which the rows stay in it.
MARGIN = 0.1
SUPPORTED = (*CONCORDANCE, "huber")


def distance(loss, residual, gap, reach):
    """Return bounds of the distance N, and of u, to the minimiser.

    Parameters
    ----------
    loss : Loss
        Of the lower problem.
    residual : float
        Dual norm of the least subgradient of the objective.
    gap : float
        Bound on the suboptimality; NaN where there is none.
    reach : float
        K above.

    Returns
    -------
    N, u : float
        Infinite where nothing is known.
    """
    if loss.name == "huber":
        near = reach * residual <= MARGIN * float(loss.delta)
        return (residual, 0.0) if near else (math.inf, math.inf)
    rate = CONCORDANCE[loss.name] * reach
    by_gap = math.sqrt(2.0 * gap) if gap >= 0.0 else math.inf
    if rate == 0.0:
        return min(residual, by_gap), 0.0
    u = min(_by_residual(rate * residual), _by_gap(0.5 * (rate * by_gap) ** 2))
    return u / rate, u


def _by_residual(x):
    """Return u with 1 - exp(-u) = x."""
    return -math.log1p(-x) if x < 1.0 else math.inf


def _by_gap(y):
    """Return a bound of u with 1 - exp(-u) (1 + u) = y."""
    if not y < 1.0:
        return math.inf
    if y < 1e-6:
        # From the series u^2 / 2 - u^3 / 3, which is below the left-hand side.
        root = math.sqrt(2.0 * y)
        return root * (1.0 + root)
    low, high = 0.0, 1.0
    while 1.0 - math.exp(-high) * (1.0 + high) < y:
        high *= 2.0
        if high > 1e3:
            return math.inf
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = 1.0 - math.exp(-middle) * (1.0 + middle) < y
        low, high = (middle, high) if below else (low, middle)
    return high


def sure_curvature(loss, y, eta, curvature):
    """Return a curvature that holds near the point, of the shape of ``curvature``."""
    if loss.name != "huber":
        return curvature
    delta = float(loss.delta)
    return (np.abs(eta - y) <= (1.0 - MARGIN) * delta).astype(np.float64)


def growth(u):
    """Return exp(u), the factor between the Hessians; inf where u is."""
    return math.exp(u) if u < 700.0 else math.inf


def crossing(loss, y, eta, radius):
    """Tell which rows may leave their piece of the Huber loss, (n,)."""
    return np.abs(np.abs(eta - y) - float(loss.delta)) <= radius


def gradient_lipschitz(loss, eta, gap, s):
    """Return L: sum_i s_i (change of l')^2 <= 2 L gap on the way to the minimiser.

    The Bregman divergences of the loss are at most the gap, and l' is cocoercive. The
    slope of the Poisson loss is steeper than here where its mean b is above a, that is
    exp(eta): s_i KL(b, a) <= gap gives 3 s (b - a)^2 <= 2 (3 a + b - a) gap.
    """
    if loss.name != "poisson":
        return loss.lipschitz
    a = np.exp(eta)
    c = 2.0 * gap / (3.0 * np.maximum(s, 1e-300))
    rise = 0.5 * (c + np.sqrt(c * c + 12.0 * a * c))
    return float((a + rise).max())


def bend_above(loss, y, eta, radius):
    """Return a bound of l'' for each row over abs(change of eta) <= radius, (n,).

    Parameters
    ----------
    loss : Loss
        Of the validation samples.
    y, eta : ndarray of shape (n,) or (n, K)
        Targets and predictor.
    radius : ndarray of shape (n,)
        How far the predictor may be off.
    """
    if loss.lipschitz is not None:
        return np.full(radius.shape, float(loss.lipschitz))
    with np.errstate(over="ignore", invalid="ignore"):
        bend = loss.curvature(y, eta) * np.exp(radius)
    return np.where(np.isnan(bend), np.inf, bend)
