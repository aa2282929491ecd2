"""The callbacks on the base of the real estimators and its iteration loop."""

import io
import pickle
import time

import numpy as np
import pytest
from sklearn.base import RegressorMixin
from sklearn.model_selection import GridSearchCV

from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.iterate import iterate
from skopt2._core.result import Measure
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.callbacks import Checkpoint, EarlyStopping, TextLog
from skopt2.callbacks.checkpoint_file import read_checkpoint
from tests.callbacks.test_checkpoint import Interrupt

NAME = "relative gradient"


class Descent:
    """min_w |X w - y|^2 / (2n) + alpha |w|^2 / 2 by fixed steps, in place."""

    def __init__(self, X, y, alpha):
        self.X, self.y, self.alpha = X, y, alpha
        self.size = 1.0 / (np.linalg.norm(X, 2) ** 2 / len(y) + alpha)

    def gradient(self, w):
        return self.X.T @ (self.X @ w - self.y) / len(self.y) + self.alpha * w

    def step(self, w):
        w -= self.size * self.gradient(w)
        return w

    def certificate(self, w):
        scale = np.abs(self.gradient(0 * w)).max()
        value = np.abs(self.gradient(w)).max() / scale
        residual = self.y - self.X @ w
        objective = residual @ residual / (2 * len(self.y)) + self.alpha * (w @ w) / 2
        return Measure(float(objective), float(value), extra={"norm": float(w @ w)})

    def finalize(self, w):
        return w.copy()

    def pack(self, w):
        return {"w": w}

    def unpack(self, packed):
        return packed["w"].copy()


class Ridge(RegressorMixin, IterativeEstimator):
    def __init__(self, alpha=0.1, tol=1e-6, max_iter=1000, device=None):
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter
        self.device = device

    @fit_method
    def fit(self, X, y):
        data = check_fit_input(self, X, y)
        solver = Descent(data.X, data.y, self.alpha)
        monitor = self._start(data, self._describe, tol=self.tol, certificate=NAME)
        result = iterate(
            solver,
            np.zeros(data.X.shape[1]),
            tol=self.tol,
            max_iter=self.max_iter,
            monitor=monitor,
            name=NAME,
            resume=self._take_resume(data),
        )
        return self._finish(result, data, self._describe, monitor)

    def _describe(self, w):
        return {"coef_": w}

    def predict(self, X):
        return check_predict_input(self, X) @ self.coef_


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.npz"


@pytest.mark.parametrize(
    "options", [{"min_seconds": 0}, {"every": 4, "min_seconds": 0}, {"every": 100}]
)
def test_interrupted_fit_continues_to_the_same_answer(path, X, y, options):
    whole = Ridge().fit(X, y)
    broken = Ridge().set_callbacks(Checkpoint(path, **options), Interrupt(11))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert not hasattr(broken, "coef_")
    assert read_checkpoint(path).n_iter == 11
    rest = Ridge().set_callbacks(Checkpoint(path, **options)).fit(X, y)
    np.testing.assert_array_equal(rest.coef_, whole.coef_)
    assert rest.n_iter_ == whole.n_iter_
    for name in ("iteration", "objective", "certificate", "norm"):
        np.testing.assert_array_equal(rest.history_[name], whole.history_[name])
    saved = read_checkpoint(path)
    assert saved.finished
    np.testing.assert_array_equal(
        saved.history["objective"], whole.history_["objective"]
    )


def test_other_problem_is_refused_or_replaced(path, X, y):
    with pytest.warns(UserWarning, match="max_iter=5"):
        Ridge(max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(ValueError, match=r"fit\.npz belongs to another problem"):
        Ridge(alpha=0.2).set_callbacks(Checkpoint(path)).fit(X, y)
    fresh = Ridge(alpha=0.2).set_callbacks(Checkpoint(path, mismatch="overwrite"))
    fresh.fit(X, y)
    alone = Ridge(alpha=0.2).fit(X, y)
    np.testing.assert_array_equal(fresh.coef_, alone.coef_)
    np.testing.assert_array_equal(
        fresh.history_["objective"], alone.history_["objective"]
    )
    saved = read_checkpoint(path)
    assert saved.n_iter == alone.n_iter_
    for name in ("iteration", "objective", "certificate"):
        np.testing.assert_array_equal(saved.history[name], fresh.history_[name])


def test_text_log(X, y):
    stream = io.StringIO()
    model = Ridge().set_callbacks(TextLog(stream)).fit(X, y)
    lines = stream.getvalue().splitlines()
    assert len(lines) == model.n_iter_ + 1
    assert f"objective {model.objective_:>16.9e}  {NAME} " in lines[-2]
    assert lines[-1].endswith(f": {model.certificate_}")
    assert f"converged after {model.n_iter_} iterations" in lines[-1]


def test_the_log_of_a_resumed_fit_has_the_clock_of_its_history(path, X, y, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        Ridge().set_callbacks(Checkpoint(path), Interrupt(5)).fit(X, y)
    past = read_checkpoint(path).history["time"]
    # Comparing large data with those of the checkpoint takes a while.
    monkeypatch.setattr(
        "skopt2._core.estimator.check_resume", lambda *_: time.sleep(0.05)
    )
    stream = io.StringIO()
    model = Ridge().set_callbacks(Checkpoint(path), TextLog(stream))
    times = model.fit(X, y).history_["time"]
    np.testing.assert_array_equal(times[:5], past)
    lines = stream.getvalue().splitlines()
    seconds = [float(line.split(" s  ")[0].split()[-1]) for line in lines[:-1]]
    np.testing.assert_allclose(seconds, times[5:], atol=1e-3)
    assert f"iterations in {times[-1]:.3f} s" in lines[-1]


def test_early_stopping_keeps_the_best(X, y):
    stopping = EarlyStopping(X_val=X[:30], y_val=y[:30], patience=3, keep_best=True)
    model = Ridge(alpha=1e-3, tol=1e-12).set_callbacks(stopping).fit(X[30:], y[30:])
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    best = stopping.best_estimator_
    assert best.n_iter_ == stopping.best_iteration_ == model.n_iter_ - 3
    again = pickle.loads(pickle.dumps(best))
    assert again.score(X[:30], y[:30]) == stopping.best_score_


def test_search(X, y, tmp_path):
    stream = io.StringIO()
    stopping = EarlyStopping("objective", patience=2, min_delta=1e-3, relative=True)
    inner = Ridge().set_callbacks(Checkpoint(tmp_path / "{task}.npz"))
    search = GridSearchCV(inner, {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(TextLog(stream, every=1000), stopping).fit(X, y)
    assert len(stopping.runs_) == 5
    assert search.best_estimator_.stop_reason_ == "callback"
    assert len(stream.getvalue().splitlines()) == 5
    assert len(list(tmp_path.iterdir())) == 5
