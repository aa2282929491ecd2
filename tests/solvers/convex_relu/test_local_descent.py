"""Descent on the weights of a network."""

import numpy as np
import pytest

from skopt2.losses import get_loss
from skopt2.solvers.convex_relu.local_descent import NetworkObjective, descend
from skopt2.solvers.convex_relu.network import balanced


@pytest.mark.parametrize("name", ["squared", "logistic", "multinomial"])
@pytest.mark.parametrize("bias", [True, False])
def test_gradient_is_that_of_differences(rng, name, bias):
    X, loss, s = rng.standard_normal((9, 3)), get_loss(name), rng.random(9)
    y = rng.standard_normal(9)
    if name == "logistic":
        y = np.sign(y)
    elif name == "multinomial":
        y = np.eye(3)[rng.integers(0, 3, 9)]
    K = 3 if name == "multinomial" else 1
    output = rng.integers(0, K, 5)
    function = NetworkObjective(X, y, s, loss, 0.1, output, K, bias)
    x = rng.standard_normal(5 * 3 + 5 + K * bias)
    _, slope = function(x)
    for i in range(x.size):
        step = 1e-6 * np.eye(x.size)[i]
        change = (function(x + step)[0] - function(x - step)[0]) / 2e-6
        assert slope[i] == pytest.approx(change, abs=1e-7)


def test_descent_lowers_the_objective_of_its_start(rng):
    X = np.c_[rng.standard_normal((60, 2)), np.ones(60)]
    y, s, loss = np.abs(X[:, 0]) - X[:, 1], np.full(60, 1 / 60), get_loss("squared")
    problem = (X, y, s, loss, 0.01, True)

    def value(network):
        eta = network(X)[:, 0]
        return loss.value(y, eta, s) + 0.01 * network.sizes.sum()

    start = balanced(
        rng.standard_normal((4, 3)), rng.standard_normal((4, 1)), np.ones(1)
    )
    idle = rng.standard_normal((6, 3))
    idle /= np.linalg.norm(idle, axis=1, keepdims=True)
    found = descend(problem, start, idle, 200)
    assert value(found) < 0.2 * value(start)
    again = descend(problem, found, idle[:0], 50)
    assert value(again) <= value(found)
    # Each neuron has one output, and is balanced.
    assert np.all((found.a != 0.0).sum(axis=1) == 1)
    np.testing.assert_allclose(np.linalg.norm(found.W, axis=1), np.abs(found.a[:, 0]))
    np.testing.assert_array_less(0.0, found.sizes)
