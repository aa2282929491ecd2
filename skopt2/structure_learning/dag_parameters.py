"""The parameters that a linear graph is given."""

import math
import numbers

import numpy as np

from skopt2._core.array import to_numpy

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
    if estimator.noise not in NOISES:
        raise ValueError(
            f"noise must be 'ev' (equal variances) or 'nv' (unequal ones); got "
            f"{estimator.noise!r}."
        )
    alpha = estimator.alpha
    if isinstance(alpha, str):
        if alpha not in CRITERIA:
            raise ValueError(
                f"alpha must be one of {CRITERIA} or a positive number; got {alpha!r}."
            )
    elif not _real(alpha) or not 0.0 < alpha < math.inf:
        raise ValueError(
            f"alpha must be one of {CRITERIA} or a positive number; got {alpha!r}."
        )
    for name in ("n_init", "max_iter"):
        value = getattr(estimator, name)
        if name == "n_init" and value is None:
            continue
        if not _whole(value) or value < 1:
            raise ValueError(f"{name} must be a positive integer; got {value!r}.")
    most = estimator.max_parents
    if most is not None and (not _whole(most) or most < 0):
        raise ValueError(
            f"max_parents must be a nonnegative integer or None; got {most!r}."
        )
    for name in ("assume_centered", "refine"):
        value = getattr(estimator, name)
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be True or False; got {value!r}.")
    _check_solver(estimator)
    tol, limit = estimator.tol, estimator.time_limit
    if not _real(tol) or not 0 <= tol < 1:
        raise ValueError(f"tol must be a number in [0, 1); got {tol!r}.")
    if limit is not None and (not _real(limit) or not 0 < limit < math.inf):
        raise ValueError(
            f"time_limit must be a positive number of seconds or None; got {limit!r}."
        )


def _check_solver(estimator):
    solver, threshold = estimator.solver, estimator.threshold
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {SOLVERS}; got {solver!r}.")
    if not _real(threshold) or not 0.0 <= threshold < math.inf:
        raise ValueError(
            f"threshold must be a nonnegative number; got {threshold!r}. Weights below "
            "it are cut."
        )


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


def _real(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _whole(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
