"""Posteriors by a factor and by solves against the closed form."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.kernels import Gaussian, KernelOperator, Linear, Matern, Scaled, Sum
from skopt2.solvers.kernel import solved_posterior as module
from skopt2.solvers.kernel.cholesky import factorise
from skopt2.solvers.kernel.exact_posterior import ExactPosterior
from skopt2.solvers.kernel.local_variance import LocalData, nearest_rows
from skopt2.solvers.kernel.solved_posterior import SolvedPosterior
from skopt2.solvers.kernel.system import KernelSystem

KERNELS = [
    Matern(1.5, [1.0, 2.0, 1.5]),
    Scaled(Gaussian(1.0), 4.0),
    Sum([Matern(2.5, 2.0), Linear()]),
]


@pytest.fixture(params=["number", "vector"])
def problem(request, rng):
    X = rng.uniform(-2.0, 2.0, (150, 3))
    lam = 0.05 if request.param == "number" else rng.uniform(0.02, 1.0, 150)
    Y = np.stack([np.sin(X).sum(axis=1), X[:, 0] ** 2], axis=1)
    return X, Y, lam, rng.uniform(-2.5, 2.5, (40, 3))


def closed_form(kernel, X, Y, lam, Z):
    H = kernel(X) + np.diag(np.broadcast_to(lam, X.shape[0]))
    B = kernel(X, Z)
    return B.T @ np.linalg.solve(H, Y), kernel(Z) - B.T @ np.linalg.solve(H, B)


def exact(kernel, X, Y, lam):
    factor = factorise(KernelSystem(KernelOperator(kernel, X), Y, lam))
    return ExactPosterior(kernel, X, factor.solve(Y), factor)


def solved(kernel, X, Y, lam, solver="sap", tol=1e-7, max_epochs=500):
    made = SolvedPosterior(kernel, X, Y, lam, solver, tol, max_epochs, 0)
    return replace(made, coef=made.conditioned(Y))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("make", [exact, solved])
def test_posterior_is_the_closed_form(problem, kernel, make):
    X, Y, lam, Z = problem
    posterior = make(kernel, X, Y, lam)
    mean, covariance = closed_form(kernel, X, Y, lam, Z)
    assert_allclose(posterior.mean(Z), mean, atol=1e-5)
    found_mean, variance = posterior.moments(Z)
    assert_allclose(found_mean, mean, atol=1e-5)
    assert_allclose(variance, np.diag(covariance), rtol=1e-6)
    found_mean, found = posterior.covariance(Z)
    assert_allclose(found_mean, mean, atol=1e-5)
    assert_allclose(found, covariance, atol=1e-6 * np.abs(covariance).max())
    A = posterior.conditioned(Y)
    H = kernel(X) + np.diag(np.broadcast_to(lam, 150))
    assert_allclose(A, np.linalg.solve(H, Y), atol=1e-5)


@pytest.mark.parametrize("solver", ["sap", "cg", "sdd", "eigenpro"])
def test_rough_solves_never_understate_the_variance(problem, solver):
    X, Y, lam, Z = problem
    kernel = Matern(1.5, 1.0)
    posterior = solved(kernel, X, Y, lam, solver, tol=0.05, max_epochs=30)
    covariance = closed_form(kernel, X, Y, lam, Z)[1]
    variance = posterior.moments(Z)[1]
    assert (variance >= np.diag(covariance) * (1.0 - 1e-9)).all()
    assert (variance <= 1.0).all()
    more = posterior.covariance(Z)[1] - covariance
    assert np.linalg.eigvalsh(more).min() > -1e-9
    # Of second order: the residual is 0.05 at most.
    assert np.abs(more).max() < 0.02


def test_solves_start_near_their_solution(problem, monkeypatch):
    X, Y, lam, Z = problem
    kernel = Matern(1.5, 1.0)
    local = LocalData(kernel, X, lam)
    B = kernel(X, Z)
    H = kernel(X) + np.diag(np.broadcast_to(lam, 150))
    errors = []
    for count in (1, 30, 150):
        index = nearest_rows(B.T, local.precision, count)
        W = local.solution(Z, index)
        assert ((W != 0.0).sum(axis=0) <= count).all()
        errors.append(np.linalg.norm(B - H @ W) / np.linalg.norm(B))
    assert errors[1] < 0.2 * errors[0]
    assert errors[2] < 1e-8
    starts = []
    solve = module.solve_kernel_system

    def watched(operator, values, *args, start=None, **options):
        starts.append(np.linalg.norm(values - H @ start) / np.linalg.norm(values))
        return solve(operator, values, *args, start=start, **options)

    monkeypatch.setattr(module, "solve_kernel_system", watched)
    made = SolvedPosterior(kernel, X, Y, lam, "sap", 1e-3, 100, 0)
    made.moments(Z)
    assert len(starts) == 1
    assert starts[0] < 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_devices_agree(problem, device_backend, dtype):
    X, Y, lam, Z = (np.asarray(x, dtype=dtype) for x in problem)
    kernel = Sum([Matern(2.5, 2.0), Linear()])
    expected = closed_form(kernel, *(x.astype(float) for x in (X, Y, lam, Z)))
    tolerance = 1e-6 if dtype == "float64" else 2e-3
    there = [device_backend.asarray(x) for x in (X, Y, lam, Z)]
    noise = float(lam) if lam.ndim == 0 else there[2]
    for make in (exact, solved):
        options = {} if make is exact else {"tol": 1e-7 if dtype == "float64" else 1e-5}
        posterior = make(kernel, there[0], there[1], noise, **options)
        mean, variance = posterior.moments(there[3])
        assert variance.dtype == there[3].dtype
        mean, variance = (device_backend.to_numpy(x) for x in (mean, variance))
        assert_allclose(mean, expected[0], atol=10 * tolerance)
        assert_allclose(variance, np.diag(expected[1]), rtol=tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "kernel", [Gaussian(1.0), Gaussian(4.0), Matern(length_scale=3.0, nu=1.5)]
)
def test_small_variances_of_a_factor_in_float32(device_backend, rng, kernel, dtype):
    X, Z = rng.standard_normal((400, 2)), rng.standard_normal((30, 2))
    # Some points of their own, whose variance is that of the prior.
    Z[-3:] += 50.0
    lam = rng.uniform(1e-3, 2e-3, 400)
    A, C = (device_backend.asarray(a, dtype) for a in (X, Z))
    system = KernelSystem(KernelOperator(kernel, A), A[:, :1], lam)
    factor = factorise(system, single=True)
    assert factor.L.dtype == device_backend.xp.float32
    coef = factor.solve(A[:, :1])
    noise = device_backend.asarray(lam)
    posterior = ExactPosterior(kernel, A, coef, factor, noise)
    H, K = kernel(X) + np.diag(lam), kernel(Z, X)
    wanted = kernel(Z) - K @ np.linalg.solve(H, K.T)
    variance = device_backend.to_numpy(posterior.moments(C)[1])
    # 5 percent of a variance are 2.5 of a standard deviation.
    np.testing.assert_allclose(variance, np.diag(wanted), rtol=0.05)
    spread = np.sqrt(np.diag(wanted))
    found = device_backend.to_numpy(posterior.covariance(C)[1])
    assert np.abs(found - wanted)[:, :-3].max() < 0.05 * spread[:-3].max() ** 2
    np.testing.assert_allclose(np.diag(found), np.diag(wanted), rtol=0.05)
    V = rng.standard_normal((400, 3))
    A = posterior.conditioned(device_backend.asarray(V, dtype))
    residual = np.abs(H @ device_backend.to_numpy(A) - V).max()
    assert residual < (1e-3 if dtype is np.float64 else 2e-2)


def test_a_refinement_is_only_for_variances_that_need_it(rng, monkeypatch):
    X, kernel = rng.standard_normal((300, 3)), Matern(length_scale=0.5, nu=0.5)
    system = KernelSystem(KernelOperator(kernel, X), X[:, :1], 0.1)
    factor = factorise(system, single=True)
    posterior = ExactPosterior(kernel, X, X[:, :1], factor, 0.1)
    monkeypatch.setattr(ExactPosterior, "_solved", None)
    variance = posterior.moments(X[:20])[1]
    exact = ExactPosterior(kernel, X, X[:, :1], factorise(system, single=False), 0.1)
    np.testing.assert_allclose(variance, exact.moments(X[:20])[1], rtol=1e-3)
    assert exact.covariance(X[:5])[1].shape == (5, 5)


@pytest.mark.thorough
@pytest.mark.parametrize("kernel", [Gaussian(2.0), Matern(length_scale=3.0, nu=2.5)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_small_variances_by_solves(device_backend, rng, kernel, dtype):
    X, Z = rng.standard_normal((400, 2)), rng.standard_normal((20, 2))
    A, C = (device_backend.asarray(a, dtype) for a in (X, Z))
    wanted = np.diag(closed_form(kernel, X, X, 0.01, Z)[1])
    assert wanted.min() < 1e-3
    posterior = SolvedPosterior(kernel, A, A[:, :1], 0.01, "eigenpro", 0.1, 500, 0)
    variance = device_backend.to_numpy(posterior.moments(C)[1])
    np.testing.assert_allclose(variance, wanted, rtol=0.1)
    found = device_backend.to_numpy(posterior.covariance(C)[1])
    np.testing.assert_allclose(np.diag(found), wanted, rtol=0.1)
    # Without noise the tolerance is all there is, and it is kept.
    plain = SolvedPosterior(kernel, A[:30, :], A[:30, :1], 0.0, "sap", 0.1, 50, 0)
    assert np.isfinite(device_backend.to_numpy(plain.moments(C)[1])).all()
