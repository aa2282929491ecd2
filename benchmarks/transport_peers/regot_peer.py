"""RegOT: the Newton methods of its C++ core.

``ssns`` is the safe sparse Newton method, ``sparse`` the published sparsification of
the Hessian at its default and at a larger density, ``newton`` the dense method and
``splr`` the sparse plus low rank one.
"""

import importlib.metadata

import numpy as np
import regot

from benchmarks.transport_certificates import Answer
from benchmarks.transport_peers.base import Peer

_SOLVERS = {
    "ssns": (regot.sinkhorn_ssns, {}),
    "newton": (regot.sinkhorn_newton, {}),
    "sparse": (regot.sinkhorn_sparse_newton, {}),
    "sparse-0.1": (regot.sinkhorn_sparse_newton, {"density": 0.1}),
    "splr": (regot.sinkhorn_splr, {}),
}


class RegotPeer(Peer):
    """Adapter of RegOT."""

    version = importlib.metadata.version("regot")

    def variants(self, problem):
        return tuple(_SOLVERS) if problem.C is not None else ()

    def first_budget(self, variant):
        return 16

    def growth(self, variant):
        return 3

    def prepare(self, problem):
        # the C++ core reads columns and would copy otherwise
        return problem, np.asfortranarray(problem.C)

    def solve(self, prepared, variant, tol, budget):
        problem, cost = prepared
        solver, options = _SOLVERS[variant]
        result = solver(
            cost,
            problem.a,
            problem.b,
            problem.reg,
            tol=tol,
            max_iter=budget,
            **options,
        )
        n = len(problem.a)
        # the last potential is fixed at zero and not returned
        g = np.append(result.dual[n:], 0.0)
        return Answer(result.dual[:n], g, int(result.niter))


ADAPTER = RegotPeer()
