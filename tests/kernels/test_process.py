"""Kernel objects of scikit-learn against their translation."""

import math
import pickle

import numpy as np
import pytest
from sklearn.gaussian_process import kernels as gp

from skopt2.kernels import (
    FromPairwise,
    Gaussian,
    KernelOperator,
    Linear,
    Matern,
    Periodic,
    ProcessKernel,
    RationalQuadratic,
    Scaled,
    get_kernel,
)

CLEAN = [
    gp.RBF(1.5),
    gp.RBF([1.0, 2.0, 3.0]),
    gp.RBF([1.5]),
    3.0 * gp.Matern(2.0, nu=0.5),
    2.0 * gp.Matern([1.0, 2.0, 0.5], nu=1.5),
    gp.Matern(2.0, nu=2.5) * 0.1 * gp.RBF(1.0),
    gp.Matern(2.0, nu=math.inf) ** 2,
    gp.Matern(2.0, nu=0.8),
    gp.RationalQuadratic(1.3, alpha=0.4) ** 1.5,
    gp.DotProduct(0.7) + 1.0,
    (2.0 * gp.DotProduct(0.7)) ** 3,
    (gp.RBF() + gp.DotProduct(0.1)) ** 2 * gp.Matern(),
    gp.Matern() ** 1.5,
    gp.ExpSineSquared(1.0, 2.0) * gp.RBF([1.0, 2.0, 3.0]) + gp.DotProduct(),
    gp.PairwiseKernel(metric="polynomial"),
    gp.PairwiseKernel(metric="polynomial") ** 2 * gp.ExpSineSquared(0.7, 3.0) ** 2,
]
WHITE = [
    gp.WhiteKernel(0.3),
    gp.RBF() + gp.WhiteKernel(0.3),
    2.0 * (gp.RBF() + gp.WhiteKernel(0.3)) + gp.WhiteKernel(0.1),
    (gp.DotProduct() + gp.WhiteKernel(0.2)) * (gp.RBF() + gp.WhiteKernel(0.5)),
    (gp.DotProduct() + 2.0 * gp.WhiteKernel(0.2)) ** 2,
    gp.DotProduct() * gp.WhiteKernel(2.0) + gp.Matern() * 3.0,
]


@pytest.mark.parametrize("kernel", CLEAN, ids=str)
def test_signals_have_the_values_of_the_kernel(rng, kernel):
    X, Y = rng.standard_normal((60, 3)), rng.standard_normal((50, 3))
    process = ProcessKernel(kernel)
    assert process.noise(X) == 0.0
    expected = kernel(X, Y)
    scale = 1e-13 * np.abs(expected).max()
    np.testing.assert_allclose(process.signal(X, Y), expected, atol=scale)
    operator = KernelOperator(process.signal, X)
    np.testing.assert_allclose(operator.diagonal(), kernel.diag(X), atol=scale)
    np.testing.assert_allclose(get_kernel(kernel)(X, Y), expected, atol=scale)


@pytest.mark.parametrize("kernel", WHITE, ids=str)
def test_white_parts_are_noise_on_the_diagonal(rng, kernel):
    X, Y = rng.standard_normal((60, 3)), rng.standard_normal((50, 3))
    X[1] = X[0]
    process = ProcessKernel(kernel)
    assert process.is_noisy
    noise = process.noise(X)
    assert isinstance(noise, float) or (noise.shape, noise.dtype) == ((60,), "float64")
    expected = kernel(X)
    found = process.signal(X) + np.diag(np.broadcast_to(noise, 60))
    scale = 1e-13 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=scale)
    np.testing.assert_allclose(process.signal(X, Y), kernel(X, Y), atol=scale)
    with pytest.raises(ValueError, match="white part"):
        get_kernel(kernel)


def test_noise_lives_beside_the_points(rng, device_backend):
    X = rng.standard_normal((20, 3)).astype(np.float32)
    process = ProcessKernel(gp.DotProduct() * gp.WhiteKernel(2.0))
    there = device_backend.asarray(X)
    noise = process.noise(there)
    assert type(noise) is type(there)
    found = device_backend.to_numpy(noise)
    assert found.dtype == np.float64
    expected = 2.0 + 2.0 * (X.astype(np.float64) ** 2).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert ProcessKernel(gp.RBF() + gp.WhiteKernel(2.0)).noise(there) == 2.0


def test_usual_kernels_take_their_fast_forms():
    for kernel, expected in (
        (gp.RBF(2.0), Gaussian),
        (gp.ConstantKernel(2.0) * gp.RBF(2.0), Scaled),
        (gp.Matern([1.0, 2.0], nu=2.5) + gp.WhiteKernel(), Matern),
        (gp.RationalQuadratic(2.0, alpha=0.5), RationalQuadratic),
        (gp.ExpSineSquared(2.0, 0.5) ** 2, Periodic),
    ):
        assert type(ProcessKernel(kernel).signal) is expected
    wrapped = ProcessKernel(gp.Matern(nu=0.8)).signal
    assert type(wrapped) is FromPairwise

    class Own(gp.RBF):
        """May have other values than the class that it is made from."""

    assert type(get_kernel(Own())) is FromPairwise


def test_theta_is_that_of_scikit_learn():
    kernel = 2.0 * gp.RBF([1.0, 3.0]) + gp.WhiteKernel(0.5, "fixed")
    process = ProcessKernel(kernel)
    np.testing.assert_array_equal(process.theta, kernel.theta)
    np.testing.assert_array_equal(process.bounds, kernel.bounds)
    other = process.with_theta(np.log([4.0, 5.0, 6.0]))
    np.testing.assert_allclose(np.exp(other.theta), [4.0, 5.0, 6.0])
    assert other.signal.variance == pytest.approx(4.0)
    np.testing.assert_array_equal(process.theta, kernel.theta)
    assert other.noise([[0.0, 0.0]]) == 0.5
    with pytest.raises(ValueError, match=r"theta has shape \(2,\).*has 3 parameters"):
        process.with_theta([0.0, 0.0])
    fixed = ProcessKernel(gp.RBF(2.0, "fixed"))
    assert (fixed.theta.shape, fixed.bounds.shape) == ((0,), (0, 2))


def test_kernels_of_the_package_have_no_theta(rng):
    kernel = Matern(length_scale=2.0)
    process = ProcessKernel(kernel)
    assert process.signal is kernel
    assert (process.theta.shape, process.bounds.shape) == ((0,), (0, 2))
    assert process.with_theta([]) is process
    assert process.noise(rng.standard_normal((3, 2))) == 0.0


def test_pickles_are_the_same_kernel(rng):
    X = rng.standard_normal((5, 2))
    process = ProcessKernel(2.0 * gp.RBF() + gp.WhiteKernel(0.5))
    before = process.signal(X)
    copy = pickle.loads(pickle.dumps(process))
    np.testing.assert_array_equal(copy.signal(X), before)
    assert repr(copy) == f"ProcessKernel({process.kernel!r})"


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("matern", "kernel='matern' is no kernel object"),
        (gp.RBF, "is no kernel object"),
        (Linear, "is no kernel object"),
        (3.0, "kernel=3.0 is no kernel object"),
    ],
)
def test_what_is_no_kernel_object_is_named(kernel, message):
    with pytest.raises(ValueError, match=message):
        ProcessKernel(kernel)


def test_compounds_are_refused():
    with pytest.raises(ValueError, match="several kernels at once"):
        get_kernel(gp.CompoundKernel([gp.RBF(), gp.RBF()]))


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match="length_scale of the gaussian kernel"):
        get_kernel(gp.RBF(-1.0))
