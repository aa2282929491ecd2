import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import to_numpy
from skopt2.transport import sinkhorn, wasserstein_barycenter
from tests.transport.barycenter_reference import (
    barycenter_by_dual,
    bump,
    gaussian_variance,
    line,
    moments,
    projections,
    quantile_average,
)

W = np.array([0.3, 0.7])


@pytest.mark.parametrize(
    ("eps", "w"), [(1e-2, np.array([0.3, 0.7])), (1e-3, np.array([0.5, 0.5]))]
)
def test_every_method_agrees_where_those_of_peers_do_not(eps, w):
    # Two bumps on 15 bins: elsewhere a start with the wrong weighted mean of the
    # scalings, or an absorbed one, gave masses of .6 and errors of .2.
    B, C = np.array([bump(15, 4, 2), bump(15, 10, 2)]), line(15) / 196
    options = {"weights": w, "tol": 1e-10}
    dense = wasserstein_barycenter(B, reg=eps, cost=C, **options).barycenter
    grid = wasserstein_barycenter(B, reg=196 * eps, **options).barycenter
    image = wasserstein_barycenter(B[:, :, None], reg=196 * eps, **options).barycenter
    image = image[:, 0]
    low = wasserstein_barycenter(
        B.astype(np.float32), reg=eps, cost=C.astype(np.float32), weights=w, tol=1e-4
    ).barycenter
    expected = projections(B, C, eps, w, 4000)
    for p, atol in ((dense, 1e-8), (grid, 1e-8), (image, 1e-8), (low, 1e-3)):
        np.testing.assert_allclose(p, expected, atol=max(atol, 1e-7))
        assert abs(p.sum(dtype=np.float64) - 1.0) < 1e-6
    if eps == 1e-2:
        dual, _ = barycenter_by_dual(B, C, eps, w)
        np.testing.assert_allclose(dense, dual, atol=1e-6)


@pytest.mark.parametrize("reg", [5.0, 50.0, 300.0])
@pytest.mark.parametrize("debiased", [False, True])
def test_gaussians_on_a_line(reg, debiased):
    B = np.array([bump(200, 70, 6), bump(200, 120, 12)])
    result = wasserstein_barycenter(B, reg=reg, weights=W, debiased=debiased, tol=1e-9)
    mean, variance = moments(result.barycenter)
    expected = gaussian_variance([36.0, 144.0], W, reg, debiased)
    assert mean == pytest.approx(0.3 * 70 + 0.7 * 120, abs=1e-6)
    assert variance == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("reg", [2.0, 40.0])
def test_gaussians_of_one_width_keep_it_or_gain_half_the_regularisation(reg):
    B = np.array([bump(120, 40, 5), bump(120, 80, 5)])
    sharp = wasserstein_barycenter(B, reg=reg, debiased=True, tol=1e-9)
    blurred = wasserstein_barycenter(B, reg=reg, tol=1e-9)
    np.testing.assert_allclose(sharp.barycenter, bump(120, 60, 5), atol=1e-6)
    # s = 25 + reg / 2 solves the condition on the variance for equal widths.
    assert moments(blurred.barycenter)[1] == pytest.approx(25 + reg / 2, rel=1e-7)


def test_a_small_regularisation_averages_quantiles():
    B = np.array([bump(60, 15, 4), bump(60, 40, 2) + bump(60, 30, 2)])
    B[1, ::2] *= 0.5
    B /= B.sum(axis=1, keepdims=True)
    result = wasserstein_barycenter(B, reg=0.3, weights=W, debiased=True, tol=1e-5)
    levels = np.linspace(0.02, 0.98, 49)
    found = np.searchsorted(np.cumsum(result.barycenter), levels)
    assert np.abs(found - quantile_average(B, W, levels)).max() <= 1.0


@pytest.mark.parametrize("debiased", [False, True])
def test_shifted_histograms_have_a_shifted_barycentre(debiased):
    B = np.array([bump(100, 30, 4), bump(100, 45, 3)])
    options = {"reg": 4.0, "weights": W, "debiased": debiased, "tol": 1e-10}
    one = wasserstein_barycenter(B, **options)
    other = wasserstein_barycenter(np.roll(B, 15, axis=1), **options)
    moved = np.roll(one.barycenter, 15)
    np.testing.assert_allclose(other.barycenter, moved, atol=1e-8)


def test_all_weight_on_one_histogram():
    B = np.array([bump(30, 12, 3), bump(30, 20, 2)])
    B[0, 18:] = 0.0
    B[0] /= B[0].sum()
    result = wasserstein_barycenter(B, reg=2.0, weights=[1, 0], debiased=True)
    np.testing.assert_allclose(result.barycenter, B[0], rtol=1e-12)
    assert result.converged
    assert np.isnan(result.potentials[1][1]).all()
    with pytest.raises(ValueError, match="weight 0"):
        result.plan(1)
    # Without debiasing every bin is blurred by its row of the kernel.
    K = np.exp(-line(30) / 2.0)
    result = wasserstein_barycenter(B, reg=2.0, weights=[2, 0], tol=1e-12)
    blurred = B[0] @ (K / K.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(result.barycenter, blurred, rtol=1e-12)


def test_equal_histograms_are_their_debiased_barycentre():
    b = bump(25, 9, 2)
    b[::3] = 0.0
    b /= b.sum()
    result = wasserstein_barycenter(
        [b, 3 * b, b], reg=1.0, weights=[1, 2, 5], debiased=True
    )
    np.testing.assert_allclose(result.barycenter, b, rtol=1e-12)
    for k in range(3):
        plan = result.plan(k)
        np.testing.assert_allclose(plan.sum(1), b, atol=1e-6)
        assert (plan[b == 0] == 0).all()
        assert (plan[:, b == 0] == 0).all()


def test_bins_without_mass_in_any_histogram():
    B = np.array([bump(40, 10, 3), bump(40, 28, 3)])
    B[:, 33:] = 0.0
    B[0, 12] = 0.0
    result = wasserstein_barycenter(B, reg=3.0, tol=1e-9)
    assert result.converged
    assert np.isfinite(result.barycenter).all()
    plan = result.plan(0)
    assert (plan[12] == 0).all()
    np.testing.assert_allclose(plan.sum(1), B[0] / B[0].sum(), atol=1e-9)
    np.testing.assert_allclose(plan.sum(0), result.barycenter, atol=1e-9)


def test_images_equal_their_flat_histograms(rng):
    B = rng.random((3, 4, 6)) + 0.1
    flat = B.reshape(3, 24)
    X = np.stack(np.meshgrid(np.arange(4.0), np.arange(6.0), indexing="ij"), -1)
    X = X.reshape(24, 2)
    C = ((X[:, None] - X) ** 2).sum(-1)
    for debiased in (False, True):
        options = {"reg": 1.0, "debiased": debiased, "tol": 1e-9}
        image = wasserstein_barycenter(B, **options)
        dense = wasserstein_barycenter(flat, cost=C, **options)
        assert image.barycenter.shape == (4, 6)
        assert image.potentials[0].shape == image.potentials[1].shape == (3, 4, 6)
        p = image.barycenter.ravel()
        np.testing.assert_allclose(p, dense.barycenter, atol=1e-7)
        np.testing.assert_allclose(image.plan(1), dense.plan(1), atol=1e-7)
        assert image.cost == pytest.approx(dense.cost, rel=1e-6)


def test_the_result_proves_itself(rng):
    B, C = rng.random((3, 12)), rng.random((12, 9))
    B /= B.sum(axis=1, keepdims=True)
    result = wasserstein_barycenter(B, reg=0.05, cost=C, weights=[3, 1, 2], tol=1e-8)
    np.testing.assert_allclose(result.weights, [1 / 2, 1 / 6, 1 / 3])
    errors, objective, cost = [], 0.0, 0.0
    for k, w in enumerate(result.weights):
        P = result.plan(k)
        error = (
            np.abs(P.sum(1) - B[k]).sum() + np.abs(P.sum(0) - result.barycenter).sum()
        )
        errors.append(error)
        cost += w * (P * C).sum()
        one = sinkhorn(B[k], result.barycenter, C, 0.05, tol=1e-9)
        objective += w * one.objective
    assert result.marginal_error == pytest.approx(max(errors), rel=1e-3)
    assert result.marginal_error == result.certificate.value <= 1e-8
    assert result.cost == pytest.approx(cost, rel=1e-12)
    assert result.objective == pytest.approx(objective, abs=1e-8)
    assert 0 <= result.dual_gap < 1e-7
    loose = wasserstein_barycenter(B, reg=0.05, cost=C, weights=[3, 1, 2], tol=1e-2)
    gap = result.objective - loose.objective
    assert -1e-12 <= gap <= loose.dual_gap
    assert {"iteration", "time", "objective", "certificate", "reg"} <= set(
        result.history
    )
    assert np.isnan(
        wasserstein_barycenter(B, reg=30.0, debiased=True, tol=1e-3).dual_gap
    )


def test_warm_starts(rng):
    B = np.array([bump(50, 12, 3), bump(50, 35, 5)])
    cold = wasserstein_barycenter(B, reg=1.0, tol=1e-9)
    near = wasserstein_barycenter(B, reg=1.3, tol=1e-9)
    warm = wasserstein_barycenter(B, reg=1.0, tol=1e-9, start=near.potentials)
    assert warm.n_iter < cold.n_iter
    np.testing.assert_allclose(warm.barycenter, cold.barycenter, atol=1e-7)


def test_sums_and_scales_do_not_matter(rng):
    B, C = rng.random((2, 8)) + 0.1, rng.random((8, 8))
    one = wasserstein_barycenter(B, reg=0.1, cost=C, tol=1e-10)
    scaled = [1e300, 1e-300] * B.T
    other = wasserstein_barycenter(scaled.T, reg=1e11, cost=1e12 * C, tol=1e-10)
    np.testing.assert_allclose(other.barycenter, one.barycenter, rtol=1e-7)


def test_stopping_early_is_told():
    B = np.array([bump(40, 8, 2), bump(40, 30, 2)])
    with pytest.warns(ConvergenceWarning, match="max_iter.*Increase max_iter or reg"):
        result = wasserstein_barycenter(B, reg=0.5, max_iter=4)
    assert not result.converged
    assert result.stop_reason == "max_iter"
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        wasserstein_barycenter(B, reg=0.5, tol=0.0, time_limit=1e-9)
    with pytest.warns(ConvergenceWarning, match="stalled"):
        wasserstein_barycenter(B.astype(np.float32), reg=20.0, tol=0.0)


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("debiased", [False, True])
def test_devices(rng, cuda_stand_in, debiased):
    B = np.array([bump(20, 6, 2), bump(20, 13, 3)])
    options = {"reg": 2.0, "debiased": debiased, "tol": 1e-8}
    for cost in (None, line(20)):
        here = wasserstein_barycenter(B, cost=cost, **options)
        sent = wasserstein_barycenter(B, cost=cost, device="cuda", **options)
        assert isinstance(sent.barycenter, np.ndarray)
        np.testing.assert_allclose(sent.barycenter, here.barycenter, atol=1e-7)
        there = wasserstein_barycenter(cuda_stand_in.upload(B, 1), cost=cost, **options)
        for x in (there.barycenter, *there.potentials, there.plan(0)):
            assert cuda_stand_in.index_of(x) == 1
        found = to_numpy(there.barycenter.to_device(cuda_stand_in.target(0).device))
        np.testing.assert_allclose(
            cuda_stand_in.upload(there.plan(1), 0).shape, here.plan(1).shape
        )
        assert found.shape == (20,)
        assert there.cost == pytest.approx(here.cost, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reg": 0.0}, r"reg must be a positive number; got reg=0\.0\. It"),
        ({"measures": [[1.0, -1.0]]}, "nonnegative, but holds -1"),
        ({"measures": [[1.0, np.nan]]}, "finite, but holds NaN"),
        ({"measures": [[1.0, 2.0], [0.0, 0.0]]}, "Histogram 1 is zero in all bins"),
        ({"measures": [1.0, 2.0]}, r"shape \(n_measures, n_bins\)"),
        ({"measures": [[1.0, 2.0], [3.0]]}, "the same bins. Pass n_support"),
        ({"measures": [[1j, 2.0]]}, "Complex data"),
        ({"weights": [1.0]}, r"weights has the shape \(1,\), expected \(2,\)"),
        ({"weights": [1.0, -1.0]}, "weights must be finite and nonnegative"),
        ({"weights": [0.0, 0.0]}, "not all zero"),
        ({"cost": np.ones((2, 3))}, "the histograms have 3 bins"),
        ({"cost": np.ones(3)}, r"cost must have the shape \(n, m\)"),
        ({"cost": np.full((3, 3), np.inf)}, "cost must be finite"),
        ({"cost": np.ones((3, 4)), "debiased": True}, "needs a symmetric cost"),
        ({"cost": np.eye(3, k=1), "debiased": True}, "is not symmetric"),
        ({"measures": np.ones((2, 2, 2)), "cost": np.eye(4)}, "Reshape them"),
        ({"tol": -1.0}, "tol must be a nonnegative number"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"start": (np.ones((2, 3)),)}, "start must be a pair"),
        ({"start": (None, np.ones((3, 3)))}, "g has the shape"),
        ({"masses": [[1.0], [1.0]]}, "masses are those of points"),
        ({"n_support": 2, "cost": np.eye(3)}, "cost is for histograms"),
        ({"n_support": 2, "start": (1, 2)}, "start is for histograms"),
        ({"device": "tpu"}, "device must be"),
    ],
)
def test_bad_input(change, message):
    arguments = {"measures": np.ones((2, 3)), "reg": 1.0, **change}
    with pytest.raises(ValueError, match=message):
        wasserstein_barycenter(**arguments)
