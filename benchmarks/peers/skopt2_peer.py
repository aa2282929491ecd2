"""skopt2: called with the targets of the case as ``tol``, no search for lucky ones."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.peers.base import Peer
from skopt2.linear_model import (
    GroupClassifier,
    GroupRegressor,
    SparseClassifier,
    SparseRegressor,
    group_path,
    sparse_path,
)

_PENALTY = {"lasso": "l1", "logistic": "l1", "mcp": "mcp", "l0": "l0"}


class Skopt2Peer(Peer):
    """Adapter of skopt2."""

    name = "skopt2"
    models = ("lasso", "logistic", "mcp", "l0", "group_lasso", "group_logistic")
    refine = False

    def ladder(self, problem, targets):
        finite = [target for target in targets if np.isfinite(target)]
        return tuple(finite) or (1e-6,)

    def solve(self, problem, variant, tol):
        if problem.group_size > 1:
            return self._groups(problem, tol)
        loss = "logistic" if problem.model == "logistic" else "squared"
        penalty = _PENALTY[problem.model]
        options = {"loss": loss, "penalty": penalty, "fit_intercept": False}
        if penalty == "mcp":
            from skopt2.penalties import MCP

            options["penalty"] = MCP(gamma=problem.gamma)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if problem.is_path:
                path = sparse_path(
                    problem.X, problem.y, alphas=problem.alphas, tol=tol, **options
                )
                return np.asarray(path.coefs)
            estimator = SparseClassifier if loss == "logistic" else SparseRegressor
            model = estimator(alpha=problem.alphas[0], tol=tol, **options)
            model.fit(problem.X, problem.y)
            return np.atleast_2d(model.coef_)

    def _groups(self, problem, tol):
        logistic = problem.model == "group_logistic"
        options = {
            "groups": problem.group_size,
            "group_weights": np.ones(-(-problem.X.shape[1] // problem.group_size)),
            "fit_intercept": False,
            "tol": tol,
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if problem.is_path:
                path = group_path(
                    problem.X, problem.y, alphas=problem.alphas, **options
                )
                return np.asarray(path.coefs)
            kind = GroupClassifier if logistic else GroupRegressor
            model = kind(alpha=problem.alphas[0], **options)
            return np.atleast_2d(model.fit(problem.X, problem.y).coef_)

    def tiny(self, problem):
        model = SparseRegressor(alpha=problem.alphas[0])
        return lambda: model.fit(problem.X, problem.y)


ADAPTER = Skopt2Peer()
