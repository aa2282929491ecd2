"""Solvers of low rank: products, rows, certificates, descent, against other means."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from skopt2.solvers.low_rank import top_vectors
from skopt2.solvers.low_rank.alternating import AlternatingMinimisation
from skopt2.solvers.low_rank.balance import balanced
from skopt2.solvers.low_rank.entries import DenseEntries, SparseEntries
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.problem import Completion, Factors, absolute_loss
from skopt2.solvers.low_rank.row_solver import solve_rows
from skopt2.solvers.low_rank.scaled_descent import ScaledDescent
from skopt2.solvers.low_rank.start import random_start, spectral_start
from skopt2.solvers.low_rank.top_vectors import largest_value, top_triplets


def table(n=60, p=40, k=3, share=0.5, noise=0.0, condition=1.0, seed=0):
    """Return a matrix of low rank, its observed version, and the mask."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((n, k)))[0]
    V = np.linalg.qr(rng.standard_normal((p, k)))[0]
    M = (U * np.geomspace(1.0, 1.0 / condition, k)) @ V.T * np.sqrt(n * p / k)
    mask = rng.random((n, p)) < share
    X = np.where(mask, M + noise * rng.standard_normal((n, p)), 0.0)
    return M, X, mask


def dense(X, mask):
    return DenseEntries(X, mask.astype(X.dtype))


def stored(X, mask):
    matrix = sp.csr_array(mask.astype(X.dtype))
    matrix.data = X[mask]
    return SparseEntries(matrix)


def run(solver, state, tol=1e-8, limit=300):
    """Return the last state and the objectives on the way."""
    values = [state.measure.objective]
    for _ in range(limit):
        state = solver.step(state)
        values.append(state.measure.objective)
        if state.measure.value <= tol or state.measure.stalled:
            break
    return state, values


@pytest.fixture
def factors(rng):
    return rng.standard_normal((60, 4)), rng.standard_normal((40, 4))


@pytest.mark.parametrize("make", [dense, stored])
def test_products_are_those_of_the_masked_matrix(rng, factors, make):
    _, X, mask = table()
    (U, V), entries, full = factors, make(X, mask), mask * rng.standard_normal((60, 40))
    r = full if make is dense else full[mask]

    def whole(values):
        if make is dense:
            return values
        out = np.zeros(mask.shape)
        out[mask] = values
        return out

    assert_allclose(whole(entries.forward(U, V)), mask * (U @ V.T))
    assert_allclose(whole(entries.shift(V[:, 0])), mask * V[:, 0])
    assert_allclose(entries.times(r, V), full @ V)
    assert_allclose(entries.adjoint(r, U), full.T @ U)
    assert_allclose(entries.row_sums(r), full.sum(axis=1))
    assert_allclose(entries.column_sums(r), full.sum(axis=0))
    assert_allclose(entries.known(r), full[mask])
    turned = entries.turned()
    assert_allclose(turned.times(entries.flip(r), U), full.T @ U)
    assert_allclose(turned.known(turned.X).sum(), X.sum())
    G = np.concatenate([block for _, block in entries.grams(r, V)])
    assert_allclose(G, np.einsum("ij,jk,jl->ikl", full, V, V), atol=1e-12)
    kept = rng.random(int(mask.sum())) < 0.5
    part = entries.masked(kept)
    assert_allclose(part.known(part.X), X[mask][kept])


@pytest.mark.parametrize("make", [dense, stored])
@pytest.mark.parametrize("intercept", [False, True])
def test_rows_are_those_of_least_squares(factors, make, intercept):
    _, X, mask = table(noise=0.3)
    (_, B), entries, ones = factors, make(X, mask), make(X, mask).ones()
    if intercept:
        B = np.hstack([B - B.mean(axis=0), np.ones((40, 1))])
    level, start = 0.7, np.zeros((60, B.shape[1]))
    args = (entries, ones, entries.X, B, start, level, intercept)
    exact, fast = solve_rows(*args, exact=True), solve_rows(*args, exact=False)
    levels = np.full(B.shape[1], level)
    levels[B.shape[1] - intercept :] = 0.0
    for i in range(60):
        A = B[mask[i]]
        wanted = np.linalg.solve(A.T @ A + np.diag(levels), A.T @ X[i, mask[i]])
        assert_allclose(exact[i], wanted, atol=1e-10)
    # Conjugate gradients stop early: closer by far than the start, not exact.
    assert np.linalg.norm(fast - exact) < 0.1 * np.linalg.norm(exact)


@pytest.mark.parametrize("loss", [EntryLoss(), EntryLoss(0.5), absolute_loss(0.01)])
def test_losses_are_majorised_and_conjugate(rng, loss):
    r, s = rng.standard_normal((2, 200))
    ones = np.ones(200)
    w = loss.weights(r, ones)
    values = np.array(
        [[loss.total(v[i : i + 1], np.ones(1)) for i in range(200)] for v in (r, s)]
    )
    assert (values[1] <= values[0] + 0.5 * w * (s**2 - r**2) + 1e-12).all()
    assert_allclose(loss.slope(r, ones), w * r)
    # Fenchel's inequality is an equality at the derivative.
    t = loss.slope(r, ones)
    assert loss.total(r, ones) + loss.conjugate(t, ones) == pytest.approx(t @ r)
    assert loss.total(s, ones) + loss.conjugate(t, ones) >= t @ s


def test_balance_keeps_the_model_and_has_the_least_norm(factors):
    U, V = factors
    model, s = balanced(Factors(U * 1e3, V, np.zeros(40)), False)
    M = 1e3 * U @ V.T
    assert_allclose(model.U @ model.V.T, M)
    assert_allclose(s, np.linalg.svd(M, compute_uv=False)[:4])
    assert_allclose(model.U.T @ model.U, np.diag(s), atol=1e-8 * s[0])
    centred, _ = balanced(Factors(U, V, np.ones(40)), True)
    assert_allclose(centred.U.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(centred.U @ centred.V.T + centred.b, U @ V.T + 1.0)


@pytest.mark.parametrize("shape", [(60, 40), (900, 700)])
@pytest.mark.parametrize("make", [dense, stored])
def test_singular_values_and_vectors(make, shape):
    _, X, mask = table(*shape, share=0.1, noise=0.1)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    left, values, right = top_triplets(make(X, mask), make(X, mask).X, 3)
    assert_allclose(values, s[:3], rtol=1e-6)
    assert_allclose(np.abs(np.sum(left * U[:, :3], axis=0)), 1.0, rtol=1e-4)
    assert_allclose(np.abs(np.sum(right * Vt[:3].T, axis=0)), 1.0, rtol=1e-4)
    assert largest_value(make(X, mask), make(X, mask).X) == pytest.approx(s[0])


def test_gaps_of_large_sparse_matrices_are_bounds(rng, monkeypatch):
    """Noise has many singular values near the largest, which must not be missed."""
    X = sp.random_array((800, 700), density=0.05, format="csr", rng=rng)
    X.data = rng.standard_normal(X.nnz)
    exact = np.linalg.norm(X.toarray(), 2)
    entries = SparseEntries(X)
    assert largest_value(entries, entries.X) == pytest.approx(exact, rel=1e-7)
    assert largest_value(entries, 1e-200 * entries.X) == pytest.approx(1e-200 * exact)
    assert largest_value(entries, 0.0 * entries.X) == 0.0

    def fails(*args, **options):
        raise top_vectors.ArpackNoConvergence("late", [], [])

    monkeypatch.setattr(top_vectors, "svds", fails)
    assert largest_value(entries, entries.X) >= exact


@pytest.mark.parametrize("loss", [EntryLoss(), EntryLoss(0.2)])
@pytest.mark.parametrize("intercept", [False, True])
def test_any_rank_is_the_nuclear_norm_problem_of_cvxpy(loss, intercept):
    cvxpy = pytest.importorskip("cvxpy")
    _, X, mask = table(18, 12, 2, 0.7, noise=0.1, seed=3)
    problem = Completion(dense(X, mask), 1.5, loss, intercept, True)
    solver = AlternatingMinimisation(problem)
    start = solver.start(spectral_start(problem, 2, 0))
    state, _ = run(solver, start, tol=1e-7, limit=2000)
    assert state.measure.value <= 1e-7
    M, b = cvxpy.Variable(X.shape), cvxpy.Variable((1, X.shape[1]))
    r = cvxpy.multiply(mask, X - M - np.ones((X.shape[0], 1)) @ b * intercept)
    fit = 0.5 * cvxpy.sum_squares(r)
    if not loss.squared:
        fit = 0.5 * cvxpy.sum(cvxpy.huber(r, loss.delta))
    exact = cvxpy.Problem(cvxpy.Minimize(fit + 1.5 * cvxpy.normNuc(M)))
    value = exact.solve(solver="SCS", eps=1e-7, max_iters=20000)
    assert state.measure.objective * mask.sum() == pytest.approx(value, rel=1e-5)
    assert_allclose(state.model.U @ state.model.V.T, M.value, atol=2e-3)


def test_gap_bounds_what_is_left_at_every_point(rng):
    _, X, mask = table(noise=0.1)
    problem = Completion(stored(X, mask), 2.0, EntryLoss(), True, True)
    solver = AlternatingMinimisation(problem)
    state, _ = run(solver, solver.start(spectral_start(problem, 5, 0)), 1e-9, 500)
    best = state.measure.objective
    for k in (1, 3, 8):
        model = Factors(rng.random((60, k)), rng.random((40, k)), rng.random(40))
        measure = problem.measure(model, problem.residual(model))
        assert measure.objective - measure.gap <= best + 1e-12


def test_factors_grow_and_shrink_to_the_rank_of_the_solution():
    _, X, mask = table(noise=0.05)
    problem = Completion(dense(X, mask), 3.0, EntryLoss(), False, True)
    solver, ends = AlternatingMinimisation(problem), []
    for k in (1, 20):
        state, _ = run(solver, solver.start(spectral_start(problem, k, 0)), 1e-7)
        assert state.measure.value <= 1e-7
        ends.append(state.model.U @ state.model.V.T)
        assert state.model.rank <= 6
    assert_allclose(ends[0], ends[1], atol=5e-3)


@pytest.mark.parametrize("make", [dense, stored])
@pytest.mark.parametrize("exact", [True, False])
def test_alternating_recovers_and_never_goes_up(make, exact):
    M, X, mask = table(100, 80, 4, 0.4, condition=30.0)
    problem = Completion(make(X, mask), 0.0, EntryLoss(), False, False)
    solver = AlternatingMinimisation(problem, exact)
    state, values = run(solver, solver.start(spectral_start(problem, 4, 0)))
    assert state.measure.value <= 1e-8
    assert_allclose(state.model.U @ state.model.V.T, M, atol=1e-6)
    assert (np.diff(values) <= 1e-12).all()


def test_absolute_loss_recovers_with_gross_errors(rng):
    M, X, mask = table(100, 80, 3, 0.5)
    wrong = mask & (rng.random(mask.shape) < 0.1)
    X = np.where(wrong, X + 20.0 * rng.standard_normal(X.shape), X)
    squared = Completion(dense(X, mask), 0.0, EntryLoss(), False, False)
    absolute = Completion(dense(X, mask), 0.0, absolute_loss(1e-4), False, False)
    errors = []
    for problem, width in ((squared, 0.0), (absolute, 1.0)):
        solver = AlternatingMinimisation(problem)
        start = solver.start(spectral_start(problem, 3, 0), width)
        model = run(solver, start, 1e-6)[0].model
        errors.append(np.linalg.norm(model.U @ model.V.T - M) / np.linalg.norm(M))
    assert errors[1] < 1e-3 < 0.1 < errors[0]


def steps(condition, scaled):
    """Return the steps of descent to a recovery of so many digits."""
    M, X, mask = table(100, 80, 3, 0.5, condition=condition)
    problem = Completion(dense(X, mask), 0.0, EntryLoss(), False, False)
    solver = ScaledDescent(problem, scaled=scaled)
    state = solver.start(random_start(problem, 3, 0))
    for count in range(1, 600):
        old, state = state, solver.step(state)
        assert state.measure.objective <= old.measure.objective * (1.0 + 1e-12)
        if np.linalg.norm(state.model.U @ state.model.V.T - M) < 1e-5 * 90.0:
            return count
    return 600


def test_scaled_descent_does_not_feel_the_condition_number():
    scaled = [steps(condition, True) for condition in (1.0, 10.0, 100.0)]
    plain = [steps(condition, False) for condition in (1.0, 10.0)]
    assert max(scaled) <= 1.5 * min(scaled)
    assert plain[1] > 4.0 * plain[0]
    assert plain[1] > 3.0 * max(scaled)


@pytest.mark.parametrize("solver_class", [AlternatingMinimisation, ScaledDescent])
def test_states_are_packed(solver_class):
    _, X, mask = table(noise=0.1)
    problem = Completion(dense(X, mask), 0.5, absolute_loss(0.01), True, False)
    solver = solver_class(problem)
    state = solver.step(solver.start(spectral_start(problem, 3, 0), 1.0))
    again = solver.unpack(solver.pack(state))
    first, second = solver.step(state), solver.step(again)
    assert first.measure.objective == second.measure.objective
    assert first.delta == second.delta
