"""Callbacks, checkpoints, limits and displays of Gaussian process regression."""

import io
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from skopt2.callbacks import Checkpoint, EarlyStopping, TextLog
from skopt2.callbacks.checkpoint_file import read_checkpoint
from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.inspection import ConvergenceDisplay
from skopt2.kernels import Matern as OwnMatern
from tests.callbacks.test_checkpoint import Interrupt

KERNEL = 1.5 * Matern(1.2, nu=1.5) + WhiteKernel(0.1)
OPTIONS = {
    "optimizer": None,
    "tol": 1e-5,
    "max_iter": 1000,
    "n_samples": 4,
    "n_features": 200,
    "random_state": 0,
}
MODELS = [
    GaussianProcessRegressor(KERNEL, solver="sap", **OPTIONS),
    GaussianProcessRegressor(KERNEL, solver="sdd", **{**OPTIONS, "tol": 1e-2}),
    GaussianProcessRegressor(KERNEL, solver="eigenpro", **{**OPTIONS, "tol": 1e-2}),
    GaussianProcessRegressor(KERNEL, solver="cg", **OPTIONS),
    GaussianProcessRegressor(KERNEL, solver="sap", variance="solves", **OPTIONS),
    GaussianProcessRegressor(
        KERNEL, solver="sap", **{**OPTIONS, "optimizer": "subset"}, optimizer_size=40
    ),
    GaussianProcessRegressor(
        OwnMatern(nu=1.5), alpha=0.1, solver="sap", normalize_y=True, **OPTIONS
    ),
]
IDS = ["sap", "sdd", "eigenpro", "cg", "solves", "fitted", "own"]


@pytest.fixture
def X(rng):
    return rng.standard_normal((200, 2))


@pytest.fixture
def y(X, rng):
    return np.sin(2.0 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(200)


def same(found, wanted, X):
    """Check that two fits are one."""
    assert found.n_iter_ == wanted.n_iter_
    assert found.stop_reason_ == wanted.stop_reason_
    for name in ("iteration", "objective", "certificate", "n_epochs"):
        np.testing.assert_allclose(
            found.history_[name], wanted.history_[name], rtol=1e-7
        )
    for a, b in zip(
        found.predict(X, return_std=True),
        wanted.predict(X, return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_an_interrupted_fit_continues_to_the_same_answer(X, y, tmp_path, model, at):
    whole = clone(model).fit(X, y)
    assert len(whole.history_["iteration"]) > at
    path = tmp_path / "fit.npz"
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert not hasattr(broken, "X_train_")
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    same(rest, whole, X)
    paths = rest.sample_paths(2)(X), whole.sample_paths(2)(X)
    np.testing.assert_allclose(*paths, atol=1e-9)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4], MODELS[6]])
def test_added_rows_continue_too(X, y, tmp_path, model, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.kernel.grown_start.NEAR", 5)
    first = clone(model).fit(X[:150], y[:150])
    copies = [pickle.loads(pickle.dumps(first)) for _ in range(3)]
    path = tmp_path / "fit.npz"
    whole, broken, rest = copies
    whole.partial_fit(X[150:], y[150:])
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(1))
    with pytest.raises(KeyboardInterrupt):
        broken.partial_fit(X[150:], y[150:])
    assert len(broken.X_train_) == 150
    rest.set_callbacks(Checkpoint(path)).partial_fit(X[150:], y[150:])
    same(rest, whole, X)
    # Other rows before the same new ones are another problem.
    assert read_checkpoint(path).finished
    other = clone(model).fit(X[:140], y[:140])
    other.set_callbacks(Checkpoint(path, finished="resume"))
    with pytest.raises(ValueError, match="belongs to another problem"):
        other.partial_fit(X[150:], y[150:])


def test_what_was_drawn_without_a_seed_is_kept(X, y, tmp_path):
    path = tmp_path / "fit.npz"
    model = clone(MODELS[5]).set_params(random_state=None, n_samples=100)
    short = clone(model).set_params(max_iter=1).set_callbacks(Checkpoint(path))
    with pytest.warns(ConvergenceWarning):
        short.fit(X, y)
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    assert rest.converged_
    np.testing.assert_allclose(rest.kernel_.theta, short.kernel_.theta, rtol=1e-12)
    before, after = short.posterior_, rest.posterior_
    np.testing.assert_array_equal(after.prior.weights, before.prior.weights)
    np.testing.assert_allclose(after.targets, before.targets, rtol=1e-9)
    # Coefficients of the first part belong to the draws of the second.
    solved = rest.kernel_(X) @ after.sample_coef
    np.testing.assert_allclose(solved, after.targets, atol=1e-3)


def test_hyperparameters_are_not_searched_twice(X, y, tmp_path, monkeypatch):
    path = tmp_path / "fit.npz"
    model = clone(MODELS[5])
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(1))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    whole = clone(model).fit(X, y)
    monkeypatch.setattr("skopt2.gaussian_process.hyperparameters.fit_on_subset", None)
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    same(rest, whole, X)


def test_a_checkpoint_of_another_problem_is_refused(X, y, tmp_path):
    path = tmp_path / "fit.npz"
    model = clone(MODELS[0])
    with pytest.warns(ConvergenceWarning):
        clone(model).set_params(max_iter=1).set_callbacks(Checkpoint(path)).fit(X, y)
    for change in (
        {"alpha": 0.2},
        {"kernel__k1__k2__length_scale": 1.0},
        {"solver": "sdd"},
        {"n_samples": 5},
        {"variance": "solves"},
        {"normalize_y": True},
    ):
        other = clone(model).set_params(**change).set_callbacks(Checkpoint(path))
        with pytest.raises(ValueError, match="belongs to another problem"):
            other.fit(X, y)
        assert not hasattr(other, "X_train_")
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    assert rest.converged_
    assert read_checkpoint(path).finished


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_failed_fit_leaves_the_model_as_it_was(X, y, error, method, monkeypatch):
    model = clone(MODELS[0]).fit(X, y)
    before = dict(vars(model))
    wanted = model.predict(X)

    def broken(*args, **kwargs):
        raise error("broken")

    monkeypatch.setattr(
        "skopt2.gaussian_process.posterior_plan.solve_kernel_system", broken
    )
    with pytest.raises(error):
        getattr(model, method)(X[:100], y[:100])
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict(X), wanted)


@pytest.mark.parametrize("solver", ["cholesky", "cg", "sap"])
def test_callbacks_do_not_change_the_fit(X, y, solver):
    model = clone(MODELS[0]).set_params(solver=solver)
    scores, stream = ScoringMonitor(scoring="r2"), io.StringIO()
    watched = clone(model).set_callbacks(scores, TextLog(stream)).fit(X, y)
    model.fit(X, y)
    np.testing.assert_array_equal(watched.alpha_, model.alpha_)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(watched.history_["iteration"]) + 1
    assert lines[-1].endswith(f": {watched.certificate_}")
    watched.partial_fit(X[:20], y[:20])
    model.partial_fit(X[:20], y[:20])
    np.testing.assert_array_equal(watched.alpha_, model.alpha_)
    first = clone(model).set_callbacks(TextLog(io.StringIO())).partial_fit(X, y)
    assert first.converged_


def test_a_callback_may_stop_a_fit(X, y):
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = clone(MODELS[0]).set_callbacks(stopping)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X, y)
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    assert np.isfinite(model.predict(X, return_std=True)[1]).all()


def test_rows_of_the_user_stop_a_fit(X, y):
    stopping = EarlyStopping(X_val=X[:50], y_val=y[:50], patience=2, keep_best=True)
    model = clone(MODELS[1]).set_params(tol=1e-10).set_callbacks(stopping)
    model.fit(X[50:], y[50:])
    assert model.stop_reason_ == "callback"
    best = pickle.loads(pickle.dumps(stopping.best_estimator_))
    assert best.n_iter_ == stopping.best_iteration_
    assert best.score(X[:50], y[:50]) == stopping.best_score_


@pytest.mark.parametrize("solver", ["sap", "sdd", "cg"])
def test_time_limit(X, y, solver):
    model = clone(MODELS[0]).set_params(solver=solver, tol=1e-12, time_limit=1e-6)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(X, y)
    assert model.stop_reason_ == "time_limit"
    assert len(model.history_["iteration"]) == 1
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_the_display_draws_a_fit(X, y, solver):
    model = clone(MODELS[0]).set_params(solver=solver).fit(X, y)
    for x, column in (("iteration", "iteration"), ("seconds", "time")):
        display = ConvergenceDisplay.from_estimator(model, x=x)
        (line,) = display.lines_[0]
        np.testing.assert_allclose(line.get_ydata(), model.history_["certificate"])
        np.testing.assert_allclose(line.get_xdata(), model.history_[column])
