"""Kernel models on few centres, fitted to rows that come in chunks.

The normal equations of the centres are sums over rows, so that it makes no difference
in which chunks, or in how many calls, the rows came; see
:mod:`skopt2.solvers.kernel.center_least_squares`. For many centres, and chunks that can
be read again, there is EigenPro: :mod:`skopt2.solvers.kernel.eigenpro_centers`.
"""

import copy
import warnings
from contextlib import contextmanager
from numbers import Integral

import numpy as np

from skopt2._core.chunks import chunks_of, is_dask
from skopt2._core.cuda import target_of
from skopt2._core.fit_record import FitRecord
from skopt2._core.random import spawn
from skopt2._core.result import Certificate, History, Result, StopReason
from skopt2._core.weights import raw_weight
from skopt2.kernel_machine.center_choice import choose_centers
from skopt2.kernel_machine.passes import Passes
from skopt2.kernel_machine.sample import Sample
from skopt2.solvers.kernel.center_least_squares import CenterLeastSquares
from skopt2.solvers.kernel.coefficients import Coefficients
from skopt2.solvers.kernel.eigenpro_centers import GRADIENT
from skopt2.solvers.kernel.solve_centers import DIRECT

NORMAL = "relative residual of the normal equations"
_NO_ROWS = "X yielded no chunk with rows of positive weight."


def has_centers(estimator):
    """Raise AttributeError unless the estimator has centres, which streams need."""
    if estimator.centers is None:
        raise AttributeError(
            "partial_fit adds rows to a model with fixed centres: set centers to "
            "their number, or to an array."
        )
    return True


@contextmanager
def same_features(estimator):
    """Raise ValueError in the end if rows have other features than those before.

    Parameters
    ----------
    estimator : estimator
        Whose rows are checked inside.
    """
    known = hasattr(estimator, "_normal")
    before = getattr(estimator, "n_features_in_", None)
    names = getattr(estimator, "feature_names_in_", None)
    yield
    after = estimator.n_features_in_
    if not known:
        return
    if before != after:
        raise ValueError(
            f"X has {after} features, but {type(estimator).__name__} is expecting "
            f"{before} features as input."
        )
    found = getattr(estimator, "feature_names_in_", None)
    if names is not None and (found is None or list(found) != list(names)):
        raise ValueError(
            "The feature names of X must be those of the rows before, in their order: "
            f"{list(names)}."
        )


class CenterModel:
    """Mixin: normal equations that grow by rows."""

    def __getstate__(self):
        # The equations are where they were computed, and all else where the input was.
        state = super().__getstate__()
        if "_normal" in state:
            home = target_of(self.dual_coef_)
            state = {**state, "_normal": state["_normal"].moved(home)}
        return state

    def _forget(self):
        """Drop the rows of a former stream."""
        vars(self).pop("_normal", None)
        vars(self).pop("_kept", None)

    def _receive(self, X, y, sample_weight):
        """Add rows to the normal equations; the first ones fix centres and kernel.

        Parameters
        ----------
        X, y, sample_weight : object
            As the user gave them.

        Returns
        -------
        data : FitInput
            The rows, checked.
        """
        data, Y = self._checked(X, y, sample_weight)
        with data.target.activate():
            sample = Sample(data.X, Y, raw_weight(data, sample_weight)).positive()
            if hasattr(self, "_normal"):
                self._normal = self._normal.moved(data.target)
            else:
                rng = spawn(self.random_state, 3)[2]
                self._normal = CenterLeastSquares(*self._chosen(sample, rng))
            self._normal.update(sample.X, sample.Y, sample.unit_of_rows())
            self._keep(sample)
        return data

    def _chosen(self, sample, rng):
        """Return the kernel and the centres for a stream with these first rows."""
        kernel = self._resolved(sample.X)
        Z = choose_centers(sample, self.centers, self.center_selection, kernel, rng)
        n = int(sample.X.shape[0])
        if isinstance(self.centers, Integral) and self.centers > n:
            warnings.warn(
                f"centers={self.centers}, but they are chosen among the first rows, "
                f"which are {n}, and are as many. Let the first chunk, or the first "
                "call, have more rows, or give an array of centers.",
                UserWarning,
                stacklevel=2,
            )
        return kernel, Z

    def _keep(self, sample):
        """Remember rows for later, where anything is made of them."""

    def _conclude(self, data):
        """Solve the normal equations, and store the model.

        Parameters
        ----------
        data : FitInput
            The last rows.
        """
        normal = self._normal
        with data.target.activate():
            found = normal.solve(float(self.alpha))
        good = found.residual <= self.tol
        history = History()
        history.append(
            iteration=1, time=0.0, objective=found.objective, certificate=found.residual
        )
        result = Result(
            Coefficients(found.a, "cholesky", 1.0, jitter=found.jitter),
            found.objective,
            Certificate(NORMAL, found.residual, float(self.tol)),
            StopReason.CONVERGED if good else StopReason.STALLED,
            1,
            history,
        )
        attributes = self._describe(result.solution, normal.Z, normal.kernel)
        attributes.update(self._calibrate_stream(normal.kernel, normal.Z))
        self._store(result, data, attributes)
        self._warn_unless_converged(result)
        return self

    def _calibrate_stream(self, kernel, Z):
        """Return further fitted attributes, from rows that were kept."""
        return {}

    def _fit_chunks(self, X, y, sample_weight):
        """Fit to the chunks of an iterator or a Dask collection.

        Parameters
        ----------
        X, y, sample_weight : object
            See :func:`skopt2._core.chunks.chunks_of`.
        """
        if self.centers is None:
            raise ValueError(
                "centers=None makes every row a centre, but a fit in chunks needs "
                "centres that do not grow with the data: set centers to their number, "
                "or to an array."
            )
        self._check_one_alpha()
        self._forget()
        if is_dask(X) and self._takes_passes():
            return self._fit_passes(X, y, sample_weight)
        self._check_stream()
        data = None
        for chunk in chunks_of(X, y, sample_weight):
            data = self._receive(*chunk)
        if data is None:
            raise ValueError(_NO_ROWS)
        return self._conclude(data)

    def _takes_passes(self):
        """Tell whether chunks that can be read again shall be."""
        p = self.centers if isinstance(self.centers, Integral) else len(self.centers)
        return self.solver == "eigenpro" or (self.solver == "auto" and p > DIRECT)

    def _fit_passes(self, X, y, sample_weight):
        """Fit to the blocks of a Dask collection, in many passes."""
        self._check_early_stopping_of_chunks()
        first = next(chunks_of(X, y, sample_weight), None)
        if first is None:
            raise ValueError(_NO_ROWS)
        data, Y = self._checked(*first)
        found = {}

        def describe(solution):
            return {**self._describe(solution, Z, kernel), **found}

        monitor = self._start(data, describe, tol=self.tol, certificate=GRADIENT)
        resume = self._take_resume(data)
        record = FitRecord(monitor, self.random_state, resume)
        streams = record.streams(3)
        with data.target.activate():
            sample = Sample(data.X, Y, raw_weight(data, first[2])).positive()
            kernel, Z = self._chosen(sample, streams[2])
            rows = Passes(self._checked, (X, y, sample_weight), self._keep)
            loop = {"rng": streams[1], "monitor": record, "resume": resume}
            result = self._solve(kernel, sample, Z, rows, **loop)
            found.update(self._calibrate_stream(kernel, Z))
            vars(self).pop("_kept", None)
            return self._finish(result, data, describe, monitor)

    def _fit_more(self, *rows):
        """Add one chunk; an error leaves what was there."""
        self._check_one_alpha()
        self._check_stream()
        for name in ("_normal", "_kept"):
            if hasattr(self, name):
                setattr(self, name, copy.deepcopy(getattr(self, name)))
        return self._conclude(self._receive(*rows))

    def _check_one_alpha(self):
        if np.ndim(self.alpha):
            raise ValueError(
                "Rows in chunks need one alpha for all targets; got "
                f"alpha={self.alpha!r}."
            )

    def _check_stream(self):
        """Raise ValueError for parameters that rows which come once cannot obey."""
        self._check_early_stopping_of_chunks()
        if self.solver == "eigenpro":
            raise ValueError(
                "solver='eigenpro' needs several passes over the rows, which an "
                "iterator or partial_fit give once: use solver='auto' or 'cholesky', a "
                "Dask array, or X in memory."
            )

    def _check_early_stopping_of_chunks(self):
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True holds out rows of a sample that is in memory, and "
                "a fit in chunks has none: use early_stopping=False, and choose alpha "
                "on rows that are not in the fit."
            )
