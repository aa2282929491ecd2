"""The parameters that a linear graph is given."""

import math

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)

NOISES = ("ev", "nv")
CRITERIA = ("ebic", "bic")
SOLVERS = ("moves", "colide")


def check_dag(estimator):
    """Raise ValueError unless the parameters are in range.

    Parameters
    ----------
    estimator : LinearDAG
        Not fitted.
    """
    hint = "'ev' is for equal variances of the noise, 'nv' for unequal ones."
    check_choice("noise", estimator.noise, NOISES, hint=hint)
    check_positive("alpha", estimator.alpha, named=CRITERIA)
    check_count("n_init", estimator.n_init, optional=True)
    check_count("max_parents", estimator.max_parents, 0, optional=True)
    check_choice("solver", estimator.solver, SOLVERS)
    check_number("threshold", estimator.threshold, 0, hint="Weights below it are cut.")


def edge_price(alpha, n, d):
    """Return the price of an edge in units of twice the log-likelihood.

    Parameters
    ----------
    alpha : {"ebic", "bic"} or float
        Criterion.
    n : float
        Rows.
    d : int
        Nodes.

    Returns
    -------
    price : float
    """
    if alpha == "bic":
        return math.log(max(n, 2.0))
    if alpha == "ebic":
        return math.log(max(n, 2.0)) + 2.0 * math.log(max(d, 2))
    return float(alpha)


def allowed_edges(forbidden, d):
    """Return whether i may be a parent of j, or None where all may.

    Parameters
    ----------
    forbidden : array-like of shape (d, d) or None
        True where there must be no edge from i to j.
    d : int
        Nodes.

    Returns
    -------
    allowed : ndarray of bool of shape (d, d) or None

    Raises
    ------
    ValueError
        If it is no matrix of 0 and 1 of that size.
    """
    if forbidden is None:
        return None
    mask = np.asarray(to_numpy(forbidden) if hasattr(forbidden, "dtype") else forbidden)
    if mask.shape != (d, d):
        raise ValueError(
            f"forbidden has the shape {mask.shape}, expected {(d, d)}: a row and a "
            "column for each feature."
        )
    if mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise ValueError("forbidden must hold True and False, or 0 and 1.")
    return ~mask.astype(bool)
