"""The exact log marginal likelihood against scikit-learn and finite differences."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)

from skopt2.kernels.process import ProcessKernel
from skopt2.solvers.kernel.likelihood import (
    likelihood_system,
    likelihood_weights,
    log_likelihood,
)

KERNELS = {
    "rbf": RBF([1.0, 2.0, 0.5]),
    "matern12": 0.7 * Matern([1.0, 2.0, 0.5], nu=0.5),
    "matern32": 1.5 * Matern([1.0, 2.0, 0.5], nu=1.5) + WhiteKernel(0.1),
    "matern52": Matern(0.8, nu=2.5) + WhiteKernel(0.2),
    "matern-inf": Matern([0.8, 1.0, 1.0], nu=np.inf),
    "rational": 2.0 * RationalQuadratic(0.7, 1.3),
    "sum": ConstantKernel(0.3) + DotProduct(0.5) + RBF(2.0),
    "product": ConstantKernel(1.2) * RBF(1.0) * Matern(2.0, nu=1.5),
    "white-inside": 1.7 * (RBF(1.0) + WhiteKernel(0.3)),
    "fixed": ConstantKernel(2.0, "fixed") * RBF([1.0, 1.0, 2.0]) + WhiteKernel(0.1),
    "power": RBF(1.5) ** 2 + WhiteKernel(0.2),
    "periodic": ExpSineSquared(1.2, 2.0) + WhiteKernel(0.2),
}


def data(n=60, d=3, c=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    Y = np.sin(X @ rng.standard_normal((d, c))) + 0.1 * rng.standard_normal((n, c))
    return X, Y


def reference(kernel, X, Y, alpha):
    model = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None).fit(X, Y)
    return model.log_marginal_likelihood(kernel.theta, eval_gradient=True)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("targets", ["vector", "columns"])
def test_value_and_gradient_are_those_of_scikit_learn(name, targets, rng):
    kernel = KERNELS[name]
    d = 1 if name == "periodic" else 3
    X, Y = data(d=d, c=3 if targets == "columns" else 1)
    Y = Y[:, 0] if targets == "vector" else Y
    alpha = rng.uniform(0.05, 0.2, len(X))
    value, slope = reference(kernel, X, Y, alpha)
    found = log_likelihood(ProcessKernel(kernel), X, Y, alpha, gradient=True)
    assert_allclose(found.value, value, rtol=1e-8)
    assert_allclose(found.gradient, slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())
    alone = log_likelihood(ProcessKernel(kernel), X, Y, alpha)
    assert alone.value == pytest.approx(found.value, rel=1e-14)
    assert alone.gradient is None


@pytest.mark.parametrize("noise", [1e-6, 1e-2, 1.0])
def test_more_rows_than_a_block_of_weights(noise):
    kernel = KERNELS["matern32"]
    X, Y = data(n=300, c=2)
    value, slope = reference(kernel, X, Y, noise)
    found = log_likelihood(ProcessKernel(kernel), X, Y, noise, gradient=True)
    assert_allclose(found.value, value, rtol=1e-8)
    assert_allclose(found.gradient, slope, rtol=1e-6)


def test_gradient_is_that_of_finite_differences():
    process = ProcessKernel(KERNELS["matern32"])
    X, Y = data(c=2)
    slope = log_likelihood(process, X, Y, 0.03, gradient=True).gradient
    step, eye = 1e-5, np.eye(process.theta.size)
    for k, e in enumerate(eye):
        up, down = (
            log_likelihood(process.with_theta(process.theta + s * e), X, Y, 0.03).value
            for s in (step, -step)
        )
        assert slope[k] == pytest.approx((up - down) / (2.0 * step), rel=1e-5)


def test_large_offsets_of_points_and_scales_of_targets():
    X, Y = data()
    process = ProcessKernel(KERNELS["matern32"])
    near = log_likelihood(process, X, 1e3 * Y, 0.1, gradient=True)
    far = log_likelihood(process, X + 1e4, 1e3 * Y, 0.1, gradient=True)
    assert_allclose(far.value, near.value, rtol=1e-8)
    assert_allclose(far.gradient, near.gradient, rtol=1e-6)
    value, slope = reference(process.kernel, X, 1e3 * Y, 0.1)
    assert_allclose(near.value, value, rtol=1e-8)
    assert_allclose(near.gradient, slope, rtol=1e-6)


@pytest.mark.parametrize("name", ["matern32", "sum", "rational"])
def test_every_namespace_gives_the_same(backend, name):
    X, Y = data(c=2)
    process = ProcessKernel(KERNELS[name])
    noise = np.linspace(0.05, 0.2, len(X))
    expected = log_likelihood(process, X, Y, noise, gradient=True, keep=True)
    found = log_likelihood(
        process,
        backend.asarray(X),
        backend.asarray(Y),
        backend.asarray(noise),
        gradient=True,
        keep=True,
    )
    assert_allclose(found.value, expected.value, rtol=1e-9)
    assert_allclose(found.gradient, expected.gradient, rtol=1e-7)
    assert_allclose(backend.to_numpy(found.coef), expected.coef, rtol=1e-7, atol=1e-9)
    assert type(found.coef) is type(backend.asarray(Y))


def test_single_precision_is_computed_in_double():
    X, Y = (values.astype(np.float32) for values in data())
    process = ProcessKernel(KERNELS["rbf"])
    found = log_likelihood(process, X, Y, 1e-5, gradient=True)
    value, slope = reference(process.kernel, X.astype(float), Y.astype(float), 1e-5)
    assert_allclose(found.value, value, rtol=1e-8)
    assert_allclose(found.gradient, slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


def test_what_is_kept_solves_the_system():
    X, Y = data(c=2)
    kernel = KERNELS["matern32"]
    found = log_likelihood(ProcessKernel(kernel), X, Y, 0.1, gradient=True, keep=True)
    H = kernel(X) + 0.1 * np.eye(len(X))
    assert_allclose(found.coef, np.linalg.solve(H, Y), rtol=1e-9)
    # The gradient has not overwritten the factor.
    assert_allclose(H @ found.factor.solve(Y), Y, atol=1e-12)
    assert found.factor.log_determinant() == pytest.approx(np.linalg.slogdet(H)[1])
    assert log_likelihood(ProcessKernel(kernel), X, Y, 0.1).factor is None


@pytest.mark.parametrize("keep", [False, True])
def test_weights_are_both_halves_of_the_derivative(keep):
    X, Y = data(n=280, c=2)
    kernel = KERNELS["rbf"]
    found = log_likelihood(ProcessKernel(kernel), X, Y, 0.1, keep=True)
    inverse = np.linalg.inv(kernel(X) + 0.1 * np.eye(len(X)))
    G = likelihood_weights(found.factor, found.coef, keep=keep)
    expected = 0.5 * (found.coef @ found.coef.T - 2.0 * inverse)
    assert_allclose(G, expected, atol=1e-9)
    assert_array_equal(G, G.T)


def test_a_singular_matrix_has_no_likelihood():
    X, Y = data(n=20, d=2)
    process = ProcessKernel(DotProduct(1.0))
    found = log_likelihood(process, X, Y, 0.0, gradient=True, keep=True)
    assert found.value == -np.inf
    assert_array_equal(found.gradient, np.zeros(1))
    assert found.coef is None
    assert found.factor is None
    value, slope = reference(process.kernel, X, Y, 1e-3)
    assert_allclose(
        log_likelihood(process, X, Y, 1e-3, gradient=True).value, value, rtol=1e-8
    )


def test_a_kernel_without_free_parameters_has_an_empty_gradient():
    X, Y = data()
    process = ProcessKernel(RBF(1.0, "fixed"))
    found = log_likelihood(process, X, Y, 0.1, gradient=True)
    assert found.gradient.shape == (0,)
    assert np.isfinite(found.value)


def test_no_array_has_an_axis_of_parameters():
    X, Y = data(n=1000, d=12)
    process = ProcessKernel(1.0 * RBF(np.ones(12)) + WhiteKernel(0.1))
    log_likelihood(process, X[:50], Y[:50], 0.1, gradient=True)
    tracemalloc.start()
    log_likelihood(process, X, Y, 0.1, gradient=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One n x n array, and tiles, instead of fourteen arrays.
    assert peak < 3 * 8 * 1000**2


@pytest.mark.parametrize("noise", [-0.1, np.nan, np.ones(3)])
def test_wrong_noise_is_refused(noise):
    X, Y = data()
    with pytest.raises(ValueError, match="lam must be|could not be broadcast"):
        likelihood_system(ProcessKernel(RBF(1.0)), X, Y, noise)
