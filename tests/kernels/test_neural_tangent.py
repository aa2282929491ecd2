"""The neural tangent kernel against its recursion and a wide network."""

import math

import numpy as np
import pytest

from skopt2.kernels import KernelOperator, NeuralTangent
from tests.kernels.reference import neural_tangent


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("bias", [0.0, 0.7])
@pytest.mark.parametrize("d", [1, 2, 6])
def test_kernel_is_the_recursion(rng, depth, bias, d):
    X, Y = rng.standard_normal((12, d)), rng.standard_normal((9, d))
    Y[0], Y[1] = 3.0 * X[0], -2.0 * X[0]
    kernel = NeuralTangent(depth=depth, bias=bias)
    expected = [[neural_tangent(x, y, depth, bias) for y in Y] for x in X]
    # The recursion takes the arc cosine near 1, and loses half of all digits there.
    atol = 1e-6 * np.abs(expected).max()
    np.testing.assert_allclose(kernel(X, Y), expected, atol=atol)
    if d > 1:
        difference = (kernel(X, Y) - expected)[:, 2:]
        assert np.abs(difference).max() < 1e-10 * np.abs(expected).max()
    block = KernelOperator(kernel, X, Y).block(slice(None), slice(None))
    np.testing.assert_allclose(block, kernel(X, Y), rtol=1e-12)


def wide_network_gradients(X, depth, bias, width, rng):
    """Return the inner products of the gradients of a random network, by backprop."""
    layers, values = [], [X.T]
    for _ in range(depth):
        W = rng.standard_normal((width, values[-1].shape[0]))
        layers.append(W)
        values.append(math.sqrt(2.0 / width) * np.maximum(W @ values[-1], 0.0))
    top = rng.standard_normal(width)
    # Output top . values[-1] + bias * b: gradients in top and in its bias.
    total = values[-1].T @ values[-1] + bias**2
    back = np.repeat(top[:, None], X.shape[0], axis=1)
    for W, value, below in zip(
        layers[::-1], values[:0:-1], values[-2::-1], strict=True
    ):
        back = math.sqrt(2.0 / width) * back * (value > 0)
        total += (back.T @ back) * (below.T @ below + bias**2)
        back = W.T @ back
    return total


@pytest.mark.parametrize(("depth", "bias"), [(1, 0.0), (2, 0.8)])
def test_kernel_is_the_limit_of_wide_networks(rng, depth, bias):
    X = rng.standard_normal((6, 3))
    draws = [wide_network_gradients(X, depth, bias, 1000, rng) for _ in range(12)]
    error = np.std(draws, axis=0) / math.sqrt(len(draws))
    K = NeuralTangent(depth=depth, bias=bias)(X)
    difference = np.abs(np.mean(draws, axis=0) - K)
    assert (difference < 5.0 * error + 0.005 * np.abs(K).max()).all()
    assert (error < 0.03 * np.abs(K).max()).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_directions_are_exact(rng, dtype):
    X = rng.standard_normal((40, 30)).astype(dtype)
    kernel = NeuralTangent(depth=3, bias=0.5)
    expected = 4.0 * ((X.astype(np.float64) ** 2).sum(axis=1) + 0.25)
    for K in (
        kernel(X, X.copy()),
        KernelOperator(kernel, X).block(slice(None), slice(None)),
    ):
        rtol = 1e-6 if dtype == "float32" else 1e-14
        np.testing.assert_allclose(np.diagonal(K), expected, rtol=rtol)


@pytest.mark.parametrize("unit", [1e-15, 1e6])
def test_without_bias_it_is_homogeneous(rng, unit):
    X = rng.standard_normal((10, 4)).astype(np.float32)
    X[0] = 0.0
    kernel = NeuralTangent()
    K = kernel(X)
    np.testing.assert_array_equal(K[0], 0.0)
    scaled = kernel(X, (unit * X).astype(np.float32))
    np.testing.assert_allclose(scaled, unit * K, rtol=1e-4, atol=1e-6 * unit)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"depth": 0}, "depth of the neural_tangent kernel.*got depth=0"),
        ({"depth": 1.5}, "positive integer"),
        ({"bias": -0.1}, "bias of the neural_tangent kernel.*got bias=-0.1"),
    ],
)
def test_parameters_out_of_range_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        NeuralTangent(**params).check_parameters()
