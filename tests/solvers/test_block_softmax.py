"""The model of the multinomial loss that block descent minimises."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.losses import Multinomial
from skopt2.penalties import GroupLasso, GroupMCP, SparseGroupLasso
from skopt2.penalties.exclusive_lasso import ExclusiveLasso
from skopt2.penalties.partition import Partition
from skopt2.solvers.block_coordinate_descent.blocks import (
    DenseMatrixBlock,
    SparseMatrixBlock,
)
from skopt2.solvers.block_coordinate_descent.selection import make_selection
from skopt2.solvers.block_coordinate_descent.softmax import SoftmaxModel

N, K, D, BLOCKS = 60, 3, 2, 5
PENALTIES = [GroupLasso(), SparseGroupLasso(), ExclusiveLasso(), GroupMCP(30.0)]


def make_model(penalty, lam, phi=1e-4, bias=True, sparse=False, start=None):
    """Return a model of five blocks of two columns, and its data."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((BLOCKS, D, N)) * (rng.random((BLOCKS, 1, N)) < 0.7)
    y = np.eye(K)[rng.integers(0, K, N)]
    s = rng.uniform(0.0, 2.0, N)
    s[:5] = 0.0
    s /= s.sum()
    v0 = np.zeros((BLOCKS, D, K)) if start is None else start
    b0 = np.array([0.3, -0.1, 0.4]) if bias else None
    eta = np.einsum("gdn,gdk->nk", A, v0) + (b0 if bias else 0.0)
    loss = Multinomial()
    blocks = []
    for rows in A:
        samples = np.flatnonzero(rows.any(axis=0))
        if sparse:
            blocks.append(SparseMatrixBlock(samples, rows[:, samples].copy(), K))
        else:
            blocks.append(DenseMatrixBlock(rows.copy(), K))
    model = SoftmaxModel(
        penalty.for_outputs(K),
        blocks,
        np.full(BLOCKS, float(lam)),
        [part.ravel() if part.any() else None for part in v0],
        penalty.rotatable,
        s[:, None] * loss.gradient(y, eta),
        loss.curvature(y, eta),
        s,
        phi,
        eta,
        b0,
    )
    return model, A, y, s, eta


def coefficients(model):
    """Return the coefficients of all blocks, zeros written out."""
    parts = model.coefficients()
    zero = np.zeros(D * K)
    return np.array([zero if v is None else v for v in parts]).reshape(BLOCKS, D, K)


@pytest.mark.parametrize("sparse", [False, True])
def test_objective_and_gradient_are_those_of_the_second_order_model(sparse):
    start = np.random.default_rng(1).standard_normal((BLOCKS, D, K))
    start[1] = 0.0
    model, A, y, s, eta = make_model(GroupLasso(), 0.02, sparse=sparse, start=start)
    assert_allclose(coefficients(model), start)
    before = model.objective() - model.penalty.value(
        model.flat(), model.partition, model.lam
    )
    assert_allclose(before, 0.0, atol=1e-15)
    for _ in range(3):
        model.sweep(list(range(BLOCKS)))
    v = coefficients(model)
    move = np.einsum("gdn,gdk->nk", A, v) + model.bias - eta
    assert_allclose(model.move(), move, atol=1e-12)
    loss, p = Multinomial(), Multinomial().curvature(y, eta)
    bent = loss.curvature_product(p, move) + 1e-4 * move
    gradient = s[:, None] * (loss.gradient(y, eta) + bent)
    assert_allclose(model.r[0].T, gradient, atol=1e-13)
    value = (s[:, None] * move * (loss.gradient(y, eta) + 0.5 * bent)).sum()
    value += 0.02 * np.linalg.norm(v, axis=(1, 2)).sum()
    assert_allclose(model.objective(), value, rtol=1e-10)
    assert_allclose(gradient.sum(axis=0), 0, atol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("bias", [False, True])
def test_sweeps_descend_to_a_stationary_point(penalty, bias):
    model, A, _, _, _ = make_model(penalty, 0.1, bias=bias)
    past = [model.objective()]
    for _ in range(10):
        model.sweep(list(range(BLOCKS)))
        past.append(model.objective())
        assert past[-1] <= past[-2] + 1e-15
    assert past[-1] < past[0]
    model.minimise(make_selection("cyclic", None), lambda first: 1e-11)
    v = coefficients(model)
    slope = np.einsum("gdn,kn->gdk", A, model.r[0])
    groups = Partition(np.repeat(range(BLOCKS), D * K))
    lam = np.full(BLOCKS, 0.1)
    distance = model.penalty.subdiff_distance(v.ravel(), slope.ravel(), groups, lam)
    assert_allclose(distance, 0, atol=1e-9)
    if penalty.name != "exclusive_lasso":
        assert 0 < np.count_nonzero(v.any(axis=(1, 2))) < BLOCKS


@pytest.mark.parametrize("penalty", PENALTIES[:3])
@pytest.mark.parametrize("phi", [1e-4, 0.5])
def test_gap_bounds_the_suboptimality(penalty, phi):
    start = np.random.default_rng(1).standard_normal((BLOCKS, D, K))
    model = make_model(penalty, 0.03, phi, start=start)[0]
    best = make_model(penalty, 0.03, phi, start=start)[0]
    best.minimise(make_selection("cyclic", None), lambda first: 1e-12)
    assert best.gap() <= 1e-9
    gaps = []
    for _ in range(6):
        model.sweep(list(range(BLOCKS)))
        gaps.append(model.gap())
        assert gaps[-1] >= model.objective() - best.objective() - 1e-12
    assert gaps[-1] < 0.8 * gaps[0]


def test_the_cautious_model_bounds_the_loss():
    model, _, y, s, eta = make_model(GroupLasso(), 0.01, phi=0.5)
    loss = Multinomial()
    model.minimise(make_selection("cyclic", None), lambda first: 1e-8)
    rise = loss.value(y, eta + model.move(), s) - loss.value(y, eta, s)
    bound = model.objective() - model.penalty.value(
        model.flat(), model.partition, model.lam
    )
    assert rise <= bound < 0.0
