"""Falkon: preconditioned conjugate gradients on random centres."""

import falkon
import torch

from benchmarks.kernel_peers.base import Peer


class FalkonPeer(Peer):
    """Adapter of Falkon."""

    version = falkon.__version__

    def variants(self, problem):
        return ("falkon",)

    def budgets(self, variant):
        return (1000, 2000, 5000, 10_000)

    def fit(self, problem, variant, budget):
        n = problem.X.shape[0]
        kernel = falkon.kernels.MaternKernel(problem.case.length_scale, nu=0.5)
        options = falkon.FalkonOptions(use_cpu=True, keops_active="no")
        model = falkon.Falkon(
            kernel=kernel,
            penalty=problem.case.alpha / n,
            M=min(budget, n),
            seed=0,
            options=options,
        )
        model.fit(torch.as_tensor(problem.X), torch.as_tensor(problem.Y))
        return (
            lambda X: model.predict(torch.as_tensor(X)).numpy()
        ), f"{budget} centres"


ADAPTER = FalkonPeer()
