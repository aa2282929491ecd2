"""An estimator whose scores are known functions of its parameters."""

import time

import numpy as np
from scipy.stats import uniform
from sklearn.base import BaseEstimator, RegressorMixin

X = np.zeros((4, 1))
y = np.zeros(4)
SQUARE = {"a": uniform(0, 1), "b": uniform(0, 1)}


class Known(RegressorMixin, BaseEstimator):
    """Scores Branin of a and b, less a penalty that depends on c."""

    def __init__(self, a=0.5, b=0.5, c="x", fails_from=np.inf, seconds=0.0):
        self.a = a
        self.b = b
        self.c = c
        self.fails_from = fails_from
        self.seconds = seconds

    def fit(self, X, y):
        if self.a >= self.fails_from:
            raise RuntimeError(f"a = {self.a} is too large")
        if self.seconds:
            time.sleep(self.seconds * self.b)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        return branin(self.a, self.b) - {"x": 0.0, "y": 20.0, "z": 60.0}[self.c]


def branin(a, b):
    """Return minus the Branin function on the unit square; its largest value is 0."""
    x, y = 15.0 * a - 5.0, 15.0 * b
    square = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return 0.39788735772973816 - square - 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) - 10


def metrics(estimator, X, y):
    """Two scores of a `Known`."""
    return {"branin": estimator.score(X, y), "sum": estimator.a + estimator.b}
