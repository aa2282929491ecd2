"""scikit-learn: the exact process, where its matrix of float64 fits."""

import warnings

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from benchmarks.gp_peers.base import Peer
from benchmarks.gp_peers.sklearn_kernel import process_kernel

# Rows whose matrix takes 3.2 GB, and rows whose gradients take as much.
DENSE, SUBSET = 20_000, 2_000


class SklearnPeer(Peer):
    """Adapter of scikit-learn; hyperparameters are fitted on a random subset."""

    version = sklearn.__version__

    def variants(self, problem, fitted):
        return ["exact"] if problem.X.shape[0] <= DENSE else []

    def run(self, problem, variant, fitted):
        kernel, remark = process_kernel(problem, fitted), "float64"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if fitted:
                rows = np.random.default_rng(0).permutation(len(problem.X))[:SUBSET]
                small = GaussianProcessRegressor(kernel, alpha=0.0)
                kernel = small.fit(problem.X[rows], problem.y[rows]).kernel_
                remark += f", fitted on {SUBSET} rows"
            model = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None)
            model.fit(problem.X, problem.y)
        mean, std = model.predict(problem.X_test, return_std=True)
        return mean, std**2, remark


ADAPTER = SklearnPeer()
