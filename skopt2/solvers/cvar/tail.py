"""The tail of a sample of losses: value at risk, its conditional form, its weights.

Problem, for losses l (n,) >= 0 with weights s (n,) that sum to 1 and beta in [0, 1):

CVaR = min_(a >= 0) a + sum_i s_i max(l_i - a, 0) / (1 - beta)
     = max_v sum_i v_i l_i over 0 <= v_i <= c_i = s_i / (1 - beta), sum_i v_i <= 1.

Losses may come in pieces u (J, n), l_i = max(0, u_1i, ..., u_Ji), of which one at most
is positive: as a >= 0, the sum over all pieces is that over the losses.

The proximal form, with a centre v0 and mu > 0, max_v <v, u> - mu / 2 sum_ji (v_ji -
v0_ji)^2 / s_i, has the solution v_ji = clip(v0_ji + s_i (u_ji - a) / mu, 0, c_i) with
the smallest a >= 0 for which v sums to at most 1.

Source: R. T. Rockafellar and S. Uryasev, Optimization of conditional value-at-risk,
Journal of Risk 2, 2000, theorem 1; the proximal form is the method of multipliers for
it (R. T. Rockafellar, Augmented Lagrangians and applications of the proximal point
algorithm, Mathematics of Operations Research 1, 1976).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import dot64, namespace, sum64, take
from skopt2._core.weighted_quantile import weighted_quantile


@dataclass(frozen=True)
class Tail:
    """Pieces of the losses at one predictor, and their weights in the tail.

    Parameters
    ----------
    eta : array of shape (n,)
        Linear predictor.
    u, slope, bend : array of shape (J, n)
        Pieces and their two derivatives in eta.
    v : array of shape (J, n)
        Weights.
    free : array of bool of shape (J, n)
        Where a weight is at none of its bounds.
    value : float
        Of the proximal form.
    tied : bool
        Whether the weights sum to 1 as a adapts; otherwise a is 0.
    """

    eta: Any
    u: Any
    slope: Any
    bend: Any
    v: Any
    free: Any
    value: float
    tied: bool


def value_at_risk(losses, s, beta):
    """Return the smallest loss that a share beta of the weight does not exceed.

    Parameters
    ----------
    losses, s : array of shape (n,)
        Losses and their weights, with sum 1.
    beta : float
        In [0, 1).
    """
    return weighted_quantile(losses, beta, s)


def tail_mean(losses, s, beta):
    """Return the value at risk and the conditional value at risk, as floats."""
    xp = namespace(losses)
    a = value_at_risk(losses, s, beta)
    return a, a + dot64(s, xp.maximum(losses - a, 0.0)) / (1.0 - beta)


def tail_weights(u, centre, s, cap, mu):
    """Return the weights of the proximal form, and whether they sum to 1.

    Parameters
    ----------
    u, centre : array of shape (J, n)
        Pieces, and weights v0 in their bounds.
    s, cap : array of shape (n,)
        Weights s and bounds c.
    mu : float
        Proximal parameter, in units of the losses.

    Returns
    -------
    v : array of shape (J, n)
        In [0, c], with a sum of at most 1 up to rounding.
    tied : bool
        Whether the sum is 1 because a > 0.
    """
    xp = namespace(u)
    rate = (s / mu)[None, :]

    def weights(a):
        return xp.minimum(xp.maximum(centre + rate * (u - a), 0.0), cap[None, :])

    v = weights(0.0)
    if sum64(v) <= 1.0:
        return v, False
    # v_ji falls from c_i to 0 as a goes from ``end`` to ``begin``.
    safe = xp.where(rate > 0, rate, 1.0)
    begin = xp.reshape(u + centre / safe, (-1,))
    end = xp.reshape(u - (cap[None, :] - centre) / safe, (-1,))
    rates = xp.reshape(xp.zeros_like(u) + rate, (-1,))
    points, bends = xp.concat([begin, end]), xp.concat([rates, -rates])
    order = xp.argsort(-points)
    points, bends = take(points, order), take(bends, order)
    # NumPy has the standard's name for it only since 2.1.
    cumulate = np.cumsum if xp is np else xp.cumulative_sum
    slope = cumulate(bends)
    total = cumulate(slope[:-1] * (points[:-1] - points[1:]))
    # The last point at which the sum has not come to 1 yet.
    last = int(xp.sum(xp.astype(total < 1.0, xp.int64)))
    before = float(total[last - 1]) if last else 0.0
    rise = float(slope[last])
    a = float(points[last])
    if rise > 0.0:
        a -= (1.0 - before) / rise
    return weights(max(a, 0.0)), True
