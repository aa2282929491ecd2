"""The certificates: the gap bounds the error, the KKT violation is the distance."""

import numpy as np
import pytest

from skopt2.linear_model import SparseRegressor
from skopt2.losses import get_loss
from skopt2.penalties import ElasticNet, Positive, get_penalty
from skopt2.solvers.certificate import (
    GAP,
    KKT,
    certificate_name,
    duality_gap,
    gradient_scale,
    kkt_violation,
    objective_scale,
)
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.problems import build, design, solve, target

LOSSES = [
    "squared",
    "huber",
    "poisson",
    "logistic",
    "squared_hinge",
    "huberized_hinge",
    "multinomial",
]


def at(problem, w, b):
    """Return linear predictor, gradient and penalty at a point, centred intercept."""
    ids = np.arange(w.shape[0])
    eta = problem.predictor(ids, w, b)
    gradient = problem.design.gradient(problem.weighted_gradient(eta))
    return eta, gradient, problem.penalty_value(w)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "positive"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gap_bounds_the_error_at_any_point(rng, loss, penalty, fit_intercept):
    X = design(rng, n=40, p=12)
    y = target(rng, X, loss)
    lam = np.full(12, 0.05)
    lam[3] = np.inf
    shape = Positive(ElasticNet(0.7)) if penalty == "positive" else get_penalty(penalty)
    problem = build(X, y, loss, shape, lam, fit_intercept=fit_intercept)
    assert certificate_name(problem) == GAP
    result, best = solve(WorkingSetNewton, problem, 1e-11)
    assert result.gap <= 1e-11 * objective_scale(problem)
    base = problem.null_intercept
    for size in (0.0, 1e-3, 0.1, 1.0):
        w = best + size * rng.standard_normal(best.shape)
        w[3] = 0.0
        w = np.maximum(w, 0.0) if penalty == "positive" else w
        primal, gap = duality_gap(problem, *at(problem, w, base))
        assert gap >= primal - result.objective - 1e-10 * abs(primal)
        assert gap >= 0.0


@pytest.mark.parametrize(
    ("penalty", "lam", "name"),
    [
        ("l1", [1.0, np.inf], GAP),
        ("l1", [1.0, 0.0], KKT),
        ("elasticnet", [1.0, 1.0], GAP),
        ("mcp", [1.0, 1.0], KKT),
        ("scad", [1.0, 1.0], KKT),
    ],
)
def test_name(rng, penalty, lam, name):
    X = rng.standard_normal((5, 2))
    problem = build(X, X[:, 0], "squared", penalty, lam)
    assert certificate_name(problem) == name


def test_violation_is_relative_to_the_gradient_of_the_null_model(rng):
    X = design(rng, n=30, p=6)
    y = X[:, 0] - X[:, 1]
    problem = build(X, y, "squared", "l1", 0.01)
    centred = X - X.mean(axis=0)
    null = centred.T @ (y - y.mean()) / 30
    assert gradient_scale(problem) == pytest.approx(np.abs(null).max())
    w = np.array([0.5, 0.0, -0.2, 0.0, 0.0, 0.0])
    _, g, _ = at(problem, w, 0.0)
    distance = np.where(
        w == 0, np.maximum(abs(g) - 0.01, 0), abs(g + 0.01 * np.sign(w))
    )
    expected = distance.max() / np.abs(null).max()
    assert kkt_violation(problem, w, g) == pytest.approx(expected)


def test_excluded_features_do_not_set_the_scale(rng):
    X = rng.standard_normal((30, 3)) * [1.0, 1.0, 100.0]
    y = X @ [1.0, 1.0, 1.0]
    with_it = build(X, y, "squared", "mcp", [1.0, 1.0, np.inf])
    assert gradient_scale(with_it) == pytest.approx(
        np.abs((X - X.mean(axis=0)).T @ (y - y.mean()) / 30)[:2].max()
    )
    before = gradient_scale(with_it)
    with_it.set_level(np.ones(3))
    assert gradient_scale(with_it) > 10 * before


@pytest.mark.parametrize("value", [0.1, 1e8, 0.0])
@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
def test_rounding_is_no_scale(rng, loss, value):
    """Constant columns, or a constant target, leave only rounding in the gradient."""
    n = 30
    X = np.full((n, 2), value)
    y = np.where(np.arange(n) % 3 == 0, 1.0, -1.0)
    problem = build(X, y, loss, "mcp", 1e-3)
    assert gradient_scale(problem) >= 1e-3 * (value or 1.0)
    constant = build(rng.standard_normal((n, 2)), np.full(n, 0.1), "squared", "l1", 0.1)
    assert gradient_scale(constant) == 1.0
    assert objective_scale(constant) == 1.0
    assert not constant.y.any()


def test_scales_follow_the_units_of_the_target(rng):
    X = design(rng, n=30, p=6)
    y = X[:, 0] + rng.standard_normal(30)
    one = build(X, y, "squared", "l1", 0.1)
    small = build(X, 1e-6 * y, "squared", "l1", 1e-7)
    assert gradient_scale(small) == pytest.approx(1e-6 * gradient_scale(one))
    assert objective_scale(small) == pytest.approx(1e-12 * objective_scale(one))


def test_scale_of_a_poisson_problem_is_its_deviance(rng):
    """The loss exp(eta) - y eta of the null model is 0 where the mean of y is e."""
    X = design(rng, n=40, p=5)
    y = rng.poisson(np.exp(X[:, 0] - 0.3)).astype(float)
    y *= np.e / y.mean()
    problem = build(X, y, "poisson", "l1", 0.05)
    assert abs(problem.null_value) < 1e-12
    mean = y.mean()
    logs = np.log(np.where(y > 0, y, 1.0) / mean)
    deviance = np.mean(y * logs - (y - mean))
    assert objective_scale(problem) == pytest.approx(deviance)
    result, _ = solve(WorkingSetNewton, problem, 1e-9)
    assert result.certificate.holds


def test_dual_point_of_a_poisson_target_with_zeros(rng):
    """A rate below an observed 0 leaves no room to scale: the gap is large, not NaN."""
    X = design(rng, n=20, p=4)
    y = np.zeros(20)
    y[0] = 3.0
    problem = build(X, y, "poisson", "l1", 0.05, fit_intercept=False)
    _, gap = duality_gap(problem, *at(problem, np.full(4, -0.5), 0.0))
    assert np.isfinite(gap)
    result, _ = solve(WorkingSetNewton, problem, 1e-9)
    assert result.certificate.holds


def test_levels_change_without_stale_scales(rng):
    X = design(rng, n=30, p=6)
    loss = get_loss("squared")
    problem = LinearProblem(X, X[:, 0], loss, get_penalty("l1"), np.ones(6))
    first = gradient_scale(problem)
    problem.set_level(0.5 * np.ones(6))
    assert gradient_scale(problem) == first


def test_a_null_model_that_misses_by_a_rounding_is_no_scale():
    # One row counts, and the start of Huber's intercept is off by 2e-18.
    X, y = np.array([[0.0], [0.0], [-100.0]]), np.array([0.001, 0.002, 0.001])
    model = SparseRegressor("huber", alpha=0.1).fit(X, y, sample_weight=[0, 1, 0])
    assert model.converged_
    assert model.intercept_ == pytest.approx(0.002, rel=1e-12)
