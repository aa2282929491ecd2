"""Slope fits: an independent convex program, closed forms, weights, devices."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from skopt2.linear_model import (
    SparseClassifier,
    SparseRegressor,
    SparseRegressorCV,
    sparse_path,
)
from skopt2.penalties import Slope
from tests.solvers.problems import design, target

LOSSES = ["squared", "huber", "poisson", "logistic", "squared_hinge", "multinomial"]


def estimator(loss, **parameters):
    kind = SparseRegressor if loss in LOSSES[:3] else SparseClassifier
    return kind(loss, **{"tol": 1e-9, **parameters})


def problem(rng, loss, n=60, p=12):
    X = design(rng, n, p)
    y = target(rng, X, loss)
    return X, y.argmax(axis=1) if y.ndim == 2 else y


def program(X, y, weights, alpha):
    """Minimise mean squares / 2 + alpha J by SLSQP over (w, b, size, t, excess).

    J(w) = sum_k (weights_k - weights_{k+1}) * (sum of the k largest sizes), and the sum
    of the k largest is the least of k t_k + sum_j excess_kj with excess_kj >= size_j -
    t_k and excess_kj >= 0, a convex program with linear constraints.
    """
    n, p = X.shape
    drops = alpha * (weights - np.append(weights[1:], 0.0))
    m = 1 + 2 * p + p + p * p
    cost = np.zeros(m)
    cost[1 + 2 * p : 1 + 3 * p] = drops * np.arange(1, p + 1)
    cost[1 + 3 * p :] = np.repeat(drops, p)
    A = np.zeros((p * p, m))
    for k in range(p):
        rows = np.arange(k * p, (k + 1) * p)
        A[rows, 1 + 3 * p + rows] = 1.0
        A[rows, 1 + 2 * p + k] = 1.0
        A[rows, 1 + np.arange(p)] = -1.0
        A[rows, 1 + p + np.arange(p)] = -1.0
    signs = np.zeros((n, m))
    signs[:, 0] = 1.0
    signs[:, 1 : 1 + p], signs[:, 1 + p : 1 + 2 * p] = X, -X
    bounds = [(None, None)] + [(0, None)] * (2 * p)
    bounds += [(None, None)] * p + [(0, None)] * (p * p)
    found = minimize(
        lambda x: ((signs @ x - y) ** 2).mean() / 2 + cost @ x,
        np.zeros(m),
        jac=lambda x: signs.T @ (signs @ x - y) / n + cost,
        bounds=bounds,
        constraints={"type": "ineq", "fun": lambda x: A @ x, "jac": lambda x: A},
        options={"ftol": 1e-13, "maxiter": 300},
    )
    assert found.success
    return found.fun, found.x[1 : 1 + p] - found.x[1 + p : 1 + 2 * p]


def test_same_minimum_as_an_independent_program(rng):
    X, y = problem(rng, "squared", 30, 6)
    weights = np.array([2.0, 1.6, 1.3, 1.0, 0.6, 0.1])
    model = estimator("squared", penalty=Slope(weights), alpha=0.4).fit(X, y)
    value, coef = program(X, y, weights, 0.4)
    assert_allclose(model.objective_, value, rtol=1e-6)
    assert_allclose(model.coef_, coef, atol=1e-3)
    assert np.unique(np.abs(model.coef_)).size == 3


def test_orthogonal_design_is_one_prox(rng):
    X = np.linalg.qr(rng.standard_normal((40, 10)))[0] * np.sqrt(40)
    y = X @ np.linspace(-3, 3, 10) + rng.standard_normal(40)
    penalty = Slope(q=0.2)
    model = SparseRegressor(
        penalty=penalty, alpha=0.5, fit_intercept=False, tol=1e-12
    ).fit(X, y)
    assert_allclose(
        model.coef_, penalty.prox(X.T @ y / 40, 1.0, np.full(10, 0.5)), atol=1e-10
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_constant_weights_are_the_lasso(loss, rng):
    X, y = problem(rng, loss)
    lasso = estimator(loss, alpha=0.03).fit(X, y)
    slope = estimator(loss, alpha=0.03, penalty=Slope(np.ones(12))).fit(X, y)
    assert slope.converged_
    assert_allclose(slope.objective_, lasso.objective_, rtol=1e-8)
    assert_allclose(slope.coef_, lasso.coef_, atol=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_certified_on_every_loss_dense_and_sparse(loss, rng):
    X, y = problem(rng, loss)
    X[np.abs(X) < 0.7] = 0.0
    weights = rng.integers(0, 3, 60)
    model = estimator(loss, alpha=0.02, penalty="slope")
    model.fit(X, y, weights)
    assert model.converged_
    assert model.certificate_.name == "relative duality gap"
    coef = model.coef_.copy()
    model.fit(sp.csc_array(X), y, weights)
    assert_allclose(model.coef_, coef, atol=1e-4)
    again = model.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_allclose(again.coef_, coef, atol=1e-4)


def test_more_features_than_the_working_set_starts_with(rng):
    X, y = problem(rng, "squared", 80, 400)
    factor = np.ones(400)
    factor[[0, 7, 9]] = 0.0, np.inf, 2.0
    model = estimator("squared", alpha=0.3, penalty="slope", penalty_factor=factor)
    model.fit(X, y)
    assert model.converged_
    assert model.coef_[7] == 0
    assert model.coef_[0] != 0
    # The whole gradient, not that of the working set alone.
    residual = y - model.predict(X)
    gradient = -X.T @ residual / 80
    lam = np.where(np.isinf(factor), np.inf, 0.3 * factor)
    distance = Slope().for_features(400).subdiff_distance(model.coef_, gradient, lam)
    assert distance.max() < 1e-6


def test_nothing_enters_at_alpha_max_and_something_below(rng):
    X, y = problem(rng, "logistic")
    path = sparse_path(
        X, y, loss="logistic", penalty="slope", alphas=5, eps=0.3, tol=1e-10
    )
    assert not path.coefs[0].any()
    assert path.coefs[1].any()
    assert all(c.holds for c in path.certificates)


def test_copies_of_a_feature_get_one_coefficient(rng):
    x = rng.standard_normal(50)
    X = np.stack([x, -x, rng.standard_normal(50)], axis=1)
    model = SparseRegressor(penalty=Slope("oscar", q=0.5), alpha=0.1, tol=1e-10)
    model.fit(X, 2 * x + 0.1 * rng.standard_normal(50))
    assert model.coef_[0] == -model.coef_[1] > 0.3


def test_false_discovery_rate_on_orthogonal_features(rng):
    """The rate is at most q times the share of null features, 0.2 * 40 / 50."""
    n, p, q, k = 200, 50, 0.2, 10
    X = np.linalg.qr(rng.standard_normal((n, p)))[0] * np.sqrt(n)
    shares = []
    for _ in range(60):
        y = X[:, :k] @ np.full(k, 0.5) + rng.standard_normal(n)
        model = SparseRegressor(
            penalty=Slope(q=q), alpha=1 / np.sqrt(n), fit_intercept=False
        ).fit(X, y)
        found = np.flatnonzero(model.coef_)
        shares.append((found >= k).mean() if found.size else 0.0)
        assert (found < k).sum() == k
    mean, error = np.mean(shares), np.std(shares) / np.sqrt(60)
    assert 0.05 < mean < 0.16 + 3 * error


def test_float32_and_cross_validation(rng):
    X, y = problem(rng, "squared")
    model = SparseRegressor(penalty="slope", alpha=0.1).fit(
        X.astype(np.float32), y.astype(np.float32)
    )
    assert model.coef_.dtype == np.float32
    assert model.converged_
    exact = SparseRegressor(penalty="slope", alpha=0.1).fit(X, y)
    assert_allclose(model.coef_, exact.coef_, atol=2e-3)
    chosen = SparseRegressorCV(penalty=Slope(q=0.3), alphas=5, cv=3).fit(X, y)
    assert chosen.score(X, y) > 0.9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"positive": True}, "positive=True is for separable penalties"),
        ({"solver": "newton"}, "solver='newton' is for separable penalties"),
        ({"solver": "ag"}, "solver='ag' is for separable penalties"),
        ({"loss": "quantile"}, "loss='huber'"),
    ],
)
def test_what_is_not_supported_says_so(parameters, message, rng):
    X, y = problem(rng, "squared")
    with pytest.raises(ValueError, match=message):
        SparseRegressor(penalty="slope", **parameters).fit(X, y)
