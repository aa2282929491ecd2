"""Renyi privacy of Poisson sampled Gaussian mechanisms, at integer orders.

Problem: with P = (1-q) N(0, sigma^2) + q N(1, sigma^2) and Q = N(0, sigma^2), the Renyi
divergence of order a = 2, 3, ... is

    (a - 1) R_a = log sum_k C(a, k) (1-q)^(a-k) q^k exp(k (k-1) / (2 sigma^2)),

and R_a(P, Q) is the larger one of the two directions. Divergences of composed
mechanisms add up, and a total R_a is (epsilon, delta)-private for

    epsilon = R_a + log((a-1)/a) - (log(delta) + log(a)) / (a - 1).

The conversion loses: noise is 5 to 11 % larger than
:mod:`skopt2.solvers.privacy.loss_distribution` needs. It is a few lines that are easy
to check, and so an independent upper bound.

Sources: I. Mironov, K. Talwar and L. Zhang, Renyi differential privacy of the sampled
Gaussian mechanism, 2019, section 3.3; C. Canonne, G. Kamath and T. Steinke, The
discrete Gaussian for differential privacy, NeurIPS 2020, Proposition 12.
"""

import math

import numpy as np
from scipy.special import gammaln, logsumexp

from skopt2.solvers.privacy.events import gather
from skopt2.solvers.privacy.gaussian import check_delta, check_epsilon

# Every order up to 64, then a sixteenth further each time: the best order is about
# sqrt(2 log(1/delta)) sigma / sqrt(T) and so large where little is spent.
ORDERS = tuple(range(2, 65)) + tuple(
    sorted({round(64 * 2 ** (step / 16)) for step in range(1, 16 * 8)})
)


def sampled_gaussian_renyi(noise_multiplier, sampling_rate, order):
    """Return the Renyi divergence of one release.

    Parameters
    ----------
    noise_multiplier : float
        sigma > 0.
    sampling_rate : float
        q in (0, 1].
    order : int
        a, at least 2.

    Returns
    -------
    divergence : float
        R_a, in nats.
    """
    k = np.arange(order + 1)
    log_binomial = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    exponent = k * (k - 1) / 2 / noise_multiplier / noise_multiplier
    if sampling_rate == 1.0:
        return float(exponent[-1]) / (order - 1)
    terms = (
        log_binomial
        + (order - k) * math.log1p(-sampling_rate)
        + k * math.log(sampling_rate)
        + exponent
    )
    # Rounding of the larger terms is all that can make the sum too small.
    margin = 1e-15 * order * (1 + float(np.max(np.abs(log_binomial))))
    return (max(0.0, float(logsumexp(terms))) + margin) / (order - 1)


def _totals(events):
    """Return R_a of the composition for all orders a."""
    squared_mu, sampled = gather(events)
    orders = np.asarray(ORDERS, dtype=np.float64)
    totals = squared_mu * orders / 2
    for (noise, rate), count in sampled.items():
        totals += count * np.array(
            [sampled_gaussian_renyi(noise, rate, order) for order in ORDERS]
        )
    return orders, totals


def renyi_epsilon(events, delta):
    """Return an epsilon of composed events through their Renyi divergences.

    Parameters
    ----------
    events : event or iterable of events
        See :mod:`skopt2.solvers.privacy.events`.
    delta : float
        Second privacy parameter, in (0, 1).

    Returns
    -------
    epsilon : float
        At least 0, an upper bound.
    """
    delta = check_delta(delta)
    orders, totals = _totals(events)
    bounds = (
        totals
        + np.log1p(-1 / orders)
        - (math.log(delta) + np.log(orders)) / (orders - 1)
    )
    return max(0.0, float(np.min(bounds))) if np.any(totals > 0) else 0.0


def renyi_delta(events, epsilon):
    """Return a delta of composed events through their Renyi divergences.

    Parameters
    ----------
    events : event or iterable of events
        See :mod:`skopt2.solvers.privacy.events`.
    epsilon : float
        First privacy parameter, at least 0.

    Returns
    -------
    delta : float
        In [0, 1], an upper bound.
    """
    epsilon = check_epsilon(epsilon)
    orders, totals = _totals(events)
    if not np.any(totals > 0) or epsilon == math.inf:
        return 0.0 if np.all(np.isfinite(totals)) else 1.0
    logs = (orders - 1) * (totals - epsilon + np.log1p(-1 / orders)) - np.log(orders)
    return min(1.0, math.exp(min(0.0, float(np.min(logs)))))
