"""Input of fits and predictions, checked where it lives and moved where it is needed.

Host data goes through scikit-learn's public ``validate_data``, other array-API arrays
too while its dispatch is on. CuPy arrays are checked here: they are accepted without
any scikit-learn flag, and every check costs one small transfer at most. So are plain
float NumPy arrays, which need none of what scikit-learn looks for: its search for data
frame libraries costs more than a small fit.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from skopt2._core import cuda
from skopt2._core.array import HOST, Target, move, to_numpy
from skopt2._core.checks import (
    canonical,
    cast_target,
    check_finite,
    check_lengths,
    check_matrix,
    check_squares,
    check_target,
    column,
)
from skopt2._core.labels import encode_labels
from skopt2._core.sklearn_seam import check_same_namespace
from skopt2._core.weights import check_weights


@dataclass(frozen=True, eq=False)
class FitInput:
    """Checked input of one fit.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        On ``target``, in float32 or float64, with no duplicate sparse entries.
    y : array of shape (n_samples,) or (n_samples, n_targets)
        On ``target`` in the dtype of ``X``; for a classifier the int64 class numbers.
    sample_weight : array of shape (n_samples,) or None
        On ``target`` in the dtype of ``X``, summing to 1; None for equal weights.
    source : Target
        Where the input lived: fitted attributes and predictions go there.
    target : Target
        Where the fit is computed.
    classes : ndarray of shape (n_classes,) or None
        Sorted class labels in host memory; None for other tasks.
    X_source, y_source, sample_weight_source : array
        The checked input before it was moved and encoded, for callbacks.
    metadata_source : dict or None
        What else the fit was given and depends on, by name, for callbacks.
    """

    X: Any
    y: Any
    sample_weight: Any
    source: Target
    target: Target
    classes: Any = None
    X_source: Any = None
    y_source: Any = None
    sample_weight_source: Any = None
    metadata_source: Any = None


def check_fit_input(
    estimator,
    X,
    y,
    sample_weight=None,
    *,
    accept_sparse=("csc", "csr"),
    y_kind="regression",
    min_classes=2,
    finite=True,
    squares=False,
):
    """Check the input of ``fit`` and move it to the device that computes.

    Sets ``n_features_in_`` and ``feature_names_in_`` on the estimator.

    Parameters
    ----------
    estimator : estimator
        Its ``device`` parameter decides where to compute, its tags and name the
        messages.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data of any real dtype. Copied only to change dtype or sparse format.
    y : array-like of shape (n_samples,)
        Targets or labels.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Nonnegative weights.
    accept_sparse : tuple of str or False, default=("csc", "csr")
        Sparse formats that pass unconverted; others become the first.
    y_kind : {"regression", "classification", "multioutput", "none"}, \
            default="regression"
        What ``y`` is; "multioutput" admits a float matrix, "none" ignores ``y``.
    min_classes : int, default=2
        Fewest classes of positive weight that a classifier can be fitted to.
    finite : bool, default=True
        Whether NaN in ``X`` is an error. False leaves infinity to the caller too.
    squares : bool, default=False
        Whether the squares of ``X``, and of a real ``y``, have to fit the dtype.

    Returns
    -------
    data : FitInput
        The checked arrays.

    Raises
    ------
    ValueError
        If something is not finite, empty, of the wrong shape or out of range.
    """
    source, target = cuda.resolve(getattr(estimator, "device", None), X)
    plain = _is_plain(X) and _is_plain_target(y, y_kind)
    check = _check_in_place if source.kind == "cuda" or plain else _check_with_sklearn
    try:
        X, y = check(estimator, X, y, source, accept_sparse, y_kind, finite)
    except ValueError as error:
        _name_text(X, error)
        raise
    X = canonical(X)
    if squares:
        check_squares(X, "X")
        if y_kind in ("regression", "multioutput"):
            check_squares(y, "y")
    weight = check_weights(sample_weight, X)
    classes, encoded = None, y
    if y_kind == "classification":
        classes, encoded = encode_labels(estimator, y, weight, min_classes)
    return FitInput(
        move(X, target),
        move(encoded, target),
        move(weight, target),
        source,
        target,
        classes,
        X,
        y,
        weight,
    )


def host_data(estimator, data, method):
    """Return the data of a fit in host memory, for methods that compute there.

    Parameters
    ----------
    estimator : estimator
        With a parameter ``device``.
    data : FitInput
        Checked.
    method : str
        What computes on the CPU, for the message.

    Returns
    -------
    data : FitInput
        The same object if it is there already. Fitted attributes go back to the
        source all the same.

    Raises
    ------
    ValueError
        If the estimator asks for a GPU.
    """
    if data.target.kind == "numpy":
        return data
    if str(estimator.device).startswith("cuda"):
        raise ValueError(
            f"device={estimator.device!r} is not available for "
            f"{type(estimator).__name__} with these parameters: {method} computes on "
            "the CPU. Leave device=None; arrays of a GPU are copied for the fit, and "
            "the fitted attributes go back to it."
        )
    return replace(
        data,
        X=move(data.X, HOST),
        y=move(data.y, HOST),
        sample_weight=move(data.sample_weight, HOST),
        target=HOST,
    )


def check_predict_input(
    estimator,
    X,
    *,
    accept_sparse=("csr", "csc"),
    attribute="coef_",
    method="predict",
    finite=True,
):
    """Check the input of a prediction against the fitted model.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data.
    accept_sparse : tuple of str or False, default=("csr", "csc")
        Sparse formats that pass unconverted.
    attribute : str, default="coef_"
        Fitted array whose namespace and device ``X`` must share.
    method : str, default="predict"
        Name of the calling method, for the message.
    finite : bool, default=True
        Whether NaN and infinity are errors.

    Returns
    -------
    X : array or sparse matrix
        Checked, where it was.

    Raises
    ------
    NotFittedError
        If the estimator has not been fitted.
    ValueError
        If ``X`` has other features, or lives elsewhere than the fitted attributes.
    """
    check_is_fitted(estimator, attribute)
    source = cuda.target_of(X)
    fitted = getattr(estimator, attribute)
    if source.kind == "cuda" or cuda.provider.owns(fitted):
        home = cuda.target_of(fitted)
        if (home.kind, home.label) != (source.kind, source.label):
            raise ValueError(
                f"Inputs passed to {type(estimator).__name__}.{method}() must use the "
                "same namespace and the same device as those passed to fit(): the "
                f"model is on {home.label}, X on {source.label}. Move the model with "
                f"skopt2.to_device(estimator, {source.label!r})."
            )
    if source.kind == "cuda":
        X = check_matrix(X, accept_sparse, type(estimator).__name__, finite)
        validate_data(estimator, X, reset=False, skip_check_array=True)
        return X
    if (
        _is_plain(X)
        and type(fitted) is np.ndarray
        and not hasattr(estimator, "feature_names_in_")
        and X.shape[1] == estimator.n_features_in_
    ):
        return check_matrix(X, accept_sparse, type(estimator).__name__, finite)
    check_same_namespace(X, estimator, attribute=attribute, method=method)
    return validate_data(
        estimator,
        X,
        reset=False,
        accept_sparse=accept_sparse,
        dtype=_dtypes(source),
        ensure_all_finite=finite,
    )


def _dtypes(source):
    """Return the dtypes that pass unconverted; anything else becomes the first."""
    if source.kind == "numpy":
        return [np.float64, np.float32]
    available = source.xp.__array_namespace_info__().dtypes(
        kind="real floating", device=source.device
    )
    return [available[name] for name in ("float64", "float32") if name in available]


def _check_with_sklearn(estimator, X, y, source, accept_sparse, y_kind, finite):
    """Check X and y with scikit-learn's own validation."""
    options = {"accept_sparse": accept_sparse, "dtype": _dtypes(source)}
    options["ensure_all_finite"] = finite or "allow-nan"
    if y_kind == "none":
        return validate_data(estimator, X, **options), None
    if cuda.provider.owns(y):
        y = to_numpy(y)
    if y_kind != "multioutput":
        _check_one_target(estimator, y, y_kind == "regression")
    if y_kind == "classification":
        return validate_data(estimator, X, y, **options)
    X, y = validate_data(
        estimator, X, y, multi_output=y_kind == "multioutput", **options
    )
    return X, cast_target(move(y, source), X)


def _name_text(X, error):
    """Raise anew, with the names of the columns that are no numbers, if it is that."""
    if "could not convert" not in str(error) or not hasattr(X, "select_dtypes"):
        return
    names = list(X.select_dtypes(exclude=["number", "bool"]).columns)
    if names:
        shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
        raise ValueError(
            f"{error}: X has columns that are no numbers, {shown}. Encode them, with "
            "ColumnTransformer and OneHotEncoder of scikit-learn for instance, or "
            "leave them out."
        ) from error


def _check_one_target(estimator, y, numeric):
    """Raise ValueError for several targets, which scikit-learn's lasso takes."""
    shape = tuple(getattr(y, "shape", ()))
    if len(shape) == 2 and shape[1] > 1:
        kind = "Regressor" if numeric else "Classifier"
        together = "MultiTaskRegressor" if numeric else "SparsemaxClassifier"
        raise ValueError(
            f"y should be a 1d array, got an array of shape {shape}: "
            f"{type(estimator).__name__} has one target. Fit the targets together with "
            f"skopt2.linear_model.{together}, or one by one with "
            f"sklearn.multioutput.MultiOutput{kind}."
        )


def _is_plain(X):
    """Tell whether X is a NumPy matrix of floats, no subclass, with something in it."""
    if type(X) is not np.ndarray or X.ndim != 2 or not X.size:
        return False
    return X.dtype == np.float64 or X.dtype == np.float32


def _is_plain_target(y, y_kind):
    """Tell whether y is a NumPy vector of numbers, or not asked for."""
    if y_kind == "none":
        return True
    return type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "fiub"


def _check_in_place(estimator, X, y, source, accept_sparse, y_kind, finite):
    """Check X and y where X is on a GPU, or both are plain arrays."""
    X = check_matrix(X, accept_sparse, type(estimator).__name__, finite)
    if source.kind == "cuda":
        # Counts the features, and complains about a y that is None.
        validate_data(estimator, X, y, skip_check_array=True)
    else:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
    if y_kind == "none":
        return X, None
    if cuda.target_of(y).kind == "numpy":
        y = np.asarray(y)
    if y_kind == "classification":
        y = column(y)
        if isinstance(y, np.ndarray) and y.dtype.kind == "f":
            check_finite(y, "y")
    else:
        y = check_target(move(y, source), X, multi_output=y_kind == "multioutput")
    check_lengths(X, y)
    return X, y
