"""Normal equations on centres against a dense least-squares solution."""

import tracemalloc

import numpy as np
import pytest

from skopt2._core.array import HOST
from skopt2.kernels import Gaussian, Laplacian, Matern
from skopt2.solvers.kernel.center_least_squares import CenterLeastSquares
from tests.solvers.kernel.center_reference import (
    dense_solution,
    distance,
    objective,
    problem,
)


def fit(kernel, X, Y, Z, weight=None, alpha=0.0):
    return CenterLeastSquares(kernel, Z).update(X, Y, weight).solve(alpha)


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 1e-2, 10.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "kernel", [Laplacian(length_scale=2.0), Matern(length_scale=1.5), Gaussian(1.0)]
)
def test_equals_the_dense_solution(rng, kernel, weighted, alpha):
    X, Y, Z = problem(rng)
    weight = rng.uniform(0.1, 3.0, len(X)) if weighted else None
    solution = fit(kernel, X, Y, Z, weight, alpha)
    expected = dense_solution(kernel, X, Y, Z, weight, alpha)
    assert distance(kernel, X, Z, solution.a, expected) < 1e-9
    assert solution.residual < 1e-12
    value = objective(kernel, X, Y, Z, solution.a, weight, alpha)
    np.testing.assert_allclose(solution.objective, value, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1e-2])
@pytest.mark.parametrize("kernel", [Laplacian(length_scale=2.0), Gaussian(1.0)])
def test_equal_centres_share_nothing_but_the_prediction(rng, kernel, alpha):
    X, Y, Z = problem(rng)
    twice = np.concatenate([Z, Z[::-1]])
    solution = fit(kernel, X, Y, twice, alpha=alpha)
    expected = dense_solution(kernel, X, Y, Z, alpha=alpha)
    single = solution.a[: len(Z)] + solution.a[len(Z) :][::-1]
    assert distance(kernel, X, Z, single, expected) < 1e-9
    assert np.sum(np.any(solution.a != 0, axis=1)) == len(Z)


def test_a_smooth_kernel_keeps_the_digits_that_a_plain_gram_matrix_loses(rng):
    kernel = Gaussian(length_scale=4.0)
    X, Y, Z = problem(rng, n=400, p=30, noise=0.0)
    rows = kernel(X, Z)
    expected = dense_solution(kernel, X, Y, Z)
    plain = np.linalg.lstsq(rows.T @ rows, rows.T @ Y, rcond=None)[0]
    assert distance(kernel, X, Z, fit(kernel, X, Y, Z).a, expected) < 1e-7
    assert distance(kernel, X, Z, plain, expected) > 1e-4


def test_fewer_rows_than_centres_are_interpolated(rng):
    kernel = Laplacian(length_scale=2.0)
    X, Y, Z = problem(rng, n=100, p=60)
    solution = fit(kernel, X[:25], Y[:25], Z)
    np.testing.assert_allclose(kernel(X[:25], Z) @ solution.a, Y[:25], atol=1e-8)


def test_centres_that_are_the_rows_give_kernel_ridge_regression(rng):
    kernel = Laplacian(length_scale=2.0)
    X, Y, _ = problem(rng, n=80)
    weight = rng.uniform(0.5, 2.0, len(X))
    ridge = np.linalg.solve(kernel(X) + np.diag(0.3 / weight), Y)
    np.testing.assert_allclose(fit(kernel, X, Y, X, weight, 0.3).a, ridge, atol=1e-9)
    exact = np.linalg.solve(kernel(X), Y)
    np.testing.assert_allclose(fit(kernel, X, Y, X).a, exact, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("step", [1, 7, 150])
def test_any_split_in_chunks_gives_the_same(rng, step):
    kernel = Gaussian(1.0)
    X, Y, Z = problem(rng)
    weight = rng.uniform(0.0, 2.0, len(X))
    model = CenterLeastSquares(kernel, Z)
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        model.update(X[part], Y[part], weight[part])
    model.update(X[:0], Y[:0], weight[:0])
    assert model.n_rows == len(X)
    whole = fit(kernel, X, Y, Z, weight, 1e-3)
    found = model.solve(1e-3)
    assert distance(kernel, X, Z, found.a, whole.a) < 1e-11
    np.testing.assert_allclose(found.objective, whole.objective, rtol=1e-10)


def test_more_rows_may_follow_a_solution(rng):
    kernel = Laplacian(length_scale=2.0)
    X, Y, Z = problem(rng)
    model = CenterLeastSquares(kernel, Z).update(X[:100], Y[:100])
    model.solve(0.1)
    model.update(X[100:], Y[100:])
    whole = fit(kernel, X, Y, Z, alpha=0.1)
    np.testing.assert_allclose(model.solve(0.1).a, whole.a, rtol=1e-9, atol=1e-10)


def test_a_weight_counts_as_copies(rng):
    kernel = Laplacian(length_scale=2.0)
    X, Y, Z = problem(rng, n=90)
    weight = rng.integers(0, 4, len(X))
    copies = np.repeat(np.arange(len(X)), weight)
    found = fit(kernel, X, Y, Z, weight, 0.2)
    expected = fit(kernel, X[copies], Y[copies], Z, alpha=0.2)
    np.testing.assert_allclose(found.a, expected.a, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_float32_stays_and_is_as_near_as_its_rounding(rng, alpha):
    kernel = Laplacian(length_scale=2.0)
    X, Y, Z = problem(rng, n=500, p=100)
    narrow = (values.astype(np.float32) for values in (X, Y, Z))
    solution = fit(kernel, *narrow, alpha=alpha)
    assert solution.a.dtype == np.float32
    expected = dense_solution(kernel, X, Y, Z, alpha=alpha)
    assert distance(kernel, X, Z, solution.a, expected) < 1e-5


def test_float32_of_a_smooth_kernel_predicts_as_well(rng):
    # The kernel matrix has eigenvalues far below the rounding of float32.
    kernel = Gaussian(length_scale=2.0)
    X, Y, Z = problem(rng, n=500, p=100)
    X32, Y32, Z32 = (values.astype(np.float32) for values in (X, Y, Z))
    solution = fit(kernel, X32, Y32, Z32, alpha=1e-4)
    best = np.sqrt(np.mean((kernel(X, Z) @ dense_solution(kernel, X, Y, Z) - Y) ** 2))
    error = np.sqrt(np.mean((kernel(X32, Z32) @ solution.a - Y) ** 2))
    assert error < 1.05 * best


def test_other_namespaces_agree(backend, rng):
    kernel = Gaussian(1.0)
    X, Y, Z = problem(rng, n=120, p=20)
    Z = np.concatenate([Z, Z[:3]])
    weight = rng.uniform(0.1, 2.0, len(X))
    host = fit(kernel, X, Y, Z, weight, 1e-3)
    there = fit(kernel, *map(backend.asarray, (X, Y, Z)), weight, 1e-3)
    np.testing.assert_allclose(backend.to_numpy(there.a), host.a, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(there.objective, host.objective, rtol=1e-9)


def test_equations_move_between_devices(backend, rng):
    kernel = Gaussian(1.0)
    X, Y, Z = problem(rng, n=120, p=20)
    Z = np.concatenate([Z, Z[:3]])
    host = fit(kernel, X, Y, Z, alpha=1e-3)
    model = CenterLeastSquares(kernel, Z).update(X[:40], Y[:40])
    assert model.moved(HOST) is model
    there = model.moved(backend.target)
    there.update(*(backend.asarray(a[40:80]) for a in (X, Y)))
    if there is not model:
        # What was left behind has not been changed by the rows that came there.
        alone = fit(kernel, X[:40], Y[:40], Z, alpha=1e-3)
        np.testing.assert_allclose(model.solve(1e-3).a, alone.a, rtol=1e-9)
    solution = there.solve(1e-3)
    wanted = fit(kernel, X[:80], Y[:80], Z, alpha=1e-3)
    found = backend.to_numpy(solution.a)
    np.testing.assert_allclose(found, wanted.a, rtol=1e-6, atol=1e-8)
    back = there.moved(HOST).update(X[80:], Y[80:]).solve(1e-3)
    np.testing.assert_allclose(back.a, host.a, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(back.objective, host.objective, rtol=1e-9)


def test_memory_does_not_grow_with_the_rows(rng):
    kernel = Gaussian(1.0)
    X, Y, Z = problem(rng, n=60_000, p=100, c=1)
    model = CenterLeastSquares(kernel, Z)
    tracemalloc.start()
    for start in range(0, len(X), 15_000):
        model.update(X[start : start + 15_000], Y[start : start + 15_000])
    solution = model.solve(1e-3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.residual < 1e-10
    assert peak < 0.6 * X.shape[0] * Z.shape[0] * 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Y": np.zeros(5)}, "Y must have the shape"),
        ({"Y": np.zeros((4, 2))}, "Y must have the shape"),
        ({"Y": np.full((5, 2), np.nan)}, "Y has values"),
        ({"Y": np.zeros((5, 1))}, "Y has 1 targets, the rows before had 2"),
        ({"weight": -np.ones(5)}, "weight must be finite and not negative"),
        ({"weight": np.ones(4)}, "weight must have the shape"),
        ({"X": np.zeros((5, 2))}, "X has 2 features"),
    ],
)
def test_bad_input_is_named(rng, change, message):
    X, Y, Z = problem(rng, n=50, p=10)
    model = CenterLeastSquares(Gaussian(1.0), Z).update(X, Y)
    given = {"X": X[:5], "Y": Y[:5], "weight": None} | change
    with pytest.raises(ValueError, match=message):
        model.update(**given)
    with pytest.raises(ValueError, match="alpha must be finite"):
        model.solve(-1.0)


def test_nothing_is_solved_without_rows():
    with pytest.raises(ValueError, match="no rows yet"):
        CenterLeastSquares(Gaussian(1.0), np.zeros((2, 1))).solve()
