"""Accounting of compositions: golden values, an oracle, and what has to be monotone."""

import math
import subprocess
import sys
import time

import numpy as np
import pytest

from skopt2.solvers.privacy.accounting import calibrate_noise, delta_of, epsilon_of
from skopt2.solvers.privacy.events import GaussianEvent, SampledGaussianEvent

DELTA = 1e-5
RUNS = [(0.01, 1000), (0.05, 200), (0.1, 100), (1.0, 50)]
BUDGETS = [0.1, 0.5, 1.0, 4.0, 8.0]
# Published code's figures: (sigma, q, T, delta, epsilon by losses, by Renyi).
GOLDEN = [
    (1.5, 0.04, 2250, 1e-5, 6.769, 7.330),
    (1.0, 0.01, 1000, 1e-5, 1.828, 2.108),
    (0.8, 0.01, 500, 1e-6, 2.925, 3.565),
]


@pytest.fixture(scope="module")
def sigmas():
    """Return the noise of each budget, and the processor time that it took."""
    found = {}
    for rate, count in RUNS:
        for epsilon in BUDGETS:
            start = time.process_time()
            sigma = calibrate_noise(epsilon, DELTA, sampling_rate=rate, count=count)
            found[rate, count, epsilon] = sigma, time.process_time() - start
    return found


@pytest.mark.parametrize(("sigma", "rate", "count", "delta", "pld", "rdp"), GOLDEN)
def test_golden_epsilons(sigma, rate, count, delta, pld, rdp):
    event = SampledGaussianEvent(sigma, rate, count)
    assert epsilon_of(event, delta) == pytest.approx(pld, rel=4e-4)
    assert epsilon_of(event, delta, "rdp") == pytest.approx(rdp, rel=4e-4)


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        (0.01, 1000, [9.805, 1.415, 0.586]),
        (0.05, 200, [21.88, 2.840, 0.787]),
        (0.1, 100, [30.91, 3.945, 0.936]),
        (1.0, 50, [217.43, 26.38, 4.244]),
    ],
)
def test_golden_sigmas(sigmas, rate, count, expected):
    found = [sigmas[rate, count, epsilon][0] for epsilon in (0.1, 1.0, 8.0)]
    # The figures have three or four digits and come from a coarser grid.
    assert found == pytest.approx(expected, rel=1.5e-3)


def test_calibration_never_exceeds_the_budget(sigmas):
    for (rate, count, epsilon), (sigma, _) in sigmas.items():
        event = SampledGaussianEvent(sigma, rate, count)
        assert epsilon_of(event, DELTA) <= epsilon
        less = SampledGaussianEvent(sigma * (1 - 3e-4), rate, count)
        assert epsilon_of(less, DELTA) > epsilon


def test_calibration_is_quick(sigmas):
    assert max(seconds for _, seconds in sigmas.values()) < 1.0


@pytest.mark.parametrize(("rate", "count"), RUNS)
def test_sigma_is_that_of_the_oracle(sigmas, rate, count):
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")

    def delta(sigma, epsilon):
        step = max(1e-4, 5e-4 * epsilon)
        one = pld.from_gaussian_mechanism(
            sigma, value_discretization_interval=step, sampling_prob=rate
        )
        return one.self_compose(count).get_delta_for_epsilon(epsilon)

    for epsilon in BUDGETS:
        sigma = sigmas[rate, count, epsilon][0]
        # The oracle's own sigma is above sigma / 1.01 and below 1.001 sigma.
        assert delta(sigma / 1.01, epsilon) > DELTA
        assert delta(sigma * 1.001, epsilon) <= DELTA


@pytest.mark.parametrize("delta", [0.3, 1e-5, 1e-12, 1e-40])
@pytest.mark.parametrize("mu", [0.01, 0.3, 2.0, 12.0])
def test_losses_of_the_gaussian_mechanism_are_the_exact_ones(mu, delta):
    event = GaussianEvent(1 / mu)
    exact, ours = (epsilon_of(event, delta, method) for method in ("exact", "pld"))
    assert exact * (1 - 1e-9) <= ours <= exact * (1 + 3e-4) + 1e-6 * mu
    if exact > 0:
        exact, ours = (delta_of(event, exact, method) for method in ("exact", "pld"))
        assert exact * (1 - 1e-9) <= ours <= exact * 1.02


@pytest.mark.parametrize(("sigma", "rate"), [(0.6, 0.01), (1.0, 0.3), (3.0, 0.7)])
def test_single_release_against_its_closed_form(sigma, rate):
    from scipy.special import ndtr

    event = SampledGaussianEvent(sigma, rate)
    for epsilon in (0.01, 0.1, 0.5):
        # delta = P(S) - exp(epsilon) Q(S) on the set where P/Q exceeds exp(epsilon).
        x = sigma**2 * math.log((math.exp(epsilon) - 1 + rate) / rate) + 0.5
        q = ndtr(-x / sigma)
        p = (1 - rate) * q + rate * ndtr((1 - x) / sigma)
        removed, added = p - math.exp(epsilon) * q, 0.0
        if math.exp(-epsilon) > 1 - rate:
            x = sigma**2 * math.log((math.exp(-epsilon) - 1 + rate) / rate) + 0.5
            q = ndtr(x / sigma)
            p = (1 - rate) * q + rate * ndtr((x - 1) / sigma)
            added = q - math.exp(epsilon) * p
        exact = max(removed, added)
        ours = delta_of(event, epsilon)
        assert exact * (1 - 1e-9) <= ours <= exact * 1.002


@pytest.mark.parametrize("delta", [0.1, 1e-6, 1e-15, 1e-60])
def test_small_deltas_stay_below_the_renyi_bound(delta):
    event = SampledGaussianEvent(1.2, 0.02, 500)
    renyi, ours = (epsilon_of(event, delta, method) for method in ("rdp", "pld"))
    assert 0.45 * renyi < ours < renyi


def test_random_compositions_are_bounded_by_both_sides():
    rng = np.random.default_rng(0)
    for _ in range(15):
        rate, count = 10 ** rng.uniform(-4, 0), int(10 ** rng.uniform(0, 4))
        event = SampledGaussianEvent(10 ** rng.uniform(-0.3, 1.5), rate, count)
        delta = 10 ** rng.uniform(-12, -1)
        epsilon = epsilon_of(event, delta, "pld")
        assert 0 <= epsilon <= epsilon_of(event, delta, "rdp") * (1 + 1e-4)
        if epsilon > 1e-3:
            assert delta_of(event, epsilon) == pytest.approx(delta, rel=0.01)
        # Sampling never hurts.
        full = GaussianEvent(event.noise_multiplier, count)
        assert epsilon <= epsilon_of(full, delta) * (1 + 1e-3)


@pytest.mark.parametrize(
    ("sigma", "rate", "count", "delta"),
    [(0.7, 0.002, 900, 1e-7), (1.5, 0.3, 40, 1e-3), (9.0, 0.08, 3000, 1e-9)],
)
def test_epsilon_is_between_the_bounds_of_the_oracle(sigma, rate, count, delta):
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")

    def bound(**options):
        one = pld.from_gaussian_mechanism(
            sigma, value_discretization_interval=2e-4, sampling_prob=rate, **options
        )
        return one.self_compose(count).get_epsilon_for_delta(delta)

    # An optimistic distribution of the loss is a lower bound of every right answer.
    lower = bound(pessimistic_estimate=False, use_connect_dots=False)
    ours = epsilon_of(SampledGaussianEvent(sigma, rate, count), delta)
    assert lower < ours < bound() * (1 + 3e-4)


def test_composition_of_halves_is_the_whole():
    whole = epsilon_of(SampledGaussianEvent(1.1, 0.02, 400), DELTA)
    halves = [SampledGaussianEvent(1.1, 0.02, 200)] * 2
    assert epsilon_of(halves, DELTA) == whole
    # Nearly the same mechanism twice, which is composed as two different ones.
    other = [halves[0], SampledGaussianEvent(1.1 * (1 + 1e-9), 0.02, 200)]
    assert epsilon_of(other, DELTA) == pytest.approx(whole, rel=1e-4)


def test_composition_with_the_gaussian_mechanism_against_the_oracle():
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    events = [SampledGaussianEvent(1.1, 0.02, 300), GaussianEvent(3.0)]
    options = {"value_discretization_interval": 1e-3}
    sampled = pld.from_gaussian_mechanism(1.1, sampling_prob=0.02, **options)
    full = pld.from_gaussian_mechanism(3.0, **options)
    oracle = sampled.self_compose(300).compose(full).get_epsilon_for_delta(DELTA)
    assert epsilon_of(events, DELTA) == pytest.approx(oracle, rel=5e-4)


def test_epsilon_is_monotone():
    def steps(build, values):
        found = [epsilon_of(build(value), DELTA) for value in values]
        return np.diff(found)

    assert np.all(steps(lambda s: SampledGaussianEvent(s, 0.02, 300), SIGMAS) < 0)
    rates = np.geomspace(0.001, 1.0, 13)
    assert np.all(steps(lambda q: SampledGaussianEvent(1.5, q, 300), rates) > 0)
    counts = np.unique(np.geomspace(1, 20000, 13).astype(int)).tolist()
    assert np.all(steps(lambda t: SampledGaussianEvent(1.5, 0.02, t), counts) > 0)
    event = SampledGaussianEvent(1.5, 0.02, 300)
    deltas = np.geomspace(1e-12, 0.1, 13)
    assert np.all(np.diff([epsilon_of(event, delta) for delta in deltas]) <= 0)
    epsilons = np.linspace(0.0, 8.0, 13)
    assert np.all(np.diff([delta_of(event, epsilon) for epsilon in epsilons]) < 0)


SIGMAS = np.geomspace(0.5, 20.0, 13)


def test_noise_is_monotone():
    def of(epsilon=1.0, delta=DELTA, rate=0.02, count=300):
        return calibrate_noise(epsilon, delta, sampling_rate=rate, count=count)

    start = of()
    assert of(epsilon=1.01) < start < of(epsilon=0.99)
    assert of(delta=1.2 * DELTA) < start < of(delta=DELTA / 1.2)
    assert of(rate=0.0195) < start < of(rate=0.0205)
    assert of(count=294) < start < of(count=306)


def test_full_batches_are_exact():
    sigma = calibrate_noise(1.0, DELTA, count=50)
    assert sigma == pytest.approx(26.3795, abs=1e-4)
    assert sigma == calibrate_noise(1.0, DELTA, count=50, method="exact")
    assert calibrate_noise(1.0, DELTA, count=50, method="pld") == pytest.approx(
        sigma, rel=3e-4
    )


def test_limits():
    assert calibrate_noise(math.inf, DELTA, sampling_rate=0.1) == 0.0
    for method in ("auto", "pld", "rdp"):
        assert epsilon_of([], DELTA, method) == 0.0
        assert delta_of([], 0.0, method) == 0.0
        assert epsilon_of(GaussianEvent(math.inf), DELTA, method) == 0.0
        silent = [GaussianEvent(0.0), SampledGaussianEvent(1.0, 0.1)]
        assert epsilon_of(silent, DELTA, method) == math.inf
        assert delta_of(silent, 5.0, method) == 1.0
        assert delta_of(SampledGaussianEvent(1.0, 0.1), math.inf, method) == 0.0
    # With probability q every step tells all: no noise can be too small to count.
    assert epsilon_of(SampledGaussianEvent(0.05, 0.5, 20), DELTA) > 1e3


@pytest.mark.thorough
@pytest.mark.parametrize("sigma", [1e-200, 1e-4, 0.05, 1e4, 1e300])
@pytest.mark.parametrize(("rate", "count"), [(1e-12, 10), (0.1, 10**4), (1 - 1e-12, 3)])
@pytest.mark.filterwarnings("error")
def test_extreme_events_have_safe_answers(sigma, rate, count):
    event = SampledGaussianEvent(sigma, rate, count)
    epsilon, delta = epsilon_of(event, 1e-9), delta_of(event, 1.0)
    # With next to no noise, a row is told whenever it is in a sample.
    if sigma <= 0.05 and rate * count > 1e-9:
        assert epsilon > 100
        assert delta > 0.99
    assert epsilon >= 0
    assert 0 <= delta <= 1
    assert epsilon_of(SampledGaussianEvent(2 * sigma, rate, count), 1e-9) <= epsilon


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["auto", "rdp"])
@pytest.mark.parametrize("epsilon", [1e-3, 50.0])
def test_calibration_far_from_the_usual(epsilon, method):
    sigma = calibrate_noise(
        epsilon, 1e-9, sampling_rate=0.003, count=3000, method=method
    )
    event = SampledGaussianEvent(sigma, 0.003, 3000)
    assert epsilon * (1 - 5e-3) < epsilon_of(event, 1e-9, method) <= epsilon


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibrate_noise(0.0, DELTA), "epsilon must be above 0, got 0.0"),
        (lambda: calibrate_noise(math.nan, DELTA), "epsilon must be above 0"),
        (lambda: calibrate_noise(1.0, 0.0), "delta must be a number in"),
        (lambda: calibrate_noise(1.0, DELTA, sampling_rate=0.0), "sampling_rate"),
        (lambda: calibrate_noise(1.0, DELTA, count=0), "count"),
        (lambda: calibrate_noise(1.0, DELTA, method="prv"), "method must be one of"),
        (
            lambda: epsilon_of(GaussianEvent(1.0), 2.0),
            "delta must be a number in",
        ),
        (
            lambda: delta_of(GaussianEvent(1.0), -1.0),
            "epsilon must be a nonneg",
        ),
        (
            lambda: epsilon_of(SampledGaussianEvent(1.0, 0.1), DELTA, "exact"),
            "use method='pld'",
        ),
    ],
)
def test_bad_parameters(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_the_accounting_is_light():
    code = (
        "import sys, skopt2.solvers.privacy.accounting\n"
        "heavy = {'sklearn', 'scipy.stats', 'scipy.signal', 'dp_accounting'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
