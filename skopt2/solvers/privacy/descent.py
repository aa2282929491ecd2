"""Gradient descent on noisy sums: full batch, or Poisson batches.

Problem: min_W 1/N sum_i l_i(W) + alpha/2 norm(w)^2. Step t, with the query
q(W) = sum of clipped gradients, S its sensitivity, z standard normal of the shape of W:

    W <- W - lr (1/(p N) (q(W) + sigma S z) + alpha P W),

p = 1 and all rows, or p the probability of a row and a Poisson batch; N the public
number of rows, never that of the batch; P without the intercept. An empty batch is a
step as any other. The number of steps is fixed; the penalty reads no data.

With momentum m in (0, 1) the gradient is that of the point W + m V ahead, V the last
move: V <- m V - lr (...), W <- W + V. The point is a function of what was released, so
momentum costs no privacy. The noise moves the iterates as that of plain steps of lr /
(1 - m) does, in directions of little curvature, which such plain steps would need too;
but lr alone decides what curvature is stable.

Released: every W, hence also their mean from a step on. Each step is a Gaussian
mechanism of the noise multiplier sigma, Poisson sampled if p < 1.

Source: S. Song, K. Chaudhuri and A. Sarwate, Stochastic gradient descent with
differentially private updates, GlobalSIP 2013; M. Abadi and others, Deep learning with
differential privacy, CCS 2016, algorithm 1; Y. Nesterov, Soviet Mathematics Doklady 27,
1983, for momentum; tail means after B. Polyak and A. Juditsky,
SIAM Journal on Control and Optimization 30, 1992.
"""

from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import namespace
from skopt2._core.result import Measure


@dataclass(frozen=True)
class DescentPlan:
    """How a descent goes: numbers that do not depend on the data.

    Parameters
    ----------
    n_steps : int
        Steps T.
    learning_rate : float
        Step size lr.
    noise_multiplier : float
        Standard deviation of the noise over the sensitivity, sigma.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Which data sets are neighbours.
    sampling_rate : float, default=1.0
        Probability p of a row in a batch.
    alpha : float, default=0.0
        Squared-norm penalty.
    tail : float, default=0.5
        Share of the steps, at the end, whose iterates are averaged; 0.0 for the last.
    momentum : float, default=0.0
        Share m of the last move that is made again.
    """

    n_steps: int
    learning_rate: float
    noise_multiplier: float
    relation: str = "zero_out"
    sampling_rate: float = 1.0
    alpha: float = 0.0
    tail: float = 0.5
    momentum: float = 0.0


@dataclass(frozen=True, eq=False)
class DescentState:
    """Where a descent stands: only what was released.

    Parameters
    ----------
    W : array
        Iterate.
    mean : array
        Mean of the last iterates, or the iterate before averaging begins.
    step : int
        Steps done.
    move : array or float, default=0.0
        Last move V.
    """

    W: Any
    mean: Any
    step: int
    move: Any = 0.0


class PrivateDescent:
    """Solver of noisy gradient descent for the iteration loop.

    Parameters
    ----------
    query : ClippedSum
        Sum of clipped gradients.
    plan : DescentPlan
        Steps and noise.
    noise : NoiseSource
        Fresh for this fit.
    sampling : PoissonSampling or None, default=None
        Batches; None for all rows.
    decayed : array or None, default=None
        0.0 where the penalty leaves a parameter alone, 1.0 elsewhere.
    """

    def __init__(self, query, plan, noise, sampling=None, decayed=None):
        self.query, self.plan = query, plan
        self.noise, self.sampling = noise, sampling
        self.decayed = decayed

    def init(self, W):
        """Return the starting state.

        Parameters
        ----------
        W : array
            Public starting values, float64.

        Returns
        -------
        state : DescentState
            Before the first step.
        """
        return DescentState(W, W, 0)

    def noisy_sum(self, W):
        """Return the noisy sum of a fresh batch: all that a step learns of the data.

        Parameters
        ----------
        W : array
            Iterate.

        Returns
        -------
        total : array of the shape of W
            Releasable.
        """
        rows = None if self.sampling is None else self.sampling.draw()
        plan = self.plan
        return self.noise.added(
            self.query, W, plan.noise_multiplier, plan.relation, rows
        )

    def step(self, state):
        """Return the state after one noisy step."""
        point = self.point(state)
        total = self.noisy_sum(point)
        return self.moved(state, point, total, self.plan.learning_rate)

    def point(self, state):
        """Return where the next gradient is taken.

        Parameters
        ----------
        state : DescentState
            Before the step.

        Returns
        -------
        point : array
            The iterate, or ahead of it.
        """
        if not self.plan.momentum:
            return state.W
        return state.W + self.plan.momentum * state.move

    def moved(self, state, point, total, learning_rate):
        """Return the state after a move along a noisy sum and the penalty.

        Parameters
        ----------
        state : DescentState
            Before the step.
        point : array
            Where the gradient was taken.
        total : array of the shape of W
            Released sum of gradients there.
        learning_rate : float
            Step size.

        Returns
        -------
        state : DescentState
            One step on, with the mean of the last iterates.
        """
        plan = self.plan
        gradient = total / (plan.sampling_rate * self.query.n_rows)
        if plan.alpha:
            pull = point if self.decayed is None else point * self.decayed
            gradient = gradient + plan.alpha * pull
        return self.advanced(state, point - learning_rate * gradient)

    def advanced(self, state, W):
        """Return the state with a new iterate, and the mean of the last ones.

        Parameters
        ----------
        state : DescentState
            Before the step.
        W : array
            After it.

        Returns
        -------
        state : DescentState
            One step on.
        """
        step = state.step + 1
        averaged = step - int(self.plan.n_steps * (1 - self.plan.tail))
        mean = W if averaged <= 1 else state.mean + (W - state.mean) / averaged
        return replace(state, W=W, mean=mean, step=step, move=W - state.W)

    def certificate(self, state):
        """Return the share of the steps that are left: the loop ends at none.

        Nothing of the data is in it: a private fit reports no objective.
        """
        left = (self.plan.n_steps - state.step) / self.plan.n_steps
        return Measure(objective=0.0, value=left)

    def finalize(self, state):
        """Return the mean of the last iterates, or the last iterate."""
        return state.mean if self.plan.tail else state.W


def steps_start(query, like, values=None):
    """Return parameters to start at, zeros unless values are given.

    Parameters
    ----------
    query : ClippedSum
        For the shape.
    like : array
        Beside which they are made.
    values : ndarray or None, default=None
        Public starting values.

    Returns
    -------
    W : array of the shape of the query
        float64 where the device has it.
    """
    from skopt2._core.array import accumulation_dtype, asarray_like, device_of

    xp, wide = namespace(like), accumulation_dtype(like)
    if values is not None:
        return asarray_like(values, like, dtype=wide)
    return xp.zeros(query.shape, dtype=wide, device=device_of(like))
