"""The sparse factor solves exactly, and is taken where it is small."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.neighbors import kneighbors_graph

from skopt2.solvers.graph_blocks.whole_graph import WholeGraph, worth_factoring
from tests.solvers.graph_blocks.graphs import laplacian, lattice, random_graph


@pytest.mark.parametrize("W", [lattice(12, 17), random_graph(150, 0.05, 0)])
def test_equals_a_dense_solve(W):
    A = laplacian(W)
    rhs = np.random.default_rng(0).standard_normal((A.shape[0], 3))
    block = WholeGraph(A)
    expected = np.linalg.solve(A.toarray(), rhs)
    np.testing.assert_allclose(block.solve(rhs), expected, rtol=1e-11, atol=1e-12)
    # The factor is kept, and serves any right-hand side.
    np.testing.assert_allclose(block.solve(2 * rhs), 2 * expected, rtol=1e-11)


def test_held_values_take_no_part():
    A = laplacian(lattice(9, 8))
    rng = np.random.default_rng(0)
    rhs, free = rng.standard_normal((72, 2)), rng.random((72, 2)) < 0.6
    free[:, 1] = False
    x = WholeGraph(A).solve(rhs, free)
    some = np.flatnonzero(free[:, 0])
    inner = A.toarray()[np.ix_(some, some)]
    np.testing.assert_allclose(x[some, 0], np.linalg.solve(inner, rhs[some, 0]))
    assert not x[~free].any()


def test_a_matrix_without_a_factor_is_an_error():
    # A path whose ends hang on nothing: constants are in its null space.
    path = sp.csr_array(np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0, -1.0, 1.0]]))
    with pytest.raises(ValueError, match="span too many orders of magnitude"):
        WholeGraph(path).solve(np.ones((3, 1)))


def neighbours(X):
    G = kneighbors_graph(X, 7)
    return laplacian(sp.csr_array(G.maximum(G.T)))


@pytest.mark.parametrize(
    ("n", "d", "worth"), [(200, 20, True), (12_000, 2, True), (3000, 20, False)]
)
def test_factors_are_taken_where_they_are_small(n, d, worth):
    X = np.random.default_rng(0).standard_normal((n, d))
    assert worth_factoring(neighbours(X)) is worth
