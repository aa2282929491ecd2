"""Point clouds as costs: the same answers as the matrix, stored or streamed."""

import subprocess
import sys
from pathlib import Path

import array_api_strict
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skopt2.solvers.transport.cost import METRICS
from skopt2.solvers.transport.stored_points import StoredPointGeometry
from skopt2.solvers.transport.streamed import PointCloudGeometry
from skopt2.transport import PointCloud, sinkhorn
from tests.stand_in import DEVICES, download

# Unit of the peak memory that the system reports, per MiB.
UNIT = 2**20 if sys.platform == "darwin" else 2**10
ROOT = Path(__file__).resolve().parents[2]


def clouds(n=120, m=90, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, d)), rng.random((m, d)) + 0.1
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return X, Y, a / a.sum(), b / b.sum()


def chebyshev(X, Y):
    return cdist(X, Y, "chebyshev")


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("metric", [*METRICS, chebyshev])
def test_cloud_is_its_cost_matrix(metric, streamed):
    X, Y, a, b = clouds()
    C = cdist(X, Y, "chebyshev" if callable(metric) else metric)
    expected = sinkhorn(a, b, C, 0.05, tol=1e-9)
    cloud = PointCloud(X, Y, metric, streamed=streamed)
    found = sinkhorn(a, b, cloud, 0.05, tol=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.plan, expected.plan, atol=1e-10)
    assert found.cost == pytest.approx(expected.cost, rel=1e-8)
    assert found.objective == pytest.approx(expected.objective, rel=1e-8)
    assert found.rounded_cost == pytest.approx(expected.rounded_cost, rel=1e-8)
    # Potentials are fixed up to a constant that goes from one side to the other.
    gain = [z - w for z, w in zip(found.potentials, expected.potentials, strict=True)]
    np.testing.assert_allclose(gain[0], gain[0][0], atol=1e-7)
    np.testing.assert_allclose(gain[1], -gain[0][0], atol=1e-7)
    V = np.random.default_rng(1).random((90, 2))
    np.testing.assert_allclose(found.apply(V), found.plan @ V, rtol=1e-10)
    np.testing.assert_allclose(found.apply_t(a), found.plan.T @ a, rtol=1e-10)


@pytest.mark.parametrize("streamed", [True, False])
def test_certificate_of_a_cloud(streamed):
    X, Y, a, b = clouds()
    result = sinkhorn(a, b, PointCloud(X, Y, streamed=streamed), 0.01, tol=1e-7)
    P, (f, g) = result.plan, result.potentials
    error = np.abs(P.sum(axis=1) - a).sum() + np.abs(P.sum(axis=0) - b).sum()
    assert result.marginal_error == pytest.approx(error, abs=1e-12)
    assert error <= 1e-7
    C = cdist(X, Y, "sqeuclidean")
    np.testing.assert_allclose(P, np.exp((f[:, None] + g - C) / 0.01), rtol=1e-9)
    assert result.objective == pytest.approx(a @ f + b @ g - 0.01 * P.sum(), rel=1e-12)
    assert 0 <= result.dual_gap < 1e-6
    assert result.cost == pytest.approx((P * C).sum(), rel=1e-10)


def test_small_regularisation_reaches_the_assignment():
    rng = np.random.default_rng(3)
    X, Y = rng.random((40, 2)), rng.random((40, 2))
    C = cdist(X, Y)
    best = C[linear_sum_assignment(C)].mean()
    cloud = PointCloud(X, Y, "euclidean", streamed=True)
    result = sinkhorn(None, None, cloud, 2e-3, tol=1e-5)
    assert best - 1e-12 <= result.rounded_cost <= best + 2e-3 * np.log(40)
    assert result.objective <= best


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("shift", [3.0, 1e3, 1e6])
def test_shift_goes_into_the_potentials_only(shift, streamed):
    X, Y, a, b = clouds()
    # On a grid, so that the shifted points are floats.
    X, Y = (np.round(z * 2.0**20) / 2.0**20 for z in (X, Y))
    plain = sinkhorn(a, b, PointCloud(X, Y, streamed=streamed), 0.01)
    moved = sinkhorn(a, b, PointCloud(X + shift, Y, streamed=streamed), 0.01)
    assert moved.n_iter == plain.n_iter
    assert np.abs(moved.plan - plain.plan).max() < 1e-12
    C = cdist(X + shift, Y, "sqeuclidean")
    assert moved.cost == pytest.approx((moved.plan * C).sum(), rel=1e-13)
    assert moved.dual_gap == pytest.approx(plain.dual_gap, abs=1e-12)
    f, g = moved.potentials
    log_plan = (f[:, None] + g - C) / 0.01
    digits = 1e-13 * C.max() / 0.01
    np.testing.assert_allclose(np.exp(log_plan), moved.plan, atol=digits)


@pytest.mark.parametrize("shift", [3.0, 1024.0])
def test_shift_in_float32(shift):
    X, Y, _, _ = clouds()
    X, Y = (np.round(z * 1024).astype(np.float32) / 1024 for z in (X, Y))
    plain = sinkhorn(None, None, PointCloud(X, Y, streamed=True), 0.01, tol=1e-5)
    cloud = PointCloud(X + np.float32(shift), Y, streamed=True)
    moved = sinkhorn(None, None, cloud, 0.01, tol=1e-5)
    assert moved.plan.dtype == np.float32
    assert np.abs(moved.plan - plain.plan).sum() < 1e-5


@pytest.mark.parametrize("streamed", [True, False])
def test_start_of_a_shifted_cloud(streamed):
    X, Y, a, b = clouds()
    cloud = PointCloud(X + 5.0, Y, streamed=streamed)
    cold = sinkhorn(a, b, cloud, 0.01)
    warm = sinkhorn(a, b, cloud, 0.01, start=cold.potentials)
    assert warm.n_iter < cold.n_iter / 3
    np.testing.assert_allclose(warm.plan, cold.plan, atol=1e-7)


@pytest.mark.parametrize("streamed", [True, False])
def test_zero_masses_leave_the_problem(streamed):
    X, Y, a, b = clouds()
    a[::10], b[3::7] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    found = sinkhorn(a, b, PointCloud(X, Y, streamed=streamed), 0.02, tol=1e-9)
    some = PointCloud(X[a > 0], Y[b > 0], streamed=streamed)
    expected = sinkhorn(a[a > 0], b[b > 0], some, 0.02, tol=1e-9)
    assert not found.plan[a == 0].any()
    assert not found.plan[:, b == 0].any()
    np.testing.assert_array_equal(found.plan[np.ix_(a > 0, b > 0)], expected.plan)
    assert np.all(found.potentials[0][a == 0] == -np.inf)
    assert found.apply(Y).shape == (120, 3)


@pytest.mark.parametrize("total", [1e-9, 1.0, 1e9])
def test_total_mass_scales_the_plan(total):
    X, Y, a, b = clouds()
    cloud = PointCloud(X, Y, streamed=True)
    one = sinkhorn(a, b, cloud, 0.02)
    found = sinkhorn(total * a, total * b, cloud, 0.02)
    np.testing.assert_allclose(found.plan, total * one.plan, rtol=1e-10)
    assert found.cost == pytest.approx(total * one.cost, rel=1e-10)


def test_streams_where_the_costs_exceed_the_budget():
    X, Y, _, _ = clouds(300, 250)
    cloud = PointCloud(X, Y)
    assert isinstance(cloud.geometry(), StoredPointGeometry)
    with config_context(working_memory=1):
        assert isinstance(cloud.geometry(), PointCloudGeometry)
        stored = PointCloud(X, Y, streamed=False)
        assert isinstance(stored.geometry(), StoredPointGeometry)
        half = PointCloud(X.astype(np.float32), Y[:150].astype(np.float32))
        assert isinstance(half.geometry(), StoredPointGeometry)
    assert isinstance(PointCloud(X, Y, streamed=True).geometry(), PointCloudGeometry)


def test_keeps_some_rows_and_columns():
    X, Y, _, _ = clouds()
    geometry = PointCloud(X, Y, streamed=True).geometry(rows=np.array([3, 5]))
    assert geometry.shape == (2, 90)
    np.testing.assert_array_equal(geometry.X, X[[3, 5]])


def test_single_points():
    result = sinkhorn(None, None, PointCloud([[1.0]], [[4.0]], streamed=True), 0.1)
    np.testing.assert_allclose(result.plan, [[1.0]], rtol=1e-12)
    assert result.cost == pytest.approx(9.0, rel=1e-12)


def test_description():
    X, Y, _, _ = clouds()
    cloud = PointCloud(X, Y, "cosine")
    assert cloud.shape == (120, 90)
    assert repr(cloud) == "PointCloud(120 x 90 points, 3 features, metric='cosine')"
    assert cloud.X is X


@pytest.mark.parametrize("convert", [pd.DataFrame, np.ndarray.tolist])
def test_what_becomes_an_array(convert):
    X, Y, _, _ = clouds()
    cloud = PointCloud(convert(X), convert(Y))
    np.testing.assert_array_equal(cloud.X, X)
    np.testing.assert_array_equal(cloud.Y, Y)


def test_dtypes():
    X, Y, _, _ = clouds()
    single = X.astype(np.float32)
    assert PointCloud(single, Y.astype(np.float32)).X.dtype == np.float32
    mixed = PointCloud(single, Y)
    assert mixed.X.dtype == mixed.Y.dtype == np.float64
    whole = PointCloud((10 * X).astype(int), Y)
    assert whole.X.dtype == np.float64
    half = PointCloud(X.astype(np.float16), Y.astype(np.float16))
    assert half.Y.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"Y": np.ones((4, 3))}, ValueError, "X has 2 features and Y has 3"),
        ({"X": [[np.nan, 1.0]]}, ValueError, "X must be finite"),
        ({"Y": [[np.inf, 1.0]]}, ValueError, "Y must be finite"),
        ({"X": [1.0, 2.0]}, ValueError, r"X must have the shape.*reshape\(-1, 1\)"),
        ({"Y": np.ones((0, 2))}, ValueError, r"Y must have the shape.*\(0, 2\)"),
        ({"X": np.ones((2, 2)) * 1j}, ValueError, "X is complex128"),
        ({"X": sp.eye_array(2)}, TypeError, r"X is sparse.*X.toarray\(\)"),
        ({"metric": "manhattan"}, ValueError, "metric must be one of.*'cityblock'"),
        ({"streamed": "yes"}, ValueError, "streamed must be True, False or None"),
    ],
)
def test_bad_input(change, error, match):
    arguments = {"X": np.zeros((3, 2)), "Y": np.ones((4, 2)), **change}
    with pytest.raises(error, match=match):
        PointCloud(**arguments)


@pytest.mark.parametrize("streamed", [True, False])
def test_callable_of_the_wrong_shape(streamed):
    X, Y, _, _ = clouds()
    cloud = PointCloud(X, Y, lambda X, Y: cdist(X, Y)[:, :1], streamed=streamed)
    with pytest.raises(ValueError, match="metric returned an array of shape"):
        sinkhorn(None, None, cloud, 0.1)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e30), (np.float64, 1e200)])
def test_costs_that_overflow(dtype, size, streamed):
    X, Y, _, _ = clouds()
    X = (size * X).astype(dtype)
    cloud = PointCloud(X, Y.astype(dtype), streamed=streamed)
    with pytest.raises(ValueError, match="overflow float.*Divide X and Y"):
        sinkhorn(None, None, cloud, 0.1)


def test_callable_between_different_spaces():
    X, Y, _, _ = clouds()
    cloud = PointCloud(X, Y[:, :2], lambda X, Y: cdist(X[:, :2], Y), streamed=True)
    result = sinkhorn(None, None, cloud, 0.1)
    expected = sinkhorn(None, None, cdist(X[:, :2], Y[:, :2]), 0.1)
    np.testing.assert_allclose(result.plan, expected.plan, atol=1e-7)


def test_masses_of_the_wrong_length():
    X, Y, a, _ = clouds()
    with pytest.raises(ValueError, match=r"b has the shape \(120,\), expected \(90,\)"):
        sinkhorn(a, a, PointCloud(X, Y), 0.1)


def test_not_converged_warns():
    X, Y, _, _ = clouds()
    with pytest.warns(ConvergenceWarning, match="marginal error"):
        result = sinkhorn(
            None, None, PointCloud(X, Y, streamed=True), 1e-3, tol=1e-9, max_iter=3
        )
    assert result.n_iter == 3


@pytest.mark.parametrize("streamed", [True, False])
def test_cloud_on_a_device(cuda_stand_in, streamed):
    X, Y, a, b = clouds(60, 50)
    up = [array_api_strict.asarray(z, device=DEVICES[0]) for z in (X, Y)]
    options = {"reg": 0.02, "tol": 1e-12}
    expected = sinkhorn(a, b, PointCloud(X, Y, streamed=True), **options)
    found = sinkhorn(a, b, PointCloud(*up, streamed=streamed), **options)
    assert found.plan.device == DEVICES[0]
    np.testing.assert_allclose(download(found.plan), expected.plan, atol=1e-11)
    assert found.cost == pytest.approx(expected.cost, rel=1e-10)
    cloud = PointCloud(X, Y, streamed=streamed)
    moved = sinkhorn(a, b, cloud, **options, device="cuda")
    assert isinstance(moved.plan, np.ndarray)
    np.testing.assert_allclose(moved.plan, expected.plan, atol=1e-11)


def test_memory_of_a_streamed_solution():
    code = """
import resource, warnings
import numpy as np
from skopt2.transport import PointCloud, sinkhorn
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
n = 8000
X, Y = rng.random((n, 3)), rng.random((n, 3))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = sinkhorn(None, None, PointCloud(X, Y), 0.005, max_iter=2)
assert result.cost > 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    run = [sys.executable, "-c", code]
    out = subprocess.run(run, check=True, cwd=ROOT, capture_output=True, text=True)
    # The costs alone would be 488 MB.
    assert int(out.stdout) / UNIT < 150
