"""The inverse of a changing submatrix is that of NumPy, or is refused."""

import numpy as np
import pytest

from skopt2.solvers.active_inverse import DEPENDENT, SINGULAR, ActiveInverse


def gram(rng, m=30, n=60):
    A = rng.standard_normal((n, m))
    return A.T @ A / n


def assert_inverse(inverse, G):
    """Compare with the explicit inverse, in the order that the object keeps."""
    S, k = inverse.active, inverse.k
    expected = np.linalg.inv(G[np.ix_(S, S)] + np.diag(inverse.diagonal))
    P = np.column_stack([inverse.apply(e) for e in np.eye(k)]) if k else expected
    np.testing.assert_allclose(P, expected, rtol=1e-8, atol=1e-10)


def test_rebuild(rng):
    G, inverse = gram(rng), ActiveInverse()
    members, C = np.array([7, 2, 19]), np.array([0.0, 0.5, 0.1])
    assert inverse.rebuild(members, G, C)
    np.testing.assert_array_equal(inverse.active, members)
    assert_inverse(inverse, G)


def test_no_members(rng):
    inverse = ActiveInverse()
    assert inverse.rebuild(np.empty(0, dtype=int), gram(rng), np.empty(0))
    assert inverse.k == 0
    inverse.remove(np.empty(0, dtype=int))


@pytest.mark.parametrize("seed", range(5))
def test_any_sequence_of_changes(seed):
    """Members enter and leave at random, past the room that was reserved."""
    rng = np.random.default_rng(seed)
    G, inverse = gram(rng, m=150, n=300), ActiveInverse()
    for _ in range(40):
        outside = np.setdiff1d(np.arange(150), inverse.active)
        size = int(rng.integers(1, 20))
        if rng.random() < 0.6 and outside.size >= size:
            new = rng.choice(outside, size, replace=False)
            assert inverse.add(new, G, rng.choice([0.0, 0.2], size))
        elif inverse.k:
            rows = rng.choice(inverse.k, min(size, inverse.k), replace=False)
            kept = np.setdiff1d(inverse.active, inverse.active[rows])
            inverse.remove(np.sort(rows))
            np.testing.assert_array_equal(np.sort(inverse.active), kept)
        assert_inverse(inverse, G)
    assert inverse.k > 0


def test_a_dependent_member_is_refused_and_nothing_changes(rng):
    G = gram(rng, m=6)
    twin = np.append(np.arange(6), 2)
    G, inverse = G[np.ix_(twin, twin)], ActiveInverse()
    assert inverse.add(np.arange(4), G, np.zeros(4))
    assert not inverse.add(np.array([4, 6]), G, np.zeros(2))
    np.testing.assert_array_equal(inverse.active, np.arange(4))
    assert_inverse(inverse, G)
    # With a curvature of its own the twin is not singular any more.
    assert inverse.add(np.array([4, 6]), G, np.array([0.0, 0.3]))
    assert_inverse(inverse, G)


@pytest.mark.parametrize("members", [[0, 2], [0, 1, 2, 3]])
def test_a_singular_or_indefinite_matrix_is_refused(rng, members):
    G, inverse = gram(rng, m=4), ActiveInverse()
    G[:, 2], G[2] = G[:, 0], G[0]
    G[2, 2] = G[0, 0]
    members = np.array(members)
    assert not inverse.rebuild(members, G, np.zeros(members.size))
    assert inverse.k == 0
    assert not inverse.rebuild(np.array([1, 3]), G, np.array([0.0, -5.0]))


def test_columns_of_any_scale_are_independent(rng):
    """A small column is no dependent one: pivots are relative to their own size."""
    G = gram(rng, m=8)
    scale = 10.0 ** np.linspace(-6, 6, 8)
    scaled, inverse = G * np.outer(scale, scale), ActiveInverse()
    assert inverse.rebuild(np.arange(5), scaled, np.zeros(5))
    assert inverse.add(np.arange(5, 8), scaled, np.zeros(3))
    b = rng.standard_normal(8)
    expected = np.linalg.solve(G, b / scale) / scale
    np.testing.assert_allclose(inverse.apply(b), expected, rtol=1e-9)


def test_a_nearly_dependent_member_enters_by_a_new_factor_only(rng):
    """An update would keep too few digits, and the factor tells how near it is."""
    A = rng.standard_normal((60, 6))
    A[:, 5] = A[:, 4] + 1e-5 * A[:, 5]
    G, inverse = A.T @ A / 60, ActiveInverse()
    assert inverse.rebuild(np.arange(5), G, np.zeros(5))
    assert inverse.pivot > 0.1
    assert not inverse.add(np.array([5]), G, np.zeros(1))
    assert inverse.rebuild(np.arange(6), G, np.zeros(6))
    assert SINGULAR < inverse.pivot < DEPENDENT
    inverse.clear()
    assert inverse.pivot == 1.0


@pytest.mark.filterwarnings("error")
def test_an_inverse_that_would_overflow_is_refused():
    G, inverse = np.full((1, 1), 1e-310), ActiveInverse()
    assert not inverse.rebuild(np.array([0]), G, np.zeros(1))
    assert not inverse.add(np.array([0]), G, np.zeros(1))
    assert inverse.rebuild(np.array([0]), G, np.array([1.0]))
