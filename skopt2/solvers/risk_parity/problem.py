"""Risk parity: the problem, its certificate, and its duality gap.

Problem: min_{x > 0} f(x) = 1/2 x'Cx - sum_i b_i log x_i.

Symbols: C (n, n) correlation matrix of n assets; b (n,) budget, positive, of sum 1;
x (n,) positions in units of the volatility of each asset; s = Cx (n,); c = x * s / x's
(n,) the share of each asset in the variance, of sum 1. Weights are x / volatility,
divided by their sum.

The gradient s - b / x is zero where x * s = b, that is where c = b. Along the ray
through x the minimum of f is at x'Cx = 1, since the budget sums to 1: the rescaling
step of the paper is an exact line search, and every state here is rescaled.

Certificate: max_i abs(c_i / b_i - 1), the largest relative error of a contribution. It
is a backward error: x is the exact solution for the budget c. The dual problem is

    max_z sum_i b_i log(s_i / b_i) - 1/2 z'Cz + 1,  s = Cz,

and at z = x with x'Cx = 1 the duality gap is the Kullback-Leibler divergence
sum_i b_i log(b_i / c_i), infinite if an asset has no positive share. It bounds the
error of the positions: sum_i b_i phi(x_i / x*_i) <= gap, phi(t) = t - 1 - log t.

Where a portfolio without short positions has no risk at all, f has no minimiser, and x
grows without bound: (sum_i x_i)^-2 is the variance of the portfolio x / sum_i x_i.

Source: F. Spinu, An algorithm for computing risk parity weights, 2013 (the convex
problem); J. Choi and R. Chen, Improved iterative methods for solving risk parity
portfolio, Journal of Derivatives and Quantitative Studies 30, 2022 (correlation matrix,
rescaling). The gap and the bounds are ours.
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like, dot64, max_abs, namespace, sum64, to_numpy
from skopt2._core.result import Measure

CERTIFICATE = "relative error of the risk contributions"
# Variance of the correlated portfolio, in units of n * eps, that is rounding.
NO_RISK = 16.0


@dataclass(frozen=True)
class RiskState:
    """Positions on the sphere x'Cx = 1.

    Parameters
    ----------
    x : array of shape (n,)
        Positions, positive.
    s : array of shape (n,)
        C x.
    moved : float
        Largest relative change of a position in the last step.
    n_steps : int
        Steps so far.
    riskless : bool
        Whether the variance is rounding.
    """

    x: Any
    s: Any
    moved: float = math.inf
    n_steps: int = 0
    riskless: bool = False


class RiskProblem:
    """The problem, and what its solvers share.

    Parameters
    ----------
    C : array of shape (n, n)
        Correlation matrix: symmetric, positive semidefinite, of diagonal 1.
    b : array of shape (n,)
        Budget, positive, of sum 1, beside C and in its dtype.
    """

    def __init__(self, C, b):
        self.C, self.b = C, b
        self.xp = namespace(C, b)
        self.n = int(C.shape[0])
        self.eps = float(self.xp.finfo(C.dtype).eps)

    def state(self, x, moved=math.inf, n_steps=0):
        """Return the state of positions, rescaled to x'Cx = 1.

        Parameters
        ----------
        x : array of shape (n,)
            Positive.
        moved, n_steps : float, int
            As in :class:`RiskState`.

        Returns
        -------
        state : RiskState
            With positions on the ray of x.
        """
        s = self.C @ x
        variance, total = dot64(x, s), sum64(x)
        # Not a division: a variance that rounding made zero or negative passes too.
        if not variance > NO_RISK * self.n * self.eps * total * total:
            return RiskState(x, s, moved, n_steps, True)
        scale = 1.0 / math.sqrt(variance)
        return RiskState(scale * x, scale * s, moved, n_steps)

    def equal_positions(self):
        """Return the state of equal positions; where they have no risk, of root b."""
        one = self.xp.ones_like(self.b)
        state = self.state(one)
        if not state.riskless:
            return state
        x = self.b**0.5
        return RiskState(x, self.C @ x)

    def certificate(self, state):
        """Measure a state.

        Parameters
        ----------
        state : RiskState
            Any.

        Returns
        -------
        measure : Measure
            Stalled where the risk is rounding, the error of the contributions is, or
            the last step changed no digit.
        """
        xp, b, x = self.xp, self.b, state.x
        share = x * state.s
        total = sum64(share)
        if not total > 0.0:
            return Measure(-sum64(b * xp.log(x)), math.inf, math.inf, stalled=True)
        ratio = share / (total * b)
        value, gap = max_abs(ratio - 1.0), math.inf
        if float(xp.min(ratio)) > 0.0:
            # The sum of b * (ratio - 1) is 0, and keeps a small gap from cancelling.
            gap = max(sum64(b * (ratio - 1.0 - xp.log(ratio))), 0.0)
        floor = self.eps * sum64(x) * max_abs(x / b)
        return Measure(
            0.5 * total - sum64(b * xp.log(x)),
            value,
            gap,
            stalled=state.riskless or state.moved <= 2.0 * self.eps or value <= floor,
        )

    def finalize(self, state):
        """Return the state itself.

        Parameters
        ----------
        state : RiskState
            Any.

        Returns
        -------
        state : RiskState
            The same.
        """
        return state

    def pack(self, state):
        """Return a state for a checkpoint, in host memory."""
        return {"x": to_numpy(state.x), "n_steps": state.n_steps}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        return self.state(
            asarray_like(packed["x"], self.b), n_steps=int(packed["n_steps"])
        )
