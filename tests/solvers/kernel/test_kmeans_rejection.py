"""Rejection sampling against the probabilities that k-means++ prescribes."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import chi2

from skopt2.solvers.kernel.kmeans_rejection import seed_by_rejection
from skopt2.solvers.kernel.row_distances import row_distances

N_DRAWS = 4000
# Scipy's sparse rows take some 50 times longer.
N_SPARSE_DRAWS = 700


def exact_probabilities(X, weight, k):
    """Return the probability of every ordered choice of k rows, by enumeration."""
    D2 = ((X[:, None, :] - X[None, :, :]) ** 2).sum(axis=2)
    found = {}
    for choice in itertools.permutations(range(len(X)), k):
        probability = weight[choice[0]] / weight.sum()
        for t in range(1, k):
            mass = weight * D2[:, list(choice[:t])].min(axis=1)
            probability *= mass[choice[t]] / mass.sum()
        found[choice] = probability
    return found


def chi_square(draws, probabilities):
    """Return the p-value of counts, cells of fewer than 5 expected draws together."""
    counts = dict.fromkeys(probabilities, 0)
    for draw in draws:
        counts[draw] += 1
    observed = np.array([counts[choice] for choice in probabilities], dtype=float)
    expected = len(draws) * np.array(list(probabilities.values()))
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    statistic = ((observed - expected) ** 2 / expected).sum()
    return chi2.sf(statistic, observed.size - 1)


def ordered_draws(X, weight, k, n_draws=N_DRAWS, **options):
    rng = np.random.default_rng(0)
    rows = row_distances(X)
    return [
        tuple(seed_by_rejection(rows, k, weight, rng, **options).indices.tolist())
        for _ in range(n_draws)
    ]


# No pass after the first, one after every draw, and what is used.
@pytest.mark.parametrize("patience", [np.inf, 0.0, 1.0])
def test_draws_follow_the_squared_distances(rng, patience):
    X = np.concatenate([rng.standard_normal((3, 2)), 4.0 + rng.standard_normal((3, 2))])
    weight = rng.uniform(0.2, 1.0, 6)
    draws = ordered_draws(X, weight, 3, patience=patience)
    assert chi_square(draws, exact_probabilities(X, weight, 3)) > 0.01


def test_sparse_draws_follow_the_squared_distances(rng):
    X = rng.poisson(1.0, (5, 4)).astype(float) + np.eye(5, 4)
    weight = np.ones(5)
    draws = ordered_draws(sp.csr_array(X), weight, 3, N_SPARSE_DRAWS)
    assert chi_square(draws, exact_probabilities(X, weight, 3)) > 0.01


def test_the_test_of_the_distribution_tells_others_apart(rng):
    X = np.concatenate([rng.standard_normal((3, 2)), 4.0 + rng.standard_normal((3, 2))])
    weight = np.ones(6)
    capped = ordered_draws(X, weight, 3, max_proposals=1)
    assert chi_square(capped, exact_probabilities(X, weight, 3)) < 1e-6


def test_capped_draws_are_the_mixture_of_the_paper(rng):
    X = np.concatenate([rng.standard_normal((3, 2)), 2.0 + rng.standard_normal((3, 2))])
    D2 = ((X[:, None, :] - X[None, :, :]) ** 2).sum(axis=2)
    cap = 2
    expected = {}
    for i, j in itertools.permutations(range(6), 2):
        # The second row is never rejected: the table holds its very distances.
        pair = D2[i, j] / D2[i].sum() / 6
        mass = D2[:, [i, j]].min(axis=1)
        kept = mass.sum() / D2[i].sum()
        uniform = np.ones(6)
        uniform[[i, j]] = 0.0
        share = (1.0 - kept) ** cap
        third = (1.0 - share) * mass / mass.sum() + share * uniform / uniform.sum()
        for last in range(6):
            if last not in (i, j):
                expected[i, j, last] = pair * third[last]
    assert sum(expected.values()) == pytest.approx(1.0)
    draws = ordered_draws(X, np.ones(6), 3, max_proposals=cap, patience=1.0)
    assert chi_square(draws, expected) > 0.01


def test_large_batches_stay_exact(rng):
    # Two far rows make most proposals fail, so that batches grow.
    X = rng.standard_normal((6, 2))
    X[:2] = [[30.0, 0.0], [0.0, 30.0]]
    draws = ordered_draws(X, np.ones(6), 4, patience=np.inf)
    assert chi_square(draws, exact_probabilities(X, np.ones(6), 4)) > 0.01


def test_proposals_cost_what_the_source_says():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((4000, 3))
    k = 60
    seeding = seed_by_rejection(row_distances(X), k, np.ones(4000), rng)
    D2 = ((X - X[seeding.indices[0]]) ** 2).sum(axis=1)
    expected, total = 0.0, D2.sum()
    for t in range(1, k):
        expected += total / D2.sum()
        step = ((X - X[seeding.indices[t]]) ** 2).sum(axis=1)
        D2 = np.minimum(D2, step)
    assert seeding.n_passes == 1
    assert 0.5 * expected < seeding.n_proposals < 2.0 * expected


def test_passes_bound_the_work_on_tight_clusters():
    rng = np.random.default_rng(1)
    n, k = 3000, 40
    centres = 10.0 * rng.standard_normal((k // 2, 2))
    X = centres[rng.integers(k // 2, size=n)] + 1e-7 * rng.standard_normal((n, 2))
    seeding = seed_by_rejection(row_distances(X), k, np.ones(n), rng)
    # Without them one draw inside the clusters takes 1e14 proposals.
    assert 1 < seeding.n_passes <= k
    assert seeding.n_proposals < k * n
    assert seeding.n_distinct == np.unique(seeding.indices).size == k


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("cap", [None, 5])
def test_duplicates_are_recognised(rng, sparse, cap):
    values = rng.standard_normal((7, 3)) * 1e-3
    X = values[rng.integers(7, size=200)] + (0.0 if sparse else 1e5)
    X = sp.csr_array(X) if sparse else X
    seeding = seed_by_rejection(
        row_distances(X), 10, np.ones(200), rng, max_proposals=cap
    )
    assert np.unique(seeding.indices).size == 10
    if cap is None:
        assert seeding.n_distinct == 7
        first = X[seeding.indices[:7]]
        first = first.toarray() if sparse else first
        assert np.unique(first, axis=0).shape[0] == 7


def test_rows_without_weight_come_last(rng):
    weight = np.zeros(30)
    weight[:5] = 1.0
    X = rng.standard_normal((30, 2))
    seeding = seed_by_rejection(row_distances(X), 8, weight, rng)
    assert seeding.n_distinct == 5
    assert set(seeding.indices[:5].tolist()) == set(range(5))


@pytest.mark.parametrize("scale", [1e-180, 1e-6, 1e6, 1e180])
def test_scale_changes_nothing(rng, scale):
    X = rng.standard_normal((300, 4))
    # A power of two, so that nothing is rounded.
    scale = 2.0 ** np.round(np.log2(scale))
    found = [
        seed_by_rejection(
            row_distances(values), 20, np.ones(300), np.random.default_rng(5)
        ).indices
        for values in (X, X * scale, sp.csr_array(X * scale))
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("n_centres", [1, 5, 40])
@pytest.mark.parametrize("sparse", [False, True])
def test_distances_to_the_nearest(rng, n_centres, sparse):
    X = rng.poisson(0.7, (120, 6)).astype(float)
    rows = row_distances(sp.csr_array(X) if sparse else X, budget=2000)
    C = rng.poisson(0.7, (n_centres, 6)).astype(float)
    expected = ((X[:, None] - C[None]) ** 2).sum(axis=2).min(axis=1)
    found = rows.all_nearest(sp.csr_array(C) if sparse else C)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=0)
