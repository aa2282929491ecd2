"""Regression with sparse inverse Cholesky factors, against the exact process."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, DotProduct, Matern, WhiteKernel

from skopt2.callbacks import Checkpoint
from skopt2.gaussian_process import SparseCholeskyGPRegressor

KERNEL = 1.5 * Matern([0.3, 0.5], nu=1.5) + WhiteKernel(0.02)


def surface(n, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 2))
    y = np.sin(9 * X[:, 0]) * np.cos(5 * X[:, 1]) + noise * rng.normal(size=n)
    return X, y, rng.uniform(size=(40, 2))


def fixed(kernel=KERNEL, **options):
    return SparseCholeskyGPRegressor(kernel, **{"optimizer": None, **options})


@pytest.mark.parametrize(
    "kernel",
    [
        KERNEL,
        RBF(0.3) + WhiteKernel(0.01),
        Matern(0.3, nu=0.5) + 0.5 * Matern(0.1, nu=2.5),
        (DotProduct(0.5) + 1.0) ** 2,
    ],
    ids=str,
)
def test_all_neighbours_give_the_exact_process(kernel):
    X, y, new = surface(150)
    Y = np.stack([y, y**2], axis=1)
    alpha = np.random.default_rng(1).uniform(1e-3, 1e-2, size=150)
    exact = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None).fit(X, Y)
    model = fixed(kernel, alpha=alpha, n_neighbors=149).fit(X, Y)
    mean, std = model.predict(new, return_std=True)
    want, spread = exact.predict(new, return_std=True)
    np.testing.assert_allclose(mean, want, atol=1e-6)
    np.testing.assert_allclose(std, spread, rtol=1e-6)
    np.testing.assert_allclose(
        model.predict(new, return_cov=True)[1],
        exact.predict(new, return_cov=True)[1],
        atol=1e-7,
    )
    assert model.log_marginal_likelihood_value_ == pytest.approx(
        exact.log_marginal_likelihood_value_, abs=1e-6
    )
    value, slope = model.log_marginal_likelihood(model.kernel_.theta + 0.1, True)
    want, gradient = exact.log_marginal_likelihood(exact.kernel_.theta + 0.1, True)
    assert value == pytest.approx(want, rel=1e-9)
    np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=1e-6)


def test_parameters_are_those_of_the_exact_process():
    X, y, _ = surface(120)
    exact = GaussianProcessRegressor(KERNEL, normalize_y=True).fit(X, y)
    model = SparseCholeskyGPRegressor(KERNEL, n_neighbors=119, normalize_y=True)
    model.fit(X, y)
    np.testing.assert_allclose(model.kernel_.theta, exact.kernel_.theta, atol=1e-2)
    assert model.log_marginal_likelihood_value_ == pytest.approx(
        exact.log_marginal_likelihood_value_, abs=1e-4
    )


def test_more_neighbours_are_more_accurate():
    X, y, new = surface(1200)
    kernel = Matern(0.3, nu=1.5) + WhiteKernel(0.01)
    exact = GaussianProcessRegressor(kernel, optimizer=None).fit(X, y)
    want, spread = exact.predict(new, return_std=True)
    errors = []
    for m in (5, 15, 45):
        mean, std = fixed(kernel, n_neighbors=m).fit(X, y).predict(new, return_std=True)
        # The noise of a new target is in both standard deviations.
        unit = np.sqrt(spread**2 - 0.01)
        errors.append(np.sqrt(np.mean(((mean - want) / unit) ** 2)))
        latent = np.sqrt(std**2 - 0.01)
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.05
    np.testing.assert_allclose(latent, unit, rtol=0.01)


def test_distance_bound_and_order_of_rows():
    X, y, new = surface(250)
    exact = fixed(n_neighbors=249, alpha=1e-3).fit(X, y).predict(new)
    errors = []
    for rho in (2.0, 4.0, 8.0):
        near = fixed(n_neighbors=249, rho=rho, alpha=1e-3).fit(X, y)
        assert near._posterior.points.neighbours.shape[1] < 12 * rho
        errors.append(np.abs(near.predict(new) - exact).max())
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]
    assert errors[2] < 0.02
    shuffled = np.random.default_rng(0).permutation(250)
    again = fixed(n_neighbors=20).fit(X[shuffled], y[shuffled])
    plain = fixed(n_neighbors=20).fit(X, y)
    np.testing.assert_allclose(again.predict(new), plain.predict(new), atol=1e-9)
    np.testing.assert_array_equal(sorted(plain.order_), np.arange(250))


def test_samples_have_the_joint_distribution():
    X, y, new = surface(200)
    model = fixed(n_neighbors=15).fit(X, y)
    drawn = model.sample_y(new, 4000, random_state=0)
    mean, cov = model.predict(new, return_cov=True)
    assert drawn.shape == (40, 4000)
    spread = np.sqrt(np.diag(cov))
    assert np.abs((drawn.mean(axis=1) - mean) / spread).max() < 0.1
    correlation = (np.cov(drawn) - cov) / spread / spread[:, None]
    assert np.abs(correlation).max() < 0.1
    _, std = model.predict(new, return_std=True)
    np.testing.assert_allclose(std, spread, rtol=0.05)
    both = fixed().fit(X, np.stack([y, 10 + 2 * y], axis=1))
    assert both.sample_y(new, 3).shape == (40, 2, 3)
    np.testing.assert_array_equal(both.sample_y(new, 3), both.sample_y(new, 3))
    assert abs(both.sample_y(new, 200)[:, 1].mean() - 10) < 1.0


def test_targets_are_normalised():
    X, y, new = surface(150)
    Y = np.stack([y, 1e3 + 50 * y], axis=1)
    model = fixed(normalize_y=True).fit(X, Y)
    mean, std = model.predict(new, return_std=True)
    np.testing.assert_allclose(mean[:, 1], 1e3 + 50 * mean[:, 0], rtol=1e-9)
    np.testing.assert_allclose(std[:, 1], 50 * std[:, 0], rtol=1e-9)
    _, cov = model.predict(new, return_cov=True)
    assert cov.shape == (40, 40, 2)
    flat = fixed(normalize_y=True).fit(X, np.full(150, 7.0))
    np.testing.assert_allclose(flat.predict(new), 7.0)


def test_subset_of_the_terms_finds_the_parameters():
    X, y, _ = surface(1500, noise=0.3)
    kernel = 1.0 * Matern(1.0, nu=1.5) + WhiteKernel(1.0)
    whole = SparseCholeskyGPRegressor(kernel, n_neighbors=15).fit(X, y)
    part = SparseCholeskyGPRegressor(
        kernel, n_neighbors=15, optimizer_size=500, random_state=0
    ).fit(X, y)
    assert abs(part.kernel_.theta[2] - whole.kernel_.theta[2]) < 0.2
    gap = whole.log_marginal_likelihood() - part.log_marginal_likelihood()
    assert 0 <= gap + 1e-3 < 10
    assert whole.kernel_.k2.noise_level == pytest.approx(0.09, rel=0.2)


def test_optimizer_of_the_user_and_restarts():
    X, y, _ = surface(100)
    calls = []

    def still(objective, theta, bounds):
        calls.append((objective(theta)[0], bounds.shape))
        return theta, objective(theta, eval_gradient=False)

    model = SparseCholeskyGPRegressor(
        KERNEL, optimizer=still, n_restarts_optimizer=2, random_state=0
    ).fit(X, y)
    assert len(calls) == 3
    values = [value for value, _ in calls]
    best = -model.log_marginal_likelihood_value_
    assert best == pytest.approx(min(values), rel=0.05)
    wide = Matern(0.3, (1e-5, np.inf))
    with pytest.raises(ValueError, match="finite bounds"):
        SparseCholeskyGPRegressor(wide, n_restarts_optimizer=1).fit(X, y)


@pytest.mark.parametrize("kernel", [KERNEL, RBF(0.5), Matern(0.2, nu=2.5)], ids=str)
def test_equal_rows_and_no_noise(kernel):
    X, y, new = surface(60, noise=0.0)
    X, y = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    model = fixed(kernel, alpha=0.0, n_neighbors=10).fit(X, y)
    mean, std = model.predict(np.concatenate([X, new]), return_std=True)
    assert np.isfinite(mean).all()
    assert (std >= 0).all()
    assert np.isfinite(model.sample_y(np.repeat(new, 2, axis=0), 2)).all()
    if kernel is not KERNEL:
        np.testing.assert_allclose(mean[:180], y, atol=2e-3)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n):
    X, y, new = surface(n)
    exact = GaussianProcessRegressor(KERNEL, alpha=1e-3, optimizer=None).fit(X, y)
    model = fixed(alpha=1e-3).fit(X, y)
    for got, want in zip(
        model.predict(new, return_std=True),
        exact.predict(new, return_std=True),
        strict=True,
    ):
        np.testing.assert_allclose(got, want, atol=1e-8)


def test_default_kernel_certificate_and_pickle():
    X, y, new = surface(200)
    model = SparseCholeskyGPRegressor(n_neighbors=10).fit(X, y)
    assert model.converged_
    assert model.certificate_.holds
    assert model.certificate_.value <= 1e-8
    assert list(model.history_["iteration"]) == list(range(1, model.n_iter_ + 1))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict(new, return_std=True), model.predict(new, return_std=True)
    )
    with pytest.warns(ConvergenceWarning, match="relative residual"):
        SparseCholeskyGPRegressor(
            KERNEL, optimizer=None, max_iter=1, n_neighbors=3
        ).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_resumes_from_a_checkpoint(tmp_path):
    X, y, new = surface(150)
    whole = fixed(n_neighbors=3, tol=1e-14, max_iter=6).fit(X, y)
    path = tmp_path / "fit.npz"
    for max_iter in (3, 6):
        model = fixed(n_neighbors=3, tol=1e-14, max_iter=max_iter)
        model.set_callbacks(Checkpoint(path))
        model.fit(X, y)
    assert model.n_iter_ == whole.n_iter_ == 6
    np.testing.assert_array_equal(model.predict(new), whole.predict(new))


def test_float32_and_other_namespaces(backend):
    X, y, new = surface(120)
    want = fixed(n_neighbors=12).fit(X, y).predict(new, return_std=True)
    with config_context(array_api_dispatch=True):
        model = fixed(n_neighbors=12).fit(backend.asarray(X), backend.asarray(y))
        found = model.predict(backend.asarray(new), return_std=True)
        drawn = model.sample_y(backend.asarray(new))
    for got, exact in zip(found, want, strict=True):
        np.testing.assert_allclose(backend.to_numpy(got), exact, atol=1e-12)
    assert backend.to_numpy(drawn).shape == (40, 1)
    small = fixed(n_neighbors=12).fit(X.astype(np.float32), y)
    mean, std = small.predict(new.astype(np.float32), return_std=True)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_allclose(mean, want[0], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_neighbors": 0}, "n_neighbors must be a positive integer"),
        ({"rho": 0.5}, "rho must be a number of at least 1"),
        ({"alpha": -1.0}, "alpha, the variance of the noise"),
        ({"alpha": [1.0, 2.0]}, "same number of entries"),
        ({"optimizer": "adam"}, "optimizer must be"),
        ({"tol": 0.0}, "tol must be a positive"),
        ({"n_restarts_optimizer": -1}, "n_restarts_optimizer"),
    ],
)
def test_bad_parameters_are_named(options, message):
    X, y, _ = surface(30)
    with pytest.raises(ValueError, match=message):
        SparseCholeskyGPRegressor(**options).fit(X, y)


def test_other_errors():
    X, y, _ = surface(30)
    with pytest.raises(TypeError, match="kernel must be a kernel object"):
        SparseCholeskyGPRegressor("rbf").fit(X, y)
    model = fixed().fit(X, y)
    with pytest.raises(RuntimeError, match="At most one"):
        model.predict(X, return_std=True, return_cov=True)
    with pytest.raises(ValueError, match="n_samples must be"):
        model.sample_y(X, 0)
