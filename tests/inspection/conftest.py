"""Figures without a screen, closed after each test, and fitted stand-ins."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator


@pytest.fixture(autouse=True)
def figures():
    """Draw in memory and close what a test has opened."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


class Fit(BaseEstimator):
    """An estimator with the fitted attributes of an iterative fit."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X=None, y=None):
        n = 6
        self.n_iter_ = n
        self.stop_reason_ = "converged"
        self.certificate_ = SimpleNamespace(
            name="relative duality gap", value=self.alpha * 1e-7, tol=1e-6
        )
        self.history_ = {
            "iteration": np.arange(1, n + 1),
            "time": np.linspace(0.1, 0.6, n),
            "objective": self.alpha + 10.0 ** -np.arange(n),
            "certificate": self.alpha * 10.0 ** -np.arange(2, n + 2),
        }
        self.coef_ = np.array([0.0, 1.5, -0.5, 0.0])
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self


class PathFit(BaseEstimator):
    """An estimator with the fitted attributes of a cross-validated path."""

    def __init__(self, scoring=None):
        self.scoring = scoring

    def fit(self, X=None, y=None):
        self.n_features_in_ = 4
        self.alphas_ = np.array([1.0, 0.1, 0.01])
        self.alpha_ = 0.1
        self.coef_path_ = np.array(
            [[0, 0, 0, 0], [0.5, 0, -1, 0], [0.9, 0.1, -1.2, 0]], dtype=float
        )
        self.scores_path_ = np.array([[0.1, 0.2, 0.3], [0.8, 0.7, 0.9], [0.6, 0.5, 1]])
        self.feature_names_in_ = np.array(["age", "dose", "sex", "x"], dtype=object)
        return self
