"""What a Gaussian process with a coreset does between its input and its output."""

import math
from numbers import Integral, Real

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    move,
    namespace,
    take,
    to_numpy,
)
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.iterate import iterate
from skopt2._core.random import spawn
from skopt2.gaussian_process.coreset_process import default_kernel, expand
from skopt2.solvers.kernel.block_sampler import BlockSampler
from skopt2.solvers.kernel.coreset_ascent import CHANGE, CoresetAscent
from skopt2.solvers.kernel.coreset_bound import Bound, Coreset
from skopt2.solvers.kernel.coreset_state import Ranges
from skopt2.solvers.kernel.kmeans_rejection import seed_by_rejection
from skopt2.solvers.kernel.row_distances import row_distances

STARTS = ("kmeans++", "random")
# Covariances in a chunk of predictions.
_ENTRIES = 2**21
# Rows that the default kernel is taken from.
_SAMPLE = 10000


class CoresetModel(IterativeEstimator):
    """Base of :class:`CoresetGPRegressor`: start, ascent, attributes, moments."""

    _remedies = (
        "use another learning_rate",
        "use a smaller learning_rate, or more noise",
    )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _fit_data(self, data):
        """Fit the model to checked data."""
        Y, shift, unit = self._targets(data.y)
        draws, order = spawn(self.random_state, 2)
        process, coreset = self._begin(data.X, Y, shift, unit, draws)
        if not process.terms.white and not self.alpha:
            raise ValueError(
                f"kernel={process.kernel!r} has no WhiteKernel and alpha=0, so there "
                "is no noise, and no evidence lower bound: give alpha, or add "
                "WhiteKernel() to the kernel."
            )
        wide = coreset.Z
        bound = Bound(process.terms, float(self.alpha))

        def describe(solution):
            return self._describe(solution, process, bound, data, shift, unit)

        monitor = self._start(data, describe, tol=self.tol, certificate=CHANGE)
        resume = self._take_resume(data)
        seed = int(order.integers(2**32))
        if resume is not None and "state" in resume:
            seed = int(resume["state"]["seed"])
        n = int(data.X.shape[0])
        solver = CoresetAscent(
            bound,
            data.X,
            Y,
            BlockSampler(n, min(n, self.batch_size), seed, data.X),
            ranges=Ranges(
                *(asarray_like(x, wide) for x in (process.low, process.high)),
                asarray_like(process.free, wide),
            ),
            units=(_spread(data.X, wide), _spread(Y, wide)),
            rate=float(self.learning_rate),
            tol=float(self.tol),
            max_steps=self.max_iter,
        )
        result = iterate(
            solver,
            solver.start(coreset),
            tol=float(self.tol),
            max_iter=self.max_iter,
            check_every=solver.interval,
            time_limit=self.time_limit,
            monitor=monitor,
            name=CHANGE,
            resume=resume,
        )
        return self._finish(result, data, describe, monitor)

    def _targets(self, y):
        """Return targets (n, T) as they are fitted, and their shift and unit (T,)."""
        xp = namespace(y)
        self._one_target = y.ndim == 1
        Y = y[:, None] if y.ndim == 1 else y
        wide = xp.astype(Y, accumulation_dtype(Y), copy=False)
        zero = xp.zeros_like(wide[0, :])
        if not self.normalize_y:
            return Y, zero, zero + 1.0
        shift, unit = xp.mean(wide, axis=0), xp.std(wide, axis=0)
        unit = xp.where(unit > 0.0, unit, zero + 1.0)
        return (wide - shift) / unit, shift, unit

    def _begin(self, X, Y, shift, unit, rng):
        """Return the kernel's terms and the coreset to start at."""
        xp, n = namespace(X), int(X.shape[0])
        former = self._former(X, Y, shift, unit)
        if former is not None:
            return former
        kernel = self.kernel
        if kernel is None:
            some = np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)
            some = asarray_like(some, X, xp.int64)
            rows = (to_numpy(take(x, some)).astype(np.float64) for x in (X, Y))
            kernel = default_kernel(*rows)
        process = expand(kernel, int(X.shape[1]))
        index = asarray_like(self._rows(X, rng), X, xp.int64)
        wide = accumulation_dtype(X)
        Z = xp.astype(take(X, index), wide)
        weight = math.log(n / int(Z.shape[0]))
        log_w = xp.zeros_like(Z[:, 0]) + weight
        U = xp.astype(take(Y, index), wide)
        return process, Coreset(Z, U, log_w, asarray_like(process.phi, Z))

    def _rows(self, X, rng):
        """Return the numbers of the rows at which the coreset starts."""
        n = int(X.shape[0])
        size = min(n, self.n_coreset)
        if self.init == "random" or size == n:
            return np.sort(rng.choice(n, size, replace=False))
        budget = cuda.memory_budget(cuda.target_of(X))
        rows = row_distances(X / _spread(X, X), None, budget)
        seeding = seed_by_rejection(rows, size, np.full(n, 1.0 / n), rng)
        return np.sort(seeding.indices)

    def _former(self, X, Y, shift, unit):
        """Return the terms and the coreset of the former fit, or None."""
        if not (self.warm_start and hasattr(self, "coreset_X_")):
            return None
        target = cuda.target_of(X)
        names = ("coreset_X_", "coreset_y_", "coreset_weights_")
        Z, U, w = (self._wide(move(getattr(self, name), target)) for name in names)
        U = U[:, None] if U.ndim == 1 else U
        if Z.shape[1] != X.shape[1] or U.shape[1] != Y.shape[1]:
            return None
        process = expand(self.kernel_, int(X.shape[1]))
        log_w, phi = namespace(w).log(w), asarray_like(process.phi, Z)
        return process, Coreset(Z, (U - shift) / unit, log_w, phi)

    def _wide(self, x):
        """Return an array in the widest dtype of its device."""
        return namespace(x).astype(x, accumulation_dtype(x), copy=False)

    def _describe(self, solution, process, bound, data, shift, unit):
        """Return the fitted attributes of a solution."""
        coreset, xp = solution.coreset, namespace(data.X)
        posterior = bound.posterior(coreset)
        phi = to_numpy(coreset.phi)
        U = xp.astype(coreset.Y * unit + shift, data.X.dtype, copy=False)
        M, free = int(coreset.Z.shape[0]), int(process.free.sum())
        return {
            "coreset_X_": xp.astype(coreset.Z, data.X.dtype, copy=False),
            "coreset_y_": U[:, 0] if self._one_target else U,
            "coreset_weights_": xp.astype(
                xp.exp(coreset.log_w), data.X.dtype, copy=False
            ),
            "kernel_": process.at(phi),
            "noise_": float(posterior.noise),
            "evidence_lower_bound_": float(solution.bound),
            "n_parameters_": M * int(coreset.Z.shape[1] + U.shape[1] + 1) + free,
            "jitter_": float(posterior.floor * posterior.variance),
            "n_restarts_": int(solution.n_restarts),
            "n_epochs_": float(solution.n_epochs),
            "_y_shift": xp.astype(shift, data.X.dtype, copy=False),
            "_y_unit": xp.astype(unit, data.X.dtype, copy=False),
        }

    def _moments(self, X, return_std, return_cov):
        """Return the mean, and with it the standard deviation or the covariance."""
        posterior, unit, shift = self._posterior(cuda.target_of(X))
        xp, one = namespace(X), self.coreset_y_.ndim == 1
        step = max(64, _ENTRIES // int(self.coreset_X_.shape[0]))
        means, variances = [], []
        n = int(X.shape[0])
        for start in range(0, n, step):
            some = X[start : min(n, start + step), :]
            mean, variance = posterior.moments(self._wide(some))
            means.append(mean)
            variances.append(variance)
        mean = xp.astype(xp.concat(means) * unit + shift, X.dtype, copy=False)
        mean = mean[:, 0] if one else mean
        if return_std:
            spread = xp.concat(variances) + posterior.kernel.noise(
                posterior.coreset.phi
            )
            spread = xp.sqrt(spread)[:, None] * unit
            spread = xp.astype(spread, X.dtype, copy=False)
            return mean, spread[:, 0] if one else spread
        if not return_cov:
            return (mean,)
        cov = posterior.covariance(self._wide(X))
        if one:
            return mean, xp.astype(cov * unit[0] ** 2, X.dtype, copy=False)
        return mean, xp.astype(cov[:, :, None] * unit**2, X.dtype, copy=False)

    def _posterior(self, target):
        """Return the posterior on a device, and the unit and shift of its targets."""
        names = ("coreset_X_", "coreset_y_", "coreset_weights_", "_y_shift", "_y_unit")
        Z, U, w, shift, unit = (
            self._wide(move(getattr(self, name), target)) for name in names
        )
        U = U[:, None] if U.ndim == 1 else U
        process = expand(self.kernel_, self.n_features_in_)
        coreset = Coreset(
            Z, (U - shift) / unit, namespace(w).log(w), asarray_like(process.phi, Z)
        )
        posterior = Bound(process.terms, float(self.alpha)).posterior(coreset)
        return posterior, unit, shift

    def _check_parameters(self):
        """Raise ValueError for a parameter out of range."""
        for name in ("n_coreset", "batch_size", "max_iter"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a positive integer; got {value!r}.")
        for name in ("learning_rate", "tol"):
            value = getattr(self, name)
            if not _number(value) or value <= 0:
                raise ValueError(f"{name} must be a positive number; got {value!r}.")
        if not _number(self.alpha) or self.alpha < 0:
            raise ValueError(f"alpha must be a number >= 0; got {self.alpha!r}.")
        if self.time_limit is not None and not (
            _number(self.time_limit) and self.time_limit > 0
        ):
            raise ValueError(
                f"time_limit must be a positive number or None; got "
                f"{self.time_limit!r}."
            )
        if self.init not in STARTS:
            raise ValueError(f"init must be one of {STARTS}; got {self.init!r}.")


def _spread(X, like):
    """Return the standard deviations of columns, 1 for those that do not vary."""
    xp = namespace(X)
    wide = xp.astype(X, accumulation_dtype(X), copy=False)
    spread = xp.std(wide, axis=0)
    safe = xp.where(spread > 0.0, spread, xp.ones_like(spread))
    return xp.astype(safe, like.dtype, copy=False)


def _number(value):
    """Tell whether a value is a finite number, and no bool."""
    return (
        isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    )
