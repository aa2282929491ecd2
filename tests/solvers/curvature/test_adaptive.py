"""Products or matrices: which of them a ridge problem gets, and that both are right."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.linear_model import SparseClassifier, SparseRegressor, sparse_path
from skopt2.penalties import ElasticNet
from skopt2.solvers import choice
from skopt2.solvers.curvature import adaptive
from skopt2.solvers.curvature.adaptive import iterations_left

RIDGE = ElasticNet(l1_ratio=0)


def data(rng, loss, dependent, n=600, p=60):
    X = rng.standard_normal((n, p))
    for j in range(1, p if dependent else 1):
        X[:, j] = 0.99 * X[:, j - 1] + 0.14 * X[:, j]
    eta = X @ rng.standard_normal(p)
    eta /= eta.std()
    if loss == "poisson":
        return X, rng.poisson(np.exp(eta)).astype(float)
    if loss == "huber":
        return X, eta + 0.3 * rng.standard_t(2, n)
    if loss == "multinomial":
        return X, np.digitize(eta + rng.logistic(size=n), [-0.7, 0.7])
    return X, (eta + rng.logistic(size=n) > 0).astype(int)


def estimator(loss, **options):
    kind = SparseRegressor if loss in ("poisson", "huber") else SparseClassifier
    options = {"alpha": 1e-4, "tol": 1e-10, "solver": "curvature", **options}
    return kind(loss, RIDGE, **options)


def test_iterations_that_are_left():
    # A tenth of the length with each iteration: six more for a millionth.
    lengths = (1.0, 0.1, 0.01, 0.001)
    assert iterations_left(lengths, 1.0, 1e-6) == pytest.approx(6.0)
    assert iterations_left(lengths[1:], 1.0, 1e-6) == 0.0
    assert iterations_left(lengths, 1e-7, 1e-6) == 0.0
    assert iterations_left((1.0, 0.1, 0.1, 1.0), 1.0, 1e-6) == math.inf


@pytest.mark.parametrize("tol", [1e-6, 1e-10])
@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("loss", ["logistic", "multinomial", "poisson", "huber"])
def test_minimum_is_that_of_working_sets(rng, loss, dependent, tol):
    X, y = data(rng, loss, dependent)
    here = estimator(loss, tol=tol).fit(X, y)
    best = estimator(loss, solver="newton").fit(X, y)
    assert here.converged_
    assert here.objective_ == pytest.approx(best.objective_, abs=3 * tol)
    # Matrices are formed where columns depend on each other.
    if dependent or loss == "logistic":
        assert (here.history_["hessians"][-1] > 0) == dependent


def test_working_sets_take_over(rng, monkeypatch):
    monkeypatch.setattr(adaptive, "LIMIT", 1)
    X, y = data(rng, "logistic", True)
    here = estimator("logistic").fit(X, y)
    best = estimator("logistic", solver="newton").fit(X, y)
    assert here.converged_
    # One step of two iterations, and what took over counts none.
    assert here.history_["iterations"][-1] == 2
    assert_allclose(here.coef_, best.coef_, atol=1e-5)
    alphas = [1e-2, 1e-3]
    path = sparse_path(
        X,
        y,
        loss="logistic",
        penalty=RIDGE,
        alphas=alphas,
        tol=1e-9,
        solver="curvature",
    )
    for k, alpha in enumerate(alphas):
        one = estimator("logistic", solver="newton", alpha=alpha).fit(X, y)
        assert_allclose(path.coefs[k].ravel(), one.coef_.ravel(), atol=1e-4)


def test_default_is_for_problems_that_take_their_time(rng, monkeypatch):
    X, y = data(rng, "logistic", False)
    assert "hessians" not in estimator("logistic", solver="auto").fit(X, y).history_
    monkeypatch.setattr(choice, "FEW", X.size)
    assert "hessians" in estimator("logistic", solver="auto").fit(X, y).history_
    wide, counts = data(rng, "poisson", False, n=60, p=600)
    model = estimator("poisson", solver="auto", alpha=0.1).fit(wide, counts)
    assert "hessians" not in model.history_
