"""Composition through the distribution of the privacy loss, never on the unsafe side.

Problem: neighbouring data give outputs with densities P and Q in one release; the loss
is L = log(P/Q) at an output drawn from P. Releases compose by adding independent losses
(each may depend on the earlier outputs: P, Q is the worst pair), and

    delta(epsilon) = E max(0, 1 - exp(epsilon - L_1 - ... - L_T)) + Pr(some L infinite).

With a Poisson sample P = (1-q) N(0, sigma^2) + q N(1, sigma^2) and Q = N(0, sigma^2)
where a row is removed, and the other way round where it is added. Both are computed,
and the larger delta counts.

1. *Grid.* The loss is put on multiples of h. The outputs whose loss is in [l, l + h]
   have mass p under P and r under Q; p is shared between the two ends such that r is
   kept as well. That is a mean-preserving spread of P/Q, of which delta(epsilon) of any
   composition is a convex function: the result is an upper bound, and its error is of
   second order in h. (Rounding up is the same bound with an error of first order.)
2. *Tails.* Beyond a loss that has less than a millionth of delta, losses are infinite;
   below the lowest point, they are the lowest point.
3. *Tilt.* Masses times exp(lambda l), normalised, are composed instead, with lambda
   such that their mean is the epsilon in question. What matters is then in the middle
   of the distribution, so a window of some standard deviations is enough, and the
   round-off of the Fourier transform is small beside delta, however small delta is.
4. *Convolution* on a circle, by Fourier transforms to the T-th power. What leaves the
   window re-enters it, which only adds; what should lie above it is bounded by
   Chernoff's inequality and added; a bound of the round-off is added to every mass.

Symbols: l (m,) grid of one release, first its index; lambda the tilt; K the sum of the
T logarithms of the moment generating functions.

Sources: S. Meiser and E. Mohammadi, Tight on budget?, CCS 2018; A. Koskela, J. Jalko
and A. Honkela, Computing tight differential privacy guarantees using FFT, AISTATS 2020;
V. Doroshenko, B. Ghazi, P. Kamath, R. Kumar and P. Manurangsi, Connect the dots, PETS
2022, for the second-order grid. The tilt is the one of large deviation theory. The
bounds of round-off follow N. Higham, Accuracy and stability of numerical algorithms,
chapter 24.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from skopt2.solvers.privacy.gaussian import check_delta, check_epsilon
from skopt2.solvers.privacy.loss_profile import (
    TAIL,
    Profile,
    loss_at,
    output_at,
    parts_of,
)
from skopt2.solvers.privacy.renyi import renyi_epsilon

# Standard deviations beyond which the normal density is no number any more.
REACH = 38.0
# Noise multiplier below which all is told: epsilon would be in the billions.
SILENT = 1e-5
_EPS = float(np.finfo(np.float64).eps)


def _gaussian_mass(u):
    """Standard normal mass between successive points, accurate in both tails."""
    upper, lower = ndtr(-u), ndtr(u)
    return np.where(u[:-1] > 0, upper[:-1] - upper[1:], lower[1:] - lower[:-1])


def discretise(part, step, tail, removed):
    """Put the loss of one release on a grid, pessimistically.

    Parameters
    ----------
    part : Part
        The release; its count is not used.
    step : float
        h, the distance of the points.
    tail : float
        Mass that may be moved to infinity.
    removed : bool
        Whether a row is removed (P is the mixture) or added (Q is).

    Returns
    -------
    first : int
        The i-th loss is ``(first + i) * step``.
    mass : array of shape (m,)
        Its probability under P.
    infinite : float
        Probability of an infinite loss.
    """
    reach = -float(ndtri(tail))
    ends = loss_at(np.array([-reach * part.noise, 1 + reach * part.noise]), part)
    first, last = math.floor(ends[0] / step), math.ceil(ends[1] / step)
    edges = np.arange(first, max(last, first + 1) + 1) * step
    u = output_at(edges, part) / part.noise
    plain, moved = _gaussian_mass(u), _gaussian_mass(u - 1 / part.noise)
    mixed = (1 - part.rate) * plain + part.rate * moved

    def outside(end, sign):
        shares = ndtr(sign * np.array([end, end - 1 / part.noise]))
        return float(shares[0]), float(shares @ [1 - part.rate, part.rate])

    below, above = outside(u[0], 1), outside(u[-1], -1)
    if removed:
        p, r, start = mixed, plain, edges[:-1]
        lowest, infinite = below[1], above[1]
    else:
        p, r, start = plain[::-1], mixed[::-1], -edges[:0:-1]
        first, u = -(first + len(edges) - 1), -u[::-1]
        lowest, infinite = above[0], below[0]
    # Share of the upper end: 1 where P/Q is exp(l + h), 0 where it is exp(l). Masses
    # are differences of ndtr, with a relative error of about eps (1 + u) / width.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = (1 - r * np.exp(start) / p) / -math.expm1(-step)
        width = np.minimum(np.diff(u), 1.0)
        reach_of = 1 + np.minimum(np.abs(u[:-1]), np.abs(u[1:]))
        share = share + 16 * _EPS * reach_of / (width * step)
    # Where p or r underflows the share is not a number: rounding up is safe.
    share = np.where(np.isfinite(share), np.clip(share, 0.0, 1.0), 1.0)
    mass = np.zeros(len(edges))
    mass[1:] += p * share
    mass[:-1] += p * (1 - share)
    mass[0] += lowest
    return first, mass * (1 + 8 * _EPS), infinite


def _tilted(mass, loss, tilt):
    """Return mass exp(tilt loss) normalised, and the log of the normaliser."""
    with np.errstate(divide="ignore"):
        exponent = np.log(mass) + tilt * loss
    top = float(np.max(exponent))
    weight = np.exp(exponent - top)
    size = float(np.sum(weight))
    # Rounding of the exponents, which the T-th power multiplies.
    margin = 8 * _EPS * (1 + abs(top) + abs(tilt) * float(np.max(np.abs(loss))))
    return weight / size, top + math.log(size) + margin


@dataclass(frozen=True)
class Composed:
    """Losses of a composition in the window, with masses that are upper bounds."""

    loss: np.ndarray
    mass: np.ndarray
    rest: float

    def delta(self, epsilon):
        """Return delta at an epsilon in the window, and its derivative."""
        start = int(np.searchsorted(self.loss, epsilon, side="right"))
        mass = self.mass[start:]
        weight = np.exp(epsilon - self.loss[start:])
        return float(mass @ (1 - weight)) + self.rest, -float(mass @ weight)

    def epsilon(self, delta):
        """Return the smallest epsilon in the window at which delta is enough."""
        low = max(0.0, float(self.loss[0]))
        epsilon, value = low, self.delta(low)[0]
        if value <= delta:
            return low
        if self.rest >= delta:
            return math.inf
        high = float(self.loss[-1])
        for trial in range(100):
            if high - low <= 1e-12 * high:
                break
            value, slope = self.delta(epsilon)
            low, high = (epsilon, high) if value > delta else (low, epsilon)
            # Newton's step on log(delta), which is nearly a line, and a hair further
            # to close in from both sides; bisection where that does not help.
            room = max(value - self.rest, 1e-300)
            slope = min(slope, -1e-300)
            excess = math.log(room) - math.log(delta - self.rest)
            newton = epsilon - excess * room / slope
            newton += 2e-13 * high if newton > low else -2e-13 * high
            if trial % 4 == 3 or not low < newton < high:
                newton = 0.5 * (low + high)
            epsilon = newton
        return high


def compose(parts, layout, removed):
    """Compose releases in a window.

    Parameters
    ----------
    parts : list of Part
        The releases.
    layout : Layout
        Grid, tilt and window.
    removed : bool
        Whether a row is removed or added.

    Returns
    -------
    composed : Composed
        Its delta is an upper bound for every epsilon in the window.
    """
    step, tilt = layout.step, layout.tilt
    start = math.floor(layout.low / step)
    n = 2 ** max(4, math.ceil(math.log2(layout.high / step - start + 2)))
    log_norm, log_above, n_infinite, offset = 0.0, 0.0, 0.0, 0
    log_size, relative, phase = np.zeros(n // 2 + 1), np.zeros(n // 2 + 1), 0.0
    for part in parts:
        first, mass, infinite = discretise(part, step, layout.tail, removed)
        index = first + np.arange(len(mass))
        tilted, log_one = _tilted(mass, index * step, tilt)
        _, log_further = _tilted(mass, index * step, tilt + layout.shift)
        log_norm += part.count * log_one
        log_above += part.count * (log_further - log_one)
        n_infinite += part.count * infinite
        offset += part.count * first
        circle = np.bincount(np.arange(len(mass)) % n, tilted, minlength=n)
        transform = np.fft.rfft(circle)
        error = 4 * _EPS * (math.log2(n) * math.sqrt(n * (circle @ circle)) + 4)
        size = np.abs(transform)
        log_size += part.count * np.log(size + error)
        relative += part.count * error / (size + error)
        phase = phase + part.count * np.angle(transform)
    # Where the bound of the round-off is above 1, so may the size be.
    size = np.exp(np.minimum(log_size, 1.0))
    k = np.arange(n // 2 + 1)
    # Index 0 of the result is `start`: turn the circle, in whole steps of 2 pi / n.
    turn = 2 * np.pi * ((k * ((start - offset) % n)) % n) / n
    circle = np.fft.irfft(np.minimum(size, 1.0) * np.exp(1j * (phase + turn)), n)
    noise = 2 * float(np.mean(size * np.minimum(relative, 1.0)))
    noise += 4 * _EPS * math.log2(n) * math.sqrt(float(circle @ circle))
    loss = (start + np.arange(n)) * step
    # The noise is above exp(-600), so what is cut off there is above 1 in any case.
    scale = np.exp(np.minimum(log_norm - tilt * loss, 600.0))
    mass = np.minimum((np.maximum(circle, 0.0) + noise) * scale, 1.0)
    top = float(loss[-1])
    above = math.exp(min(0.0, log_above - layout.shift * top + log_norm - tilt * top))
    return Composed(loss, mass, above + n_infinite)


def _reach(log_tail):
    """Standard deviations that hold all but a tail."""
    return math.sqrt(-2 * log_tail) + 1


def loss_epsilon(events, delta):
    """Return the epsilon of composed events at delta.

    Parameters
    ----------
    events : event or iterable of events
        With noise everywhere.
    delta : float
        Second privacy parameter, in (0, 1).

    Returns
    -------
    epsilon : float
        An upper bound.
    """
    parts, log_delta = parts_of(events), math.log(check_delta(delta))
    if not parts:
        return 0.0
    if min(part.noise for part in parts) < SILENT:
        return math.inf
    found, n_releases = [], sum(part.count for part in parts)
    for removed in (True, False):
        reach = _reach(log_delta + math.log(TAIL / n_releases))
        profile = Profile(parts, removed, reach)
        tilt = profile.tilt_of_delta(log_delta)
        layout = profile.layout(tilt, log_delta)
        found.append(compose(parts, layout, removed).epsilon(delta))
    if all(epsilon < math.inf for epsilon in found):
        return max(found)
    # Too much is lost to the largest grid: epsilon is in the millions.
    return renyi_epsilon(events, delta)


def loss_delta(events, epsilon):
    """Return the delta of composed events at epsilon.

    Parameters
    ----------
    events : event or iterable of events
        With noise everywhere.
    epsilon : float
        First privacy parameter, at least 0.

    Returns
    -------
    delta : float
        In [0, 1], an upper bound.
    """
    parts, epsilon = parts_of(events), check_epsilon(epsilon)
    if epsilon == math.inf or not parts:
        return 0.0
    if min(part.noise for part in parts) < SILENT:
        return 1.0
    found, n_releases = [], sum(part.count for part in parts)
    for removed in (True, False):
        # First with all that doubles can hold, then with what this delta asks for: the
        # grid of one release must not be wider than need be.
        reach = REACH
        for _ in range(2):
            profile = Profile(parts, removed, reach)
            tilt = profile.tilt_of_epsilon(epsilon)
            log_delta = min(0.0, profile.log_delta(tilt, profile.cumulants(tilt)))
            reach = min(REACH, _reach(log_delta + math.log(TAIL / n_releases)))
        layout = profile.layout(tilt, log_delta, epsilon)
        found.append(compose(parts, layout, removed).delta(epsilon)[0])
    return max(found) if all(0 <= delta <= 1 for delta in found) else 1.0
