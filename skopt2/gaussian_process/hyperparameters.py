"""Hyperparameters of a Gaussian process by its marginal likelihood."""

import warnings
from dataclasses import dataclass
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from skopt2._core.estimator import level_of_caller
from skopt2._core.parameters import check_choice, check_count
from skopt2.solvers.kernel.pathwise_fit import fit_pathwise
from skopt2.solvers.kernel.subset_fit import bounds_reached, fit_on_subset

OPTIMIZERS = ("auto", "subset", "pathwise", "fmin_l_bfgs_b")


@dataclass(frozen=True)
class Search:
    """How hyperparameters are fitted.

    Parameters
    ----------
    optimizer : str, callable or None
        The user's.
    size : int
        Rows of a subset.
    n_restarts : int
        Further starts.
    n_jobs : int or None
        Of the restarts.
    time_limit : float or None
        Seconds for the stochastic steps.
    """

    optimizer: Any
    size: int
    n_restarts: int
    n_jobs: int | None
    time_limit: float | None

    def check(self):
        """Raise ValueError for a parameter out of range."""
        if not callable(self.optimizer):
            other = "a callable"
            check_choice(
                "optimizer", self.optimizer, OPTIMIZERS, optional=True, other=other
            )
        check_count("optimizer_size", self.size)
        check_count("n_restarts_optimizer", self.n_restarts, 0)

    def run(self, process, X, Y, noise, rng):
        """Fit the hyperparameters.

        Parameters
        ----------
        process : ProcessKernel
            At its starting values.
        X : array of shape (n, d)
            Rows.
        Y : array of shape (n, c)
            Targets.
        noise : float or ndarray of shape (n,)
            Variances of the noise beside the kernel's own.
        rng : numpy.random.Generator
            Of subsets, restarts and probes.

        Returns
        -------
        process : ProcessKernel
            At the best values found.
        """
        if self.optimizer is None or not process.theta.size:
            return process
        n = int(X.shape[0])
        whole = self.optimizer == "fmin_l_bfgs_b" or callable(self.optimizer)
        process = fit_on_subset(
            process,
            X,
            Y,
            noise,
            size=n if whole else self.size,
            n_restarts=self.n_restarts,
            optimizer=self.optimizer if callable(self.optimizer) else None,
            rng=rng,
            n_jobs=self.n_jobs,
        ).process
        if self.optimizer == "pathwise" and n > self.size:
            process = fit_pathwise(
                process, X, Y, noise, rng=rng, time_limit=self.time_limit
            ).solution.process
        if getattr(self.optimizer, "warns_at_bounds", True):
            warn_at_bounds(process)
        return process


def warn_at_bounds(process):
    """Warn of hyperparameters that ended at a bound.

    Parameters
    ----------
    process : ProcessKernel
        Fitted.
    """
    for one in bounds_reached(process):
        way = "decreasing" if one.side == "lower" else "increasing"
        warnings.warn(
            f"The hyperparameter {one.name} (dimension {one.dimension}) ended at its "
            f"{one.side} bound {one.bound:.3g}; {way} that bound of the kernel may "
            "give a better likelihood, and so may features of one scale or "
            "normalize_y=True.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
