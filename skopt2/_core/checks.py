"""Checks of X and y that run where the arrays are, for those that scikit-learn cannot.

CuPy arrays are accepted without any scikit-learn flag, so their validation is here. The
messages follow scikit-learn's; a check synchronises the device at most once.
"""

import warnings

import numpy as np
from sklearn.exceptions import DataConversionWarning

from skopt2._core.array import all_finite, as_float, is_sparse, namespace


def check_matrix(X, accept_sparse, name, finite=True):
    """Return a CuPy matrix in float32 or float64 with only finite values.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        On a device.
    accept_sparse : tuple of str or False
        Sparse formats that pass; others become the first.
    name : str
        Class of the estimator, for the messages.
    finite : bool, default=True
        Whether NaN and infinity are errors.

    Returns
    -------
    X : array or sparse matrix
        Itself where nothing had to change.
    """
    sparse = is_sparse(X)
    if sparse and not accept_sparse:
        raise TypeError(f"Sparse data was passed for X, but {name} needs dense data.")
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {X.ndim}D array instead by {name}. Reshape your "
            "data either using array.reshape(-1, 1) if your data has a single feature "
            "or array.reshape(1, -1) if it contains a single sample."
        )
    if min(X.shape) == 0:
        what = "sample(s)" if X.shape[0] == 0 else "feature(s)"
        raise ValueError(
            f"Found array with 0 {what} (shape={X.shape}) while a minimum of 1 is "
            f"required by {name}."
        )
    check_real(X, "X")
    if not sparse:
        X = as_float(X)
    else:
        if X.format not in accept_sparse:
            X = X.asformat(accept_sparse[0])
        xp = namespace(X)
        if X.dtype not in (xp.float32, xp.float64):
            X = X.astype(xp.float64)
    if finite:
        check_finite(X, "X")
    return X


def check_target(y, X, multi_output):
    """Return a real target beside X, in its dtype, with only finite values.

    Parameters
    ----------
    y : array of shape (n_samples,) or (n_samples, n_targets)
        In the namespace of ``X``.
    X : array or sparse matrix of shape (n_samples, n_features)
        Checked.
    multi_output : bool
        Whether a matrix is one.

    Returns
    -------
    y : array
        One-dimensional unless ``multi_output``.
    """
    check_real(y, "y")
    if not (multi_output and y.ndim == 2):
        y = column(y)
    xp = namespace(y)
    if not xp.isdtype(y.dtype, "real floating"):
        return xp.astype(y, X.dtype)
    check_finite(y, "y")
    return cast_target(y, X)


def column(y):
    """Return y with one dimension; a column vector with scikit-learn's warning."""
    if y.ndim == 1:
        return y
    if y.ndim != 2 or y.shape[1] != 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {tuple(y.shape)} instead."
        )
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the "
        "shape of y to (n_samples,), for example using ravel().",
        DataConversionWarning,
        stacklevel=3,
    )
    return y[:, 0]


def cast_target(y, X):
    """Return y in the dtype of X, refusing to turn a large value into infinity."""
    if y.dtype == X.dtype:
        return y
    if getattr(y.dtype, "kind", "f") in "OSTU":
        y = _numbers(y)
    with np.errstate(over="ignore"):
        cast = namespace(y).astype(y, X.dtype)
    if not all_finite(cast):
        raise ValueError(
            f"y has values too large for the {X.dtype} of X. Rescale y or pass X in "
            "float64."
        )
    return cast


def _numbers(y):
    """Return a target of objects or strings as float64."""
    try:
        y = y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must be numeric: {error}. Labels are for classifiers."
        ) from error
    check_finite(y, "y")
    return y


def check_lengths(X, y):
    """Raise ValueError unless X and y have the same number of samples."""
    if y.shape[0] != X.shape[0]:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[X.shape[0], y.shape[0]]}"
        )


def check_real(x, name):
    """Raise ValueError for complex values."""
    # The name of a NumPy dtype takes longer to make than a short vector to add up.
    kind = getattr(x.dtype, "kind", None)
    if kind == "c" or (kind is None and "complex" in str(x.dtype)):
        raise ValueError(f"Complex data not supported: {name} is {x.dtype}.")


def check_finite(x, name):
    """Raise ValueError for NaN or infinity."""
    if all_finite(x):
        return
    values = x.data if is_sparse(x) else x
    xp = namespace(values)
    what = "NaN" if bool(xp.any(xp.isnan(values))) else "infinity"
    raise ValueError(f"Input {name} contains {what}.")


def check_not_infinite(x, name):
    """Raise ValueError for infinity; NaN is let through."""
    if all_finite(x):
        return
    values = x.data if is_sparse(x) else x
    xp = namespace(values)
    if bool(xp.any(xp.isinf(values))):
        raise ValueError(f"Input {name} contains infinity.")


def check_squares(x, name, vanishing=True):
    """Raise ValueError where squares and their sums overflow, or all of them vanish.

    Parameters
    ----------
    x : array or sparse matrix
        Finite, in float32 or float64.
    name : {"X", "y"}
        What it is, for the message.
    vanishing : bool, default=True
        Whether squares that all vanish are an error; not where more rows may come.

    Raises
    ------
    ValueError
        If the sum of all squares leaves no digits for further products, or is nothing
        although some value is not zero.
    """
    values = x.data if is_sparse(x) else x
    xp = namespace(values)
    # One pass, and one transfer from a GPU.
    with np.errstate(over="ignore"):
        if xp is np:
            flat = values.ravel(order="K")
            total = float(flat @ flat)
        else:
            total = float(xp.sum(values * values))
    limits = xp.finfo(values.dtype)
    least, most = float(limits.smallest_normal), float(limits.eps) * float(limits.max)
    if least <= total <= most or (total < least and not vanishing):
        return
    peak = float(xp.max(xp.abs(values))) if 0 not in values.shape else 0.0
    if peak == 0.0:
        return
    dtype = str(values.dtype).rpartition(".")[2]
    what, happens = "values as large as", "overflow"
    if total < least:
        what, happens = "no values larger than", "vanish in"
    remedy = {
        "X": "divide its columns by their scale, for example with MaxAbsScaler",
        "y": "divide it by its scale",
    }[name]
    if dtype == "float32":
        remedy += f", or pass {name} in float64"
    raise ValueError(
        f"{name} has {what} {peak:.1e}, whose squares {happens} {dtype}: {remedy}."
    )


def canonical(X):
    """Return X without duplicate sparse entries.

    Squares of the stored values stand for squares of the elements in column norms,
    which is wrong where an element is stored as a sum of several.
    """
    if type(X) is np.ndarray or not is_sparse(X):
        return X
    if getattr(X, "has_canonical_format", True):
        return X
    X = X.copy()
    X.sum_duplicates()
    return X
