"""Group models of the multinomial, Poisson and Huber losses, by independent solvers."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from skopt2.linear_model import (
    GroupClassifier,
    GroupRegressor,
    SparseClassifier,
    SparseRegressor,
)
from skopt2.penalties import L1, GroupMCP, GroupSCAD, SparseGroupLasso

LABELS = np.repeat(np.arange(7), [1, 2, 3, 4, 5, 6, 3])
P = LABELS.size
# The curvature of a class is at most 1/4: see test_group_models.
MILD = ["group_lasso", GroupMCP(20.0), GroupSCAD(20.0), "sparse_group_lasso"]


def make_classes(n=300, classes=4, seed=0):
    """Return X with means, and classes that are not separable."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, P)) @ (np.eye(P) + 0.2 * rng.standard_normal((P, P)))
    W = np.zeros((P, classes))
    W[3:6], W[15] = 0.7 * rng.standard_normal((3, classes)), np.arange(classes) - 1.0
    scores = X @ W + rng.gumbel(size=(n, classes))
    y = (scores - scores.mean(axis=0)).argmax(axis=1)
    return X + rng.standard_normal(P), y


def make_counts(n=150, seed=0, rate=1.0):
    """Return X with means, and counts."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, P)) @ (np.eye(P) + 0.2 * rng.standard_normal((P, P)))
    eta = 0.4 * X[:, 3:6].sum(axis=1) - 0.3 * X[:, 15]
    return X + rng.standard_normal(P), rng.poisson(rate * np.exp(eta)).astype(float)


def convex_minimum(X, target, alpha, s, tau, loss):
    """Return the minimum that an interior-point method finds.

    The penalty is the sparse-group lasso, or the exclusive lasso for tau=None.
    """
    cvxpy = pytest.importorskip("cvxpy")
    s = s / s.sum()
    K = target.shape[1]
    W, b = cvxpy.Variable((P, K)), cvxpy.Variable((1, K))
    eta = X @ W + np.ones((X.shape[0], 1)) @ b
    fit = cvxpy.sum(cvxpy.multiply(target, eta), axis=1)
    if loss == "multinomial":
        value = s @ (cvxpy.log_sum_exp(eta, axis=1) - fit)
    elif loss == "poisson":
        value = s @ (cvxpy.exp(eta[:, 0]) - fit)
    else:
        value = s @ cvxpy.huber(eta[:, 0] - target[:, 0], 1.35) / 2
    for g in np.unique(LABELS):
        ids = np.flatnonzero(g == LABELS)
        if tau is None:
            value += alpha / 2 * cvxpy.square(cvxpy.sum(cvxpy.abs(W[ids])))
            continue
        value += alpha * (1 - tau) * np.sqrt(ids.size) * cvxpy.norm(W[ids], "fro")
        value += alpha * tau * cvxpy.sum(cvxpy.abs(W[ids]))
    problem = cvxpy.Problem(cvxpy.Minimize(value))
    return problem.solve(solver="CLARABEL", tol_gap_rel=1e-9, tol_gap_abs=1e-9)


@pytest.mark.parametrize(("tau", "weighted"), [(0.0, True), (0.4, False)])
def test_multinomial_minimum_of_an_independent_solver(tau, weighted):
    X, y = make_classes()
    s = np.random.default_rng(1).uniform(0, 2, 300) if weighted else np.ones(300)
    penalty = SparseGroupLasso(tau) if tau else "group_lasso"
    model = GroupClassifier(penalty=penalty, groups=LABELS, alpha=0.03, tol=1e-9)
    model.fit(X, y, s)
    assert model.certificate_.name == "relative duality gap"
    assert model.converged_
    assert model.coef_.shape == (4, P)
    expected = convex_minimum(X, np.eye(4)[y], 0.03, s, tau, "multinomial")
    assert_allclose(model.objective_, expected, rtol=1e-7)
    logs = log_softmax(X @ model.coef_.T + model.intercept_, axis=1)
    value = -(s * logs[np.arange(300), y]).sum() / s.sum()
    for g in range(7):
        W = model.coef_[:, g == LABELS]
        value += 0.03 * (1 - tau) * np.sqrt(W.shape[1]) * np.linalg.norm(W)
    value += 0.03 * tau * np.abs(model.coef_).sum()
    assert_allclose(model.objective_, value, rtol=1e-12)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


def test_exclusive_lasso_of_several_classes():
    X, y = make_classes()
    model = GroupClassifier(penalty="exclusive_lasso", groups=LABELS, alpha=0.2)
    model.set_params(tol=1e-8).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 5
    target, s = np.eye(4)[y], np.ones(300)
    expected = convex_minimum(X, target, 0.2, s, None, "multinomial")
    assert_allclose(model.objective_, expected, rtol=1e-7)
    assert 0 < np.count_nonzero(model.coef_) < model.coef_.size


@pytest.mark.parametrize("penalty", [GroupMCP(20.0), GroupSCAD(20.0)])
def test_nonconvex_multinomial_is_where_proximal_gradient_ends(penalty):
    X, y = make_classes()
    model = GroupClassifier(penalty=penalty, groups=LABELS, alpha=0.03, tol=1e-10)
    model.fit(X, y)
    assert model.converged_
    Z = np.column_stack([X - X.mean(axis=0), np.ones(300)])
    step = 2.0 * 300 / np.linalg.norm(Z, 2) ** 2
    V = np.zeros((P + 1, 4))
    for _ in range(3500):
        V -= step * Z.T @ (softmax(Z @ V, axis=1) - np.eye(4)[y]) / 300
        for g in range(7):
            ids = np.flatnonzero(g == LABELS)
            lam = 0.03 * np.sqrt(ids.size)
            new = penalty.block_prox(V[ids].ravel(), step, lam)
            V[ids] = 0.0 if new is None else new.reshape(ids.size, 4)
    assert_allclose(model.coef_, V[:P].T, atol=1e-6)
    assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


def test_groups_of_one_are_the_plain_multinomial_model():
    # Rows of one class pair: the l1 norm of the plain model is one for each class.
    X, y = make_classes(classes=3)
    options = {"alpha": 0.03, "tol": 1e-10}
    rows = GroupClassifier(penalty=SparseGroupLasso(1.0), **options).fit(X, y)
    plain = SparseClassifier(penalty=L1(), **options).fit(X, y)
    assert_allclose(rows.coef_, plain.coef_, atol=1e-7)
    assert_allclose(rows.intercept_, plain.intercept_, atol=1e-7)
    # Two classes: the coefficients of one are minus those of the other.
    y = (y == 1).astype(int)
    two = GroupClassifier("multinomial", groups=LABELS, warm_start=True, tol=1e-10)
    two.set_params(alpha=0.02 / np.sqrt(2)).fit(X, y)
    one = GroupClassifier(groups=LABELS, alpha=0.01, tol=1e-10).fit(X, y)
    assert_allclose(two.coef_, np.vstack([-one.coef_, one.coef_]) / 2, atol=1e-7)
    assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-7)
    assert two.fit(X, y).n_iter_ == 1


def test_without_a_penalty_it_is_multinomial_regression():
    X, y = make_classes(500, 3)
    model = GroupClassifier(groups=LABELS, alpha=0.0, tol=1e-9).fit(X, y)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, y)
    assert model.certificate_.name == "relative KKT violation"
    assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-5)
    assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-8)
    assert_allclose(model.intercept_.sum(), 0, atol=1e-8)


@pytest.mark.parametrize("penalty", MILD)
def test_multinomial_weights_sparse_and_float32(penalty):
    X, y = make_classes()
    X = np.where(np.abs(X) > 0.4, X, 0.0)
    k = np.random.default_rng(2).integers(0, 3, 300)
    rows = np.repeat(np.arange(300), k)
    model = GroupClassifier(penalty=penalty, groups=LABELS, alpha=0.06, tol=1e-9)
    expected = clone(model).fit(X[rows], y[rows])
    for A in (X, sp.csr_array(X), sp.csc_matrix(X)):
        model.fit(A, y, k)
        assert model.converged_
        assert_allclose(model.coef_, expected.coef_, atol=1e-6)
        assert_allclose(model.intercept_, expected.intercept_, atol=1e-6)
    single = model.set_params(tol=1e-4).fit(X.astype(np.float32), y, k)
    assert single.converged_
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert_allclose(single.coef_, expected.coef_, atol=5e-3)
    assert 0 < np.count_nonzero(expected.coef_.any(axis=0)) < P


def test_rare_classes_and_columns_of_every_size():
    X, y = make_classes(400)
    y = np.where((y == 0) & (np.arange(400) > 60), 1, y)
    X = X * 10.0 ** np.random.default_rng(3).integers(-4, 5, P)
    for penalty in ("group_lasso", GroupMCP(20.0)):
        model = GroupClassifier(penalty=penalty, groups=LABELS, alpha=0.02, tol=1e-8)
        model.set_params(orthonormalize=True, max_iter=50).fit(X, y)
        assert model.converged_
        assert 0 < np.count_nonzero(model.coef_.any(axis=0)) < P


def test_separable_classes():
    rng = np.random.default_rng(4)
    y = np.repeat([0, 1, 2], 15)
    X = rng.standard_normal((45, P)) + 30.0 * (y[:, None] == LABELS % 3)
    model = GroupClassifier(groups=LABELS, alpha=1e-4, tol=1e-8).fit(X, y)
    assert model.converged_
    assert (model.predict(X) == y).all()
    expected = convex_minimum(X, np.eye(3)[y], 1e-4, np.ones(45), 0.0, "multinomial")
    assert_allclose(model.objective_, expected, atol=1e-8 * np.log(3))


@pytest.mark.parametrize("loss", ["poisson", "huber"])
@pytest.mark.parametrize("weighted", [False, True])
def test_minimum_of_other_losses(loss, weighted):
    X, y = make_counts()
    s = np.random.default_rng(1).uniform(0, 2, 150) if weighted else np.ones(150)
    model = GroupRegressor(loss, groups=LABELS, alpha=0.1, tol=1e-9).fit(X, y, s)
    assert model.certificate_.name == "relative duality gap"
    assert model.converged_
    expected = convex_minimum(X, y[:, None], 0.1, s, 0.0, loss)
    assert_allclose(model.objective_, expected, rtol=1e-7)
    assert 0 < np.count_nonzero(model.coef_) < P
    # Sparse columns are not centred, and so another problem for the solver.
    sparse = clone(model).fit(sp.csc_array(X), y, s)
    assert_allclose(sparse.coef_, model.coef_, atol=1e-5)
    ones = {"alpha": 0.1, "tol": 1e-11}
    group = GroupRegressor(loss, **ones).fit(X, y, s)
    plain = SparseRegressor(loss, **ones).fit(X, y, s)
    assert_allclose(group.coef_, plain.coef_, atol=1e-7)
    assert_allclose(group.intercept_, plain.intercept_, atol=1e-7)


@pytest.mark.parametrize("penalty", ["group_lasso", "group_mcp", "group_scad"])
def test_counts_of_every_size(penalty):
    X, y = make_counts(rate=1e6)
    model = GroupRegressor("poisson", penalty, groups=LABELS, tol=1e-8, max_iter=50)
    for intercept in (True, False):
        model.set_params(fit_intercept=intercept, alpha=1e5).fit(X, y)
        assert model.converged_
        if intercept and penalty == "group_lasso":
            # The predictor grows by log(1e6), which the intercept takes.
            counts = y[:, None] / 1e6
            expected = convex_minimum(X, counts, 0.1, np.ones(150), 0.0, "poisson")
            expected -= np.log(1e6) * counts.mean()
            assert_allclose(model.objective_ / 1e6, expected, rtol=1e-6)
            assert 0 < np.count_nonzero(model.coef_) < P


def test_poisson_without_a_penalty_is_the_generalised_linear_model():
    X, y = make_counts()
    model = GroupRegressor("poisson", groups=LABELS, alpha=0.0, tol=1e-10).fit(X, y)
    peer = PoissonRegressor(alpha=0.0, tol=1e-10, solver="newton-cholesky").fit(X, y)
    assert_allclose(model.predict(X), peer.predict(X), rtol=1e-6)
    assert (model.predict(X) > 0).all()


def test_one_target_where_the_loss_has_one():
    X, y = make_counts()
    model = GroupRegressor("poisson", groups=LABELS, alpha=0.1)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        column = clone(model).fit(X, y[:, None])
    assert_allclose(column.coef_, model.fit(X, y).coef_)
    with pytest.raises(ValueError, match="loss='poisson' is for one target"):
        model.fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="y >= 0"):
        model.fit(X, y - 1.0)
    for loss in ("quantile", "squared_hinge"):
        kind = GroupRegressor if loss == "quantile" else GroupClassifier
        with pytest.raises(ValueError, match=f"loss='{loss}' is not available"):
            kind(loss).fit(X, y > 0)
