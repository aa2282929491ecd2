"""Block descent on the dual: against dense solves, its guard, its estimates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2._core.iterate import iterate
from skopt2._core.result import StopReason
from skopt2.solvers.kernel.block_sampler import BlockSampler
from skopt2.solvers.kernel.dual_descent import DualDescent
from skopt2.solvers.kernel.eigenpro import EigenPro
from skopt2.solvers.kernel.engine import BlockDual
from skopt2.solvers.kernel.sketch_project import SketchProject
from skopt2.solvers.kernel.system import KernelSystem
from tests.solvers.kernel.dense_operator import DenseOperator, matern_matrix

RULES = [SketchProject, DualDescent, EigenPro]
N = 240


@pytest.fixture
def K(rng):
    """Well conditioned: neighbours are farther apart than the kernel is wide."""
    return matern_matrix(rng.standard_normal((N, 6)))


def engine(rule, operator, Y, lam, *, tol=1e-9, epochs=400, **options):
    system = KernelSystem(operator, Y, lam)
    made = rule(system, **{"batch_size": 40, **options})
    sampler = BlockSampler(system.n, made.batch_size, 7, system.Y)
    return BlockDual(
        system, made, sampler, tol=tol, max_steps=epochs * sampler.n_blocks
    )


def run(solver, start=None, **options):
    state = solver.start() if start is None else start
    return iterate(
        solver,
        state,
        tol=solver.tol,
        max_iter=solver.max_steps,
        check_every=solver.interval,
        **options,
    )


@pytest.mark.parametrize("c", [1, 5])
@pytest.mark.parametrize("ridge", ["number", "vector", "none"])
@pytest.mark.parametrize("rule", RULES)
def test_equals_a_dense_solve(K, rng, rule, ridge, c):
    Y = rng.standard_normal((N, c)) * np.geomspace(1.0, 1e3, c)
    lam = {"number": 0.3, "none": 0.0, "vector": rng.uniform(0.1, 30.0, N)}[ridge]
    result = run(engine(rule, DenseOperator(K), Y, lam))
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.holds
    assert result.solution.exact
    assert result.solution.n_restarts == 0
    H = K + np.diag(np.broadcast_to(lam, N))
    expected = np.linalg.solve(H, Y)
    assert_allclose(
        result.solution.a / expected.max(0), expected / expected.max(0), atol=1e-7
    )
    assert_allclose(result.objective, -0.5 * np.sum(expected * Y), rtol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_float32(K, rng, rule):
    Y = rng.standard_normal((N, 2))
    operator = DenseOperator(K.astype(np.float32))
    result = run(engine(rule, operator, Y.astype(np.float32), 0.3, tol=1e-5))
    assert result.reason is StopReason.CONVERGED
    assert result.solution.a.dtype == np.float32
    expected = np.linalg.solve(K + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("rule", RULES)
def test_devices_agree(K, rng, rule, device_backend):
    Y = rng.standard_normal((N, 2))
    here = run(engine(rule, DenseOperator(K), Y, 0.3, epochs=6))
    operator = DenseOperator(device_backend.asarray(K))
    there = run(engine(rule, operator, device_backend.asarray(Y), 0.3, epochs=6))
    a = device_backend.to_numpy(there.solution.a)
    assert_allclose(a, here.solution.a, rtol=1e-7, atol=1e-9)
    assert_allclose(
        there.history.as_dict()["certificate"],
        here.history.as_dict()["certificate"],
        rtol=1e-7,
    )


@pytest.mark.parametrize("rule", RULES)
def test_the_certificate_is_the_residual(K, rng, rule):
    """Estimates come near it, and the figure that ends the fit is it."""
    Y = rng.standard_normal((N, 2))
    solver = engine(rule, DenseOperator(K), Y, 0.3, tol=1e-6)

    def residual(a):
        R = Y - K @ a - 0.3 * a
        return (np.linalg.norm(R, axis=0) / np.linalg.norm(Y, axis=0)).max()

    class Watch:
        ratios = []

        def begin(self, iteration):
            pass

        def end(self, iteration, solver, state, measure, history):
            solution = solver.finalize(state)
            if not solution.exact:
                self.ratios.append(state.best_values.max() / residual(solution.a))

    watch = Watch()
    result = run(solver, monitor=watch)
    assert_allclose(result.certificate.value, residual(result.solution.a), rtol=1e-6)
    assert len(watch.ratios) > 5
    assert 0.3 < min(watch.ratios) <= max(watch.ratios) < 4.0


@pytest.mark.parametrize("rule", RULES)
def test_a_good_start_saves_epochs(K, rng, rule):
    Y = rng.standard_normal((N, 2))
    cold = run(engine(rule, DenseOperator(K), Y, 0.3, tol=1e-7))
    near = np.linalg.solve(K + 0.3 * np.eye(N), Y)
    near += 1e-5 * np.abs(near).max() * rng.standard_normal(Y.shape)
    solver = engine(rule, DenseOperator(K), Y, 0.3, tol=1e-7)
    warm = run(solver, solver.start(solver.system.from_units(near)))
    assert warm.reason is StopReason.CONVERGED
    assert warm.solution.n_epochs < 0.6 * cold.solution.n_epochs
    assert_allclose(warm.solution.a, cold.solution.a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("rule", "factor"), [(DualDescent, 2.0), (EigenPro, 6.0)])
def test_a_step_that_is_too_long_is_halved(rng, rule, factor):
    """Twice the stable step diverges, and the fit converges all the same.

    The step of EigenPro is safer for a ridge, which it takes implicitly.
    """
    K = matern_matrix(rng.standard_normal((N, 4)), 2.0)
    Y = rng.standard_normal((N, 2))
    stable = engine(rule, DenseOperator(K), Y, 0.3).rule.step_size / 0.9
    options = {"tol": 1e-6, "epochs": 1000}
    solver = engine(
        rule, DenseOperator(K), Y, 0.3, step_size=factor * stable, **options
    )
    result = run(solver)
    assert result.solution.n_restarts >= 1
    assert result.solution.step_size < factor * stable
    assert result.reason is StopReason.CONVERGED
    expected = np.linalg.solve(K + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, atol=1e-4 * np.abs(expected).max())
    restarts = result.history.as_dict()["n_restarts"]
    assert restarts[-1] == result.solution.n_restarts
    assert (np.diff(restarts) >= 0).all()
    usual = run(engine(rule, DenseOperator(K), Y, 0.3, **options))
    assert usual.solution.n_restarts == 0


@pytest.mark.parametrize("rule", [DualDescent, EigenPro])
def test_overflow_is_recovered_from(K, rng, rule):
    Y = rng.standard_normal((N, 1)).astype(np.float32)
    operator = DenseOperator(K.astype(np.float32))
    solver = engine(rule, operator, Y, 0.3, tol=1e-4, step_size=1e8, epochs=600)
    result = run(solver)
    assert result.solution.n_restarts > 20
    assert result.reason is StopReason.CONVERGED


@pytest.mark.parametrize("rule", RULES)
def test_packed_states_go_on_to_the_same_answer(K, rng, rule):
    Y = rng.standard_normal((N, 3))
    whole = run(engine(rule, DenseOperator(K), Y, 0.3, tol=1e-7))
    first = engine(rule, DenseOperator(K), Y, 0.3, tol=1e-7)
    state = first.start()
    for _ in range(10):
        state = first.step(state)
    first.certificate(state)
    packed = first.pack(state)
    scalars = (bool, int, float, str, type(None))
    assert all(isinstance(v, (np.ndarray, *scalars)) for v in packed.values())
    # A file would have its own copy.
    packed = {
        k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in packed.items()
    }
    second = engine(rule, DenseOperator(K), Y, 0.3, tol=1e-7)
    second.rule.step_size = 1e9
    resume = {"state": packed, "n_iter": 10, "history": {}}
    rest = run(second, resume=resume)
    assert_array_equal(rest.solution.a, whole.solution.a)
    assert rest.n_iter == whole.n_iter


@pytest.mark.parametrize("rule", RULES)
def test_scales_of_the_problem_do_not_matter(K, rng, rule):
    """Units of the targets and of the kernel change nothing but the coefficients."""
    Y = rng.standard_normal((N, 2))
    base = run(engine(rule, DenseOperator(K), Y, 0.3, epochs=30))
    other = run(
        engine(rule, DenseOperator(64.0 * K), 1024.0 * Y, 64.0 * 0.3, epochs=30)
    )
    assert_allclose(
        other.solution.a * 64.0 / 1024.0, base.solution.a, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("rule", RULES)
def test_duplicate_rows_and_no_ridge(rng, rule):
    """A singular matrix, consistent targets: the residual vanishes all the same."""
    X = rng.standard_normal((N // 2, 6))
    K = matern_matrix(np.vstack([X, X]))
    Y = np.tile(rng.standard_normal((N // 2, 1)), (2, 1))
    result = run(engine(rule, DenseOperator(K), Y, 0.0, tol=1e-6, epochs=600))
    assert result.reason is StopReason.CONVERGED
    assert_allclose(K @ result.solution.a, Y, atol=1e-4)
    assert result.solution.n_restarts == 0


@pytest.mark.parametrize("rule", RULES)
def test_columns_of_zeros_stay_zero(K, rng, rule):
    Y = np.column_stack([np.zeros(N), rng.standard_normal(N)])
    result = run(engine(rule, DenseOperator(K), Y, 0.3, tol=1e-6))
    assert result.reason is StopReason.CONVERGED
    assert_array_equal(result.solution.a[:, 0], 0.0)
    nothing = run(engine(rule, DenseOperator(K), 0.0 * Y, 0.3))
    assert nothing.reason is StopReason.CONVERGED
    assert_array_equal(nothing.solution.a, 0.0)


@pytest.mark.parametrize("rule", RULES)
def test_rounding_is_recognised(K, rng, rule):
    """A tolerance below float32 ends the fit, and not as a success."""
    Y = rng.standard_normal((N, 1)).astype(np.float32)
    operator = DenseOperator(K.astype(np.float32))
    result = run(engine(rule, operator, Y, 0.3, tol=1e-12, epochs=2000))
    assert result.reason is StopReason.STALLED
    assert result.certificate.value < 1e-5
    assert result.solution.n_epochs < 600


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rule", RULES)
def test_singular_systems_have_no_solution_worse_than_none(rng, rule, dtype):
    """Noise is not in the range of the matrix; its column does not spoil the other."""
    X = np.sort(rng.random((N, 1)), axis=0)
    K = matern_matrix(X, 1000.0).astype(dtype)
    Y = np.column_stack([np.sin(3.0 * X[:, 0]), rng.standard_normal(N)]).astype(dtype)
    result = run(engine(rule, DenseOperator(K), Y, 0.0, tol=1e-12, epochs=40))
    R = Y - K @ result.solution.a.astype(np.float64)
    values = np.linalg.norm(R, axis=0) / np.linalg.norm(Y, axis=0)
    assert values[1] < 1.0 + 1e-6
    assert values[0] < 0.7
    assert result.reason is not StopReason.CONVERGED
    certificates = result.history.as_dict()["certificate"]
    assert (certificates <= 1.0 + 1e-6).all()


def test_the_measured_point_is_zero_where_that_is_better(K, rng):
    Y = rng.standard_normal((N, 3))
    system = KernelSystem(DenseOperator(K), Y, 0.3)
    a = np.linalg.solve(K + 0.3 * np.eye(N), system.Y)
    a[:, 1] *= -5.0
    found, R, values = system.measured(a)
    assert_array_equal(found[:, 1], 0.0)
    assert_array_equal(found[:, [0, 2]], a[:, [0, 2]])
    assert_allclose(R, system.Y - K @ found - 0.3 * found, atol=1e-12)
    assert_allclose(values, [0.0, 1.0, 0.0], atol=1e-12)


def test_momentum_that_diverges_is_taken_away(K, rng):
    """Rows of other blocks that are nearly equal: plain projections remain stable."""
    Y = rng.standard_normal((N, 2))
    solver = engine(SketchProject, DenseOperator(K), Y, 0.3, tol=1e-8)
    # Far more momentum than nu = 6 blocks allow.
    solver.rule.gamma, solver.rule.beta, solver.rule.growth = 40.0, 0.99, 10.0
    result = run(solver)
    assert result.solution.n_restarts == 1
    assert (solver.rule.gamma, solver.rule.step_size) == (1.0, 1.0)
    assert result.reason is StopReason.CONVERGED
    solver.rule.slow_down()
    assert (solver.rule.alpha, solver.rule.beta) == (0.0, 0.0)
    again = engine(SketchProject, DenseOperator(K), Y, 0.3)
    again.rule.unpack(solver.rule.pack())
    assert (again.rule.alpha, again.rule.beta) == (0.0, 0.0)
    assert run(again).reason is StopReason.CONVERGED
    solver.rule.slow_down()
    assert solver.rule.step_size == 0.5


def test_an_indefinite_matrix_is_refused(rng):
    K = rng.standard_normal((N, N))
    solver = engine(SketchProject, DenseOperator(K + K.T), np.ones((N, 1)), 0.0)
    with pytest.raises(ValueError, match="not positive semidefinite"):
        run(solver)


def test_an_indefinite_matrix_stops_descent(rng):
    K = rng.standard_normal((N, N))
    K = K + K.T
    solver = engine(DualDescent, DenseOperator(K), np.ones((N, 1)), 0.0, epochs=2000)
    result = run(solver)
    assert result.reason in (StopReason.STALLED, StopReason.MAX_ITER)
    assert result.solution.n_restarts > 0
    assert np.isfinite(result.solution.a).all()


def test_blocks_are_permutations(rng):
    sampler = BlockSampler(23, 5, 3, np.zeros(1))
    epochs = [
        np.concatenate([sampler.block(e * sampler.n_blocks + k) for k in range(5)])
        for e in range(3)
    ]
    for order in epochs:
        assert_array_equal(np.sort(order), np.arange(23))
    assert not np.array_equal(epochs[0], epochs[1])
    again = BlockSampler(23, 5, 3, np.zeros(1))
    assert_array_equal(again.block(7), sampler.block(7))
    sizes = {sampler.block(k).size for k in range(5)}
    assert sizes == {4, 5}


@pytest.mark.parametrize("rank", [10, 40])
def test_nystrom_blocks_reach_the_same_solution(K, rng, rank):
    Y = rng.standard_normal((N, 2))
    options = {"batch_size": 80, "rank": rank, "tol": 1e-7}
    result = run(engine(SketchProject, DenseOperator(K), Y, 0.3, **options))
    assert result.reason is StopReason.CONVERGED
    assert result.solution.n_components == rank
    expected = np.linalg.solve(K + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, atol=1e-5 * np.abs(expected).max())
