"""The estimator around kernel thinning."""

import math
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

import skopt2
from skopt2._core.array import namespace
from skopt2.kernel_machine import KernelThinning
from skopt2.kernels import Gaussian, Matern


@pytest.fixture
def X():
    return np.random.default_rng(0).standard_normal((200, 3))


def test_fitted_attributes(X):
    model = KernelThinning(length_scale=1.0, random_state=0).fit(X)
    assert model.indices_.shape == (14,)
    assert (np.diff(model.indices_) > 0).all()
    assert_array_equal(model.coreset_, X[model.indices_])
    weight = np.full(200, 1.0 / 200)
    weight[model.indices_] -= 1.0 / 14
    exact = math.sqrt(weight @ Gaussian(length_scale=1.0)(X) @ weight)
    assert model.mmd_ == pytest.approx(exact, rel=1e-9)
    assert model.mmd_ < model.mmd_split_
    assert model.device_ == "cpu"


@pytest.mark.parametrize("variant", ["target", "power", "plus"])
@pytest.mark.parametrize("kernel", ["gaussian", "laplacian", Matern(2.5)])
def test_variants(X, variant, kernel):
    model = KernelThinning(kernel, 20, variant=variant, random_state=0).fit(X)
    other = KernelThinning("gaussian", 20, n_swaps=0, random_state=0).fit(X)
    assert model.indices_.shape == (20,)
    assert model.mmd_ < model.mmd_split_
    assert other.mmd_ == other.mmd_split_


def test_variants_split_differently():
    X = np.random.default_rng(0).standard_normal((1500, 2))
    sets = [
        KernelThinning("matern", variant=variant, n_swaps=0, random_state=0)
        .fit(X)
        .indices_.tolist()
        for variant in ("target", "power", "plus")
    ]
    assert sets[0] != sets[1] != sets[2] != sets[0]


def test_random_state(X):
    first = KernelThinning(size=20, n_swaps=0, random_state=0).fit(X).indices_
    again = KernelThinning(size=20, n_swaps=0, random_state=0).fit(X).indices_
    other = KernelThinning(size=20, n_swaps=0, random_state=1).fit(X).indices_
    assert_array_equal(first, again)
    assert (first != other).any()


def test_transform_is_the_kernel_to_the_coreset(X):
    model = KernelThinning(length_scale=2.0, size=10, random_state=0).fit(X)
    K = model.transform(X[:7])
    expected = np.exp(-0.125 * ((X[:7, None] - X[model.indices_]) ** 2).sum(axis=2))
    assert_allclose(K, expected, rtol=1e-12)
    assert model.get_feature_names_out().tolist() == [
        f"kernelthinning{i}" for i in range(10)
    ]


def test_pipeline_regresses_on_the_coreset(X):
    y = np.sin(X[:, 0]) + X[:, 1] ** 2
    model = make_pipeline(KernelThinning(size=60, random_state=0), LinearRegression())
    assert model.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.8


def test_resample_takes_the_same_rows(X):
    pd = pytest.importorskip("pandas")
    model = KernelThinning(random_state=0).fit(X)
    y = np.arange(200)
    rows, labels = model.resample(X, y)
    assert_array_equal(rows, model.coreset_)
    assert_array_equal(labels, model.indices_)
    assert model.resample(y.tolist()) == model.indices_.tolist()
    frame = pd.DataFrame({"a": y})
    assert model.resample(frame)["a"].tolist() == model.indices_.tolist()
    sparse = model.resample(sp.csr_array(X))
    assert_array_equal(sparse.toarray(), model.coreset_)
    with pytest.raises(ValueError, match="each of the 200 rows of the fit; got 7"):
        model.resample(y[:7])


def test_float32_stays(X):
    model = KernelThinning(random_state=0).fit(X.astype(np.float32))
    assert model.coreset_.dtype == np.float32
    assert model.transform(X.astype(np.float32)).dtype == np.float32


def test_kernels_of_scikit_learn_and_callables(X):
    model = KernelThinning(RBF(1.5), 12, random_state=0).fit(X)
    same = KernelThinning("gaussian", 12, length_scale=1.5, random_state=0).fit(X)
    assert_array_equal(model.indices_, same.indices_)

    def kernel(A, B):
        return np.exp(-((A[:, None] - B) ** 2).sum(axis=2) / 4.5)

    model = KernelThinning(kernel, 12, random_state=0).fit(X)
    assert_array_equal(model.indices_, same.indices_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 0}, "size must be an integer from 1 to 200 or None"),
        ({"size": 201}, "got size=201. There are n_samples=200 rows"),
        ({"size": 3.5}, "got size=3.5"),
        ({"variant": "root"}, "variant must be one of 'target', 'power', 'plu"),
        ({"delta": 0.0}, r"delta must be a number in \(0, 1\)"),
        ({"delta": "a"}, r"delta must be a number in \(0, 1\)"),
        ({"n_swaps": -1}, "n_swaps must be a nonnegative integer"),
        ({"kernel": "unknown"}, "kernel must be one of"),
        ({"kernel": "precomputed"}, "no rows to choose"),
        ({"kernel": "cauchy", "variant": "plus"}, "no known power kernel"),
        ({"device": "tpu"}, "device must be"),
    ],
)
def test_bad_parameters_leave_the_fit_alone(X, parameters, message):
    model = KernelThinning(random_state=0).fit(X)
    before = dict(vars(model))
    model.set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    after = dict(vars(model))
    for name in before:
        if name.endswith("_"):
            assert after[name] is before[name]


def test_namespaces_agree(X, device_backend, dispatch, cuda_stand_in):
    expected = KernelThinning(random_state=0).fit(X)
    X_there = device_backend.asarray(X)
    model = KernelThinning(random_state=0).fit(X_there)
    assert namespace(model.coreset_) is namespace(X_there)
    assert_array_equal(device_backend.to_numpy(model.indices_), expected.indices_)
    K = model.transform(X_there)
    assert_allclose(device_backend.to_numpy(K), expected.transform(X), rtol=1e-12)
    assert_array_equal(
        device_backend.to_numpy(model.resample(X_there)), expected.coreset_
    )


def test_device_computes_and_host_gets(X, cuda_stand_in):
    model = KernelThinning(random_state=0, device="cuda").fit(X)
    expected = KernelThinning(random_state=0).fit(X)
    assert model.device_ == "cuda:0"
    assert isinstance(model.coreset_, np.ndarray)
    assert_array_equal(model.indices_, expected.indices_)
    assert_allclose(model.transform(X), expected.transform(X), rtol=1e-12)


def test_models_move_and_pickle(X, cuda_stand_in):
    model = KernelThinning(random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), model.transform(X))
    moved = skopt2.to_device(model, "cuda")
    assert moved.device_ == "cuda:0"
    back = skopt2.to_device(moved, "cpu")
    assert_array_equal(back.coreset_, model.coreset_)
    assert clone(model).get_params() == model.get_params()
