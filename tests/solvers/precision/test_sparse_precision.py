"""Sparse precision matrices against independent solvers, and their certificates."""

import math
import warnings

import numpy as np
import pytest
from sklearn.covariance import graphical_lasso

from skopt2._core.array import to_numpy
from skopt2._core.iterate import iterate
from skopt2.penalties import L1, MCP, SCAD
from skopt2.solvers.precision.components import SHARED, find_blocks
from skopt2.solvers.precision.definite import factorise, inverse
from skopt2.solvers.precision.problem import PrecisionProblem, gap_at
from skopt2.solvers.precision.sparse_precision import SparsePrecision
from skopt2.solvers.precision.spectral_gradient import SpectralGradient


def covariance(p=20, n=60, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, p))
    X[:, 1:] += 0.7 * X[:, :-1]
    return np.corrcoef(X, rowvar=False)


def formulate(S, alpha, penalty=None):
    off = 1.0 - np.eye(len(S))
    penalty = L1() if penalty is None else penalty
    return PrecisionProblem(S, np.ones_like(S), alpha * off, penalty)


def solve(S, alpha, penalty=None, tol=1e-10, max_iter=2000, start=None):
    solver = SparsePrecision(formulate(S, alpha, penalty), tol)
    options = {"tol": tol, "max_iter": max_iter, "check_every": solver.pause}
    return iterate(solver, solver.init(start), **options)


def objective(S, T, alpha):
    off = np.abs(T).sum() - np.abs(np.diag(T)).sum()
    return (S * T).sum() - np.linalg.slogdet(T)[1] + alpha * off


@pytest.mark.parametrize(("n", "alpha"), [(60, 0.1), (60, 0.02), (15, 0.2), (8, 0.3)])
def test_l1_agrees_with_scikit_learn(n, alpha):
    S = covariance(n=n)
    result = solve(S, alpha)
    assert result.reason == "converged"
    options = {"tol": 1e-10, "enet_tol": 1e-12, "max_iter": 1000}
    with warnings.catch_warnings():
        # Its sum of rounding errors does not always reach this tolerance.
        warnings.simplefilter("ignore")
        expected = graphical_lasso(S, alpha, **options)[1]
    T, W = result.solution
    np.testing.assert_allclose(T, expected, atol=2e-5)
    np.testing.assert_allclose(T @ W, np.eye(20), atol=1e-10)
    assert objective(S, T, alpha) <= objective(S, expected, alpha) + 1e-9


def test_l1_agrees_with_a_conic_solver():
    cvxpy = pytest.importorskip("cvxpy")
    S, alpha = covariance(p=6, n=20), 0.15
    T = cvxpy.Variable((6, 6), symmetric=True)
    off = 1.0 - np.eye(6)
    penalised = alpha * cvxpy.sum(cvxpy.abs(cvxpy.multiply(off, T)))
    goal = cvxpy.trace(S @ T) - cvxpy.log_det(T) + penalised
    problem = cvxpy.Problem(cvxpy.Minimize(goal))
    problem.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10)
    result = solve(S, alpha)
    assert result.objective == pytest.approx(problem.value, rel=1e-6)
    np.testing.assert_allclose(result.solution[0], T.value, atol=1e-4)


@pytest.mark.parametrize("r", [0.6, -0.6])
def test_two_features_have_a_closed_form(r):
    # W_12 is r shrunk by alpha, and T its inverse.
    S = np.array([[1.0, r], [r, 1.0]])
    w = math.copysign(0.4, r)
    expected = np.linalg.inv([[1.0, w], [w, 1.0]])
    np.testing.assert_allclose(solve(S, 0.2, tol=1e-13).solution[0], expected)
    np.testing.assert_array_equal(solve(S, 0.6).solution[0], np.eye(2))


def test_no_penalty_is_the_inverse():
    S = covariance()
    result = solve(S, 0.0)
    assert result.reason == "converged"
    np.testing.assert_allclose(result.solution[0], np.linalg.inv(S), rtol=1e-8)
    with pytest.raises(ValueError, match="alpha > 0"):
        solve(covariance(n=10), 0.0)


def test_gap_bounds_the_error():
    S = covariance()
    problem = formulate(S, 0.1)
    best = solve(S, 0.1, tol=1e-13).objective
    solver = SpectralGradient(problem)
    state, gaps = solver.init(), []
    for _ in range(150):
        Z, _ = solver.work.dual_point(state.T, state.H)
        gaps.append(gap_at(factorise(Z)[1], state.value, 20))
        assert state.value - best <= gaps[-1] + 1e-12
        state = solver.step(state)
    assert gaps[-1] < 1e-6 * len(S)


def test_solution_is_a_fixed_point():
    solver = SpectralGradient(formulate(covariance(), 0.1))
    T = solve(covariance(), 0.1, tol=1e-13).solution[0]
    state = solver.init(T)
    np.testing.assert_allclose(solver.step(state).T, T, atol=1e-8)


def test_values_fall_below_the_last_ones():
    solver = SpectralGradient(formulate(covariance(n=15), 0.1))
    state = solver.init()
    values = [state.value]
    for _ in range(50):
        state = solver.step(state)
        values.append(state.value)
        assert values[-1] <= max(values[-6:-1]) + 1e-12


@pytest.mark.parametrize("penalty", [L1(), MCP(3.0), SCAD(3.7)])
def test_components_are_solved_apart(penalty):
    blocks = [covariance(p=5, n=30, seed=i) for i in range(3)]
    S = np.eye(17)
    for i, block in enumerate(blocks):
        S[5 * i : 5 * i + 5, 5 * i : 5 * i + 5] = block
    shuffled = np.random.default_rng(0).permutation(17)
    # Below alpha, between the blocks: the solution must not see it.
    noise = 0.05 * np.random.default_rng(1).uniform(-1, 1, (17, 17))
    S = np.where(S == 0.0, noise + noise.T, S)[np.ix_(shuffled, shuffled)]
    T = solve(S, 0.2, penalty, tol=1e-9).solution[0]
    W = np.linalg.inv(T)
    slope = np.abs(penalty.derivative(T, np.full_like(T, 0.2)))
    off = ~np.eye(17, dtype=bool)
    some = off & (T != 0)
    assert some.any()
    expected = (slope * np.sign(T))[some]
    np.testing.assert_allclose((W - S)[some], expected, atol=1e-8)
    assert np.all(np.abs(W - S)[off & (T == 0)] <= 0.2 + 1e-8)
    parts = [solve(block, 0.2, penalty, tol=1e-9).solution[0] for block in blocks]
    back = np.argsort(shuffled)
    found = T[np.ix_(back, back)]
    for i, part in enumerate(parts):
        np.testing.assert_allclose(
            found[5 * i : 5 * i + 5, 5 * i : 5 * i + 5], part, atol=1e-6
        )


def test_small_components_share_a_matrix():
    p = 3 * SHARED
    S = np.eye(p)
    pairs = np.arange(0, p, 3)
    S[pairs, pairs + 1] = S[pairs + 1, pairs] = 0.5
    isolated, blocks, n_components = find_blocks(formulate(S, 0.1))
    assert isolated.tolist() == list(range(2, p, 3))
    assert n_components == 2 * SHARED
    assert sum(map(len, blocks)) == 2 * SHARED
    assert max(map(len, blocks)) <= SHARED


def test_warm_start_takes_fewer_steps():
    S = covariance(n=15)
    cold = solve(S, 0.1)
    warm = solve(S, 0.1, start=solve(S, 0.101).solution[0])
    assert warm.n_iter < cold.n_iter
    np.testing.assert_allclose(warm.solution[0], cold.solution[0], atol=1e-6)


def test_badly_conditioned_covariance():
    # Twins whose correlation is one but for 5e-7.
    X = np.random.default_rng(0).standard_normal((100, 6))
    X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]
    S = np.corrcoef(X, rowvar=False)
    result = solve(S, 1e-3, tol=1e-8)
    assert result.reason == "converged"
    # The twins share half their precision, that is about 1 / alpha.
    T = result.solution[0]
    assert T[0, 0] == pytest.approx(-T[0, 1], rel=0.05)
    assert T[0, 0] == pytest.approx(500.0, rel=0.1)


def test_flat_penalty_needs_a_regular_covariance():
    # Eight rows of twenty features: the likelihood has no maximum, and none is claimed.
    S = covariance(n=8)
    result = solve(S, 1e-3, MCP(1.5), tol=1e-8, max_iter=150)
    assert result.reason != "converged"
    lifted = (S + 0.3 * np.eye(20)) / 1.3
    assert solve(lifted, 0.1, MCP(1.5), tol=1e-8).reason == "converged"


def test_mcp_is_less_biased_than_l1():
    S = covariance(p=8, n=400)
    off = ~np.eye(8, dtype=bool)
    mcp = solve(S, 0.1, MCP(10.0), tol=1e-8)
    assert mcp.reason == "converged"
    lasso = solve(S, 0.1).solution[0]
    assert np.abs(mcp.solution[0][off]).sum() > 1.1 * np.abs(lasso[off]).sum()


def test_checkpoint_continues():
    S = covariance()
    solver = SparsePrecision(formulate(S, 0.1, MCP(3.0)), 1e-9)
    state = solver.init()
    for _ in range(40):
        state = solver.step(state)
        solver.certificate(state)
    assert state.parts[0].last
    again = solver.unpack(solver.pack(state))
    assert again.parts[0].last
    np.testing.assert_allclose(solver.finalize(again)[0], solver.finalize(state)[0])


def test_backends_agree(device_backend):
    S = covariance(p=8)
    for penalty in (L1(), MCP(3.0)):
        expected = solve(S, 0.1, penalty).solution[0]
        found = solve_there(device_backend, S, penalty)
        assert type(found) is type(device_backend.asarray(S))
        np.testing.assert_allclose(to_numpy(found), expected, atol=1e-8)


def solve_there(backend, S, penalty):
    off = 1.0 - np.eye(len(S))
    arrays = [backend.asarray(M) for M in (S, np.ones_like(S), 0.1 * off)]
    solver = SparsePrecision(PrecisionProblem(*arrays, penalty), 1e-10)
    options = {"tol": 1e-10, "max_iter": 2000, "check_every": solver.pause}
    return iterate(solver, solver.init(), **options).solution[0]


def test_factor_and_inverse(device_backend):
    S = covariance(p=7)
    there = device_backend.asarray(S)
    factor, log_det = factorise(there)
    assert log_det == pytest.approx(np.linalg.slogdet(S)[1])
    W = to_numpy(inverse(there, factor))
    np.testing.assert_allclose(W, np.linalg.inv(S), rtol=1e-9)
    np.testing.assert_array_equal(W, W.T)
    indefinite = device_backend.asarray(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert factorise(indefinite) == (None, -math.inf)
