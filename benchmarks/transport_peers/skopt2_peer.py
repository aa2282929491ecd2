"""skopt2: called with the target as ``tol``, no search for a luckier one."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import skopt2
from benchmarks.transport_certificates import Answer
from benchmarks.transport_peers.base import Peer
from skopt2.transport import PointCloud, sinkhorn


class Skopt2Peer(Peer):
    """Adapter of skopt2."""

    version = skopt2.__version__
    searches = False

    def variants(self, problem):
        return ("auto", "sinkhorn", "newton")

    def prepare(self, problem):
        cost = problem.C
        if cost is None:
            cost = PointCloud(problem.X, problem.Y, metric=problem.metric)
        return problem, cost

    def warm(self, prepared, variant):
        # a solve over streamed costs takes seconds and has nothing left to warm
        self.solve(prepared, variant, 1e-1, 1 if prepared[0].C is None else 0)

    def solve(self, prepared, variant, tol, budget):
        problem, cost = prepared
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = sinkhorn(
                problem.a,
                problem.b,
                cost,
                problem.reg,
                solver=variant,
                tol=tol,
                max_iter=budget or None,
                time_limit=self.limit if np.isfinite(self.limit) else None,
            )
        f, g = result.potentials
        return Answer(f, g, int(result.n_iter), converged=bool(result.converged))


ADAPTER = Skopt2Peer()
