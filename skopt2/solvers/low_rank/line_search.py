r"""The best step along a direction of all factors.

Along (U + e dU, V + e dV, b + e db) the residual is r - e l - e^2 q with l = dU V' + U
dV' + 1 db' and q = dU dV', so that the objective, majorised by weights w, is a
polynomial of degree four. Its minimiser is exact for the squared loss, and lowers the
others too.

Source: J. Tanner and K. Wei, Low rank matrix completion by alternating steepest descent
methods, ACHA 40, 2016 (exact steps).
"""

import numpy as np

from skopt2._core.array import dot64
from skopt2.solvers.low_rank.problem import Factors


def exact_step(problem, w, r, model, direction):
    """Return the positive minimiser along a direction; zero without any.

    Parameters
    ----------
    problem : Completion or Sensing
        With ``entries``, ``level`` and ``intercept``.
    w, r : array
        Weights and residuals at the model.
    model, direction : Factors
        Where to start, and where to go.

    Returns
    -------
    e : float
        NaN where something is not finite.
    """
    entries, lam = problem.entries, problem.level
    U, V, dU, dV = model.U, model.V, direction.U, direction.V
    linear = entries.forward(dU, V) + entries.forward(U, dV)
    if problem.intercept:
        linear = linear + entries.shift(direction.b)
    square = entries.forward(dU, dV)
    wl, wq = w * linear, w * square
    slope = -dot64(wl, r) + lam * (dot64(U, dU) + dot64(V, dV))
    bend = 0.5 * dot64(wl, linear) - dot64(wq, r)
    bend += 0.5 * lam * (dot64(dU, dU) + dot64(dV, dV))
    powers = np.array([0.5 * dot64(wq, square), dot64(wl, square), bend, slope, 0.0])
    if not np.isfinite(powers).all():
        return np.nan
    roots = np.roots(np.polyder(powers))
    roots = roots.real[np.abs(roots.imag) <= 1e-8 * np.abs(roots)]
    roots = roots[roots > 0.0]
    if not roots.size:
        return 0.0
    return float(roots[np.argmin(np.polyval(powers, roots))])


def moved(model, direction, e):
    """Return the model after a step along a direction."""
    U, V = model.U + e * direction.U, model.V + e * direction.V
    return Factors(U, V, model.b + e * direction.b)
