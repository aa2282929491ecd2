"""Samples of Gaussian processes against the closed forms of their moments."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skopt2._core.transfer import convert
from skopt2.kernels import Gaussian, KernelOperator, Laplacian, Matern
from skopt2.solvers.kernel import pathwise as module
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


def fitted(kernel, X, Y, lam, n_samples, n_features, rng):
    """Return the posterior by dense solves in float64."""
    prior = draw_prior(kernel, X, n_samples, n_features, rng)
    targets = sample_targets(prior, X, lam, rng)
    H = kernel(X) + np.diag(np.broadcast_to(lam, X.shape[0]))
    return PathwisePosterior(
        kernel, X, np.linalg.solve(H, Y), np.linalg.solve(H, targets), prior
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
    s = 20_000
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
    s = 20_000
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


def test_far_from_the_data_the_posterior_is_the_prior(rng, data):
    X, Y, _ = data
    posterior = fitted(Gaussian(1.0), X, Y, LAM, 50, 200, rng)
    far = 1000.0 + rng.standard_normal((5, 3))
    assert_allclose(posterior.mean(far), 0.0, atol=1e-12)
    assert_allclose(posterior.deviations(far), posterior.prior.values(far))


def test_one_pass_gives_all_that_single_calls_give(rng, data):
    X, Y, Xnew = data
    posterior = fitted(Matern(1.5, 1.0), X, np.hstack([Y, -Y]), LAM, 30, 200, rng)
    mean, variance = posterior.moments(Xnew)
    assert mean.shape == (40, 2)
    assert_allclose(mean, posterior.mean(Xnew), atol=1e-13)
    assert_allclose(variance, (posterior.deviations(Xnew) ** 2).mean(axis=1))
    assert_array_equal(variance, posterior.variance(Xnew))


def test_draws_do_not_depend_on_the_size_of_the_pieces(rng, data, monkeypatch):
    X, Y, Xnew = data
    results = []
    for entries in (2**22, 100):
        monkeypatch.setattr(module, "_ENTRIES", entries)
        seeded = np.random.default_rng(5)
        prior = draw_prior(Gaussian(1.0), X, 12, 100, seeded)
        targets = sample_targets(prior, X, LAM, seeded)
        posterior = PathwisePosterior(Gaussian(1.0), X, Y, targets, prior)
        results.append((targets, *posterior.moments(Xnew)))
    for one, other in zip(*results, strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-13)
    again = draw_prior(Gaussian(1.0), X, 12, 100, np.random.default_rng(5))
    assert_array_equal(again.values(X, n_threads=3), prior.values(X, n_threads=1))


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
    posterior = PathwisePosterior(kernel, X, Y, A, prior)
    mean, variance = posterior.moments(Xnew)
    assert mean.dtype == variance.dtype == np.float32
    exact = np.linalg.solve(kernel(X.astype(float)) + LAM * np.eye(60), expected)
    reference = PathwisePosterior(kernel, X.astype(float), Y * 1.0, exact, wide)
    assert_allclose(variance, reference.variance(Xnew.astype(float)), rtol=2e-3)


def test_devices_agree(rng, data, device_backend):
    X, Y, Xnew = data
    kernel = Matern(1.5, [1.0, 2.0, 1.5])

    def moments(points, targets, new):
        seeded = np.random.default_rng(7)
        prior = draw_prior(kernel, points, 8, 100, seeded)
        samples = sample_targets(prior, points, LAM, seeded)
        operator = KernelOperator(kernel, points)
        both = [
            solve_kernel_system(operator, Z, LAM, solver="cholesky").solution.a
            for Z in (targets, samples)
        ]
        posterior = PathwisePosterior(kernel, points, *both, prior)
        return posterior, posterior.moments(new)

    here, expected = moments(X, Y, Xnew)
    there, found = moments(*(device_backend.asarray(x) for x in data))
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
    posterior = PathwisePosterior(Gaussian(1.0), X, Y, Y, prior)
    with pytest.raises(ValueError, match="Xnew has 2 features"):
        posterior.mean(np.zeros((3, 2)))
