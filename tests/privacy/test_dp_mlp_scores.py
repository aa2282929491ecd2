"""Scores of private networks at their defaults, beside the linear models."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_friedman1
from sklearn.model_selection import train_test_split

from skopt2.privacy import (
    DPLinearRegressor,
    DPLogisticClassifier,
    DPMLPClassifier,
    DPMLPRegressor,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::skopt2.privacy.PrivacyLeakWarning",
)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("epsilon", "least"), [(1.0, 0.895), (2.0, 0.925), (4.0, 0.94)]
)
def test_digits_beat_the_linear_model(epsilon, least):
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    public = {"delta": 1e-5, "bounds": (0, 16), "classes": range(10)}
    scores = []
    for seed in range(3):
        split = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
        for cls in (DPMLPClassifier, DPLogisticClassifier):
            model = cls(epsilon, random_state=seed, **public)
            scores.append(model.fit(split[0], split[2]).score(split[1], split[3]))
    assert np.mean(scores[::2]) > least
    assert np.mean(scores[::2]) > np.mean(scores[1::2])


def test_smooth_functions_are_fitted_better_than_by_lines():
    X, y = make_friedman1(5000, n_features=5, noise=1.0, random_state=0)
    X = X.astype(np.float32)
    public = {"bounds": (0, 1), "y_bounds": (0, 30), "random_state": 0}
    split = train_test_split(X, y, random_state=0)
    scores = [
        cls(1.0, **public).fit(split[0], split[2]).score(split[1], split[3])
        for cls in (DPMLPRegressor, DPLinearRegressor)
    ]
    assert scores[0] > 0.85
    assert scores[0] > scores[1] + 0.1
