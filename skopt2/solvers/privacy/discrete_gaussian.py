r"""Discrete Gaussian noise: integers, exactly distributed, for sums on a grid.

Problem: release q (p,), a sum of n rows of norm at most C each, plus Gaussian noise,
so that the proof holds for the numbers that leave the computer and not only for real
numbers. The low bits of a float64 that was made by scaling another one tell which
values were possible before the scaling (Mironov, CCS 2012), and hence give away q.

Symbols: gamma the grid, s = 2^m the scale on it, z the noise multiplier, K (p,)
independent with P(K_j = k) proportional to exp(-k^2 / (2 s^2)) on the integers. The
release is gamma (round(q / gamma) + K): integers in, integers out, and the factor gamma
is public.

**Why the accounting of the Gaussian covers it.** Let X ~ N(0, r^2) with r^2 = s^2 - 4,
and round it at random to the integer k with probability proportional to
exp(-(k - X)^2 / 8). By Poisson summation the sum of exp(-(k - x)^2 / 8) over the
integers differs from a constant by a factor within 1 +- 2.1 exp(-8 pi^2) for every x,
so that the probability of k is that of K but for a factor within 1 +- 1e-33. The random
rounding moves with X: applied to v + X, for v integer, it gives v + K. So the release
is a function of v + N(0, r^2 I) and of independent coins, up to a factor within
(1 +- 1e-33)^p, which is post-processing: whatever holds of the Gaussian of multiplier r
/ sensitivity, its trade-off curve and its subsampled versions included, holds of the
release, with 1e-33 p added to epsilon at each step. (Canonne, Kamath and Steinke, The
discrete Gaussian for differential privacy, NeurIPS 2020, prove the same of Renyi
divergences alone.)

**Sensitivity on the grid**, for two samples that differ in one row:
|round(a / gamma) - round(b / gamma)| <= |a - b| / gamma + sqrt(p). And a computed sum
is not the sum: in any order of its additions it is off by at most n 2^-53 times the sum
of the norms (Higham, Accuracy and stability of numerical algorithms, 2002, section
4.2), at most n C, for each of the two samples; this is how equal real sensitivities
differ in floating point (Casacuberta, Shoemate, Vadhan and Wagaman, CCS 2022). Hence
C' = C (1 + e), e = ((n + 8)^2 + p + 64) 2^-52, where the small numbers pay for the
rounding of a row's own contribution, in float64. Noise of r gamma >= z (C' + gamma
sqrt(p)) is what the multiplier z promises, and gamma = z C' / (r - z sqrt(p)) gives it
with equality.

**The sampler** is exact and works on words of 64 random bits, after Karney (ACM TOMS
42, 2016): |K| = k w + j lies in a strip k of width w = s / 16, proposed with
probability proportional to exp(-(k / 16)^2 / 2), at j uniform, and is kept with
probability exp(-(|K|^2 - (k w)^2) / (2 s^2)), 97.5 % of the time. Both choices compare
a uniform number with a real one. Their first bits decide in float64 or uint64 unless
they are too near, which happens less than once in 10^9 samples at the usual grids; then
more bits are drawn, and compared with bounds of as many digits as it takes.
"""

import functools
import itertools
import math
import os
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from skopt2._core.array import asarray_like, namespace

# Strips in one standard deviation, and the logarithm of that to base 2.
STRIPS = 16
STRIP_BITS = 4
# The grid is the clipping norm over at least 2^20, the scale between these powers of 2:
# below, the random rounding of the proof does not fit; above, too few bits of a word
# are left for the second choice.
GRID_BITS = 20
MIN_BITS, MAX_BITS = 8, 46
# Relative error that is allowed to an exponential in float64: 2^13 times what it has.
MARGIN = 2.0**-40
# Candidates that are drawn at a time.
CHUNK = 2**16


class SystemBits:
    """Random words of the operating system: secure, and never the same again."""

    seeded = False

    def words(self, n):
        """Return random bits.

        Parameters
        ----------
        n : int
            How many words.

        Returns
        -------
        words : ndarray of shape (n,)
            uint64, of ``os.urandom``.
        """
        return np.frombuffer(os.urandom(8 * n), dtype=np.uint64)


class SeededBits:
    """Random words of a seed, for tests: anyone who knows the seed knows the noise.

    Parameters
    ----------
    seed : int, SeedSequence or None
        Of a NumPy generator, PCG64, which is not cryptographically secure.
    """

    seeded = True

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def words(self, n):
        """Return random bits.

        Parameters
        ----------
        n : int
            How many words.

        Returns
        -------
        words : ndarray of shape (n,)
            uint64.
        """
        return self._rng.integers(0, 2**64, size=n, dtype=np.uint64)


@dataclass(frozen=True)
class NoiseGrid:
    """Grid of a release, and the scale of its noise.

    Parameters
    ----------
    spacing : float
        gamma, in the units of the sum.
    bits : int
        m: the noise has the scale 2^m on the grid.
    """

    spacing: float
    bits: int

    @property
    def std(self):
        """Standard deviation of the noise in the units of the sum, a float."""
        return self.spacing * 2.0**self.bits


def noise_grid(clipping_norm, noise_multiplier, n_values, n_rows):
    """Return the grid on which discrete noise is worth a noise multiplier.

    Parameters
    ----------
    clipping_norm : float
        C, the most by which one row changes the sum (2-norm), positive.
    noise_multiplier : float
        z, standard deviation of the Gaussian over its sensitivity, positive.
    n_values : int
        p, the numbers that are released.
    n_rows : int
        n, the most rows that are summed, or the longest chain of additions.

    Returns
    -------
    grid : NoiseGrid
        Of spacing at most C 2^-20, unless the noise is above 2^26 C.

    Raises
    ------
    ValueError
        If the noise is too small for so many values, z below 2^-38 sqrt(p).
    """
    rounding = ((n_rows + 8.0) ** 2 + n_values + 64.0) * 2.0**-52
    reach = clipping_norm * (1.0 + rounding)
    root = math.sqrt(n_values)
    for bits in range(MIN_BITS, MAX_BITS + 1):
        room = math.sqrt(4.0**bits - 4.0) - noise_multiplier * root
        if room <= 0.0:
            continue
        # Rounded up: a grid that is too wide by 2^-48 has too much noise, not too
        # little.
        spacing = noise_multiplier * reach / room * (1.0 + 2.0**-48)
        if spacing <= clipping_norm * 2.0**-GRID_BITS or bits == MAX_BITS:
            return NoiseGrid(spacing, bits)
    raise ValueError(
        f"noise_multiplier={noise_multiplier!r} is too large for discrete noise on "
        f"{n_values} values. Use noise='gaussian', or a larger epsilon."
    )


def add_discrete_noise(total, grid, bits):
    """Round a sum to the grid and add discrete Gaussian noise.

    Parameters
    ----------
    total : array of shape (...)
        Sum of clipped rows, finite, accumulated in float64.
    grid : NoiseGrid
        Of :func:`noise_grid`, for all the values of ``total`` together.
    bits : SystemBits or SeededBits
        Where the randomness comes from.

    Returns
    -------
    released : array of shape (...)
        Multiples of the spacing, where ``total`` is, in its dtype.
    """
    xp = namespace(total)
    size = math.prod(total.shape)
    noise = discrete_gaussian(size, grid.bits, bits).reshape(total.shape)
    wide = xp.astype(total, xp.float64)
    steps = xp.astype(xp.round(wide / grid.spacing), xp.int64)
    steps = steps + asarray_like(noise, total, xp.int64)
    return xp.astype(xp.astype(steps, xp.float64) * grid.spacing, total.dtype)


def discrete_gaussian(size, n_bits, bits):
    """Draw from the discrete Gaussian on the integers, of scale 2^n_bits.

    Parameters
    ----------
    size : int
        How many.
    n_bits : int
        Logarithm of the scale to base 2, from 8 to 46.
    bits : SystemBits or SeededBits
        Where the randomness comes from.

    Returns
    -------
    numbers : ndarray of shape (size,)
        int64; independent, P(k) proportional to exp(-k^2 / (2 scale^2)) exactly.

    Raises
    ------
    ValueError
        If ``n_bits`` is out of range.
    """
    if not MIN_BITS <= n_bits <= MAX_BITS:
        raise ValueError(
            f"n_bits must be from {MIN_BITS} to {MAX_BITS}; got {n_bits!r}."
        )
    parts, missing = [np.empty(0, dtype=np.int64)], size
    while missing > 0:
        # A few more than are kept on average, so that one round is often enough.
        count = min(missing + missing // 32 + 8, CHUNK)
        kept = _candidates(count, n_bits, bits)[:missing]
        parts.append(kept)
        missing -= kept.size
    return np.concatenate(parts)


def _candidates(count, n_bits, bits):
    """Return those of so many proposals that are kept, in their order."""
    words = bits.words(2 * count)
    first, second = words[:count], words[count:]
    negative = (first >> np.uint64(63)).astype(bool)
    strip = _strips(first & np.uint64(2**63 - 1), bits)
    width = n_bits - STRIP_BITS
    place = (second >> np.uint64(64 - width)).astype(np.int64)
    left = 64 - width
    rest = second & np.uint64(2**left - 1)
    kept = _kept(strip, place, rest, left, n_bits, bits)
    size = (strip << width) + place
    # Zero has two signs but must not have two chances.
    kept &= ~(negative & (size == 0))
    return np.where(negative, -size, size)[kept]


@functools.cache
def _table(digits=60):
    """Return the first 63 bits of the distribution function of the strips."""
    weights = _strip_weights(digits)
    # Of so many digits that lower and upper bounds have the same bits.
    total = sum(upper for _, upper in weights)
    parts = itertools.accumulate(lower for lower, _ in weights)
    found = [math.floor(part * 2**63 / total) for part in parts]
    return np.array(found[: found.index(2**63 - 1) + 1], dtype=np.uint64)


def _strips(prefix, bits):
    """Return the strips that 63 bits of uniform numbers fall into."""
    table = _table()
    strip = np.searchsorted(table, prefix)
    for i in np.flatnonzero(table[strip] == prefix):
        uniform = LazyUniform(int(prefix[i]), 63, bits)
        k = int(strip[i])
        while not uniform.below(functools.partial(_strip_bounds, k)):
            k += 1
        strip[i] = k
    return strip


def _kept(strip, place, rest, left, n_bits, bits):
    """Tell which proposals are kept, by ``left`` bits of uniform numbers."""
    x = place * 2.0**-n_bits
    chance = np.exp(-0.5 * x * (strip * (2.0 / STRIPS) + x)) * 2.0**left
    number = rest.astype(np.float64)
    kept = number + 1.0 <= chance * (1.0 - MARGIN)
    for i in np.flatnonzero(~kept & (number < chance * (1.0 + MARGIN))):
        k, j = int(strip[i]), int(place[i])
        start = k << (n_bits - STRIP_BITS)
        exponent = Fraction(j * (2 * start + j), 2 << (2 * n_bits))
        uniform = LazyUniform(int(rest[i]), left, bits)
        kept[i] = uniform.below(functools.partial(_exponential_bounds, exponent))
    return kept


class LazyUniform:
    """A uniform number of [0, 1) whose bits are drawn when they are needed.

    Parameters
    ----------
    prefix : int
        Its first bits.
    n_bits : int
        How many these are.
    bits : SystemBits or SeededBits
        Where the others come from.
    """

    def __init__(self, prefix, n_bits, bits):
        self.prefix = prefix
        self.n_bits = n_bits
        self._bits = bits

    def below(self, bounds):
        """Tell whether the number is below a real one.

        Parameters
        ----------
        bounds : callable
            ``bounds(digits)`` returns a lower and an upper bound, Fractions that agree
            in about as many decimal digits.

        Returns
        -------
        below : bool
            Exactly.
        """
        while True:
            lower, upper = bounds(20 + self.n_bits // 3)
            if Fraction(self.prefix + 1, 2**self.n_bits) <= lower:
                return True
            if Fraction(self.prefix, 2**self.n_bits) >= upper:
                return False
            self.prefix = (self.prefix << 64) | int(self._bits.words(1)[0])
            self.n_bits += 64


def _exponential_bounds(exponent, digits):
    """Return bounds of exp(-exponent), which is positive."""
    with localcontext() as context:
        context.prec = digits + 10
        value = (-Decimal(exponent.numerator) / Decimal(exponent.denominator)).exp()
    value, slack = Fraction(value), Fraction(1, 10**digits)
    return value * (1 - slack), value * (1 + slack)


def _strip_bounds(k, digits):
    """Return bounds of the probability of the strips 0 to k."""
    weights = _strip_weights(digits, k)
    part = [sum(bound) for bound in zip(*weights[: k + 1], strict=True)]
    total = [sum(bound) for bound in zip(*weights, strict=True)]
    return part[0] / total[1], part[1] / total[0]


def _strip_weights(digits, k=0):
    """Return bounds of exp(-(i / 16)^2 / 2) for the strips, at least to strip k."""
    # All that comes after the last strip is less than 60 times its weight.
    last = max(k, math.ceil(STRIPS * math.sqrt(2.0 * math.log(10.0) * (digits + 6))))
    weights = [
        _exponential_bounds(Fraction(i * i, 2 * STRIPS**2), digits + 3)
        for i in range(last + 1)
    ]
    return [*weights, (0, 60 * weights[-1][1])]
