"""Solvers of factorisations: blocks, sweeps, proximal steps, codes, starts."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import minimize, nnls

from skopt2._core.iterate import iterate
from skopt2.penalties import get_penalty
from skopt2.solvers.factorization.block import residuals, solve_block
from skopt2.solvers.factorization.codes import solve_codes
from skopt2.solvers.factorization.data import MatrixData, TensorData, atoms, gram
from skopt2.solvers.factorization.descent import FactorDescent
from skopt2.solvers.factorization.proximal import ProximalDescent, steepest_descent
from skopt2.solvers.factorization.start import leading_subspace, row_start
from skopt2.solvers.factorization.term import Term

SIGNED = Term(nonnegative=True)
TERMS = [
    SIGNED,
    Term(),
    Term(nonnegative=True, l1=0.3, ridge=0.2),
    Term(l1=0.3),
    Term(nonnegative=True, ball=True, l1=0.1),
    Term(nonnegative=True, penalty=get_penalty("mcp"), level=0.3),
    Term(penalty=get_penalty("l0"), level=0.2),
]


def value(A, B, G, term):
    return 0.5 * np.sum(A * (G @ A)) - np.sum(A * B) + term.value(A)


@pytest.fixture
def problem(rng):
    H = np.abs(rng.standard_normal((4, 9)))
    return H @ np.abs(rng.standard_normal((9, 15))), H @ H.T


@pytest.mark.parametrize("term", TERMS)
def test_rows_of_a_block_are_best_responses(problem, term, rng):
    B, G = problem
    A = term.feasible(rng.standard_normal(B.shape))
    new = solve_block(A, B, G, term, 2000, 0.0)
    assert value(new, B, G, term) <= value(A, B, G, term)
    assert residuals(new, B, G, term).max() < 1e-9
    # No element can do better, by a search that knows nothing of proxes.
    if not term.ball:
        grid = np.linspace(-1.0, 4.0, 501)
        grid = np.append(grid[grid >= 0] if term.nonnegative else grid, 0.0)
        for j, i in ((0, 0), (1, 3), (3, 14)):
            values = []
            for v in grid:
                trial = new.copy()
                trial[j, i] = v
                values.append(value(trial, B, G, term))
            assert min(values) >= value(new, B, G, term) - 1e-10


def test_every_sweep_lowers_the_objective(problem, rng):
    B, G = problem
    for term in TERMS:
        A = term.feasible(rng.standard_normal(B.shape))
        last = value(A, B, G, term)
        for _ in range(5):
            A = solve_block(A, B, G, term, 1)
            now = value(A, B, G, term)
            assert now <= last + 1e-10
            last = now


def test_proximal_block_is_the_minimiser(problem, rng):
    B, G = problem
    A = np.abs(rng.standard_normal(B.shape))
    new = solve_block(A, B, G, SIGNED, 500, 0.0, 0.7)
    root = np.linalg.cholesky(G + 0.7 * np.eye(4)).T
    target = np.linalg.solve(root.T, B + 0.7 * A)
    wanted = np.stack([nnls(root, column)[0] for column in target.T], axis=1)
    assert_allclose(new, wanted, atol=1e-9)


def test_codes_are_those_of_nnls(rng):
    H = np.abs(rng.standard_normal((6, 20)))
    X = np.abs(rng.standard_normal((30, 20)))
    A, gaps = solve_codes(MatrixData(X), H, SIGNED, sweeps=200)
    wanted = np.stack([nnls(H.T, x)[0] for x in X], axis=1)
    assert_allclose(A, wanted, atol=1e-10)
    assert gaps.max() < 1e-9
    again, _ = solve_codes(MatrixData(sp.csr_array(X)), H, SIGNED, sweeps=200)
    assert_allclose(again, wanted, atol=1e-10)


def test_codes_of_an_elastic_net_are_those_of_cvxpy(rng):
    cvxpy = pytest.importorskip("cvxpy")
    H, X = rng.standard_normal((5, 8)), rng.standard_normal((6, 8))
    for nonnegative in (True, False):
        term = Term(nonnegative, l1=0.4, ridge=0.3)
        A, _ = solve_codes(MatrixData(X), H, term, sweeps=500)
        W = cvxpy.Variable((6, 5), nonneg=nonnegative)
        loss = 0.5 * cvxpy.sum_squares(X - W @ H) + 0.4 * cvxpy.sum(cvxpy.abs(W))
        problem = cvxpy.Problem(cvxpy.Minimize(loss + 0.15 * cvxpy.sum_squares(W)))
        problem.solve(solver="CLARABEL")
        assert_allclose(A.T, W.value, atol=1e-5)


def test_badly_scaled_codes_are_solved_too(rng):
    H = np.abs(rng.standard_normal((5, 12))) * np.logspace(-4, 4, 5)[:, None]
    H[1] += 0.999 * H[0]
    X = np.abs(rng.standard_normal((8, 12))) * np.logspace(-3, 3, 8)[:, None]
    A, gaps = solve_codes(MatrixData(X), H, SIGNED, sweeps=3000)
    assert gaps.max() < 1e-8
    for a, x in zip(A.T, X, strict=True):
        _, wanted = nnls(H.T, x)
        assert np.linalg.norm(x - a @ H) <= wanted * (1 + 1e-9)


def test_products_are_those_of_the_definition(rng, device_backend):
    X = rng.standard_normal((7, 3 * 4 * 5))
    s = rng.dirichlet(np.ones(7))
    blocks = [rng.standard_normal((2, d)) for d in (7, 3, 4, 5)]
    there = [device_backend.asarray(A) for A in blocks]
    data = TensorData(device_backend.asarray(X), (3, 4, 5), device_backend.asarray(s))
    T = X.reshape(7, 3, 4, 5) * s[:, None, None, None]
    a, b, c, d = blocks
    spec = {
        0: ("nabc,ka,kb,kc->kn", (X.reshape(7, 3, 4, 5), b, c, d)),
        1: ("nabc,kn,kb,kc->ka", (T, a, c, d)),
        2: ("nabc,kn,ka,kc->kb", (T, a, b, d)),
        3: ("nabc,kn,ka,kb->kc", (T, a, b, c)),
    }
    for mode, (letters, arrays) in spec.items():
        B = device_backend.to_numpy(data.product(mode, there))
        assert_allclose(B, np.einsum(letters, *arrays), atol=1e-12)
        G = device_backend.to_numpy(gram(there, mode, data.weights))
        parts = [(A * s) @ A.T if m == 0 else A @ A.T for m, A in enumerate(blocks)]
        parts.pop(mode)
        assert_allclose(G, np.prod(parts, axis=0), atol=1e-12)
    left = X - a.T @ np.einsum("ka,kb,kc->kabc", b, c, d).reshape(2, -1)
    assert data.residual(there) == pytest.approx(0.5 * np.sum(s[:, None] * left**2))
    assert data.norm2 == pytest.approx(np.sum(s[:, None] * X**2))
    assert atoms(there).shape == (2, 60)


@pytest.mark.parametrize("solver", [FactorDescent, ProximalDescent])
@pytest.mark.parametrize("lengths", [(12,), (3, 4)])
def test_sweeps_converge_and_never_climb(rng, solver, lengths):
    X = np.abs(rng.standard_normal((20, 12)))
    data = MatrixData(X) if len(lengths) == 1 else TensorData(X, lengths)
    terms = [Term(nonnegative=True, l1=0.05, ridge=0.02)] * (len(lengths) + 1)
    fit = solver(data, terms)
    blocks = [np.abs(rng.standard_normal((3, d))) for d in (20, *lengths)]
    result = iterate(fit, fit.start(blocks), tol=1e-7, max_iter=3000)
    assert result.reason == "converged"
    objective = result.history.as_dict()["objective"]
    assert np.diff(objective).max() <= 1e-14 * objective[0]
    # The value by its definition, and a stationary point by a general solver.
    state = result.solution

    def F(v):
        parts = np.split(v, np.cumsum([A.size for A in blocks])[:-1])
        parts = [p.reshape(A.shape) for p, A in zip(parts, blocks, strict=True)]
        left = X - parts[0].T @ atoms(parts)
        total = 0.5 * np.sum(left**2) / 20 + terms[0].value(parts[0], 1 / 20)
        return total + sum(terms[1].value(p) for p in parts[1:])

    x = np.concatenate([A.ravel() for A in state.factors])
    assert F(x) == pytest.approx(state.objective, rel=1e-10)
    better = minimize(F, x, bounds=[(0, None)] * x.size, options={"maxiter": 5})
    assert better.fun >= state.objective * (1 - 1e-7)


def test_paper_measure_falls_at_the_claimed_rate(rng):
    X = np.abs(rng.standard_normal((15, 10)))
    fit = ProximalDescent(MatrixData(X), [SIGNED, SIGNED], prox=0.5)
    blocks = [np.abs(rng.standard_normal((3, d))) for d in (15, 10)]
    result = iterate(fit, fit.start(blocks), tol=0.0, max_iter=400)
    measure = result.history.as_dict()["stationarity"]
    least, t = np.minimum.accumulate(measure), np.arange(1, 401)
    # Squared, the smallest so far is O(1 / t): t times it stays bounded, and falls.
    bounded = t * least**2
    assert bounded[10:].max() <= 2.0 * bounded[:10].max()
    assert bounded[-1] < 1e-3 * bounded.max()


def test_inexact_proximal_steps_keep_the_guarantee(rng):
    X = np.abs(rng.standard_normal((15, 10)))
    fit = ProximalDescent(MatrixData(X), [SIGNED, SIGNED], prox=0.5)
    blocks = [np.abs(rng.standard_normal((3, d))) for d in (15, 10)]
    state = fit.start(blocks)
    for _ in range(20):
        old, state = state, fit.step(state)
        moved = sum(
            0.5 * mu * np.sum((A - B) ** 2 * (1 / 15 if b == 0 else 1.0))
            for b, (mu, A, B) in enumerate(
                zip(state.mu, state.factors, old.factors, strict=True)
            )
        )
        # Each block is no worse than the old one with the proximal term.
        if np.isfinite(old.objective):
            assert state.objective + moved <= old.objective + 1e-12


def test_measure_is_the_supremum(rng):
    cvxpy = pytest.importorskip("cvxpy")
    A, C = np.abs(rng.standard_normal((3, 4))) * 0.2, rng.standard_normal((2, 5))
    for scale in (0.05, 3.0):
        g, h = scale * rng.standard_normal((3, 4)), scale * rng.standard_normal((2, 5))
        D, E = cvxpy.Variable((3, 4)), cvxpy.Variable((2, 5))
        gain = -cvxpy.sum(cvxpy.multiply(g, D)) - cvxpy.sum(cvxpy.multiply(h, E))
        ball = cvxpy.sum_squares(D) + cvxpy.sum_squares(E) <= 1
        problem = cvxpy.Problem(cvxpy.Maximize(gain), [A + D >= 0, ball])
        wanted = problem.solve(solver="CLARABEL")
        found = steepest_descent([(A, g, True), (C, h, False)])
        assert found == pytest.approx(wanted, rel=1e-5)
    still = [(np.zeros((2, 2)), np.ones((2, 2)), True)]
    assert steepest_descent(still) == 0.0


def test_dead_components_start_again(rng):
    X = np.abs(rng.standard_normal((20, 12)))
    fit = FactorDescent(MatrixData(X), [SIGNED, SIGNED])
    blocks = [np.abs(rng.standard_normal((4, d))) for d in (20, 12)]
    for A in blocks:
        A[2] = 0.0
    state = fit.start(blocks)
    for _ in range(20):
        old, state = state, fit.step(state)
        assert state.objective <= old.objective
    assert state.revived == 1
    assert all(np.linalg.norm(A[2]) > 1e-3 for A in state.factors)


def test_leading_subspace_is_that_of_the_svd(rng):
    X = rng.standard_normal((40, 5)) @ rng.standard_normal((5, 30))
    V, sigma = leading_subspace(MatrixData(X), 5, rng)
    _, s, Vt = np.linalg.svd(X / np.sqrt(40))
    assert_allclose(sigma, s[:5], rtol=1e-8)
    assert_allclose(np.abs(np.sum(V * Vt[:5], axis=1)), 1.0, rtol=1e-8)


def test_rows_to_start_from_are_far_apart(rng):
    centres = 10.0 * np.eye(4, 6)
    X = np.repeat(centres, 10, axis=0) + 0.01 * rng.random((40, 6))
    H = row_start(MatrixData(X), 4, rng)
    assert sorted(H.argmax(axis=1)) == [0, 1, 2, 3]
