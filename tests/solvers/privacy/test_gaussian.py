"""The curve of the Gaussian mechanism against closed forms in many digits."""

import math

import numpy as np
import pytest

from skopt2.solvers.privacy.gaussian import (
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
)

EPSILONS = [0.0, 1e-6, 0.1, 1.0, 8.0, 100.0, 1e5]
DELTAS = [1e-300, 1e-30, 1e-12, 1e-5, 0.1, 0.9]


def exact_delta(mp, mu, epsilon):
    mu, epsilon = mp.mpf(mu), mp.mpf(epsilon)
    upper = mp.ncdf(mu / 2 - epsilon / mu)
    return upper - mp.exp(epsilon) * mp.ncdf(-mu / 2 - epsilon / mu)


def test_delta_is_exact_and_rounded_up():
    mp = pytest.importorskip("mpmath").mp.clone()
    mp.dps = 60
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(300):
        mu = 10 ** rng.uniform(-6, 1.7)
        epsilon = max(0.0, mu * mu / 2 + mu * rng.uniform(-9, 30))
        exact = exact_delta(mp, mu, epsilon)
        if exact > 1e-300:
            errors.append(float(gaussian_delta(mu, epsilon) / exact - 1))
    assert len(errors) > 200
    # Rounded up by 1e-10; 1 itself is not exceeded.
    assert min(errors) >= 0.0
    assert max(errors) < 1.2e-10


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("delta", DELTAS)
def test_mu_inverts_delta_on_the_safe_side(epsilon, delta):
    mu = gaussian_mu(epsilon, delta)
    if mu == 0.0:
        # A total variation of 1e-300 is below what the grid of doubles resolves.
        assert (epsilon, delta) == (0.0, 1e-300)
        return
    assert gaussian_delta(mu, epsilon) <= delta
    assert gaussian_delta(mu * (1 + 1e-9), epsilon) > delta
    assert gaussian_epsilon(mu, delta) <= epsilon * (1 + 1e-12)


def test_epsilon_inverts_delta_on_the_safe_side():
    for mu in (1e-3, 0.05, 0.5, 3.0, 40.0):
        for delta in (1e-12, 1e-5, 0.01):
            epsilon = gaussian_epsilon(mu, delta)
            assert gaussian_delta(mu, epsilon) <= delta
            if epsilon > 0:
                assert gaussian_delta(mu, epsilon * (1 - 1e-8)) > delta


def test_golden_values():
    # 100 releases with noise multiplier 20, and the noise of 50 releases.
    assert gaussian_epsilon(0.5, 1e-5) == pytest.approx(1.9931, abs=1e-4)
    sigmas = [math.sqrt(50) / gaussian_mu(epsilon, 1e-5) for epsilon in (0.1, 1, 8)]
    assert sigmas == pytest.approx([217.43, 26.38, 4.244], rel=1e-4)
    # delta at epsilon = 0 is the total variation, 2 Phi(mu/2) - 1.
    tv = math.erf(0.3 / 2 / math.sqrt(2))
    assert gaussian_delta(0.3, 0.0) == pytest.approx(tv, rel=1e-9)


def test_limits():
    assert gaussian_mu(math.inf, 1e-5) == math.inf
    assert gaussian_epsilon(math.inf, 1e-5) == math.inf
    assert gaussian_epsilon(0.0, 1e-5) == 0.0
    assert gaussian_delta(0.0, 0.0) == 0.0
    assert gaussian_delta(math.inf, 3.0) == 1.0
    assert gaussian_delta(1.0, math.inf) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gaussian_mu(-1.0, 1e-5),
            "epsilon must be a nonneg",
        ),
        (
            lambda: gaussian_mu(math.nan, 1e-5),
            "epsilon must be a nonneg",
        ),
        (lambda: gaussian_mu(1.0, 0.0), "delta must be a number in"),
        (lambda: gaussian_epsilon(1.0, 1.0), "delta must be a number in"),
        (
            lambda: gaussian_epsilon(1.0, math.nan),
            "delta must be a number in",
        ),
        (lambda: gaussian_delta(-1.0, 1.0), "mu must be at least 0"),
        (lambda: gaussian_delta(math.nan, 1.0), "mu must be at least 0"),
    ],
)
def test_bad_parameters(call, message):
    with pytest.raises(ValueError, match=message):
        call()
