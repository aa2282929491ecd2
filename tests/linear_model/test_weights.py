"""Weight k is the row repeated k times, weight 0 the row dropped: every loss."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.losses import Huber
from skopt2.penalties import MCP, SCAD, LogSum
from skopt2.solvers.subsample import TALL

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


# With a nonconvex objective the fits agree only if their trajectories do: whatever
# tells weights from repetition on the way leads to another local minimum.
NONCONVEX = {
    "squared-mcp": SparseRegressor(penalty=MCP(gamma=2.0), alpha=0.1),
    "squared-log_sum": SparseRegressor(penalty=LogSum(epsilon=0.3), alpha=0.1),
    "huber-scad": SparseRegressor(Huber(delta=1.0), "scad", alpha=0.1),
    "logistic-scad": SparseClassifier(penalty=SCAD(gamma=8.0), alpha=0.04),
}


def same_sample(rng, n, p, kind, labels):
    """Weights, repeated rows, rows in another order, and rows of weight 0 dropped."""
    X = rng.standard_normal((n, p))
    if kind is not np.asarray:
        X *= rng.random((n, p)) < 0.6
    eta = X[:, 0] - X[:, 1] + 0.5
    y, weight = eta + 0.6 * rng.logistic(size=n), rng.integers(0, 4, n)
    if labels:
        # Every row with both labels, or the classes are separable, and there is no
        # minimiser where the penalty is flat.
        X, y = np.vstack([X, X]), np.where(np.append(y, -y) > 0, "yes", "no")
        weight = np.append(2 * weight, weight > 0)
        n *= 2
    repeated = np.repeat(np.arange(n), weight)
    shuffled, kept = rng.permutation(repeated), np.flatnonzero(weight)
    return [
        (kind(X), y, weight.astype(float)),
        (kind(X[repeated]), y[repeated], None),
        (kind(X[shuffled]), y[shuffled], None),
        (kind(X[kept]), y[kept], weight[kept].astype(float)),
    ]


LARGER = [(40, 12), (30, 100), (60, 300)]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sp.csc_array])
@pytest.mark.parametrize(
    "shape",
    [
        (12, 8),
        (15, 30),
        *(pytest.param(shape, marks=pytest.mark.thorough) for shape in LARGER),
    ],
)
@pytest.mark.parametrize("model", NONCONVEX)
def test_the_same_local_minimum(model, shape, kind, fit_intercept):
    model = clone(NONCONVEX[model]).set_params(tol=1e-10, fit_intercept=fit_intercept)
    found = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        labels = isinstance(model, SparseClassifier)
        samples = same_sample(rng, *shape, kind, labels)
        first, *others = (clone(model).fit(*sample) for sample in samples)
        assert first.converged_
        found += np.count_nonzero(first.coef_)
        for other in others:
            assert other.objective_ == pytest.approx(first.objective_, rel=1e-12)
            np.testing.assert_allclose(other.coef_, first.coef_, atol=1e-7)
    assert found


def test_the_same_local_minimum_of_a_tall_problem():
    """One of the two has as many rows as a start from part of them would take."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12000, 60)) + 3.0 * rng.standard_normal((12000, 1))
    X /= X.std(axis=0)
    weight = rng.integers(0, 5, 12000)
    y = X[:, ::4] @ rng.normal(0.0, 0.1, 15) + rng.standard_normal(12000)
    rows = np.repeat(np.arange(12000), weight)
    assert rows.size >= TALL
    model = SparseRegressor(penalty=MCP(gamma=1.5), alpha=0.02, tol=1e-9)
    one = clone(model).fit(X, y, sample_weight=weight)
    other = clone(model).fit(X[rows], y[rows])
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-7)


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
