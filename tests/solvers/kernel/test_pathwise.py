"""Samples of Gaussian processes against the closed forms of their moments."""

import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import minimize_scalar
from threadpoolctl import threadpool_limits

from skopt2._core.transfer import convert
from skopt2.kernels import (
    Cauchy,
    Gaussian,
    KernelOperator,
    Laplacian,
    Linear,
    Matern,
    Product,
    RationalQuadratic,
    Scaled,
    Sum,
)
from skopt2.solvers.kernel import pathwise
from skopt2.solvers.kernel import prior as prior_module
from skopt2.solvers.kernel.local_variance import likely_variance, nearest_rows
from skopt2.solvers.kernel.pathwise import (
    PathwisePosterior,
    draw_prior,
    sample_targets,
)
from skopt2.solvers.kernel.solve import solve_kernel_system

LAM = 0.1


def closed_form(kernel, X, Y, Xnew, lam):
    """Return mean and covariance of the posterior at new points."""
    H = kernel(X) + np.diag(np.broadcast_to(lam, X.shape[0]))
    B = kernel(X, Xnew)
    return B.T @ np.linalg.solve(H, Y), kernel(Xnew) - B.T @ np.linalg.solve(H, B)


def fitted(kernel, X, Y, lam, n_samples, n_features, rng, n_neighbors=0):
    """Return the posterior by dense solves in float64."""
    prior = draw_prior(kernel, X, n_samples, n_features, rng)
    targets = sample_targets(prior, X, lam, rng)
    H = kernel(X) + np.diag(np.broadcast_to(lam, X.shape[0]))
    coef, sample_coef = np.linalg.solve(H, Y), np.linalg.solve(H, targets)
    return PathwisePosterior(
        kernel, X, coef, sample_coef, prior, targets, lam, n_neighbors
    )


@pytest.fixture
def data(rng):
    X = rng.uniform(-2.0, 2.0, (60, 3))
    return X, np.sin(X).sum(axis=1, keepdims=True), rng.uniform(-2.5, 2.5, (40, 3))


@pytest.mark.parametrize(
    "kernel", [Gaussian(1.0), Laplacian(2.0), Matern(1.5, [1.0, 2.0, 3.0])]
)
def test_prior_has_the_covariance_of_the_kernel(rng, kernel):
    X = rng.standard_normal((15, 3))
    s = 4000
    F = draw_prior(kernel, X, s, 2000, rng).values(X)
    K = kernel(X)
    # Given the features F F' / s is a Wishart matrix; the features add their own error,
    # for which independent draws are a bound.
    variance = (1.0 + K**2) / s + (1.0 - K**2) / 2000.0
    assert (np.abs(F @ F.T / s - K) < 5.5 * np.sqrt(variance)).all()
    assert np.abs(F.mean(axis=1)).max() < 5.5 / np.sqrt(s)


@pytest.mark.parametrize("lam", [LAM, "vector"])
def test_targets_have_the_covariance_of_the_system(rng, lam):
    X = rng.standard_normal((12, 2))
    if lam == "vector":
        lam = rng.uniform(0.1, 2.0, 12)
    s = 4000
    kernel = Matern(2.5, 1.0)
    prior = draw_prior(kernel, X, s, 2000, rng)
    Y = sample_targets(prior, X, lam, rng)
    H = kernel(X) + np.diag(np.broadcast_to(lam, 12))
    size = np.diag(H)[:, None] * np.diag(H)
    variance = (size + H**2) / s + (1.0 - kernel(X) ** 2) / 2000.0
    assert (np.abs(Y @ Y.T / s - H) < 5.5 * np.sqrt(variance)).all()
    # The noise is independent of the function.
    noise = Y - prior.values(X)
    cross = noise @ prior.values(X).T / s
    assert np.abs(cross).max() < 5.5 * np.sqrt(np.max(lam) / s)


@pytest.mark.parametrize("kernel", [Gaussian(1.0), Laplacian(2.0), Matern(1.5, 2.0)])
@pytest.mark.parametrize("lam", [LAM, "vector"])
def test_posterior_is_the_closed_form(rng, data, kernel, lam):
    X, Y, Xnew = data
    if lam == "vector":
        lam = rng.uniform(0.05, 1.0, 60)
    s = 1000
    posterior = fitted(kernel, X, Y, lam, s, 4000, rng)
    mean, covariance = closed_form(kernel, X, Y, Xnew, lam)
    assert_allclose(posterior.mean(Xnew), mean, atol=1e-12)
    variance = np.diag(covariance)
    found = posterior.variance(Xnew) / variance
    # s times the ratio has the chi-squared distribution, but for the features, whose
    # share of the error is below a tenth with 4000 of them.
    bounds = stats.chi2.ppf([1e-6, 1.0 - 1e-6], s) / s
    assert 1.0 - 1.1 * (1.0 - bounds[0]) < found.min()
    assert found.max() < 1.0 + 1.1 * (bounds[1] - 1.0)
    deviations = posterior.deviations(Xnew)
    error = deviations @ deviations.T / s - covariance
    spread = np.sqrt((np.outer(variance, variance) + covariance**2) / s)
    assert np.abs(error / spread).max() < 5.5
    assert np.abs(deviations.mean(axis=1) / np.sqrt(variance / s)).max() < 5.0


def test_standard_deviation_of_few_samples(rng):
    X = rng.uniform(-3.0, 3.0, (500, 4))
    Xnew = rng.uniform(-3.3, 3.3, (300, 4))
    kernel, lam = Matern(1.5, 2.0), 0.05
    posterior = fitted(kernel, X, X[:, :1], lam, 64, 2000, rng)
    variance = np.diag(closed_form(kernel, X, X[:, :1], Xnew, lam)[1])
    ratio = np.sqrt(posterior.variance(Xnew) / variance)
    assert 0.85 < np.median(ratio) < 1.15
    # A chi of 64 degrees of freedom has the relative deviation 1 / sqrt(128).
    assert np.std(ratio) < 1.3 / np.sqrt(128)


@pytest.mark.parametrize(
    "kernel",
    [
        Gaussian(2.0),
        Laplacian(2.0),
        Matern(2.5, [1.0, 2.0, 3.0, 4.0]),
        Sum([Scaled(Matern(1.5, 2.0), 0.5), Linear()]),
        Scaled(RationalQuadratic(0.7, 2.0), 3.0),
    ],
)
@pytest.mark.parametrize("lam", [0.05, "vector"])
def test_near_rows_make_the_variance_more_precise(rng, kernel, lam):
    n, s = 300, 64
    X = rng.uniform(-3.0, 3.0, (n, 4))
    Xnew = rng.uniform(-3.3, 3.3, (120, 4))
    if lam == "vector":
        lam = rng.uniform(0.02, 0.5, n)
    posterior = fitted(kernel, X, X[:, :1], lam, s, 2000, rng)
    variance = np.diag(closed_form(kernel, X, X[:, :1], Xnew, lam)[1])

    def error(n_neighbors, m=120):
        found = replace(posterior, n_neighbors=n_neighbors).variance(Xnew[:m])
        return np.sqrt(np.mean((np.sqrt(found / variance[:m]) - 1.0) ** 2))

    plain, few, many = error(0), error(16), error(64)
    assert 0.7 / np.sqrt(2 * s) < plain < 1.4 / np.sqrt(2 * s)
    assert few < 0.7 * plain
    assert many < 0.3 * plain
    assert error(n, 5) < 1e-5


def test_near_rows_make_up_for_few_features_where_there_is_little_noise(rng):
    # 200 features cannot follow 400 values that are nearly exact.
    X, Xnew = rng.uniform(0.0, 10.0, (400, 2)), rng.uniform(0.0, 10.0, (100, 2))
    kernel, lam = Matern(2.5, 1.0), 1e-6
    posterior = fitted(kernel, X, X[:, :1], lam, 64, 200, rng)
    variance = np.diag(closed_form(kernel, X, X[:, :1], Xnew, lam)[1])
    plain = np.sqrt(posterior.variance(Xnew) / variance)
    assert np.sqrt(np.mean((plain - 1.0) ** 2)) > 0.3
    near = replace(posterior, n_neighbors=64).variance(Xnew)
    assert_allclose(np.sqrt(near / variance), 1.0, atol=0.02)


def test_the_mean_of_many_estimates_is_the_variance(rng):
    X = rng.uniform(-3.0, 3.0, (120, 3))
    Xnew = rng.uniform(-3.3, 3.3, (30, 3))
    kernel, lam = Gaussian(1.5), 0.1
    variance = np.diag(closed_form(kernel, X, X[:, :1], Xnew, lam)[1])
    found = np.array(
        [
            fitted(kernel, X, X[:, :1], lam, 32, 200, rng, 8).variance(Xnew) / variance
            for _ in range(60)
        ]
    )
    spread = found.std(axis=0, ddof=1)
    assert spread.max() < 0.25
    # The largest likelihood is biased by a part of its variance.
    error = np.abs(found.mean(axis=0) - 1.0)
    assert (error < 5.0 * spread / np.sqrt(60) + spread**2).all()
    assert abs(found.mean() - 1.0) < 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variance_without_noise_and_at_rows_of_the_data(rng, dtype):
    X = np.repeat(rng.uniform(-2.0, 2.0, (40, 2)), 2, axis=0).astype(dtype)
    kernel, lam = Laplacian(1.0), 0.0
    prior = draw_prior(kernel, X, 16, 1000, rng)
    targets = sample_targets(prior, X, lam, rng)
    K = kernel(X.astype(float)) + 1e-9 * np.eye(80)
    A = np.linalg.solve(K, targets.astype(float)).astype(dtype)
    posterior = PathwisePosterior(kernel, X, A[:, :1], A, prior, targets, lam, 20)
    variance = posterior.variance(X)
    assert variance.dtype == dtype
    assert (variance >= 0.0).all()
    assert_allclose(variance, 0.0, atol=1e-6)
    far = posterior.variance(X + np.asarray(1000.0, dtype=dtype))
    assert_allclose(far, 1.0, rtol=1e-6)


@pytest.mark.parametrize("n", [70, 5000])
def test_nearest_rows_are_those_of_a_sort(rng, n):
    K = np.round(rng.standard_normal((9, n)), 2)
    K[3], K[4, : n // 2] = 1.0, 1.0
    for precision in (None, rng.uniform(0.5, 2.0, n)):
        size = np.abs(K) if precision is None else K * K * precision
        index = nearest_rows(K, precision, 20)
        assert index.shape == (9, 20)
        for row, some in zip(size, index, strict=True):
            assert np.unique(some).size == 20
            assert_array_equal(np.sort(row[some]), np.sort(row)[-20:])


def test_likely_variance_is_the_maximum_of_the_likelihood(rng):
    v = rng.uniform(0.01, 0.99, 50)
    t = rng.uniform(0.5, 3.0, 50)
    v = v * t
    a = v * rng.chisquare(64, 50) / 64
    b = (t - v) * rng.chisquare(64, 50) / 64

    def minus(u, k):
        rest = t[k] - u
        return np.log(u) + a[k] / u + np.log(rest) + b[k] / rest

    found = likely_variance(a, b, t)
    for k in range(50):
        best = minimize_scalar(
            minus, args=(k,), bounds=(0.0, t[k]), options={"xatol": 1e-12}
        )
        assert_allclose(minus(found[k], k), best.fun, atol=1e-9)
        assert_allclose(found[k], best.x, rtol=1e-5)
    assert_array_equal(
        likely_variance(np.zeros(2), np.ones(2), np.array([0.0, 2.0]))[0], 0
    )
    assert_allclose(likely_variance(np.ones(1), np.zeros(1), np.full(1, 2.0)), 2.0)


def test_far_from_the_data_the_posterior_is_the_prior(rng, data):
    X, Y, _ = data
    posterior = fitted(Gaussian(1.0), X, Y, LAM, 50, 200, rng)
    far = 1000.0 + rng.standard_normal((5, 3))
    assert_allclose(posterior.mean(far), 0.0, atol=1e-12)
    assert_allclose(posterior.deviations(far), posterior.prior.values(far))


@pytest.mark.parametrize("n_neighbors", [0, 10])
def test_one_pass_gives_all_that_single_calls_give(rng, data, n_neighbors):
    X, Y, Xnew = data
    targets = np.hstack([Y, -Y])
    posterior = fitted(Matern(1.5, 1.0), X, targets, LAM, 30, 200, rng, n_neighbors)
    mean, variance = posterior.moments(Xnew)
    assert mean.shape == (40, 2)
    assert_allclose(mean, posterior.mean(Xnew), atol=1e-13)
    if not n_neighbors:
        assert_allclose(variance, (posterior.deviations(Xnew) ** 2).mean(axis=1))
    assert_array_equal(variance, posterior.variance(Xnew))


def test_draws_do_not_depend_on_the_size_of_the_pieces(rng, data, monkeypatch):
    X, Y, Xnew = data
    results = []
    for entries in (2**22, 100):
        for module in (pathwise, prior_module):
            monkeypatch.setattr(module, "_ENTRIES", entries)
        seeded = np.random.default_rng(5)
        prior = draw_prior(Gaussian(1.0), X, 12, 100, seeded)
        targets = sample_targets(prior, X, LAM, seeded)
        H = Gaussian(1.0)(X) + LAM * np.eye(60)
        A = np.linalg.solve(H, targets)
        posterior = PathwisePosterior(Gaussian(1.0), X, Y, A, prior, targets, LAM, 9)
        plain = replace(posterior, n_neighbors=0)
        results.append((targets, *posterior.moments(Xnew), plain.variance(Xnew)))
    for one, other in zip(*results, strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-13)
    again = draw_prior(Gaussian(1.0), X, 12, 100, np.random.default_rng(5))
    assert_array_equal(again.values(X, n_threads=3), prior.values(X, n_threads=1))


@pytest.mark.parametrize("n_neighbors", [0, 10])
def test_threads_change_nothing(rng, n_neighbors):
    X, Xnew = rng.standard_normal((300, 3)), rng.standard_normal((500, 3))
    posterior = fitted(Matern(1.5, 1.0), X, X[:, :1], LAM, 12, 200, rng, n_neighbors)
    results = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            results.append(posterior.moments(Xnew))
    for one, other in zip(*results, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("n_neighbors", [0, 10])
def test_moments_make_no_array_of_all_pairs(rng, n_neighbors):
    n, m = 3000, 2000
    X, Xnew = (rng.standard_normal((k, 3)).astype(np.float32) for k in (n, m))
    prior = draw_prior(Matern(1.5, 1.0), X, 4, 200, rng)
    Y = sample_targets(prior, X, LAM, rng)
    posterior = PathwisePosterior(
        Matern(1.5, 1.0), X, Y[:, :1], Y, prior, Y, LAM, n_neighbors
    )
    posterior.moments(Xnew[:10])
    tracemalloc.start()
    posterior.moments(Xnew)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * m * 4 / 3


def test_float32_stays_and_is_near(rng, data):
    X, Y, Xnew = (x.astype(np.float32) for x in data)
    kernel = Matern(2.5, 1.0)
    prior = draw_prior(kernel, X, 20, 200, np.random.default_rng(1))
    targets = sample_targets(prior, X, LAM, np.random.default_rng(2))
    assert targets.dtype == np.float32
    wide = draw_prior(kernel, X.astype(float), 20, 200, np.random.default_rng(1))
    expected = sample_targets(wide, X.astype(float), LAM, np.random.default_rng(2))
    assert_allclose(targets, expected, atol=1e-5)
    A = np.linalg.solve(kernel(X) + LAM * np.eye(60, dtype=np.float32), targets)
    exact = np.linalg.solve(kernel(X.astype(float)) + LAM * np.eye(60), expected)
    for n_neighbors in (0, 10):
        more = (LAM, n_neighbors)
        posterior = PathwisePosterior(kernel, X, Y, A, prior, targets, *more)
        mean, variance = posterior.moments(Xnew)
        assert mean.dtype == variance.dtype == np.float32
        there = PathwisePosterior(
            kernel, X.astype(float), Y.astype(float), exact, wide, expected, *more
        )
        assert_allclose(variance, there.variance(Xnew.astype(float)), rtol=2e-3)


@pytest.mark.parametrize("n_neighbors", [0, 12])
@pytest.mark.parametrize(
    "kernel",
    [
        Matern(1.5, [1.0, 2.0, 1.5]),
        Scaled(Sum([Product([Gaussian(2.0), Cauchy(3.0)]), Linear()]), 0.8),
    ],
)
def test_devices_agree(rng, data, device_backend, kernel, n_neighbors):
    X, Y, Xnew = data
    lam = rng.uniform(0.1, 0.3, 60)

    def moments(points, targets, new, lam):
        seeded = np.random.default_rng(7)
        prior = draw_prior(kernel, points, 8, 100, seeded)
        samples = sample_targets(prior, points, lam, seeded)
        operator = KernelOperator(kernel, points)
        both = [
            solve_kernel_system(operator, Z, lam, solver="cholesky").solution.a
            for Z in (targets, samples)
        ]
        posterior = PathwisePosterior(
            kernel, points, *both, prior, samples, lam, n_neighbors
        )
        return posterior, posterior.moments(new)

    here, expected = moments(X, Y, Xnew, lam)
    there, found = moments(*(device_backend.asarray(x) for x in (*data, lam)))
    for one, other in zip(found, expected, strict=True):
        assert_allclose(device_backend.to_numpy(one), other, atol=1e-10)
    moved = convert(here, device_backend.target)
    for one, other in zip(
        moved.moments(device_backend.asarray(Xnew)), expected, strict=True
    ):
        assert_allclose(device_backend.to_numpy(one), other, atol=1e-10)


def test_pickle(rng, data):
    X, Y, Xnew = data
    posterior = fitted(Gaussian(1.0), X, Y, LAM, 10, 100, rng)
    again = pickle.loads(pickle.dumps(posterior))
    assert_array_equal(again.deviations(Xnew), posterior.deviations(Xnew))


def test_wrong_noise_and_points(rng, data):
    X, Y, _ = data
    prior = draw_prior(Gaussian(1.0), X, 3, 10, rng)
    with pytest.raises(ValueError, match=r"lam must be a number or have the shape"):
        sample_targets(prior, X, np.ones(59), rng)
    for lam in (-1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="finite and not negative"):
            sample_targets(prior, X, lam, rng)
    for n_samples in (0, 2.5):
        with pytest.raises(ValueError, match="n_samples must be a positive"):
            draw_prior(Gaussian(1.0), X, n_samples, 10, rng)
    posterior = PathwisePosterior(Gaussian(1.0), X, Y, Y, prior)
    with pytest.raises(ValueError, match="Xnew has 2 features"):
        posterior.mean(np.zeros((3, 2)))
