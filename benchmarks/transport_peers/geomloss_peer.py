"""GeomLoss: annealed symmetric Sinkhorn in PyTorch, on the CPU.

It has no stopping test. ``solve`` takes a number of iterations, which the search
raises; ``samples`` takes the ratio of its annealing, of which 0.5 (its default), 0.9
and 0.99 are tried in that order, so the budget counts these settings. Its potentials
refer to the plan's density with respect to a x b, and its cost is |x - y|^2 / 2.
"""

import geomloss
import numpy as np
import torch
from geomloss import ot

from benchmarks.transport_certificates import Answer
from benchmarks.transport_peers.base import Peer

_RATIOS = (0.5, 0.9, 0.99)


def _keops():
    """Whether the backends that need KeOps can run."""
    try:
        import pykeops  # noqa: F401
    except ImportError:
        return False
    return True


class GeomlossPeer(Peer):
    """Adapter of GeomLoss."""

    version = geomloss.__version__

    def variants(self, problem):
        if problem.C is None:
            return ("online", "multiscale") if _keops() else ()
        points = problem.X is not None and problem.metric == "sqeuclidean"
        return ("solve", "samples") if points else ("solve",)

    def memory_budget(self, variant):
        # the first annealing setting, not a number of iterations
        return 1

    def first_budget(self, variant):
        return 64 if variant == "solve" else 1

    def growth(self, variant):
        return 4 if variant == "solve" else 2

    def has_tolerance(self, variant):
        return False

    def prepare(self, problem):
        tensors = {
            name: torch.as_tensor(np.ascontiguousarray(getattr(problem, name)))
            for name in ("a", "b", "C", "X", "Y")
            if getattr(problem, name) is not None
        }
        return problem, tensors

    def solve(self, prepared, variant, tol, budget):
        problem, data = prepared
        if variant == "solve":
            result = ot.solve(
                data["C"],
                reg=problem.reg,
                a=data["a"],
                b=data["b"],
                max_iter=max(budget, 2),
            )
            pair, scale = (result.potential_a, result.potential_b), 1.0
        else:
            pair, scale = self._samples(problem, data, variant, budget), 2.0
        f, g = (scale * one.numpy().ravel() for one in pair)
        return Answer(
            f + problem.reg * np.log(problem.a),
            g + problem.reg * np.log(problem.b),
            budget if variant == "solve" else -1,
        )

    def _samples(self, problem, data, variant, budget):
        loss = geomloss.SamplesLoss(
            "sinkhorn",
            p=2,
            blur=float(np.sqrt(problem.reg / 2)),
            scaling=_RATIOS[min(budget, len(_RATIOS)) - 1],
            debias=False,
            potentials=True,
            backend="tensorized" if variant == "samples" else variant,
        )
        return loss(data["a"], data["X"], data["b"], data["Y"])


ADAPTER = GeomlossPeer()
