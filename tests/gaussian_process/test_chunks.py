"""Gaussian processes fitted to iterators and Dask collections."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF, WhiteKernel

from skopt2._core.array import namespace
from skopt2._core.chunks import gathered
from skopt2.gaussian_process import GaussianProcessRegressor

MODEL = GaussianProcessRegressor(RBF(1.5) + WhiteKernel(0.1), optimizer=None)


@pytest.fixture
def sample(rng):
    X = rng.standard_normal((90, 2))
    return X, np.sin(2.0 * X[:, 0]) * X[:, 1] + 0.1 * rng.standard_normal(90)


@pytest.fixture
def wanted(sample):
    X, y = sample
    return clone(MODEL).fit(X, y).predict(X)


@pytest.fixture
def da():
    return pytest.importorskip("dask.array")


def pieces(*arrays, size=40):
    for start in range(0, len(arrays[0]), size):
        yield tuple(array[start : start + size] for array in arrays)


def test_iterators(sample, wanted):
    X, y = sample
    for size in (7, 40, 90):
        model = clone(MODEL).fit(pieces(X, y, size=size), None)
        assert_array_equal(model.predict(X), wanted)
    lists = ((a.tolist(), b.tolist()) for a, b in pieces(X, y))
    assert_array_equal(clone(MODEL).fit(lists, None).predict(X), wanted)
    alpha = np.linspace(0.1, 1.0, 90)
    model = clone(MODEL).set_params(alpha=alpha).fit(pieces(X, y), None)
    expected = clone(model).fit(X, y).predict(X)
    assert_array_equal(model.predict(X), expected)


def test_hyperparameters_see_all_rows(sample):
    X, y = sample
    model = clone(MODEL).set_params(optimizer="auto")
    found = clone(model).fit(pieces(X, y), None)
    assert found.kernel_ == model.fit(X, y).kernel_


def test_more_rows_by_an_iterator(sample, wanted):
    X, y = sample
    model = clone(MODEL).partial_fit(pieces(X[:50], y[:50], size=20), None)
    model.partial_fit(pieces(X[50:], y[50:], size=20), None)
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-9)


@pytest.mark.parametrize("chunks", [(40, 2), (90, 1), (13, 1)])
def test_dask_arrays_however_they_are_cut(da, sample, wanted, chunks):
    X, y = sample
    A = da.from_array(X, chunks=chunks)
    for b in (da.from_array(y, chunks=55), da.from_array(y, chunks=chunks[0]), y):
        assert_array_equal(clone(MODEL).fit(A, b).predict(X), wanted)
    Y = np.stack([y, X[:, 0]], axis=1)
    B = da.from_array(Y, chunks=(30, 1))
    expected = clone(MODEL).fit(X, Y).predict(X)
    assert_array_equal(clone(MODEL).fit(A, B).predict(X), expected)
    model = clone(MODEL).fit(A[:40], y[:40])
    model.partial_fit(A[40:], y[40:])
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-9)


def test_dask_arrays_of_unknown_lengths(da, sample):
    X, y = sample
    keep = X[:, 0] > 0.5
    expected = clone(MODEL).fit(X[keep], y[keep]).predict(X)
    A, b = da.from_array(X, chunks=(40, 2)), da.from_array(y, chunks=40)
    A, b = A[A[:, 0] > 0.5], b[A[:, 0] > 0.5]
    assert_array_equal(clone(MODEL).fit(A, b).predict(X), expected)


def test_dask_data_frames(sample, wanted):
    dd = pytest.importorskip("dask.dataframe")
    X, y = sample
    frame = pd.DataFrame({"one": X[:, 0], "two": X[:, 1], "y": y})
    lazy = dd.from_pandas(frame, npartitions=4)
    model = clone(MODEL).fit(lazy[["one", "two"]], lazy["y"])
    assert model.feature_names_in_.tolist() == ["one", "two"]
    assert_array_equal(model.predict(frame[["one", "two"]]), wanted)


def test_data_frames_in_chunks(sample, wanted):
    X, y = sample
    frame, series = pd.DataFrame(X, columns=["one", "two"]), pd.Series(y)
    model = clone(MODEL).fit(pieces(frame, series), None)
    assert model.feature_names_in_.tolist() == ["one", "two"]
    assert_array_equal(model.predict(frame), wanted)
    other = frame.rename(columns={"two": "three"})
    with pytest.raises(ValueError, match="same column names"):
        clone(MODEL).fit(iter([(frame, y), (other, y)]), None)


def test_chunks_of_every_namespace(device_backend, dispatch, sample, wanted):
    X, y = sample
    A, b = device_backend.asarray(X), device_backend.asarray(y)
    model = clone(MODEL).fit(iter([(A[:40, :], b[:40]), (A[40:, :], b[40:])]), None)
    assert namespace(model.X_train_) is device_backend.xp
    found = device_backend.to_numpy(model.predict(A))
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([(np.ones((3, 2)), np.ones(3), np.ones(3))], "takes no weights"),
        ([(np.ones((3, 2)), np.ones(3)), (np.ones((3, 1)), np.ones(3))], "columns"),
        ([(np.ones((3, 2)), np.ones(3)), (np.ones((3, 2)), np.ones((3, 1)))], "of y"),
        ([(np.ones((0, 2)), np.ones(0))], "no chunk with rows"),
        ([np.ones((3, 2))], "must yield tuples"),
        ([(np.ones((3, 2)), None)], "requires y"),
        ([(np.ones((3, 2)), np.ones(2))], "inconsistent numbers"),
    ],
)
def test_mistakes_are_named(chunks, message):
    model = clone(MODEL)
    with pytest.raises(ValueError, match=message):
        model.fit(iter(chunks), None)
    assert not hasattr(model, "X_train_")


def test_sparse_chunks_are_refused(sample):
    X, y = sample
    with pytest.raises(TypeError, match="toarray"):
        clone(MODEL).fit(iter([(sp.csr_array(X), y)]), None)


def test_what_is_not_in_chunks_is_passed_on(sample):
    X, y = sample
    for one in (X, X.tolist(), pd.DataFrame(X)):
        found = gathered(one, y)
        assert found[0] is one
        assert found[1] is y
