"""A sample of weighted rows that stands for all of them.

Problem: choose about s of n rows, row i with probability pi_i = min(1, c w_i), c such
that the probabilities sum to s. Then v_i = w_i / pi_i makes sums over the sample
unbiased for weighted sums over all rows: equal for all rows but the heavy ones, which
are certain to be in it and keep their own weight.

Source: systematic sampling of a random order, W. G. Madow, On the theory of systematic
sampling, II, Annals of Mathematical Statistics, 1949.
"""

import numpy as np


def sample_rows(n, size, rng, weight=None):
    """Draw rows with probabilities proportional to their weights.

    Parameters
    ----------
    n : int
        Rows.
    size : int
        Rows wanted, all that have a weight if there are no more.
    rng : numpy.random.Generator
        Draws.
    weight : ndarray of shape (n,) or None, default=None
        Weights; None for ones.

    Returns
    -------
    index : ndarray of shape (k,)
        Different rows, in increasing order.
    probability : ndarray of shape (k,)
        With which each of them was in the sample.
    """
    if weight is None:
        size = min(size, n)
        index = np.sort(rng.permutation(n)[:size])
        return index, np.full(size, size / n)
    rows = rng.permutation(np.flatnonzero(weight))
    size = min(size, rows.size)
    probability = _inclusion(weight[rows], size)
    ends = np.cumsum(probability)
    marks = rng.uniform() + np.arange(size)
    # Rounding of the sum may put the last mark beyond the end.
    chosen = np.unique(np.searchsorted(ends, np.minimum(marks, ends[-1]), side="left"))
    order = np.argsort(rows[chosen])
    return rows[chosen][order], probability[chosen][order]


def _inclusion(weight, size):
    """Return min(1, c w) with the sum ``size``."""
    if size >= weight.size:
        return np.ones(weight.size)
    falling = np.sort(weight)[::-1]
    rest = np.cumsum(falling[::-1])[::-1]
    # With k rows certain, c = (size - k) / (weight of the others); the first k whose
    # next row is not certain too is the answer.
    k = np.arange(size)
    factors = (size - k) / rest[:size]
    k = int(np.argmax(factors * falling[:size] <= 1.0))
    return np.minimum(1.0, factors[k] * weight)
