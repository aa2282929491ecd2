"""Weighted sums over derivatives of kernel matrices, against the whole derivatives."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy.special import gamma, kv
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as gp

from skopt2.kernels import DenseWeights, Matern, OuterWeights, ProcessKernel
from skopt2.kernels import process_gradient as driver

C, White, RBF, ARD = gp.ConstantKernel, gp.WhiteKernel, gp.RBF, [1.0, 2.0, 3.0]
KERNELS = [
    RBF(2.0),
    RBF(ARD),
    *(gp.Matern(scale, nu=nu) for nu in (0.5, 1.5, 2.5) for scale in (2.0, ARD)),
    gp.Matern(ARD, nu=math.inf),
    gp.RationalQuadratic(1.3, alpha=0.7),
    gp.RationalQuadratic(1.3, alpha=30.0),
    gp.DotProduct(0.8),
    C(2.0),
    White(0.3),
    gp.ExpSineSquared(1.2, 2.0),
    gp.ExpSineSquared(1.2, 2.0, "fixed"),
    gp.ExpSineSquared(1.2, 2.0, periodicity_bounds="fixed"),
]
TREES = [
    2.0 * RBF(ARD) + White(0.2),
    3.0 * gp.Matern(ARD, nu=2.5) + C(0.5) + gp.DotProduct(),
    2.0 * RBF(1.0) * gp.Matern(ARD, nu=1.5) * 3.0 + gp.DotProduct(),
    (C(2.0) + RBF()) * (gp.Matern(nu=0.5) + White(0.3)),
    gp.DotProduct() * (RBF(1.5) + 2.0 * gp.RationalQuadratic()) * RBF(ARD),
    RBF() * (gp.DotProduct() + RBF(2.0) * (gp.DotProduct(0.5) + C(3.0)) + C(2.0)),
    (RBF() + 2.0 * gp.DotProduct() + White(0.5)) ** 2,
    (C(2.0) + RBF(ARD)) ** 1.7,
    (2.0 * RBF(ARD) + 1.0) ** 3 * gp.Matern(1.5),
    gp.ExpSineSquared(1.0, 2.0) * RBF() + gp.ExpSineSquared() * White(0.3),
    C(2.0) * C(3.0) * White(0.2) + C(2.0) * C(3.0),
    (C(2.0) * C(3.0) + 1.0) * RBF(),
    gp.DotProduct() * White(0.3) + White(0.1) * C(2.0) + RBF(),
]
FIXED = [
    RBF(1.0, "fixed") * 2.0 + gp.RationalQuadratic(alpha_bounds="fixed") + White(0.2),
    C(2.0, "fixed") * gp.Matern(ARD, nu=1.5) + White(0.2, "fixed"),
    2.0 * gp.Matern(ARD, "fixed", nu=0.5) * gp.DotProduct(0.5, "fixed"),
    gp.RationalQuadratic(1.3, 0.7, "fixed") * RBF(ARD, "fixed") * 3.0,
    gp.ExpSineSquared(1.0, 2.0, "fixed") + gp.DotProduct(1.0, "fixed") * White(),
    3.0 * gp.Matern(2.0, "fixed", nu=2.5) + gp.RationalQuadratic(1.0, 1.0, "fixed"),
]
RTOL = {"float64": 1e-10, "float32": 1e-4}


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.fixture
def small_tiles(monkeypatch):
    """Several rows and columns of tiles for a hundred points."""
    monkeypatch.setattr(driver, "_ROWS", 16)
    monkeypatch.setattr(driver, "_TILE", 16 * 37)


def points(rng, n=101, d=3, dtype="float64"):
    return rng.standard_normal((n, d)).astype(dtype)


def weights_of(rng, n):
    """Yield weights of each kind with their matrix, none of which nearly cancel."""
    U, V = rng.uniform(0.2, 1.0, (2, n, 4))
    G = rng.uniform(0.2, 1.0, (n, n))
    scale = np.array([2.0, -0.2, 0.5, 0.0])
    symmetric = G + G.T
    yield DenseWeights(G), G
    for triangle, fill in (("lower", np.tril), ("upper", np.triu)):
        half = np.where(fill(np.ones((n, n))) > 0.0, symmetric, np.nan)
        yield DenseWeights(half, triangle), symmetric
    yield OuterWeights(U, V), U @ V.T
    yield OuterWeights(U, scale * U), (U * scale) @ U.T
    yield OuterWeights(U[:, 0], V[:, 0]), np.outer(U[:, 0], V[:, 0])


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("kernel", KERNELS + TREES + FIXED, ids=str)
def test_sums_are_those_of_scikit_learn(rng, kernel, dtype):
    X = points(rng, dtype=dtype)
    _, derivatives = kernel(X.astype(np.float64), eval_gradient=True)
    process = ProcessKernel(kernel)
    for weights, G in weights_of(rng, 101):
        found = process.gradient(X, weights)
        assert (found.shape, found.dtype) == (process.theta.shape, np.float64)
        expected = np.tensordot(G, derivatives, 2)
        np.testing.assert_allclose(found, expected, rtol=RTOL[dtype], atol=1e-300)


def test_usual_tiles_give_the_sums_of_scikit_learn(rng, dtype):
    X = points(rng, 1100, 5, dtype)
    kernel = 2.0 * gp.Matern([1.0, 2.0, 3.0, 4.0, 5.0], nu=1.5) + White(0.1)
    U = rng.standard_normal((1100, 3))
    _, derivatives = kernel(X.astype(np.float64), eval_gradient=True)
    expected = np.einsum("ic,jc,ijk->k", U, U, derivatives, optimize=True)
    found = ProcessKernel(kernel).gradient(X, OuterWeights(U, U))
    np.testing.assert_allclose(found, expected, rtol=RTOL[dtype])


def test_gradient_of_the_likelihood_is_that_of_scikit_learn(rng):
    X = points(rng, 150)
    kernel = 2.0 * gp.Matern(ARD, nu=2.5) + gp.RationalQuadratic() + White(0.1)
    y = np.sin(X[:, 0]) + 0.3 * rng.standard_normal(150)
    model = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(X, y)
    _, expected = model.log_marginal_likelihood(kernel.theta, eval_gradient=True)
    inverse = np.linalg.inv(kernel(X))
    alpha = inverse @ y
    weights = DenseWeights(0.5 * (np.outer(alpha, alpha) - inverse))
    found = ProcessKernel(kernel).gradient(X, weights)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_kernels_that_scikit_learn_differentiates_badly(rng):
    X = points(rng, 60)
    r = np.sqrt(((X[:, None] - X[None]) ** 2).sum(axis=2))
    G = rng.uniform(0.2, 1.0, (60, 60))
    t, nu = np.sqrt(1.6) * r / 1.5 + np.eye(60), 0.8
    slope = 2.0 ** (1.0 - nu) / gamma(nu) * t ** (nu + 1.0) * kv(nu - 1.0, t)
    np.fill_diagonal(slope, 0.0)
    found = ProcessKernel(gp.Matern(1.5, nu=nu)).gradient(X, DenseWeights(G))
    np.testing.assert_allclose(found, [(G * slope).sum()], rtol=1e-10)
    slope = -0.7 * r**2 * np.exp(-0.7 * r**2)
    kernel = gp.PairwiseKernel(gamma=0.7, metric="rbf")
    found = ProcessKernel(kernel).gradient(X, DenseWeights(G))
    np.testing.assert_allclose(found, [(G * slope).sum()], rtol=1e-10)


class Weighted(gp.Kernel):
    """Kernel of a user, a constant times the linear one, with its own derivative."""

    def __init__(self, weight=1.0, weight_bounds=(1e-5, 1e5)):
        self.weight = weight
        self.weight_bounds = weight_bounds

    @property
    def hyperparameter_weight(self):
        return gp.Hyperparameter("weight", "numeric", self.weight_bounds)

    def __call__(self, X, Y=None, eval_gradient=False):
        K = self.weight * (X @ (X if Y is None else Y).T)
        return (K, K[:, :, None]) if eval_gradient else K

    def diag(self, X):
        return self.weight * (X * X).sum(axis=1)

    def is_stationary(self):
        return False


@pytest.mark.usefixtures("small_tiles")
def test_kernels_of_users_give_their_own_derivatives(rng):
    X, kernel = points(rng, 50), Weighted(3.0) * (RBF(2.0) + White(0.5))
    K = Weighted(3.0)(X)
    E = RBF(2.0)(X)
    r2 = ((X[:, None] - X[None]) ** 2).sum(axis=2) / 4.0
    for weights, G in weights_of(rng, 50):
        expected = [
            (G * K * (E + 0.5 * np.eye(50))).sum(),
            (G * K * E * r2).sum(),
            0.5 * (np.diagonal(G) * np.diagonal(K)).sum(),
        ]
        found = ProcessKernel(kernel).gradient(X, weights)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.usefixtures("small_tiles")
def test_number_of_threads_changes_no_bit(rng, dtype):
    X, U = points(rng, 300, 4, dtype), rng.standard_normal((300, 3))
    process = ProcessKernel(
        2.0 * RBF([1.0] * 4) * gp.DotProduct() + gp.RationalQuadratic() ** 2
    )
    results = [process.gradient(X, OuterWeights(U, U), n_threads=k) for k in (1, 2, 3)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("kernel", KERNELS[1:9:2] + TREES, ids=str)
def test_devices_give_the_sums_of_the_host(rng, device_backend, kernel, dtype):
    X = points(rng, 45, dtype=dtype)
    there, process = device_backend.asarray(X), ProcessKernel(kernel)
    for weights, G in weights_of(rng, 45):
        if isinstance(weights, DenseWeights):
            moved = device_backend.asarray(np.asarray(weights.G))
            moved = DenseWeights(moved, weights.triangle)
        else:
            moved = OuterWeights(*map(device_backend.asarray, (weights.U, weights.V)))
        expected = process.gradient(X, weights)
        for given in (weights, moved):
            for budget in (None, 40_000):
                found = process.gradient(there, given, budget=budget)
                scale = 100.0 * np.finfo(dtype).eps * np.abs(G).sum()
                np.testing.assert_allclose(found, expected, rtol=1e-6, atol=scale)


def test_many_periods_keep_their_sums(rng, dtype):
    X = np.sort(rng.uniform(1e3, 1.03e3, (80, 1)), axis=0).astype(dtype)
    kernel = gp.ExpSineSquared(0.8, 0.3)
    _, derivatives = kernel(X.astype(np.float64), eval_gradient=True)
    G = rng.uniform(0.2, 1.0, (80, 80))
    expected = np.tensordot(G, derivatives, 2)
    found = ProcessKernel(kernel).gradient(X, DenseWeights(G))
    np.testing.assert_allclose(found, expected, rtol=RTOL[dtype])


def test_devices_turn_periods_as_the_host_does(rng, device_backend, dtype):
    X = points(rng, 45, 1, dtype)
    process = ProcessKernel(2.0 * gp.ExpSineSquared(0.8, 0.3) * RBF(3.0))
    weights = OuterWeights(*rng.uniform(0.2, 1.0, (2, 45, 2)))
    there = device_backend.asarray(X)
    found = process.gradient(there, weights, budget=40_000)
    rtol = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, process.gradient(X, weights), rtol=rtol)


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5, math.inf])
def test_the_place_of_the_points_makes_no_difference(rng, nu, dtype):
    X = points(rng, 90)
    X[60:] = X[:30]
    kernel = gp.Matern(ARD, nu=nu)
    _, derivatives = kernel(X, eval_gradient=True)
    # Duplicates, and weights on the diagonal that would drown the rest in rounding.
    G = rng.uniform(0.2, 1.0, (90, 90)) + 1e5 * np.eye(90)
    expected = np.tensordot(G, derivatives, 2)
    shifted = (X.astype(dtype) + np.asarray(64.0, dtype)).astype(dtype)
    found = ProcessKernel(kernel).gradient(shifted, DenseWeights(G))
    rtol = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(found, expected, rtol=rtol)


@pytest.mark.parametrize("length_scale", [1e-3, 1e3])
@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5, math.inf])
def test_extreme_length_scales_keep_their_sums(rng, nu, length_scale, dtype):
    X = points(rng, 60)
    X[30:] = X[:30] + 0.5 * length_scale * rng.uniform(0.5, 1.0, (30, 3))
    kernel = gp.Matern([length_scale, 2 * length_scale, length_scale], nu=nu)
    _, derivatives = kernel(X, eval_gradient=True)
    G = rng.uniform(0.2, 1.0, (60, 60))
    expected = np.tensordot(G, derivatives, 2)
    found = ProcessKernel(kernel).gradient(X.astype(dtype), DenseWeights(G))
    # float32 holds differences of 1e-3 between points of size 1 to 1e-4.
    rtol = 1e-8 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(found, expected, rtol=rtol)


def test_no_matrix_is_kept(rng):
    X, U = points(rng, 4000, 6, "float32"), points(rng, 4000, 3, "float32")
    process = ProcessKernel(2.0 * gp.Matern([1.0] * 6, nu=1.5) + White())
    weights = OuterWeights(U, U)
    tracemalloc.start()
    try:
        process.gradient(X, weights, n_threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 4000**2 / 10


def test_parameters_may_all_be_fixed(rng):
    X, weights = points(rng, 4), DenseWeights(np.eye(4))
    for kernel in (RBF(1.0, "fixed") + White(1.0, "fixed"), Matern(length_scale=1.0)):
        assert ProcessKernel(kernel).gradient(X, weights).shape == (0,)


def test_one_point_has_a_gradient():
    process = ProcessKernel(2.0 * RBF(1.0) + White(0.5))
    found = process.gradient([[3.0]], OuterWeights([2.0], [3.0]))
    np.testing.assert_allclose(found, [12.0, 0.0, 3.0])


def test_bad_weights_are_named(rng):
    process, X = ProcessKernel(RBF()), points(rng, 5)
    with pytest.raises(TypeError, match=r"DenseWeights\(G\) or OuterWeights.*ndarray"):
        process.gradient(X, np.eye(5))
    with pytest.raises(ValueError, match="weights for 4 points; X has 5"):
        process.gradient(X, DenseWeights(np.eye(4)))
    with pytest.raises(ValueError, match=r"square matrix.*shape is \(2, 3\)"):
        DenseWeights(np.ones((2, 3)))
    with pytest.raises(ValueError, match="triangle must be None.*'left'"):
        DenseWeights(np.eye(2), "left")
    with pytest.raises(ValueError, match=r"shapes \(3, 2\) and \(3, 1\)"):
        OuterWeights(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(ValueError, match="X has values that are NaN"):
        process.gradient(np.full((5, 1), np.nan), DenseWeights(np.eye(5)))
