"""The rounds of a Bayesian search, without the evaluations.

`SearchStrategy` proposes points of a space, is told what they scored, and proposes
again. What differs between unconstrained and constrained search is `_acquisition`.
"""

from copy import copy

import numpy as np

from skopt2.gaussian_process.search_surrogate import Surrogate
from skopt2.solvers.search.acquisition import (
    growing_confidence,
    log_expected_improvement,
    random_confidence,
    upper_bound,
)
from skopt2.solvers.search.proposal import Seen, initial_points, propose

# How many evaluated points the search looks around.
N_INCUMBENTS = 5


class SearchStrategy:
    """What to evaluate next.

    Parameters
    ----------
    space : SearchSpace
        The space.
    acquisition : str
        As in `GPSearchCV`.
    regressor : estimator or None
        The surrogate; None takes the default one.
    rng : numpy.random.Generator
        Source of all draws.
    shift : float, default=0.0
        Smallest confidence parameter of "irgp_ucb".
    """

    def __init__(self, space, acquisition, regressor, rng, shift=0.0):
        self.space = space
        self.acquisition = acquisition
        self.rng = rng
        self.shift = shift
        self.model = Surrogate(regressor)
        self.points = np.empty((0, space.n_raw))
        self._seen = Seen()

    def start(self, n_points):
        """Return points that fill the space.

        Parameters
        ----------
        n_points : int
            How many; a finite space may have fewer.

        Returns
        -------
        points : ndarray of shape (n, n_raw)
            To be evaluated.
        predicted : ndarray of shape (n, 2)
            NaN: nothing is known of them yet.
        """
        points = initial_points(self.space, n_points, self.rng)
        self._take(points)
        return points, np.full((len(points), 2), np.nan)

    def step(self, n_points, *measured):
        """Return the points of a round.

        Parameters
        ----------
        n_points : int
            How many; a finite space may be exhausted before.
        *measured : ndarray
            The scores of all points proposed so far, shape (n,), in their order; larger
            is better, not finite where the fit failed.

        Returns
        -------
        points : ndarray of shape (m, n_raw)
            To be evaluated; m is 0 where nothing is left to propose.
        predicted : ndarray of shape (m, 2)
            Mean and standard deviation of the score of each, as believed before.
        """
        self.fit(*measured)
        order = np.argsort(-self._merit(*measured), kind="stable")
        incumbents = self.points[order[:N_INCUMBENTS]]
        points, predicted = [], []
        believed = self
        for _ in range(n_points):
            acquisition, joint = believed._acquisition(len(self.points) + len(points))
            proposal = propose(
                self.space, acquisition, self._seen, incumbents, self.rng, joint=joint
            )
            if proposal is None or not believed._accepts(proposal, len(points)):
                break
            self._seen.add(proposal.point)
            points.append(proposal.point)
            columns = self.space.encode(proposal.point[None])
            mean, std = self.model.in_units(*self.model.predict(columns))
            predicted.append((mean[0], std[0]))
            if len(points) < n_points:
                believed = believed._believing(columns)
        points = np.reshape(points, (-1, self.space.n_raw))
        self._take(points)
        return points, np.reshape(predicted, (-1, 2))

    def fit(self, scores):
        """Fit the surrogate to the scores of all points proposed so far."""
        self.model.fit(self.space.encode(self.points), scores)
        return self

    def _merit(self, scores):
        """Return by what the points are ordered, the best having the largest."""
        return np.where(np.isfinite(scores), scores, -np.inf)

    def _accepts(self, proposal, index):
        """Say whether a proposal, number ``index`` of its round, is worth a fit."""
        return True

    def _take(self, points):
        """Remember points that are evaluated next."""
        self.points = np.concatenate([self.points, points])
        for point in points:
            self._seen.add(point)

    def _believing(self, columns):
        """Return a strategy that takes what it expects at points for their scores."""
        if self.acquisition == "thompson":
            # Independent draws differ without that.
            return self
        other = copy(self)
        other.model = self.model.believing(columns)
        return other

    def _acquisition(self, n_evaluated):
        """Return the function to maximise, and how many points it can take, or None."""
        model = self.model
        if self.acquisition == "thompson":
            return model.draw(self.rng)
        if self.acquisition == "expected_improvement":
            best = model.best_mean()
            return (
                lambda columns: log_expected_improvement(*model.predict(columns), best),
                None,
            )
        zeta = self._confidence(n_evaluated)
        return lambda columns: upper_bound(*model.predict(columns), zeta), None

    def _confidence(self, n_evaluated):
        if self.acquisition == "gp_ucb":
            return growing_confidence(n_evaluated, self.space.n_raw)
        return random_confidence(self.rng, self.shift)
