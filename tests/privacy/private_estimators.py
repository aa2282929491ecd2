"""Every private estimator of the package, found by itself, ready to fit."""

import inspect
import warnings

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor

import skopt2.privacy
from skopt2.privacy import PrivacyLeakWarning

NAMES = [
    name
    for name in skopt2.privacy.__all__
    if inspect.isclass(getattr(skopt2.privacy, name))
    and issubclass(getattr(skopt2.privacy, name), BaseEstimator)
]


def make(name, **parameters):
    """Return an estimator with all that is public stated."""
    cls = getattr(skopt2.privacy, name)
    known = inspect.signature(cls).parameters
    public = {"classes": [0, 1, 2], "y_bounds": (-2.0, 2.0), "bounds": (-3.0, 3.0)}
    stated = {key: value for key, value in public.items() if key in known}
    return cls(**(stated | parameters))


# Single numbers that are released with noise; any other one is looked at as it is.
RELEASED_NUMBERS = {"intercept_", "radius_"}


def has(name, *parameters):
    """Return whether an estimator has all of some parameters."""
    known = inspect.signature(getattr(skopt2.privacy, name)).parameters
    return all(parameter in known for parameter in parameters)


def data_for(estimator, seed=0, n=60, d=5):
    """Return rows and targets in the public bounds."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2.5, 2.5, size=(n, d))
    if is_classifier(estimator):
        return X, rng.integers(0, 3, size=n)
    if is_regressor(estimator):
        return X, np.clip(X[:, 0] + rng.normal(size=n), -2, 2)
    return X, None


def quiet_fit(estimator, X, y):
    """Fit a clone, without the warning that a seed deserves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return clone(estimator).fit(X, y)


def released(fitted):
    """Return all float numbers that a fit released, one vector for each attribute."""
    found = {}

    def collect(name, value):
        if isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                collect(f"{name}.{number}", item)
        elif isinstance(value, float):
            found[name] = np.array([value])
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            found[name] = value.ravel()
        elif name in RELEASED_NUMBERS:
            found[name] = np.array([value])

    for name, value in vars(fitted).items():
        if name.endswith("_") and not name.startswith("_"):
            collect(name, value)
    return found
