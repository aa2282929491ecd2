"""Saturated and degenerate working sets: the dual method and the gradient phase."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Lasso

from skopt2._core.iterate import iterate
from skopt2.datasets import make_sparse_design
from skopt2.penalties import MCP, ElasticNet, Positive, get_penalty
from skopt2.solvers import dual_newton
from skopt2.solvers.accelerated_phase import AcceleratedPhase
from skopt2.solvers.active_newton import ActiveNewton
from skopt2.solvers.dual_newton import DualNewton
from skopt2.solvers.flat_penalty import flat_penalty
from skopt2.solvers.working_model import CurvedModel, QuadraticModel
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.problems import alpha_max, build, design, target


def start(problem, gram=True):
    """Return the model of all features at zero, the point and the levels."""
    kind = QuadraticModel if problem.loss.is_quadratic else CurvedModel
    model = kind(problem, gram=gram)
    model.extend(np.arange(problem.design.p))
    model.start(problem.null_predictor, problem.null_gradient)
    lam = np.concatenate([np.zeros(model.offset), problem.lam])
    w = np.zeros(model.size)
    w[: model.offset] = problem.null_intercept
    return model, w, lam


def objective(model, penalty, w, lam):
    """Objective at the point of the model."""
    return model.problem.loss_value(model.predictor()) + penalty.value(w, lam)


@pytest.mark.parametrize("kind", ["dense", "sparse", "matrix-free"])
@pytest.mark.parametrize(
    "penalty", ["l1", ElasticNet(0.5), Positive(get_penalty("l1"))]
)
@pytest.mark.parametrize("loss", ["squared", "logistic", "huber"])
def test_stationary_from_a_cold_start(rng, loss, penalty, kind, monkeypatch):
    """More columns than rows, a free coordinate, and every way to solve a system."""
    X = design(rng, n=40, p=90)
    lam = np.full(90, 0.02)
    lam[3] = 0.0
    if kind == "matrix-free":
        monkeypatch.setattr(dual_newton, "DIRECT", 5)
    given = sp.csc_array(X) if kind == "sparse" else X
    y = target(rng, X, loss)
    s = rng.integers(0, 4, 40) + 0.0
    problem = build(given, y, loss, penalty, lam, s / s.sum())
    model, w, lam = start(problem, gram=kind == "dense")
    penalty = flat_penalty(problem.penalty, problem.penalty, 1, model.offset)
    method = DualNewton(model)
    w = method.minimise(penalty, w, lam, lambda w: 1e-9, 500)
    assert penalty.subdiff_distance(w, model.g, lam).max() <= 1e-9
    assert method.n_steps < 300


@pytest.mark.parametrize("error", [1e-6, 1e-8])
def test_near_duplicates(error):
    """Copies of columns up to rounding: the support passes n, and exchanges go on."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 400))
    X = np.hstack([X, X + error * rng.standard_normal(X.shape)])
    y = X[:, ::20] @ rng.standard_normal(40) + rng.standard_normal(100)
    alpha = alpha_max(X, y, "squared", "l1", False) / 1000
    problem = build(X, y, "squared", "l1", alpha, fit_intercept=False)
    method = WorkingSetNewton(problem, 1e-7)
    result = iterate(method, method.init(), tol=1e-7, max_iter=40)
    assert result.certificate.holds
    assert method.newton.n_steps <= 350
    peer = Lasso(alpha, fit_intercept=False, tol=1e-6, max_iter=20000)
    w = peer.fit(X, y).coef_
    residual = y - X @ w
    value = 0.5 * np.mean(residual**2) + alpha * np.abs(w).sum()
    assert result.objective <= value + 1e-7 * problem.null_value


def test_saturated_sparse_design():
    """Thousands of columns that compete for almost as many rows."""
    X, y, _ = make_sparse_design(600, 4000, 0.02, n_informative=30, random_state=0)
    problem = build(
        X, y, "squared", "l1", alpha_max(X, y, "squared", "l1", False) / 100
    )
    method = WorkingSetNewton(problem, 1e-6)
    result = iterate(method, method.init(), tol=1e-6, max_iter=30)
    assert result.certificate.holds
    assert method.newton.n_steps <= 200


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
@pytest.mark.parametrize("penalty", ["l1", MCP(3.0)])
def test_gradient_phase_descends(rng, loss, penalty):
    X = design(rng, n=60, p=100)
    y = target(rng, X, loss)
    problem = build(X, y, loss, penalty, 0.1 * alpha_max(X, y, loss, penalty))
    model, w, lam = start(problem, gram=False)
    phase, values = AcceleratedPhase(model), []
    for _ in range(20):
        w = phase.run(problem.penalty, w, lam, 40)
        values.append(objective(model, problem.penalty, w, lam))
    assert (np.diff(values) <= 1e-14 * abs(values[0])).all()
    # The predictor and the gradient are those of the point.
    np.testing.assert_allclose(
        model.predictor(),
        problem.predictor(
            np.arange(100), w[model.offset :], w[0] if model.offset else 0.0
        ),
        atol=1e-12,
    )
    distance = problem.penalty.subdiff_distance(w, model.g, lam).max()
    assert distance <= 0.01 * np.abs(problem.null_gradient).max()


def test_rejected_phase_changes_nothing(rng):
    """At the solution there is nothing to gain."""
    X = design(rng)
    problem = build(X, target(rng, X, "squared"), "squared", "l1", 1e6)
    model, w, lam = start(problem, gram=False)
    before = model.g.copy()
    assert AcceleratedPhase(model).run(problem.penalty, w, lam, 20) is w
    np.testing.assert_array_equal(model.g, before)


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@pytest.mark.parametrize("gram", [True, False])
def test_inner_loops_keep_the_deadline(rng, loss, gram, monkeypatch):
    """One outer step may take seconds: what is reached at the deadline is returned."""
    X = design(rng, n=60, p=200)
    problem = build(X, target(rng, X, loss), loss, "l1", 1e-4)
    ticks = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    problem.scale = 1.0
    for runs in (
        lambda m, p, w, lam: ActiveNewton(m).minimise(p, w, lam, lambda w: 0.0)[0],
        lambda m, p, w, lam: DualNewton(m).minimise(p, w, lam, lambda w: 0.0, 10**5),
        lambda m, p, w, lam: AcceleratedPhase(m).run(p, w, lam, 10**5),
    ):
        model, w, lam = start(problem, gram)
        problem.deadline = next(ticks) + 8
        end = runs(model, problem.penalty, w, lam)
        # Asked a few times since: not once for each of the steps that are left.
        assert problem.deadline <= next(ticks) <= problem.deadline + 5
        before = problem.loss_value(problem.null_predictor)
        assert objective(model, problem.penalty, end, lam) < before
