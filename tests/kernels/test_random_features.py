"""Random features against the kernels that they stand for."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skopt2._core.threads import TaskPool
from skopt2._core.transfer import convert
from skopt2.kernels import (
    Cauchy,
    Constant,
    ExponentialPower,
    FromPairwise,
    Gaussian,
    Laplacian,
    Linear,
    Matern,
    NeuralTangent,
    Polynomial,
    Power,
    Product,
    RationalQuadratic,
    Scaled,
    Sum,
)
from skopt2.kernels import random_features as module
from skopt2.kernels.random_features import draw_features, has_features
from skopt2.kernels.spectral import draw_frequencies
from tests.kernels.reference import PROFILES, distances

KERNELS = {
    "gaussian": Gaussian(),
    "laplacian": Laplacian(),
    "cauchy": Cauchy(),
    "exponential_power-0.5": ExponentialPower(power=0.5),
    "exponential_power-1": ExponentialPower(power=1),
    "exponential_power-1.3": ExponentialPower(power=1.3),
    "exponential_power-2": ExponentialPower(power=2),
    "matern-0.5": Matern(nu=0.5),
    "matern-1.5": Matern(nu=1.5),
    "matern-2.5": Matern(nu=2.5),
    "matern-inf": Matern(nu=np.inf),
}
COMPOSITES = {
    "scaled": Scaled(Matern(1.5, 1.0), 3.0),
    "sum": Sum([Scaled(Gaussian(1.0), 2.0), Scaled(Laplacian(0.5), 0.3), Linear()]),
    "product": Product([Matern(2.5, 1.0), Cauchy(2.0)]),
    "power": Power(Matern(1.5, 2.0), 2),
    "rational": RationalQuadratic(0.3, 1.0),
    "constant": Sum([Constant(2.0), Gaussian(1.0)]),
    "expanded": Product(
        [Sum([Matern(1.5, 1.0), Constant(0.5)]), Sum([Gaussian(2.0), Constant(2.0)])]
    ),
}


@pytest.fixture(params=sorted(KERNELS))
def name(request):
    return request.param


def approximation(kernel, X, n_features, rng):
    Phi = draw_features(kernel, X, n_features, rng).transform(X)
    return Phi @ Phi.T


def check_unbiased(kernel, X, K, rng, n_features=64, n_draws=60):
    """Raise unless the mean over draws of the features is K, within its own spread."""
    draws = [approximation(kernel, X, n_features, rng) for _ in range(n_draws)]
    error = np.mean(draws, axis=0) - K
    spread = np.std(draws, axis=0, ddof=1) / np.sqrt(n_draws)
    # A bound that Student's distribution passes once in a million matrices.
    bound = stats.t.isf(0.5e-6 / K.size, n_draws - 1)
    assert (np.abs(error) <= bound * spread + 1e-12).all()
    assert spread.max() < 0.2 * K.max()


@pytest.mark.thorough
@pytest.mark.parametrize("d", [1, 3, 12])
def test_features_are_unbiased(rng, name, d):
    X = rng.standard_normal((8, d))
    length_scale = rng.uniform(0.7, 2.0, d) * np.sqrt(d)
    kernel = KERNELS[name].set_params(length_scale=length_scale)
    K = PROFILES[name](distances(X, X, length_scale))
    check_unbiased(kernel, X, K, rng)


@pytest.mark.parametrize("d", [1, 3, 12])
def test_the_diagonal_has_no_error(rng, name, d):
    X = 10.0 * rng.standard_normal((50, d))
    Phi = draw_features(KERNELS[name].set_params(length_scale=2.0), X, 20, rng)
    assert_allclose((Phi.transform(X) ** 2).sum(1), 1.0, rtol=1e-14)


@pytest.mark.parametrize("name", sorted(COMPOSITES))
def test_features_of_composite_kernels(rng, name):
    X = rng.standard_normal((8, 3))
    kernel = COMPOSITES[name]
    K = kernel(X)
    check_unbiased(kernel, X, K, rng)
    assert_allclose(np.diag(approximation(kernel, X, 64, rng)), np.diag(K))


def test_a_sum_shares_the_features_by_weight(rng):
    X = rng.standard_normal((8, 3))
    kernel = Sum([Scaled(Gaussian(1.0), 3.0), Laplacian(1.0), Constant(4.0), Linear()])
    features = draw_features(kernel, X, 400, rng)
    assert features.n_features == 400 + 3 + 1
    a = features.amplitudes
    assert_allclose(a[:150] ** 2, 3.0 / 150)
    assert_allclose(a[150:] ** 2, 1.0 / 50)
    assert (features.slope, features.constant) == (1.0, 2.0)
    # A term of little weight keeps a pair.
    kernel = Sum([Scaled(Gaussian(1.0), 1e9), Laplacian(1.0)])
    assert draw_features(kernel, X, 40, rng).amplitudes[-1] == 1.0


def test_many_features_are_near(rng, name):
    X = rng.standard_normal((60, 3))
    K = PROFILES[name](distances(X, X, 1.5))
    kernel = KERNELS[name].set_params(length_scale=1.5)
    found = approximation(kernel, X, 4000, rng)
    # Independent draws would have the standard deviation sqrt((1 + k2) / 2 - k^2) /
    # sqrt(2000), k2 < 1 the kernel at twice the distance.
    assert np.sqrt(np.mean((found - K) ** 2)) < np.sqrt(np.mean(1 - K**2) / 2000)


@pytest.mark.parametrize("kernel", [Gaussian(1.0), Matern(1.5, 1.0)])
@pytest.mark.parametrize(("d", "gain"), [(1, 3.0), (2, 2.0), (5, 1.3)])
def test_frequencies_fill_their_distribution_evenly(rng, kernel, d, gain):
    X = 0.7 * rng.standard_normal((50, d))
    K = kernel(X)
    even = [approximation(kernel, X, 512, rng) - K for _ in range(8)]
    plain = []
    for _ in range(8):
        W = rng.standard_normal((d, 256))
        if isinstance(kernel, Matern):
            W = W * np.sqrt(3.0 / rng.chisquare(3, 256))
        phase = X @ W
        plain.append(np.cos(phase[:, None, :] - phase[None, :, :]).mean(axis=2) - K)
    assert gain * np.sqrt(np.mean(np.square(even))) < np.sqrt(np.mean(np.square(plain)))


@pytest.mark.parametrize("power", [0.1, 0.2, 0.7, 1.0, 1.9])
def test_frequencies_of_heavy_tails(power):
    kernel = ExponentialPower(power=power, length_scale=1.0)
    omega = draw_frequencies([kernel], 1, 2**18, np.random.default_rng(4))
    assert np.isfinite(omega).all()
    for distance in (0.01, 0.3, 1.0, 4.0):
        expected = np.exp(-(distance**power))
        # Four standard deviations of the mean of independent cosines.
        tolerance = 4.0 * np.sqrt(0.5 / 2**18)
        assert_allclose(np.cos(distance * omega).mean(), expected, atol=tolerance)


def test_independent_coordinates_beyond_those_of_the_sequence(rng, monkeypatch):
    monkeypatch.setattr("skopt2.kernels.spectral.DIMENSIONS", 3)
    X = rng.standard_normal((8, 6))
    kernel = Matern(nu=1.5, length_scale=2.0)
    check_unbiased(kernel, X, kernel(X), rng)


def test_linear_and_affine_kernels_are_exact(rng):
    X = rng.standard_normal((20, 4))
    found = approximation(Linear(), X, 10, rng)
    assert_allclose(found, X @ X.T, atol=1e-13)
    found = approximation(Polynomial(degree=1, gamma=0.3, coef0=2.0), X, 10, rng)
    assert_allclose(found, 0.3 * X @ X.T + 2.0, atol=1e-13)
    features = draw_features(Polynomial(degree=1, coef0=0.0), X, 10, rng)
    assert features.n_features == 4
    assert_allclose(features.transform(X), 0.5 * X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", [Matern(1.5, 2.0), Polynomial(degree=1), Linear()])
def test_product_is_that_of_the_features(rng, kernel, dtype):
    X = rng.standard_normal((301, 5)).astype(dtype)
    features = draw_features(kernel, X, 600, rng)
    W = rng.standard_normal((features.n_features, 7))
    Phi = features.transform(X)
    assert Phi.dtype == dtype
    assert Phi.shape == (301, features.n_features)
    found = features.product(X, W)
    assert found.dtype == dtype
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    assert_allclose(found, Phi.astype(np.float64) @ W, atol=tolerance)


def test_product_is_the_same_for_all_threads_and_in_pieces(rng, monkeypatch):
    X = rng.standard_normal((1000, 3))
    features = draw_features(Gaussian(1.0), X, 400, rng)
    W = rng.standard_normal((400, 5))
    expected = features.product(X, W, n_threads=1)
    seen = set()

    class Pool(TaskPool):
        def run(self, work, tasks):
            seen.add(len(tasks))
            for task in reversed(tasks):
                work(*task)

    assert_array_equal(features.product(X, W, n_threads=3), expected)
    monkeypatch.setattr(module, "TaskPool", Pool)
    assert_array_equal(features.product(X, W), expected)
    assert min(seen) > 1
    pieces = [features.product(X[i : i + 77], W) for i in range(0, 1000, 77)]
    assert_allclose(np.concatenate(pieces), expected, rtol=1e-12, atol=1e-13)


def test_product_makes_no_array_of_all_features(rng):
    X = rng.standard_normal((6000, 4)).astype(np.float32)
    features = draw_features(Matern(1.5, 1.0), X, 2000, rng)
    W = rng.standard_normal((2000, 4))
    features.product(X[:10], W)
    tracemalloc.start()
    features.product(X, W)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.shape[0] * 2000 * 4 / 10


@pytest.mark.parametrize("place", [0.0, 1e4])
@pytest.mark.parametrize("kernel", [Laplacian(0.01), Gaussian(0.01)])
def test_float32_points_have_accurate_phases(rng, kernel, place):
    # Phases are about 1e3 to 1e9, far beyond what float32 resolves.
    X = (place + rng.standard_normal((200, 3))).astype(np.float32)
    features = draw_features(kernel, X, 500, np.random.default_rng(0))
    wide = features.transform(X.astype(np.float64))
    narrow = features.transform(X)
    assert narrow.dtype == np.float32
    assert_allclose(narrow, wide, atol=3e-7)
    W = rng.standard_normal((500, 3))
    assert_allclose(features.product(X, W), wide @ W, atol=1e-5)


def test_devices_agree(rng, name, device_backend):
    X = rng.standard_normal((70, 4))
    kernel = KERNELS[name].set_params(length_scale=rng.uniform(1.0, 2.0, 4))
    here = draw_features(kernel, X, 200, np.random.default_rng(1))
    there = draw_features(
        kernel, device_backend.asarray(X), 200, np.random.default_rng(1)
    )
    W = rng.standard_normal((200, 3))
    Phi = device_backend.to_numpy(there.transform(device_backend.asarray(X)))
    # Heavy tails make phases whose last digits are those of the sum.
    size = float(np.abs(here.frequencies).max()) * np.abs(X).max()
    atol = 1e-13 + 1e-14 * size
    assert_allclose(Phi, here.transform(X), atol=atol)
    found = there.product(device_backend.asarray(X), device_backend.asarray(W))
    assert_allclose(device_backend.to_numpy(found), here.product(X, W), atol=20 * atol)
    few = there.product(
        device_backend.asarray(X), device_backend.asarray(W), budget=2**16
    )
    assert_allclose(device_backend.to_numpy(few), here.product(X, W), atol=20 * atol)


def test_every_namespace(rng, backend):
    X = rng.standard_normal((30, 4))
    kernel = Polynomial(degree=1, gamma=0.5)
    for dtype in ("float32", "float64"):
        points = backend.asarray(X, dtype)
        features = draw_features(kernel, points, 20, np.random.default_rng(1))
        W = backend.asarray(rng.standard_normal((5, 2)), dtype)
        found = features.product(points, W)
        assert found.dtype == points.dtype
        expected = backend.to_numpy(features.transform(points)) @ backend.to_numpy(W)
        assert_allclose(backend.to_numpy(found), expected, atol=1e-5)


def test_equal_seeds_equal_features_and_pickles(rng, device_backend):
    X = rng.standard_normal((30, 4))
    first, second, other = (
        draw_features(Cauchy(1.0), X, 100, np.random.default_rng(seed))
        for seed in (3, 3, 4)
    )
    assert_array_equal(first.transform(X), second.transform(X))
    assert np.abs(first.transform(X) - other.transform(X)).max() > 0.1
    again = pickle.loads(pickle.dumps(first))
    assert_array_equal(again.transform(X), first.transform(X))
    moved = convert(first, device_backend.target)
    Phi = device_backend.to_numpy(moved.transform(device_backend.asarray(X)))
    assert_allclose(Phi, first.transform(X), atol=1e-10)


@pytest.mark.parametrize(
    "kernel",
    [NeuralTangent(), Polynomial(degree=2), FromPairwise("rbf"), FromPairwise("chi2")]
    + [Power(Linear(), 2), Product([Linear(), Gaussian(1.0)])],
)
def test_a_kernel_without_features_is_named(rng, kernel):
    assert not has_features(kernel)
    with pytest.raises(ValueError, match=type(kernel).__name__):
        draw_features(kernel, rng.random((5, 2)), 10, rng)


def test_unresolved_kernels_have_features(rng):
    X = rng.standard_normal((30, 4))
    for kernel in (Gaussian("median"), Polynomial(degree=1)):
        assert has_features(kernel)
        assert draw_features(kernel, X, 10, rng).transform(X).shape[0] == 30


@pytest.mark.parametrize("n_features", [0, 3, 2.0, -2])
def test_a_wrong_number_of_features(rng, n_features):
    with pytest.raises(ValueError, match="n_features must be an even number"):
        draw_features(Gaussian(1.0), rng.random((5, 2)), n_features, rng)


def test_length_scales_that_do_not_fit(rng):
    with pytest.raises(ValueError, match="length_scale .* has 3 values"):
        draw_features(Gaussian([1.0, 2.0, 3.0]), rng.random((5, 2)), 10, rng)


def test_wrong_points_and_vectors(rng):
    features = draw_features(Gaussian(1.0), rng.random((5, 2)), 10, rng)
    with pytest.raises(ValueError, match="X has 3 features, .* had 2"):
        features.transform(rng.random((5, 3)))
    with pytest.raises(ValueError, match="W must have 10 rows"):
        features.product(rng.random((5, 2)), rng.random((9, 1)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        features.transform(np.full((5, 2), np.nan))
