"""Active-set Newton: finite on quadratics, safe where Hessians are singular."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2.penalties import MCP, ElasticNet, Positive, WeightedL1, get_penalty
from skopt2.solvers.active_newton import ActiveNewton
from skopt2.solvers.flat_penalty import FlatPenalty, flat_penalty
from skopt2.solvers.working_model import CurvedModel, QuadraticModel
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.problems import build, design, solve, target


def newton(problem, gram=True):
    """Return the method on all features, started at zero, and its coordinates."""
    kind = QuadraticModel if problem.loss.is_quadratic else CurvedModel
    model = kind(problem, gram=gram)
    model.extend(np.arange(problem.design.p))
    problem.scale = 1.0
    model.start(problem.null_predictor, problem.null_gradient.ravel())
    return ActiveNewton(model), np.zeros(model.size)


def free_levels(problem, size):
    """Return the levels of all coordinates, those of the intercept first."""
    lam = np.repeat(problem.lam, problem.n_outputs)
    return np.concatenate([np.zeros(size - lam.size), lam])


@pytest.mark.parametrize("gram", [True, False])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "mcp", "scad", "log_sum"])
def test_quadratic_is_solved_in_few_steps(rng, penalty, gram):
    X = design(rng)
    problem = build(X, target(rng, X, "squared"), "squared", penalty, 0.2)
    method, w = newton(problem, gram)
    w, worst = method.minimise(problem.penalty, w, problem.lam, lambda w: 1e-12)
    assert worst <= 1e-12
    assert method.n_steps <= 25
    _, reference = solve(WorkingSetNewton, problem, 1e-12)
    np.testing.assert_allclose(w, reference, atol=1e-10)


@pytest.mark.parametrize("loss", ["huber", "poisson", "logistic", "squared_hinge"])
def test_objective_never_rises(rng, loss, monkeypatch):
    X = design(rng)
    problem = build(X, target(rng, X, loss), loss, "scad", 0.05)
    method, w = newton(problem)
    lam = free_levels(problem, w.size)
    values, original = [], ActiveNewton._step

    def watched(self, penalty, w, *rest):
        values.append(self.model.value + penalty.value(w, lam))
        return original(self, penalty, w, *rest)

    monkeypatch.setattr(ActiveNewton, "_step", watched)
    _, worst = method.minimise(problem.penalty, w, lam, lambda w: 1e-10)
    assert worst <= 1e-10
    assert (np.diff(values) <= 1e-14 * abs(values[0])).all()
    assert values[-1] < values[0]


def test_tolerance_is_asked_at_every_step(rng):
    X = design(rng)
    problem = build(X, target(rng, X, "squared"), "squared", "l1", 0.1)
    method, w = newton(problem)
    _, worst = method.minimise(problem.penalty, w, problem.lam, lambda w: math.inf)
    assert method.n_steps == 0
    assert worst > 0.0


def test_dependent_columns(rng):
    """The Gram matrix of a column and its copies is singular: some share suffices."""
    X = np.repeat(design(rng, n=60, p=6), 3, axis=1)
    problem = build(X, target(rng, X, "squared"), "squared", "l1", 0.05)
    method, w = newton(problem)
    w, worst = method.minimise(problem.penalty, w, problem.lam, lambda w: 1e-10)
    assert worst <= 1e-10
    single = build(X[:, ::3], problem.y + problem.y_mean, "squared", "l1", 0.05)
    reference, _ = solve(WorkingSetNewton, single, 1e-12)
    value = problem.loss_value(method.model.predictor()) + problem.penalty_value(w)
    assert value == pytest.approx(reference.objective, rel=1e-10)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("loss", ["squared_hinge", "huberized_hinge"])
def test_flat_loss_with_more_features_than_rows(loss, positive):
    """A hinge is flat beyond its margin: the Hessian on the support is singular.

    Undamped directions are 1e12 long there; halving them took thousands of trials.
    """
    rng = np.random.default_rng(42)
    X, label = rng.random((15, 30)), np.where(rng.random(15) < 0.5, -1.0, 1.0)
    s = rng.integers(0, 5, 15) + 0.0
    penalty = get_penalty("l1")
    problem = build(
        X, label, loss, Positive(penalty) if positive else penalty, 0.01, s / s.sum()
    )
    method = WorkingSetNewton(problem, 1e-10)
    state = method.init()
    for _ in range(3):
        state = method.step(state)
    assert method.certificate(state).value <= 1e-10
    assert method.newton.n_steps <= 150


def test_intercept_is_not_bounded_by_the_penalty_of_the_features(rng):
    """Bounds do not vanish with the level, so the intercept must not be given any."""
    X = design(rng)
    y = target(rng, X, "logistic")
    y[:60] = -1.0
    problem = build(X, y, "logistic", Positive(get_penalty("l1")), 0.02)
    result, w = solve(WorkingSetNewton, problem, 1e-10)
    assert result.certificate.holds
    assert (w >= 0).all()
    assert w.any()
    assert result.solution.intercept < 0


@pytest.mark.parametrize("loss", ["logistic", "multinomial", "squared"])
def test_parameters_per_feature_follow_their_feature(rng, loss):
    """With an intercept, or several outputs, coordinates are not features."""
    X = design(rng)
    y, weights = target(rng, X, loss), rng.uniform(0.2, 3.0, X.shape[1])
    one = build(X, y, loss, WeightedL1(weights), 0.02)
    other = build(X, y, loss, "l1", 0.02 * weights)
    first, w = solve(WorkingSetNewton, one, 1e-11)
    second, v = solve(WorkingSetNewton, other, 1e-11)
    assert first.objective == pytest.approx(second.objective, rel=1e-10)
    np.testing.assert_allclose(w, v, atol=1e-5)


def test_flat_penalty(rng):
    inner = Positive(WeightedL1(np.array([1.0, 2.0, 5.0])))
    flat = flat_penalty(inner, inner, 2, 2)
    assert isinstance(flat, FlatPenalty)
    lam = np.array([0.0, 0.0, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0])
    w = np.array([-3.0, 0.0, 1.0, 0.0, 2.0, 1.0, 1.0, 0.0])
    assert flat.value(w, lam) == pytest.approx(0.1 * 1 + 0.2 * 3)
    np.testing.assert_array_equal(flat.unpenalised(lam), [1, 1, 0, 0, 0, 0, 0, 0])
    z = flat.prox(-w, 0.5, lam)
    np.testing.assert_array_equal(z, [3, 0, 0, 0, 0, 0, 0, 0])
    steps = np.full(8, 0.5)
    np.testing.assert_array_equal(flat.prox(-w, steps, lam), z)
    slope = flat.derivative(w, lam)
    np.testing.assert_allclose(slope, [0, 0, 0.1, 0, 0.2, 0.2, 0, 0])
    np.testing.assert_array_equal(flat.curvature(w, lam), np.zeros(8))
    distance = flat.subdiff_distance(w, np.full(8, 0.3), lam)
    np.testing.assert_allclose(distance, [0.3, 0.3, 0.4, 0, 0.5, 0.5, 0.3, 0])
    part = flat.restrict(np.array([0, 4, 7])).restrict(np.array([1, 2]))
    assert part.value(w[[4, 7]], lam[[4, 7]]) == pytest.approx(0.4)


def test_common_penalties_are_used_as_they_are():
    for penalty in (get_penalty("l1"), MCP(2.0), ElasticNet(0.3)):
        assert flat_penalty(penalty, penalty.restrict(np.arange(3)), 3, 3) is penalty


@pytest.mark.parametrize("sparse", [True, False])
def test_concave_region_is_left(rng, sparse):
    """Standardised columns and a small gamma: the Hessian is indefinite on the way."""
    X = design(rng, n=60, p=40)
    X = (X - X.mean(axis=0)) / X.std(axis=0) * (rng.random(X.shape) < 0.5)
    y = target(rng, X, "squared")
    given = sp.csc_array(X) if sparse else X
    problem = build(given, y, "squared", MCP(1.2), 0.3)
    method, w = newton(problem)
    w, worst = method.minimise(problem.penalty, w, problem.lam, lambda w: 1e-10)
    assert worst <= 1e-10
    value = problem.loss_value(method.model.predictor()) + problem.penalty_value(w)
    assert value < problem.null_value


def test_batch_stays_bounded(rng):
    """Thousands of whole steps must not let the number of entrants overflow."""
    X = design(rng)
    problem = build(X, target(rng, X, "huber"), "huber", "l1", 0.1)
    method, w = newton(problem, gram=False)
    for _ in range(5000):
        method._adapt(1.0, 0, 3)
    assert method.batch <= w.size + 10
