"""The kernel estimators on every array namespace and device."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import move, namespace, to_numpy
from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.kernels import Gaussian, Matern

OPTIONS = {"alpha": 0.3, "tol": 1e-6, "max_iter": 500, "random_state": 0}
MODELS = [
    EigenProRegressor(Gaussian(1.5), **OPTIONS),
    EigenProRegressor("laplacian", solver="sap", batch_size=30, **OPTIONS),
    EigenProRegressor("matern", solver="eigenpro", batch_size=30, **OPTIONS),
    EigenProRegressor("laplacian", solver="sdd", **{**OPTIONS, "alpha": 5.0}),
    EigenProRegressor("laplacian", solver="cg", **OPTIONS),
    EigenProRegressor("laplacian", centers=30, **OPTIONS),
    EigenProRegressor("laplacian", centers=30, solver="eigenpro", **OPTIONS),
    EigenProRegressor("laplacian", early_stopping=True, **OPTIONS),
    EigenProClassifier("laplacian", **OPTIONS),
    EigenProClassifier("laplacian", centers=30, **OPTIONS),
    EigenProClassifier("laplacian", early_stopping=True, **OPTIONS),
]


@pytest.fixture
def X(rng):
    return rng.standard_normal((120, 3))


@pytest.fixture
def y(X, rng):
    return np.sin(2.0 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(120)


def target(model, y):
    return y if isinstance(model, EigenProRegressor) else np.digitize(y, [-0.5, 0.5])


def outputs(model):
    classifies = isinstance(model, EigenProClassifier)
    return ("decision_function", "predict_proba") if classifies else ("predict",)


@pytest.mark.parametrize("model", MODELS)
def test_namespaces_agree(backend, dispatch, rng, X, y, model):
    y = target(model, y)
    weight = rng.uniform(0.5, 2.0, 120)
    here = clone(model).fit(X, y, weight)
    A, b, s = (backend.asarray(a) for a in (X, y, weight))
    there = clone(model).fit(A, b, s)
    assert namespace(there.dual_coef_) is backend.xp
    assert namespace(there.centers_) is backend.xp
    assert there.solver_ == here.solver_
    assert there.stop_reason_ == here.stop_reason_
    for name in outputs(model):
        found = getattr(there, name)(A)
        assert namespace(found) is backend.xp
        wanted = getattr(here, name)(X)
        np.testing.assert_allclose(backend.to_numpy(found), wanted, atol=1e-6)


@pytest.mark.parametrize("solver", ["cholesky", "sap", "eigenpro", "sdd", "cg"])
def test_float32_in_every_namespace(backend, dispatch, X, y, solver):
    options = {**OPTIONS, "alpha": 1.0, "tol": 1e-3}
    model = EigenProRegressor("laplacian", solver=solver, **options)
    A, b = (backend.asarray(a, np.float32) for a in (X, y))
    there = clone(model).fit(A, b)
    assert there.dual_coef_.dtype == backend.xp.float32
    assert there.predict(A).dtype == backend.xp.float32
    assert there.converged_
    wanted = clone(model).set_params(tol=1e-9, solver="cholesky").fit(X, y).predict(X)
    error = np.linalg.norm(backend.to_numpy(there.predict(A)) - wanted)
    assert error < 2e-3 * np.linalg.norm(y)


@pytest.mark.parametrize("model", MODELS)
def test_numpy_computed_on_the_gpu(cuda_stand_in, X, y, model):
    """NumPy goes in and comes out; nothing crosses silently in between."""
    y = target(model, y)
    here = clone(model).fit(X, y)
    there = clone(model).set_params(device="cuda").fit(X, y)
    assert here.device_ == "cpu"
    assert there.device_ == "cuda:0"
    opened = pickle.loads(pickle.dumps(there)).set_params(device=None)
    for name in ("dual_coef_", "centers_"):
        assert type(getattr(there, name)) is np.ndarray
    for name in outputs(model):
        wanted = getattr(here, name)(X)
        for one in (there, opened):
            np.testing.assert_allclose(getattr(one, name)(X), wanted, atol=1e-6)


@pytest.mark.parametrize("model", [MODELS[1], MODELS[5], MODELS[8]])
def test_gpu_arrays_stay_there(cuda_stand_in, X, y, model):
    there = cuda.cuda_target("cuda:1")
    y = target(model, y)
    here = clone(model).fit(X, y)
    model = clone(model).fit(move(X, there), move(y, there))
    assert model.device_ == "cuda:1"
    assert cuda.provider.index_of(model.dual_coef_) == 1
    found = model.predict(move(X, there))
    assert cuda.provider.index_of(found) == 1
    with pytest.raises(ValueError, match="to_device"):
        model.predict(X)
    moved = to_device(model, "cpu")
    assert pickle.loads(pickle.dumps(moved)).predict(X).shape == (120,)
    np.testing.assert_allclose(moved.predict(X), here.predict(X), atol=1e-6)
    np.testing.assert_allclose(to_numpy(found), here.predict(X), atol=1e-6)


def test_arrays_as_length_scales_and_centres(cuda_stand_in, X, y):
    scales = np.array([1.0, 2.0, 5.0])
    for kernel in (Matern(length_scale=scales), "matern"):
        model = EigenProRegressor(
            kernel, length_scale=scales, centers=X[:30], device="cuda"
        )
        there = model.fit(X, y)
        here = clone(model).set_params(device=None).fit(X, y)
        assert type(there.kernel_.length_scale) is np.ndarray
        np.testing.assert_allclose(there.predict(X), here.predict(X), atol=1e-8)


def test_text_labels_on_the_gpu(cuda_stand_in, X, y):
    labels = np.where(y > 0, "up", "down")
    model = EigenProClassifier(device="cuda").fit(X, labels)
    assert set(model.predict(X)) == {"up", "down"}


def test_a_gpu_that_is_not_there(no_cuda, X, y):
    with pytest.raises(ImportError, match=r"skopt2\[cuda12\]"):
        EigenProRegressor(device="cuda").fit(X, y)
    assert EigenProRegressor(device="auto").fit(X, y).device_ == "cpu"


def test_namespaces_do_not_mix(dispatch, X, y):
    import array_api_strict

    model = EigenProRegressor().fit(array_api_strict.asarray(X), y)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.predict(X)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda X: np.asfortranarray(X),
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X.tolist(),
        lambda X: (X * 8).astype(np.int32),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(object),
    ],
)
def test_layouts_and_dtypes(X, y, spoil):
    A = spoil(X)
    plain = np.ascontiguousarray(np.asarray(A, dtype=np.float64))
    model = EigenProRegressor("laplacian", alpha=0.3)
    wanted = clone(model).fit(plain, y).predict(plain)
    np.testing.assert_allclose(model.fit(A, y).predict(A), wanted, atol=1e-9)


def test_read_only_memory(tmp_path, X, y):
    path = tmp_path / "X.npy"
    np.save(path, X)
    A = np.load(path, mmap_mode="r")
    for solver in ("cholesky", "sap", "eigenpro"):
        model = EigenProRegressor("laplacian", alpha=0.3, solver=solver, random_state=0)
        wanted = clone(model).fit(X, y).predict(X)
        np.testing.assert_array_equal(model.fit(A, y).predict(A), wanted)
    np.testing.assert_array_equal(A, X)
