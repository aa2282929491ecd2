"""Several tasks at once: attributes, choices of alpha, limits, devices, bad input."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso, MultiTaskLassoCV
from sklearn.model_selection import GridSearchCV, KFold

from skopt2.callbacks import Checkpoint
from skopt2.linear_model import (
    MultiTaskRegressor,
    MultiTaskRegressorCV,
    SparseRegressor,
)
from skopt2.linear_model.multitask_formulation import MultiTaskFormulation
from skopt2.linear_model.multitask_freedom import degrees_of_freedom
from skopt2.penalties import RowMCP, RowSCAD, SpectralMCP
from skopt2.solvers import nuclear_norm
from tests.callbacks.test_checkpoint import Interrupt
from tests.solvers.multitask_problems import make_data

PENALTIES = [
    "row_lasso",
    RowMCP(2.5),
    RowSCAD(3.0),
    "nuclear",
    SpectralMCP(4.0),
    "spectral_scad",
]


@pytest.fixture
def data():
    return make_data(60, 20, 5)


def alpha_max(model, X, Y, weight=None):
    return MultiTaskFormulation(model, model._check_input(X, Y, weight)).alpha_max()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_alpha_max_is_where_coefficients_begin(data, penalty, fit_intercept):
    X, Y = data
    model = MultiTaskRegressor(penalty, fit_intercept=fit_intercept, tol=1e-9)
    top = alpha_max(model, X, Y)
    model.set_params(alpha=top * 1.0001).fit(X, Y)
    assert not model.coef_.any()
    assert model.rank_ == 0
    model.set_params(alpha=top * 0.98).fit(X, Y)
    assert model.coef_.any()
    assert model.rank_ >= 1
    assert model.converged_


@pytest.mark.parametrize("penalty", PENALTIES)
def test_attributes_and_predictions(data, penalty):
    X, Y = data
    model = MultiTaskRegressor(penalty, alpha=0.3).fit(X, Y)
    assert model.coef_.shape == (5, 20)
    assert model.intercept_.shape == (5,)
    assert_allclose(model.predict(X), X @ model.coef_.T + model.intercept_)
    assert model.certificate_.holds
    assert model.stop_reason_ == "converged"
    assert model.rank_ == np.linalg.matrix_rank(model.coef_, tol=1e-7)
    assert {"iteration", "objective", "certificate"} <= set(model.history_)
    assert model.score(X, Y) > 0.5
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(20)])
    named = clone(model).fit(frame, pd.DataFrame(Y))
    assert_array_equal(named.feature_names_in_, frame.columns)
    assert_allclose(named.coef_, model.coef_)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix])
def test_sparse_is_dense(data, penalty, form):
    X, Y = data
    X = np.where(np.abs(X) < 0.7, 0.0, X)
    weight = np.random.default_rng(0).uniform(0, 3, 60)
    model = MultiTaskRegressor(penalty, alpha=0.3, tol=1e-11)
    dense = clone(model).fit(X, Y, weight)
    sparse = clone(model).fit(form(X), Y, weight)
    assert_allclose(sparse.objective_, dense.objective_, rtol=1e-9)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-5)
    assert_allclose(sparse.predict(form(X)), dense.predict(X), atol=1e-4)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_weights_are_repetitions(data, penalty):
    X, Y = data
    count = np.random.default_rng(1).integers(0, 4, 60)
    model = MultiTaskRegressor(penalty, alpha=0.3, tol=1e-11)
    weighted = clone(model).fit(X, Y, count)
    repeated = clone(model).fit(np.repeat(X, count, axis=0), np.repeat(Y, count, 0))
    assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-9)
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)
    assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-4)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_single_precision_stays(data, penalty):
    X, Y = data
    model = MultiTaskRegressor(penalty, alpha=0.3, tol=1e-4)
    single = clone(model).fit(X.astype(np.float32), Y.astype(np.float32))
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert single.predict(X.astype(np.float32)).dtype == np.float32
    assert single.converged_
    double = clone(model).fit(X, Y)
    assert_allclose(single.objective_, double.objective_, rtol=2e-3)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_the_units_of_the_targets_do_not_matter(data, penalty):
    X, Y = data
    first = MultiTaskRegressor(penalty, alpha=0.3, tol=1e-9).fit(X, Y)
    # The concavity is one of the coefficients per unit of alpha, which both have.
    for unit in (1e-6, 1e6):
        other = MultiTaskRegressor(penalty, alpha=0.3 * unit, tol=1e-9)
        other.fit(X, Y * unit)
        assert other.converged_
        assert_allclose(other.coef_ / unit, first.coef_, atol=1e-5)
        assert other.rank_ == first.rank_


def test_the_rank_of_the_truth_is_found():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 30))
    W = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 12))
    Y = X @ W + 0.5 * rng.standard_normal((200, 12))
    for penalty in ("nuclear", "spectral_mcp"):
        model = MultiTaskRegressor(penalty, alpha=0.5).fit(X, Y)
        assert model.rank_ == 3
        assert model.history_["rank"][-1] == 3
    # Without shrinkage of the large singular values the error is smaller.
    errors = [
        np.linalg.norm(MultiTaskRegressor(p, alpha=0.5).fit(X, Y).coef_ - W.T)
        for p in ("nuclear", "spectral_mcp")
    ]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_one_task(data, penalty):
    X, Y = data
    model = MultiTaskRegressor(penalty, alpha=0.3, tol=1e-11, warm_start=True)
    model.fit(X, Y[:, :1])
    assert model.coef_.shape == (1, 20)
    assert model.predict(X).shape == (60, 1)
    assert model.fit(X, Y[:, :1]).n_iter_ <= 2
    if penalty == "row_lasso":
        plain = SparseRegressor(alpha=0.3, tol=1e-11).fit(X, Y[:, 0])
        assert_allclose(model.coef_[0], plain.coef_, atol=1e-6)
    elif penalty == "nuclear":
        # The only singular value of a vector is its length.
        size = np.linalg.norm(model.coef_)
        centred = X - X.mean(axis=0)
        force = centred.T @ (Y[:, 0] - model.predict(X)[:, 0]) / 60
        assert_allclose(force, 0.3 * model.coef_[0] / size, atol=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_warm_start_continues(data, penalty):
    X, Y = data
    model = MultiTaskRegressor(penalty, alpha=0.1, tol=1e-10, warm_start=True)
    first = clone(model).fit(X, Y)
    objective = first.objective_
    assert first.fit(X, Y).n_iter_ <= 2
    assert_allclose(first.objective_, objective, rtol=1e-9)
    # Data of another shape start from nothing.
    assert first.fit(X[:, :7], Y[:, :2]).coef_.shape == (2, 7)


def test_y_of_one_dimension_and_other_bad_input(data):
    X, Y = data
    with pytest.raises(ValueError, match=r"reshape y with y.reshape\(-1, 1\)"):
        MultiTaskRegressor().fit(X, Y[:, 0])
    broken = Y.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="y contains NaN"):
        MultiTaskRegressor().fit(X, broken)
    with pytest.raises(ValueError, match="one of 'row_lasso'"):
        MultiTaskRegressor("l1").fit(X, Y)
    with pytest.raises(ValueError, match="gamma of the MCP"):
        MultiTaskRegressor(RowMCP(0.5)).fit(X, Y)
    with pytest.raises(ValueError, match="alpha must be a nonneg"):
        MultiTaskRegressor(alpha=-1.0).fit(X, Y)
    named = MultiTaskRegressor("row_mcp").set_params(penalty__gamma=2.0)
    assert named.penalty.gamma == 2.0
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MultiTaskRegressor().fit(X, Y[:-1])


@pytest.mark.parametrize("penalty", ["row_lasso", "row_mcp", "nuclear", "spectral_mcp"])
def test_limits_and_checkpoints(data, penalty, tmp_path, monkeypatch):
    X, Y = data
    # Steps so short that there is something to interrupt.
    monkeypatch.setattr(nuclear_norm, "INNER_LIMIT", 10)
    monkeypatch.setattr(nuclear_norm, "COARSE", 0)
    model = MultiTaskRegressor(penalty, alpha=1e-3, tol=1e-15, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1"):
        assert model.fit(X, Y).n_iter_ == 1
    model.set_params(max_iter=1000, time_limit=1e-6)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(X, Y)
    model.set_params(time_limit=None, tol=1e-9, alpha=0.05)
    whole = clone(model).fit(X, Y)
    path = tmp_path / "fit.ckpt"
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(1))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, Y)
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, Y)
    assert_allclose(rest.objective_, whole.objective_, rtol=1e-8)
    assert rest.history_["iteration"][0] == 1


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("penalty", PENALTIES)
def test_on_a_device(data, penalty):
    X, Y = data
    model = MultiTaskRegressor(penalty, alpha=0.3, tol=1e-10)
    host = clone(model).fit(X, Y)
    moved = clone(model).set_params(device="cuda").fit(X, Y)
    assert moved.device_ == "cuda:0"
    assert isinstance(moved.coef_, np.ndarray)
    assert_allclose(moved.coef_, host.coef_, atol=1e-4)
    assert_allclose(moved.objective_, host.objective_, rtol=1e-8)
    sparse = clone(model).set_params(device="cuda").fit(sp.csr_array(X), Y)
    assert_allclose(sparse.objective_, host.objective_, rtol=1e-8)


def test_cross_validation_is_that_of_scikit_learn(data):
    X, Y = data
    alphas = np.geomspace(3.0, 0.03, 12)
    peer = MultiTaskLassoCV(alphas=alphas, cv=4, tol=1e-8, max_iter=20_000).fit(X, Y)
    model = MultiTaskRegressorCV(alphas=alphas, cv=4, tol=1e-9).fit(X, Y)
    assert_allclose(-model.scores_path_, peer.mse_path_, rtol=1e-4)
    assert_allclose(model.alpha_, peer.alpha_)
    assert_allclose(model.coef_, peer.coef_, atol=1e-4)
    assert model.coef_path_.shape == (12, 20, 5)
    assert model.intercept_path_.shape == (12, 5)
    chosen = int(np.flatnonzero(model.alphas_ == model.alpha_)[0])
    assert_allclose(model.coef_path_[chosen].T, model.coef_)
    assert_allclose(model.intercept_path_[chosen], model.intercept_)


@pytest.mark.parametrize("penalty", ["row_mcp", "nuclear", "spectral_mcp"])
def test_paths_end_where_fits_do(data, penalty):
    X, Y = data
    cv = KFold(3, shuffle=True, random_state=0)
    model = MultiTaskRegressorCV(penalty, alphas=8, eps=0.01, cv=cv, tol=1e-9)
    model.fit(X, Y)
    assert model.converged_
    assert model.scores_path_.shape == (8, 3)
    assert_allclose(
        model.alphas_[0], alpha_max(MultiTaskRegressor(penalty), X, Y), rtol=1e-6
    )
    single = MultiTaskRegressor(penalty, alpha=model.alpha_, tol=1e-9).fit(X, Y)
    assert model.objective_ <= single.objective_ * (1 + 1e-6)
    looser = clone(model).set_params(selection="1se", scoring="r2").fit(X, Y)
    assert looser.alpha_ >= model.alpha_


@pytest.mark.parametrize(("n", "weighted"), [(14, False), (24, True)])
def test_degrees_of_freedom_are_the_divergence(n, weighted):
    X, Y = make_data(n, 20, 3, noise=2.0)
    s = np.random.default_rng(2).uniform(0.5, 1.5, n) if weighted else None
    model = MultiTaskRegressor(alpha=1.5, tol=1e-13)
    formulation = model._formulate(model._check_input(X, Y, s))
    formulation.set_alpha(1.5)
    solver = formulation.solver()
    result, _ = formulation.minimise(solver, solver.init())
    df = degrees_of_freedom(formulation.problem, result.solution)
    rows, step, divergence = result.solution.ids.size, 1e-4, 0.0
    for i in range(n):
        for k in range(3):
            ends = []
            for sign in (1, -1):
                moved = Y.copy()
                moved[i, k] += sign * step
                ends.append(clone(model).fit(X, moved, s).predict(X)[i, k])
            divergence += (ends[0] - ends[1]) / (2 * step)
    assert 2 < rows < 20
    assert_allclose(df, divergence, rtol=1e-3)
    # Shrinkage of the length takes less than all of the coefficients.
    assert 3 + rows < df < 3 + 3 * rows


@pytest.mark.parametrize("criterion", ["aic", "bic", "ebic"])
def test_information_criteria_of_rows(criterion):
    X, Y = make_data(200, 30, 4)
    model = MultiTaskRegressorCV("row_mcp", criterion=criterion, alphas=30, eps=0.01)
    model.fit(X, Y)
    assert model.scores_path_ is None
    assert len(model.criterion_path_) == len(model.alphas_)
    assert model.alpha_ == model.alphas_[np.argmin(model.criterion_path_)]
    used = model.coef_.any(axis=0)
    assert used[:10].all()
    if criterion == "ebic":
        assert used[10:].sum() <= 1
    # Repeated rows are more observations.
    double = clone(model).fit(X, Y, np.full(200, 2.0))
    twice = clone(model).fit(np.vstack([X, X]), np.vstack([Y, Y]))
    assert_allclose(double.criterion_path_, twice.criterion_path_, rtol=1e-6)
    with pytest.raises(ValueError, match="has no count of here"):
        clone(model).set_params(penalty="nuclear").fit(X, Y)


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("penalty", ["row_lasso", "nuclear"])
def test_paths_of_sparse_columns_and_on_a_device(data, penalty):
    X, Y = data
    model = MultiTaskRegressorCV(penalty, alphas=5, eps=0.05, cv=3, tol=1e-8)
    host = clone(model).fit(X, Y)
    sparse = clone(model).fit(sp.csc_array(X), Y)
    moved = clone(model).set_params(device="cuda").fit(X, Y)
    assert moved.device_ == "cuda:0"
    for other in (sparse, moved):
        assert_allclose(other.scores_path_, host.scores_path_, rtol=1e-3)
        assert_allclose(other.coef_path_, host.coef_path_, atol=1e-3)


def test_a_grid_search_reaches_the_penalty(data):
    X, Y = data
    search = GridSearchCV(
        MultiTaskRegressor(RowMCP(), alpha=0.3),
        {"alpha": [0.1, 0.5], "penalty__gamma": [2.0, 8.0]},
        cv=3,
        error_score="raise",
    ).fit(X, Y)
    assert search.best_estimator_.penalty.gamma in (2.0, 8.0)
    peer = MultiTaskLasso(alpha=0.5).fit(X, Y)
    assert search.best_score_ > 0.9 * peer.score(X, Y)
