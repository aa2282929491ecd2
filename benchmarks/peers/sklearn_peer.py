"""scikit-learn: Lasso, lasso_path, LogisticRegression(liblinear).

saga is left out: it needs minutes on these designs for a gap that the others reach
in the first hundredth of a second. A tall design may use the Gram matrix.
"""

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso, LogisticRegression, enet_path

from benchmarks.peers.base import Peer

_MAX_ITER = 1_000_000


class SklearnPeer(Peer):
    """Adapter of scikit-learn."""

    name = "sklearn"
    models = ("lasso", "logistic")

    def variants(self, problem):
        if problem.model == "logistic":
            return ("liblinear",)
        if problem.model != "lasso":
            return ()
        n, p = problem.X.shape
        if p < n and not sparse.issparse(problem.X):
            return ("cd", "gram")
        return ("cd",)

    def prepare(self, problem, variant):
        if variant == "liblinear":
            # liblinear reads rows; in Fortran order it would copy at every fit
            if sparse.issparse(problem.X):
                return problem.with_design(sparse.csr_matrix(problem.X))
            return problem.with_design(np.ascontiguousarray(problem.X))
        return problem

    def solve(self, problem, variant, tol):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", FutureWarning)
            if variant == "liblinear":
                return self._logistic(problem, tol)
            if problem.is_path:
                return self._path(problem, variant, tol)
            model = Lasso(
                alpha=problem.alphas[0],
                fit_intercept=False,
                precompute=variant == "gram",
                copy_X=False,
                tol=tol,
                max_iter=_MAX_ITER,
            )
            return model.fit(problem.X, problem.y).coef_[None]

    def _path(self, problem, variant, tol):
        _, coefs, _ = enet_path(
            problem.X,
            problem.y,
            l1_ratio=1.0,
            alphas=problem.alphas,
            precompute=variant == "gram",
            copy_X=False,
            tol=tol,
            max_iter=_MAX_ITER,
        )
        return coefs.T

    def _logistic(self, problem, tol):
        model = LogisticRegression(
            C=1.0 / (len(problem.y) * problem.alphas[0]),
            l1_ratio=1.0,
            solver="liblinear",
            fit_intercept=False,
            tol=tol,
            max_iter=_MAX_ITER,
            random_state=0,
        )
        return model.fit(problem.X, problem.y).coef_

    def tiny(self, problem):
        model = Lasso(alpha=problem.alphas[0])
        return lambda: model.fit(problem.X, problem.y)


ADAPTER = SklearnPeer()
