r"""SANIA: a Polyak step for a quadratic model.

    x_(t+1) = argmin norm(x - x_t)_B^2 / 2  such that
              f_t + g_t'(x - x_t) + norm(x - x_t)_B^2 / 2 <= l_t

B_t is a diagonal from :mod:`skopt2.solvers.streaming.preconditioner`. On the ray
x_t - lambda B^-1 g, with N = norm(g)_(B^-1)^2, the model is f - lambda N + lambda^2 N /
2. It meets l_t first at lambda = 1 - sqrt(1 - 2 (f - l) / N), and where it stays above,
2 (f - l) > N, the least violation is at lambda = 1: a Newton step for the model.

With ``adagrad-sqr``, the default, B_t grows like t, and so the steps end; they are the
same whatever the units of the columns are, with no help of the standardised metric.
They are not blind to the unit of the loss: 2 (f - l) is compared with N <= q.

What it needs: the lower bound l_t, as in :mod:`skopt2.solvers.streaming.polyak`.

Source: F. Abdukhakimov, C. Xiang, D. Kamzolov, R. Gower and M. Takac, SANIA:
Polyak-type optimization framework leads to scale invariant stochastic algorithms,
2023, arXiv:2312.17369, the quadratic SANIA method with f_i^*; lambda is derived above.
"""

import math

from skopt2.solvers.streaming.polyak import Polyak
from skopt2.solvers.streaming.preconditioner import energy_in


class Sania(Polyak):
    """SANIA.

    Parameters
    ----------
    preconditioner : object
        See :class:`~skopt2.solvers.streaming.polyak.Polyak`.
    """

    name = "sania"

    def update(self, run, sample):
        """Return the run after a minibatch."""
        g = sample.gradient
        weights = self.preconditioner.update(run.weights, sample, run.steps)
        metric = self._metric(weights, sample.space, run.steps + 1)
        eta = sania_length(sample.excess(), energy_in(g, metric))
        x = sample.space.move(run.x, g, eta, metric) if eta > 0.0 else run.x
        return self.moved(run, x, g, eta, weights=weights)

    def _metric(self, weights, space, steps):
        """Return B after so many steps."""
        metric = self.preconditioner.metric(weights, space)
        return steps * metric if self.preconditioner.accumulates else metric


def sania_length(excess, energy):
    """Return lambda.

    Parameters
    ----------
    excess : float
        f - l.
    energy : float
        N.
    """
    if not energy > 0.0:
        return 0.0
    share = 2.0 * excess / energy
    # 1 - sqrt(1 - share) without cancellation.
    return 1.0 if share >= 1.0 else share / (1.0 + math.sqrt(1.0 - share))
