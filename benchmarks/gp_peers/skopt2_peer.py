"""skopt2: its Gaussian process with the default solver and with each by name.

With fitted hyperparameters there is also the process on a coreset, of as many points as
the inducing ones of the other library.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import skopt2
from benchmarks.gp_peers.base import Peer
from benchmarks.gp_peers.sklearn_kernel import process_kernel
from skopt2.gaussian_process import CoresetGPRegressor, GaussianProcessRegressor

# Rows up to which a factor is asked for by name.
DENSE = 20_000
# Pseudo observations.
CORESET = 500


class Skopt2Peer(Peer):
    """Adapter of skopt2."""

    version = skopt2.__version__

    def variants(self, problem, fitted):
        if fitted:
            return ["auto", "pathwise", "coreset"]
        names = ["auto", "cholesky", "sap", "sdd", "cg"]
        if problem.X.shape[0] > DENSE:
            names.remove("cholesky")
        return names

    def run(self, problem, variant, fitted):
        if variant == "coreset":
            return self._coreset(problem)
        model = GaussianProcessRegressor(
            process_kernel(problem, fitted),
            alpha=0.0,
            optimizer=("subset" if variant == "auto" else variant) if fitted else None,
            solver="auto" if fitted else variant,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(problem.X, problem.y)
        mean, std = model.predict(problem.X_test, return_std=True)
        remark = f"{model.solver_}, {model.certificate_.value:.0e}"
        if model.solver_ != "cholesky":
            remark += f" after {model.n_epochs_:.0f} epochs"
        return mean, std.astype(np.float64) ** 2, remark

    def _coreset(self, problem):
        model = CoresetGPRegressor(
            process_kernel(problem, True), n_coreset=CORESET, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(problem.X, problem.y)
        mean, std = model.predict(problem.X_test, return_std=True)
        remark = f"{CORESET} points, {model.n_epochs_:.0f} epochs"
        return mean, std.astype(np.float64) ** 2, remark


ADAPTER = Skopt2Peer()
