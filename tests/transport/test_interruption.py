"""Interrupted fits of the transformers go on where they stopped."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.callbacks.checkpoint_file import read_checkpoint
from skopt2.transport import SinkhornDistance, SinkhornTransport
from tests.callbacks.test_checkpoint import Interrupt

MODELS = [
    SinkhornTransport(0.01, tol=1e-9),
    SinkhornTransport(0.01, tol=1e-9, solver="newton"),
    SinkhornTransport(0.02, tol=1e-9, map="debiased"),
    SinkhornTransport(0.1, tol=1e-9, map="progressive", n_steps=3),
    SinkhornTransport(0.05, tol=1e-9, label_reg=0.1, n_rounds=3),
    SinkhornTransport(0.02, tol=1e-9, reg_marginal=(0.5, 1.0)),
    SinkhornTransport(0.1, tol=1e-9, reg_marginal=1.0, map="progressive"),
]


@pytest.fixture
def data(rng):
    y = np.arange(50) % 2
    X = rng.standard_normal((50, 2)) + 3.0 * y[:, None]
    return {"X": X, "y": y, "target": 0.7 * rng.standard_normal((40, 2)) - 2.0}


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize("model", MODELS)
def test_an_interrupted_fit_continues_to_the_same_map(data, tmp_path, model, at):
    whole = SinkhornTransport(**model.get_params()).fit(**data)
    measures = len(whole.history_["iteration"])
    assert measures > at
    path = tmp_path / "fit.npz"
    broken = SinkhornTransport(**model.get_params())
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(**data)
    assert not hasattr(broken, "potentials_")
    rest = SinkhornTransport(**model.get_params()).set_callbacks(Checkpoint(path))
    rest.fit(**data)
    assert rest.converged_
    for name in ("iteration", "objective"):
        assert_array_equal(rest.history_[name][:at], whole.history_[name][:at])
    assert_allclose(rest.plan_, whole.plan_, atol=1e-7)
    assert_allclose(rest.transform(data["X"]), whole.transform(data["X"]), atol=1e-5)
    assert read_checkpoint(path).finished


def test_a_checkpoint_of_another_target_is_refused(data, tmp_path):
    path = tmp_path / "fit.npz"
    short = SinkhornTransport(0.01, max_iter=1, label_reg=0.1)
    with pytest.warns(ConvergenceWarning):
        short.set_callbacks(Checkpoint(path)).fit(**data)
    for other in (
        {"target": data["target"][::-1]},
        {"target_weight": np.arange(40.0)},
        {"sample_weight": np.arange(50.0)},
        {"target_labels": np.arange(40) % 2},
        {"y": data["y"][::-1]},
    ):
        model = SinkhornTransport(0.01, label_reg=0.1).set_callbacks(Checkpoint(path))
        with pytest.raises(ValueError, match="belongs to another problem"):
            model.fit(**{**data, **other})


def test_early_stopping_keeps_a_usable_map(data):
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = SinkhornTransport(0.01, tol=1e-12, map="progressive")
    model.set_callbacks(stopping).fit(**data)
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    assert np.isfinite(model.transform(data["X"])).all()


@pytest.mark.parametrize("at", [1, 4])
def test_distances_continue_too(rng, tmp_path, at):
    X = rng.random((12, 20)) * (rng.random((12, 20)) > 0.4) + 1e-6
    model = SinkhornDistance(0.1, tol=1e-10)
    whole = SinkhornDistance(0.1, tol=1e-10).fit(X)
    assert len(whole.history_["iteration"]) > at
    path = tmp_path / "fit.npz"
    model.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    rest = SinkhornDistance(0.1, tol=1e-10).set_callbacks(Checkpoint(path)).fit(X)
    assert rest.converged_
    assert_array_equal(
        rest.history_["objective"][:at], whole.history_["objective"][:at]
    )
    assert_allclose(rest.self_objective_, whole.self_objective_, rtol=1e-9)
    assert_allclose(rest.transform(X), whole.transform(X), atol=1e-7)


def test_distances_of_a_fit_that_a_callback_stopped(rng):
    X = rng.random((6, 20))
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = SinkhornDistance(0.1, tol=1e-12).set_callbacks(stopping).fit(X)
    assert model.stop_reason_ == "callback"
    expected = SinkhornDistance(0.1, tol=1e-9).fit(X).transform(X)
    model.set_params(tol=1e-9)
    assert_allclose(model.transform(X), expected, atol=1e-6)
