"""Momentum of private descent, and the schedule that uses it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from skopt2.solvers.privacy.descent import DescentPlan, PrivateDescent
from skopt2.solvers.privacy.dice_descent import DiceDescent, Feedback
from skopt2.solvers.privacy.difference_descent import DifferenceDescent, Differences
from skopt2.solvers.privacy.schedule import default_schedule
from tests.solvers.privacy.neighbours import HEIGHT, Recorder, make_query


def run(solver, start, n_steps):
    """Return the solution after some steps."""
    state = solver.init(start)
    for _ in range(n_steps):
        state = solver.step(state)
    return solver.finalize(state)


def problem(rng, n=40):
    """Return rows and codes of two classes, badly scaled."""
    X = rng.standard_normal((n, 2)) * np.array([1.0, 0.05])
    X /= np.linalg.norm(X, axis=1).max()
    codes = (X @ np.array([2.0, 60.0]) + 0.5 * rng.standard_normal(n) > 0).astype(int)
    return X, codes


def test_steps_are_those_of_nesterov(rng):
    """Against the formula, noise and penalty included."""
    X, codes = problem(rng)
    query, decayed = make_query(X, codes, 0.4), np.array([1.0, 1.0, 0.0])
    plan = DescentPlan(9, 3.0, 2.0, alpha=0.1, tail=0.0, momentum=0.8)
    found = run(PrivateDescent(query, plan, Recorder(), None, decayed), np.zeros(3), 9)
    W, V, noise = np.zeros(3), np.zeros(3), Recorder()
    A, sign = np.c_[X, np.ones(len(X))], 2.0 * codes - 1
    for _ in range(9):
        ahead = W + 0.8 * V
        slope = -sign / (1 + np.exp(sign * (A @ ahead)))
        size = np.abs(slope) * np.linalg.norm(A, axis=1)
        total = A.T @ (slope * np.minimum(1, 0.4 / size)) + noise.draw((3,), 0.8)
        V = 0.8 * V - 3.0 * (total / len(X) + 0.1 * decayed * ahead)
        W = W + V
    np.testing.assert_allclose(found, W, rtol=1e-10)


def test_no_momentum_is_plain_descent(rng):
    """A share of 0.0 changes nothing."""
    X, codes = problem(rng)
    query, plan = make_query(X, codes, 0.4), DescentPlan(7, 3.0, 2.0)
    plain = run(PrivateDescent(query, plan, Recorder()), np.zeros(3), 7)
    W, noise, means = np.zeros(3), Recorder(), []
    for _ in range(7):
        W = W - 3.0 / 40 * (query.clipped_sum(W) + noise.draw((3,), 0.8))
        means.append(W)
    np.testing.assert_allclose(plain, np.mean(means[3:], axis=0), rtol=1e-12)


@pytest.mark.parametrize("solver", ["gd", "dicesgd", "diff2"])
def test_momentum_leaves_flat_directions_sooner(rng, solver):
    """Without noise, equal steps: the loss after 60 of them is closer to the least."""
    X, codes = problem(rng)
    query = make_query(X, codes, HEIGHT if solver != "dicesgd" else 0.7)
    losses = []
    for momentum in (0.0, 0.9):
        plan = DescentPlan(60, 0.4, 0.0, tail=0.0, momentum=momentum)
        descent = {
            "gd": lambda plan: PrivateDescent(query, plan, Recorder()),
            "dicesgd": lambda plan: DiceDescent(
                query, plan, Recorder(), Feedback(HEIGHT, 0, 0.4)
            ),
            "diff2": lambda plan: DifferenceDescent(
                query, plan, Recorder(), Differences(0.5)
            ),
        }[solver](plan)
        W = run(descent, np.zeros(3), 60)
        margin = (2 * codes - 1) * (X @ W[:2] + W[2])
        losses.append(np.mean(np.logaddexp(0, -margin)))
    assert losses[1] < losses[0] - 0.03


def test_momentum_draws_no_more_noise(rng):
    """The draws of a fit do not depend on it."""
    X, codes = problem(rng)
    query, draws = make_query(X, codes, 0.4), []
    for momentum in (0.0, 0.9):
        noise, plan = Recorder(), DescentPlan(6, 1.0, 2.0, momentum=momentum)
        run(PrivateDescent(query, plan, noise), np.zeros(3), 6)
        draws.append(noise.draws)
    assert draws[0] == draws[1] == [((3,), 0.8)] * 6


PUBLIC = {"largest": 2.0, "smoothness": 1.0}


def test_the_schedule_follows_rows_and_budget():
    """Paths and clipping norms grow with N mu, steps stay stable."""
    found = [
        default_schedule(n, mu=mu, **PUBLIC)
        for n, mu in ((100, 0.2), (1437, 0.27), (1437, 0.93), (10**6, 1.0))
    ]
    paths = [s.learning_rate * s.clipping_norm * s.n_steps / 0.1 for s in found]
    assert paths[0] == pytest.approx(150)
    assert paths == sorted(paths)
    assert max(paths) <= 4000
    assert [s.clipping_norm for s in found] == sorted(s.clipping_norm for s in found)
    assert found[0].clipping_norm == 0.25
    assert found[2].clipping_norm == pytest.approx(0.25 * (1437 * 0.93 / 250) ** 0.25)
    # Clipping norms stop at the largest gradient, steps at what is stable for it.
    huge = default_schedule(10**8, mu=1.0, **PUBLIC)
    assert (huge.clipping_norm, huge.learning_rate) == (2.0, 2.6)
    assert {s.momentum for s in found} == {0.9}
    assert {s.n_steps for s in found} == {50}


def test_the_schedule_is_one_of_epsilon_or_of_the_multiplier():
    """The same noise, told in either way, is the same schedule."""
    mu = 0.3
    asked = default_schedule(1437, mu=mu, **PUBLIC)
    told = default_schedule(1437, mu=math.inf, multiplier=math.sqrt(50) / mu, **PUBLIC)
    assert told.clipping_norm == pytest.approx(asked.clipping_norm)
    assert told.learning_rate == pytest.approx(asked.learning_rate)


def test_numbers_that_are_given_stay_as_they_are():
    """A step size of the user comes without momentum, and without a bound."""
    found = default_schedule(
        1437, mu=0.3, n_steps=7, learning_rate=99.0, clipping_norm=0.1, **PUBLIC
    )
    assert (found.n_steps, found.learning_rate, found.clipping_norm) == (7, 99.0, 0.1)
    assert found.momentum == 0.0
    batches = default_schedule(1437, mu=0.3, sampling_rate=0.1, **PUBLIC)
    assert (batches.n_steps, batches.momentum) == (100, 0.0)
    rough = default_schedule(1437, mu=0.3, **{**PUBLIC, "smoothness": math.inf})
    assert rough == replace(rough, learning_rate=32.0, clipping_norm=0.25, momentum=0)


def test_without_noise_gradients_are_not_clipped():
    """epsilon=inf: the largest norm, where there is one."""
    assert default_schedule(100, mu=math.inf, **PUBLIC).clipping_norm == 2.0
    none = {**PUBLIC, "largest": math.inf}
    assert default_schedule(100, mu=math.inf, **none).clipping_norm == 1e6
