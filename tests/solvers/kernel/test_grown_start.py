"""Starts of systems with more rows, against dense solutions."""

import numpy as np
import pytest

from skopt2.kernels import KernelOperator, Matern
from skopt2.solvers.kernel.grown_start import grown_start

KERNEL = Matern(length_scale=0.5, nu=1.5)


@pytest.fixture
def system(rng):
    X = rng.uniform(-3, 3, (300, 2))
    lam = rng.uniform(0.05, 0.2, 300)
    Y = 1e3 * rng.standard_normal((300, 3))
    return X, Y, lam, KERNEL(X) + np.diag(lam)


def started(backend, X, Y, lam, former, dtype=np.float64):
    A, B, C = (backend.asarray(a, dtype) for a in (X, Y, former))
    return grown_start(KernelOperator(KERNEL, A), B, lam, C)


@pytest.mark.parametrize("n", [200, 290, 299])
def test_new_rows_are_solved_and_old_ones_hardly_disturbed(
    backend, system, monkeypatch, n
):
    monkeypatch.setattr("skopt2.solvers.kernel.grown_start.NEW", 40)
    monkeypatch.setattr("skopt2.solvers.kernel.grown_start.NEAR", 120)
    X, Y, lam, H = system
    former = np.linalg.solve(H[:n, :n], Y[:n])
    a = backend.to_numpy(started(backend, X, Y, lam, former))
    padded = np.concatenate([former, np.zeros((300 - n, 3))])
    before, after = (np.linalg.norm(Y - H @ v) for v in (padded, a))
    assert after < 0.3 * before

    def objective(v):
        return np.sum(v * (0.5 * H @ v - Y), axis=0)

    assert (objective(a) < objective(padded)).all()
    last = slice(n + (300 - n - 1) // 40 * 40, None)
    np.testing.assert_allclose((H @ a)[last], Y[last], rtol=1e-8, atol=1e-6)


def test_a_block_of_all_rows_is_the_solution(backend, system):
    X, Y, lam, H = system
    former = np.linalg.solve(H[:280, :280], Y[:280])
    a = backend.to_numpy(started(backend, X, Y, lam, former))
    np.testing.assert_allclose(H @ a, Y, rtol=1e-7, atol=1e-6)
    a = started(backend, X, Y, lam, former, np.float32)
    assert a.dtype == backend.xp.float32
    np.testing.assert_allclose(H @ backend.to_numpy(a), Y, atol=1e-1)


def test_columns_and_rows_that_are_unknown_start_from_0(backend, system):
    X, Y, lam, H = system
    former = np.linalg.solve(H[:100, :100], Y[:100, :1])
    a = backend.to_numpy(started(backend, X, Y, lam, former))
    np.testing.assert_allclose(a[:100, :1], former, rtol=1e-12)
    assert not a[100:].any()
    assert not a[:, 1:].any()


def test_duplicates_without_noise(backend, system):
    X, Y, _, _ = system
    X, Y = np.concatenate([X[:40], X[:10]]), np.concatenate([Y[:40], Y[:10]])
    former = np.linalg.solve(KERNEL(X[:40]), Y[:40])
    a = backend.to_numpy(started(backend, X, Y, 0.0, former))
    np.testing.assert_allclose(KERNEL(X) @ a, Y, atol=1e-6)
