"""Early stopping: stop a solve when rows that it does not see are predicted no better.

An iterative solver of a kernel system fits the leading directions of the kernel first,
and the noise last, so stopping it is a form of regularisation (Yao, Rosasco and
Caponnetto, On early stopping in gradient descent learning, 2007).
"""

import math
from dataclasses import fields, replace

import numpy as np
from sklearn.model_selection import train_test_split

from skopt2._core.array import asarray_like, namespace, sum64
from skopt2._core.result import Certificate, StopReason
from skopt2.solvers.kernel.coefficients import Coefficients

_FIELDS = fields(Coefficients)
# Relative difference up to which two errors are the same.
TIE = 1e-6


class ValidationMonitor:
    """Measure the error on rows that are held out, and stop when it no longer falls.

    Parameters
    ----------
    operator : KernelOperator
        Rows held out, columns the rows of the fit.
    held : Sample
        These rows.
    patience : int
        Measures without a smaller error after which to stop.
    record : FitRecord
        Monitor of the callbacks, which is asked too.

    Attributes
    ----------
    errors : list of float
        Mean squared error of each measure.
    best : Coefficients or None
        Solution with the smallest error.
    """

    def __init__(self, operator, held, patience, record):
        self.operator, self.Y, self.weight = operator, held.Y, held.weight
        self.patience, self.record = patience, record
        self.errors, self.best = [], None
        self._level = (math.inf, math.inf)
        record.sources.append(self)
        if "fit_errors" in record.notes:
            self._unpack(record.notes)

    def begin(self, iteration):
        """Pass the call on."""
        self.record.begin(iteration)

    def end(self, iteration, solver, state, measure, history):
        """Measure the error; return True to stop."""
        solution = solver.finalize(state)
        error = self.error(solution.a)
        # Of solutions that are as good, the later one solves the system better.
        if not self.errors or error <= (1.0 + TIE) * min(self.errors):
            self.best, self._level = solution, (measure.objective, measure.value)
        self.errors.append(error)
        # Callbacks come last: a checkpoint has the error of this measure too.
        asked = self.record.end(iteration, solver, state, measure, history)
        level = (1.0 + TIE) * min(self.errors)
        since = len(self.errors) - 1 - int(np.argmax(np.asarray(self.errors) <= level))
        return bool(asked) or since >= self.patience

    def kept(self, result):
        """Return a result with the best solution, and what was measured of that.

        Parameters
        ----------
        result : Result
            Of the loop.

        Returns
        -------
        result : Result
        """
        if self.best is None or result.solution is self.best:
            return result
        objective, value = self._level
        last = result.certificate
        name = last.name if self.best.exact else f"estimated {_plain(last.name)}"
        certificate = Certificate(name, value, last.tol)
        reason = result.reason
        if reason == StopReason.CONVERGED and not certificate.holds:
            # An earlier solution predicts better than that which solves the system.
            reason = StopReason.CALLBACK
        return replace(
            result,
            solution=self.best,
            objective=objective,
            certificate=certificate,
            reason=reason,
        )

    def pack(self):
        """Return the errors and the best solution as plain arrays and numbers.

        Returns
        -------
        packed : dict
        """
        best = {f"fit_best_{f.name}": getattr(self.best, f.name) for f in _FIELDS}
        level = np.asarray(self._level)
        return {**best, "fit_errors": np.asarray(self.errors), "fit_level": level}

    def _unpack(self, packed):
        self.errors = [float(error) for error in packed["fit_errors"]]
        self._level = tuple(float(value) for value in packed["fit_level"])
        values = {field.name: packed[f"fit_best_{field.name}"] for field in _FIELDS}
        values["a"] = asarray_like(values["a"], self.Y)
        self.best = Coefficients(**values)

    def scores(self, a):
        """Return the model's values at the rows held out, for coefficients (n, c)."""
        return self.operator.product(a)

    def error(self, a):
        """Return the mean squared error of coefficients (n, c)."""
        squares = (self.scores(a) - self.Y) ** 2
        per_row = namespace(squares).sum(squares, axis=1)
        if self.weight is None:
            return sum64(per_row) / per_row.shape[0]
        return sum64(per_row * self.weight) / sum64(self.weight)


def _plain(name):
    """Return the name of a certificate without the word for an estimate."""
    return name.removeprefix("estimated ")


def hold_out(n, fraction, rng, labels=None):
    """Split the numbers 0 .. n - 1 in rows to fit and rows held out.

    Parameters
    ----------
    n : int
        How many rows there are.
    fraction : float
        Share to hold out.
    rng : numpy.random.Generator
        Shuffles.
    labels : ndarray of shape (n,) or None, default=None
        Classes whose shares are kept, where every class has two rows and there is room
        for each on both sides.

    Returns
    -------
    fitted, held_out : ndarray of int
        Sorted.

    Raises
    ------
    ValueError
        If one side would be empty.
    """
    n_held = int(np.ceil(fraction * n))
    if not 0 < n_held < n:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} of {n} samples "
            "leaves nothing to fit or nothing to hold out; change "
            "validation_fraction, or use early_stopping=False."
        )
    stratify = None
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() >= 2 and min(n_held, n - n_held) >= counts.size:
            stratify = labels
    seed = int(rng.integers(2**31))
    parts = train_test_split(
        np.arange(n), test_size=n_held, random_state=seed, stratify=stratify
    )
    return np.sort(parts[0]), np.sort(parts[1])
