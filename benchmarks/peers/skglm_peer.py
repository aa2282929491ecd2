"""skglm: Lasso, MCPRegression and their paths, logistic models, groups, GramCD.

skglm stops on an absolute KKT violation, so its tolerances are multiplied by lmax;
otherwise a ladder of decades would mean something else on every data set.
"""

import warnings

import numpy as np
from scipy import sparse
from skglm import GroupLasso, Lasso, MCPRegression, SparseLogisticRegression
from skglm.datafits.group import LogisticGroup
from skglm.estimators import GeneralizedLinearEstimator
from skglm.penalties import L1
from skglm.penalties.block_separable import WeightedGroupL2
from skglm.solvers import GramCD, GroupProxNewton
from skglm.utils.data import grp_converter
from sklearn.exceptions import ConvergenceWarning

from benchmarks.peers.base import Peer


class SkglmPeer(Peer):
    """Adapter of skglm."""

    name = "skglm"
    models = ("lasso", "logistic", "mcp", "group_lasso", "group_logistic")

    def variants(self, problem):
        if problem.model == "mcp":
            return ("subdiff", "fixpoint")
        if problem.model.endswith("logistic"):
            return ("prox-newton",)
        if problem.model == "group_lasso":
            return ("subdiff", "fixpoint")
        if problem.model != "lasso":
            return ()
        n, p = problem.X.shape
        if p < n and not problem.is_path and not sparse.issparse(problem.X):
            return ("subdiff", "gram", "gram-greedy")
        return ("subdiff",)

    def ladder(self, problem, targets):
        return tuple(problem.alpha_max * 10.0**-k for k in range(2, 13))

    def solve(self, problem, variant, tol):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", UserWarning)
            if problem.model == "logistic":
                return self._logistic(problem, tol)
            if problem.model == "group_logistic":
                return self._group_logistic(problem, tol)
            if problem.model == "group_lasso":
                return self._groups(problem, variant, tol)
            if variant.startswith("gram"):
                return self._gram(problem, variant == "gram-greedy", tol)
            estimator = MCPRegression if problem.model == "mcp" else Lasso
            model = estimator(
                alpha=problem.alphas[0],
                fit_intercept=False,
                max_iter=200,
                max_epochs=100_000,
                tol=tol,
                ws_strategy=variant,
                # the path method starts from the previous alpha only if this is set
                warm_start=problem.is_path,
            )
            if problem.model == "mcp":
                model.set_params(gamma=problem.gamma)
            if problem.is_path:
                return model.path(problem.X, problem.y, problem.alphas)[1].T
            return model.fit(problem.X, problem.y).coef_[None]

    def _gram(self, problem, greedy, tol):
        solver = GramCD(
            max_iter=100_000,
            use_acc=not greedy,
            greedy_cd=greedy,
            tol=tol,
            fit_intercept=False,
        )
        penalty = L1(problem.alphas[0])
        # the solver forms the quadratic datafit itself and refuses another
        return np.atleast_2d(solver.solve(problem.X, problem.y, None, penalty)[0])

    def _logistic(self, problem, tol):
        model = SparseLogisticRegression(
            alpha=problem.alphas[0],
            fit_intercept=False,
            max_iter=200,
            max_epochs=10_000,
            tol=tol,
        )
        return model.fit(problem.X, problem.y).coef_

    def _groups(self, problem, variant, tol):
        model = GroupLasso(
            problem.group_size,
            fit_intercept=False,
            max_iter=200,
            max_epochs=100_000,
            tol=tol,
            ws_strategy=variant,
            warm_start=problem.is_path,
        )
        coefs = []
        for alpha in problem.alphas:
            model.alpha = alpha
            coefs.append(model.fit(problem.X, problem.y).coef_)
        return np.array(coefs)

    def _group_logistic(self, problem, tol):
        size, p = problem.group_size, problem.X.shape[1]
        indices, pointers = grp_converter(size, p)
        solver = GroupProxNewton(max_iter=200, tol=tol, fit_intercept=False)
        weights = np.ones(len(pointers) - 1)
        model = GeneralizedLinearEstimator(
            LogisticGroup(pointers, indices),
            WeightedGroupL2(problem.alphas[0], weights, pointers, indices),
            solver,
        )
        return np.atleast_2d(model.fit(problem.X, problem.y).coef_)

    def tiny(self, problem):
        model = Lasso(alpha=problem.alphas[0])
        return lambda: model.fit(problem.X, problem.y)


ADAPTER = SkglmPeer()
