"""Kernel models on few centres, fitted in one pass over chunks.

The normal equations of the centres are sums over rows, so that it makes no difference
in which chunks, or in how many calls, the rows came; see
:mod:`skopt2.solvers.kernel.center_least_squares`.
"""

import copy
import warnings
from contextlib import contextmanager
from numbers import Integral

from skopt2._core.cuda import target_of
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

    def _receive(self, data, Y, sample_weight):
        """Add rows to the normal equations; the first ones fix centres and kernel.

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
        if hasattr(self, "_normal"):
            self._normal = self._normal.moved(data.target)
        else:
            self._begin(sample)
        self._normal.update(sample.X, sample.Y, sample.unit_of_rows())
        self._keep(sample)

    def _begin(self, sample):
        """Choose kernel and centres, with no rows in the equations."""
        kernel = self._resolved(sample.X)
        rng = spawn(self.random_state, 3)[2]
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
        self._normal = CenterLeastSquares(kernel, Z)

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
        attributes.update(self._calibrate_stream())
        self._store(result, data, attributes)
        self._warn_unless_converged(result)
        return self

    def _calibrate_stream(self):
        """Return further fitted attributes, from rows that were kept."""
        return {}

    def _fit_chunks(self, X, y, sample_weight):
        """Fit to the chunks of an iterator or a Dask collection, in one pass.

        Parameters
        ----------
        X, y, sample_weight : object
            See :func:`skopt2.kernel_machine.chunks.chunks_of`.
        """
        if self.centers is None:
            raise ValueError(
                "centers=None makes every row a centre, but a fit in chunks needs "
                "centres that do not grow with the data: set centers to their number, "
                "or to an array."
            )
        self._check_stream()
        self._forget()
        data = None
        for chunk in chunks_of(X, y, sample_weight):
            data = self._accept(*chunk)
        if data is None:
            raise ValueError("X yielded no chunk with rows of positive weight.")
        return self._conclude(data)

    def _fit_more(self, *rows):
        """Add one chunk; an error leaves what was there."""
        self._check_stream()
        for name in ("_normal", "_kept"):
            if hasattr(self, name):
                setattr(self, name, copy.deepcopy(getattr(self, name)))
        return self._conclude(self._accept(*rows))

    def _check_stream(self):
        """Raise ValueError for parameters that rows which come once cannot obey."""
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True needs several passes over the rows, and a fit in "
                "chunks takes one: use early_stopping=False, and choose alpha on rows "
                "that are not in the fit."
            )
        if self.solver == "eigenpro":
            raise ValueError(
                "solver='eigenpro' needs several passes over the rows, and a fit in "
                "chunks takes one: use solver='auto' or 'cholesky', or X in memory."
            )
