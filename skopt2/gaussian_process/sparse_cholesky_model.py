"""What the estimators with sparse inverse Cholesky factors share.

Fits are computed in host memory, whatever the arrays of the user are: the order, the
neighbours and the sparse factors have no counterpart on other devices.
"""

import numpy as np

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.validation import check_predict_input
from skopt2.solvers.kernel.inverse_cholesky_fit import ParameterSearch

# The one optimiser with a name.
OPTIMIZER = "fmin_l_bfgs_b"


class SparseCholeskyModel(IterativeEstimator):
    """Base: parameters, kernels and their search, points of predictions."""

    _remedies = (
        "increase alpha or n_neighbors",
        "increase alpha or n_neighbors",
    )
    _sparse_input = False

    def _search(self, rng):
        """Return the search for the parameters of the kernel."""
        return ParameterSearch(
            int(self.n_neighbors),
            None if self.rho is None else float(self.rho),
            self.optimizer,
            int(self.optimizer_size),
            int(self.n_restarts_optimizer),
            rng,
        )

    def _points_of(self, X, method):
        """Return checked points and the same as float64 in host memory."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="X_train_", method=method
        )
        return X, np.asarray(to_numpy(X), dtype=np.float64)

    def _check_kernel(self):
        """Raise TypeError unless the kernel is an object of scikit-learn."""
        needed = ("theta", "bounds", "clone_with_theta", "diag")
        if self.kernel is not None and (
            isinstance(self.kernel, type)
            or not all(hasattr(self.kernel, name) for name in needed)
        ):
            raise TypeError(
                "kernel must be a kernel object of sklearn.gaussian_process.kernels, "
                f"or None; got kernel={self.kernel!r}."
            )

    def _check_parameters(self):
        """Raise ValueError or TypeError for a parameter out of range."""
        self._check_kernel()
        check_count("n_neighbors", self.n_neighbors)
        check_count("optimizer_size", self.optimizer_size)
        check_count("n_restarts_optimizer", self.n_restarts_optimizer, 0)
        check_positive("tol", self.tol)
        check_number("rho", self.rho, 1, optional=True)
        if not callable(self.optimizer):
            other = "a callable"
            check_choice(
                "optimizer", self.optimizer, (OPTIMIZER,), optional=True, other=other
            )


def beside(values, X):
    """Return float64 values where X lives, in its dtype."""
    return asarray_like(np.ascontiguousarray(values), X)
