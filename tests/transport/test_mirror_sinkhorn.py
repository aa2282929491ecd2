"""Mirror descent on the transport polytope against programs and closed forms."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, minimize
from sklearn.exceptions import ConvergenceWarning

from skopt2.transport import (
    GroupLassoObjective,
    LinearObjective,
    MirrorSinkhorn,
    QuadraticObjective,
)
from tests.transport.mirror_objectives import (
    KINDS,
    make_objective,
    marginal_constraints,
    masses,
    program_value,
    quadratic_value,
    squared_distances,
)


@pytest.mark.parametrize(("n", "m"), [(12, 12), (9, 14)])
def test_linear_objective_equals_the_linear_program(n, m):
    cost, a, b = squared_distances(n, m), masses(n), masses(m, seed=1)
    model = MirrorSinkhorn(cost, a, b).fit()
    optimum = program_value(cost, a, b)
    assert model.converged_
    assert optimum - 1e-12 <= model.objective_ <= optimum + model.dual_gap_ + 1e-12
    independent = a @ cost @ b
    assert model.dual_gap_ <= 1e-2 * (independent - optimum) * 1.02
    # The plan that is returned has that objective.
    assert (model.plan_ * cost).sum() == pytest.approx(model.objective_, rel=1e-12)


def test_assignment_at_equal_masses():
    cost = squared_distances(60, 60)
    model = MirrorSinkhorn(cost).fit()
    optimum = cost[linear_sum_assignment(cost)].mean()
    assert optimum - 1e-12 <= model.objective_ <= optimum + model.dual_gap_
    assert model.certificate_.value <= 1e-2


@pytest.mark.parametrize("strength", [0.3, 30.0])
def test_quadratic_objective_equals_its_dual(strength):
    cost, a, b = squared_distances(15, 12), masses(15), masses(12, seed=1)
    objective = QuadraticObjective(cost, strength)
    model = MirrorSinkhorn(objective, a, b, tol=1.5e-2).fit()
    optimum = quadratic_value(cost, a, b, strength)
    assert model.converged_
    assert optimum - 1e-9 <= model.objective_ <= optimum + model.dual_gap_ + 1e-9
    assert float(objective.value(model.plan_)) == pytest.approx(model.objective_)


def test_quadratic_objective_without_cost_is_the_nearest_plan():
    # The polytope's point of smallest norm: P_ij = a_i / m + b_j / n - 1 / (n m),
    # where that is nonnegative.
    a, b = np.array([0.3, 0.4, 0.3]), np.array([0.2, 0.3, 0.25, 0.25])
    expected = a[:, None] / 4 + b[None, :] / 3 - 1 / 12
    assert expected.min() > 0
    objective = QuadraticObjective(np.zeros((3, 4)), 1.0)
    # The independent plan is almost optimal: its own loss is no scale for the gap.
    with pytest.warns(ConvergenceWarning):
        model = MirrorSinkhorn(objective, a, b, max_iter=3000).fit()
    np.testing.assert_allclose(model.plan_, expected, atol=1e-3)
    optimum = 0.5 * (expected**2).sum()
    assert model.dual_gap_ < 0.01 * optimum
    assert optimum <= model.objective_ <= optimum + model.dual_gap_


def test_group_lasso_equals_a_general_solver():
    n, m, strength = 6, 4, 0.2
    cost, a, b = squared_distances(n, m), masses(n), masses(m, seed=1)
    labels = ["u", "v", "u", "v", "w", "w"]
    objective = GroupLassoObjective(cost, labels, strength)
    constraints = marginal_constraints(n, m)
    groups = np.unique(labels, return_inverse=True)[1]
    # Norms rounded off at the origin: the optimum rises by strength * 12 * tip at most.
    tip = 1e-4

    def smoothed(z):
        P = z.reshape(n, m)
        square = np.stack([(P[groups == g] ** 2).sum(axis=0) for g in range(3)])
        norm = np.sqrt(square + tip**2)
        gradient = cost + strength * P / norm[groups]
        return (P * cost).sum() + strength * norm.sum(), gradient.ravel()

    found = minimize(
        smoothed,
        np.outer(a, b).ravel(),
        jac=True,
        bounds=[(0.0, None)] * (n * m),
        constraints={
            "type": "eq",
            "fun": lambda z: constraints[:-1] @ z - np.concatenate([a, b])[:-1],
            "jac": lambda z: constraints[:-1],
        },
        method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-13},
    )
    assert found.success
    model = MirrorSinkhorn(objective, a, b).fit()
    assert model.converged_
    rounded = 12 * strength * tip
    assert found.fun - rounded <= model.objective_ + 1e-9
    assert model.objective_ - model.dual_gap_ <= found.fun
    assert model.objective_ == pytest.approx(found.fun, abs=model.dual_gap_ + rounded)


def test_group_lasso_of_single_rows_is_linear():
    # Each norm is the entry itself: the strength times the mass comes on top.
    cost, a, b = squared_distances(8, 8), masses(8), masses(8, seed=1)
    objective = GroupLassoObjective(cost, np.arange(8), 0.5)
    model = MirrorSinkhorn(objective, a, b).fit()
    optimum = program_value(cost, a, b) + 0.5
    assert optimum - 1e-12 <= model.objective_ <= optimum + model.dual_gap_
    assert model.converged_


def test_group_lasso_of_one_group_is_the_norm_of_the_masses():
    # By the triangle inequality sum_j |P_j| >= |sum_j P_j| = |a|, attained by a b'.
    a, b = masses(8), masses(5, seed=1)
    objective = GroupLassoObjective(np.zeros((8, 5)), np.zeros(8), 2.0)
    model = MirrorSinkhorn(objective, a, b, max_iter=2000).fit()
    optimum = 2.0 * np.linalg.norm(a)
    assert optimum - 1e-12 <= model.objective_ <= optimum + model.dual_gap_
    assert model.objective_ == pytest.approx(optimum, rel=1e-9)
    assert model.dual_gap_ < 1e-6 * optimum


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_derivatives(rng, kind):
    objective = make_objective(kind, rng.random((7, 5)))
    P, direction = rng.random((7, 5)) + 0.1, rng.standard_normal((7, 5))
    h = 1e-6
    slope = (
        objective.value(P + h * direction) - objective.value(P - h * direction)
    ) / (2 * h)
    assert (objective.gradient(P) * direction).sum() == pytest.approx(slope, rel=1e-6)


def test_group_lasso_gradient_at_an_empty_group_is_the_cost(rng):
    cost = rng.random((4, 3))
    objective = GroupLassoObjective(cost, [0, 0, 1, 1], 2.0)
    P = np.zeros((4, 3))
    P[2:] = 1.0
    np.testing.assert_array_equal(objective.gradient(P)[:2], cost[:2])


def test_group_lasso_concentrates_the_sources():
    cost = squared_distances(30, 20)
    groups = np.arange(30) % 3

    def groups_used(strength):
        objective = GroupLassoObjective(cost, groups, strength)
        plan = MirrorSinkhorn(objective, tol=5e-2).fit().plan_
        share = np.stack([plan[groups == g].sum(axis=0) for g in range(3)])
        return (share > 0.05 * share.sum(axis=0)).sum(axis=0).mean()

    assert groups_used(3.0) < 0.7 * groups_used(0.0)


def test_gradient_function_is_enough():
    cost, a, b = squared_distances(15, 12), masses(15), masses(12, seed=1)
    model = MirrorSinkhorn(lambda P: cost + 5.0 * P, a, b).fit()
    optimum = quadratic_value(cost, a, b, 5.0)
    reached = (model.plan_ * cost).sum() + 2.5 * (model.plan_**2).sum()
    assert model.converged_
    assert -1e-9 <= reached - optimum <= model.dual_gap_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_gap_falls_as_the_square_root(kind):
    objective = make_objective(kind, squared_distances(30, 30))
    model = MirrorSinkhorn(objective, tol=0.0, max_iter=5000).fit()
    steps, gap = model.history_["iteration"], model.history_["certificate"]
    late = steps >= 100
    slope = np.polyfit(np.log(steps[late]), np.log(gap[late]), 1)[0]
    assert slope < -0.42
    assert np.all(np.diff(model.history_["objective"]) <= 0)
    assert np.all(np.diff(model.history_["lower_bound"]) >= 0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_constant_step_reaches_its_horizon_as_well():
    cost = squared_distances(30, 30)
    options = {"tol": 0.0, "max_iter": 1000}
    decreasing = MirrorSinkhorn(cost, **options).fit()
    constant = MirrorSinkhorn(cost, step="constant", **options).fit()
    assert constant.dual_gap_ < 2.0 * decreasing.dual_gap_


@pytest.mark.parametrize("kind", KINDS)
def test_marginals_are_exact_and_empty_rows_stay_empty(kind):
    cost, a, b = squared_distances(20, 15), masses(20), masses(15, seed=1)
    a[::5], b[3] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    model = MirrorSinkhorn(make_objective(kind, cost), a, b, tol=2e-2).fit()
    assert model.plan_.min() >= 0
    np.testing.assert_allclose(model.plan_.sum(axis=1), a, atol=1e-16, rtol=1e-14)
    np.testing.assert_allclose(model.plan_.sum(axis=0), b, atol=1e-16, rtol=1e-14)
    assert not model.plan_[::5].any()
    assert not model.plan_[:, 3].any()
    assert model.converged_


def test_rows_of_no_mass_are_absent():
    cost, a, b = squared_distances(20, 15), masses(20), masses(15, seed=1)
    a[::5] = 0.0
    a /= a.sum()
    cost[::5] = 0.3
    whole = MirrorSinkhorn(cost, a, b).fit()
    kept = a > 0
    part = MirrorSinkhorn(cost[kept], a[kept], b).fit()
    np.testing.assert_allclose(whole.plan_[kept], part.plan_, rtol=1e-6, atol=1e-15)
    assert whole.dual_gap_ == pytest.approx(part.dual_gap_, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e12])
@pytest.mark.parametrize("kind", KINDS)
def test_units_of_cost_and_mass_do_not_matter(kind, scale):
    cost, a, b = squared_distances(10, 12), masses(10), masses(12, seed=1)

    def fit(unit, mass):
        objective = {
            "linear": LinearObjective(unit * cost),
            "quadratic": QuadraticObjective(unit * cost, 5.0 * unit / mass),
            "group_lasso": GroupLassoObjective(
                unit * cost, np.arange(10) % 3, 0.1 * unit
            ),
        }[kind]
        return MirrorSinkhorn(objective, mass * a, mass * b, tol=2e-2).fit()

    one, other = fit(1.0, 1.0), fit(scale, 7.0)
    assert other.n_iter_ == one.n_iter_
    np.testing.assert_allclose(other.plan_, 7.0 * one.plan_, rtol=1e-7, atol=1e-12)
    assert other.dual_gap_ == pytest.approx(7.0 * scale * one.dual_gap_, rel=1e-6)


def test_a_constant_cost_is_solved_at_once():
    model = MirrorSinkhorn(np.full((4, 6), 3.0)).fit()
    assert model.n_iter_ <= 10
    assert model.objective_ == pytest.approx(3.0)
    assert model.dual_gap_ <= 1e-12


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_the_only_plan_is_found(shape):
    cost = squared_distances(*shape)
    model = MirrorSinkhorn(cost).fit()
    np.testing.assert_allclose(model.plan_, np.full(shape, 1.0 / math.prod(shape)))
    assert model.dual_gap_ <= 1e-14


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32(kind):
    cost, a, b = squared_distances(20, 15), masses(20), masses(15, seed=1)
    single = MirrorSinkhorn(
        make_objective(kind, cost.astype(np.float32)), a, b, tol=2e-2
    ).fit()
    double = MirrorSinkhorn(make_objective(kind, cost), a, b, tol=2e-2).fit()
    assert single.plan_.dtype == single.average_.dtype == np.float32
    assert single.converged_
    assert single.objective_ == pytest.approx(double.objective_, rel=1e-3)
    np.testing.assert_allclose(single.plan_.sum(axis=1), a, rtol=1e-5)
