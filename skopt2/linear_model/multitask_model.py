"""What the estimators of several tasks share."""

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.validation import check_fit_input
from skopt2.linear_model.multitask_formulation import MultiTaskFormulation, rank_of
from skopt2.linear_model.sparse_model import SparseLinearModel
from skopt2.penalties.multitask import get_multitask_penalty
from skopt2.solvers.state import Solution


class MultiTaskModel(SparseLinearModel):
    """Base of the multitask regressor and its cross-validated form."""

    _y_kind = "multioutput"
    _get_penalty = staticmethod(get_multitask_penalty)
    # No parameter: the problems of other losses do not split into small ones.
    loss = "squared"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def _check_input(self, X, y, sample_weight):
        data = check_fit_input(
            self, X, y, sample_weight, y_kind=self._y_kind, squares=True
        )
        if data.y.ndim != 2:
            raise ValueError(
                f"{type(self).__name__} is for several tasks: y must have the shape "
                f"(n_samples, n_tasks), got {tuple(data.y.shape)}. Use "
                "SparseRegressor for one task, or reshape y with y.reshape(-1, 1)."
            )
        return data

    def _formulate(self, data):
        return MultiTaskFormulation(self, data)

    def _shape_attributes(self, coef, intercept):
        coef = np.ascontiguousarray(coef.T)
        return {"coef_": coef, "intercept_": intercept, "rank_": rank_of(coef)}

    def _warm_solution(self, data, outputs):
        """Return the previous fit as a start, None without one that has the shape."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = to_numpy(self.coef_).T.astype(np.float64)
        if coef.shape != (data.X.shape[1], outputs):
            return None
        ids = np.flatnonzero(coef.any(axis=1))
        return Solution(ids, coef[ids], to_numpy(self.intercept_).astype(np.float64))
