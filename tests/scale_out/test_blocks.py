"""Blocks of Dask arrays: one fit over them, on a cluster, and never all in memory."""

import weakref

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.linear_model import StreamingLinearClassifier, StreamingLinearRegressor
from skopt2.privacy import (
    DPLinearRegressor,
    DPLogisticClassifier,
    DPMLPClassifier,
    DPMLPRegressor,
    DPScaler,
    DPSVMClassifier,
)

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

RNG = np.random.default_rng(2)
X = RNG.standard_normal((240, 3))
Y = X[:, 0] - X[:, 1] + RNG.standard_normal(240)
LABELS = np.where(Y > 0, "yes", "no")
PRIVATE = {"epsilon": 1.0, "delta": 1e-5, "random_state": 0}
DESCENT = {**PRIVATE, "max_iter": 3}
TARGETS = {"y_bounds": (-4.0, 4.0)}

MODELS = [
    StreamingLinearRegressor(random_state=0),
    StreamingLinearClassifier(random_state=0),
    EigenProRegressor(alpha=0.1, centers=X[:20], random_state=0),
    EigenProClassifier(alpha=0.1, centers=X[:20], random_state=0),
    EigenProRegressor(
        alpha=0.1, centers=X[:20], solver="eigenpro", max_iter=3, random_state=0
    ),
    DPLinearRegressor(**DESCENT, **TARGETS),
    DPLogisticClassifier(**DESCENT, classes=["no", "yes"]),
    DPSVMClassifier(**DESCENT, classes=["no", "yes"]),
    DPMLPClassifier(**DESCENT, classes=["no", "yes"]),
    DPMLPRegressor(**DESCENT, **TARGETS),
    DPScaler(**PRIVATE),
]
ANSWERS = ("predict", "decision_function", "predict_proba", "predict_log_proba")
ANSWERS += ("transform", "inverse_transform")


class Tally:
    """Count the blocks that are in memory."""

    def __init__(self):
        self.alive = self.most = self.made = 0

    def __call__(self, rows):
        block = np.array(rows)
        self.made += 1
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(block, self.gone)
        return block

    def gone(self):
        self.alive -= 1


def targets(model):
    if isinstance(model, DPScaler):
        return ()
    return (LABELS if is_classifier(model) else Y,)


def answers(model, rows):
    return [getattr(model, name)(rows) for name in ANSWERS if hasattr(model, name)]


def close(found, wanted):
    assert len(found) == len(wanted) > 0
    for values, expected in zip(found, wanted, strict=True):
        assert type(values) is np.ndarray
        if values.dtype.kind == "U":
            assert_array_equal(values, expected)
        else:
            np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:random_state.*fixes the noise")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_blocks_are_read_one_after_the_other(model):
    """Six blocks: at no time more than two, in the fit and in its answers."""
    y, tally = targets(model), Tally()
    plain = da.from_array(X, chunks=(40, 3))
    counted = plain.map_blocks(tally, dtype=X.dtype, meta=np.empty((0, 0)))
    with dask.config.set(scheduler="synchronous"):
        wanted = clone(model).fit(plain, *y)
        found = clone(model).fit(counted, *y)
        assert tally.made >= 6
        assert tally.most <= 2
        tally.most = tally.alive
        lazy = answers(found, counted)
        assert tally.most <= 2
    assert tally.alive <= 1
    close(lazy, answers(wanted, X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:random_state.*fixes the noise")
def test_blocks_on_workers(client):
    """Rows that the workers hold, cut at other places than the targets."""
    lazy = da.from_array(X, chunks=(70, 2)).persist()
    assert client.who_has(lazy)
    for model in (MODELS[1], MODELS[4], MODELS[6], MODELS[-1]):
        y = targets(model)
        there = clone(model).fit(lazy, *(da.from_array(part, chunks=50) for part in y))
        with dask.config.set(scheduler="synchronous"):
            here = clone(model).fit(da.from_array(X, chunks=(70, 2)), *y)
        close(answers(there, X), answers(here, X))


def test_a_gaussian_process_gathers_its_rows():
    process = GaussianProcessRegressor(RBF() + WhiteKernel(0.1), optimizer=None)
    lazy = da.from_array(X, chunks=(70, 2))
    there, here = clone(process).fit(lazy, Y), process.fit(X, Y)
    for options in ({}, {"return_std": True}, {"return_cov": True}):
        found, wanted = there.predict(lazy, **options), here.predict(X, **options)
        np.testing.assert_allclose(found[-1], wanted[-1], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-9, atol=1e-12)


def test_answers_to_data_frames_and_to_blocks_without_rows():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = StreamingLinearRegressor(random_state=0).fit(frame, Y)
    wanted = model.predict(frame)
    lazy = dd.from_pandas(frame, npartitions=4)
    assert_array_equal(model.predict(lazy), wanted)
    assert_array_equal(model.predict(lazy[lazy["a"] > 1.0]), wanted[X[:, 0] > 1.0])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        model.predict(lazy[lazy["a"] > 100.0])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(lazy[["b", "a", "c"]])


def test_answers_that_stay_on_the_workers(client):
    """The guide's way for more answers than fit into memory."""
    model = StreamingLinearClassifier(random_state=0).fit(X, LABELS)
    lazy = da.from_array(X, chunks=(70, 3))
    found = lazy.map_blocks(model.predict, drop_axis=1, dtype=LABELS.dtype)
    assert found.chunks == ((70, 70, 70, 30),)
    assert_array_equal(found.compute(), model.predict(X))
