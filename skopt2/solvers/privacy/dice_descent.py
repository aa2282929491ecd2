"""Error feedback for clipped gradients: DiceSGD, with noise that can be proved.

Problem: min_W 1/N sum_i l_i(W), by descent on clipped gradients without the bias of
clipping. Symbols: g_i the gradient of row i, norm(g_i) <= G for every row that there
can be; clip(v, C) = min(1, C / norm(v)) v; C1 the clipping norm, U = G - C1; C2 the
norm to which the error is clipped; e the error, a sum over rows that is never released;
m = 1 for "zero_out" neighbours and 2 for "replace_one"; k the steps whose gradients are
in e. Step t, in the scale of sums:

    v = sum_i clip(g_i, C1) + clip(e, C2),     e <- e + sum_i g_i - v,
    W <- W - lr / N (v + sigma S z),           z standard normal.

Sensitivity S of v, given all that was released before, hence the same W in both worlds.
Let D be the difference of the errors of two neighbours.

1. I - clip(., C2) is 1-Lipschitz, as clip(., C2) is the projection on a ball. One step
   adds the difference of the parts that clipping cut off, which is at most m U. So
   norm(D) <= m k U, and norm(clip(e) - clip(e')) <= min(2 C2, m k U):
   S = m C1 + min(2 C2, m k U).
2. If C2 >= N U the error never reaches C2. By induction: if e is not clipped, the next
   error is sum_i (g_i - clip(g_i, C1)), of norm N U at most, in both worlds. Then D is
   what one step cut off, norm(D) <= m U, and S = m (C1 + U) = m G for k >= 1.

The bound 2 is ours. It asks for the noise of unclipped gradients and no more, while the
bound 1 grows with the number of steps. A row with norm(g_i) = G in a fixed direction
attains it. All S are public, the noise has the standard deviation sigma S, so that T
steps are T Gaussian mechanisms of the noise multiplier sigma, each chosen after the
earlier ones were seen.

No method can do better without the bias: if the released sums add up to the true ones,
a row with norm(g_i) = G at all T steps moves them by T G in all, and by the inequality
of Cauchy and Schwarz the squares of its T moves sum to T G^2 or more, those of plain
descent with C1 = G. What feedback can save is noise before ``start``: until then the
error is not kept and S = m C1.

Only full batches: the error of earlier batches is not amplified by sampling.

Source: X. Zhang, Z. Bu, S. Wu and M. Hong, Differentially private SGD without clipping
bias: an error-feedback approach, ICLR 2024, algorithm 1. It has C2 in the scale of
means, and noise from another analysis; this file does not use it.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import namespace
from skopt2.solvers.privacy.descent import DescentState, PrivateDescent
from skopt2.solvers.privacy.glm_query import GLMQuery, weighted_sum
from skopt2.solvers.privacy.query import sensitivity


@dataclass(frozen=True)
class Feedback:
    """Which errors are returned, and how.

    Parameters
    ----------
    largest : float
        Bound G of the norm of the gradient of every row that there can be.
    start : int
        First step, from 0, whose error is kept: it returns one step later.
    learning_rate : float
        Step size from that step on.
    error_norm : float, default=inf
        Bound C2 of the returned error, in the scale of sums.
    """

    largest: float
    start: int
    learning_rate: float
    error_norm: float = math.inf

    def __post_init__(self):
        if not (0 < self.largest < math.inf):
            raise ValueError(
                "Error feedback needs a finite bound of the gradients of rows, got "
                f"largest={self.largest!r}: use a loss whose slope is bounded."
            )
        if not self.error_norm > 0:
            raise ValueError(
                f"error_norm must be positive, got error_norm={self.error_norm!r}; "
                "infinity returns all of the error."
            )


@dataclass(frozen=True, eq=False)
class DiceState(DescentState):
    """Where the descent stands.

    Parameters
    ----------
    error : array
        What clipping cut off: private, never part of a solution.
    """

    error: Any = None


def feedback_sensitivity(step, clipping_norm, feedback, n_rows, relation):
    """Return by how much the sum that one step releases can change, and be bounded.

    Parameters
    ----------
    step : int
        From 0.
    clipping_norm : float
        C1.
    feedback : Feedback
        G, C2 and the first step.
    n_rows : int
        Public number of rows N.
    relation : {"zero_out", "replace_one"}
        Which data sets are neighbours.

    Returns
    -------
    sensitivity : float
        S, given everything that earlier steps released.

    Examples
    --------
    >>> from skopt2.solvers.privacy.dice_descent import Feedback, feedback_sensitivity
    >>> every = Feedback(largest=1.5, start=0, learning_rate=1.0)
    >>> [feedback_sensitivity(t, 0.5, every, 100, "zero_out") for t in range(3)]
    [0.5, 1.5, 1.5]
    >>> short = Feedback(largest=1.5, start=0, learning_rate=1.0, error_norm=0.75)
    >>> [feedback_sensitivity(t, 0.5, short, 100, "zero_out") for t in range(3)]
    [0.5, 1.5, 2.0]
    """
    each = sensitivity(1.0, relation)
    cut = max(feedback.largest - clipping_norm, 0.0)
    kept = max(step - feedback.start, 0)
    if feedback.error_norm >= n_rows * cut:
        returned = each * cut * min(kept, 1)
    else:
        returned = min(2.0 * feedback.error_norm, each * kept * cut)
    return each * clipping_norm + returned


class DiceDescent(PrivateDescent):
    """Solver of noisy descent with error feedback for the iteration loop.

    Parameters
    ----------
    query : GLMQuery
        Sum of gradients, clipped "flat" to C1.
    plan : DescentPlan
        Steps and noise, of all rows.
    noise : NoiseSource
        Fresh for this fit.
    feedback : Feedback
        What is returned.
    decayed : array or None, default=None
        0.0 where the penalty leaves a parameter alone, 1.0 elsewhere.

    Raises
    ------
    ValueError
        If batches are sampled or the clipping is not flat.
    """

    def __init__(self, query, plan, noise, feedback, decayed=None):
        if plan.sampling_rate < 1:
            raise ValueError(
                "Error feedback has no amplification by sampling: use batch_size=None "
                "with solver='dicesgd'."
            )
        if query.clipping != "flat":
            raise ValueError(
                f"Error feedback returns what flat clipping cuts off; clipping="
                f"{query.clipping!r} also lengthens. Use clipping='flat'."
            )
        super().__init__(query, plan, noise, None, decayed)
        self.feedback = feedback
        self._bound = GLMQuery(
            query.rows,
            query.loss,
            max(feedback.largest, query.clipping_norm),
            n_outputs=query.shape[1] if len(query.shape) == 2 else None,
        )

    def init(self, W):
        """Return the starting state, with no error."""
        return DiceState(W, W, 0, error=namespace(W).zeros_like(W))

    def read(self, state, point):
        """Return what a step reads of the data: private until noise is added.

        Parameters
        ----------
        state : DiceState
            Before the step.
        point : array
            Where the gradients are taken.

        Returns
        -------
        total : array of the shape of W
            Sum v that is released with noise.
        std : float
            Standard deviation of that noise.
        error : array of the shape of W
            The next error.
        """
        feedback, plan = self.feedback, self.plan
        if state.step < feedback.start:
            total, error = self.query.clipped_sum(point), state.error
        else:
            total, cut = self._sums(point)
            returned = clip_norm(state.error, feedback.error_norm)
            total, error = total + returned, (state.error - returned) + cut
        size = feedback_sensitivity(
            state.step,
            self.query.clipping_norm,
            feedback,
            self.query.n_rows,
            plan.relation,
        )
        return total, plan.noise_multiplier * size, error

    def _sums(self, W):
        """Return the sums of the clipped gradients, and of what clipping cuts off."""
        total = cut = namespace(W).zeros_like(W)
        for block in self.query.rows.blocks():
            slopes = self.query.slopes(W, block)
            kept = self.query.clip(slopes, block)
            rest = self._bound.clip(slopes, block) - kept
            total = total + weighted_sum(self.query, block, kept, W)
            cut = cut + weighted_sum(self.query, block, rest, W)
        return total, cut

    def step(self, state):
        """Return the state after one noisy step."""
        point = self.point(state)
        total, std, error = self.read(state, point)
        total = total + self.noise.draw(tuple(point.shape), std)
        early = state.step < self.feedback.start
        rate = self.plan.learning_rate if early else self.feedback.learning_rate
        return replace(self.moved(state, point, total, rate), error=error)


def clip_norm(v, bound):
    """Return an array scaled down to a Euclidean norm.

    Parameters
    ----------
    v : array
        Of any shape.
    bound : float
        Largest norm, infinity for none.

    Returns
    -------
    clipped : array of the shape of v
        ``v`` itself if it is no longer.
    """
    if math.isinf(bound):
        return v
    xp = namespace(v)
    norm = xp.sqrt(xp.sum(v * v))
    return v * xp.minimum(bound / xp.maximum(norm, 1e-30), 1.0)
