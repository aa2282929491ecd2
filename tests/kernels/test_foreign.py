"""Kernels from functions, from scikit-learn, and from matrices."""

import numpy as np
import pytest
from sklearn.gaussian_process import kernels as gp
from sklearn.metrics.pairwise import pairwise_kernels

from skopt2.kernels import (
    FromCallable,
    FromPairwise,
    Gaussian,
    KernelOperator,
    Precomputed,
    get_kernel,
)
from skopt2.kernels.from_pairwise import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_scikit_learn(rng, name):
    X, Y = rng.random((20, 4)), rng.random((10, 4))
    expected = pairwise_kernels(X, Y, metric=name)
    np.testing.assert_array_equal(FromPairwise(name)(X, Y), expected)
    kernel = FromPairwise(name)
    block = KernelOperator(kernel, X, Y).block(slice(3, 9), slice(None))
    np.testing.assert_allclose(block, expected[3:9], rtol=1e-13)


@pytest.mark.parametrize(
    "process",
    [
        gp.RBF([1.0, 2.0]),
        2.0 * gp.Matern(nu=1.5) + gp.DotProduct(),
        gp.ExpSineSquared(),
    ],
    ids=str,
)
def test_kernels_of_processes_keep_their_values(rng, process):
    X, Y = rng.standard_normal((20, 2)), rng.standard_normal((10, 2))
    kernel = get_kernel(process)
    np.testing.assert_allclose(kernel(X, Y), process(X, Y), rtol=1e-13)
    operator = KernelOperator(kernel, X)
    np.testing.assert_allclose(operator.diagonal(), process.diag(X))
    np.testing.assert_allclose(operator.product(X), process(X) @ X, atol=1e-12)


def test_white_noise_is_no_kernel(rng):
    process = gp.RBF() + gp.WhiteKernel(0.1)
    with pytest.raises(ValueError, match="white part"):
        FromPairwise(process)(rng.standard_normal((5, 2)))
    with pytest.raises(ValueError, match=r"white part.*use alpha"):
        get_kernel(process)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (FromPairwise("gausian"), "metric must be one of .* got metric='gausian'"),
        (FromPairwise("rbf", params=0.5), "params must be a dict or None"),
    ],
)
def test_parameters_out_of_range_are_named(kernel, message):
    with pytest.raises(ValueError, match=message):
        kernel.check_parameters()


def test_functions_of_single_points_are_told_apart(rng):
    def product(x, y):
        return float(np.sum(x * y))

    X = rng.standard_normal((6, 3))
    np.testing.assert_allclose(FromPairwise(product)(X), X @ X.T, atol=1e-13)
    with pytest.raises(ValueError, match=r"returned shape \(\).*FromPairwise"):
        FromCallable(product)(X)
    with pytest.raises(TypeError, match="must be a callable"):
        FromCallable("gaussian")(X)


def test_errors_of_functions_come_through_threads(rng):
    def broken(X, Y):
        raise RuntimeError("no such kernel")

    X = rng.standard_normal((1100, 2))
    operator = KernelOperator(FromCallable(broken), X, n_threads=2)
    with pytest.raises(RuntimeError, match="no such kernel"):
        operator.product(X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_precomputed_matrix_is_the_operator(rng, device_backend, dtype):
    X, Y = rng.standard_normal((40, 3)), rng.standard_normal((25, 3))
    kernel = Gaussian(length_scale=2.0)
    K, beside = kernel(X).astype(dtype), kernel(Y, X).astype(dtype)
    there = device_backend.asarray
    V, index = rng.standard_normal((40, 2)).astype(dtype), rng.permutation(40)[:7]
    atol = 1e-5 if dtype == "float32" else 1e-13
    same = KernelOperator(Precomputed(), there(K))
    other = KernelOperator(Precomputed(), there(beside), there(K))
    assert same.stored
    assert other.shape == (25, 40)
    for found, expected in (
        (same.product(there(V)), K @ V),
        (same.rows(there(index), there(V)), K[index] @ V),
        (same.block(there(index), slice(2, 9)), K[index, 2:9]),
        (same.diagonal(), np.ones(40)),
        (other.product(there(V)), beside @ V),
        (other.adjoint_product(there(beside)), beside.T @ beside),
        (
            other.rows_and_adjoint(slice(3, 9), there(V), abs)[1],
            beside[3:9].T @ abs(beside[3:9] @ V),
        ),
        (Precomputed()(there(beside), there(K)), beside),
    ):
        np.testing.assert_allclose(device_backend.to_numpy(found), expected, atol=atol)


def test_parts_of_precomputed_points_keep_their_columns(rng):
    K = Gaussian(length_scale=1.0)(rng.standard_normal((12, 2)))
    kernel = Precomputed()
    A = kernel.features(K)
    index = np.array([7, 2, 5])
    np.testing.assert_array_equal(
        kernel.block(A.part(slice(3, 6)), A.part(index)), K[3:6, index]
    )
    np.testing.assert_array_equal(kernel.diag(A.part(index)), np.diagonal(K)[index])


def test_precomputed_matrix_of_the_wrong_shape_is_named(rng):
    with pytest.raises(ValueError, match=r"each of 4 points; its shape is \(4, 3\)"):
        KernelOperator(Precomputed(), rng.random((4, 3)))


def test_blocks_of_a_kept_matrix_are_copies(rng):
    K = np.eye(4)
    operator = KernelOperator(Precomputed(), K)
    operator.block(slice(None), slice(None))[...] = 7.0
    operator.block(slice(0, 2), slice(None))[...] = 7.0
    np.testing.assert_array_equal(K, np.eye(4))
