"""The start of the intercept minimises the loss over constants."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.losses import (
    Expectile,
    Huber,
    HuberizedHinge,
    Logistic,
    Multinomial,
    Poisson,
    Quantile,
    Squared,
    SquaredHinge,
)
from tests.losses.reference import SCALAR, data

HINGES = [HuberizedHinge(delta) for delta in (0.1, 0.5, 1.0, 1.5, 2.0, 3.0)]


def assert_minimiser(loss, y, s):
    """Assert that no other constant is better than the start."""
    start = loss.intercept_start(y, s)
    assert isinstance(start, float)
    reached = loss.value(y, np.full_like(y, start), s)
    for shift in np.concatenate([np.logspace(-6, 1, 30), -np.logspace(-6, 1, 30)]):
        other = loss.value(y, np.full_like(y, start + shift), s)
        assert reached <= other * (1 + 1e-14) + 1e-15


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("n", [3, 9, 60])
def test_start_is_the_best_constant(name, n, rng):
    loss, _ = SCALAR[name]
    y, _, s = data(loss, rng, n)
    if loss.task == "binary":
        # Row 0 has weight 0.
        y[1:3] = [1, -1]
    if name == "poisson":
        y[1] = 3
    assert_minimiser(loss, y, s)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("loss", [Logistic(), SquaredHinge(), *HINGES])
def test_two_classes_of_any_balance(loss, share):
    assert_minimiser(loss, np.array([1.0, -1.0]), np.array([share, 1 - share]))


def test_equal_classes_start_at_zero():
    y, s = np.array([1.0, -1.0]), np.array([0.5, 0.5])
    for loss in (Logistic(), SquaredHinge(), *HINGES):
        assert loss.intercept_start(y, s) == 0


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("loss", [Huber(1.0), Quantile(0.9, smoothing=1.0)])
def test_newton_at_any_scale(loss, scale, rng):
    # Outliers, and a width far below or above the spread of y.
    y = scale * np.concatenate([rng.standard_normal(40), [1e3, 2e3]])
    s = np.full(42, 1 / 42)
    start = loss.intercept_start(y, s)
    slope = s @ loss.gradient(y, np.full_like(y, start))
    step = 1e-9 * scale
    below = s @ loss.gradient(y, np.full_like(y, start - step))
    above = s @ loss.gradient(y, np.full_like(y, start + step))
    assert abs(slope) <= 1e-7 or below < 0 < above


def test_closed_forms(rng):
    y, s = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25])
    assert Squared().intercept_start(y, s) == 2
    assert Poisson().intercept_start(y, s) == pytest.approx(math.log(2))
    assert Quantile(0.6).intercept_start(y, s) == 2
    assert Expectile(0.5).intercept_start(y, s) == pytest.approx(2)
    # 0.8 (4 - e) / 4 = 0.2 ((e - 1) / 2 + (e - 2) / 4).
    assert Expectile(0.8).intercept_start(y, s) == pytest.approx(20 / 7)
    assert Huber(1e6).intercept_start(y, s) == pytest.approx(2)
    assert Huber(1.0).intercept_start(np.full(3, 7.0), s) == 7
    signs = np.array([1.0, 1.0, -1.0])
    assert Logistic().intercept_start(signs, s) == pytest.approx(math.log(3))
    assert math.isfinite(Logistic().intercept_start(np.ones(3), s))
    assert math.isfinite(Poisson().intercept_start(np.zeros(3), s))


def test_multinomial_start_is_the_centred_log_frequency(rng):
    y, _, s = data(Multinomial(), rng)
    start = Multinomial().intercept_start(y, s)
    assert_allclose(start.sum(), 0, atol=1e-14)
    gradient = Multinomial().gradient(y, np.tile(start, (len(y), 1)))
    assert_allclose(s @ gradient, 0, atol=1e-14)
    assert np.isfinite(Multinomial().intercept_start(y[:, [0, 0, 1]] * 0, s)).all()
