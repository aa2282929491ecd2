"""The callbacks on the base of the real estimators and its iteration loop."""

import io
import pickle
import time

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skopt2.callbacks import Checkpoint, EarlyStopping, TextLog
from skopt2.callbacks.checkpoint_file import read_checkpoint
from tests.callbacks.test_checkpoint import Interrupt
from tests.toy_ridge import NAME, ToyRidge


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.npz"


@pytest.mark.parametrize(
    "options", [{"min_seconds": 0}, {"every": 4, "min_seconds": 0}, {"every": 100}]
)
def test_interrupted_fit_continues_to_the_same_answer(path, X, y, options):
    whole = ToyRidge().fit(X, y)
    broken = ToyRidge().set_callbacks(Checkpoint(path, **options), Interrupt(11))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert not hasattr(broken, "coef_")
    assert read_checkpoint(path).n_iter == 11
    rest = ToyRidge().set_callbacks(Checkpoint(path, **options)).fit(X, y)
    np.testing.assert_array_equal(rest.coef_, whole.coef_)
    assert rest.n_iter_ == whole.n_iter_
    for name in ("iteration", "objective", "certificate", "size"):
        np.testing.assert_array_equal(rest.history_[name], whole.history_[name])
    saved = read_checkpoint(path)
    assert saved.finished
    np.testing.assert_array_equal(
        saved.history["objective"], whole.history_["objective"]
    )


def test_other_problem_is_refused_or_replaced(path, X, y):
    with pytest.warns(UserWarning, match="max_iter=5"):
        ToyRidge(max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(ValueError, match=r"fit\.npz belongs to another problem"):
        ToyRidge(alpha=0.2).set_callbacks(Checkpoint(path)).fit(X, y)
    fresh = ToyRidge(alpha=0.2).set_callbacks(Checkpoint(path, mismatch="overwrite"))
    fresh.fit(X, y)
    alone = ToyRidge(alpha=0.2).fit(X, y)
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
    model = ToyRidge().set_callbacks(TextLog(stream)).fit(X, y)
    lines = stream.getvalue().splitlines()
    assert len(lines) == model.n_iter_ + 1
    assert f"objective {model.objective_:>16.9e}  {NAME} " in lines[-2]
    assert lines[-1].endswith(f": {model.certificate_}")
    assert f"converged after {model.n_iter_} iterations" in lines[-1]


def test_the_log_of_a_resumed_fit_has_the_clock_of_its_history(path, X, y, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        ToyRidge().set_callbacks(Checkpoint(path), Interrupt(5)).fit(X, y)
    past = read_checkpoint(path).history["time"]
    # Comparing large data with those of the checkpoint takes a while.
    monkeypatch.setattr(
        "skopt2._core.estimator.check_resume", lambda *_: time.sleep(0.05)
    )
    stream = io.StringIO()
    model = ToyRidge().set_callbacks(Checkpoint(path), TextLog(stream))
    times = model.fit(X, y).history_["time"]
    np.testing.assert_array_equal(times[:5], past)
    lines = stream.getvalue().splitlines()
    seconds = [float(line.split(" s  ")[0].split()[-1]) for line in lines[:-1]]
    np.testing.assert_allclose(seconds, times[5:], atol=1e-3)
    assert f"iterations in {times[-1]:.3f} s" in lines[-1]


def test_early_stopping_keeps_the_best(X, y):
    stopping = EarlyStopping(X_val=X[:30], y_val=y[:30], patience=3, keep_best=True)
    model = ToyRidge(alpha=1e-3, tol=1e-12).set_callbacks(stopping).fit(X[30:], y[30:])
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    best = stopping.best_estimator_
    assert best.n_iter_ == stopping.best_iteration_ == model.n_iter_ - 3
    again = pickle.loads(pickle.dumps(best))
    assert again.score(X[:30], y[:30]) == stopping.best_score_


def test_search(X, y, tmp_path):
    stream = io.StringIO()
    stopping = EarlyStopping("objective", patience=2, min_delta=1e-3, relative=True)
    inner = ToyRidge().set_callbacks(Checkpoint(tmp_path / "{task}.npz"))
    search = GridSearchCV(inner, {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(TextLog(stream, every=1000), stopping).fit(X, y)
    assert len(stopping.runs_) == 5
    assert search.best_estimator_.stop_reason_ == "callback"
    assert len(stream.getvalue().splitlines()) == 5
    assert len(list(tmp_path.iterdir())) == 5
