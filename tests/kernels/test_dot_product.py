"""Kernels of the inner product, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import linear_kernel, polynomial_kernel

from skopt2.kernels import KernelOperator, Linear, Polynomial


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 6, 7])
@pytest.mark.parametrize("gamma", [None, 0.3])
def test_polynomials_are_those_of_scikit_learn(rng, degree, gamma):
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((20, 4))
    kernel = Polynomial(degree=degree, gamma=gamma, coef0=0.5)
    expected = polynomial_kernel(X, Y, degree=degree, gamma=gamma, coef0=0.5)
    np.testing.assert_allclose(kernel(X, Y), expected, rtol=1e-12, atol=1e-12)
    block = KernelOperator(kernel, X, Y).block(slice(None), slice(None))
    np.testing.assert_allclose(block, expected, rtol=1e-12, atol=1e-12)


def test_linear_is_that_of_scikit_learn(rng):
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((20, 4))
    np.testing.assert_allclose(Linear()(X, Y), linear_kernel(X, Y), atol=1e-13)


def test_gamma_is_resolved(rng):
    kernel = Polynomial().resolve(rng.standard_normal((3, 8)))
    assert (kernel.gamma, Polynomial().gamma) == (0.125, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"degree": 0}, "degree of the polynomial kernel.*got degree=0"),
        ({"degree": 2.5}, "positive integer"),
        ({"gamma": 0.0}, "gamma of the polynomial kernel.*got gamma=0.0"),
        ({"gamma": "scale"}, "got gamma='scale'"),
        ({"coef0": -1.0}, "not positive semidefinite"),
    ],
)
def test_parameters_out_of_range_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        Polynomial(**params).check_parameters()
