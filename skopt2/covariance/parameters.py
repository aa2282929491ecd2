"""Checks of the parameters of sparse inverse covariance estimators."""

import math
from numbers import Integral, Real

from skopt2.penalties import L1, MCP, SCAD, get_penalty

_PENALTIES = (L1, MCP, SCAD)


def check_real(name, value, *, zero=False, optional=False):
    """Raise unless a parameter is a positive number, or zero or None where allowed.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    zero, optional : bool, default=False
        Whether 0 and None are allowed.

    Raises
    ------
    ValueError
        Otherwise.
    """
    if optional and value is None:
        return
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        kind = "nonnegative" if zero else "positive"
        raise ValueError(f"{name} must be a finite {kind} number; got {value!r}.")


def check_count(name, value, low=1):
    """Raise ValueError unless a parameter is an integer that is large enough.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    low : int, default=1
        Smallest value.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}; got {value!r}.")


def check_choice(name, value, known):
    """Raise ValueError unless a parameter is one of some values.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    known : tuple
        Allowed values.
    """
    if not (value is None or isinstance(value, str)) or value not in known:
        raise ValueError(f"{name} must be one of {list(known)}; got {value!r}.")


def check_parameters(model):
    """Raise ValueError for a parameter of the problem that is out of range.

    Parameters
    ----------
    model : estimator
        With the parameters.
    """
    for name in ("penalize_diagonal", "standardize", "assume_centered"):
        value = getattr(model, name)
        if value not in (True, False):
            raise ValueError(f"{name} must be True or False; got {value!r}.")
    check_real("tol", model.tol)
    check_count("max_iter", model.max_iter)
    check_real("time_limit", model.time_limit, optional=True)


def elementwise_penalty(penalty):
    """Return the penalty object of a name.

    Parameters
    ----------
    penalty : {"l1", "mcp", "scad"} or Penalty
        As given to the estimator.

    Raises
    ------
    ValueError
        If it is another one.
    """
    found = get_penalty(penalty)
    if type(found) not in _PENALTIES:
        raise ValueError(
            f"penalty={penalty!r} is not available for precision matrices: use 'l1', "
            "'mcp', 'scad', or an object such as MCP(gamma=2.0)."
        )
    return found
