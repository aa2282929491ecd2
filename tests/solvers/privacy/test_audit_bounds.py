"""The bounds of the auditor against mechanisms whose guesses have a known law."""

import math

import numpy as np
import pytest
from scipy.stats import beta, binom, norm

from skopt2.solvers.privacy.audit_bounds import (
    ApproximateCurves,
    GaussianCurves,
    binomial_upper,
    error_rates_exceed,
    guess_tail,
    largest_rejected,
    pooled_p_value,
    runs_p_value,
)
from skopt2.solvers.privacy.gaussian import gaussian_epsilon


def tails(curves, level, m, r):
    return np.array(
        [guess_tail(lambda x: curves.bound(x, level), m, r, c) for c in range(r + 1)]
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("m", [1, 2, 7, 60])
def test_tail_covers_randomised_response(epsilon, m):
    # Each of m bits is told with odds exp(epsilon): the best that is epsilon-private.
    law = binom(m, 1 / (1 + math.exp(-epsilon)))
    bound = tails(ApproximateCurves(0.0), epsilon, m, m)
    truth = law.sf(np.arange(m + 1) - 1)
    assert np.all(bound >= truth * (1 - 1e-12))
    assert np.all(np.diff(bound) <= 0)


@pytest.mark.parametrize("mu", [0.0, 0.25, 1.0, 3.0])
@pytest.mark.parametrize(("m", "r"), [(1, 1), (9, 9), (80, 80), (80, 20)])
def test_tail_covers_independent_gaussian_noise(mu, m, r):
    rng = np.random.default_rng(0)
    n = 4000
    present = rng.random((n, m)) < 0.5
    scores = mu * present + rng.standard_normal((n, m))
    order = np.argsort(scores, axis=1)
    top = r // 2
    low, high = order[:, : r - top], order[:, m - top :]
    right = np.take_along_axis(~present, low, axis=1).sum(axis=1)
    right += np.take_along_axis(present, high, axis=1).sum(axis=1)
    curves = GaussianCurves(1e-5)
    for c in np.quantile(right, [0.1, 0.5, 0.9, 0.99]).astype(int):
        bound = guess_tail(lambda x: curves.bound(x, mu), m, r, int(c))
        assert np.mean(right >= c) <= bound + 4 * np.sqrt(bound / n)


def test_tail_covers_a_mechanism_that_tells_all_or_nothing():
    # With probability delta every bit is told at once: (0, delta)-private.
    delta, m = 0.03, 40
    bound = tails(ApproximateCurves(delta), 0.0, m, m)
    truth = delta + (1 - delta) * binom(m, 0.5).sf(np.arange(m + 1) - 1)
    assert np.all(bound >= truth * (1 - 1e-12))


def test_tail_is_not_vacuous():
    # Two standard deviations of luck over the best mechanism are hard to come by.
    m, epsilon = 1000, 1.0
    p = 1 / (1 + math.exp(-epsilon))
    far = int(m * p + 4 * math.sqrt(m * p * (1 - p)))
    curves = ApproximateCurves(1e-5)
    assert guess_tail(lambda x: curves.bound(x, epsilon), m, m, far) < 1e-2
    assert guess_tail(lambda x: curves.bound(x, epsilon + 0.5), m, m, far) > 0.5


def test_p_values_are_valid_for_gaussian_runs():
    rng = np.random.default_rng(1)
    m, mu, n_runs = 100, 0.5, 20
    curves = GaussianCurves(1e-5)
    p_right = norm.cdf(mu / 2)
    values = {runs_p_value: [], pooled_p_value: []}
    for _ in range(200):
        right = rng.binomial(m, p_right, size=n_runs)
        for p_value, found in values.items():
            found.append(p_value(lambda x: curves.bound(x, mu), m, m, right.tolist()))
    for found in values.values():
        assert np.mean(np.array(found) <= 0.05) <= 0.05


def test_runs_with_common_luck_raise_no_alarm():
    # All guesses of a run are right with probability 0.06, else none tells anything:
    # a binomial test of the pooled guesses is sure of what is not so.
    rng = np.random.default_rng(2)
    delta, m, n_runs, alarms = 0.06, 200, 16, 0
    curves = ApproximateCurves(delta)
    naive = 0
    for _ in range(100):
        lucky = rng.random(n_runs) < delta
        right = np.where(lucky, m, rng.binomial(m, 0.5, size=n_runs)).tolist()
        p = pooled_p_value(lambda x: curves.bound(x, 0.0), m, m, right)
        q = runs_p_value(lambda x: curves.bound(x, 0.0), m, m, right)
        alarms += (p <= 0.05) + (q <= 0.05)
        naive += binom(n_runs * m, 0.5 + delta / 2).sf(sum(right) - 1) <= 0.05
    assert alarms <= 5
    assert naive > 15


def test_a_bit_in_many_runs_has_clopper_pearson_bounds():
    for k, n in ((0, 10), (3, 10), (9, 10), (40, 1000)):
        assert binomial_upper(k, n, 0.05) == pytest.approx(beta(k + 1, n - k).ppf(0.95))
    assert binomial_upper(10, 10, 0.05) == 1.0


def test_error_rates_count_in_both_directions():
    curves = ApproximateCurves(0.0)

    def exceed(false_positives, false_negatives, epsilon):
        return error_rates_exceed(
            lambda x: curves.bound(x, epsilon), false_positives, false_negatives
        )

    # Seldom wrong of one kind, often of the other.
    assert exceed(0.01, 0.9, math.log(9.9))
    assert not exceed(0.01, 0.9, math.log(10.1))
    assert exceed(0.9, 0.01, math.log(9.9))


def test_gaussian_level_is_recovered_from_its_error_rates():
    curves = GaussianCurves(1e-5)
    rates = norm.sf([0.4, 0.8])
    level = largest_rejected(
        lambda mu: error_rates_exceed(lambda x: curves.bound(x, mu), *rates)
    )
    assert level == pytest.approx(1.2, abs=1e-6)
    assert curves.epsilon(level) == gaussian_epsilon(level, 1e-5)
    assert curves.level(curves.epsilon(1.2)) == pytest.approx(1.2, rel=1e-6)


def test_levels_at_the_ends():
    assert largest_rejected(lambda level: False) == 0.0
    assert largest_rejected(lambda level: True) == math.inf
