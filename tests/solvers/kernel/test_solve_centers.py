"""The one entry for models on centres: both solvers, chunks, memory, messages."""

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skopt2.kernels import Gaussian, Laplacian, Linear, get_kernel
from skopt2.solvers.kernel import solve_centers
from skopt2.solvers.kernel.solve_centers import solve_on_centers
from tests.solvers.kernel.center_reference import (
    dense_solution,
    distance,
    objective,
    problem,
)

KERNEL = Laplacian(length_scale=2.0)
BOTH = pytest.mark.parametrize("solver", ["cholesky", "eigenpro"])


def chunks_of(X, Y, weight, size):
    return [
        (X[start : start + size], Y[start : start + size], weight[start : start + size])
        for start in range(0, len(X), size)
    ]


@BOTH
def test_both_solvers_find_the_dense_solution(rng, solver):
    X, Y, Z = problem(rng, n=700, p=60)
    weight = rng.uniform(0.0, 2.0, len(X))
    found = solve_on_centers(
        KERNEL, X, Y, Z, alpha=0.1, weight=weight, solver=solver, tol=1e-5
    )
    expected = dense_solution(KERNEL, X, Y, Z, weight, 0.1)
    assert distance(KERNEL, X, Z, found.solution.a, expected) < 1e-4
    value = objective(KERNEL, X, Y, Z, expected, weight, 0.1)
    np.testing.assert_allclose(found.objective, value, rtol=1e-7)
    assert found.reason.value == "converged"
    assert found.certificate.value < 1e-5
    assert found.solution.solver == solver
    assert found.solution.n_epochs >= 2


@BOTH
def test_chunks_give_what_rows_in_memory_give(rng, solver):
    X, Y, Z = problem(rng, n=600, p=40)
    weight = rng.uniform(0.1, 2.0, len(X))
    options = {"alpha": 0.1, "solver": solver, "tol": 1e-6}
    whole = solve_on_centers(KERNEL, X, Y, Z, weight=weight, **options)
    for size in (71, 300):
        parts = [*chunks_of(X, Y, weight, size), (X[:0], Y[:0], weight[:0])]
        found = solve_on_centers(KERNEL, parts, None, Z, **options)
        assert found.reason.value == "converged"
        assert distance(KERNEL, X, Z, found.solution.a, whole.solution.a) < 2e-5
        np.testing.assert_allclose(found.objective, whole.objective, rtol=1e-8)


@BOTH
def test_units_of_the_targets_make_no_difference(rng, solver):
    X, Y, Z = problem(rng, n=300, p=30)
    Y[:, 1] = 0.0
    one = solve_on_centers(KERNEL, X, Y, Z, alpha=0.1, solver=solver).solution.a
    many = solve_on_centers(KERNEL, X, 1e6 * Y, Z, alpha=0.1, solver=solver).solution.a
    np.testing.assert_allclose(many, 1e6 * one, rtol=1e-6, atol=1e-3)
    np.testing.assert_array_equal(one[:, 1], 0.0)


def test_a_fit_that_is_cut_short_has_a_certificate_from_a_pass(rng):
    X, Y, Z = problem(rng, n=900, p=40)
    options = {"solver": "eigenpro", "alpha": 0.1, "batch_size": 60}
    found = solve_on_centers(KERNEL, X, Y, Z, max_epochs=1, tol=1e-9, **options)
    assert found.reason.value == "max_iter"
    assert found.solution.exact
    value = objective(KERNEL, X, Y, Z, found.solution.a, alpha=0.1)
    np.testing.assert_allclose(found.objective, value, rtol=1e-9)
    K, rows = KERNEL(Z), KERNEL(X, Z)

    def norms(a):
        g = rows.T @ (rows @ a - Y) + 0.1 * K @ a
        return np.sqrt(np.sum(g * np.linalg.solve(K, g), axis=0))

    expected = np.max(norms(found.solution.a) / norms(np.zeros((40, 2))))
    np.testing.assert_allclose(found.certificate.value, expected, rtol=1e-6)
    direct = solve_on_centers(KERNEL, X, Y, Z, alpha=0.1)
    np.testing.assert_allclose(
        norms(direct.solution.a) / norms(0 * K[:, :2]), 0, atol=1e-9
    )


def test_a_start_is_gone_on_from(rng):
    X, Y, Z = problem(rng, n=600, p=40)
    options = {"solver": "eigenpro", "alpha": 0.1, "tol": 1e-4, "batch_size": 60}
    cold = solve_on_centers(KERNEL, X, Y, Z, **options)
    exact = solve_on_centers(KERNEL, X, Y, Z, alpha=0.1).solution.a
    warm = solve_on_centers(KERNEL, X, Y, Z, start=exact, **options)
    assert warm.n_iter < cold.n_iter


class Keep:
    """A monitor that keeps the last checkpoint, and stops there if it is asked to."""

    def __init__(self, stop):
        self.stop, self.checkpoint = stop, {}

    def begin(self, iteration):
        pass

    def end(self, iteration, solver, state, measure, history):
        columns = history.as_dict()
        self.checkpoint = {"state": solver.pack(state), "n_iter": iteration}
        self.checkpoint["history"] = columns
        return iteration >= self.stop


@BOTH
def test_a_fit_that_was_stopped_is_resumed(rng, solver):
    X, Y, Z = problem(rng, n=400, p=30)
    options = {"alpha": 0.1, "solver": solver, "tol": 1e-6}
    whole = solve_on_centers(KERNEL, X, Y, Z, **options)
    keep = Keep(3)
    part = solve_on_centers(KERNEL, X, Y, Z, monitor=keep, **options)
    found = solve_on_centers(KERNEL, X, Y, Z, resume=keep.checkpoint, **options)
    if solver == "eigenpro":
        assert part.reason.value == "callback"
        assert part.certificate.value > 1e-6
    np.testing.assert_array_equal(found.solution.a, whole.solution.a)


def test_auto_is_direct_where_that_is_cheap(rng):
    assert solve_centers._choose(50_000, 5000) == "cholesky"
    assert solve_centers._choose(10_000_000, 5000) == "eigenpro"
    assert solve_centers._choose(1000, 12_000) == "eigenpro"
    X, Y, Z = problem(rng, n=50, p=10)
    assert solve_on_centers(KERNEL, X, Y, Z).solution.solver == "cholesky"


def test_equal_seeds_give_equal_fits(rng):
    X, Y, Z = problem(rng, n=300, p=30)
    found = [
        solve_on_centers(
            KERNEL, X, Y, Z, solver="eigenpro", rng=np.random.default_rng(seed)
        ).solution.a
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.max(np.abs(found[0] - found[2])) > 0


def test_a_median_length_scale_is_resolved_on_the_rows(rng):
    X, Y, Z = problem(rng, n=200, p=20)
    found = solve_on_centers(Gaussian("median"), X, Y, Z, alpha=0.1).solution.a
    kernel = Gaussian("median").resolve(X)
    expected = dense_solution(kernel, X, Y, Z, alpha=0.1)
    assert distance(kernel, X, Z, found, expected) < 1e-8


@BOTH
def test_other_namespaces_agree(device_backend, rng, solver):
    X, Y, Z = problem(rng, n=150, p=20)
    options = {"alpha": 0.1, "solver": solver, "tol": 1e-6, "max_epochs": 8}
    host = solve_on_centers(KERNEL, X, Y, Z, **options)
    there = solve_on_centers(KERNEL, *map(device_backend.asarray, (X, Y, Z)), **options)
    a = device_backend.to_numpy(there.solution.a)
    np.testing.assert_allclose(a, host.solution.a, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(there.objective, host.objective, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"solver": "cholesky"},
        {"solver": "eigenpro", "delay": 1},
        {"solver": "eigenpro", "delay": 3, "batch_size": 500},
        {"solver": "eigenpro", "exact": False},
    ],
)
def test_no_array_of_all_rows_and_centres_is_made(rng, options):
    n, p = 60_000, 250
    X = rng.standard_normal((n, 2))
    Y = np.sin(X[:, :1])
    if options["solver"] == "eigenpro":
        options = {"n_components": 40, "max_epochs": 1, "batch_size": 2000} | options
    tracemalloc.start()
    found = solve_on_centers(KERNEL, X, Y, X[:p], alpha=0.1, tol=1e-12, **options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(found.objective)
    # 120 MB; the eigenvectors of the subsample take most of what there is.
    assert peak < n * p * 8


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"alpha": -1.0}, ValueError, "alpha must be a nonnegative number; got alpha="),
        ({"solver": "newton"}, ValueError, "solver must be one of"),
        ({"tol": 0.0}, ValueError, "tol must be a positive number"),
        ({"max_epochs": 0}, ValueError, "max_epochs must be a number of at least 1"),
        ({"weight": np.zeros(40)}, ValueError, "All weights are 0"),
        ({"Y": np.zeros(40)}, ValueError, "Y must have the shape"),
        ({"X": np.zeros((0, 3)), "Y": np.zeros((0, 1))}, ValueError, "no rows to fit"),
        ({"Z": np.full((3, 3), np.inf)}, ValueError, "Z has values"),
        ({"X": np.zeros((5, 3)), "Y": None}, TypeError, "must yield chunks"),
        ({"X": iter([]), "Y": None}, TypeError, "read only once"),
        ({"solver": "eigenpro", "colour": 1}, TypeError, "colour"),
        (
            {"solver": "eigenpro", "start": np.zeros((5, 1))},
            ValueError,
            "start must have the shape",
        ),
    ],
)
def test_bad_input_is_named(rng, change, error, message):
    X, Y, Z = problem(rng, n=40, p=5)
    given = {"X": X, "Y": Y, "Z": Z} | change
    with pytest.raises(error, match=message):
        solve_on_centers(
            KERNEL, given.pop("X"), given.pop("Y"), given.pop("Z"), **given
        )


@BOTH
@pytest.mark.parametrize("diagonal", [-1.0, 0.0])
def test_a_kernel_that_is_not_positive_semidefinite_is_named(rng, solver, diagonal):
    X, Y, Z = problem(rng, n=40, p=6)
    kernel = get_kernel(lambda A, B: diagonal - cdist(A, B))
    with pytest.raises(ValueError, match="not positive semidefinite"):
        solve_on_centers(kernel, X, Y, Z, solver=solver)


def test_a_kernel_of_zeros_has_the_solution_zero(rng):
    X, Y, _ = problem(rng, n=40)
    X[:, 0] = 0.0
    found = solve_on_centers(Linear(), X[:, :1], Y, X[:5, :1], alpha=0.1)
    np.testing.assert_array_equal(found.solution.a, 0.0)
