"""Parameters of matrix completion: what they mean and what is refused."""

import math
import numbers

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
    check_squarable,
)
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.problem import Completion, absolute_loss

SOLVERS, LOSSES = ("auto", "altmin", "scaledgd"), ("squared", "l1")


def check_completer(estimator):
    """Raise ValueError unless the parameters are in range and fit together.

    Parameters
    ----------
    estimator : MatrixCompleter
        Not fitted.
    """
    alpha = check_number("alpha", estimator.alpha, 0, named=("auto",))
    check_squarable("alpha", alpha)
    rank = check_count("rank", estimator.rank, optional=True, named=("auto",))
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
    check_positive("smoothing", estimator.smoothing)
    fraction = estimator.validation_fraction
    check_number("validation_fraction", fraction, 0, 1, closed="neither")
    missing = estimator.missing_values
    if not (isinstance(missing, numbers.Real) and math.isnan(missing)):
        check_number("missing_values", missing, hint="NaN is the default.")


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
