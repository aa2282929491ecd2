"""Activation patterns: all of them, and samples."""

import math

import numpy as np
import pytest

from skopt2.solvers.convex_relu.gates import all_gates, distinct, sample_gates


def as_set(D):
    return {pattern.tobytes() for pattern in D}


@pytest.mark.parametrize(("n", "d"), [(5, 1), (8, 2), (10, 3), (9, 4)])
def test_general_position_has_the_number_of_cells_of_cover(rng, n, d):
    D = all_gates(rng.standard_normal((n, d)))
    cells = 2 * sum(math.comb(n - 1, k) for k in range(d))
    # Of one and all cells the empty pattern is left out, where there is one.
    assert cells - 1 <= len(D) <= cells
    assert len(as_set(D)) == len(D)


def test_lattice_copies_and_lost_rank_are_enumerated_too(rng):
    """Rows that are parallel, opposite, zero, or many on one hyperplane."""
    lattice = np.array([(i, j, 1.0) for i in range(3) for j in range(3)])
    X = np.concatenate([lattice[:6], lattice[:2], -lattice[3:5], np.zeros((1, 3))])
    for rows in (lattice, X, X @ rng.standard_normal((3, 5))):
        D = all_gates(rows)
        draws = rng.standard_normal((100_000, rows.shape[1]))
        seen = distinct(draws @ rows.T >= 0.0)
        assert as_set(D) == as_set(seen)


def test_too_many_patterns_are_refused(rng):
    with pytest.raises(ValueError, match="Pass a number, such as n_gates=100"):
        all_gates(rng.standard_normal((200, 8)))


def test_samples_are_patterns_whatever_the_units(rng):
    X = np.c_[rng.standard_normal((30, 2)), np.ones(30)]
    s = np.full(30, 1 / 30)
    known = as_set(all_gates(X))
    D = sample_gates(X, s, 40, True, np.random.default_rng(0))
    assert D.dtype == bool
    assert D[0].all()
    assert 20 < len(D) <= 40
    assert as_set(D) <= known
    units = X * [1e4, 1e-3, 1.0]
    scaled = sample_gates(units, s, 40, True, np.random.default_rng(0))
    np.testing.assert_array_equal(scaled, D)
