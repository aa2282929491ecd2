"""Descent on noisy differences of gradients: DIFF2, with the weights of least noise.

Problem: min_W 1/N sum_i l_i(W). Symbols: g_i(W) the gradient of row i clipped to C; W,
W' this and the last iterate; v an estimate of G(W) = sum_i g_i(W), of noise variance
P sigma^2 a number; rho in [0, 1] a weight; z standard normal. Step t:

    y = sum_i clip(g_i(W) - rho g_i(W'), S),   v <- rho v + y + sigma S z,
    P <- rho^2 P + S^2,                        W <- W - lr / N v.

rho = 0 is plain noisy descent, rho = 1 after a first step is DIFF2, with restarts where
rho = 0 again.

Sensitivity. One release a step, each row clipped to S: S for "zero_out", 2 S for
"replace_one". S is public: it depends on iterates, and these were released. The
contribution of a row is (1 - rho) g_i(W) + rho (g_i(W) - g_i(W')). Clipping is a
projection on a ball, so clipped gradients differ by no more than gradients, which are
r_i x~_i: with R the bound of norm(x~_i), intercept included, and L of the curvature of
the loss in the scores,

    norm(g_i(W) - g_i(W')) <= D = L R^2 norm(W - W'),     S = (1 - rho) C + rho D.

Rows are within S before they are clipped to it, so v estimates the sum of the clipped
gradients without a further bias. Where D >= C a difference costs as much as a gradient:
rho = 0.

Weights. P at the next step is rho^2 P + ((1 - rho) C + rho D)^2, least for

    rho = C (C - D) / (P + (C - D)^2),

and never above C^2, the variance of plain descent, which is rho = 0. The events are
those of plain descent too: T Gaussian mechanisms of the noise multiplier sigma.

What it cannot do. A row whose clipped gradient is the same vector of norm C at all
steps is in reach of every bound above. It moves sum_t a_t v_t by C abs(sum_t a_t), for
any fixed weights a_t and any unbiased estimates v_t; if all of it is mu-GDP, the noise
of sum_t a_t v_t has at least the standard deviation C abs(sum_t a_t) / mu. Plain
descent, whose sigma is sqrt(T) / mu, attains that for equal a_t: no differences, no
momentum of estimates and no correlated noise lower the noise of the mean gradient of a
run. They can lower that of a single step, at the price of noise that lasts longer.

Source: T. Murata and T. Suzuki, DIFF2: differential private optimization via gradient
differences for nonconvex distributed learning, ICML 2023, algorithm 1 (rho of 0 and 1);
A. Cutkosky and F. Orabona, Momentum-based variance reduction in non-convex SGD, NeurIPS
2019 (rho between them); the weights and the bounds are ours.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import namespace
from skopt2.solvers.privacy.descent import DescentState, PrivateDescent
from skopt2.solvers.privacy.glm_query import GLMQuery, weighted_sum


@dataclass(frozen=True)
class Differences:
    """How far gradients of a row can move, and when the estimate starts anew.

    Parameters
    ----------
    smoothness : float
        Bound L R^2 of how fast the gradient of a row changes with the parameters.
    restart_every : int or None, default=None
        Steps from one fresh gradient to the next with nothing but differences between,
        as in the paper. None for the weights with the least noise.
    """

    smoothness: float
    restart_every: int | None = None

    def __post_init__(self):
        if not (0 < self.smoothness < math.inf):
            raise ValueError(
                "Gradient differences need a finite bound of the curvature, got "
                f"smoothness={self.smoothness!r}: use a loss with a bounded second "
                "derivative."
            )


@dataclass(frozen=True, eq=False)
class DifferenceState(DescentState):
    """Where the descent stands: nothing that was not released.

    Parameters
    ----------
    last : array or None
        Point of the last release.
    estimate : array or None
        Noisy estimate v of the gradient's sum there.
    variance : float
        P, its noise variance over sigma^2, for a clipping norm of sensitivity.
    """

    last: Any = None
    estimate: Any = None
    variance: float = math.inf


class DifferenceQuery(GLMQuery):
    """Sum of clipped gradients minus a share of those at another point.

    Parameters
    ----------
    query : GLMQuery
        At one point, clipped to C.
    last : array
        The other point, public.
    weight : float
        Share rho.
    bound : float
        Norm S to which the difference of a row is clipped.
    """

    def __init__(self, query, last, weight, bound):
        n_outputs = query.shape[1] if len(query.shape) == 2 else None
        super().__init__(query.rows, query.loss, bound, n_outputs=n_outputs)
        self.query, self.last, self.weight = query, last, weight

    def block_sum(self, W, block):
        """Return the sum over one block; see :class:`GLMQuery`."""
        here = self.query.residuals(W, block)
        there = self.query.residuals(self.last, block)
        moved = self.clip(here - self.weight * there, block)
        return weighted_sum(self, block, moved, W)


def least_noise_weight(variance, clipping_norm, distance):
    """Return the share of the last estimate that leaves the least noise in the next.

    Parameters
    ----------
    variance : float
        P of the last estimate, infinite for none.
    clipping_norm : float
        C.
    distance : float
        Bound D of how far the gradient of a row moved.

    Returns
    -------
    weight : float
        rho; 0.0 where a difference is as dear as a gradient.

    Examples
    --------
    >>> from skopt2.solvers.privacy.difference_descent import least_noise_weight
    >>> least_noise_weight(1.0, 1.0, 0.0), least_noise_weight(1.0, 1.0, 1.0)
    (0.5, 0.0)
    """
    spared = clipping_norm - distance
    if spared <= 0 or math.isinf(variance):
        return 0.0
    return min(1.0, clipping_norm * spared / (variance + spared * spared))


class DifferenceDescent(PrivateDescent):
    """Solver of descent on noisy gradient differences for the iteration loop.

    Parameters
    ----------
    query : GLMQuery
        Sum of gradients, clipped to C.
    plan : DescentPlan
        Steps and noise, of all rows.
    noise : NoiseSource
        Fresh for this fit.
    differences : Differences
        Smoothness and restarts.
    decayed : array or None, default=None
        0.0 where the penalty leaves a parameter alone, 1.0 elsewhere.

    Raises
    ------
    ValueError
        If batches are sampled or the clipping is not flat.
    """

    def __init__(self, query, plan, noise, differences, decayed=None):
        if plan.sampling_rate < 1:
            raise ValueError(
                "Differences of gradients of other batches say nothing: use "
                "batch_size=None with solver='diff2'."
            )
        if query.clipping != "flat":
            raise ValueError(
                "Gradients that are scaled to one length change fast where they are "
                f"short: use clipping='flat', not {query.clipping!r}, with differences."
            )
        super().__init__(query, plan, noise, None, decayed)
        self.differences = differences

    def init(self, W):
        """Return the starting state, with no estimate."""
        return DifferenceState(W, W, 0)

    def weight(self, state, point):
        """Return the share of the last estimate, and the bound of a row's part.

        Parameters
        ----------
        state : DifferenceState
            Before the step.
        point : array
            Where the gradients are taken.

        Returns
        -------
        weight, bound : float
            rho and S, from released numbers alone.
        """
        norm = self.query.clipping_norm
        if state.estimate is None:
            return 0.0, norm
        move = point - state.last
        length = float(namespace(move).sum(move * move)) ** 0.5
        distance = self.differences.smoothness * length
        every = self.differences.restart_every
        if every is None:
            distance = min(distance, norm)
            weight = least_noise_weight(state.variance, norm, distance)
        else:
            # Two clipped gradients are never further apart than this.
            distance = min(distance, 2.0 * norm)
            weight = 0.0 if state.step % every == 0 else 1.0
        return weight, (1.0 - weight) * norm + weight * distance

    def read(self, state, point):
        """Return what a step reads of the data: private until noise is added.

        Parameters
        ----------
        state : DifferenceState
            Before the step.
        point : array
            Where the gradients are taken.

        Returns
        -------
        total : array of the shape of W
            Sum y that is released with noise.
        std : float
            Standard deviation of that noise.
        weight, bound : float
            rho and S.
        """
        weight, bound = self.weight(state, point)
        query = self.query
        if weight > 0:
            query = DifferenceQuery(self.query, state.last, weight, bound)
        size = query.sensitivity(self.plan.relation)
        std = self.plan.noise_multiplier * size
        return query.clipped_sum(point), std, weight, bound

    def step(self, state):
        """Return the state after one noisy step."""
        point = self.point(state)
        total, std, weight, bound = self.read(state, point)
        estimate = total + self.noise.draw(tuple(point.shape), std)
        variance = bound * bound
        if weight > 0:
            estimate = estimate + weight * state.estimate
            variance += weight * weight * state.variance
        moved = self.moved(state, point, estimate, self.plan.learning_rate)
        return replace(moved, last=point, estimate=estimate, variance=float(variance))
