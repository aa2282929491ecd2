"""Checks of constructor parameters that hold numbers: lists, arrays and grids."""

from numbers import Real

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.cuda import target_of
from skopt2._core.parameters import check_count, parameter_error


def as_numbers(name, values):
    """Return the numbers of a parameter that is a list, an array or a Series.

    Parameters
    ----------
    name : str
        Name of the parameter.
    values : array-like of any library
        What the user gave.

    Returns
    -------
    numbers : ndarray
        In float64, in host memory; they may be NaN or infinite.

    Raises
    ------
    InvalidParameterError
        If there is something else than real numbers in it.
    """
    try:
        found = values if target_of(values).kind == "numpy" else to_numpy(values)
        found = np.asarray(found)
        if found.dtype.kind not in "cSU":
            return found.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    raise parameter_error(name, values, "numbers")


def check_alphas(alphas, *, low=1, positive=False):
    """Return how many levels a grid has, or the levels that were given.

    Parameters
    ----------
    alphas : object
        What the user gave: an integer, or the levels.
    low : int, default=1
        Fewest levels of a grid.
    positive : bool, default=False
        Whether 0 is no level.

    Returns
    -------
    alphas : int or ndarray of shape (n_alphas,)
        The levels in float64 and descending order.
    """
    if isinstance(alphas, Real) or alphas is None or isinstance(alphas, str):
        return check_count("alphas", alphas, low, hint="Or pass a list of levels.")
    levels = as_numbers("alphas", alphas)
    sign = "positive" if positive else "nonnegative"
    what = f"an integer or a nonempty list of {sign} finite numbers"
    if levels.ndim != 1 or not levels.size:
        raise parameter_error("alphas", alphas, what)
    wrong = ~np.isfinite(levels) | (levels <= 0 if positive else levels < 0)
    if wrong.any():
        hint = f"It contains {levels[wrong][0]:g}."
        raise parameter_error("alphas", alphas, what, hint=hint)
    return np.sort(levels)[::-1].copy()
