"""Checks of the parameters of label propagation."""

from numbers import Real

from skopt2._core.parameters import check_choice, check_count, check_positive
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
    if not callable(model.kernel):
        other = "a function of two sets of rows"
        check_choice("kernel", model.kernel, KERNELS, other=other)
    check_choice("solver", model.solver, SOLVERS)
    check_choice("selection", model.selection, SELECTIONS)
    check_count("n_neighbors", model.n_neighbors)
    check_positive("gamma", model.gamma)
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


def _check_bounds(bounds):
    """Raise unless bounds are two numbers in order."""
    pair = isinstance(bounds, (tuple, list)) and len(bounds) == 2
    if not pair or not all(isinstance(value, Real) for value in bounds):
        raise ValueError(f"bounds must be None or two numbers; got {bounds!r}.")
    if not 0.0 <= bounds[0] < bounds[1] <= 1.0:
        raise ValueError(
            f"bounds must satisfy 0 <= low < high <= 1, as probabilities; got {bounds}."
        )
