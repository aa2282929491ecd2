"""Penalties of singular values: independent solvers, both bases, certificates."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from skopt2.penalties import NuclearNorm, SpectralMCP, SpectralSCAD
from skopt2.solvers.nuclear_norm import NuclearNorm as Solver
from skopt2.solvers.nuclear_norm_model import EigenModel, PlainModel, make_model
from skopt2.solvers.singular_values import shrink, spectral_norm, subspace_distance
from tests.solvers.multitask_problems import (
    convex_minimum,
    make_data,
    make_problem,
    objective_of,
    run,
)

SHAPES = {"tall": (40, 12, 4), "wide": (15, 30, 4), "many tasks": (30, 6, 20)}


def weights_of(n):
    s = np.random.default_rng(5).uniform(0.0, 2.0, n)
    return s / s.sum()


def coefficients(solver, state, p):
    """Return the coefficients (p, K) and the intercept of a state."""
    solution = solver.finalize(state)
    W = np.zeros((p, solver.model.shape[1]))
    W[solution.ids] = solution.w
    return W, solution.intercept


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fraction", [3.0, 30.0])
def test_minimum_of_an_independent_solver(shape, fraction):
    n, p, K = SHAPES[shape]
    X, Y = make_data(n, p, K)
    s = weights_of(n)
    problem = make_problem(X, Y, "nuclear", 1.0, s)
    solver = Solver(problem, 1e-10)
    alpha = solver.null_norm / fraction
    problem.set_level(np.array([alpha]))
    state = run(solver)
    assert solver.certificate_name == "relative duality gap"
    assert state.measure.value <= 1e-10
    W, b = coefficients(solver, state, p)
    value = objective_of(X, Y, W, b, s, NuclearNorm(), alpha)
    assert_allclose(state.measure.objective, value, rtol=1e-12)
    assert_allclose(value, convex_minimum(X, Y, "nuclear", alpha, s), rtol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gap_bounds_what_is_missing(shape):
    X, Y = make_data(*SHAPES[shape])
    problem = make_problem(X, Y, "nuclear", 0.1)
    best = run(Solver(problem, 1e-13), 1e-13).measure
    for tol in (1e-1, 1e-3, 1e-6):
        measure = run(Solver(problem, tol), tol).measure
        missing = measure.objective - best.objective
        assert missing <= measure.gap + best.gap
        assert measure.gap / problem.objective_scale == measure.value <= tol


@pytest.mark.parametrize(
    ("shape", "penalty"),
    # With fewer samples than features a concave problem has many minima.
    [(shape, "nuclear") for shape in SHAPES] + [("tall", "spectral_mcp")],
)
def test_every_basis_has_the_same_minimum(shape, penalty):
    X, Y = make_data(*SHAPES[shape])
    problem = make_problem(X, Y, penalty, 0.2, weights_of(len(X)))
    models = [make_model(problem), make_model(problem, limit=0)]
    assert [type(model) for model in models] == [EigenModel, PlainModel]
    solvers = [Solver(problem, 1e-11, model) for model in models]
    states = [run(solver, 1e-11) for solver in solvers]
    found = [
        coefficients(solver, state, X.shape[1])[0]
        for solver, state in zip(solvers, states, strict=True)
    ]
    assert_allclose(found[0], found[1], atol=2e-6)
    assert_allclose(states[0].measure.objective, states[1].measure.objective)
    # A plain loss without a penalty: the basis does not forget the loss.
    B = np.random.default_rng(3).standard_normal(models[0].shape)
    W = models[0].to_features(B)
    assert_allclose(
        np.vdot(B, models[0].curved(B)), np.vdot(W, models[1].curved(W)), rtol=1e-9
    )
    assert_allclose(models[0].from_features(W), B, atol=1e-9)
    assert_allclose(
        np.linalg.svd(W, compute_uv=False)[: min(B.shape)],
        np.linalg.svd(B, compute_uv=False),
        rtol=1e-9,
    )


@pytest.mark.parametrize("sides", [(7, 3), (3, 7)])
@pytest.mark.parametrize("penalty", [NuclearNorm(), SpectralMCP(), SpectralSCAD()])
def test_prox_moves_the_singular_values(sides, penalty, rng):
    Z = rng.standard_normal(sides)
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    expected = penalty.scalar.prox(s, 0.7, np.float64(1.2))
    for exact in (False, True):
        B, sigma, top = shrink(np, penalty.scalar, Z, 0.7, 1.2, exact)
        assert_allclose(B, (U * expected) @ Vt, atol=1e-12)
        assert_allclose(np.sort(sigma), np.sort(expected), atol=1e-12)
        assert_allclose(top, s[0])
    # The prox is a minimum: no matrix around it has a lower objective.

    def objective(B):
        return ((B - Z) ** 2).sum() / 1.4 + penalty.value(B, 1.2)

    least = objective(B)
    for size in (1e-3, 0.1, 1.0):
        assert objective(B + size * rng.standard_normal(sides)) > least


@pytest.mark.parametrize("penalty", [SpectralMCP(2.5), SpectralSCAD(3.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_concave_penalties_end_at_a_local_minimum(shape, penalty, rng):
    n, p, K = SHAPES[shape]
    X, Y = make_data(n, p, K)
    problem = make_problem(X, Y, penalty, 1.0)
    solver = Solver(problem, 1e-9)
    alpha = solver.null_norm / 8.0
    problem.set_level(np.array([alpha]))
    state = run(solver, 1e-9)
    assert solver.certificate_name == "relative KKT violation"
    assert state.measure.value <= 1e-9
    W, b = coefficients(solver, state, p)
    assert 0 < np.linalg.matrix_rank(W, tol=1e-6) < min(p, K)
    # The definition: -M = U pen'(sigma) V' + N, with N orthogonal to both.
    centred = X - X.mean(axis=0)
    M = -centred.T @ (Y - X @ W - b) / n
    U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    k = int((sigma > 1e-6).sum())
    U, sigma, Vt = U[:, :k], sigma[:k], Vt[:k]
    slope = penalty.scalar.derivative(sigma, np.float64(alpha))
    N = -M - (U * slope) @ Vt
    tiny = 1e-8 * solver.null_norm
    assert np.abs(U.T @ N).max() <= tiny
    assert np.abs(N @ Vt.T).max() <= tiny
    assert np.linalg.norm(N, 2) <= alpha * (1 + 1e-8)
    s = np.full(n, 1.0 / n)
    for size in (1e-3, 1e-2):
        for _ in range(20):
            other = W + size * rng.standard_normal(W.shape)
            value = objective_of(X, Y, other, b, s, penalty, alpha)
            assert value > state.measure.objective


def test_distance_is_zero_only_at_stationary_points(rng):
    U, _ = np.linalg.qr(rng.standard_normal((6, 3)))
    V, _ = np.linalg.qr(rng.standard_normal((5, 3)))
    B = (U[:, :2] * [3.0, 2.0]) @ V[:, :2].T
    inside = 0.5 * np.outer(U[:, 2], V[:, 2])
    scalar = NuclearNorm().scalar
    M = -U[:, :2] @ V[:, :2].T
    assert subspace_distance(np, scalar, B, M - inside, 1.0) < 1e-12
    assert_allclose(subspace_distance(np, scalar, B, M - 4 * inside, 1.0), 1.0)
    off = 0.3 * np.outer(U[:, 0], V[:, 2])
    assert_allclose(subspace_distance(np, scalar, B, M + off, 1.0), 0.3)
    assert_allclose(spectral_norm(M * 1e-200), 1e-200)
    assert spectral_norm(0.0 * M) == 0.0


def test_without_penalty_it_is_least_squares():
    for n, p in ((40, 12), (15, 30)):
        X, Y = make_data(n, p)
        problem = make_problem(X, Y, "nuclear", 0.0)
        solver = Solver(problem, 1e-9)
        state = run(solver, 1e-9)
        assert solver.certificate_name == "relative KKT violation"
        assert state.measure.value <= 1e-9
        W, _ = coefficients(solver, state, p)
        centred = X - X.mean(axis=0)
        expected = np.linalg.lstsq(centred, Y - Y.mean(axis=0))[0]
        assert_allclose(W, expected, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_other_arrays_give_the_same(shape, device_backend):
    X, Y = make_data(*SHAPES[shape])
    host = run(Solver(make_problem(X, Y, "nuclear", 0.1), 1e-10))
    move = device_backend.asarray
    problem = make_problem(move(X), move(Y), "nuclear", 0.1, move(weights_of(len(X))))
    for model in (None, make_model(problem, limit=0)):
        state = run(Solver(problem, 1e-10, model))
        assert state.measure.value <= 1e-10
    problem = make_problem(move(X), move(Y), "nuclear", 0.1)
    state = run(Solver(problem, 1e-10))
    assert_allclose(state.measure.objective, host.measure.objective, rtol=1e-10)
    assert state.measure.extra == host.measure.extra


@pytest.mark.parametrize("shape", SHAPES)
def test_sparse_columns_are_centred_implicitly(shape):
    X, Y = make_data(*SHAPES[shape])
    X[np.abs(X) < 0.8] = 0.0
    s = weights_of(len(X))
    dense = run(Solver(make_problem(X, Y, "nuclear", 0.1, s), 1e-11))
    problem = make_problem(sp.csr_array(X), Y, "nuclear", 0.1, s)
    for model in (None, make_model(problem, limit=0)):
        state = run(Solver(problem, 1e-11, model))
        assert_allclose(state.measure.objective, dense.measure.objective, rtol=1e-10)


def test_bad_scales_of_the_features():
    X, Y = make_data(60, 12)
    scale = np.logspace(-3, 3, 12)
    state = run(Solver(make_problem(X * scale, Y, "nuclear", 0.5), 1e-9), 1e-9)
    assert state.measure.value <= 1e-9
    wide, targets = make_data(15, 30)
    scale = np.logspace(-3, 3, 30)
    state = run(Solver(make_problem(wide * scale, targets, "nuclear", 0.5), 1e-9), 1e-9)
    assert state.measure.value <= 1e-9
    rng = np.random.default_rng(0)
    X, noise = rng.standard_normal((300, 60)), rng.standard_normal((300, 8))
    problem = make_problem(X * np.logspace(-4, 4, 60), noise, "spectral_mcp", 0.01)
    state = run(Solver(problem, 1e-7), 1e-7)
    assert state.measure.value <= 1e-7


def test_single_precision():
    X, Y = make_data(60, 12)
    single = X.astype(np.float32), Y.astype(np.float32)
    state = run(Solver(make_problem(*single, "nuclear", 0.1), 1e-5), 1e-5)
    whole = run(Solver(make_problem(X, Y, "nuclear", 0.1), 1e-10))
    assert state.measure.value <= 1e-5
    assert_allclose(state.measure.objective, whole.measure.objective, rtol=1e-4)


def test_objective_never_rises_and_a_minimum_stays():
    X, Y = make_data(60, 20, 6)
    for penalty in ("nuclear", "spectral_mcp"):
        solver = Solver(make_problem(X, Y, penalty, 0.05), 1e-2)
        state, values = solver.init(), []
        for _ in range(5):
            state = solver.step(state)
            values.append(state.measure.objective)
        assert (np.diff(values) <= 1e-14).all()
        end = run(Solver(make_problem(X, Y, penalty, 0.05), 1e-10))
        again = Solver(make_problem(X, Y, penalty, 0.05), 1e-10)
        after = again.step(again.init(solver.finalize(state)))
        assert_allclose(after.measure.objective, end.measure.objective, rtol=1e-9)


def test_the_path_goes_on_from_the_last_solution():
    X, Y = make_data(60, 20, 6)
    problem = make_problem(X, Y, "nuclear", 1.0)
    solver = Solver(problem, 1e-10)
    state = solver.init()
    for alpha in (0.5, 0.1, 0.02):
        state = solver.retarget(state, np.array([alpha]))
        for _ in range(5):
            state = solver.step(state)
            if state.measure.value <= 1e-10:
                break
        cold = run(Solver(make_problem(X, Y, "nuclear", alpha), 1e-10))
        assert_allclose(state.measure.objective, cold.measure.objective, rtol=1e-9)
