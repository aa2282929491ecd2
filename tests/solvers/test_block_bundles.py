"""Groups of one feature that are updated together."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.losses import Squared
from skopt2.penalties import GroupLasso, GroupMCP, GroupSCAD, SparseGroupLasso
from skopt2.penalties.partition import Partition
from skopt2.solvers.block_coordinate_descent.blocks import DenseRowBlock, frame
from skopt2.solvers.block_coordinate_descent.bundles import (
    BundleUpdate,
    RowBundle,
    bundle,
    bundled,
)
from skopt2.solvers.block_coordinate_descent.coordinates import Coordinates
from skopt2.solvers.block_coordinate_descent.grouped import GroupedPenalty
from skopt2.solvers.block_coordinate_descent.quadratic import QuadraticModel
from skopt2.solvers.block_coordinate_descent.selection import make_selection
from skopt2.solvers.problem import LinearProblem

PENALTIES = [GroupLasso(), GroupMCP(), GroupSCAD()]


def make_models(penalty, lam, correlation=0.0, dtype=np.float64):
    """Return the same model of twelve rows in three bundles, and in single rows."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((12, 40)) + correlation * rng.standard_normal(40)
    A = (A * 10.0 ** rng.integers(-1, 2, 12)[:, None]).astype(dtype)
    target = (10.0 * rng.standard_normal((3, 40))).astype(dtype)
    rows = [DenseRowBlock(row[None, :].copy(), 3) for row in A]
    bundles = [bundle(rows[:5]), bundle(rows[5:11]), rows[11]]
    models = []
    for blocks in (bundles, rows):
        framed = [
            one.frame() if isinstance(one, RowBundle) else frame(one, True)
            for one in blocks
        ]
        v = [None] * len(blocks)
        root = np.ones(40, dtype=dtype)
        models.append(QuadraticModel(penalty, framed, lam, v, True, target, root))
    return A, *models


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("correlation", [0.0, 3.0])
def test_bundles_descend_to_the_minimum_of_single_rows(penalty, correlation):
    lam = np.geomspace(10, 60, 12)
    A, together, single = make_models(penalty, lam, correlation)
    past = [together.objective()]
    for _ in range(10):
        together.sweep([0, 1, 2])
        past.append(together.objective())
        assert past[-1] <= past[-2] * (1 + 1e-14)
    rule = make_selection("cyclic", None)
    for model in (together, single):
        model.minimise(rule, lambda first: 1e-9)
    v = together.flat()
    assert_allclose(together.residual(), (A.T @ v.reshape(12, 3)).T - together.target)
    slope = (A @ together.residual().T).ravel()
    groups = Partition(np.repeat(range(12), 3))
    assert_allclose(penalty.subdiff_distance(v, slope, groups, lam), 0, atol=1e-6)
    if penalty.convex:
        assert_allclose(v, single.flat(), atol=1e-6)
        assert together.gap() <= 1e-9 * together.objective()
    assert 0 < np.count_nonzero(groups.norms(v)) < 12


@pytest.mark.parametrize("penalty", PENALTIES)
def test_update_of_a_bundle_is_that_of_its_rows(penalty):
    rng = np.random.default_rng(1)
    curvatures, levels = rng.uniform(0.2, 3.0, 6), rng.uniform(0.5, 2.0, 6)
    update = BundleUpdate(penalty, curvatures, levels)
    for scale in (0.0, 0.1, 3.0, 10.0):
        old, gradient = rng.standard_normal((2, 6, 4)) * scale
        new = update.new(old.ravel(), gradient.ravel())
        for j in range(6):
            z = old[j] - gradient[j] / curvatures[j]
            expected = penalty.block_prox(z, 1.0 / curvatures[j], levels[j])
            expected = np.zeros(4) if expected is None else expected
            found = np.zeros(4) if new is None else new.reshape(6, 4)[j]
            assert_allclose(found, expected, atol=1e-14)
    assert update.new(None, np.zeros(24)) is None


def test_curvatures_bound_the_gram_matrix():
    rng = np.random.default_rng(2)
    for mean in (0.0, 5.0):
        rows = rng.standard_normal((6, 30)) + mean
        rows[:, :3] *= 1e3
        rows[4] = 0.0
        block, curvatures, axes = RowBundle(rows, 2).frame()
        assert axes is None
        assert block.members == 6
        excess = np.linalg.eigvalsh(np.diag(curvatures) - rows @ rows.T)
        assert excess.min() >= -1e-9 * curvatures.max()
        assert (curvatures > 0).all()


def test_which_groups_are_bundled():
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((30, 24)), rng.standard_normal((30, 2))
    groups = Partition(np.append(np.arange(21), [21, 21, 21]))
    lam = np.append(np.ones(20), [0.0, 1.0])
    found = {}
    for penalty in (GroupLasso(), SparseGroupLasso()):
        for outputs in (1, 2):
            y = Y if outputs == 2 else Y[:, 0]
            problem = LinearProblem(X, y, Squared(), None, lam, None, True)
            coordinates = Coordinates(problem.design, groups, False, outputs)
            problem.penalty = GroupedPenalty(penalty, coordinates)
            v = np.zeros(24 * outputs)
            v[3 * outputs] = v[7 * outputs] = 1.0
            found[penalty.name, outputs] = bundled(
                problem, v, coordinates.partition, list(range(22)), lam
            )
    order, bundles = found["group_lasso", 2]
    # Free groups and those of several features alone, those in use together.
    assert bundles[:3] == [20, 21, [3, 7]]
    assert [len(one) for one in bundles[3:]] == [8, 8, 2]
    flat = [g for one in bundles for g in (one if isinstance(one, list) else [one])]
    assert order == flat
    assert sorted(order) == list(range(22))
    for key in (("group_lasso", 1), ("sparse_group_lasso", 2)):
        assert found[key] == (list(range(22)), list(range(22)))


def test_float32():
    lam = np.geomspace(10, 60, 12)
    _, together, _ = make_models(GroupLasso(), lam, dtype=np.float32)
    _, exact, _ = make_models(GroupLasso(), lam)
    rule = make_selection("cyclic", None)
    together.minimise(rule, lambda first: 1e-2)
    exact.minimise(rule, lambda first: 1e-9)
    held = [part for part in together.v if part is not None]
    assert held
    assert all(part.dtype == np.float32 for part in held)
    assert_allclose(together.flat(), exact.flat(), rtol=1e-3, atol=1e-3)


def test_a_model_of_no_group():
    target = np.arange(30.0).reshape(3, 10)
    model = QuadraticModel(
        GroupLasso(), [], np.ones(0), [], True, target, np.full(10, 0.3)
    )
    assert model.minimise(make_selection("cyclic", None), lambda first: 0.0) == 0.0
    assert_allclose(model.residual(), -target)
    assert_allclose(model.objective(), 0.5 * (target**2).sum())
