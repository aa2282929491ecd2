"""The entry to the kernel solvers: the same solution from each of them."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2._core.result import StopReason
from skopt2.kernels import Gaussian, KernelOperator, Laplacian, Matern
from skopt2.solvers.kernel.cholesky import CholeskyFactor, SpectralInverse, factorise
from skopt2.solvers.kernel.low_rank import LowRankPreconditioner, pivoted_factor
from skopt2.solvers.kernel.solve import solve_kernel_system
from skopt2.solvers.kernel.system import KernelSystem, add_to_diagonal
from tests.solvers.kernel.dense_operator import DenseOperator, matern_matrix

SOLVERS = ["cholesky", "sap", "sdd", "eigenpro", "cg"]
ITERATIVE = SOLVERS[1:]
N = 200


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, 5))


def operator(X, **options):
    return KernelOperator(Matern(length_scale=1.0, nu=1.5), X, **options)


def solve(K, Y, lam, solver, **options):
    options = {"tol": 1e-8, "max_epochs": 500, "rng": 3, "batch_size": 40} | options
    return solve_kernel_system(K, Y, lam, solver=solver, **options)


@pytest.mark.parametrize("c", [1, 5])
@pytest.mark.parametrize("ridge", ["number", "vector", "none"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_equals_a_dense_solve(X, rng, solver, ridge, c):
    Y = rng.standard_normal((N, c)) * np.geomspace(1.0, 1e3, c)
    lam = {"number": 0.3, "none": 0.0, "vector": rng.uniform(0.1, 9.0, N)}[ridge]
    result = solve(operator(X), Y, lam, solver, max_epochs=2000)
    assert result.reason is StopReason.CONVERGED
    assert result.solution.solver == solver
    assert result.certificate.name == "relative residual"
    H = matern_matrix(X) + np.diag(np.broadcast_to(lam, N))
    size = np.abs(np.linalg.solve(H, Y)).max(0)
    assert_allclose(result.solution.a / size, np.linalg.solve(H, Y) / size, atol=1e-6)
    assert_allclose(result.objective, -0.5 * np.sum(Y * np.linalg.solve(H, Y)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32(X, rng, solver):
    Y = rng.standard_normal((N, 2))
    K = operator(X.astype(np.float32))
    result = solve(K, Y.astype(np.float32), 0.3, solver, tol=1e-4)
    assert result.reason is StopReason.CONVERGED
    assert result.solution.a.dtype == np.float32
    expected = np.linalg.solve(matern_matrix(X) + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("solver", SOLVERS)
def test_devices_agree(X, rng, solver, device_backend):
    Y = rng.standard_normal((N, 2))
    options = {"max_epochs": 4, "tol": 1e-13, "n_components": 20}
    here = solve(operator(X), Y, 0.3, solver, **options)
    K = operator(device_backend.asarray(X))
    there = solve(K, device_backend.asarray(Y), 0.3, solver, **options)
    a = device_backend.to_numpy(there.solution.a)
    assert_allclose(a, here.solution.a, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", ITERATIVE)
def test_a_start_near_the_solution_saves_epochs(X, rng, solver):
    Y = rng.standard_normal((N, 2))
    options = {"tol": 1e-6, "n_components": 10}
    cold = solve(operator(X), Y, 0.3, solver, **options)
    near = cold.solution.a * (1.0 + 1e-4 * rng.standard_normal(Y.shape))
    warm = solve(operator(X), Y, 0.3, solver, start=near, **options)
    assert warm.reason is StopReason.CONVERGED
    assert warm.solution.n_epochs < 0.75 * cold.solution.n_epochs
    assert_allclose(warm.solution.a, cold.solution.a, atol=1e-4)


class Interrupt(Exception):
    pass


class Watch:
    """A monitor that counts, and that stops or breaks off at a measure."""

    def __init__(self, stop=None, breaks=None):
        self.stop, self.breaks, self.count, self.saved = stop, breaks, 0, None

    def begin(self, iteration):
        pass

    def end(self, iteration, solver, state, measure, history):
        self.count += 1
        if self.count == self.breaks:
            packed = {
                key: np.array(value) if isinstance(value, np.ndarray) else value
                for key, value in solver.pack(state).items()
            }
            history = history.as_dict()
            self.saved = {"state": packed, "n_iter": iteration, "history": history}
            raise Interrupt
        return self.count == self.stop


@pytest.mark.parametrize("solver", ITERATIVE)
def test_an_interrupted_solution_goes_on_to_the_same_answer(X, rng, solver):
    Y = rng.standard_normal((N, 2))
    options = {"tol": 1e-6, "n_components": 10, "batch_size": 50, "rng": None}
    watch = Watch(breaks=2)
    with pytest.raises(Interrupt):
        solve(operator(X), Y, 0.3, solver, monitor=watch, **options)
    for value in watch.saved["state"].values():
        assert isinstance(value, (np.ndarray, bool, int, float, str, type(None)))
    # The checkpoint knows the algorithm, the seed, the blocks and the rank.
    rest = solve_kernel_system(
        operator(X), Y, 0.3, tol=1e-6, max_epochs=500, resume=watch.saved
    )
    assert rest.reason is StopReason.CONVERGED
    assert rest.solution.solver == solver
    seed = watch.saved["state"]["seed"]
    again = Watch(breaks=2)
    with pytest.raises(Interrupt):
        solve_kernel_system(
            operator(X), Y, 0.3, tol=1e-6, max_epochs=500, resume=watch.saved,
            monitor=again,
        )  # fmt: skip
    twice = solve_kernel_system(
        operator(X), Y, 0.3, tol=1e-6, max_epochs=500, resume=again.saved
    )
    assert again.saved["state"]["seed"] == seed
    assert_array_equal(twice.solution.a, rest.solution.a)
    assert twice.n_iter == rest.n_iter


@pytest.mark.parametrize("solver", SOLVERS)
def test_monitors_and_limits_end_a_solution(X, rng, solver):
    Y = rng.standard_normal((N, 1))
    options = {"tol": 0.0, "n_components": 10}
    stopped = solve(operator(X), Y, 0.3, solver, monitor=Watch(stop=1), **options)
    assert stopped.reason is StopReason.CALLBACK
    late = solve(operator(X), Y, 0.3, solver, time_limit=1e-9, **options)
    assert late.reason is StopReason.TIME_LIMIT
    assert len(late.history) == 1
    if solver in ("sap", "sdd", "eigenpro"):
        assert late.certificate.name == "estimated relative residual"
        assert late.n_iter == -(-N // late.solution.batch_size)
    short = solve(operator(X), Y, 0.3, solver, max_epochs=1, **options)
    assert short.reason is StopReason.MAX_ITER
    assert short.solution.n_epochs < 3.0


@pytest.mark.parametrize("solver", ["sap", "sdd"])
def test_the_last_residual_is_measured_where_that_is_cheap(X, rng, solver):
    Y = rng.standard_normal((N, 1))
    result = solve(operator(X), Y, 0.3, solver, tol=0.0, max_epochs=20)
    assert result.reason is StopReason.MAX_ITER
    assert result.certificate.name == "relative residual"
    a = result.solution.a
    R = Y - matern_matrix(X) @ a - 0.3 * a
    value = np.linalg.norm(R) / np.linalg.norm(Y)
    assert_allclose(result.certificate.value, value, rtol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_hard_systems(rng, solver):
    """Duplicate rows, large targets, a large kernel, tiny weights: no divergence."""
    X = rng.standard_normal((N // 2, 3)).astype(np.float32)
    K = 100.0 * matern_matrix(np.vstack([X, X]).astype(np.float64), 2.0)
    Y = 1e3 * rng.standard_normal((N, 2)).astype(np.float32)
    for lam in (1.0, 1.0 / rng.uniform(1e-6, 1.0, N)):
        result = solve(
            DenseOperator(K.astype(np.float32)), Y, lam, solver, tol=1e-3,
            batch_size=None, max_epochs=60,
        )  # fmt: skip
        assert result.solution.n_restarts == 0
        H = K + np.diag(np.broadcast_to(lam, N))
        R = Y - H @ result.solution.a
        value = (np.linalg.norm(R, axis=0) / np.linalg.norm(Y, axis=0)).max()
        assert value < {"cholesky": 2e-3, "sap": 2e-3, "cg": 2e-3}.get(solver, 1.0)
        assert_allclose(result.certificate.value, value, rtol=0.3, atol=1e-4)


@pytest.mark.parametrize("kernel", [Gaussian(), Laplacian(), Matern(nu=2.5)])
@pytest.mark.parametrize("width", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("solver", ITERATIVE)
def test_no_length_scale_diverges(rng, solver, width, kernel):
    X = rng.standard_normal((N, 4))
    K = KernelOperator(type(kernel)(**kernel.get_params() | {"length_scale": width}), X)
    Y = np.sin(X[:, :1]) + 0.1 * rng.standard_normal((N, 1))
    epochs = 200 if width < 1.0 else 30
    result = solve(K, Y, 1e-3, solver, tol=1e-3, max_epochs=epochs, batch_size=None)
    assert result.solution.n_restarts == 0
    certificates = result.history.as_dict()["certificate"]
    assert (certificates < 3.0).all()
    if width < 1.0:
        # The matrix is the identity.
        assert result.reason is StopReason.CONVERGED


@pytest.mark.parametrize("solver", ITERATIVE)
def test_no_matrix_is_stored(rng, solver):
    n, c = 3000, 3
    X = rng.standard_normal((n, 4)).astype(np.float32)
    Y = rng.standard_normal((n, c)).astype(np.float32)
    K = operator(X, store=False, budget=2**24)
    options = {"tol": 0.0, "max_epochs": 1, "batch_size": 256, "n_components": 30}
    if solver == "eigenpro":
        # Its subsample alone has 2000 x 2000 entries.
        options["batch_size"] = 128
    tracemalloc.start()
    solve(K, Y, 0.1, solver, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    limit = n * n * 4 / 3 if solver != "eigenpro" else 3.0 * 2000**2 * 4
    assert peak < limit


def test_a_factor_solves_and_has_a_determinant(X, rng):
    K, B = matern_matrix(X), rng.standard_normal((N, 3))
    H = K + 0.01 * np.eye(N)
    factor = factorise(KernelSystem(DenseOperator(K), B, 0.01), single=False)
    assert isinstance(factor, CholeskyFactor)
    assert factor.jitter == 0.0
    assert_allclose(factor.solve(B), np.linalg.solve(H, B), rtol=1e-8)
    half = factor.half_solve(B)
    assert_allclose(half.T @ half, B.T @ np.linalg.solve(H, B), rtol=1e-8)
    assert_allclose(factor.log_determinant(), np.linalg.slogdet(H)[1], rtol=1e-10)


def test_factors_agree_on_devices(X, rng, device_backend):
    K, B = matern_matrix(X), rng.standard_normal((N, 3))
    system = KernelSystem(
        DenseOperator(device_backend.asarray(K)), device_backend.asarray(B), 0.01
    )
    factor = factorise(system, single=False)
    here = factorise(KernelSystem(DenseOperator(K), B, 0.01), single=False)
    for made, expected in (
        (factor.half_solve(device_backend.asarray(B)), here.half_solve(B)),
        (factor.solve(device_backend.asarray(B)), here.solve(B)),
    ):
        assert_allclose(device_backend.to_numpy(made), expected, rtol=1e-6, atol=1e-9)
    assert_allclose(factor.log_determinant(), here.log_determinant(), rtol=1e-9)


def test_float32_factors_are_refined_to_float64(X, rng, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.kernel.cholesky.FEW", 1)
    Y = rng.standard_normal((N, 2))
    K = matern_matrix(X)
    system = KernelSystem(DenseOperator(K), Y, 0.3)
    assert factorise(system).L.dtype == np.float32
    assert factorise(system, single=False).L.dtype == np.float64
    result = solve(DenseOperator(K), Y, 0.3, "cholesky", tol=1e-12)
    assert result.reason is StopReason.CONVERGED
    assert 1 < result.n_iter <= 5
    expected = np.linalg.solve(K + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, rtol=1e-9, atol=1e-10)


def test_a_singular_matrix_has_the_solution_of_least_norm(rng):
    X = rng.standard_normal((60, 2))
    K = matern_matrix(np.vstack([X, X]))
    Y = np.tile(rng.standard_normal((60, 2)), (2, 1))
    made = factorise(KernelSystem(DenseOperator(K), Y, 0.0))
    assert isinstance(made, SpectralInverse)
    assert made.n_components == 60
    result = solve(DenseOperator(K), Y, 0.0, "cholesky", tol=1e-9)
    assert result.reason is StopReason.CONVERGED
    expected = np.linalg.lstsq(K, Y, rcond=1e-12)[0]
    # The condition number on the range is 1e5.
    assert_allclose(result.solution.a, expected, rtol=1e-5, atol=1e-6)
    assert_allclose(K @ result.solution.a, Y, atol=1e-9)


def test_jitter_is_reported_and_its_effect_removed(rng, monkeypatch):
    """As for large matrices, which are not diagonalised."""
    monkeypatch.setattr("skopt2.solvers.kernel.cholesky.SMALL", 10)
    X = rng.standard_normal((60, 2))
    K = matern_matrix(np.vstack([X, X]))
    Y = np.tile(rng.standard_normal((60, 2)), (2, 1))
    result = solve(DenseOperator(K), Y, 0.0, "cholesky", tol=1e-9)
    assert 0.0 < result.solution.jitter < 1e-9
    assert result.reason is StopReason.CONVERGED
    assert_allclose(K @ result.solution.a, Y, atol=1e-7)


@pytest.mark.parametrize("small", [10, 1000])
def test_indefinite_kernels_have_no_direct_solution(rng, monkeypatch, small):
    monkeypatch.setattr("skopt2.solvers.kernel.cholesky.SMALL", small)
    K = rng.standard_normal((60, 60))
    with pytest.raises(ValueError, match="not positive semidefinite"):
        solve(DenseOperator(K + K.T), np.ones((60, 1)), 0.0, "cholesky")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pivoted_factor_approximates_the_kernel(rng, dtype):
    X = rng.standard_normal((N, 2))
    K = matern_matrix(X, 3.0)
    system = KernelSystem(DenseOperator(K.astype(dtype)), np.ones((N, 1), dtype), 0.1)
    atol = 1e-5 if dtype == np.float32 else 1e-9
    traces = []
    for rank in (10, 40, 120):
        F, left = pivoted_factor(system, rank, np.random.default_rng(0))
        assert F.shape == (N, rank)
        assert F.dtype == dtype
        error = K - F.astype(np.float64) @ F.T
        assert_allclose(left, np.diag(error), atol=atol)
        assert np.linalg.eigvalsh(error)[0] > -10.0 * atol
        # As good as the best approximation of a third of the rank.
        traces.append(np.trace(error))
        assert traces[-1] < np.linalg.eigvalsh(K)[: N - rank // 3].sum()
    assert all(a > 5.0 * b for a, b in pairwise(traces))


def test_preconditioners_of_duplicate_rows_stop_at_the_rank(rng):
    X = np.tile(rng.standard_normal((20, 3)), (10, 1))
    K = matern_matrix(X)
    Y = np.tile(rng.standard_normal((20, 1)), (10, 1))
    made = LowRankPreconditioner(KernelSystem(DenseOperator(K), Y, 0.1), 100)
    assert made.n_components == 20
    result = solve(DenseOperator(K), Y, 0.1, "cg", n_components=100, tol=1e-10)
    assert result.n_iter <= 3


def test_a_better_preconditioner_saves_iterations(rng):
    K = matern_matrix(rng.standard_normal((N, 2)), 2.0)
    Y = rng.standard_normal((N, 1))
    counts = [
        solve(DenseOperator(K), Y, 1e-3, "cg", n_components=rank).n_iter
        for rank in (1, 40, 150)
    ]
    assert counts[0] > 2 * counts[1] > 4 * counts[2]


def test_auto_is_direct_while_it_fits(X, rng):
    Y = rng.standard_normal((N, 1))
    assert solve(operator(X), Y, 0.3, "auto").solution.solver == "cholesky"
    small = operator(X, budget=N * N)
    assert solve(small, Y, 0.3, "auto").solution.solver == "sap"


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_diagonal_is_added_in_any_layout(rng, backend, order):
    H = rng.standard_normal((4, 4))
    values = rng.standard_normal(4)
    expected = (H.T if order == "F" else H) + np.diag(values)
    there = backend.asarray(H)
    there = there.T if order == "F" else there
    there = add_to_diagonal(there, backend.asarray(values))
    assert_allclose(backend.to_numpy(there), expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "newton"}, "solver must be one of"),
        ({"tol": -1.0}, "tol must be"),
        ({"max_epochs": 0}, "max_epochs must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"n_components": 2.5}, "n_components must be"),
        ({"step_size": 0.0}, "step_size must be"),
        ({"start": np.zeros((3, 1)), "solver": "sap"}, "start must have the shape"),
        ({"lam": -1.0}, "lam must be finite and not negative"),
        ({"lam": np.full(N, np.inf)}, "lam must be finite"),
        ({"lam": np.ones(3)}, "lam must be a number or have the shape"),
        ({"Y": np.ones((3, 1))}, "Y must have the shape"),
    ],
)
def test_bad_input(X, options, message):
    Y, lam = options.pop("Y", np.ones((N, 1))), options.pop("lam", 0.1)
    with pytest.raises(ValueError, match=message):
        solve_kernel_system(operator(X), Y, lam, **options)


def test_rectangular_operators_are_refused(X):
    K = KernelOperator(Matern(length_scale=1.0, nu=1.5), X, X[:9])
    with pytest.raises(ValueError, match="one set of points"):
        solve_kernel_system(K, np.ones((N, 1)), 0.1)
