"""Groups on a device: the minima of block descent, all groups at once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from skopt2.linear_model import GroupClassifier, GroupRegressor, group_path
from skopt2.penalties import L1, GroupLasso, GroupMCP, GroupSCAD
from skopt2.penalties.group_norms import GroupNorms
from skopt2.penalties.partition import Partition

LABELS = np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 2, 7, 3, 3, 2, 2])
MILD = {"group_mcp": GroupMCP(12.0), "group_scad": GroupSCAD(12.0)}


@pytest.fixture
def X(rng):
    return rng.standard_normal((90, LABELS.size)) + 1.0


@pytest.fixture
def y(X, rng):
    return X[:, 3:6].sum(axis=1) - X[:, 21:23].sum(axis=1) + rng.standard_normal(90)


def target_of(kind, y):
    return {
        "squared": y,
        "huber": y,
        "outputs": np.stack([y, y**2 / 10, -y], axis=1),
        "poisson": np.floor(np.abs(y)),
        "logistic": y > np.median(y),
        "multinomial": np.digitize(y, [-1.0, 1.0]),
    }[kind]


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("penalty", ["group_lasso", "group_mcp", "group_scad"])
@pytest.mark.parametrize(
    "kind", ["squared", "huber", "outputs", "poisson", "logistic", "multinomial"]
)
def test_same_minimum_as_block_descent(X, y, rng, kind, penalty):
    target, weight = target_of(kind, y), rng.uniform(0.5, 2.0, 90)
    classes = kind in ("logistic", "multinomial")
    base = GroupClassifier() if classes else GroupRegressor()
    if kind in ("huber", "poisson"):
        base.set_params(loss=kind)
    penalty = MILD.get(penalty, penalty) if kind != "squared" else penalty
    # Under flat penalties of a low level separable classes have no minimiser.
    base.set_params(penalty=penalty, groups=LABELS, alpha=0.12, tol=1e-9)
    expected = clone(base).fit(X, target, weight)
    model = clone(base).set_params(device="cuda").fit(X, target, weight)
    assert model.device_.startswith("cuda")
    assert model.certificate_.holds
    assert model.certificate_.name == expected.certificate_.name
    assert_allclose(model.objective_, expected.objective_, rtol=1e-7)
    assert_allclose(model.coef_, expected.coef_, atol=2e-4)
    assert_allclose(model.group_norms_ > 0, expected.group_norms_ > 0)
    assert isinstance(model.coef_, np.ndarray)


@pytest.mark.usefixtures("cuda_stand_in")
def test_free_excluded_and_wide_groups(rng):
    X = rng.standard_normal((60, 600))
    y = X[:, :10] @ np.ones(10) + rng.standard_normal(60)
    weights = np.ones(120)
    weights[[3, 7]] = 0.0, np.inf
    base = GroupRegressor(groups=5, group_weights=weights, alpha=0.3, tol=1e-8)
    expected = clone(base).fit(X, y)
    model = clone(base).set_params(device="cuda").fit(X, y)
    assert model.certificate_.holds
    assert_allclose(model.objective_, expected.objective_, rtol=1e-7)
    assert (model.coef_[15:20] != 0).all()
    assert not model.coef_[35:40].any()
    assert 2 < np.count_nonzero(model.group_norms_) < 40


@pytest.mark.usefixtures("cuda_stand_in")
def test_warm_start_float32_and_sparse(X, y):
    sparse = pytest.importorskip("scipy.sparse")
    model = GroupRegressor(
        groups=LABELS, alpha=0.1, tol=1e-9, device="cuda", warm_start=True
    ).fit(X, y)
    first = model.n_iter_
    assert model.fit(X, y).n_iter_ <= first
    single = clone(model).set_params(tol=1e-4).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    assert_allclose(single.coef_, model.coef_, atol=1e-2)
    on_host = clone(model).set_params(device=None).fit(sparse.csc_array(X), y)
    assert_allclose(on_host.coef_, model.coef_, atol=1e-5)


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize(
    "params",
    [
        {"penalty": "sparse_group_lasso"},
        {"penalty": "exclusive_lasso"},
        {"orthonormalize": True},
        {"groups": [[0, 1], [1, 2]]},
    ],
)
def test_what_is_for_the_cpu_is_named(X, y, params):
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        GroupRegressor(device="cuda", **params).fit(X, y)


@pytest.mark.usefixtures("dispatch")
def test_arrays_of_a_device_stay_there(backend, X, y):
    path = group_path(X, y, groups=LABELS, alphas=4, eps=0.1, tol=1e-9)
    there = group_path(
        backend.asarray(X),
        backend.asarray(y),
        groups=LABELS,
        alphas=path.alphas,
        tol=1e-9,
    )
    assert_allclose(there.coefs, path.coefs, atol=1e-4)


@pytest.mark.parametrize("penalty", [GroupLasso(), GroupMCP(3.0), GroupSCAD(3.7)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_norms_agree_with_the_penalty_of_blocks(rng, penalty, outputs):
    p = LABELS.size
    index = rng.permutation(LABELS)
    w = rng.standard_normal((p, outputs)) * (rng.random(12) < 0.7)[index][:, None]
    g, lam = rng.standard_normal((p, outputs)), rng.uniform(0.2, 2.0, 12)
    partition = Partition(np.repeat(index, outputs))
    norms = GroupNorms(penalty, index)
    levels = lam[index][:, None]
    flat_w, flat_g = w.ravel(), g.ravel()
    assert norms.value(w, levels) == pytest.approx(
        penalty.value(flat_w, partition, lam)
    )
    for step in (0.1, 0.7):
        expected = penalty.prox(flat_g, step, partition, lam)
        assert_allclose(norms.prox(g, step, levels).ravel(), expected, atol=1e-14)
    distance = penalty.subdiff_distance(flat_w, flat_g, partition, lam)
    found = norms.subdiff_distance(w, g, levels)
    assert_allclose(found, np.repeat(distance[index][:, None], outputs, 1), atol=1e-14)
    top = penalty.alpha_max(flat_g, partition, np.ones(12))
    assert norms.alpha_max(norms.pull(g), np.ones((p, 1))) == pytest.approx(top)


def test_groups_of_one_are_the_scalar_penalty(rng):
    z, lam = rng.standard_normal(9), rng.uniform(0.1, 1.0, 9)
    norms = GroupNorms(GroupLasso(), np.arange(9))
    assert_allclose(norms.prox(z, 0.5, lam), L1().prox(z, 0.5, lam), atol=1e-15)
    part = norms.restrict(np.array([2, 5, 7]))
    assert_allclose(
        part.prox(z[[2, 5, 7]], 0.5, lam[[2, 5, 7]]), norms.prox(z, 0.5, lam)[[2, 5, 7]]
    )
