"""Noisy gradient descent preconditioned by noisy moments."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import HuberRegressor

from skopt2._core.array import accumulation_dtype, namespace
from skopt2.losses import Huber, Squared
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.adassp import ridge_from
from skopt2.solvers.privacy.centred_moments import centred
from skopt2.solvers.privacy.descent import DescentPlan
from skopt2.solvers.privacy.events import GaussianEvent
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.glm_query import GLMQuery
from skopt2.solvers.privacy.moments import MomentQuery
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.preconditioned_descent import (
    SHARE,
    PreconditionedDescent,
    moments_multiplier,
    step_multiplier,
)
from skopt2.solvers.privacy.regression_schedule import regression_schedule
from tests.solvers.privacy.test_moments import Recorder, rows_of


def ill_conditioned(rng, n=500):
    X = rng.standard_normal((n, 3)) * [1.0, 0.1, 0.01]
    X *= 0.9 / np.linalg.norm(X, axis=1).max()
    y = np.clip(X @ [0.5, 2.0, -8.0] + 0.1 + 0.05 * rng.standard_normal(n), -1, 1)
    return X, y


def run(X, y, *, loss=None, sigma=0.0, steps=3, alpha=0.0, noise=None, **options):
    rows = rows_of(X, y, **options)
    n_outputs = None if y.ndim == 1 else y.shape[1]
    query = GLMQuery(rows, loss or Squared(), 1e6, n_outputs=n_outputs)
    moments = MomentQuery(rows, with_targets=False, gram_weight=1.0)
    decayed = np.ones(query.shape)
    if rows.fit_intercept:
        decayed[-1] = 0.0
    plan = DescentPlan(steps, 1.0, sigma, alpha=alpha, tail=0.0)
    xp = namespace(X)
    solver = PreconditionedDescent(
        query,
        moments,
        plan,
        moments_multiplier(sigma, steps),
        noise or NoiseSource(0),
        xp.asarray(decayed, dtype=accumulation_dtype(X), device=device(X)),
    )
    start = xp.zeros(query.shape, dtype=accumulation_dtype(X), device=device(X))
    state = solver.init(start)
    for _ in range(steps):
        state = solver.step(state)
    return solver.finalize(state)


def device(X):
    return "cpu" if isinstance(X, np.ndarray) else X.device


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_without_noise_one_step_is_ridge_regression(fit_intercept, alpha, rng):
    X, y = ill_conditioned(rng)
    got = run(X, y, steps=1, alpha=alpha, fit_intercept=fit_intercept)
    Z = np.c_[X, np.ones(500)] if fit_intercept else X
    pull = math.sqrt(500 * alpha) * np.eye(Z.shape[1])[:3]
    want = np.linalg.lstsq(np.r_[Z, pull], np.r_[y, np.zeros(3)], rcond=None)[0]
    assert_allclose(got, want, rtol=1e-8, atol=1e-10)


def test_the_huber_loss_is_minimised(rng):
    X, y = ill_conditioned(rng)
    y[::10] = 1.0
    got = run(X, y, loss=Huber(delta=0.05), steps=60)

    def slope(theta):
        r = np.c_[X, np.ones(500)] @ theta - y
        return np.c_[X, np.ones(500)].T @ np.clip(r, -0.05, 0.05) / 500

    assert np.abs(slope(got)).max() < 1e-6
    # A robust fit of another library is near, least squares is not.
    robust = HuberRegressor(epsilon=1.1, alpha=0.0, tol=1e-8, max_iter=1000).fit(X, y)
    assert_allclose(got[:3], robust.coef_, rtol=0.2, atol=0.3)
    assert np.abs(run(X, y, steps=1)[3] - got[3]) > 0.05


def test_targets_share_the_moments(rng):
    X, y = ill_conditioned(rng)
    both = run(X, np.c_[y, -0.5 * y], steps=2)
    assert_allclose(both[:, 0], run(X, y, steps=2), rtol=1e-9)
    assert_allclose(both[:, 1], -0.5 * both[:, 0], rtol=1e-9)


def test_noise_is_drawn_for_the_moments_and_for_each_step(rng):
    X, y = ill_conditioned(rng)
    recorder = Recorder()
    run(X, y, sigma=4.0, steps=7, noise=recorder)
    shapes = [shape for shape, _ in recorder.draws]
    assert shapes == [(9,)] + 7 * [(4,)]
    stds = np.array([std for _, std in recorder.draws])
    assert_allclose(stds[1:], 4e6, rtol=1e-9)
    # The ball of norm 1 and the sum of the rows: 1 / 2 + 1.
    sigma = moments_multiplier(4.0, 7)
    assert_allclose(stds[0], sigma * math.sqrt(1.5), rtol=1e-5)
    assert stds[0] >= sigma * math.sqrt(1.5)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("n_steps", [1, 100, 1000])
def test_the_parts_spend_the_budget_and_no_more(epsilon, n_steps):
    delta = 1e-6
    whole = 1 / gaussian_mu(epsilon, delta)
    step = step_multiplier(whole, n_steps)
    events = [
        GaussianEvent(moments_multiplier(step, n_steps)),
        GaussianEvent(step, n_steps),
    ]
    assert epsilon * (1 - 1e-6) < epsilon_of(events, delta) <= epsilon
    squared = [event.squared_mu for event in events]
    assert_allclose(squared[0], SHARE * sum(squared), rtol=1e-12)


def test_golden_noise():
    # mu(1, 1e-6) = 0.2364; T = 100 with nine tenths of mu^2, and a tenth.
    whole = 1 / gaussian_mu(1.0, 1e-6)
    step = step_multiplier(whole, 100)
    assert_allclose(whole, 4.2247, atol=2e-3)
    assert_allclose(step, whole * 10.5409, rtol=1e-4)
    assert_allclose(moments_multiplier(step, 100), whole * 3.16228, rtol=1e-4)


@pytest.mark.parametrize("sigma", [0.3, 3.0, 30.0])
def test_steps_contract_under_noisy_moments(sigma, rng):
    # The step multiplies errors by 1 - M^-1 A, A the moments before the noise.
    X, y = ill_conditioned(rng, n=300)
    query = MomentQuery(rows_of(X, y), with_targets=False, gram_weight=1.0)
    Z = np.c_[X, np.ones(300)]
    largest = []
    for seed in range(200):
        moments = query.release(NoiseSource(seed), sigma, "zero_out")
        factor = centred(moments)
        M_inverse = factor.solve(np.eye(4), factor.floor(2.0))
        values = np.linalg.eigvals(np.eye(4) - M_inverse @ (Z.T @ Z))
        largest.append(np.abs(values).max())
    assert np.quantile(largest, 0.97) <= 1.0
    assert np.max(largest) < 1.5


def test_noisy_moments_do_not_move_the_fixed_point(rng):
    X = rng.uniform(-0.5, 0.5, (2000, 3))
    y = np.clip(X @ [1.0, -0.5, 0.2] + 0.1 * rng.standard_normal(2000), -1, 1)
    rows = rows_of(X, y)
    query = GLMQuery(rows, Squared(), 1e6)
    moments = MomentQuery(rows, with_targets=False, gram_weight=1.0)
    plan = DescentPlan(4000, 1.0, 0.0)
    solver = PreconditionedDescent(query, moments, plan, 2.0, NoiseSource(3))
    state = solver.init(np.zeros(4))
    for _ in range(200):
        state = solver.step(state)
    want = np.linalg.lstsq(np.c_[X, np.ones(2000)], y, rcond=None)[0]
    assert_allclose(state.W, want, atol=1e-9)
    # Normal equations of the same noisy moments are off.
    full = MomentQuery(rows, gram_weight=1.0).release(NoiseSource(3), 2.0, "zero_out")
    assert np.abs(ridge_from(full)[:, 0] - want).max() > 1e-3


def test_strict_arrays_give_the_same_answer(device_backend, rng):
    X, y = ill_conditioned(rng)
    want = run(X, y, sigma=1e-6, steps=5)
    if device_backend.name == "cupy":
        pytest.skip("draws other numbers")
    noise = NoiseSource(0, device_backend.target)
    there = [device_backend.asarray(a) for a in (X, y)]
    got = run(*there, sigma=1e-6, steps=5, noise=noise)
    assert_allclose(device_backend.to_numpy(got), want, rtol=1e-9)


def test_rules_read_public_numbers():
    plain = regression_schedule(1000, 10, 0.25, squared_norm=2.0)
    assert (plain.n_steps, plain.learning_rate) == (100, 1.0)
    assert_allclose(plain.clipping_norm, 0.13 * 25 ** (1 / 3))
    gd = regression_schedule(1000, 10, 0.25, squared_norm=2.0, preconditioned=False)
    assert (gd.n_steps, gd.learning_rate) == (200, 1.0)
    sampled = regression_schedule(
        1000, 10, 0.25, squared_norm=2.0, preconditioned=False, sampling_rate=0.01
    )
    assert sampled.n_steps == 300
    free = regression_schedule(1000, 10, math.inf, squared_norm=2.0)
    assert free.clipping_norm == 1e6
    few, many = (regression_schedule(n, 10, 0.25, squared_norm=2.0) for n in (1, 10**9))
    assert (few.clipping_norm, many.clipping_norm) == (0.05, 2.0)
    given = regression_schedule(
        9, 3, 1.0, squared_norm=2.0, n_steps=5, learning_rate=0.3, clipping_norm=0.7
    )
    assert (given.n_steps, given.learning_rate, given.clipping_norm) == (5, 0.3, 0.7)
