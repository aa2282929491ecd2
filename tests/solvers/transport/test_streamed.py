"""Streamed costs against the whole matrix in the log domain, and what they add."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn import config_context
from threadpoolctl import threadpool_limits

from skopt2.solvers.transport import point_blocks, power
from skopt2.solvers.transport.cost import METRICS, ground_cost
from skopt2.solvers.transport.point_blocks import PointBlocks
from skopt2.solvers.transport.power import Power
from skopt2.solvers.transport.spatial import TILE, spatial_order
from skopt2.solvers.transport.stored_points import StoredPointGeometry
from skopt2.solvers.transport.streamed import PointCloudGeometry

# Unit of the peak memory that the system reports, per MiB.
UNIT = 2**20 if sys.platform == "darwin" else 2**10
ROOT = Path(__file__).resolve().parents[3]


def chebyshev(X, Y):
    return cdist(X, Y, "chebyshev")


ALL = [*METRICS, pytest.param(chebyshev, id="callable")]


class Whole:
    """The same operations on a stored matrix, in the log domain throughout."""

    def __init__(self, C, eps):
        self.C, self.eps = np.asarray(C, dtype=np.float64), eps

    def row_softmin(self, g):
        return -self.eps * logsumexp((g - self.C) / self.eps, axis=1)

    def col_softmin(self, f):
        return -self.eps * logsumexp((f[:, None] - self.C) / self.eps, axis=0)

    def log_plan(self, f, g):
        return (f[:, None] + g - self.C) / self.eps

    def plan(self, f, g):
        return np.exp(self.log_plan(f, g))

    def sweep(self, f, g, a, b, omega=1.0):
        """Return the potentials after a sweep, and the row error before it."""
        with np.errstate(over="ignore"):
            new = self.eps * np.log(a) + self.row_softmin(g)
            error = (a * np.abs(np.expm1((f - new) / self.eps))).sum()
        f = (1 - omega) * f + omega * new
        new = self.eps * np.log(b) + self.col_softmin(f)
        return f, (1 - omega) * g + omega * new, error

    def rounded(self, f, g, a, b):
        """Altschuler, Weed and Rigollet, algorithm 2, and the figures of the result."""
        log_p = self.log_plan(f, g)
        P = np.exp(log_p)
        with np.errstate(divide="ignore", invalid="ignore"):
            P = P * np.fmin(a / P.sum(axis=1), 1.0)[:, None]
            P = P * np.fmin(b / P.sum(axis=0), 1.0)
        e, d = a - P.sum(axis=1), b - P.sum(axis=0)
        P = P + np.outer(e, d) / e.sum()
        some = P > 0
        entropy = (P[some] * (np.log(P[some]) - 1)).sum()
        divergence = (P[some] * (np.log(P[some]) - log_p[some])).sum()
        divergence += np.exp(log_p).sum() - P.sum()
        return (P * self.C).sum(), entropy, divergence


def clouds(n=700, m=500, d=2, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, d)), rng.random((m, d)) + 0.1
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return X, Y, a / a.sum(), b / b.sum()


def solved(geometry, a, b, eps, sweeps=20, omega=1.0):
    """Return potentials of the geometry after some sweeps."""
    xp = geometry.xp
    f, g = xp.zeros_like(a), xp.zeros_like(b)
    for _ in range(sweeps):
        f, g, _ = geometry.sweep(f, g, xp.log(a), xp.log(b), eps, omega)
    return f, g


def close(found, expected, tol=1e-10):
    scale = np.abs(expected[np.isfinite(expected)]).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tol * scale)


@pytest.mark.parametrize("reg", [1.0, 0.01, 1e-3])
@pytest.mark.parametrize("metric", ALL)
def test_streamed_equals_dense(metric, reg):
    X, Y, a, b = clouds()
    C = ground_cost(metric).block(X, Y)
    eps = reg * C.max()
    streamed, whole = PointCloudGeometry(X, Y, metric), Whole(C, eps)
    f, g = solved(streamed, a, b, eps, 5)
    u, v = streamed.outside(f, g)
    P = whole.plan(u, v)
    close(streamed.plan(f, g, eps), P)
    rows, cols = streamed.marginals(f, g, eps)
    np.testing.assert_allclose(rows, P.sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(cols, P.sum(axis=0), rtol=1e-10)
    V, U = np.random.default_rng(1).random((500, 3)), a
    np.testing.assert_allclose(streamed.apply(f, g, eps, V), P @ V, rtol=1e-10)
    np.testing.assert_allclose(streamed.apply_t(f, g, eps, U), P.T @ U, rtol=1e-10)
    assert streamed.inner(f, g, eps) == pytest.approx((P * C).sum(), rel=1e-10)
    new = streamed.outside(streamed.row_softmin(g, eps), streamed.col_softmin(f, eps))
    close(new[0], whole.row_softmin(v))
    close(new[1], whole.col_softmin(u))
    found = streamed.round_with_divergence(f, g, eps, a, b)
    np.testing.assert_allclose(found, whole.rounded(u, v, a, b), rtol=1e-9, atol=1e-10)
    assert streamed.round(f, g, eps, a, b) == found[:2]


@pytest.mark.parametrize("omega", [1.0, 1.6])
@pytest.mark.parametrize("reg", [0.1, 1e-3])
@pytest.mark.parametrize("metric", ALL)
def test_sweeps_are_those_of_the_log_domain(metric, reg, omega):
    X, Y, a, b = clouds()
    C = ground_cost(metric).block(X, Y)
    eps = reg * C.max()
    streamed, whole = PointCloudGeometry(X, Y, metric), Whole(C, eps)
    f, g = solved(streamed, a, b, eps, 2)
    u, v = streamed.outside(f, g)
    for _ in range(4):
        f, g, error = streamed.sweep(f, g, np.log(a), np.log(b), eps, omega)
        u, v, expected = whole.sweep(u, v, a, b, omega)
        assert error == pytest.approx(expected, rel=1e-8)
    found = streamed.outside(f, g)
    close(found[0], u)
    close(found[1], v)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("reg", [0.1, 1e-4])
def test_sums_of_a_sweep_are_those_before_it(metric, reg):
    X, Y, a, b = clouds(1500, 1200)
    geometry = PointCloudGeometry(X, Y, metric)
    eps, masses = reg * geometry.scale, (np.log(a), np.log(b))
    # Near the masses, and far from them.
    for f, g in (solved(geometry, a, b, eps, 3), solved(geometry, a, b, 8 * eps, 3)):
        *moved, rows, cols = geometry.sweep_and_sums(f, g, *masses, eps, 1.3)
        expected = geometry.sweep(f, g, *masses, eps, 1.3)
        assert np.array_equal(moved[0], expected[0])
        assert np.array_equal(moved[1], expected[1])
        sums = geometry.marginals(f, g, eps, *masses)
        np.testing.assert_allclose(rows, sums[0], rtol=1e-10)
        np.testing.assert_allclose(cols, sums[1], rtol=1e-10)


def test_first_sweep_is_safe_from_any_start():
    X, Y, a, b = clouds(300, 200)
    C = ground_cost("sqeuclidean").block(X, Y)
    eps = 1e-4 * C.max()
    geometry, whole = PointCloudGeometry(X, Y), Whole(C, eps)
    rng = np.random.default_rng(2)
    u, v = 50 * rng.standard_normal(300), 50 * rng.standard_normal(200)
    f, g, _ = geometry.sweep(*geometry.inside(u, v), np.log(a), np.log(b), eps)
    found = geometry.outside(f, g)
    expected = whole.sweep(u, v, a, b)
    close(found[0], expected[0])
    close(found[1], expected[1])


def test_column_that_no_row_reaches_gets_an_exact_update(device_backend):
    X, Y, a, b = clouds(300, 200)
    Y[7] = 40.0
    C = ground_cost("sqeuclidean").block(X, Y)
    up, down = device_backend.asarray, device_backend.to_numpy
    eps, masses = 1e-3, (up(np.log(a)), up(np.log(b)))
    geometry, whole = PointCloudGeometry(up(X), up(Y)), Whole(C, eps)
    f, g = up(np.zeros(300)), up(np.zeros(200))
    u, v = (down(z) for z in geometry.outside(f, g))
    for _ in range(3):
        f, g, _ = geometry.sweep(f, g, *masses, eps)
        u, v, _ = whole.sweep(u, v, a, b)
    found = [down(z) for z in geometry.outside(f, g)]
    close(found[0], u, 1e-12)
    close(found[1], v, 1e-12)
    cols = down(geometry.marginals(f, g, eps)[1])
    np.testing.assert_allclose(cols, b, rtol=1e-9)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
@pytest.mark.parametrize("shift", [3.0, 1e3, 1e6])
def test_plan_of_shifted_clouds(shift, metric):
    X, Y, a, b = clouds(300, 200)
    # On a grid, so that the shifted points are floats.
    X, Y = (np.round(z * 2.0**20) / 2.0**20 for z in (X, Y))
    # A cosine has no shift to be invariant to; lengths are its scale.
    moved = X + shift if metric == "sqeuclidean" else X * shift
    plans = []
    for points in (X, moved):
        geometry = PointCloudGeometry(points, Y, metric)
        f, g = solved(geometry, a, b, 0.01, 50)
        plans.append(geometry.plan(f, g, 0.01))
    assert np.abs(plans[1] - plans[0]).max() < 1e-12


@pytest.mark.parametrize("shift", [3.0, 1024.0])
def test_plan_of_shifted_clouds_in_float32(shift):
    X, Y, a, b = clouds(300, 200)
    # On a grid, so that the shifted points are floats.
    X, Y = (np.round(z * 1024).astype(np.float32) / 1024 for z in (X, Y))
    a, b = a.astype(np.float32), b.astype(np.float32)
    plans = []
    for points in (X, X + np.float32(shift)):
        geometry = PointCloudGeometry(points, Y)
        f, g = solved(geometry, a, b, 0.01, 50)
        plans.append(geometry.plan(f, g, 0.01).astype(np.float64))
    assert np.abs(plans[1] - plans[0]).sum() < 1e-5


@pytest.mark.parametrize(
    ("metric", "d"), [*((metric, 2) for metric in METRICS), ("cosine", 3)]
)
def test_leaving_out_tiles_changes_nothing(metric, d, monkeypatch):
    X, Y, a, b = clouds(1500, 1200, d)
    geometry = PointCloudGeometry(X, Y, metric)
    eps, kept = 1e-5 * geometry.scale, []
    columns = PointBlocks.columns

    def counted(self, exponents, rows, top=0.0):
        found = columns(self, exponents, rows, top)
        width = self.m if found[1] is None else found[0].shape[0]
        kept.append((rows.stop - rows.start) * width)
        return found

    monkeypatch.setattr(PointBlocks, "columns", counted)
    f, g = solved(geometry, a, b, eps, 3)
    kept.clear()
    moved = geometry.sweep(f, g, np.log(a), np.log(b), eps)
    sums = geometry.marginals(f, g, eps)
    assert sum(kept) < 0.9 * 2 * 1500 * 1200
    monkeypatch.setattr(point_blocks, "NEARLY_ALL", 0.0)
    kept.clear()
    expected = geometry.sweep(f, g, np.log(a), np.log(b), eps)
    assert sum(kept) == 1500 * 1200
    for found, exact in zip(moved[:2], expected[:2], strict=True):
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-14 * geometry.scale)
    for found, exact in zip(sums, geometry.marginals(f, g, eps), strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-14)


def test_masses_far_from_the_plan_are_noticed_where_tiles_are_left_out():
    X, Y, a, b = clouds(1500, 1200)
    geometry = PointCloudGeometry(X, Y)
    eps = 1e-4
    f, g = solved(geometry, a, b, eps, 3)
    whole = Whole(cdist(X, Y, "sqeuclidean"), eps)
    u, v = geometry.outside(f, g)
    far = np.where(np.arange(1200) % 2 == 0, v, v - 100 * eps)
    f, g = geometry.inside(u, far)
    rows, cols = geometry.marginals(f, g, eps, np.log(a), np.log(b))
    P = whole.plan(u, far)
    np.testing.assert_allclose(rows, P.sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(cols, P.sum(axis=0), rtol=1e-10)
    moved = geometry.outside(*geometry.sweep(f, g, np.log(a), np.log(b), eps)[:2])
    expected = whole.sweep(u, far, a, b)
    close(moved[0], expected[0], 1e-12)
    close(moved[1], expected[1], 1e-12)


def test_change_of_the_regularisation_leaves_out_tiles_at_once(monkeypatch):
    X, Y, a, b = clouds(1500, 1200)
    geometry, whole = PointCloudGeometry(X, Y), Whole(cdist(X, Y, "sqeuclidean"), 2e-5)
    f, g = solved(geometry, a, b, 2e-4, 20)
    kept, fill = [], PointBlocks.fill

    def counted(self, *arguments):
        E = fill(self, *arguments)
        kept.append(E.size)
        return E

    monkeypatch.setattr(PointBlocks, "fill", counted)
    found = geometry.outside(*geometry.sweep(f, g, np.log(a), np.log(b), 2e-5)[:2])
    # What was far off is evaluated twice.
    assert sum(kept) < 1500 * 1200
    expected = whole.sweep(*geometry.outside(f, g), a, b)
    close(found[0], expected[0], 1e-12)
    close(found[1], expected[1], 1e-12)


def test_masses_that_span_twelve_orders():
    X, Y, _, _ = clouds()
    rng = np.random.default_rng(3)
    a, b = 10.0 ** rng.uniform(-12, 0, 700), 10.0 ** rng.uniform(-12, 0, 500)
    a, b = a / a.sum(), b / b.sum()
    C = cdist(X, Y, "sqeuclidean")
    eps = 1e-3
    geometry, whole = PointCloudGeometry(X, Y), Whole(C, eps)
    f, g = solved(geometry, a, b, eps, 10)
    u, v = geometry.outside(f, g)
    P = whole.plan(u, v)
    for masses in ((None, None), (np.log(a), np.log(b))):
        rows, cols = geometry.marginals(f, g, eps, *masses)
        np.testing.assert_allclose(rows, P.sum(axis=1), rtol=1e-9)
        np.testing.assert_allclose(cols, P.sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(cols, b, rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_zero_masses_get_zero_rows_and_columns(metric):
    X, Y, a, b = clouds()
    a[::10], b[3::7] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    geometry = PointCloudGeometry(X, Y, metric)
    some = PointCloudGeometry(X[a > 0], Y[b > 0], metric)
    eps = 0.01 * geometry.scale
    f, g = geometry.inside(np.zeros(700), np.zeros(500))
    u, v = some.inside(np.zeros((a > 0).sum()), np.zeros((b > 0).sum()))
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log(a), np.log(b)
    for _ in range(10):
        u, v, _ = some.sweep(u, v, log_a[a > 0], log_b[b > 0], eps)
        f, g, error = geometry.sweep(f, g, log_a, log_b, eps)
    assert np.isfinite(error)
    assert np.array_equal(np.isfinite(f), a > 0)
    assert np.array_equal(np.isfinite(g), b > 0)
    P = geometry.plan(f, g, eps)
    assert not P[a == 0].any()
    assert not P[:, b == 0].any()
    close(P[np.ix_(a > 0, b > 0)], some.plan(u, v, eps), 1e-12)
    for sums in (geometry.marginals(f, g, eps), geometry.sparsify(f, g, eps, 0.0)[:2]):
        np.testing.assert_allclose(sums[0], P.sum(axis=1), rtol=1e-9)
        np.testing.assert_allclose(sums[1], P.sum(axis=0), rtol=1e-9)
    _, _, S = geometry.sparsify(f, g, eps, 0.0)
    assert not S.toarray()[a == 0].any()
    assert np.isfinite(geometry.round_with_divergence(f, g, eps, a, b)).all()
    assert np.isfinite(geometry.inner(f, g, eps))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 40), (30, 1)])
@pytest.mark.parametrize("metric", METRICS)
def test_single_points(metric, n, m):
    X, Y, a, b = clouds(n, m)
    geometry = PointCloudGeometry(X, Y, metric)
    f, g = solved(geometry, a, b, 0.1, 2)
    np.testing.assert_allclose(geometry.plan(f, g, 0.1), np.outer(a, b), rtol=1e-12)
    cost = a @ ground_cost(metric).block(X, Y) @ b
    assert geometry.inner(f, g, 0.1) == pytest.approx(cost, rel=1e-10, abs=1e-14)


def test_points_that_all_coincide():
    X, Y = np.full((600, 3), 2.5), np.full((500, 3), 2.5)
    a, b = np.full(600, 1 / 600), np.full(500, 1 / 500)
    geometry = PointCloudGeometry(X, Y)
    assert geometry.scale == 0.0
    f, g = solved(geometry, a, b, 0.1, 2)
    np.testing.assert_allclose(geometry.plan(f, g, 0.1), np.outer(a, b), rtol=1e-12)


def test_duplicates_share_the_plan():
    X, Y, _, _ = clouds(100, 80)
    a, b = np.full(100, 0.01), np.full(80, 1 / 80)
    once = PointCloudGeometry(X, Y)
    many = PointCloudGeometry(np.repeat(X, 7, axis=0), np.repeat(Y, 6, axis=0))
    plan = once.plan(*solved(once, a, b, 0.01), 0.01)
    f, g = solved(many, np.repeat(a, 7) / 7, np.repeat(b, 6) / 6, 0.01)
    whole = many.plan(f, g, 0.01).reshape(100, 7, 80, 6)
    close(whole.sum(axis=(1, 3)), plan, 1e-12)
    close(whole[:, 0, :, 0] * 42, plan, 1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_float32_stays_and_holds_its_digits(metric):
    X, Y, a, b = clouds()
    double = PointCloudGeometry(X, Y, metric)
    single = PointCloudGeometry(X.astype(np.float32), Y.astype(np.float32), metric)
    eps = 0.05 * double.scale
    f, g = solved(single, a.astype(np.float32), b.astype(np.float32), eps, 100)
    assert f.dtype == g.dtype == np.float32
    P = single.plan(f, g, eps)
    assert P.dtype == np.float32
    plan = double.plan(*solved(double, a, b, eps, 100), eps)
    assert np.abs(P - plan).sum() < 3e-5
    rows, cols = single.marginals(f, g, eps)
    assert rows.dtype == np.float32
    assert np.abs(rows - a).sum() + np.abs(cols - b).sum() < 1e-5


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_scale_of_the_points_does_not_matter(factor):
    X, Y, a, b = clouds()
    plain, scaled = PointCloudGeometry(X, Y), PointCloudGeometry(factor * X, factor * Y)
    P = plain.plan(*solved(plain, a, b, 0.01), 0.01)
    eps = 0.01 * factor**2
    f, g = solved(scaled, a, b, eps)
    close(scaled.plan(f, g, eps), P, 1e-11)
    divergence = plain.round_with_divergence(*solved(plain, a, b, 0.01), 0.01, a, b)[2]
    found = scaled.round_with_divergence(f, g, eps, a, b)
    assert found[2] == pytest.approx(divergence, abs=1e-12)


def test_potentials_have_more_digits_than_the_points():
    X, Y, a, b = (z.astype(np.float32) for z in clouds())
    geometry = PointCloudGeometry(X, Y)
    rng = np.random.default_rng(0)
    f, g = 0.1 * rng.standard_normal(len(a)), 0.1 * rng.standard_normal(len(b))
    rows, cols = geometry.marginals(f, g, 0.05)
    assert rows.dtype == cols.dtype == np.float64
    # A constant of a thousand leaves float32 three digits of these.
    far = geometry.marginals(f + 1e3, g - 1e3, 0.05)
    np.testing.assert_allclose(far[0], rows, rtol=2e-6)
    np.testing.assert_allclose(far[1], cols, rtol=2e-6)
    narrow = f.astype(np.float32), g.astype(np.float32)
    found = geometry.sweep(*narrow, np.log(a), np.log(b), 0.05)
    assert found[0].dtype == found[1].dtype == np.float32
    wide = geometry.sweep(f, g, np.log(a), np.log(b), 0.05)
    assert wide[0].dtype == wide[1].dtype == np.float64
    np.testing.assert_allclose(found[0], wide[0], atol=1e-5)


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
    assert geometry.max_cost() == pytest.approx(C.max(), rel=1e-12)
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
