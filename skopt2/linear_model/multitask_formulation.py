"""From parameters and data to the problem of several tasks."""

import math

import numpy as np

from skopt2.linear_model.formulation import Formulation
from skopt2.losses import get_loss
from skopt2.penalties.multitask import get_multitask_penalty
from skopt2.solvers.multitask_problem import MultiTaskProblem
from skopt2.solvers.nuclear_norm import NuclearNorm
from skopt2.solvers.row_model import row_norms
from skopt2.solvers.row_working_set import RowWorkingSet
from skopt2.solvers.singular_values import spectral_norm

SOLVERS = {"rows": RowWorkingSet, "spectrum": NuclearNorm}


class MultiTaskFormulation(Formulation):
    """One problem of several tasks up to the value of alpha.

    Parameters
    ----------
    estimator : MultiTaskModel
        Its parameters.
    data : FitInput
        Checked data with y (n_samples, n_tasks).
    """

    _problem = MultiTaskProblem

    def _set_loss(self, estimator, n_classes):
        self.loss = get_loss("squared")

    def _set_penalty(self, estimator, data):
        self.penalty = get_multitask_penalty(estimator.penalty)
        self._n_reweightings, self._reweight = 0, None
        # One level for the whole matrix.
        self.factor = np.ones(1)

    def alpha_max(self):
        """Return the smallest alpha with no coefficient in the model."""
        problem = self.problem
        M, sizes = problem.null_gradient, problem.design.squared_sizes
        eps = float(problem.xp.finfo(problem.y.dtype).eps)
        # What constant columns leave behind is rounding error, which needs no level.
        noise = 100.0 * eps * np.sqrt(2.0 * problem.null_value * sizes)
        M = np.where((row_norms(M) > noise)[:, None], M, 0.0)
        if self.penalty.kind == "rows":
            return float(row_norms(M).max(initial=0.0))
        return spectral_norm(M)

    def _solver(self, tol):
        return SOLVERS[self.penalty.kind](self.problem, tol)

    def feasible(self, start):
        """Return a warm start as it is: every point is feasible."""
        return start


def rank_of(coef):
    """Return the numerical rank of coefficients, (n_tasks, n_features)."""
    used = coef[:, coef.any(axis=0)].astype(np.float64)
    if used.size == 0:
        return 0
    sigma = np.linalg.svd(used, compute_uv=False)
    digits = float(np.finfo(coef.dtype).eps) * math.sqrt(max(coef.shape))
    return int((sigma > 100.0 * digits * sigma[0]).sum())
