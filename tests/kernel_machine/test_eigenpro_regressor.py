"""The kernel regressor against scikit-learn's kernel ridge regression."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skopt2
from skopt2.kernel_machine import EigenProRegressor
from skopt2.kernels import Gaussian, Laplacian, Linear, Matern, Sum

ITERATIVE = ("sap", "sdd", "eigenpro", "cg")


@pytest.fixture
def sample(rng):
    X = rng.standard_normal((240, 3))
    y = np.sin(2.0 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(240)
    return X, y


def reference(X, y, new, *, alpha, length_scale=1.0, weight=None):
    """Predictions of scikit-learn with the same Gaussian kernel."""
    model = KernelRidge(alpha=alpha, kernel="rbf", gamma=0.5 / length_scale**2)
    return model.fit(X, y, sample_weight=weight).predict(new)


def distance(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("solver", ["auto", "cholesky", *ITERATIVE])
def test_agrees_with_kernel_ridge(sample, rng, solver):
    X, y = sample
    new = rng.standard_normal((50, 3))
    model = EigenProRegressor(
        Gaussian(1.0), alpha=0.5, solver=solver, tol=1e-9, max_iter=3000, random_state=0
    ).fit(X, y)
    assert model.converged_
    assert model.certificate_.value <= 1e-9
    assert distance(model.predict(new), reference(X, y, new, alpha=0.5)) < 1e-7


@pytest.mark.parametrize("solver", ["cholesky", *ITERATIVE])
def test_the_tolerance_bounds_the_error_of_the_predictions(sample, solver):
    X, y = sample
    model = EigenProRegressor(
        Gaussian(1.0), alpha=0.3, solver=solver, max_iter=2000, random_state=0
    ).fit(X, y)
    error = np.linalg.norm(model.predict(X) - reference(X, y, X, alpha=0.3))
    assert model.certificate_.value <= 1e-3
    assert error <= 1e-3 * np.linalg.norm(y)


def test_several_targets_share_a_fit(sample):
    X, y = sample
    Y = np.stack([y, -2.0 * y, X[:, 0]], axis=1)
    model = EigenProRegressor(Gaussian(1.0), alpha=0.2).fit(X, Y)
    assert model.dual_coef_.shape == (240, 3)
    wanted = reference(X, Y, X[:20], alpha=0.2)
    assert distance(model.predict(X[:20]), wanted) < 1e-9
    one = EigenProRegressor(Gaussian(1.0), alpha=0.2).fit(X, y)
    assert one.dual_coef_.shape == (240,)
    np.testing.assert_allclose(one.predict(X), model.predict(X)[:, 0], atol=1e-9)


@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_weights_are_those_of_kernel_ridge(sample, rng, solver):
    X, y = sample
    weight = rng.uniform(0.1, 3.0, 240)
    model = EigenProRegressor(
        Gaussian(1.0), alpha=0.4, solver=solver, tol=1e-9, max_iter=3000, random_state=0
    )
    found = model.fit(X, y, sample_weight=weight).predict(X)
    assert distance(found, reference(X, y, X, alpha=0.4, weight=weight)) < 1e-7


@pytest.mark.parametrize("kernel", ["laplacian", "gaussian"])
def test_weight_k_is_the_row_k_times(sample, rng, kernel):
    X, y = sample[0][:60], sample[1][:60]
    times = rng.integers(0, 4, 60)
    weighted = EigenProRegressor(kernel, alpha=0.4).fit(X, y, sample_weight=times)
    repeated = EigenProRegressor(kernel, alpha=0.4)
    repeated.fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert weighted.centers_.shape[0] == np.count_nonzero(times)
    assert weighted.kernel_.length_scale == repeated.kernel_.length_scale
    assert distance(weighted.predict(X), repeated.predict(X)) < 1e-8


def test_weights_do_not_move_the_median_inside_a_sum(sample, rng):
    X, y = sample[0][:60], sample[1][:60]
    times = rng.integers(1, 4, 60)
    model = EigenProRegressor(Sum([Gaussian(), Laplacian()]), alpha=0.4)
    found = model.fit(X, y, sample_weight=times).predict(X)
    model.fit(np.repeat(X, times, axis=0), np.repeat(y, times))
    assert distance(found, model.predict(X)) < 1e-8


def test_one_weight_for_all_divides_alpha(sample):
    X, y = sample
    heavy = EigenProRegressor(Gaussian(1.0), alpha=0.4).fit(X, y, sample_weight=4.0)
    light = EigenProRegressor(Gaussian(1.0), alpha=0.1).fit(X, y)
    np.testing.assert_allclose(heavy.predict(X), light.predict(X), atol=1e-9)


def test_alpha_zero_interpolates(sample):
    X, y = sample
    model = EigenProRegressor(Laplacian(1.0), alpha=0.0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-3 * np.linalg.norm(y))


def test_precomputed_kernel(sample):
    X, y = sample
    K = rbf_kernel(X, gamma=0.5)
    weight = np.arange(240) % 3
    model = EigenProRegressor("precomputed", alpha=0.5, tol=1e-10)
    model.fit(K, y, sample_weight=weight)
    wanted = reference(X, y, X[:9], alpha=0.5, weight=weight)
    assert distance(model.predict(K[:9]), wanted) < 1e-8
    assert model.centers_ is None
    assert (model.dual_coef_[weight == 0] == 0).all()


def test_kernels_of_every_kind(sample):
    X, y = sample
    wanted = EigenProRegressor(Gaussian(0.7), alpha=0.2).fit(X, y).predict(X[:5])
    same = (
        RBF(0.7),
        lambda A, B: np.exp(-((A[:, None] - B) ** 2).sum(axis=2) / 0.98),
        ConstantKernel(1.0) * RBF(0.7),
    )
    for kernel in same:
        found = EigenProRegressor(kernel, alpha=0.2).fit(X, y).predict(X[:5])
        np.testing.assert_allclose(found, wanted, rtol=1e-8)
    named = EigenProRegressor("gaussian", length_scale=0.7, alpha=0.2).fit(X, y)
    np.testing.assert_allclose(named.predict(X[:5]), wanted, rtol=1e-9)


def test_float32_stays(sample, rng):
    X, y = sample
    model = EigenProRegressor("gaussian", alpha=0.1).fit(
        X.astype(np.float32), y.astype(np.float32)
    )
    assert model.dual_coef_.dtype == np.float32
    found = model.predict(X.astype(np.float32))
    assert found.dtype == np.float32
    wide = EigenProRegressor("gaussian", alpha=0.1).fit(X, y).predict(X)
    assert distance(found, wide) < 2e-3


def test_early_stopping_keeps_the_best(rng):
    X = rng.uniform(-3, 3, (400, 1))
    y = np.sin(X[:, 0]) + 0.5 * rng.standard_normal(400)
    model = EigenProRegressor(
        Matern(nu=1.5, length_scale=0.3),
        alpha=0.0,
        early_stopping=True,
        validation_fraction=0.25,
        max_iter=400,
        batch_size=50,
        random_state=0,
    ).fit(X, y)
    assert model.solver_ == "eigenpro"
    assert model.centers_.shape == (300, 1)
    errors = model.validation_errors_
    assert model.stop_reason_ == "callback"
    assert errors.size - 1 - errors.argmin() == model.n_iter_no_change
    grid = np.linspace(-3, 3, 100)[:, None]
    full = EigenProRegressor(Matern(nu=1.5, length_scale=0.3), alpha=1e-6).fit(X, y)
    truth = np.sin(grid[:, 0])
    assert distance(model.predict(grid), truth) < 0.8 * distance(
        full.predict(grid), truth
    )


@pytest.mark.parametrize(
    ("kernel", "alpha", "expected"),
    [
        (Gaussian(1.0), 0.0, "eigenpro"),
        (Gaussian(1.0), 1e-6, "eigenpro"),
        (Gaussian(1.0), 1e-2, "sap"),
        # x'x is about 100 here.
        (Linear(), 5e-3, "eigenpro"),
        (Linear(), 5e-2, "sap"),
    ],
)
def test_early_stopping_goes_by_the_ridge(rng, kernel, alpha, expected):
    X = np.sqrt(20.0) * rng.standard_normal((60, 5))
    model = EigenProRegressor(kernel, alpha=alpha, early_stopping=True, max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.fit(X, X[:, 0]).solver_ == expected
        assert model.set_params(centers=9).fit(X, X[:, 0]).solver_ == "eigenpro"


def test_warm_start_needs_fewer_epochs(sample):
    X, y = sample
    model = EigenProRegressor(
        Gaussian(1.0),
        alpha=0.1,
        solver="sap",
        batch_size=40,
        tol=1e-8,
        warm_start=True,
        random_state=0,
    ).fit(X, y)
    cold = model.n_epochs_
    again = model.set_params(alpha=0.1001).fit(X, y)
    assert again.n_epochs_ < 0.8 * cold
    assert distance(again.predict(X), reference(X, y, X, alpha=0.1001)) < 1e-6


def test_in_a_pipeline_and_a_search(sample):
    X, y = sample
    pipe = make_pipeline(StandardScaler(), EigenProRegressor("gaussian"))
    grid = {
        "eigenproregressor__alpha": [1e-2, 10.0],
        "eigenproregressor__kernel": [Gaussian(1.0), Laplacian(2.0)],
    }
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_params_["eigenproregressor__alpha"] == 1e-2
    assert search.best_score_ > 0.7


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("solver", ["cholesky", "sap", "eigenpro"])
def test_device(sample, solver):
    X, y = sample
    options = {"alpha": 0.5, "solver": solver, "tol": 1e-8, "random_state": 0}
    options["max_iter"] = 2000
    host = EigenProRegressor("gaussian", **options).fit(X, y)
    there = EigenProRegressor("gaussian", device="cuda", **options).fit(X, y)
    assert there.device_ == "cuda:0"
    assert type(there.dual_coef_) is np.ndarray
    assert distance(there.predict(X), host.predict(X)) < 1e-6
    moved = skopt2.to_device(host, "cuda")
    points = skopt2._core.array.move(X, skopt2._core.cuda.cuda_target())
    found = skopt2._core.array.to_numpy(moved.predict(points))
    np.testing.assert_allclose(found, host.predict(X), atol=1e-9)


def test_a_short_fit_warns(sample):
    X, y = sample
    model = EigenProRegressor(
        Gaussian(1.0), alpha=1e-6, solver="sdd", max_iter=1, random_state=0
    )
    message = "after max_iter=1 epochs: estimated relative residual"
    with pytest.warns(ConvergenceWarning, match=message):
        model.fit(X, y)
    assert model.n_iter_ > 1
    assert model.stop_reason_ == "max_iter"
    assert not model.converged_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": -1.0}, "alpha must be"),
        ({"alpha": np.nan}, "alpha must be"),
        ({"tol": 0.0}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"solver": "lbfgs"}, "solver must be one of"),
        ({"kernel": "gausian"}, "kernel must be one of"),
        ({"length_scale": -2.0}, "length_scale"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"early_stopping": True, "validation_fraction": 1.5}, "validation_fraction"),
        ({"early_stopping": True, "solver": "cholesky"}, "no iterations to stop"),
        ({"time_limit": -1}, "time_limit"),
    ],
)
def test_bad_parameters(sample, change, message):
    X, y = sample
    with pytest.raises(ValueError, match=message):
        EigenProRegressor().set_params(**change).fit(X, y)


def test_bad_data(sample):
    X, y = sample
    model = EigenProRegressor().fit(X, y)
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.where(X > 2, np.nan, X), y)
    with pytest.raises(ValueError, match="negative|nonnegative"):
        model.fit(X, y, sample_weight=-np.ones(240))
    assert model.predict(X).shape == (240,)
