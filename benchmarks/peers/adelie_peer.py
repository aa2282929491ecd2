"""adelie: grpnet and gaussian_cov.

adelie is a path solver: a single cold alpha is its worst case, so for single fits a
short geometric warm-up path from lmax is tried too, and on tall designs the
covariance method, Gram matrix included in the time. The early exits by explained
deviance are off: they would leave the wanted alphas unsolved.
"""

import adelie
import numpy as np
from scipy import sparse

from benchmarks.peers.base import Peer


class AdeliePeer(Peer):
    """Adapter of adelie."""

    name = "adelie"
    models = ("lasso", "logistic", "group_lasso", "group_logistic")

    def variants(self, problem):
        if problem.model not in self.models:
            return ()
        if problem.is_path:
            return ("pivot", "strong")
        if problem.group_size > 1:
            return ("warm-5", "warm-20", "cold")
        n, p = problem.X.shape
        if problem.model == "lasso" and p < n and not sparse.issparse(problem.X):
            return ("covariance", "warm-5", "warm-20")
        return ("warm-5", "warm-20", "cold")

    def ladder(self, problem, targets):
        return tuple(10.0**-k for k in range(5, 17))

    def solve(self, problem, variant, tol):
        alphas = problem.alphas
        if variant.startswith("warm"):
            # alphas far above lmax are answered at no cost
            alphas = np.geomspace(
                problem.alpha_max, alphas[0], int(variant.split("-")[1])
            )
        options = {
            "lmda_path": alphas,
            "tol": tol,
            "early_exit": False,
            "progress_bar": False,
            "n_threads": problem.n_threads,
        }
        if variant == "covariance":
            n = len(problem.y)
            gram = np.asfortranarray(problem.X.T @ problem.X / n)
            moment = problem.X.T @ problem.y / n
            state = adelie.gaussian_cov(A=gram, v=moment, rdev_tol=0.0, **options)
            return state.betas[-1:]
        if variant == "strong":
            options["screen_rule"] = "strong"
        is_sparse = sparse.issparse(problem.X)
        wrap = adelie.matrix.sparse if is_sparse else adelie.matrix.dense
        design = wrap(problem.X, method="naive", n_threads=problem.n_threads)
        if problem.group_size > 1:
            groups = np.arange(0, problem.X.shape[1], problem.group_size)
            options |= {"groups": groups, "penalty": np.ones(len(groups))}
        if problem.model.endswith("logistic"):
            glm = adelie.glm.binomial((problem.y + 1.0) / 2.0)
            options["irls_tol"] = tol
        else:
            glm = adelie.glm.gaussian(problem.y)
        state = adelie.grpnet(
            design, glm, intercept=False, adev_tol=1.0, ddev_tol=0.0, **options
        )
        return state.betas if problem.is_path else state.betas[-1:]


ADAPTER = AdeliePeer()
