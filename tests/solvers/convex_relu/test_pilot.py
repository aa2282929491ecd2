"""Neurons that the dual asks for."""

import numpy as np

from skopt2.losses import get_loss
from skopt2.solvers.convex_relu.pilot import climb, network_value, pilot_network, unit


def test_climb_finds_the_largest_violation_of_a_plane(rng):
    X, force = rng.standard_normal((20, 2)), rng.standard_normal(20)
    angle = np.linspace(0.0, 2.0 * np.pi, 20_000)
    every = force @ np.maximum(X @ np.stack([np.cos(angle), np.sin(angle)]), 0.0)
    found = climb(X, force, unit(rng.standard_normal((100, 2))), 0.0)
    values = force @ np.maximum(X @ found.T, 0.0)
    assert values.max() > 0.999 * every.max()
    assert np.all(np.diff(values) <= 1e-12)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    assert climb(X, force, found, 1.01 * every.max()).shape == (0, 2)


def test_rounds_lower_the_objective(rng):
    X = np.c_[rng.standard_normal((80, 5)), np.ones(80)]
    y, s = np.abs(X[:, 0] + X[:, 1]) - X[:, 2], np.full(80, 1 / 80)
    problem = (X, y, s, get_loss("squared"), 0.03, True)
    values = [
        network_value(
            problem, pilot_network(problem, 100, np.random.default_rng(0), rounds)
        )
        for rounds in (0, 1, 5)
    ]
    assert values[2] <= values[1] < 0.98 * values[0]
