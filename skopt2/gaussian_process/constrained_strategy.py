"""The rounds of a Bayesian search under constraints (`solvers.search.optimistic`)."""

import numpy as np

from skopt2.gaussian_process.search_strategy import SearchStrategy
from skopt2.gaussian_process.search_surrogate import Surrogate
from skopt2.solvers.search.acquisition import upper_bound
from skopt2.solvers.search.optimistic import (
    least_violation,
    may_be_feasible,
    optimistic_value,
    slack_bound,
)

# In how many rounds in a row no point may be feasible before that is believed. With the
# variance of a constraint known one would do; estimated from a few points it comes out
# too small now and then. Meanwhile the point that comes nearest is evaluated.
PATIENCE = 5


class ConstrainedStrategy(SearchStrategy):
    """What to evaluate next, given constraints.

    Parameters
    ----------
    space : SearchSpace
        The space.
    bounds : ndarray of shape (k, 2)
        Lower and upper bound of each constrained quantity; infinite for none.
    confidence : float
        Width of the bounds in standard deviations.
    regressor : estimator or None
        The surrogate of the score and of each quantity; None takes the default one.
    rng : numpy.random.Generator
        Source of all draws.

    Attributes
    ----------
    infeasible : bool
        Whether no point may be feasible, as the last rounds agree.
    """

    def __init__(self, space, bounds, confidence, regressor, rng):
        super().__init__(space, "config", regressor, rng)
        self.bounds = bounds
        self.confidence = confidence
        # No fence: how far a constraint is from holding matters on both sides.
        self.quantities = [Surrogate(regressor, None) for _ in bounds]
        self.infeasible = False
        self._hopeless = 0

    def fit(self, scores, values):
        """Fit the surrogates to what was measured at all points proposed so far."""
        super().fit(scores)
        columns = self.space.encode(self.points)
        for model, value in zip(self.quantities, values, strict=True):
            # A failed fit tells nothing of a constraint; the score speaks against it.
            measured = np.isfinite(value)
            model.fit(columns[measured], value[measured])
        return self

    def _merit(self, scores, values):
        violation = least_violation(slacks_of(values, self.bounds))
        # Every feasible point before every other; these by how near they are.
        finite = np.where(np.isfinite(scores), scores, -np.inf)
        bottom = min(np.min(finite[np.isfinite(finite)], initial=0.0), 0.0) - 1.0
        return np.where(violation > 0.0, bottom - violation, finite)

    def _accepts(self, proposal, index):
        if index > 0:
            # Judged by what is believed, too: not evidence, but no reason to go on.
            return may_be_feasible(proposal.value)
        self._hopeless = 0 if may_be_feasible(proposal.value) else self._hopeless + 1
        self.infeasible = self._hopeless > PATIENCE
        return not self.infeasible

    def _believing(self, columns):
        other = super()._believing(columns)
        other.quantities = [model.believing(columns) for model in self.quantities]
        return other

    def _acquisition(self, n_evaluated):
        def value(columns):
            width = self.confidence**2
            objective = upper_bound(*self.model.predict(columns), width)
            slacks = []
            for model, bounds in zip(self.quantities, self.bounds, strict=True):
                mean, std = model.predict(columns)
                lower, upper = model.standardised(bounds)
                slacks.append(slack_bound(mean - lower, std, self.confidence))
                slacks.append(slack_bound(upper - mean, std, self.confidence))
            return optimistic_value(objective, np.asarray(slacks))

        return value, None


def slacks_of(values, bounds):
    """Return by how much quantities keep within their bounds.

    Parameters
    ----------
    values : ndarray of shape (k, n)
        Of each quantity.
    bounds : ndarray of shape (k, 2)
        Lower and upper.

    Returns
    -------
    slacks : ndarray of shape (2 k, n)
        Nonnegative where a bound holds; infinite where there is none.
    """
    return np.concatenate([values - bounds[:, :1], bounds[:, 1:] - values])
