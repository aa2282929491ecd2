"""Derivatives, regions, subdifferential distances, alpha_max and the strong rule."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2.penalties import (
    L0,
    L1,
    MCP,
    SCAD,
    AdaptiveL1,
    Box,
    ElasticNet,
    LogSum,
    Lq,
    Positive,
    TransformedL1,
    WeightedL1,
)
from tests.penalties.reference import BOX, SMOOTH_SIDES, SYMMETRIC, cases


def points(rng, n=300):
    """Coefficients, a sixth of them 0, and finite levels."""
    w, _, lam = cases(rng, n)
    w[::6] = 0.0
    lam[np.isinf(lam)] = 1.0
    return w, lam


@pytest.mark.parametrize("name", SYMMETRIC)
def test_value_is_the_formula(name, rng):
    penalty, formula = SYMMETRIC[name]
    w, lam = points(rng)
    assert_allclose(penalty.value(w, lam), formula(np.abs(w), lam).sum(), rtol=1e-12)
    excluded = np.full(w.shape, np.inf)
    assert penalty.value(np.zeros_like(w), excluded) == 0
    assert penalty.value(w, np.zeros_like(w)) == 0


@pytest.mark.parametrize("name", SYMMETRIC)
def test_derivative_and_curvature_by_differences(name, rng):
    penalty, formula = SYMMETRIC[name]
    w, lam = points(rng)
    w, lam = w[np.abs(w) > 0.01], lam[np.abs(w) > 0.01]
    h = 1e-5 * np.abs(w)
    same = penalty.region(w - h, lam) == penalty.region(w + h, lam)
    assert same.mean() > 0.95
    w, lam, h = w[same], lam[same], h[same]
    slope = (formula(np.abs(w + h), lam) - formula(np.abs(w - h), lam)) / (2 * h)
    assert_allclose(penalty.derivative(w, lam), slope, rtol=1e-6, atol=1e-7)
    bend = (penalty.derivative(w + h, lam) - penalty.derivative(w - h, lam)) / (2 * h)
    assert_allclose(penalty.curvature(w, lam), bend, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_zero_has_no_derivative_curvature_or_region(name):
    penalty, _ = SYMMETRIC[name]
    w, lam = np.zeros(3), np.array([0.0, 1.0, np.inf])
    for method in (penalty.derivative, penalty.curvature, penalty.region, penalty.free):
        assert not method(w, lam).any()


@pytest.mark.parametrize(
    "name", ["l1", "elasticnet", "mcp", "mcp steep", "scad", "scad steep"]
)
def test_penalty_is_quadratic_within_a_region(name, rng):
    penalty, _ = SYMMETRIC[name]
    lam = np.full(4000, 0.8)
    w, v = rng.uniform(-4, 4, (2, 4000))
    code = penalty.region(w, lam)
    assert code.dtype == np.int8
    assert_array_equal(np.sign(code), np.sign(w))
    same = code == penalty.region(v, lam)
    assert same.any()
    change = penalty.derivative(v, lam) - penalty.derivative(w, lam)
    model = penalty.curvature(w, lam) * (v - w)
    assert_allclose(change[same], model[same], atol=1e-12)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("name", [*SYMMETRIC, "box"])
def test_prox_points_are_stationary(name, positive, rng):
    penalty = BOX if name == "box" else SYMMETRIC[name][0]
    penalty = Positive(penalty) if positive else penalty
    z, step, lam = cases(rng)
    v = penalty.prox(z, step, lam)
    distance = penalty.subdiff_distance(v, (v - z) / step, lam)
    assert distance.min() >= 0
    scale = np.abs(z) / step + np.where(np.isinf(lam), 0, lam)
    assert (distance <= 1e-9 * scale).all()
    assert_array_equal(distance[np.isinf(lam)], 0)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("name", SMOOTH_SIDES)
def test_distance_measures_how_far_a_point_is_from_stationary(name, positive, rng):
    penalty = SYMMETRIC[name][0]
    penalty = Positive(penalty) if positive else penalty
    w, lam = points(rng)
    w = np.abs(w) if positive else w
    slope = penalty.slope_at_zero(lam)
    moving = w != 0
    grad = -penalty.derivative(w, lam) + 0.3
    # At 0, a gradient that beats the kink by 0.3, where the kink is finite.
    beaten = np.isfinite(slope) & ~moving
    grad[~moving] = -np.where(beaten, slope, 0)[~moving] - 0.3
    distance = penalty.subdiff_distance(w, grad, lam)
    assert_allclose(distance[moving | beaten], 0.3, rtol=1e-9)
    assert_array_equal(distance[~(moving | beaten)], 0)


def test_positive_lets_the_gradient_push_down_at_zero():
    w, grad = np.zeros(3), np.array([5.0, -0.5, -1.5])
    distance = Positive(L1()).subdiff_distance(w, grad, np.ones(3))
    assert_array_equal(distance, [0.0, 0.0, 0.5])
    assert_array_equal(Positive(L1()).pull(grad), [0.0, 0.5, 1.5])
    assert_array_equal(L1().pull(grad), [5.0, 0.5, 1.5])


def test_box_distance_at_its_bounds():
    w = np.array([-0.5, -0.5, 2.0, 2.0, 0.0, 0.0])
    grad = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    lam = np.ones(6)
    assert_array_equal(BOX.subdiff_distance(w, grad, lam), [0, 1, 1, 0, 1, 1])
    assert_array_equal(BOX.region(w, lam), [-2, -2, 2, 2, 1, 1])
    assert_array_equal(BOX.free(w, lam), [False] * 4 + [True] * 2)
    bounded_by_zero = Positive(BOX)
    assert_array_equal(bounded_by_zero.subdiff_distance(w, grad, lam)[4:], [0, 1])
    assert_array_equal(bounded_by_zero.region(w, lam)[4:], [0, 0])
    shut = Positive(Box(-1.0, 0.0))
    assert_array_equal(shut.subdiff_distance(np.zeros(2), grad[:2], np.ones(2)), [0, 0])


def test_box_value_is_an_indicator():
    assert BOX.value(np.array([-0.5, 2.0]), np.ones(2)) == 0
    assert BOX.value(np.array([-0.6, 2.0]), np.ones(2)) == math.inf
    assert Positive(L1()).value(np.array([1.0, -1e-9]), np.ones(2)) == math.inf
    assert Positive(L1()).value(np.array([1.0, 2.0]), np.ones(2)) == 3


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(
    "penalty",
    [
        L1(),
        WeightedL1(np.linspace(0.5, 2, 8)),
        AdaptiveL1(),
        ElasticNet(0.4),
        MCP(3.0),
        SCAD(3.7),
        LogSum(10.0),
        TransformedL1(20.0),
        Lq(0.5),
        Lq(2 / 3),
        L0(),
    ],
)
def test_alpha_max_is_the_edge_of_the_null_model(penalty, positive, rng):
    penalty = Positive(penalty) if positive else penalty
    X, y = rng.standard_normal((30, 8)), rng.standard_normal(30)
    grad = -X.T @ y / 30
    factor = np.array([1.0, 0.5, 2.0, 1.0, 1.5, 0.7, np.inf, 1.0])
    steps = 30 / (X**2).sum(axis=0)
    alpha = penalty.alpha_max(penalty.pull(grad), factor, steps)
    assert isinstance(alpha, float)
    above = penalty.prox(-steps * grad, steps, alpha * (1 + 1e-9) * factor)
    assert_array_equal(above, 0)
    below = penalty.prox(-steps * grad, steps, alpha * (1 - 1e-9) * factor)
    assert (below != 0).sum() == 1
    distance = penalty.subdiff_distance(np.zeros(8), grad, alpha * (1 + 1e-9) * factor)
    assert_array_equal(distance, 0)


def test_alpha_max_leaves_unpenalised_and_excluded_features_out():
    grad = np.array([5.0, 2.0, 9.0])
    assert L1().alpha_max(grad, np.array([0.0, 1.0, np.inf])) == 2
    assert L1().alpha_max(grad, np.array([0.0, 0.0, np.inf])) == 0
    assert L0().alpha_max(grad, np.array([0.0, 1.0, np.inf])) == 2
    rows = np.stack([grad, grad + 1], axis=1)
    assert L1().alpha_max(rows, np.array([[0.0], [1.5], [np.inf]])) == 2
    assert ElasticNet(0.0).alpha_max(grad, np.ones(3)) == math.inf
    assert BOX.alpha_max(grad, np.ones(3)) == 0


def test_strong_rules():
    new, old = np.array([1.0, 0.0, np.inf]), np.array([1.1, 0.0, np.inf])
    assert_allclose(L1().strong_rule(new, old), [0.9, 0, np.inf])
    assert_allclose(Positive(L1()).strong_rule(new, old), [0.9, 0, np.inf])
    assert_allclose(ElasticNet(0.5).strong_rule(new, old), [0.45, 0, np.inf])
    assert_allclose(ElasticNet(0.0).strong_rule(new, old), [0, 0, np.inf])
    assert_allclose(WeightedL1([2, 1, 1]).strong_rule(new, old), [1.8, 0, np.inf])
    assert_allclose(MCP(3.0).strong_rule(new, old), [1 - 0.15, 0, np.inf])
    assert_allclose(SCAD(4.0).strong_rule(new, old), [1 - 0.2, 0, np.inf])
    for penalty in (Lq(0.5), L0(), BOX):
        assert_array_equal(penalty.strong_rule(new, old), [0, 0, np.inf])


def test_adaptive_weights():
    penalty = AdaptiveL1(power=2.0, epsilon=0.5)
    assert_allclose(penalty.reweight(np.array([2.0, -1.0, 0.0])), [1 / 9, 0.25, 1])
    assert_array_equal(penalty.reweight(np.zeros(3)), 1)
