"""Group models of several outputs: independent solvers, weights, sparse X, shapes."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import MultiTaskLasso

from skopt2._core.validation import check_fit_input
from skopt2.callbacks import Checkpoint
from skopt2.linear_model import GroupClassifier, GroupRegressor
from skopt2.linear_model.group_formulation import GroupFormulation
from skopt2.penalties import GroupMCP, SparseGroupLasso
from tests.callbacks.test_checkpoint import Interrupt

PENALTIES = ["group_lasso", "group_mcp", "group_scad", "sparse_group_lasso"]
LABELS = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 3])
P = LABELS.size


def make_data(n=90, outputs=3, seed=0):
    """Return X with means, and a target of several outputs."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, P)) @ (np.eye(P) + 0.2 * rng.standard_normal((P, P)))
    W = np.zeros((P, outputs))
    W[3:6], W[15:17] = rng.standard_normal((3, outputs)), 1.0
    Y = X @ W + rng.standard_normal((n, outputs)) + 4.0
    return X + rng.standard_normal(P), Y


def objective_of(model, X, Y, s, tau=0.0):
    """Return the objective of a group lasso or sparse-group lasso from its formula."""
    s = s / s.sum()
    residual = Y - X @ model.coef_.T - model.intercept_
    value = 0.5 * (s[:, None] * residual**2).sum()
    for g in np.unique(LABELS):
        W = model.coef_[:, g == LABELS]
        value += model.alpha * (1 - tau) * np.sqrt(W.shape[1]) * np.linalg.norm(W)
    return value + model.alpha * tau * np.abs(model.coef_).sum()


def convex_minimum(X, Y, alpha, s, tau):
    """Return the minimum that an interior-point method finds."""
    cvxpy = pytest.importorskip("cvxpy")
    s = s / s.sum()
    W, b = cvxpy.Variable((X.shape[1], Y.shape[1])), cvxpy.Variable((1, Y.shape[1]))
    residual = Y - X @ W - np.ones((X.shape[0], 1)) @ b
    value = 0.5 * cvxpy.sum_squares(cvxpy.multiply(np.sqrt(s)[:, None], residual))
    for g in np.unique(LABELS):
        ids = np.flatnonzero(g == LABELS)
        weight = alpha * (1 - tau) * np.sqrt(ids.size)
        value += weight * cvxpy.norm(W[ids], "fro")
    value += alpha * tau * cvxpy.sum(cvxpy.abs(W))
    problem = cvxpy.Problem(cvxpy.Minimize(value))
    return problem.solve(solver="CLARABEL", tol_gap_rel=1e-9, tol_gap_abs=1e-9)


@pytest.mark.parametrize("tau", [0.0, 0.4])
@pytest.mark.parametrize("weighted", [False, True])
def test_convex_minimum_of_an_independent_solver(tau, weighted):
    X, Y = make_data()
    s = np.random.default_rng(1).uniform(0, 2, 90) if weighted else np.ones(90)
    penalty = SparseGroupLasso(tau) if tau else "group_lasso"
    model = GroupRegressor(penalty=penalty, groups=LABELS, alpha=0.4, tol=1e-10)
    model.fit(X, Y, s)
    assert model.certificate_.name == "relative duality gap"
    assert model.converged_
    assert_allclose(model.objective_, objective_of(model, X, Y, s, tau), rtol=1e-12)
    expected = convex_minimum(X, Y, 0.4, s, tau)
    assert_allclose(model.objective_, expected, rtol=1e-7)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_groups_of_one_are_the_multi_task_lasso(fit_intercept):
    X, Y = make_data(40)
    options = {"alpha": 0.3, "fit_intercept": fit_intercept}
    peer = MultiTaskLasso(tol=1e-12, max_iter=100_000, **options).fit(X, Y)
    model = GroupRegressor(tol=1e-12, **options).fit(X, Y)
    assert_allclose(model.coef_, peer.coef_, atol=1e-6)
    assert_allclose(model.intercept_, peer.intercept_, atol=1e-6)
    assert model.coef_.shape == peer.coef_.shape == (3, LABELS.size)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


def test_a_column_is_one_output():
    X, Y = make_data()
    options = {"groups": LABELS, "alpha": 0.3, "tol": 1e-10}
    flat = GroupRegressor(**options).fit(X, Y[:, 0])
    column = GroupRegressor(warm_start=True, **options).fit(X, Y[:, :1])
    assert_allclose(column.coef_, flat.coef_[None, :])
    assert_allclose(column.intercept_, [flat.intercept_])
    assert_allclose(column.predict(X), flat.predict(X)[:, None])
    assert column.fit(X, Y[:, :1]).n_iter_ == 1
    # A single column repeated is a problem whose coefficients repeat.
    twice = clone(flat).set_params(alpha=0.3 * np.sqrt(2)).fit(X, Y[:, [0, 0]])
    assert_allclose(twice.coef_, flat.coef_ * np.ones((2, 1)), atol=1e-7)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_weights_are_repeated_rows_and_zeros_cost_nothing(penalty):
    X, Y = make_data()
    X = np.where(np.abs(X) > 0.4, X, 0.0)
    k = np.random.default_rng(2).integers(0, 3, 90)
    rows = np.repeat(np.arange(90), k)
    model = GroupRegressor(penalty=penalty, groups=LABELS, alpha=0.4, tol=1e-11)
    expected = clone(model).fit(X[rows], Y[rows])
    for A in (X, sp.csr_array(X), sp.csc_matrix(X)):
        model.fit(A, Y, k)
        assert model.converged_
        assert_allclose(model.coef_, expected.coef_, atol=1e-8)
        assert_allclose(model.intercept_, expected.intercept_, atol=1e-8)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


@pytest.mark.parametrize("penalty", ["group_lasso", "group_mcp", "group_scad"])
def test_orthonormal_groups_do_not_see_the_basis(penalty):
    X, Y = make_data()
    mixed, rng = X.copy(), np.random.default_rng(3)
    for g in range(7):
        d = np.count_nonzero(g == LABELS)
        mixed[:, g == LABELS] = X[:, g == LABELS] @ rng.standard_normal((d, d))
    mixed = np.column_stack([mixed, mixed[:, 4], np.ones(90)])
    labels = np.append(LABELS, [2, 9])
    options = {"penalty": penalty, "orthonormalize": True, "tol": 1e-11}
    plain = GroupRegressor(groups=LABELS, alpha=0.4, **options).fit(X, Y)
    # One more column in a group, which the weights would see.
    other = GroupRegressor(
        groups=labels,
        alpha=0.4,
        group_weights=np.sqrt([1, 2, 3, 4, 5, 6, 3, 1]),
        **options,
    ).fit(mixed, Y)
    assert_allclose(other.predict(mixed), plain.predict(X), atol=1e-7)
    assert (other.coef_[:, -1] == 0).all()
    assert 0 < np.count_nonzero(plain.coef_.any(axis=0)) < P


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("labels", [LABELS, np.arange(P)])
def test_stationary_point_from_its_definition(penalty, labels):
    X, Y = make_data()
    if labels is not LABELS:
        # Groups of one are updated in bundles: columns of many sizes, and copies.
        X[:, ::3] *= 10.0 ** np.arange(-4, 4)
        X[:, 7], X[:, 9] = X[:, 4], 5.0
    model = GroupRegressor(penalty=penalty, groups=labels, alpha=0.4, tol=1e-11)
    model.fit(X, Y)
    assert model.converged_
    centred = X - X.mean(axis=0)
    slope = centred.T @ (X @ model.coef_.T + model.intercept_ - Y) / 90
    for g in np.unique(labels):
        G, W = slope[g == labels], model.coef_[:, g == labels].T
        lam = 0.4 * np.sqrt(W.shape[0])
        l1 = 0.5 * 0.4 if penalty == "sparse_group_lasso" else 0.0
        G = np.where(W, G + l1 * np.sign(W), np.sign(G) * np.maximum(abs(G) - l1, 0))
        size, lam = np.linalg.norm(W), lam * (0.5 if l1 else 1.0)
        if size == 0:
            assert np.linalg.norm(G) <= lam
            continue
        pull = lam
        if penalty == "group_mcp":
            pull = max(lam - size / 3.0, 0.0)
        if penalty == "group_scad":
            pull = min(lam, max(3.7 * lam - size, 0.0) / 2.7)
        assert_allclose(G, -pull * W / size, atol=1e-9 * model.groups_.size)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


@pytest.mark.parametrize("penalty", PENALTIES)
def test_float32(penalty):
    X, Y = make_data()
    model = GroupRegressor(penalty=penalty, groups=LABELS, alpha=0.4, tol=1e-4)
    single = clone(model).fit(X.astype(np.float32), Y.astype(np.float32))
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert single.converged_
    exact = model.set_params(tol=1e-10).fit(X, Y)
    assert_allclose(single.coef_, exact.coef_, atol=2e-3)


def test_free_and_excluded_groups():
    X, Y = make_data()
    weights = np.array([0.0, np.inf, 1, 1, 1, 1, np.inf])
    model = GroupRegressor(groups=LABELS, alpha=0.5, group_weights=weights, tol=1e-9)
    model.fit(X, Y)
    assert model.converged_
    assert not model.coef_[:, (LABELS == 1) | (LABELS == 6)].any()
    residual = Y - model.predict(X)
    assert_allclose(residual.mean(axis=0), 0, atol=1e-8)
    assert_allclose((X[:, 0] - X[:, 0].mean()) @ residual, 0, atol=1e-6)


def test_columns_and_outputs_of_every_size():
    X, Y = make_data()
    X = X * 10.0 ** np.random.default_rng(4).integers(-5, 6, LABELS.size)
    Y = Y * [1e-6, 1.0, 1e6]
    for penalty in ("group_lasso", "group_mcp"):
        model = GroupRegressor(penalty=penalty, groups=LABELS, alpha=4e5, tol=1e-8)
        model.set_params(orthonormalize=True, max_iter=50).fit(X, Y)
        assert model.converged_
        assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


@pytest.mark.usefixtures("dispatch")
def test_arrays_of_a_device(backend):
    X, Y = make_data()
    model = GroupRegressor(groups=LABELS, alpha=0.4, tol=1e-9)
    expected = clone(model).fit(X, Y)
    model.fit(backend.asarray(X), backend.asarray(Y))
    assert_allclose(backend.to_numpy(model.coef_), expected.coef_, atol=1e-6)
    predicted = backend.to_numpy(model.predict(backend.asarray(X)))
    assert_allclose(predicted, expected.predict(X), atol=1e-5)


@pytest.mark.parametrize("kind", [GroupRegressor, GroupClassifier])
@pytest.mark.parametrize("penalty", ["group_lasso", GroupMCP(20.0), SparseGroupLasso()])
def test_alpha_max_is_where_the_first_group_enters(kind, penalty):
    X, Y = make_data()
    y = Y if kind is GroupRegressor else Y.argmax(axis=1)
    for weights in (None, np.array([0.0, 1, 1, 1, 1, 1, 1])):
        model = kind(penalty=penalty, groups=LABELS, group_weights=weights, tol=1e-8)
        data = check_fit_input(clone(model), X, y, None, y_kind=model._y_kind)
        top = GroupFormulation(model, data).alpha_max()
        model.set_params(alpha=top * 1.0001).fit(X, y)
        free = int(weights is not None)
        assert not model.coef_[:, free:].any()
        model.set_params(alpha=top * 0.99).fit(X, y)
        assert model.coef_[:, free:].any()


@pytest.mark.parametrize("kind", [GroupRegressor, GroupClassifier])
def test_warm_starts_random_orders_and_checkpoints(kind, tmp_path):
    X, Y = make_data()
    y = Y if kind is GroupRegressor else Y.argmax(axis=1)
    for penalty in ("group_lasso", GroupMCP(20.0)):
        model = kind(penalty=penalty, groups=LABELS, alpha=0.05, tol=1e-9)
        whole = clone(model).fit(X, y)
        warm = clone(model).set_params(warm_start=True).fit(X, y)
        assert warm.fit(X, y).n_iter_ == 1
        assert_allclose(warm.coef_, whole.coef_, atol=1e-6)
        mixed = clone(model).set_params(sweep="random", random_state=0).fit(X, y)
        assert_allclose(mixed.objective_, whole.objective_, rtol=1e-7)
        path = tmp_path / f"{type(penalty).__name__}.ckpt"
        broken = clone(model).set_callbacks(
            Checkpoint(path, min_seconds=0), Interrupt(1)
        )
        with pytest.raises(KeyboardInterrupt):
            broken.fit(X, y)
        rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
        assert rest.converged_
        assert_allclose(rest.objective_, whole.objective_, rtol=1e-7)
