"""The Gaussian mechanism, exactly.

Problem: a mechanism whose outputs on neighbouring data are N(0, 1) and N(mu, 1) is
(epsilon, delta)-private if and only if

    delta >= Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu),         (*)

where Phi is the standard normal distribution function. Noise of standard deviation
sigma times the sensitivity has mu = 1/sigma, and Gaussian mechanisms that see all rows
compose into one with mu^2 = sum_t 1/sigma_t^2, however each depends on the earlier
ones. Nothing is lost, so no other accounting is needed for full batches.

With Mills' ratio M(x) = Phi(-x) / phi(x) and u = epsilon/mu - mu/2, v = u + mu, both
terms of (*) have the factor phi(u), since phi(u) = exp(epsilon) phi(v):

    delta = phi(u) (M(u) - M(v)),

which neither overflows nor loses the tail. Where mu is small the difference is the
integral of -M'(s) = 1 - s M(s) from u to v. Every answer is moved to the safe side by
more than these formulas can be wrong.

Sources: B. Balle and Y.-X. Wang, Improving the Gaussian mechanism for differential
privacy, ICML 2018, Theorem 8; J. Dong, A. Roth and W. Su, Gaussian differential
privacy, JRSS B 2022, Corollaries 2.13 and 3.3.
"""

import math

import numpy as np
from scipy.special import erfcx, ndtr

from skopt2._core.parameters import check_number

# Relative error of the formulas, with a wide margin; tests hold them to it.
SAFE = 1e-10
# mu below which Mills' ratios are too near each other to be subtracted.
NARROW = 0.25
# Steps of a bisection: more than the bits of a double.
STEPS = 200
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def check_delta(delta):
    """Refuse a delta outside of (0, 1).

    Parameters
    ----------
    delta : float
        Second privacy parameter.

    Returns
    -------
    delta : float
        The same.
    """
    return check_number("delta", delta, 0, 1, closed="neither")


def check_epsilon(epsilon):
    """Refuse an epsilon that is negative or no number.

    Parameters
    ----------
    epsilon : float
        First privacy parameter; infinity is allowed.

    Returns
    -------
    epsilon : float
        The same.
    """
    return check_number("epsilon", epsilon, 0, infinite=True)


def _mills(x):
    return math.sqrt(math.pi / 2) * erfcx(x / math.sqrt(2))


def _log_delta(mu, epsilon):
    """Logarithm of (*) for 0 < mu < inf, 0 <= epsilon < inf."""
    u, v = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    if mu < NARROW:
        return _narrow(u, mu)
    if u < 0:
        # Phi(-u) is at least a half, and the second term the smaller one.
        return math.log(ndtr(-u) - math.exp(_log_density(u, _mills(v))))
    return _log_density(u, _mills(u) - _mills(v))


def _log_density(u, factor):
    """Logarithm of phi(u) times a positive factor."""
    if not factor > 0:
        return -math.inf
    return -0.5 * u * u - 0.5 * math.log(2 * math.pi) + math.log(factor)


def _narrow(u, mu):
    """Log of phi(u) times the integral of 1 - s M(s) from u to u + mu."""
    s = u + mu * (_NODES + 1) / 2
    # Beyond 50 the series -M'(s) = 1/s^2 - 3/s^4 + ... has no cancellation.
    far = np.maximum(s, 50.0)
    series = (1 - (3 - (15 - 105 / far**2) / far**2) / far**2) / far**2
    slope = np.where(s < 50, 1 - s * _mills(np.minimum(s, 50.0)), series)
    return _log_density(u, float(_WEIGHTS @ slope) * mu / 2)


def gaussian_delta(mu, epsilon):
    """Return the smallest delta of the Gaussian mechanism at epsilon.

    Parameters
    ----------
    mu : float
        Sensitivity over standard deviation; infinity is no noise.
    epsilon : float
        First privacy parameter, at least 0.

    Returns
    -------
    delta : float
        In [0, 1], rounded up.

    Examples
    --------
    >>> from skopt2.solvers.privacy.gaussian import gaussian_delta
    >>> round(gaussian_delta(mu=1.0, epsilon=1.0), 4)
    0.1269
    """
    if not mu >= 0:
        raise ValueError(f"mu must be at least 0, got {mu!r}.")
    epsilon = check_epsilon(epsilon)
    if mu == 0 or (epsilon == math.inf and mu < math.inf):
        return 0.0
    if mu == math.inf:
        return 1.0
    return min(1.0, math.exp(min(0.0, _log_delta(mu, epsilon))) * (1 + SAFE))


def _largest(accept, low, high):
    """Largest float in [low, high] that is accepted, given that low is."""
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if accept(middle):
            low = middle
        else:
            high = middle
    return low


def gaussian_mu(epsilon, delta):
    """Return the largest mu whose Gaussian mechanism is (epsilon, delta)-private.

    Parameters
    ----------
    epsilon : float
        First privacy parameter, at least 0.
    delta : float
        Second privacy parameter, in (0, 1).

    Returns
    -------
    mu : float
        Rounded down; infinity where epsilon is.

    Examples
    --------
    Fifty releases at epsilon = 1 need noise of this many sensitivities each:

    >>> from skopt2.solvers.privacy.gaussian import gaussian_mu
    >>> round(50**0.5 / gaussian_mu(epsilon=1.0, delta=1e-5), 2)
    26.38
    """
    epsilon, delta = check_epsilon(epsilon), check_delta(delta)
    if epsilon == math.inf:
        return math.inf
    low, high = 0.0, 1.0
    while gaussian_delta(high, epsilon) <= delta and high < 1e150:
        low, high = high, 2 * high
    while low == 0.0 and gaussian_delta(high / 2, epsilon) > delta:
        high /= 2
        if high < 1e-150:
            return 0.0
    low = max(low, high / 2)
    return _largest(lambda mu: gaussian_delta(mu, epsilon) <= delta, low, high)


def gaussian_epsilon(mu, delta):
    """Return the smallest epsilon of the Gaussian mechanism at delta.

    Parameters
    ----------
    mu : float
        Sensitivity over standard deviation; infinity is no noise.
    delta : float
        Second privacy parameter, in (0, 1).

    Returns
    -------
    epsilon : float
        Rounded up.

    Examples
    --------
    >>> from skopt2.solvers.privacy.gaussian import gaussian_epsilon
    >>> round(gaussian_epsilon(mu=0.5, delta=1e-5), 4)
    1.9931
    """
    delta = check_delta(delta)
    if mu == math.inf:
        return math.inf
    if gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    # Enough: delta at this epsilon is below Phi(-sqrt(2 log(1/delta))) < delta.
    high = mu * (mu / 2 + math.sqrt(-2 * math.log(delta)) + 1e-6)
    low = _largest(lambda epsilon: gaussian_delta(mu, epsilon) > delta, 0.0, high)
    return math.nextafter(low, math.inf)
