"""Gaussian process regression on every array namespace and device."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import move, namespace, to_numpy
from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernels import Matern as OwnMatern

KERNEL = 1.5 * Matern(1.2, nu=1.5) + WhiteKernel(0.1)
ITERATIVE = {
    "optimizer": None,
    "tol": 1e-5,
    "max_iter": 2000,
    "n_samples": 6,
    "n_features": 200,
    "random_state": 0,
}
MODELS = [
    GaussianProcessRegressor(KERNEL, optimizer=None, normalize_y=True),
    GaussianProcessRegressor(
        RBF(1.0) + WhiteKernel(0.1), optimizer_size=40, random_state=0
    ),
    GaussianProcessRegressor(
        OwnMatern(nu=2.5, length_scale=np.array([1.0, 2.0, 1.5])), alpha=0.1
    ),
    GaussianProcessRegressor(KERNEL, solver="sap", **ITERATIVE),
    GaussianProcessRegressor(KERNEL, solver="cg", variance="solves", **ITERATIVE),
]
IDS = ["exact", "fitted", "own", "sap", "cg"]


@pytest.fixture
def X(rng):
    return rng.standard_normal((90, 3))


@pytest.fixture
def y(X, rng):
    return np.sin(2.0 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(90)


@pytest.fixture
def new(rng):
    return rng.standard_normal((15, 3))


def answers(model, Z):
    """Return everything that a fitted process is asked, by name."""
    mean, std = model.predict(Z, return_std=True)
    return {
        "mean": mean,
        "std": std,
        "cov": model.predict(Z, return_cov=True)[1],
        "draws": model.sample_y(Z, 4, random_state=1),
        "paths": model.sample_paths(3, random_state=2)(Z),
    }


def atol(model):
    """Return how much answers of different namespaces may differ."""
    return 1e-6 if model.optimizer is None else 1e-4


def check(found, wanted, owns, tolerance):
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert owns(value), name
        assert_allclose(to_numpy(value), wanted[name], atol=tolerance, err_msg=name)


@pytest.mark.parametrize("model", MODELS, ids=IDS)
@pytest.mark.parametrize("targets", [1, 2])
def test_namespaces_agree(device_backend, dispatch, X, y, new, model, targets):
    y = y if targets == 1 else np.stack([y, X[:, 2]], axis=1)
    here = clone(model).fit(X, y)
    A, b, Z = (device_backend.asarray(a) for a in (X, y, new))

    def owns(value):
        return namespace(value) is device_backend.xp

    there = clone(model).fit(A, b)
    assert owns(there.X_train_)
    assert owns(there.alpha_)
    assert there.solver_ == here.solver_
    check(answers(there, Z), answers(here, new), owns, atol(model))
    here = clone(model).fit(X[:70], y[:70]).partial_fit(X[70:], y[70:])
    there = clone(model).fit(A[:70, ...], b[:70, ...])
    there.partial_fit(A[70:, ...], b[70:, ...])
    assert owns(there.X_train_)
    check(answers(there, Z), answers(here, new), owns, atol(model))


@pytest.mark.parametrize("solver", ["cholesky", "sap", "cg"])
def test_float32_in_every_namespace(device_backend, dispatch, X, y, new, solver):
    model = GaussianProcessRegressor(KERNEL, solver=solver, **ITERATIVE)
    A, b, Z = (device_backend.asarray(a, np.float32) for a in (X, y, new))
    there = clone(model).fit(A, b)
    found = answers(there, Z)
    assert all(a.dtype == device_backend.xp.float32 for a in found.values())
    here = clone(model).fit(X, y)
    wanted = here.predict(new)
    assert_allclose(device_backend.to_numpy(found["mean"]), wanted, atol=1e-4)
    there.partial_fit(A, b)
    here.partial_fit(X, y)
    assert there.predict(Z).dtype == device_backend.xp.float32
    found = device_backend.to_numpy(there.predict(Z))
    assert_allclose(found, here.predict(new), atol=1e-4)


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_numpy_computed_on_the_gpu(cuda_stand_in, X, y, new, model):
    """NumPy goes in and comes out; nothing crosses silently in between."""
    here = clone(model).fit(X, y)
    there = clone(model).set_params(device="cuda").fit(X, y)
    assert here.device_ == "cpu"
    assert there.device_ == "cuda:0"

    def owns(value):
        return type(value) is np.ndarray

    opened = pickle.loads(pickle.dumps(there)).set_params(device=None)
    for name in ("X_train_", "y_train_", "alpha_"):
        assert owns(getattr(there, name))
    for one in (there, opened):
        check(answers(one, new), answers(here, new), owns, atol(model))
    for one in (here, there, opened):
        one.partial_fit(new, np.ones(15))
    assert there.device_ == "cuda:0"
    for one in (there, opened):
        check(answers(one, new), answers(here, new), owns, atol(model))


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_gpu_arrays_stay_there(cuda_stand_in, X, y, new, model):
    there = cuda.cuda_target("cuda:1")
    here = clone(model).fit(X, y)
    A, b, Z = (move(a, there) for a in (X, y, new))
    model = clone(model).fit(A, b)
    assert model.device_ == "cuda:1"

    def owns(value):
        return cuda.provider.owns(value) and cuda.provider.index_of(value) == 1

    assert owns(model.X_train_)
    assert owns(model.alpha_)
    wanted = answers(here, new)
    check(answers(model, Z), wanted, owns, atol(model))
    for method in ("predict", "partial_fit"):
        with pytest.raises(ValueError, match=rf"{method}\(\) must use.*to_device"):
            getattr(model, method)(*((X,) if method == "predict" else (X, y)))
    moved = pickle.loads(pickle.dumps(to_device(model, "cpu")))
    assert moved.device_ == "cpu"

    def local(value):
        return type(value) is np.ndarray

    check(answers(moved, new), wanted, local, atol(model))
    back = to_device(moved, "cuda:1")
    check(answers(back, Z), wanted, owns, atol(model))
    for one in (model, back):
        one.partial_fit(Z, move(np.ones(15), there))
    moved.partial_fit(new, np.ones(15))
    wanted = answers(moved, new)
    for one in (model, back):
        check(answers(one, Z), wanted, owns, atol(model))


def test_a_gpu_that_is_not_there(no_cuda, X, y):
    with pytest.raises(ImportError, match=r"skopt2\[cuda12\]"):
        GaussianProcessRegressor(device="cuda").fit(X, y)
    model = GaussianProcessRegressor(KERNEL, optimizer=None, device="auto").fit(X, y)
    assert model.device_ == "cpu"


def test_namespaces_do_not_mix(dispatch, X, y):
    import array_api_strict

    model = GaussianProcessRegressor(KERNEL, optimizer=None)
    model.fit(array_api_strict.asarray(X), y)
    for wrong in (lambda: model.predict(X), lambda: model.partial_fit(X, y)):
        with pytest.raises(ValueError, match="same namespace and the same device"):
            wrong()


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
@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_layouts_and_dtypes(X, y, spoil, solver):
    A = spoil(X)
    plain = np.ascontiguousarray(np.asarray(A, dtype=np.float64))
    model = GaussianProcessRegressor(KERNEL, solver=solver, **ITERATIVE)
    wanted = clone(model).fit(plain, y).predict(plain)
    assert_allclose(clone(model).fit(A, y).predict(A), wanted, atol=1e-9)
    grown = clone(model).fit(A[:50], y[:50]).partial_fit(A[50:], y[50:])
    assert_allclose(grown.predict(A), wanted, atol=1e-4)


def test_read_only_memory(tmp_path, X, y):
    np.save(tmp_path / "X.npy", X)
    A = np.load(tmp_path / "X.npy", mmap_mode="r")
    for solver in ("cholesky", "sap"):
        model = GaussianProcessRegressor(KERNEL, solver=solver, **ITERATIVE)
        wanted = clone(model).fit(X, y).predict(X)
        np.testing.assert_array_equal(model.fit(A, y).predict(A), wanted)
        model.partial_fit(A, y)
    np.testing.assert_array_equal(A, X)


def test_the_data_may_change_after_the_fit(X, y, new):
    model = GaussianProcessRegressor(KERNEL, optimizer=None)
    A = X.copy()
    model.fit(A, y)
    before = model.predict(new)
    A[:] = 0.0
    np.testing.assert_array_equal(model.predict(new), before)
    B = new.copy()
    model.partial_fit(B, np.ones(15))
    before = model.predict(new)
    B[:] = 0.0
    np.testing.assert_array_equal(model.predict(new), before)


def test_hyperparameters_on_all_rows_of_a_device(cuda_stand_in, X, y, new):
    model = GaussianProcessRegressor(
        RBF(1.0) + WhiteKernel(0.1),
        optimizer="pathwise",
        optimizer_size=40,
        random_state=0,
    )
    here = clone(model).fit(X, y)
    there = clone(model).set_params(device="cuda").fit(X, y)
    assert_allclose(there.kernel_.theta, here.kernel_.theta, atol=1e-3)
    assert_allclose(there.predict(new), here.predict(new), atol=1e-3)
    start = clone(model).set_params(optimizer="subset").fit(X, y)
    assert np.abs(here.kernel_.theta - start.kernel_.theta).max() > 1e-2


@pytest.mark.parametrize("solver", ["cholesky", "sap", "cg"])
def test_what_goes_on_in_float64(device_backend, dispatch, monkeypatch, new, solver):
    monkeypatch.setattr("skopt2.gaussian_process.posterior_plan.DOUBLE", 30)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3))
    y = np.sin(2.0 * X[:, 0]) + X[:, 1]
    A, b, Z = (device_backend.asarray(a, np.float32) for a in (X, y, new))
    options = {**ITERATIVE, "tol": 5e-3, "solver": solver}
    kernel = RBF(20.0)
    there = GaussianProcessRegressor(kernel, alpha=1e-4, **options).fit(A, b)
    xp = device_backend.xp
    assert there.X_train_.dtype == there.y_train_.dtype == there.alpha_.dtype
    assert there.alpha_.dtype == xp.float64
    mean, std = there.predict(Z, return_std=True)
    assert mean.dtype == std.dtype == xp.float32
    assert there.converged_
    H = kernel(X) + 1e-4 * np.eye(200)
    wanted = kernel(new, X) @ np.linalg.solve(H, y)
    error = np.linalg.norm(device_backend.to_numpy(mean) - wanted)
    assert error < 5e-3 * np.linalg.norm(y[:15])
