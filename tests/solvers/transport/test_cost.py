"""Ground costs: blocks, gradients, bounds, and the centring of clouds."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skopt2._core.array import device_of, namespace
from skopt2.solvers.transport.centring import UNMOVED, centred
from skopt2.solvers.transport.cost import (
    METRICS,
    CallableCost,
    SquaredEuclidean,
    ground_cost,
)


def clouds(n=40, m=30, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 0.3


@pytest.mark.parametrize("d", [1, 3, 12])
@pytest.mark.parametrize("metric", METRICS)
def test_block_is_the_distance_matrix(metric, d, device_backend):
    X, Y = clouds(d=d)
    expected = cdist(X, Y, metric)
    C = ground_cost(metric).block(device_backend.asarray(X), device_backend.asarray(Y))
    assert C.dtype == device_backend.xp.float64
    found = device_backend.to_numpy(C)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("metric", METRICS)
def test_block_stays_in_float32(metric, device_backend):
    X, Y = (device_backend.asarray(z, np.float32) for z in clouds(d=12))
    C = ground_cost(metric).block(X, Y)
    assert C.dtype == device_backend.xp.float32
    expected = cdist(*(device_backend.to_numpy(z) for z in (X, Y)), metric)
    np.testing.assert_allclose(device_backend.to_numpy(C), expected, atol=2e-5)


@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_coinciding_and_close_points_keep_their_digits(d, dtype, device_backend):
    rng = np.random.default_rng(1)
    X = (rng.standard_normal((30, d)) + 5.0).astype(dtype)
    step = 1e-3 if dtype is np.float32 else 1e-7
    near = X + (step * rng.standard_normal((30, d))).astype(dtype)
    Y = np.concatenate([X, near])
    expected = cdist(X.astype(np.float64), Y.astype(np.float64))
    up = device_backend.asarray
    C = device_backend.to_numpy(ground_cost("euclidean").block(up(X), up(Y)))
    assert np.all(np.diagonal(C) == 0.0)
    close = np.diagonal(C[:, 30:])
    np.testing.assert_allclose(close, np.diagonal(expected[:, 30:]), rtol=1e-5)


def test_a_common_shift_does_not_cost_digits():
    X, Y = (np.round(64 * z) / 64 for z in clouds(d=20))
    expected = cdist(X, Y, "sqeuclidean")
    found = ground_cost("sqeuclidean").block(X + 2.0**20, Y + 2.0**20)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("d", [2, 12])
@pytest.mark.parametrize("metric", METRICS)
def test_gradient_is_that_of_finite_differences(metric, d, device_backend):
    X, Y = clouds(n=8, m=6, d=d)
    W = np.random.default_rng(2).random((8, 6))
    up = device_backend.asarray
    found = ground_cost(metric).grad_x(up(X), up(Y), up(W))
    expected = np.zeros_like(X)
    h = 1e-6
    for i, k in np.ndindex(*X.shape):
        above, below = X.copy(), X.copy()
        above[i, k] += h
        below[i, k] -= h
        change = cdist(above, Y, metric) - cdist(below, Y, metric)
        expected[i, k] = (W * change).sum() / (2 * h)
    np.testing.assert_allclose(device_backend.to_numpy(found), expected, atol=1e-7)
    assert device_of(found) == device_of(up(X))


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock"])
def test_gradient_in_the_second_argument_is_that_of_the_first_exchanged(metric):
    X, Y = clouds(n=8, m=6)
    W = np.random.default_rng(2).random((8, 6))
    cost = ground_cost(metric)
    # A common shift of both clouds changes no cost.
    both = cost.grad_x(X, Y, W).sum(axis=0) + cost.grad_x(Y, X, W.T).sum(axis=0)
    np.testing.assert_allclose(both, 0.0, atol=1e-13)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_kinks_count_zero_in_gradients(metric):
    X, _ = clouds(n=5)
    gradient = ground_cost(metric).grad_x(X, X, np.eye(5))
    assert np.array_equal(gradient, np.zeros_like(X))


def test_squared_distances_with_a_factor():
    X, Y = clouds()
    W = np.random.default_rng(3).random((40, 30))
    plain, half = SquaredEuclidean(), SquaredEuclidean(0.5)
    np.testing.assert_allclose(half.block(X, Y), 0.5 * plain.block(X, Y))
    np.testing.assert_allclose(half.grad_x(X, Y, W), 0.5 * plain.grad_x(X, Y, W))


def test_cosine_of_zeros_and_of_extreme_lengths(device_backend):
    X, Y = clouds(n=4, m=3)
    expected = cdist(X, Y, "cosine")
    X = X * np.array([[0.0], [1e-200], [1e200], [1.0]])
    up, cost = device_backend.asarray, ground_cost("cosine")
    found = device_backend.to_numpy(cost.block(up(X), up(Y)))
    assert np.all(found[0] == 1.0)
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-12)
    gradient = device_backend.to_numpy(cost.grad_x(up(X), up(Y), up(np.ones((4, 3)))))
    assert np.all(gradient[0] == 0.0)
    # The derivative is of degree -1 in the length.
    np.testing.assert_allclose(
        gradient[2] * 1e200,
        cost.grad_x(X[2:3] / 1e200, Y, np.ones((1, 3)))[0],
        rtol=1e-10,
    )


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock"])
def test_gaps_between_boxes_bound_the_cost(metric):
    cost = ground_cost(metric)
    assert cost.bounded
    for seed in range(20):
        X, Y = clouds(n=6, m=5, seed=seed)
        Y = Y + np.random.default_rng(seed).uniform(-4, 4, 3)
        gaps = np.maximum(Y.min(axis=0) - X.max(axis=0), X.min(axis=0) - Y.max(axis=0))
        bound = cost.of_gaps(np.maximum(gaps, 0.0))
        assert bound <= cdist(X, Y, metric).min() * (1 + 1e-12)


def test_callable_costs():
    X, Y = clouds()
    cost = ground_cost(lambda X, Y: cdist(X, Y, "chebyshev"))
    assert isinstance(cost, CallableCost)
    np.testing.assert_array_equal(cost.block(X, Y), cdist(X, Y, "chebyshev"))
    single = cost.block(X.astype(np.float32), Y.astype(np.float32))
    assert single.dtype == np.float32
    assert ground_cost(cost) is cost


def test_callable_that_returns_its_own_array_is_not_modified():
    X, Y = clouds()
    stored = cdist(X, Y)
    block = ground_cost(lambda X, Y: stored).block(X, Y)
    block *= 2.0
    np.testing.assert_array_equal(stored, cdist(X, Y))


def test_callable_of_the_wrong_shape():
    X, Y = clouds()
    with pytest.raises(ValueError, match=r"metric returned .*\(30, 40\).*\(40, 30\)"):
        ground_cost(lambda X, Y: cdist(Y, X)).block(X, Y)


def test_callable_that_is_not_finite():
    X, Y = clouds()
    with pytest.raises(ValueError, match="metric returned costs that are NaN"):
        ground_cost(lambda X, Y: np.full((len(X), len(Y)), np.nan)).block(X, Y)


def test_callable_has_no_gradient():
    X, Y = clouds()
    with pytest.raises(ValueError, match="known gradient.*sqeuclidean"):
        ground_cost(cdist).grad_x(X, Y, np.ones((40, 30)))


@pytest.mark.parametrize("metric", ["minkowski", None, 2])
def test_unknown_metric_names_the_choices(metric):
    with pytest.raises(ValueError, match="metric must be one of.*'cosine'.*callable"):
        ground_cost(metric)


@pytest.mark.parametrize("metric", METRICS)
def test_centred_cost_and_shifts_are_the_cost(metric, device_backend):
    X, Y = clouds()
    X[0] = 0.0
    Y[3] = 0.0
    Y = Y + 2.0
    Y[3] = 0.0
    expected = ground_cost(metric).block(X, Y)
    up = device_backend.asarray
    c = centred(ground_cost(metric), up(X), up(Y))
    C = device_backend.to_numpy(c.cost.block(c.X, c.Y))
    if c.p is not None:
        p, q = (device_backend.to_numpy(z) for z in (c.p, c.q))
        C = C + p[:, None] + q[None, :]
    np.testing.assert_allclose(C, expected, rtol=1e-12, atol=1e-12)
    assert (c.p is None) == (metric in ("euclidean", "cityblock"))


def test_centred_potentials_go_out_and_in(device_backend):
    X, Y = clouds()
    up = device_backend.asarray
    c = centred(ground_cost("sqeuclidean"), up(X), up(Y + 7.0))
    f, g = np.arange(40.0), np.arange(30.0)
    f[4] = -np.inf
    a, b = np.full(40, 1 / 40), np.full(30, 1 / 30)
    outside = c.outside(up(f), up(g))
    back = [device_backend.to_numpy(z) for z in c.inside(*outside)]
    np.testing.assert_allclose(back[0], f, atol=1e-10)
    np.testing.assert_allclose(back[1], g, atol=1e-10)
    f[4] = 0.0
    outside = [device_backend.to_numpy(z) for z in c.outside(up(f), up(g))]
    gain = a @ (outside[0] - f) + b @ (outside[1] - g)
    np.testing.assert_allclose(c.offset(up(a), up(b)), gain, rtol=1e-12)


def test_cost_without_points_is_not_moved():
    f, g = np.ones(3), np.ones(2)
    assert UNMOVED.inside(f, g) == (f, g)
    assert UNMOVED.outside(f, g) == (f, g)
    assert UNMOVED.offset(f, g) == 0.0


def test_centring_float32_far_from_the_origin():
    rng = np.random.default_rng(4)
    X = (rng.integers(0, 256, (50, 2)) / 256).astype(np.float32)
    c = centred(ground_cost("sqeuclidean"), X + np.float32(1024.0), X)
    assert c.X.dtype == np.float32
    np.testing.assert_allclose(c.X, X - X.astype(np.float64).mean(axis=0), atol=1e-7)
    assert namespace(c.p) is np
    assert c.p.dtype == np.float64
