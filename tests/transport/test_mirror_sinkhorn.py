"""Mirror descent on the transport polytope against programs and closed forms."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog, minimize
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import to_numpy
from skopt2.solvers.transport.mirror import MirrorDescent
from skopt2.solvers.transport.rounding import round_to_marginals
from skopt2.transport import (
    GroupLassoObjective,
    LinearObjective,
    MirrorSinkhorn,
    QuadraticObjective,
)

KINDS = ["linear", "quadratic", "group_lasso"]


def squared_distances(n, m, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, 2)), rng.random((m, 2))
    return ((X[:, None] - Y[None, :]) ** 2).sum(axis=-1)


def masses(n, seed=0):
    share = np.random.default_rng(seed).random(n) + 0.1
    return share / share.sum()


def make_objective(kind, cost, module=np.asarray):
    cost = module(cost)
    if kind == "linear":
        return LinearObjective(cost)
    if kind == "quadratic":
        return QuadraticObjective(cost, strength=5.0)
    return GroupLassoObjective(cost, groups=np.arange(cost.shape[0]) % 3, strength=0.1)


def marginal_constraints(n, m):
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    return np.concatenate([rows, columns])


def program_value(cost, a, b):
    """Return the smallest <P, cost> by HiGHS."""
    found = linprog(
        cost.ravel(),
        A_eq=marginal_constraints(*cost.shape),
        b_eq=np.concatenate([a, b]),
        method="highs",
    )
    return found.fun


def quadratic_value(cost, a, b, strength):
    """Return the smallest <P, cost> + strength / 2 |P|^2 from its smooth dual."""
    n = a.size

    def negative_dual(z):
        excess = np.maximum(z[:n, None] + z[None, n:] - cost, 0.0) / strength
        value = a @ z[:n] + b @ z[n:] - 0.5 * strength * (excess**2).sum()
        gradient = np.concatenate([a - excess.sum(axis=1), b - excess.sum(axis=0)])
        return -value, -gradient

    options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-12}
    found = minimize(
        negative_dual,
        np.zeros(n + b.size),
        jac=True,
        method="L-BFGS-B",
        options=options,
    )
    return -found.fun


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


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("kind", KINDS)
def test_every_namespace_gives_the_same(backend, kind):
    cost, a, b = squared_distances(10, 8), masses(10), masses(8, seed=1)
    a[2] = 0.0
    a /= a.sum()
    options = {"tol": 0.05, "max_iter": 300}
    host = MirrorSinkhorn(make_objective(kind, cost), a, b, **options).fit()
    found = MirrorSinkhorn(
        make_objective(kind, cost, backend.asarray),
        backend.asarray(a),
        backend.asarray(b),
        **options,
    ).fit()
    assert type(found.plan_) is type(backend.asarray(cost))
    assert found.n_iter_ == host.n_iter_
    np.testing.assert_allclose(to_numpy(found.plan_), host.plan_, rtol=1e-9, atol=1e-15)
    assert found.dual_gap_ == pytest.approx(host.dual_gap_, rel=1e-9)


@pytest.mark.usefixtures("cuda_stand_in")
def test_device_computes_and_host_answers():
    cost = squared_distances(10, 8)
    host = MirrorSinkhorn(make_objective("group_lasso", cost), tol=0.05).fit()
    found = MirrorSinkhorn(
        make_objective("group_lasso", cost), tol=0.05, device="cuda"
    ).fit()
    assert found.device_ == "cuda:0"
    assert type(found.plan_) is np.ndarray
    np.testing.assert_allclose(found.plan_, host.plan_, rtol=1e-9, atol=1e-15)
    stream = MirrorSinkhorn(device="cuda").partial_fit(cost)
    assert type(stream.plan_) is np.ndarray
    assert stream.device_ == "cuda:0"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_goes_on_where_the_last_fit_stopped():
    cost = squared_distances(20, 15)
    whole = MirrorSinkhorn(cost, tol=0.0, max_iter=500).fit()
    parts = MirrorSinkhorn(cost, tol=0.0, max_iter=200, warm_start=True).fit()
    parts.max_iter = 300
    parts.fit()
    np.testing.assert_allclose(parts._state.P, whole._state.P, rtol=1e-12)
    # The mean without the first steps is closer to the optimum.
    assert parts.dual_gap_ <= whole.dual_gap_


def test_warm_start_saves_steps_on_a_problem_nearby(rng):
    cost = squared_distances(25, 25)
    model = MirrorSinkhorn(cost, warm_start=True).fit()
    nearby = cost * (1 + 0.01 * rng.standard_normal(cost.shape))
    cold = MirrorSinkhorn(nearby).fit()
    model.objective = nearby
    model.fit()
    assert model.converged_
    assert model.n_iter_ < 0.5 * cold.n_iter_
    optimum = nearby[linear_sum_assignment(nearby)].mean()
    assert optimum - 1e-12 <= model.objective_ <= optimum + model.dual_gap_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_limits_stop_and_warn():
    cost = squared_distances(20, 15)
    with pytest.warns(ConvergenceWarning, match="max_iter.*relative duality gap"):
        model = MirrorSinkhorn(cost, tol=1e-9, max_iter=50).fit()
    assert (model.converged_, model.stop_reason_) == (False, "max_iter")
    assert model.n_iter_ == 50
    # The bound is as honest without convergence.
    optimum = program_value(cost, np.full(20, 1 / 20), np.full(15, 1 / 15))
    assert optimum - 1e-12 <= model.objective_ <= optimum + model.dual_gap_
    timed = MirrorSinkhorn(cost, tol=0.0, max_iter=10**9, time_limit=0.05).fit()
    assert timed.stop_reason_ == "time_limit"


def test_an_objective_that_is_not_convex_is_found_out():
    cost = squared_distances(10, 10)

    class Concave(LinearObjective):
        def value(self, P):
            return super().value(P) - 50.0 * (P * P).sum()

        def gradient(self, P):
            return self.cost - 100.0 * P

    with pytest.raises(ValueError, match="objective is not convex"):
        MirrorSinkhorn(Concave(cost), tol=1e-6).fit()


def test_an_objective_that_explodes_is_reported():
    class Exploding(LinearObjective):
        calls = 0

        def value(self, P):
            self.calls += 1
            return super().value(P) if self.calls < 20 else math.nan

    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = MirrorSinkhorn(Exploding(squared_distances(8, 8)), tol=0.0).fit()
    assert model.stop_reason_ == "diverged"
    assert np.isfinite(model.plan_).all()


def test_stream_of_one_cost_is_the_linear_program():
    cost, a, b = squared_distances(20, 20), masses(20), masses(20, seed=1)
    model = MirrorSinkhorn(a=a, b=b)
    for _ in range(2000):
        model.partial_fit(cost)
    optimum = program_value(cost, a, b)
    used = (model.average_ * cost).sum()
    assert used == pytest.approx(model.objective_, rel=1e-9)
    assert optimum - 1e-12 <= used <= optimum + model.dual_gap_
    assert model.dual_gap_ < 0.1 * (a @ cost @ b - optimum)
    np.testing.assert_allclose(model.average_.sum(axis=1), a, rtol=1e-10)
    np.testing.assert_allclose(model.plan_.sum(axis=0), b, rtol=1e-12)


def test_regret_on_a_stream_of_changing_costs(rng):
    n = 12
    base = squared_distances(n, n)
    model, paid, total, gaps = MirrorSinkhorn(), 0.0, np.zeros((n, n)), []
    plan = np.full((n, n), 1.0 / n**2)
    steps = 2000
    for t in range(1, steps + 1):
        # An adversary's drift under noise of the size of the costs.
        cost = base + 0.5 * math.sin(t / 50) * base.T + rng.normal(0, 0.3, (n, n))
        paid += (plan * cost).sum()
        total += cost
        plan = model.partial_fit(cost).plan_
        gaps.append(model.dual_gap_)
    rows, columns = linear_sum_assignment(total)
    regret = (paid - total[rows, columns].sum() / n) / steps
    assert model.objective_ == pytest.approx(paid / steps, rel=1e-12)
    assert model.dual_gap_ >= regret - 1e-12
    # sqrt(delta / T) times B and a small factor: the rate of the theorem.
    spread = 0.5 * (total.max() - total.min()) / steps + 0.3 * 4
    assert model.dual_gap_ <= 2 * spread * math.sqrt(2 * math.log(n) / steps)
    late = np.arange(100, steps)
    slope = np.polyfit(np.log(late), np.log(np.array(gaps)[late]), 1)[0]
    assert slope < -0.35


def test_noisy_gradients_of_a_convex_objective(rng):
    cost, a, b = squared_distances(10, 8), masses(10), masses(8, seed=1)
    objective = QuadraticObjective(cost, 5.0)
    model = MirrorSinkhorn(a=a, b=b)
    plan = np.outer(a, b)
    for _ in range(3000):
        noise = rng.normal(0.0, 0.2, cost.shape)
        plan = model.partial_fit(objective.gradient(plan) + noise).plan_
    optimum = quadratic_value(cost, a, b, 5.0)
    start = float(objective.value(np.outer(a, b)))
    assert float(objective.value(model.average_)) - optimum < 0.1 * (start - optimum)


def test_fit_starts_a_new_stream():
    cost = squared_distances(8, 8)
    model = MirrorSinkhorn(cost).partial_fit(cost)
    assert model.n_iter_ == 1
    assert not hasattr(model.fit().partial_fit(cost), "history_")
    assert model.n_iter_ == 1


def test_rounding_is_near_and_exact(rng):
    a, b = masses(8), masses(6, seed=1)
    P = np.outer(a, b) * (1 + 0.3 * rng.standard_normal((8, 6))).clip(0)
    P[2] = 0.0
    plan = round_to_marginals(P, a, b)
    np.testing.assert_allclose(plan.sum(axis=1), a, rtol=1e-14)
    np.testing.assert_allclose(plan.sum(axis=0), b, rtol=1e-14)
    error = np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum()
    assert np.abs(plan - P).sum() <= 2 * error
    # Tiny errors leave the last figure of each sum at most.
    np.testing.assert_allclose(round_to_marginals(plan, a, b), plan, rtol=1e-13)


def test_linear_bound_is_below_and_sharp():
    cost, a, b = squared_distances(9, 7), masses(9), masses(7, seed=1)
    solver = MirrorDescent(LinearObjective(cost), a, b)
    state = solver.start()
    optimum = program_value(cost, a, b)
    for _ in range(4000):
        state = solver.step(state)
    bound = solver.linear_bound(cost, state)
    assert bound <= optimum + 1e-14
    assert bound == pytest.approx(optimum, rel=0.02)


def test_packed_state_goes_on():
    cost, a, b = squared_distances(9, 7), masses(9), masses(7, seed=1)
    solver = MirrorDescent(QuadraticObjective(cost), a, b)
    state = solver.start()
    for _ in range(20):
        state = solver.step(state)
    solver.certificate(state)
    again = solver.step(solver.unpack(solver.pack(state)))
    state = solver.step(state)
    np.testing.assert_array_equal(again.P, state.P)
    assert solver.certificate(again) == solver.certificate(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": None}, "objective=None is for partial_fit"),
        ({"objective": "cost"}, "objective must have"),
        ({"objective": np.ones(3)}, "objective must have"),
        ({"objective": np.array([[0.0, np.nan]])}, "cost must be finite"),
        ({"objective": lambda P: P[:1]}, "gradient has the shape"),
        ({"objective": lambda P: P * np.nan}, "gradient at the independent plan"),
        ({"objective": lambda P: P, "a": None}, "a and b must be given"),
        ({"a": [0.5, 0.5, -0.1]}, "a must be nonnegative"),
        ({"a": np.ones(2)}, r"a has shape \(2,\)"),
        ({"b": [0.5, np.nan]}, "b contains NaN"),
        ({"b": np.zeros(2)}, "b must not be zero"),
        ({"a": np.ones(3), "b": np.ones(2)}, "the same sum"),
        ({"step": "line"}, "step must be"),
        ({"step_size": 0.0}, "step_size must be"),
        ({"tol": -1.0}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"time_limit": 0}, "time_limit must be"),
        ({"device": "gpu"}, "device must be"),
    ],
)
def test_bad_input_names_the_argument(changes, message):
    arguments = {
        "objective": np.arange(6.0).reshape(3, 2),
        "a": np.full(3, 1 / 3),
        "b": np.full(2, 1 / 2),
        **changes,
    }
    model = MirrorSinkhorn(**arguments)
    with pytest.raises(ValueError, match=message):
        model.fit()
    assert not hasattr(model, "plan_")


def test_bad_costs_of_a_stream():
    model = MirrorSinkhorn(a=np.full(3, 1 / 3)).partial_fit(np.eye(3))
    with pytest.raises(ValueError, match="cost has the shape"):
        model.partial_fit(np.eye(4))
    with pytest.raises(ValueError, match="cost must be finite"):
        model.partial_fit(np.full((3, 3), np.inf))
    assert model.n_iter_ == 1
    with pytest.raises(ValueError, match=r"a has shape \(3,\)"):
        MirrorSinkhorn(a=np.full(3, 1 / 3)).partial_fit(np.eye(4))


@pytest.mark.parametrize("strength", [-1.0, math.inf, "much", True])
def test_bad_strength(strength):
    with pytest.raises(ValueError, match="strength must be"):
        QuadraticObjective(np.eye(3), strength)
    with pytest.raises(ValueError, match="strength must be"):
        GroupLassoObjective(np.eye(3), [0, 1, 1], strength)


def test_bad_groups():
    with pytest.raises(ValueError, match="groups has the shape"):
        GroupLassoObjective(np.eye(3), [0, 1])
