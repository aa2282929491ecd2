"""Sinkhorn divergence against closed forms, linear programs and finite differences."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import to_numpy
from skopt2.transport import sinkhorn, sinkhorn_divergence
from tests.transport.gaussian import divergence, on_grid

METRICS = ["sqeuclidean", "euclidean", "cityblock", "cosine"]


def clouds(n=20, m=15, dim=3, seed=0):
    """Return two clouds and masses of sum one."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, dim)), rng.standard_normal((m, dim)) + 0.5
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return X, Y, a / a.sum(), b / b.sum()


def reference(a, b, cost, reg, rho=math.inf):
    """Return the optimal value with the reference a b', by the general solver."""
    options = {"solver": "newton"} if math.isinf(rho) else {"reg_marginal": rho}
    result = sinkhorn(a, b, cost, reg, tol=1e-12, **options)
    plan = result.plan
    outer = np.outer(a, b)

    def kl(p, q):
        return np.sum(p * np.log(p / q) - p + q)

    value = np.sum(plan * cost) + reg * kl(plan, outer)
    if math.isinf(rho):
        return value
    value += rho * kl(plan.sum(axis=1), a)
    return value + rho * kl(plan.sum(axis=0), b)


@pytest.mark.parametrize("reg", [0.05, 0.5, 5.0])
def test_gaussians_on_a_grid(reg):
    points = np.linspace(-9.0, 10.0, 450)
    a, b = on_grid(-0.4, 0.8, points), on_grid(0.5, 1.1, points)
    result = sinkhorn_divergence(
        points[:, None], points[:, None], reg, a=a, b=b, tol=1e-9
    )
    expected = divergence([-0.4], [[0.64]], [0.5], [[1.21]], reg)
    assert result.value == pytest.approx(expected, abs=1e-8)
    assert result.converged


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rho", [math.inf, 0.7])
def test_three_problems(metric, rho):
    X, Y, a, b = clouds()
    prices = None
    if math.isfinite(rho):
        prices, b = rho, 3.0 * b
    result = sinkhorn_divergence(
        X, Y, 0.2, a=a, b=b, metric=metric, reg_marginal=prices, tol=1e-10
    )
    costs = [_costs(x, y, metric) for x, y in ((X, Y), (X, X), (Y, Y))]
    value = reference(a, b, costs[0], 0.2, rho)
    value -= 0.5 * reference(a, a, costs[1], 0.2, rho)
    value -= 0.5 * reference(b, b, costs[2], 0.2, rho)
    value += 0.1 * (a.sum() - b.sum()) ** 2
    assert result.value == pytest.approx(value, abs=1e-9)
    assert result.dual_gap < 1e-9
    f, g, p, q = result.potentials
    plan = np.exp((f[:, None] + g - costs[0]) / 0.2)
    np.testing.assert_allclose(plan, result.transport.plan, rtol=1e-9)
    own = np.exp((p[:, None] + p - costs[1]) / 0.2).sum(axis=1)
    other = np.exp((q[:, None] + q - costs[2]) / 0.2).sum(axis=1)
    if prices is None:
        np.testing.assert_allclose(own, a, rtol=1e-8)
        np.testing.assert_allclose(other, b, rtol=1e-8)
    else:
        relative = p - 0.2 * np.log(a)
        np.testing.assert_allclose(own, a * np.exp(-relative / rho), rtol=1e-8)


def _costs(X, Y, metric):
    """Return the costs of a named metric, written out."""
    gaps = X[:, None, :] - Y[None, :, :]
    if metric == "sqeuclidean":
        return (gaps**2).sum(axis=2)
    if metric == "euclidean":
        return np.sqrt((gaps**2).sum(axis=2))
    if metric == "cityblock":
        return np.abs(gaps).sum(axis=2)
    lengths = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(Y, axis=1)
    return 1.0 - X @ Y.T / lengths


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rho", [None, 0.4])
def test_zero_for_equal_measures_only(metric, rho):
    X, _, a, _ = clouds()
    order = np.random.default_rng(1).permutation(20)
    options = {"metric": metric, "reg_marginal": rho}
    same = sinkhorn_divergence(X, X[order], 0.1, a=a, b=a[order], **options)
    assert 0.0 <= same.value < 1e-10
    np.testing.assert_allclose(same.gradient(), 0.0, atol=1e-5)
    moved = X.copy()
    moved[0] += 0.1
    assert sinkhorn_divergence(X, moved, 0.1, a=a, b=a, **options).value > 1e-6
    assert sinkhorn_divergence(X, X, 0.1, a=a, b=np.roll(a, 1), **options).value > 1e-5


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("reg", [1e-3, 1.0, 1e3])
def test_never_negative_and_symmetric(metric, reg):
    for seed in range(3):
        X, Y, a, b = clouds(12, 12, seed=seed)
        Y = X + 1e-3 * Y
        forth = sinkhorn_divergence(X, Y, reg, a=a, metric=metric, b=a, tol=1e-9)
        back = sinkhorn_divergence(Y, X, reg, a=a, metric=metric, b=a, tol=1e-9)
        assert forth.value >= 0.0
        assert forth.value == pytest.approx(back.value, abs=1e-10 * max(reg, 1.0))


def test_small_regularisation_is_the_transport_cost():
    X, Y, _, _ = clouds(30, 30)
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    exact = cost[linear_sum_assignment(cost)].mean()
    errors = []
    for reg in (0.1, 0.01, 0.001):
        value = sinkhorn_divergence(X, Y, reg, tol=1e-8).value
        errors.append(abs(value - exact))
    assert errors[2] < 1e-3 * exact
    assert errors[2] <= errors[1] <= errors[0]


def test_large_regularisation_is_a_mean_discrepancy():
    X, Y, a, b = clouds()
    means = np.sum((a @ X - b @ Y) ** 2)
    options = {"a": a, "b": b, "tol": 1e-13}
    assert sinkhorn_divergence(X, Y, 1e4, **options).value == pytest.approx(
        means, rel=1e-3
    )
    energy = a @ _costs(X, Y, "euclidean") @ b
    energy -= 0.5 * a @ _costs(X, X, "euclidean") @ a
    energy -= 0.5 * b @ _costs(Y, Y, "euclidean") @ b
    result = sinkhorn_divergence(X, Y, 1e4, metric="euclidean", **options)
    assert result.value == pytest.approx(energy, rel=1e-3)


def test_shift_of_a_cloud():
    # Squared distances: the divergence of a cloud and its shift is the squared length
    # of the shift, whatever reg is.
    X, _, a, _ = clouds()
    for shift in (1.0, 1e3, 1e5):
        result = sinkhorn_divergence(
            X, X + shift, 0.1, a=a, b=a, tol=1e-9, solver="newton"
        )
        assert result.value == pytest.approx(3.0 * shift**2, rel=1e-11)
        expected = -2.0 * shift * np.outer(a, np.ones(3))
        np.testing.assert_allclose(result.gradient(), expected, rtol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rho", [None, 0.5])
def test_gradient_by_finite_differences(metric, rho, rng):
    X, Y, a, b = clouds(8, 6, 2)
    if rho is not None:
        b = 2.0 * b
    options = {"a": a, "b": b, "metric": metric, "reg_marginal": rho, "tol": 1e-12}
    gradient = sinkhorn_divergence(X, Y, 0.3, **options).gradient()
    assert gradient.shape == X.shape
    for _ in range(4):
        step = 1e-5 * rng.standard_normal(X.shape)
        values = [
            sinkhorn_divergence(X + sign * step, Y, 0.3, **options).value
            for sign in (1, -1)
        ]
        slope = np.sum(gradient * step)
        # The larger tolerance where a difference is small by chance.
        assert (values[0] - values[1]) / 2 == pytest.approx(slope, rel=1e-5, abs=1e-11)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("rho", [None, 0.5])
def test_gradient_of_masses_by_finite_differences(rho, streamed, rng):
    X, Y, a, b = clouds(8, 6, 2)
    a, b = 2.0 * a, 2.0 * b if rho is None else 3.0 * b
    options = {"reg_marginal": rho, "tol": 1e-12, "streamed": streamed}
    result = sinkhorn_divergence(X, Y, 0.3, a=a, b=b, **options)
    gradient = result.gradient_weights()
    if rho is None:
        assert a @ gradient == pytest.approx(0.0, abs=1e-13)
    for _ in range(4):
        step = 1e-5 * a * rng.standard_normal(8)
        if rho is None:
            step -= a * step.sum() / a.sum()
        values = [
            sinkhorn_divergence(X, Y, 0.3, a=a + sign * step, b=b, **options).value
            for sign in (1, -1)
        ]
        slope = np.sum(gradient * step)
        assert (values[0] - values[1]) / 2 == pytest.approx(slope, rel=1e-5, abs=1e-11)


@pytest.mark.parametrize("rho", [None, 0.5])
def test_points_without_mass(rho):
    X, Y, a, b = clouds()
    a[[0, 5]], b[2] = 0.0, 0.0
    if rho is None:
        a, b = a / a.sum(), b / b.sum()
    options = {"reg_marginal": rho, "tol": 1e-10}
    result = sinkhorn_divergence(X, Y, 0.2, a=a, b=b, **options)
    rows, cols = np.flatnonzero(a), np.flatnonzero(b)
    part = sinkhorn_divergence(X[rows], Y[cols], 0.2, a=a[rows], b=b[cols], **options)
    assert result.value == part.value
    assert not result.gradient()[[0, 5]].any()
    np.testing.assert_array_equal(result.gradient()[rows], part.gradient())
    slopes = result.gradient_weights()
    np.testing.assert_allclose(slopes[rows], part.gradient_weights(), atol=1e-9)
    # A little mass at such a point changes the value as its gradient says.
    step = np.zeros(20)
    step[0] = 1e-6
    if rho is None:
        step -= a * 1e-6
    more = sinkhorn_divergence(X, Y, 0.2, a=a + step, b=b, **options)
    assert more.value - result.value == pytest.approx(slopes @ step, rel=1e-3)


def test_masses_scale_the_balanced_value():
    X, Y, a, b = clouds()
    plain = sinkhorn_divergence(X, Y, 0.2, a=a, b=b, tol=1e-10)
    scaled = sinkhorn_divergence(X, Y, 0.2, a=7.0 * a, b=7.0 * b, tol=1e-10)
    assert scaled.value == pytest.approx(7.0 * plain.value, rel=1e-9)
    np.testing.assert_allclose(scaled.gradient(), 7.0 * plain.gradient(), rtol=1e-7)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_of_the_points_do_not_matter(scale):
    X, Y, a, b = clouds()
    plain = sinkhorn_divergence(X, Y, 0.2, a=a, b=b, tol=1e-10)
    scaled = sinkhorn_divergence(
        scale * X, scale * Y, scale**2 * 0.2, a=a, b=b, tol=1e-10
    )
    assert scaled.value == pytest.approx(scale**2 * plain.value, rel=1e-8)
    assert scaled.n_iter == plain.n_iter


@pytest.mark.parametrize("rho", [None, 2.0])
def test_streamed_equals_stored(rho):
    X, Y, a, b = clouds(60, 50)
    options = {"a": a, "b": b, "reg_marginal": rho, "tol": 1e-10}
    stored = sinkhorn_divergence(X, Y, 0.1, streamed=False, **options)
    lazy = sinkhorn_divergence(X, Y, 0.1, streamed=True, **options)
    assert lazy.value == pytest.approx(stored.value, rel=1e-9)
    np.testing.assert_allclose(lazy.gradient(), stored.gradient(), atol=1e-9)


def test_self_terms_take_few_sweeps():
    X, Y, a, b = clouds(100, 80)
    for reg in (1e-4, 1e-2, 1.0, 100.0):
        for rho in (None, 1.0):
            result = sinkhorn_divergence(
                X, Y, reg, a=a, b=b, reg_marginal=rho, tol=1e-10
            )
            own = result.n_iter - result.transport.n_iter
            assert own <= 2 * 30


def test_gap_bounds_the_error():
    X, Y, a, b = clouds(30, 30)
    exact = sinkhorn_divergence(X, Y, 0.05, a=a, b=b, tol=1e-12).value
    for max_iter in (1, 3, 10):
        with pytest.warns(ConvergenceWarning, match="max_iter"):
            rough = sinkhorn_divergence(
                X, Y, 0.05, a=a, b=b, tol=1e-12, max_iter=max_iter
            )
        assert abs(rough.value - exact) <= rough.dual_gap
        assert not rough.converged
        assert rough.stop_reason == "max_iter"
    assert rough.dual_gap < exact


def test_start_at_the_solution():
    X, Y, a, b = clouds(40, 30)
    for rho in (None, 1.0):
        options = {"a": 3.0 * a, "b": 3.0 * b, "reg_marginal": rho, "tol": 1e-9}
        cold = sinkhorn_divergence(X, Y, 0.02, **options)
        warm = sinkhorn_divergence(X, Y, 0.02, start=cold.potentials, **options)
        assert warm.n_iter <= 10 + 5 + 5
        assert warm.n_iter < cold.n_iter
        assert warm.value == pytest.approx(cold.value, rel=1e-9)


@pytest.mark.parametrize("solver", ["sinkhorn", "newton"])
def test_solvers_agree(solver):
    X, Y, a, b = clouds(40, 30)
    auto = sinkhorn_divergence(X, Y, 0.01, a=a, b=b, tol=1e-9)
    result = sinkhorn_divergence(X, Y, 0.01, a=a, b=b, tol=1e-9, solver=solver)
    assert result.transport.solver == solver
    assert result.value == pytest.approx(auto.value, rel=1e-10)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
def test_namespaces_agree(metric, device_backend, dispatch):
    X, Y, a, b = clouds(12, 10)
    a[3] = 0.0
    a /= a.sum()
    expected = sinkhorn_divergence(X, Y, 0.2, a=a, b=b, metric=metric, tol=1e-9)
    parts = [device_backend.asarray(z) for z in (X, Y)]
    result = sinkhorn_divergence(*parts, 0.2, a=a, b=b, metric=metric, tol=1e-9)
    assert result.value == pytest.approx(expected.value, rel=1e-9)
    for found, other in (
        (result.gradient(), expected.gradient()),
        (result.gradient_weights(), expected.gradient_weights()),
        (result.potentials[2], expected.potentials[2]),
    ):
        assert type(found) is type(parts[0])
        np.testing.assert_allclose(to_numpy(found), other, atol=1e-8)


def test_single_precision():
    X, Y, a, b = clouds(40, 30)
    exact = sinkhorn_divergence(X, Y, 0.2, a=a, b=b, tol=1e-9)
    X, Y = X.astype(np.float32), Y.astype(np.float32)
    result = sinkhorn_divergence(X, Y, 0.2, a=a, b=b, tol=1e-5)
    assert result.converged
    assert result.gradient().dtype == result.potentials[2].dtype == np.float32
    assert result.value == pytest.approx(exact.value, abs=1e-5)
    np.testing.assert_allclose(result.gradient(), exact.gradient(), atol=1e-5)


def test_callable_metrics():
    X, Y, a, b = clouds()

    def distances(x, y):
        return np.sqrt(((x[:, None] - y) ** 2).sum(axis=2))

    named = sinkhorn_divergence(X, Y, 0.1, a=a, b=b, metric="euclidean", tol=1e-9)
    result = sinkhorn_divergence(X, Y, 0.1, a=a, b=b, metric=distances, tol=1e-9)
    assert result.value == pytest.approx(named.value, rel=1e-9)
    with pytest.raises(ValueError, match="needs a metric with a known gradient"):
        result.gradient()
    np.testing.assert_allclose(
        result.gradient_weights(), named.gradient_weights(), atol=1e-9
    )
    with pytest.raises(ValueError, match="must be symmetric"):
        sinkhorn_divergence(
            X, Y, 0.1, metric=lambda x, y: distances(x, y) + x[:, :1] ** 2
        )


def test_bad_parameters():
    X, Y, a, b = clouds()
    with pytest.raises(ValueError, match="one number for both sides"):
        sinkhorn_divergence(X, Y, 0.1, reg_marginal=(1.0, 2.0))
    with pytest.raises(ValueError, match="four potentials"):
        sinkhorn_divergence(X, Y, 0.1, start=(a, b))
    with pytest.raises(ValueError, match="set reg_marginal"):
        sinkhorn_divergence(X, Y, 0.1, a=2.0 * a, b=b)
    with pytest.raises(ValueError, match="reg must be a positive number"):
        sinkhorn_divergence(X, Y, 0.0)
    with pytest.raises(ValueError, match="metric must be one of"):
        sinkhorn_divergence(X, Y, 0.1, metric="hamming")


def test_time_limit_ends_all_three():
    X, Y, a, b = clouds(100, 100)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        result = sinkhorn_divergence(X, Y, 1e-4, tol=0.0, time_limit=1e-9)
    assert result.stop_reason == "time_limit"
    assert math.isfinite(result.value)
