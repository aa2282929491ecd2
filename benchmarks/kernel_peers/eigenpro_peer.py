"""EigenPro 2 by its authors, in PyTorch.

The package is not on the package index: ``pip install
git+https://github.com/EigenPro/EigenPro-pytorch`` into an environment with PyTorch.
``mem_gb=4`` instead of the default of 1, with which it finds no room for one row. The
rank is its own choice in one row and 100 in the other: the iterative eigensolver that
it uses can take minutes for the rank that it chooses.
"""

import contextlib
import io
from functools import partial

import torch
from eigenpro2.kernels import laplacian
from eigenpro2.models import KernelModel

from benchmarks.kernel_peers.base import Peer

_EPOCHS = (1, 2, 3, 5, 8, 12, 20)


class EigenProPeer(Peer):
    """Adapter of EigenPro 2."""

    version = f"EigenPro 2, torch {torch.__version__}"

    def variants(self, problem):
        return ("rank-100", "rank-auto")

    def budgets(self, variant):
        return _EPOCHS

    def fit(self, problem, variant, budget):
        torch.manual_seed(0)
        kernel = partial(laplacian, bandwidth=problem.case.length_scale)
        X, Y = torch.as_tensor(problem.X), torch.as_tensor(problem.Y)
        model = KernelModel(kernel, X, Y.shape[1], device="cpu")
        with contextlib.redirect_stdout(io.StringIO()):
            rank = 100 if variant == "rank-100" else None
            model.fit(X, Y, epochs=budget, mem_gb=4, top_q=rank, run_epoch_eval=False)

        def predict(new):
            with torch.no_grad():
                return model.forward(torch.as_tensor(new)).numpy()

        return predict, f"{budget} epochs"


ADAPTER = EigenProPeer()
