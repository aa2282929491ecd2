"""The program, its bound and its solvers against cvxpy and dense algebra."""

import numpy as np
import pytest

from skopt2.losses import get_loss
from skopt2.solvers.convex_relu.admm import ReLUADMM
from skopt2.solvers.convex_relu.cone_projection import gate_violation, projected_norms
from skopt2.solvers.convex_relu.gates import all_gates, sample_gates
from skopt2.solvers.convex_relu.loss_prox import excess_prox, prox, worst_prox
from skopt2.solvers.convex_relu.network import blocks_of, network_of
from skopt2.solvers.convex_relu.normal_system import NormalSystem
from skopt2.solvers.convex_relu.program import Blocks, ReLUProgram
from tests.solvers.convex_relu.reference import solve, solve_classes


def make_program(
    loss="squared", n=12, d=2, gates=6, alpha=0.02, bias=True, epsilon=0.0, seed=0
):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.sin(2.0 * X[:, 0]) + 0.3 * rng.standard_normal(n)
    loss = get_loss(loss)
    if loss.task != "regression":
        y = np.where(y > 0.0, 1.0, -1.0)
    if loss.task == "multiclass":
        y = np.eye(3)[rng.integers(0, 3, n)]
    s = rng.random(n) + 0.5
    s /= s.sum()
    X = np.c_[X, np.ones(n)] if bias else X
    D = all_gates(X) if gates == "all" else sample_gates(X, s, gates, bias, rng)
    return ReLUProgram(X, y, s, loss, D.astype(float), alpha, bias, epsilon)


def run(program, n_iter=2000, tol=1e-9, start=None):
    solver = ReLUADMM(program)
    state = solver.init(start)
    for i in range(n_iter):
        state = solver.step(state)
        if i % 10 == 9 and solver.certificate(state).value <= tol:
            break
    return solver, state, solver.certificate(state)


def run_to_end(program):
    """Return the state where the copies are those of the optimum of the program."""
    solver = ReLUADMM(program)
    state = solver.init()
    for i in range(2500):
        state = solver.step(state)
        if max(state.primal, state.dual) < 1e-8:
            break
        if i % 50 == 49:
            solver.certificate(state)
    return state, solver.certificate(state)


@pytest.mark.parametrize("epsilon", [0.0, 0.05])
@pytest.mark.parametrize(
    ("loss", "bias"), [("squared", True), ("squared", False), ("logistic", True)]
)
def test_value_and_bound_enclose_the_optimum_of_cvxpy(loss, bias, epsilon):
    pytest.importorskip("cvxpy")
    program = make_program(loss, bias=bias, epsilon=epsilon)
    best = solve(program)
    state, measure = run_to_end(program)
    # The copies converge to the optimum, and the bound from below.
    assert state.bound == pytest.approx(best, abs=1e-6)
    assert state.bound <= best + 1e-7
    copies = Blocks(state.V, state.b)
    assert program.network_value(copies) == pytest.approx(best, abs=1e-6)
    # The network, whose neurons may leave their cones, is as good or better.
    assert measure.objective <= best + 1e-6


@pytest.mark.parametrize("loss", ["squared_hinge"])
def test_other_losses_agree_with_cvxpy(loss):
    pytest.importorskip("cvxpy")
    program = make_program(loss, epsilon=0.03)
    best = solve(program)
    state, _ = run_to_end(program)
    assert state.bound == pytest.approx(best, abs=1e-6)


def test_several_classes_agree_with_cvxpy():
    pytest.importorskip("cvxpy")
    program = make_program("multinomial", n=10, gates=4, seed=1)
    best = solve_classes(program)
    state, _ = run_to_end(program)
    assert state.bound == pytest.approx(best, abs=1e-6)
    copies = Blocks(state.V, state.b)
    assert program.network_value(copies) == pytest.approx(best, abs=1e-6)


def test_any_dual_point_is_below_any_network(rng):
    for epsilon in (0.0, 0.1):
        program = make_program("logistic", epsilon=epsilon, gates="all", n=8)
        solver = ReLUADMM(program)
        state = solver.init()
        values, bounds = [], []
        for _ in range(60):
            state = solver.step(state)
            solver._measure(state)
            values.append(state.value)
            bounds.append(state.bound)
        assert max(bounds) <= min(values)
        # The best so far is kept.
        assert np.all(np.diff(values) <= 0.0)
        assert np.all(np.diff(bounds) >= 0.0)


def test_linear_convergence_of_the_iteration():
    """The distance to the end falls by a fixed factor, once the patterns settle."""
    program = make_program("logistic", gates=12)
    solver = ReLUADMM(program)
    state = solver.init()
    path = []
    for _ in range(1000):
        state = solver.step(state)
        path.append(state.V)
    error = [np.abs(V - path[-1]).max() for V in path[100:600:100]]
    assert error[-1] < 1e-6 * error[0]
    rates = np.diff(np.log10(error))
    assert rates[0] < 0.0
    assert np.all(rates[1:] < -1.0)


def test_all_patterns_leave_nothing_to_gain():
    program = make_program("squared", n=8, gates="all", alpha=0.05)
    solver, state, measure = run(program, 6000, tol=1e-7)
    assert measure.value <= 1e-6
    dual = (program.s * solver.finalize(state).theta)[:, None]
    fresh = sample_gates(program.X, program.s, 500, True, np.random.default_rng(9))
    violation = gate_violation(program.X, fresh, dual, program.alpha)
    assert -0.2 < violation < 1e-9


def test_objective_of_the_network_is_that_of_the_program():
    for loss in ("squared", "multinomial"):
        program = make_program(loss, n=20)
        _, state, measure = run(program, 300)
        network = network_of(state.best)
        eta = network(program.X)
        eta = eta if loss == "multinomial" else eta[:, 0]
        weights = np.square(network.W).sum() + np.square(np.abs(network.a).sum(1)).sum()
        value = program.loss.value(program.y, eta, program.s)
        value += 0.5 * program.alpha * weights
        assert value == pytest.approx(measure.objective, rel=1e-12)
        again = blocks_of(network, program.D.astype(bool), program.X)
        D = network.W @ program.X.T >= 0.0
        if {row.tobytes() for row in D} <= {
            row.tobytes() for row in program.D.astype(bool)
        }:
            assert program.network_value(again) <= measure.objective + 1e-12


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n", [7, 60])
def test_system_solves_its_least_squares_problem(rng, n, bias, epsilon):
    program = make_program("squared", n=n, gates=4, bias=bias, epsilon=epsilon)
    kappa, omega = 0.7, 0.3
    system = NormalSystem(program, kappa, omega)
    assert system.by_rows == (n == 7 and epsilon == 0.0)
    V = rng.standard_normal(program.shape)
    T = rng.standard_normal((*program.shape[:3], n))
    c = rng.standard_normal((1, n))
    m, robust = program.moving, epsilon > 0.0
    Z = rng.standard_normal((n, m)) if robust else None
    A = rng.standard_normal((*program.shape[:3], m))
    rhs = kappa * V + program.adjoint(program.sign * (program.s * T))
    if robust:
        rhs[..., :m] += kappa * A
    U, b = system.solve(rhs, c, Z)

    def objective(x):
        W = x[: U.size].reshape(U.shape)
        XW = program.forward(W)
        level = x[U.size :] if bias else np.zeros(1)
        total = kappa * np.square(W - V).sum()
        total += (program.s * np.square(program.sign * XW - T)).sum()
        eta = program.gated(XW) + level[:, None]
        total += (program.s * np.square(eta - c)).sum()
        if robust:
            total += kappa * np.square(W[..., :m] - A).sum()
            slopes = np.square(program.slopes(W) - Z).sum(axis=1)
            total += omega * (program.s * slopes).sum()
        return total

    x = np.r_[U.ravel(), b] if bias else U.ravel()
    least = objective(x)
    for _ in range(20):
        step = 1e-3 * rng.standard_normal(x.size)
        # A quadratic with its minimum at x rises alike on both sides.
        up, down = objective(x + step) - least, objective(x - step) - least
        assert up > 0.0
        assert up == pytest.approx(down, rel=1e-6)


@pytest.mark.parametrize(
    "name", ["squared", "huber", "logistic", "squared_hinge", "huberized_hinge"]
)
def test_proximal_points_are_stationary(rng, name):
    loss = get_loss(name)
    y = (
        rng.standard_normal(50)
        if loss.task == "regression"
        else rng.choice([-1.0, 1], 50)
    )
    q, start = 5.0 * rng.standard_normal((2, 50))
    for rho in (1e-3, 1.0, 1e3):
        eta = prox(loss, y, q, rho, start)
        slope = loss.gradient(y, eta) + rho * (eta - q)
        assert np.abs(slope).max() < 1e-10 * max(1.0, rho)


def test_proximal_points_of_several_classes_are_stationary(rng):
    loss, y = get_loss("multinomial"), np.eye(4)[rng.integers(0, 4, 30)]
    q, start = 8.0 * rng.standard_normal((2, 30, 4))
    for rho in (1e-3, 1.0, 1e3):
        eta = prox(loss, y, q, rho, start)
        slope = loss.gradient(y, eta) + rho * (eta - q)
        assert np.abs(slope).max() < 1e-10 * max(1.0, rho)


@pytest.mark.parametrize("name", ["squared", "huber", "logistic", "squared_hinge"])
def test_worst_case_proximal_points_are_minima(rng, name):
    program = make_program(name, epsilon=0.3)
    n, y = program.n, program.y
    q, Z = 2.0 * rng.standard_normal(n), rng.standard_normal((n, 2))
    E, rho, omega = rng.standard_normal((3, n)), 0.7, 0.4
    eta, slopes, excess = worst_prox(program, q, Z, E, rho, omega, np.abs(q))
    one = np.ones(1)

    def objective(x, i):
        size = 0.3 * np.abs(x[1:3]).sum() + np.maximum(x[3:], 0.0).sum()
        side = -y[i]
        if name in ("squared", "huber"):
            side = 1.0 if x[0] >= y[i] else -1.0
        value = program.loss.value(y[i : i + 1], np.array([x[0] + side * size]), one)
        near = (x[0] - q[i]) ** 2 + omega * np.square(x[1:3] - Z[i]).sum()
        return value + 0.5 * rho * (near + np.square(x[3:] - E[:, i]).sum())

    for i in range(n):
        found = np.r_[eta[i], slopes[i], excess[:, i]]
        least = objective(found, i)
        # Convex: a minimum among near points is one of all.
        for scale in (1e-5, 1e-3, 0.1):
            steps = scale * rng.standard_normal((60, found.size))
            # Along single coordinates, too, where the kinks are.
            steps[::2] *= rng.random((30, found.size)) < 0.3
            assert min(objective(found + step, i) for step in steps) >= least - 1e-12


def test_excesses_are_projected_onto_their_cone(rng):
    program = make_program(epsilon=0.4, gates=5)
    T, E = rng.standard_normal((2, *program.shape[:3], program.n))
    A = rng.standard_normal((*program.shape[:3], program.moving))
    t, a, e = excess_prox(program, T, A, E, 0.3)
    gap = t + e - 0.4 * np.abs(a).sum(-1)[..., None]
    assert gap.min() > -1e-12

    def product(x, z, w):
        rows = (program.s * ((T - t) * x + (E - e) * w)).sum(-1)
        return rows + 0.3 * ((A - a) * z).sum(-1)

    # A point of a cone is the projection if what is left is orthogonal to it and makes
    # no acute angle with any other of its points.
    assert np.abs(product(t, a, e)).max() < 1e-12
    assert np.abs(T - t).max() > 0.1
    for _ in range(20):
        z, w = rng.standard_normal(A.shape), rng.standard_normal(E.shape)
        x = 0.4 * np.abs(z).sum(-1)[..., None] + rng.random(T.shape) - w
        assert product(x, z, w).max() < 1e-12


def test_projected_norms_are_those_of_the_definition(rng):
    X, D = rng.standard_normal((9, 3)), rng.random((4, 9)) > 0.5
    C = rng.standard_normal((4, 2, 3))
    norms = projected_norms(X, D, C, 0.0)
    for h in range(4):
        A = np.where(D[h], 1.0, -1.0)[:, None] * X
        for j in range(2):
            directions = rng.standard_normal((20_000, 3))
            inside = directions[(directions @ A.T >= 0.0).all(axis=1)]
            inside /= np.linalg.norm(inside, axis=1, keepdims=True)
            best = max((inside @ C[h, j]).max(initial=0.0), 0.0)
            assert best <= norms[h, j] + 1e-12
            if len(inside) > 200:
                assert norms[h, j] == pytest.approx(best, abs=0.05)


def test_warm_start_is_no_worse_and_quick():
    program = make_program("logistic", n=30, gates=10)
    _, state, cold = run(program, 2000, tol=1e-5)
    _, again, warm = run(program, 2000, tol=1e-5, start=state.best)
    assert warm.objective <= cold.objective
    assert again.steps <= state.steps


def test_state_goes_through_a_checkpoint():
    program = make_program("logistic", epsilon=0.05)
    solver, state, _ = run(program, 50)
    again = solver.unpack(solver.pack(state))
    for _ in range(5):
        state, again = solver.step(state), solver.step(again)
    np.testing.assert_array_equal(state.V, again.V)
    assert solver.certificate(state).gap == solver.certificate(again).gap
