"""Solvers of risk parity, against closed forms and a general convex solver."""

import numpy as np
import pytest
from scipy.optimize import minimize

from skopt2._core.iterate import iterate
from skopt2.solvers.risk_parity.choice import get_solver
from skopt2.solvers.risk_parity.coordinate import RiskDescent
from skopt2.solvers.risk_parity.newton import RiskNewton, positive_root

NAMES = ["ccd", "newton"]


def solve(name, C, b, *, x=None, tol=1e-11, max_iter=5000):
    solver = get_solver(name, C, b)
    return iterate(solver, solver.init(x), tol=tol, max_iter=max_iter)


def correlations(rng, n, rank):
    A = rng.standard_normal((n, rank))
    A /= np.linalg.norm(A, axis=1)[:, None]
    C = A @ A.T
    np.fill_diagonal(C, 1.0)
    return 0.5 * (C + C.T)


def shares(rng, n, least=0.05):
    b = rng.uniform(least, 1.0, n)
    return b / b.sum()


def phi(t):
    return t - 1.0 - np.log(t)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", [7, 8, 30])
def test_the_minimum_is_that_of_a_general_solver(rng, name, rank):
    C, b = correlations(rng, 10, rank), shares(rng, 10)
    found = minimize(
        lambda y: 0.5 * np.exp(y) @ C @ np.exp(y) - b @ y,
        0.5 * np.log(b),
        jac=lambda y: np.exp(y) * (C @ np.exp(y)) - b,
        method="BFGS",
        options={"gtol": 1e-11},
    )
    result = solve(name, C, b)
    np.testing.assert_allclose(result.solution.x, np.exp(found.x), rtol=1e-6)
    np.testing.assert_allclose(result.objective, found.fun, rtol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_uncorrelated_assets_have_the_roots_of_the_budget(rng, name):
    b = shares(rng, 7)
    x = solve(name, np.eye(7), b).solution.x
    np.testing.assert_allclose(x, np.sqrt(b), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rho", [-0.09, 0.0, 0.5, 0.999])
def test_constant_correlation_gives_equal_positions(name, rho):
    C = np.full((11, 11), rho) + (1.0 - rho) * np.eye(11)
    x = solve(name, C, np.full(11, 1 / 11)).solution.x
    np.testing.assert_allclose(x, 1 / np.sqrt(C.sum()), rtol=1e-11)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rho", [-0.99, -0.3, 0.7, 0.9999])
def test_two_assets(name, rho):
    # Shares (b, 1 - b): t = x_1 / x_2 is the positive root of
    # (1 - b) t^2 + rho (1 - 2 b) t - b = 0.
    b = 0.2
    roots = np.roots([1 - b, rho * (1 - 2 * b), -b])
    result = solve(name, np.array([[1.0, rho], [rho, 1.0]]), np.array([b, 1 - b]))
    x = result.solution.x
    np.testing.assert_allclose(x[0] / x[1], roots.max(), rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_a_published_portfolio(name):
    # X. Bai, K. Scheinberg and R. Tutuncu, Quantitative Finance 16, 2016, section 6.1,
    # and its solution in table 2 of the paper of Choi and Chen, in six sweeps there.
    S = np.array(
        [
            [94.868, 33.750, 12.325, -1.178, 8.778],
            [33.750, 445.642, 98.955, -7.901, 84.954],
            [12.325, 98.955, 117.265, 0.503, 45.184],
            [-1.178, -7.901, 0.503, 5.460, 1.057],
            [8.778, 84.954, 45.184, 1.057, 34.126],
        ]
    )
    volatility = np.sqrt(np.diag(S))
    # The paper stops at an absolute error of 1e-6, with shares of 0.2.
    result = solve(
        name, S / np.outer(volatility, volatility), np.full(5, 0.2), tol=5e-6
    )
    w = result.solution.x / volatility
    np.testing.assert_allclose(
        w / w.sum(), [0.125, 0.047, 0.083, 0.613, 0.132], atol=5e-4
    )
    assert result.n_iter == {"ccd": 6, "newton": 2}[name]


@pytest.mark.parametrize("name", NAMES)
def test_one_asset(name):
    assert solve(name, np.eye(1), np.ones(1)).solution.x == 1.0
    solver = RiskNewton(np.eye(1), np.ones(1), factorise=False)
    assert solver.step(solver.init()).x == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_every_step_descends(rng, name):
    C, b = correlations(rng, 40, 24), shares(rng, 40, 1e-6)
    result = solve(name, C, b, x=10.0 ** rng.uniform(-3, 3, 40), tol=1e-9)
    objective = result.history.as_dict()["objective"]
    assert result.reason == "converged"
    assert len(objective) > 5
    assert np.diff(objective).max() <= 1e-13 * np.abs(objective).max()


@pytest.mark.parametrize("name", NAMES)
def test_the_gap_bounds_the_errors(rng, name):
    C, b = correlations(rng, 20, 40), shares(rng, 20)
    best = solve(name, C, b, tol=1e-13, max_iter=20000)
    solver = get_solver(name, C, b)
    state, n_finite = solver.init(), 0
    for _ in range(5):
        measure = solver.certificate(state)
        assert measure.objective - best.objective <= measure.gap + 1e-14
        ratio = state.x / best.solution.x
        assert b @ phi(ratio) <= measure.gap + 1e-14
        share = state.x * (C @ state.x)
        value = np.abs(share / (share.sum() * b) - 1).max()
        np.testing.assert_allclose(measure.value, value, rtol=1e-9, atol=1e-14)
        # Primal less dual value, the dual at the same point.
        Cx = C @ state.x
        assert np.isfinite(measure.gap) == (Cx > 0).all()
        if np.isfinite(measure.gap):
            dual = b @ np.log(Cx / b) - 0.5 * state.x @ Cx + 1.0
            found = measure.objective - dual
            np.testing.assert_allclose(measure.gap, found, rtol=1e-9, atol=1e-13)
            n_finite += 1
        state = solver.step(state)
    assert n_finite >= 2


def test_the_gap_is_infinite_where_a_share_is_negative():
    C = np.array([[1.0, -0.9], [-0.9, 1.0]])
    solver = RiskNewton(C, np.array([0.5, 0.5]))
    measure = solver.certificate(solver.state(np.array([0.1, 1.0])))
    assert measure.gap == np.inf
    assert measure.value > 1.0


def test_newton_ends_quadratically(rng):
    C, b = correlations(rng, 50, 60), np.full(50, 0.02)
    error = solve("newton", C, b, tol=1e-13).history.as_dict()["certificate"]
    end = error[error < 1e-2][:2]
    assert end[1] < end[0] ** 1.7


def test_newton_needs_few_steps_where_sweeps_need_hundreds(rng):
    C, b = correlations(rng, 60, 40), np.full(60, 1 / 60)
    newton, sweeps = solve("newton", C, b, tol=1e-8), solve("ccd", C, b, tol=1e-8)
    assert newton.reason == sweeps.reason == "converged"
    assert newton.n_iter <= 12
    assert sweeps.n_iter > 100
    np.testing.assert_allclose(newton.solution.x, sweeps.solution.x, rtol=1e-6)


def test_the_start_is_a_jacobi_sweep(rng):
    C, b = correlations(rng, 9, 20), shares(rng, 9)
    a = 0.5 * (C.sum(axis=1) - 1) / np.sqrt(C.sum())
    x = np.sqrt(a * a + b) - a
    start = RiskNewton(C, b).init().x
    np.testing.assert_allclose(start, x / np.sqrt(x @ C @ x), rtol=1e-12)


def test_a_start_without_risk_is_replaced():
    # Equal positions in these four have no risk; others without short ones have.
    C = np.array([[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]])
    assert solve("newton", C, np.full(4, 0.25)).solution.riskless
    C = np.eye(3) * 1.5 - 0.5
    b = np.array([0.2, 0.3, 0.5])
    assert RiskNewton(C, b).state(np.ones(3)).riskless
    assert np.isfinite(RiskNewton(C, b).init().x).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_risk_is_seen(rng, name):
    C = correlations(rng, 60, 12)
    result = solve(name, C, np.full(60, 1 / 60), max_iter=1000)
    assert result.reason == "stalled"
    assert result.solution.riskless
    x = result.solution.x
    assert (x > 0).all()
    assert x @ C @ x <= 1e-10 * x.sum() ** 2


@pytest.mark.parametrize("block", [1, 3, 7, 64])
def test_a_sweep_visits_the_assets_in_turn(rng, block):
    C, b = correlations(rng, 20, 30), shares(rng, 20)
    solver = RiskDescent(C, b, block)
    state = solver.init()
    x = state.x.copy()
    for i in range(20):
        a = 0.5 * (C[i] @ x - x[i])
        x[i] = np.sqrt(a * a + b[i]) - a
    found = solver.step(state).x
    np.testing.assert_allclose(found, x / np.sqrt(x @ C @ x), rtol=1e-12)


def test_the_root_does_not_cancel():
    a, b = np.array([1e12, -1e12, 0.0, 3.0]), np.array([1.0, 1.0, 4.0, 7.0])
    np.testing.assert_allclose(positive_root(a, b), [5e-13, 2e12, 2.0, 1.0], rtol=1e-15)


def test_small_shares_of_the_budget(rng):
    C = correlations(rng, 30, 20)
    b = 10.0 ** rng.uniform(-6, 0, 30)
    b /= b.sum()
    result = solve("newton", C, b, tol=1e-8)
    assert result.reason == "converged"
    share = result.solution.x * (C @ result.solution.x)
    np.testing.assert_allclose(share, b, rtol=1e-7)


def test_nearly_singular_correlations(rng):
    C = 1e-10 * np.eye(40) + (1 - 1e-10) * correlations(rng, 40, 26)
    b = np.full(40, 1 / 40)
    result = solve("newton", C, b, tol=1e-9)
    assert result.reason == "converged"
    np.testing.assert_allclose(
        result.solution.x, solve("ccd", C, b, tol=1e-9).solution.x, rtol=1e-7
    )


def test_a_thousand_assets(rng):
    C, b = correlations(rng, 1000, 1500), shares(rng, 1000)
    result = solve("auto", C, b, tol=1e-9, max_iter=15)
    assert result.reason == "converged"
    share = result.solution.x * (C @ result.solution.x)
    np.testing.assert_allclose(share, b, rtol=2e-9)


@pytest.mark.parametrize("rank", [150, 300])
def test_inexact_directions_descend_to_the_same_end(rng, rank):
    C, b = correlations(rng, 220, rank), shares(rng, 220, 1e-3)
    ends = []
    for factorise in (False, True):
        solver = RiskNewton(C, b, factorise)
        result = iterate(solver, solver.init(), tol=1e-9, max_iter=30)
        assert result.reason == "converged"
        assert np.diff(result.history.as_dict()["objective"]).max() <= 1e-13
        ends.append(result.solution.x)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-7)


def test_slow_directions_are_factorised(rng, monkeypatch):
    C, b = correlations(rng, 40, 26), np.full(40, 1 / 40)
    monkeypatch.setattr("skopt2.solvers.risk_parity.newton.PATIENCE", 0.05)
    slow, exact = RiskNewton(C, b, False), RiskNewton(C, b, True)
    np.testing.assert_array_equal(slow.step(slow.init()).x, exact.step(exact.init()).x)


def test_rounding_ends_the_loop(rng):
    C, b = correlations(rng, 30, 40), shares(rng, 30)
    for name in NAMES:
        result = solve(name, C, b, tol=0.0)
        assert result.reason == "stalled"
        assert result.certificate.value < 1e-12


@pytest.mark.parametrize(
    "cls", [RiskDescent, RiskNewton, lambda C, b: RiskNewton(C, b, factorise=False)]
)
def test_arrays_of_any_library(rng, backend, cls):
    C, b = correlations(rng, 70, 60), shares(rng, 70)
    host, there = cls(C, b), cls(backend.asarray(C), backend.asarray(b))
    at, state = host.init(), there.init()
    for _ in range(12):
        at, state = host.step(at), there.step(state)
    np.testing.assert_allclose(backend.to_numpy(state.x), at.x, rtol=1e-10)
    packed = there.pack(state)
    np.testing.assert_allclose(
        backend.to_numpy(there.unpack(packed).x), at.x, rtol=1e-10
    )
    assert there.unpack(packed).n_steps == 12
