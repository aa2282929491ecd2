"""The accelerated gradient method: its formulas, its limits, its stationary points."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from skopt2._core.result import StopReason
from skopt2.penalties import MCP, SCAD, Positive, get_penalty
from skopt2.solvers.accelerated_gradient import AcceleratedGradient, largest_bend
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.composite import CompositeModel
from skopt2.solvers.proximal_gradient import ProximalGradient
from tests.solvers.problems import alpha_max, build, design, solve, target
from tests.solvers.reference import GRADIENTS, accelerated_gradient, objective


def mcp_bend(w, lam, gamma):
    return np.where(np.abs(w) <= gamma * lam, -w / gamma, -lam * np.sign(w))


def scad_bend(w, lam, a):
    falling = -(np.abs(w) - lam) / (a - 1) * np.sign(w)
    bend = np.where(np.abs(w) <= a * lam, falling, -lam * np.sign(w))
    return np.where(np.abs(w) <= lam, 0.0, bend)


BENDS = {
    "l1": lambda w, lam: 0.0 * w,
    "mcp": lambda w, lam: mcp_bend(w, lam, 3.0),
    "scad": lambda w, lam: scad_bend(w, lam, 3.7),
}


@pytest.mark.parametrize("penalty", list(BENDS))
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_iterates_are_those_of_the_formulas(rng, loss, penalty):
    X = design(rng, 70, 25)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = target(rng, X, loss)
    lam = 0.1 * alpha_max(X, y, loss, penalty, fit_intercept=False)
    problem = build(X, y, loss, penalty, lam, fit_intercept=False)
    solver = AcceleratedGradient(problem, 1e-6)
    model = CompositeModel(problem)
    point = model.at(np.zeros(25), np.zeros(()))
    steps = solver.steps(model, point.eta)
    bound = problem.loss.lipschitz * model.theta
    L = max(bound, largest_bend(problem.penalty))
    np.testing.assert_allclose(steps[0], 0.99 / L, rtol=1e-12)
    v, middles = accelerated_gradient(
        X, y, GRADIENTS[loss], L, lam, lambda w: BENDS[penalty](w, lam), 80
    )
    pace, alphas = solver.start(point), []
    for m in middles:
        pace = solver.advance(model, pace, steps, np.full(25, lam))
        alphas.append(float(pace.alpha))
        np.testing.assert_allclose(pace.m, m, atol=1e-10)
    np.testing.assert_allclose(pace.v, v, atol=1e-10)
    assert alphas[0] == pytest.approx((np.sqrt(5) - 1) / 2)
    assert 1.0 in alphas


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@pytest.mark.parametrize("penalty", list(BENDS))
def test_point_is_stationary_and_as_good_as_that_of_proximal_gradient(
    rng, loss, penalty
):
    X = design(rng)
    y = target(rng, X, loss)
    alpha = 0.3 * alpha_max(X, y, loss, penalty)
    result, w = solve(AcceleratedGradient, build(X, y, loss, penalty, alpha), 1e-7)
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == (GAP if penalty == "l1" else KKT)
    other, _ = solve(ProximalGradient, build(X, y, loss, penalty, alpha), 1e-9)
    assert result.objective <= other.objective * 1.05
    lam, b = np.full(30, alpha), result.solution.intercept
    reached = objective(X, y, loss, get_penalty(penalty), lam, w, b)
    assert reached == pytest.approx(result.objective, rel=1e-9)
    if penalty == "l1":
        assert reached == pytest.approx(other.objective, rel=1e-6)


def test_same_as_scikit_learn_lasso(rng):
    X = design(rng, 60, 240)
    y = target(rng, X, "squared")
    alpha = 0.1 * alpha_max(X, y, "squared", "l1")
    peer = Lasso(alpha, tol=1e-12, max_iter=100000).fit(X, y)
    _, w = solve(AcceleratedGradient, build(X, y, "squared", "l1", alpha), 1e-10)
    np.testing.assert_allclose(w, peer.coef_, atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "penalty"), [("squared", "mcp"), ("logistic", "scad"), ("huber", "l1")]
)
def test_every_namespace_finds_the_same_point(rng, backend, loss, penalty):
    X = design(rng, 50, 20)
    y = target(rng, X, loss)
    alpha = 0.4 * alpha_max(X, y, loss, penalty)
    _, w = solve(AcceleratedGradient, build(X, y, loss, penalty, alpha), 1e-9)
    problem = build(X, y, loss, penalty, alpha, backend=backend)
    result, v = solve(AcceleratedGradient, problem, 1e-9)
    assert result.certificate.holds
    np.testing.assert_allclose(v, w, atol=1e-8)


def test_float32(rng, device_backend):
    X = design(rng).astype(np.float32)
    y = target(rng, X, "squared").astype(np.float32)
    alpha = 0.3 * alpha_max(X, y, "squared", "mcp")
    problem = build(X, y, "squared", "mcp", alpha, backend=device_backend)
    result, w = solve(AcceleratedGradient, problem, 1e-4)
    assert result.certificate.holds
    assert np.count_nonzero(w) >= 3


def test_scale_of_the_columns_is_no_obstacle(rng):
    X = design(rng)
    y = target(rng, X, "squared")
    scale = 10 ** rng.uniform(-4, 4, 30)
    alpha = 0.2 * alpha_max(X, y, "squared", "l1")
    _, w = solve(AcceleratedGradient, build(X, y, "squared", "l1", alpha), 1e-10)
    problem = build(X * scale, y, "squared", "l1", alpha * scale)
    result, v = solve(AcceleratedGradient, problem, 1e-10)
    assert result.reason is StopReason.CONVERGED
    np.testing.assert_allclose(v * scale, w, atol=1e-5)


def test_recovers_the_signal_that_the_lasso_shrinks(rng):
    X = rng.standard_normal((100, 300))
    y = target(rng, X, "squared")
    errors = {}
    for penalty in ("l1", "mcp", "scad"):
        alpha = 0.1 * alpha_max(X, y, "squared", penalty)
        _, w = solve(AcceleratedGradient, build(X, y, "squared", penalty, alpha), 1e-7)
        truth = np.zeros(300)
        truth[:5] = [3.0, -2.0, 1.5, 1.0, -1.0]
        errors[penalty] = np.linalg.norm(w - truth)
    assert errors["mcp"] < 0.5 * errors["l1"]
    assert errors["scad"] < 0.5 * errors["l1"]


def test_warm_start_is_accepted_at_once(rng):
    X = design(rng)
    y = target(rng, X, "logistic")
    alpha = 0.3 * alpha_max(X, y, "logistic", "scad")
    first, w = solve(AcceleratedGradient, build(X, y, "logistic", "scad", alpha), 1e-8)
    problem = build(X, y, "logistic", "scad", alpha)
    again, v = solve(AcceleratedGradient, problem, 1e-7, start=first.solution)
    assert again.n_iter == 1
    np.testing.assert_allclose(v, w, atol=1e-5)


@pytest.mark.parametrize("penalty", ["elasticnet", "l_half", "l0", "box", "log_sum"])
def test_other_penalties_are_refused_by_name(rng, penalty):
    X = design(rng)
    problem = build(X, target(rng, X, "squared"), "squared", penalty, 0.1)
    with pytest.raises(ValueError, match=rf"'ag'.*{penalty}.*proxgrad"):
        AcceleratedGradient(problem, 1e-4)


def test_positive_is_refused(rng):
    X = design(rng)
    problem = build(X, target(rng, X, "squared"), "squared", Positive(MCP()), 0.1)
    with pytest.raises(ValueError, match="positive mcp"):
        AcceleratedGradient(problem, 1e-4)


@pytest.mark.parametrize("loss", ["poisson", "quantile"])
def test_losses_without_bounded_curvature_are_refused(rng, loss):
    X = design(rng)
    problem = build(X, target(rng, X, loss), loss, SCAD(), 0.1)
    with pytest.raises(ValueError, match=rf"'ag'.*{loss}"):
        AcceleratedGradient(problem, 1e-4)
