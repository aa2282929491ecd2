"""POT: its Sinkhorn family, Greenkhorn, and the network simplex as a reference.

The stabilised methods get ``tau=1e9``: with the default of 1000 they never converge
once there are a thousand points, because they restart from scalings of 1/n. The
epsilon scaling starts at the largest cost, not at ten thousand times that. POT
measures the L2 error of one marginal; the search over its tolerance makes up for the
difference.
"""

import warnings

import numpy as np
import ot
from ot.bregman import (
    empirical_sinkhorn,
    greenkhorn,
    sinkhorn_epsilon_scaling,
    sinkhorn_knopp,
    sinkhorn_log,
    sinkhorn_stabilized,
)

from benchmarks.transport_certificates import Answer
from benchmarks.transport_peers.base import Peer

_DENSE = {
    "sinkhorn": (sinkhorn_knopp, {}),
    "log": (sinkhorn_log, {}),
    "stabilized": (sinkhorn_stabilized, {"tau": 1e9}),
    "eps_scaling": (sinkhorn_epsilon_scaling, {"tau": 1e9, "epsilon0": 1.0}),
    "greenkhorn": (greenkhorn, {}),
}
_BATCH = 512


class PotPeer(Peer):
    """Adapter of POT."""

    version = ot.__version__
    exact = ("emd",)

    def variants(self, problem):
        if problem.C is None:
            return ("lazy",)
        return (*_DENSE, "emd")

    def first_budget(self, variant):
        # an iteration of Greenkhorn updates one row or column
        return {"greenkhorn": 4096, "log": 16, "eps_scaling": 36, "lazy": 1}.get(
            variant, 64
        )

    def solve(self, prepared, variant, tol, budget):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if variant == "emd":
                plan = ot.emd(prepared.a, prepared.b, prepared.C, numItermax=10_000_000)
                return Answer(plan=plan)
            if variant == "lazy":
                return self._lazy(prepared, tol, budget)
            solver, options = _DENSE[variant]
            _, log = solver(
                prepared.a,
                prepared.b,
                prepared.C,
                prepared.reg,
                numItermax=budget,
                stopThr=tol,
                log=True,
                warn=False,
                **options,
            )
            return self._answer(prepared.reg, log)

    def _answer(self, reg, log):
        count = log.get("n_iter", log.get("niter", -1))
        # the loops count from zero
        count = int(count) + 1 if count >= 0 else -1
        if "alpha" in log:
            return Answer(log["alpha"], log["beta"], count)
        if "log_u" in log:
            return Answer(reg * log["log_u"], reg * log["log_v"], count)
        return Answer(reg * np.log(log["u"]), reg * np.log(log["v"]), count)

    def _lazy(self, problem, tol, budget):
        f, g, log = empirical_sinkhorn(
            problem.X,
            problem.Y,
            problem.reg,
            a=problem.a,
            b=problem.b,
            metric=problem.metric,
            numIterMax=budget,
            stopThr=tol,
            isLazy=True,
            batchSize=_BATCH,
            log=True,
            warn=False,
        )
        return Answer(problem.reg * f, problem.reg * g, budget)


ADAPTER = PotPeer()
