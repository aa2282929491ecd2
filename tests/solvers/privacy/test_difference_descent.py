"""Gradient differences: what is released is bounded, and their weights are the best."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from skopt2.solvers.privacy.descent import DescentPlan, PrivateDescent
from skopt2.solvers.privacy.difference_descent import (
    DifferenceDescent,
    Differences,
    least_noise_weight,
)
from tests.solvers.privacy.neighbours import (
    HEIGHT,
    Recorder,
    make_query,
    random_case,
    smoothness,
)


def shifts(queries, path, plan, differences):
    """Return the moves of the releases between neighbours, over their noise."""
    solvers = [DifferenceDescent(q, plan, Recorder(), differences) for q in queries]
    state, ratios, weights = solvers[0].init(path[0]), [], []
    for step, W in enumerate(path):
        state = replace(state, step=step)
        # All of the state was released: it is the same in both worlds.
        (a, std, weight, bound), (b, *same) = (
            solver.read(state, W) for solver in solvers
        )
        assert same == [std, weight, bound]
        ratios.append(np.linalg.norm(a - b) / std if std > 0 else 0.0)
        weights.append(weight)
        variance = bound**2 + (weight**2 * state.variance if weight > 0 else 0.0)
        state = replace(state, last=W, estimate=np.zeros_like(W), variance=variance)
    return np.array(ratios), np.array(weights)


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_release_moves_by_more_than_its_sensitivity(rng, n_classes, relation):
    """Any data, neighbours, iterates, restarts: also all together, at most mu."""
    sigma, worst, seen = 3.0, 0.0, 0
    for case in range(400):
        n_steps, every = 6, (None, None, 2, 3)[case % 4]
        norm = 2.0 * rng.uniform(0.02, 1.0)
        queries = random_case(rng, n_classes, relation, norm)
        shape = queries[0].shape
        start = 10.0 ** rng.uniform(-1, 2) * rng.standard_normal(shape)
        steps = 10.0 ** rng.uniform(-3, 1) * rng.standard_normal((n_steps, *shape))
        plan = DescentPlan(n_steps, 1.0, sigma, relation)
        # The bound of a row's part must hold where the smoothness is understated too.
        understated = 0.1 if case % 5 == 0 else 1.0
        differences = Differences(understated * smoothness(n_classes), every)
        ratios, weights = shifts(
            queries, start + np.cumsum(steps, axis=0), plan, differences
        )
        ratios *= sigma
        worst, seen = max(worst, ratios.max()), seen + np.sum(weights > 0)
        assert ratios.max() <= 1 + 1e-9
        mu = np.sqrt(np.sum((ratios / sigma) ** 2))
        assert mu <= math.sqrt(n_steps) / sigma * (1 + 1e-9)
    assert worst > 0.98
    assert seen > 400


def test_the_bound_is_attained_by_gradients_that_grow():
    """A row that no step clips and that turns wrong as fast as a row can."""
    norm, sigma, n_steps = 0.5 * HEIGHT, 2.0, 30
    X, codes = np.array([[1.0], [-0.3]]), np.array([1, 0])
    full = make_query(X, codes, norm)
    less = make_query(X, codes, norm, keep=np.array([0.0, 1.0]))
    step = np.array([-1.0, -1.0]) * 1e-3
    path = 1e-9 + step * np.arange(-n_steps + 1, 1)[:, None]
    plan, differences = DescentPlan(n_steps, 1.0, sigma), Differences(0.5)
    ratios, weights = shifts((full, less), path, plan, differences)
    mu = math.sqrt(np.sum(ratios**2))
    assert 0.98 * math.sqrt(n_steps) / sigma < mu <= math.sqrt(n_steps) / sigma
    assert weights[1:].min() > 0.3


def test_the_weight_leaves_the_least_noise():
    """Against a numerical search, and never more than a fresh gradient has."""
    for variance in (0.05, 0.3, 1.0):
        for distance in (0.0, 0.2, 0.7, 0.99):

            def after(weight, variance=variance, distance=distance):
                bound = (1 - weight) + weight * distance
                return weight**2 * variance + bound**2

            best = minimize_scalar(
                after, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}
            )
            weight = least_noise_weight(variance, 1.0, distance)
            assert after(weight) <= best.fun + 1e-9
            assert after(weight) <= 1.0
            scaled = least_noise_weight(9 * variance, 3.0, 3 * distance)
            assert scaled == pytest.approx(weight)
    assert least_noise_weight(1.0, 1.0, 1.0) == 0.0
    assert least_noise_weight(math.inf, 1.0, 0.0) == 0.0


def test_the_variance_of_the_estimate_is_the_one_that_is_kept(rng):
    """Over many fits, at one step, and below that of plain descent."""
    X, codes = rng.standard_normal((40, 2)), rng.integers(0, 2, size=40)
    query, plan = make_query(X, codes, 0.7), DescentPlan(5, 1e-3, 4.0)
    estimates = []
    for seed in range(400):
        noise = Recorder(np.random.default_rng(seed))
        solver = DifferenceDescent(query, plan, noise, Differences(0.5))
        state = solver.init(np.zeros(3))
        for _ in range(5):
            state = solver.step(state)
        estimates.append(state.estimate - query.clipped_sum(state.last))
    measured = np.mean(np.square(estimates)) / 4.0**2
    assert state.variance < 0.3 * 0.7**2
    assert measured == pytest.approx(state.variance, rel=0.12)


def test_long_steps_are_those_of_plain_descent(rng):
    """Where a difference costs as much as a gradient, gradients are taken."""
    X, codes = rng.standard_normal((15, 2)), rng.integers(0, 3, size=15)
    query = make_query(X, codes, 0.25, n_classes=3)
    plan, noises = DescentPlan(10, 30.0, 9.0), (Recorder(), Recorder())
    solvers = (
        DifferenceDescent(query, plan, noises[0], Differences(1.0)),
        PrivateDescent(query, plan, noises[1]),
    )
    found = []
    for solver in solvers:
        state = solver.init(np.zeros((3, 3)))
        for _ in range(10):
            state = solver.step(state)
        found.append(solver.finalize(state))
    np.testing.assert_array_equal(found[0], found[1])
    assert noises[0].draws == noises[1].draws
    assert len(noises[0].draws) == 10


@pytest.mark.parametrize("every", [None, 4])
def test_without_noise_it_is_gradient_descent(rng, every):
    """The differences add up to the gradient: no bias, whatever their weights."""
    X, codes = rng.standard_normal((25, 2)), rng.integers(0, 2, size=25)
    query, plan = make_query(X, codes, HEIGHT), DescentPlan(40, 0.5, 0.0, alpha=0.1)
    decayed, found = np.array([1.0, 1.0, 0.0]), []
    for solver in (
        DifferenceDescent(query, plan, Recorder(), Differences(0.5, every), decayed),
        PrivateDescent(query, plan, Recorder(), None, decayed),
    ):
        state = solver.init(np.zeros(3))
        for _ in range(40):
            state = solver.step(state)
        found.append(solver.finalize(state))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


def test_every_step_draws_noise_of_its_sensitivity(rng):
    """One draw a step; restarts are as dear as gradients, the rest as differences."""
    X, codes = rng.standard_normal((9, 2)), rng.integers(0, 2, size=9)
    query, noise = make_query(X, codes, 0.4), Recorder()
    plan = DescentPlan(7, 0.05, 1.5, "replace_one")
    solver = DifferenceDescent(query, plan, noise, Differences(0.5, 3))
    state, expected = solver.init(np.zeros(3)), []
    for step in range(7):
        bound = 0.4
        if step % 3:
            bound = min(0.8, 0.5 * np.linalg.norm(state.W - state.last))
        expected.append(((3,), pytest.approx(1.5 * 2 * bound)))
        state = solver.step(state)
    assert noise.draws == expected
    assert min(std for _, std in noise.draws) < 0.5 * noise.draws[0][1]


def test_no_differences_lower_the_noise_of_a_mean_gradient(rng):
    """The docstring's bound, for weights drawn at random and the best ones."""
    n_steps = 12
    for case in range(50):
        weights = rng.uniform(0, 1, n_steps) if case else np.full(n_steps, 0.6)
        weights[0] = 0.0
        distance = 0.0 if case % 2 else rng.uniform(0, 1)
        bounds = (1 - weights) + weights * distance
        # v = A z with A[t, s] = bound_s prod(weights[s + 1 : t + 1]), sigma = sqrt(T).
        A = np.zeros((n_steps, n_steps))
        for t in range(n_steps):
            A[t] = weights[t] * A[t - 1] if t else 0.0
            A[t, t] = bounds[t]
        mean = np.linalg.norm(A.sum(axis=0)) / n_steps * math.sqrt(n_steps)
        assert mean >= 1 - 1e-12
    plain = np.linalg.norm(np.ones(n_steps)) / n_steps * math.sqrt(n_steps)
    assert plain == pytest.approx(1.0)


def test_namespaces_agree(device_backend):
    """NumPy and devices that refuse silent copies find the same iterates."""
    rng = np.random.default_rng(7)
    X, codes = rng.standard_normal((20, 3)), rng.integers(0, 3, size=20)
    found = []
    for place in (None, device_backend.asarray):
        query = make_query(X, codes, 1.0, n_classes=3, place=place)
        noise, plan = Recorder(like=place), DescentPlan(7, 0.1, 0.5)
        solver = DifferenceDescent(query, plan, noise, Differences(1.0))
        start = np.zeros(query.shape)
        state = solver.init(start if place is None else place(start))
        for _ in range(7):
            state = solver.step(state)
        assert noise.draws[-1][1] < noise.draws[0][1]
        found.append(device_backend.to_numpy(solver.finalize(state)))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_what_cannot_be_proved_is_refused():
    """Sampled batches, automatic clipping, unbounded curvature."""
    X, codes = np.ones((4, 1)), np.array([0, 1, 0, 1])
    differences, plan = Differences(0.5), DescentPlan(3, 1.0, 1.0)
    query, sampled = make_query(X, codes, 1.0), replace(plan, sampling_rate=0.5)
    with pytest.raises(ValueError, match="batch_size=None"):
        DifferenceDescent(query, sampled, Recorder(), differences)
    query = make_query(X, codes, 1.0, clipping="automatic")
    with pytest.raises(ValueError, match="clipping='flat'"):
        DifferenceDescent(query, plan, Recorder(), differences)
    with pytest.raises(ValueError, match="smoothness=inf"):
        Differences(math.inf)
