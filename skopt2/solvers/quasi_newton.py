"""Limited-memory BFGS for smooth functions of a few thousand variables.

Problem: min f(x), x (k,), from values and gradients.

Symbols: s = x_new - x_old, y = g_new - g_old for the last pairs with s'y > 0; H the
inverse Hessian that they imply from s'y / y'y times the identity; d = -H g.

The variables live on the host in float64, wherever f is computed. The step length
satisfies the weak Wolfe conditions, found by doubling and bisection, which also ends
where f has kinks. Where two values differ by no more than their rounding, the slope at
the new point decides instead (the approximate conditions of Hager and Zhang).

Certificate: the largest derivative, in the units that f is given in.

Sources: D. C. Liu and J. Nocedal, On the limited memory BFGS method for large scale
optimization, Mathematical Programming 45, 1989; A. S. Lewis and M. L. Overton,
Nonsmooth optimization via quasi-Newton methods, Mathematical Programming 141, 2013
(line search); W. W. Hager and H. Zhang, SIAM Journal on Optimization 16, 2005.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure

# Decrease and curvature that a step has to reach, shares of the slope at its start.
DECREASE, CURVATURE = 1e-4, 0.9
# Trials of one line search.
MAX_TRIALS = 30


@dataclass(frozen=True, eq=False)
class QuasiNewtonState:
    """Where the iteration stands.

    Parameters
    ----------
    x : ndarray of shape (k,)
        Variables.
    value : float
        f(x).
    gradient : ndarray of shape (k,)
        Of f at x.
    moves, changes : ndarray of shape (l, k)
        The last s and y, oldest first.
    stalled : bool
        True if no step along the last direction lowered f.
    """

    x: np.ndarray
    value: float
    gradient: np.ndarray
    moves: np.ndarray
    changes: np.ndarray
    stalled: bool = False


class LimitedBFGS:
    """Limited-memory BFGS; a solver for ``iterate``.

    Parameters
    ----------
    function : callable
        ``function(x)`` returns a float and a float64 array of the shape of x; a value
        that is not finite makes the line search step back.
    memory : int, default=10
        Pairs to keep.
    noise : float, default=1e-14
        Rounding of a value, relative to its size or to ``size``.
    size : float, default=0.0
        Size of the terms that a value is the sum of.
    tol : float, default=0.0
        Largest derivative at which a start counts as solved, and is not moved.
    """

    name = "l_bfgs"
    check_every = 1

    def __init__(self, function, *, memory=10, noise=1e-14, size=0.0, tol=0.0):
        self.function, self.memory = function, memory
        self.noise, self.size, self.tol = noise, size, tol

    def init(self, x):
        """Return the state of a start.

        Parameters
        ----------
        x : ndarray of shape (k,)
            Start.
        """
        x = np.array(x, dtype=np.float64)
        value, gradient = self.function(x)
        none = np.empty((0, x.size))
        return QuasiNewtonState(x, float(value), gradient, none, none)

    def step(self, state):
        """Move along the quasi-Newton direction, or stall."""
        if np.abs(state.gradient).max(initial=0.0) <= self.tol:
            return state
        direction = -_multiply_inverse(state)
        slope = float(direction @ state.gradient)
        if not slope < 0:
            direction, slope = -state.gradient, -float(state.gradient @ state.gradient)
        length = 1.0
        if not len(state.moves):
            length = 1.0 / max(1.0, float(np.linalg.norm(direction)))
        found = self._search(state, direction, slope, length)
        if found is None:
            if len(state.moves):
                # The pairs may be what is wrong: try the gradient, once.
                none = state.moves[:0]
                return self.step(replace(state, moves=none, changes=none))
            return replace(state, stalled=True)
        x, value, gradient = found
        moves, changes = state.moves, state.changes
        move, change = x - state.x, gradient - state.gradient
        if move @ change > 1e-10 * np.linalg.norm(move) * np.linalg.norm(change):
            moves = np.concatenate([moves, move[None]])[-self.memory :]
            changes = np.concatenate([changes, change[None]])[-self.memory :]
        return QuasiNewtonState(x, value, gradient, moves, changes)

    def _search(self, state, direction, slope, length):
        """Return point, value and gradient of an acceptable step, None without one."""
        low, high, lowest = 0.0, math.inf, None
        slack = self.noise * max(abs(state.value), self.size)
        for _ in range(MAX_TRIALS):
            x = state.x + length * direction
            value, gradient = self.function(x)
            value = float(value)
            new = float(gradient @ direction) if math.isfinite(value) else math.nan
            lower = value <= state.value + DECREASE * length * slope
            level = value <= state.value + slack and new <= (2 * DECREASE - 1) * slope
            if not (lower or level):
                high = length
            else:
                if lowest is None or value <= lowest[1]:
                    lowest = x, value, gradient
                if new >= CURVATURE * slope:
                    return x, value, gradient
                low = length
            length = 2.0 * low if math.isinf(high) else 0.5 * (low + high)
            if (high - low) * np.abs(direction).max() <= 1e-16 * np.abs(x).max():
                break
        return lowest

    def certificate(self, state):
        """Return the value and the largest derivative."""
        largest = float(np.abs(state.gradient).max(initial=0.0))
        return Measure(state.value, largest, stalled=state.stalled)

    def finalize(self, state):
        """Return the variables."""
        return state.x

    def pack(self, state):
        """Return the state as a dictionary."""
        return dict(vars(state))

    def unpack(self, packed):
        """Return the state of a dictionary from :meth:`pack`.

        Value and gradient are computed anew: where the function has changed, what is
        unpacked is a good start.
        """
        x, moves, changes = (
            np.asarray(packed[name], dtype=np.float64)
            for name in ("x", "moves", "changes")
        )
        value, gradient = self.function(x)
        return QuasiNewtonState(x, float(value), gradient, moves, changes)


def _multiply_inverse(state):
    """Return H times the gradient by the two-loop recursion."""
    result = state.gradient.copy()
    weights = []
    for move, change in zip(state.moves[::-1], state.changes[::-1], strict=True):
        weight = float(move @ result) / float(move @ change)
        result -= weight * change
        weights.append(weight)
    if len(state.moves):
        move, change = state.moves[-1], state.changes[-1]
        result *= float(move @ change) / float(change @ change)
    for move, change, weight in zip(
        state.moves, state.changes, reversed(weights), strict=True
    ):
        result += move * (weight - float(change @ result) / float(move @ change))
    return result
