"""Errors and interruptions leave the model as it was; checkpoints continue a fit."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.callbacks.checkpoint_file import read_checkpoint
from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.losses import Squared
from tests.callbacks.test_checkpoint import Interrupt

CASES = [
    SparseRegressor(alpha=0.02, tol=1e-9),
    SparseRegressor(penalty="mcp", alpha=0.1, tol=1e-9),
    SparseRegressor("huber", "scad", alpha=0.1, tol=1e-9),
    SparseRegressor(penalty="adaptive_l1", alpha=0.05, tol=1e-9),
    SparseRegressor(alpha=0.02, positive=True, tol=1e-9),
    SparseClassifier(alpha=0.001, tol=1e-9),
    SparseClassifier("multinomial", alpha=0.01, tol=1e-9),
]


@pytest.fixture
def X(rng):
    X = rng.standard_normal((60, 400))
    for j in range(1, 400):
        X[:, j] += 0.5 * X[:, j - 1]
    return X


@pytest.fixture
def y(X, rng):
    return X[:, :5] @ [2.0, -1.5, 1.0, 1.0, 0.5] + 0.5 * rng.standard_normal(60)


def target(model, y):
    if isinstance(model, SparseRegressor):
        return y
    levels = [0.3, 0.7] if model.loss == "multinomial" else [0.5]
    return np.digitize(y, np.quantile(y, levels))


class Broken(Squared):
    """Raises in the middle of a fit."""

    def __init__(self, error=RuntimeError, after=5):
        self.error = error
        self.after = after

    def gradient(self, y, eta):
        self._count = getattr(self, "_count", 0) + 1
        if self._count > self.after:
            raise self.error("broken")
        return super().gradient(y, eta)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_an_unfitted_model_stays_unfitted(X, y, error):
    model = SparseRegressor(Broken(error), alpha=0.02)
    before = set(vars(model))
    with pytest.raises(error):
        model.fit(X, y)
    assert set(vars(model)) == before


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_fitted_model_stays_usable(X, y, error, warm_start):
    model = SparseRegressor(alpha=0.05, warm_start=warm_start).fit(X[:, :50], y)
    before = {name: value for name, value in vars(model).items() if name[-1] == "_"}
    prediction = model.predict(X[:, :50])
    model.set_params(loss=Broken(error))
    with pytest.raises(error):
        model.fit(X, y)
    assert {n: v for n, v in vars(model).items() if n[-1] == "_"} == before
    model.set_params(loss="squared")
    np.testing.assert_array_equal(model.predict(X[:, :50]), prediction)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda X, y: (np.where(X[3, 3] == X, np.nan, X), y, None),
        lambda X, y: (X, y[:-1], None),
        lambda X, y: (X[:, :3], y, -np.ones(60)),
        lambda X, y: (sp.csr_array((60, 0)), y, None),
    ],
)
def test_refused_input_changes_nothing(X, y, spoil):
    model = SparseRegressor(alpha=0.05).fit(X, y)
    coef, names = model.coef_, set(vars(model))
    A, b, weight = spoil(X, y)
    with pytest.raises(ValueError):
        model.fit(A, b, weight)
    assert model.coef_ is coef
    assert model.n_features_in_ == 400
    assert set(vars(model)) == names
    model.predict(X)


def test_classes_are_not_half_updated(X, y):
    model = SparseClassifier(alpha=0.05).fit(X, y > 0)
    with pytest.raises(ValueError, match="separates two classes"):
        model.set_params(loss="squared_hinge").fit(X, np.arange(60) % 3)
    np.testing.assert_array_equal(model.classes_, [False, True])


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("model", CASES, ids=lambda m: f"{m.loss}-{m.penalty}")
def test_an_interrupted_fit_continues_to_the_same_answer(X, y, tmp_path, model, at):
    y = target(model, y)
    whole = type(model)(**model.get_params()).fit(X, y)
    assert whole.n_iter_ > at
    path = tmp_path / "fit.npz"
    broken = type(model)(**model.get_params())
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert not hasattr(broken, "coef_")
    assert read_checkpoint(path).n_iter == at
    rest = type(model)(**model.get_params()).set_callbacks(Checkpoint(path))
    rest.fit(X, y)
    assert rest.converged_
    assert rest.n_iter_ > at
    np.testing.assert_array_equal(rest.history_["iteration"][:at], np.arange(1, at + 1))
    np.testing.assert_array_equal(
        rest.history_["objective"][:at], whole.history_["objective"][:at]
    )
    assert rest.objective_ == pytest.approx(whole.objective_, rel=1e-8)
    np.testing.assert_allclose(rest.coef_, whole.coef_, atol=1e-4)
    assert read_checkpoint(path).finished


@pytest.mark.parametrize("stage", [2, 3])
def test_an_interrupted_stage_is_the_one_that_continues(X, y, tmp_path, stage):
    """Reweighted stages: weights are not formed a second time from the start."""
    model = SparseRegressor(penalty="adaptive_l1", alpha=0.05, tol=1e-10)
    whole = SparseRegressor(**model.get_params()).fit(X, y)
    objectives = whole.history_["objective"]
    # Within a stage the level falls; a new stage has smaller levels, another objective.
    at = len(objectives) - (3 - stage) - 1
    path = tmp_path / "fit.npz"
    model.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert int(read_checkpoint(path).state["stage"]) >= 1
    rest = SparseRegressor(penalty="adaptive_l1", alpha=0.05, tol=1e-10)
    rest.set_callbacks(Checkpoint(path)).fit(X, y)
    assert rest.objective_ == pytest.approx(whole.objective_, rel=1e-9)
    np.testing.assert_allclose(rest.coef_, whole.coef_, atol=1e-6)


def test_a_fit_out_of_iterations_continues(X, y, tmp_path):
    path = tmp_path / "fit.npz"
    whole = SparseRegressor(alpha=0.02, tol=1e-9).fit(X, y)
    short = SparseRegressor(alpha=0.02, tol=1e-9, max_iter=2)
    with pytest.warns(ConvergenceWarning):
        short.set_callbacks(Checkpoint(path)).fit(X, y)
    rest = SparseRegressor(alpha=0.02, tol=1e-9).set_callbacks(Checkpoint(path))
    rest.fit(X, y)
    assert rest.n_iter_ <= whole.n_iter_ + 2
    np.testing.assert_allclose(rest.coef_, whole.coef_, atol=1e-7)


def test_a_checkpoint_of_other_data_is_refused(X, y, tmp_path):
    path = tmp_path / "fit.npz"
    short = SparseRegressor(alpha=0.02, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        short.set_callbacks(Checkpoint(path)).fit(X, y)
    for model, data in (
        (SparseRegressor(alpha=0.03), X),
        (SparseRegressor(alpha=0.02, penalty="mcp"), X),
        (SparseRegressor(alpha=0.02), X[::-1]),
    ):
        model.set_callbacks(Checkpoint(path))
        with pytest.raises(ValueError, match="belongs to another problem"):
            model.fit(data, y)
        assert not hasattr(model, "coef_")
    fresh = SparseRegressor(alpha=0.03)
    fresh.set_callbacks(Checkpoint(path, mismatch="overwrite")).fit(X, y)
    alone = SparseRegressor(alpha=0.03).fit(X, y)
    np.testing.assert_array_equal(fresh.coef_, alone.coef_)
    saved = read_checkpoint(path)
    np.testing.assert_array_equal(
        saved.history["objective"], alone.history_["objective"]
    )


def test_early_stopping_keeps_a_usable_model(X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
        model = SparseRegressor(alpha=0.02, tol=1e-12).set_callbacks(stopping)
        model.fit(X, y)
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    assert model.n_iter_ <= 3
    assert model.predict(X).shape == (60,)


def test_time_limit(X, y):
    model = SparseRegressor(alpha=0.005, tol=1e-14, time_limit=1e-6)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.fit(X, y)
    assert model.stop_reason_ == "time_limit"
    assert model.n_iter_ == 1
    assert np.isfinite(model.objective_)
