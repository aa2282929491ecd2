"""Checks of the points that kernels are evaluated at."""

import numpy as np

from skopt2._core.array import (
    all_finite,
    as_float,
    device_of,
    is_sparse,
    namespace,
)


def check_points(X, name, like=None):
    """Return points as a float matrix; for NumPy in C order.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Points.
    name : str
        For the messages.
    like : array of shape (m, d) or None, default=None
        Points that they are compared with: they get its dtype.

    Returns
    -------
    X : array of shape (n, d)
        float32 stays, all else becomes float64.

    Raises
    ------
    TypeError
        If the matrix is sparse, or on another device than ``like``.
    ValueError
        If the shape is wrong or a value is not finite.
    """
    if is_sparse(X):
        raise TypeError(
            f"{name} is sparse; kernels need dense points: {name}.toarray()."
        )
    if not hasattr(X, "shape") or not hasattr(X, "dtype"):
        X = np.asarray(X, dtype=np.float64)
    if len(X.shape) != 2:
        raise ValueError(
            f"{name} must be a matrix with points in its rows; got shape "
            f"{tuple(X.shape)}."
        )
    if not X.shape[1]:
        raise ValueError(f"{name} has no features; its shape is {tuple(X.shape)}.")
    xp = namespace(X)
    if like is None:
        X = as_float(X)
    else:
        _check_beside(X, name, like)
        X = X if X.dtype == like.dtype else xp.astype(X, like.dtype)
    if not all_finite(X):
        raise ValueError(f"{name} has values that are NaN or infinite.")
    return np.ascontiguousarray(X) if xp is np else X


def _check_beside(X, name, like):
    """Raise unless X lives where ``like`` does and has as many columns."""
    if namespace(X) is not namespace(like) or device_of(X) != device_of(like):
        raise TypeError(
            f"{name} is on {namespace(X).__name__} ({device_of(X)}), the other points "
            f"on {namespace(like).__name__} ({device_of(like)}): move one of them."
        )
    if X.shape[1] != like.shape[1]:
        raise ValueError(
            f"{name} has {X.shape[1]} features, the other points {like.shape[1]}."
        )
