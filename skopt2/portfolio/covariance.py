"""Covariance matrices of returns, as correlations and volatilities.

Problem: from rows x_k (p,) of returns with weights w_k of sum 1, the covariance matrix

    S = sum_k w_k (x_k - m)(x_k - m)' = D C D,

with m the weighted mean or 0, D the volatilities and C the correlation matrix; or D C D
with C shrunk to (1 - rho) C + rho I. With n rows, z_k = D^-1 (x_k - m) and Frobenius
norms, rho is, in "ledoit_wolf" and in "oas",

    min(1, (sum_k w_k |z_k|^4 - |C|^2) / (n |C - I|^2)),
    min(1, (|C|^2 / p^2 + 1) / ((n + 1) (|C|^2 / p^2 - 1 / p))).

These are the estimates of the papers for returns divided by their volatilities. The
papers shrink S itself towards a multiple of the identity, which moves the volatilities
towards each other and depends on the units of the assets.

Returns of any unit pass: S is built from columns divided by their largest deviation,
so that their squares neither overflow nor underflow.

Source: O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional
covariance matrices, Journal of Multivariate Analysis 88, 2004, lemma 3.2 and section
3.2; Y. Chen, A. Wiesel, Y. Eldar and A. Hero, Shrinkage algorithms for MMSE covariance
estimation, IEEE Transactions on Signal Processing 58, 2010, eq. 23.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import (
    accumulation_dtype,
    cholesky_solve,
    device_of,
    flatnonzero,
    max_abs,
    namespace,
    sum64,
    take,
    to_numpy,
)

# A range below this many units of rounding of the column itself is none.
CONSTANT = 4.0
# Asymmetry, and negative eigenvalue of the correlation matrix, taken for rounding.
ASYMMETRY = 1e-8


@dataclass(frozen=True)
class Covariance:
    """A covariance matrix D C D, D the diagonal matrix of the volatilities.

    Parameters
    ----------
    C : array of shape (p, p)
        Correlation matrix.
    volatility : array of shape (p,)
        Positive.
    """

    C: Any
    volatility: Any

    @property
    def matrix(self):
        """The covariance matrix, of shape (p, p)."""
        return self.volatility[:, None] * self.C * self.volatility[None, :]


def sample_covariance(X, weight, kind, *, centered, n_rows, names=None):
    """Estimate a covariance matrix from returns.

    Parameters
    ----------
    X : array of shape (n, p)
        Returns.
    weight : array of shape (n,) or None
        Of sum 1; None for equal ones.
    kind : {"empirical", "ledoit_wolf", "oas"}
        Estimator.
    centered : bool
        Whether the mean is known to be zero.
    n_rows : float
        Number of rows, each counted as often as its weight says.
    names : ndarray of str or None, default=None
        Of the assets, for the message.

    Returns
    -------
    covariance : Covariance
        In float64, where the device has it.

    Raises
    ------
    ValueError
        If the returns of an asset are constant.
    """
    xp, wide = namespace(X), accumulation_dtype(X)
    if weight is not None:
        kept = flatnonzero(weight > 0.0)
        X, weight = take(X, kept), xp.astype(take(weight, kept), wide)
        weight = weight / xp.sum(weight)
    raw = X
    X = xp.astype(X, wide)
    n = int(X.shape[0])
    if not centered:
        X = X - (xp.mean(X, axis=0) if weight is None else weight @ X)
    scale = xp.max(xp.abs(X), axis=0)
    # Not the deviation from a mean, which rounding moves away from equal returns.
    spread = scale if centered else xp.max(raw, axis=0) - xp.min(raw, axis=0)
    size = xp.max(xp.abs(raw), axis=0) * float(xp.finfo(raw.dtype).eps)
    check_volatility(xp.where(spread > CONSTANT * size, scale, 0.0), names)
    Z = X / scale
    share = 1.0 / n if weight is None else weight[:, None]
    found = correlation(Z.T @ (share * Z))
    C = found.C
    if kind != "empirical":
        rho = _shrinkage(C, Z / found.volatility, weight, kind, n_rows)
        C = (1.0 - rho) * C + rho * _eye(C)
    return Covariance(C, found.volatility * scale)


def correlation(S):
    """Split a covariance matrix of positive diagonal into correlations and the rest.

    Parameters
    ----------
    S : array of shape (p, p)
        Covariance matrix.

    Returns
    -------
    covariance : Covariance
        Symmetric to the last digit.
    """
    xp = namespace(S)
    volatility = xp.sqrt(xp.linalg.diagonal(S))
    C = S / volatility[:, None] / volatility[None, :]
    C = 0.5 * (C + C.T)
    one = _eye(C)
    return Covariance(C * (1.0 - one) + one, volatility)


def given_covariance(S, source, names=None):
    """Check a covariance matrix that was not estimated here.

    Parameters
    ----------
    S : array of shape (p, p)
        Any matrix.
    source : str
        What gave it, for the messages.
    names : ndarray of str or None, default=None
        Of the assets, for the message.

    Returns
    -------
    covariance : Covariance
        In float64, where the device has it.

    Raises
    ------
    ValueError
        If the matrix is not square, not symmetric, not positive semidefinite, or has a
        variance that is not positive.
    """
    xp = namespace(S)
    if S.ndim != 2 or S.shape[0] != S.shape[1]:
        raise ValueError(
            f"{source} must be a square covariance matrix, a row and a column for each "
            f"asset; got shape {tuple(S.shape)}."
        )
    S = xp.astype(S, accumulation_dtype(S))
    check_volatility(xp.linalg.diagonal(S), names)
    root = xp.sqrt(xp.linalg.diagonal(S))
    C = S / root[:, None] / root[None, :]
    error = max_abs(C - C.T)
    if error > max(ASYMMETRY, 8.0 * float(xp.finfo(C.dtype).eps)):
        raise ValueError(
            f"{source} must be symmetric; its correlations differ from their mirror "
            f"images by up to {error:.1e}. Pass (S + S.T) / 2."
        )
    found = correlation(S)
    p = int(S.shape[0])
    lift = max(ASYMMETRY, 8.0 * p * float(xp.finfo(C.dtype).eps))
    if cholesky_solve(found.C + lift * _eye(S), root) is None:
        raise ValueError(
            f"{source} must be positive semidefinite, and has a negative eigenvalue. "
            "Shrink it towards its diagonal, or estimate it from returns with "
            "covariance='ledoit_wolf'."
        )
    return found


def check_volatility(volatility, names=None):
    """Raise ValueError unless every asset moves.

    Parameters
    ----------
    volatility : array of shape (p,)
        Or variances.
    names : ndarray of str or None, default=None
        Of the assets.
    """
    still = [i for i, v in enumerate(to_numpy(volatility).tolist()) if not v > 0.0]
    if still:
        shown = ", ".join(str(i if names is None else names[i]) for i in still[:5])
        more = f" and {len(still) - 5} more" if len(still) > 5 else ""
        raise ValueError(
            f"The returns of asset {shown}{more} have zero variance: an asset without "
            "risk cannot have a share of the risk. Drop its column, for instance with "
            "sklearn.feature_selection.VarianceThreshold."
        )


def _shrinkage(C, Z, weight, kind, n_rows):
    """Return rho."""
    xp, p = namespace(C), int(C.shape[0])
    square = sum64(C * C)
    if kind == "oas":
        mean = square / p**2
        below = (n_rows + 1.0) * (mean - 1.0 / p)
        return 1.0 if below <= 0.0 else min((mean + 1.0) / below, 1.0)
    fourth = xp.sum(Z * Z, axis=1) ** 2
    mean = sum64(fourth) / int(Z.shape[0]) if weight is None else sum64(weight * fourth)
    away = square - p
    noise = min((mean - square) / n_rows, away)
    return 0.0 if noise <= 0.0 else noise / away


def _eye(S):
    """Return the identity beside S."""
    xp, p = namespace(S), int(S.shape[0])
    if xp.__name__ == "numpy":
        return xp.eye(p, dtype=S.dtype)
    return xp.eye(p, dtype=S.dtype, device=device_of(S))
