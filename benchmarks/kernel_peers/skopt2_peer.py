"""skopt2: its kernel machine by default, stopped early, and with each solver."""

import warnings

from sklearn.exceptions import ConvergenceWarning

import skopt2
from benchmarks.kernel_peers.base import Peer
from skopt2.kernel_machine import EigenProRegressor
from skopt2.kernels import Laplacian

_EPOCHS = (1, 2, 3, 5, 8, 12, 20, 35, 60)


class Skopt2Peer(Peer):
    """Adapter of skopt2."""

    version = skopt2.__version__

    def variants(self, problem):
        names = ["auto", "early", "sap", "eigenpro", "sdd"]
        if problem.X.shape[0] <= 20_000:
            names.insert(1, "cholesky")
        return names

    def budgets(self, variant):
        return (None,) if variant in ("auto", "early", "cholesky") else _EPOCHS

    def fit(self, problem, variant, budget):
        case = problem.case
        model = EigenProRegressor(
            Laplacian(case.length_scale),
            alpha=case.alpha,
            solver="auto" if variant == "early" else variant,
            early_stopping=variant == "early",
            tol=1e-2 if budget is None else 1e-9,
            max_iter=100 if budget is None else budget,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(problem.X, problem.Y)
        return model.predict, f"{model.solver_}, {model.n_epochs_:.1f} epochs"


ADAPTER = Skopt2Peer()
