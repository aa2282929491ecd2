"""Kernel models on centres: choice, streams, and the same answer however rows come."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.kernels import Gaussian, Matern

KERNEL = Matern(nu=1.5, length_scale=1.5)


@pytest.fixture
def sample(rng):
    X = rng.standard_normal((300, 2))
    y = np.sin(2.0 * X[:, 0]) * X[:, 1] + 0.1 * rng.standard_normal(300)
    return X, y


def least_squares(kernel, X, y, Z, alpha, new, weight=None):
    """Predictions of the dense least-squares problem, stacked."""
    root = np.ones(len(X)) if weight is None else np.sqrt(weight)
    factor = np.linalg.cholesky(kernel(Z) + 1e-13 * np.eye(len(Z)))
    A = np.vstack([root[:, None] * kernel(X, Z), np.sqrt(alpha) * factor.T])
    b = np.concatenate([root * y, np.zeros(len(Z))])
    return kernel(new, Z) @ np.linalg.lstsq(A, b, rcond=None)[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_given_centres_solve_the_least_squares_problem(sample, rng, weighted):
    X, y = sample
    Z = rng.standard_normal((40, 2))
    weight = rng.uniform(0.0, 2.0, 300) if weighted else None
    model = EigenProRegressor(KERNEL, alpha=0.3, centers=Z, solver="cholesky")
    model.fit(X, y, sample_weight=weight)
    new = rng.standard_normal((30, 2))
    wanted = least_squares(KERNEL, X, y, Z, 0.3, new, weight)
    np.testing.assert_allclose(model.predict(new), wanted, atol=1e-8)
    assert model.dual_coef_.shape == (40,)
    assert model.converged_
    assert model.solver_ == "cholesky"


@pytest.mark.parametrize("kind", [np.ndarray.tolist, pd.DataFrame, np.float32])
def test_centres_of_any_kind(sample, kind):
    X, y = sample
    Z = X[:10].astype(np.float32).astype(np.float64)
    wanted = EigenProRegressor(KERNEL, centers=Z).fit(X, y)
    for rows in ((X, y), (iter([(X, y)]), None)):
        found = EigenProRegressor(KERNEL, centers=kind(Z)).fit(*rows)
        assert found.centers_.dtype == np.float64
        np.testing.assert_allclose(found.predict(X), wanted.predict(X), atol=1e-9)


def test_a_table_of_pairs_with_centres(sample):
    """The way around what is refused: a function of the numbers of the rows."""
    X, y = sample
    table = KERNEL(X)
    numbers = np.arange(300.0)[:, None]

    def looked_up(A, B):
        return table[np.ix_(A[:, 0].astype(int), B[:, 0].astype(int))]

    options = {"alpha": 0.1, "center_selection": "random", "random_state": 0}
    found = EigenProRegressor(looked_up, centers=30, **options).fit(numbers, y)
    wanted = EigenProRegressor(KERNEL, centers=30, **options).fit(X, y)
    np.testing.assert_allclose(found.predict(numbers), wanted.predict(X), atol=1e-6)


def test_eigenpro_comes_to_the_direct_solution(sample, rng):
    X, y = sample
    Z = X[:40]
    options = {"alpha": 0.3, "centers": Z, "random_state": 0}
    direct = EigenProRegressor(KERNEL, solver="cholesky", **options).fit(X, y)
    steps = EigenProRegressor(
        KERNEL, solver="eigenpro", max_iter=300, tol=1e-4, **options
    ).fit(X, y)
    assert steps.solver_ == "eigenpro"
    wanted = direct.predict(X)
    assert np.linalg.norm(steps.predict(X) - wanted) < 1e-3 * np.linalg.norm(wanted)


@pytest.mark.parametrize("selection", ["random", "k-means++", "thinning"])
def test_centres_are_rows(sample, selection):
    X, y = sample
    weight = np.r_[np.zeros(150), np.ones(150)]
    model = EigenProRegressor(
        KERNEL, centers=30, center_selection=selection, random_state=0
    ).fit(X, y, sample_weight=weight)
    assert model.centers_.shape == (30, 2)
    found = {tuple(row) for row in model.centers_}
    assert len(found) == 30
    assert found <= {tuple(row) for row in X[150:]}


def test_more_centres_than_rows_are_all_rows(sample):
    X, y = sample
    model = EigenProRegressor(KERNEL, centers=1000, alpha=0.1).fit(X, y)
    plain = EigenProRegressor(KERNEL, alpha=0.1).fit(X, y)
    np.testing.assert_array_equal(model.centers_, X)
    np.testing.assert_allclose(model.predict(X), plain.predict(X), atol=1e-6)


@pytest.mark.parametrize("cuts", [(300,), (100, 200, 300), (7, 8, 300)])
def test_however_rows_come_the_model_is_the_same(sample, cuts):
    X, y = sample
    Z = X[:25]
    weight = np.arange(300) % 3 + 0.5
    model = EigenProRegressor(Gaussian(length_scale=1.0), alpha=0.1, centers=Z)
    wanted = model.fit(X, y, sample_weight=weight).predict(X)
    parts, start = [], 0
    for stop in cuts:
        parts.append((X[start:stop], y[start:stop], weight[start:stop]))
        start = stop
    streamed = clone(model)
    for part in parts:
        streamed.partial_fit(part[0], part[1], sample_weight=part[2])
    np.testing.assert_allclose(streamed.predict(X), wanted, atol=1e-9)
    np.testing.assert_allclose(
        clone(model).fit(iter(parts), None).predict(X), wanted, atol=1e-9
    )


def test_fit_forgets_the_stream(sample):
    X, y = sample
    model = EigenProRegressor(KERNEL, centers=X[:20], alpha=0.1)
    model.partial_fit(X, -y)
    model.fit(X[:50], y[:50])
    fresh = clone(model).fit(X[:50], y[:50])
    np.testing.assert_allclose(model.predict(X), fresh.predict(X), atol=1e-12)
    after = model.partial_fit(X[50:], y[50:])
    assert after.centers_.shape == (20, 2)


def test_streams_of_labels(rng):
    X = rng.standard_normal((120, 2))
    y = np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)]
    model = EigenProClassifier(KERNEL, centers=X[:30], alpha=0.1)
    whole = clone(model).fit(X, y)
    model.partial_fit(X[:40], np.where(y[:40] == "c", "a", y[:40]), classes=list("abc"))
    with pytest.raises(ValueError, match="new labels"):
        model.partial_fit(X[40:], np.full(80, "z"))
    model = clone(model).partial_fit(X[:40], y[:40], classes=["a", "b", "c"])
    model.partial_fit(X[40:], y[40:])
    np.testing.assert_allclose(
        model.decision_function(X), whole.decision_function(X), atol=1e-9
    )
    assert model.predict_proba(X).shape == (120, 3)
    with pytest.raises(ValueError, match="not those of the first call"):
        model.partial_fit(X, y, classes=["a", "b"])


def test_a_failed_chunk_changes_nothing(sample):
    X, y = sample
    model = EigenProRegressor(KERNEL, centers=X[:20], alpha=0.1).partial_fit(X, y)
    before = model.predict(X)
    for bad, message in (
        ((X[:, :1], y), "1 features"),
        ((np.full((3, 2), np.nan), y[:3]), "NaN"),
        ((X, np.stack([y, y], axis=1)), "targets"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(*bad)
        np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centers": 0}, "centers must be"),
        ({"centers": True}, "centers must be a positive integer or None"),
        ({"centers": 5.0}, "centers must be a positive integer or None"),
        ({"centers": np.float64(5)}, "centers must be a positive integer or None"),
        ({"centers": "many"}, "centers must be a positive integer or None"),
        ({"centers": [1.0, 2.0]}, r"centers must be a matrix.*shape \(2,\)"),
        ({"centers": [[np.nan, 2.0]]}, "centers has values that are NaN"),
        ({"centers": np.ones((3, 5))}, "5 features"),
        ({"centers": 5, "center_selection": "best"}, "center_selection"),
        ({"centers": 5, "kernel": "precomputed"}, "got 5.*use centers=None"),
        ({"centers": [[1.0]], "kernel": "precomputed"}, "got list.*use centers=None"),
        ({"centers": 5, "solver": "sap"}, "solver must be one of"),
    ],
)
def test_bad_parameters(sample, change, message):
    X, y = sample
    with pytest.raises(ValueError, match=message):
        EigenProRegressor().set_params(**change).fit(X, y)


def test_streams_need_centres(sample):
    X, y = sample
    assert not hasattr(EigenProRegressor(), "partial_fit")
    with pytest.raises(ValueError, match="set centers"):
        EigenProRegressor().fit(iter([(X, y)]), None)
    model = EigenProRegressor(centers=5)
    with pytest.raises(ValueError, match="no chunk"):
        model.fit(iter([]), None)
    with pytest.raises(ValueError, match="must yield tuples"):
        model.fit(iter([X]), None)
    with pytest.raises(ValueError, match="come with each"):
        model.fit(iter([(X, y)]), y)
