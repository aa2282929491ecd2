"""Where the distribution of a composed privacy loss has to be computed, and how finely.

Problem: for the losses of :mod:`skopt2.solvers.privacy.loss_distribution`, find the
tilt lambda at which the tilted mean is the epsilon in question, a window that holds
what matters, and the step h of the grid. Densities are summed on a few hundred nodes.
Nothing here decides whether a bound holds, only how tight it is.

Symbols: x an output of one release, its sensitivity 1; K(lambda) the cumulant
generating function of the composed loss.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2.solvers.privacy.events import gather

# Relative error of sigma that the grid may cause.
ERROR = 3e-5
# What lies beyond the grid and beyond the window, as parts of delta.
TAIL = 1e-6
# Points of one release, and of the window, at most. A coarser grid is still safe.
MOST = 2**20
# Noise below which sampling is left out of account, and the smallest sampling rate.
QUIET = 1e-3
RARE = 1e-14
# Nodes that a density is summed on.
NODES = 600
# Tilts of Chernoff's bounds beyond the first, in units of one over the spread.
SHIFTS = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0])
# And as parts of the first.
FRACTIONS = np.array([0.25, 0.5, 1.0])


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
    parts = []
    for (noise, rate), count in sampled.items():
        # Less noise and a larger rate are never better, so these bounds are safe.
        if noise < QUIET:
            squared_mu += count / noise / noise
        else:
            parts.append(Part(min(noise, 1 / RARE), max(rate, RARE), count))
    if squared_mu > 0:
        parts.append(Part(1 / math.sqrt(squared_mu), 1.0, 1))
    return parts


def loss_at(x, part):
    """Return the loss at outputs where a row is removed; added, it is the negative.

    Parameters
    ----------
    x : array of shape (m,)
        Outputs.
    part : Part
        The release.

    Returns
    -------
    loss : array of shape (m,)
        Increasing in x.
    """
    exponent = (x - 0.5) / part.noise / part.noise
    if part.rate == 1.0:
        return exponent
    large = np.maximum(exponent, 0.0)
    return np.where(
        exponent > 1,
        large + np.log(part.rate + (1 - part.rate) * np.exp(-large)),
        np.log1p(part.rate * np.expm1(np.minimum(exponent, 1.0))),
    )


def output_at(loss, part):
    """Return the outputs at which the loss is as given.

    Parameters
    ----------
    loss : array of shape (m,)
        Losses where a row is removed.
    part : Part
        The release.

    Returns
    -------
    x : array of shape (m,)
        -inf below the smallest loss.
    """
    if part.rate == 1.0:
        exponent = loss
    else:
        large = np.maximum(loss, 1.0)
        above = large + np.log1p(-(1 - part.rate) * np.exp(-large))
        small = np.expm1(np.minimum(loss, 1.0)) / part.rate
        with np.errstate(divide="ignore"):
            below = np.log1p(np.maximum(small, -1.0))
        exponent = np.where(loss > 1, above - math.log(part.rate), below)
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
            loss = loss_at(u * part.noise, part)
            log_mass = -0.5 * u * u + (loss if removed else 0.0)
            top = np.max(log_mass)
            log_mass = log_mass - top - math.log(np.sum(np.exp(log_mass - top)))
            self.pieces.append((part.count, loss if removed else -loss, log_mass))
        self.widest = max(float(np.ptp(loss)) for _, loss, _ in self.pieces)

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

    def _spread(self, cumulants):
        """Return the standard deviation, of at least what rounding leaves of it."""
        return max(math.sqrt(max(cumulants[2], 0.0)), 1e-12 * self.widest, 1e-140)

    def tilt_of_delta(self, log_delta):
        """Return the tilt whose mean is about the epsilon at a delta."""
        return self._tilt_where(lambda *at: self.log_delta(*at) - log_delta)

    def tilt_of_epsilon(self, epsilon):
        """Return the tilt whose mean is an epsilon, 0 where it is smaller without."""
        return self._tilt_where(lambda tilt, cumulants: epsilon - cumulants[1])

    def _tilt_where(self, excess):
        """Return the tilt at which a decreasing function of (tilt, cumulants) is 0."""
        start = self.cumulants(0.0)
        if excess(0.0, start) <= 0:
            return 0.0
        spread = self._spread(start)
        # Tilts of Gaussian losses are below 40 / spread for every delta in doubles.
        # Beyond a tenth of one over the smallest step the grid would show.
        low, high = 0.0, min(64.0 / spread, 0.1 * MOST / self.widest)
        for trial in range(16):
            # Tilts vary by orders of magnitude: first in the logarithm.
            middle = high / 4 if low == 0.0 and trial < 9 else 0.5 * (low + high)
            if excess(middle, self.cumulants(middle)) > 0:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)

    def log_delta(self, tilt, cumulants):
        """Return about what log(delta) is where the epsilon is the tilted mean."""
        # E exp(-tilt x) (1 - exp(-x))_+ for a normal x is near to one over this.
        scale = (1 + tilt) * (1 + 2.5 * tilt * math.sqrt(cumulants[2]))
        return cumulants[0] - tilt * cumulants[1] - math.log(scale)

    def layout(self, tilt, log_delta, epsilon=None):
        """Return the grid and the window for a tilt."""
        centre, mean, _ = cumulants = self.cumulants(tilt)
        spread = self._spread(cumulants)
        goal = centre - tilt * mean - self.log_delta(tilt, cumulants) - math.log(TAIL)
        bounds = []
        # A tilted loss can be near a constant, with a second mode far below.
        for t in [*(SHIFTS / spread), *(FRACTIONS * tilt if tilt > 0 else ())]:
            above = (self.cumulants(tilt + t)[0] - centre + goal) / t
            below = (centre - self.cumulants(tilt - t)[0] - goal) / t
            bounds.append((above, below, t))
        high, _, shift = min(bounds)
        low = max(below for _, below, _ in bounds)
        if epsilon is not None:
            low, high = min(low, epsilon), max(high, epsilon)
        n_releases = sum(count for count, _, _ in self.pieces)
        # K grows by lambda (lambda + 1) h^2 / 12 a release. A relative change of sigma
        # changes log(delta) by twice log(1/delta) times as much, and one of epsilon by
        # lambda epsilon times.
        growth = n_releases * tilt * (tilt + 1) / 12 + 1e-300
        gain = min(2 * max(-log_delta, 1.0), max(tilt * abs(mean), 0.01))
        step = math.sqrt(ERROR * gain / growth)
        # A distribution that is narrower than the grid would lose its shape.
        step = min(step, spread / 256)
        step = max(step, self.widest / MOST, (high - low) / MOST)
        # Chernoff's bound has to hold on the grid: a larger tilt would see its step.
        if shift * step > 0.5:
            shift = 0.5 / step
            further = (self.cumulants(tilt + shift)[0] - centre + goal) / shift
            high = max(high, further)
        # The grid moves the mean up by less than that. Where this would not fit the
        # memory, too much is above the window, and the bound says so.
        moved = n_releases * min(step, (tilt + 1) * step * step)
        high += min(moved, MOST * step)
        tail = math.exp(max(log_delta, -600.0)) * TAIL / n_releases
        return Layout(step, tilt, low, high, shift, tail)
