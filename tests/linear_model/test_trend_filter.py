"""Trend filtering: independent programs, closed forms, criteria, bad input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import lsq_linear

from skopt2.linear_model import TrendFilter
from skopt2.penalties.total_variation import shrink_variation


def signal(rng, n=60):
    x = np.sort(rng.uniform(0, 3, n))
    return x, np.abs(x - 1.5) * 3 + 0.3 * rng.standard_normal(n)


def jumps(x, order):
    """Differences of divided differences, by the recursion of their definition."""
    D, points = np.eye(x.size), x
    for k in range(1, order + 1):
        gaps = points[k:] - points[: x.size - k]
        D = np.diff(D, axis=0) / gaps[:, None] * k
    return np.diff(D, axis=0)


def dual_program(x, y, s, order, alpha):
    """Curve from the dual, a least squares problem in a box."""
    D, root = jumps(x, order), np.sqrt(s)
    found = lsq_linear(
        (D / root).T * alpha, root * y, bounds=(-1, 1), tol=1e-15, method="bvls"
    )
    return y - alpha * (D.T @ found.x) / s


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("alpha", [1e-3, 0.03])
def test_same_curve_as_the_dual_program(order, alpha, rng):
    x, y = signal(rng, 25)
    s = rng.uniform(0.5, 2, 25)
    s /= s.sum()
    model = TrendFilter(order, alpha, tol=1e-11).fit(x, y, s)
    right = dual_program(x, y, s, order, alpha)
    assert_allclose(model.fitted_, right, atol=1e-6)
    objective = s @ (y - right) ** 2 / 2 + alpha * np.abs(jumps(x, order) @ right).sum()
    assert_allclose(model.objective_, objective, rtol=1e-7)
    assert model.dual_gap_ <= 1e-9 * objective + 1e-11


def test_order_0_is_the_prox_of_the_total_variation(rng):
    x, y = signal(rng, 500)
    model = TrendFilter(0, 0.002, tol=1e-12).fit(x, y)
    assert_allclose(model.fitted_, shrink_variation(y, 0.002 * 500), atol=1e-6)
    steps = np.flatnonzero(np.abs(np.diff(model.fitted_)) > 1e-6)
    assert_allclose(model.knots_, x[steps])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_above_the_largest_level_the_curve_is_one_polynomial(order, rng):
    x, y = signal(rng)
    top = TrendFilter(order).fit(x, y).alphas_[0]
    model = TrendFilter(order, 1.001 * top).fit(x, y)
    assert model.knots_.size == 0
    fit = np.polynomial.Polynomial.fit(x, y, order)
    assert_allclose(model.fitted_, fit(x), atol=1e-8)
    assert TrendFilter(order, 0.9 * top).fit(x, y).knots_.size > 0


@pytest.mark.parametrize("order", [0, 1, 2])
def test_polynomials_between_the_knots(order, rng):
    x, y = signal(rng)
    model = TrendFilter(order, 0.01).fit(x, y)
    ends = np.concatenate([[x[0]], model.knots_, [x[-1]]])
    for left, right in zip(ends[:-1], ends[1:], strict=True):
        at = np.linspace(left, right, 9)[1:]
        if right - left > 1e-6:
            rest = np.polynomial.Polynomial.fit(at, model.predict(at), order)(at)
            assert_allclose(model.predict(at), rest, atol=1e-6)
    assert_allclose(model.predict(x), model.fitted_, atol=1e-10)


def test_units_order_and_repetition_do_not_matter(rng):
    x, y = signal(rng)
    weights = rng.integers(0, 3, 60)
    shuffled = rng.permutation(60)
    base = TrendFilter(1, 0.01, tol=1e-10).fit(x, y, weights)
    other = TrendFilter(1, 0.01 * 1e4, tol=1e-10)
    other.fit(1e4 * x[shuffled] + 7, y[shuffled], weights[shuffled])
    assert_allclose(other.fitted_, base.fitted_, atol=1e-6)
    repeated = TrendFilter(1, 0.01, tol=1e-10)
    repeated.fit(np.repeat(x, weights), np.repeat(y, weights))
    assert_allclose(repeated.fitted_, base.fitted_, atol=1e-6)


@pytest.mark.parametrize("alpha", ["gcv", "cv"])
def test_criteria_find_the_kink(alpha, rng):
    x, y = signal(rng, 200)
    model = TrendFilter(1, alpha, alphas=25).fit(x, y)
    assert model.converged_
    truth = np.abs(x - 1.5) * 3
    error = np.mean((model.fitted_ - truth) ** 2)
    assert error < 0.1 * 0.3**2
    assert np.abs(model.knots_ - 1.5).min() < 0.1
    assert model.alpha_ == model.alphas_[np.nanargmin(model.scores_)]
    assert 0 < np.nanargmin(model.scores_) < 24


def test_levels_can_be_given(rng):
    x, y = signal(rng, 60)
    made = TrendFilter(1, alphas=5).fit(x, y)
    given = TrendFilter(1, alphas=made.alphas_[::-1]).fit(x, y)
    assert_allclose(given.alphas_, made.alphas_)
    assert given.alpha_ == made.alpha_


def test_long_signals_are_certified(rng):
    x = np.arange(5000) / 5000
    y = np.sin(12 * x) + 0.3 * rng.standard_normal(5000)
    for order, alpha in ((0, 1e-3), (1, 1e-5), (2, 1e-7)):
        model = TrendFilter(order, alpha).fit(x, y)
        assert model.converged_
        assert np.mean((model.fitted_ - np.sin(12 * x)) ** 2) < 0.01


def test_float32_and_one_column(rng):
    x, y = signal(rng)
    exact = TrendFilter(1, 0.01).fit(x, y)
    model = TrendFilter(1, 0.01)
    model.fit(x.astype(np.float32)[:, None], y.astype(np.float32))
    assert model.fitted_.dtype == model.predict(x.astype(np.float32)).dtype
    assert model.fitted_.dtype == np.float32
    assert_allclose(model.fitted_, exact.fitted_, atol=1e-4)


def test_device(rng, backend, dispatch):
    x, y = signal(rng)
    here = TrendFilter(1, 0.01).fit(x, y)
    there = TrendFilter(1, 0.01).fit(backend.asarray(x), backend.asarray(y))
    found = backend.to_numpy(there.predict(backend.asarray(x)))
    assert_allclose(found, here.fitted_, atol=1e-10)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"order": 3}, "order must be one of 0, 1, 2"),
        ({"alpha": 0.0}, "alpha must be a positive number, 'gcv' or 'cv'"),
        ({"alpha": "aic"}, "'gcv' or 'cv'"),
        ({"alphas": 1}, "alphas must be an integer of at"),
        ({"cv": 1}, "cv must"),
    ],
)
def test_bad_parameters(parameters, message, rng):
    with pytest.raises(ValueError, match=message):
        TrendFilter(**parameters).fit(*signal(rng))


def test_bad_data(rng):
    with pytest.raises(ValueError, match="takes one feature"):
        TrendFilter().fit(np.ones((5, 2)), np.ones(5))
    with pytest.raises(ValueError, match="at least 3 different places"):
        TrendFilter().fit([0.0, 1.0, 1.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("alpha", ["gcv", 0.1])
def test_any_scale_and_signals_without_noise(order, scale, alpha):
    x = np.arange(30.0)
    for y in (np.zeros(30), np.ones(30), x**order, np.sin(x)):
        model = TrendFilter(order, alpha).fit(x, scale * y)
        assert model.converged_
        if not np.array_equal(y, np.sin(x)):
            assert_allclose(model.fitted_, scale * y, atol=1e-9 * scale)
