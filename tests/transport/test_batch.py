"""Batches of problems against each of their problems, solved by other means."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.result import StopReason
from skopt2.solvers.transport.batch import BatchProblem, solve_batch
from skopt2.solvers.transport.batch_kernel import GridKernel, OwnKernels, SharedKernel
from skopt2.solvers.transport.batch_scaling import BatchScaling
from skopt2.transport import sinkhorn, sinkhorn_batch


def histograms(rng, count, n, zeros=0.4):
    """Return histograms of which a share of the bins is empty."""
    A = rng.random((count, n)) * (rng.random((count, n)) > zeros)
    A[:, 0] += 0.1
    return A / A.sum(axis=1, keepdims=True)


def line(n):
    x = np.linspace(0.0, 1.0, n)
    return (x[:, None] - x) ** 2


def plan(solution, C, eps, p):
    """Return one plan, from its potentials."""
    costs = C if C.ndim == 2 else C[p]
    return np.exp((solution.f[p][:, None] + solution.g[p] - costs) / eps)


@pytest.mark.parametrize("reg", [1.0, 0.05, 0.01, 1e-3])
@pytest.mark.parametrize("shared", [True, False])
def test_batched_equals_looped(rng, reg, shared):
    A, B = histograms(rng, 12, 20), histograms(rng, 12, 17)
    C = rng.random((12, 20, 17))
    C = C[0] if shared else C
    result = solve_batch(BatchProblem(C, reg), A, B, tol=1e-11, max_iter=200_000)
    assert result.reason == StopReason.CONVERGED
    found = result.solution
    for p in range(12):
        cost = C if shared else C[p]
        alone = sinkhorn(A[p], B[p], cost, reg, tol=1e-11, max_iter=200_000)
        assert_allclose(found.cost[p], alone.cost, atol=1e-9)
        assert_allclose(found.objective[p], alone.objective, atol=1e-9)
        assert_allclose(plan(found, C, reg, p), alone.plan, atol=1e-9)


def test_errors_are_those_of_the_potentials(rng):
    A, B, C = histograms(rng, 6, 15), histograms(rng, 6, 15), line(15)
    result = solve_batch(BatchProblem(C, 0.02), A, B, tol=1e-7)
    found = result.solution
    for p in range(6):
        P = plan(found, C, 0.02, p)
        error = np.abs(P.sum(axis=1) - A[p]).sum() + np.abs(P.sum(axis=0) - B[p]).sum()
        assert_allclose(found.error[p], error, atol=1e-14)
        assert_array_equal(found.f[p] == -np.inf, A[p] == 0)
        assert_array_equal(P[A[p] == 0], 0.0)
        assert_array_equal(P[:, B[p] == 0], 0.0)
        assert_allclose(found.cost[p], (P * C).sum(), rtol=1e-12)
    assert result.certificate.value == found.error.max() <= 1e-7
    assert result.n_iter == found.n_iter.max()


def test_limit_is_the_linear_program(rng):
    A, B, C = histograms(rng, 3, 8), histograms(rng, 3, 8), line(8)
    found = solve_batch(BatchProblem(C, 1e-4), A, B, tol=1e-9, max_iter=100_000)
    rows, cols = np.kron(np.eye(8), np.ones(8)), np.kron(np.ones(8), np.eye(8))
    for p in range(3):
        exact = linprog(
            C.ravel(), A_eq=np.vstack([rows, cols]), b_eq=np.r_[A[p], B[p]]
        ).fun
        # Entropy of a plan of 64 entries, times eps.
        assert exact - 1e-8 <= found.solution.cost[p] <= exact + 1e-4 * np.log(64)


def test_a_solution_does_not_depend_on_its_batch(rng):
    A, B, C = histograms(rng, 30, 12), histograms(rng, 30, 12), line(12)
    problem = BatchProblem(C, 0.003)
    whole = solve_batch(problem, A, B).solution
    assert np.unique(whole.n_iter).size > 3
    for p in range(0, 30, 5):
        alone = solve_batch(problem, A[p : p + 1], B[p : p + 1]).solution
        assert whole.n_iter[p] == alone.n_iter[0]
        assert_allclose(whole.cost[p], alone.cost[0], rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("reg", [0.1, 1e-4])
def test_units_of_the_cost_do_not_matter(rng, scale, reg):
    A, B, C = histograms(rng, 4, 10), histograms(rng, 4, 10), line(10)
    options = {"tol": 1e-10, "max_iter": 100_000}
    expected = solve_batch(BatchProblem(C, reg), A, B, **options).solution
    found = solve_batch(BatchProblem(scale * C, scale * reg), A, B, **options).solution
    assert_allclose(found.cost, scale * expected.cost, rtol=1e-7)
    assert (found.error <= 1e-10).all()


def test_masses_that_span_twelve_orders(rng):
    A = histograms(rng, 5, 16) * 10.0 ** rng.uniform(-12, 0, (5, 16))
    B = 10.0 ** rng.uniform(-12, 0, (5, 16))
    A, B = A / A.sum(axis=1, keepdims=True), B / B.sum(axis=1, keepdims=True)
    C = line(16)
    found = solve_batch(BatchProblem(C, 0.01), A, B, tol=1e-10).solution
    for p in range(5):
        expected = sinkhorn(A[p], B[p], C, 0.01, tol=1e-10)
        assert_allclose(found.cost[p], expected.cost, rtol=1e-7)


def test_one_bin_has_all_mass():
    A, B = np.eye(4), np.roll(np.eye(4), 1, axis=0)
    C = line(4)
    found = solve_batch(BatchProblem(C, 1e-3), A, B, tol=1e-12).solution
    assert_allclose(found.cost, [C[0, 3], C[1, 0], C[2, 1], C[3, 2]], rtol=1e-12)


def test_slow_problems_are_over_relaxed(rng):
    # Two clusters of bins far apart, connected by little mass: plain sweeps are slow.
    x = np.concatenate([np.linspace(0, 1, 8), np.linspace(2.5, 3.5, 8)])
    C = (x[:, None] - x) ** 2
    A, B = histograms(rng, 3, 16, 0.0), histograms(rng, 3, 16, 0.0)
    solver = BatchScaling(SharedKernel(C, 0.4), A, B, tol=1e-9)
    counts = {}
    for name in ("plain", "relaxed"):
        state = solver.start()
        for _ in range(300):
            for _ in range(solver.interval(state)):
                state = solver.step(state)
            if solver.certificate(state).value <= 1e-9:
                break
            if name == "plain":
                state.relaxation.omega[:] = 1.0
        counts[name] = state.n_steps
    assert counts["relaxed"] < 0.5 * counts["plain"]


@pytest.mark.parametrize("reg", [0.1, 1e-4])
def test_problems_of_measures_with_themselves(device_backend, rng, reg):
    A, C = histograms(rng, 6, 14), line(14)
    problem = BatchProblem(device_backend.asarray(C), reg)
    result = solve_batch(problem, device_backend.asarray(A), None, tol=1e-11)
    assert result.reason == StopReason.CONVERGED
    assert result.n_iter <= 50
    found = result.solution
    f, g = (device_backend.to_numpy(x) for x in (found.f, found.g))
    assert_array_equal(f, g)
    for p in range(6):
        P = np.exp((f[p][:, None] + f[p] - C) / reg)
        assert_allclose(P.sum(axis=1), A[p], atol=1e-11)
        assert_allclose(found.cost[p], (P * C).sum(), rtol=1e-9)
    again = solve_batch(problem, device_backend.asarray(A), None, start=found.g)
    assert again.n_iter == 1


def test_measures_with_themselves_under_asymmetric_costs(rng):
    A, C = histograms(rng, 4, 10), rng.random((10, 10))
    found = solve_batch(BatchProblem(C, 0.05), A, None, tol=1e-11).solution
    for p in range(4):
        expected = sinkhorn(A[p], A[p], C, 0.05, tol=1e-11)
        assert_allclose(found.cost[p], expected.cost, atol=1e-9)


def test_warm_start(rng):
    A, B, C = histograms(rng, 8, 14), histograms(rng, 8, 14), line(14)
    problem = BatchProblem(C, 0.005)
    cold = solve_batch(problem, A, B, tol=1e-9)
    warm = solve_batch(problem, A, B, tol=1e-9, start=cold.solution.g)
    assert warm.n_iter <= 3 < cold.n_iter
    assert_allclose(warm.solution.cost, cold.solution.cost, rtol=1e-7)
    # From another regularisation: potentials are in the unit of the cost.
    other = solve_batch(BatchProblem(C, 0.006), A, B, tol=1e-9).solution.g
    near = solve_batch(problem, A, B, tol=1e-9, start=other)
    assert_allclose(near.solution.cost, cold.solution.cost, rtol=1e-7)


def test_iteration_limit(rng):
    A, B, C = histograms(rng, 5, 14), histograms(rng, 5, 14), line(14)
    result = solve_batch(BatchProblem(C, 1e-3), A, B, tol=1e-9, max_iter=5)
    assert result.reason == StopReason.MAX_ITER
    assert result.certificate.value == result.solution.error.max() > 1e-9
    assert np.isfinite(result.solution.cost).all()


def test_kernels_of_a_grid_are_those_of_its_matrix(rng):
    shape, eps = (3, 4, 2), 0.7
    axes = [line(k) for k in shape]
    grid = np.meshgrid(*(np.linspace(0, 1, k) for k in shape), indexing="ij")
    C = sum((x.ravel()[:, None] - x.ravel()) ** 2 for x in grid)
    U, V = rng.random((5, 24)), rng.random((5, 24))
    fast, dense = GridKernel(axes, eps), SharedKernel(C, eps)
    assert_allclose(fast.rows(V), dense.rows(V), rtol=1e-12)
    assert_allclose(fast.cols(U), dense.cols(U), rtol=1e-12)
    assert_allclose(fast.inner(U, V), dense.inner(U, V), rtol=1e-12)
    A, B = histograms(rng, 4, 24), histograms(rng, 4, 24)
    found = solve_batch(BatchProblem(C, 1e-3, axes), A, B, tol=1e-10).solution
    expected = solve_batch(BatchProblem(C, 1e-3), A, B, tol=1e-10).solution
    assert_allclose(found.cost, expected.cost, rtol=1e-7)


@pytest.mark.parametrize("reg", [0.05, 5e-4])
@pytest.mark.parametrize("shared", [True, False])
def test_namespaces_agree(device_backend, rng, reg, shared):
    A, B = histograms(rng, 6, 9), histograms(rng, 6, 9)
    C = line(9) if shared else rng.random((6, 9, 9))
    options = {"tol": 1e-9, "max_iter": 50_000}
    expected = solve_batch(BatchProblem(C, reg), A, B, **options).solution
    there = [device_backend.asarray(x) for x in (C, A, B)]
    found = solve_batch(BatchProblem(there[0], reg), *there[1:], **options).solution
    assert_allclose(found.cost, expected.cost, atol=1e-10)
    assert_allclose(device_backend.to_numpy(found.f), expected.f, atol=1e-8)
    assert_array_equal(found.n_iter, expected.n_iter)


@pytest.mark.parametrize("reg", [0.1, 1e-2])
def test_float32(rng, reg):
    A, B, C = histograms(rng, 6, 12), histograms(rng, 6, 12), line(12)
    wide = solve_batch(BatchProblem(C, reg), A, B, tol=1e-9).solution
    parts = [x.astype(np.float32) for x in (C, A, B)]
    result = solve_batch(BatchProblem(parts[0], reg), *parts[1:], tol=2e-6)
    assert result.solution.f.dtype == np.float32
    assert result.reason == StopReason.CONVERGED
    assert_allclose(result.solution.cost, wide.cost, atol=2e-6)


def test_float32_ends_where_its_rounding_does(rng):
    A, B, C = (
        x.astype(np.float32)
        for x in (histograms(rng, 6, 12), histograms(rng, 6, 12), line(12))
    )
    result = solve_batch(BatchProblem(C, 0.05), A, B, tol=1e-12)
    assert result.reason == StopReason.STALLED
    assert result.n_iter < 1000
    assert result.certificate.value < 1e-5


def test_own_kernels_follow_their_potentials(rng):
    """Scalings are absorbed where they would leave the range of the floats."""
    A, B, C = histograms(rng, 3, 10), histograms(rng, 3, 10), line(10)
    eps = 1e-4
    kernels = OwnKernels.reduced(C[None], eps, A, B)
    U = np.exp(rng.uniform(-300, 300, (3, 10)))
    moved = kernels.follow(U, np.ones((3, 10)), 300.0)
    assert moved is not kernels
    assert kernels.follow(U, U, 99.0) is kernels
    f = kernels.f + eps * np.log(U)
    expected = np.exp(
        np.clip((f[:, :, None] + kernels.g[:, None] - C) / eps, -700, 100)
    )
    assert_allclose(moved.K, expected, rtol=1e-10)


@pytest.mark.parametrize("shared", [True, False])
def test_function_equals_the_loop(rng, shared):
    a, b = 3.0 * histograms(rng, 7, 8), 3.0 * histograms(rng, 7, 6)
    a[2:4] *= 10.0
    b[2:4] *= 10.0
    cost = rng.random((7, 8, 6))
    cost = cost[0] if shared else cost
    found = sinkhorn_batch(a, b, cost, 0.1, tol=1e-11)
    assert found.converged.all()
    for p in range(7):
        C = cost if shared else cost[p]
        alone = sinkhorn(a[p], b[p], C, 0.1, tol=1e-11)
        assert_allclose(found.plan[p], alone.plan, atol=1e-9)
        assert_allclose(found.cost[p], alone.cost, atol=1e-8)
        assert_allclose(found.objective[p], alone.objective, atol=1e-9)
        f, g = (x[p] for x in found.potentials)
        moved = alone.potentials
        # Up to the constant that may pass from one side to the other.
        some, other = a[p] > 0, b[p] > 0
        shift = f[some][0] - moved[0][some][0]
        assert_allclose(f[some], moved[0][some] + shift, atol=1e-8)
        assert_allclose(g[other], moved[1][other] - shift, atol=1e-8)
        assert_array_equal(np.isinf(f), ~some)


def test_one_side_for_all_problems(rng):
    a, b, cost = histograms(rng, 5, 7), histograms(rng, 1, 9)[0], rng.random((7, 9))
    found = sinkhorn_batch(a, b, cost, 0.2, tol=1e-10)
    wide = sinkhorn_batch(a, np.tile(b, (5, 1)), cost, 0.2, tol=1e-10)
    assert_array_equal(found.cost, wide.cost)
    flat = sinkhorn_batch(None, None, cost, 0.2, tol=1e-10)
    assert flat.plan.shape == (1, 7, 9)
    assert_allclose(flat.plan[0], sinkhorn(None, None, cost, 0.2, tol=1e-10).plan)
    stack = sinkhorn_batch(None, b, np.stack([cost, 2.0 * cost]), 0.2, tol=1e-10)
    assert_allclose(stack.plan.sum(axis=2), 1.0 / 7)
    assert stack.n_iter.shape == (2,)


@pytest.mark.parametrize("shared", [True, False])
def test_function_in_blocks(rng, monkeypatch, shared):
    a, b, cost = histograms(rng, 40, 5), histograms(rng, 40, 5), rng.random((40, 5, 5))
    cost = cost[0] if shared else cost
    expected = sinkhorn_batch(a, b, cost, 0.1)
    monkeypatch.setattr("skopt2.solvers.transport.batch.HOST_BLOCK", 1)
    found = sinkhorn_batch(a, b, cost, 0.1)
    assert_allclose(found.cost, expected.cost, rtol=1e-9)
    assert_array_equal(found.n_iter, expected.n_iter)


def test_function_in_every_namespace(device_backend, dispatch, rng):
    a, b, cost = histograms(rng, 4, 6), histograms(rng, 4, 6), line(6)
    expected = sinkhorn_batch(a, b, cost, 0.05)
    there = (device_backend.asarray(x) for x in (a, b, cost))
    found = sinkhorn_batch(*there, 0.05)
    assert_allclose(device_backend.to_numpy(found.cost), expected.cost, rtol=1e-9)
    assert_allclose(device_backend.to_numpy(found.plan), expected.plan, atol=1e-10)


def test_function_on_the_gpu(cuda_stand_in, rng):
    a, b, cost = histograms(rng, 4, 6), histograms(rng, 4, 6), line(6)
    found = sinkhorn_batch(a, b, cost, 0.05, device="cuda")
    assert type(found.plan) is type(found.cost) is np.ndarray
    assert_allclose(found.cost, sinkhorn_batch(a, b, cost, 0.05).cost, rtol=1e-9)


def test_function_keeps_float32(rng):
    a, b = histograms(rng, 4, 6), histograms(rng, 4, 6)
    found = sinkhorn_batch(a, b, line(6).astype(np.float32), 0.1, tol=1e-5)
    assert found.plan.dtype == found.cost.dtype == np.float32
    assert_allclose(found.cost, sinkhorn_batch(a, b, line(6), 0.1).cost, rtol=1e-4)


def test_function_warns(rng):
    a, b = histograms(rng, 4, 12), histograms(rng, 4, 12)
    with pytest.warns(ConvergenceWarning, match="4 of 4 transport problems did not"):
        found = sinkhorn_batch(a, b, line(12), 0.001, max_iter=3)
    assert not found.converged.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": [[0.5, 0.5]] * 3}, r"different numbers of problems: \[2, 3\]"),
        ({"a": [[0.5, 0.4]] * 2}, "Problem 0: a sums to 0.9 and b to 1"),
        ({"a": [[0.5, -0.5]] * 2}, "a must be nonnegative, but holds -0.5"),
        ({"b": [[0.5, np.nan]] * 2}, "b must be nonnegative, but holds NaN"),
        ({"b": [[0.0, 0.0]] * 2}, "b must have a positive, finite sum"),
        ({"b": [[1.0]] * 2}, r"b has the shape \(2, 1\), expected \(2,\) or"),
        ({"cost": [1.0, 2.0]}, "cost must have the shape"),
        ({"cost": [[1.0, np.inf]] * 2}, "cost must be finite"),
        ({"reg": 0.0}, "reg must be a positive number"),
        ({"tol": -1}, "tol must be a nonnegative number"),
    ],
)
def test_function_refuses(change, message):
    good = {"a": [[0.5, 0.5]] * 2, "b": [[0.3, 0.7]] * 2, "cost": np.eye(2), "reg": 0.1}
    with pytest.raises(ValueError, match=message):
        sinkhorn_batch(**{**good, **change})
