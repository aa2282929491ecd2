"""The closed forms against each other, and against transport on a fine grid."""

import numpy as np
import pytest
from scipy.special import xlogy

from skopt2.transport import sinkhorn
from tests.transport.gaussian import (
    cross_covariance,
    divergence,
    entropic_cost,
    entropic_map,
    on_grid,
    unbalanced_plan,
    wasserstein,
)

MEANS = np.array([0.3, -1.0]), np.array([-0.5, 0.7])
COVARIANCES = np.array([[1.0, 0.3], [0.3, 0.5]]), np.array([[0.4, -0.1], [-0.1, 2.0]])
PAIR = (MEANS[0], COVARIANCES[0], MEANS[1], COVARIANCES[1])


@pytest.mark.parametrize("reg", [0.05, 0.5, 5.0])
def test_cost_equals_transport_on_a_grid(reg):
    # Sums over equidistant points are exact to rounding for such smooth integrands.
    points = np.linspace(-9.0, 10.0, 450)
    a, b = on_grid(-0.4, 0.8, points), on_grid(0.5, 1.1, points)
    cost = (points[:, None] - points) ** 2
    result = sinkhorn(a, b, cost, reg, tol=1e-10)
    # The solver's objective has the entropy of P in place of KL(P | a b').
    entropy = np.sum(xlogy(a, a)) + np.sum(xlogy(b, b))
    found = result.objective - reg * (entropy - 1.0)
    line = ([-0.4], [[0.64]], [0.5], [[1.21]])
    assert found == pytest.approx(entropic_cost(*line, reg), abs=1e-9)
    moment = (points + 0.4) @ result.plan @ (points - 0.5)
    expected = cross_covariance(line[1], line[3], reg)[0, 0]
    assert moment == pytest.approx(expected, abs=1e-8)
    slope, offset = entropic_map(*line, reg)
    middle = np.arange(190, 270)
    means = (result.plan @ points)[middle] / a[middle]
    np.testing.assert_allclose(means, slope[0, 0] * points[middle] + offset, atol=1e-6)


def test_limits_of_the_regularisation():
    exact = wasserstein(*PAIR)
    assert divergence(*PAIR, 1e-3) == pytest.approx(exact, rel=1e-5)
    assert entropic_cost(*PAIR, 1e-6) == pytest.approx(exact, rel=1e-4)
    means = np.sum((MEANS[0] - MEANS[1]) ** 2)
    assert divergence(*PAIR, 1e5) == pytest.approx(means, rel=1e-4)
    # Independent in the limit: the cost is the mean of |x - y|^2.
    spread = np.trace(COVARIANCES[0]) + np.trace(COVARIANCES[1])
    assert entropic_cost(*PAIR, 1e6) == pytest.approx(means + spread, rel=1e-5)


def test_zero_between_equal_measures():
    same = (MEANS[0], COVARIANCES[0]) * 2
    assert divergence(*same, 0.3) == pytest.approx(0.0, abs=1e-14)
    assert wasserstein(*same) == pytest.approx(0.0, abs=1e-14)
    assert divergence(*PAIR, 0.3) > 0.1


def test_plan_is_one_of_the_marginals():
    # E y y' = B follows from the conditional mean and what the plan adds to it.
    cov_x, cov_y = COVARIANCES
    joint = np.block(
        [
            [cov_x, cross_covariance(cov_x, cov_y, 0.4)],
            [cross_covariance(cov_x, cov_y, 0.4).T, cov_y],
        ]
    )
    assert np.linalg.eigvalsh(joint).min() > 0.0
    # A plan exp((f + g - |x - y|^2) / reg) of quadratic potentials has the precision
    # -2 / reg between x and y.
    precision = np.linalg.inv(joint)[:2, 2:]
    np.testing.assert_allclose(precision, -2.0 / 0.4 * np.eye(2), atol=1e-10)


@pytest.mark.parametrize("reg", [0.1, 2.0])
@pytest.mark.parametrize("rho", [0.5, 20.0])
def test_unbalanced_plan_equals_that_on_a_grid(reg, rho):
    points = np.linspace(-9.0, 10.0, 450)
    a, b = 2.0 * on_grid(-0.4, 0.8, points), 0.7 * on_grid(0.5, 1.1, points)
    cost = (points[:, None] - points) ** 2
    result = sinkhorn(a, b, cost, reg, reg_marginal=rho, tol=1e-11)
    total, mean, value = unbalanced_plan(
        2.0, [-0.4], [[0.64]], 0.7, [0.5], [[1.21]], reg, rho
    )
    plan = result.plan
    assert plan.sum() == pytest.approx(total, rel=1e-9)
    assert points @ plan.sum(axis=1) / plan.sum() == pytest.approx(mean[0], abs=1e-9)
    assert result.objective == pytest.approx(value, rel=1e-10)


def test_unbalanced_plan_at_a_high_price_is_balanced():
    total, mean, value = unbalanced_plan(1.0, *PAIR[:2], 1.0, *PAIR[2:], 0.5, 1e3)
    assert total == pytest.approx(1.0, abs=5e-3)
    np.testing.assert_allclose(mean, MEANS[0], atol=5e-3)
    assert value == pytest.approx(entropic_cost(*PAIR, 0.5), rel=5e-3)
