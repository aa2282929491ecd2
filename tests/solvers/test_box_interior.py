"""The interior point method: boxes where projected steps get nowhere."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear, minimize

from skopt2._core.result import StopReason
from skopt2.penalties import L1, Box, Positive
from skopt2.solvers.box_interior import interior_point, is_box
from skopt2.solvers.composite import CompositeModel
from skopt2.solvers.proximal_gradient import ProximalGradient
from tests.solvers.problems import build, solve


def scaled_poisson(rng):
    """More features than samples, of very different sizes."""
    X = rng.standard_normal((30, 60))
    y = rng.poisson(np.exp(0.5 * X[:, 0] - 0.4 * X[:, 1])).astype(float)
    return X * 10 ** rng.uniform(-3, 3, 60), y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("bound", [0.1, 1.0])
def test_badly_scaled_poisson(rng, fit_intercept, bound):
    X, y = scaled_poisson(rng)
    problem = build(X, y, "poisson", Box(-bound, bound), 1.0, None, fit_intercept)
    result, w = solve(ProximalGradient, problem, 1e-8, max_iter=10)
    assert result.reason is StopReason.CONVERGED
    assert np.abs(w).max() <= bound
    scale = np.append(1.0 / np.abs(X).max(axis=0), 1.0)
    A = np.column_stack([X, np.full(30, float(fit_intercept))]) * scale

    def value(v):
        eta = A @ v
        slope = np.exp(eta) - y
        return np.mean(np.exp(eta) - y * eta), A.T @ slope / 30

    limits = np.append(np.full(60, bound), 100.0) / scale
    peer = minimize(
        value, 0.0 * scale, jac=True, bounds=np.stack([-limits, limits], axis=1)
    )
    assert result.objective <= peer.fun + 1e-9


def test_every_namespace_finds_the_same_point(rng, backend):
    X, y = scaled_poisson(rng)
    one = solve(ProximalGradient, build(X, y, "poisson", Box(-0.1, 0.1), 1.0), 1e-8)[0]
    problem = build(X, y, "poisson", Box(-0.1, 0.1), 1.0, backend=backend)
    two = solve(ProximalGradient, problem, 1e-8, max_iter=10)[0]
    assert two.certificate.holds
    assert two.objective == pytest.approx(one.objective, abs=1e-10)


@pytest.mark.parametrize("box", [Box(0.0, 0.5), Positive(Box(-1.0, 0.5)), Box()])
def test_same_point_as_bounded_least_squares(rng, box):
    X = rng.standard_normal((50, 20))
    y = X[:, 0] - X[:, 1] + 0.3 * X[:, 2] + 0.1 * rng.standard_normal(50)
    lam = np.ones(20)
    lam[3] = np.inf
    model = CompositeModel(build(X, y, "squared", box, lam, None, False))
    assert is_box(model.penalty)
    start = model.at(np.zeros(20), np.zeros(()))
    point, value = interior_point(model, start, model.levels(lam), 1e-14, 1e-10)
    upper = np.full(20, float(box.bounds[1]))
    upper[3] = 1e-300
    peer = lsq_linear(X, y, (np.zeros(20), upper), tol=1e-14)
    np.testing.assert_allclose(point.w, peer.x, atol=1e-7)
    assert value == pytest.approx(peer.cost / 50, rel=1e-10)
    # Walls are reached exactly, where rounding would leave a point beside them.
    np.testing.assert_array_equal(point.w == 0.0, peer.x < 1e-6)


def test_only_boxes_are_boxes():
    assert not is_box(Positive(L1()))
