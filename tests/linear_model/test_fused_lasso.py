"""Fused lasso fits: an independent program, losses, weights, recovery."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from skopt2.linear_model import SparseClassifier, SparseRegressor, sparse_path
from skopt2.penalties import FusedLasso
from tests.solvers.problems import design, target

LOSSES = ["squared", "huber", "poisson", "logistic", "squared_hinge", "multinomial"]


def estimator(loss, **parameters):
    kind = SparseRegressor if loss in LOSSES[:3] else SparseClassifier
    return kind(loss, **{"tol": 1e-9, "penalty": "fused_lasso", **parameters})


def problem(rng, loss, n=60, p=12):
    X = design(rng, n, p)
    y = target(rng, X, loss)
    return X, y.argmax(axis=1) if y.ndim == 2 else y


def test_same_minimum_as_an_independent_program(rng):
    """Minimise over (b, w, size, change) with linear constraints, by SLSQP."""
    n, p, rho, alpha = 40, 8, 0.4, 0.6
    X, y = problem(rng, "squared", n, p)
    D = np.diff(np.eye(p), axis=0)
    eye, nil, flat = np.eye(p), np.zeros((p, 1)), np.zeros((p, p - 1))
    side = np.zeros((p - 1, 1))
    rows = [[nil, s * eye, eye, flat] for s in (1, -1)]
    rows += [[side, s * D, np.zeros((p - 1, p)), np.eye(p - 1)] for s in (1, -1)]
    A = np.block(rows)
    cost = alpha * np.r_[np.zeros(p + 1), np.full(p, rho), np.full(p - 1, 1 - rho)]
    Z = np.hstack([np.ones((n, 1)), X, np.zeros((n, 2 * p - 1))])
    found = minimize(
        lambda x: ((Z @ x - y) ** 2).mean() / 2 + cost @ x,
        np.zeros(3 * p),
        jac=lambda x: Z.T @ (Z @ x - y) / n + cost,
        constraints={"type": "ineq", "fun": lambda x: A @ x, "jac": lambda x: A},
        options={"ftol": 1e-14, "maxiter": 300},
    )
    assert found.success
    model = estimator("squared", penalty=FusedLasso(rho), alpha=alpha).fit(X, y)
    assert_allclose(model.objective_, found.fun, rtol=1e-7)
    assert_allclose(model.coef_, found.x[1 : p + 1], atol=1e-3)
    assert np.unique(model.coef_).size < p


@pytest.mark.parametrize("loss", LOSSES)
def test_share_of_one_is_the_lasso(loss, rng):
    X, y = problem(rng, loss)
    lasso = estimator(loss, alpha=0.03, penalty="l1").fit(X, y)
    fused = estimator(loss, alpha=0.03, penalty=FusedLasso(1.0)).fit(X, y)
    assert fused.converged_
    assert_allclose(fused.objective_, lasso.objective_, rtol=1e-8)
    assert_allclose(fused.coef_, lasso.coef_, atol=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_certified_on_every_loss_dense_and_sparse(loss, rng):
    X, y = problem(rng, loss)
    X[np.abs(X) < 0.7] = 0.0
    weights = rng.integers(0, 3, 60)
    model = estimator(loss, alpha=0.05).fit(X, y, weights)
    assert model.converged_
    assert model.certificate_.name == "relative duality gap"
    coef = model.coef_.copy()
    assert_allclose(model.fit(sp.csc_array(X), y, weights).coef_, coef, atol=1e-4)
    again = model.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_allclose(again.coef_, coef, atol=1e-4)


def test_stretches_are_recovered_with_more_features_than_samples(rng):
    coef = np.zeros(400)
    coef[50:80], coef[200:230] = 2.0, -1.0
    X = rng.standard_normal((200, 400))
    y = X @ coef + 0.5 * rng.standard_normal(200)
    model = estimator("squared", penalty=FusedLasso(0.2), alpha=0.3).fit(X, y)
    assert model.converged_
    assert np.abs(model.coef_ - coef).max() < 0.3
    lasso = estimator("squared", penalty="l1", alpha=0.3).fit(X, y)
    error = np.linalg.norm(model.coef_ - coef)
    assert error < 0.2 * np.linalg.norm(lasso.coef_ - coef)


def test_factors_and_the_level_at_which_nothing_enters(rng):
    X, y = problem(rng, "squared")
    factor = np.ones(12)
    factor[[0, 2]] = 0.0, np.inf
    model = estimator("squared", alpha=0.3, penalty_factor=factor).fit(X, y)
    assert model.converged_
    assert model.coef_[0] != 0
    assert model.coef_[2] == 0
    path = sparse_path(X, y, penalty="fused_lasso", alphas=5, eps=0.3, tol=1e-10)
    assert not path.coefs[0].any()
    assert path.coefs[1].any()


def test_float32(rng):
    X, y = problem(rng, "squared")
    exact = estimator("squared", alpha=0.1, tol=1e-6).fit(X, y)
    model = estimator("squared", alpha=0.1, tol=1e-6)
    model.fit(X.astype(np.float32), y.astype(np.float32))
    assert model.converged_
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, exact.coef_, atol=2e-3)
