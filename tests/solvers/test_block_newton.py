"""Newton steps on the groups in use: the direction, the superlinear end, the choice."""

import numpy as np
import pytest

from skopt2.penalties import GroupLasso
from skopt2.solvers.block_coordinate_descent import newton, quadratic
from skopt2.solvers.block_coordinate_descent.blocks import (
    DenseBlock,
    SparseBlock,
    frame,
)
from skopt2.solvers.block_coordinate_descent.newton import newton_pays, newton_step
from skopt2.solvers.block_coordinate_descent.pace import Pace
from skopt2.solvers.block_coordinate_descent.quadratic import QuadraticModel
from skopt2.solvers.block_coordinate_descent.selection import Cyclic


def make_model(rng, n=40, groups=8, size=3, alpha=0.2, bias=None, dtype=np.float64):
    """Return a model with every group in use, correlated so that sweeps are slow."""
    A = rng.standard_normal((groups * size, n)) + 2.0 * rng.standard_normal(n)
    A = (A / np.sqrt(n)).astype(dtype)
    rows = np.split(A, groups)
    framed = [frame(DenseBlock(part), True) for part in rows]
    root = np.full(n, 1.0 / np.sqrt(n), dtype=dtype)
    target = (A.T @ rng.standard_normal(groups * size) + 0.1).astype(dtype)
    start = [rng.standard_normal(size).astype(dtype) for _ in range(groups)]
    levels = np.full(groups, alpha)
    return QuadraticModel(GroupLasso(), framed, levels, start, True, target, root, bias)


@pytest.mark.parametrize("bias", [None, 0.3])
@pytest.mark.parametrize("n", [10, 60], ids=["more coefficients", "more samples"])
def test_direction_solves_the_newton_system(rng, n, bias):
    model = make_model(rng, n=n, bias=bias)
    active = list(range(8))
    A = np.concatenate([block.rows for block in model.blocks])
    v, lam = np.concatenate(model.v), 0.2
    H, g = A @ A.T, A @ model.r
    for k in active:
        part = slice(3 * k, 3 * k + 3)
        u = v[part] / np.linalg.norm(v[part])
        bend = lam / np.linalg.norm(v[part])
        damping = newton.DAMPING[8] * model.curvatures[k]
        H[part, part] += bend * (np.eye(3) - np.outer(u, u))
        H[part, part] += damping * np.outer(u, u)
        g[part] += lam * u
    if bias is not None:
        H = np.block([[H, (A @ model.root)[:, None]], [model.root @ A.T, model.energy]])
        H[-1, -1] *= 1.0 + newton.INTERCEPT_DAMPING
        g = np.append(g, model.root @ model.r)
    expected = np.linalg.solve(H, -g)
    # The step itself, before the line search and the groups that turn round.
    step, shift = newton.direction(model, active)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(step, expected[:24], atol=1e-6 * scale)
    if bias is not None:
        assert shift == pytest.approx(expected[-1], abs=1e-6 * scale)


def test_steps_are_superlinear_where_sweeps_are_linear(rng):
    model = make_model(rng, n=18, alpha=0.01)
    for _ in range(30):
        model.sweep(range(8))
    active = [k for k, part in enumerate(model.v) if part is not None]
    gaps = [model.gap()]
    for _ in range(10):
        if not newton_step(model, active):
            break
        gaps.append(model.gap())
        active = [k for k, part in enumerate(model.v) if part is not None]
    ratios = np.array(gaps[1:]) / np.array(gaps[:-1])
    # What is left is the rounding of the objective, whose fall decides.
    assert min(gaps) < 1e-8 * gaps[0]
    assert ratios[0] > 0.1
    assert ratios[:6].min() < 5e-3
    # As many sweeps as a step costs would not have done it.
    other = make_model(np.random.default_rng(0), n=18, alpha=0.01)
    for _ in range(60):
        other.sweep(range(8))
    assert other.gap() > 1e3 * min(gaps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_never_raises_the_objective(rng, dtype):
    for alpha in (0.01, 0.3, 3.0):
        model = make_model(rng, alpha=alpha, dtype=dtype)
        for _ in range(4):
            active = [k for k, part in enumerate(model.v) if part is not None]
            if not active:
                break
            before, v = model.objective(), list(model.v)
            if newton_step(model, active):
                assert model.objective() < before
            else:
                assert model.objective() == before
                assert all(a is b for a, b in zip(model.v, v, strict=True))
            fresh = model._fresh_residual()
            tolerance = 1e-4 if dtype == np.float32 else 1e-10
            np.testing.assert_allclose(model.r, fresh, atol=tolerance)


def test_a_group_that_turns_round_is_dropped(rng):
    model = make_model(rng, alpha=0.05)
    # A tiny coefficient that points uphill.
    gradient = model.blocks[2].gradient(model.r)
    model.v[2] = 1e-3 * gradient / np.linalg.norm(gradient)
    model.r = model._fresh_residual()
    assert newton_step(model, list(range(8)))
    assert model.v[2] is None


def test_minimise_takes_steps_where_they_pay_and_reaches_the_same_point(
    rng, monkeypatch
):
    taken = []

    def step(model, active):
        taken.append(len(active))
        return newton_step(model, active)

    monkeypatch.setattr(quadratic, "newton_step", step)
    state = rng.bit_generator.state

    def solve(patience):
        monkeypatch.setattr(newton, "PATIENCE", patience)
        rng.bit_generator.state = state
        model = make_model(rng, n=18, alpha=0.01)
        model.minimise(Cyclic(), lambda first: 0.0, lambda first: 1e-12)
        return model

    with_steps = solve(0.0)
    assert taken
    taken.clear()
    without = solve(np.inf)
    assert not taken
    assert with_steps.gap() <= 1e-12
    assert with_steps.objective() == pytest.approx(without.objective(), rel=1e-10)


def test_steps_pay_where_there_are_many_coefficients_and_sweeps(rng, monkeypatch):
    model = make_model(rng, n=30)
    assert not newton_pays(model, list(range(8)), 1e6)
    model = make_model(rng, n=18)
    assert newton_pays(model, list(range(8)), 1e6)
    assert not newton_pays(model, list(range(8)), 1e-3)
    monkeypatch.setattr(newton, "ENTRIES", 18 * 24 - 1)
    assert not newton_pays(model, list(range(8)), 1e6)


def test_sparse_blocks_have_none():
    block = SparseBlock(np.array([0, 2]), np.ones((1, 2)))
    framed = [(block, np.array([2.0]), None)]
    model = QuadraticModel(
        GroupLasso(), framed, np.ones(1), [None], True, np.ones(3), np.ones(3)
    )
    assert not newton.has_newton(model)


def test_pace_skips_gaps_far_from_the_goal_only():
    pace = Pace(False)
    seen = []
    gap = 1.0
    for cycle in range(1, 14):
        gap *= 0.5
        if pace.begin():
            seen.append(cycle)
            pace.note(gap, 1e-4)
    assert seen == [1, 2, 4, 6, 8, 10, 11, 12, 13]
