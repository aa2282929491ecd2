"""Entropic transport: symmetries of the problem are symmetries of the answer."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopt2.transport import (
    gromov_wasserstein,
    sinkhorn,
    sinkhorn_divergence,
    sliced_wasserstein,
    wasserstein_barycenter,
)
from tests.properties.strategies import permutation, scales, seeds

TOL = 1e-9
regs = st.sampled_from([0.01, 0.05, 0.3, 2.0])


@st.composite
def problems(draw, square=False, zeros=True):
    """Draw masses, some of them zero, and a cost of mean about 1."""
    rng = np.random.default_rng(draw(seeds))
    n = draw(st.integers(1, 9))
    m = n if square else draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["points", "integers", "random", "flat"]))
    if kind == "points":
        X, Y = rng.standard_normal((n, 2)), rng.standard_normal((m, 2))
        cost = ((X[:, None] - Y[None]) ** 2).sum(axis=-1)
    elif kind == "integers":
        cost = rng.integers(0, 3, (n, m)).astype(float)
    else:
        cost = rng.random((n, m)) if kind == "random" else np.ones((n, m))
    a, b = (rng.random(k) + 0.05 for k in (n, m))
    if zeros and draw(st.booleans()):
        a[rng.integers(n)] *= float(n == 1)
        b[rng.integers(m)] *= float(m == 1)
    return a / a.sum(), b / b.sum(), cost


def solve(a, b, cost, reg, **options):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        return sinkhorn(a, b, cost, reg, tol=TOL, **options)


def assert_same_objective(one, other, scale=1.0, shift=0.0):
    """Hold two results to the duality gaps that they state."""
    first, second = one.objective + shift, other.objective / scale
    gaps = abs(one.dual_gap), abs(other.dual_gap) / scale
    size = abs(first) + abs(second) + abs(shift) + one.reg * 10
    assert np.isfinite([first, second, *gaps]).all()
    assert abs(first - second) <= max(gaps) + 1e-12 * size, (first, second, gaps)


@pytest.mark.parametrize("solver", ["auto", "sinkhorn", "newton"])
@given(problem=problems(), reg=regs)
def test_the_plan_has_the_marginals(solver, problem, reg):
    a, b, cost = problem
    result = solve(a, b, cost, reg, solver=solver)
    plan = np.asarray(result.plan)
    error = np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()
    assert (plan >= 0).all()
    assert error <= 2 * result.marginal_error + 1e-13
    assert result.converged
    assert result.marginal_error <= TOL
    assert not plan[a == 0].any()
    assert not plan[:, b == 0].any()


@given(problem=problems(), reg=regs)
def test_both_sides_are_alike(problem, reg):
    a, b, cost = problem
    one, other = solve(a, b, cost, reg), solve(b, a, cost.T, reg)
    assert_same_objective(one, other)
    np.testing.assert_allclose(other.plan.T, one.plan, atol=1e-6)


@given(problem=problems(), reg=regs, seed=seeds)
def test_the_order_of_the_points(problem, reg, seed):
    a, b, cost = problem
    rows, columns = permutation(seed, len(a)), permutation(seed + 1, len(b))
    one = solve(a, b, cost, reg)
    other = solve(a[rows], b[columns], cost[rows][:, columns], reg)
    assert_same_objective(one, other)
    np.testing.assert_allclose(other.plan, one.plan[rows][:, columns], atol=1e-6)


@given(problem=problems(), reg=regs, scale=scales)
def test_the_unit_of_the_cost(problem, reg, scale):
    a, b, cost = problem
    one, other = solve(a, b, cost, reg), solve(a, b, scale * cost, scale * reg)
    assert_same_objective(one, other, scale)
    np.testing.assert_allclose(other.plan, one.plan, atol=1e-6)


@given(problem=problems(), reg=regs, seed=seeds)
def test_a_cost_of_the_ends_moves_no_mass(problem, reg, seed):
    a, b, cost = problem
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal(len(a)), rng.standard_normal(len(b))
    one = solve(a, b, cost, reg)
    other = solve(a, b, cost + u[:, None] + v, reg)
    assert_same_objective(one, other, shift=u @ a + v @ b)
    np.testing.assert_allclose(other.plan, one.plan, atol=1e-6)


@given(problem=problems(zeros=False), reg=regs)
def test_a_point_split_in_two(problem, reg):
    """Mass in two halves at one place is mass at that place."""
    a, b, cost = problem
    halves = np.concatenate([a[:1] / 2, a[:1] / 2, a[1:]])
    one = solve(a, b, cost, reg)
    other = solve(halves, b, np.concatenate([cost[:1], cost]), reg)
    whole = np.concatenate([other.plan[:1] + other.plan[1:2], other.plan[2:]], axis=0)
    np.testing.assert_allclose(whole, one.plan, atol=1e-6)


@given(problem=problems(), reg=regs, reg_marginal=st.sampled_from([0.1, 1.0, 10.0]))
def test_unbalanced_problems_are_symmetric(problem, reg, reg_marginal):
    a, b, cost = problem
    one = solve(a, 2 * b, cost, reg, reg_marginal=reg_marginal)
    other = solve(2 * b, a, cost.T, reg, reg_marginal=reg_marginal)
    assert one.converged
    assert_same_objective(one, other)


@given(seed=seeds, n=st.integers(1, 8), m=st.integers(1, 8), reg=regs)
def test_divergences(seed, n, m, reg):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 2)), rng.standard_normal((m, 2)) + 0.5
    one = sinkhorn_divergence(X, Y, reg, tol=TOL)
    other = sinkhorn_divergence(Y, X, reg, tol=TOL)
    same = sinkhorn_divergence(X, X[permutation(seed, n)], reg, tol=TOL)
    size = 1e-7 * (1 + float((X**2).sum() + (Y**2).sum()))
    assert one.value >= -size
    assert one.value == pytest.approx(other.value, abs=size)
    assert same.value == pytest.approx(0.0, abs=size)


@given(seed=seeds, n=st.integers(2, 8), m=st.integers(2, 8), scale=scales)
def test_sliced_distances(seed, n, m, scale):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
    options = {"n_projections": 20, "random_state": 0}
    one = float(sliced_wasserstein(X, Y, **options).value)
    other = float(sliced_wasserstein(Y, X, **options).value)
    scaled = float(sliced_wasserstein(scale * X, scale * Y, **options).value)
    moved = X[permutation(seed, n)]
    assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
    assert scaled / one == pytest.approx(scale, rel=1e-9) or scaled / one == (
        pytest.approx(scale**2, rel=1e-9)
    )
    assert sliced_wasserstein(X, moved, **options).value == pytest.approx(0, abs=1e-12)


@given(problem=problems(square=True, zeros=False), reg=regs, seed=seeds)
def test_barycenters_do_not_know_the_order_of_the_measures(problem, reg, seed):
    a, b, cost = problem
    cost = (cost + cost.T) / 2
    measures = np.stack([a, b, (a + b) / 2])
    order = permutation(seed, 3)
    weights = np.array([0.2, 0.3, 0.5])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        one = wasserstein_barycenter(measures, cost=cost, reg=reg, weights=weights)
        other = wasserstein_barycenter(
            measures[order], cost=cost, reg=reg, weights=weights[order]
        )
    assert np.isfinite(one.barycenter).all()
    assert one.barycenter.sum() == pytest.approx(1.0, abs=1e-5)
    if one.converged and other.converged:
        np.testing.assert_allclose(one.barycenter, other.barycenter, atol=1e-3)


@given(seed=seeds, n=st.integers(2, 6), scale=scales)
def test_gromov_distances_of_a_moved_cloud(seed, n, scale):
    """A cloud and its rotated copy in another order are at a small distance."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2)) * scale
    C = ((X[:, None] - X[None]) ** 2).sum(axis=-1)
    order = permutation(seed, n)
    size = float(C.mean()) ** 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)
        result = gromov_wasserstein(C, C[order][:, order], reg=0.5 * size)
    plan = np.asarray(result.plan)
    assert np.isfinite(plan).all()
    assert 0 <= result.cost <= 8 * float((C**2).max())
    np.testing.assert_allclose(plan.sum(axis=0), 1 / n, atol=1e-5)
