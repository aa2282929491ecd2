"""Group penalties: proxes against numerical minimisers, levels against their rules."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from skopt2.penalties import (
    GroupLasso,
    GroupMCP,
    GroupSCAD,
    SparseGroupLasso,
    get_group_penalty,
)
from skopt2.penalties.partition import Partition

NORMS = {"lasso": GroupLasso(), "mcp": GroupMCP(2.5), "scad": GroupSCAD(3.0)}
ALL = {**NORMS, "sparse": SparseGroupLasso(0.4)}
PARTITION = Partition([0, 1, 0, 2, 1, 0, 3])


def written_out(name, size, lam):
    """Return the penalty of a norm, from its definition, as an array."""
    size = np.asarray(size, dtype=float)
    if name == "lasso":
        return lam * size
    # The slope, integrated by the trapezoidal rule on a fine grid: exact, as the slope
    # is linear between the corners, which are on the grid.
    corners = {"mcp": (0, 2.5 * lam), "scad": (0, lam, 3.0 * lam)}[name]
    slopes = {"mcp": (lam, 0), "scad": (lam, lam, 0)}[name]
    found = np.zeros_like(size)
    for a, b, u, v in zip(corners, corners[1:], slopes, slopes[1:], strict=False):
        x = np.clip(size, a, b)
        at = u + (v - u) * (x - a) / (b - a)
        found += (x - a) * (u + at) / 2
    return found


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("step", [0.3, 1.0, 2.2, 3.5, 9.0])
def test_prox_of_the_norm_is_the_global_minimiser(name, step):
    grid = np.linspace(0, 12, 120_001)
    for size in np.linspace(0.05, 11, 23):
        objective = (grid - size) ** 2 / (2 * step) + written_out(name, grid, 1.3)
        new = NORMS[name].shrink(size, step, 1.3)
        reached = (new - size) ** 2 / (2 * step) + written_out(name, new, 1.3)
        assert reached <= objective.min() + 1e-9


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("step", [0.3, 1.0, 4.0])
def test_one_group_and_all_groups_agree(name, step):
    z = np.random.default_rng(0).standard_normal(7) * 3
    lam = np.array([0.0, 1.1, 0.4, np.inf])
    whole = ALL[name].prox(z, step, PARTITION, lam)
    for g in range(4):
        members = PARTITION.members(g)
        part = ALL[name].block_prox(z[members], step, lam[g])
        part = np.zeros(members.size) if part is None else part
        assert_allclose(whole[members], part, rtol=1e-14, atol=1e-14)
    assert_allclose(whole[PARTITION.members(0)], z[PARTITION.members(0)], rtol=1e-14)


def test_sparse_group_prox_minimises():
    penalty, rng = SparseGroupLasso(0.4), np.random.default_rng(1)
    partition = Partition([0, 0, 0, 0])
    for _ in range(20):
        z, lam = rng.standard_normal(4) * 2, np.array([rng.uniform(0.2, 1.5)])
        v = penalty.prox(z, 0.7, partition, lam)

        def objective(u, z=z, lam=lam):
            inside = 0.4 * np.abs(u).sum() / 2 + 0.6 * np.linalg.norm(u)
            return ((u - z) ** 2).sum() / 1.4 + lam[0] * inside

        assert_allclose(
            penalty.value(v, partition, lam),
            objective(v) - ((v - z) ** 2).sum() / 1.4,
            rtol=1e-12,
        )
        for _ in range(30):
            direction = rng.standard_normal(4)
            line = minimize_scalar(lambda t, d=direction, v=v: objective(v + t * d))
            assert objective(v) <= line.fun + 1e-12


@pytest.mark.parametrize("ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("lam", [0.0, 0.05, 0.7, 3.0])
def test_sparse_group_prox_in_a_diagonal_metric(ratio, lam):
    penalty, rng = SparseGroupLasso(ratio), np.random.default_rng(5)
    one = Partition(np.zeros(6, dtype=int))
    for _ in range(10):
        z, h = rng.standard_normal(6), 10.0 ** rng.uniform(-3, 3, 6)
        v = penalty.scaled_prox(z, h, lam)
        v = np.zeros(6) if v is None else v
        distance = penalty.subdiff_distance(v, h * (v - z), one, np.array([lam]))
        assert_allclose(distance, 0, atol=1e-10 * np.abs(h * z).max())
        plain = penalty.block_prox(z, 2.5, lam)
        same = penalty.scaled_prox(z, np.full(6, 0.4), lam)
        assert (plain is None) == (same is None)
        if plain is not None:
            assert_allclose(same, plain, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", ALL)
def test_value_and_distance_follow_the_definition(name):
    rng = np.random.default_rng(2)
    penalty, lam = ALL[name], np.array([0.5, 1.0, 0.8, np.inf])
    w = rng.standard_normal(7)
    w[PARTITION.members(3)] = 0.0
    grad = np.zeros(7)
    # A numerical gradient of the value is what the distance is measured from.
    for j in np.flatnonzero(w):
        up, down = w.copy(), w.copy()
        up[j] += 1e-6
        down[j] -= 1e-6
        slope = penalty.value(up, PARTITION, lam) - penalty.value(down, PARTITION, lam)
        grad[j] = -slope / 2e-6
    distance = penalty.subdiff_distance(w, grad, PARTITION, lam)
    assert_allclose(distance, 0, atol=1e-8)
    grad[PARTITION.members(1)] += [3.0, 4.0]
    distance = penalty.subdiff_distance(w, grad, PARTITION, lam)
    assert_allclose(distance, [0, 5, 0, 0], atol=1e-8)
    if name != "sparse":
        sizes = PARTITION.norms(w)[:3]
        expected = sum(
            written_out(name, size, level)
            for size, level in zip(sizes, lam, strict=False)
        )
        assert_allclose(penalty.value(w, PARTITION, lam), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_critical_level_is_where_zero_becomes_stationary(name):
    penalty = ALL[name]
    grad = np.random.default_rng(3).standard_normal(7)
    lam = np.array([0.5, 1.0, 0.8, 2.0])
    level = penalty.critical_level(grad, PARTITION, lam)
    zero = np.zeros(7)
    inside = penalty.subdiff_distance(zero, grad, PARTITION, lam * level * (1 + 1e-12))
    assert_allclose(inside, 0, atol=1e-15)
    outside = penalty.subdiff_distance(zero, grad, PARTITION, lam * level * 0.999)
    assert (outside > 1e-5).all()
    assert penalty.alpha_max(grad, PARTITION, lam) == level.max()
    lam[:] = [0.0, np.inf, 1.0, 1.0]
    free = penalty.critical_level(grad, PARTITION, lam)
    assert (free[:2] == 0).all()


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_sparse_group_lasso_between_its_limits(ratio):
    rng = np.random.default_rng(4)
    grad, lam = rng.standard_normal(7), np.sqrt(PARTITION.sizes)
    penalty = SparseGroupLasso(ratio)
    level = penalty.critical_level(grad, PARTITION, lam)
    t = np.repeat(1 / level, 1)
    soft = np.maximum(
        np.abs(grad) * PARTITION.spread(t) - ratio, 0
    )  # a = lam * ratio / sqrt(d) = ratio
    assert_allclose(PARTITION.norms(soft), (1 - ratio) * lam, rtol=1e-12, atol=1e-14)
    value = penalty.value(grad, PARTITION, lam)
    expected = ratio * np.abs(grad).sum() + (1 - ratio) * lam @ PARTITION.norms(grad)
    assert_allclose(value, expected, rtol=1e-14)


def test_norms_neither_underflow_nor_overflow():
    partition = Partition([0, 0, 1, 1, 3], n_groups=4)
    values = np.array([3e-200, 4e-200, 3e200, 4e200, -2.0])
    assert_allclose(partition.norms(values), [5e-200, 5e200, 0, 2], rtol=1e-15)


@pytest.mark.parametrize(
    ("penalty", "words"),
    [
        ("mcp", "one of 'group_lasso'"),
        (GroupMCP(1.0), "gamma"),
        (GroupSCAD(2.0), "gamma"),
        (SparseGroupLasso(1.5), "l1_ratio"),
        (SparseGroupLasso("half"), "l1_ratio"),
    ],
)
def test_bad_penalties_are_named(penalty, words):
    with pytest.raises(ValueError, match=words):
        get_group_penalty(penalty)


@pytest.mark.parametrize("name", NORMS)
def test_slope_is_the_derivative_of_the_norm(name):
    penalty = NORMS[name]
    for size in (0.0, 0.3, 1.2, 1.7, 3.0, 5.0):
        up = written_out(name, size + 1e-6, 1.3) - written_out(name, size, 1.3)
        assert_allclose(penalty.slope(size, 1.3), up / 1e-6, atol=1e-5)
