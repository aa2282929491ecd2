"""Sparse models by block descent: independent solvers, rules, weights, devices."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skopt2._core import cuda
from skopt2._core.array import move, to_numpy
from skopt2.callbacks import Checkpoint
from skopt2.linear_model import (
    BlockCoordinateDescent,
    SparseClassifier,
    SparseRegressor,
    SparseRegressorCV,
    sparse_path,
)
from skopt2.penalties import MCP, Box
from tests.callbacks.test_checkpoint import Interrupt

RULES = [
    BlockCoordinateDescent(),
    BlockCoordinateDescent("variable", "gsl", "matrix", block_size=10),
    BlockCoordinateDescent("order", "cyclic", "gradient", block_size=5),
    BlockCoordinateDescent("lipschitz", "gsq", block_size=5, finish=False),
    BlockCoordinateDescent("order", "random", "diagonal", random_state=0),
]


@pytest.fixture
def X(rng):
    X = rng.standard_normal((70, 30)) + rng.standard_normal(30)
    return X + 0.5 * rng.standard_normal((70, 1))


@pytest.fixture
def y(X, rng):
    return X[:, :5] @ [2.0, -1.5, 1.0, 1.0, 0.5] + rng.standard_normal(70)


def labels(y, k):
    return np.digitize(y, np.quantile(y, np.arange(1, k) / k))


def minimum(cvxpy, X, y, alpha, kind):
    """Objective of the convex problem by an independent solver."""
    n, p = X.shape
    if kind == "multinomial":
        W, b = cvxpy.Variable((p, 3)), cvxpy.Variable((1, 3))
        scores = X @ W + np.ones((n, 1)) @ b
        loss = cvxpy.sum(cvxpy.log_sum_exp(scores, axis=1))
        loss = loss - cvxpy.sum(cvxpy.multiply(np.eye(3)[y], scores))
        problem = cvxpy.Problem(
            cvxpy.Minimize(loss / n + alpha * cvxpy.sum(cvxpy.abs(W)))
        )
        return problem.solve(solver="CLARABEL")
    w, b = cvxpy.Variable(p), cvxpy.Variable()
    eta, limits = X @ w + b, []
    if kind == "logistic":
        loss = cvxpy.sum(cvxpy.logistic(cvxpy.multiply(1 - 2 * y, eta))) / n
    else:
        loss = cvxpy.sum_squares(y - eta) / (2 * n)
    penalty = alpha * cvxpy.norm1(w)
    if kind == "elasticnet":
        penalty = 0.5 * penalty + 0.25 * alpha * cvxpy.sum_squares(w)
    if kind == "positive":
        limits = [w >= 0]
    if kind == "box":
        penalty, limits = 0.0, [w >= -0.3, w <= 0.7]
    problem = cvxpy.Problem(cvxpy.Minimize(loss + penalty), limits)
    return problem.solve(solver="CLARABEL")


@pytest.mark.parametrize(
    "kind", ["l1", "elasticnet", "positive", "box", "logistic", "multinomial"]
)
def test_minima_are_those_of_a_conic_solver_and_of_the_default(X, y, kind):
    cvxpy = pytest.importorskip("cvxpy")
    alpha, model, t = 0.05, SparseRegressor, y
    arguments = {"alpha": alpha, "tol": 1e-9}
    if kind in ("logistic", "multinomial"):
        model, t = SparseClassifier, labels(y, 2 if kind == "logistic" else 3)
        arguments["alpha"] = alpha = 0.01
    elif kind == "elasticnet":
        arguments["penalty"] = "elasticnet"
    elif kind == "positive":
        arguments["positive"] = True
    elif kind == "box":
        arguments["penalty"] = Box(-0.3, 0.7)
    reference = minimum(cvxpy, X, t, alpha, kind)
    default = model(**arguments).fit(X, t)
    # Solving every block at every update, for each of three classes, takes its time.
    for rules in ["bcd", *(RULES[:3] if kind == "multinomial" else RULES)]:
        fitted = model(solver=rules, **arguments).fit(X, t)
        assert fitted.converged_
        assert fitted.objective_ == pytest.approx(reference, rel=1e-6)
        assert fitted.objective_ == pytest.approx(default.objective_, rel=1e-8)
        assert_allclose(fitted.coef_, default.coef_, atol=2e-4)


@pytest.mark.parametrize("penalty", ["mcp", "scad", "log_sum"])
@pytest.mark.parametrize("loss", ["squared", "huber", "poisson"])
def test_nonconvex_points_are_certified(X, y, penalty, loss):
    t = (
        np.random.default_rng(0).poisson(np.exp(0.3 * np.tanh(y)))
        if loss == "poisson"
        else y
    )
    alpha = 0.03 if loss == "poisson" else 0.3
    default = SparseRegressor(loss, penalty, alpha=alpha).fit(X, t)
    for rules in RULES[:3]:
        model = SparseRegressor(loss, penalty, alpha=alpha, solver=rules).fit(X, t)
        assert model.converged_
        assert model.certificate_.name == "relative KKT violation"
        assert model.objective_ <= default.objective_ * 1.02


@pytest.mark.parametrize("kind", [SparseRegressor, SparseClassifier])
def test_many_columns_are_solved_on_working_sets(rng, kind):
    X = rng.standard_normal((80, 600))
    y = X[:, :4] @ [2.0, -2.0, 1.5, 1.0] + 0.5 * rng.standard_normal(80)
    t, alpha = (y, 0.2) if kind is SparseRegressor else (y > 0, 0.05)
    model = kind(alpha=alpha, solver="bcd", tol=1e-9).fit(X, t)
    default = kind(alpha=alpha, tol=1e-9).fit(X, t)
    assert model.objective_ == pytest.approx(default.objective_, rel=1e-9)
    assert 0 < model.history_["working_set"].max() < 400


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("k", [None, 2, 3])
def test_sparse_data_is_dense_data(rng, form, k):
    X = np.where(rng.random((60, 25)) < 0.3, rng.standard_normal((60, 25)), 0.0)
    y = X[:, :3].sum(axis=1) + 0.3 * rng.standard_normal(60)
    for rules in (RULES[0], RULES[2]):
        model = SparseRegressor(alpha=0.02, solver=rules, tol=1e-10)
        t = y
        if k is not None:
            model = SparseClassifier(alpha=0.01, solver=rules, tol=1e-10)
            t = labels(y, k)
        dense, sparse = clone(model).fit(X, t), clone(model).fit(form(X), t)
        assert_allclose(sparse.coef_, dense.coef_, atol=1e-6)
        assert sparse.objective_ == pytest.approx(dense.objective_, rel=1e-9)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "mcp"])
@pytest.mark.parametrize("partition", ["forest", "variable forest"])
def test_forests_of_columns_that_share_samples(rng, partition, penalty):
    # Each sample holds two neighbours: the Gram matrix is a path, and so a forest.
    n = 40
    X = sp.lil_array((n - 1, n))
    for i in range(n - 1):
        X[i, i], X[i, i + 1] = 2.0 + rng.random(), rng.standard_normal()
    X, y = sp.csr_array(X), rng.standard_normal(n - 1)
    arguments = {"penalty": penalty, "alpha": 0.005, "fit_intercept": False}
    rules = BlockCoordinateDescent(partition, finish=False)
    model = SparseRegressor(solver=rules, tol=1e-9, **arguments).fit(X, y)
    default = SparseRegressor(tol=1e-9, **arguments).fit(X, y)
    assert model.converged_
    assert model.objective_ == pytest.approx(default.objective_, rel=1e-8)
    if penalty == "l1" and partition == "forest":
        # All columns are one block: the minimum takes one update.
        assert model.n_iter_ <= 2
    for other in ({"fit_intercept": True}, {"loss": "huber"}):
        with pytest.raises(ValueError, match="need a sparse Hessian"):
            SparseRegressor(solver=rules, **{**arguments, **other}).fit(X, y)


@pytest.mark.parametrize("kind", [SparseRegressor, SparseClassifier])
def test_weights_are_repetitions(X, y, rng, kind):
    weight = rng.integers(0, 4, size=y.size)
    t = y if kind is SparseRegressor else labels(y, 2)
    model = kind(alpha=0.02, solver="bcd", tol=1e-11)
    weighted = clone(model).fit(X, t, sample_weight=weight)
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(t, weight))
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-7)


def test_single_precision_stays_and_agrees(X, y):
    double = SparseRegressor(alpha=0.05, solver="bcd").fit(X, y)
    single = SparseRegressor(alpha=0.05, solver="bcd", tol=1e-4)
    single.fit(X.astype(np.float32), y.astype(np.float32))
    assert single.coef_.dtype == np.float32
    assert single.converged_
    assert_allclose(single.coef_, double.coef_, atol=1e-3)


@pytest.mark.parametrize("rules", RULES)
def test_the_scale_of_columns_does_not_matter_to_the_minimum(X, y, rules):
    scale = 10.0 ** np.linspace(-4, 4, X.shape[1])
    arguments = {"alpha": 0.05, "penalty_factor": scale, "tol": 1e-8}
    model = SparseRegressor(solver=rules, **arguments).fit(X * scale, y)
    plain = SparseRegressor(alpha=0.05, tol=1e-8).fit(X, y)
    assert model.converged_
    assert_allclose(model.coef_ * scale, plain.coef_, atol=1e-4)


def test_a_warm_start_ends_at_once(X, y):
    model = SparseRegressor(alpha=0.05, solver="bcd", warm_start=True).fit(X, y)
    coef = model.coef_.copy()
    model.fit(X, y)
    assert model.n_iter_ == 1
    assert_allclose(model.coef_, coef, atol=1e-8)


@pytest.mark.parametrize("kind", [SparseRegressor, SparseClassifier])
def test_a_checkpoint_continues_the_fit(rng, tmp_path, kind):
    X = rng.standard_normal((60, 400))
    y = X[:, :5] @ [2.0, -1.5, 1.0, 1.0, 0.5] + 0.5 * rng.standard_normal(60)
    t = y if kind is SparseRegressor else y > 0
    model = kind(alpha=0.01, solver="bcd", tol=1e-9)
    whole = clone(model).fit(X, t)
    path = tmp_path / "fit.ckpt"
    saved = Checkpoint(path, min_seconds=0)
    broken = clone(model).set_callbacks(saved, Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, t)
    resumed = clone(model).set_callbacks(Checkpoint(path)).fit(X, t)
    assert resumed.history_["iteration"][0] == 1
    assert resumed.converged_
    assert_allclose(resumed.coef_, whole.coef_, atol=1e-8)


@pytest.mark.parametrize("k", [None, 3])
def test_arrays_of_a_device_are_copied_for_the_fit(cuda_stand_in, X, y, k):
    device = cuda.cuda_target("cuda:1")
    model, t = SparseRegressor(alpha=0.05, solver="bcd"), y
    if k is not None:
        model, t = SparseClassifier(alpha=0.02, solver="bcd"), labels(y, k)
    host = clone(model).fit(X, t)
    there = clone(model).fit(move(X, device), move(t, device))
    assert cuda.provider.index_of(there.coef_) == 1
    assert_allclose(to_numpy(there.coef_), host.coef_, atol=1e-12)
    with pytest.raises(ValueError, match="computes on the CPU"):
        model.set_params(device="cuda").fit(X, t)


def test_paths_and_searches_take_the_rules(X, y):
    path = sparse_path(X, y, alphas=[0.5, 0.1, 0.02], solver=RULES[1])
    plain = sparse_path(X, y, alphas=[0.5, 0.1, 0.02])
    assert_allclose(path.coefs, plain.coefs, atol=1e-4)
    chosen = SparseRegressorCV(alphas=4, cv=3, solver="bcd").fit(X, y)
    assert chosen.alpha_ == SparseRegressorCV(alphas=4, cv=3).fit(X, y).alpha_
    model = SparseRegressor(alpha=0.05, solver=BlockCoordinateDescent())
    search = GridSearchCV(model, {"solver__selection": ["gs", "gsd"]}, cv=3).fit(X, y)
    assert search.best_params_["solver__selection"] in ("gs", "gsd")
    assert model.solver.selection == "gsd"


@pytest.mark.parametrize("loss", ["huber", "poisson", "squared_hinge"])
@pytest.mark.parametrize("positive", [False, True])
def test_other_losses_have_the_minimum_of_the_default(X, y, loss, positive):
    kind, t, alpha = SparseRegressor, y, 0.1
    if loss == "squared_hinge":
        kind, t = SparseClassifier, labels(y, 2)
    elif loss == "poisson":
        t = np.random.default_rng(0).poisson(np.exp(0.3 * y - 1.0))
    arguments = {"alpha": alpha, "positive": positive, "tol": 1e-8}
    default = kind(loss, **arguments).fit(X, t)
    for rules in RULES[:3]:
        model = kind(loss, solver=rules, **arguments).fit(X, t)
        assert model.converged_
        assert model.objective_ == pytest.approx(default.objective_, rel=1e-7)
        assert not positive or (model.coef_ >= 0).all()


@pytest.mark.parametrize("penalty", ["l1", "mcp", Box(-0.5, 0.5)])
def test_factors_free_and_exclude_features(X, y, penalty):
    factor = np.ones(30)
    factor[0], factor[1] = 0.0, np.inf
    arguments = {"penalty": penalty, "alpha": 0.5, "penalty_factor": factor}
    default = SparseRegressor(**arguments, tol=1e-9).fit(X, y)
    for rules in RULES:
        model = SparseRegressor(solver=rules, tol=1e-9, **arguments).fit(X, y)
        assert model.coef_[0] != 0.0
        assert model.coef_[1] == 0.0
        assert model.objective_ == pytest.approx(default.objective_, rel=1e-8)


def test_time_limits_hold_within_a_sweep(rng):
    X = rng.standard_normal((200, 190))
    y = rng.standard_normal(200)
    rules = BlockCoordinateDescent("order", "gsq", block_size=2, finish=False)
    model = SparseRegressor(alpha=1e-3, solver=rules, tol=1e-14, time_limit=0.05)
    start = time.process_time()
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert model.stop_reason_ == "time_limit"
    # A sweep of 95 updates, each with up to as many solutions, would take seconds.
    assert time.process_time() - start < 0.6


def test_what_cannot_be_done_is_refused(X, y):
    with pytest.raises(ValueError, match="needs a penalty with a slope at 0"):
        SparseRegressor(penalty="l0", solver="bcd").fit(X, y)
    with pytest.raises(ValueError, match="is for separable penalties"):
        SparseRegressor(penalty="slope", solver=RULES[0]).fit(X, y)
    with pytest.raises(ValueError, match="needs a smooth loss"):
        SparseRegressor("quantile", solver="bcd").fit(X, y)
    rules = BlockCoordinateDescent(block_size=0)
    with pytest.raises(ValueError, match="block_size must be"):
        SparseRegressor(solver=rules).fit(X, y)
    rules = BlockCoordinateDescent(finish="yes")
    with pytest.raises(TypeError, match="finish must be True or False"):
        SparseRegressor(solver=rules).fit(X, y)
    named = SparseRegressor(solver="bcd").set_params(solver__selection="gs")
    assert named.solver.selection == "gs"
    with pytest.raises(ValueError, match="has no parameters"):
        SparseRegressor().set_params(solver__selection="gs")


def test_the_concavity_of_a_penalty_may_exceed_the_curvature(rng):
    # gamma * L_j < 1: a coordinate alone has two minima, and the model is indefinite.
    X = 0.3 * rng.standard_normal((60, 20))
    y = X[:, 0] * 10.0 + rng.standard_normal(60)
    for rules in RULES:
        model = SparseRegressor(penalty=MCP(1.5), alpha=0.1, solver=rules).fit(X, y)
        assert model.converged_


def test_the_seed_of_the_model_is_that_of_the_rules(X, y):
    rules = BlockCoordinateDescent("order", "random", "gradient", finish=False)
    model = SparseRegressor(alpha=0.05, solver=rules, tol=1e-4, max_iter=1)
    seeded = [clone(model).set_params(random_state=k).fit(X, y).coef_ for k in (0, 0)]
    np.testing.assert_array_equal(*seeded)
    own = clone(model).set_params(solver__random_state=0).fit(X, y).coef_
    np.testing.assert_array_equal(own, seeded[0])
