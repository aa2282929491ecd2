"""Kernels of the distance, against formulas of differences and scikit-learn."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.gaussian_process import kernels as gp
from sklearn.metrics.pairwise import rbf_kernel

from skopt2.kernels import (
    Cauchy,
    ExponentialPower,
    Gaussian,
    Kernel,
    KernelOperator,
    Laplacian,
    Matern,
)
from skopt2.kernels.median import median_distance
from tests.kernels.reference import PROFILES, RADIAL, distances

KERNELS = {name: kernel for name, (kernel, _) in RADIAL.items()}
# Those with a root of the squared distance at 0: rounding of p is rounding of r there.
ROUGH = {"laplacian", "exponential_power-0.5", "exponential_power-1", "matern-0.5"}


@pytest.fixture(params=sorted(KERNELS))
def name(request):
    return request.param


def both_forms(kernel, X, Y=None):
    """Return the matrix by the array formula and by the tiles in place."""
    block = KernelOperator(kernel, X, Y).block(slice(None), slice(None))
    return kernel(X, Y), block


@pytest.mark.parametrize("d", [1, 2, 3, 20])
@pytest.mark.parametrize("scales", ["one", "each"])
def test_kernels_are_their_formulas(rng, name, d, scales):
    X, Y = rng.standard_normal((30, d)), rng.standard_normal((20, d))
    length_scale = 1.7 if scales == "one" else rng.uniform(0.5, 3.0, d)
    kernel = KERNELS[name].set_params(length_scale=length_scale)
    for other in (None, Y):
        r = distances(X, X if other is None else other, length_scale)
        for K in both_forms(kernel, X, other):
            np.testing.assert_allclose(K, PROFILES[name](r), atol=1e-13)


@pytest.mark.parametrize("length_scale", [2.5, [0.5, 2.0, 4.0]])
def test_kernels_are_those_of_scikit_learn(rng, length_scale):
    X, Y = rng.standard_normal((30, 3)), rng.standard_normal((20, 3))
    for nu in (0.5, 1.5, 2.5, math.inf):
        expected = gp.Matern(length_scale=length_scale, nu=nu)(X, Y)
        found = Matern(nu=nu, length_scale=length_scale)(X, Y)
        np.testing.assert_allclose(found, expected, atol=1e-13)
    expected = gp.RBF(length_scale=length_scale)(X, Y)
    found = Gaussian(length_scale=length_scale)(X, Y)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    expected = gp.RationalQuadratic(length_scale=2.5 / math.sqrt(2.0), alpha=1.0)(X, Y)
    np.testing.assert_allclose(Cauchy(length_scale=2.5)(X, Y), expected, atol=1e-13)
    expected = rbf_kernel(X, Y, gamma=0.1)
    found = ExponentialPower(power=2, length_scale=math.sqrt(10.0))(X, Y)
    np.testing.assert_allclose(found, expected, atol=1e-13)


@pytest.mark.parametrize("d", [2, 7, 300])
def test_float32_is_within_its_rounding(rng, name, d):
    X = rng.standard_normal((150, d)).astype(np.float32)
    kernel = KERNELS[name].set_params(length_scale=float(np.sqrt(2.0 * d)))
    expected = PROFILES[name](distances(X, X, np.sqrt(2.0 * d)))
    for K in both_forms(kernel, X):
        assert K.dtype == np.float32
        np.testing.assert_allclose(K, expected, atol=3e-6)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_float32_near_points_and_far_outliers(rng, name, d):
    # The norms hide the distances within the clusters: products alone would be off by
    # up to 1 in them.
    centres = 300.0 * rng.standard_normal((5, d))
    X = np.repeat(centres, 20, axis=0) + rng.standard_normal((100, d))
    X = np.concatenate([X, [[1e5] + [0.0] * (d - 1)]]).astype(np.float32)
    kernel = KERNELS[name].set_params(length_scale=1.0)
    expected = PROFILES[name](distances(X, X, 1.0))
    for K in both_forms(kernel, X):
        np.testing.assert_allclose(K, expected, atol=5e-4 if name in ROUGH else 1e-4)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_of_the_points_is_taken_out(rng, name, unit, dtype):
    X = (unit * (5.0 + rng.standard_normal((60, 6)))).astype(dtype)
    expected = PROFILES[name](distances(X, X, 3.0 * unit))
    for K in both_forms(KERNELS[name].set_params(length_scale=3.0 * unit), X):
        np.testing.assert_allclose(K, expected, atol=1e-5 if "32" in dtype else 1e-13)
    median = KERNELS[name].set_params(length_scale="median")
    first = distances(X / unit, X / unit, median_distance(X / unit))
    np.testing.assert_allclose(
        median(X), PROFILES[name](first), atol=1e-5 if "32" in dtype else 1e-12
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length_scale", [1e-3, 1.0, 1e3])
def test_extreme_length_scales_stay_in_range(rng, name, length_scale, dtype):
    X = rng.standard_normal((80, 5)).astype(dtype)
    X[40:] = X[:40]
    expected = PROFILES[name](distances(X, X, length_scale))
    for K in both_forms(KERNELS[name].set_params(length_scale=length_scale), X):
        np.testing.assert_allclose(K, expected, atol=5e-5 if "32" in dtype else 1e-12)
        np.testing.assert_array_equal(np.diagonal(K), 1.0)
        np.testing.assert_array_equal(np.diagonal(K[40:, :40]), 1.0)


@pytest.mark.parametrize("d", [1, 2, 3, 40])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_near_pairs_have_their_own_distance(rng, d, dtype):
    # Pairs at the distance of a few roundings of their norms, for a kernel that sees r.
    X = rng.standard_normal((50, d)).astype(dtype)
    step = 1e3 * np.finfo(dtype).eps
    Y = (X + step * rng.uniform(0.5, 1.0, (50, d))).astype(dtype)
    expected = np.diagonal(distances(X, Y, 1e-2))
    for K in both_forms(Laplacian(length_scale=1e-2), X, Y):
        found = -np.log(np.diagonal(K).astype(np.float64))
        # Scaling rounds each row, by 1 / 500 of the step at most.
        atol = 4.0 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(found, expected, rtol=4e-3, atol=atol)


def test_overflow_is_an_error_or_a_zero():
    X = np.array([[1e30, 0.0, 0.0], [-1e30, 0.0, 0.0]])
    for kernel in (Matern(length_scale=1.0), Cauchy(length_scale=1.0)):
        for K in both_forms(kernel, X.astype(np.float32)):
            np.testing.assert_allclose(K, np.eye(2), atol=1e-30)
    with pytest.raises(ValueError, match="too large for float64.*larger length_scale"):
        Matern(length_scale=1.0)(1e170 * X)


def test_median_is_that_of_all_pairs(rng):
    X = rng.standard_normal((80, 3))
    assert median_distance(X) == pytest.approx(np.median(pdist(X)), rel=1e-12)
    resolved = Gaussian().resolve(X)
    assert resolved.length_scale == median_distance(X)
    assert Gaussian().length_scale == "median"


def test_median_of_many_points_is_that_of_a_sample(rng):
    X = rng.standard_normal((5000, 3))
    whole = np.median(pdist(X[::2]))
    assert median_distance(X) == pytest.approx(whole, rel=0.05)
    drawn = [median_distance(X, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == pytest.approx(whole, rel=0.05)


def test_median_of_points_that_are_mostly_equal():
    assert median_distance(np.ones((9, 2))) == 1.0
    assert median_distance(np.ones((1, 2))) == 1.0
    X = np.zeros((20, 1))
    X[0] = 3.0
    assert median_distance(X) == pytest.approx(3.0)
    assert median_distance(1e-200 * X) == pytest.approx(3e-200)
    assert median_distance(1e200 * X) == pytest.approx(3e200)
    # A shift that hides the distances in the products.
    assert median_distance(1e8 + X) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Gaussian(length_scale=0.0), "length_scale of the gaussian kernel"),
        (Gaussian(length_scale=-1.0), "got length_scale=-1.0"),
        (Gaussian(length_scale=math.inf), "positive number"),
        (Gaussian(length_scale="mean"), '"median"; got'),
        (Gaussian(length_scale=[1.0, 0.0]), "one for each feature"),
        (Gaussian(length_scale=[]), "one for each feature"),
        (Gaussian(length_scale=None), "one for each feature"),
        (Gaussian(length_scale=[[1.0]]), "one for each feature"),
        (Matern(nu=1.0), "nu of the matern kernel must be 0.5, 1.5, 2.5 or inf"),
        (Matern(nu="1.5"), "got nu='1.5'"),
        (
            ExponentialPower(power=0.0),
            "power of the exponential_power kernel must",
        ),
        (ExponentialPower(power=2.1), "Beyond 2 it is not positive definite"),
    ],
)
def test_parameters_out_of_range_are_named(rng, kernel, message):
    with pytest.raises(ValueError, match=message):
        kernel.check_parameters()
    with pytest.raises(ValueError, match=message):
        kernel(rng.standard_normal((3, 2)))


def test_length_scales_must_be_as_many_as_features(rng):
    X = rng.standard_normal((3, 2))
    with pytest.raises(ValueError, match="has 3 values, X has 2 features"):
        Gaussian(length_scale=[1.0, 2.0, 3.0])(X)
    with pytest.raises(ValueError, match="has no value yet.*kernel.resolve"):
        Gaussian().features(X)


def test_both_sides_of_a_block_have_one_origin(rng):
    X = rng.standard_normal((6, 3))
    kernel: Kernel = Gaussian(length_scale=1.0)
    origin = kernel.origin(X)
    A, B = kernel.features(X, origin), kernel.features(X)
    with pytest.raises(ValueError, match="different origins"):
        kernel.block(A, B)
    with pytest.raises(ValueError, match="different origins"):
        kernel.block(A, kernel.features(X, origin + 1.0))
    again = kernel.block(A, kernel.features(X, origin.copy()))
    np.testing.assert_array_equal(again, kernel.block(A, A))
