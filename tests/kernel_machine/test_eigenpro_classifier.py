"""The kernel classifier: ridge regression on signs, probabilities of unseen rows."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_moons
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import log_loss
from sklearn.model_selection import LeaveOneOut, train_test_split

from skopt2._core.labels import signs
from skopt2.kernel_machine import EigenProClassifier
from skopt2.kernel_machine.calibration import (
    calibration_scale,
    leave_one_out_scores,
)
from skopt2.kernel_machine.sample import Sample
from skopt2.kernels import Gaussian


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X / 16.0, y, train_size=600, random_state=0)


def test_scores_are_those_of_kernel_ridge_on_signs(digits):
    X, new, y, _ = digits
    model = EigenProClassifier(Gaussian(3.0), alpha=0.1).fit(X, y)
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=0.5 / 9.0).fit(X, signs(y, 10))
    np.testing.assert_allclose(
        model.decision_function(new), ridge.predict(new), atol=1e-7
    )


def test_digits_are_told_apart(digits):
    X, new, y, wanted = digits
    model = EigenProClassifier(alpha=1e-3).fit(X, y)
    assert model.score(new, wanted) > 0.97
    assert (
        model.predict(new) == model.classes_[model.predict_proba(new).argmax(1)]
    ).all()


@pytest.mark.parametrize("early", [False, True])
def test_probabilities_are_better_than_any_fixed_scale_nearby(digits, early):
    X, new, y, wanted = digits
    model = EigenProClassifier(
        alpha=1e-3, early_stopping=early, max_iter=30, random_state=0
    ).fit(X, y)
    p = model.predict_proba(new)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    found = log_loss(wanted, p)
    scores = model.decision_function(new)
    best = calibration_scale(scores, signs(wanted, 10), None)
    assert 0.5 < model.probability_scale_ / best < 2.0
    assert found < 0.25


def test_leave_one_out_scores_are_exact(rng):
    X, y = make_moons(40, noise=0.3, random_state=0)
    weight = rng.uniform(0.5, 2.0, 40)
    Y = signs(y, 2)
    kernel = Gaussian(0.8)
    scores, truth, _ = leave_one_out_scores(kernel, Sample(X, Y, weight, False), 0.3)
    np.testing.assert_array_equal(truth, Y)
    for rest, one in LeaveOneOut().split(X):
        ridge = KernelRidge(alpha=0.3, kernel="rbf", gamma=0.5 / 0.64)
        ridge.fit(X[rest], Y[rest, 0], sample_weight=weight[rest])
        np.testing.assert_allclose(scores[one, 0], ridge.predict(X[one]), atol=1e-9)


def test_equal_rows_are_left_out_together(rng):
    X = rng.standard_normal((20, 2))
    Y = np.where(rng.random((20, 1)) < 0.5, -1.0, 1.0)
    times = rng.integers(1, 4, 20)
    kernel = Gaussian(1.0)
    once = leave_one_out_scores(kernel, Sample(X, Y, times.astype(float), False), 0.2)
    many = Sample(np.repeat(X, times, axis=0), np.repeat(Y, times, axis=0), 1.0, False)
    for found, wanted in zip(
        leave_one_out_scores(kernel, many, 0.2), once, strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_two_classes_have_one_score():
    X, y = make_moons(200, noise=0.2, random_state=0)
    labels = np.array(["left", "right"])[y]
    model = EigenProClassifier(alpha=0.1).fit(X, labels)
    score = model.decision_function(X)
    assert score.shape == (200,)
    assert model.dual_coef_.shape == (200,)
    assert ((score > 0) == (model.predict(X) == "right")).all()
    assert model.score(X, labels) > 0.95
    p = model.predict_proba(X)
    np.testing.assert_array_equal(p[:, 1] > 0.5, score > 0)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="only one class"):
        EigenProClassifier().fit(np.eye(3), np.ones(3))


def test_a_calibration_without_errors_is_bounded():
    truth = np.array([[1.0], [-1.0], [1.0]])
    scale = calibration_scale(truth, truth, None)
    assert 0.1 < scale < 10.0
