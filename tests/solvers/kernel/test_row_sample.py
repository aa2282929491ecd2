"""Systematic samples of weighted rows: sizes, probabilities, unbiased sums."""

import numpy as np
import pytest

from skopt2.solvers.kernel.row_sample import sample_rows


def test_equal_weights_are_drawn_evenly_without_repetition(rng):
    counts = np.zeros(10)
    for _ in range(3000):
        index, chance = sample_rows(10, 4, rng)
        assert np.all(np.diff(index) > 0)
        assert index.size == 4
        np.testing.assert_allclose(chance, 0.4)
        counts[index] += 1
    np.testing.assert_allclose(counts / 3000, 0.4, atol=0.05)


def test_probabilities_are_proportional_to_the_weights_and_kept(rng):
    weight = np.array([0.0, 1.0, 2.0, 3.0, 50.0, 4.0])
    expected = np.array([0.0, 0.2, 0.4, 0.6, 1.0, 0.8])
    counts = np.zeros(6)
    for _ in range(4000):
        index, chance = sample_rows(6, 3, rng, weight)
        np.testing.assert_allclose(chance, expected[index])
        counts[index] += 1
    np.testing.assert_allclose(counts / 4000, expected, atol=0.04)


def test_sums_are_unbiased(rng):
    weight, values = rng.uniform(0.0, 1.0, 30) ** 4, rng.standard_normal(30)
    sums = []
    for _ in range(4000):
        index, chance = sample_rows(30, 8, rng, weight)
        sums.append(np.sum(weight[index] * values[index] / chance))
    error = np.std(sums) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - weight @ values) < 4 * error


@pytest.mark.parametrize("size", [3, 4, 100])
def test_all_rows_with_a_weight_where_there_are_no_more(rng, size):
    index, chance = sample_rows(5, size, rng, np.array([1.0, 0.0, 2.0, 7.0, 0.0]))
    assert index.tolist() == [0, 2, 3]
    np.testing.assert_allclose(chance, 1.0)
