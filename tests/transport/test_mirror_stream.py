"""Mirror descent on the transport polytope: starts, limits, streams, bad input."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
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
from tests.transport.mirror_objectives import (
    KINDS,
    make_objective,
    masses,
    program_value,
    quadratic_value,
    squared_distances,
)


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
