"""A start for losses that are almost kinked: solutions of wider losses.

Problem: min F of :mod:`skopt2.solvers.problem` with a loss whose curvature is confined
to a width that few residuals fall into, as that of Huber's loss with a delta far below
the noise. Newton steps there are pivots of a linear program, from one sample to the
next. With the width h in place of delta, and the same largest slopes, the problem is
smooth where h is the size of the residuals; h is divided until it is delta, each
solution being the start of the next.

Source: K. Madsen and H. B. Nielsen, A finite smoothing algorithm for linear l1
estimation, SIAM J. Optimization 3, 1993.
"""

import copy
from dataclasses import replace

import numpy as np

from skopt2._core.array import to_numpy

# Each width is this fraction of the one before.
SHRINK = 0.1
# A width is too narrow for a cold start if typical residuals are this much larger.
NARROW = 20.0
# Accuracy of the solutions on the way, and the steps that they may take.
ACCURACY, STEPS = 1e-3, 15


def first_width(problem):
    """Return the first width of the continuation, None if it is not needed.

    Parameters
    ----------
    problem : LinearProblem
        Any loss.
    """
    if getattr(problem.loss, "widened", None) is None:
        return None
    residual = np.abs(to_numpy(problem.y - problem.null_predictor))
    typical = float(np.median(residual))
    return typical if typical > NARROW * problem.loss.delta else None


def widened_start(problem, make):
    """Return the solution of the narrowest of the wider problems, None if not needed.

    Parameters
    ----------
    problem : LinearProblem
        The problem.
    make : callable
        ``make(problem, tol)`` returns a solver.
    """
    width, start = first_width(problem), None
    if width is None:
        return None
    while width > problem.loss.delta and not problem.expired:
        wide = copy.copy(problem)
        wide.loss = problem.loss.widened(width)
        wide.forget_null()
        solver = make(wide, ACCURACY)
        state = solver.init(start)
        if start is not None:
            state = replace(state, level=1.0)
        for _ in range(STEPS):
            state = solver.step(state)
            measure = solver.certificate(state)
            done = measure.value <= ACCURACY or measure.stalled
            if done or problem.expired:
                break
        start = solver.finalize(state)
        width *= SHRINK
    return start
