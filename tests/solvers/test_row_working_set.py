"""Penalties of rows: independent solvers, minima of single rows, certificates."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.linear_model import MultiTaskLasso

from skopt2.losses import get_loss
from skopt2.penalties import MCP, RowLasso, RowMCP, RowSCAD, get_penalty
from skopt2.solvers import row_working_set
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.row_working_set import RowWorkingSet as Solver
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.multitask_problems import (
    convex_minimum,
    make_data,
    make_problem,
    objective_of,
    run,
)


def weights_of(n):
    s = np.random.default_rng(5).uniform(0.0, 2.0, n)
    return s / s.sum()


def solve(X, Y, penalty, alpha, s=None, tol=1e-10, fit_intercept=True):
    """Return the solver and its last state."""
    solver = Solver(make_problem(X, Y, penalty, alpha, s, fit_intercept), tol)
    return solver, run(solver, tol)


@pytest.mark.parametrize("shape", [(40, 12, 4), (15, 60, 3), (30, 8, 20)])
@pytest.mark.parametrize("alpha", [1.0, 0.05])
def test_minimum_of_an_independent_solver(shape, alpha):
    X, Y = make_data(*shape)
    s = weights_of(len(X))
    solver, state = solve(X, Y, "row_lasso", alpha, s)
    assert solver.certificate_name == "relative duality gap"
    assert state.measure.value <= 1e-10
    b = solver.finalize(state).intercept
    value = objective_of(X, Y, state.W, b, s, RowLasso(), alpha)
    assert_allclose(state.measure.objective, value, rtol=1e-12)
    assert_allclose(value, convex_minimum(X, Y, "rows", alpha, s), rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_coefficients_of_scikit_learn(fit_intercept):
    X, Y = make_data(40, 25, 5)
    options = {"alpha": 0.4, "fit_intercept": fit_intercept}
    peer = MultiTaskLasso(tol=1e-12, max_iter=100_000, **options).fit(X, Y)
    solver, state = solve(
        X, Y, "row_lasso", 0.4, tol=1e-13, fit_intercept=fit_intercept
    )
    assert_allclose(state.W, peer.coef_.T, atol=1e-6)
    assert_allclose(solver.finalize(state).intercept, peer.intercept_, atol=1e-6)
    assert 0 < state.measure.extra["support"] < 25


def test_more_rows_in_use_than_samples(monkeypatch):
    monkeypatch.setattr(row_working_set, "SMALL", 0)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((30, 300)), rng.standard_normal((30, 12))
    solver, state = solve(X, Y, "row_lasso", 0.02, tol=1e-9)
    assert state.measure.value <= 1e-9
    assert state.measure.extra["support"] > 30
    # Beyond the samples products with the columns take the place of a Gram matrix.
    assert solver.cache.block.m <= 50
    peer = MultiTaskLasso(alpha=0.02, tol=1e-10, max_iter=100_000).fit(X, Y)
    value = objective_of(
        X, Y, peer.coef_.T, peer.intercept_, np.full(30, 1 / 30), RowLasso(), 0.02
    )
    assert_allclose(state.measure.objective, value, rtol=1e-6)


@pytest.mark.parametrize("name", ["l1", "mcp", "scad"])
def test_one_task_is_the_plain_problem(name):
    X, Y = make_data(50, 30, 1)
    rows = {"l1": "row_lasso", "mcp": "row_mcp", "scad": "row_scad"}[name]
    _, state = solve(X, Y, rows, 0.2, tol=1e-11)
    plain = LinearProblem(
        X, Y[:, 0], get_loss("squared"), get_penalty(name), np.full(30, 0.2)
    )
    newton = WorkingSetNewton(plain, 1e-11)
    other = newton.init()
    for _ in range(60):
        other = newton.step(other)
        measure = newton.certificate(other)
        if measure.value <= 1e-11:
            break
    assert_allclose(state.measure.objective, measure.objective, rtol=1e-9)


def row_descent(X, Y, W, b, penalty, alpha, sweeps=200):
    """Return the point that exact minimisation row by row leads to."""
    n = X.shape[0]
    scalar = penalty.scalar
    for _ in range(sweeps):
        before = W.copy()
        for j in range(W.shape[0]):
            b = (Y - X @ W).mean(axis=0)
            d = X[:, j] @ X[:, j] / n
            z = W[j] + X[:, j] @ (Y - X @ W - b) / n / d
            size = np.linalg.norm(z)
            new = scalar.prox(np.float64(size), 1.0 / d, np.float64(alpha))
            W[j] = z * (new / size)
        if np.abs(W - before).max() < 1e-10:
            break
    return W, (Y - X @ W).mean(axis=0)


@pytest.mark.parametrize("penalty", [RowMCP(3.0), RowSCAD(3.7), RowMCP(1.5)])
@pytest.mark.parametrize("n", [60, 15])
def test_concave_penalties_are_no_worse_than_restarts_row_by_row(n, penalty, rng):
    X, Y = make_data(n, 20, 3)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    alpha = 0.3
    solver, state = solve(X, Y, penalty, alpha, tol=1e-8)
    assert solver.certificate_name == "relative KKT violation"
    assert state.measure.value <= 1e-8
    b = solver.finalize(state).intercept
    # Stationary by the definition.
    M = -X.T @ (Y - X @ state.W - b) / n
    for row, force in zip(state.W, M, strict=True):
        size = np.linalg.norm(row)
        if size == 0.0:
            assert np.linalg.norm(force) <= alpha * (1 + 1e-7)
        else:
            slope = penalty.scalar.derivative(size, np.float64(alpha))
            assert_allclose(-force, slope * row / size, atol=1e-6)
    s = np.full(n, 1.0 / n)
    # No single row has a better place, so that the descent stays there.
    W, b = row_descent(X, Y, state.W.copy(), b, penalty, alpha, sweeps=3)
    value = objective_of(X, Y, W, b, s, penalty, alpha)
    assert_allclose(value, state.measure.objective, rtol=1e-7)
    start = np.zeros_like(W)
    others = [row_descent(X, Y, start, b, penalty, alpha)]
    for _ in range(4):
        start = rng.standard_normal(W.shape) * (rng.uniform(size=(20, 1)) < 0.3)
        others.append(row_descent(X, Y, start, b, penalty, alpha))
    values = [objective_of(X, Y, *other, s, penalty, alpha) for other in others]
    assert state.measure.objective <= np.median(values) * (1 + 1e-9)
    assert state.measure.objective <= values[0] * (1 + 1e-9)


def test_scales_of_the_features_do_not_matter_to_the_work():
    X, Y = make_data(60, 40, 3)
    scale = np.logspace(-4, 4, 40)
    for penalty in ("row_lasso", RowMCP(3.0)):
        for tol in (1e-6, 1e-10):
            _, state = solve(X * scale, Y, penalty, 0.3, tol=tol)
            assert state.measure.value <= tol
    # All features in one other unit, and the level in that unit: the same problem.
    _, first = solve(X, Y, "row_lasso", 0.3)
    _, second = solve(1000.0 * X, Y, "row_lasso", 300.0)
    assert_allclose(second.W * 1000.0, first.W, atol=1e-7)


def test_constant_columns_and_constant_targets(rng):
    X, Y = make_data(40, 12, 4)
    X[:, 3], Y[:, 1] = 1e6 + 0.1, 7.3
    solver, state = solve(X, Y, "row_lasso", 0.01)
    assert state.measure.value <= 1e-10
    assert not state.W[3].any()
    assert not state.W[:, 1].any()
    assert_allclose(solver.finalize(state).intercept[1], 7.3)
    solver, state = solve(X, np.full((40, 2), 0.1), "row_lasso", 0.01)
    assert state.measure.value == 0.0
    assert not state.W.any()


def test_sparse_columns_single_precision_and_no_penalty():
    X, Y = make_data(60, 30, 3)
    X[np.abs(X) < 0.8] = 0.0
    s = weights_of(60)
    _, dense = solve(X, Y, "row_lasso", 0.1, s)
    _, sparse = solve(sp.csr_array(X), Y, "row_lasso", 0.1, s)
    assert_allclose(sparse.W, dense.W, atol=1e-7)
    single = X.astype(np.float32), Y.astype(np.float32), "row_lasso", 0.1
    _, low = solve(*single, s.astype(np.float32), tol=1e-5)
    assert low.measure.value <= 1e-5
    assert_allclose(low.W, dense.W, atol=1e-2)
    _, free = solve(X, Y, "row_lasso", 0.0, tol=1e-9)
    expected = np.linalg.lstsq(X - X.mean(axis=0), Y - Y.mean(axis=0))[0]
    assert_allclose(free.W, expected, atol=1e-7)


@pytest.mark.parametrize("penalty", ["row_lasso", "row_mcp"])
def test_other_arrays_give_the_same(penalty, device_backend):
    for n, p in ((40, 12), (15, 90)):
        X, Y = make_data(n, p)
        move = device_backend.asarray
        _, host = solve(X, Y, penalty, 0.1)
        _, state = solve(move(X), move(Y), penalty, 0.1)
        assert_allclose(state.measure.objective, host.measure.objective, rtol=1e-8)
        assert_allclose(state.W, host.W, atol=1e-4)
        assert state.measure.value <= 1e-10
        problem = make_problem(move(X), move(Y), penalty, 0.1, move(weights_of(n)))
        assert run(Solver(problem, 1e-10)).measure.value <= 1e-10


def test_the_gap_bounds_what_is_missing_and_steps_go_down():
    X, Y = make_data(50, 200, 5)
    _, best = solve(X, Y, "row_lasso", 2.0, tol=1e-11)
    solver = Solver(make_problem(X, Y, "row_lasso", 2.0), 1e-9)
    state, values = solver.init(), []
    for _ in range(4):
        state = solver.step(state)
        values.append(state.measure.objective)
        missing = state.measure.objective - best.measure.objective
        assert missing <= state.measure.gap + best.measure.gap
    assert (np.diff(values) <= 1e-14).all()
    warm = solver.step(solver.init(solver.finalize(best)))
    assert_allclose(warm.measure.objective, best.measure.objective, rtol=1e-10)


def test_points_that_are_minimal_for_no_single_row_are_left():
    # One column of variance 1/4 and gamma = 1.5: between the kinks the objective is
    # concave, and the point where the slopes cancel is a maximum.
    n = 40
    x = np.tile([0.5, -0.5], n // 2)[:, None]
    Y = np.hstack([3.0 * x, 4.0 * x])
    alpha = 0.25 * 5.0 * 1.02
    scalar = MCP(1.5)
    _, state = solve(x, Y, RowMCP(1.5), alpha, fit_intercept=False)
    grid = np.linspace(0, 6, 6001)
    values = 0.125 * (5.0 - grid) ** 2
    values += [scalar.value(np.array([v]), np.float64(alpha)) for v in grid]
    assert_allclose(state.measure.objective, values.min(), rtol=1e-6)
