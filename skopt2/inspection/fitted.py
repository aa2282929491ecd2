"""Reading what a picture needs from a fitted estimator, a pipeline or a search."""

import numpy as np
from sklearn.exceptions import NotFittedError

from skopt2._core.array import to_numpy


def host_array(values):
    """Return values of any library, or a list, as a float NumPy array."""
    return np.asarray(to_numpy(values) if hasattr(values, "dtype") else values, float)


def recorded(estimator, attribute):
    """Return a fitted attribute, or raise NotFittedError.

    Also of classes with a method fit that lack what else scikit-learn's own check asks
    of an estimator.
    """
    kind = type(estimator).__name__
    if not hasattr(estimator, "fit"):
        raise TypeError(f"{kind} is no estimator: it has no method fit.")
    value = getattr(estimator, attribute, None)
    if value is None:
        raise NotFittedError(
            f"This {kind} has no {attribute}: call fit first, or pass an estimator "
            "whose fit records it."
        )
    return value


def unwrap(estimator, attribute):
    """Return the estimator that was fitted last and the names of its features.

    A search stands for its best estimator and a pipeline for its last step, whose
    features are what the steps before it put out.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator, pipeline or search.
    attribute : str
        Fitted attribute that the picture reads.

    Returns
    -------
    estimator : estimator
        The innermost estimator.
    feature_names : ndarray of str of shape (n_features,) or None
        None where the model was fitted on data without names.

    Raises
    ------
    NotFittedError
        If the innermost estimator has not been fitted.
    TypeError
        If it is no estimator.
    """
    names = None
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            if len(estimator.steps) > 1:
                names = _names_out(estimator[:-1])
            estimator = estimator[-1]
        else:
            break
    recorded(estimator, attribute)
    if names is None:
        names = getattr(estimator, "feature_names_in_", None)
    return estimator, names


def _names_out(steps):
    """Names that the first steps of a pipeline put out; None where they have none."""
    try:
        return steps.get_feature_names_out()
    except (AttributeError, ValueError, TypeError):
        # A step without the method, or one that was fitted on unnamed data and needs
        # them: the picture then numbers the features.
        return None


def feature_labels(feature_names, n_features):
    """Return one label a feature: the given names, or x0, x1, ...

    Raises
    ------
    ValueError
        If the number of names is not the number of features.
    """
    if feature_names is None:
        return np.array([f"x{j}" for j in range(n_features)], dtype=object)
    names = np.asarray(feature_names, dtype=object)
    if names.shape != (n_features,):
        raise ValueError(
            f"feature_names must have length {n_features}, one a coefficient, got "
            f"shape {names.shape}."
        )
    return names


def one_vector(coef, target):
    """Return coefficients as one vector: those of one target, or norms over them all.

    Parameters
    ----------
    coef : array of shape (n_features,) or (n_targets, n_features)
        Coefficients on any device.
    target : int or None
        Row to take; None takes the only row, or Euclidean norms over several.

    Returns
    -------
    vector : ndarray of shape (n_features,)
        On the host.
    """
    coef = host_array(coef)
    if coef.ndim == 1:
        return coef
    if target is not None:
        return coef[target]
    return coef[0] if coef.shape[0] == 1 else np.linalg.norm(coef, axis=0)


def path_coefficients(path):
    """Return the coefficients of a path, or raise TypeError."""
    if not hasattr(path, "coefs"):
        raise TypeError(
            "path must be what sparse_path or group_path returns; got "
            f"{type(path).__name__}, which has no coefficients. For an estimator there "
            "is from_estimator."
        )
    return path.coefs


def path_matrix(coefs, target, n_features):
    """Return path coefficients as (n_alphas, n_features) and what they are.

    Parameters
    ----------
    coefs : array of shape (n_alphas, n_features[, n_targets])
        Coefficients on any device; the last two axes may be exchanged where
        ``n_features`` says so.
    target : int or None
        Target to take; None takes the only one, or Euclidean norms over several.
    n_features : int or None
        Number of features where it is known.

    Returns
    -------
    matrix : ndarray of shape (n_alphas, n_features)
        On the host.
    name : str
        Label of the axis.
    """
    coefs = host_array(coefs)
    if coefs.ndim < 3:
        return coefs, "coefficient"
    if n_features not in (None, coefs.shape[1]) and n_features == coefs.shape[2]:
        coefs = np.moveaxis(coefs, 1, 2)
    if coefs.shape[2] == 1:
        return coefs[:, :, 0], "coefficient"
    if target is not None:
        return coefs[:, :, target], f"coefficient of class {target}"
    return np.linalg.norm(coefs, axis=2), "norm of coefficients over classes"
