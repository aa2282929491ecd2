"""Fits in chunks: iterators and Dask collections."""

import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skopt2
from skopt2._core import cuda
from skopt2._core.array import move, to_numpy
from skopt2.callbacks import Checkpoint, TextLog
from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.kernel_machine.reservoir import Reservoir
from skopt2.kernel_machine.sample import Sample
from skopt2.kernels import Matern

KERNEL = Matern(nu=1.5, length_scale=1.5)


@pytest.fixture
def sample(rng):
    X = rng.standard_normal((300, 2))
    y = np.sin(2.0 * X[:, 0]) * X[:, 1] + 0.1 * rng.standard_normal(300)
    return X, y


@pytest.fixture
def labels(sample):
    X, y = sample
    return np.array(["a", "b", "c"])[(X[:, 0] > 0).astype(int) + (y > 0.2)]


@pytest.fixture
def model(sample):
    return EigenProRegressor(KERNEL, alpha=0.1, centers=sample[0][:20])


@pytest.fixture
def wanted(model, sample):
    X, y = sample
    return clone(model).fit(X, y).predict(X)


@pytest.fixture
def da():
    return pytest.importorskip("dask.array")


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def pieces(*arrays, size=70):
    for start in range(0, len(arrays[0]), size):
        yield tuple(array[start : start + size] for array in arrays)


@pytest.mark.parametrize("chunks", [(70, 2), (300, 1), (13, 1)])
def test_dask_arrays_however_they_are_cut(da, model, sample, wanted, chunks):
    X, y = sample
    A = da.from_array(X, chunks=chunks)
    for b in (da.from_array(y, chunks=55), da.from_array(y, chunks=chunks[0]), y):
        close(clone(model).fit(A, b).predict(X), wanted)
    rechunked = A.rechunk({0: (100, 150, 50), 1: 2})
    close(clone(model).fit(rechunked, y).predict(X), wanted)
    assert model.fit(A, y).n_features_in_ == 2
    close(model.predict(A), wanted)


def test_dask_weights_and_targets(da, model, sample, rng):
    X, y = sample
    Y = np.stack([y, X[:, 0]], axis=1)
    weight = rng.integers(0, 3, 300).astype(float)
    weight[:70] = 0.0
    expected = clone(model).fit(X, Y, sample_weight=weight)
    A, B = da.from_array(X, chunks=(70, 2)), da.from_array(Y, chunks=(150, 1))
    for s in (weight, da.from_array(weight, chunks=40)):
        found = clone(model).fit(A, B, sample_weight=s)
        close(found.predict(X), expected.predict(X))
    expected = clone(model).fit(X, Y, sample_weight=2.5)
    all_rows = A[:, 0] > -np.inf
    for rows, targets in (
        (A, B),
        (A[all_rows], B.rechunk((70, 2))[all_rows]),
        (pieces(X, Y, np.full(300, 2.5)), None),
    ):
        weight = None if targets is None else 2.5
        found = clone(model).fit(rows, targets, sample_weight=weight)
        close(found.predict(X), expected.predict(X))


def test_dask_arrays_of_unknown_lengths(da, model, sample):
    X, y = sample
    keep = X[:, 0] > -1.0
    expected = clone(model).fit(X[keep], y[keep])
    A, b = da.from_array(X, chunks=(70, 2)), da.from_array(y, chunks=70)
    A, b = A[A[:, 0] > -1.0], b[A[:, 0] > -1.0]
    assert np.isnan(A.shape[0])
    close(clone(model).fit(A, b).predict(X), expected.predict(X))
    with pytest.raises(ValueError, match="y must be a Dask collection"):
        clone(model).fit(A, y[keep])
    with pytest.raises(ValueError, match=r"y has 2 blocks, X has 5"):
        clone(model).fit(A, da.from_array(y[keep], chunks=150))
    with pytest.raises(ValueError, match=r"y does not know its length.*chunk_sizes"):
        clone(model).fit(da.from_array(X[keep], chunks=(70, 2)), b)


def test_empty_blocks_are_no_rows(da, model, sample):
    X, y = sample
    order = np.argsort(X[:, 0])
    X, y = X[order], y[order]
    A, b = da.from_array(X, chunks=(70, 2)), da.from_array(y, chunks=70)
    A, b = A[A[:, 0] > 0.5], b[A[:, 0] > 0.5]
    keep = X[:, 0] > 0.5
    expected = clone(model).fit(X[keep], y[keep])
    close(clone(model).fit(A, b).predict(X), expected.predict(X))


@pytest.mark.parametrize("labelled", [False, True])
def test_eigenpro_reads_dask_arrays_again(da, sample, labels, labelled):
    X, y = sample
    kind, truth = (EigenProClassifier, labels) if labelled else (EigenProRegressor, y)
    options = {"alpha": 0.1, "centers": X[:40], "random_state": 0}
    wanted = kind(KERNEL, **options).fit(X, truth)
    model = kind(KERNEL, solver="eigenpro", tol=1e-6, max_iter=300, **options)
    rows = da.from_array(X, chunks=(160, 1)), da.from_array(truth, chunks=200)
    found = clone(model).fit(*rows)
    assert found.solver_ == "eigenpro"
    assert found.converged_
    assert len(found.history_["iteration"]) > 1
    method = "decision_function" if labelled else "predict"
    new = getattr(found, method)(X)
    np.testing.assert_allclose(new, getattr(wanted, method)(X), atol=1e-4)
    weight = np.arange(300) % 3 + 0.5
    found = clone(model).fit(*rows, sample_weight=da.from_array(weight, chunks=70))
    wanted = kind(KERNEL, **options).fit(X, truth, sample_weight=weight)
    new = getattr(found, method)(X)
    np.testing.assert_allclose(new, getattr(wanted, method)(X), atol=1e-4)
    if labelled:
        p = found.predict_proba(X)
        np.testing.assert_allclose(p, wanted.predict_proba(X), atol=1e-4)
    # The rows have been read; what is left is a model as any other.
    pickle.loads(pickle.dumps(found)).predict(X)


def test_callbacks_of_a_fit_in_passes(da, sample, tmp_path):
    X, y = sample
    model = EigenProRegressor(
        KERNEL, solver="eigenpro", tol=1e-8, max_iter=300, alpha=0.1, centers=40
    )
    rows = da.from_array(X, chunks=(70, 2)), da.from_array(y, chunks=70)
    path, stream = tmp_path / "fit.npz", io.StringIO()
    short = clone(model).set_params(max_iter=2).set_callbacks(Checkpoint(path))
    with pytest.warns(ConvergenceWarning):
        short.fit(*rows)
    rest = clone(model).set_callbacks(Checkpoint(path), TextLog(stream)).fit(*rows)
    np.testing.assert_array_equal(rest.centers_, short.centers_)
    assert rest.converged_
    assert "converged after" in stream.getvalue()
    with pytest.raises(ValueError, match="early_stopping=True holds out rows"):
        model.set_params(early_stopping=True).fit(*rows)


def test_many_centres_of_a_dask_array_take_passes(da, model, sample, monkeypatch):
    X, y = sample
    A = da.from_array(X, chunks=(70, 2))
    assert clone(model).fit(A, y).solver_ == "cholesky"
    for module in ("kernel_machine.center_model", "solvers.kernel.solve_centers"):
        monkeypatch.setattr(f"skopt2.{module}.DIRECT", 10)
    found = model.set_params(tol=1e-6).fit(A, y)
    assert found.solver_ == "eigenpro"
    assert found.certificate_.name == "relative gradient"


def test_a_dask_mistake_is_named(da, model, sample):
    X, y = sample
    A = da.from_array(X, chunks=(70, 2))
    with pytest.raises(ValueError, match="y has 299 rows, X has 300"):
        model.fit(A, y[:-1])
    with pytest.raises(ValueError, match="sample_weight has 299 rows, X has 300"):
        model.fit(A, y, sample_weight=da.from_array(y[:-1], chunks=70))
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.fit(A, None)
    with pytest.raises(ValueError, match="set centers"):
        EigenProRegressor().fit(A, y)
    assert not hasattr(model, "dual_coef_")


def test_blocks_that_differ_are_refused(da, model, sample):
    X, y = sample
    A, b = da.from_array(X, chunks=(150, 2)), da.from_array(y, chunks=150)
    A, b = A[A[:, 0] > 0.0], b[b > 0.0]
    with pytest.raises(ValueError, match=r"Block 0 has \d+ rows in X"):
        model.fit(A, b)


def test_dask_data_frames(model, sample, wanted):
    dd = pytest.importorskip("dask.dataframe")
    X, y = sample
    frame = pd.DataFrame({"one": X[:, 0], "two": X[:, 1], "y": y})
    lazy = dd.from_pandas(frame, npartitions=4)
    A, b = lazy[["one", "two"]], lazy["y"]
    for rows, targets in (
        (A, b),
        (A, b.to_dask_array()),
        (A.to_dask_array(lengths=True), y),
    ):
        found = clone(model).fit(rows, targets)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            close(found.predict(X), wanted)
    named = clone(model).fit(A, b)
    assert named.feature_names_in_.tolist() == ["one", "two"]
    close(named.predict(frame[["one", "two"]]), wanted)
    with pytest.raises(ValueError, match=r"y must be a Dask collection.*lengths=True"):
        clone(model).fit(A, y)


def test_dask_labels_need_not_be_in_the_first_block(da, sample, labels):
    X, _ = sample
    order = np.argsort(labels, kind="stable")
    X, labels = X[order], labels[order]
    model = EigenProClassifier(KERNEL, centers=X[::10], alpha=0.1)
    wanted = clone(model).fit(X, labels)
    A = da.from_array(X, chunks=(60, 2))
    for b in (labels, da.from_array(labels, chunks=100)):
        found = clone(model).fit(A, b)
        assert found.classes_.tolist() == ["a", "b", "c"]
        close(found.decision_function(X), wanted.decision_function(X))
        close(found.predict_proba(X), wanted.predict_proba(X))
    found = clone(model).fit(A, labels, 1.0)
    close(found.decision_function(X), wanted.decision_function(X))
    weight = np.where(labels == "c", 0.0, 1.0)
    found = clone(model).fit(A, labels, da.from_array(weight, chunks=60))
    without = clone(model).fit(X[weight > 0], labels[weight > 0])
    close(found.decision_function(X), without.decision_function(X))
    assert found.classes_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="there is only one class"):
        clone(model).fit(A, np.full(300, "a"))


def test_an_iterator_of_labels_begins_with_all_of_them(sample, labels):
    X, _ = sample
    model = EigenProClassifier(KERNEL, centers=X[:20])
    first = X[labels != "c"], labels[labels != "c"]
    with pytest.raises(ValueError, match=r"labels \['c'\].*in the first chunk"):
        model.fit(iter([first, (X, labels)]), None)
    assert not hasattr(model, "classes_")
    found = model.fit(pieces(X, labels), None)
    wanted = clone(model).fit(X, labels)
    close(found.predict_proba(X), wanted.predict_proba(X))


def test_the_scale_of_probabilities_does_not_depend_on_the_cuts(monkeypatch, sample):
    monkeypatch.setattr("skopt2.kernel_machine.eigenpro_classifier.MOST_ROWS", 60)
    X, y = sample
    y = y > 0
    model = EigenProClassifier(KERNEL, centers=X[:20], random_state=0)
    found = [
        clone(model).fit(pieces(X, y, size=size), None).probability_scale_
        for size in (300, 77, 10)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)
    assert found[0] == pytest.approx(found[2], rel=1e-6)
    whole = clone(model).fit(X, y).probability_scale_
    assert 0.5 < found[0] / whole < 2.0


def test_a_reservoir_is_uniform():
    counts = np.zeros(50)
    rows = np.arange(50.0)[:, None]
    for seed in range(400):
        kept = Reservoir(10, np.random.default_rng(seed))
        for start in range(0, 50, 7):
            part = rows[start : start + 7]
            kept.add(Sample(part, part, 1.0))
        found = kept.sample(rows).X[:, 0]
        assert (np.diff(found) > 0).all()
        counts[found.astype(int)] += 1
    # Binomial of 400 draws with probability 1/5: mean 80, standard deviation 8.
    assert counts.sum() == 4000
    assert abs(counts - 80).max() < 5 * 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"early_stopping": True}, "early_stopping=True holds out rows"),
        ({"solver": "eigenpro"}, "solver='eigenpro' needs several passes"),
        ({"centers": None}, "centers=None makes every row a centre"),
    ],
)
def test_what_a_stream_cannot_do(model, sample, change, message):
    X, y = sample
    model.set_params(**change)
    with pytest.raises(ValueError, match=message):
        model.fit(pieces(X, y), None)
    if "centers" not in change:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, y)


def test_fewer_rows_than_centres_in_the_first_chunk(sample):
    X, y = sample
    model = EigenProRegressor(KERNEL, centers=100, alpha=0.1)
    with pytest.warns(UserWarning, match="centers=100.*which are 70"):
        model.fit(pieces(X, y), None)
    np.testing.assert_array_equal(model.centers_, X[:70])


def test_rows_without_weight_are_no_rows(model, sample):
    X, y = sample
    weight = (np.arange(300) >= 70).astype(float)
    wanted = clone(model).fit(X[70:], y[70:])
    found = clone(model).fit(pieces(X, y, weight), None)
    close(found.predict(X), wanted.predict(X))
    with pytest.raises(ValueError, match="no chunk with rows of positive weight"):
        model.fit(pieces(X, y, np.zeros(300)), None)


def test_callbacks_of_a_fit_in_chunks(model, sample, wanted):
    X, y = sample
    found = clone(model).set_callbacks(TextLog(io.StringIO()))
    close(found.fit(pieces(X, y), None).predict(X), wanted)


def test_data_frames_in_chunks(model, sample, wanted):
    X, y = sample
    frame = pd.DataFrame(X, columns=["one", "two"])
    found = clone(model).fit(pieces(frame, y), None)
    assert found.feature_names_in_.tolist() == ["one", "two"]
    close(found.predict(frame), wanted)
    other = frame.rename(columns={"two": "three"})
    with pytest.raises(ValueError, match="feature names of X"):
        found.partial_fit(other, y)


@pytest.mark.parametrize("labelled", [False, True])
def test_a_pickled_stream_goes_on(model, sample, labels, labelled):
    X, y = sample
    if labelled:
        model, y = EigenProClassifier(**model.get_params(False)), labels
    whole = clone(model).fit(X, y)
    model.partial_fit(X[:100], y[:100])
    again = pickle.loads(pickle.dumps(model)).partial_fit(X[100:], y[100:])
    close(again.dual_coef_, whole.dual_coef_)
    close(model.n_iter_, 1)


@pytest.mark.parametrize("labelled", [False, True])
def test_a_stream_on_a_device(cuda_stand_in, model, sample, labels, labelled):
    X, y = sample
    if labelled:
        model, y = EigenProClassifier(**model.get_params(False)), labels
    whole = clone(model).fit(X, y)
    there = clone(model).set_params(device="cuda").partial_fit(X[:100], y[:100])
    assert there.device_ == "cuda:0"
    assert type(there.dual_coef_) is np.ndarray
    # A pickle of a model from NumPy opens where there is no GPU, and goes on there.
    state = there.__getstate__()["_normal"]
    assert type(state.gram) is type(state.factor._factor) is np.ndarray
    here = pickle.loads(pickle.dumps(there)).set_params(device=None)
    for model in (here, there):
        model.partial_fit(X[100:], y[100:])
        close(model.dual_coef_, whole.dual_coef_)


def test_a_stream_of_device_arrays_comes_home(cuda_stand_in, model, sample, wanted):
    X, y = sample
    target = cuda.cuda_target()
    there = clone(model).set_params(centers=move(X[:20], target))
    there.partial_fit(move(X[:100], target), move(y[:100], target))
    assert cuda.provider.owns(there._normal.gram)
    home = skopt2.to_device(there, "cpu")
    home.partial_fit(X[100:], y[100:])
    close(home.predict(X), wanted)
    back = skopt2.to_device(home, "cuda")
    close(to_numpy(back.predict(move(X, target))), wanted)


def test_more_rows_after_a_fit_in_chunks(model, sample, wanted):
    X, y = sample
    model.fit(pieces(X[:150], y[:150]), None).partial_fit(X[150:], y[150:])
    close(model.predict(X), wanted)
