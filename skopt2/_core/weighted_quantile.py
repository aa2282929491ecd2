"""Quantiles of weighted numbers."""

import math

import numpy as np

from skopt2._core.array import accumulation_dtype, namespace


def weighted_quantile(x, level, weights=None):
    """Return the smallest x whose cumulative weight reaches a level, as a float.

    Level 0.5 is the (lower) weighted median. Weights are nonnegative with a positive
    sum; None for equal ones.
    """
    xp = namespace(x, weights)
    order = xp.argsort(x)
    if weights is None:
        rank = max(math.ceil(level * x.shape[0] * (1 - 1e-12)) - 1, 0)
        return float(x[order[rank]])
    wide = xp.astype(xp.take(weights, order), accumulation_dtype(weights))
    # NumPy has the standard's name for it only since 2.1.
    wide = np.cumsum(wide) if xp is np else xp.cumulative_sum(wide)
    # A level of 0 must not return a value of weight 0, hence the comparison with zero.
    bound = level * wide[-1] * (1 - 1e-12)
    reached = (wide >= bound) & (wide > 0)
    return float(x[order[xp.argmax(xp.astype(reached, xp.int8))]])
