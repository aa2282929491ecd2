"""What composed mechanisms cost, and how much noise a budget asks for.

Problem: the smallest epsilon (or delta) for which the composition of
:mod:`skopt2.solvers.privacy.events` is (epsilon, delta)-private; and the smallest noise
multiplier sigma for which T releases at sampling rate q are.

Three ways, each an upper bound of the truth:

- ``"exact"``: releases of all rows are one Gaussian mechanism, whose curve is known
  (:mod:`skopt2.solvers.privacy.gaussian`). It refuses sampled releases.
- ``"pld"``: the distribution of the privacy loss
  (:mod:`skopt2.solvers.privacy.loss_distribution`), for any composition.
- ``"rdp"``: Renyi divergences (:mod:`skopt2.solvers.privacy.renyi`), looser.

``"auto"`` is the exact way where there is one, and the loss distribution otherwise.

Calibration ends on a sigma for which :func:`epsilon_of` itself, with the same settings,
is not above the budget: what is reported after a fit is never more than what was asked.
"""

import functools
import math

from skopt2._core.parameters import check_choice
from skopt2.solvers.privacy.events import (
    GaussianEvent,
    SampledGaussianEvent,
    as_events,
    gather,
)
from skopt2.solvers.privacy.gaussian import (
    check_delta,
    check_epsilon,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_mu,
)
from skopt2.solvers.privacy.loss_distribution import loss_delta, loss_epsilon
from skopt2.solvers.privacy.renyi import renyi_delta, renyi_epsilon

METHODS = ("auto", "exact", "pld", "rdp")
# Relative width of the interval that a calibration of sampled releases stops at.
WIDTH = 1e-4


def _choose(method, sampled):
    check_choice("method", method, METHODS)
    if method == "auto":
        return "pld" if sampled else "exact"
    if method == "exact" and sampled:
        raise ValueError(
            "method='exact' is for releases of all rows; use method='pld' for Poisson "
            "sampled ones."
        )
    return method


def epsilon_of(events, delta, method="auto"):
    """Return the epsilon of composed events at delta.

    Parameters
    ----------
    events : event or iterable of events
        :class:`~skopt2.solvers.privacy.events.GaussianEvent` and
        :class:`~skopt2.solvers.privacy.events.SampledGaussianEvent`, in any order: each
        may depend on the outputs of the earlier ones. None at all cost nothing.
    delta : float
        Second privacy parameter, in (0, 1).
    method : {"auto", "exact", "pld", "rdp"}, default="auto"
        The accounting, see above.

    Returns
    -------
    epsilon : float
        An upper bound, infinity where an event had no noise.

    Raises
    ------
    ValueError
        If delta or the method is none of these.

    Examples
    --------
    >>> from skopt2.solvers.privacy.accounting import epsilon_of
    >>> from skopt2.solvers.privacy.events import GaussianEvent
    >>> round(epsilon_of(GaussianEvent(noise_multiplier=20.0, count=100), 1e-5), 4)
    1.9931
    """
    events, delta = as_events(events), check_delta(delta)
    squared_mu, sampled = gather(events)
    method = _choose(method, sampled)
    if squared_mu == math.inf:
        return math.inf
    if method == "exact":
        return gaussian_epsilon(math.sqrt(squared_mu), delta)
    if method == "rdp":
        return renyi_epsilon(events, delta)
    return loss_epsilon(events, delta)


def delta_of(events, epsilon, method="auto"):
    """Return the delta of composed events at epsilon.

    Parameters
    ----------
    events : event or iterable of events
        As in :func:`epsilon_of`.
    epsilon : float
        First privacy parameter, at least 0.
    method : {"auto", "exact", "pld", "rdp"}, default="auto"
        The accounting, see above.

    Returns
    -------
    delta : float
        In [0, 1], an upper bound.

    Raises
    ------
    ValueError
        If epsilon or the method is none of these.

    Examples
    --------
    >>> from skopt2.solvers.privacy.accounting import delta_of
    >>> from skopt2.solvers.privacy.events import GaussianEvent
    >>> round(delta_of(GaussianEvent(noise_multiplier=1.0), epsilon=1.0), 4)
    0.1269
    """
    events, epsilon = as_events(events), check_epsilon(epsilon)
    squared_mu, sampled = gather(events)
    method = _choose(method, sampled)
    if squared_mu == math.inf:
        return 1.0
    if method == "exact":
        return gaussian_delta(math.sqrt(squared_mu), epsilon)
    if method == "rdp":
        return renyi_delta(events, epsilon)
    return loss_delta(events, epsilon)


def calibrate_noise(epsilon, delta, *, sampling_rate=1.0, count=1, method="auto"):
    """Return the noise multiplier that a budget asks for.

    Parameters
    ----------
    epsilon : float
        First privacy parameter, above 0. Infinity asks for no noise.
    delta : float
        Second privacy parameter, in (0, 1).
    sampling_rate : float, default=1.0
        q in (0, 1], the probability with which each row takes part in a release.
    count : int, default=1
        T, how many releases share the budget.
    method : {"auto", "exact", "pld", "rdp"}, default="auto"
        The accounting, as in :func:`epsilon_of`.

    Returns
    -------
    noise_multiplier : float
        sigma, for which ``epsilon_of`` never exceeds ``epsilon``.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> from skopt2.solvers.privacy.accounting import calibrate_noise
    >>> round(calibrate_noise(epsilon=1.0, delta=1e-5, count=50), 2)
    26.38
    """
    delta = check_delta(delta)
    if not epsilon > 0:
        raise ValueError(f"epsilon must be above 0, got {epsilon!r}.")
    # Also refuses a rate or a count that is out of range.
    one = SampledGaussianEvent(1.0, sampling_rate, count)
    method = _choose(method, one.sampling_rate < 1)
    if epsilon == math.inf:
        return 0.0
    return _calibrated(float(epsilon), delta, one.sampling_rate, one.count, method)


# The folds and candidates of a search ask for the same noise again and again.
@functools.lru_cache(maxsize=256)
def _calibrated(epsilon, delta, rate, count, method):
    """Return the noise multiplier of checked parameters."""
    # Sampling never hurts, so this is enough at any rate.
    enough = math.sqrt(count) / gaussian_mu(epsilon, delta)

    def spent(sigma):
        if rate == 1:
            event = GaussianEvent(sigma, count)
        else:
            event = SampledGaussianEvent(sigma, rate, count)
        return epsilon_of(event, delta, method)

    if method == "exact":
        return _lift(spent, epsilon, enough, 1e-15)
    return _search(spent, epsilon, enough)


def _lift(spent, epsilon, sigma, step):
    """Enlarge sigma until rounding no longer shows in what it spends."""
    while spent(sigma) > epsilon:
        sigma *= 1 + step
        step *= 2
    return sigma


def _search(spent, epsilon, sigma):
    """Shrink an interval around the smallest sigma; ``sigma`` is about enough."""

    def excess(log_sigma):
        return math.log(max(spent(math.exp(log_sigma)), 1e-9 * epsilon) / epsilon)

    high = math.log(sigma)
    f_high = excess(high)
    while f_high > 0:
        high += 1e-3
        f_high = excess(high)
    low, f_low = _bracket(excess, high, f_high)
    # Regula falsi; the point goes a little beyond the root, to the far side, so that
    # both ends close in. Where it stalls the interval is halved.
    for trial in range(100):
        if high - low <= WIDTH:
            break
        root = low + (high - low) * f_low / (f_low - f_high)
        side = 1 if high - root > root - low else -1
        point = root + 0.4 * side * WIDTH
        if trial % 4 == 3 or not low < point < high:
            point = 0.5 * (low + high)
        value = excess(point)
        if value <= 0:
            high, f_high = point, value
        else:
            low, f_low = point, value
    return math.exp(high)


def _bracket(excess, high, f_high):
    """Return a log sigma that is too small, by steps that epsilon itself suggests."""
    low, step = high, 0.1
    for _ in range(200):
        # log(epsilon) falls about as fast as log(sigma) grows, or faster.
        step = max(step, min(0.7, -0.7 * f_high))
        low -= step
        f_low = excess(low)
        if f_low > 0:
            return low, f_low
        f_high, step = f_low, min(1.5 * step, 0.7)
    raise RuntimeError("no noise at all seems to be enough; please report this")
