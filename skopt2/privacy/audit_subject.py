"""What is audited, behind two calls: fit to data with fresh randomness, and read out.

An estimator is used through ``clone``, ``set_params`` and ``fit``, and only copies are
fitted. A function ``fit(X, y, seed)`` returns a vector.
"""

import sys

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import get_tags

from skopt2._core.threads import without_warnings

# Norm of a canary where the estimator does not say what it clips rows to.
NORM = 1.0
# A clipping norm well below the gradient of a canary: without clipping its trace would
# be many times too large.
CLIP_SHARE = 0.05
# Steps so short that the residual of a canary, and hence its gradient, stays large.
LEARNING_RATE = 1e-3
# Parameters whose values would fall together with records or spend what is not ours.
OWN_NORMS = ("feature_norm", "data_norm")


def last(name):
    """Return the last part of a nested parameter name."""
    return name.rsplit("__", 1)[-1]


def is_ours(estimator):
    """Return whether an estimator is one of this package."""
    return type(estimator).__module__.split(".")[0] == "skopt2"


def owners(estimator):
    """Return the estimators in an estimator by the prefix of their parameters."""
    found = {"": estimator}
    for name, value in estimator.get_params(deep=True).items():
        if hasattr(value, "get_params") and not isinstance(value, type):
            found[f"{name}__"] = value
    return found


class FunctionSubject:
    """A function ``fit(X, y, seed) -> vector``.

    Parameters
    ----------
    function : callable
        ``seed`` is an int that differs in every call.
    relation : {"zero_out", "add_remove", "replace_one"}
        What a record that is not there looks like.
    norm : float
        Norm of the rows.
    """

    kind = "function"
    labels = (0, 1)
    sparse = shared = False
    blank = 0.0
    settings = {}
    notes = ()

    def __init__(self, function, relation, norm):
        self.function, self.relation, self.norm = function, relation, norm

    def fit(self, X, y, seed):
        """Return the vector of one run."""
        return np.asarray(self.function(X, y, seed), dtype=float).ravel()

    def scores(self, fitted, X):
        """Return the coordinates that belong to the canaries."""
        if fitted.size < X.shape[1]:
            raise ValueError(
                "method='canaries' needs a vector with one coordinate for each feature,"
                f" got {fitted.size} numbers for {X.shape[1]} features; use "
                "method='worlds'."
            )
        return fitted[: X.shape[1]]

    def vector(self, fitted, X):
        """Return all that a run gave away."""
        return fitted

    def parameter(self, name):
        """Return None: a function has no parameters."""
        return None


class EstimatorSubject:
    """An estimator with the audit's settings.

    Parameters
    ----------
    estimator : estimator
        Not changed; a clone is.
    relation : {"zero_out", "add_remove", "replace_one"}
        What a record that is not there looks like.
    norm : float or None
        Norm of the rows; None takes what the estimator clips them to.
    settings : dict or None
        Parameters set last.
    fresh : bool
        Whether to leave the randomness to the operating system.
    n_rows : int
        Rows of the audited data sets.
    """

    def __init__(self, estimator, relation, norm, settings, fresh, n_rows):
        self.fresh = fresh
        self.kind = (
            "classifier"
            if is_classifier(estimator)
            else "regressor"
            if is_regressor(estimator)
            else "transformer"
        )
        self.template = clone(estimator)
        self.notes = self._notes()
        self.settings = self._settings(norm, n_rows) | (settings or {})
        self.template.set_params(**self.settings)
        names = self.template.get_params()
        self.seeds = [name for name in names if last(name) == "random_state"]
        values = {last(name): value for name, value in names.items()}
        self.relation = relation or values.get("relation") or "zero_out"
        self.norm = norm or next(
            (float(values[name]) for name in OWN_NORMS if values.get(name)), NORM
        )
        tags = get_tags(self.template)
        self.sparse = tags.input_tags.sparse
        # Estimators of this package count a row of NaN as no row at all.
        self.blank = np.nan if tags.input_tags.allow_nan and is_ours(estimator) else 0.0
        self.labels = self._labels(values)
        self.shared = values.get("hidden_layer_sizes") is not None

    def _notes(self):
        seeds = [
            f"{name}={value!r}"
            for name, value in self.template.get_params().items()
            if last(name) == "random_state" and value is not None
        ]
        if not seeds:
            return ()
        return (
            f"{', '.join(seeds)} makes all fits add the same noise: who learns the seed"
            " subtracts it, and the difference of two fits is free of it. The audit "
            "gave every fit a seed of its own; use random_state=None for a release.",
        )

    def _settings(self, norm, n_rows):
        settings, found = {}, owners(self.template)
        for name, value in self.template.get_params(deep=True).items():
            short, owner = last(name), found.get(name[: -len(last(name))])
            if short == "accountant":
                settings[name] = self._unlimited(owner)
            elif short == "fit_intercept":
                settings[name] = False
            elif short in OWN_NORMS and (value is None or norm):
                settings[name] = norm or NORM
            elif owner is not None and is_ours(owner):
                settings |= self._ours(name, short, value, n_rows)
        return settings

    def _ours(self, name, short, value, n_rows):
        """Settings of an estimator of this package under which canaries are loud."""
        if short == "bounds" and self.kind != "transformer":
            return {name: None}
        if short == "average":
            return {name: False}
        if short == "learning_rate":
            return {name: LEARNING_RATE}
        if short == "max_grad_norm":
            return {name: CLIP_SHARE}
        if short == "classes" and value is None:
            return {name: [0, 1]}
        if short == "y_bounds" and value is None:
            return {name: (-1.0, 1.0)}
        if short == "batch_size" and isinstance(value, int) and value >= n_rows:
            return {name: n_rows // 2}
        return {}

    @staticmethod
    def _unlimited(owner):
        """Return an accountant that is nobody's; diffprivlib's None means a shared."""
        package = sys.modules.get(type(owner).__module__.split(".")[0])
        if getattr(package, "__name__", "") == "diffprivlib":
            return package.BudgetAccountant()
        return None

    def _labels(self, values):
        if self.kind == "regressor":
            bounds = values.get("y_bounds")
            low, high = (-1.0, 1.0) if bounds is None else bounds
            return float(low), float(high)
        classes = values.get("classes")
        return (0, 1) if classes is None else (classes[0], classes[1])

    def fit(self, X, y, seed):
        """Return a fitted copy."""
        copy = clone(self.template)
        if self.seeds:
            value = None if self.fresh else seed
            copy.set_params(**dict.fromkeys(self.seeds, value))
        with without_warnings():
            return copy.fit(X) if self.kind == "transformer" else copy.fit(X, y)

    def scores(self, fitted, X):
        """Return how far each canary is on the side of its label."""
        if self.kind == "regressor":
            return np.asarray(fitted.predict(X), dtype=float).ravel()
        if self.kind != "classifier":
            raise ValueError(
                f"method='canaries' needs predictions, and {type(fitted).__name__} "
                "makes none; use method='worlds'."
            )
        place = list(fitted.classes_).index(self.labels[1])
        if hasattr(fitted, "decision_function"):
            values = np.asarray(fitted.decision_function(X), dtype=float)
        elif hasattr(fitted, "predict_proba"):
            values = np.asarray(fitted.predict_proba(X), dtype=float)
        else:
            return (np.asarray(fitted.predict(X)) == self.labels[1]).astype(float)
        if values.ndim == 1 or values.shape[1] == 1:
            return values.ravel() if place == 1 else -values.ravel()
        return values[:, place] - np.delete(values, place, axis=1).mean(axis=1)

    def parameter(self, name):
        """Return a parameter of the estimator or of a part of it, None without it."""
        values = self.template.get_params()
        return next((v for k, v in values.items() if last(k) == name), None)

    def records(self, fitted):
        """Return the privacy records of a fitted estimator and of its parts."""
        parts = [part for name, part in sorted(owners(fitted).items())]
        return [part.privacy_ for part in parts if hasattr(part, "privacy_")]

    def vector(self, fitted, X):
        """Return the numbers in all fitted attributes, and predictions for rows."""
        if self.shared:
            # Their weights start at random: one by one they compare with nothing.
            return self.scores(fitted, X)
        parts = [] if self.kind == "transformer" else [self.scores(fitted, X)]
        for name in sorted(vars(fitted)):
            if name.endswith("_") and not name.startswith("_"):
                parts += numbers_in(getattr(fitted, name))
        return np.concatenate(parts) if parts else np.zeros(0)


def numbers_in(value):
    """Return the float arrays in a fitted attribute."""
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in numbers_in(item)]
    if isinstance(value, dict):
        return [part for key in sorted(value) for part in numbers_in(value[key])]
    if isinstance(value, float) or getattr(value, "dtype", None) is not None:
        array = np.asarray(value)
        if array.dtype.kind == "f":
            return [array.ravel().astype(float)]
    return []
