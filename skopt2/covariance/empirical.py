"""Empirical covariance matrices, as correlations and standard deviations.

Problem: from rows x_k (p,) with weights w_k of sum 1 and m their weighted mean, or 0,

    S = sum_k w_k (x_k - m)(x_k - m)' = D C D,

D the diagonal matrix of the standard deviations and C the correlations. Columns are
divided by their largest deviation first, so that squares neither overflow nor
underflow.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import (
    accumulation_dtype,
    device_of,
    flatnonzero,
    max_abs,
    namespace,
    take,
    to_numpy,
)
from skopt2.solvers.precision.definite import factorise

# A range below this many units of rounding of the column itself is none.
CONSTANT = 4.0
# Asymmetry, and negative eigenvalue of the correlation matrix, taken for rounding.
ASYMMETRY = 1e-8


@dataclass(frozen=True, eq=False)
class Empirical:
    """What the data say of a normal distribution.

    Parameters
    ----------
    location : array of shape (p,)
        Mean.
    C : array of shape (p, p)
        Correlations, with a diagonal of ones; 0 beside a constant column.
    deviation : array of shape (p,)
        Standard deviations.
    """

    location: Any
    C: Any
    deviation: Any


def from_rows(X, weight, centered):
    """Return mean, correlations and deviations of data.

    Parameters
    ----------
    X : array of shape (n, p)
        Data.
    weight : array of shape (n,) or None
        Of sum 1; None for equal ones.
    centered : bool
        Whether the mean is known to be zero.

    Returns
    -------
    empirical : Empirical
        In float64, where the device has it.

    Raises
    ------
    ValueError
        If there is one row, and the mean is not known.
    """
    xp, wide = namespace(X), accumulation_dtype(X)
    if weight is not None:
        kept = flatnonzero(weight > 0.0)
        X, weight = take(X, kept), xp.astype(take(weight, kept), wide)
        weight = weight / xp.sum(weight)
    n = int(X.shape[0])
    if n < 2 and not centered:
        raise ValueError(
            f"A covariance needs two samples at least, of positive weight; got "
            f"n_samples={n}. Pass more rows, or set assume_centered=True."
        )
    raw, X = X, xp.astype(X, wide)
    location = xp.zeros_like(X[0, :])
    if not centered:
        location = xp.mean(X, axis=0) if weight is None else weight @ X
        X = X - location
    scale = xp.max(xp.abs(X), axis=0)
    # Not the deviation from a mean, which rounding moves away from equal values.
    spread = scale if centered else xp.max(raw, axis=0) - xp.min(raw, axis=0)
    size = xp.max(xp.abs(raw), axis=0) * float(xp.finfo(raw.dtype).eps)
    moving = spread > CONSTANT * size
    scale = xp.where(moving, scale, xp.zeros_like(scale))
    Z = X / xp.where(moving, scale, xp.ones_like(scale))
    Z = xp.where(moving, Z, xp.zeros_like(Z))
    share = 1.0 / n if weight is None else weight[:, None]
    C, deviation = _correlations(Z.T @ (share * Z))
    return Empirical(location, C, deviation * scale)


def from_matrix(S):
    """Return correlations and deviations of a covariance matrix, with mean zero.

    Parameters
    ----------
    S : array of shape (p, p)
        Any matrix.

    Returns
    -------
    empirical : Empirical
        In float64, where the device has it.

    Raises
    ------
    ValueError
        If the matrix is not square, not symmetric, or not positive semidefinite.
    """
    xp = namespace(S)
    if S.ndim != 2 or S.shape[0] != S.shape[1]:
        raise ValueError(
            "With a precomputed covariance X must be a square matrix, a row and a "
            f"column for each feature; got shape {tuple(S.shape)}."
        )
    S = xp.astype(S, accumulation_dtype(S))
    C, deviation = _correlations(S)
    root = xp.where(deviation > 0.0, deviation, xp.ones_like(deviation))
    scaled = S / root[:, None] / root[None, :]
    error, eps = max_abs(scaled - scaled.T), float(xp.finfo(S.dtype).eps)
    if error > max(ASYMMETRY, 8.0 * eps):
        raise ValueError(
            "The precomputed covariance must be symmetric; its correlations differ "
            f"from their mirror images by up to {error:.1e}. Pass (S + S.T) / 2."
        )
    p = int(S.shape[0])
    lift = max(ASYMMETRY, 8.0 * p * eps)
    if factorise(C + lift * identity(C))[0] is None:
        raise ValueError(
            "The precomputed covariance must be positive semidefinite, and has a "
            "negative eigenvalue. Shrink it towards its diagonal, or fit on the data."
        )
    return Empirical(xp.zeros_like(deviation), C, deviation)


def _correlations(S):
    """Return the correlation matrix and the deviations of a covariance matrix."""
    xp = namespace(S)
    diagonal = xp.linalg.diagonal(S)
    if bool(xp.any(diagonal < 0.0)):
        raise ValueError(
            f"The precomputed covariance has the variance {float(xp.min(diagonal))} on "
            "its diagonal; variances are not negative."
        )
    deviation = xp.sqrt(diagonal)
    root = xp.where(deviation > 0.0, deviation, xp.ones_like(deviation))
    C = S / root[:, None] / root[None, :]
    one = identity(C)
    return 0.5 * (C + C.T) * (1.0 - one) + one, deviation


def identity(M):
    """Return the identity beside a square matrix."""
    return namespace(M).eye(M.shape[0], dtype=M.dtype, device=device_of(M))


def check_variances(deviation, names=None):
    """Raise ValueError unless every feature varies.

    Parameters
    ----------
    deviation : array of shape (p,)
        Standard deviations.
    names : ndarray of str or None, default=None
        Of the features.
    """
    still = [i for i, v in enumerate(to_numpy(deviation).tolist()) if not v > 0.0]
    if still:
        shown = ", ".join(str(i if names is None else names[i]) for i in still[:5])
        more = f" and {len(still) - 5} more" if len(still) > 5 else ""
        raise ValueError(
            f"Feature {shown}{more} has zero variance: its precision is infinite. Drop "
            "constant columns, for instance with "
            "sklearn.feature_selection.VarianceThreshold, or set "
            "penalize_diagonal=True with alpha > 0."
        )
