"""Checkpoint: resuming to the same answer, refusing wrong files, atomic writes."""

import os
import pickle
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.callbacks import Checkpoint, EarlyStopping, checkpoint_file
from skopt2.callbacks.checkpoint_file import (
    SavedFit,
    read_checkpoint,
    write_checkpoint,
)
from tests.callbacks.toy import SilentSolver, ToyLasso, ToyLassoCV


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fit.npz"


class Interrupt:
    """Press Ctrl-C when a given number of iterations is done."""

    def __init__(self, at):
        self.at = at

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.parent is not None and context.task_id == self.at:
            raise KeyboardInterrupt

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


def interrupted(path, X, y, at=7, **kwargs):
    """Run a fit that is interrupted before it has converged."""
    estimator = ToyLasso().set_callbacks(Checkpoint(path, **kwargs), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)


@pytest.mark.parametrize(
    "options", [{"min_seconds": 0}, {"every": 3, "min_seconds": 0}, {"every": 100}]
)
def test_interrupted_fit_continues_to_the_same_answer(path, X, y, options):
    whole = ToyLasso().fit(X, y)
    interrupted(path, X, y, **options)
    saved = read_checkpoint(path)
    assert saved.n_iter == 7
    assert not saved.finished
    assert saved.stop_reason is None
    rest = ToyLasso().set_callbacks(Checkpoint(path)).fit(X, y)
    np.testing.assert_array_equal(rest.coef_, whole.coef_)
    assert rest.n_iter_ == whole.n_iter_
    for name in ("iteration", "objective", "certificate"):
        np.testing.assert_array_equal(rest.history_[name], whole.history_[name])
    assert np.all(np.diff(rest.history_["time"]) >= 0)


def test_fit_that_ran_out_of_iterations_continues(path, X, y):
    whole = ToyLasso().fit(X, y)
    ToyLasso(max_iter=10).set_callbacks(Checkpoint(path)).fit(X, y)
    assert read_checkpoint(path).stop_reason == "max_iter"
    rest = ToyLasso().set_callbacks(Checkpoint(path)).fit(X, y)
    np.testing.assert_array_equal(rest.coef_, whole.coef_)
    assert rest.n_iter_ == whole.n_iter_


def test_fit_that_was_stopped_by_a_callback_can_continue(path, X, y):
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    ToyLasso().set_callbacks(stopping, Checkpoint(path)).fit(X, y)
    saved = read_checkpoint(path)
    assert (saved.finished, saved.stop_reason) == (False, "callback")


@pytest.mark.parametrize("every", [1, 1000])
def test_converged_fit_is_marked_as_finished(path, X, y, every):
    estimator = (
        ToyLasso().set_callbacks(Checkpoint(path, every, min_seconds=0)).fit(X, y)
    )
    saved = read_checkpoint(path)
    assert saved.finished
    assert saved.stop_reason == "converged"
    assert saved.n_iter == estimator.n_iter_
    np.testing.assert_array_equal(saved.state["w"], estimator.coef_)


def test_finished_file_raises_or_is_replaced_or_resumed(path, X, y):
    first = ToyLasso().set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(ValueError, match=r"holds a finished fit of ToyLasso \(converg"):
        ToyLasso().set_callbacks(Checkpoint(path)).fit(X, y)
    again = ToyLasso().set_callbacks(Checkpoint(path, finished="overwrite")).fit(X, y)
    assert again.n_iter_ == first.n_iter_
    assert len(again.history_["time"]) == first.n_iter_
    resumed = ToyLasso().set_callbacks(Checkpoint(path, finished="resume")).fit(X, y)
    assert resumed.n_iter_ == first.n_iter_ + 1


def test_other_data_raises_or_is_replaced(path, X, y):
    ToyLasso(max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(ValueError, match=r"fit\.npz belongs to another problem"):
        ToyLasso().set_callbacks(Checkpoint(path)).fit(X, 2 * y)
    fresh = ToyLasso().set_callbacks(Checkpoint(path, mismatch="overwrite"))
    fresh.fit(X, 2 * y)
    alone = ToyLasso().fit(X, 2 * y)
    np.testing.assert_array_equal(fresh.coef_, alone.coef_)
    assert fresh.n_iter_ == alone.n_iter_


def test_other_parameters_and_weights_raise_but_tol_may_change(path, X, y):
    ToyLasso(max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(ValueError, match="belongs to another problem"):
        ToyLasso(alpha=0.2).set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(ValueError, match="belongs to another problem"):
        ToyLasso().set_callbacks(Checkpoint(path)).fit(X, y, np.ones(len(y)))
    looser = ToyLasso(tol=1e-2).set_callbacks(Checkpoint(path)).fit(X, y)
    assert looser.stop_reason_ == "converged"


def test_file_of_another_estimator(path, X, y):
    ToyLasso(max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    with pytest.raises(
        ValueError, match="was written by ToyLasso, not by SilentSolver"
    ):
        SilentSolver().set_callbacks(Checkpoint(path)).fit(X, y)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut short"])
def test_damaged_file_raises_or_is_replaced(path, X, y, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a checkpoint of skopt2, or it is dam"):
        ToyLasso().set_callbacks(Checkpoint(path)).fit(X, y)
    assert path.read_bytes() == content
    ToyLasso().set_callbacks(Checkpoint(path, mismatch="overwrite")).fit(X, y)
    assert read_checkpoint(path).finished


def test_foreign_npz_is_no_checkpoint(path):
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="is not a checkpoint of skopt2"):
        read_checkpoint(path)


def test_pickles_are_not_loaded(path):
    np.savez(path, header=np.array([{"evil": True}], dtype=object))
    with pytest.raises(ValueError, match="is not a checkpoint of skopt2"):
        read_checkpoint(path)


def test_newer_format_is_named(path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "_VERSION", 2)
    write_checkpoint(path, SavedFit("A", 1, "f", {}, {}))
    monkeypatch.setattr(checkpoint_file, "_VERSION", 1)
    with pytest.raises(ValueError, match="format version 2, newer than the version 1"):
        read_checkpoint(path)


def test_values_survive_the_file(path):
    state = {
        "w": np.array([1.5, np.nan], dtype=np.float32),
        "indices": np.array([3, 1], dtype=np.int32),
        "empty": np.zeros((0, 4)),
        "step": 0.1,
        "restart": True,
        "count": 2**60,
        "mode": "newton",
        "none": None,
        "infinite": float("inf"),
        "small": np.float32(0.25),
    }
    history = {"iteration": np.arange(3), "time": np.linspace(0, 1, 3)}
    fit = SavedFit("A", 3, "f", state, history)
    for stored in (fit, fit.copied()):
        write_checkpoint(path, stored)
        back = read_checkpoint(path)
        assert list(back.state) == sorted(back.state, key=list(back.state).index)
        assert set(back.state) == set(state)
        for name, value in state.items():
            assert np.asarray(back.state[name]).dtype == np.asarray(value).dtype
            np.testing.assert_array_equal(back.state[name], value)
        np.testing.assert_array_equal(back.history["time"], history["time"])


def test_state_of_another_kind_is_refused(path):
    fit = SavedFit("A", 3, "f", {"w": [object()]}, {})
    with pytest.raises(TypeError, match="'w' of the solver's state is a list"):
        write_checkpoint(path, fit)
    assert not path.exists()


def test_failed_write_leaves_the_old_file_and_no_rest(path, monkeypatch):
    write_checkpoint(path, SavedFit("A", 1, "f", {"w": np.ones(3)}, {}))

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(path, SavedFit("A", 2, "f", {"w": np.zeros(3)}, {}))
    monkeypatch.undo()
    assert read_checkpoint(path).n_iter == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_pending_state_is_a_copy(X, y, path):
    fit = SavedFit("A", 1, "f", {"w": np.ones(3)}, {"time": np.zeros(1)}).copied()
    source = np.ones(3)
    copied = SavedFit("A", 1, "f", {"w": source}, {}).copied()
    source[:] = 7
    np.testing.assert_array_equal(copied.state["w"], 1)
    assert fit.history["time"].shape == (1,)


def test_min_seconds_limits_the_writes(path, X, y, monkeypatch):
    writes = []
    monkeypatch.setattr(
        "skopt2.callbacks.checkpoint.write_checkpoint",
        lambda path, fit: (writes.append(fit.n_iter), write_checkpoint(path, fit)),
    )
    checkpoint = Checkpoint(path, min_seconds=3600)
    estimator = ToyLasso().set_callbacks(checkpoint).fit(X, y)
    # The first check and the end of the fit.
    assert writes == [1, estimator.n_iter_]


def test_missing_folder_is_reported_before_the_fit(tmp_path, X, y):
    checkpoint = Checkpoint(tmp_path / "missing" / "fit.npz")
    with pytest.raises(FileNotFoundError, match="create it first"):
        ToyLasso().set_callbacks(checkpoint).fit(X, y)


def test_estimator_without_solver_state(path, X, y):
    with pytest.raises(TypeError, match="SilentSolver does not reveal the state"):
        SilentSolver().set_callbacks(Checkpoint(path)).fit(X, y)


def test_estimator_without_iterations_of_its_own_warns(path, X, y):
    with pytest.warns(UserWarning, match="Checkpoint wrote nothing"):
        ToyLassoCV().set_callbacks(Checkpoint(path)).fit(X, y)


def test_inside_a_pipeline(path, X, y):
    model = ToyLasso(max_iter=6).set_callbacks(Checkpoint(path))
    make_pipeline(StandardScaler(), model).fit(X, y)
    assert read_checkpoint(path).n_iter == 6


@pytest.mark.thorough
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_search_needs_a_place_in_the_path(tmp_path, X, y, n_jobs):
    grid = {"alpha": [0.1, 0.3]}
    shared = ToyLasso(tol=1e-3).set_callbacks(Checkpoint(tmp_path / "fit.npz"))
    search = GridSearchCV(shared, grid, cv=2, error_score="raise", n_jobs=n_jobs)
    with pytest.raises(ValueError, match=r"Put \{task\} into the path"):
        search.fit(X, y)
    assert list(tmp_path.iterdir()) == []
    own = ToyLasso(tol=1e-3).set_callbacks(
        Checkpoint(tmp_path / "fit-{task}.npz", finished="resume")
    )
    search = GridSearchCV(own, grid, cv=2, error_score="raise", n_jobs=n_jobs)
    search.fit(X, y)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [*(f"fit-0-{i}.npz" for i in range(4)), "fit-1.npz"]
    before = search.best_estimator_.history_["objective"]
    search.fit(X, y)
    after = search.best_estimator_.history_["objective"]
    assert after.size > before.size
    np.testing.assert_array_equal(after[: before.size], before)


def test_place_of_a_single_fit(tmp_path, X, y):
    ToyLasso().set_callbacks(Checkpoint(tmp_path / "fit-{task}.npz")).fit(X, y)
    assert (tmp_path / "fit-0.npz").exists()


def test_no_warnings_and_no_leftovers_on_the_estimator(path, X, y):
    checkpoint = Checkpoint(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator = ToyLasso().set_callbacks(checkpoint).fit(X, y)
    assert "_resume" not in vars(estimator)
    assert checkpoint._fits == {}
    assert pickle.loads(pickle.dumps(estimator)).n_iter_ == estimator.n_iter_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"every": 0}, "every must be a positive integer"),
        ({"min_seconds": -1}, "min_seconds must be at least 0"),
        ({"finished": "delete"}, "finished must be 'raise', 'overwrite' or 'resume'"),
        ({"mismatch": "resume"}, "mismatch must be 'raise' or 'overwrite'"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        Checkpoint("fit.npz", **parameters)
