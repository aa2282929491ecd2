"""What a Gaussian process with a coreset does between its input and its output."""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.iterate import iterate
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.random import spawn
from skopt2._core.transfer import convert
from skopt2.gaussian_process.coreset_process import default_kernel, expand
from skopt2.gaussian_process.coreset_start import (
    STARTS,
    sample,
    spread,
    start,
    start_rows,
)
from skopt2.gaussian_process.targets import Targets
from skopt2.solvers.kernel.block_sampler import BlockSampler
from skopt2.solvers.kernel.coreset_ascent import CHANGE, CoresetAscent
from skopt2.solvers.kernel.coreset_bound import Bound, Coreset
from skopt2.solvers.kernel.coreset_state import Ranges
from skopt2.solvers.kernel.coreset_stream import CoresetStream, Former

# Covariances in a chunk of predictions.
_ENTRIES = 2**21


# Attributes of a fit that rows one chunk after the other do not have.
_OF_A_FIT = (
    "certificate_",
    "converged_",
    "dual_gap_",
    "history_",
    "n_epochs_",
    "n_restarts_",
    "objective_",
    "stop_reason_",
)


@dataclass(frozen=True, eq=False)
class Stream:
    """What calls of ``partial_fit`` leave for the next one.

    Parameters
    ----------
    state : CoresetState
        Parameters, and averages of the steps.
    center, unit : array of shape (T,)
        Of the targets, from the first rows.
    seed : int
        Of the order of the rows.
    n, n_iter : int
        Rows and steps so far.
    """

    state: Any
    center: Any
    unit: Any
    seed: int
    n: int
    n_iter: int

    def targets(self, y):
        """Return further targets in the units of the first.

        Parameters
        ----------
        y : array of shape (n,) or (n, T)
            As the user gave them.

        Returns
        -------
        targets : Targets
            In the widest dtype.
        """
        xp, T = namespace(y), int(self.unit.shape[0])
        Y = xp.reshape(y, (y.shape[0], -1))
        if Y.shape[1] != T:
            raise ValueError(
                f"y has {Y.shape[1]} targets, those of the calls before had {T}."
            )
        Y = xp.astype(Y, self.unit.dtype, copy=False)
        return Targets((Y - self.center) / self.unit, self.center, self.unit)


class CoresetModel(IterativeEstimator):
    """Base of :class:`CoresetGPRegressor`: start, ascent, attributes, moments."""

    _remedies = (
        "use another learning_rate",
        "use a smaller learning_rate, or more noise",
    )
    _sparse_input = False

    def _fit_data(self, data):
        """Fit the model to checked data."""
        for name in ("_stream", "n_samples_seen_"):
            vars(self).pop(name, None)
        self._one_target = data.y.ndim == 1
        targets = Targets.of(data.y, self.normalize_y, accumulation_dtype(data.y))
        draws, order = spawn(self.random_state, 2)
        process, coreset = self._begin(data.X, targets, draws)

        def describe(solution):
            return {
                **self._describe(solution.coreset, process, targets, data.X.dtype),
                "evidence_lower_bound_": float(solution.bound),
                "n_restarts_": int(solution.n_restarts),
                "n_epochs_": float(solution.n_epochs),
            }

        monitor = self._start(data, describe, tol=self.tol, certificate=CHANGE)
        resume = self._take_resume(data)
        seed = int(order.integers(2**32))
        if resume is not None and "state" in resume:
            seed = int(resume["state"]["seed"])
        solver = CoresetAscent(
            self._bound(process),
            data.X,
            targets.Y,
            tol=float(self.tol),
            max_steps=self.max_iter,
            **self._options(data.X, targets.Y, process, seed),
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

    def _add(self, data):
        """Learn from checked rows beside those of the calls before."""
        stream, former = vars(self).get("_stream"), None
        if stream is None:
            self._one_target = data.y.ndim == 1
            wide = accumulation_dtype(data.y)
            targets = Targets.of(data.y, self.normalize_y, wide)
            draws, order = spawn(self.random_state, 2)
            process, coreset = self._begin(data.X, targets, draws)
            seed, n_iter = int(order.integers(2**31)), 0
        else:
            stream = convert(stream, data.target)
            targets, state = stream.targets(data.y), stream.state
            process = expand(self.kernel_, self.n_features_in_)
            posterior = self._bound(process).posterior(Coreset(*state.moving))
            former = Former.of(posterior, stream.n)
            seed, n_iter = stream.seed, stream.n_iter
        n_before = 0 if stream is None else stream.n
        solver = CoresetStream(
            self._bound(process),
            data.X,
            targets.Y,
            former=former,
            **self._options(data.X, targets.Y, process, seed + n_before),
        )
        state = solver.take(solver.begin(coreset) if stream is None else state)
        n_iter += solver.n_steps
        new = Stream(state, targets.center, targets.unit, seed, solver.n, n_iter)
        fitted = self._describe(Coreset(*state.moving), process, targets, data.X.dtype)
        for name in _OF_A_FIT:
            vars(self).pop(name, None)
        vars(self).update(
            convert({**fitted, "_stream": new}, data.source),
            evidence_lower_bound_=float(state.value),
            n_samples_seen_=solver.n,
            n_iter_=n_iter,
            device_=data.target.label,
        )
        return self

    def _begin(self, X, targets, rng):
        """Return the kernel's terms and the coreset to start at."""
        former = self._former(X, targets)
        if former is not None:
            return former
        kernel = self.kernel
        if kernel is None:
            kernel = default_kernel(*sample(X, targets.Y))
        process = expand(kernel, int(X.shape[1]))
        if not process.terms.white and not self.alpha:
            raise ValueError(
                f"kernel={kernel!r} has no WhiteKernel and alpha=0, so there is no "
                "noise, and no evidence lower bound: give alpha, or add WhiteKernel() "
                "to the kernel."
            )
        index = start_rows(X, self.n_coreset, self.init, rng)
        return process, start(X, targets.Y, index, process.phi)

    def _bound(self, process):
        """Return the bound for the kernel and the noise of this model."""
        return Bound(process.terms, float(self.alpha))

    def _options(self, X, Y, process, seed):
        """Return what an ascent on given rows needs beside them."""
        n, ranges = int(X.shape[0]), (process.low, process.high, process.free)
        return {
            "sampler": BlockSampler(n, min(n, self.batch_size), seed, X),
            "ranges": Ranges(*(asarray_like(x, Y) for x in ranges)),
            "units": (spread(X), spread(Y)),
            "rate": float(self.learning_rate),
        }

    def _former(self, X, targets):
        """Return the terms and the coreset of the former fit, or None."""
        if not (self.warm_start and hasattr(self, "coreset_X_")):
            return None
        parts = self._parts(cuda.target_of(X))
        Z, U, log_w, phi, center, unit, process = parts
        if Z.shape[1] != X.shape[1] or U.shape[1] != targets.Y.shape[1]:
            return None
        U = (U * unit + center - targets.center) / targets.unit
        return process, Coreset(Z, U, log_w, phi)

    def _wide(self, x):
        """Return an array in the widest dtype of its device."""
        return namespace(x).astype(x, accumulation_dtype(x), copy=False)

    def _describe(self, coreset, process, targets, dtype):
        """Return the fitted attributes of a coreset."""
        xp = namespace(coreset.Z)
        posterior = self._bound(process).posterior(coreset)
        U = coreset.Y * targets.unit + targets.center
        arrays = {
            "coreset_X_": coreset.Z,
            "coreset_y_": U[:, 0] if self._one_target else U,
            "coreset_weights_": xp.exp(coreset.log_w),
            "_center": targets.center,
            "_unit": targets.unit,
        }
        count = sum(math.prod(part.shape) for part in coreset.parts()[:3])
        return {
            **{k: xp.astype(x, dtype, copy=False) for k, x in arrays.items()},
            "kernel_": process.at(to_numpy(coreset.phi)),
            "noise_": float(posterior.noise),
            "n_parameters_": count + int(process.free.sum()),
            "jitter_": float(posterior.floor * posterior.variance),
        }

    def _moments(self, X, return_std, return_cov):
        """Return the mean, and with it the standard deviation or the covariance."""
        posterior, unit, center = self._posterior(cuda.target_of(X))
        xp, one = namespace(X), self.coreset_y_.ndim == 1
        step = max(64, _ENTRIES // int(self.coreset_X_.shape[0]))
        means, variances = [], []
        n = int(X.shape[0])
        for first in range(0, n, step):
            some = X[first : min(n, first + step), :]
            mean, variance = posterior.moments(self._wide(some))
            means.append(mean)
            variances.append(variance)
        mean = xp.astype(xp.concat(means) * unit + center, X.dtype, copy=False)
        mean = mean[:, 0] if one else mean
        if return_std:
            white = posterior.kernel.noise(posterior.coreset.phi)
            std = xp.sqrt(xp.concat(variances) + white)[:, None] * unit
            std = xp.astype(std, X.dtype, copy=False)
            return mean, std[:, 0] if one else std
        if not return_cov:
            return (mean,)
        cov = posterior.covariance(self._wide(X))
        if one:
            return mean, xp.astype(cov * unit[0] ** 2, X.dtype, copy=False)
        return mean, xp.astype(cov[:, :, None] * unit**2, X.dtype, copy=False)

    def _posterior(self, target):
        """Return the posterior on a device, and the unit and centre of its targets."""
        *parts, center, unit, process = self._parts(target)
        posterior = self._bound(process).posterior(Coreset(*parts))
        return posterior, unit, center

    def _parts(self, target):
        """Return what was fitted, on a device, for targets less their centre."""
        names = ("coreset_X_", "coreset_y_", "coreset_weights_", "_center", "_unit")
        Z, U, w, center, unit = (
            self._wide(move(getattr(self, name), target)) for name in names
        )
        U = U[:, None] if U.ndim == 1 else U
        process = expand(self.kernel_, self.n_features_in_)
        log_w, phi = namespace(w).log(w), asarray_like(process.phi, Z)
        return Z, (U - center) / unit, log_w, phi, center, unit, process

    def _check_parameters(self):
        """Raise ValueError for a parameter out of range."""
        check_count("n_coreset", self.n_coreset)
        check_count("batch_size", self.batch_size)
        check_positive("learning_rate", self.learning_rate)
        check_positive("tol", self.tol)
        check_number("alpha", self.alpha, 0)
        check_choice("init", self.init, STARTS)
