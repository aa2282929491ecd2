"""Conjugate gradients solve, and give up where they would only amplify rounding."""

import numpy as np
import pytest

from skopt2.solvers.krylov import PERIOD, conjugate_gradient


def definite(rng, k=12):
    A = rng.standard_normal((3 * k, k))
    return A.T @ A / (3 * k)


def solve(A, b, P=None, close=True, limit=50):
    precondition = (lambda v: v / A.diagonal()) if P is None else P.__matmul__
    return conjugate_gradient(
        A.__matmul__, b, precondition, 1e-9, limit, close, lambda: False
    )


@pytest.mark.parametrize("close", [True, False])
def test_solves(rng, close):
    A, b = definite(rng), rng.standard_normal(12)
    for P in (None, np.linalg.inv(A + 0.1 * definite(rng))):
        d, count = solve(A, b, P, close)
        np.testing.assert_allclose(A @ d, b, atol=1e-7)
        assert count <= 13


def test_one_product_for_the_exact_inverse(rng):
    A, b = definite(rng), rng.standard_normal(12)
    d, count = solve(A, b, np.linalg.inv(A))
    np.testing.assert_allclose(A @ d, b, atol=1e-9)
    assert count == 1


def test_nothing_to_solve(rng):
    d, count = solve(definite(rng), np.zeros(12))
    assert not d.any()
    assert count == 0


@pytest.mark.parametrize("factor", [1e-3, 1e3, -1.0, 0.0])
def test_another_matrix_is_noticed(rng, factor):
    """Along one eigenvector it has lost its curvature, or has much more."""
    A, b = definite(rng), rng.standard_normal(12)
    value, vector = np.linalg.eigh(A)
    changed = value.copy()
    changed[0] *= factor
    # Most of the right-hand side lies where the two matrices differ.
    b += 50.0 * vector[:, 0]
    d, _ = solve((vector * changed) @ vector.T, b, np.linalg.inv(A))
    assert d is None


def test_too_many_products_are_noticed(rng):
    A, b = definite(rng), rng.standard_normal(12)
    P = np.linalg.inv(A * np.outer(*2 * [rng.uniform(0.5, 1.0, 12)]))
    assert solve(A, b, P, limit=2)[0] is None
    assert solve(A, b, P, limit=2, close=False)[0] is not None


def test_negative_curvature_ends_the_iteration(rng):
    """With a direction of descent, the preconditioned one if it is the first."""
    b = rng.standard_normal(12)
    A = definite(rng)
    A[0, 0] = 1e-6
    A[0, 1:] = A[1:, 0] = 0.3
    d, _ = solve(A, b, np.eye(12), close=False)
    assert d @ b > 0.0
    d, count = solve(-A, b, np.eye(12), close=False)
    np.testing.assert_array_equal(d, b)
    assert count == 1


def test_time_is_up(rng):
    """The direction so far is a direction of descent."""
    scale = 10.0 ** np.linspace(-3, 3, 60)
    A, b = definite(rng, 60) * np.outer(scale, scale), rng.standard_normal(60)
    d, count = conjugate_gradient(
        A.__matmul__, b, lambda v: v, 1e-9, 250, False, lambda: True
    )
    assert count == PERIOD
    assert d @ b > 0.0
