"""Correlated designs: their covariance, layout, cost and argument checks."""

import numpy as np
import pytest

from skopt2.datasets.design import (
    as_generator,
    correlated_design,
    group_labels,
)


def draw(n_samples, n_features, correlation, rho, blocks=None, dtype=np.float64):
    return correlated_design(
        n_samples,
        n_features,
        correlation=correlation,
        rho=rho,
        blocks=blocks,
        dtype=np.dtype(dtype),
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, -0.7])
def test_ar1_covariance_is_toeplitz(rho):
    X = draw(40_000, 8, "ar1", rho)
    distance = np.abs(np.subtract.outer(np.arange(8), np.arange(8)))
    expected = float(rho) ** distance
    np.testing.assert_allclose(np.cov(X.T), expected, atol=0.03)


def test_block_covariance():
    blocks = np.array([0, 0, 0, 1, 1, 2])
    X = draw(40_000, 6, "block", 0.6, blocks)
    expected = np.where(blocks[:, None] == blocks, 0.6, 0.0)
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_allclose(np.cov(X.T), expected, atol=0.03)


def test_correlation_of_the_last_column_does_not_drift():
    X = draw(20_000, 500, "ar1", 0.95)
    assert abs(X[:, -1].var() - 1.0) < 0.05
    assert abs(np.corrcoef(X[:, -2], X[:, -1])[0, 1] - 0.95) < 0.01


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_design_is_fortran_ordered_in_the_dtype_asked_for(dtype):
    X = draw(7, 11, "ar1", 0.5, dtype=dtype)
    assert X.flags.f_contiguous
    assert X.shape == (7, 11)
    assert X.dtype == dtype


@pytest.mark.parametrize(
    ("correlation", "rho", "interval"),
    [
        ("ar1", 1.0, r"\(-1, 1\)"),
        ("ar1", np.nan, r"\(-1, 1\)"),
        ("block", -0.1, r"\[0, 1\)"),
        ("block", 1.0, r"\[0, 1\)"),
    ],
)
def test_rho_out_of_range_names_the_interval(correlation, rho, interval):
    with pytest.raises(ValueError, match=f"rho of .* must be a number in {interval}"):
        draw(5, 4, correlation, rho, np.zeros(4, dtype=int))


def test_unknown_correlation_lists_the_choices():
    with pytest.raises(ValueError, match=r"correlation must be one of 'ar1', 'blo"):
        draw(5, 4, "toeplitz", 0.5)


def test_group_labels():
    np.testing.assert_array_equal(group_labels(None, 3), [0, 1, 2])
    np.testing.assert_array_equal(group_labels(2, 5), [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(group_labels(["b", "a", "b"], 3), [1, 0, 1])


@pytest.mark.parametrize("groups", [0, -1, 1.5])
def test_group_size_must_be_a_positive_integer(groups):
    with pytest.raises(ValueError, match="groups must be a positive integer"):
        group_labels(groups, 4)


def test_group_array_of_wrong_length_names_both_shapes():
    with pytest.raises(ValueError, match=r"have shape \(4,\), got shape \(3,\)"):
        group_labels([0, 0, 1], 4)


def test_random_state_of_every_kind():
    first = as_generator(3).random()
    assert as_generator(np.random.default_rng(3)).random() == first
    legacy = np.random.RandomState(3)
    drawn = {as_generator(legacy).random() for _ in range(3)}
    assert len(drawn) == 3
    generator = np.random.default_rng(3)
    assert as_generator(generator) is generator
