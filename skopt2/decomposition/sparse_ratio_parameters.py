"""The parameters that sparse principal components are given."""

import math
import numbers

from skopt2.solvers.fractional.components import SOLVERS


def check_parameters(estimator):
    """Raise ValueError unless the parameters of a SparseRatioPCA are in range.

    Parameters
    ----------
    estimator : SparseRatioPCA
        Not fitted.
    """
    for name in ("n_components", "n_init", "max_iter"):
        _check_count(name, getattr(estimator, name))
    if estimator.n_nonzero is not None:
        _check_count("n_nonzero", estimator.n_nonzero, " or None")
    alpha = estimator.alpha
    if not (isinstance(alpha, numbers.Real) and 0 <= alpha < 1):
        raise ValueError(
            f"alpha must be a number in [0, 1), where 0 is the leading direction of "
            f"the data and 1 would be a single feature; got {alpha!r}."
        )
    if estimator.solver not in SOLVERS:
        raise ValueError(f"solver must be one of {SOLVERS}; got {estimator.solver!r}.")
    if not isinstance(estimator.refit, bool):
        raise ValueError(f"refit must be True or False; got {estimator.refit!r}.")
    tol, limit = estimator.tol, estimator.time_limit
    if not (isinstance(tol, numbers.Real) and 0 <= tol < 1):
        raise ValueError(f"tol must be a number in [0, 1); got {tol!r}.")
    if limit is not None and not (
        isinstance(limit, numbers.Real) and 0 < limit < math.inf
    ):
        raise ValueError(
            f"time_limit must be a positive number of seconds or None; got {limit!r}."
        )


def _check_count(name, value, other=""):
    integral = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integral or value < 1:
        raise ValueError(f"{name} must be a positive integer{other}; got {value!r}.")
