"""Forest blocks are solved exactly, and partitions have no cycles."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import (
    forests,
    greedy_forest,
    lattice_trees,
)
from tests.solvers.graph_blocks.graphs import laplacian, lattice, random_graph


def is_forest(A, nodes):
    """A graph is a forest if it has as many edges as nodes, less one a component."""
    inner = A[nodes][:, nodes]
    n_parts = connected_components(inner, directed=False)[0]
    edges = (inner - sp.diags_array(inner.diagonal())).count_nonzero() // 2
    return edges == nodes.size - n_parts


def random_tree(m, seed):
    rng = np.random.default_rng(seed)
    parent = np.array([rng.integers(0, i) for i in range(1, m)])
    weights = rng.uniform(0.1, 3.0, m - 1)
    W = sp.coo_array((weights, (np.arange(1, m), parent)), shape=(m, m))
    return laplacian(sp.csr_array(W + W.T))


@pytest.mark.parametrize("m", [1, 2, 3, 10, 200])
def test_tree_is_solved_exactly(m):
    A = random_tree(m, m)
    rhs = np.random.default_rng(0).standard_normal((m, 3))
    block = ForestBlock(A, np.random.default_rng(1).permutation(m))
    expected = np.linalg.solve(A.toarray(), rhs)
    x = block.solve(rhs[block.nodes])
    np.testing.assert_allclose(x, expected[block.nodes], rtol=1e-11, atol=1e-12)


def test_chain_takes_half_as_many_rounds_as_nodes():
    n = 101
    W = sp.diags_array(np.ones(n - 1), offsets=1)
    block = ForestBlock(laplacian(sp.csr_array(W + W.T)), np.arange(n))
    assert len(block.levels) == n // 2


def test_only_free_nodes_move_and_each_column_has_its_own():
    A = random_tree(40, 0)
    rng = np.random.default_rng(2)
    rhs, free = rng.standard_normal((40, 4)), rng.random((40, 4)) < 0.6
    free[:, 3] = False
    block = ForestBlock(A, np.arange(40))
    x = block.solve(rhs[block.nodes], free[block.nodes])
    expected = np.zeros((40, 4))
    for j in range(4):
        some = np.flatnonzero(free[:, j])
        inner = A.toarray()[np.ix_(some, some)]
        expected[some, j] = np.linalg.solve(inner, rhs[some, j])
    np.testing.assert_allclose(x, expected[block.nodes], rtol=1e-11, atol=1e-12)


def test_forest_inside_a_graph_with_cycles():
    A = laplacian(random_graph(150, 0.04, 0))
    nodes = np.flatnonzero(forests(A) == 0)
    block = ForestBlock(A, nodes)
    rhs = np.random.default_rng(0).standard_normal((nodes.size, 2))
    inner = A.toarray()[np.ix_(block.nodes, block.nodes)]
    np.testing.assert_allclose(inner @ block.solve(rhs), rhs, atol=1e-12)
    np.testing.assert_array_equal(block.columns.toarray(), A.toarray()[:, block.nodes])


@pytest.mark.parametrize("size", [3, 4, 7])
def test_cycle_is_refused(size):
    W = sp.diags_array([np.ones(size - 1), [1.0]], offsets=[1, size - 1])
    A = laplacian(sp.csr_array(W + W.T))
    with pytest.raises(ValueError, match="cycle"):
        ForestBlock(A, np.arange(size))


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 0.5])
def test_partition_is_of_forests(density):
    A = laplacian(random_graph(120, density, 3))
    number = forests(A, np.random.default_rng(0).permutation(120))
    largest = int(np.diff(A.indptr).max()) - 1
    assert number.min() == 0
    assert number.max() + 1 <= largest // 2 + 1
    for i in range(number.max() + 1):
        assert is_forest(A, np.flatnonzero(number == i))


@pytest.mark.parametrize("shape", [(2, 2), (2, 7), (5, 5), (6, 9), (9, 6)])
def test_lattice_is_two_trees(shape):
    A = laplacian(lattice(*shape))
    number = lattice_trees(*shape)
    for i in range(2):
        nodes = np.flatnonzero(number == i)
        assert is_forest(A, nodes)
        inner = A[nodes][:, nodes]
        assert connected_components(inner, directed=False)[0] == 1


def test_greedy_forest_takes_the_largest_scores():
    A = laplacian(random_graph(120, 0.1, 4))
    scores = np.random.default_rng(1).random(120)
    scores[:20] = 0.0
    nodes = greedy_forest(A, scores)
    assert is_forest(A, nodes)
    assert np.all(scores[nodes] > 0.0)
    assert np.isin(np.argsort(-scores)[:2], nodes).all()
    # Maximal: any other node closes a cycle.
    for other in np.setdiff1d(np.flatnonzero(scores), nodes):
        assert not is_forest(A, np.append(nodes, other))
