"""Parameters that all private estimators share, checked before any data is touched."""

import numpy as np

from skopt2._core.parameters import (
    check_choice,
    check_number,
    check_positive,
    check_squarable,
)
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
        check_positive("noise_multiplier", multiplier)
        check_squarable("noise_multiplier", multiplier)
        epsilon = None
    else:
        hint = "1.0 is usual, smaller is more private; infinity is no privacy."
        check_positive("epsilon", epsilon, infinite=True, hint=hint)
    hint = "Leave it None for 1 / n_samples^1.1."
    delta = check_number(
        "delta", estimator.delta, 0, 1, closed="neither", optional=True, hint=hint
    )
    if delta is None:
        delta = min(LARGEST_DELTA, max(n_rows, 1) ** -1.1)
    check_choice("relation", estimator.relation, RELATIONS)
    return epsilon, float(delta), multiplier


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
