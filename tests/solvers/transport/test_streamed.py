"""Streamed costs against the whole matrix in the log domain, and what they add."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skopt2.solvers.transport import point_blocks
from skopt2.solvers.transport.cost import METRICS, ground_cost
from skopt2.solvers.transport.point_blocks import PointBlocks
from skopt2.solvers.transport.streamed import PointCloudGeometry
from tests.solvers.transport.whole_costs import ALL, Whole, close, clouds, solved


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
