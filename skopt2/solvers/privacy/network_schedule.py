"""Steps, step size and clipping norm of private networks, from public numbers alone.

Symbols: N rows, q the probability of a row in a batch, T steps, C the clipping norm, S
the sensitivity, sigma the noise multiplier, h units of the last hidden layer.

The noise of T steps moves each weight by about lr sigma S sqrt(T) / (q N). Networks
whose inputs and units have sizes of order one bear a certain movement, whatever the
data: the step size is the one that gives it, up to a step at which the clipped descent
is still stable without noise. Momentum lengthens stable steps, and is used where the
noise bears longer ones.
"""

import math
from dataclasses import dataclass

from skopt2.solvers.privacy.schedule import MOMENTUM

# Passes over the data in small batches.
PASSES = 30.0


@dataclass(frozen=True)
class NetworkDefaults:
    """Constants of one kind of loss.

    Parameters
    ----------
    clipping_norm : float
        Bound C of the gradient of a row.
    movement : float
        What the noise may add to a weight, as a standard deviation.
    plain_step : float
        Largest lr C without momentum.
    largest_step : float
        Largest lr C / (1 - m) with the default momentum m.
    unit_size : float
        Norm of the hidden units of a layer when all of them are 1; g sqrt(h).
    full_steps : int, default=100
        Steps T with full batches.
    input_scale : float, default=6.0
        Scale s of the inputs.
    gain : float, default=0.5
        Size of what enters the first hidden units at the start.
    """

    clipping_norm: float
    movement: float
    plain_step: float
    largest_step: float
    unit_size: float
    full_steps: int = 100
    input_scale: float = 6.0
    gain: float = 0.5

    def hidden_scale(self, n_units):
        """Return the scale g of hidden units for a layer of ``n_units``."""
        return self.unit_size / math.sqrt(n_units)

    def steps(self, sampling_rate):
        """Return the default number of steps.

        Parameters
        ----------
        sampling_rate : float
            Probability q of a row in a batch.

        Returns
        -------
        n_steps : int
            Public.
        """
        if sampling_rate == 1:
            return self.full_steps
        return max(self.full_steps, math.ceil(PASSES / sampling_rate))

    def pace(self, n_rows, plan, noise, clipping, momentum="auto"):
        """Return the default step size, and the momentum.

        Parameters
        ----------
        n_rows : int
            N.
        plan : DescentPlan
            For T and q.
        noise : float
            Standard deviation sigma S of the noise in a sum.
        clipping : float
            Clipping norm C.
        momentum : float or "auto", default="auto"
            Momentum m; "auto" has one only where the noise allows steps that are too
            long without.

        Returns
        -------
        learning_rate, momentum : float
            lr of a descent on means, and m; lr / (1 - m) is how far a step leads.
        """
        bearable = math.inf
        if noise > 0:
            count = plan.sampling_rate * n_rows
            bearable = self.movement * count / (noise * math.sqrt(plan.n_steps))
        if momentum == "auto":
            momentum = MOMENTUM if bearable > self.plain_step / clipping else 0.0
        largest = self.largest_step if momentum else self.plain_step
        step = min(bearable, largest / clipping)
        return (1.0 - momentum) * step, momentum


CLASSIFICATION = NetworkDefaults(
    clipping_norm=1.0,
    movement=0.32,
    plain_step=8.0,
    largest_step=32.0,
    unit_size=8.0,
)
REGRESSION = NetworkDefaults(
    clipping_norm=0.25,
    movement=0.35,
    plain_step=0.25,
    largest_step=4.0,
    unit_size=2.0,
    full_steps=200,
)
