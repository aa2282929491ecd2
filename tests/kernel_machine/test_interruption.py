"""Callbacks, checkpoints, limits and warm starts of the kernel estimators."""

import io
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint, EarlyStopping, TextLog
from skopt2.callbacks.checkpoint_file import read_checkpoint
from skopt2.inspection import ConvergenceDisplay
from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.kernels import Gaussian, Laplacian
from tests.callbacks.test_checkpoint import Interrupt

KERNEL = Laplacian(1.0)
OPTIONS = {"alpha": 0.1, "tol": 1e-6, "max_iter": 200, "random_state": 0}
MODELS = [
    EigenProRegressor(KERNEL, solver="sap", batch_size=40, **OPTIONS),
    EigenProRegressor(KERNEL, solver="sdd", batch_size=40, **OPTIONS),
    EigenProRegressor(KERNEL, solver="eigenpro", batch_size=40, **OPTIONS),
    EigenProRegressor(KERNEL, solver="cg", **OPTIONS),
    EigenProRegressor(KERNEL, solver="eigenpro", centers=50, **OPTIONS),
    EigenProRegressor(
        KERNEL, early_stopping=True, batch_size=40, **{**OPTIONS, "alpha": 0.0}
    ),
    EigenProRegressor(
        KERNEL, solver="eigenpro", centers=50, early_stopping=True, **OPTIONS
    ),
    EigenProClassifier(KERNEL, solver="sap", batch_size=40, **OPTIONS),
    EigenProClassifier(KERNEL, early_stopping=True, batch_size=40, **OPTIONS),
]


@pytest.fixture
def X(rng):
    return rng.standard_normal((240, 3))


@pytest.fixture
def y(X, rng):
    return np.sin(2.0 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(240)


def target(model, y):
    return y if isinstance(model, EigenProRegressor) else np.digitize(y, [-0.7, 0.7])


def values(model, X):
    if isinstance(model, EigenProRegressor):
        return model.predict(X)
    return model.predict_proba(X)


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{m.solver}-{m.centers}")
def test_an_interrupted_fit_continues_to_the_same_answer(X, y, tmp_path, model, at):
    y = target(model, y)
    whole = clone(model).fit(X, y)
    assert len(whole.history_["iteration"]) > at
    path = tmp_path / "fit.npz"
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert not hasattr(broken, "dual_coef_")
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    assert rest.n_iter_ == whole.n_iter_
    assert rest.stop_reason_ == whole.stop_reason_
    for name in ("iteration", "objective", "certificate", "n_epochs"):
        np.testing.assert_allclose(rest.history_[name], whole.history_[name], rtol=1e-9)
    np.testing.assert_array_equal(rest.centers_, whole.centers_)
    np.testing.assert_allclose(values(rest, X), values(whole, X), atol=1e-12)
    if model.early_stopping:
        np.testing.assert_allclose(
            rest.validation_errors_, whole.validation_errors_, rtol=1e-9
        )


@pytest.mark.parametrize(
    "change",
    [
        {"centers": 30, "solver": "eigenpro"},
        {"early_stopping": True, "n_iter_no_change": 30},
        {"centers": 30, "center_selection": "k-means++", "solver": "eigenpro"},
    ],
)
def test_what_was_drawn_without_a_seed_is_kept(X, y, tmp_path, change):
    path = tmp_path / "fit.npz"
    options = {**OPTIONS, "random_state": None, "alpha": 0.5, **change}
    model = EigenProRegressor(KERNEL, **options)
    short = clone(model).set_params(max_iter=2).set_callbacks(Checkpoint(path))
    with pytest.warns(ConvergenceWarning):
        short.fit(X, y)
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    np.testing.assert_array_equal(rest.centers_, short.centers_)
    assert rest.n_iter_ > short.n_iter_
    if model.centers is not None:
        assert rest.converged_
    else:
        np.testing.assert_array_equal(
            rest.validation_errors_[:2], short.validation_errors_
        )


def test_a_checkpoint_of_another_problem_is_refused(X, y, tmp_path):
    path = tmp_path / "fit.npz"
    model = EigenProRegressor(KERNEL, solver="sap", batch_size=40, **OPTIONS)
    with pytest.warns(ConvergenceWarning):
        clone(model).set_params(max_iter=1).set_callbacks(Checkpoint(path)).fit(X, y)
    for change in (
        {"alpha": 0.2},
        {"kernel": Gaussian(1.0)},
        {"kernel__length_scale": 2.0},
        {"solver": "sdd"},
        {"centers": X[:50], "solver": "eigenpro"},
    ):
        other = clone(model).set_params(**change).set_callbacks(Checkpoint(path))
        with pytest.raises(ValueError, match="belongs to another problem"):
            other.fit(X, y)
        assert not hasattr(other, "dual_coef_")
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    assert rest.converged_
    assert read_checkpoint(path).finished


class Broken(Gaussian):
    """Raises in the middle of a fit."""

    def __init__(self, error=ArithmeticError, length_scale=1.0):
        super().__init__(length_scale)
        self.error = error

    def resolve(self, X, rng=None):
        raise self.error("broken")


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_a_failed_fit_leaves_the_model_as_it_was(X, y, error):
    labels = np.where(y > 0, "up", "down")
    for model, truth in ((EigenProRegressor(), y), (EigenProClassifier(), labels)):
        with pytest.raises(error):
            clone(model).set_params(kernel=Broken(error)).fit(X, truth)
        model.fit(X, truth)
        before = dict(vars(model))
        wanted = model.predict(X)
        model.set_params(kernel=Broken(error))
        with pytest.raises(error):
            model.fit(X[:, :2], truth[::-1])
        model.set_params(kernel="laplacian")
        assert vars(model) == before
        np.testing.assert_array_equal(model.predict(X), wanted)


def test_a_callback_may_stop_a_fit(X, y):
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = EigenProRegressor(KERNEL, solver="sap", batch_size=40, **OPTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.set_callbacks(stopping).fit(X, y)
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    assert model.n_epochs_ < 5


def test_rows_of_the_user_stop_a_fit_at_the_best(X, y):
    noisy = y + np.random.default_rng(1).standard_normal(240)
    stopping = EarlyStopping(X_val=X[:60], y_val=noisy[:60], patience=4, keep_best=True)
    model = EigenProRegressor(
        KERNEL, solver="eigenpro", batch_size=30, **{**OPTIONS, "alpha": 0.0}
    )
    model.set_callbacks(stopping).fit(X[60:], noisy[60:])
    assert model.stop_reason_ == "callback"
    best = stopping.best_estimator_
    assert best.n_iter_ == stopping.best_iteration_ < model.n_iter_
    again = pickle.loads(pickle.dumps(best))
    assert again.score(X[:60], noisy[:60]) == stopping.best_score_
    assert stopping.best_score_ > model.score(X[:60], noisy[:60])


def test_log_and_live_scores(X, y):
    scores, stream = ScoringMonitor(scoring="r2"), io.StringIO()
    model = EigenProRegressor(KERNEL, solver="sap", batch_size=40, **OPTIONS)
    model.set_callbacks(scores, TextLog(stream)).fit(X, y)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(model.history_["iteration"]) + 1
    assert lines[-1].endswith(f": {model.certificate_}")
    assert "converged after" in lines[-1]


@pytest.mark.parametrize("solver", ["cholesky", "cg", "sap"])
def test_callbacks_do_not_change_the_fit(X, y, solver):
    model = EigenProRegressor(KERNEL, solver=solver, **OPTIONS)
    watched = clone(model).set_callbacks(TextLog(io.StringIO())).fit(X, y)
    np.testing.assert_array_equal(watched.dual_coef_, model.fit(X, y).dual_coef_)


@pytest.mark.parametrize("change", [{}, {"centers": 50}])
def test_time_limit(X, y, change):
    model = EigenProRegressor(
        KERNEL,
        solver="eigenpro",
        batch_size=20,
        time_limit=1e-6,
        **{**OPTIONS, "tol": 1e-12, **change},
    )
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(X, y)
    assert model.stop_reason_ == "time_limit"
    assert len(model.history_["iteration"]) == 1
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    "change", [{"solver": "sap", "batch_size": 40}, {"solver": "cg"}, {"centers": 60}]
)
@pytest.mark.parametrize("kind", [EigenProRegressor, EigenProClassifier])
def test_a_second_fit_takes_fewer_epochs(X, y, kind, change):
    options = {"solver": "eigenpro", **OPTIONS, **change, "tol": 1e-4}
    model = kind(KERNEL, warm_start=True, **options)
    y = target(model, y)
    cold = model.fit(X, y).n_epochs_
    again = pickle.loads(pickle.dumps(model)).fit(X, y)
    assert again.n_epochs_ <= 0.5 * cold
    near = model.set_params(alpha=0.11).fit(X, y)
    assert near.n_epochs_ < cold
    fresh = clone(model).set_params(warm_start=False).fit(X, y)
    np.testing.assert_allclose(near.predict(X), fresh.predict(X), atol=1e-3)
    # Another number of rows, or of columns, starts anew.
    assert model.fit(X[:200], y[:200]).converged_


@pytest.mark.parametrize("change", [{}, {"centers": 50}, {"early_stopping": True}])
def test_the_display_draws_a_fit(X, y, change):
    model = EigenProRegressor(KERNEL, solver="eigenpro", **{**OPTIONS, **change})
    model.fit(X, y)
    for x, column in (("iteration", "iteration"), ("seconds", "time")):
        display = ConvergenceDisplay.from_estimator(model, x=x)
        (line,) = display.lines_[0]
        drawn = np.asarray(line.get_ydata())
        np.testing.assert_allclose(drawn, model.history_["certificate"])
        np.testing.assert_allclose(line.get_xdata(), model.history_[column])


def test_the_certificate_is_that_of_what_early_stopping_keeps(rng):
    X = rng.uniform(-3, 3, (300, 1))
    y = np.sin(X[:, 0]) + 0.5 * rng.standard_normal(300)
    model = EigenProRegressor(
        Laplacian(0.3),
        alpha=0.1,
        early_stopping=True,
        solver="sap",
        batch_size=30,
        max_iter=100,
        tol=1e-8,
        n_iter_no_change=100,
        random_state=0,
    ).fit(X, y)
    kept = int(np.argmin(model.validation_errors_))
    assert kept < len(model.validation_errors_) - 1
    assert model.certificate_.value == model.history_["certificate"][kept]
    assert model.objective_ == model.history_["objective"][kept]
    assert model.n_epochs_ == model.history_["n_epochs"][kept]
    assert model.converged_ == model.certificate_.holds
    rows = {tuple(row): value for row, value in zip(X, y, strict=True)}
    truth = np.array([rows[tuple(row)] for row in model.centers_])
    H = model.kernel_(model.centers_) + 0.1 * np.eye(len(truth))
    residual = np.linalg.norm(truth - H @ model.dual_coef_) / np.linalg.norm(truth)
    assert 0.1 < residual / model.certificate_.value < 10.0
