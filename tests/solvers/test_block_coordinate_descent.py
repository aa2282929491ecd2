"""The engine of block coordinate descent: updates, models, blocks, extrapolation."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from skopt2.losses import Squared
from skopt2.penalties import GroupLasso, GroupMCP, GroupSCAD, SparseGroupLasso
from skopt2.penalties.partition import Partition
from skopt2.solvers.block_coordinate_descent.blocks import Blocks, DenseBlock, frame
from skopt2.solvers.block_coordinate_descent.coordinates import Coordinates
from skopt2.solvers.block_coordinate_descent.curvature import diagonal_bound
from skopt2.solvers.block_coordinate_descent.extrapolation import (
    extrapolation_weights,
)
from skopt2.solvers.block_coordinate_descent.quadratic import QuadraticModel
from skopt2.solvers.block_coordinate_descent.selection import make_selection
from skopt2.solvers.block_coordinate_descent.update import (
    ConcaveUpdate,
    FreeUpdate,
    NormUpdate,
    ProximalUpdate,
    ScaledUpdate,
    ShrinkUpdate,
    make_update,
)
from skopt2.solvers.problem import LinearProblem

GROUPS = Partition([0, 0, 1, 2, 1, 2, 2, 3])


def make_model(penalty, lam, seed=0, principal=True, bias=None):
    """Return a model of four blocks of three columns, and its matrix."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((4, 3, 30)) @ (
        np.eye(30) + 0.3 * rng.standard_normal((30, 30))
    )
    framed = [frame(DenseBlock(rows), principal) for rows in A]
    model = QuadraticModel(
        penalty,
        framed,
        np.asarray(lam, dtype=float),
        [None] * 4,
        principal,
        5.0 * rng.standard_normal(30),
        np.ones(30),
        bias,
    )
    return model, A.reshape(12, 30)


@pytest.mark.parametrize("lam", [0.2, 2.0, 30.0])
def test_norm_update_is_the_minimiser(lam):
    rng = np.random.default_rng(1)
    update = NormUpdate(np.array([0.0, 0.3, 5.0, 40.0]), lam)
    for _ in range(10):
        q = rng.standard_normal(4) * [0, 10, 10, 10]
        old, v = None, None
        for _ in range(12):
            gradient = -q if old is None else update.curvatures * old - q
            old = v = update.new(old, gradient)
        if np.linalg.norm(q) <= lam:
            assert v is None
            continue
        slope = update.curvatures * v - q + lam * v / np.linalg.norm(v)
        assert_allclose(slope, 0, atol=1e-12 * np.linalg.norm(q))


def test_diagonal_bound_is_above_the_gram_matrix(rng):
    for scales in (np.ones(5), 10.0 ** np.arange(-4, 6, 2.0)):
        A = rng.standard_normal((5, 20)) * scales[:, None]
        A[1] = A[0] * scales[1] / scales[0]
        gram = A @ A.T
        h = diagonal_bound(gram)
        root = np.sqrt(h)
        assert np.linalg.eigvalsh(gram / np.outer(root, root)).max() <= 1 + 1e-12
        assert (h <= 5.001 * np.maximum(gram.diagonal(), h.min())).all()
        assert (np.ptp(h) == 0) == (scales[0] == 1)
    gram[2] = gram[:, 2] = 0.0
    h = diagonal_bound(np.stack([gram, gram]))
    assert h.shape == (2, 5)
    assert (h > 0).all()
    assert (diagonal_bound(np.zeros((3, 3))) == 0).all()


def test_update_of_each_kind_of_block():
    e = np.array([1.0, 2.0])
    assert isinstance(make_update(GroupLasso(), e, 1.0, True), NormUpdate)
    assert isinstance(make_update(GroupLasso(), e, 1.0, False), ProximalUpdate)
    assert isinstance(make_update(GroupLasso(), e[:1], 1.0, True), ShrinkUpdate)
    assert isinstance(make_update(GroupLasso(), e, np.inf, True), ShrinkUpdate)
    assert isinstance(make_update(GroupMCP(), e, 1.0, True), ConcaveUpdate)
    assert isinstance(make_update(GroupMCP(), e[:1], 1.0, True), ProximalUpdate)
    assert isinstance(make_update(GroupMCP(), e, 0.0, True), FreeUpdate)
    assert isinstance(make_update(SparseGroupLasso(), e, 0.0, False), ScaledUpdate)
    assert isinstance(make_update(SparseGroupLasso(), e[:1], 1, False), ProximalUpdate)
    assert make_update(GroupLasso(), 0 * e, 1.0, True) is None


@pytest.mark.parametrize(
    "penalty", [GroupLasso(), GroupMCP(), GroupSCAD(), SparseGroupLasso()]
)
@pytest.mark.parametrize("bias", [None, 0.0])
def test_sweeps_descend_to_a_stationary_point(penalty, bias):
    turned = penalty.rotatable
    model, A = make_model(penalty, [20, 30, 0, 60], principal=turned, bias=bias)
    rule, past = make_selection("cyclic", None), [model.objective()]
    for _ in range(30):
        model.sweep([0, 1, 2, 3])
        past.append(model.objective())
        assert past[-1] <= past[-2] * (1 + 1e-14)
    model.minimise(rule, lambda first: 1e-11)
    parts = [np.zeros(3) if v is None else v for v in model.coefficients()]
    v = np.concatenate(parts)
    r = v @ A - model.target + (0.0 if bias is None else model.bias)
    assert_allclose(model.residual(), r, atol=1e-10)
    groups = Partition(np.repeat(range(4), 3))
    distance = penalty.subdiff_distance(v, A @ r, groups, model.lam)
    assert_allclose(distance, 0, atol=1e-8)
    if bias is not None:
        assert abs(r.sum()) < 1e-9


@pytest.mark.parametrize("penalty", [GroupLasso(), SparseGroupLasso(0.3)])
def test_gap_bounds_the_suboptimality(penalty):
    model, _ = make_model(penalty, [20, 30, 10, 60], principal=penalty.rotatable)
    best, _ = make_model(penalty, [20, 30, 10, 60], principal=penalty.rotatable)
    best.minimise(make_selection("cyclic", None), lambda first: 1e-12)
    assert best.gap() <= 1e-10 * best.objective()
    for _ in range(6):
        model.sweep([0, 1, 2, 3])
        assert model.gap() >= model.objective() - best.objective() - 1e-10


def test_extrapolation_ends_an_affine_map():
    rng = np.random.default_rng(2)
    M = np.diag([0.9, 0.5, -0.3])
    rest, x = rng.standard_normal(3), np.zeros(3)
    points = [x]
    for _ in range(4):
        x = rest + M @ (x - rest)
        points.append(x)
    weights = extrapolation_weights(np.array(points))
    assert_allclose(weights.sum(), 1, rtol=1e-12)
    assert np.abs(weights @ np.array(points[1:]) - rest).max() < 1e-4
    assert np.abs(points[-1] - rest).max() > 1e-1
    assert extrapolation_weights(np.zeros((4, 3))) is None


def test_random_order_visits_every_block():
    rule = make_selection("random", 0)
    orders = [rule.order(list(range(6))) for _ in range(4)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    with pytest.raises(ValueError, match="sweep='gs'"):
        make_selection("gs", None)


@pytest.mark.parametrize("sparse", [False, True])
def test_blocks_of_several_outputs_are_those_of_each(sparse):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 8)) * (rng.random((40, 8)) < 0.4)
    Y, s = rng.standard_normal((40, 3)), rng.uniform(0, 1, 40)
    s /= s.sum()
    A, root = sp.csc_array(X) if sparse else X, np.sqrt(s)
    pairs = []
    for y in (Y, Y[:, 1]):
        problem = LinearProblem(A, y, Squared(), None, np.ones(4), s, True)
        coordinates = Coordinates(problem.design, GROUPS, False, problem.n_outputs)
        pairs.append((problem, Blocks(problem, coordinates)))
    (problem, several), (_, single) = pairs
    R = np.ascontiguousarray((root[:, None] * problem.y).T)
    r = R[1].copy()
    for g in (0, 3, 2):
        one, other = several.get(g), single.get(g)
        d = GROUPS.sizes[g]
        delta = rng.standard_normal((d, 3))
        one.add(R, delta.ravel())
        other.add(r, np.ascontiguousarray(delta[:, 1]))
        gradient = one.gradient(R).reshape(d, 3)[:, 1]
        assert_allclose(gradient, other.gradient(r), atol=1e-12)
        assert_allclose(one.gram(), other.gram(), atol=1e-12)
    assert_allclose(R[1], r, atol=1e-12)
    assert_allclose(several.shift[0][1], single.shift[0], atol=1e-12)


@pytest.mark.parametrize("orthonormal", [False, True])
def test_sparse_blocks_are_the_dense_ones(orthonormal):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 8)) * (rng.random((40, 8)) < 0.4)
    y, s = rng.standard_normal(40), rng.uniform(0, 1, 40)
    s /= s.sum()
    found = []
    for A in (X, sp.csc_array(X)):
        problem = LinearProblem(A, y, Squared(), None, np.ones(4), s, True)
        coordinates = Coordinates(problem.design, GROUPS, orthonormal)
        blocks, root = Blocks(problem, coordinates), np.sqrt(s)
        r = -root * problem.y
        out = []
        for g in range(4):
            block = blocks.get(g)
            sign = np.sign(block.gram()[0] + 1e-3)
            out.append(np.abs(block.gradient(r)) if orthonormal else block.gradient(r))
            block.add(r, np.zeros(sign.size) + (not orthonormal) * 0.5)
            out.append(block.gram())
        out.append(r - blocks.shift[0] * root)
        found.append(np.concatenate([np.ravel(one) for one in out]))
    assert_allclose(found[1], found[0], atol=1e-12)


def test_orthonormal_coordinates():
    rng = np.random.default_rng(4)
    X = rng.standard_normal((40, 8)) * 10.0 ** np.arange(-4, 4) + 2.0
    X[:, 4] = 2.0 * X[:, 2]
    X[:, 7] = 3.0
    s = rng.uniform(0, 1, 40)
    s /= s.sum()
    problem = LinearProblem(
        X, rng.standard_normal(40), Squared(), None, np.ones(4), s, True
    )
    coordinates = Coordinates(problem.design, GROUPS, True)
    assert coordinates.partition.sizes.tolist() == [2, 1, 3, 0]
    Z = (X - s @ X) @ coordinates.transform.toarray()
    gram = Z.T @ (s[:, None] * Z)
    same = coordinates.partition.index[:, None] == coordinates.partition.index
    assert_allclose(np.where(same, gram, 0), np.eye(6), atol=1e-8)
    v = rng.standard_normal(6)
    w = coordinates.to_features(v)
    assert_allclose(coordinates.from_features(w), v, rtol=1e-8)
    c = rng.standard_normal(8)
    assert_allclose(
        coordinates.gradient(c), coordinates.transform.T @ (c * (np.arange(8) < 7))
    )
