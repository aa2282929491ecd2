r"""Polyak steps in a learnt metric: preconditioned SPS, with momentum.

    d_t = beta d_(t-1) + g_t                      (beta = 0: the gradient)
    z_t = min(z_(t-1), (f_t - l_t) / norm(d_t)_(B^-1)^2)
    eta_t = z_t / sqrt(t)
    x_(t+1) = prox of eta_t at x_t - eta_t B_t^-1 d_t, in the metric of B_t

The Polyak quotient is the length at which a linear model of the minibatch meets its
lower bound l_t: no learning rate, and none for the momentum either. B_t is a diagonal
from :mod:`skopt2.solvers.streaming.preconditioner`.

What it needs: a lower bound of each loss. Those of this package have one that is known,
l_i = min over eta of l(y_i, eta), minus the conjugate at 0. It is attained by all
samples at once only where the model interpolates. Where it does not, the plain quotient
stays too long for ever, and its iterates wander at a distance from the minimiser: hence
z_t, which never grows, over the root of t, which lead to it with any lower bound.

Sources: F. Abdukhakimov, C. Xiang, D. Kamzolov and M. Takac, Stochastic gradient
descent with preconditioned Polyak step-size, Computational Mathematics and Mathematical
Physics 64, 2024, arXiv:2310.02093; X. Wang, M. Johansson and T. Zhang, Generalized
Polyak step size for first order optimization with momentum, ICML 2023,
arXiv:2305.12939, method ALR-SMAG; A. Orvieto, S. Lacoste-Julien and N. Loizou, Dynamics
of SGD with stochastic Polyak stepsizes, NeurIPS 2022, for DecSPS, which z_t is.
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2.solvers.streaming.base import Run, StepRule
from skopt2.solvers.streaming.preconditioner import energy_in


@dataclass(frozen=True)
class PolyakRun(Run):
    """Where a Polyak rule stands.

    Parameters
    ----------
    weights : array of the shape of x or None
        What the preconditioner keeps.
    direction : array of the shape of x or None
        d_t.
    bound : float
        z_t, inf before the first step.
    """

    weights: Any = None
    direction: Any = None
    bound: float = math.inf


class Polyak(StepRule):
    """Preconditioned Polyak steps.

    Parameters
    ----------
    preconditioner : object
        With ``update(weights, sample, steps)`` and ``metric(weights, space)``.
    momentum : float
        beta, in [0, 1).
    """

    name = "sps"
    run = PolyakRun

    def __init__(self, preconditioner, momentum=0.0):
        self.preconditioner, self.momentum = preconditioner, momentum

    def update(self, run, sample):
        """Return the run after a minibatch."""
        g = sample.gradient
        weights = self.preconditioner.update(run.weights, sample, run.steps)
        metric = self._metric(weights, sample.space, run.steps + 1)
        d = g
        if self.momentum > 0.0 and run.direction is not None:
            d = self.momentum * run.direction + g
        bound = run.bound
        quotient = polyak_quotient(sample, d, metric)
        # A minibatch at its bound has no gradient, and says nothing of the step size.
        if quotient > 0.0:
            bound = min(bound, quotient)
        eta = 0.0 if math.isinf(bound) else bound / math.sqrt(run.steps + 1.0)
        x = sample.space.move(run.x, d, eta, metric) if eta > 0.0 else run.x
        kept = d if self.momentum > 0.0 else None
        return self.moved(run, x, g, eta, weights=weights, direction=kept, bound=bound)

    def answer(self, run, space):
        """Return the model: see StepRule, in the metric of the rule."""
        if run.drift is None or not run.eta > 0.0 or not space.has_kinks:
            return run.mean
        metric = self._metric(run.weights, space, run.steps)
        return space.move(run.mean, run.drift, run.eta, metric)

    def _metric(self, weights, space, steps):
        """Return B after so many steps."""
        return self.preconditioner.metric(weights, space)


def polyak_quotient(sample, d, metric):
    """Return (f - l) / norm(d)_(B^-1)^2, and 0 where there is no gradient."""
    energy = energy_in(d, metric)
    if not energy > 0.0:
        return 0.0
    return sample.excess() / energy
