"""Streaming models in every array namespace, device, format and dtype."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import move, namespace
from skopt2.linear_model import StreamingLinearClassifier, StreamingLinearRegressor
from tests.stand_in import DEVICES, StandInSparse

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CASES = [
    (StreamingLinearRegressor, {"step": "dog", "penalty": "mcp"}),
    (StreamingLinearRegressor, {"step": "refined", "loss": "huber"}),
    (StreamingLinearRegressor, {"step": "sania", "fit_intercept": False}),
    (StreamingLinearClassifier, {"step": "udog"}),
    (StreamingLinearClassifier, {"step": "sps", "loss": "multinomial"}),
]


def data(rng, kind):
    X = rng.standard_normal((90, 5)) + 0.3
    y = X[:, 0] - X[:, 1] + 0.5 * rng.standard_normal(90)
    return X, y if kind is StreamingLinearRegressor else (y > 0).astype(int)


def model(kind, options):
    common = {"alpha": 0.01, "batch_size": 20, "max_iter": 4, "random_state": 0}
    return kind(**common, **options)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_namespaces_agree(backend, dispatch, rng, kind, options):
    X, y = data(rng, kind)
    weight = rng.uniform(0.5, 2.0, 90)
    here = model(kind, options).fit(X, y, weight)
    A, b, s = (backend.asarray(a) for a in (X, y, weight))
    there = model(kind, options).fit(A, b, s)
    assert namespace(there.coef_) is backend.xp
    np.testing.assert_allclose(backend.to_numpy(there.coef_), here.coef_, atol=1e-9)
    assert there.objective_ == pytest.approx(here.objective_, rel=1e-9)
    assert there.online_loss_ == pytest.approx(here.online_loss_, rel=1e-9)
    if options["step"] != "refined":
        here.partial_fit(X, y, sample_weight=weight)
        there.partial_fit(A, b, sample_weight=s)
        found = backend.to_numpy(there.predict(A))
        np.testing.assert_allclose(found, here.predict(X), atol=1e-8)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_float32_stays(backend, dispatch, rng, kind, options):
    X, y = data(rng, kind)
    A, b = backend.asarray(X.astype(np.float32)), backend.asarray(y)
    there = model(kind, options).fit(A, b)
    assert there.coef_.dtype == backend.xp.float32
    assert there._state.run.x.dtype == backend.xp.float32
    expected = model(kind, options).fit(X, y)
    np.testing.assert_allclose(backend.to_numpy(there.coef_), expected.coef_, atol=5e-3)


def test_a_stream_keeps_its_dtype(rng):
    X, y = data(rng, StreamingLinearRegressor)
    found = StreamingLinearRegressor().partial_fit(X.astype(np.float32), y)
    for rows in (X, sp.csr_array(X)):
        found.partial_fit(rows, y)
        assert found._state.run.x.dtype == np.float32


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_numpy_computed_on_the_gpu(cuda_stand_in, rng, kind, options):
    X, y = data(rng, kind)
    there = model(kind, {**options, "device": "cuda"}).fit(X, y)
    here = model(kind, options).fit(X, y)
    assert there.device_ == "cuda:0"
    assert type(there.coef_) is type(there._state.run.x) is np.ndarray
    np.testing.assert_allclose(there.coef_, here.coef_, atol=1e-9)
    if options["step"] != "refined":
        there.partial_fit(X, y)
        np.testing.assert_allclose(there.coef_, here.partial_fit(X, y).coef_, atol=1e-9)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_sparse_rows_on_the_gpu(cuda_stand_in, rng, kind, options):
    X, y = data(rng, kind)
    X = X * (rng.random(X.shape) < 0.4)
    expected = model(kind, options).fit(X, y)
    found = model(kind, {**options, "device": "cuda"}).fit(sp.csr_array(X), y)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-9)
    there = StandInSparse(sp.csr_array(X), DEVICES[0])
    found = model(kind, options).fit(there, y)
    assert cuda.provider.owns(found.coef_)
    np.testing.assert_allclose(
        to_device(found, "cpu").predict(X), expected.predict(X), atol=1e-8
    )


def test_a_stream_moves_with_its_model(cuda_stand_in, rng):
    X, y = data(rng, StreamingLinearRegressor)
    target = cuda.cuda_target("cuda:1")
    A, b = move(X, target), move(y, target)
    there = StreamingLinearRegressor().partial_fit(A, b)
    here = to_device(there, "cpu").partial_fit(X, y)
    there.partial_fit(A, b)
    assert cuda.provider.index_of(there.coef_) == 1
    moved = to_device(there, "cpu")
    np.testing.assert_allclose(moved.coef_, here.coef_, atol=1e-10)
