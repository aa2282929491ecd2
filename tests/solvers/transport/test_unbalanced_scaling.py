"""The solver of unbalanced transport: its steps, levels, certificate and checkpoint."""

import math

import numpy as np
import pytest

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.relaxed_marginal import RelaxedMarginal, divergence
from skopt2.solvers.transport.streamed import PointCloudGeometry
from skopt2.solvers.transport.unbalanced import UnbalancedScaling


def problem(n=25, m=20, seed=0):
    """Return masses of unequal totals, and costs up to one."""
    rng = np.random.default_rng(seed)
    return rng.random(n), 0.2 * rng.random(m), rng.random((n, m))


def dual(f, g, a, b, cost, eps, rho):
    """Return the dual objective of potentials of the geometry, written out."""
    plan = np.exp((f[:, None] + g - cost) / eps)
    value = -eps * (plan.sum() - a.sum() * b.sum())
    for z, mass, price in ((f, a, rho[0]), (g, b, rho[1])):
        relative = z - eps * np.log(mass)
        if math.isinf(price):
            value += mass @ relative
        else:
            value -= price * mass @ np.expm1(-relative / price)
    return value


def potentials(method, state):
    """Return the potentials of a state, those of the largest dual objective."""
    solution = method.finalize(state)
    return method.translated(solution.f, solution.g)


def run(method, state=None, tol=1e-9, max_iter=20_000, **options):
    """Run the loop."""
    state = method.start() if state is None else state
    return iterate(
        method,
        state,
        tol=tol,
        max_iter=max_iter,
        check_every=method.interval,
        **options,
    )


@pytest.mark.parametrize("rho", [(0.3, 0.3), (2.0, 0.1), (math.inf, 0.5)])
def test_plain_steps_never_lower_the_dual(rho):
    a, b, cost = problem()
    method = UnbalancedScaling(DenseGeometry(cost), a, b, 0.01, rho)
    state = method.start()
    values = []
    for _ in range(30):
        values.append(dual(*potentials(method, state), a, b, cost, 0.01, rho))
        state = method.step(state)
    assert np.diff(values).min() > -1e-13
    assert values[-1] > values[0]
    measured = method.certificate(state)
    expected = dual(*potentials(method, state), a, b, cost, 0.01, rho)
    assert measured.objective == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rho", [(0.3, 0.7), (math.inf, 0.5), (0.4, math.inf)])
def test_step_maximises_over_a_side_and_the_shift(rho):
    # No potentials of the rows, with any shift between both sides, have a larger dual.
    a, b, cost = problem(6, 5)
    method = UnbalancedScaling(DenseGeometry(cost), a, b, 0.1, rho)
    state = method.start()
    rows = method._rows(state)
    total = method.right.total(state.g)
    state.f = method.left.update(state.f, rows, total, 1.0)
    best = potentials(method, state)
    top = dual(*best, a, b, cost, 0.1, rho)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(10):
            f = best[0] + size * rng.standard_normal(6)
            shift = size * rng.standard_normal()
            assert dual(f + shift, best[1] - shift, a, b, cost, 0.1, rho) < top


def test_translation_makes_the_totals_equal():
    a, b, cost = problem()
    for rho in ((0.3, 5.0), (math.inf, 0.5)):
        method = UnbalancedScaling(DenseGeometry(cost), a, b, 0.02, rho)
        state = method.start()
        f, g = potentials(method, state)
        totals = [
            (mass * np.exp(-(z - 0.02 * np.log(mass)) / price)).sum()
            for z, mass, price in ((f, a, rho[0]), (g, b, rho[1]))
        ]
        assert totals[0] == pytest.approx(totals[1], rel=1e-12)
        before = method.finalize(state)
        np.testing.assert_allclose(
            f[:, None] + g, before.f[:, None] + before.g, atol=1e-12
        )


def test_sweeps_do_not_grow_with_the_price():
    a, b, cost = problem(60, 50)
    counts = []
    for rho in (1e2, 1e5, 1e8):
        method = UnbalancedScaling(DenseGeometry(cost), a, b, 0.05, (rho, rho))
        counts.append(run(method).n_iter)
    assert max(counts) - min(counts) <= 10


def test_levels_help_where_the_regularisation_is_small():
    rng = np.random.default_rng(1)
    X, Y = rng.random((80, 2)), rng.random((70, 2))
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    a, b = np.full(80, 1 / 80), np.full(70, 1 / 70)
    method = UnbalancedScaling(DenseGeometry(cost), a, b, 2e-5, (1.0, 1.0))
    assert len(method.levels) > 5
    found = run(method)
    assert found.certificate.holds
    history = found.history.as_dict()
    assert history["reg"][0] == pytest.approx(0.1 * cost.max())
    assert history["reg"][-1] == 2e-5
    method = UnbalancedScaling(DenseGeometry(cost), a, b, 2e-5, (1.0, 1.0))
    method.levels = [2e-5]
    method._enter(0)
    assert found.n_iter < run(method).n_iter
    # Nothing to gain where mass moves no further than the regularisation reaches.
    cheap = UnbalancedScaling(DenseGeometry(cost), a, b, 2e-5, (1e-4, 1e-4))
    assert cheap.levels == [2e-5]


@pytest.mark.parametrize("small", [False, True])
def test_resume_goes_on(small):
    a, b, cost = problem(40, 30)
    eps = 1e-5 if small else 0.005
    method = UnbalancedScaling(DenseGeometry(cost), a, b, eps, (1.0, 1.0))
    whole = run(method)
    part = run(method, max_iter=50)
    assert part.n_iter == 50 < whole.n_iter
    state = method.start()
    for _ in range(5):
        for _ in range(10):
            state = method.step(state)
        method.certificate(state)
    packed = method.pack(state)
    assert all(np.ndim(value) <= 1 for value in packed.values())
    resume = {"state": packed, "n_iter": 50, "history": part.history.as_dict()}
    method = UnbalancedScaling(DenseGeometry(cost), a, b, eps, (1.0, 1.0))
    rest = iterate(
        method,
        None,
        tol=1e-9,
        max_iter=20_000,
        check_every=method.interval,
        resume=resume,
    )
    assert rest.n_iter == whole.n_iter
    np.testing.assert_allclose(rest.solution.f, whole.solution.f, atol=1e-8 * eps)


def test_streamed_geometry_has_other_potentials(rng):
    # The clouds are far apart: the geometry works with costs between centred points.
    X, Y = rng.random((30, 3)), rng.random((20, 3)) + 2.0
    a, b = rng.random(30), rng.random(20)
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    dense = UnbalancedScaling(DenseGeometry(cost), a, b, 0.1, (10.0, 4.0))
    geometry = PointCloudGeometry(X, Y)
    streamed = UnbalancedScaling(geometry, a, b, 0.1, (10.0, 4.0))
    expected, found = run(dense, tol=1e-11), run(streamed, tol=1e-11)
    f, g = streamed.translated(found.solution.f, found.solution.g)
    f, g = geometry.centring.outside(f, g)
    best = dense.translated(expected.solution.f, expected.solution.g)
    np.testing.assert_allclose(f, best[0], atol=1e-9)
    np.testing.assert_allclose(g, best[1], atol=1e-9)
    assert found.objective == pytest.approx(expected.objective, rel=1e-12)
    gap = streamed.gap(found.solution.f, found.solution.g)
    assert gap <= 1e-15


def test_divergence_of_nearly_equal_vectors():
    rng = np.random.default_rng(0)
    p = rng.random(100)
    for size in (1e-1, 1e-4, 1e-7):
        change = size * rng.standard_normal(100)
        q = p * np.exp(-change)
        # The leading terms of the series; the rest is smaller by a factor size^2.
        terms = p * (change**2 / 2 - change**3 / 6 + change**4 / 24 - change**5 / 120)
        found = divergence(np.log(p), np.log(p) - change, 0.0)
        assert found == pytest.approx(terms.sum(), rel=1e-3 * size + 1e-7)
        exact = np.sum(p * np.log(p / q) - p + q)
        assert found == pytest.approx(exact, abs=1e-13)
    assert divergence(np.log(p), np.log(p), 0.0) == 0.0


def test_error_where_sums_underflow():
    side = RelaxedMarginal(np.array([1.0, 1.0]), 1e-3, 1e-3, 1e-3, np.zeros(2))
    f = np.array([0.0, 2.0])
    assert side.target(f)[1] == -2000.0
    # The second sum is below the range of the floats, as is its target.
    same = side.error(f, np.array([0.0, -3000.0]), 0.0)
    assert same == 0.0
    assert side.error(f, np.array([np.log(1.5), -3000.0]), 0.0) == pytest.approx(0.5)
    # Relative to a total that underflows as well, it counts.
    assert side.error(np.array([2.0, 2.0]), np.full(2, -3000.0), -2000.0) == 2.0


@pytest.mark.parametrize("rho", [(10.0, 4.0), (0.05, 3.0), (math.inf, 2.0)])
@pytest.mark.parametrize("omega", [1.0, 1.6])
def test_streamed_sweep_equals_two_products(rho, omega, rng):
    X, Y = rng.random((30, 3)), rng.random((20, 3)) + 0.5
    a, b = rng.random(30), rng.random(20)
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    dense = UnbalancedScaling(DenseGeometry(cost), a, b, 0.05, rho)
    streamed = UnbalancedScaling(PointCloudGeometry(X, Y), a, b, 0.05, rho)
    one, two = dense.start(), streamed.start()
    two.memory["calm"] = True
    for state in (one, two):
        state.memory["omega"] = omega
    for _ in range(5):
        one, two = dense.step(one), streamed.step(two)
        assert two.rows is None
        np.testing.assert_allclose(
            streamed.sums.rows(*streamed._lift(two.f, two.g)),
            dense.sums.rows(*dense._lift(one.f, one.g)),
            atol=1e-11,
        )


@pytest.mark.parametrize("far", [False, True])
def test_streamed_sweeps_are_as_many(far, rng):
    X, Y = rng.random((60, 2)), rng.random((50, 2))
    a, b = rng.random(60), rng.random(50)
    if far:
        X[0] += 5.0
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    for eps, rho in ((0.01, (0.05, 0.03)), (1e-3, (0.05, 0.05))):
        counts, calm = [], []
        for geometry in (DenseGeometry(cost), PointCloudGeometry(X, Y)):
            method = UnbalancedScaling(geometry, a, b, eps, rho)
            state = method.start()
            counts.append(run(method, state).n_iter)
            calm.append(state.memory["calm"])
        # The relaxation follows figures that differ by rounding.
        assert abs(counts[0] - counts[1]) <= 0.05 * counts[0]
        # The row of the point far away has a target below the range of the floats.
        assert calm == [False, not far]
