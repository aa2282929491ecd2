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
2022, for the second-order grid; the tilt is the saddle point of S. Asoodeh and others'
and of large deviation theory. The bounds of round-off follow N. Higham, Accuracy and
stability of numerical algorithms, chapter 24.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from skopt2.solvers.privacy.events import gather
from skopt2.solvers.privacy.gaussian import check_delta, check_epsilon

# Relative error of sigma that the grid may cause.
ERROR = 5e-5
# What lies beyond the grid and beyond the window, as parts of delta.
TAIL = 1e-6
# Points of one release, and of the window, at most. A coarser grid is still safe.
MOST = 2**20
# Nodes that a density is summed on when the grid is laid out.
NODES = 600
# Tilts of Chernoff's bounds beyond the first, in units of one over the spread.
SHIFTS = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0])
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Part:
    """Releases of one kind: noise multiplier, sampling rate and count."""

    noise: float
    rate: float
    count: int


@dataclass(frozen=True)
class Layout:
    """Where to compute: step h, tilt, window and the mass that may be cut off."""

    step: float
    tilt: float
    low: float
    high: float
    shift: float
    tail: float


def parts_of(events):
    """Return the releases by kind, the Gaussian ones as a single one.

    Parameters
    ----------
    events : event or iterable of events
        With noise everywhere.

    Returns
    -------
    parts : list of Part
        Empty if nothing was told.
    """
    squared_mu, sampled = gather(events)
    parts = [Part(noise, rate, count) for (noise, rate), count in sampled.items()]
    if squared_mu > 0:
        parts.append(Part(1 / math.sqrt(squared_mu), 1.0, 1))
    return parts


def _loss(x, part):
    """Loss at an output x where a row is removed; where it is added, the negative."""
    exponent = (x - 0.5) / part.noise / part.noise
    # Both forms are exact for q = 1; the first never overflows.
    large = np.maximum(exponent, 0.0)
    return np.where(
        exponent > 1,
        large + np.log(part.rate + (1 - part.rate) * np.exp(-large)),
        np.log1p(part.rate * np.expm1(np.minimum(exponent, 1.0))),
    )


def _output(loss, part):
    """Output x at which the loss is as given, -inf below the smallest loss."""
    large = np.maximum(loss, 1.0)
    with np.errstate(divide="ignore"):
        exponent = np.where(
            loss > 1,
            large + np.log1p(-(1 - part.rate) * np.exp(-large)) - math.log(part.rate),
            np.log1p(np.maximum(np.expm1(np.minimum(loss, 1.0)) / part.rate, -1.0)),
        )
    return exponent * part.noise * part.noise + 0.5


class Profile:
    """Cumulants of the composed loss, by summation on nodes: to lay out a grid.

    Parameters
    ----------
    parts : list of Part
        The releases.
    removed : bool
        Whether a row is removed or added.
    reach : float
        Standard deviations beyond which nothing matters.
    """

    def __init__(self, parts, removed, reach):
        self.pieces = []
        for part in parts:
            span = 2 * reach + 1 / part.noise
            n_nodes = int(min(max(NODES, 8 * span), 20 * NODES))
            u = np.linspace(-reach, reach + 1 / part.noise, n_nodes)
            loss = _loss(u * part.noise, part)
            log_mass = -0.5 * u * u + (loss if removed else 0.0)
            top = np.max(log_mass)
            log_mass = log_mass - top - math.log(np.sum(np.exp(log_mass - top)))
            self.pieces.append((part.count, loss if removed else -loss, log_mass))

    def cumulants(self, tilt):
        """Return K, its derivative and its second derivative at a tilt."""
        total = np.zeros(3)
        for count, loss, log_mass in self.pieces:
            exponent = log_mass + tilt * loss
            top = np.max(exponent)
            mass = np.exp(exponent - top)
            size = np.sum(mass)
            mean = (mass @ loss) / size
            variance = (mass @ (loss - mean) ** 2) / size
            total += count * np.array([top + math.log(size), mean, variance])
        return total

    def tilt_where(self, excess):
        """Return the tilt at which a decreasing function of (tilt, cumulants) is 0."""
        if excess(0.0, self.cumulants(0.0)) <= 0:
            return 0.0
        low, high = 0.0, 1.0
        while excess(high, self.cumulants(high)) > 0 and high < 1e6:
            low, high = high, 2 * high
        while low == 0.0 and high > 1e-6:
            middle = high / 4
            if excess(middle, self.cumulants(middle)) > 0:
                low = middle
            else:
                high = middle
        for _ in range(6):
            middle = 0.5 * (low + high)
            if excess(middle, self.cumulants(middle)) > 0:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)

    def layout(self, tilt, log_delta, epsilon=None):
        """Return the grid and the window for a tilt."""
        centre, mean, variance = self.cumulants(tilt)
        spread = math.sqrt(max(variance, 1e-300))
        goal = -math.log(TAIL)
        bounds = []
        for t in SHIFTS / spread:
            above = (self.cumulants(tilt + t)[0] - centre + goal) / t
            below = (centre - self.cumulants(tilt - t)[0] - goal) / t
            bounds.append((above, below, t))
        high, _, shift = min(bounds)
        low = max(below for _, below, _ in bounds)
        if epsilon is not None:
            low = min(low, epsilon)
        n_releases = sum(count for count, _, _ in self.pieces)
        # K grows by lambda (lambda + 1) h^2 / 12 a release, and a relative change of
        # sigma changes log(delta) by twice log(1/delta) times as much.
        growth = n_releases * tilt * (tilt + 1) / 12 + 1e-300
        step = math.sqrt(2 * ERROR * max(-log_delta, 0.5) / growth)
        # A distribution that is narrower than the grid would lose its shape.
        step = min(step, spread / 4)
        widest = max(np.ptp(loss) for _, loss, _ in self.pieces)
        step = max(step, widest / MOST, (high - low) / MOST)
        tail = math.exp(max(log_delta, -600.0)) * TAIL / n_releases
        return Layout(step, tilt, low, high, shift, tail)


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
    ends = _loss(np.array([-reach * part.noise, 1 + reach * part.noise]), part)
    first, last = math.floor(ends[0] / step), math.ceil(ends[1] / step)
    edges = np.arange(first, max(last, first + 1) + 1) * step
    u = _output(edges, part) / part.noise
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
    with np.errstate(divide="ignore", invalid="ignore"):
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
    return weight / size, top + math.log(size)


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
        while high - low > 1e-12 * high:
            value, slope = self.delta(epsilon)
            low, high = (epsilon, high) if value > delta else (low, epsilon)
            # Newton's step on log(delta), which is nearly a line; then a hair further,
            # to end on the safe side.
            log_ratio = math.log(max(value - self.rest, 1e-300) / (delta - self.rest))
            newton = epsilon + log_ratio * max(value - self.rest, 1e-300) / -min(
                slope, -1e-300
            )
            newton += 2e-13 * high if newton > low else -2e-13 * high
            inside = low < newton < high
            epsilon = newton if inside else 0.5 * (low + high)
            if not low < epsilon < high:
                break
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
    size = np.exp(log_size)
    k = np.arange(n // 2 + 1)
    # Index 0 of the result is `start`: turn the circle, in whole steps of 2 pi / n.
    turn = 2 * np.pi * ((k * ((start - offset) % n)) % n) / n
    circle = np.fft.irfft(size * np.exp(1j * (phase + turn)), n)
    noise = 2 * float(np.mean(size * np.minimum(relative, 1.0)))
    noise += 4 * _EPS * math.log2(n) * math.sqrt(float(circle @ circle))
    loss = (start + np.arange(n)) * step
    # The noise is above exp(-700), so what is cut off there is above 1 in any case.
    scale = np.exp(np.minimum(log_norm - tilt * loss, 700.0))
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
    worst = 0.0
    for removed in (True, False) if parts else ():
        n_releases = sum(part.count for part in parts)
        reach = _reach(log_delta + math.log(TAIL / n_releases))
        profile = Profile(parts, removed, reach)

        def excess(tilt, cumulants):
            return cumulants[0] - tilt * cumulants[1] - log_delta

        tilt = profile.tilt_where(excess)
        layout = profile.layout(tilt, log_delta)
        worst = max(worst, compose(parts, layout, removed).epsilon(delta))
    return worst


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
    if epsilon == math.inf:
        return 0.0
    worst = 0.0
    for removed in (True, False) if parts else ():
        profile = Profile(parts, removed, 12.0)
        tilt = profile.tilt_where(lambda _, cumulants: epsilon - cumulants[1])
        log_delta = min(-0.7, profile.cumulants(tilt)[0] - tilt * epsilon)
        layout = profile.layout(tilt, log_delta, epsilon)
        worst = max(worst, compose(parts, layout, removed).delta(epsilon)[0])
    return min(1.0, worst)
