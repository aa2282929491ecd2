"""The function against scikit-learn's k-means++: cost, weights, errors, devices."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import row_norms

from skopt2._core.array import namespace
from skopt2.kernel_machine import rejection_kmeans_plusplus


def cost(X, C):
    return ((X[:, None] - C[None]) ** 2).sum(axis=2).min(axis=1).sum()


def blobs(seed, n=400, k=20):
    rng = np.random.default_rng(seed)
    centres = 5.0 * rng.standard_normal((k, 3))
    return centres[rng.integers(k, size=n)] + rng.standard_normal((n, 3))


def test_cost_is_that_of_scikit_learn_with_one_trial():
    X = blobs(0)
    ours, theirs = [], []
    for seed in range(80):
        ours.append(cost(X, rejection_kmeans_plusplus(X, 20, random_state=seed)))
        C, _ = kmeans_plusplus(X, 20, random_state=seed, n_local_trials=1)
        theirs.append(cost(X, C))
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(80)
    assert abs(np.mean(ours) - np.mean(theirs)) < 3.0 * error
    # The error is small enough for the comparison to mean something.
    assert error < 0.05 * np.mean(theirs)


def test_kmeans_takes_it_as_a_start():
    X = blobs(1)
    model = KMeans(20, init=rejection_kmeans_plusplus, n_init=3, random_state=0).fit(X)
    reference = KMeans(20, n_init=3, random_state=0).fit(X)
    assert model.inertia_ < 1.3 * reference.inertia_
    again = KMeans(20, init=rejection_kmeans_plusplus, n_init=3, random_state=0).fit(X)
    assert again.inertia_ == model.inertia_


def test_indices_are_those_of_the_centres():
    X = blobs(2).astype(np.float32)
    C, indices = rejection_kmeans_plusplus(X, 9, random_state=0, return_indices=True)
    assert C.dtype == np.float32
    assert indices.dtype == np.int64
    assert_array_equal(C, X[indices])
    assert_array_equal(C, rejection_kmeans_plusplus(X, 9, random_state=0))


def test_sparse_equals_dense():
    X = sp.random_array((300, 40), density=0.1, rng=np.random.default_rng(0))
    dense = rejection_kmeans_plusplus(X.toarray(), 15, random_state=3)
    for format in ("csr", "csc", "coo"):
        found = rejection_kmeans_plusplus(X.asformat(format), 15, random_state=3)
        assert_array_equal(found, dense)
    found = rejection_kmeans_plusplus(sp.csr_matrix(X), 15, random_state=3)
    assert_array_equal(found, dense)
    norms = row_norms(X.tocsr(), squared=True)
    found = rejection_kmeans_plusplus(X, 15, random_state=3, x_squared_norms=norms)
    assert_array_equal(found, dense)


def test_weight_zero_equals_the_row_dropped():
    X, kept = blobs(3), np.arange(400) % 3 > 0
    weight = kept * 1.0
    C, indices = rejection_kmeans_plusplus(
        X, 30, sample_weight=weight, random_state=0, return_indices=True
    )
    assert kept[indices].all()
    assert_array_equal(C, rejection_kmeans_plusplus(X[kept], 30, random_state=0))
    scaled = rejection_kmeans_plusplus(
        X, 30, sample_weight=2.0 * weight, random_state=0
    )
    assert_array_equal(C, scaled)


def test_too_few_distinct_rows_are_reported():
    X = np.repeat(np.eye(3), 5, axis=0)
    with pytest.warns(ConvergenceWarning, match="3 distinct rows of positive weight"):
        C = rejection_kmeans_plusplus(X, 5, random_state=0)
    assert np.unique(C[:3], axis=0).shape == (3, 3)
    with pytest.warns(ConvergenceWarning, match="1 distinct"):
        rejection_kmeans_plusplus(np.zeros((4, 2)), 2, random_state=0)
    rejection_kmeans_plusplus(np.zeros((4, 2)), 1, random_state=0)


def test_all_rows_are_a_permutation():
    X = blobs(4, n=50)
    _, indices = rejection_kmeans_plusplus(X, 50, random_state=0, return_indices=True)
    assert_array_equal(np.sort(indices), np.arange(50))
    _, capped = rejection_kmeans_plusplus(
        X, 50, random_state=0, return_indices=True, max_proposals=1
    )
    assert_array_equal(np.sort(capped), np.arange(50))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be an integer from 1"),
        ({"n_clusters": 9}, "got n_clusters=9. There are n=8"),
        ({"n_clusters": 2.0}, "got n_clusters=2.0"),
        ({"max_proposals": 0}, "max_proposals must be a positive integer or No"),
        ({"sample_weight": -np.ones(8)}, "sample_weight must be nonnegative"),
        ({"sample_weight": np.zeros(8)}, "must not be zero for every sample"),
        ({"x_squared_norms": np.ones(7)}, "x_squared_norms must hold 8"),
        ({"x_squared_norms": -np.ones(8)}, "x_squared_norms must hold 8"),
        ({"random_state": "a"}, "random_state must be"),
        ({"device": "tpu"}, "device must be"),
        ({"X": np.full((8, 2), np.nan)}, "contains NaN"),
        ({"X": np.zeros(8)}, "Expected 2D array"),
    ],
)
def test_bad_arguments(options, message):
    arguments = {"X": np.eye(8), "n_clusters": 3, **options}
    with pytest.raises(ValueError, match=message):
        rejection_kmeans_plusplus(**arguments)


def test_the_largest_numbers_do_not_overflow():
    X = np.array([[-1.7e308], [1.7e308], [0.0]])
    C = rejection_kmeans_plusplus(X, 3, random_state=0)
    assert np.unique(C).size == 3


def test_namespaces_agree(device_backend, dispatch, cuda_stand_in):
    X = blobs(5)
    expected = rejection_kmeans_plusplus(X, 25, random_state=1, return_indices=True)
    X_there = device_backend.asarray(X)
    C, indices = rejection_kmeans_plusplus(
        X_there, 25, random_state=1, return_indices=True
    )
    assert namespace(C) is namespace(X_there)
    assert_array_equal(device_backend.to_numpy(C), expected[0])
    assert_array_equal(device_backend.to_numpy(indices), expected[1])


def test_device_computes_and_host_gets(cuda_stand_in):
    X = blobs(6)
    C = rejection_kmeans_plusplus(X, 25, random_state=1, device="cuda")
    assert isinstance(C, np.ndarray)
    assert_array_equal(C, rejection_kmeans_plusplus(X, 25, random_state=1))
