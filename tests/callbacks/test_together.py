"""All callbacks beside scikit-learn's own, and the protocol that they promise."""

import io

import pytest
from sklearn.callback import (
    AutoPropagatedCallback,
    FitCallback,
    ProgressBar,
    ScoringMonitor,
)
from sklearn.model_selection import GridSearchCV

from skopt2.callbacks import Checkpoint, EarlyStopping, TextLog
from skopt2.callbacks.checkpoint_file import read_checkpoint
from tests.callbacks.toy import ToyLasso

OURS = {
    "Checkpoint": lambda: Checkpoint("fit.npz"),
    "EarlyStopping": lambda: EarlyStopping("objective"),
    "TextLog": TextLog,
}


@pytest.mark.parametrize("name", OURS)
def test_protocol(name):
    callback = OURS[name]()
    assert isinstance(callback, FitCallback)
    propagated = name != "Checkpoint"
    assert isinstance(callback, AutoPropagatedCallback) is propagated


def test_one_fit_with_everything(X, y, tmp_path, capsys):
    pytest.importorskip("rich")
    stream = io.StringIO()
    scores = ScoringMonitor(scoring="r2")
    stopping = EarlyStopping("objective", patience=3, min_delta=1e-3, relative=True)
    estimator = ToyLasso(tol=0).set_callbacks(
        ProgressBar(), scores, TextLog(stream), Checkpoint(tmp_path / "f.npz"), stopping
    )
    estimator.fit(X, y)
    assert estimator.stop_reason_ == "callback"
    assert len(stream.getvalue().splitlines()) == estimator.n_iter_ + 1
    # The iterations and the fit as a whole.
    assert len(scores.get_logs().data) == estimator.n_iter_ + 1
    assert read_checkpoint(tmp_path / "f.npz").n_iter == estimator.n_iter_
    assert len(stopping.runs_[0].scores) == estimator.n_iter_
    assert "ToyLasso" in capsys.readouterr().out


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_search_with_everything(X, y, tmp_path, n_jobs):
    pytest.importorskip("rich")
    stopping = EarlyStopping("objective", patience=3, min_delta=1e-3, relative=True)
    inner = ToyLasso(tol=0).set_callbacks(
        ScoringMonitor(scoring="r2"), Checkpoint(tmp_path / "{task}.npz")
    )
    search = GridSearchCV(inner, {"alpha": [0.1, 0.2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(), TextLog(io.StringIO()), stopping).fit(X, y)
    assert search.best_estimator_.stop_reason_ == "callback"
    assert len(list(tmp_path.iterdir())) == 5
