r"""U-DoG: accelerated distance over gradients.

UniXGrad takes two gradients a step, at means of the iterates that follow them, and
divides by how much the two differ. U-DoG sets its step sizes by distances:

    a_t = sum_(i <= t) r_i / r_t,    W_t = sum_(i <= t) r_i a_i
    m_t = gradient at (r_t a_t y_t + sum_(i < t) r_i a_i x_(i+1)) / W_t
    x_(t+1) = prox at y_t - a_t r_t / sqrt(H_t) m_t
    g_t = gradient at (sum_(i <= t) r_i a_i x_(i+1)) / W_t      (this is the model)
    y_(t+1) = prox at y_t - a_t r_t / sqrt(K_t) g_t
    r_(t+1) = max(r_t, norm(x_(t+1) - x_0), norm(y_(t+1) - x_0))

    K_t = sum_(i <= t) a_i^2 norm(g_i - m_i)^2 + max_(i <= t) of a_i^2 norm(m_i)^2 and
          a_i^2 norm(g_i)^2,    H_t the same before g_t is known

For a smooth loss without noise the differences and the maximum stay bounded while a_t
grows like t, which is acceleration; with noise a step falls like 1 / sqrt(t), as that
of DoG.

Ours: the two gradients come from two minibatches, so that a step reads twice the rows
of one of DoG; the maximum is what keeps the iterates stable here, in the place of the
paper's bounds of the noise and logarithms; norms and prox are those of
:mod:`skopt2.solvers.streaming.space`.

Sources: I. Kreisler, M. Ivgi, O. Hinder and Y. Carmon, Accelerated parameter-free
stochastic optimization, COLT 2024, arXiv:2404.00666; A. Kavis, K. Levy, F. Bach and V.
Cevher, UniXGrad: a universal, adaptive algorithm with optimal guarantees for
constrained optimization, NeurIPS 2019.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2.solvers.streaming.base import DECAY, Run, StepRule, first_distance


@dataclass(frozen=True)
class AcceleratedRun(Run):
    """Where U-DoG stands; ``x`` is x_t.

    Parameters
    ----------
    y : array of the shape of x
        y_t.
    middle : array of the shape of x or None
        m_t between the two halves of a step.
    reach, total : float
        r_t, and the sum of r_i up to it.
    weight : float
        W_t of the steps that are done.
    spread, peak : float
        Sum and maximum in K_t.
    """

    y: Any = None
    middle: Any = None
    reach: float = 0.0
    total: float = 0.0
    weight: float = 0.0
    spread: float = 0.0
    peak: float = 0.0


class UDoG(StepRule):
    """Accelerated distance over gradients."""

    name = "udog"
    run = AcceleratedRun
    iterates = ("x", "mean", "y")

    def init(self, x):
        """Return the run that begins at a point."""
        return self.run(x, x, mean=x, y=x)

    def query(self, run):
        """Return the point at which the next gradient is wanted."""
        if run.middle is not None:
            return self._mean_with(run, run.x)
        return self._mean_with(run, run.y) if run.total > 0.0 else run.y

    def _mean_with(self, run, last):
        """Return the weighted mean of the iterates with one more."""
        added = run.total
        return run.mean + added / (run.weight + added) * (last - run.mean)

    def update(self, run, sample):
        """Return the run after a minibatch: half a step."""
        if run.middle is None:
            return self._first_half(run, sample)
        return self._second_half(run, sample)

    def _first_half(self, run, sample):
        space, m = sample.space, sample.gradient
        size = space.dual_norm(m)
        if run.reach == 0.0:
            reach = first_distance(sample) if size > 0.0 else 0.0
            run = replace(run, reach=reach, total=reach)
        if run.reach == 0.0:
            return run
        a = run.total / run.reach
        peak = max(run.peak, (a * size) ** 2)
        if peak == 0.0:
            return run
        eta = a * run.reach / math.sqrt(run.spread + peak)
        x = space.move(run.y, m, eta)
        return replace(run, x=x, middle=m, peak=peak)

    def _second_half(self, run, sample):
        space, g = sample.space, sample.gradient
        a = run.total / run.reach
        spread = run.spread + (a * space.dual_norm(g - run.middle)) ** 2
        peak = max(run.peak, (a * space.dual_norm(g)) ** 2)
        eta = a * run.reach / math.sqrt(spread + peak)
        y = space.move(run.y, g, eta)
        # r_t a_t is the sum of the distances.
        mean, weight = self._mean_with(run, run.x), run.weight + run.total
        away = max(space.norm(run.x - run.start), space.norm(y - run.start))
        reach = max(run.reach, away)
        steps = run.steps + 1
        share = (1.0 + DECAY) / (steps + DECAY)
        drift = g if run.drift is None else run.drift + share * (g - run.drift)
        return replace(
            run,
            y=y,
            middle=None,
            mean=mean,
            drift=drift,
            weight=weight,
            reach=reach,
            total=run.total + reach,
            spread=spread,
            peak=peak,
            steps=steps,
            # Without a, which the mean undoes.
            eta=eta / a,
        )
