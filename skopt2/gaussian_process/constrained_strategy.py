"""The rounds of a Bayesian search under constraints (`solvers.search.optimistic`)."""

import numpy as np

from skopt2.gaussian_process.search_strategy import SearchStrategy
from skopt2.gaussian_process.search_surrogate import Surrogate
from skopt2.solvers.search.acquisition import upper_bound
from skopt2.solvers.search.optimistic import (
    least_violation,
    may_be_feasible,
    optimistic_value,
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
    n_constraints : int
        How many constraints there are.
    confidence : float
        Width of the bounds in standard deviations.
    regressor : estimator or None
        The surrogate of the score and of each constraint; None takes the default one.
    rng : numpy.random.Generator
        Source of all draws.

    Attributes
    ----------
    infeasible : bool
        Whether no point may be feasible, as the last rounds agree.
    """

    def __init__(self, space, n_constraints, confidence, regressor, rng):
        super().__init__(space, "config", regressor, rng)
        self.confidence = confidence
        # No fence: how far a constraint is from holding matters on both sides.
        self.slack_models = [Surrogate(regressor, None) for _ in range(n_constraints)]
        self.infeasible = False
        self._hopeless = 0

    def fit(self, scores, slacks):
        """Fit the surrogates to what was measured at all points proposed so far."""
        super().fit(scores)
        columns = self.space.encode(self.points)
        for model, slack in zip(self.slack_models, slacks, strict=True):
            model.fit(columns, slack)
        return self

    def _merit(self, scores, slacks):
        violation = least_violation(slacks)
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
        other.slack_models = [model.believing(columns) for model in self.slack_models]
        return other

    def _acquisition(self, n_evaluated):
        width = self.confidence**2

        def value(columns):
            objective = upper_bound(*self.model.predict(columns), width)
            slacks = [
                upper_bound(*model.predict(columns), width) - model.standardised(0.0)
                for model in self.slack_models
            ]
            return optimistic_value(objective, np.reshape(slacks, (-1, len(columns))))

        return value, None
