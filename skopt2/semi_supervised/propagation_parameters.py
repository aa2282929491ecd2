"""Checks of the parameters of label propagation."""

import math
from numbers import Integral, Real

from skopt2.solvers.graph_blocks.descent import SELECTIONS

KERNELS = ("knn", "rbf", "precomputed")
SOLVERS = ("auto", "conjugate", "newton", "descent", "cholesky")


def check_parameters(model):
    """Raise ValueError for a parameter that is out of range.

    Parameters
    ----------
    model : GraphLabelPropagation
        With the parameters.
    """
    if model.kernel not in KERNELS and not callable(model.kernel):
        raise ValueError(
            f"kernel must be one of {KERNELS} or a function of two sets of rows; got "
            f"{model.kernel!r}."
        )
    for name, known in (("solver", SOLVERS), ("selection", SELECTIONS)):
        value = getattr(model, name)
        if value not in known:
            raise ValueError(f"{name} must be one of {known}; got {value!r}.")
    for name in ("n_neighbors", "max_iter"):
        value = getattr(model, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1; got {value!r}.")
    _check_real("gamma", model.gamma, zero=False)
    _check_real("tol", model.tol, zero=True)
    if model.bounds is not None:
        _check_bounds(model.bounds)
        if model.solver == "conjugate":
            raise ValueError(
                "solver='conjugate' has no bounds. Use solver='newton' or 'auto', or "
                "bounds=None."
            )
    elif model.solver == "newton":
        raise ValueError(
            "solver='newton' is for bounds, and bounds is None. Use solver='conjugate' "
            "or 'auto'."
        )


def _check_real(name, value, zero):
    """Raise unless a number is positive, or zero where that is allowed."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        kind = "nonnegative" if zero else "positive"
        raise ValueError(f"{name} must be a finite {kind} number; got {value!r}.")


def _check_bounds(bounds):
    """Raise unless bounds are two numbers in order."""
    pair = isinstance(bounds, (tuple, list)) and len(bounds) == 2
    if not pair or not all(isinstance(value, Real) for value in bounds):
        raise ValueError(f"bounds must be None or two numbers; got {bounds!r}.")
    if not 0.0 <= bounds[0] < bounds[1] <= 1.0:
        raise ValueError(
            f"bounds must satisfy 0 <= low < high <= 1, as probabilities; got {bounds}."
        )
