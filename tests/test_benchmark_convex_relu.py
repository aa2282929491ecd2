"""The benchmark of convex networks: its descent and its attack."""

import itertools

import numpy as np
import pytest

from benchmarks.convex_relu import (
    AdversarialMLP,
    Descent,
    attacked,
    load,
    main,
    slopes,
)
from skopt2.neural_network import ConvexReLUClassifier


def test_descent_has_the_gradient_of_its_objective(rng):
    X, y = load("waves")
    descent = Descent(X, y, "squared", 0.01, 4)
    x = rng.standard_normal(4 * 3 + 1)
    _, slope = descent(x)
    for i in range(x.size):
        step = 1e-6 * np.eye(x.size)[i]
        change = (descent(x + step)[0] - descent(x - step)[0]) / 2e-6
        assert slope[i] == pytest.approx(change, abs=1e-7)


def test_attacks_find_what_a_grid_finds():
    X, y = load("moons")
    model = ConvexReLUClassifier(n_gates=20, tol=1e-2, random_state=0).fit(X, y)
    moved = X.copy()
    moved[:, 0] += 1e-6
    change = (model.decision_function(moved) - model.decision_function(X)) / 1e-6
    np.testing.assert_allclose(slopes(model, X)[:, 0], change, atol=1e-4)
    held = np.ones(len(X), dtype=bool)
    for move in itertools.product(np.linspace(-0.15, 0.15, 13), repeat=2):
        held &= model.predict(X + np.array(move)) == y
    share = attacked(model, X, y, 0.15)
    assert share == pytest.approx(held.mean(), abs=0.03)
    assert attacked(model, X, y, 1e-9) == pytest.approx(model.score(X, y))


def test_training_on_attacks_withstands_them():
    X, y = load("moons")
    trained = AdversarialMLP(0.2, 4, 1e-3, updates=150).fit(X, y)
    plain = AdversarialMLP(1e-9, 1, 1e-3, updates=150).fit(X, y)
    assert plain.score(X, y) > 0.9
    assert attacked(trained, X, y, 0.2) > attacked(plain, X, y, 0.2)


def test_the_table_of_steps_has_its_lines(capsys):
    main(["steps", "--steps", "100", "--patterns", "5", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 + 1 + 2
    distances = [float(figure) for figure in lines[-2].split()[1:]]
    assert len(distances) == 3
    assert distances == sorted(distances, reverse=True)
