"""What other libraries of sparse linear models have got wrong, one test each."""

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

import skopt2
from skopt2 import losses, penalties, solvers
from skopt2.linear_model import SparseClassifier, SparseRegressor, sparse_path
from skopt2.losses import Huber
from skopt2.penalties import L0, MCP, ElasticNet, Lq
from tests.linear_model import reference


@pytest.fixture
def X(rng):
    X = rng.standard_normal((50, 30))
    for j in range(1, 30):
        X[:, j] += 0.5 * X[:, j - 1]
    return X


@pytest.fixture
def y(X, rng):
    return X[:, :4] @ [2.0, -1.0, 1.0, 0.5] + 1.0 + 0.3 * rng.standard_normal(50)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csc_matrix])
def test_sample_weight_is_right_on_sparse_data(X, y, kind, rng):
    X = X * (rng.random(X.shape) < 0.3)
    weight = rng.integers(0, 4, 50).astype(float)
    rows = np.repeat(np.arange(50), weight.astype(int))
    model = SparseRegressor(alpha=0.1, tol=1e-12).fit(kind(X), y, weight)
    repeated = SparseRegressor(alpha=0.1, tol=1e-12).fit(X[rows], y[rows])
    peer = Lasso(0.1, tol=1e-15, max_iter=10**6).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, repeated.coef_, atol=1e-9)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad"])
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_small_units_of_the_target_are_no_convergence(X, y, penalty, factor):
    """An absolute tolerance stops a target in small units at zero, silently."""
    one = SparseRegressor(penalty=penalty, alpha=0.05, tol=1e-9).fit(X, y)
    assert np.count_nonzero(one.coef_) > 3
    scaled = clone(one).set_params(alpha=0.05 * factor).fit(X, factor * y)
    assert scaled.converged_
    np.testing.assert_allclose(scaled.coef_ / factor, one.coef_, atol=1e-7)
    assert scaled.objective_ == pytest.approx(factor**2 * one.objective_, rel=1e-9)
    assert scaled.n_iter_ == one.n_iter_


@pytest.mark.parametrize("loss", ["huber", "squared"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_of_a_column(X, y, loss, scale):
    """A column in other units, with its factor in the same ones, changes nothing."""
    factor = np.ones(30)
    one = SparseRegressor(loss, alpha=0.05, tol=1e-10).fit(X, y)
    A = X.copy()
    A[:, :15] *= scale
    factor[:15] = scale
    other = SparseRegressor(loss, alpha=0.05, penalty_factor=factor, tol=1e-10)
    other.fit(A, y)
    np.testing.assert_allclose(other.coef_ * factor, one.coef_, atol=1e-5)
    assert other.objective_ == pytest.approx(one.objective_, rel=1e-8)


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_units_of_a_column_in_classification(X, y, loss):
    levels = [0.4, 0.7] if loss == "multinomial" else [0.5]
    label = np.digitize(y, np.quantile(y, levels))
    factor = 10.0 ** np.linspace(-4, 4, 30)
    one = SparseClassifier(loss, alpha=0.02, tol=1e-10).fit(X, label)
    other = SparseClassifier(loss, alpha=0.02, tol=1e-10, penalty_factor=factor)
    other.fit(X * factor, label)
    assert other.converged_
    np.testing.assert_allclose(other.coef_ * factor, one.coef_, atol=1e-4)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad", "log_sum"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_order_of_features_and_samples(X, y, rng, loss, penalty):
    columns, rows = rng.permutation(30), rng.permutation(50)
    one = SparseRegressor(loss, penalty, alpha=0.1, tol=1e-10).fit(X, y)
    other = SparseRegressor(loss, penalty, alpha=0.1, tol=1e-10)
    other.fit(X[rows][:, columns], y[rows])
    np.testing.assert_allclose(other.coef_, one.coef_[columns], atol=1e-6)


def test_no_silent_end_without_convergence(X, y):
    """Too few iterations, or too little time: a warning that says what to change."""
    wide = np.hstack([np.roll(X, k, axis=0) for k in range(20)])
    model = SparseRegressor(alpha=1e-3, tol=1e-12, max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .* relative duality gap"):
        model.fit(wide, y)
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"
    assert model.n_iter_ == 2
    model.set_params(max_iter=1000, time_limit=1e-9)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(wide, y)
    assert model.stop_reason_ == "time_limit"
    model.set_params(time_limit=None, tol=1e-40, penalty="mcp")
    with pytest.warns(ConvergenceWarning, match="without further progress"):
        model.fit(wide, y)
    assert model.stop_reason_ == "stalled"
    assert model.certificate_.value < 1e-10


def test_the_warning_points_at_the_line_of_the_fit(X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wide = np.hstack([np.roll(X, k, axis=0) for k in range(20)])
        SparseRegressor(alpha=1e-3, tol=1e-12, max_iter=1).fit(wide, y)
    assert [w.filename for w in caught] == [__file__]


@pytest.mark.parametrize(
    "estimator",
    [
        SparseRegressor(Huber(delta=0.7), MCP(gamma=2.5), alpha=0.1),
        SparseRegressor(penalty=ElasticNet(l1_ratio=0.3)),
        SparseClassifier(penalty=MCP(gamma=4.0), alpha=0.1),
    ],
)
def test_clone_with_objects(estimator):
    copy = clone(estimator)
    assert copy.get_params()["penalty"] is not estimator.penalty
    assert repr(copy) == repr(estimator)
    name = "penalty__l1_ratio" if "ElasticNet" in repr(copy) else "penalty__gamma"
    copy.set_params(**{name: 0.9 if "ratio" in name else 9.0})
    assert repr(copy) != repr(estimator)


def test_fit_leaves_parameters_and_data_alone(X, y):
    factor, weight = np.linspace(0.5, 2, 30), np.linspace(1, 3, 50)
    penalty, loss = MCP(gamma=2.5), Huber(delta=0.7)
    model = SparseRegressor(
        loss, penalty, alpha=0.1, penalty_factor=factor, positive=True
    )
    inputs = (X, y, factor, weight)
    before = [a.copy() for a in inputs]
    parameters = model.get_params(deep=True)
    model.fit(X, y, weight)
    for a, b in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(a, b)
    after = model.get_params(deep=True)
    assert all(after[name] is value for name, value in parameters.items())
    assert model.penalty is penalty
    assert model.loss is loss


@pytest.mark.parametrize("penalty", ["l_half", "l_two_thirds", L0(), Lq(q=0.5)])
def test_default_settings_select_under_every_penalty(X, y, penalty):
    """Under l_q and l0 all of zero is stationary: no reason to stay there."""
    path = sparse_path(X, y, penalty=penalty, alphas=8, eps=0.01)
    model = SparseRegressor(penalty=penalty, alpha=path.alphas[-1]).fit(X, y)
    assert model.coef_.any()
    assert model.score(X, y) > 0.9
    assert path.degrees_of_freedom[-1] >= 3


def test_star_imports_work():
    packages = (skopt2, losses, penalties, solvers, skopt2.linear_model)
    code = "\n".join(f"from {package.__name__} import *" for package in packages)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_grid_knows_loss_intercept_and_l1_ratio(X, y):
    """The largest level of a path is that of its own problem."""
    counts = np.round(np.exp(y / 4)).clip(0)
    for loss, target in (("squared", y), ("poisson", counts), ("huber", y)):
        for fit_intercept in (True, False):
            for ratio in (1.0, 0.25):
                path = sparse_path(
                    X,
                    target,
                    loss=loss,
                    penalty=ElasticNet(ratio),
                    fit_intercept=fit_intercept,
                    alphas=1,
                )
                b = path.intercepts[0]
                g, g0 = reference.gradient(loss, X, target, np.zeros(30), b)
                assert path.alphas[0] == pytest.approx(abs(g).max() / ratio, rel=1e-6)
                if fit_intercept:
                    assert abs(g0) < 1e-8


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array])
def test_poisson_gradient_on_sparse_data(X, y, kind, rng):
    X = X * (rng.random(X.shape) < 0.3)
    counts = rng.poisson(np.exp(0.3 * X[:, 0])).astype(float)
    one = SparseRegressor("poisson", alpha=0.02, tol=1e-11).fit(X, counts)
    other = SparseRegressor("poisson", alpha=0.02, tol=1e-11).fit(kind(X), counts)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-8)
    np.testing.assert_allclose(other.predict(kind(X)), one.predict(X))
    assert one.predict(X).mean() == pytest.approx(counts.mean(), rel=1e-8)


def test_intercept_of_the_logistic_loss_is_not_penalised(rng):
    X = rng.standard_normal((300, 4))
    y = rng.random(300) < 0.02
    y[:2] = True
    model = SparseClassifier(alpha=10.0, tol=1e-12).fit(X, y)
    log_odds = np.log(y.mean() / (1 - y.mean()))
    assert model.intercept_[0] == pytest.approx(log_odds, rel=1e-8)


def test_n_iter_everywhere(X, y):
    label = y > np.median(y)
    for model in (SparseClassifier(), SparseClassifier("squared_hinge")):
        assert model.fit(X, label).n_iter_ >= 1


def test_positive_with_intercept_has_no_nan(X, y):
    for shift in (0.0, 1e6, -1e6):
        model = SparseRegressor(alpha=0.1, positive=True).fit(X, y + shift)
        assert np.isfinite(model.coef_).all()
        assert model.intercept_ == pytest.approx(shift + 1.0, abs=1.0)
        assert model.converged_


@pytest.mark.parametrize("penalty", ["mcp", "scad"])
def test_steps_longer_than_gamma(rng, penalty):
    """Columns of curvature L_j < 1 / gamma: the scalar problem is concave."""
    X = rng.standard_normal((40, 6)) * [0.1, 0.1, 0.3, 1.0, 1.0, 3.0]
    y = X @ [30.0, 0.0, -10.0, 2.0, 0.0, 0.5] + 0.1 * rng.standard_normal(40)
    shape = MCP(1.5) if penalty == "mcp" else penalties.SCAD(2.5)
    for alpha in (0.3, 0.05):
        model = SparseRegressor(penalty=shape, alpha=alpha, tol=1e-9).fit(X, y)
        assert model.converged_
        null = y.var() / 2
        assert model.objective_ < null
        assert model.coef_[0] != 0


def test_every_estimator_has_sample_weight_and_warm_start():
    for kind in (SparseRegressor, SparseClassifier):
        assert "sample_weight" in inspect.signature(kind.fit).parameters
        assert "warm_start" in inspect.signature(kind).parameters
