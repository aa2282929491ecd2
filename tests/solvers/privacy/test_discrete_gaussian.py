"""The discrete Gaussian against its probabilities, and the grid against its proof."""

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import chi2, norm

from skopt2._core.array import to_numpy
from skopt2.solvers.privacy import discrete_gaussian as module
from skopt2.solvers.privacy.discrete_gaussian import (
    LazyUniform,
    NoiseGrid,
    SeededBits,
    SystemBits,
    add_discrete_noise,
    discrete_gaussian,
    noise_grid,
)


def probabilities(scale, reach):
    k = np.arange(-reach, reach + 1)
    weight = np.exp(-0.5 * (k / scale) ** 2)
    return k, weight / weight.sum()


def chi_square_level(numbers, scale, reach):
    """Return the p-value of draws under the exact probabilities, tails in one cell."""
    k, p = probabilities(scale, reach)
    inside = np.abs(numbers) < reach
    counts = np.bincount(numbers[inside] + reach, minlength=2 * reach + 1)
    counts[0] = (numbers <= -reach).sum()
    counts[-1] = (numbers >= reach).sum()
    tail = norm.sf((reach - 0.5) / scale)
    p = p * (1 - 2 * tail) / p[1:-1].sum()
    p[0] = p[-1] = tail
    assert counts.sum() == numbers.size
    statistic = ((counts - numbers.size * p) ** 2 / (numbers.size * p)).sum()
    return chi2.sf(statistic, p.size - 1)


class Scripted:
    """Words given beforehand; then those of a seed."""

    def __init__(self, words, seed=0):
        self._words = list(words)
        self._rest = SeededBits(seed)
        self.n_drawn = 0

    def words(self, n):
        self.n_drawn += n
        given, self._words = self._words[:n], self._words[n:]
        rest = self._rest.words(n - len(given))
        return np.concatenate([np.array(given, dtype=np.uint64), rest])


@pytest.mark.parametrize("bits", [SeededBits(5), SystemBits()])
def test_every_integer_has_its_probability(bits):
    numbers = discrete_gaussian(400_000, 8, bits)
    # Once in 10^6 runs by chance, for the words of the system.
    assert chi_square_level(numbers, 256.0, 700) > 1e-6


def test_chi_square_finds_a_scale_that_is_off_by_three_hundredths():
    numbers = discrete_gaussian(400_000, 8, SeededBits(5))
    assert chi_square_level(numbers, 256.0 * 1.03, 700) < 1e-6


@pytest.mark.parametrize("n_bits", [8, 20, 29, 46])
def test_moments(n_bits):
    x = discrete_gaussian(300_000, n_bits, SeededBits(n_bits)) * 2.0**-n_bits
    error = 5 / math.sqrt(x.size)
    assert abs(x.mean()) < error
    assert abs((x**2).mean() - 1) < error * math.sqrt(2)
    assert abs((x**3).mean()) < error * math.sqrt(15)
    assert abs((x**4).mean() - 3) < error * math.sqrt(96)
    assert abs((x[1:] * x[:-1]).mean()) < error


def test_tails():
    x = discrete_gaussian(1_000_000, 25, SeededBits(3)) * 2.0**-25
    for at in (2.0, 3.0, 4.0):
        expected = 2 * norm.sf(at)
        found = (np.abs(x) > at).mean()
        assert abs(found - expected) < 5 * math.sqrt(expected / x.size)


def test_low_bits_are_uniform():
    numbers = discrete_gaussian(200_000, 25, SeededBits(8))
    counts = np.bincount(numbers & 15, minlength=16)
    statistic = ((counts - 12_500) ** 2 / 12_500).sum()
    assert chi2.sf(statistic, 15) > 1e-6


def test_table_has_the_bits_of_exact_sums():
    with localcontext() as context:
        context.prec = 80
        weights = [(-Decimal(i * i) / Decimal(512)).exp() for i in range(400)]
        total = sum(weights)
        sums = itertools.accumulate(weights)
        expected = [int(part / total * 2**63) for part in sums]
    table = module._table()
    assert_array_equal(table, np.array(expected[: table.size], dtype=np.uint64))
    assert table[-1] == 2**63 - 1
    lower, upper = module._strip_bounds(7, 40)
    assert 0 < upper - lower < Fraction(1, 10**38)
    assert math.floor(lower * 2**63) == table[7]


def test_strips_are_decided_by_more_bits_where_the_first_are_those_of_an_edge():
    table = module._table()
    edge = int(table[4])
    lower, _ = module._strip_bounds(4, 60)
    following = math.floor(lower * 2**127) & (2**64 - 1)
    for word, strip in ((following - 1, 4), (following + 1, 5)):
        bits = Scripted([word])
        found = module._strips(np.array([edge], dtype=np.uint64), bits)
        assert (found.tolist(), bits.n_drawn) == ([strip], 1)
    # The following word is that of the edge as well: one more is needed.
    bits = Scripted([following])
    assert module._strips(np.array([edge], dtype=np.uint64), bits)[0] in (4, 5)
    assert bits.n_drawn == 2


def test_strips_beyond_the_table_are_reached():
    table = module._table()
    far = np.array([2**63 - 1], dtype=np.uint64)
    found = module._strips(far, Scripted([2**64 - 2**20]))
    assert found[0] > table.size
    assert module._strips(far, Scripted([0]))[0] == table.size - 1


def test_acceptance_is_decided_by_more_bits_where_floats_are_too_near():
    n_bits, left = 20, 48
    strip, place = np.array([3]), np.array([12345])
    exponent = Fraction(12345 * (2 * 3 * 2**16 + 12345), 2**41)
    lower, _ = module._exponential_bounds(exponent, 60)
    first = math.floor(lower * 2**left)
    following = math.floor(lower * 2 ** (left + 64)) & (2**64 - 1)
    for word, kept in ((following - 1, True), (following + 1, False)):
        bits = Scripted([word])
        rest = np.array([first], dtype=np.uint64)
        found = module._kept(strip, place, rest, left, n_bits, bits)
        assert (found.tolist(), bits.n_drawn) == ([kept], 1)
    for number, kept in ((first - 2**12, True), (first + 2**12, False)):
        bits = Scripted([])
        rest = np.array([number], dtype=np.uint64)
        found = module._kept(strip, place, rest, left, n_bits, bits)
        assert (found.tolist(), bits.n_drawn) == ([kept], 0)


def test_exact_decisions_give_the_same_numbers(monkeypatch):
    plain = discrete_gaussian(2000, 8, SeededBits(1))
    # Every choice of the floats is called too near.
    monkeypatch.setattr(module, "MARGIN", 0.9)
    words = SeededBits(1)
    drawn = LazyUniform.__init__

    def with_other_bits(self, prefix, n_bits, bits):
        drawn(self, prefix, n_bits, SeededBits(99))

    monkeypatch.setattr(LazyUniform, "__init__", with_other_bits)
    assert_array_equal(discrete_gaussian(2000, 8, words), plain)


def test_lazy_uniform_compares_exactly():
    third = (Fraction(1, 3), Fraction(1, 3))
    below = [
        LazyUniform(0, 1, SeededBits(seed)).below(lambda digits: third)
        for seed in range(3000)
    ]
    # Given a first bit of 0, two thirds of the numbers are below 1/3.
    assert abs(np.mean(below) - 2 / 3) < 5 * math.sqrt(2 / 9 / 3000)


def test_zero_has_one_chance():
    # Strip 0 and place 0 with both signs, and the first number of the second word.
    first = [0, 2**63]
    found = module._candidates(2, 8, Scripted([*first, 0, 0]))
    assert found.tolist() == [0]


def test_seeds_and_the_system():
    a, b = (discrete_gaussian(100, 20, SeededBits(7)) for _ in range(2))
    assert_array_equal(a, b)
    assert (a != discrete_gaussian(100, 20, SeededBits(8))).any()
    c, d = (discrete_gaussian(100, 20, SystemBits()) for _ in range(2))
    assert (c != d).any()
    assert SeededBits(0).seeded
    assert not SystemBits().seeded


@pytest.mark.parametrize("n_bits", [7, 47])
def test_scale_out_of_range(n_bits):
    with pytest.raises(ValueError, match="n_bits must be from 8 to 46"):
        discrete_gaussian(3, n_bits, SeededBits(0))


def test_no_numbers():
    assert discrete_gaussian(0, 20, SeededBits(0)).shape == (0,)


@pytest.mark.parametrize("C", [0.25, 1.0, 3e5])
@pytest.mark.parametrize("z", [0.01, 4.2, 26.4, 217.0, 1e7])
@pytest.mark.parametrize("p", [1, 650, 100_000])
def test_grid_promises_the_noise_multiplier(C, z, p):
    n = 50_000
    grid = noise_grid(C, z, p, n)
    gamma = Fraction(grid.spacing)
    reach = Fraction(C) * (1 + Fraction((n + 8) ** 2 + p + 64, 2**52))
    # (r gamma)^2 >= z^2 (C' + gamma sqrt(p))^2 in exact arithmetic, r^2 = s^2 - 4.
    root = Fraction(math.isqrt(p * 10**40) + 1, 10**20)
    promised = (Fraction(z) * (reach + gamma * root)) ** 2
    variance = (4**grid.bits - 4) * gamma**2
    assert variance >= promised
    assert grid.spacing <= C * 2.0**-20 or grid.bits == 46
    # The price of the proof is small where the noise is not enormous.
    assert grid.std < 1.01 * z * C or z >= 1e7


def test_grid_without_room():
    with pytest.raises(ValueError, match="too large for discrete noise"):
        noise_grid(1.0, 1e12, 10_000, 100)


def rounding(n_bits):
    """Return the distribution of the random rounding of a Gaussian on integers."""
    k = np.arange(-60, 61)
    r = math.sqrt(4.0**n_bits - 4)
    grid = np.linspace(-60, 60, 24_001)
    weight = norm.pdf(grid, scale=r)
    kernel = np.exp(-((k[:, None] - grid) ** 2) / 8)
    kernel /= kernel.sum(axis=0)
    found = kernel @ weight
    return k, found / found.sum()


def test_random_rounding_of_a_gaussian_is_the_discrete_gaussian():
    # The identity of the proof, at a scale where quadrature resolves it.
    k, found = rounding(3)
    expected = np.exp(-0.5 * (k / 8.0) ** 2)
    inside = np.abs(k) < 40
    ratio = found[inside] / (expected / expected.sum())[inside]
    assert np.abs(ratio - 1).max() < 1e-8


def test_privacy_loss_is_that_of_the_covered_gaussian():
    # delta(epsilon) of two neighbours of the discrete mechanism, by enumeration.
    scale, shift = 256.0, 64
    k = np.arange(-4000, 4001)
    p = np.exp(-0.5 * (k / scale) ** 2)
    q = np.exp(-0.5 * ((k - shift) / scale) ** 2)
    p, q = p / p.sum(), q / q.sum()
    mu = shift / math.sqrt(scale**2 - 4)
    for epsilon in (0.0, 0.1, 0.3, 0.6, 1.0):
        found = np.maximum(p - math.exp(epsilon) * q, 0).sum()
        bound = norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(
            -mu / 2 - epsilon / mu
        )
        assert found <= bound * (1 + 1e-12)
        assert found > 0.98 * bound


def test_release_is_on_the_grid(device_backend):
    rng = np.random.default_rng(0)
    total = 100 * rng.standard_normal((7, 3))
    grid = noise_grid(1.0, 2.0, 21, 1000)
    released = to_numpy(
        add_discrete_noise(device_backend.asarray(total), grid, SeededBits(4))
    )
    steps = released / grid.spacing
    assert_array_equal(steps, np.rint(steps))
    noise = discrete_gaussian(21, grid.bits, SeededBits(4)).reshape(7, 3)
    expected = (np.rint(total / grid.spacing) + noise) * grid.spacing
    assert_array_equal(released, expected)
    assert 0.5 < (released - total).std() / grid.std < 1.5


def test_float32_sums_stay_float32(device_backend):
    total = device_backend.asarray(np.ones(5), dtype=np.float32)
    released = add_discrete_noise(total, NoiseGrid(1e-7, 20), SeededBits(0))
    assert released.dtype == total.dtype
    assert np.abs(to_numpy(released) - 1).max() < 6 * 1e-7 * 2**20


def test_neighbours_stay_within_the_sensitivity_of_the_grid():
    # Rounding and the order of the additions move a sum less than the grid allows.
    rng = np.random.default_rng(2)
    n, p = 3000, 40
    rows = rng.standard_normal((n, p))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    grid = noise_grid(1.0, 5.0, p, n)
    allowed = math.sqrt(4.0**grid.bits - 4) / 5.0
    for _ in range(20):
        i = int(rng.integers(n))
        fewer = np.delete(rows, i, axis=0)
        a = np.rint(rows[rng.permutation(n)].sum(axis=0) / grid.spacing)
        b = np.rint(fewer[rng.permutation(n - 1)].sum(axis=0) / grid.spacing)
        assert np.linalg.norm(a - b) <= allowed
        assert np.linalg.norm(a - b) > 0.99 * allowed
