"""What a private mechanism did to the data, as far as accounting has to know.

An event says how many releases were made and with how much noise. Symbols: sigma is
the noise multiplier, the standard deviation of the noise divided by the sensitivity of
what it is added to, under the neighbour relation that the caller states; q is the
probability with which each row takes part, independently of all others (Poisson
sampling); T is the number of releases.

Events know nothing about epsilon: :mod:`skopt2.solvers.privacy.accounting` composes
them. Composing events instead of epsilons is what keeps many fits affordable.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from numbers import Real
from typing import ClassVar

from skopt2._core.parameters import check_count, check_number


def _check_noise(value):
    check_number("noise_multiplier", value, 0, infinite=True)


def _check_count(value):
    check_count("count", value)


@dataclass(frozen=True)
class GaussianEvent:
    """Releases of functions of all rows, each with Gaussian noise.

    Parameters
    ----------
    noise_multiplier : float
        sigma: standard deviation of the noise divided by the sensitivity. 0 is no noise
        and costs everything, infinity tells nothing and costs nothing.
    count : int, default=1
        T, how many releases were made. Each may depend on the earlier ones.

    Attributes
    ----------
    squared_mu : float
        T / sigma^2: the releases together are one Gaussian mechanism with this mu^2.
    """

    noise_multiplier: float
    count: int = 1

    kind: ClassVar = "gaussian"

    def __post_init__(self):
        """Refuse what is no event."""
        _check_noise(self.noise_multiplier)
        _check_count(self.count)
        object.__setattr__(self, "noise_multiplier", float(self.noise_multiplier))
        object.__setattr__(self, "count", int(self.count))

    @property
    def squared_mu(self):
        """T / sigma^2."""
        if self.noise_multiplier == 0:
            return math.inf
        return self.count / self.noise_multiplier / self.noise_multiplier

    def as_dict(self):
        """Return what :func:`event_from` reads: names, numbers and nothing else."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class SampledGaussianEvent:
    """Releases of functions of a Poisson sample of the rows, with Gaussian noise.

    Every release takes a new sample, in which each row is with probability q. Batches
    of a fixed size and shuffled batches are other mechanisms: this event does not
    describe them.

    Parameters
    ----------
    noise_multiplier : float
        sigma: standard deviation of the noise divided by the sensitivity of the sum
        over the sample when one row is added or removed.
    sampling_rate : float
        q, in (0, 1]. 1 is a :class:`GaussianEvent`.
    count : int, default=1
        T, how many releases were made.
    """

    noise_multiplier: float
    sampling_rate: float
    count: int = 1

    kind: ClassVar = "sampled_gaussian"

    def __post_init__(self):
        """Refuse what is no event."""
        _check_noise(self.noise_multiplier)
        _check_count(self.count)
        rate = self.sampling_rate
        if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < rate <= 1:
            raise ValueError(f"sampling_rate must be in (0, 1], got {rate!r}.")
        object.__setattr__(self, "noise_multiplier", float(self.noise_multiplier))
        object.__setattr__(self, "sampling_rate", float(rate))
        object.__setattr__(self, "count", int(self.count))

    def as_dict(self):
        """Return what :func:`event_from` reads: names, numbers and nothing else."""
        return {"kind": self.kind, **asdict(self)}


KINDS = {event.kind: event for event in (GaussianEvent, SampledGaussianEvent)}


def event_from(record):
    """Return the event that ``as_dict`` described.

    Parameters
    ----------
    record : dict
        ``{"kind": "gaussian" or "sampled_gaussian", ...}``.

    Returns
    -------
    event : GaussianEvent or SampledGaussianEvent
        Equal to the one that was described.
    """
    values = dict(record)
    kind = values.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {kind!r}.")
    try:
        return KINDS[kind](**values)
    except TypeError:
        raise ValueError(f"{record!r} does not describe a {kind} event.") from None


def as_events(events):
    """Return a list of events from one event or several.

    Parameters
    ----------
    events : event or iterable of events
        What was done to the data.

    Returns
    -------
    events : list of events
        In the order given.
    """
    if isinstance(events, (GaussianEvent, SampledGaussianEvent)):
        return [events]
    events = list(events) if isinstance(events, Iterable) else [events]
    for event in events:
        if not isinstance(event, (GaussianEvent, SampledGaussianEvent)):
            raise TypeError(
                "events must be GaussianEvent or SampledGaussianEvent, "
                f"got {type(event).__name__}."
            )
    return events


def gather(events):
    """Merge events that differ in their count alone, and the Gaussian ones into one mu.

    Parameters
    ----------
    events : event or iterable of events
        What was done to the data.

    Returns
    -------
    squared_mu : float
        mu^2 of all releases that used every row, together.
    sampled : dict of {(noise_multiplier, sampling_rate): count}
        The other releases. Noise is finite and positive, the rate is below 1.
    """
    parts, sampled = [], {}
    for event in as_events(events):
        rate = getattr(event, "sampling_rate", 1.0)
        if event.noise_multiplier == 0:
            return math.inf, {}
        if rate == 1.0:
            parts.append(event.count / event.noise_multiplier / event.noise_multiplier)
        elif math.isfinite(event.noise_multiplier):
            key = (event.noise_multiplier, rate)
            sampled[key] = sampled.get(key, 0) + event.count
    return math.fsum(parts), sampled


def descent_events(multiplier, rate, n_steps):
    """Return what reads the data in a descent; no noise costs everything.

    Parameters
    ----------
    multiplier : float
        Noise multiplier of a step.
    rate : float
        Probability of a row in a step; 1.0 for all rows.
    n_steps : int
        How many there are.

    Returns
    -------
    events : tuple
        One event.
    """
    if rate < 1 and multiplier > 0:
        return (SampledGaussianEvent(multiplier, rate, n_steps),)
    return (GaussianEvent(multiplier, n_steps),)
