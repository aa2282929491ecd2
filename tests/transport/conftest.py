"""Samples to be mapped onto each other."""

import numpy as np
import pytest


@pytest.fixture
def clouds(rng):
    X = rng.standard_normal((40, 2))
    Y = rng.standard_normal((30, 2)) * [0.5, 1.5] + [3.0, -1.0]
    return X, Y


@pytest.fixture
def domains(rng):
    """Three classes, and the same moved and stretched."""
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    y, target_labels = np.arange(45) % 3, np.arange(60) % 3
    X = centres[y] + 0.5 * rng.standard_normal((45, 2))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    Y = (centres[target_labels] + 0.5 * rng.standard_normal((60, 2))) @ turn.T
    return X, y, Y + [1.5, -1.0], target_labels
