"""Group models: the largest alpha, callbacks, checkpoints, limits, devices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.validation import check_fit_input
from skopt2.callbacks import Checkpoint
from skopt2.linear_model import GroupClassifier, GroupRegressor
from skopt2.linear_model.group_formulation import GroupFormulation
from skopt2.penalties import GroupMCP, GroupSCAD
from tests.callbacks.test_checkpoint import Interrupt

# A gamma above 4: with a smaller one, a logistic model in which zero is stationary may
# have a lower minimum elsewhere, along a single group.
PENALTIES = [
    "group_lasso",
    GroupMCP(12.0),
    GroupSCAD(12.0),
    "sparse_group_lasso",
]


@pytest.fixture
def X(rng):
    return rng.standard_normal((80, 300)) + 1.0


@pytest.fixture
def y(X, rng):
    return X[:, :6] @ [2.0, -1.5, 1.0, 1.0, 0.5, 1.0] + rng.standard_normal(80)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("kind", [GroupRegressor, GroupClassifier])
@pytest.mark.parametrize("free", [False, True])
def test_alpha_max_is_where_the_first_group_enters(X, y, penalty, kind, free):
    weights = np.sqrt(np.full(60, 5.0))
    weights[1] = 0.0 if free else 1.0
    model = kind(penalty=penalty, groups=5, group_weights=weights, tol=1e-9)
    target = y if kind is GroupRegressor else y > np.median(y)
    kinds = {"y_kind": model._y_kind}
    data = check_fit_input(clone(model), X, target, None, **kinds)
    top = GroupFormulation(model, data).alpha_max()
    outside = np.ones(300, dtype=bool)
    outside[5:10] = not free
    model.set_params(alpha=top * 1.0001).fit(X, target)
    assert not model.coef_.ravel()[outside].any()
    model.set_params(alpha=top * 0.99).fit(X, target)
    assert model.coef_.ravel()[outside].any()


def test_a_checkpoint_continues_the_fit(X, y, tmp_path):
    for penalty in ("group_lasso", "group_mcp"):
        model = GroupRegressor(penalty=penalty, groups=5, alpha=0.1, tol=1e-9)
        whole = clone(model).fit(X, y)
        path = tmp_path / f"{penalty}.ckpt"
        broken = clone(model).set_callbacks(
            Checkpoint(path, min_seconds=0), Interrupt(2)
        )
        with pytest.raises(KeyboardInterrupt):
            broken.fit(X, y)
        rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
        assert rest.converged_
        assert_allclose(rest.objective_, whole.objective_, rtol=1e-8)
        assert rest.history_["iteration"][0] == 1


def test_limits_end_a_fit(X, y):
    model = GroupRegressor(groups=5, alpha=0.01, tol=1e-12, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model.fit(X, y)
    assert model.n_iter_ == 2
    model.set_params(max_iter=1000, time_limit=1e-6)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(X, y)
    assert model.stop_reason_ == "time_limit"
    assert model.n_iter_ == 1


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("penalty", ["group_lasso", "sparse_group_lasso"])
def test_arrays_of_a_device_come_back_to_it(backend, X, y, penalty):
    model = GroupRegressor(penalty=penalty, groups=5, alpha=0.2, tol=1e-9)
    expected = clone(model).fit(X, y)
    model.fit(backend.asarray(X), backend.asarray(y))
    assert_allclose(backend.to_numpy(model.coef_), expected.coef_, atol=1e-6)
    # What selects inside groups is for the CPU.
    if penalty == "sparse_group_lasso":
        assert model.device_ == "cpu"


@pytest.mark.parametrize("penalty", PENALTIES[:3])
def test_columns_of_every_size_in_one_group(X, y, rng, penalty):
    X = X[:, :30] * 10.0 ** rng.integers(-5, 6, 30)
    for orthonormalize in (False, True):
        model = GroupRegressor(
            penalty=penalty,
            groups=6,
            alpha=0.2,
            orthonormalize=orthonormalize,
            tol=1e-8,
            max_iter=30,
        ).fit(X, y)
        assert model.converged_
        scaled = clone(model).set_params(alpha=0.2e-9).fit(X, y * 1e-9)
        assert_allclose(scaled.coef_ * 1e9, model.coef_, rtol=1e-5)
