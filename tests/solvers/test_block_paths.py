"""Block descent from one level to the next, as the points of a path are solved."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.losses import Logistic, Multinomial, Poisson, Squared
from skopt2.penalties import GroupLasso, GroupMCP, SparseGroupLasso
from skopt2.penalties.partition import Partition
from skopt2.solvers.block_coordinate_descent.coordinates import Coordinates
from skopt2.solvers.block_coordinate_descent.descent import BlockDescent
from skopt2.solvers.block_coordinate_descent.grouped import GroupedPenalty
from skopt2.solvers.block_coordinate_descent.selection import make_selection
from skopt2.solvers.problem import LinearProblem

GROUPS = Partition(np.repeat(np.arange(8), [1, 2, 3, 4, 1, 2, 3, 4]))
TOL = 1e-9


def make_problem(loss, outputs, penalty, orthonormalize=False):
    """Return a problem of eight groups at the level at which all of them are zero."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 20)) @ (np.eye(20) + 0.1 * rng.standard_normal(20))
    signal = X[:, 3:7] @ rng.standard_normal((4, outputs)) + X[:, 11:12]
    y = signal + rng.standard_normal((150, outputs))
    if loss.name == "logistic":
        y = np.where(y + rng.standard_normal(y.shape) > 0, 1.0, -1.0)
    elif loss.name == "multinomial":
        y = np.eye(outputs)[(0.7 * signal + rng.gumbel(size=y.shape)).argmax(axis=1)]
    elif loss.name == "poisson":
        y = rng.poisson(np.exp(0.3 * signal)).astype(float)
    y = y if outputs > 1 else y[:, 0]
    problem = LinearProblem(X, y, loss, None, np.ones(8), None, True)
    coordinates = Coordinates(problem.design, GROUPS, orthonormalize, outputs)
    penalty = penalty.for_outputs(outputs)
    problem.penalty = GroupedPenalty(penalty, coordinates)
    weights = np.sqrt(GROUPS.sizes.astype(float))
    top = penalty.alpha_max(
        coordinates.gradient(problem.null_gradient), coordinates.partition, weights
    )
    problem.set_level(top * weights)
    return problem


def solve(solver, state):
    """Step to the certificate."""
    for _ in range(60):
        if solver.certificate(state).value <= TOL:
            break
        state = solver.step(state)
    assert solver.certificate(state).value <= TOL
    return state


def make_solver(problem):
    return BlockDescent(problem, TOL, make_selection("cyclic", None))


CASES = [
    (Squared(), 1),
    (Squared(), 3),
    (Logistic(), 1),
    (Multinomial(), 3),
    (Poisson(), 1),
]


@pytest.mark.parametrize(("loss", "outputs"), CASES)
@pytest.mark.parametrize("penalty", [GroupLasso(), SparseGroupLasso(), GroupMCP(30.0)])
def test_a_path_is_its_separate_fits(loss, outputs, penalty):
    problem = make_problem(loss, outputs, penalty)
    solver, top = make_solver(problem), problem.lam
    state, used = solver.init(), []
    # Down, up again, and down to where nearly every group is in use.
    for share in (0.9, 0.4, 0.6, 0.1):
        state = solve(solver, solver.retarget(state, share * top))
        assert_allclose(problem.lam, share * top)
        path = solver.finalize(state)
        fresh = make_problem(loss, outputs, penalty)
        fresh.set_level(share * top)
        other = make_solver(fresh)
        cold = solve(other, other.init())
        alone = other.finalize(cold)
        objectives = (state.measure.objective, cold.measure.objective)
        assert_allclose(*objectives, rtol=1e-8)
        assert path.ids.tolist() == alone.ids.tolist()
        assert_allclose(path.w, alone.w, atol=2e-4)
        assert_allclose(path.intercept, alone.intercept, atol=2e-4)
        used.append(path.ids.size)
    assert 0 < used[0] <= used[1] <= used[3]
    assert used[0] < used[3]


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_concave_path_starts_where_the_level_before_ended(outputs):
    problem = make_problem(Squared(), outputs, GroupMCP(3.0))
    solver, top = make_solver(problem), problem.lam
    state = solve(solver, solver.retarget(solver.init(), 0.5 * top))
    assert state.level == 1.0
    before = state.v
    moved = solver.retarget(state, 0.4 * top)
    # The point is that of the level 0.5, one and a quarter times the new one.
    assert_allclose(moved.level, 1.25)
    assert (moved.v == before).all()
    assert_allclose(moved.c, state.c)
    # What a point is worth does not depend on how it was reached.
    problem.set_level(0.4 * top)
    start = solver.finalize(state)
    again = solver.init(start)
    assert_allclose(moved.measure.objective, again.measure.objective, rtol=1e-12)
    assert_allclose(moved.measure.value, again.measure.value, rtol=1e-6)
    # Straight from the level before, no step at a level in between is needed.
    history = []
    for _ in range(20):
        moved = solver.step(moved)
        history.append(moved.level)
        if moved.measure.value <= TOL:
            break
    assert moved.measure.value <= TOL
    assert history == [1.0] * len(history)
