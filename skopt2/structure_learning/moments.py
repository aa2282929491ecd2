"""What a linear graph is fitted to: mean, covariance matrix and number of rows."""

from dataclasses import dataclass

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import to_numpy

# Deviation of a column that is rounding, in units of eps times its largest value.
CONSTANT = 8.0

# Least size of a feature in units of the largest: its square is still a number.
LEAST = 1e-150


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of a sample.

    Parameters
    ----------
    mean : ndarray of shape (d,)
        Mean.
    S : ndarray of shape (d, d)
        Covariance matrix in the unit.
    n : float
        Rows, or their total weight.
    unit : float
        Largest value of the centred rows, by which they were divided.
    """

    mean: np.ndarray
    S: np.ndarray
    n: float
    unit: float


def moments_of(X, weight, total, centered, names=None):
    """Return the moments of rows.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    weight : ndarray of shape (n,) or None
        Of sum 1, None for equal ones.
    total : float
        Total weight.
    centered : bool
        Whether the mean is known to be zero.
    names : ndarray of str, default=None
        Of the features.

    Returns
    -------
    moments : Moments
        In float64.

    Raises
    ------
    ValueError
        If a feature is constant, or nothing beside another.
    """
    eps = float(np.finfo(X.dtype).eps)
    if weight is not None:
        kept = weight > 0.0
        X, weight = X[kept], weight[kept].astype(np.float64)
    X = np.asarray(X, dtype=np.float64)
    size = np.abs(X).max(axis=0)
    mean = np.zeros(X.shape[1])
    if not centered:
        mean = X.mean(axis=0) if weight is None else weight @ X
        X = X - mean
    unit = np.abs(X).max(axis=0)
    still = np.flatnonzero(~(unit > CONSTANT * eps * size))
    if still.size:
        shown = ", ".join(str(j if names is None else names[j]) for j in still[:5])
        more = f" and {still.size - 5} more" if still.size > 5 else ""
        raise ValueError(
            f"Feature {shown}{more} is constant in n_samples={X.shape[0]} rows: there "
            "is no noise to estimate. Drop constant columns, or pass more rows."
        )
    Z = X / unit
    C = Z.T @ Z / len(Z) if weight is None else (Z.T * weight) @ Z
    # Squares of values in any unit would overflow.
    common = float(unit.max())
    unit = unit / common
    if float(unit.min()) < LEAST:
        j = int(np.argmin(unit))
        raise ValueError(
            f"Feature {j if names is None else names[j]} varies {float(unit[j]):.0e} "
            "times as much as the largest one, and its square vanishes. Bring the "
            "features to one scale, for example with StandardScaler."
        )
    return Moments(mean, C * unit[:, None] * unit, total, common)


def total_weight(sample_weight, n):
    """Return the sum of checked weights as they were given.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), float or None
        Weights.
    n : int
        Rows.
    """
    if sample_weight is None:
        return float(n)
    if cuda.target_of(sample_weight).kind != "numpy":
        sample_weight = to_numpy(sample_weight)
    values = np.asarray(sample_weight, dtype=np.float64)
    return float(values.sum() if values.ndim else n * values)
