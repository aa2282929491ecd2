r"""Fractional minimisation: the problem, its states, and its certificate.

Problem: min_x R(x) = (f(x) + lam abs(x)_1) / G(x), x (p,), f a nonnegative convex
quadratic form, lam >= 0, G > 0 one of :mod:`skopt2.solvers.fractional.denominators`.

Certificate: max_i (R(x) - min_eta R(x + eta e_i)) / R(x), the largest relative gain of
any step along one coordinate, each found globally. For a convex G a point where it is
zero is critical, and not every critical point is one: the second column of the
history, ``criticality``, is the distance of alpha g from the subdifferential of the
numerator, alpha = R(x) and g in dG(x), relative to the larger of both.

The ray through x is searched too where a solver asks for it: it is a ratio of
polynomials in the factor t, as along a coordinate.

Source: G. Yuan, Coordinate descent methods for fractional minimization, ICML 2023,
arXiv:2201.12691 (coordinate-wise optimality, theorem on its strength).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.fractional.coordinate_ratio import least_ratios
from skopt2.solvers.fractional.forms import LocalForm, ray, scaled

CERTIFICATE = "relative gain of one coordinate"
# Entries of the pieces of a chunk of coordinates.
CHUNK = 1_000_000
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class FractionalState:
    """A point, and what is known there.

    Parameters
    ----------
    x : ndarray of shape (p,)
        The point.
    value, gradient : float, ndarray of shape (p,)
        Of f.
    kept : object
        What the denominator keeps.
    ratio : float
        R(x); infinity where G is zero.
    scores : ndarray of shape (p,) or None
        Relative gain of each coordinate.
    n_steps : int
        Steps so far.
    gained : float
        Relative gain of the last step.
    """

    x: Any
    value: float
    gradient: Any
    kept: Any
    ratio: float
    scores: Any = None
    n_steps: int = 0
    gained: float = math.inf


class FractionalProblem:
    """The problem, and what its solvers share.

    Parameters
    ----------
    numerator : form
        f, as in :mod:`skopt2.solvers.fractional.forms`.
    lam : float
        Weight of the absolute values.
    denominator : denominator
        G.
    """

    def __init__(self, numerator, lam, denominator):
        self.numerator, self.lam, self.denominator = numerator, lam, denominator
        self.p = numerator.diagonal.size

    def state(self, x, n_steps=0, before=math.inf):
        """Return the state of a point.

        Parameters
        ----------
        x : ndarray of shape (p,)
            The point.
        n_steps : int, default=0
            Steps so far.
        before : float, default=infinity
            Ratio before the last step.

        Returns
        -------
        state : FractionalState
            Without scores.
        """
        value, gradient = self.numerator.evaluate(x)
        kept = self.denominator.start(x)
        ratio = self._ratio(value, x, kept)
        gained = math.inf
        if math.isfinite(before):
            gained = (before - ratio) / max(before, 1e-300)
        return FractionalState(
            x, value, gradient, kept, ratio, n_steps=n_steps, gained=gained
        )

    def _ratio(self, value, x, kept):
        G = self.denominator.value(kept)
        if not G > 0.0:
            return math.inf
        return (value + self.lam * float(np.abs(x).sum())) / G

    def on_best_scale(self, state):
        """Return the state of the best point on the ray through a point.

        Parameters
        ----------
        state : FractionalState
            Any.

        Returns
        -------
        state : FractionalState
            The same where no other is better.
        """
        x = state.x
        slope, curvature = ray(self.numerator, state.gradient, x)
        d2, d1, d0 = self.denominator.ray(state.kept, x)
        slope += self.lam * float(np.abs(x).sum())
        constant = self.numerator.origin[0]
        t, least = least_ratios(
            *(0.5 * curvature, slope, constant, 0.0, 0.0, d2, d1, d0),
            *(1e-6, 1e6, self.denominator.root),
        )
        t = float(t)
        # Where the scale does not matter, rounding would choose one.
        if not least < state.ratio * (1.0 - 4.0 * EPS):
            return state
        value, gradient = scaled(self.numerator, state.gradient, x, t)
        kept = self.denominator.scale(state.kept, x, t)
        return replace(
            state,
            x=t * x,
            value=value,
            gradient=gradient,
            kept=kept,
            ratio=self._ratio(value, t * x, kept),
        )

    def scored(self, state):
        """Return the state with the gain of every coordinate.

        Parameters
        ----------
        state : FractionalState
            Any.

        Returns
        -------
        state : FractionalState
            With scores, which are 0 where no step is better.
        """
        if state.scores is not None:
            return state
        scores = np.empty(self.p)
        rows = self.denominator.pieces(state.kept, state.x, np.arange(1))[0].shape[0]
        width = max(1, CHUNK // rows)
        total = state.value + self.lam * float(np.abs(state.x).sum())
        for first in range(0, self.p, width):
            ids = np.arange(first, min(first + width, self.p))
            pieces = self.denominator.pieces(state.kept, state.x, ids)
            a2, a1 = 0.5 * self.numerator.diagonal[ids], state.gradient[ids]
            _, least = least_ratios(
                *(a2, a1, total, self.lam, state.x[ids], *pieces),
                self.denominator.root,
            )
            scores[ids] = least.min(axis=0)
        scores = np.maximum(state.ratio - scores, 0.0) / max(state.ratio, 1e-300)
        # What the evaluation of a ratio rounds is no gain.
        scores[scores <= 8.0 * EPS] = 0.0
        return replace(state, scores=scores)

    def criticality(self, state):
        """Return the relative distance of zero from the limiting subdifferential.

        Parameters
        ----------
        state : FractionalState
            Any.

        Returns
        -------
        distance : float
            0 at a critical point.
        """
        pull = state.ratio * self.denominator.subgradient(state.kept, state.x)
        rest = pull - state.gradient
        away = np.where(
            state.x == 0.0,
            np.maximum(np.abs(rest) - self.lam, 0.0),
            np.abs(rest - self.lam * np.sign(state.x)),
        )
        scale = max(float(np.abs(pull).max()), self.lam, 1e-300)
        return float(away.max()) / scale

    def certificate(self, state):
        """Measure a state.

        Parameters
        ----------
        state : FractionalState
            With scores.

        Returns
        -------
        measure : Measure
            Stalled where the last step gained nothing.
        """
        if not math.isfinite(state.ratio):
            return Measure(state.ratio, math.inf)
        return Measure(
            state.ratio,
            float(state.scores.max()),
            extra={
                "criticality": self.criticality(state),
                "support": int(np.count_nonzero(state.x)),
            },
            stalled=state.gained <= 2.0 * EPS,
        )

    def open(self, state, ids):
        """Return numerator and denominator on some coordinates, for a sweep."""
        return (
            LocalForm(self.numerator, state.value, state.gradient, ids),
            self.denominator.open(state.kept, state.x, ids),
        )
