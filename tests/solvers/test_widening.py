"""Huber with a delta far below the noise starts from wider losses."""

import numpy as np
import pytest

from skopt2.losses import Huber
from skopt2.solvers.active_newton import ActiveNewton
from skopt2.solvers.widening import first_width
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.problems import build, design, solve, target


@pytest.mark.parametrize(("n", "alpha"), [(100, 0.1), (150, 0.03)])
def test_delta_far_below_the_noise(rng, n, alpha, monkeypatch):
    """Newton steps at the target delta alone are thousands of pivots."""
    X = design(rng, n, 2 * n)
    y = 3e3 * target(rng, X, "huber")
    steps, original = [], ActiveNewton._step

    def counted(self, *args):
        steps.append(self)
        return original(self, *args)

    monkeypatch.setattr(ActiveNewton, "_step", counted)
    problem = build(X, y, "huber", "l1", alpha)
    result, w = solve(WorkingSetNewton, problem, 1e-8)
    assert result.certificate.holds
    assert np.count_nonzero(w) > 0.4 * n
    assert len(steps) <= 700


def test_usual_deltas_need_no_wider_loss(rng):
    X = design(rng)
    y = target(rng, X, "huber")
    assert first_width(build(X, y, "huber", "l1", 0.1)) is None
    assert first_width(build(X, 1e4 * y, "huber", "l1", 0.1)) > 1e3
    assert first_width(build(X, 1e4 * y, "squared", "l1", 0.1)) is None
    assert first_width(build(X, 1e4 * y, Huber(2e4), "l1", 0.1)) is None


def test_wide_loss(rng):
    """Slopes in delta, a tight conjugate, and the loss itself at the width delta."""
    y, eta, s = rng.standard_normal(50) * 5, np.zeros(50), np.full(50, 0.02)
    narrow, wide = Huber(1.0), Huber(1.0).widened(4.0)
    theta = wide.gradient(y, eta)
    assert np.abs(theta).max() == 1.0
    assert wide.to_domain(y, theta) == 1.0
    value = wide.value(y, eta, s)
    assert value + wide.conjugate(y, theta, s) == pytest.approx(s @ (theta * eta))
    h = 1e-6
    up, down = (wide.value(y, eta + d, s) for d in (h, -h))
    assert (up - down) / (2 * h) == pytest.approx(s @ theta, rel=1e-6)
    inside = np.abs(y) < 4.0
    np.testing.assert_array_equal(wide.curvature(y, eta), np.where(inside, 0.25, 0))
    assert wide.lipschitz == 0.25
    assert value < narrow.value(y, eta, s)
    same = narrow.widened(1.0)
    assert same.value(y, eta, s) == pytest.approx(narrow.value(y, eta, s))
    assert wide.widened is None
