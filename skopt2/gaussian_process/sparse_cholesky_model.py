"""What the estimators with sparse inverse Cholesky factors share.

Fits are computed in host memory, whatever the arrays of the user are: the order, the
neighbours and the sparse factors have no counterpart on other devices.
"""

import math
from numbers import Integral, Real

import numpy as np

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.estimator import IterativeEstimator
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
        for name in ("n_neighbors", "max_iter", "optimizer_size"):
            check_count(getattr(self, name), name, 1)
        check_count(self.n_restarts_optimizer, "n_restarts_optimizer", 0)
        if not is_number(self.tol) or self.tol <= 0:
            raise ValueError(f"tol must be a positive number; got tol={self.tol!r}.")
        if self.rho is not None and not (is_number(self.rho) and self.rho >= 1):
            raise ValueError(
                f"rho must be a number of at least 1, or None; got rho={self.rho!r}."
            )
        optimizer = self.optimizer
        if not (optimizer is None or optimizer == OPTIMIZER or callable(optimizer)):
            raise ValueError(
                f"optimizer must be {OPTIMIZER!r}, None or a callable; got "
                f"optimizer={optimizer!r}."
            )


def is_number(value):
    """Tell whether a value is a finite number, and no bool."""
    return (
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    )


def check_count(value, name, least):
    """Raise ValueError unless a parameter is an integer of at least some value."""
    if not (
        isinstance(value, Integral) and not isinstance(value, bool) and value >= least
    ):
        raise ValueError(
            f"{name} must be an integer of at least {least}; got {name}={value!r}."
        )


def beside(values, X):
    """Return float64 values where X lives, in its dtype."""
    return asarray_like(np.ascontiguousarray(values), X)
