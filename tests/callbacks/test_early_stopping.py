"""EarlyStopping: its rule, and one fit, paths, searches, pipelines, workers."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.callbacks import EarlyStopping
from tests.callbacks.toy import SilentSolver, ToyLasso, ToyLassoCV


@pytest.fixture
def split(X, y):
    return train_test_split(X, y, random_state=0)


class Scripted:
    """Scores that do not depend on the model."""

    def __init__(self, values):
        self.values = list(values)

    def __call__(self, estimator):
        return self.values[estimator.n_iter_ - 1]


def run_script(values, X, y, **kwargs):
    stopping = EarlyStopping(scoring=Scripted(values), **kwargs)
    estimator = ToyLasso(tol=0, max_iter=len(values)).set_callbacks(stopping)
    return estimator.fit(X, y), stopping


def test_stops_after_patience_evaluations_without_improvement(X, y):
    estimator, stopping = run_script([1, 3, 2, 2.5, 2.9, 9], X, y, patience=3)
    assert estimator.n_iter_ == 5
    assert estimator.stop_reason_ == "callback"
    assert (stopping.best_score_, stopping.best_iteration_) == (3, 2)
    assert stopping.stopped_


def test_an_improvement_resets_the_patience(X, y):
    estimator, stopping = run_script([1, 0, 0, 2, 1, 1, 1, 1], X, y, patience=3)
    assert estimator.n_iter_ == 7
    assert stopping.best_iteration_ == 4


def test_min_delta_is_what_an_improvement_has_to_exceed(X, y):
    values = [1.0, 1.1, 1.2, 1.3, 1.4]
    estimator, stopping = run_script(values, X, y, patience=3, min_delta=0.25)
    assert stopping.best_iteration_ == 4
    assert estimator.n_iter_ == 5
    estimator, _ = run_script(values, X, y, patience=2, min_delta=0.25)
    assert estimator.n_iter_ == 3


def test_relative_min_delta(X, y):
    values = [1000.0, 1005.0, 1009.0, 2000.0]
    estimator, _ = run_script(values, X, y, patience=2, min_delta=0.01, relative=True)
    assert estimator.n_iter_ == 3


def test_nan_is_no_improvement(X, y):
    values = [np.nan, 1.0, np.nan, np.nan, 5.0]
    estimator, stopping = run_script(values, X, y, patience=2)
    assert estimator.n_iter_ == 4
    assert stopping.best_score_ == 1.0


def test_every_skips_checks(X, y):
    estimator, stopping = run_script(range(10, 0, -1), X, y, patience=2, every=3)
    assert estimator.n_iter_ == 9
    assert stopping.runs_[0].iterations == [3, 6, 9]


def test_validation_score_against_a_fit_by_hand(split):
    X, X_val, y, y_val = split
    stopping = EarlyStopping(X_val=X_val, y_val=y_val, patience=4)
    stopped = ToyLasso(alpha=1e-3, tol=0).set_callbacks(stopping).fit(X, y)
    scores = [
        ToyLasso(alpha=1e-3, tol=0, max_iter=k).fit(X, y).score(X_val, y_val)
        for k in range(1, stopped.n_iter_ + 1)
    ]
    np.testing.assert_allclose(stopping.runs_[0].scores, scores)
    assert stopping.best_iteration_ == 1 + int(np.argmax(scores))
    assert stopped.n_iter_ == stopping.best_iteration_ + 4


@pytest.mark.parametrize(
    "scoring",
    ["neg_mean_squared_error", lambda m, X, y: -np.mean((m.predict(X) - y) ** 2)],
)
def test_scorers(split, scoring):
    X, X_val, y, y_val = split
    stopping = EarlyStopping(X_val=X_val, y_val=y_val, scoring=scoring)
    ToyLasso(alpha=1e-3).set_callbacks(stopping).fit(X, y)
    assert stopping.best_score_ < 0
    assert stopping.best_score_ == max(stopping.runs_[0].scores)


@pytest.mark.parametrize("monitor", ["objective", "certificate"])
def test_watching_the_fit_itself(X, y, monitor):
    stopping = EarlyStopping(monitor, patience=3, min_delta=0.05, relative=True)
    estimator = ToyLasso(tol=0).set_callbacks(stopping).fit(X, y)
    assert estimator.stop_reason_ == "callback"
    assert stopping.best_score_ >= min(estimator.history_[monitor])
    np.testing.assert_array_equal(stopping.runs_[0].scores, estimator.history_[monitor])


def test_keep_best_is_the_model_of_the_best_iteration(split):
    X, X_val, y, y_val = split
    stopping = EarlyStopping(X_val=X_val, y_val=y_val, patience=4, keep_best=True)
    ToyLasso(alpha=1e-3, tol=0).set_callbacks(stopping).fit(X, y)
    best = stopping.best_estimator_
    by_hand = ToyLasso(alpha=1e-3, tol=0, max_iter=stopping.best_iteration_).fit(X, y)
    np.testing.assert_array_equal(best.coef_, by_hand.coef_)
    assert best.score(X_val, y_val) == stopping.best_score_
    leftovers = [name for name in vars(best) if name.startswith("_")]
    assert leftovers == []
    assert pickle.loads(pickle.dumps(best)).n_iter_ == best.n_iter_


def test_each_fit_of_a_path_is_stopped_on_its_own(X, y):
    stopping = EarlyStopping("objective", patience=2, min_delta=0.01, relative=True)
    estimator = ToyLassoCV(tol=0).set_callbacks(stopping).fit(X, y)
    assert estimator.reasons_ == ["callback", "callback"]
    assert [run.path for run in stopping.runs_] == [(0,), (1,)]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_search(split, n_jobs):
    X, X_val, y, y_val = split
    stopping = EarlyStopping(X_val=X_val, y_val=y_val, patience=3)
    grid = {"alpha": [1e-3, 1e-2]}
    search = GridSearchCV(ToyLasso(tol=0), grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(stopping).fit(X, y)
    assert search.best_estimator_.stop_reason_ == "callback"
    assert stopping.runs_[-1].path == (1,)
    # Runs in workers stay there; in this process there are four and the refit.
    assert len(stopping.runs_) == (5 if n_jobs is None else 1)
    assert stopping.best_iteration_ == search.best_estimator_.n_iter_ - 3


def test_validation_data_passes_the_pipeline(split):
    X, X_val, y, y_val = split
    shifted = X * np.linspace(1, 50, X.shape[1]) + 3.0
    shifted_val = X_val * np.linspace(1, 50, X.shape[1]) + 3.0
    scaler = StandardScaler().fit(shifted)

    inside = EarlyStopping(X_val=shifted_val, y_val=y_val)
    pipeline = make_pipeline(StandardScaler(), ToyLasso(alpha=1e-3))
    pipeline.set_callbacks(inside).fit(shifted, y)
    by_hand = EarlyStopping(X_val=scaler.transform(shifted_val), y_val=y_val)
    ToyLasso(alpha=1e-3).set_callbacks(by_hand).fit(scaler.transform(shifted), y)
    np.testing.assert_allclose(inside.runs_[0].scores, by_hand.runs_[0].scores)
    assert inside._pipelines == {}
    assert inside._inputs == {}


def test_validation_data_passes_nested_pipelines_in_a_search(split):
    X, X_val, y, y_val = split
    inner = make_pipeline(StandardScaler(), ToyLasso(tol=0))
    outer = make_pipeline(StandardScaler(with_std=False), inner)
    stopping = EarlyStopping(X_val=X_val, y_val=y_val)
    search = GridSearchCV(outer, {"pipeline__toylasso__alpha": [1e-3]}, cv=2)
    search.set_callbacks(stopping).fit(X, y)
    model = search.best_estimator_
    assert len(stopping.runs_) == 3
    assert stopping.runs_[-1].scores[-1] == pytest.approx(model.score(X_val, y_val))


def test_new_fit_forgets_the_old_one(X, y):
    stopping = EarlyStopping("objective", patience=2, min_delta=1.0)
    estimator = ToyLasso().set_callbacks(stopping)
    estimator.fit(X, y)
    clone(estimator).fit(X, y)
    assert len(stopping.runs_) == 1


def test_estimators_that_do_not_report_are_left_alone(X, y):
    stopping = EarlyStopping("objective", patience=1)
    SilentSolver().set_callbacks(stopping).fit(X, y)
    assert stopping.runs_ == []


def test_attributes_exist_after_a_fit_only(X, y):
    stopping = EarlyStopping("objective")
    for name in ("best_score_", "best_iteration_", "best_estimator_", "stopped_"):
        assert not hasattr(stopping, name)
    ToyLasso().set_callbacks(stopping).fit(X, y)
    assert hasattr(stopping, "best_score_")
    assert not hasattr(stopping, "best_estimator_")
    assert pickle.loads(pickle.dumps(stopping)).best_score_ == stopping.best_score_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"monitor": "loss"}, "monitor must be one of 'score', 'objective', '"),
        ({}, "monitor='score' needs X_val and y_val, or a callable scoring"),
        (
            {"monitor": "objective", "patience": 0},
            "patience must be a positive",
        ),
        (
            {"monitor": "objective", "min_delta": -1},
            "min_delta must be a nonneg",
        ),
        (
            {"monitor": "objective", "min_delta": np.nan},
            "min_delta must be a nonneg",
        ),
        ({"monitor": "objective", "every": 1.5}, "every must be a positive integer"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**parameters)
