"""The choice between sweeps and Newton steps, and what it rests on."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.iterate import iterate
from skopt2.solvers.transport import streamed_plan
from skopt2.solvers.transport.choice import balanced_solver
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.laplacian import seconds_of_factor
from skopt2.solvers.transport.relaxation import Relaxation
from skopt2.solvers.transport.scaling import Scaling
from skopt2.solvers.transport.state import DualState
from skopt2.solvers.transport.stored import StoredPlan
from skopt2.solvers.transport.streamed import PointCloudGeometry
from skopt2.transport import sinkhorn


def clouds(n, d, seed=0):
    rng = np.random.default_rng(seed)
    C = cdist(rng.random((n, d)), rng.random((n, d)), "sqeuclidean")
    return C / C.max()


def levels_of(result):
    return np.unique(result.history["reg"])


def test_easy_problems_are_left_to_sweeps():
    C = clouds(300, 2)
    for reg in (1e-1, 1e-2):
        plain = sinkhorn(None, None, C, reg, tol=1e-9, solver="sinkhorn")
        found = sinkhorn(None, None, C, reg, tol=1e-9)
        assert found.solver == "sinkhorn"
        assert found.n_iter == plain.n_iter
        assert len(levels_of(found)) == 1


@pytest.mark.parametrize("d", [2, 10])
def test_steep_problems_go_down_the_levels_after_one_measure(d):
    C = clouds(300, d)
    newton = sinkhorn(None, None, C, 1e-5, tol=1e-9, solver="newton")
    found = sinkhorn(None, None, C, 1e-5, tol=1e-9)
    assert found.solver == "newton"
    assert found.history["reg"][0] == 1e-5 < found.history["reg"][1]
    assert found.n_iter <= newton.n_iter + 30


def test_a_wide_range_of_costs_alone_means_nothing():
    C = np.minimum(np.random.default_rng(0).standard_cauchy((200, 200)) ** 2, 1e6)
    reg = 1e-3 * np.quantile(C, 0.9)
    found = sinkhorn(None, None, C, reg, tol=1e-8)
    assert found.converged
    assert C.max() > 1e4 * reg
    assert found.n_iter <= 30


def test_sweeps_that_stand_still_are_ended(rng):
    """Flows to a far point are too small for sweeps to see, and not for the error."""
    X = np.vstack([rng.standard_normal((40, 2)), [[4.6, 0.0]]])
    C = cdist(X, X, "sqeuclidean")
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        sinkhorn(None, None, C, 0.35, tol=1e-11, solver="sinkhorn", max_iter=600)
    found = sinkhorn(None, None, C, 0.35, tol=1e-11)
    assert found.converged
    assert found.n_iter < 300


def test_plans_with_too_many_entries_are_left_to_sweeps(monkeypatch, rng):
    monkeypatch.setattr(streamed_plan, "PER_ROW", 1)
    X, Y = rng.random((90, 2)), rng.random((80, 2))
    a, b = np.full(90, 1 / 90), np.full(80, 1 / 80)
    geometry = PointCloudGeometry(X, Y)
    for name in ("newton", "auto"):
        solver = balanced_solver(name, geometry, a, b, 5e-3, tol=1e-9)
        found = iterate(
            solver, solver.start(), tol=1e-9, max_iter=900, check_every=solver.interval
        )
        assert found.certificate.holds
        P = geometry.plan(found.solution.f, found.solution.g, 5e-3)
        assert np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum() < 2e-9
        omega = found.history.as_dict()["omega"]
        # Sweeps at the last level are over-relaxed.
        assert omega[-1] > 1.0


def test_no_entries_that_are_held_cost_for_ever():
    assert seconds_of_factor(np.inf, 50, 60) == np.inf
    assert seconds_of_factor(50 * 60, 50, 60) == seconds_of_factor(60 * 50, 60, 50)
    times = [seconds_of_factor(k * 1000.0, 1000, 1000) for k in (2, 8, 100, 1000)]
    assert times == sorted(times)


@pytest.mark.parametrize("rough", [False, True])
def test_large_entries_are_counted_in_some_rows(rough):
    C, n = clouds(400, 2), 400
    mass = np.full(n, 1.0 / n)
    plan = StoredPlan(DenseGeometry(C), mass, mass)
    solver = Scaling(plan.geometry, mass, mass, 1e-3)
    state = solver.start()
    for _ in range(20):
        solver.step(state)
    potentials = solver.finalize(state)
    state = DualState(potentials.f, potentials.g, 1e-3, rough=rough)
    plan.renew(state)
    exact = plan.large_entries(state, 0.01).nnz
    assert plan.count_large(state, 0.01) == pytest.approx(exact, rel=0.2)
    state.eps = 0.1
    plan.renew(state)
    assert plan.count_large(state, 0.01) == n * n


@pytest.mark.parametrize("order", ["C", "F"])
def test_kernels_in_single_precision_have_exponents_in_double(order):
    C = np.asarray(clouds(130, 2) + 1e4, order=order)
    geometry = DenseGeometry(C)
    f, g = geometry.reduction()
    out = np.empty_like(C, dtype=np.float32)
    found = geometry.kernel(f, g, 1e-3, out)
    assert found.dtype == np.float32
    assert found.base is out or found is out
    expected = np.exp((f[:, None] + g - C) / 1e-3)
    large = expected > 1e-30
    assert not found[expected < 1e-37].any()
    np.testing.assert_allclose(found[large], expected[large], rtol=2e-5)
    np.testing.assert_allclose(out, found)


def test_masses_below_the_range_of_single_precision():
    n = 330
    a = np.logspace(-44, 0, n)
    a /= a.sum()
    for solver in ("sinkhorn", "newton", "auto"):
        found = sinkhorn(a, a[::-1].copy(), clouds(n, 2), 0.1, tol=1e-9, solver=solver)
        assert found.converged
        rows = found.plan.sum(axis=1)
        np.testing.assert_allclose(rows[a > 1e-9], a[a > 1e-9], rtol=1e-6)
        assert found.potentials[0].dtype == np.float64


def test_no_better_rate_is_believed_than_is_possible():
    relaxation = Relaxation(last=1e-2, rate=0.5)
    hopeful = relaxation.remaining(1e-8)
    assert relaxation.remaining(1e-8, slowest=0.99) > 5 * hopeful
    # Once over-relaxed sweeps have been seen, their rate counts.
    seen = Relaxation(omega=1.6, last=1e-2, rate=0.7, before=0.7, age=3)
    assert seen.remaining(1e-8, slowest=0.9999) == seen.remaining(1e-8)
    assert seen.remaining(1e-8) == pytest.approx(np.log(1e-6) / np.log(0.7))
