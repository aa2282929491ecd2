"""Checks of cost matrices and of points, which have to be dense."""

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import all_finite, as_float, is_sparse
from skopt2._core.checks import check_real


def check_costs(cost, name="cost", stacked=False):
    """Return finite costs of any sign in float32 or float64, where they are.

    Parameters
    ----------
    cost : array-like of shape (n, m) or (n_problems, n, m)
        What the user passed.
    name : str, default="cost"
        Name of the parameter.
    stacked : bool, default=False
        Whether several matrices are allowed.

    Returns
    -------
    cost : array
        Itself where nothing had to change.

    Raises
    ------
    TypeError
        If they are sparse.
    ValueError
        If they are empty, complex, not finite, or of another shape.
    """
    if is_sparse(cost):
        raise TypeError(
            f"{name} is sparse, and an entry that a sparse matrix leaves out would be "
            f"a cost of zero. Pass {name}.toarray() if that is meant."
        )
    cost = _on_host(cost)
    if cost.ndim not in ((2, 3) if stacked else (2,)) or 0 in cost.shape:
        or_more = " or (n_problems, n, m)" if stacked else ""
        raise ValueError(
            f"{name} must have the shape (n, m){or_more} with all lengths at least 1; "
            f"got {tuple(cost.shape)}."
        )
    advice = "Forbid a pair by a cost far above the others instead."
    return _finite(cost, name, advice)


def check_points(X, name):
    """Return finite points as a matrix in float32 or float64, where they are.

    Parameters
    ----------
    X : array-like of shape (n_points, n_features)
        What the user passed.
    name : str
        Name of the parameter.

    Returns
    -------
    X : array of shape (n_points, n_features)
        Itself where nothing had to change.

    Raises
    ------
    TypeError
        If they are sparse.
    ValueError
        If they are empty, complex, not finite, or no matrix.
    """
    if is_sparse(X):
        raise TypeError(
            f"{name} is sparse, but points must be dense. Pass {name}.toarray()."
        )
    X = _on_host(X)
    if X.ndim != 2 or 0 in X.shape:
        raise ValueError(
            f"{name} must have the shape (n_points, n_features) with at least one of "
            f"each; got {tuple(X.shape)}. Points on a line are {name}.reshape(-1, 1)."
        )
    return _finite(X, name, "Remove those points.")


def _on_host(x):
    """Return what is no array of another library as a NumPy array of numbers."""
    if cuda.target_of(x).kind != "numpy":
        return x
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype == object else x


def _finite(x, name, advice):
    """Return real numbers in a float dtype; raise if one is not finite."""
    check_real(x, name)
    x = as_float(x)
    if not all_finite(x):
        raise ValueError(f"{name} must be finite, but holds NaN or infinity. {advice}")
    return x
