r"""Linear decay to zero, and the schedule refined by what the gradients were.

For T steps with weights u_t, by the bound on the last iterate of the paper:

    eta_t = D * u_t / sqrt(sum_i u_i^2 norm(g_i)^2) * sum_(i > t) u_i / sum_i u_i

With u_t = 1 that is D / (G sqrt(T)) * (1 - t / T), G the root mean square of the
gradients. The best weights are u_t = norm(g_t)^(-2), which a second run can use: the
refined schedule rises where gradients fall, and ends at zero. The norms of the first
run are smoothed by a median over a tenth of the run, as in the paper. The last iterate
is the model: nothing is averaged.

Ours: no learning rate is left. ``linear`` is the step of DoG times 1 - t / T, that is
D u_t = r_t / sqrt(G_t), found on the way, and what is left of the run for what is left
of the sum of the weights. The refined rule spends a third of the steps on such a run;
the rest begins anew at x_0, with the norms that it recorded, stretched, and with D the
distance that it found.

Source: A. Defazio, A. Cutkosky, H. Mehta and K. Mishchenko, When, why and how much?
Adaptive learning rate scheduling by refinement, 2023, arXiv:2310.07831, theorem on the
last iterate and algorithm 1.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from skopt2.solvers.streaming.dog import DistanceRun, DoG

# Steps of the first run, and the width of the median, as shares of the run.
RECORDED, WIDTH = 1.0 / 3.0, 0.1
# No norm counts as less than this share of the largest.
LEAST = 0.01


class LinearDecay(DoG):
    """Linear decay.

    Parameters
    ----------
    horizon : int
        T, the steps of the whole run.
    """

    name = "linear"
    needs_horizon = True

    def __init__(self, horizon):
        self.horizon = horizon

    def step_size(self, steps, reach, energy):
        """Return eta_t from the steps before this one, r_t and G_t."""
        if not energy > 0.0:
            return 0.0
        left = max(1.0 - steps / self.horizon, 0.0)
        return left * reach / math.sqrt(energy)

    def answer(self, run, space):
        """Return the last iterate."""
        return run.x


@dataclass(frozen=True)
class RefinedRun(DistanceRun):
    """Where the refined schedule stands.

    Parameters
    ----------
    norms : ndarray of shape (m,)
        Norms of the gradients of the first run, on the host.
    schedule : ndarray of shape (k,) or None
        Step sizes of the second run.
    """

    norms: Any = None
    schedule: Any = None


class RefinedDecay(LinearDecay):
    """Linear decay, then the schedule that its gradients suggest."""

    name = "refined"
    run = RefinedRun
    host_fields = ("norms", "schedule")

    def __init__(self, horizon):
        super().__init__(horizon)
        self.recorded = max(1, round(RECORDED * horizon))
        self._first = LinearDecay(self.recorded)

    def init(self, x):
        """Return the run that begins at a point."""
        return replace(super().init(x), norms=np.empty(0))

    def update(self, run, sample):
        """Return the run after a minibatch."""
        if run.steps < self.recorded:
            return self._record(run, sample)
        step = run.steps - self.recorded
        eta = float(run.schedule[step]) if step < len(run.schedule) else 0.0
        g = sample.gradient
        x = sample.space.move(run.x, g, eta) if eta > 0.0 else run.x
        return self.moved(run, x, g, eta)

    def _record(self, run, sample):
        """Return the run after a minibatch of the first run."""
        norms = np.append(run.norms, sample.space.dual_norm(sample.gradient))
        run = replace(self._first.update(run, sample), norms=norms)
        if run.steps < self.recorded or self.horizon == self.recorded:
            return run
        reach = max(run.reach, sample.space.norm(run.x - run.start))
        schedule = refined_schedule(norms, self.horizon - self.recorded, reach)
        return replace(run, x=run.start, schedule=schedule)


def refined_schedule(norms, steps, distance):
    """Return step sizes for a run whose gradients will have norms like these.

    Parameters
    ----------
    norms : ndarray of shape (m,)
        Norms of the gradients of a run.
    steps : int
        Steps of the next one, over which they are stretched.
    distance : float
        D, from the start to the minimiser.

    Returns
    -------
    eta : ndarray of shape (steps,)
        Of the weight of a step itself half counts as what is still to come, so that
        the last is not 0.
    """
    # Odd, so that the median of a run that rises or falls is the norm itself.
    width = 2 * int(0.5 * WIDTH * norms.size) + 1
    # Reflected at its ends: the first norm, repeated, would decide the first steps.
    smooth = median_filter(norms, width, mode="reflect")
    positive = smooth[smooth > 0.0]
    if positive.size == 0:
        return np.zeros(steps)
    smooth = np.maximum(smooth, LEAST * positive.max())
    places = (np.arange(steps) + 0.5) / steps * norms.size - 0.5
    sizes = np.interp(places, np.arange(norms.size), smooth)
    u = sizes**-2.0
    after = np.cumsum(u[::-1])[::-1] - 0.5 * u
    return distance * u * after / (u.sum() * math.sqrt((u * u * sizes**2).sum()))
