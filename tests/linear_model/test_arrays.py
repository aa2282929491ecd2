"""Every array namespace, device, format and dtype gives the answer of NumPy."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import move, namespace
from skopt2.linear_model import SparseClassifier, SparseRegressor, sparse_path
from tests.stand_in import DEVICES, StandInSparse

CASES = [
    ("squared", "l1"),
    ("squared", "mcp"),
    ("squared", "adaptive_l1"),
    ("huber", "scad"),
    ("poisson", "elasticnet"),
    ("logistic", "l1"),
    ("logistic", "log_sum"),
    ("multinomial", "l1"),
    ("squared_hinge", "elasticnet"),
    ("huberized_hinge", "l1"),
    ("squared", "slope"),
    ("squared", "fused_lasso"),
    ("logistic", "fused_lasso"),
    ("logistic", "slope"),
    ("multinomial", "slope"),
]


def problem(rng, loss, n=50, p=16):
    X = rng.standard_normal((n, p)) + 0.3
    eta = X[:, 0] - X[:, 1] + 0.5
    if loss == "poisson":
        return X, rng.poisson(np.exp(0.5 * eta)).astype(float)
    if loss in ("squared", "huber"):
        return X, eta + 0.5 * rng.standard_normal(n)
    if loss == "multinomial":
        scores = np.stack([eta, -X[:, 2], X[:, 3]], axis=1)
        return X, np.argmax(scores + rng.gumbel(size=(n, 3)), axis=1)
    return X, (eta + rng.logistic(size=n) > 0).astype(int)


def estimator(loss, penalty="l1", **options):
    kind = SparseRegressor if loss in ("squared", "huber", "poisson") else None
    kind = kind or SparseClassifier
    return kind(loss, penalty, **{"alpha": 0.05, "tol": 1e-10, **options})


@pytest.mark.parametrize(("loss", "penalty"), CASES)
def test_namespaces_agree(backend, dispatch, rng, loss, penalty):
    X, y = problem(rng, loss)
    weight = rng.uniform(0.5, 2.0, 50)
    here = estimator(loss, penalty).fit(X, y, weight)
    A, b, s = (backend.asarray(a) for a in (X, y, weight))
    there = estimator(loss, penalty).fit(A, b, s)
    assert namespace(there.coef_) is backend.xp
    np.testing.assert_allclose(backend.to_numpy(there.coef_), here.coef_, atol=1e-8)
    assert there.objective_ == pytest.approx(here.objective_, rel=1e-10)
    assert there.converged_
    predicted = there.predict(A)
    assert namespace(predicted) is backend.xp
    np.testing.assert_allclose(
        backend.to_numpy(predicted), here.predict(X), rtol=1e-7, atol=1e-8
    )
    if hasattr(here, "predict_proba"):
        p = backend.to_numpy(there.predict_proba(A))
        np.testing.assert_allclose(p, here.predict_proba(X), atol=1e-8)
        logs = backend.to_numpy(there.predict_log_proba(A))
        np.testing.assert_allclose(logs, here.predict_log_proba(X), atol=1e-7)


@pytest.mark.parametrize("loss", ["squared", "poisson", "logistic", "multinomial"])
def test_float32_in_every_namespace(backend, dispatch, rng, loss):
    X, y = problem(rng, loss)
    A = backend.asarray(X.astype(np.float32))
    model = estimator(loss, tol=1e-4).fit(A, backend.asarray(y))
    assert model.coef_.dtype == backend.xp.float32
    assert model.converged_
    expected = estimator(loss).fit(X, y)
    np.testing.assert_allclose(backend.to_numpy(model.coef_), expected.coef_, atol=2e-2)


def test_namespaces_do_not_mix(dispatch, rng):
    import array_api_strict

    X, y = problem(rng, "squared")
    model = estimator("squared").fit(array_api_strict.asarray(X), y)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.predict(X)


@pytest.mark.parametrize(("loss", "penalty"), CASES)
def test_numpy_computed_on_the_gpu(cuda_stand_in, rng, loss, penalty):
    """NumPy goes in and comes out; nothing crosses silently in between."""
    X, y = problem(rng, loss)
    model = estimator(loss, penalty, device="cuda").fit(X, y)
    assert model.device_ == "cuda:0"
    assert type(model.coef_) is np.ndarray
    expected = estimator(loss, penalty).fit(X, y)
    assert expected.device_ == "cpu"
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)
    np.testing.assert_allclose(model.predict(X), expected.predict(X), atol=1e-7)
    assert type(pickle.loads(pickle.dumps(model)).coef_) is np.ndarray


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
def test_sparse_data_on_the_gpu(cuda_stand_in, rng, loss, kind):
    X, y = problem(rng, loss)
    X = X * (rng.random(X.shape) < 0.4)
    expected = estimator(loss).fit(X, y)
    model = estimator(loss, device="cuda").fit(kind(X), y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)
    there = StandInSparse(sp.csr_array(X), DEVICES[0])
    model = estimator(loss).fit(there, y)
    assert cuda.provider.owns(model.coef_)
    moved = to_device(model, "cpu")
    np.testing.assert_allclose(moved.coef_, expected.coef_, atol=1e-8)
    np.testing.assert_allclose(moved.predict(X), expected.predict(X), atol=1e-7)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_gpu_arrays_stay_there(cuda_stand_in, rng, loss):
    X, y = problem(rng, loss)
    target = cuda.cuda_target("cuda:1")
    model = estimator(loss).fit(move(X, target), move(y, target))
    assert model.device_ == "cuda:1"
    assert cuda.provider.index_of(model.coef_) == 1
    assert cuda.provider.index_of(model.predict(move(X, target))) == 1
    with pytest.raises(ValueError, match="to_device"):
        model.predict(X)
    assert to_device(model, "cpu").predict(X).shape == (50,)


def test_a_gpu_that_is_not_there(no_cuda, rng):
    X, y = problem(rng, "squared")
    with pytest.raises(ImportError, match=r"skopt2\[cuda12\]"):
        SparseRegressor(device="cuda").fit(X, y)
    model = SparseRegressor(device="auto").fit(X, y)
    assert model.device_ == "cpu"


def test_text_labels_on_the_gpu(cuda_stand_in, rng):
    X, y = problem(rng, "logistic")
    model = SparseClassifier(device="cuda").fit(X, np.array(["no", "yes"])[y])
    assert set(model.predict(X)) == {"no", "yes"}


@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
@pytest.mark.parametrize(
    "kind", [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.csc_matrix, sp.coo_array]
)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_formats_and_interfaces(rng, loss, kind, fit_intercept):
    """Columns with large means: centring is implicit and exact."""
    X, y = problem(rng, loss)
    X = X * (rng.random(X.shape) < 0.4)
    X[:, 3] += 10.0
    one = estimator(loss, fit_intercept=fit_intercept).fit(X, y)
    A = kind(X)
    other = estimator(loss, fit_intercept=fit_intercept).fit(A, y)
    np.testing.assert_allclose(other.coef_, one.coef_, atol=1e-7)
    np.testing.assert_allclose(other.intercept_, one.intercept_, atol=1e-6)
    np.testing.assert_allclose(other.predict(A), one.predict(X), atol=1e-6)
    assert abs(A - kind(X)).max() == 0.0


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array])
def test_indices_of_64_bits(rng, kind):
    X, y = problem(rng, "squared")
    X = X * (rng.random(X.shape) < 0.4)
    A = kind(X)
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    expected = estimator("squared").fit(X, y)
    model = estimator("squared").fit(A, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_duplicate_entries_and_stored_zeros(rng, loss):
    """Column norms are not sums of squares of what is stored."""
    X, y = problem(rng, loss)
    X = X * (rng.random(X.shape) < 0.4)
    n, p = X.shape
    starts = np.arange(0, 2 * n * p + 1, 2 * p)
    columns = np.repeat(np.tile(np.arange(p), n), 2)
    A = sp.csr_array((np.repeat(X.ravel(), 2) / 2, columns, starts), X.shape)
    expected = estimator(loss, "mcp").fit(X, y)
    model = estimator(loss, "mcp").fit(A, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)
    assert A.nnz == 2 * n * p


def _strided(X):
    wide = np.zeros((X.shape[0], 2 * X.shape[1]), order="F")
    wide[:, ::2] = X
    return wide[:, ::2]


def _read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        _strided,
        _read_only,
        np.ndarray.tolist,
        lambda X: X[::-1][::-1],
    ],
)
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_memory_layouts(rng, layout, loss):
    X, y = problem(rng, loss)
    expected = estimator(loss).fit(X, y)
    model = estimator(loss).fit(layout(X), layout(y) if layout is _read_only else y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-9)


def test_read_only_memory_map(rng, tmp_path):
    X, y = problem(rng, "squared")
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = estimator("squared").fit(X, y)
    model = estimator("squared").fit(mapped, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert type(model.coef_) is np.ndarray


@pytest.mark.parametrize(
    "dtype", ["float16", "int8", "int64", "uint8", "bool", "object", "longdouble"]
)
@pytest.mark.parametrize("sparse", [False, True])
def test_other_dtypes_become_float64(rng, dtype, sparse):
    X, y = problem(rng, "squared")
    X = np.round(X).clip(0, 1).astype(dtype)
    if sparse and dtype in ("object", "float16", "longdouble"):
        pytest.skip("no such sparse matrix")
    expected = estimator("squared").fit(X.astype(float), y)
    model = estimator("squared").fit(sp.csr_array(X) if sparse else X, y)
    assert model.coef_.dtype == np.float64
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "int64", "object", "float16"])
def test_dtype_of_the_target(rng, dtype):
    X, y = problem(rng, "squared")
    y = np.round(y).astype(dtype)
    model = estimator("squared").fit(X, y)
    assert model.coef_.dtype == np.float64
    expected = estimator("squared").fit(X, y.astype(float))
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-9)


def test_path_on_the_gpu(cuda_stand_in, rng):
    X, y = problem(rng, "squared")
    here = sparse_path(X, y, penalty="mcp", alphas=6, eps=0.1, tol=1e-9)
    there = sparse_path(X, y, penalty="mcp", alphas=6, eps=0.1, tol=1e-9, device="cuda")
    np.testing.assert_allclose(here.coefs, there.coefs, atol=1e-8)
    assert type(there.coefs) is np.ndarray
