"""Acquisition functions against their integrals and the papers' formulas."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import expon, kstest, norm

from skopt2.solvers.search.acquisition import (
    growing_confidence,
    log_expected_improvement,
    random_confidence,
    theoretical_shift,
    upper_bound,
)
from skopt2.solvers.search.optimistic import (
    least_violation,
    may_be_feasible,
    optimistic_value,
    slack_bound,
)


@pytest.mark.parametrize("mean", [-6.0, -2.0, 0.3, 1.0, 8.0])
def test_expected_improvement_is_the_integral(mean):
    def gain(value):
        return (value - 1.0) * norm.pdf(value, mean, 0.7)

    upper = max(mean, 1.0) + 20.0
    exact = quad(gain, 1.0, upper, points=[max(mean, 1.0)], epsabs=0, epsrel=1e-12)[0]
    found = log_expected_improvement(np.array([mean]), np.array([0.7]), 1.0)[0]
    assert found == pytest.approx(math.log(exact), rel=1e-9)


def test_expected_improvement_orders_what_underflows():
    mean = -np.logspace(0.5, 8, 200)
    found = log_expected_improvement(mean, np.ones(200), 0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()
    # Its expansion far out: -z^2 / 2 - log(sqrt(2 pi) z^2).
    tail = -0.5 * mean**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-mean)
    np.testing.assert_allclose(found[mean < -1e3], tail[mean < -1e3], rtol=1e-9)


def test_expected_improvement_without_uncertainty():
    found = log_expected_improvement(np.array([2.0, 0.5]), np.zeros(2), 1.0)
    assert found[0] == pytest.approx(0.0)
    assert found[1] < -1e100


def test_the_random_confidence_is_a_shifted_exponential():
    rng = np.random.default_rng(0)
    drawn = np.array([random_confidence(rng, 2.0) for _ in range(2000)])
    # Rate 1/2, mean 2, from s = 2.
    assert kstest(drawn, expon(loc=2.0, scale=2.0).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("size", "expected"), [(10, 2 * math.log(5)), (2, 0.0), (1, 0.0)]
)
def test_the_shift_of_the_theorem(size, expected):
    assert theoretical_shift(size) == pytest.approx(expected)


def test_the_growing_confidence():
    assert growing_confidence(10, 5) == pytest.approx(math.log(20))


def test_the_upper_bound():
    bound = upper_bound(np.array([1.0, 2.0]), np.array([0.5, 0.0]), 4.0)
    np.testing.assert_allclose(bound, [2.0, 2.0])


def test_what_may_be_feasible_comes_first():
    objective = np.array([-50.0, 3.0, 9.0, 9.0])
    slacks = np.array([[0.1, 0.0, -0.5, -2.0], [1.0, 2.0, 3.0, -1.0]])
    value = optimistic_value(objective, slacks)
    assert np.argsort(-value).tolist() == [1, 0, 2, 3]
    assert may_be_feasible(value).tolist() == [True, True, False, False]
    np.testing.assert_array_equal(value[:2], objective[:2])


def test_no_constraint_is_no_constraint():
    objective = np.array([1.0, -1.0])
    np.testing.assert_array_equal(
        optimistic_value(objective, np.empty((0, 2))), objective
    )


def test_what_is_known_of_a_constraint_has_to_hold():
    mean, std = np.array([-0.1, -0.1, 0.01]), np.array([0.2, 0.01, 0.01])
    np.testing.assert_allclose(slack_bound(mean, std, 2.0), [0.3, -0.12, -0.01])


def test_violation_counts_in_deviations():
    slacks = np.array([[1.0, -1.0, 2.0, np.nan], [30.0, 10.0, -20.0, 5.0]])
    found = least_violation(slacks)
    first, second = np.std([1.0, -1.0, 2.0]), np.std([30.0, 10.0, -20.0, 5.0])
    np.testing.assert_allclose(found[:3], [0.0, 1 / first, 20 / second])
    assert found[3] == np.inf
