"""Group models with the exclusive lasso: cvxpy, ridge, paths, certificates."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import Ridge

from skopt2.linear_model import (
    GroupClassifier,
    GroupRegressor,
    GroupRegressorCV,
    group_path,
)
from tests.linear_model.test_group_cv import divergence, freedom
from tests.linear_model.test_group_models import LABELS, make_data


def exclusive(kind=GroupRegressor, **params):
    return kind(penalty="exclusive_lasso", groups=LABELS, **{"tol": 1e-9, **params})


def minimum(X, y, lists, lam, s, loss):
    """Return the minimum by cvxpy, of the sum of one coefficient a group and column."""
    cp = pytest.importorskip("cvxpy")
    columns = np.concatenate(lists)
    owners = np.repeat(np.arange(len(lists)), [len(own) for own in lists])
    v, b = cp.Variable(columns.size), cp.Variable()
    eta = X[:, columns] @ v + b
    if loss == "squared":
        value = cp.sum(cp.multiply(s, cp.square(y - eta))) / 2
    else:
        value = cp.sum(cp.multiply(s, cp.logistic(cp.multiply(-y, eta))))
    for g, level in enumerate(lam):
        part = v[np.flatnonzero(owners == g)]
        value += level / 2 * cp.square(cp.norm1(part))
    problem = cp.Problem(cp.Minimize(value))
    problem.solve(solver=cp.CLARABEL)
    return problem.value


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_minimum_of_an_independent_solver(alpha, loss):
    X, y, labels = make_data()
    s = np.random.default_rng(1).uniform(0, 2, y.size)
    kind, target = GroupRegressor, y
    if loss == "logistic":
        kind, target, y = GroupClassifier, labels, np.where(labels, 1.0, -1.0)
    weights = np.linspace(0.5, 2.0, 8)
    model = exclusive(kind, alpha=alpha, group_weights=weights).fit(X, target, s)
    lists = [np.flatnonzero(g == LABELS) for g in range(8)]
    expected = minimum(X, y, lists, alpha * weights, s / s.sum(), loss)
    assert_allclose(model.objective_, expected, rtol=1e-6)
    assert model.converged_
    assert model.certificate_.name == "relative duality gap"
    # Groups are never empty; what is left out is left out inside of them.
    assert (model.group_norms_ > 0).all()
    used = np.count_nonzero(model.coef_)
    assert used >= (20 if alpha < 0.01 else 8)
    assert used <= {1e-3: 30, 0.1: 25, 10.0: 10}[alpha]
    sparse = clone(model).fit(sp.csc_array(X), target, s)
    assert_allclose(sparse.objective_, expected, rtol=1e-6)


def test_overlapping_groups():
    X, y, _ = make_data()
    lists = [list(range(12)), list(range(8, 20)), list(range(18, 30))]
    model = exclusive(alpha=0.5).set_params(groups=lists).fit(X, y)
    expected = minimum(X, y, lists, [0.5] * 3, np.full(120, 1 / 120), "squared")
    assert_allclose(model.objective_, expected, rtol=1e-6)
    assert model.certificate_.holds


def test_groups_of_one_are_ridge():
    X, y, _ = make_data()
    model = exclusive(alpha=0.3, tol=1e-12).set_params(groups=None).fit(X, y)
    ridge = Ridge(alpha=0.3 * 120).fit(X, y)
    assert_allclose(model.coef_, ridge.coef_, atol=1e-6)
    assert_allclose(model.intercept_, ridge.intercept_, rtol=1e-6)


def test_gap_bounds_the_error_from_any_point():
    X, y, _ = make_data()
    best = exclusive(alpha=0.05, tol=1e-12).fit(X, y).objective_
    with pytest.warns(UserWarning, match="max_iter=1"):
        rough = exclusive(alpha=0.05, tol=1e-12, max_iter=1).fit(X, y)
    assert best <= rough.objective_ <= best + rough.dual_gap_ * (1 + 1e-9)
    # The optimality conditions, from the data alone.
    model = exclusive(alpha=0.05, tol=1e-12).fit(X, y)
    gradient = (X - X.mean(axis=0)).T @ (model.predict(X) - y) / 120
    level = 0.05 * np.bincount(LABELS, np.abs(model.coef_))[LABELS]
    used = model.coef_ != 0
    assert_allclose(-gradient[used], (level * np.sign(model.coef_))[used], atol=1e-5)
    assert (np.abs(gradient[~used]) <= level[~used] + 1e-5).all()


def test_path_goes_from_one_feature_a_group_to_many():
    X, y, labels = make_data()
    path = group_path(X, y, penalty="exclusive_lasso", groups=LABELS, alphas=8)
    assert all(c.holds for c in path.certificates)
    assert path.degrees_of_freedom[0] == 8
    assert path.degrees_of_freedom[-1] > 20
    spread = (X - X.mean(axis=0)).var(axis=0).max()
    assert_allclose(path.alphas[0], 10 * spread)
    logistic = group_path(
        X, labels, loss="logistic", penalty="exclusive_lasso", groups=LABELS, alphas=2
    )
    share = labels.mean() * (1 - labels.mean())
    assert_allclose(logistic.alphas[0], 10 * spread * share)
    weighted = GroupRegressorCV(
        penalty="exclusive_lasso",
        groups=LABELS,
        group_weights=[1, 2, 0, 4, np.inf, 2, 2, 2],
        alphas=4,
        criterion="bic",
    ).fit(X, y)
    assert weighted.converged_
    assert weighted.group_norms_[4] == 0
    assert (weighted.coef_[LABELS == 2] != 0).all()


def test_degrees_of_freedom_are_the_divergence():
    X, y, _ = make_data(16)
    model = exclusive(alpha=0.3, tol=1e-12)
    df = freedom(model, X, y)
    assert 2 < df < 1 + np.count_nonzero(model.fit(X, y).coef_)
    assert_allclose(df, divergence(model, X, y), rtol=1e-3)


def test_bad_scales_single_precision_outputs_and_warm_start():
    X, y, _ = make_data()
    scales = 10.0 ** np.random.default_rng(3).integers(-3, 4, 30)
    for kind, target in (
        (GroupRegressor, y),
        (GroupClassifier, y > y.mean()),
        (GroupClassifier, np.digitize(y, [2, 4])),
    ):
        model = exclusive(kind, alpha=0.1, tol=1e-8).fit(X * scales, target)
        assert model.converged_
        assert model.n_iter_ < 15
        assert (np.diff(model.history_["objective"]) <= 1e-12).all()
    single = exclusive(alpha=0.1, tol=1e-4).fit(X.astype(np.float32), y)
    double = exclusive(alpha=0.1).fit(X, y)
    assert single.coef_.dtype == np.float32
    assert single.converged_
    assert_allclose(single.coef_, double.coef_, atol=0.02)
    Y = np.column_stack([y, X[:, 0]])
    both = exclusive(alpha=0.1, warm_start=True).fit(X, Y)
    residual = both.predict(X) - Y
    sizes = np.bincount(LABELS, np.abs(both.coef_).sum(axis=0))
    by_hand = (residual**2).sum() / 240 + 0.05 * (sizes**2).sum()
    assert_allclose(both.objective_, by_hand, rtol=1e-10)
    assert both.certificate_.holds
    assert both.fit(X, Y).n_iter_ == 1
    constant = np.column_stack([X, np.ones(120)])
    groups = np.append(LABELS, 99)
    model = exclusive(alpha=0.1).set_params(groups=groups).fit(constant, y)
    assert_allclose(model.coef_[:-1], double.coef_, atol=1e-4)
    assert model.coef_[-1] == 0
    with pytest.raises(ValueError, match="orthonormalize"):
        exclusive(orthonormalize=True).fit(X, y)
