"""From parameters and data to the problem of groups that block descent solves."""

import math
from dataclasses import replace

import numpy as np

from skopt2.linear_model.formulation import Formulation
from skopt2.linear_model.grouping import check_group_weights, check_groups
from skopt2.penalties.group_names import get_group_penalty
from skopt2.solvers.block_coordinate_descent.coordinates import Coordinates
from skopt2.solvers.block_coordinate_descent.descent import BlockDescent
from skopt2.solvers.block_coordinate_descent.grouped import (
    GroupedPenalty,
    group_scale,
)
from skopt2.solvers.block_coordinate_descent.selection import make_selection
from skopt2.solvers.state import in_use

LOSSES = ("squared", "huber", "poisson", "logistic", "multinomial")


class GroupFormulation(Formulation):
    """One group problem up to the value of alpha.

    Parameters
    ----------
    estimator : GroupLinearModel
        Its parameters.
    data : FitInput
        Checked data in host memory.
    """

    def _set_loss(self, estimator, n_classes):
        super()._set_loss(estimator, n_classes)
        if self.loss.name not in LOSSES:
            raise ValueError(
                f"loss={estimator.loss!r} is not available for group models: use "
                "'squared', 'huber' or 'poisson' for regression, and 'logistic' or "
                "'multinomial' for classification."
            )

    def _set_penalty(self, estimator, data):
        penalty = get_group_penalty(estimator.penalty)
        if estimator.orthonormalize and not penalty.rotatable:
            raise ValueError(
                f"orthonormalize=True mixes the features of a group, and penalty="
                f"{penalty.name!r} selects among them. Use orthonormalize=False."
            )
        self.group_penalty = penalty
        self._n_reweightings, self._reweight = 0, None
        self.selection = make_selection(estimator.sweep, estimator.random_state)
        self.groups, self.group_labels = check_groups(
            estimator.groups,
            data.X.shape[1],
            getattr(estimator, "feature_names_in_", None),
        )
        self.factor = check_group_weights(
            estimator.group_weights, self.groups, penalty.weighs_sizes
        )
        self._orthonormalize = bool(estimator.orthonormalize)
        self.penalty = None

    def _finish(self):
        """Give the problem its penalty, which needs the columns in memory."""
        problem = self.problem
        coordinates = Coordinates(
            problem.design, self.groups, self._orthonormalize, problem.n_outputs
        )
        self.group_penalty = self.group_penalty.for_outputs(problem.n_outputs)
        self.penalty = GroupedPenalty(self.group_penalty, coordinates)
        problem.penalty = self.penalty

    def alpha_max(self):
        """Return the smallest alpha with no penalised group in the model."""
        problem, coordinates = self.problem, self.penalty.coordinates
        gradient = problem.null_gradient
        if (self.factor == 0).any():
            gradient = self._unpenalised_gradient()
        gradient = coordinates.gradient(gradient)
        # The pull of a constant column is rounding error, which needs no level.
        eps = float(np.finfo(problem.y.dtype).eps)
        norms = self.penalty.partition.norms(gradient)
        weights = np.where(
            norms > 100.0 * eps * group_scale(problem), self.factor, np.inf
        )
        # The level of a path on which nothing can enter.
        problem.null_scale = group_scale(problem)
        top = self.group_penalty.alpha_max(gradient, self.penalty.partition, weights)
        if top == math.inf:
            return self._ridge_level()
        # Rounding of another sum must not let a group in at that level.
        return top * (1.0 + 64.0 * eps)

    def _ridge_level(self):
        """Return the alpha at which the level of a group is ten times its curvature.

        Penalties that are squares leave no group empty. From here on coefficients are
        a tenth of their size, or less, and change little but for their size.
        """
        problem, factor = self.problem, self.factor
        h = problem.curvature(problem.null_predictor)
        h = float(np.max(problem.mean_curvature(h)))
        groups, squares = self.penalty.coordinates.groups, problem.design.squared_norms
        largest = [
            squares[groups.members(g)].max(initial=0.0) for g in range(factor.size)
        ]
        sound = np.isfinite(factor) & (factor > 0.0)
        ratio = np.asarray(largest)[sound] / factor[sound]
        return 10.0 * h * float(ratio.max(initial=0.0))

    def _solver(self, tol):
        return BlockDescent(self.problem, tol, self.selection)

    _unpenalised_solver = _solver

    def feasible(self, start):
        """Return a warm start without the groups that are now excluded.

        Parameters
        ----------
        start : Solution or None
            A previous fit may have had other weights.
        """
        if start is None or start.ids.size == 0:
            return start
        coordinates = self.penalty.coordinates
        excluded = coordinates.partition.spread(np.isinf(self.factor))
        if not excluded.any():
            return start
        w = np.zeros((self.problem.design.p, *start.w.shape[1:]))
        w[start.ids] = start.w
        v = np.where(excluded, 0.0, coordinates.from_features(w, start.latent))
        w = coordinates.to_features(v)
        ids = np.flatnonzero(in_use(w))
        return replace(start, ids=ids, w=w[ids], latent=coordinates.latent(v))
