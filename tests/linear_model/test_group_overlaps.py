"""Overlapping groups: the latent group lasso against cvxpy and copied columns."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone

from skopt2.callbacks import Checkpoint
from skopt2.linear_model import GroupClassifier, GroupRegressor, GroupRegressorCV
from skopt2.penalties import GroupMCP, GroupSCAD
from skopt2.penalties.partition import Cover
from tests.callbacks.test_checkpoint import Interrupt
from tests.linear_model.test_group_cv import divergence, freedom

# Chains that share two columns with the next, one of them inside another, and columns
# 18 and 19 on their own.
GROUPS = [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7, 8, 9], [4, 5], list(range(10, 18))]
COLUMNS = np.concatenate([*GROUPS, [18, 19]])
LABELS = np.repeat(np.arange(7), [4, 4, 6, 2, 8, 1, 1])
SIZES = np.bincount(LABELS)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((70, 20)) + rng.standard_normal(20)
    signal = X[:, 2:6] @ [1.0, -1.0, 2.0, 1.0]
    return X, signal + rng.standard_normal(70), signal > np.median(signal)


def latent_minimum(X, y, lam, s, tau, loss):
    """Return the minimum of the latent formulation by cvxpy."""
    cp = pytest.importorskip("cvxpy")
    v, b = cp.Variable(COLUMNS.size), cp.Variable()
    eta = X[:, COLUMNS] @ v + b
    if loss == "squared":
        value = cp.sum(cp.multiply(s, cp.square(y - eta))) / 2
    else:
        value = cp.sum(cp.multiply(s, cp.logistic(cp.multiply(-y, eta))))
    for g, size in enumerate(SIZES):
        part = v[np.flatnonzero(g == LABELS)]
        value += lam[g] * (1 - tau) * cp.norm(part, 2)
        value += lam[g] * tau / np.sqrt(size) * cp.norm1(part)
    problem = cp.Problem(cp.Minimize(value))
    problem.solve(solver=cp.CLARABEL)
    return problem.value


@pytest.mark.parametrize("penalty", ["group_lasso", "sparse_group_lasso"])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_minimum_of_an_independent_solver(data, penalty, loss):
    X, y, labels = data
    tau = 0.5 if penalty == "sparse_group_lasso" else 0.0
    s = np.random.default_rng(1).uniform(0, 2, 70)
    kind, alpha = GroupRegressor, 0.2
    target = y
    if loss == "logistic":
        kind, alpha, target = GroupClassifier, 0.02, labels
        y = np.where(labels, 1.0, -1.0)
    model = kind(penalty=penalty, groups=GROUPS, alpha=alpha, tol=1e-9)
    model.fit(X, target, s)
    expected = latent_minimum(X, y, alpha * np.sqrt(SIZES), s / s.sum(), tau, loss)
    assert_allclose(model.objective_, expected, rtol=1e-7)
    assert model.converged_
    assert model.certificate_.name == "relative duality gap"
    sparse = clone(model).fit(sp.csr_array(X), target, s)
    assert_allclose(sparse.objective_, expected, rtol=1e-7)


@pytest.mark.parametrize("orthonormalize", [False, True])
@pytest.mark.parametrize(
    "penalty", ["group_lasso", "sparse_group_lasso", GroupMCP(12.0), GroupSCAD(12.0)]
)
@pytest.mark.parametrize("kind", [GroupRegressor, GroupClassifier])
def test_overlaps_are_copied_columns(data, kind, penalty, orthonormalize):
    X, y, labels = data
    if penalty == "sparse_group_lasso" and orthonormalize:
        pytest.skip("mixes what the penalty selects")
    target, alpha = (y, 0.2) if kind is GroupRegressor else (labels, 0.03)
    tol = 1e-10 if isinstance(penalty, str) else 1e-6
    options = {"penalty": penalty, "alpha": alpha, "tol": tol}
    options["orthonormalize"] = orthonormalize
    model = kind(groups=GROUPS, **options).fit(X, target)
    copies = kind(groups=LABELS, **options).fit(X[:, COLUMNS], target)
    assert_allclose(model.objective_, copies.objective_, rtol=1e-9)
    sums = np.bincount(COLUMNS, copies.coef_.ravel())
    assert_allclose(model.coef_.ravel(), sums, atol=1e-4)
    assert_allclose(model.predict(X), copies.predict(X[:, COLUMNS]), atol=1e-4)
    assert_allclose(model.group_norms_, copies.group_norms_, atol=1e-3)
    # The model is a union of groups, told by their norms.
    used = [model.groups_[g] for g in np.flatnonzero(model.group_norms_)]
    assert 0 < len(used) < 7
    inside = np.zeros(20, dtype=bool)
    inside[np.concatenate(used)] = True
    assert (model.coef_.ravel()[~inside] == 0).all()
    if penalty != "sparse_group_lasso":
        assert (model.coef_.ravel()[inside] != 0).all()


def test_certificate_is_that_of_the_latent_problem(data):
    X, y, _ = data
    model = GroupRegressor(groups=GROUPS, alpha=0.2, tol=1e-10).fit(X, y)
    gradient = (X - X.mean(axis=0)).T @ (model.predict(X) - y) / 70
    forces = np.array([np.linalg.norm(gradient[ids]) for ids in model.groups_])
    lam = 0.2 * np.sqrt(SIZES)
    used = model.group_norms_ > 0
    assert (forces <= lam * (1 + 1e-4)).all()
    assert_allclose(forces[used], lam[used], rtol=1e-4)


def test_warm_start_keeps_what_each_group_has(data):
    X, y, _ = data
    for options in ({}, {"orthonormalize": True}, {"penalty": "group_mcp"}):
        model = GroupRegressor(
            groups=GROUPS, alpha=0.1, warm_start=True, tol=1e-9, **options
        ).fit(X, y)
        coef, norms = model.coef_.copy(), model.group_norms_.copy()
        model.fit(X, y)
        assert model.n_iter_ == 1
        assert_allclose(model.coef_, coef, atol=1e-6)
        assert_allclose(model.group_norms_, norms, atol=1e-4)
        # The share of a group that is now excluded is gone, that of the others stays.
        model.set_params(group_weights=[1, np.inf, 1, 1, 1, 1, 1]).fit(X, y)
        cold = clone(model).fit(X, y)
        assert model.group_norms_[1] == 0
        if "penalty" not in options:
            assert_allclose(model.objective_, cold.objective_, rtol=1e-8)
        # Other groups of as many coefficients: a start that belongs to none of them.
        other = [[j % 20 for j in ids] for ids in np.split(np.arange(24), 6)]
        model.set_params(groups=other, group_weights=None).fit(X, y)
        assert model.converged_


def test_checkpoint_of_overlapping_groups(data, tmp_path):
    X, y, _ = data
    X = np.column_stack([X, np.random.default_rng(2).standard_normal((70, 300))])
    groups = [range(j, j + 6) for j in range(0, 314, 4)]
    model = GroupRegressor(groups=groups, alpha=0.05, tol=1e-10)
    whole = clone(model).fit(X, y)
    assert whole.n_iter_ > 3
    path = tmp_path / "fit.ckpt"
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    assert_allclose(rest.objective_, whole.objective_, rtol=1e-9)
    assert rest.history_["objective"][3] <= whole.history_["objective"][2]


@pytest.mark.parametrize("orthonormalize", [False, True])
def test_rank_deficient_overlaps(data, orthonormalize):
    X, y, _ = data
    X = np.column_stack([X, X[:, 4:6], np.ones(70)])
    # A group twice, a repeated column in and across groups, a constant one.
    groups = [*GROUPS, GROUPS[1], [4, 20], [5, 21, 22], [22]]
    model = GroupRegressor(
        groups=groups, alpha=0.1, orthonormalize=orthonormalize, tol=1e-9
    ).fit(X, y)
    once = GroupRegressor(
        groups=[*GROUPS, [4, 20], [5, 21, 22], [22]],
        alpha=0.1,
        orthonormalize=orthonormalize,
        tol=1e-9,
    ).fit(X, y)
    assert model.converged_
    assert model.coef_[22] == 0
    # Two equal groups are one: the norm of a sum is at most the sum of norms.
    assert_allclose(model.objective_, once.objective_, rtol=1e-8)
    assert_allclose(model.predict(X), once.predict(X), atol=1e-3)


def test_single_precision_outputs_and_paths(data):
    X, y, _ = data
    single = GroupRegressor(groups=GROUPS, alpha=0.2, tol=1e-4)
    single.fit(X.astype(np.float32), y.astype(np.float32))
    double = GroupRegressor(groups=GROUPS, alpha=0.2, tol=1e-9).fit(X, y)
    assert single.coef_.dtype == single.group_norms_.dtype == np.float32
    assert_allclose(single.coef_, double.coef_, atol=0.02)
    both = np.column_stack([y, X[:, 0] - y])
    options = {"alpha": 0.2, "tol": 1e-10, "warm_start": True}
    model = GroupRegressor(groups=GROUPS, **options).fit(X, both)
    copies = GroupRegressor(groups=LABELS, **options).fit(X[:, COLUMNS], both)
    assert_allclose(model.objective_, copies.objective_, rtol=1e-9)
    assert_allclose(model.group_norms_, copies.group_norms_, atol=1e-3)
    assert model.fit(X, both).n_iter_ == 1
    path = GroupRegressorCV(groups=GROUPS, alphas=5, eps=0.1, cv=3).fit(X, y)
    assert path.converged_
    assert 0 < np.count_nonzero(path.group_norms_) < 7


def test_degrees_of_freedom_of_overlaps(data):
    X, y, _ = data
    model = GroupRegressor(groups=GROUPS, alpha=0.2, tol=1e-12)
    X, y = X[:30], y[:30]
    df = freedom(model, X, y)
    assert 2 < df < np.count_nonzero(model.fit(X, y).coef_)
    assert_allclose(df, divergence(model, X, y), rtol=1e-3)


def test_names_may_be_in_several_groups(data):
    pandas = pytest.importorskip("pandas")
    X, y, _ = data
    frame = pandas.DataFrame(X, columns=[f"x{j}" for j in range(20)])
    names = {"one": ["x2", "x3"], "two": ["x3", "x4", 5], "three": range(5, 12)}
    model = GroupRegressor(groups=names, alpha=0.1).fit(frame, y)
    assert [ids.tolist() for ids in model.groups_[:3]] == [
        [2, 3],
        [3, 4, 5],
        list(range(5, 12)),
    ]
    assert model.group_labels_[:4].tolist() == ["one", "two", "three", "x0"]
    cover = Cover([[3, 1], [1, 2]])
    assert cover.features.tolist() == [1, 3, 1, 2]
    assert cover.sums(np.array([0.0, 1.0, 10.0, 100.0])).tolist() == [101.0, 11.0]
