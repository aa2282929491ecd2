"""Parameters that all private estimators share, checked before any data is touched."""

import math
from numbers import Integral, Real

import numpy as np

from skopt2.solvers.privacy.query import RELATIONS

# Beyond it a delta is no small probability; for few rows 1 / N^1.1 is.
LARGEST_DELTA = 1e-2


def check_privacy_parameters(estimator, n_rows):
    """Return the epsilon, the delta and the noise multiplier that were asked for.

    Parameters
    ----------
    estimator : estimator
        With ``epsilon``, ``delta``, ``noise_multiplier`` and ``relation``.
    n_rows : int
        Public number of rows.

    Returns
    -------
    epsilon : float or None
        None where the noise multiplier was given.
    delta : float
        As given, or min(0.01, 1 / N^1.1).
    noise_multiplier : float or None
        As given.

    Raises
    ------
    ValueError
        If one is out of range, or both epsilon and noise multiplier are missing.
    """
    epsilon, multiplier = estimator.epsilon, estimator.noise_multiplier
    if multiplier is not None:
        check_real("noise_multiplier", multiplier, low=0.0, strict=True)
        epsilon = None
    elif not _is_real(epsilon) or not epsilon > 0:
        raise ValueError(
            f"epsilon must be a positive number, or infinity for no privacy; got "
            f"epsilon={epsilon!r}. 1.0 is usual, smaller is more private."
        )
    delta = estimator.delta
    if delta is None:
        delta = min(LARGEST_DELTA, max(n_rows, 1) ** -1.1)
    elif not _is_real(delta) or not 0 < delta < 1:
        raise ValueError(
            f"delta must be a number between 0 and 1, exclusive; got delta={delta!r}. "
            "Leave it None for 1 / n_samples^1.1."
        )
    if estimator.relation not in RELATIONS:
        raise ValueError(
            f"relation must be one of {RELATIONS}; got relation={estimator.relation!r}."
        )
    return epsilon, float(delta), multiplier


def check_real(name, value, *, low=-math.inf, strict=False):
    """Raise ValueError unless a parameter is a finite number above a bound.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
        As given.
    low : float, default=-inf
        Bound.
    strict : bool, default=False
        Whether the bound itself is out of range.
    """
    good = _is_real(value) and math.isfinite(value)
    if not good or value < low or (strict and value == low):
        above = "" if low == -math.inf else f" {'above' if strict else 'from'} {low:g}"
        raise ValueError(
            f"{name} must be a finite number{above}; got {name}={value!r}."
        )


def check_count(name, value, low=1):
    """Raise ValueError unless a parameter is an integer from a bound on.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
        As given.
    low : int, default=1
        Smallest value.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer from {low}; got {name}={value!r}.")


def check_option(name, value, options):
    """Raise ValueError unless a parameter is one of some.

    Parameters
    ----------
    name : str
        Of the parameter.
    value : object
        As given.
    options : tuple
        What it can be.
    """
    if not any(value is option or value == option for option in options):
        raise ValueError(f"{name} must be one of {options}; got {name}={value!r}.")


def check_bounds(name, bounds, n_values):
    """Return public bounds as two arrays.

    Parameters
    ----------
    name : str
        Of the parameter.
    bounds : tuple (low, high)
        Numbers, or arrays of shape (n_values,).
    n_values : int
        How many there are.

    Returns
    -------
    low, high : ndarray of shape (n_values,)
        float64, low below high everywhere.

    Raises
    ------
    ValueError
        If they are of another shape, not finite, or the wrong way round.
    """
    fix = f"give a tuple (low, high) of numbers or of arrays of shape ({n_values},)"
    try:
        low, high = (np.asarray(bound, dtype=np.float64) for bound in bounds)
        low, high = (np.broadcast_to(b, (n_values,)).copy() for b in (low, high))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}={bounds!r} is no pair of bounds: {fix}.") from error
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError(f"{name} must be finite: {fix}.")
    if not (low < high).all():
        place = int(np.argmax(low >= high))
        raise ValueError(
            f"{name} must have low below high; at {place} they are {low[place]:g} and "
            f"{high[place]:g}."
        )
    return low, high


def _is_real(value):
    return isinstance(value, Real) and not isinstance(value, bool)
