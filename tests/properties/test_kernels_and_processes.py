"""Kernels are symmetric and positive; processes and budgets do what theory says."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.gaussian_process.kernels import RBF

from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernels import (
    Cauchy,
    Constant,
    ExponentialPower,
    Gaussian,
    Laplacian,
    Linear,
    Matern,
    NeuralTangent,
    Periodic,
    Polynomial,
    Power,
    Product,
    RationalQuadratic,
    Scaled,
    Sum,
)
from skopt2.privacy import BudgetError, PrivacyAccountant
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.events import GaussianEvent, SampledGaussianEvent
from tests.properties.strategies import permutation, seeds

KERNELS = {
    "gaussian": Gaussian(1.3),
    "laplacian": Laplacian(0.7),
    "matern 1/2": Matern(0.5, 0.5),
    "matern 3/2": Matern(1.5, 2.0),
    "matern 5/2": Matern(2.5, 0.4),
    "cauchy": Cauchy(1.1),
    "exponential power": ExponentialPower(),
    "rational quadratic": RationalQuadratic(),
    "periodic": Periodic(),
    "linear": Linear(),
    "polynomial": Polynomial(),
    "neural tangent": NeuralTangent(),
    "constant": Constant(),
    "sum": Sum([Gaussian(1.0), Linear()]),
    "product": Product([Laplacian(1.0), Matern(1.5, 1.0)]),
    "scaled": Scaled(Gaussian(1.0), 3.0),
    "power": Power(Gaussian(2.0), 2),
}


@st.composite
def clouds(draw):
    """Draw points: of any spread, on a grid, or one of them many times."""
    rng = np.random.default_rng(draw(seeds))
    # The periodic kernel is positive on a line only where it is not a product.
    n, d = draw(st.integers(1, 10)), draw(st.integers(1, 3))
    X = rng.standard_normal((n, d)) * draw(st.sampled_from([1e-4, 0.1, 1.0, 10.0]))
    kind = draw(st.sampled_from(["plain", "grid", "double", "far"]))
    if kind == "grid":
        X = rng.integers(-2, 3, (n, d)).astype(float)
    elif kind == "double":
        X[n // 2 :] = X[0]
    elif kind == "far":
        X += 100.0
    return X


@pytest.mark.parametrize("name", KERNELS)
@given(X=clouds(), seed=seeds)
def test_kernel_matrices(name, X, seed):
    kernel = KERNELS[name]
    if name == "periodic":
        X = X[:, :1]
    K = np.asarray(kernel(X))
    size = float(np.abs(np.diag(K)).max())
    assert np.isfinite(K).all()
    np.testing.assert_allclose(K, K.T, rtol=0, atol=1e-12 * size)
    assert np.linalg.eigvalsh((K + K.T) / 2).min() >= -1e-10 * size * len(K)
    # |k(x, y)|^2 <= k(x, x) k(y, y)
    diagonal = np.sqrt(np.maximum(np.diag(K), 0.0))
    assert (np.abs(K) <= np.outer(diagonal, diagonal) + 1e-10 * size).all()
    order = permutation(seed, len(X))
    np.testing.assert_allclose(
        kernel(X[order]), K[order][:, order], rtol=0, atol=1e-9 * size
    )
    np.testing.assert_allclose(kernel(X, X), K, rtol=0, atol=1e-7 * size)


@given(seed=seeds, n=st.integers(1, 12), noise=st.sampled_from([1e-4, 0.1, 2.0]))
def test_process_predictions(seed, n, noise):
    """Any order of the rows gives one posterior, narrower than the prior."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, 2)), rng.standard_normal(n)
    new = rng.standard_normal((5, 2))
    order = permutation(seed, n)

    def posterior(rows):
        model = GaussianProcessRegressor(RBF(1.0), alpha=noise, optimizer=None)
        return model.fit(X[rows], y[rows]).predict(new, return_std=True)

    mean, deviation = posterior(np.arange(n))
    moved, spread = posterior(order)
    scale = (1 + np.abs(y).sum()) / noise
    np.testing.assert_allclose(moved, mean, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(spread, deviation, rtol=0, atol=1e-6)
    assert (deviation <= 1 + 1e-9).all()
    # One more observation never widens it.
    fewer = posterior(np.arange(max(1, n - 1)))[1]
    assert (deviation <= fewer + 1e-7).all()


noises = st.floats(0.6, 20.0)
rates = st.sampled_from([0.01, 0.1, 0.5])
counts = st.integers(1, 40)


@given(noise=noises, rate=rates, count=counts, delta=st.sampled_from([1e-6, 1e-3]))
def test_epsilon_is_monotone(noise, rate, count, delta):
    def epsilon(noise, rate, count, delta=delta):
        return epsilon_of(SampledGaussianEvent(noise, rate, count), delta)

    here = epsilon(noise, rate, count)
    slack = 2e-3 * here + 1e-9
    assert 0 <= here < math.inf
    assert epsilon(1.3 * noise, rate, count) <= here + slack
    assert epsilon(noise, rate / 2, count) <= here + slack
    assert epsilon(noise, rate, count + 3) >= here - slack
    assert epsilon(noise, rate, count, 10 * delta) <= here + slack
    # Sampling only helps, and fits that follow each other never cost less than one.
    assert here <= epsilon_of(GaussianEvent(noise, count), delta) + slack


@given(noise=noises, counts=st.lists(counts, min_size=1, max_size=4), budget=noises)
def test_an_accountant_never_passes_its_budget(noise, counts, budget):
    accountant = PrivacyAccountant(epsilon=budget, delta=1e-5)
    total = 0.0
    for count in counts:
        try:
            accountant.spend(GaussianEvent(5.0 * noise, count))
        except BudgetError:
            assert accountant.total()[0] == total
            continue
        assert total <= accountant.total()[0] <= budget
        total = accountant.total()[0]
    spent = sum(event.count for event in accountant.events)
    if spent:
        whole = epsilon_of(GaussianEvent(5.0 * noise, spent), 1e-5)
        assert total == pytest.approx(whole, rel=1e-6)
