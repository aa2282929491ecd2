"""Fits of small problems at the edges of what floating-point numbers can do.

Kernels, length scales a thousand times shorter and longer than the distances, rows that
stand many times, data and targets in extreme units, with a ridge and without: every
solver ends with finite predictions, and what it says of itself is true. The residual is
computed anew from the kernel matrix in float64.
"""

import itertools
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.kernels import (
    Cauchy,
    ExponentialPower,
    Gaussian,
    Laplacian,
    Matern,
    NeuralTangent,
    Polynomial,
)

SOLVERS = ("auto", "cholesky", "sap", "eigenpro", "sdd", "cg")
WIDTHS = (1e-3, 1.0, 1e3)
KERNELS = {
    "laplacian": Laplacian,
    "gaussian": Gaussian,
    "matern": lambda length_scale: Matern(nu=2.5, length_scale=length_scale),
    "cauchy": Cauchy,
    "power": lambda length_scale: ExponentialPower(0.7, length_scale=length_scale),
}
N = 60


def problem(seed, *, duplicates=False, unit=1.0, target_unit=1.0, columns=2):
    """Rows, noisy targets and new rows, and the median distance."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, 3))
    if duplicates:
        X = np.repeat(X[: N // 6], 6, axis=0)
    Y = np.sin(X[:, :columns]) + 0.3 * rng.standard_normal((N, columns))
    new = rng.standard_normal((7, 3))
    median = np.median(np.linalg.norm(X[:, None] - X[None], axis=-1))
    return unit * X, target_unit * Y, unit * new, unit * float(median)


def fit(model, X, Y):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, Y)


def kernel_matrix(kernel, X):
    """Kernel matrix in float64, from the points as the fit had them."""
    return kernel(X.astype(np.float64))


def check(model, kernel, X, Y, new, lam):
    """What is promised of every fit, whatever the data are."""
    values = model.predict(new)
    assert values.dtype == X.dtype
    assert np.isfinite(values).all()
    assert np.isfinite(model.dual_coef_).all()
    # Of the objective, and of every column that decides.
    for column in model.history_.values():
        assert np.isfinite(np.asarray(column, dtype=np.float64)).all()
    a = model.dual_coef_.astype(np.float64)
    H = kernel_matrix(kernel, X) + np.diag(np.broadcast_to(lam, len(X)))
    residual = np.linalg.norm(Y - H @ a, axis=0) / np.linalg.norm(Y, axis=0)
    claimed, eps = model.certificate_.value, float(np.finfo(X.dtype).eps)
    # Entries of K are known to their precision, which the size of a multiplies.
    noise = 30.0 * eps * np.abs(H).max() * np.abs(a).sum(axis=0)
    noise = (noise / np.linalg.norm(Y, axis=0) * N**0.5).max()
    if model.certificate_.name == "relative residual":
        assert claimed == pytest.approx(residual.max(), rel=1e-3, abs=noise)
    else:
        assert not model.converged_
    assert model.converged_ == (claimed <= model.tol)
    if model.converged_:
        assert residual.max() <= model.tol + noise
    # No solution is worse than none.
    assert residual.max() <= 1.05 + noise


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", KERNELS)
def test_length_scales_duplicates_and_ridges(name, solver, dtype):
    for width, duplicates, alpha in itertools.product(
        WIDTHS, (False, True), (0.0, 1e-3)
    ):
        X, Y, new, median = problem(1, duplicates=duplicates)
        kernel = KERNELS[name](length_scale=width * median)
        model = EigenProRegressor(
            kernel, alpha=alpha, solver=solver, max_iter=8, random_state=0
        )
        X, Y, new = (part.astype(dtype) for part in (X, Y, new))
        check(fit(model, X, Y), kernel, X, Y.astype(np.float64), new, alpha)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("target_unit", [1e-9, 1e9])
def test_units_of_data_and_targets(solver, unit, target_unit):
    for name, alpha in itertools.product(("laplacian", "gaussian"), (0.0, 0.1)):
        found = []
        for units in ((1.0, 1.0), (unit, target_unit)):
            X, Y, new, median = problem(2, unit=units[0], target_unit=units[1])
            kernel = KERNELS[name](length_scale=median)
            model = EigenProRegressor(
                kernel, alpha=alpha, solver=solver, max_iter=8, random_state=0
            )
            check(fit(model, X, Y), kernel, X, Y, new, alpha)
            found.append(model.predict(new) / units[1])
        if name == "gaussian" and alpha == 0.0:
            # Rounding decides which of many solutions this is.
            continue
        # The problem is the same one.
        assert np.linalg.norm(found[1] - found[0]) <= 1e-3 * np.linalg.norm(found[0])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", ["polynomial", "neural_tangent"])
def test_kernels_that_grow_with_the_rows(name, solver, unit):
    kernel = Polynomial(2) if name == "polynomial" else NeuralTangent()
    X, Y, new, _ = problem(3, unit=unit)
    size = float(np.mean(np.diag(kernel_matrix(kernel, X))))
    for alpha in (0.0, 1e-3 * size):
        model = EigenProRegressor(
            kernel, alpha=alpha, solver=solver, max_iter=8, random_state=0
        )
        check(fit(model, X, Y), kernel, X, Y, new, alpha)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_of_all_sizes(solver):
    rng = np.random.default_rng(4)
    X, Y, new, median = problem(4)
    weight = 10.0 ** rng.uniform(-8.0, 4.0, N)
    kernel = Laplacian(median)
    model = EigenProRegressor(kernel, alpha=0.1, solver=solver, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, Y, sample_weight=weight)
    check(model, kernel, X, Y, new, 0.1 / weight)


@pytest.mark.parametrize("n", [1, 2, 3, 17])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_handful_of_rows(solver, n):
    X, Y, new, _ = problem(5)
    X, Y = X[:n], Y[:n]
    kernel = Gaussian(1.0)
    for alpha in (0.0, 0.5):
        model = EigenProRegressor(
            kernel, alpha=alpha, solver=solver, tol=1e-6, max_iter=200, random_state=0
        )
        check(fit(model, X, Y), kernel, X, Y, new, alpha)
        if solver in ("auto", "cholesky", "sap", "cg"):
            assert model.converged_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_classes(width, unit, early_stopping):
    X, Y, new, median = problem(6, unit=unit)
    labels = np.digitize(Y[:, 0], [-0.5, 0.5])
    for solver in ("auto", "sap", "eigenpro"):
        model = EigenProClassifier(
            "laplacian",
            length_scale=width * median,
            alpha=1e-3,
            solver=solver,
            early_stopping=early_stopping,
            max_iter=8,
            random_state=0,
        )
        fit(model, X, labels)
        shares = model.predict_proba(new)
        assert np.isfinite(shares).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-12)
        assert set(model.predict(new)) <= set(labels)


@pytest.mark.parametrize("solver", ["cholesky", "eigenpro"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("target_unit", [1e-9, 1e9])
def test_centers(solver, width, target_unit):
    for duplicates in (False, True):
        X, Y, new, median = problem(7, duplicates=duplicates, target_unit=target_unit)
        model = EigenProRegressor(
            Matern(nu=1.5, length_scale=width * median),
            alpha=1e-3,
            centers=X[::3],
            solver=solver,
            max_iter=8,
            random_state=0,
        )
        fit(model, X, Y)
        assert np.isfinite(model.predict(new)).all()
        assert model.converged_ == (model.certificate_.value <= model.tol)
        # Better than 0 on the rows of the fit.
        off = np.linalg.norm(model.predict(X) - Y)
        assert off <= (1.0 + 1e-6) * np.linalg.norm(Y)
