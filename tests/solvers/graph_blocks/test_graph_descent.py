"""Descent on graphs: minimisers, bounds, certificates and progress."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import lsq_linear
from scipy.sparse.linalg import spsolve

from skopt2._core.iterate import iterate
from skopt2.solvers.graph_blocks.conjugate import GraphConjugate
from skopt2.solvers.graph_blocks.descent import SELECTIONS, GraphDescent
from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import forests, lattice_trees
from skopt2.solvers.graph_blocks.problem import graph_problem
from skopt2.solvers.graph_blocks.projected_newton import GraphNewton
from skopt2.solvers.graph_blocks.whole_graph import WholeGraph
from tests.solvers.graph_blocks.graphs import lattice, random_graph


def make_problem(bounds=None, n=80, seed=0):
    """Return a problem on a connected random graph, with two columns of labels."""
    rng = np.random.default_rng(seed)
    ring = sp.diags_array([np.ones(n - 1), [1.0]], offsets=[1, n - 1])
    graph = sp.csr_array(random_graph(n, 0.04, seed) + ring + ring.T)
    fixed = np.arange(n) % 10 == 0
    values = (rng.random((fixed.sum(), 1)) < 0.5).astype(float)
    return graph, fixed, values, graph_problem(graph, fixed, values, bounds)


def forest_blocks(problem):
    number = forests(problem.A)
    return [
        ForestBlock(problem.A, np.flatnonzero(number == i))
        for i in range(number.max() + 1)
    ]


def solve(solver, shape, tol=1e-11, max_iter=3000):
    return iterate(solver, solver.init(np.full(shape, 0.4)), tol=tol, max_iter=max_iter)


def edge_energy(graph, fixed, values, F):
    """The energy by its definition, an edge at a time."""
    full = np.zeros((fixed.size, F.shape[1]))
    full[fixed], full[~fixed] = values, F
    row, col = sp.triu(graph, 1).coords
    weight = sp.triu(graph, 1).data.copy()
    weight[fixed[row] & fixed[col]] = 0.0
    return 0.5 * float(np.sum(weight[:, None] * (full[row] - full[col]) ** 2))


def test_energy_is_the_sum_over_edges():
    graph, fixed, values, problem = make_problem()
    F = np.random.default_rng(1).random((problem.B.shape[0], 1))
    expected = edge_energy(graph, fixed, values, F)
    np.testing.assert_allclose(
        problem.energy(F, problem.residual(F)), expected, rtol=1e-12
    )
    constants = np.linspace(0.0, 1.0, 1001)
    shape = problem.B.shape
    least = min(edge_energy(graph, fixed, values, np.full(shape, c)) for c in constants)
    np.testing.assert_allclose(problem.scale, least, rtol=1e-5)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_descent_finds_the_direct_solution(selection):
    _, _, _, problem = make_problem()
    rng = np.random.default_rng(0)
    solver = GraphDescent(problem, forest_blocks(problem), selection, rng)
    result = solve(solver, problem.B.shape)
    assert result.reason == "converged"
    expected = spsolve(problem.A.tocsc(), problem.B)[:, None]
    np.testing.assert_allclose(result.solution, expected, atol=1e-9)
    assert np.all(np.diff(result.history.as_dict()["objective"]) <= 1e-12)


def test_conjugate_gradients_find_it_in_fewer_steps():
    _, _, _, problem = make_problem()
    blocks = forest_blocks(problem)
    fast = solve(GraphConjugate(problem, blocks), problem.B.shape)
    slow = solve(GraphDescent(problem, blocks), problem.B.shape)
    expected = spsolve(problem.A.tocsc(), problem.B)[:, None]
    np.testing.assert_allclose(fast.solution, expected, atol=1e-9)
    assert fast.n_iter < 0.6 * slow.n_iter


def test_sweep_is_symmetric_and_positive_definite():
    _, _, _, problem = make_problem()
    n = problem.B.shape[0]
    M = GraphConjugate(problem, forest_blocks(problem)).sweep(np.eye(n))
    np.testing.assert_allclose(M, M.T, atol=1e-12)
    # Symmetric block Gauss-Seidel: the spectrum of M A is in (0, 1].
    roots = np.linalg.eigvals(M @ problem.A.toarray()).real
    assert roots.min() > 0.0
    assert roots.max() < 1.0 + 1e-10


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("bounds", [(0.2, 0.7), (0.0, 0.5)])
def test_bounds_agree_with_an_active_set_method(selection, bounds):
    _, _, _, problem = make_problem(bounds)
    rng = np.random.default_rng(0)
    solver = GraphDescent(problem, forest_blocks(problem), selection, rng)
    result = solve(solver, problem.B.shape, tol=1e-10)
    assert result.reason == "converged"
    # |L' f - L^-1 b|^2 / 2 is the same quadratic.
    L = np.linalg.cholesky(problem.A.toarray())
    target = np.linalg.solve(L, problem.B[:, 0])
    expected = lsq_linear(L.T, target, bounds, method="bvls", tol=1e-14).x
    np.testing.assert_allclose(result.solution[:, 0], expected, atol=1e-6)
    held = (expected <= bounds[0]) | (expected >= bounds[1])
    assert 0 < held.sum() < held.size
    assert np.all(result.solution >= bounds[0])
    assert np.all(result.solution <= bounds[1])


@pytest.mark.parametrize("seed", range(3))
def test_newton_steps_end_faster_than_any_geometric_rate(seed):
    _, _, _, problem = make_problem((0.2, 0.7), n=200, seed=seed)
    problem = replace(problem, B=np.hstack([problem.B, 0.9 * problem.B]))
    blocks = forest_blocks(problem)
    fast = solve(GraphNewton(problem, blocks), problem.B.shape)
    slow = solve(GraphDescent(problem, blocks), problem.B.shape, 1e-10)
    np.testing.assert_allclose(fast.solution, slow.solution, atol=1e-7)
    gaps = fast.history.as_dict()["certificate"]
    assert fast.reason == "converged"
    assert fast.n_iter <= 12
    assert gaps[-1] / gaps[-2] < 1e-2
    assert np.all(np.diff(fast.history.as_dict()["objective"]) <= 1e-12)


def test_dense_block_with_bounds_is_newton_on_the_free_values():
    graph, fixed, values, sparse = make_problem((0.2, 0.7))
    problem = graph_problem(graph.toarray(), fixed, values, (0.2, 0.7))
    dense = solve(GraphDescent(problem, [WholeGraph(problem.A)]), problem.B.shape)
    forest = solve(GraphDescent(sparse, forest_blocks(sparse)), sparse.B.shape)
    np.testing.assert_allclose(dense.solution, forest.solution, atol=1e-7)
    assert dense.n_iter <= 10


@pytest.mark.parametrize("bounds", [None, (0.2, 0.7)])
def test_gap_bounds_the_error(bounds):
    _, _, _, problem = make_problem(bounds)
    solver = GraphDescent(problem, forest_blocks(problem))
    best = solve(solver, problem.B.shape).objective
    state = solver.init(np.random.default_rng(0).random(problem.B.shape))
    for _ in range(30):
        measure = solver.certificate(state)
        assert measure.objective - best <= measure.gap * (1 + 1e-9) + 1e-12
        state = solver.step(state)


def test_update_reports_its_progress():
    _, _, _, problem = make_problem((0.2, 0.7))
    solver = GraphDescent(problem, forest_blocks(problem))
    state = solver.init(np.full(problem.B.shape, 0.4))
    for block in solver.blocks * 3:
        before = problem.energy(state.F, problem.residual(state.F))
        progress = solver.update(state, block)
        after = problem.energy(state.F, problem.residual(state.F))
        assert progress >= 0.0
        np.testing.assert_allclose(before - after, progress, atol=1e-12)


def progress_of(problem, blocks, n_passes):
    """Return the energy after some passes of descent in turn."""
    solver = GraphDescent(problem, blocks)
    state = solver.init(np.full(problem.B.shape, 0.5))
    for _ in range(n_passes):
        state = solver.step(state)
    return solver.certificate(state).objective


def test_two_trees_need_half_the_passes_of_two_colours():
    shape = (20, 20)
    rng = np.random.default_rng(0)
    fixed = rng.random(400) < 0.05
    values = (rng.random((fixed.sum(), 1)) < 0.5).astype(float)
    problem = graph_problem(lattice(*shape), fixed, values)
    colours = (np.add.outer(np.arange(20), np.arange(20)) % 2).ravel()
    trees, colours = (
        [ForestBlock(problem.A, np.flatnonzero(number[~fixed] == i)) for i in (0, 1)]
        for number in (lattice_trees(*shape), colours)
    )
    assert progress_of(problem, trees, 20) < progress_of(problem, colours, 40)


def test_checkpoint_goes_on_where_it_was():
    _, _, _, problem = make_problem()
    solver = GraphDescent(problem, forest_blocks(problem))
    state = solver.init(np.full(problem.B.shape, 0.4))
    for _ in range(3):
        state = solver.step(state)
    again = solver.unpack(solver.pack(state))
    np.testing.assert_allclose(again.R, state.R, atol=1e-12)
    np.testing.assert_array_equal(solver.finalize(again), solver.finalize(state))
