"""A start for tall problems: the solution on a twentieth of the rows.

With many more rows than columns, a twentieth of the rows already names most of the
support and the coefficients up to their standard error, at a twentieth of the cost of
every pass and every Gram matrix. What follows on all rows is a correction. The rule is
applied again to the part, as long as that is still tall.

Source: the argument is that of warm starts along growing samples, for example H.
Daneshmand, A. Lucchi and T. Hofmann, Starting small: learning with adaptive sample
sizes, ICML 2016.
"""

import math

import numpy as np

from skopt2._core.array import dot64
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.state import Solution, in_use

# Fewer rows than this are solved directly.
TALL = 20000
FRACTION = 20
# Rows are taken in this many evenly spaced runs: cheap to copy, and representative of
# a table that is sorted.
RUNS = 64


def worth_subsampling(design):
    """Tell whether a twentieth of the rows is a useful start."""
    small = design.n // FRACTION
    return not design.sparse and design.n >= TALL and small >= 2 * design.p


def subsample(problem):
    """Return the same problem on a twentieth of the rows.

    Parameters
    ----------
    problem : LinearProblem
        Dense; its target may have been centred, which changes nothing here.
    """
    design, xp = problem.design, problem.xp
    run = design.n // (FRACTION * RUNS)
    starts = [(k * design.n) // RUNS for k in range(RUNS)]
    rows = [slice(start, start + run) for start in starts]
    X = xp.concat([design.X[r, :] for r in rows], axis=0)
    y = xp.concat([problem.y[r, ...] for r in rows], axis=0)
    s = xp.concat([problem.s[r] for r in rows], axis=0)
    total = float(xp.sum(s))
    if not total > 0.0:
        return None
    part = LinearProblem(
        X,
        y,
        problem.loss,
        problem.penalty,
        problem.lam,
        s / total,
        problem.fit_intercept,
    )
    part.deadline = problem.deadline
    return part


def noise_deviation(problem, state):
    """Return the standard deviation of the gradient of a feature without influence.

    That is sqrt(sum_i s_i l'_i^2 / n) times the norm of the feature. It is given in
    units of the level at which a feature enters.

    Parameters
    ----------
    problem : LinearProblem
        The subsample.
    state : State
        Where its residuals are taken.
    """
    residual = problem.loss.gradient(problem.y, state.eta)
    if residual.ndim > 1:
        residual = problem.xp.max(problem.xp.abs(residual), axis=1)
    design = problem.design
    spread = math.sqrt(dot64(problem.s, residual * residual) / design.n)
    spread *= math.sqrt(float(np.median(design.squared_norms)))
    slope = problem.penalty.slope_at_zero(problem.lam)
    slope = slope[np.isfinite(slope) & (slope > 0)]
    return spread / float(np.median(slope)) if slope.size else 0.0


def solve_part(solver):
    """Return the solution on the subsample, its level, and what to expect of all rows.

    Parameters
    ----------
    solver : WorkingSetNewton
        Of the subsample.

    Returns
    -------
    start : Solution
        Where the full problem starts.
    level : float
        At least 1; what lies between it and 1 is left to the full problem. It is above
        the largest of p gradients of noise, about sqrt(2 log p) deviations, below which
        the subsample would select noise.
    share : float
        Expected share of the features without influence that the target level admits
        on all rows.
    """
    state = solver.init()
    extreme = math.sqrt(2.0 * math.log(solver.problem.design.p + 1.0))
    for _ in range(50):
        state = solver.step(state)
        deviation = noise_deviation(solver.problem, state)
        reached = solver.certificate(state).value <= solver.tol
        noisy = state.level <= extreme * deviation
        if reached or state.stalled or noisy or solver.problem.expired:
            break
    deviation /= math.sqrt(FRACTION)
    share = math.erfc(math.sqrt(0.5) / deviation) if deviation > 0.0 else 0.0
    return solver.finalize(state), max(state.level, 1.0), share


def without_excess(start, problem, part, c, level):
    """Return a start less the features that one proximal step sends to zero.

    On a part of the rows the support is too large; the gradient on all rows tells.

    Parameters
    ----------
    start : Solution
        From the subsample.
    problem, part : LinearProblem
        The full problem and the subsample.
    c : ndarray of shape (p,) or (p, K)
        Gradient of the full problem at the start.
    level : float
        Multiple of the levels.
    """
    norms = part.design.squared_norms[start.ids] * (problem.loss.lipschitz or 1.0)
    step = 1.0 / np.maximum(norms, 1e-300)
    lam = problem.lam[start.ids] * level
    if start.w.ndim > 1:
        step, lam = step[:, None], lam[:, None]
    penalty = problem.penalty.restrict(start.ids)
    stay = in_use(penalty.prox(start.w - step * c[start.ids], step, lam))
    return Solution(start.ids[stay], start.w[stay], start.intercept)
