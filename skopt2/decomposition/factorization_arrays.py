"""Arrays that go into a factorisation and come out of it."""

import numpy as np

from skopt2._core.array import all_finite, asarray_like, is_sparse, move, namespace
from skopt2._core.array_parameters import as_numbers
from skopt2._core.checks import check_real
from skopt2._core.cuda import target_of


def check_nonnegative(X, name):
    """Raise ValueError if a value of X is negative.

    Parameters
    ----------
    X : array or sparse matrix
        Finite.
    name : str
        Class of the estimator.
    """
    values = X.data if is_sparse(X) else X
    if int(np.prod(values.shape)) == 0:
        return
    low = float(namespace(values).min(values))
    if low < 0.0:
        raise ValueError(
            f"Negative values in data passed to {name}: X holds {low:.4g}, which no "
            "nonnegative factors can give. Clip or shift X, or set nonnegative to "
            "'codes', 'components' or False."
        )


def plain_array(values, X):
    """Return values beside X, in its dtype, contiguous where X is of NumPy."""
    values = asarray_like(values, X.data if is_sparse(X) else X)
    return np.ascontiguousarray(values) if isinstance(values, np.ndarray) else values


def check_codes(X, H):
    """Return codes as an array beside the components, or raise ValueError.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_components)
        Codes.
    H : array of shape (n_components, n_features)
        Components.
    """
    T = asarray_like(X, H) if hasattr(X, "dtype") else asarray_like(list(X), H)
    if T.ndim != 2 or T.shape[1] != H.shape[0]:
        raise ValueError(
            f"X has the shape {tuple(T.shape)}, but there are {H.shape[0]} "
            "components: pass one row of codes for each sample."
        )
    if not all_finite(T):
        raise ValueError("X must be finite, but holds NaN or infinity.")
    return T


def given_block(name, values, shape, like, target, term):
    """Return an array that a user passed to start from, feasible and moved.

    Parameters
    ----------
    name : str
        Of the argument, for the messages.
    values : array-like
        What was passed.
    shape : tuple of int
        Expected.
    like : array
        Example of the namespace and the dtype.
    target : Target
        Where to compute.
    term : Term
        Of the block.
    """
    host = target_of(values).kind == "numpy"
    block = as_numbers(name, values) if host else values
    check_real(block, name)
    if tuple(block.shape) != tuple(shape):
        raise ValueError(
            f"{name} has the shape {tuple(block.shape)}, expected {tuple(shape)}."
        )
    block = asarray_like(move(block, target), like)
    if not all_finite(block):
        raise ValueError(f"{name} must be finite, but holds NaN or infinity.")
    if term.nonnegative and float(namespace(block).min(block)) < 0.0:
        raise ValueError(f"{name} must not hold negative values.")
    return block
