"""Convex linear models as one family: targets, weights of penalties, and the gap.

Two fits of one convex problem have objectives between its minimum and the minimum plus
their own duality gaps, so the objectives differ by at most the larger gap. This is what
the properties compare: it needs no tolerance of the test's own, only an allowance for
the rounding of the objective itself, and it fails where a certificate is wrong.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from skopt2.linear_model import (
    CVaRClassifier,
    CVaRRegressor,
    GroupClassifier,
    GroupRegressor,
    MultiTaskRegressor,
    SparseClassifier,
    SparsemaxClassifier,
    SparseRegressor,
)
from skopt2.penalties import Box, ElasticNet

EPS = np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Model:
    """A linear model of the family.

    Parameters
    ----------
    estimator : estimator
        With ``alpha`` 1; a property sets it.
    target : str
        "real", "count", "binary", "classes" or "matrix".
    ordered : bool, default=False
        Whether the penalty knows the order of the columns.
    homogeneous : bool, default=False
        Whether the objective of c y and c alpha is c^2 that of y and alpha.
    """

    estimator: Any
    target: str
    ordered: bool = False
    homogeneous: bool = False

    @property
    def name(self):
        e = self.estimator
        words = [type(e).__name__]
        for name in ("loss", "penalty", "solver"):
            value = getattr(e, name, None)
            if value is not None and value != "auto":
                words.append(value if isinstance(value, str) else type(value).__name__)
        if getattr(e, "positive", False):
            words.append("positive")
        return "-".join(words)

    def y(self, table):
        """Return the target of a table; it depends on each row alone."""
        score = table.score
        if self.target == "real":
            return score
        if self.target == "count":
            return np.floor(np.exp(np.minimum(score, 3.0)))
        if self.target == "matrix":
            return np.stack([score, score**2, np.sin(3 * score)], axis=1)
        if self.target == "binary":
            return (np.sin(3.0 * score) > 0).astype(int)
        return np.digitize(np.sin(3.0 * score), [-0.4, 0.4])

    def fit(self, X, y, weight=None, **parameters):
        """Fit a clone, silently about iterations."""
        model = clone(self.estimator).set_params(**parameters)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning)
            return model.fit(X, y, sample_weight=weight)


def alpha_scale(X, y, weight=None):
    """Return the largest covariance of a feature with the target, or a like figure."""
    weight = np.ones(len(X)) if weight is None else weight
    weight = weight / weight.sum()
    y = np.asarray(y, dtype=float).reshape(len(X), -1)
    covariance = X.T @ (weight[:, None] * (y - weight @ y))
    largest = float(np.abs(covariance).max())
    # Of constant features nothing but rounding is left.
    rounding = 1e-12 * float(np.abs(X).max() * np.abs(y).max())
    return largest if largest > rounding else 1.0


def assert_same_minimum(one, other, floor=0.0, scale=1.0):
    """Hold two fits of one convex problem to their gaps.

    Parameters
    ----------
    one, other : estimator
        Fitted; ``other`` to the problem whose objective is ``scale`` times that of
        ``one``.
    floor : float, default=0
        Allowance for the rounding of the objectives.
    scale : float, default=1
        Ratio of the objectives.
    """
    first, second = one.objective_, other.objective_ / scale
    gaps = [max(one.dual_gap_, 0.0), max(other.dual_gap_ / scale, 0.0)]
    assert np.isfinite([first, second, *gaps]).all(), (first, second, gaps)
    allowed = max(gaps) + 64 * EPS * max(abs(first), abs(second)) + floor
    assert abs(first - second) <= allowed, (first, second, gaps, floor)


CONVEX = [
    Model(SparseRegressor(), "real", homogeneous=True),
    Model(SparseRegressor(positive=True), "real", homogeneous=True),
    Model(SparseRegressor(penalty=ElasticNet(0.5)), "real"),
    Model(SparseRegressor(penalty=ElasticNet(0.0)), "real"),
    Model(SparseRegressor(penalty="slope"), "real", homogeneous=True),
    Model(SparseRegressor(penalty="fused_lasso"), "real", True, homogeneous=True),
    Model(SparseRegressor(penalty=Box(-0.5, 1.0)), "real"),
    Model(SparseRegressor(solver="proxgrad"), "real", homogeneous=True),
    Model(SparseRegressor(solver="bcd"), "real", homogeneous=True),
    Model(SparseRegressor("huber"), "real"),
    Model(SparseRegressor("quantile"), "real"),
    Model(SparseRegressor("poisson"), "count"),
    Model(SparseClassifier(), "binary"),
    Model(SparseClassifier(penalty=ElasticNet(0.5)), "binary"),
    Model(SparseClassifier(penalty="slope"), "binary"),
    Model(SparseClassifier("multinomial"), "classes"),
    Model(SparseClassifier("squared_hinge"), "binary"),
    Model(SparseClassifier("huberized_hinge"), "binary"),
    Model(GroupRegressor(), "real", homogeneous=True),
    Model(GroupRegressor(groups=2), "real", True, homogeneous=True),
    Model(GroupRegressor(penalty="sparse_group_lasso", groups=2), "real", True, True),
    Model(GroupClassifier(groups=2), "binary", True),
    Model(MultiTaskRegressor(), "matrix", homogeneous=True),
    Model(MultiTaskRegressor("nuclear"), "matrix", homogeneous=True),
    Model(CVaRRegressor(beta=0.5), "real"),
    Model(CVaRClassifier(beta=0.5), "binary"),
    Model(SparsemaxClassifier(), "classes"),
    Model(SparsemaxClassifier("l1"), "classes"),
]
