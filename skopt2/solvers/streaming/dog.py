r"""DoG: distance over gradients.

    r_t = max(r_(t-1), norm(x_t - x_0)),   r_0 a small number
    G_t = G_(t-1) + norm(g_t)^2
    eta_t = r_t / sqrt(G_t)
    x_(t+1) = prox of eta_t at x_t - eta_t g_t

No learning rate: were the distance D to the minimiser known, D / sqrt(G_t) would be the
best step size of the regret bound, and r_t grows until it is about D. The model is the
mean of the iterates in which the last count most.

Ours: the norms are those of :mod:`skopt2.solvers.streaming.space`; the first distance
comes from the first minibatch and has the unit of x, where the paper takes
1e-6 * (1 + norm(x_0)); penalties enter by their prox, where the paper has projections.
The paper's T-DoG, for which it has proofs, divides the step further by at
least 64 times a logarithm: it is safe, and hardly moves.

Source: M. Ivgi, O. Hinder and Y. Carmon, DoG is SGD's best friend: a parameter-free
dynamic step size schedule, ICML 2023, arXiv:2302.12022, eq. DoG and section 4.
"""

import math
from dataclasses import dataclass

from skopt2.solvers.streaming.base import Run, StepRule, first_distance


@dataclass(frozen=True)
class DistanceRun(Run):
    """Where DoG stands.

    Parameters
    ----------
    reach : float
        r_t, the largest distance from the start.
    energy : float
        G_t, the sum of squared norms of the gradients.
    """

    reach: float = 0.0
    energy: float = 0.0


class DoG(StepRule):
    """Distance over gradients."""

    name = "dog"
    run = DistanceRun

    def update(self, run, sample):
        """Return the run after a minibatch."""
        space, g = sample.space, sample.gradient
        size = space.dual_norm(g)
        energy = run.energy + size * size
        reach = max(run.reach, space.norm(run.x - run.start))
        if reach == 0.0:
            reach = first_distance(sample) if size > 0.0 else 0.0
        eta = self.step_size(run.steps, reach, energy)
        x = space.move(run.x, g, eta) if eta > 0.0 else run.x
        return self.moved(run, x, g, eta, reach=reach, energy=energy)

    def step_size(self, steps, reach, energy):
        """Return eta_t from the steps before this one, r_t and G_t."""
        return reach / math.sqrt(energy) if energy > 0.0 else 0.0
