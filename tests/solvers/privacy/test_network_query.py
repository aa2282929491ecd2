"""Clipped gradients of networks: against loops over rows and finite differences."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from skopt2._core.array import move
from skopt2.losses import Huber, Logistic, Multinomial, Squared
from skopt2.solvers.privacy.network_query import Network, NetworkQuery
from skopt2.solvers.privacy.rows import Rows

NETWORKS = [
    Network((4, 5, 3)),
    Network((4, 5, 3), "relu", 3.0, 0.5),
    Network((4, 6, 5, 3), "tanh", 4.0, 2.0),
    Network((4, 6, 5, 3), "relu"),
]


def problem(rng, network, n=12, loss="multinomial", dtype=np.float64):
    """Return rows of norm up to 2, targets and parameters."""
    X = rng.standard_normal((n, network.widths[0])).astype(dtype)
    k = network.widths[-1]
    if loss == "multinomial":
        Y = np.eye(k)[rng.integers(0, k, n)]
    elif loss == "logistic":
        Y = rng.choice([-1.0, 1.0], n)
    else:
        Y = rng.uniform(-1, 1, n if k == 1 else (n, k))
    return X, Y.astype(dtype), rng.standard_normal(network.n_parameters)


def query_of(X, Y, network, loss, norm, keep=None, **options):
    """Return a query on rows that are scaled down to norm 1."""
    target = options.pop("target", None)
    if target is not None:
        X, Y = move(X, target), move(Y, target)
    rows = Rows(
        lambda: iter([(X, Y, keep)]), *X.shape, feature_norm=1.0, fit_intercept=False
    )
    return NetworkQuery(rows, network, loss, norm, **options)


def clipped_row(x):
    """Return a row of norm at most 1."""
    return x / max(1.0, np.linalg.norm(x))


def plain_loss(network, W, x, y):
    """Return the loss of one row, written with loops over units."""
    start, units = 0, [network.input_scale * value for value in clipped_row(x)]
    last = len(network.widths) - 2
    for layer, (p, q) in enumerate(itertools.pairwise(network.widths)):
        weights, bias = W[start : start + p * q], W[start + p * q : start + p * q + q]
        start += p * q + q
        units = [
            sum(units[i] * weights[i * q + j] for i in range(p)) + bias[j]
            for j in range(q)
        ]
        if layer < last:
            act = np.tanh if network.activation == "tanh" else lambda z: max(z, 0.0)
            units = [network.hidden_scale * act(value) for value in units]
    top = max(units)
    return top + np.log(sum(np.exp(u - top) for u in units)) - units[int(np.argmax(y))]


def row_gradients(network, X, Y, W):
    """Return the gradient of each row by central differences."""
    step, rows = 1e-6, []
    for x, y in zip(X, Y, strict=True):
        gradient = np.empty_like(W)
        for j in range(W.size):
            up, down = W.copy(), W.copy()
            up[j] += step
            down[j] -= step
            rise = plain_loss(network, up, x, y) - plain_loss(network, down, x, y)
            gradient[j] = rise / (2 * step)
        rows.append(gradient)
    return np.array(rows)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_matches_finite_differences_of_single_rows(rng, network):
    X, Y, W = problem(rng, network, n=4)
    gradients = row_gradients(network, X, Y, W)
    norms = np.linalg.norm(gradients, axis=1)
    bound = float(np.median(norms))
    factors = np.minimum(1.0, bound / norms)
    total = query_of(X, Y, network, Multinomial(), bound).clipped_sum(W)
    assert_allclose(total, factors @ gradients, rtol=1e-6, atol=1e-7)
    free = query_of(X, Y, network, Multinomial(), 1e9).clipped_sum(W)
    assert_allclose(free, gradients.sum(axis=0), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_factors_are_those_of_the_exact_norms(rng, network):
    X, Y, W = problem(rng, network, n=30)
    # One row alone, unclipped: the whole gradient of the row.
    rows = np.array(
        [
            query_of(
                X[i : i + 1], Y[i : i + 1], network, Multinomial(), 1e12
            ).clipped_sum(W)
            for i in range(30)
        ]
    )
    norms = np.linalg.norm(rows, axis=1)
    bound = float(np.median(norms))
    clipped = np.array(
        [
            query_of(
                X[i : i + 1], Y[i : i + 1], network, Multinomial(), bound
            ).clipped_sum(W)
            for i in range(30)
        ]
    )
    assert_allclose(
        np.linalg.norm(clipped, axis=1), np.minimum(norms, bound), rtol=1e-12
    )
    together = query_of(X, Y, network, Multinomial(), bound).clipped_sum(W)
    assert_allclose(together, clipped.sum(axis=0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("clipping", ["flat", "automatic"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_row_contributes_more_than_the_bound(rng, clipping, dtype):
    losses = [(Multinomial(), 3), (Logistic(), 1), (Squared(), 1), (Huber(0.2), 2)]
    largest, shortest = 0.0, np.inf
    for case in range(1200):
        loss, k = losses[case % 4]
        hidden = tuple(rng.integers(1, 7, size=rng.integers(1, 3)))
        network = Network(
            (3, *(int(h) for h in hidden), k),
            ("tanh", "relu")[case % 2],
            float(rng.choice([0.1, 1.0, 6.0])),
            float(rng.choice([0.25, 1.0])),
        )
        X, Y, W = problem(rng, network, 1, loss.name, dtype)
        X = X * dtype(10.0 ** rng.integers(-3, 12))
        W = W * 10.0 ** rng.integers(-1, 3)
        bound = float(10.0 ** rng.uniform(-2, 1))
        query = query_of(X, Y, network, loss, bound, clipping=clipping)
        ratio = np.linalg.norm(query.clipped_sum(W)) / query.sensitivity("zero_out")
        largest, shortest = max(largest, ratio), min(shortest, ratio)
    assert largest <= 1.0
    assert largest > 1.0 - (1e-4 if dtype == np.float32 else 1e-3)
    assert shortest < 0.5


def test_neighbouring_sums_differ_by_at_most_the_sensitivity(rng):
    network, bound, largest = Network((3, 4, 2), "tanh", 6.0, 1.0), 0.7, 0.0
    for case in range(1000):
        X, Y, W = problem(rng, network, 6)
        X[0] *= 10.0 ** rng.integers(-2, 200)
        X[1, 0] = (np.nan, np.inf, 1e300, 0.0)[case % 4]
        sums = []
        for keep in (None, np.array([0.0, 1, 1, 1, 1, 1])):
            query = query_of(X, Y, network, Multinomial(), bound, keep)
            sums.append(query.clipped_sum(W))
        largest = max(largest, np.linalg.norm(sums[0] - sums[1]))
    assert 0.99 * bound < largest <= bound * (1 + 1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, -1e170])
def test_rows_that_are_not_finite_or_huge_count_as_nothing(rng, bad):
    network = Network((4, 5, 3))
    X, Y, W = problem(rng, network)
    X[3, 1] = bad
    rest = np.arange(12) != 3
    total = query_of(X, Y, network, Multinomial(), 0.5).clipped_sum(W)
    expected = query_of(X[rest], Y[rest], network, Multinomial(), 0.5).clipped_sum(W)
    assert_allclose(total, expected, rtol=1e-12)


def test_weights_that_overflow_leave_a_finite_sum(rng):
    network = Network((4, 5, 4, 3), "relu")
    X, Y, W = problem(rng, network)
    for size in (1e80, 1e160, 1e300):
        total = query_of(X, Y, network, Multinomial(), 0.5).clipped_sum(W * size)
        assert np.isfinite(total).all()
        assert np.linalg.norm(total) <= 12 * 0.5


@pytest.mark.parametrize("network", NETWORKS[1:3], ids=str)
def test_batches_blocks_and_sparse_rows_are_the_same_sum(rng, network, monkeypatch):
    X, Y, W = problem(rng, network, n=300)
    X[rng.random(X.shape) < 0.6] = 0.0
    query = query_of(X, Y, network, Multinomial(), 0.3)
    total = query.clipped_sum(W)
    parts = [query.clipped_sum(W, rows) for rows in np.split(np.arange(300), [0, 70])]
    assert_allclose(sum(parts), total, rtol=1e-10, atol=1e-12)
    assert not parts[0].any()
    sparse = query_of(sp.csr_array(X), Y, network, Multinomial(), 0.3).clipped_sum(W)
    assert_allclose(sparse, total, rtol=1e-10, atol=1e-12)
    monkeypatch.setattr("skopt2.solvers.privacy.rows.BLOCK_BYTES", 1)
    assert_allclose(query.clipped_sum(W), total, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("clipping", ["flat", "automatic"])
def test_same_on_other_devices(rng, device_backend, clipping):
    for network, loss in ((NETWORKS[1], Multinomial()), (NETWORKS[2], Squared())):
        X, Y, W = problem(rng, network, 20, loss.name)
        options = {"clipping": clipping}
        expected = query_of(X, Y, network, loss, 0.5, **options).clipped_sum(W)
        query = query_of(
            X, Y, network, loss, 0.5, target=device_backend.target, **options
        )
        total = query.clipped_sum(device_backend.asarray(W))
        assert_allclose(
            device_backend.to_numpy(total), expected, rtol=1e-12, atol=1e-14
        )


def test_initial_units_have_the_size_of_the_gain_and_outputs_are_zero():
    network = Network((50, 400, 300, 2), "tanh", 6.0, 0.25)
    W = network.initial(np.random.default_rng(0), 0.5)
    layers = network.layers(W)
    x = np.random.default_rng(1).standard_normal(50)
    x /= np.linalg.norm(x)
    entering = network.input_scale * x @ layers[0][0]
    assert_allclose(entering.std(), 0.5, rtol=0.1)
    signs = network.hidden_scale * np.where(entering > 0, 1.0, -1.0)
    assert_allclose((signs @ layers[1][0]).std(), 0.5, rtol=0.1)
    assert not any(bias.any() for _, bias in layers)
    assert not layers[2][0].any()
    assert network.decayed().sum() == 50 * 400 + 400 * 300 + 300 * 2
