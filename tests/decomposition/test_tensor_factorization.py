"""CP factorisations: recovery, shapes, arrays, runs, bad input."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint
from skopt2.decomposition import MatrixFactorization, TensorFactorization


def model(**options):
    return TensorFactorization(**{"n_components": 3, "random_state": 0, **options})


def alternating_least_squares(X, k, sweeps, rng):
    """Return the error of plain nonnegative ALS by NNLS-free projected solves."""
    n, a, b = X.shape
    blocks = [rng.random((d, k)) for d in (n, a, b)]
    specs = ["nab,ak,bk->nk", "nab,nk,bk->ak", "nab,nk,ak->bk"]
    for _ in range(sweeps):
        for m, spec in enumerate(specs):
            others = [A for i, A in enumerate(blocks) if i != m]
            G = (others[0].T @ others[0]) * (others[1].T @ others[1])
            B = np.einsum(spec, X, *others)
            A = blocks[m]
            for j in range(k):
                A[:, j] = np.maximum(A[:, j] + (B[:, j] - A @ G[:, j]) / G[j, j], 0)
    return np.linalg.norm(X - np.einsum("nk,ak,bk->nab", *blocks))


def cosine(found, planted):
    """Return the smallest cosine of planted components to the found ones."""
    unit = [M / np.linalg.norm(M, axis=1, keepdims=True) for M in (found, planted)]
    near = np.abs(unit[1] @ unit[0].T)
    rows, columns = linear_sum_assignment(-near)
    return near[rows, columns].min()


@pytest.fixture
def planted(rng):
    return [rng.random((3, d)) * (rng.random((3, d)) < 0.7) for d in (6, 5)]


@pytest.fixture
def X(rng, planted):
    return np.einsum("nk,ka,kb->nab", rng.random((25, 3)), *planted)


def test_recovers_planted_factors(X, planted):
    fit = model(tol=1e-8, max_iter=5000).fit(X)
    assert fit.converged_
    assert fit.shape_ == (6, 5)
    for found, wanted in zip(fit.factors_, planted, strict=True):
        assert cosine(found, wanted) > 0.999
        assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    product = np.einsum("ka,kb->kab", *fit.factors_).reshape(3, -1)
    assert_allclose(fit.components_, product, rtol=1e-12)
    codes = fit.transform(X)
    assert_allclose(fit.inverse_transform(codes), X, atol=1e-4)
    assert fit.reconstruction_err_ < 1e-4 * np.linalg.norm(X)


def test_recovers_samples_of_three_modes(rng):
    planted = [rng.random((2, d)) for d in (4, 3, 5)]
    X = np.einsum("nk,ka,kb,kc->nabc", rng.random((20, 2)), *planted)
    fit = model(n_components=2, tol=1e-8, max_iter=5000).fit(X)
    for found, wanted in zip(fit.factors_, planted, strict=True):
        assert cosine(found, wanted) > 0.999
    assert fit.inverse_transform(fit.transform(X)).shape == X.shape


def test_signed_factors_are_recovered_too(rng):
    planted = [rng.standard_normal((3, d)) for d in (6, 5)]
    X = np.einsum("nk,ka,kb->nab", rng.standard_normal((25, 3)), *planted)
    fit = model(nonnegative=False, tol=1e-8, max_iter=5000).fit(X)
    for found, wanted in zip(fit.factors_, planted, strict=True):
        assert cosine(found, wanted) > 0.999


def test_no_worse_than_plain_sweeps(rng):
    X = rng.random((20, 8, 7))
    wanted = alternating_least_squares(X, 4, 500, np.random.default_rng(1))
    found = [
        model(n_components=4, init="random", random_state=seed, tol=1e-6, max_iter=3000)
        .fit(X)
        .reconstruction_err_
        for seed in range(3)
    ]
    assert min(found) <= wanted * 1.002


def test_rows_of_a_shape_are_the_same(X):
    flat, options = X.reshape(25, -1), {"tol": 1e-6}
    fit = model(**options).fit(X)
    again = model(shape=(6, 5), **options).fit(flat)
    assert_array_equal(fit.components_, again.components_)
    assert_array_equal(fit.transform(flat), fit.transform(X))
    assert again.inverse_transform(again.transform(X)).shape == (25, 30)
    assert fit.inverse_transform(fit.transform(X)).shape == (25, 6, 5)


def test_one_mode_is_a_matrix(X):
    flat = X.reshape(25, -1)
    H = np.random.default_rng(0).random((3, 30))
    fit = model(init=[H], tol=1e-7, max_iter=3000).fit(flat)
    other = MatrixFactorization(3, init=H, tol=1e-7, max_iter=3000).fit(flat)
    assert fit.shape_ == (30,)
    unit = np.linalg.norm(other.components_, axis=1, keepdims=True)
    assert_allclose(fit.components_, other.components_ / unit, atol=1e-4)


@pytest.mark.parametrize("solver", ["hals", "bcd-pr"])
def test_objective_never_increases(rng, solver):
    X = rng.random((20, 6, 5))
    options = {"solver": solver, "alpha_W": 0.01, "l1_ratio": 0.5}
    fit = model(**options, tol=1e-6, max_iter=3000, init="random").fit(X)
    assert fit.converged_
    history = fit.history_
    assert np.diff(history["objective"]).max() <= 1e-15
    W, blocks = fit.transform(X), fit.factors_
    loss = 0.5 * np.sum((X - np.einsum("nk,ka,kb->nab", W, *blocks)) ** 2)

    def phi(A):
        return 0.5 * np.abs(A).sum() + 0.25 * np.sum(A * A)

    loss += 0.01 * (30 * phi(W) + 20 * sum(phi(A) for A in blocks))
    assert fit.objective_ == pytest.approx(loss / 600, rel=1e-6)
    assert ("stationarity" in history) == (solver == "bcd-pr")


def test_sparse_codes_under_bounded_factors(rng, X):
    X = X + 0.05 * rng.random(X.shape)
    options = {"bounded": True, "alpha_H": 0.0}
    dense = model(**options).fit(X)
    fit = model(penalty="mcp", alpha_W=0.02, **options).fit(X)
    for factor in fit.factors_:
        assert np.linalg.norm(factor, axis=1).max() <= 1.0 + 1e-9
    assert np.mean(fit.transform(X) > 0) < np.mean(dense.transform(X) > 0)


def test_weights_are_repetitions(rng):
    X, times = rng.random((20, 5, 4)), rng.integers(0, 4, 20)
    for init in ("svd", "random"):
        fit = model(init=init).fit(X, sample_weight=times)
        again = model(init=init).fit(np.repeat(X, times, axis=0))
        assert_allclose(fit.components_, again.components_, rtol=1e-6, atol=1e-9)
        assert fit.objective_ == pytest.approx(again.objective_)


def test_float32_stays_and_agrees(X):
    wide, fit = model().fit(X), model().fit(X.astype(np.float32))
    codes = fit.transform(X.astype(np.float32))
    assert fit.factors_[0].dtype == codes.dtype == np.float32
    assert fit.converged_
    assert cosine(fit.components_, wide.components_) > 0.999


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("solver", ["hals", "bcd-pr"])
def test_other_arrays_give_the_same(device_backend, X, solver):
    options = {"max_iter": 10, "tol": 0.5, "solver": solver}
    wanted, there = model(**options).fit(X), device_backend.asarray(X)
    fit = model(**options).fit(there)
    found = device_backend.to_numpy(fit.components_)
    assert_allclose(found, wanted.components_, rtol=1e-7, atol=1e-12)
    codes = fit.transform(there)
    assert type(codes) is type(there)
    assert_allclose(device_backend.to_numpy(codes), wanted.transform(X), atol=1e-7)
    back = device_backend.to_numpy(fit.inverse_transform(codes))
    assert_allclose(back, wanted.inverse_transform(wanted.transform(X)), atol=1e-7)


def test_device_is_used_and_left(cuda_stand_in, X):
    options = {"max_iter": 10, "tol": 0.5}
    there, here = model(device="cuda", **options).fit(X), model(**options).fit(X)
    assert there.device_ == "cuda:0"
    assert isinstance(there.factors_[1], np.ndarray)
    assert_allclose(there.components_, here.components_, rtol=1e-8, atol=1e-12)
    assert_allclose(there.transform(X), here.transform(X), atol=1e-8)


def test_warm_start_and_given_factors(X):
    fit = model(warm_start=True, tol=1e-8, max_iter=5000).fit(X)
    first, before = fit.n_iter_, fit.components_
    fit.fit(X)
    assert fit.n_iter_ < max(0.2 * first, 11)
    assert_allclose(fit.components_, before, atol=1e-5)
    again = model(init=before_factors(fit), tol=1e-5).fit(X)
    assert again.n_iter_ <= 5
    assert_allclose(again.components_, before, atol=1e-3)


def before_factors(fit):
    """Return copies of fitted factors."""
    return [factor.copy() for factor in fit.factors_]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_continues_from_a_checkpoint(tmp_path, X):
    path = tmp_path / "fit.npz"
    straight = model(max_iter=20, tol=0.0).fit(X)
    part = model(max_iter=10, tol=0.0)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    whole = model(max_iter=20, tol=0.0).set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == 20
    assert_allclose(whole.components_, straight.components_, rtol=1e-9, atol=1e-12)


def test_stops_pickles_and_clones(X):
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(tol=0.0, time_limit=1e-9).fit(X)
    assert (fit.stop_reason_, fit.n_iter_) == ("time_limit", 5)
    fit = model().fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)
    names = list(fit.get_feature_names_out())
    assert names == [f"tensorfactorization{j}" for j in range(3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": 0}, "n_components must be a positive integer"),
        ({"n_components": "auto"}, "n_components must be a positive integer"),
        ({"shape": (6, 4)}, r"samples of shape \(6, 5\)"),
        ({"shape": 6}, "shape must be None or the lengths"),
        ({"shape": (6, 0)}, "shape must be None or the lengths"),
        ({"nonnegative": "both"}, "nonnegative must be one of"),
        ({"solver": "als"}, "solver must be one of"),
        ({"alpha_W": 1.0, "alpha_H": 0.0}, "without alpha_H has no effect"),
        ({"prox": 0.0}, "prox must be a positive number"),
        ({"init": "hosvd"}, "init must be one of"),
        ({"init": np.ones((3, 6))}, "a list of 2 factors"),
        ({"init": [np.ones((3, 6))]}, "a list of 2 factors"),
        ({"init": [np.ones((3, 6)), np.ones((3, 4))]}, r"expected \(3, 5\)"),
        ({"init": [np.ones((3, 6)), -np.ones((3, 5))]}, "negative"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_is_refused(X):
    with pytest.raises(ValueError, match="Negative values in data"):
        model().fit(-X)
    with pytest.raises(ValueError, match="NaN"):
        model().fit(np.where(X > 0.5, np.nan, X))
    with pytest.raises(TypeError, match="[Ss]parse"):
        model().fit(sp.csr_array(X.reshape(25, -1)))
    with pytest.raises(ValueError, match="does not multiply to the 30 features"):
        model(shape=(6, 4)).fit(X.reshape(25, -1))
    fit = model().fit(X)
    with pytest.raises(ValueError, match=r"expected \(6, 5\)"):
        fit.transform(X.transpose(0, 2, 1))
    with pytest.raises(ValueError, match="3 components"):
        fit.inverse_transform(np.ones((2, 4)))
