"""Parameters of trace regression, the problem that they describe, and its start."""

import math
import numbers

import numpy as np

from skopt2._core.array import asarray_like, max_abs, to_numpy
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.random import seed_sequence
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.measurements import Measurements
from skopt2.solvers.low_rank.problem import Completion, Factors, absolute_loss
from skopt2.solvers.low_rank.robust_descent import RobustDescent
from skopt2.solvers.low_rank.scaled_descent import ScaledDescent
from skopt2.solvers.low_rank.start import random_start

LOSSES, SOLVERS = ("squared", "huber", "l1"), ("scaledgd", "gd")
# Width in which an absolute value is a parabola, relative to the largest residual.
ROUNDED = 1e-4


def check_low_rank_regressor(estimator):
    """Raise ValueError unless the parameters are in range and fit together.

    Parameters
    ----------
    estimator : LowRankRegressor
        Not fitted.
    """
    check_choice("loss", estimator.loss, LOSSES)
    check_choice("solver", estimator.solver, SOLVERS)
    shape = estimator.shape
    if shape is not None and not (
        isinstance(shape, tuple | list)
        and len(shape) == 2
        and all(_is_count(side) for side in shape)
    ):
        raise ValueError(
            f"shape must be a pair of positive integers or None; got {shape!r}."
        )
    check_number("alpha", estimator.alpha, 0)
    check_number("damping", estimator.damping, 0)
    check_positive("delta", estimator.delta)
    check_count("rank", estimator.rank, optional=True)


def _is_count(value):
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and value >= 1
    )


def matrix_shape(estimator, n_features):
    """Return the shape of the matrices, or raise ValueError.

    Parameters
    ----------
    estimator : LowRankRegressor
        Checked.
    n_features : int
        Columns of X.
    """
    if estimator.shape is None:
        divisors = range(math.isqrt(n_features), 0, -1)
        side = next(d for d in divisors if n_features % d == 0)
        shape = (side, n_features // side)
    else:
        shape = tuple(int(side) for side in estimator.shape)
        if shape[0] * shape[1] != n_features:
            raise ValueError(
                f"shape={estimator.shape!r} has {shape[0] * shape[1]} elements, but X "
                f"has {n_features} features: pass the shape of the flattened matrices."
            )
    if estimator.psd and shape[0] != shape[1]:
        raise ValueError(
            f"psd=True needs square matrices, but the shape is {shape}: pass shape, or "
            "set psd=False."
        )
    return shape


def measurement_problem(estimator, data):
    """Return the problem that the parameters describe.

    Parameters
    ----------
    estimator : LowRankRegressor
        Checked.
    data : FitInput
        Of the fit.
    """
    shape = matrix_shape(estimator, int(data.X.shape[1]))
    centre, alpha = bool(estimator.fit_intercept), float(estimator.alpha)
    entries = Measurements(
        data.X, data.y, shape, data.sample_weight, centre, bool(estimator.psd)
    )
    loss = EntryLoss()
    if estimator.loss == "huber":
        loss = EntryLoss(float(estimator.delta))
    elif estimator.loss == "l1":
        plain = Completion(entries, 0.0, EntryLoss(), centre, False)
        counted = plain.xp.astype(entries.ones() > 0.0, entries.like.dtype)
        width = max_abs(plain.residual(plain.null) * counted)
        loss = absolute_loss(ROUNDED * (width if width > 0.0 else 1.0))
    whole = estimator.rank is None or estimator.rank >= min(shape)
    return Completion(entries, alpha, loss, centre, whole and not estimator.psd)


def measurement_solver(estimator, problem):
    """Return the solver of a problem."""
    if estimator.loss == "l1":
        return RobustDescent(problem)
    scaled = estimator.solver == "scaledgd"
    return ScaledDescent(problem, float(estimator.damping), scaled=scaled)


def measurement_start(estimator, problem):
    """Return the model to start from: small and random, or the last fit.

    Parameters
    ----------
    estimator : LowRankRegressor
        Its parameters, and its last fit where ``warm_start`` asks for it.
    problem : Completion
        Of measurements.
    """
    d1, d2 = problem.entries.shape
    most = min(d1, d2)
    rank = most if estimator.rank is None else min(int(estimator.rank), most)
    if estimator.warm_start and hasattr(estimator, "left_"):
        U, V = (to_numpy(A) for A in (estimator.left_, estimator.right_))
        if (U.shape, V.shape) == ((d1, rank), (d2, rank)):
            like, means = problem.entries.like, problem.entries.means
            b = np.full(1, float(estimator.intercept_))
            if means is not None:
                b = b + to_numpy(estimator.coef_) @ to_numpy(means)
            return Factors(*(asarray_like(A, like) for A in (U, V, b)))
    seed = int(seed_sequence(estimator.random_state).generate_state(1)[0])
    model = random_start(problem, rank, seed)
    return Factors(model.U, model.U, model.b) if estimator.psd else model
