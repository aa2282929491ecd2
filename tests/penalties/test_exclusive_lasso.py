"""The exclusive lasso: prox by brute force, conjugate, subdifferential."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.penalties import ExclusiveLasso
from skopt2.penalties.partition import Partition

PENALTY = ExclusiveLasso()
PARTITION = Partition([0, 1, 0, 2, 1, 0, 3])


def brute_force(z, t):
    """Return the prox of t / 2 |v|_1^2: the best over all supports."""
    best, found = 0.5 * z @ z, np.zeros(z.size)
    for k in range(1, z.size + 1):
        for ids in map(list, itertools.combinations(range(z.size), k)):
            s = np.sign(z[ids])
            part = np.linalg.solve(np.eye(k) + t * np.outer(s, s), z[ids])
            v = np.zeros(z.size)
            v[ids] = part
            value = 0.5 * ((v - z) ** 2).sum() + 0.5 * t * np.abs(v).sum() ** 2
            if value < best:
                best, found = value, v
    return found


@pytest.mark.parametrize("t", [1e-9, 0.05, 0.7, 1.0, 30.0, 1e9])
def test_prox_is_the_best_of_all_supports(t, rng):
    for d in (1, 2, 5):
        z = rng.standard_normal(d) * 10.0 ** rng.integers(-3, 4)
        expected = brute_force(z, t)
        for step in (1.0, 0.25):
            v = PENALTY.block_prox(z, step, t / step)
            assert_allclose(v, expected, rtol=1e-9, atol=1e-12 * np.abs(z).max())


@pytest.mark.parametrize("lam", [0.0, 0.05, 0.7, 30.0])
def test_prox_in_a_diagonal_metric(lam, rng):
    for d in (1, 4, 9):
        z, h = rng.standard_normal(d), 10.0 ** rng.uniform(-3, 3, d)
        v = PENALTY.scaled_prox(z, h, lam)
        one = Partition(np.zeros(d, dtype=int))
        distance = PENALTY.subdiff_distance(v, h * (v - z), one, np.array([lam]))
        assert_allclose(distance, 0, atol=1e-12 * np.abs(h * z).max())
        assert_allclose(
            PENALTY.scaled_prox(z, np.full(d, 0.4), lam),
            PENALTY.block_prox(z, 2.5, lam),
            rtol=1e-12,
        )
    assert PENALTY.scaled_prox(np.zeros(2), np.ones(2), 1.0) is None


def test_prox_of_ties_zeros_and_no_level():
    assert PENALTY.block_prox(np.zeros(3), 1.0, 1.0) is None
    assert PENALTY.block_prox(np.ones(3), 1.0, np.inf) is None
    z = np.array([2.0, -2.0, 0.0, 2.0])
    assert_allclose(PENALTY.block_prox(z, 0.5, 2.0), [0.5, -0.5, 0, 0.5], rtol=1e-15)
    assert PENALTY.block_prox(z, 1.0, 0.0).tolist() == z.tolist()
    single = PENALTY.block_prox(z.astype(np.float32), 0.5, 2.0)
    assert single.dtype == np.float32


def test_all_groups_at_once(rng):
    z, lam = rng.standard_normal(7) * 3, np.array([0.0, 1.1, 0.4, np.inf])
    v = PENALTY.prox(z, 0.7, PARTITION, lam)
    assert v[PARTITION.members(0)].tolist() == z[PARTITION.members(0)].tolist()
    for g in (1, 2):
        part = brute_force(z[PARTITION.members(g)], 0.7 * lam[g])
        assert_allclose(v[PARTITION.members(g)], part, rtol=1e-10)
    assert (v[PARTITION.members(3)] == 0).all()
    # What is left of z is in the subdifferential.
    distance = PENALTY.subdiff_distance(v, (v - z) / 0.7, PARTITION, lam)
    assert_allclose(distance, 0, atol=1e-14)
    by_hand = sum(
        0.5 * lam[g] * np.abs(v[PARTITION.members(g)]).sum() ** 2 for g in (0, 1, 2)
    )
    assert_allclose(PENALTY.value(v, PARTITION, lam), by_hand, rtol=1e-14)


def test_conjugate_by_fenchel_and_young(rng):
    lam = np.array([0.5, 1.1, 0.4, 2.0])
    z = rng.standard_normal(7) * 3
    w = PENALTY.prox(z, 1.0, PARTITION, lam)
    u = z - w
    value = PENALTY.value(w, PARTITION, lam) + PENALTY.conjugate(u, PARTITION, lam)
    assert_allclose(value, u @ w, rtol=1e-12)
    for _ in range(50):
        other = rng.standard_normal(7)
        bound = PENALTY.conjugate(u, PARTITION, lam)
        assert u @ other - PENALTY.value(other, PARTITION, lam) <= bound + 1e-12
    assert PENALTY.dual_scale(100 * u, PARTITION, lam) == 1.0


def test_zero_is_stationary_only_without_a_pull(rng):
    grad, lam = rng.standard_normal(7), np.array([0.5, 0.0, 0.4, np.inf])
    grad[PARTITION.members(2)] = 0.0
    level = PENALTY.critical_level(grad, PARTITION, lam)
    assert level.tolist() == [np.inf, 0.0, 0.0, 0.0]
    zero = PENALTY.subdiff_distance(np.zeros(7), grad, PARTITION, lam)
    expected = PARTITION.norms(grad)
    expected[3] = 0.0
    assert_allclose(zero, expected)
    v = np.array([1.0, -2.0])
    # The slope along v of the gradient lam |v|_1 sign(v).
    assert_allclose(PENALTY.bend(v, 0.3) @ v, 0.3 * 3.0 * np.sign(v))
