"""The Gaussian process estimator against scikit-learn's, and its own promises."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor as Exact
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernels import Matern as OwnMatern

KERNELS = [
    None,
    2.0 * RBF(0.7) + WhiteKernel(0.05),
    ConstantKernel(0.5) * Matern([0.5, 2.0, 1.0], nu=1.5) + WhiteKernel(0.1),
    Matern(1.5, nu=0.5),
    Matern(1.5, nu=2.5) * RBF([1.0, 2.0, 3.0]),
    Matern(1.2, nu=np.inf) + DotProduct(0.3),
    RationalQuadratic(1.0, 0.7) + WhiteKernel(1e-2),
    RBF(1.0) * ExpSineSquared(1.0, 3.0),
]


def problem(n=80, d=3, targets=None, seed=0, noise=0.1):
    """Return points, targets and new points."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    f = np.sin(X[:, 0]) + 0.5 * X[:, 1] * np.cos(X[:, -1])
    y = f + noise * rng.normal(size=n)
    if targets:
        y = np.stack([y * (j + 1) + j for j in range(targets)], axis=1)
    return X, y, rng.normal(size=(25, d))


def both(kernel, X, y, **params):
    """Return scikit-learn's process and this one, fitted."""
    exact = Exact(kernel, **params).fit(X, y)
    ours = GaussianProcessRegressor(kernel, **params).fit(X, y)
    return exact, ours


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("targets", [None, 2])
def test_equals_scikit_learn_without_optimizer(kernel, targets):
    X, y, new = problem(targets=targets)
    alpha = np.linspace(0.01, 0.1, 80)
    exact, ours = both(kernel, X, y, alpha=alpha, optimizer=None, normalize_y=True)
    for asked in ({"return_std": True}, {"return_cov": True}):
        wanted, found = exact.predict(new, **asked), ours.predict(new, **asked)
        for a, b in zip(found, wanted, strict=True):
            assert a.shape == b.shape
            assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    assert_allclose(
        ours.log_marginal_likelihood_value_,
        exact.log_marginal_likelihood_value_,
        rtol=1e-8,
    )
    assert_allclose(ours.alpha_, exact.alpha_, rtol=1e-6, atol=1e-8)
    assert_allclose(ours.L_, exact.L_, rtol=1e-6, atol=1e-8)
    theta = exact.kernel_.theta + 0.1
    wanted = exact.log_marginal_likelihood(theta, eval_gradient=True)
    found = ours.log_marginal_likelihood(theta, eval_gradient=True)
    assert_allclose(found[0], wanted[0], rtol=1e-8)
    assert_allclose(found[1], wanted[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS[1:3], ids=str)
def test_optimizer_finds_what_scikit_learn_finds(kernel):
    X, y, new = problem()
    exact, ours = both(kernel, X, y, n_restarts_optimizer=2, random_state=0)
    assert (
        ours.log_marginal_likelihood_value_
        >= exact.log_marginal_likelihood_value_ - 1e-4
    )
    assert_allclose(ours.predict(new), exact.predict(new), atol=2e-2)


def test_callable_optimizer_is_called():
    X, y, _ = problem()
    seen = []

    def optimizer(objective, theta, bounds):
        value, gradient = objective(theta)
        assert gradient.shape == theta.shape
        seen.append(value)
        better = theta + [0.1, -0.1]
        return better, objective(better, eval_gradient=False)

    kernel = RBF(1.0) + WhiteKernel(0.1)
    model = GaussianProcessRegressor(kernel, optimizer=optimizer).fit(X, y)
    exact = Exact(kernel, optimizer=None).fit(X, y)
    assert_allclose(seen[0], -exact.log_marginal_likelihood_value_, rtol=1e-8)
    assert_allclose(model.kernel_.theta, kernel.theta + [0.1, -0.1])


def test_pathwise_steps_improve_on_a_subset():
    X, y, _ = problem(600, noise=0.3)
    kernel = RBF(0.3) + WhiteKernel(0.01)
    values = {}
    for optimizer in ("subset", "pathwise"):
        model = GaussianProcessRegressor(
            kernel, optimizer=optimizer, optimizer_size=30, random_state=0
        ).fit(X, y)
        values[optimizer] = model.log_marginal_likelihood_value_
    assert values["pathwise"] > values["subset"] + 1.0


def test_prior_before_a_fit():
    X, _, new = problem()
    for kernel in (None, *KERNELS[1:4]):
        for n_targets in (None, 2):
            ours = GaussianProcessRegressor(kernel, n_targets=n_targets)
            exact = Exact(kernel, n_targets=n_targets)
            for name in ("return_std", "return_cov"):
                wanted = exact.predict(new, **{name: True})
                found = ours.predict(new, **{name: True})
                for a, b in zip(found, wanted, strict=True):
                    assert a.shape == b.shape
                    assert_allclose(a, b, atol=1e-12)
    assert ours.sample_y(new, 3).shape == (25, 2, 3)


@pytest.mark.parametrize("solver", ["sap", "cg", "sdd", "eigenpro"])
def test_iterative_solvers_reach_the_exact_mean(solver):
    X, y, new = problem(400)
    kernel = ConstantKernel(1.0) * Matern(1.5, nu=1.5) + WhiteKernel(0.05)
    exact = Exact(kernel, optimizer=None).fit(X, y)
    ours = GaussianProcessRegressor(
        kernel,
        optimizer=None,
        solver=solver,
        tol=1e-6,
        max_iter=5000,
        n_samples=8,
        random_state=0,
    ).fit(X, y)
    assert ours.converged_
    assert ours.solver_ == solver
    assert ours.certificate_.value <= 1e-6
    wanted = exact.predict(new)
    error = np.linalg.norm(ours.predict(new) - wanted) / np.linalg.norm(wanted)
    assert error < 1e-4
    assert np.isnan(ours.log_marginal_likelihood_value_)


def test_variance_of_samples_and_of_solves():
    X, y, new = problem(400)
    new = np.concatenate([new, 3 * new])
    kernel = ConstantKernel(1.0) * Matern(1.5, nu=1.5) + WhiteKernel(0.05)
    wanted = Exact(kernel, optimizer=None).fit(X, y).predict(new, return_std=True)[1]
    options = {"optimizer": None, "solver": "sap", "random_state": 0}
    sampled = GaussianProcessRegressor(kernel, n_samples=256, **options).fit(X, y)
    found = sampled.predict(new, return_std=True)[1]
    # One standard error of a standard deviation is 1 / sqrt(512) of it.
    assert abs(np.median(found / wanted) - 1) < 0.05
    assert np.max(np.abs(found / wanted - 1)) < 6 / np.sqrt(512)
    solved = GaussianProcessRegressor(kernel, variance="solves", tol=1e-6, **options)
    mean, found = solved.fit(X, y).predict(new, return_std=True)
    assert_allclose(found, wanted, rtol=1e-3)
    C = solved.predict(new, return_cov=True)[1]
    assert_allclose(np.sqrt(np.diag(C)), wanted, rtol=1e-3)


def test_paths_are_functions_of_the_posterior():
    X, y, new = problem(200, targets=2)
    kernel = Matern(1.5, nu=2.5) + WhiteKernel(0.05)
    model = GaussianProcessRegressor(kernel, optimizer=None, n_features=4000)
    model.fit(X, y)
    paths = model.sample_paths(400, random_state=3)
    values = paths(new)
    assert values.shape == (25, 2, 400)
    assert_allclose(paths(new[:7]), values[:7], rtol=1e-9, atol=1e-9)
    mean, C = model.predict(new, return_cov=True)
    C = C[..., 0] - 0.05 * np.eye(25)
    spread = np.sqrt(np.diag(C))
    assert np.all(np.abs(values[:, 0].mean(1) - mean[:, 0]) < 5 * spread / 20)
    found = np.cov(values[:, 0])
    assert np.abs(found - C).max() < 0.35 * spread.max() ** 2
    assert not np.allclose(values[:, 0], values[:, 1])
    again = model.sample_paths(400, random_state=3)(new)
    assert_allclose(again, values)


@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_draws_have_the_moments_of_the_posterior(solver):
    X, y, new = problem(150)
    kernel = RBF(1.5) + WhiteKernel(0.1)
    model = GaussianProcessRegressor(
        kernel, optimizer=None, solver=solver, n_samples=300, random_state=1
    ).fit(X, y)
    draws = model.sample_y(new, 300, random_state=5)
    mean, std = Exact(kernel, optimizer=None).fit(X, y).predict(new, return_std=True)
    assert draws.shape == (25, 300)
    assert np.all(np.abs(draws.mean(1) - mean) < 5 * std / np.sqrt(300))
    assert np.all(np.abs(draws.std(1) / std - 1) < 5 / np.sqrt(600))
    assert_allclose(model.sample_y(new, 300, random_state=5), draws)
    assert not np.allclose(model.sample_y(new, 300, random_state=6), draws)


def test_float32_in_and_out():
    X, y, new = problem(60)
    X, y, new = (a.astype(np.float32) for a in (X, y, new))
    model = GaussianProcessRegressor(RBF() + WhiteKernel()).fit(X, y)
    mean, std = model.predict(new, return_std=True)
    assert mean.dtype == std.dtype == np.float32
    exact = Exact(model.kernel_, optimizer=None).fit(X, y)
    assert_allclose(std, exact.predict(new, return_std=True)[1], rtol=1e-4)


def test_own_kernels_with_a_median():
    X, y, new = problem()
    model = GaussianProcessRegressor(OwnMatern(nu=2.5), alpha=0.1).fit(X, y)
    kernel = Matern(model.kernel_.length_scale, nu=2.5)
    exact = Exact(kernel, alpha=0.1, optimizer=None).fit(X, y)
    assert_allclose(model.predict(new), exact.predict(new), rtol=1e-6)


def test_pickles_and_searches():
    X, y, new = problem()
    model = GaussianProcessRegressor(RBF() + WhiteKernel(), solver="sap").fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_allclose(copy.predict(new), model.predict(new))
    pipeline = make_pipeline(
        StandardScaler(), GaussianProcessRegressor(RBF(), optimizer=None)
    )
    grid = {"gaussianprocessregressor__alpha": [1e-2, 1e-1, 1e3]}
    search = GridSearchCV(pipeline, grid).fit(X, y)
    assert search.best_params_["gaussianprocessregressor__alpha"] < 1e3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": np.ones(3)}, "same number of entries"),
        ({"solver": "qr"}, "solver"),
        ({"variance": "exact"}, "variance"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"tol": 0.0}, "tol"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_targets": 3}, "n_targets"),
        ({"n_restarts_optimizer": -1}, "n_restarts_optimizer"),
        (
            {"kernel": ExpSineSquared(), "variance": "samples", "solver": "sap"},
            "random features",
        ),
    ],
)
def test_bad_parameters_are_named(params, message):
    X, y, _ = problem(20)
    with pytest.raises(ValueError, match=message):
        GaussianProcessRegressor(**params).fit(X, y)


def test_both_moments_at_once_are_refused():
    X, y, new = problem(20)
    with pytest.raises(RuntimeError, match="At most one"):
        GaussianProcessRegressor().fit(X, y).predict(new, True, True)


def test_bounds_are_warned_of():
    X, y, _ = problem()
    kernel = RBF(1.0, (0.9, 1.1)) + WhiteKernel(0.1)
    with pytest.warns(ConvergenceWarning, match="length_scale"):
        GaussianProcessRegressor(kernel).fit(X, y)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_of_the_data_do_not_matter(scale):
    X, y, new = problem()
    base = GaussianProcessRegressor(
        RBF() + WhiteKernel(0.1), optimizer=None, normalize_y=True
    ).fit(X, y)
    other = GaussianProcessRegressor(
        RBF(scale) + WhiteKernel(0.1), optimizer=None, normalize_y=True
    ).fit(X * scale, y * scale)
    assert_allclose(other.predict(new * scale), base.predict(new) * scale, rtol=1e-6)


@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_constant_targets_and_duplicates(solver):
    X, _, new = problem(30)
    X = np.concatenate([X, X])
    model = GaussianProcessRegressor(
        RBF(), alpha=1e-6, solver=solver, normalize_y=True, optimizer=None
    )
    mean, std = model.fit(X, np.full(60, 7.0)).predict(new, return_std=True)
    assert_allclose(mean, 7.0)
    assert np.all(np.isfinite(std))
