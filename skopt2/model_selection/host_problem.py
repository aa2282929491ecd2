"""The problem of an estimator on all rows, in float64 in host memory."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import HOST, is_sparse, move, sum64
from skopt2.linear_model import (
    GroupClassifier,
    GroupRegressor,
    SparseClassifier,
    SparseRegressor,
)
from skopt2.linear_model.cross_validation import mean_score, part_of

MODELS = (SparseRegressor, SparseClassifier, GroupRegressor, GroupClassifier)


@dataclass(frozen=True, eq=False)
class HostProblem:
    """Data and problem of an estimator, which can be posed again for some rows.

    Parameters
    ----------
    estimator : estimator
        A copy that knows the columns; not the one of the user.
    data : FitInput
        In float64 in host memory.
    formulation : Formulation
        The problem on all rows, at the level of the estimator.
    """

    estimator: Any
    data: Any
    formulation: Any

    @property
    def problem(self):
        """The linear problem on all rows."""
        return self.formulation.problem

    @property
    def s(self):
        """Weights of the rows with sum 1, (n,)."""
        return np.asarray(self.problem.s)

    @property
    def target(self):
        """What the loss compares predictors to, (n,) or (n, K), not centred."""
        return self.problem.y + self.problem.y_mean

    def score(self, rows, eta):
        """Return the mean score of some rows, larger is better.

        Parameters
        ----------
        rows : ndarray of int of shape (k,)
            Rows, not all of weight 0.
        eta : ndarray of shape (k,) or (k, K)
            Their predictors.
        """
        weights, codes = self.s[rows], None
        if self.data.classes is not None:
            codes = self.data.y[rows]
        s = weights / sum64(weights)
        return mean_score(self.problem.loss, self.target[rows], eta, s, codes)

    def restrict(self, rows):
        """Return the problem posed for some of the rows, at the same level."""
        part = part_of(self.data, rows)
        formulation = self.estimator._formulate(part)
        formulation.set_alpha(self.estimator.alpha)
        return HostProblem(self.estimator, part, formulation)

    def solve(self):
        """Return the solution, from scratch."""
        formulation = self.formulation
        solver = formulation.solver()
        return formulation.minimise(solver, solver.init(None))[0].solution

    def solution_of(self, model):
        """Return the solution that a fitted estimator holds."""
        twin = copy.copy(model)
        twin.warm_start = True
        return twin._warm_solution(self.data, self.problem.n_outputs)

    def predictor(self, solution):
        """Return what a solution predicts for all rows, before the link."""
        problem, ids = self.problem, solution.ids
        base = problem.centred_intercept(ids, solution.w, solution.intercept)
        return problem.predictor(ids, solution.w, base) + problem.y_mean


def pose(estimator, X, y, sample_weight):
    """Return the problem of an estimator on some data.

    Parameters
    ----------
    estimator : estimator
        One of ``MODELS``; not changed.
    X, y, sample_weight : array-like
        As for ``fit``.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    ValueError
        If the data or a parameter is out of range.
    """
    if type(estimator) not in MODELS:
        names = ", ".join(cls.__name__ for cls in MODELS)
        raise TypeError(
            f"estimator must be one of {names}, got {type(estimator).__name__}: the "
            "approximation needs the derivatives of its objective. Give the model "
            "itself, at one alpha, and data that have been transformed before; "
            "sklearn.model_selection.cross_val_score refits anything."
        )
    twin = copy.copy(estimator)
    data = twin._check_input(X, y, sample_weight)
    data = replace(
        data,
        X=_wide(move(data.X, HOST)),
        y=_wide(move(data.y, HOST)) if data.classes is None else move(data.y, HOST),
        sample_weight=_weights(move(data.sample_weight, HOST)),
        target=HOST,
    )
    formulation = twin._formulate(data)
    formulation.set_alpha(twin.alpha)
    return HostProblem(twin, data, formulation)


def _wide(x):
    return x if x.dtype == np.float64 else x.astype(np.float64)


def _weights(s):
    """Return weights whose sum is 1 in float64 too."""
    if s is None:
        return None
    s = _wide(s)
    return s / s.sum()


def dense(X):
    """Return X as an array, which a sparse one is turned into."""
    return X.toarray() if is_sparse(X) else X
