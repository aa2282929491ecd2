"""Awkward data with the defaults: finite, honest, and near the dense answer.

Every case is held against a dense float64 solution with scikit-learn's kernels.
"""

import itertools
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import pdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process.kernels import (
    RBF,
    DotProduct,
    Matern,
    RationalQuadratic,
)

from skopt2.callbacks import Checkpoint
from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernels import Gaussian, KernelOperator
from skopt2.solvers.kernel.solve import solve_kernel_system
from tests.callbacks.test_checkpoint import Interrupt

TOL = 5e-3
DTYPES = [np.float64, np.float32]
KERNELS = {
    "rbf": RBF,
    "matern12": lambda scale: Matern(scale, nu=0.5),
    "matern32": lambda scale: Matern(scale, nu=1.5),
    "matern52": lambda scale: Matern(scale, nu=2.5),
    "rational": lambda scale: RationalQuadratic(scale, 0.7),
    "sum": lambda scale: RBF(scale) + 0.5 * Matern(scale / 3, nu=1.5),
    "product": lambda scale: RBF(scale) * RationalQuadratic(2 * scale, 1.0),
    "ard": lambda scale: Matern(scale * np.array([0.3, 1.0, 5.0]), nu=1.5),
    "linear": lambda scale: DotProduct(1.0) + RBF(scale),
    "strong": lambda scale: 100.0 * RBF(scale),
}


@dataclass
class Case:
    """A fit beside the dense one."""

    model: GaussianProcessRegressor
    residual: float
    rounding: float
    error: float
    mean: np.ndarray
    std: np.ndarray
    wanted_std: np.ndarray

    def check(self, converged=None):
        """Check what every fit has to keep."""
        model = self.model
        assert np.isfinite(self.mean).all()
        assert np.isfinite(self.std).all()
        assert (self.std >= 0).all()
        assert model.stop_reason_ != "diverged"
        claimed = model.certificate_.value
        assert self.residual <= 1.01 * claimed + 10 * self.rounding
        assert model.converged_ == (claimed <= TOL)
        if converged is not None:
            assert model.converged_ == converged
        if model.converged_:
            assert self.error <= 1.5 * TOL


def sample(n=80, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3))
    y = np.sin(2.0 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(n)
    return X, y, X + 0.1 * rng.standard_normal(X.shape)


def rms(x):
    return np.linalg.norm(x) / len(x) ** 0.5


def run(kernel, alpha, X, y, Z, dtype=np.float64, **params):
    """Fit the process, and solve the same system densely."""
    X, y, Z = (a.astype(dtype) for a in (X, y, np.concatenate([X[:40], Z])))
    params = {"n_samples": 8, "n_features": 100, "random_state": 0, **params}
    params = {"tol": TOL, **params}
    model = GaussianProcessRegressor(kernel, alpha=alpha, optimizer=None, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
        mean, std = model.predict(Z, return_std=True)
    X, Z, a = (np.asarray(part, dtype=np.float64) for part in (X, Z, model.alpha_))
    z = (y.astype(np.float64) - float(model._center[0])) / float(model._unit[0])
    K, K_new = kernel(X), kernel(Z, X)
    H = K + alpha * np.eye(len(X))
    size = np.linalg.norm(z) or 1.0
    eps = np.finfo(model.alpha_.dtype).eps
    factor = cho_factor(H, lower=True)
    unit = float(model._unit[0])
    wanted = K_new @ cho_solve(factor, z) * unit + float(model._center[0])
    variance = kernel.diag(Z) - np.sum(K_new.T * cho_solve(factor, K_new.T), axis=0)
    return Case(
        model,
        np.linalg.norm(z - H @ a) / size,
        # What rounding in products with K explains; far from 0 the points lose digits.
        eps
        * (np.diag(K).mean() * len(X) ** 0.5 + 1e3 * np.abs(X).max() / X.std())
        * np.linalg.norm(a)
        / size,
        # The tolerance is relative to the targets, which may be far from the mean.
        rms(mean - wanted) / (max(rms(wanted), unit * rms(z)) or 1.0),
        mean,
        std,
        unit * np.sqrt(np.maximum(variance, 0.0)),
    )


@pytest.fixture
def few_are_many(monkeypatch):
    """Treat few rows as many, for which float32 may be enough."""
    monkeypatch.setattr("skopt2.gaussian_process.posterior_plan.DOUBLE", 30)


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["cholesky", "sap"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_lengths_and_noise(few_are_many, name, solver, dtype):
    X, y, Z = sample(60)
    median = np.median(pdist(X))
    cases = list(itertools.product((1e-3, 0.1, 1.0, 10.0, 1e3), (1e-6, 1e-3, 1.0)))
    if solver == "sap":
        cases = [(1e-3, 1.0), (1.0, 1e-6), (1.0, 1e-2), (1e3, 1e-6)]
    for scale, noise in cases:
        kernel = KERNELS[name](scale * median)
        case = run(kernel, noise, X, y, Z, dtype, solver=solver)
        case.check(converged=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["cholesky", "sap"])
@pytest.mark.parametrize("noise", [1e-6, 1e-2])
@pytest.mark.parametrize(
    "spoil",
    ["duplicates", "outliers", "far rows", "constant", "zero", "feature", "offset"],
)
def test_awkward_samples(few_are_many, spoil, noise, solver, dtype):
    X, y, Z = sample()
    if spoil == "duplicates":
        X = np.repeat(X[:20], 4, axis=0)
    elif spoil == "outliers":
        y[::10] += 1e4
    elif spoil == "far rows":
        X[::7] *= 1e3
    elif spoil == "constant":
        y[:] = 7.0
    elif spoil == "zero":
        y[:] = 0.0
    elif spoil == "feature":
        X[:, 1] = 7.0
    elif spoil == "offset":
        X, Z = X + 1e3, Z + 1e3
    for kernel in (RBF(1.5), Matern(1.5, nu=1.5), RationalQuadratic(1.5, 0.7)):
        case = run(kernel, noise, X, y, Z, dtype, solver=solver)
        case.check(converged=True)
        if spoil == "zero":
            assert not case.mean.any()
    if spoil == "constant":
        case = run(kernel, noise, X, y, Z, dtype, solver=solver, normalize_y=True)
        np.testing.assert_array_equal(case.mean, np.asarray(7.0, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["cholesky", "sap"])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_units_do_not_matter(few_are_many, scale, solver, dtype):
    X, y, Z = sample()
    for kernel, scaled in (
        (Matern(1.5, nu=1.5), Matern(1.5 * scale, nu=1.5)),
        (RBF(1.5), RBF(1.5 * scale)),
    ):
        base = run(kernel, 1e-3, X, y, Z, dtype, solver=solver)
        of_X = run(scaled, 1e-3, X * scale, y, Z * scale, dtype, solver=solver)
        of_y = run(kernel, 1e-3, X, y * scale, Z, dtype, solver=solver)
        for case in (base, of_X, of_y):
            case.check(converged=True)
        rtol = 1e-7 if dtype is np.float64 else 1e-3
        close = {"rtol": rtol, "atol": rtol * np.abs(base.mean).max()}
        np.testing.assert_allclose(of_X.mean, base.mean, **close)
        np.testing.assert_allclose(of_y.mean / scale, base.mean, **close)
        assert of_X.model.n_epochs_ == base.model.n_epochs_


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", ["cholesky", "sap", "sdd", "cg", "eigenpro"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_rows(n, solver, dtype):
    X, y, Z = sample(n)
    for normalize_y in (False, True):
        case = run(
            Matern(1.5, nu=1.5),
            1e-3,
            X,
            y,
            Z,
            dtype,
            solver=solver,
            normalize_y=normalize_y,
            max_iter=2000,
        )
        case.check(converged=True)


@pytest.mark.parametrize("solver", ["sdd", "eigenpro", "cg"])
@pytest.mark.parametrize("name", ["rbf", "matern32", "strong"])
def test_other_solvers_are_honest(name, solver):
    X, y, Z = sample(120)
    for scale, noise in ((0.3, 1e-2), (1.0, 1.0), (1.0, 1e-4), (30.0, 1e-2)):
        kernel = KERNELS[name](scale * 2.3)
        case = run(kernel, noise, X, y, Z, np.float32, solver=solver, max_iter=30)
        case.check()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_of_twice_the_edge_recovers(dtype):
    X, y, _ = sample(400)
    X, Y = X.astype(dtype), y.astype(dtype)[:, None]
    operator = KernelOperator(Gaussian(1.5), X)
    options = {"solver": "sdd", "batch_size": 100, "rng": 0, "tol": 0.02}
    steady = solve_kernel_system(operator, Y, 0.1, max_epochs=400, **options)
    assert steady.solution.n_restarts == 0
    # The safe step is 0.9 of the edge.
    step = 2.0 / 0.9 * steady.solution.step_size
    with pytest.warns(UserWarning, match="too long: the solver diverged"):
        result = solve_kernel_system(
            operator, Y, 0.1, max_epochs=800, step_size=step, **options
        )
    assert result.solution.n_restarts >= 1
    assert result.solution.step_size < step
    assert result.reason == "converged"
    H = Gaussian(1.5)(X.astype(float)) + 0.1 * np.eye(400)
    residual = np.linalg.norm(Y - H @ result.solution.a) / np.linalg.norm(Y)
    assert residual <= 0.021


# Rows of float32 that few rows would not be: long lengths leave the mean unexplained,
# which makes the coefficients large and their products rounded.
SMOOTH = [
    (RBF(20.0), 5e-4, "float64"),
    (RBF(20.0), 0.1, "float32"),
    (Matern(5.0, nu=1.5), 1e-2, "float32"),
    (100.0 * RBF(2.0), 0.1, "float32"),
    (100.0 * RBF(2.0), 1e-4, "float64"),
]


@pytest.mark.thorough
@pytest.mark.parametrize("solver", ["cholesky", "sap"])
@pytest.mark.parametrize(("kernel", "noise", "dtype"), SMOOTH)
def test_single_precision_where_it_is_enough(kernel, noise, dtype, solver):
    X, y, Z = sample(2100)
    case = run(kernel, noise, X, y, Z[:50], np.float32, solver=solver, max_iter=20)
    case.check()
    assert case.model.X_train_.dtype == case.model.alpha_.dtype == dtype
    assert case.model.y_train_.dtype == dtype
    assert case.mean.dtype == np.float32
    if solver == "cholesky":
        assert case.model.converged_
        np.testing.assert_allclose(case.std, case.wanted_std, rtol=0.05)


@pytest.mark.parametrize("noise", [2e-4, 1e-2])
def test_variances_of_double_precision_are_as_good(noise):
    X, y, Z = sample(2100)
    case = run(RBF(3.0), noise, X, y, Z[:50], solver="cholesky")
    case.check(converged=True)
    assert case.model.posterior_.factor.L.dtype == np.float32
    np.testing.assert_allclose(case.std, case.wanted_std, rtol=0.05)


def test_a_fit_that_went_on_in_float64(tmp_path, monkeypatch):
    monkeypatch.setattr("skopt2.gaussian_process.posterior_plan.DOUBLE", 100)
    X, y, Z = sample(300)
    options = {"solver": "sap", "max_iter": 400}
    whole = run(RBF(20.0), 1e-4, X, y, Z, np.float32, **options).model
    assert whole.alpha_.dtype == np.float64
    history = whole.history_
    assert (np.diff(history["n_epochs"]) > 0).all()
    assert (np.diff(history["iteration"]) > 0).all()
    assert whole.n_epochs_ == history["n_epochs"][-1]
    X, y, path = X.astype(np.float32), y.astype(np.float32), tmp_path / "fit.npz"
    params = whole.get_params(deep=False)
    broken = GaussianProcessRegressor(**params).set_callbacks(
        Checkpoint(path, min_seconds=0), Interrupt(len(history["iteration"]) - 1)
    )
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    rest = GaussianProcessRegressor(**params).set_callbacks(Checkpoint(path))
    rest.fit(X, y)
    assert rest.alpha_.dtype == np.float64
    np.testing.assert_allclose(rest.predict(Z), whole.predict(Z), rtol=1e-7)
