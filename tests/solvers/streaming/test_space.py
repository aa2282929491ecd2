"""The metric of a stream: moments, norms, proximal steps."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2.penalties import get_penalty
from skopt2.solvers.streaming.rows import Rows
from skopt2.solvers.streaming.space import Moments, Space


def moments_of(X, s, center, cuts=(7, 20)):
    p = X.shape[1]
    found = Moments(0, 0.0, *np.zeros((3, p)))
    for part in np.split(np.arange(X.shape[0]), cuts):
        found = found.merge(X[part], s[part], center)
    return found


def minibatch_squares(X, s, center, cuts=(7, 20)):
    """Return weighted mean squared deviations of each minibatch, and their weights."""
    squares, weights, seen = [], [], 0
    for part in np.split(np.arange(X.shape[0]), cuts):
        seen = part[-1] + 1
        mean = np.average(X[:seen], axis=0, weights=s[:seen]) if center else 0.0
        squares.append(np.average((X[part] - mean) ** 2, axis=0, weights=s[part]))
        weights.append(s[part].sum())
    return np.array(squares), np.array(weights)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("center", [False, True])
def test_moments_of_parts_are_those_of_the_whole(rng, kind, center):
    X = rng.standard_normal((50, 3)) + [0.0, 5.0, -1.0]
    s = rng.uniform(0.5, 2.0, 50)
    found = moments_of(kind(X), s, center)
    mean = s @ X / s.sum() if center else np.zeros(3)
    assert found.rows == 50
    assert found.weight == pytest.approx(s.sum())
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    spread = s @ (X - mean) ** 2 / s.sum()
    np.testing.assert_allclose(found.spread, spread, rtol=1e-11)
    squares, weights = minibatch_squares(X, s, center)
    peak = np.sqrt(weights @ squares**2 / weights.sum())
    np.testing.assert_allclose(found.peak, peak, rtol=1e-11)


def space_of(X, alpha=0.3, standardize=True, outputs=()):
    s = np.ones(len(X))
    like = np.zeros((X.shape[1] + 1, *outputs))
    lam = np.full(X.shape[1], alpha)
    moments = moments_of(X, s, standardize, cuts=())
    return Space(moments, get_penalty("l1"), lam, like, True, standardize, True)


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_norms_are_those_of_standardised_columns(rng, outputs):
    X = rng.standard_normal((60, 3)) * [1.0, 10.0, 0.1] + [0.0, 50.0, -3.0]
    space = space_of(X, outputs=outputs)
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    x, g = rng.standard_normal((2, 4, *outputs))
    shape = (-1,) + (1,) * len(outputs)
    z = np.concatenate([x[:-1] * deviation.reshape(shape), x[-1:] + [mean @ x[:-1]]])
    assert space.norm(x) == pytest.approx(np.linalg.norm(z), rel=1e-10)
    centred = space.centre(g)
    h = np.concatenate(
        [(g[:-1] - mean.reshape(shape) * g[-1:]) / deviation.reshape(shape), g[-1:]]
    )
    assert space.dual_norm(centred) == pytest.approx(np.linalg.norm(h), rel=1e-10)


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_a_step_minimises_its_model(rng, outputs):
    X = rng.standard_normal((60, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, -3.0]
    space, eta = space_of(X, outputs=outputs), 0.4
    x, g = rng.standard_normal((2, 4, *outputs))
    centred = space.centre(g)

    def model(new):
        # The inner product of a change of (w, b) is that with the gradient in (w, b).
        penalty = 0.3 * np.abs(new[:-1]).sum()
        return (g * (new - x)).sum() + space.norm(new - x) ** 2 / (2 * eta) + penalty

    new = space.move(x, centred, eta)
    for size in (1e-3, 1e-1):
        for _ in range(50):
            assert model(new) <= model(new + size * rng.standard_normal(new.shape))


def test_a_rare_column_has_the_scale_of_where_it_is(rng):
    X = (rng.random((6400, 2)) < [0.002, 0.5]).astype(float)
    moments = moments_of(X, np.ones(6400), True, cuts=range(64, 6400, 64))
    space = Space(
        moments, get_penalty("l1"), np.zeros(2), np.zeros(3), True, True, False
    )
    # A minibatch of 64 with one such row has a mean square of 1 / 64.
    assert 0.9 / 64 < space.scale[0] < 2 / 64
    assert X[:, 0].var() < 0.25 / 64
    assert space.scale[1] == pytest.approx(0.25, rel=0.05)


def test_coefficients_shrink_where_a_scale_jumps():
    moments = [
        Moments(1, 1.0, np.zeros(2), np.array(v), np.array(v))
        for v in ([1e-8, 1.0], [1.0, 2.0])
    ]
    small, large = (
        Space(m, get_penalty("l1"), np.zeros(2), np.zeros(3), True, True, False)
        for m in moments
    )
    factor, reference = small.shrinkage(np.full(2, np.inf))
    assert factor is None
    np.testing.assert_array_equal(reference, [1e-8, 1.0])
    factor, reference = large.shrinkage(reference)
    np.testing.assert_allclose(factor, [1e-8, 1.0, 1.0])
    np.testing.assert_array_equal(reference, [1.0, 1.0])


def test_constant_columns_have_a_scale(rng):
    X = np.column_stack([np.full(30, 0.1), np.zeros(30), rng.standard_normal(30)])
    space = space_of(X)
    np.testing.assert_allclose(space.scale[:2], [0.01, 1.0], rtol=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_minibatches_are_even_and_complete(rng, kind):
    X, y = rng.standard_normal((130, 2)), np.arange(130.0)
    rows = Rows(kind(X), y, np.ones(130))
    order = rng.permutation(130)
    for chosen in (None, order):
        found = list(rows.batches(64, chosen))
        assert [batch.n for batch in found] == [43, 43, 44]
        seen = np.concatenate([batch.y for batch in found])
        np.testing.assert_array_equal(seen, y if chosen is None else y[order])
    assert rows.count(130) == 1
