"""Parameters of matrix completion: what they mean and what is refused."""

import math
import numbers

import numpy as np

from skopt2._core.array import to_numpy
from skopt2.decomposition.factorization_options import check_choice, check_level
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.problem import Completion, absolute_loss

SOLVERS, LOSSES = ("auto", "altmin", "scaledgd"), ("squared", "l1")
FLAGS = ("fit_intercept", "scale", "keep_observed", "keep_empty_features")


def check_completer(estimator):
    """Raise ValueError unless the parameters are in range and fit together.

    Parameters
    ----------
    estimator : MatrixCompleter
        Not fitted.
    """
    rank, alpha = estimator.rank, estimator.alpha
    if not (isinstance(alpha, str) and alpha == "auto"):
        alpha = check_level("alpha", alpha)
    named = isinstance(rank, str) and rank == "auto"
    if not (rank is None or named) and not _is_count(rank):
        raise ValueError(
            f"rank must be a positive integer, 'auto' or None; got {rank!r}."
        )
    if rank is None and alpha == 0.0:
        raise ValueError(
            "rank=None needs alpha > 0: without a penalty any values of the missing "
            f"entries fit; got alpha={estimator.alpha!r}. Set alpha, or a rank."
        )
    check_choice("solver", estimator.solver, SOLVERS)
    check_choice("loss", estimator.loss, LOSSES)
    if estimator.solver == "scaledgd" and estimator.loss != "squared":
        raise ValueError(
            "solver='scaledgd' is for the squared loss; got "
            f"loss={estimator.loss!r}. Use solver='altmin'."
        )
    for name in (*FLAGS, "warm_start"):
        check_choice(name, getattr(estimator, name), (True, False))
    if not _is_count(estimator.max_iter):
        raise ValueError(
            f"max_iter must be a positive integer; got {estimator.max_iter!r}."
        )
    limit = estimator.time_limit
    if limit is not None and not (isinstance(limit, numbers.Real) and limit > 0):
        raise ValueError(
            f"time_limit must be a positive number of seconds or None; got {limit!r}."
        )
    _check_open("smoothing", estimator.smoothing, math.inf)
    _check_open("validation_fraction", estimator.validation_fraction, 1.0)
    tol = estimator.tol
    if not (isinstance(tol, numbers.Real) and 0 <= tol < 1):
        raise ValueError(f"tol must be a number in [0, 1); got {tol!r}.")
    missing = estimator.missing_values
    if not isinstance(missing, numbers.Real) or math.isinf(missing):
        raise ValueError(
            f"missing_values must be NaN or a finite number; got {missing!r}."
        )


def _is_count(value):
    return isinstance(value, numbers.Integral) and value >= 1 and value is not True


def _check_open(name, value, top):
    """Raise ValueError unless a number is positive and below a bound."""
    inside = isinstance(value, numbers.Real) and 0 < value < top
    if not inside or isinstance(value, bool):
        end = "" if math.isinf(top) else f" below {top}"
        raise ValueError(f"{name} must be a positive number{end}; got {value!r}.")


def completion_problem(estimator, entries, alpha, convex=False):
    """Return the problem that the parameters describe, and where its loss starts.

    Parameters
    ----------
    estimator : MatrixCompleter
        Checked.
    entries : DenseEntries or SparseEntries
        Centred and scaled.
    alpha : float
        Level of the mean over entries.
    convex : bool, default=False
        Whether any rank is admitted.

    Returns
    -------
    problem : Completion
        With the level of the sum over entries.
    delta : float
        Width of the loss to start from.
    """
    n, p = entries.shape
    count = float(entries.known(entries.ones()).size)
    level = alpha * count / math.sqrt(n * p)
    loss, width = EntryLoss(), math.inf
    if estimator.loss == "l1":
        width = typical_size(entries)
        loss = absolute_loss(float(estimator.smoothing) * width)
    problem = Completion(entries, level, loss, estimator.fit_intercept, convex)
    return problem, width


def typical_size(entries):
    """Return the median absolute value of the known entries, positive."""
    known = np.abs(to_numpy(entries.known(entries.X)))
    size = float(np.median(known)) if known.size else 0.0
    if not size > 0.0:
        size = float(known.mean()) if known.size else 0.0
    return size if size > 0.0 else 1.0
