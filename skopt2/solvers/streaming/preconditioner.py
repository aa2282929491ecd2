r"""Diagonal metrics that Polyak steps learn on the way.

``curvature``: from the diagonals h_i of the Hessians of the minibatches so far, B_t =
sum_i h_i^2 / sum_i h_i. The papers take the mean, and estimate each by Hutchinson's
method, z * (H z) with random signs z, whose expectation it is; for a linear model the
diagonal itself, sum_i s_i l''_i (x_ij - m_j)^2, costs as much as one such product and
has no noise. Ours is the mean where minibatches agree. For a column that most of them
do not have it is larger: the curvature of those that do, which is what their steps
meet.

``adagrad-sqr``: the mean of g_i * g_i / (2 (f_i - l_i)); t times that is AdaGrad
without its root. A column in other units, x_j * a, has gradients g_j * a and so B_j *
a^2: the step B^-1 g changes by 1 / a, as the coefficient should. With the root it would
not.

Ours: each square is divided by twice the excess of its loss, about 1 for a logistic
loss at its beginning. That is at most the curvature of f_i along column j, and makes
the metric blind to the unit of the loss too. And the mean over the columns, each in the
metric of the space, is added: a column that is rare has no reliable square for long,
and steps of 1 / g_j are as large as it is rare.

Source: F. Abdukhakimov, C. Xiang, D. Kamzolov, R. Gower and M. Takac, SANIA:
Polyak-type optimization framework leads to scale invariant stochastic algorithms,
2023, arXiv:2312.17369, sections on AdaGrad-SQR and on Hutchinson's method.
"""

import math

from skopt2._core.array import dot64, namespace, sum64
from skopt2.solvers.streaming.space import root_mean_square

# Curvatures below this share of their mean, in the metric of the space, are none.
FLOOR = 1e-6


def energy_in(d, metric):
    """Return the squared norm of a direction in the inverse of a metric, as a float."""
    return dot64(d / metric, d)


def mean_in(weights, base):
    """Return the mean of weights in units of a metric, as a float."""
    return sum64(weights / base) / math.prod(weights.shape)


class Curvature:
    """Mean diagonal of the Hessian, each minibatch counted by its own."""

    name = "curvature"
    # Whether it is a sum in the paper, which ends the steps of SANIA.
    accumulates = False

    def update(self, weights, sample, steps):
        """Return mean and root mean square with a minibatch added, (2, q) or (2, q, K).

        Parameters
        ----------
        weights : array of shape (2, q) or (2, q, K), or None
            So far.
        sample : Sample
            The minibatch.
        steps : int
            Minibatches before it.
        """
        new = sample.curvature()
        xp = namespace(new)
        if weights is None:
            return xp.stack([new, new])
        mean, peak = weights[0, ...], weights[1, ...]
        share = 1.0 / (steps + 1.0)
        mean = mean + share * (new - mean)
        return xp.stack([mean, root_mean_square(peak, new, share)])

    def metric(self, weights, space):
        """Return B, of the shape of x; that of the space for a flat loss."""
        mean, peak = weights[0, ...], weights[1, ...]
        xp, base = namespace(mean), space.full_metric(mean)
        steep = peak * (peak / xp.where(mean > 0.0, mean, 1.0))
        level = mean_in(steep, base)
        return xp.maximum(steep, FLOOR * level * base) if level > 0.0 else base


class AdaGradSquared:
    """Mean of squared gradients."""

    name = "adagrad-sqr"
    accumulates = True

    def update(self, weights, sample, steps):
        """Return the mean with a minibatch added, zeros for one at its bound.

        Parameters
        ----------
        weights : array of shape (q,) or (q, K), or None
            So far.
        sample : Sample
            The minibatch.
        steps : int
            Minibatches before it.
        """
        g, excess = sample.gradient, sample.excess()
        new = g * g / (2.0 * excess) if excess > 0.0 else 0.0 * g
        return new if weights is None else weights + (new - weights) / (steps + 1.0)

    def metric(self, weights, space):
        """Return B, of the shape of x; that of the space if there was no gradient."""
        base = space.full_metric(weights)
        mean = mean_in(weights, base)
        return weights + mean * base if mean > 0.0 else base


PRECONDITIONERS = {kind.name: kind for kind in (Curvature, AdaGradSquared)}
