"""Networks by plain loops over rows, to hold the private ones to."""

import itertools

import numpy as np

from skopt2.solvers.privacy.noise import separate_seeds


def plain_descent(layers, X, slope, *, activation, steps, rate, momentum):
    """Return weights after plain descent, row by row and without clipping.

    ``layers`` are pairs of weights and biases, ``slope(i, z)`` the derivative of the
    loss of row i in the outputs z.
    """
    act, derivative = {
        "tanh": (np.tanh, lambda a: 1 - a * a),
        "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0) * 1.0),
    }[activation]
    moves = [[np.zeros_like(part) for part in pair] for pair in layers]
    means, kept = [[np.zeros_like(part) for part in pair] for pair in layers], 0
    for step in range(steps):
        point = [
            [w + momentum * v for w, v in zip(pair, move, strict=True)]
            for pair, move in zip(layers, moves, strict=True)
        ]
        sums = [[np.zeros_like(part) for part in pair] for pair in layers]
        for i, x in enumerate(X):
            units = [x]
            for w, b in point[:-1]:
                units.append(act(units[-1] @ w + b))
            delta = slope(i, units[-1] @ point[-1][0] + point[-1][1])
            for layer in range(len(layers) - 1, -1, -1):
                sums[layer][0] += np.outer(units[layer], delta)
                sums[layer][1] += delta
                if layer:
                    back = point[layer][0] @ delta
                    delta = back * derivative(units[layer])
        new = [
            [w - rate * g / len(X) for w, g in zip(pair, total, strict=True)]
            for pair, total in zip(point, sums, strict=True)
        ]
        moves = [
            [w - old for w, old in zip(pair, before, strict=True)]
            for pair, before in zip(new, layers, strict=True)
        ]
        layers = new
        if step >= steps - steps // 3:
            kept += 1
            for mean, pair in zip(means, layers, strict=True):
                for part, value in zip(mean, pair, strict=True):
                    part += value
    return [[part / kept for part in pair] for pair in means]


def starting_layers(seed, widths, defaults):
    """Return starting weights for s = g = 1, from the third of the seeds."""
    generator = np.random.default_rng(separate_seeds(seed)[2])
    layers = []
    for number, (p, q) in enumerate(itertools.pairwise(widths)):
        drawn = generator.standard_normal(p * q).reshape(p, q)
        size = 0.0 if number == len(widths) - 2 else defaults.gain
        layers.append([drawn * size / (1 if number == 0 else np.sqrt(p)), np.zeros(q)])
    return layers


class Unscaled:
    """Defaults of a network with the scales 1."""

    def __init__(self, defaults):
        self.gain, self.input_scale = defaults.gain, 1.0
        self.pace = defaults.pace

    def hidden_scale(self, n_units):
        return 1.0
