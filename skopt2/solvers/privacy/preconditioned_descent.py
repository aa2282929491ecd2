r"""Noisy gradient descent that is preconditioned by noisy second moments.

Problem: min_theta 1/N sum_i l(y_i, x_i'w + b) + alpha/2 norm(w)^2, theta = (w; b) of
shape (p,) or (p, K), for a loss of curvature at most 1. With the noisy moments A of the
rows (:mod:`skopt2.solvers.privacy.centred_moments`; the targets are not read), the sum
q of clipped gradients, S its sensitivity and z standard normal,

    theta <- theta - (A + l D)^-1 (q(theta) + sigma S z + N alpha D theta),
    l = N alpha + lambda,   lambda = max(0, 2 tau (sqrt(d) + 1/2) - the smallest
                                          eigenvalue of the centred A),

tau the standard deviation of the noise of A, D the identity but for 0 at the intercept.
The result is the mean of the last half of the iterates.

**Why it is better than either.** Noisy moments alone solve A theta = g with errors E
theta + e: the noise of A is multiplied by the coefficients, which are large where
features fill little of their bounds. Here it acts on theta - theta* only, which goes to
0: the noise of A slows the descent and does not move its fixed point, whose error is
A^-1 times noise of the size of C, the clipping norm, a typical residual. Gradient
descent has this error too, but takes steps of the same length in all directions, too
few of them in those of little variance.

**Why it is stable.** The noise of A has a spectral norm of at most r = 2 tau (sqrt(d) +
1/2), nearly always. lambda makes M = A + lambda D at least r in the centred part, so
that the moments before the noise are at most M + r <= 2 M: full steps contract, for
clipped gradients too, whose Jacobian is no larger. In directions in which the noise
hides the data the steps are short; what is not reached in T of them stays near its
start, 0.

**Privacy.** A has the noise multiplier sigma_A and each of the T gradients sigma: all
are Gaussian mechanisms of all rows, each may depend on the earlier ones, and together
they are one of mu^2 = 1 / sigma_A^2 + T / sigma^2, exactly. A share f = 0.1 of mu^2
goes to A. M and lambda are computed from what was released.

Source: derived here; the release of A is that of Wang (UAI 2018), the noisy gradients
are those of Song, Chaudhuri and Sarwate (GlobalSIP 2013), and the composition is
corollary 3.3 of Dong, Roth and Su (Journal of the Royal Statistical Society B 84,
2022).
"""

import math
from dataclasses import replace

from skopt2.solvers.privacy.centred_moments import centred
from skopt2.solvers.privacy.descent import PrivateDescent

# Share of mu^2 for the moments.
SHARE = 0.1
# Smallest eigenvalue of the preconditioner's inverse, in units of tau (sqrt(d) + 1/2).
MARGIN = 2.0
# Share of the iterates whose mean is the solution.
TAIL = 0.5


def step_multiplier(multiplier, n_steps, share=SHARE):
    """Return the noise multiplier of a step, from that of a single release.

    Parameters
    ----------
    multiplier : float
        Noise multiplier 1 / mu of one release that spends the whole budget.
    n_steps : int
        T.
    share : float, default=0.1
        Share f of mu^2 for the moments.

    Returns
    -------
    sigma : float
        sqrt(T / (1 - f)) / mu, and a hair more.
    """
    # Rounding must not make the sum of the parts exceed the whole.
    return multiplier * (1 + 1e-12) * math.sqrt(n_steps / (1 - share))


def moments_multiplier(step, n_steps, share=SHARE):
    """Return the noise multiplier of the moments, from that of a step.

    Parameters
    ----------
    step : float
        sigma.
    n_steps : int
        T.
    share : float, default=0.1
        Share f.

    Returns
    -------
    sigma_A : float
        sigma sqrt((1 - f) / (f T)).
    """
    return step * math.sqrt((1 - share) / (share * n_steps))


class PreconditionedDescent(PrivateDescent):
    """Solver of preconditioned noisy gradient descent for the iteration loop.

    Parameters
    ----------
    query : ClippedSum
        Sum of clipped gradients, of curvature at most 1 in the scores.
    moments : MomentQuery
        Of the same rows, without targets.
    plan : DescentPlan
        Steps and noise; its learning rate multiplies the full step.
    multiplier : float
        Noise multiplier of the moments; that of the steps is the plan's.
    noise : NoiseSource
        Fresh for this fit.
    decayed : array or None, default=None
        0.0 where the penalty leaves a parameter alone, 1.0 elsewhere.
    """

    def __init__(self, query, moments, plan, multiplier, noise, decayed=None):
        plan = replace(plan, tail=TAIL if plan.tail else 0.0)
        super().__init__(query, plan, noise, None, decayed)
        self._moments, self._multiplier = moments, multiplier
        self._factor, self._ridge = None, 0.0

    def init(self, W):
        """Return the starting state, and release the moments."""
        released = self._moments.release(
            self.noise, self._multiplier, self.plan.relation
        )
        self._factor = centred(released)
        base = self.query.n_rows * self.plan.alpha
        self._ridge = base + self._factor.floor(MARGIN, base)
        return super().init(W)

    def moved(self, state, point, total, learning_rate):
        """Return the state after a preconditioned step.

        Parameters
        ----------
        state : DescentState
            Before the step.
        point : array
            Where the gradient was taken.
        total : array of the shape of W
            Released sum of gradients there.
        learning_rate : float
            Share of the full step.

        Returns
        -------
        state : DescentState
            One step on, with the mean of the last iterates.
        """
        if self.plan.alpha:
            pull = point if self.decayed is None else point * self.decayed
            total = total + (self.query.n_rows * self.plan.alpha) * pull
        step = learning_rate * self._factor.solve(total, self._ridge)
        return self.advanced(state, point - step)
