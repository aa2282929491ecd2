r"""Private centre and radius of rows: the preprocessing of DPSGD-F.

Problem: gradient descent with noise loses most to a mean of the rows that is far from
zero, and to a clipping radius that is far above their spread. Both are found privately,
and rows become (x - c) / r.

Symbols: x~_i (d,) the rows clipped to norm R, n their public number, c (d,) the centre,
r the radius, e_k = R 2^((k - 11) / 2) for k = 0..11 the edges of a histogram; m1, m2
the budgets, as the mu of Gaussian differential privacy.

1. Mean: c = (sum_i x~_i + N(0, (R / m1)^2 I)) / n, projected to the ball of radius R.
2. Histogram h (12,) of the distances norm(x~_i - c): bin 0 up to e_0, bin k from
   e_(k-1) to e_k, the last bin without end; plus N(0, 1 / m2^2) each.
3. Radius: the smallest e_k that has half of the rows below, by the least-squares counts
   under the constraint that all bins have n rows together: the noisy count b_k from
   below has the variance of k + 1 bins, n less the noisy count from above that of
   11 - k, and (b_k (11 - k) + a_k (k + 1)) / 12 is their best mean. A running maximum
   makes it increase.

**Privacy.** A row that is left out, or that is not finite, adds nothing to either sum.

- zero_out: the mean moves by at most norm(x~_i) <= R; one bin of the histogram, by 1.
- replace_one: the mean by at most 2 R; two bins by 1 each, sqrt(2), charged as 2.

The histogram is computed at a centre that was released already; any function of the row
and of released numbers could stand for the distance. So these are two Gaussian
mechanisms, one after the other, of noise multipliers 1 / m1 and 1 / m2, and the descent
that follows is a third of m3: m1^2 + m2^2 + m3^2 = mu^2 is exact (Dong, Roth and Su,
Gaussian differential privacy, JRSS B 84, 2022, corollary 3.3). Projection, least
squares and maximum read released numbers alone. The radius is one of 12 public numbers.

The algorithm is that of Sun, Suresh and Menon, The importance of feature preprocessing
for differentially private linear optimization, ICLR 2024 (DPSGD-F), whose histogram
takes a higher quantile. Geometric bins, the two-sided count and the median are ours:
they leave the radius within a factor of sqrt(2) and survive noise of n / 4, where
counts from below stop at the first bins.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, namespace, to_numpy
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.events import GaussianEvent, SampledGaussianEvent
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.query import ClippedSum

# Share of mu^2 that the centre and the radius take together, and of it the centre.
CENTER_SHARE = 0.2
MEAN_SHARE = 0.9
# Bins, in ratios of sqrt(2) down from the feature norm, and the quantile.
N_BINS = 12
LEVEL = 0.5
# Rows that are copied to float64 at a time.
STEP = 2**18
# Relative width at which the search of a multiplier ends.
WIDTH = 1e-3


@dataclass(frozen=True)
class CenterPlan:
    """Budgets of the centre and of the radius, before any row is read.

    Parameters
    ----------
    mean_multiplier : float
        1 / m1: standard deviation of the noise of the mean over its sensitivity;
        infinite for the centre 0.
    radius_multiplier : float
        1 / m2, of the histogram; infinite for no histogram, and the radius R.
    """

    mean_multiplier: float
    radius_multiplier: float

    @property
    def events(self):
        """Tuple of the GaussianEvent that the accountant is to record."""
        multipliers = (self.mean_multiplier, self.radius_multiplier)
        return tuple(GaussianEvent(z) for z in multipliers if z < math.inf)


def center_plan(squared_mu, *, mean_share=MEAN_SHARE):
    """Return how to spend a budget on the centre and the radius.

    Parameters
    ----------
    squared_mu : float
        m1^2 + m2^2, positive; infinite for no noise.
    mean_share : float, default=0.9
        m1^2 over it, in [0, 1].

    Returns
    -------
    plan : CenterPlan
        Whose events compose to a mu^2 of at most ``squared_mu``.
    """

    def multiplier(share):
        # Rounded up by more than what rounding can take off.
        root = math.sqrt(share * squared_mu) if share > 0.0 else 0.0
        return (1.0 + 2.0**-48) / root if root > 0.0 else math.inf

    return CenterPlan(multiplier(mean_share), multiplier(1.0 - mean_share))


def descent_multiplier(plan, epsilon, delta, *, sampling_rate=1.0, count=1):
    """Return the noise multiplier of the releases that follow, of what is left.

    Parameters
    ----------
    plan : CenterPlan
        Of the centre and the radius, which are released first.
    epsilon : float
        Of all releases together; infinite for no noise.
    delta : float
        That comes with it.
    sampling_rate : float, default=1.0
        Probability of a row in each of the releases that follow.
    count : int, default=1
        How many follow.

    Returns
    -------
    noise_multiplier : float
        With which the whole costs at most ``epsilon``, by ``epsilon_of``.

    Raises
    ------
    ValueError
        If the plan leaves nothing.
    """
    if epsilon == math.inf:
        return 0.0
    left = gaussian_mu(epsilon, delta) ** 2 - sum(e.squared_mu for e in plan.events)
    if left <= 0.0:
        raise ValueError(f"The centre leaves nothing of epsilon={epsilon!r}.")

    def exceeds(multiplier):
        if sampling_rate < 1.0:
            event = SampledGaussianEvent(multiplier, sampling_rate, count)
        else:
            event = GaussianEvent(multiplier, count)
        return epsilon_of((*plan.events, event), delta) > epsilon

    # Enough for all rows, and for samples.
    high, step = math.sqrt(count / left), 1e-15
    while exceeds(high):
        high, step = high * (1.0 + step), 2.0 * step
    if sampling_rate == 1.0:
        return high
    low = high / 2.0
    while not exceeds(low):
        low, high = low / 2.0, low
    while high > low * (1.0 + WIDTH):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if exceeds(middle) else (low, middle)
    return high


@dataclass(frozen=True, eq=False)
class PrivateCenter:
    """What was released.

    Parameters
    ----------
    center : ndarray of shape (d,)
        c, float64 in host memory.
    radius : float
        r.
    """

    center: Any
    radius: float


class RowSum(ClippedSum):
    """Sum of the clipped rows.

    Parameters
    ----------
    rows : Rows
        Their feature norm bounds the part of a row.
    """

    def __init__(self, rows):
        self.rows = rows
        self.n_rows = rows.n_rows
        self.shape = (rows.n_features,)
        self.clipping_norm = float(rows.feature_norm)

    def clipped_sum(self, W=None, rows=None):
        """Return the sum; there are no parameters. See :class:`ClippedSum`."""
        return _sum_over(self.rows, rows, _Clipped.sum_rows)


class DistanceCounts(ClippedSum):
    """Histogram of the distances of the clipped rows to a point.

    Parameters
    ----------
    rows : Rows
        Rows.
    edges : ndarray of shape (k,)
        Increasing: bins end at these, and the last one, after it, does not end.
    """

    clipping_norm = 1.0

    def __init__(self, rows, edges):
        self.rows = rows
        self.n_rows = rows.n_rows
        self.edges = edges
        self.shape = (edges.shape[0] + 1,)

    def clipped_sum(self, W, rows=None):
        """Return the counts of all bins.

        Parameters
        ----------
        W : array of shape (d,)
            The point, beside the rows.
        rows : array of int or None, default=None
            Which rows; None for all.

        Returns
        -------
        counts : array of shape (k + 1,)
            float64, before any noise: not to be released.
        """
        return _sum_over(self.rows, rows, lambda part: part.counts(W, self.edges))


@dataclass(frozen=True, eq=False)
class _Clipped:
    """Clipped rows in float64, and which of them count."""

    X: Any
    keep: Any

    def sum_rows(self):
        return namespace(self.X).sum(self.X, axis=0)

    def counts(self, point, edges):
        xp = namespace(self.X)
        far = self.X - asarray_like(point, self.X)[None, :]
        distance = xp.sqrt(xp.sum(far * far, axis=1))
        edges = asarray_like(edges, self.X)
        # Rows that do not count are in no bin, not even beyond the edge -1.
        beyond = xp.where(self.keep, distance, xp.full_like(distance, -2.0))
        lowest = xp.full_like(edges[:1], -1.0)
        over = beyond[:, None] > xp.concat([lowest, edges])[None, :]
        totals = xp.sum(xp.astype(over, self.X.dtype), axis=0)
        return xp.concat([totals[:-1] - totals[1:], totals[-1:]])


def _clipped(block, rows):
    """Return the clipped rows of a slice of a block."""
    xp = namespace(block.X)
    wide = accumulation_dtype(block.X)
    scale, keep = block.scale[rows], block.keep[rows]
    # The factor was rounded to the dtype of the rows: less than the bound, not more.
    margin = 1.0 - 4.0 * float(xp.finfo(scale.dtype).eps)
    factor = xp.astype(scale * keep, wide) * margin
    return _Clipped(xp.astype(block.X[rows, :], wide) * factor[:, None], keep > 0)


def _sum_over(source, rows, part):
    """Return the sum of a function of blocks, over all rows or some."""
    blocks = source.blocks() if rows is None else (source.take(rows),)
    total = None
    for block in blocks:
        # An empty batch has a sum, too.
        n = block.X.shape[0]
        for start in range(0, max(1, n), STEP):
            found = part(_clipped(block, slice(start, min(start + STEP, n))))
            total = found if total is None else total + found
    return total


def private_center(rows, plan, noise, relation="zero_out"):
    """Return a private centre and radius of rows.

    Parameters
    ----------
    rows : Rows
        Dense; read twice, block by block.
    plan : CenterPlan
        Budgets, spent already.
    noise : NoiseSource
        Of this fit.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Which data sets are neighbours.

    Returns
    -------
    found : PrivateCenter
        Released numbers alone.
    """
    n, R = rows.n_rows, float(rows.feature_norm)
    mean = np.zeros(rows.n_features)
    if math.isfinite(plan.mean_multiplier):
        total = noise.added(RowSum(rows), None, plan.mean_multiplier, relation)
        mean = np.asarray(to_numpy(total), dtype=np.float64) / n
        size = float(np.linalg.norm(mean))
        mean = mean * (R / max(size, R))
    if not math.isfinite(plan.radius_multiplier):
        return PrivateCenter(mean, R)
    edges = radius_edges(R)
    query = DistanceCounts(rows, edges[:-1])
    counts = noise.added(query, mean, plan.radius_multiplier, relation)
    counts = np.asarray(to_numpy(counts), dtype=np.float64)
    return PrivateCenter(mean, float(edges[quantile_bin(counts, n)]))


def radius_edges(feature_norm):
    """Return the radii that there can be.

    Parameters
    ----------
    feature_norm : float
        Bound R of the norms of rows.

    Returns
    -------
    edges : ndarray of shape (12,)
        Ratios of sqrt(2) up to R.
    """
    return feature_norm * 2.0 ** ((np.arange(N_BINS) - (N_BINS - 1)) / 2)


def quantile_bin(counts, n_rows, level=LEVEL):
    """Return the bin where a share of the rows is reached, from noisy counts.

    Parameters
    ----------
    counts : ndarray of shape (k,)
        Noisy, of equal variance.
    n_rows : int
        What they should add up to.
    level : float, default=0.5
        Share.

    Returns
    -------
    number : int
        From 0 to k - 1.
    """
    k = counts.shape[0]
    width = np.arange(1, k + 1)
    below = np.cumsum(counts)
    above = n_rows - (below[-1] - below)
    best = np.maximum.accumulate((below * (k - width) + above * width) / k)
    return int(np.argmax(best >= level * n_rows))
