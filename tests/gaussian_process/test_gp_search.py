"""The Bayesian search as a search of scikit-learn, and as a search."""

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.base import BaseEstimator, RegressorMixin

from skopt2.gaussian_process import GPSearchCV


class Known(RegressorMixin, BaseEstimator):
    """An estimator whose score is a known function of its parameters."""

    def __init__(self, a=0.0, b=0.0, c="x", fail_above=np.inf):
        self.a = a
        self.b = b
        self.c = c
        self.fail_above = fail_above

    def fit(self, X, y):
        if self.a > self.fail_above:
            raise ValueError("a is too large")
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def score(self, X, y):
        return branin(self.a, self.b)


def branin(a, b):
    """Return minus the Branin function on the unit square, whose largest value is 0."""
    x, y = 15.0 * a - 5.0, 15.0 * b
    square = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return 0.39788735772973816 - square - 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) - 10


X = np.zeros((4, 1))
y = np.zeros(4)
SQUARE = {"a": uniform(0, 1), "b": uniform(0, 1)}


def search(space=SQUARE, **options):
    options = {"cv": 2, "random_state": 0, **options}
    return GPSearchCV(Known(), space, **options).fit(X, y)


@pytest.mark.parametrize(
    "acquisition", ["irgp_ucb", "gp_ucb", "thompson", "expected_improvement"]
)
def test_finds_the_maximum_of_branin(acquisition):
    found = search(n_iter=30, acquisition=acquisition)
    # Random search is at 3 after 30 points, a grid of 30 x 30 at 0.05.
    assert found.best_score_ > -0.3
