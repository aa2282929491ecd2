"""Weight k is the row repeated k times, weight 0 the row dropped: every loss."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skopt2.linear_model import SparseClassifier, SparseRegressor

REGRESSION = ["squared", "huber", "poisson", "quantile"]
CLASSIFICATION = ["logistic", "multinomial", "squared_hinge", "huberized_hinge"]
FORMATS = [np.asarray, sp.csr_array, sp.csc_matrix]


def problem(rng, loss, n=40, p=12):
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.6)
    eta = X[:, 0] - X[:, 1] + 0.5
    weight = rng.integers(0, 4, n).astype(float)
    if loss == "poisson":
        return X, rng.poisson(np.exp(0.5 * eta)).astype(float), weight
    if loss in REGRESSION:
        return X, eta + rng.standard_normal(n), weight
    if loss == "multinomial":
        y = np.argmax(
            np.stack([eta, -X[:, 2], X[:, 3]], 1) + rng.gumbel(size=(n, 3)), 1
        )
        return X, np.array(["b", "a", "c"])[y], weight
    return X, np.where(eta + rng.logistic(size=n) > 0, "yes", "no"), weight


def estimator(loss, penalty="l1", **options):
    kind = SparseRegressor if loss in REGRESSION else SparseClassifier
    tol = 1e-7 if loss == "quantile" else 1e-10
    return kind(loss, penalty, **{"alpha": 0.03, "tol": tol, **options})


def assert_same_model(one, other, loss):
    rel, atol = (1e-6, 5e-3) if loss == "quantile" else (1e-9, 1e-5)
    assert one.converged_
    assert other.converged_
    assert one.objective_ == pytest.approx(other.objective_, rel=rel)
    np.testing.assert_allclose(one.coef_, other.coef_, atol=atol)
    np.testing.assert_allclose(one.intercept_, other.intercept_, atol=atol)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("loss", REGRESSION + CLASSIFICATION)
def test_weight_is_repetition(rng, loss, kind, fit_intercept):
    X, y, weight = problem(rng, loss)
    rows = np.repeat(np.arange(40), weight.astype(int))
    model = estimator(loss, fit_intercept=fit_intercept)
    one = clone(model).fit(kind(X), y, sample_weight=weight)
    other = clone(model).fit(kind(X[rows]), y[rows])
    assert_same_model(one, other, loss)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("loss", REGRESSION + CLASSIFICATION)
def test_zero_weight_is_a_dropped_row(rng, loss, kind):
    """Even where the dropped rows hold what would ruin the fit."""
    X, y, weight = problem(rng, loss)
    weight = rng.uniform(0.5, 2.0, 40) * (weight > 0)
    kept = weight > 0
    X = X.copy()
    X[~kept] *= 1e4
    model = estimator(loss)
    one = clone(model).fit(kind(X), y, sample_weight=weight)
    other = clone(model).fit(kind(X[kept]), y[kept], sample_weight=weight[kept])
    assert_same_model(one, other, loss)


@pytest.mark.parametrize("penalty", ["mcp", "scad", "log_sum", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_every_penalty(rng, loss, penalty):
    X, y, weight = problem(rng, loss)
    rows = np.repeat(np.arange(40), weight.astype(int))
    model = estimator(loss, penalty, alpha=0.05)
    one = clone(model).fit(X, y, sample_weight=weight)
    other = clone(model).fit(X[rows], y[rows])
    assert_same_model(one, other, loss)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 7.0, 1e300])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_the_sum_of_weights_does_not_matter(rng, loss, scale):
    X, y, weight = problem(rng, loss)
    one = estimator(loss).fit(X, y, sample_weight=weight)
    other = estimator(loss).fit(X, y, sample_weight=scale * weight)
    assert_same_model(one, other, loss)


@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
def test_equal_weights_are_none(rng, loss):
    X, y, _ = problem(rng, loss)
    plain = estimator(loss).fit(X, y)
    for weight in (np.full(40, 3.0), 2.5, [1] * 40):
        model = estimator(loss).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(model.coef_, plain.coef_)


def test_a_class_without_weight_does_not_exist(rng):
    X, y, _ = problem(rng, "multinomial")
    weight = np.where(y == "c", 0.0, 1.0)
    model = SparseClassifier(alpha=0.02, tol=1e-10).fit(X, y, weight)
    np.testing.assert_array_equal(model.classes_, ["a", "b"])
    kept = y != "c"
    alone = SparseClassifier(alpha=0.02, tol=1e-10).fit(X[kept], y[kept])
    np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-6)
    with pytest.raises(ValueError, match="among the samples of positive weight: 'a'"):
        SparseClassifier().fit(X, y, 1.0 * (y == "a"))


def test_a_single_row_of_weight(rng):
    X, y, _ = problem(rng, "squared")
    weight = np.zeros(40)
    weight[3] = 1.0
    model = SparseRegressor(alpha=0.01).fit(X, y, weight)
    assert not model.coef_.any()
    assert model.intercept_ == pytest.approx(y[3])
    assert model.converged_


def test_float32_weights(rng):
    X, y, weight = problem(rng, "squared")
    model = estimator("squared", tol=1e-5)
    one = clone(model).fit(X.astype(np.float32), y, weight)
    other = clone(model).fit(X, y, weight.astype(np.float32))
    assert one.coef_.dtype == np.float32
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-3)
