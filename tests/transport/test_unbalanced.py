"""Unbalanced transport against closed forms and direct minimisation of the primal."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize, root
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import to_numpy
from skopt2.transport import PointCloud, UnbalancedResult, sinkhorn


def problem(n, m, dim=2, seed=0):
    """Return masses of unequal totals, and squared distances of uniform points."""
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, dim)), rng.random((m, dim))
    cost = ((X[:, None, :] - Y[None, :, :]) ** 2).sum(axis=2)
    return rng.random(n) / n, 2.0 * rng.random(m) / m, cost / cost.max()


def divergence(p, q):
    """Return KL(p | q) = sum p log(p / q) - p + q."""
    safe = np.where(p > 0, p, 1.0)
    return float((p * np.log(safe / q) - p + q).sum())


def primal(plan, a, b, cost, reg, rho):
    """Return the objective that a plan has; fixed marginals count nothing."""
    value = (plan * cost).sum() + reg * divergence(plan, np.outer(a, b))
    if math.isfinite(rho[0]):
        value += rho[0] * divergence(plan.sum(axis=1), a)
    if math.isfinite(rho[1]):
        value += rho[1] * divergence(plan.sum(axis=0), b)
    return value


def stationary(a, b, cost, reg, rho, start):
    """Return the plan where the gradient of the primal objective vanishes."""
    n, m = cost.shape
    reference = np.log(np.outer(a, b))

    def gradient(log_plan):
        log_plan = log_plan.reshape(n, m)
        rows = np.logaddexp.reduce(log_plan, axis=1) - np.log(a)
        cols = np.logaddexp.reduce(log_plan, axis=0) - np.log(b)
        entropy = reg * (log_plan - reference)
        return (cost + entropy + rho[0] * rows[:, None] + rho[1] * cols).ravel()

    found = root(gradient, start.ravel(), method="hybr", tol=1e-14)
    assert np.abs(gradient(found.x)).max() < 1e-10
    return np.exp(found.x).reshape(n, m)


def residual(result, a, b, reg, rho):
    """Return the marginal error of the potentials that were returned."""
    plan = result.plan
    f, g = (
        z - reg * np.log(mass)
        for z, mass in zip(result.potentials, (a, b), strict=True)
    )
    rows = plan.sum(axis=1) - a * np.exp(-f / rho[0])
    cols = plan.sum(axis=0) - b * np.exp(-g / rho[1])
    return (np.abs(rows).sum() + np.abs(cols).sum()) / plan.sum()


def test_two_points_at_a_high_price():
    # A case whose potentials leave the range of unstabilised scaling.
    a, b = np.array([0.3, 0.7]), np.array([0.7, 0.3])
    cost, rho = 1.0 - np.eye(2), (100.0, 100.0)
    result = sinkhorn(a, b, cost, 0.01, reg_marginal=100.0, tol=1e-12)
    start = np.log(np.array([[0.3, 1e-88], [0.4, 0.3]]))
    expected = stationary(a, b, cost, 0.01, rho, start)
    np.testing.assert_allclose(result.plan, expected, rtol=1e-8)
    for streamed in (False, True):
        # The same costs, as points.
        points = np.array([[0.0], [1.0]])
        cloud = PointCloud(points, points, streamed=streamed)
        other = sinkhorn(a, b, cloud, 0.01, reg_marginal=rho, tol=1e-12)
        np.testing.assert_allclose(other.plan, expected, rtol=1e-8)


@pytest.mark.parametrize("rho", [(0.1, 0.1), (1.0, 0.02), (0.05, 20.0), (5.0, 5.0)])
def test_gradient_of_the_primal_vanishes(rho):
    a, b, cost = problem(4, 5)
    result = sinkhorn(a, b, cost, 0.1, reg_marginal=rho, tol=1e-12)
    start = np.log(np.outer(a, b)) - cost / 0.1
    expected = stationary(a, b, cost, 0.1, rho, start)
    np.testing.assert_allclose(result.plan, expected, rtol=1e-8)
    value = primal(expected, a, b, cost, 0.1, rho)
    assert result.objective == pytest.approx(value, rel=1e-10)
    assert result.cost == pytest.approx((expected * cost).sum(), rel=1e-8)


@pytest.mark.parametrize("rho", [(0.3, 0.3), (math.inf, 0.2), (0.7, math.inf)])
def test_no_plan_is_better(rho):
    a, b, cost = problem(4, 3, seed=1)
    result = sinkhorn(a, b, cost, 0.05, reg_marginal=rho, tol=1e-10)
    limits = []
    if math.isinf(rho[0]):
        limits = [{"type": "eq", "fun": lambda p: p.reshape(4, 3).sum(axis=1) - a}]
    if math.isinf(rho[1]):
        limits = [{"type": "eq", "fun": lambda p: p.reshape(4, 3).sum(axis=0) - b}]
    best = minimize(
        lambda p: primal(p.reshape(4, 3), a, b, cost, 0.05, rho),
        np.outer(a, b).ravel() + 0.05,
        method="SLSQP",
        bounds=[(0.0, None)] * 12,
        constraints=limits,
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert result.objective == pytest.approx(best.fun, abs=1e-7)
    assert np.abs(result.plan.ravel() - best.x).max() < 1e-4
    own = primal(result.plan, a, b, cost, 0.05, rho)
    assert own == pytest.approx(result.objective, rel=1e-9)


def test_one_point_on_each_side():
    rho, reg, price = (0.7, 3.0), 0.2, 0.4
    result = sinkhorn([2.0], [5.0], [[price]], reg, reg_marginal=rho, tol=1e-13)
    gain = reg * math.log(10.0) + rho[0] * math.log(2.0) + rho[1] * math.log(5.0)
    expected = math.exp((gain - price) / (reg + sum(rho)))
    assert result.plan[0, 0] == pytest.approx(expected, rel=1e-12)


def test_high_price_is_balanced_transport():
    a, b, cost = problem(30, 25)
    b *= a.sum() / b.sum()
    balanced = sinkhorn(a, b, cost, 0.02, tol=1e-12).plan
    for rho, bound in ((1e2, 1e-2), (1e4, 1e-4), (1e6, 1e-6)):
        result = sinkhorn(a, b, cost, 0.02, reg_marginal=rho, tol=1e-11)
        assert np.abs(result.plan - balanced).sum() < bound * a.sum()
    both = sinkhorn(a, b, cost, 0.02, reg_marginal=math.inf, tol=1e-12)
    np.testing.assert_array_equal(both.plan, balanced)
    assert not isinstance(both, UnbalancedResult)


def test_low_price_is_the_reference():
    a, b, cost = problem(20, 15)
    free = np.outer(a, b) * np.exp(-cost / 0.1)
    result = sinkhorn(a, b, cost, 0.1, reg_marginal=1e-10, tol=1e-9)
    np.testing.assert_allclose(result.plan, free, rtol=1e-7)
    # With fixed row sums only, each row is divided by what it lacks.
    fixed = free * (a / free.sum(axis=1))[:, None]
    result = sinkhorn(a, b, cost, 0.1, reg_marginal=(math.inf, 1e-10), tol=1e-9)
    np.testing.assert_allclose(result.plan, fixed, rtol=1e-7)


@pytest.mark.parametrize("fixed", [0, 1])
def test_semi_relaxed_keeps_the_fixed_side(fixed):
    a, b, cost = problem(40, 30)
    rho = (math.inf, 0.5) if fixed == 0 else (0.5, math.inf)
    result = sinkhorn(a, b, cost, 0.01, reg_marginal=rho, tol=1e-11)
    assert result.reg_marginal == rho
    sums, masses = result.plan.sum(axis=1 - fixed), (a, b)
    np.testing.assert_allclose(sums, masses[fixed], rtol=1e-9)
    other = result.plan.sum(axis=fixed)
    assert np.abs(other - masses[1 - fixed]).sum() > 1e-2
    assert result.dual_gap < 1e-12
    assert residual(result, a, b, 0.01, rho) < 2e-11


@pytest.mark.parametrize("dim", [2, 10])
@pytest.mark.parametrize("reg", [1e-1, 1e-3])
@pytest.mark.parametrize("ratio", [1e-3, 1.0, 1e2, 1e5])
def test_every_ratio_converges(dim, reg, ratio):
    a, b, cost = problem(100, 80, dim=dim)
    rho = ratio * reg
    result = sinkhorn(a, b, cost, reg, reg_marginal=rho, tol=1e-8)
    assert result.converged
    assert result.marginal_error <= 1e-8
    assert residual(result, a, b, reg, (rho, rho)) == pytest.approx(
        result.marginal_error, abs=1e-11
    )
    # Plain scaling needs about ratio * log(1 / tol) / 2 sweeps.
    assert result.n_iter <= 1500
    own = primal(result.plan, a, b, cost, reg, (rho, rho))
    assert own == pytest.approx(result.objective, rel=1e-9, abs=1e-12 * rho)


@pytest.mark.parametrize("rho", [0.05, (0.05, 5.0), (math.inf, 1.0)])
def test_gap_bounds_the_error(rho):
    a, b, cost = problem(30, 40)
    best = sinkhorn(a, b, cost, 0.001, reg_marginal=rho, tol=1e-12).objective
    for max_iter in (1, 5, 20):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            result = sinkhorn(
                a, b, cost, 0.001, reg_marginal=rho, tol=1e-12, max_iter=max_iter
            )
        assert 0.0 <= best - result.objective <= result.dual_gap + 1e-14
        assert result.dual_gap <= result.history["gap"][-1] * (1.0 + 1e-12)
        assert result.dual_gap < best


def test_dual_gap_is_that_of_the_primal():
    a, b, cost = problem(12, 9)
    with pytest.warns(ConvergenceWarning):
        result = sinkhorn(a, b, cost, 1e-3, reg_marginal=0.1, tol=0.0, max_iter=2)
    own = primal(result.plan, a, b, cost, 1e-3, (0.1, 0.1)) - result.objective
    assert result.history["gap"][-1] == pytest.approx(own, rel=1e-8)


@pytest.mark.parametrize("share", [1e-6, 1e6])
def test_totals_far_apart(share):
    a, b, cost = problem(30, 20)
    b = share * b
    result = sinkhorn(a, b, cost, 0.05, reg_marginal=1.0, tol=1e-11)
    assert result.converged
    plan = result.plan
    # The gradient of the primal objective, where P is not zero.
    rows, cols = np.log(plan.sum(axis=1) / a), np.log(plan.sum(axis=0) / b)
    gradient = cost + rows[:, None] + cols
    gradient += 0.05 * np.log(plan / np.outer(a, b))
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_of_the_cost_do_not_matter(scale):
    a, b, cost = problem(30, 20)
    plain = sinkhorn(a, b, cost, 0.02, reg_marginal=(0.5, 2.0), tol=1e-11)
    scaled = sinkhorn(
        a,
        b,
        scale * cost,
        scale * 0.02,
        reg_marginal=(scale * 0.5, scale * 2.0),
        tol=1e-11,
    )
    np.testing.assert_allclose(scaled.plan, plain.plan, rtol=1e-8)
    assert scaled.objective == pytest.approx(scale * plain.objective, rel=1e-12)
    np.testing.assert_allclose(
        scaled.potentials[0], scale * plain.potentials[0], rtol=1e-8, atol=1e-9 * scale
    )
    assert scaled.n_iter == plain.n_iter


def test_repeated_point_shares_its_mass():
    a, b, cost = problem(12, 10)
    whole = sinkhorn(a, b, cost, 0.02, reg_marginal=0.3, tol=1e-12)
    twice = np.concatenate([a, a[:1]])
    twice[0], twice[-1] = 0.25 * a[0], 0.75 * a[0]
    parts = sinkhorn(
        twice, b, np.concatenate([cost, cost[:1]]), 0.02, reg_marginal=0.3, tol=1e-12
    )
    np.testing.assert_allclose(parts.plan[0], 0.25 * whole.plan[0], rtol=1e-9)
    np.testing.assert_allclose(parts.plan[-1], 0.75 * whole.plan[0], rtol=1e-9)
    assert parts.objective == pytest.approx(whole.objective, rel=1e-11)


@pytest.mark.parametrize("rho", [0.5, (math.inf, 0.5)])
def test_no_mass_no_plan(rho):
    a, b, cost = problem(30, 25)
    a[[0, 7]], b[[3]] = 0.0, 0.0
    result = sinkhorn(a, b, cost, 0.02, reg_marginal=rho, tol=1e-11)
    rows, cols = np.flatnonzero(a), np.flatnonzero(b)
    part = sinkhorn(
        a[rows], b[cols], cost[np.ix_(rows, cols)], 0.02, reg_marginal=rho, tol=1e-11
    )
    np.testing.assert_array_equal(result.plan[np.ix_(rows, cols)], part.plan)
    assert not result.plan[[0, 7]].any()
    assert not result.plan[:, 3].any()
    assert np.isneginf(result.potentials[0][[0, 7]]).all()
    assert result.objective == part.objective
    assert result.dual_gap == part.dual_gap


def test_plan_below_the_range_of_floats():
    # Mass is destroyed rather than moved: exp(-2000) of it at the first point.
    a, b = np.array([1.0, 1.0]), np.array([1.0, 1.0])
    cost = np.array([[40.0, 40.0], [40.0, 0.0]])
    result = sinkhorn(a, b, cost, 0.005, reg_marginal=0.01, tol=1e-10)
    assert result.converged
    assert np.isfinite(result.potentials[0]).all()
    # Each of the points far away is alone with the other side's near one.
    assert result.plan[0, 0] == 0.0
    assert result.plan[1, 1] == pytest.approx(1.0, rel=1e-10)
    # Entries of the plan are functions of the potentials even where they underflow.
    f, g = result.potentials
    gradient = cost + 0.01 * (-(f / 0.01))[:, None] + 0.01 * (-(g / 0.01))[None, :]
    gradient += f[:, None] + g[None, :] - cost
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def test_negative_costs_create_mass():
    a, b, cost = problem(10, 8)
    result = sinkhorn(a, b, cost - 5.0, 0.1, reg_marginal=0.5, tol=1e-11)
    assert result.plan.sum() > 10.0 * max(a.sum(), b.sum())
    rows, cols = np.log(result.plan.sum(axis=1) / a), result.plan.sum(axis=0) / b
    gradient = cost - 5.0 + 0.5 * rows[:, None] + 0.5 * np.log(cols)
    gradient += 0.1 * np.log(result.plan / np.outer(a, b))
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cityblock"])
@pytest.mark.parametrize("streamed", [False, True])
def test_points_equal_their_costs(metric, streamed, rng):
    X, Y = rng.standard_normal((40, 3)), rng.standard_normal((30, 3)) + 4.0
    a, b = rng.random(40), rng.random(30)
    points = PointCloud(X, Y, metric=metric, streamed=streamed)
    cost = np.abs(X[:, None] - Y[None])
    cost = (cost**2 if metric == "sqeuclidean" else cost).sum(axis=2)
    for rho in ((20.0, 5.0), (math.inf, 3.0)):
        dense = sinkhorn(a, b, cost, 0.5, reg_marginal=rho, tol=1e-11)
        result = sinkhorn(a, b, points, 0.5, reg_marginal=rho, tol=1e-11)
        np.testing.assert_allclose(result.plan, dense.plan, rtol=1e-8, atol=1e-14)
        assert result.objective == pytest.approx(dense.objective, rel=1e-11)
        assert result.cost == pytest.approx(dense.cost, rel=1e-10)
        for found, expected in zip(result.potentials, dense.potentials, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_namespaces_agree(device_backend, dispatch):
    a, b, cost = problem(30, 25)
    expected = sinkhorn(a, b, cost, 0.01, reg_marginal=(1.0, 0.3), tol=1e-10)
    parts = [device_backend.asarray(z) for z in (a, b, cost)]
    result = sinkhorn(*parts, 0.01, reg_marginal=(1.0, 0.3), tol=1e-10)
    assert type(result.plan) is type(parts[2])
    np.testing.assert_allclose(to_numpy(result.plan), expected.plan, rtol=1e-9)
    for found, other in zip(result.potentials, expected.potentials, strict=True):
        np.testing.assert_allclose(device_backend.to_numpy(found), other, rtol=1e-9)
    assert result.objective == pytest.approx(expected.objective, rel=1e-12)
    assert result.dual_gap == pytest.approx(expected.dual_gap, abs=1e-15)


@pytest.mark.parametrize("rho", [0.05, 5.0, (math.inf, 1.0)])
def test_single_precision(rho):
    a, b, cost = problem(60, 50)
    exact = sinkhorn(a, b, cost, 0.05, reg_marginal=rho, tol=1e-10)
    single = cost.astype(np.float32)
    result = sinkhorn(a, b, single, 0.05, reg_marginal=rho, tol=2e-6)
    assert result.converged
    assert result.plan.dtype == result.potentials[0].dtype == np.float32
    # The masses of the plan stand in for those of the potentials in single precision.
    assert np.abs(result.plan - exact.plan).sum() < 1e-5 * exact.plan.sum()
    assert result.objective == pytest.approx(exact.objective, rel=1e-5)


def test_start_at_the_solution():
    a, b, cost = problem(40, 30)
    options = {"reg_marginal": 1.0, "tol": 1e-9}
    cold = sinkhorn(a, b, cost, 0.002, **options)
    warm = sinkhorn(a, b, cost, 0.002, start=cold.potentials, **options)
    assert warm.n_iter == 10
    assert warm.n_iter < cold.n_iter
    np.testing.assert_allclose(warm.plan, cold.plan, rtol=1e-6, atol=1e-14)
    # Potentials of another regularisation, and of balanced transport, serve as well.
    near = sinkhorn(a, b, cost, 0.0021, **options)
    other = sinkhorn(a, b, cost, 0.002, start=near.potentials, **options)
    first = [result.history["certificate"][0] for result in (other, cold)]
    assert first[0] < 0.1 * first[1]
    np.testing.assert_allclose(other.plan, cold.plan, rtol=1e-6, atol=1e-14)


def test_products_of_the_plan(rng):
    a, b, cost = problem(12, 9)
    a[2] = 0.0
    result = sinkhorn(a, b, cost, 0.02, reg_marginal=0.3)
    V, U = rng.standard_normal((9, 2)), rng.standard_normal(12)
    np.testing.assert_allclose(result.apply(V), result.plan @ V, rtol=1e-12)
    np.testing.assert_allclose(result.apply_t(U), result.plan.T @ U, rtol=1e-12)
    with pytest.raises(AttributeError, match="given marginals"):
        result.rounded_cost  # noqa: B018


def test_history_has_the_gap():
    a, b, cost = problem(30, 20)
    result = sinkhorn(a, b, cost, 1e-3, reg_marginal=1.0, tol=1e-9)
    history = result.history
    assert {"iteration", "time", "objective", "certificate", "gap", "omega"} <= set(
        history
    )
    assert history["certificate"][-1] == result.marginal_error
    assert history["gap"][-1] < 1e-6 * history["gap"][0]
    assert history["omega"][-1] > 1.3


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, "high", (1.0,), True, (1, 0)])
def test_bad_prices(value):
    a, b, cost = problem(3, 3)
    with pytest.raises(ValueError, match="reg_marginal must be"):
        sinkhorn(a, b, cost, 0.1, reg_marginal=value)


def test_unbalanced_has_no_newton():
    a, b, cost = problem(3, 3)
    with pytest.raises(ValueError, match="solver='newton' solves balanced"):
        sinkhorn(a, b, cost, 0.1, reg_marginal=1.0, solver="newton")
    with pytest.raises(ValueError, match="set reg_marginal"):
        sinkhorn(a, b, cost, 0.1)
