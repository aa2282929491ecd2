"""Streamed costs: namespaces, figures, threads, blocks, memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn import config_context
from threadpoolctl import threadpool_limits

from skopt2.solvers.transport import power
from skopt2.solvers.transport.cost import METRICS, ground_cost
from skopt2.solvers.transport.power import Power
from skopt2.solvers.transport.spatial import TILE, spatial_order
from skopt2.solvers.transport.stored_points import StoredPointGeometry
from skopt2.solvers.transport.streamed import PointCloudGeometry
from tests.solvers.transport.whole_costs import (
    ALL,
    close,
    clouds,
    solved,
)

# Unit of the peak memory that the system reports, per MiB.
UNIT = 2**20 if sys.platform == "darwin" else 2**10
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("metric", METRICS)
def test_every_namespace_gives_the_same(metric, dtype, device_backend):
    X, Y, a, b = (z.astype(dtype) for z in clouds(90, 70, 3))
    up, down = device_backend.asarray, device_backend.to_numpy
    tol = 1e-11 if dtype is np.float64 else 2e-4
    host = PointCloudGeometry(X, Y, metric)
    other = PointCloudGeometry(up(X), up(Y), metric, block=17)
    eps = 0.01 * host.scale
    assert other.scale == pytest.approx(host.scale, rel=1e-6)
    f, g = solved(host, a, b, eps, 5, 1.2)
    found = solved(other, up(a), up(b), eps, 5, 1.2)
    assert str(found[0].dtype).endswith(np.dtype(dtype).name)
    for z, expected in zip(found, (f, g), strict=True):
        close(down(z), expected, tol)
    arguments = (up(f), up(g), eps)
    pairs = [
        (other.plan(*arguments), host.plan(f, g, eps)),
        *zip(other.marginals(*arguments), host.marginals(f, g, eps), strict=True),
        (other.apply(*arguments, up(Y)), host.apply(f, g, eps, Y)),
        (other.apply_t(*arguments, up(a)), host.apply_t(f, g, eps, a)),
        (other.row_softmin(up(g), eps), host.row_softmin(g, eps)),
        (other.col_softmin(up(f), eps), host.col_softmin(f, eps)),
        (other.cost_gradient(*arguments), host.cost_gradient(f, g, eps)),
        *zip(other.reduction(), host.reduction(), strict=True),
    ]
    for z, expected in pairs:
        close(down(z), expected, tol)
    S = other.sparsify(*arguments, 1e-4)[2]
    entries = (S.get() if hasattr(S, "get") else S).toarray()
    P = host.plan(f, g, eps)
    close(entries, np.where(P > 1e-4, P, 0.0), 50 * tol)
    assert other.inner(*arguments) == pytest.approx(host.inner(f, g, eps), rel=tol)
    totals = other.round_with_divergence(*arguments, up(a), up(b))
    expected = host.round_with_divergence(f, g, eps, a, b)
    np.testing.assert_allclose(totals, expected, rtol=tol, atol=tol)


@pytest.mark.parametrize("metric", METRICS)
def test_entries_above_a_threshold(metric):
    X, Y, a, b = clouds()
    geometry = PointCloudGeometry(X, Y, metric)
    eps = 1e-3 * geometry.scale
    f, g = solved(geometry, a, b, eps, 5)
    P = geometry.plan(f, g, eps)
    rows, cols, S = geometry.sparsify(f, g, eps, 1e-6)
    assert S.shape == (700, 500)
    assert 0 < S.nnz < 0.9 * P.size
    close(S.toarray(), np.where(P > 1e-6, P, 0.0), 1e-11)
    np.testing.assert_allclose(rows, P.sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(cols, P.sum(axis=0), rtol=1e-10)
    masses = (np.log(a), np.log(b))
    _, _, S = geometry.sparsify(f, g, eps, 0.1, *masses)
    close(S.toarray(), np.where(P / np.outer(a, b) > 0.1, P, 0.0), 1e-11)


def test_too_many_entries_are_not_kept():
    X, Y, a, b = clouds()
    geometry = PointCloudGeometry(X, Y)
    f, g = solved(geometry, a, b, 0.01, 5)
    rows, cols, S = geometry.sparsify(f, g, 0.01, 1e-7)
    assert geometry.sparsify(f, g, 0.01, 1e-7, most=S.nnz)[2].nnz == S.nnz
    found = geometry.sparsify(f, g, 0.01, 1e-7, most=S.nnz - 1)
    assert found[2] is None
    assert np.array_equal(found[0], rows)
    assert np.array_equal(found[1], cols)


@pytest.mark.parametrize("metric", METRICS)
def test_gradient_of_the_cost(metric):
    X, Y, a, b = clouds(300, 200, 3)
    geometry = PointCloudGeometry(X, Y, metric)
    eps = 0.01 * geometry.scale
    f, g = solved(geometry, a, b, eps)
    expected = ground_cost(metric).grad_x(X, Y, geometry.plan(f, g, eps))
    close(geometry.cost_gradient(f, g, eps), expected, 1e-10)


@pytest.mark.parametrize("metric", ALL)
def test_figures_of_the_cost(metric):
    X, Y, _, _ = clouds(300, 200, 3)
    C = ground_cost(metric).block(X, Y + 1.0)
    geometry = PointCloudGeometry(X, Y + 1.0, metric, block=37)
    assert geometry.mean_cost() == pytest.approx(C.mean(), rel=1e-12)
    c = geometry.centring
    largest = c.cost.block(c.X, c.Y).max()
    assert largest <= geometry.scale * (1 + 1e-12) <= 4 * largest


@pytest.mark.parametrize("metric", ALL)
def test_reduction_leaves_tight_zeros(metric):
    X, Y, _, _ = clouds(600, 500, 3)
    geometry = PointCloudGeometry(X, Y, metric)
    c = geometry.centring
    f, g = geometry.reduction()
    left = c.cost.block(c.X, c.Y) - f[:, None] - g
    tol = 1e-12 * geometry.scale
    assert left.min() >= -tol
    assert np.abs(left.min(axis=0)).max() <= tol
    assert np.abs(left.min(axis=1)).max() <= tol


def test_stored_points_agree_with_streamed_ones():
    X, Y, a, b = clouds()
    X = X + 30.0
    streamed, stored = PointCloudGeometry(X, Y), StoredPointGeometry(X, Y)
    f, g = solved(streamed, a, b, 0.01, 5)
    close(stored.plan(f, g, 0.01), streamed.plan(f, g, 0.01), 1e-12)
    P, C = streamed.plan(f, g, 0.01), cdist(X, Y, "sqeuclidean")
    assert stored.inner(f, g, 0.01) == pytest.approx((P * C).sum(), rel=1e-12)
    found = stored.round_with_divergence(f, g, 0.01, a, b)
    expected = streamed.round_with_divergence(f, g, 0.01, a, b)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_threads_do_not_change_a_digit():
    X, Y, a, b = clouds(1500, 1500)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            geometry = PointCloudGeometry(X, Y)
            f, g = solved(geometry, a, b, 1e-3, 2)
            found.append((f, g, *geometry.marginals(f, g, 1e-3)))
    for one, two in zip(*found, strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("size", [0, 1000])
def test_size_of_blocks_follows_the_budget(size, device_backend):
    X, Y, a, b = clouds(300, 250)
    up = device_backend.asarray
    with config_context(working_memory=size):
        geometry = PointCloudGeometry(up(X), up(Y))
        blocks = list(geometry.rows.walk(geometry.rows.exponents(up(a), up(b), 1.0)))
    assert sum(z.rows.stop - z.rows.start for z in blocks) == 300
    assert (len(blocks) > 1) == (size == 0 or device_backend.name == "numpy")


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_power_in_either_base(fast, dtype, monkeypatch):
    monkeypatch.setattr(power, "_has_fast_exp2", lambda char: fast)
    exponential = Power(np, np.dtype(dtype))
    z = np.array([0.0, -1.0, 3.5, -30.0], dtype=dtype)
    found = exponential((z / exponential.log_base).astype(dtype))
    np.testing.assert_allclose(found, np.exp(z), rtol=100 * np.finfo(dtype).eps)
    lowest = exponential(np.array([-1e30, -np.inf], dtype=dtype))
    assert np.all(lowest == lowest[0])
    assert np.finfo(dtype).tiny < lowest[0] < 1e-30
    assert lowest[0] == pytest.approx(exponential.smallest, rel=1e-4)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_spatial_order_keeps_tiles_together(d):
    X = np.random.default_rng(5).random((2050, d))
    order = spatial_order(X)
    assert np.array_equal(np.sort(order), np.arange(2050))
    tiles = [X[order[i : i + TILE]] for i in range(0, 2050, TILE)]
    volume = sum(np.prod(np.ptp(tile, axis=0)) for tile in tiles[:-1])
    # Boxes of the leaves of a k-d tree hardly overlap.
    assert volume < 1.1


@pytest.mark.thorough
def test_memory_of_twenty_thousand_points():
    code = """
import resource
import numpy as np
from skopt2.solvers.transport.streamed import PointCloudGeometry
rng = np.random.default_rng(0)
n = 20000
X, Y = rng.random((n, 2)), rng.random((n, 2))
log = np.full(n, -np.log(n))
f = g = np.zeros(n)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
geometry = PointCloudGeometry(X, Y)
for _ in range(3):
    f, g, error = geometry.sweep(f, g, log, log, 0.01)
assert error < 0.1, error
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    run = [sys.executable, "-c", code]
    out = subprocess.run(run, check=True, cwd=ROOT, capture_output=True, text=True)
    assert int(out.stdout) / UNIT < 250
