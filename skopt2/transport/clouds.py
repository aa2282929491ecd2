"""Checks of point clouds and of the masses on their points."""

import numpy as np
from sklearn.utils.validation import check_array

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    as_float,
    asarray_like,
    move,
    namespace,
    take,
    to_numpy,
)
from skopt2._core.checks import check_matrix


def check_clouds(X, Y, source):
    """Return two clouds in one float dtype, where the first lives.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Points.
    Y : array-like of shape (m, d)
        Points.
    source : Target
        Where ``X`` lives.

    Returns
    -------
    X, Y : array
        float32 if both are, else float64.

    Raises
    ------
    ValueError
        If a cloud is empty, not finite, no matrix, or the numbers of features differ.
    """
    X, Y = check_cloud(X, "X"), move(check_cloud(Y, "Y"), source)
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"X and Y must have the same number of features, got {X.shape[1]} and "
            f"{Y.shape[1]}."
        )
    if X.dtype != Y.dtype:
        xp = namespace(X)
        X, Y = xp.astype(X, xp.float64), xp.astype(Y, xp.float64)
    return X, Y


def check_cloud(X, name):
    """Return a finite, dense cloud in float32 or float64, where it is.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Points.
    name : str
        Name of the parameter, for the messages.

    Returns
    -------
    X : array of shape (n, d)

    Raises
    ------
    ValueError
        If it is empty, not finite, or no matrix.
    """
    if cuda.target_of(X).kind == "cuda":
        return check_matrix(X, False, "a point cloud")
    return as_float(check_array(X, input_name=name))


def check_masses(a, b, X, Y):
    """Return the shares of the points and the total mass.

    Parameters
    ----------
    a : array-like of shape (n,) or None
        Nonnegative masses of the rows of ``X``; None for equal ones.
    b : array-like of shape (m,) or None
        Likewise of the rows of ``Y``.
    X, Y : array
        Checked clouds.

    Returns
    -------
    a, b : ndarray or None
        With sum 1, float64, in host memory; None for equal shares.
    mass : float
        Common total; 1.0 if neither is given.

    Raises
    ------
    ValueError
        If masses are negative, not finite, of the wrong shape, zero altogether, or of
        totals that differ.
    """
    a, total_a = check_mass(a, X.shape[0], "a", "rows of X")
    b, total_b = check_mass(b, Y.shape[0], "b", "rows of Y")
    totals = [total for total in (total_a, total_b) if total is not None]
    if not totals:
        return None, None, 1.0
    tolerance = 1e-4 if X.dtype == namespace(X).float32 else 1e-6
    if abs(totals[0] - totals[-1]) > tolerance * max(totals):
        raise ValueError(
            f"a and b must have the same sum, got {total_a:.6g} and {total_b:.6g}: "
            "divide each by its sum."
        )
    return a, b, totals[0]


def check_mass(mass, n, name, owners):
    """Return the shares and the total of one vector of masses.

    Parameters
    ----------
    mass : array-like of shape (n,) or None
        Nonnegative masses; None for equal ones.
    n : int
        How many there have to be.
    name : str
        Name of the parameter, for the messages.
    owners : str
        What has the masses, in the plural.

    Returns
    -------
    share : ndarray of shape (n,) or None
        With sum 1, float64, in host memory; None for equal shares.
    total : float or None
        Sum of the masses; None where none are given.

    Raises
    ------
    ValueError
        If masses are negative, not finite, of the wrong shape or zero altogether.
    """
    if mass is None:
        return None, None
    try:
        mass = check_array(
            to_numpy(mass) if hasattr(mass, "dtype") else mass,
            ensure_2d=False,
            allow_nd=True,
            ensure_min_samples=0,
            dtype=np.float64,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"Input {name} "):
            raise
        raise ValueError(f"{name} must hold numbers: {error}.") from error
    if mass.shape != (n,):
        raise ValueError(
            f"{name} has shape {mass.shape}, expected ({n},): one mass for each of the "
            f"{owners}."
        )
    if (mass < 0).any():
        raise ValueError(f"{name} must be nonnegative; its smallest is {mass.min()}.")
    largest = mass.max()
    if largest == 0:
        raise ValueError(f"{name} must not be zero for all {owners}.")
    if mass.min() == largest:
        return None, n * float(largest)
    # Divided by the largest first: the sum of huge masses must not overflow.
    shares = mass / largest
    total = float(shares.sum())
    return shares / total, float(largest) * total


def support(X, share):
    """Return the points with mass and their shares, None for equal ones.

    Parameters
    ----------
    X : array of shape (n, d)
        Points.
    share : ndarray of shape (n,) or None
        Nonnegative shares in host memory.

    Returns
    -------
    X : array of shape (k, d)
        Without the points of mass zero.
    share : array of shape (k,) or None
        Beside ``X``, in the precision that sums are accumulated in.
    """
    if share is None:
        return X, None
    kept = np.flatnonzero(share)
    if kept.size < share.size:
        X = take(X, kept)
        share = share[kept]
    if share.min() == share.max():
        return X, None
    return X, asarray_like(share, X, accumulation_dtype(X))


def with_mass(X, share):
    """Return the points with mass, and their shares in host memory.

    Parameters
    ----------
    X : array of shape (n, d)
        Points.
    share : array of shape (n,) or None
        Nonnegative shares; None for equal ones.

    Returns
    -------
    X : array of shape (k, d)
        Without the points of mass zero.
    share : ndarray of shape (k,)
        Positive, with sum 1, float64.
    """
    if share is None:
        return X, np.full(X.shape[0], 1.0 / X.shape[0])
    share = to_numpy(share).astype(np.float64)
    kept = np.flatnonzero(share)
    if kept.size < share.size:
        X = take(X, kept)
    return X, share[kept] / share[kept].sum()
