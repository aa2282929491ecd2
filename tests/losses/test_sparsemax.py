"""The sparsemax loss: the projection, exact zeros, Huber's loss for two classes."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2._core.simplex import onto_simplex
from skopt2.losses import HuberizedHinge, Sparsemax
from tests.losses.reference import data


def projection(z):
    """Return the best of the projections onto all faces of the simplex."""
    best, found = np.inf, None
    for size in range(1, z.size + 1):
        for face in map(list, itertools.combinations(range(z.size), size)):
            p = np.zeros_like(z)
            p[face] = z[face] - (z[face].sum() - 1) / size
            if (p >= 0).all() and ((p - z) ** 2).sum() < best:
                best, found = ((p - z) ** 2).sum(), p
    return found


def test_the_link_is_the_projection_onto_the_simplex(rng):
    eta = rng.standard_normal((40, 5)) * np.array([[0.1], [1.0]] * 20)
    expected = np.stack([projection(z) for z in eta])
    p = Sparsemax().inverse_link(eta)
    assert_allclose(p, expected, atol=1e-15)
    assert_array_equal(p == 0, expected == 0)
    assert 0 < (p == 0).sum() < p.size
    assert_array_equal(onto_simplex(eta.T), p.T)


def test_two_classes_have_the_huber_classification_loss(rng):
    y, eta, s = data(HuberizedHinge(), rng)
    both = np.stack([y > 0, y < 0], axis=1).astype(float)
    etas = np.stack([eta + 3, np.full_like(eta, 3.0)], axis=1)
    expected = HuberizedHinge(2.0).value(y, eta, s)
    assert_allclose(Sparsemax().value(both, etas, s), expected, rtol=1e-13)


def test_no_loss_beyond_a_margin_of_one():
    eta = np.array([[2.0, 1.0, 0.5], [2.0, 1.1, 0.5]])
    y, loss = np.eye(3)[[0, 0]], Sparsemax()
    assert loss.value(y, eta, np.array([1.0, 0.0])) == 0
    assert loss.value(y, eta, np.array([0.0, 1.0])) > 0
    assert_array_equal(loss.gradient(y, eta)[0], 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_scores_keep_their_digits(dtype):
    # A common offset of the scores changes nothing.
    eta = np.array([[0.5, 0.25, -0.75], [0.0, 0.0, 0.0]], dtype=dtype)
    y, s = np.eye(3, dtype=dtype)[[0, 1]], np.array([0.5, 0.5], dtype=dtype)
    far = eta + dtype(2**14)
    loss = Sparsemax()
    assert_array_equal(loss.inverse_link(far), loss.inverse_link(eta))
    assert loss.value(y, far, s) == loss.value(y, eta, s)
    assert np.isfinite(loss.value(y, 1e15 * eta, s))


def test_curvature_diagonal_is_that_of_the_product(rng):
    loss = Sparsemax()
    y, eta, _ = data(loss, rng)
    m = loss.curvature(y, eta)
    columns = [loss.curvature_product(m, np.eye(3)[[k] * 60])[:, k] for k in range(3)]
    assert_allclose(loss.curvature_diagonal(m), np.stack(columns, axis=1), atol=1e-15)


def test_the_start_is_the_best_constant(rng):
    loss = Sparsemax()
    y, _, s = data(loss, rng)
    start = loss.intercept_start(y, s)
    gradient = loss.gradient(y, np.tile(start, (len(y), 1)))
    assert_allclose(s @ gradient, 0, atol=1e-15)
