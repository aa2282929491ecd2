"""Conjugates against a search for the supremum, and the scaling of dual points."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.penalties import L1, MCP, Box, ElasticNet, Positive, WeightedL1
from tests.penalties.reference import BOX

CONVEX = {
    "l1": (L1(), lambda w, lam: lam * np.abs(w)),
    "elasticnet": (
        ElasticNet(0.4),
        lambda w, lam: lam * (0.4 * np.abs(w) + 0.3 * w**2),
    ),
    "ridge": (ElasticNet(0.0), lambda w, lam: lam * w**2 / 2),
    "lasso": (ElasticNet(1.0), lambda w, lam: lam * np.abs(w)),
    "box": (BOX, lambda w, lam: np.where((w < -0.5) | (w > 2), np.inf, 0.0)),
}


def supremum(u, lam, formula, low):
    """Return max_w u w - pen(w) for every coordinate, over a fine grid."""
    # The ends of the box and the kink are on the grid.
    w = np.append(np.linspace(low, 60, 200_001), [0.0, 2.0, max(low, -0.5)])
    return [
        (one * w - formula(w, level)).max() for one, level in zip(u, lam, strict=True)
    ]


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("name", CONVEX)
def test_conjugate_is_the_supremum(name, positive, rng):
    penalty, formula = CONVEX[name]
    penalty = Positive(penalty) if positive else penalty
    u = rng.standard_normal(12) * 3
    lam = rng.uniform(0.5, 2, 12)
    scale = penalty.dual_scale(u, lam)
    assert 0 < scale <= 1
    u = u * scale
    expected = sum(supremum(u, lam, formula, 0 if positive else -60))
    assert_allclose(penalty.conjugate(u, lam), expected, atol=1e-6)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("name", CONVEX)
def test_fenchel_young_equality_at_a_prox_point(name, positive, rng):
    penalty, _ = CONVEX[name]
    penalty = Positive(penalty) if positive else penalty
    z = rng.standard_normal(20) * 3
    lam = rng.uniform(0.2, 2, 20)
    lam[3] = np.inf
    w = penalty.prox(z, 1.0, lam)
    u = z - w
    assert penalty.dual_scale(u, lam) >= 1 - 1e-14
    both = penalty.value(w, lam) + penalty.conjugate(u, lam)
    assert_allclose(both, np.sum(u * w), rtol=1e-12)


def test_dual_scale_is_the_largest():
    u, lam = np.array([4.0, -3.0, 7.0, 9.0]), np.array([1.0, 1.5, np.inf, 0.0])
    assert L1().dual_scale(u, lam) == 0.25
    assert L1().dual_scale(u / 8, lam) == 1
    assert ElasticNet(1.0).dual_scale(u, lam) == 0.25
    assert ElasticNet(0.5).dual_scale(u, lam) == 1
    assert WeightedL1([2.0, 1, 1, 1]).dual_scale(u, lam) == 0.5
    assert Positive(L1()).dual_scale(-u, lam) == 0.5


def test_unpenalised_and_excluded_features_count_nothing():
    lam = np.array([0.0, np.inf])
    for penalty in (L1(), ElasticNet(0.5), ElasticNet(0.0)):
        assert penalty.conjugate(np.array([1e-17, 5.0]), lam) == 0
    assert BOX.conjugate(np.array([0.0, 5.0]), lam) == 0


def test_has_gap_says_where_scaling_is_enough():
    assert L1().has_gap
    assert BOX.has_gap
    assert Positive(L1()).has_gap
    assert not MCP().has_gap
    assert not Box().has_gap
    assert not Positive(Box(-1.0, np.inf)).has_gap
    assert Box([-1.0, 0.0], [1.0, 2.0]).has_gap


def test_a_box_without_an_end_has_dual_points_of_one_sign():
    box, lam = Box(0.0, np.inf), np.array([1.0, 1.0, np.inf])
    assert box.dual_scale(np.array([-1.0, -2.0, 5.0]), lam) == 1
    assert box.dual_scale(np.array([-1.0, 2.0, 5.0]), lam) == 0
    assert box.conjugate(np.array([-1.0, -2.0, 5.0]), lam) == 0
    per_feature = Box([-1.0, -np.inf, -2.0], [np.inf, 1.0, 2.0])
    assert per_feature.dual_scale(np.array([-1.0, 2.0, 5.0]), lam) == 1
    assert per_feature.conjugate(np.array([-1.0, 2.0, 5.0]), lam) == 3
