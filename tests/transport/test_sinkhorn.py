"""Balanced transport of a stored cost: certificates, extremes, and bad input."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import move, to_numpy
from skopt2.transport import sinkhorn

SOLVERS = ["auto", "sinkhorn", "newton"]


def clouds(n, d, seed=0):
    """Squared distances of uniform points, divided by the largest."""
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, d)), rng.random((n, d))
    C = ((X[:, None] - Y[None]) ** 2).sum(axis=2)
    return C / C.max()


def error_of(plan, a, b):
    return np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()


def log_domain(a, b, C, reg, sweeps):
    """Potentials by textbook sweeps in the log domain."""

    def softmin(Z):
        low = Z.min(axis=1, keepdims=True)
        return low[:, 0] - reg * np.log(np.exp((low - Z) / reg).sum(axis=1))

    g = np.zeros(len(b))
    for _ in range(sweeps):
        f = reg * np.log(a) + softmin(C - g)
        g = reg * np.log(b) + softmin((C - f[:, None]).T)
    return f, g


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_plan_as_textbook_sweeps(rng, solver):
    a, b = rng.random(30) + 0.1, rng.random(40) + 0.1
    a, b = a / a.sum(), b / b.sum()
    C = rng.random((30, 40))
    f, g = log_domain(a, b, C, 0.05, 2000)
    expected = np.exp((f[:, None] + g - C) / 0.05)
    result = sinkhorn(a, b, C, 0.05, solver=solver, tol=1e-11)
    assert result.converged
    np.testing.assert_allclose(result.plan, expected, atol=1e-11)
    F, G = result.potentials
    np.testing.assert_allclose(
        np.exp((F[:, None] + G - C) / 0.05), result.plan, rtol=1e-12
    )
    np.testing.assert_allclose(F[:, None] + G, f[:, None] + g, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n", [990, 1000, 1100])
def test_no_size_is_special(n, solver):
    C = clouds(n, 2)
    result = sinkhorn(None, None, C, 2e-3, solver=solver, tol=1e-6)
    assert result.converged
    assert error_of(result.plan, 1 / n, 1 / n) <= 1.01e-6


@pytest.mark.parametrize("d", [2, 10])
@pytest.mark.parametrize("reg", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_every_regularisation(reg, d):
    n = 300
    result = sinkhorn(None, None, clouds(n, d), reg, tol=1e-9)
    found = error_of(result.plan, 1 / n, 1 / n)
    assert result.converged
    assert result.marginal_error == pytest.approx(found, abs=1e-12)
    assert result.marginal_error <= 1e-9
    assert 0.0 <= result.dual_gap <= 1e-8


def test_few_newton_steps_for_a_random_assignment():
    C = np.random.default_rng(0).random((500, 500))
    result = sinkhorn(None, None, C, 1 / 1200, solver="newton", tol=1e-9)
    assert result.converged
    assert result.n_iter <= 60


@pytest.mark.parametrize("solver", SOLVERS)
def test_limit_is_the_linear_program(solver):
    C = clouds(40, 3)
    i, j = linear_sum_assignment(C)
    best = C[i, j].mean()
    result = sinkhorn(None, None, C, 1e-3, solver=solver, tol=1e-5)
    # The plan on the marginals costs at least as much as the best one, and at most
    # reg log(n m) more.
    assert best - 1e-12 <= result.rounded_cost <= best + 1e-3 * np.log(1600)


def test_gap_bounds_the_error_of_the_objective(rng):
    a, b = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(25))
    C = rng.random((20, 25))
    exact = sinkhorn(a, b, C, 0.05, tol=1e-12).objective
    for tol in (1e-1, 1e-2, 1e-4):
        result = sinkhorn(a, b, C, 0.05, tol=tol)
        assert 0.0 <= exact - result.objective + 1e-14 <= result.dual_gap + 1e-13


def test_unequal_masses_against_highs(rng):
    a, b = rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(6))
    C = rng.random((8, 6))
    rows = np.kron(np.eye(8), np.ones(6))
    columns = np.kron(np.ones(8), np.eye(6))
    program = linprog(C.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[a, b])
    result = sinkhorn(a, b, C, 1e-4, tol=1e-9)
    assert program.fun - 1e-9 <= result.rounded_cost <= program.fun + 1e-4 * np.log(48)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_of_the_cost_do_not_matter(scale, solver):
    C = clouds(60, 2)
    plain = sinkhorn(None, None, C, 1e-3, solver=solver, tol=1e-9)
    scaled = sinkhorn(None, None, scale * C, scale * 1e-3, solver=solver, tol=1e-9)
    np.testing.assert_allclose(scaled.plan, plain.plan, atol=1e-10)
    assert scaled.cost == pytest.approx(scale * plain.cost, rel=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_mass_and_shifts_of_the_cost(rng, solver):
    C = clouds(50, 2)
    a = rng.dirichlet(np.ones(50))
    plain = sinkhorn(a, None, C, 1e-2, solver=solver, tol=1e-10)
    double = sinkhorn(2 * a, np.full(50, 0.04), C, 1e-2, solver=solver, tol=1e-10)
    np.testing.assert_allclose(double.plan, 2 * plain.plan, atol=1e-10)
    shift = 10 * rng.random((50, 1)) + 10 * rng.random(50)
    moved = sinkhorn(a, None, C + shift, 1e-2, solver=solver, tol=1e-10)
    np.testing.assert_allclose(moved.plan, plain.plan, atol=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_points_without_mass(rng, solver):
    a, b = rng.random(100), rng.random(100)
    a[::10], b[5::10] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    C = clouds(100, 2)
    result = sinkhorn(a, b, C, 1e-3, solver=solver, tol=1e-9)
    assert result.converged
    assert not result.plan[::10].any()
    assert not result.plan[:, 5::10].any()
    assert np.isneginf(result.potentials[0][::10]).all()
    left = sinkhorn(a[a > 0], b[b > 0], C[np.ix_(a > 0, b > 0)], 1e-3, tol=1e-9)
    kept = result.plan[np.ix_(a > 0, b > 0)]
    np.testing.assert_allclose(kept, left.plan, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_masses_of_many_sizes(solver):
    a = np.logspace(-12, 0, 40)
    a /= a.sum()
    result = sinkhorn(a, a[::-1].copy(), clouds(40, 2), 1e-2, solver=solver, tol=1e-9)
    assert result.converged
    assert error_of(result.plan, a, a[::-1]) <= 1.01e-9


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_one_point(shape, solver):
    C = np.arange(float(np.prod(shape))).reshape(shape)
    result = sinkhorn(None, None, C, 0.1, solver=solver)
    np.testing.assert_allclose(result.plan, np.full(shape, 1 / np.prod(shape)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_costs_and_duplicates(solver):
    result = sinkhorn(None, None, np.full((6, 4), 3.0), 0.1, solver=solver)
    np.testing.assert_allclose(result.plan, np.full((6, 4), 1 / 24))
    C = np.repeat(clouds(20, 2), 2, axis=0)
    result = sinkhorn(None, None, C, 1e-2, solver=solver, tol=1e-9)
    assert result.converged
    np.testing.assert_allclose(result.plan[::2], result.plan[1::2], atol=1e-9)


def test_a_regularisation_above_all_costs():
    C = clouds(30, 2)
    result = sinkhorn(None, None, C, 10.0, tol=1e-12)
    np.testing.assert_allclose(result.plan, 1 / 900, rtol=0.2)
    assert result.converged


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32(solver):
    C = clouds(200, 2)
    single = sinkhorn(None, None, C.astype(np.float32), 1e-2, solver=solver, tol=1e-5)
    assert single.plan.dtype == np.float32
    assert single.converged
    double = sinkhorn(None, None, C, 1e-2, tol=1e-9)
    np.testing.assert_allclose(single.plan, double.plan, atol=1e-6)
    with pytest.warns(ConvergenceWarning, match="marginal"):
        floor = sinkhorn(None, None, C.astype(np.float32), 1e-2, tol=1e-12)
    assert floor.stop_reason == "stalled"


def test_a_warm_start_at_the_solution_is_quick():
    C = clouds(100, 2)
    first = sinkhorn(None, None, C, 1e-3, tol=1e-9)
    again = sinkhorn(None, None, C, 1e-3, tol=1e-8, start=first.potentials)
    assert again.n_iter <= 10 < first.n_iter


def test_unfinished_work_is_told():
    with pytest.warns(ConvergenceWarning, match="max_iter") as record:
        result = sinkhorn(
            None, None, clouds(80, 10), 1e-4, solver="sinkhorn", max_iter=20
        )
    assert not result.converged
    assert result.stop_reason == "max_iter"
    assert f"{result.marginal_error:.1e}" in str(record[0].message)


@pytest.mark.parametrize("solver", SOLVERS)
def test_other_namespaces(device_backend, solver):
    C = clouds(40, 2)
    plain = sinkhorn(None, None, C, 1e-2, solver=solver, tol=1e-9)
    given = move(C, device_backend.target)
    with config_context(array_api_dispatch=True):
        result = sinkhorn(None, None, given, 1e-2, solver=solver, tol=1e-9)
        plan = to_numpy(result.plan)
    assert result.converged
    np.testing.assert_allclose(plan, plain.plan, atol=1e-10)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"a": [0.5, 0.6]}, "mass"),
        ({"a": [-0.5, 1.5]}, "a must|nonnegative|negative"),
        ({"a": [np.nan, 1.0]}, "NaN|finite"),
        ({"a": [0.2, 0.3, 0.5]}, "shape"),
        ({"cost": [[0.0, np.nan], [1.0, 0.0]]}, "NaN|finite"),
        ({"cost": [0.0, 1.0]}, "2D|shape|two"),
        ({"reg": 0.0}, "reg"),
        ({"reg": -1.0}, "reg"),
        ({"tol": -1.0}, "tol"),
        ({"solver": "exact"}, "solver"),
    ],
)
def test_bad_input(changes, match):
    arguments = {
        "a": [0.5, 0.5],
        "b": [0.5, 0.5],
        "cost": [[0.0, 1.0], [1.0, 0.0]],
        "reg": 0.1,
    }
    with pytest.raises(ValueError, match=match):
        sinkhorn(**{**arguments, **changes})


@pytest.mark.parametrize("moved", [1e-6, 1e-5])
@pytest.mark.parametrize("gap", [15.0, 20.0, 25.0])
def test_two_clusters_that_hardly_exchange_mass(rng, gap, moved):
    # The error of sweeps stands just above the tolerance, follows the relaxation up
    # and down, and looks as if a few more sweeps were enough.
    X, Y = rng.random((40, 2)), rng.random((40, 2))
    side = np.arange(40) >= 20
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    cost += 0.1 * gap * (side[:, None] != side)
    a = np.full(40, 1.0 / 40.0)
    b = a + np.where(side, -moved, moved) / 20.0
    result = sinkhorn(a, b, cost, 0.1)
    assert result.converged
    assert result.n_iter < 400
    assert result.marginal_error == pytest.approx(
        abs(result.plan.sum(axis=1) - a).sum() + abs(result.plan.sum(axis=0) - b).sum(),
        abs=1e-12,
    )
