"""Rows added to a Gaussian process, against the process of all rows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor as Exact
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel

from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernels import Matern as OwnMatern
from skopt2.solvers.kernel.exact_posterior import ExactPosterior
from skopt2.solvers.kernel.pathwise import PathwisePosterior

KERNEL = 1.5 * Matern(1.2, nu=1.5) + WhiteKernel(0.05)


def problem(n=120, targets=None, seed=0):
    """Return points, targets and new points."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = 3.0 + np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] * X[:, 2]
    y += 0.1 * rng.normal(size=n)
    if targets:
        y = np.stack([y * (j + 1) + j for j in range(targets)], axis=1)
    return X, y, rng.normal(size=(25, 3))


def in_parts(model, X, y, cuts):
    for some in np.split(np.arange(len(X)), cuts):
        model.partial_fit(X[some], y[some])
    return model


def reference(model, X, y):
    """Return scikit-learn's process with the kernel and the units of a model."""
    z = (y - model._center) / model._unit if y.ndim > 1 else y
    if y.ndim == 1:
        z = (y - model._center[0]) / model._unit[0]
    return Exact(model.kernel_, alpha=model.alpha, optimizer=None).fit(X, z)


@pytest.mark.parametrize("targets", [None, 2])
@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("optimizer", [None, "auto"])
def test_equals_the_exact_process_of_all_rows(targets, normalize_y, optimizer):
    X, y, new = problem(targets=targets)
    model = GaussianProcessRegressor(
        KERNEL, alpha=1e-3, normalize_y=normalize_y, optimizer=optimizer
    )
    first = clone(model).fit(X[:50], y[:50])
    in_parts(model, X, y, [50, 51, 90])
    assert model.kernel_ == first.kernel_
    assert_allclose(model._unit, first._unit)
    exact = reference(model, X, y)
    wanted, spread = exact.predict(new, return_std=True)
    mean, std = model.predict(new, return_std=True)
    unit, center = model._unit, model._center
    if targets is None:
        unit, center = unit[0], center[0]
    assert_allclose(mean, wanted * unit + center, rtol=1e-6)
    assert_allclose(std, spread * unit, rtol=1e-6)
    assert_allclose(model.L_, exact.L_, atol=1e-9)
    assert_allclose(model.alpha_, exact.alpha_, atol=1e-6)
    assert_allclose(model.y_train_, exact.y_train_, atol=1e-12)
    np.testing.assert_array_equal(model.X_train_, X)
    assert_allclose(
        model.log_marginal_likelihood_value_,
        exact.log_marginal_likelihood_value_,
        rtol=1e-9,
    )
    assert model.converged_


def test_the_factor_is_not_computed_anew(monkeypatch):
    X, y, _ = problem()
    model = GaussianProcessRegressor(KERNEL, optimizer=None).fit(X[:100], y[:100])
    monkeypatch.setattr("skopt2.gaussian_process.posterior_plan.factorise", None)
    assert model.partial_fit(X[100:], y[100:]).converged_


def test_a_singular_matrix_is_factorised_anew():
    X, y, new = problem(40)
    model = GaussianProcessRegressor(RBF(), alpha=0.0, optimizer=None)
    in_parts(model, np.concatenate([X, X[:10]]), np.concatenate([y, y[:10]]), [40])
    assert isinstance(model.posterior_, ExactPosterior)
    assert_allclose(model.predict(X), y, atol=1e-5)
    model.partial_fit(new, np.zeros(25))
    assert_allclose(model.predict(new), 0.0, atol=1e-5)


@pytest.mark.parametrize("solver", ["sap", "cg", "sdd", "eigenpro"])
def test_iterative_solutions_go_on_from_the_former_one(solver, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.kernel.grown_start.NEAR", 120)
    X, y, new = problem(400, targets=2)
    kernel, tol = 1.5 * Matern(1.2, nu=1.5) + WhiteKernel(0.2), 3e-3
    model = GaussianProcessRegressor(
        kernel,
        optimizer=None,
        solver=solver,
        tol=tol,
        max_iter=2000,
        n_samples=8,
        random_state=0,
    )
    whole = clone(model).fit(X, y)
    model.fit(X[:395], y[:395]).partial_fit(X[395:], y[395:])
    assert model.converged_
    assert model.certificate_.value <= tol
    assert model.n_epochs_ < 0.75 * whole.n_epochs_
    H = kernel(X)
    residual = np.linalg.norm(y - H @ model.alpha_, axis=0) / np.linalg.norm(y, axis=0)
    assert residual.max() <= tol
    wanted = Exact(kernel, alpha=1e-10, optimizer=None).fit(X, y).predict(new)
    error = np.linalg.norm(model.predict(new) - wanted) / np.linalg.norm(wanted)
    assert error < tol


def test_the_draws_keep_what_they_were():
    X, y, new = problem(300)
    model = GaussianProcessRegressor(
        KERNEL, optimizer=None, solver="sap", tol=1e-6, n_samples=400, random_state=0
    ).fit(X[:150], y[:150])
    before = model.posterior_
    after = model.partial_fit(X[150:], y[150:]).posterior_
    assert isinstance(after, PathwisePosterior)
    np.testing.assert_array_equal(after.prior.weights, before.prior.weights)
    np.testing.assert_array_equal(after.targets[:150], before.targets)
    noise = after.targets - after.prior.values(X)
    # Noise of all rows is independent, that of rows added later too.
    assert_allclose(noise.var(axis=1), 0.05, rtol=0.5)
    correlation = np.corrcoef(noise)[:150, 150:]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(400)
    solved = KERNEL(X) @ after.sample_coef
    assert_allclose(solved, after.targets, atol=1e-4)
    exact = Exact(KERNEL, optimizer=None).fit(X, y)
    spread = exact.predict(new, return_std=True)[1]
    found = model.predict(new, return_std=True)[1]
    assert np.max(np.abs(found / spread - 1)) < 5 / np.sqrt(800)


def test_new_noise_is_not_drawn_twice():
    X, y, _ = problem(90)
    model = GaussianProcessRegressor(
        KERNEL, optimizer=None, solver="sap", n_samples=100, random_state=3
    )
    in_parts(model, X, y, [30, 60])
    noise = model.posterior_.targets - model.posterior_.prior.values(X)
    parts = noise.reshape(3, -1)
    assert np.abs(np.corrcoef(parts) - np.eye(3)).max() < 5 / np.sqrt(3000)


def test_solves_on_demand_see_the_new_rows():
    X, y, new = problem(200)
    model = GaussianProcessRegressor(
        KERNEL, optimizer=None, solver="sap", variance="solves", tol=1e-6
    )
    in_parts(model, X, y, [150])
    exact = Exact(KERNEL, optimizer=None).fit(X, y)
    mean, std = exact.predict(new, return_std=True)
    found = model.predict(new, return_std=True)
    assert_allclose(found[0], mean, atol=1e-4)
    assert_allclose(found[1], std, rtol=1e-3)


def test_a_factor_that_no_longer_fits(monkeypatch):
    X, y, new = problem(300)
    model = GaussianProcessRegressor(KERNEL, optimizer=None, tol=1e-5, random_state=0)
    model.fit(X[:200], y[:200])
    assert model.solver_ == "cholesky"
    monkeypatch.setattr(
        "skopt2.gaussian_process.posterior_plan.budget_of", lambda _: 8 * 250**2
    )
    model.partial_fit(X[200:], y[200:])
    assert model.solver_ == "sap"
    assert model.converged_
    wanted, spread = (
        Exact(KERNEL, optimizer=None).fit(X, y).predict(new, return_std=True)
    )
    mean, std = model.predict(new, return_std=True)
    assert_allclose(mean, wanted, atol=1e-3)
    assert np.max(np.abs(std / spread - 1)) < 5 / np.sqrt(128)


def test_more_rows_may_need_more_digits(monkeypatch):
    X, y, new = problem(260)
    X, y = X.astype(np.float32), y.astype(np.float32)
    monkeypatch.setattr("skopt2.gaussian_process.posterior_plan.DOUBLE", 100)
    # The noise that float32 needs for 200 rows, and not for 260.
    limit = 0.2 / 5e-3 * np.finfo(np.float32).eps * np.sqrt(230)
    for solver in ("cholesky", "sap"):
        model = GaussianProcessRegressor(
            OwnMatern(nu=1.5, length_scale=1.0),
            alpha=float(limit),
            solver=solver,
            max_iter=1000,
        ).fit(X[:200], y[:200])
        assert model.X_train_.dtype == np.float32
        model.partial_fit(X[200:], y[200:])
        assert model.X_train_.dtype == model.alpha_.dtype == np.float64
        assert model.predict(X).dtype == np.float32
        exact = Exact(Matern(1.0, nu=1.5), alpha=limit, optimizer=None)
        wanted = exact.fit(X.astype(float), y).predict(new)
        error = np.linalg.norm(model.predict(new) - wanted) / np.linalg.norm(wanted)
        assert error < 5e-3


def test_single_rows_one_by_one():
    X, y, new = problem(30)
    model = GaussianProcessRegressor(KERNEL, optimizer=None)
    in_parts(model, X, y, np.arange(1, 30))
    exact = Exact(KERNEL, optimizer=None).fit(X, y)
    assert_allclose(model.predict(new), exact.predict(new), rtol=1e-6)


def test_a_fit_forgets_the_rows_added_before():
    X, y, new = problem()
    model = GaussianProcessRegressor(KERNEL, optimizer=None)
    in_parts(model, X, y, [60]).fit(X[:60], y[:60])
    fresh = clone(model).fit(X[:60], y[:60])
    np.testing.assert_array_equal(model.predict(new), fresh.predict(new))
    assert len(model.X_train_) == 60


@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_a_pickle_gets_more_rows(solver):
    X, y, new = problem()
    model = GaussianProcessRegressor(
        KERNEL, optimizer=None, solver=solver, random_state=0
    )
    model.fit(X[:80], y[:80])
    copy = pickle.loads(pickle.dumps(model)).partial_fit(X[80:], y[80:])
    model.partial_fit(X[80:], y[80:])
    for a, b in zip(
        copy.predict(new, return_std=True),
        model.predict(new, return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_mistakes_are_named_and_change_nothing():
    X, y, _ = problem(40)
    model = GaussianProcessRegressor(KERNEL, alpha=np.full(40, 0.1), optimizer=None)
    with pytest.raises(ValueError, match="one alpha for all rows"):
        model.fit(X, y).partial_fit(X, y)
    model = GaussianProcessRegressor(KERNEL, optimizer=None).fit(X, y)
    before = dict(vars(model))
    for rows, targets, message in (
        (X[:, :2], y, "2 features.*expecting 3"),
        (X, np.stack([y, y], axis=1), "columns must agree"),
        (X, y[:-1], "inconsistent numbers of samples"),
        (X * np.nan, y, "NaN"),
        (X, y * np.inf, "infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            model.partial_fit(rows, targets)
        assert vars(model) == before
    model.partial_fit(X[:5], y[:5])
    assert len(model.X_train_) == 45


def test_names_of_features_are_kept():
    X, y, _ = problem(40)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = GaussianProcessRegressor(KERNEL, optimizer=None).fit(frame, y)
    model.partial_fit(frame, y)
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame[["b", "a", "c"]], y)
    with pytest.warns(UserWarning, match="valid feature names"):
        model.partial_fit(X, y)
    assert list(model.feature_names_in_) == ["a", "b", "c"]


def test_a_limit_is_warned_of():
    X, y, _ = problem(300)
    model = GaussianProcessRegressor(
        RBF(1.0), alpha=1e-6, optimizer=None, solver="sap", max_iter=1, tol=1e-8
    )
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(X[:200], y[:200])
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.partial_fit(X[200:], y[200:])
    assert not model.converged_
