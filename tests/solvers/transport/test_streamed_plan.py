"""Streamed plans under the solvers: the steps of the stored form, in few passes."""

import numpy as np
import pytest

from skopt2._core.iterate import iterate
from skopt2.solvers.transport import newton_system
from skopt2.solvers.transport.newton import SinkhornNewton
from skopt2.solvers.transport.scaling import Scaling
from skopt2.solvers.transport.state import DualState
from skopt2.solvers.transport.stored_points import StoredPointGeometry
from skopt2.solvers.transport.streamed import PointCloudGeometry
from skopt2.solvers.transport.streamed_plan import StreamedPlan

PASSES = ("sweep", "sweep_and_sums", "marginals", "sparsify")


def problem(n=150, m=120, dtype=np.float64):
    rng = np.random.default_rng(0)
    X, Y = rng.random((n, 2)), rng.random((m, 2)) + 0.1
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    a, b = a / a.sum(), b / b.sum()
    return tuple(z.astype(dtype) for z in (X, Y, a, b))


@pytest.fixture
def passes(monkeypatch):
    """Count the passes over the plan."""
    count = dict.fromkeys(PASSES, 0)

    def counted(name, method):
        def call(self, *arguments, **options):
            count[name] += 1
            return method(self, *arguments, **options)

        return call

    for name in PASSES:
        method = getattr(PointCloudGeometry, name)
        monkeypatch.setattr(PointCloudGeometry, name, counted(name, method))
    return count


def test_asking_for_the_error_changes_no_sweep_and_costs_none(passes):
    X, Y, a, b = problem()
    found = []
    for asks in (False, True):
        plan = StreamedPlan(PointCloudGeometry(X, Y), a, b)
        state = DualState(np.zeros(150), np.zeros(120), 0.01)
        plan.renew(state)
        passes.update(dict.fromkeys(PASSES, 0))
        for k, omega in enumerate((1.0, 1.0, 1.3, 1.3, 1.3, 1.0)):
            plan.sweep(state, omega)
            if asks and k in (0, 3):
                error = plan.error(state)
                plan.objective(state)
        found.append((state.f, state.g))
        assert sum(passes.values()) == 6
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])
    assert error > 0


def test_another_relaxation_or_place_takes_its_own_sweep():
    X, Y, a, b = problem()
    geometry, masses = PointCloudGeometry(X, Y), (np.log(a), np.log(b))
    plan = StreamedPlan(geometry, a, b)
    state = DualState(np.zeros(150), np.zeros(120), 0.01)
    plan.renew(state)
    plan.error(state)
    expected = geometry.sweep(state.f, state.g, *masses, 0.01, 1.5)
    plan.sweep(state, 1.5)
    assert np.array_equal(state.f, expected[0])
    plan.error(state)
    state.eps = 0.02
    plan.renew(state)
    expected = geometry.sweep(state.f, state.g, *masses, 0.02, 1.5)
    plan.sweep(state, 1.5)
    assert np.array_equal(state.g, expected[1])
    plan.error(state)
    plan.move(state, 0.1 * a, 0.1 * b)
    expected = geometry.sweep(state.f, state.g, *masses, 0.02, 1.5)
    plan.sweep(state, 1.5)
    assert np.array_equal(state.f, expected[0])


def test_error_and_objective_are_of_the_present_plan():
    X, Y, a, b = problem()
    geometry = PointCloudGeometry(X, Y)
    plan = StreamedPlan(geometry, a, b)
    state = DualState(np.zeros(150), np.zeros(120), 0.01)
    plan.renew(state)
    for _ in range(3):
        plan.sweep(state)
        P = geometry.plan(state.f, state.g, 0.01)
        error = np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum()
        assert plan.error(state) == pytest.approx(error, rel=1e-10)
        objective = a @ state.f + b @ state.g - 0.01 * P.sum()
        assert plan.objective(state) == pytest.approx(objective, rel=1e-12)
    assert not plan.far(state)


def test_entries_for_newton_steps():
    X, Y, a, b = problem()
    geometry = PointCloudGeometry(X, Y)
    plan = StreamedPlan(geometry, a, b)
    state = DualState(np.zeros(150), np.zeros(120), 1e-3)
    plan.renew(state)
    for _ in range(20):
        plan.sweep(state)
    P = geometry.plan(state.f, state.g, 1e-3)
    S = plan.large_entries(state, 0.01).toarray()
    assert 0 < (S > 0).mean() < 0.9
    lost = P - S
    assert np.all(lost >= -1e-15)
    assert np.all(lost.sum(axis=1) <= 0.01 * a * (1 + 1e-9))
    assert np.all(lost.sum(axis=0) <= 0.01 * b * (1 + 1e-9))
    np.testing.assert_allclose(state.rows, P.sum(axis=1), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", [Scaling, SinkhornNewton])
def test_solvers_end_where_the_stored_form_does(kind, dtype):
    X, Y, a, b = problem(dtype=dtype)
    plans = []
    for geometry in (PointCloudGeometry(X, Y), StoredPointGeometry(X, Y)):
        # The rounding of the largest exponent, were it one of all: those of a row have
        # errors of either sign.
        unit = np.finfo(dtype).eps * geometry.scale / 5e-3
        tol = max(1e-9, 0.08 * float(unit))
        solver = kind(geometry, a, b, 5e-3, tol=tol)
        state = solver.start()
        found = iterate(
            solver, state, tol=tol, max_iter=2000, check_every=solver.interval
        )
        assert found.certificate.holds
        solution = found.solution
        assert solution.f.dtype == dtype
        plans.append(geometry.plan(solution.f, solution.g, 5e-3))
    assert np.abs(plans[0].astype(np.float64) - plans[1]).sum() < 20 * tol


def test_measures_of_the_solver_cost_no_passes(passes):
    X, Y, a, b = problem()
    solver = Scaling(PointCloudGeometry(X, Y), a, b, 5e-3, tol=1e-9)
    found = iterate(
        solver, solver.start(), tol=1e-9, max_iter=2000, check_every=solver.interval
    )
    assert found.certificate.holds
    # A few are lost where the relaxation changes.
    assert sum(passes.values()) <= 1.05 * found.n_iter + 5


def test_large_systems_are_tried_without_a_factor(monkeypatch):
    X, Y, a, b = problem()
    geometry = PointCloudGeometry(X, Y)

    def refuse(plan, mu):
        raise AssertionError("factorised a system that needs no factor")

    monkeypatch.setattr(newton_system, "DENSE_ORDER", 10)
    monkeypatch.setattr(newton_system, "factorise", refuse)
    solver = SinkhornNewton(geometry, a, b, 5e-3, tol=1e-9)
    found = iterate(
        solver, solver.start(), tol=1e-9, max_iter=200, check_every=solver.interval
    )
    assert found.certificate.holds
    P = geometry.plan(found.solution.f, found.solution.g, 5e-3)
    assert np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum() < 2e-9


def test_coarse_levels_end_where_they_may(passes):
    X, Y, a, b = problem()
    solver = SinkhornNewton(PointCloudGeometry(X, Y), a, b, 5e-3, tol=1e-9)
    found = iterate(
        solver, solver.start(), tol=1e-9, max_iter=200, check_every=solver.interval
    )
    history = found.history.as_dict()
    coarse = history["reg"] == history["reg"][0]
    assert history["reg"][0] > 5e-3
    assert history["iteration"][coarse][-1] <= 4
    assert found.certificate.holds
