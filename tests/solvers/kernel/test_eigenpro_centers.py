"""EigenPro on centres: its steps against the published loop, its limit, its guard."""

import numpy as np
import pytest

from skopt2._core.iterate import iterate
from skopt2.kernels import Gaussian, KernelOperator, Laplacian
from skopt2.solvers.kernel.center_data import CenterData
from skopt2.solvers.kernel.eigenpro_centers import EigenProCenters
from skopt2.solvers.kernel.inner_projection import InnerProjection
from skopt2.solvers.kernel.spectral_preconditioner import SpectralPreconditioner
from tests.solvers.kernel.center_reference import dense_solution, distance, problem

LAPLACIAN = Laplacian(length_scale=2.0)


def solver_of(X, Y, Z, alpha=0.0, kernel=LAPLACIAN, weight=None, **options):
    return EigenProCenters(CenterData(kernel, Z, X, Y, weight), alpha, **options)


def run(solver, max_epochs=100):
    return iterate(solver, solver.start(), tol=solver.tol, max_iter=max_epochs)


def batches(n, size, key):
    order = np.random.default_rng(key).permutation(n)
    return [np.sort(part) for part in np.array_split(order, -(-n // size))]


def published_loop(kernel, X, Y, Z, subsample, q, parts, step):
    """EigenPro 3 as it is written: precondition in the kernel of S, then project."""
    s = len(subsample)
    values, vectors = np.linalg.eigh(kernel(subsample) / s)
    values, vectors = values[::-1], vectors[:, ::-1]
    floor, values, E = values[q], values[:q], vectors[:, :q]
    damping = (1.0 - (floor / values) ** 0.95) / (values * s)
    K, between = kernel(Z), kernel(Z, subsample)
    a = np.zeros((len(Z), Y.shape[1]))
    for part in parts:
        rows = kernel(X[part], Z)
        g = rows @ a - Y[part]
        near = damping[:, None] * (E.T @ (kernel(subsample, X[part]) @ g))
        a -= step * np.linalg.solve(K, rows.T @ g - between @ (E @ near))
    return a


def test_one_epoch_is_the_published_loop_where_the_centres_hold_the_subsample(rng):
    X, Y, _ = problem(rng, n=120)
    solver = solver_of(X, Y, X, batch_size=25, n_components=12, delay=1, seed=3)
    state = solver.step(solver.start())
    parts = batches(120, 25, (3, 0, 1, 0))
    expected = published_loop(LAPLACIAN, X, Y, X, X, 12, parts, solver.step_size)
    np.testing.assert_allclose(state.a, expected, rtol=1e-7, atol=1e-9)


def test_a_delay_is_the_published_loop_in_functions(rng):
    # All centres, so that projections change nothing: delays must not either.
    X, Y, _ = problem(rng, n=120)
    found = [
        solver_of(X, Y, X, batch_size=25, n_components=12, delay=T, step_size=0.5)
        for T in (1, 2, 3, 50)
    ]
    states = [solver.step(solver.start()) for solver in found]
    for state in states[1:]:
        np.testing.assert_allclose(state.a, states[0].a, rtol=1e-7, atol=1e-9)
        assert not state.temporary


def test_a_delay_projects_what_the_temporary_centres_had(rng):
    X, Y, Z = problem(rng, n=90, p=20)
    solver = solver_of(X, Y, Z, 0.4, batch_size=30, delay=3, step_size=0.3, seed=5)
    state = solver.step(solver.start())
    N, t, mu, K = solver.preconditioner, solver.step_size, 0.4 / 90, LAPLACIAN(Z)
    C, D = N.coefficients, N.spectrum.damping
    a, rows, values = np.zeros((20, 2)), np.zeros((0, 3)), np.zeros((0, 2))
    total = np.zeros((20, 2))
    for part in batches(90, 30, (5, 0, 1, 0)):
        near = LAPLACIAN(X[part], Z)
        R = near @ a - Y[part]
        if len(rows):
            R += LAPLACIAN(X[part], rows) @ values
        rows, values = np.concatenate([rows, X[part]]), np.concatenate([values, -t * R])
        H = near.T @ R
        ridge = t * 30 * mu * (a - C @ (D * (C.T @ (K @ a))))
        a = a + t * (C @ (D * (C.T @ H))) - ridge
        total += H
    expected = a - t * np.linalg.solve(K, total)
    np.testing.assert_allclose(state.a, expected, rtol=1e-8, atol=1e-10)


def test_the_preconditioner_leaves_the_solution_where_it_is(rng):
    X, Y, Z = problem(rng, n=400, p=30, noise=0.5)
    solver = solver_of(X, Y, Z, 0.2, delay=1, batch_size=400, step_size=0.5)
    a = dense_solution(LAPLACIAN, X, Y, Z, alpha=0.2)
    moved = solver.step(solver.start(a)).a
    assert distance(LAPLACIAN, X, Z, moved, a) < 1e-10
    # The published order of the two operations does not.
    subsample = X[:200]
    values, vectors = np.linalg.eigh(LAPLACIAN(subsample) / 200)
    E, values = vectors[:, ::-1][:, :12], values[::-1]
    damping = (1.0 - values[12] / values[:12]) / (values[:12] * 200)
    a = dense_solution(LAPLACIAN, X, Y, Z)
    g = LAPLACIAN(X, Z) @ a - Y
    near = damping[:, None] * (E.T @ (LAPLACIAN(subsample, X) @ g))
    shift = np.linalg.solve(LAPLACIAN(Z), LAPLACIAN(Z, subsample) @ (E @ near))
    size = np.linalg.norm(LAPLACIAN(X, Z) @ shift) / np.linalg.norm(LAPLACIAN(X, Z) @ a)
    assert size > 0.01


def test_the_preconditioned_operator_has_a_flat_top(rng):
    X, Y, Z = problem(rng, n=600, p=80)
    solver = solver_of(X, Y, Z, n_components=20)
    N = solver.preconditioner
    rows = LAPLACIAN(X, Z)
    A = rows.T @ rows / len(X)
    plain = np.linalg.eigvals(np.linalg.solve(LAPLACIAN(Z), A)).real
    D = N.coefficients @ (N.spectrum.damping * N.coefficients.T)
    left = np.linalg.eigvals((np.linalg.inv(LAPLACIAN(Z)) - D) @ A).real
    np.testing.assert_allclose(left.max(), N.top, rtol=0.15)
    assert left.max() < 0.02 * plain.max()
    assert left.min() > 0


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 1},
        {"delay": 4, "batch_size": 100},
        {"delay": 1, "batch_size": 20},
        {"n_components": 3},
        {"exact": False, "n_components": 20},
    ],
)
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_converges_to_the_dense_solution(rng, alpha, options):
    X, Y, Z = problem(rng, n=800, p=100)
    weight = rng.uniform(0.2, 2.0, len(X))
    result = run(solver_of(X, Y, Z, alpha, weight=weight, tol=1e-4, **options), 400)
    assert result.reason.value == "converged"
    assert result.solution.exact
    expected = dense_solution(LAPLACIAN, X, Y, Z, weight, alpha)
    assert distance(LAPLACIAN, X, Z, result.solution.a, expected) < 1e-3


def test_centres_that_are_the_rows_interpolate(rng):
    X, Y, _ = problem(rng, n=200)
    result = run(solver_of(X, Y, X, tol=1e-7), 200)
    assert result.reason.value == "converged"
    np.testing.assert_allclose(LAPLACIAN(X) @ result.solution.a, Y, atol=1e-5)


def test_fewer_centres_than_the_critical_batch(rng):
    X, Y, Z = problem(rng, n=700, p=5)
    solver = solver_of(X, Y, Z, tol=1e-5)
    assert solver.batch_size > len(Z)
    expected = dense_solution(LAPLACIAN, X, Y, Z)
    assert distance(LAPLACIAN, X, Z, run(solver).solution.a, expected) < 1e-4


def test_a_single_centre_and_a_single_row():
    X, Y = np.ones((1, 2)), np.array([[3.0]])
    result = run(solver_of(X, Y, X, 1.0))
    np.testing.assert_allclose(result.solution.a, 1.5, rtol=1e-3)


def test_equal_centres_do_not_harm(rng):
    X, Y, Z = problem(rng, n=400, p=40)
    twice = np.concatenate([Z, Z])
    a = run(solver_of(X, Y, twice, 0.1, tol=1e-5)).solution.a
    expected = dense_solution(LAPLACIAN, X, Y, Z, alpha=0.1)
    assert distance(LAPLACIAN, X, Z, a[:40] + a[40:], expected) < 1e-4


def test_heavy_weights_and_zeros(rng):
    X, Y, Z = problem(rng, n=600, p=40)
    weight = rng.uniform(0.0, 1.0, len(X))
    weight[:100], weight[100:103] = 0.0, 1e4
    result = run(solver_of(X, Y, Z, 0.1, weight=weight, tol=1e-5), 400)
    expected = dense_solution(LAPLACIAN, X, Y, Z, weight, 0.1)
    assert distance(LAPLACIAN, X, Z, result.solution.a, expected) < 2e-3


def edge(solver, X, Z):
    """Return the step from which the mean batch grows its top direction."""
    N, rows = solver.preconditioner, LAPLACIAN(X, Z)
    A = rows.T @ rows * solver.batch_size / len(X)
    D = N.coefficients @ (N.spectrum.damping * N.coefficients.T)
    return 2.0 / np.max(np.linalg.eigvals((np.linalg.inv(LAPLACIAN(Z)) - D) @ A).real)


@pytest.mark.parametrize("factor", [2.0, 50.0])
def test_a_step_beyond_the_edge_is_halved_until_it_holds(rng, factor):
    X, Y, Z = problem(rng, n=800, p=60)
    options = {"batch_size": 80, "n_components": 4, "delay": 1, "tol": 1e-4}
    limit = edge(solver_of(X, Y, Z, **options), X, Z)
    assert solver_of(X, Y, Z, **options).step_size < limit
    solver = solver_of(X, Y, Z, step_size=factor * limit, **options)
    result = run(solver, 200)
    assert result.solution.n_restarts >= int(np.log2(factor))
    halved = factor * limit / 2.0**result.solution.n_restarts
    np.testing.assert_allclose(result.solution.step_size, halved)
    assert result.reason.value == "converged"
    expected = dense_solution(LAPLACIAN, X, Y, Z)
    assert distance(LAPLACIAN, X, Z, result.solution.a, expected) < 1e-3


def test_the_free_estimate_is_near_the_gradient(rng):
    X, Y, Z = problem(rng, n=800, p=50)
    solver = solver_of(X, Y, Z, 0.1, batch_size=40, finish=False)
    state = solver.start()
    for _ in range(2):
        measure = solver.certificate(solver.step(state))
    assert measure.value < 0.1
    assert not state.exact
    g, value = solver.data.gradient(state.a, solver.operator, 0.1)
    assert solver.relative_gradient(g) < 0.1
    np.testing.assert_allclose(measure.objective, value, rtol=0.2)


def test_single_batches_learn_in_one_pass_what_epochs_learn(rng):
    X, Y, Z = problem(rng, n=4000, p=50, noise=0.3)
    solver = solver_of(X[:500], Y[:500], Z, 0.5, batch_size=50)
    state = solver.start()
    for start in range(0, 4000, 250):
        part = slice(start, start + 250)
        state = solver.batch(state, X[part], Y[part])
        assert not state.temporary
    expected = dense_solution(LAPLACIAN, X, Y, Z, alpha=0.5)
    assert distance(LAPLACIAN, X, Z, state.mean, expected) < 0.1
    assert state.seen == 4000


class Keep:
    """A monitor that keeps the last checkpoint."""

    def __init__(self):
        self.checkpoint = {}

    def begin(self, iteration):
        pass

    def end(self, iteration, solver, state, measure, history):
        packed = {
            name: np.array(value, copy=True) if np.ndim(value) else value
            for name, value in solver.pack(state).items()
        }
        self.checkpoint = {
            "state": packed,
            "n_iter": iteration,
            "history": history.as_dict(),
        }
        return False


@pytest.mark.parametrize("stop", [2, 6])
def test_a_resumed_fit_is_the_same(rng, stop):
    X, Y, Z = problem(rng, n=500, p=40)
    options = {"batch_size": 50, "delay": 2, "tol": 1e-6}
    whole = run(solver_of(X, Y, Z, 0.1, **options))
    first, keep = solver_of(X, Y, Z, 0.1, **options), Keep()
    iterate(first, first.start(), tol=1e-6, max_iter=stop, monitor=keep)
    second = solver_of(X, Y, Z, 0.1, **options)
    found = iterate(second, None, tol=1e-6, max_iter=100, resume=keep.checkpoint)
    assert found.n_iter == whole.n_iter
    np.testing.assert_array_equal(found.solution.a, whole.solution.a)


@pytest.mark.parametrize("kernel", [LAPLACIAN, Gaussian(1.5)])
def test_float32_is_near_float64(rng, kernel):
    X, Y, Z = problem(rng, n=600, p=60)
    narrow = (values.astype(np.float32) for values in (X, Y, Z))
    result = run(solver_of(*narrow, 0.1, kernel=kernel, tol=5e-4), 300)
    assert result.solution.a.dtype == np.float32
    assert result.reason.value == "converged"
    expected = dense_solution(kernel, X, Y, Z, alpha=0.1)
    assert distance(kernel, X, Z, result.solution.a, expected) < 1e-3


def test_float32_of_a_very_smooth_kernel_stops_where_rounding_does(rng):
    kernel = Gaussian(4.0)
    X, Y, Z = problem(rng, n=600, p=60)
    narrow = (values.astype(np.float32) for values in (X, Y, Z))
    solver = solver_of(*narrow, 0.01, kernel=kernel, tol=1e-6)
    result = run(solver, 300)
    assert result.reason.value == "stalled"
    assert result.certificate.value < 0.1
    g, _ = solver.data.gradient(result.solution.a.astype(float), solver.operator, 0.01)
    value = solver.relative_gradient(g)
    np.testing.assert_allclose(result.certificate.value, value, rtol=0.5)
    expected = dense_solution(kernel, X, Y, Z, alpha=0.01)
    assert distance(kernel, X, Z, result.solution.a, expected) < 0.1


@pytest.mark.parametrize("options", [{"delay": 2}, {"exact": False}])
def test_other_namespaces_take_the_same_steps(device_backend, rng, options):
    X, Y, Z = problem(rng, n=150, p=20)
    options = {"batch_size": 40, "n_components": 5, "tol": 1e-6} | options
    weight = rng.uniform(0.2, 2.0, len(X))
    host = run(solver_of(X, Y, Z, 0.1, weight=weight, **options), 6)
    arrays = map(device_backend.asarray, (X, Y, Z))
    there = run(solver_of(*arrays, 0.1, weight=weight, **options), 6)
    a = device_backend.to_numpy(there.solution.a)
    np.testing.assert_allclose(a, host.solution.a, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(there.objective, host.objective, rtol=1e-9)


def test_the_approximate_projection_measures_what_the_exact_one_does(rng):
    X, Y, Z = problem(rng, n=900, p=300)
    rough = solver_of(X, Y, Z, 0.5, exact=False, n_components=40, tol=1e-3)
    result = run(rough, 200)
    assert result.reason.value == "converged"
    exact = solver_of(X, Y, Z, 0.5)
    start, _ = exact.data.gradient(np.zeros_like(Y[:300]), exact.operator, 0.5)
    g, _ = exact.data.gradient(result.solution.a, exact.operator, 0.5)
    norms = [np.sqrt(exact.preconditioner.measure(h)[1]) for h in (g, start)]
    value = np.max(norms[0] / norms[1])
    np.testing.assert_allclose(result.certificate.value, value, rtol=0.4)


def test_the_approximate_projection_is_linear_and_has_a_limit(rng):
    _, _, Z = problem(rng, p=200)
    operator = KernelOperator(LAPLACIAN, Z)
    S = np.sort(rng.permutation(200)[:120])
    H = rng.standard_normal((200, 2))
    spectrum = SpectralPreconditioner(operator.block(S, S), 20)
    once = InnerProjection(operator, S, spectrum, seed=0)
    np.testing.assert_allclose(once.solve(3.0 * H), 3.0 * once.solve(H), rtol=1e-9)
    many = InnerProjection(operator, S, spectrum, seed=0, n_epochs=80)
    K = LAPLACIAN(Z)
    np.testing.assert_allclose(K @ many.solve(K @ H), K @ H, atol=0.1)
    errors = [
        np.linalg.norm(K @ projection.solve(K @ H) - K @ H)
        for projection in (many, InnerProjection(operator, S, spectrum, 0, 10), once)
    ]
    assert errors[0] < errors[1] < errors[2] < np.linalg.norm(K @ H)
