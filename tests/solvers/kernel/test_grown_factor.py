"""Factors with more rows against NumPy's factor of all rows."""

import numpy as np
import pytest

from skopt2.kernels import Gaussian, KernelOperator, Linear, Matern
from skopt2.solvers.kernel.cholesky import CholeskyFactor, factorise
from skopt2.solvers.kernel.grown_factor import grown
from skopt2.solvers.kernel.system import KernelSystem


def system(backend, kernel, X, lam, dtype=np.float64):
    A = backend.asarray(X, dtype)
    return KernelSystem(KernelOperator(kernel, A), A[:, :1], lam)


@pytest.mark.parametrize("split", [1, 37, 59])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equals_the_factor_of_all_rows(backend, rng, split, dtype, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.kernel.grown_factor.CHUNK", 8 * 37 * 10)
    X, kernel = rng.standard_normal((60, 2)), Matern(length_scale=1.3)
    lam = rng.uniform(0.01, 0.1, 60)
    first = factorise(system(backend, kernel, X[:split], lam[:split], dtype))
    factor = grown(first, system(backend, kernel, X, lam, dtype))
    assert factor.L.dtype == first.L.dtype
    wanted = np.linalg.cholesky(kernel(X) + np.diag(lam))
    found = np.tril(backend.to_numpy(factor.L))
    np.testing.assert_allclose(
        found, wanted, atol=1e-10 if dtype is np.float64 else 1e-4
    )
    B = rng.standard_normal((60, 3))
    solved = backend.to_numpy(factor.solve(backend.asarray(B, dtype)))
    H = kernel(X) + np.diag(lam)
    np.testing.assert_allclose(
        H @ solved, B, atol=1e-8 if dtype is np.float64 else 2e-2
    )


def test_a_factor_in_float32_stays_one(rng):
    X, kernel = rng.standard_normal((50, 2)), Gaussian(1.0)
    parts = [
        KernelSystem(KernelOperator(kernel, A), A[:, :1], 0.1) for A in (X[:30], X)
    ]
    first = factorise(parts[0], single=True)
    factor = grown(first, parts[1])
    assert first.L.dtype == factor.L.dtype == np.float32
    wanted = np.linalg.cholesky(kernel(X) + 0.1 * np.eye(50))
    np.testing.assert_allclose(np.tril(factor.L), wanted, atol=1e-5)


def test_no_new_rows_change_nothing(backend, rng):
    X = rng.standard_normal((20, 2))
    same = system(backend, Gaussian(1.0), X, 0.1)
    first = factorise(same)
    assert grown(first, same) is first


def test_what_cannot_grow(backend, rng):
    X = rng.standard_normal((40, 2))
    whole = system(backend, Linear(), X, 0.0)
    # Rank 2: a pseudo-inverse, which has no rows to add to.
    assert grown(factorise(system(backend, Linear(), X[:30], 0.0)), whole) is None
    # Rank 2 of 40 after a proper factor of two rows.
    first = factorise(system(backend, Linear(), X[:2], 0.0))
    assert isinstance(first, CholeskyFactor)
    assert grown(first, whole) is None
    # A factor with something added to its diagonal is that of another matrix.
    assert grown(CholeskyFactor(first.L, 1e-3), whole) is None
