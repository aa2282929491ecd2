"""celer: Lasso, GroupLasso, celer_path, LogisticRegression (prox-Newton and plain)."""

import warnings

from celer import GroupLasso, Lasso, LogisticRegression, celer_path
from sklearn.exceptions import ConvergenceWarning

from benchmarks.peers.base import Peer


class CelerPeer(Peer):
    """Adapter of celer."""

    name = "celer"
    models = ("lasso", "logistic", "group_lasso")

    def variants(self, problem):
        if problem.model == "logistic":
            return ("celer-pn", "celer")
        if problem.model not in self.models:
            return ()
        return ("prune", "no-prune")

    def solve(self, problem, variant, tol):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if problem.model == "logistic":
                return self._logistic(problem, variant, tol)
            prune = variant == "prune"
            if problem.is_path:
                return celer_path(
                    problem.X,
                    problem.y,
                    pb="lasso",
                    alphas=problem.alphas,
                    max_iter=100,
                    max_epochs=50_000,
                    prune=prune,
                    tol=tol,
                )[1].T
            kind, options = Lasso, {}
            if problem.model == "group_lasso":
                kind, options = GroupLasso, {"groups": problem.group_size}
            model = kind(
                alpha=problem.alphas[0],
                fit_intercept=False,
                prune=prune,
                max_iter=100,
                max_epochs=50_000,
                tol=tol,
                **options,
            )
            return model.fit(problem.X, problem.y).coef_[None]

    def _logistic(self, problem, variant, tol):
        model = LogisticRegression(
            C=1.0 / (len(problem.y) * problem.alphas[0]),
            solver=variant,
            max_iter=100,
            max_epochs=50_000,
            tol=tol,
        )
        return model.fit(problem.X, problem.y).coef_

    def tiny(self, problem):
        model = Lasso(alpha=problem.alphas[0])
        return lambda: model.fit(problem.X, problem.y)


ADAPTER = CelerPeer()
