"""Values against plain formulas, derivatives against differences, extreme inputs."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2.losses import Logistic, Multinomial, Poisson, Quantile
from tests.losses.reference import ALL, SCALAR, SMOOTH, data, pinball


@pytest.mark.parametrize("name", ALL)
def test_value_is_the_formula(name, rng):
    loss, formula = ALL[name]
    y, eta, s = data(loss, rng)
    value = loss.value(y, eta, s)
    assert isinstance(value, float)
    assert_allclose(value, s @ formula(y, eta), rtol=1e-13)
    assert_allclose(loss.null_value(y, s), s @ formula(y, 0 * y), rtol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_gradient_by_differences(name, rng):
    loss, formula = ALL[name]
    y, eta, _ = data(loss, rng)
    h = 1e-6
    shifts = np.eye(3) * h if eta.ndim == 2 else [h]
    columns = [(formula(y, eta + d) - formula(y, eta - d)) / (2 * h) for d in shifts]
    expected = np.stack(columns, axis=-1).reshape(eta.shape)
    assert_allclose(loss.gradient(y, eta), expected, atol=1e-6)


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_by_differences(name, rng):
    loss, _ = ALL[name]
    y, eta, _ = data(loss, rng)
    v = rng.standard_normal(eta.shape)
    curvature = loss.curvature(y, eta)
    h = 1e-6
    change = (loss.gradient(y, eta + h * v) - loss.gradient(y, eta - h * v)) / (2 * h)
    assert_allclose(loss.curvature_product(curvature, v), change, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_lipschitz_bounds_the_curvature(name, rng):
    loss, _ = ALL[name]
    if not loss.has_lipschitz:
        assert loss.lipschitz is None
        return
    y, eta, _ = data(loss, rng, n=3000)
    v = rng.standard_normal(eta.shape)
    product = loss.curvature_product(loss.curvature(y, eta), v)
    quotient = np.sum(product * v) / np.sum(v * v)
    assert 0 <= quotient <= loss.lipschitz
    if name in SCALAR:
        reached = max(loss.curvature(y, eta / scale).max() for scale in (1, 50))
        assert_allclose(reached, loss.lipschitz, rtol=1e-2)


def test_pinball_at_its_kink_has_a_subgradient_and_no_curvature():
    loss, y = Quantile(0.3), np.array([1.0, 2.0])
    assert_allclose(loss.gradient(y, y), 0.2)
    assert_array_equal(loss.curvature(y, y), 0)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("h", [1e-3, 1.0])
def test_smoothed_pinball_stays_within_a_quarter_of_the_width(q, h, rng):
    loss = Quantile(q).smoothed(h)
    assert (loss.quantile, loss.smoothing) == (q, h)
    for r in rng.standard_normal(200) * 2 * h:
        y, eta, s = np.array([r]), np.zeros(1), np.ones(1)
        excess = loss.value(y, eta, s) - pinball(r, 0, q)
        assert -1e-15 <= excess <= h / 4 * (1 + 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_logistic_at_extreme_margins(dtype):
    eta = np.array([1e4, -1e4, 800.0, -800.0, 90.0, 30.0, 0.0], dtype=dtype)
    y, s = np.ones(7, dtype=dtype), np.full(7, 1 / 7, dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        gradient = Logistic().gradient(y, eta)
        curvature = Logistic().curvature(y, eta)
        values = [
            Logistic().value(y[i : i + 1], eta[i : i + 1], s[:1] * 7) for i in range(7)
        ]
        probability = Logistic().inverse_link(eta)
    tail = math.log1p(math.exp(-30))
    expected = [0, 1e4, 0, 800, math.exp(-90), tail, math.log(2)]
    assert_allclose(values, expected, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert_allclose(gradient[[1, 3, 6]], [-1, -1, -0.5])
    assert_allclose(gradient[[0, 2, 4]], 0, atol=1e-37)
    assert_allclose(gradient[5], -math.exp(-30), rtol=1e-5)
    assert_allclose(curvature[5], math.exp(-30), rtol=1e-5)
    assert_allclose(probability, [1, 0, 1, 0, 1, 1, 0.5], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_poisson_and_multinomial_do_not_overflow(dtype):
    eta = np.array([1e5, -1e5, 0.0], dtype=dtype)
    y = np.array([2.0, 0.0, 1.0], dtype=dtype)
    s = np.full(3, 1 / 3, dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert math.isfinite(Poisson().value(y, eta, s))
        assert np.isfinite(Poisson().gradient(y, eta) ** 2).all()
        rows, classes = eta[None, :], np.eye(3, dtype=dtype)
        value = Multinomial().value(classes, np.repeat(rows, 3, axis=0), s)
        assert_allclose(value, (0 + 2e5 + 1e5) / 3, rtol=1e-6)
        assert_array_equal(Multinomial().inverse_link(rows), [[1, 0, 0]])


def test_multinomial_with_two_classes_is_logistic(rng):
    y, eta, s = data(Logistic(), rng)
    both = np.stack([y > 0, y < 0], axis=1).astype(float)
    etas = np.stack([eta, np.zeros_like(eta)], axis=1)
    got = Multinomial().value(both, etas, s)
    assert_allclose(got, Logistic().value(y, eta, s), rtol=1e-13)
    assert_allclose(
        Multinomial().inverse_link(etas)[:, 0], Logistic().inverse_link(eta)
    )
