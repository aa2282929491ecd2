"""Ridge regression from noisy moments."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.solvers.privacy.adassp import (
    AdaSSP,
    estimated_loss,
    ridge_from,
)
from skopt2.solvers.privacy.centred_moments import centred
from skopt2.solvers.privacy.moments import MomentQuery
from skopt2.solvers.privacy.noise import NoiseSource
from tests.solvers.privacy.test_moments import rows_of


def data(rng, n=300, d=4, n_outputs=2):
    X = rng.uniform(-1, 1, (n, d)) / math.sqrt(d)
    W = rng.standard_normal((d, n_outputs))
    y = np.clip(0.3 * X @ W + 0.2 + 0.1 * rng.standard_normal((n, n_outputs)), -1, 1)
    return X, y


def released(X, y, multiplier, seed=0, **options):
    query = MomentQuery(rows_of(X, y, **options), n_outputs=y.shape[1])
    return query.release(NoiseSource(seed), multiplier, "zero_out")


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_without_noise_it_is_ridge_regression(fit_intercept, alpha, rng):
    X, y = data(rng)
    theta = ridge_from(released(X, y, 0.0, fit_intercept=fit_intercept), alpha)
    Z = np.c_[X, np.ones(300)] if fit_intercept else X
    pull = np.sqrt(300 * alpha) * np.eye(Z.shape[1])[:4]
    want = np.linalg.lstsq(np.r_[Z, pull], np.r_[y, np.zeros((4, 2))], rcond=None)[0]
    assert_allclose(theta, want, atol=1e-11)


def test_without_noise_a_singular_design_has_the_solution_of_least_norm(rng):
    X, y = data(rng, n_outputs=1)
    X = np.c_[X, X[:, 0]] * 0.9
    theta = ridge_from(released(X, y, 0.0))
    centre = X.mean(0)
    want = np.linalg.pinv(X - centre) @ (y - y.mean(0))
    assert_allclose(theta[:-1], want, atol=1e-8)
    assert_allclose(theta[-1], y.mean(0) - centre @ want, atol=1e-8)


def bordered(moments):
    d = moments.gram.shape[0]
    A = np.zeros((d + 1, d + 1))
    A[:d, :d] = moments.gram
    A[:d, d] = A[d, :d] = moments.total
    A[d, d] = moments.n_rows
    V = np.full((d + 1, d + 1), moments.std**2)
    np.fill_diagonal(V, moments.diagonal_std**2)
    V[:d, d] = V[d, :d] = moments.total_std**2
    V[d, d] = 0.0
    g = np.r_[moments.cross, moments.target[None]]
    u = np.r_[np.full(d, moments.cross_std**2), moments.target_std**2]
    return A, V, g, u


def test_the_estimate_of_the_loss_is_the_formula_of_stein(rng):
    X, y = data(rng)
    moments = released(X, y, 1.3)
    A, V, g, u = bordered(moments)
    factor, ridge = centred(moments), 40.0
    H = np.linalg.inv(A + ridge * np.diag([1.0, 1, 1, 1, 0]))
    theta = H @ g
    assert_allclose(factor.solve(g, ridge), theta, rtol=1e-10)
    want = 0.0
    m = np.diag(H)
    for k in range(2):
        t = theta[:, k]
        noise = m @ V @ t**2 + t @ (V * H) @ t - (np.diag(V) * m * t**2).sum()
        want += t @ A @ t - 2 * g[:, k] @ t + 2 * noise + 2 * (u * m).sum()
    got = estimated_loss(moments, factor, g, theta, ridge)
    assert_allclose(got, want, rtol=1e-10)


@pytest.mark.thorough
def test_the_estimate_of_the_loss_is_unbiased(rng):
    X, y = data(rng, n=400)
    Z = np.c_[X, np.ones(400)]
    gaps, sizes = [], []
    query = MomentQuery(rows_of(X, y), n_outputs=2)
    noise = NoiseSource(5)
    for _ in range(4000):
        moments = query.release(noise, 1.0, "zero_out")
        factor = centred(moments)
        g = np.r_[moments.cross, moments.target[None]]
        theta = factor.solve(g, 30.0)
        residual = y - Z @ theta
        true = (residual**2).sum() - (y**2).sum()
        gaps.append(estimated_loss(moments, factor, g, theta, 30.0) - true)
        sizes.append(dot_loss(moments, g, theta) - true)
    error = np.std(gaps) / math.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 4 * error
    # Without the corrections the loss looks smaller than it is, far beyond chance.
    assert np.mean(sizes) < -20 * error


def dot_loss(moments, g, theta):
    A = bordered(moments)[0]
    return np.trace(theta.T @ A @ theta) - 2 * np.trace(theta.T @ g)


@pytest.mark.parametrize("seed", range(5))
def test_noise_beyond_the_data_gives_a_finite_answer_near_zero(seed, rng):
    X, y = data(rng, n=20)
    theta = ridge_from(released(X, y, 500.0, seed=seed))
    # The intercepts are means over 20 rows of noise; the slopes are held down.
    assert np.isfinite(theta).all()
    assert np.abs(theta[:-1]).max() < 5


def test_the_ridge_is_within_a_tenth_of_the_best_one(rng):
    X, y = data(rng, n=2000)
    Z = np.c_[X, np.ones(2000)]

    def loss(theta):
        return ((y - Z @ theta) ** 2).mean()

    found, best = [], []
    for seed in range(20):
        moments = released(X, y, 8.0, seed=seed)
        factor = centred(moments)
        g = np.r_[moments.cross, moments.target[None]]
        floor = factor.floor(1.0)
        ridges = floor + np.geomspace(1e-2, 1e4, 60)
        best.append(min(loss(factor.solve(g, ridge)) for ridge in ridges))
        found.append(loss(ridge_from(moments)))
    nothing = loss(np.r_[np.zeros((4, 2)), y.mean(0)[None]])
    # Of what there is to gain over no slopes at all.
    assert nothing - np.mean(found) > 0.9 * (nothing - np.mean(best)) > 0


def test_the_solver_has_one_step_and_keeps_vectors(rng):
    X, y = data(rng, n_outputs=1)
    query = MomentQuery(rows_of(X, y[:, 0]))
    solver = AdaSSP(query, NoiseSource(1), 0.0)
    state = solver.init()
    assert solver.certificate(state).value == 1.0
    state = solver.step(state)
    assert solver.certificate(state).value == 0.0
    assert solver.finalize(state).shape == (5,)


def test_strict_arrays_give_the_same_answer(device_backend, rng):
    X, y = data(rng)
    there = [device_backend.asarray(a) for a in (X, y)]
    query = MomentQuery(rows_of(*there), n_outputs=2)
    for multiplier in (0.0, 3.0):
        if multiplier and device_backend.name == "cupy":
            continue
        noise = NoiseSource(7, device_backend.target)
        moments = query.release(noise, multiplier, "zero_out")
        got = device_backend.to_numpy(ridge_from(moments, 0.01))
        want = ridge_from(released(X, y, multiplier, seed=7), 0.01)
        assert_allclose(got, want, rtol=1e-9)
