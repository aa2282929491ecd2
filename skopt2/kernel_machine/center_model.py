"""Kernel models on few centres, fitted in one pass over chunks.

The normal equations of the centres are sums over rows, so that it makes no difference
in which chunks, or in how many calls, the rows came; see
:mod:`skopt2.solvers.kernel.center_least_squares`.
"""

import copy
from contextlib import contextmanager

from skopt2._core.random import spawn
from skopt2._core.result import Certificate, History, Result, StopReason
from skopt2.kernel_machine.center_choice import choose_centers
from skopt2.kernel_machine.chunks import chunks_of
from skopt2.kernel_machine.sample import Sample, raw_weight
from skopt2.solvers.kernel.center_least_squares import CenterLeastSquares
from skopt2.solvers.kernel.coefficients import Coefficients

NORMAL = "relative residual of the normal equations"


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

    def _grow(self, data, Y, sample_weight):
        """Add rows to the normal equations, and store their solution.

        Parameters
        ----------
        data : FitInput
            Checked rows.
        Y : array of shape (n, c)
            Their targets.
        sample_weight : array-like, float or None
            As the user gave it.
        """
        sample = Sample(data.X, Y, raw_weight(data, sample_weight)).positive()
        if not hasattr(self, "_normal"):
            kernel = self._resolved(sample.X)
            rng = spawn(self.random_state, 3)[2]
            Z = choose_centers(sample, self.centers, self.center_selection, kernel, rng)
            normal = CenterLeastSquares(kernel, Z)
        else:
            # An error in the middle must leave what was there.
            normal = copy.deepcopy(self._normal)
        normal.update(sample.X, sample.Y, sample.unit_of_rows())
        found = normal.solve(float(self.alpha))
        self._normal = normal
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
        attributes.update(self._calibrate(normal.kernel, sample, None, None))
        self._store(result, data, attributes)
        self._warn_unless_converged(result)
        return self

    def _fit_chunks(self, X, y, sample_weight, grow):
        """Fit to the chunks of an iterator or a Dask array, in one pass.

        Parameters
        ----------
        X, y, sample_weight : object
            See :func:`skopt2.kernel_machine.chunks.chunks_of`.
        grow : callable
            Adds one chunk.
        """
        if self.centers is None:
            raise ValueError(
                "A fit in chunks needs centres that do not grow with the data: set "
                "centers to their number, or to an array."
            )
        vars(self).pop("_normal", None)
        n_chunks = 0
        for chunk in chunks_of(X, y, sample_weight):
            grow(*chunk)
            n_chunks += 1
        if not n_chunks:
            raise ValueError("The iterator X yielded no chunk.")
        return self
