"""MAID: descent on the upper level that never needs an exact fit.

Problem: min phi(theta) over a box, where phi and its slope are known up to bounds only.
Symbols: z the inexact hypergradient, omega the bound of its error; beta a step; eps the
error allowed in phi; delta the relative residual of conjugate gradients.

A direction d is one of descent of the true phi if omega norm(d) < -<z, d>. A step t is
one of decrease of the true phi if the largest possible new value is at most the
smallest possible old one + ETA t <z, d>; it is certainly none if the smallest new one
is above the largest old one by the same rule. Between the two nothing is decided, and
then, and only then, are eps and delta made smaller; they grow again after every step.

Source: M. S. Salehi, S. Mukherjee, L. Roberts and M. J. Ehrhardt, An adaptively inexact
first-order method for bilevel optimization with application to hyperparameter learning,
SIAM Journal on Mathematics of Data Science, 2025, arXiv:2308.10098, algorithms 3.1 and
3.2. Beyond them: the box, by projected directions; directions that bend with the last
slopes (L-BFGS, on the levels inside the box), and steps after J. Barzilai and J.
Borwein, IMA Journal of Numerical Analysis 8, 1988, which the line search makes safe;
and kinks. phi has kinks where a support changes: there the slopes of rejected trials
nearby join that of the point, and the shortest vector of their convex hull takes the
place of z (A. Goldstein, Optimization of Lipschitz continuous functions,
Mathematical Programming 13, 1977).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from skopt2._core.result import Measure

# Part of the predicted decrease that a step must reach.
ETA = 1e-4
# Error of the slope along a direction, as a part of that slope, at most.
DESCENT = 0.5
# Factors of the accuracies where nothing is decided, and after a step.
TIGHTEN, RELAX = 0.1, 2.0
# Factor of a step that is no decrease, and how often it may be taken.
BACKTRACK, TRIALS = 0.4, 25
# Largest change of a level in one step, in powers of e, and the radius in which slopes
# count as those of one kink.
FARTHEST, RADIUS = 3.0, 0.01
# Steps that a direction remembers, and the cosine below which it is not followed.
MEMORY, STEEP = 8, 1e-3
# Slopes of one kink.
CORNERS = 12
# Accuracies under which there is nothing but rounding.
FLOOR = 1e-15


@dataclass(frozen=True, eq=False)
class MaidState:
    """A point and what is known there.

    Parameters
    ----------
    at : Evaluation
        phi at the point.
    z : ndarray of shape (d,)
        Hypergradient.
    omega : float
        Bound of its error.
    beta : float
        Step to try first.
    eps, delta : float
        Accuracies.
    pairs : tuple
        Last steps and what they changed of z.
    corners : tuple
        Slopes of the kink: pairs (theta, z, omega).
    moved : float
        Last change of the levels, in powers of e.
    stalled : bool
        True if no step was found.
    """

    at: object
    z: np.ndarray
    omega: float
    beta: float
    eps: float
    delta: float
    pairs: tuple = ()
    corners: tuple = ()
    moved: float = math.inf
    stalled: bool = False


class Maid:
    """The method.

    Parameters
    ----------
    upper : Upper
        phi.
    low, high : ndarray of shape (d,)
        The box.
    tol : float
        Of the certificate: accuracies are not tightened beyond what it needs.
    accuracy : float, default=0.1
        First eps and delta.
    step_size : float, default=1.0
        Largest change of a level, in powers of e, that the first step tries.
    """

    certificate_name = "projected hypergradient"

    def __init__(self, upper, low, high, tol, accuracy=0.1, step_size=1.0):
        self.upper, self.low, self.high, self.tol = upper, low, high, tol
        self.accuracy, self.step_size = accuracy, step_size

    def init(self, theta, start=None):
        """Return the state of a point.

        Parameters
        ----------
        theta : ndarray of shape (d,)
            The point.
        start : Evaluation, default=None
            Of another one.
        """
        at = self.upper.evaluate(theta, self.accuracy, start)
        delta = min(self.accuracy, 0.5)
        z, omega = self.upper.slope(at, delta)
        beta = self.step_size / max(float(np.abs(z).max()), 1e-12)
        return MaidState(at, z, omega, beta, self.accuracy, delta)

    def _project(self, theta):
        return np.clip(theta, self.low, self.high)

    def step(self, state):
        """Return the next point."""
        for _ in range(CORNERS):
            state = self._sure(replace(state, stalled=False))
            z, _ = self._combined(state)
            d = self._direction(state, z)
            if not z @ d < 0.0:
                return replace(state, stalled=True)
            at, trial, accepted, eps = self._search(state, d, float(z @ d))
            state = replace(state, at=at, eps=eps)
            if accepted:
                return self._move(state, trial)
            near = np.abs(trial.theta - at.theta).max() <= RADIUS
            if not near or len(state.corners) >= CORNERS:
                break
            slope = self.upper.slope(trial, state.delta)
            corner = (trial.theta, *slope)
            state = replace(state, corners=(*state.corners, corner))
            if self.certificate(state).value <= self.tol:
                return state
        return replace(state, stalled=True)

    def _direction(self, state, z):
        """Return the projected step along -z, of at most the largest change."""
        theta = state.at.theta
        free = ((theta > self.low) | (z < 0.0)) & ((theta < self.high) | (z > 0.0))
        if state.pairs and not state.corners and free.any():
            d = self._capped(theta, -_bent(z * free, state.pairs, free))
            steep = float(np.linalg.norm(z * free) * np.linalg.norm(d))
            if z @ d < -STEEP * steep:
                return d
        return self._capped(theta, -state.beta * z)

    def _capped(self, theta, step):
        """Return a step inside the box, of at most the largest change."""
        d = self._project(theta + step) - theta
        size = float(np.abs(d).max())
        return d * (FARTHEST / size) if size > FARTHEST else d

    def _sure(self, state):
        """Tighten the accuracies until the direction is one of descent."""
        while True:
            z, omega = self._combined(state)
            d = self._direction(state, z)
            slope, length = float(z @ d), float(np.linalg.norm(d))
            known = omega * length <= DESCENT * -slope and length > 0.0
            flat = self._optimality(state, z) + omega
            if known or flat <= self.tol:
                return state
            if state.delta <= 1e-13 and (state.at.exact or state.eps <= FLOOR):
                return state
            eps = max(TIGHTEN * min(state.eps, state.at.error), FLOOR)
            delta = max(TIGHTEN * state.delta, 1e-13)
            at = self.upper.evaluate(state.at.theta, eps, state.at)
            z, omega = self.upper.slope(at, delta)
            state = replace(state, at=at, z=z, omega=omega, eps=eps, delta=delta)

    def _search(self, state, d, slope):
        """Backtrack; return the point, the trial, whether it is lower, and eps."""
        at, eps, t = state.at, state.eps, 1.0
        size = float(np.abs(d).max())
        for count in range(TRIALS):
            theta = self._project(at.theta + t * d)
            trial = self.upper.evaluate(theta, eps, at)
            at, trial, lower, eps = self._decide(at, trial, ETA * t * slope, eps)
            small = t * size <= RADIUS and count >= 2
            if lower or small:
                break
            t *= BACKTRACK
        return at, trial, lower, eps

    def _decide(self, at, trial, decrease, eps):
        """Tell whether the true phi has decreased, with tighter fits if needed.

        Parameters
        ----------
        at, trial : Evaluation
            The point and the new one.
        decrease : float
            Negative.
        eps : float
            Accuracy so far.
        """
        while True:
            excess = trial.value - at.value - decrease
            doubt = trial.error + at.error
            if excess + doubt <= 0.0:
                return at, trial, True, eps
            if excess - doubt > 0.0:
                return at, trial, False, eps
            if (at.exact and trial.exact) or eps <= FLOOR:
                # Where the support of an l1 fit is in doubt to the last digit there is
                # no bound; then the values of exact fits decide.
                plain = math.isinf(doubt) and excess <= 0.0
                return at, trial, plain, eps
            eps = max(min(0.2 * abs(excess), TIGHTEN * eps), FLOOR)
            at = self.upper.evaluate(at.theta, eps, at)
            trial = self.upper.evaluate(trial.theta, eps, trial)

    def _move(self, state, trial):
        """Return the state at a lower point."""
        old = state.at.theta
        eps, delta = min(RELAX * state.eps, self.accuracy), state.delta
        delta = min(RELAX * delta, self.accuracy, 0.5)
        z, omega = self.upper.slope(trial, delta)
        s, y = trial.theta - old, z - state.z
        bend = float(s @ y)
        moved = float(np.abs(s).max())
        # Without curvature along the step the next one may be twice as long.
        beta = float(s @ s) / bend if bend > 0.0 else 2.0 * state.beta
        longest = FARTHEST / max(float(np.abs(z).max()), 1e-12)
        corners = tuple(
            corner
            for corner in state.corners
            if np.abs(corner[0] - trial.theta).max() <= RADIUS
        )
        beta = min(max(beta, 1e-3 * moved), longest)
        pairs = state.pairs
        if bend > 1e-6 * np.linalg.norm(s) * np.linalg.norm(y):
            pairs = (*pairs, (s, y))[-MEMORY:]
        return MaidState(trial, z, omega, beta, eps, delta, pairs, corners, moved)

    def _combined(self, state):
        """Return the shortest vector of the hull of the slopes, and its error."""
        if not state.corners:
            return state.z, state.omega
        slopes = np.array([state.z, *(corner[1] for corner in state.corners)])
        errors = np.array([state.omega, *(corner[2] for corner in state.corners)])
        size = np.abs(slopes).max()
        # Weights that sum to 1, by a row that is heavier than all others.
        heavy = 1e4 * size
        A = np.vstack([slopes.T, np.full(len(slopes), heavy)])
        weights, _ = nnls(A, np.append(np.zeros(slopes.shape[1]), heavy))
        weights /= weights.sum()
        used = weights > 0
        return weights @ slopes, float(weights[used] @ errors[used])

    def _optimality(self, state, z):
        theta = state.at.theta
        return float(np.linalg.norm(self._project(theta - z) - theta))

    def certificate(self, state):
        """Return phi and the bound on its projected slope."""
        z, omega = self._combined(state)
        flat = self._optimality(state, z)
        fits, steps, products = self.upper.work
        extra = {
            "error": state.at.error * self.upper.scale,
            "hypergradient_error": omega,
            "accuracy": state.eps,
            "moved": state.moved,
            "fits": fits,
            "lower_steps": steps,
            "products": products,
            "levels": np.exp(state.at.theta),
        }
        objective = state.at.value * self.upper.scale
        return Measure(objective, flat + omega, math.nan, extra, state.stalled)

    def finalize(self, state):
        """Return theta and the mean validation loss there."""
        at = state.at
        return at.theta, float(np.mean([fit.value for fit in at.fits]))

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        return {
            "theta": state.at.theta,
            "beta": state.beta,
            "eps": state.eps,
            "delta": state.delta,
            "pairs": np.array(state.pairs).reshape(-1, 2, state.z.size),
        }

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        eps, delta = float(packed["eps"]), float(packed["delta"])
        at = self.upper.evaluate(np.asarray(packed["theta"]), eps)
        z, omega = self.upper.slope(at, delta)
        pairs = tuple(tuple(pair) for pair in np.asarray(packed["pairs"]))
        return MaidState(at, z, omega, float(packed["beta"]), eps, delta, pairs)


def _bent(z, pairs, free):
    """Return z times the inverse Hessian that the last steps tell of.

    The recursion of J. Nocedal, Updating quasi-Newton matrices with limited storage,
    Mathematics of Computation 35, 1980, on the coordinates that are free to move.

    Parameters
    ----------
    z : ndarray of shape (d,)
        0 for the others.
    pairs : tuple of (s, y)
        Steps and changes of the slope.
    free : ndarray of bool of shape (d,)
        Which coordinates may move.
    """
    known = [(s * free, y * free) for s, y in pairs]
    known = [(s, y, float(s @ y)) for s, y in known if s @ y > 0.0]
    q, past = z.copy(), []
    for s, y, bend in reversed(known):
        past.append(float(s @ q) / bend)
        q = q - past[-1] * y
    if known:
        s, y, bend = known[-1]
        q = q * (bend / float(y @ y))
    for (s, y, bend), before in zip(known, reversed(past), strict=True):
        q = q + (before - float(y @ q) / bend) * s
    return q
