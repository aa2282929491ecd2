"""What the estimators of kernel ridge regression share.

The model is f(x) = sum_j a_j k(x, x_j) over the rows x_j of the fit, with

    minimise  sum_i w_i |y_i - f(x_i)|^2 + alpha |f|^2,

|f| the norm of the kernel's space, w the sample weights. Its coefficients solve
(K + alpha W^-1) a = y; see :mod:`skopt2.solvers.kernel.system`.
"""

import dataclasses

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    asarray_like,
    device_of,
    index_like,
    move,
    namespace,
    put,
    sum64,
    to_numpy,
)
from skopt2._core.chunks import by_blocks
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.fit_record import FitRecord
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.transfer import convert
from skopt2._core.validation import check_predict_input
from skopt2._core.weights import raw_weight
from skopt2.kernel_machine.center_choice import check_centers, choose_centers
from skopt2.kernel_machine.center_model import CenterModel
from skopt2.kernel_machine.early_stopping import ValidationMonitor, hold_out
from skopt2.kernel_machine.sample import Sample, rows_of
from skopt2.kernels import Kernel, KernelOperator, get_kernel
from skopt2.solvers.kernel.eigenpro_centers import GRADIENT
from skopt2.solvers.kernel.engine import RESIDUAL
from skopt2.solvers.kernel.solve import SOLVERS, solve_kernel_system
from skopt2.solvers.kernel.solve_centers import SOLVERS as CENTER_SOLVERS
from skopt2.solvers.kernel.solve_centers import solve_on_centers

# Rows among which those that differ set the length scale "median".
MEDIAN_ROWS = 4000
# Ridge, in units of the kernel, from which early stopping goes with "sap". That takes
# half the time of "eigenpro"; but without a ridge its momentum and its exact blocks fit
# the noise of smooth kernels from the first epochs on.
RIDGE = 1e-4


class KernelModel(CenterModel, IterativeEstimator):
    """Base of the kernel estimators: rows, kernel, solve, prediction."""

    _remedies = (
        "increase alpha or the length scale",
        "increase alpha, or choose solver='cholesky'",
    )
    _sparse_input = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self._pairwise
        return tags

    @property
    def _pairwise(self):
        return isinstance(self.kernel, str) and self.kernel == "precomputed"

    def _limit(self, result):
        return f"max_iter={self.max_iter} epochs"

    def _fit_system(self, data, Y, sample_weight, labels=None):
        """Solve the system of the data and store the model.

        Parameters
        ----------
        data : FitInput
            Checked data.
        Y : array of shape (n, c)
            Targets, beside ``data.X``.
        sample_weight : array-like or float or None
            As the user gave it, already checked.
        labels : ndarray of shape (n,) or None, default=None
            Class numbers, whose shares a split keeps.

        Returns
        -------
        self : KernelModel
            Fitted.
        """
        found = {}

        def describe(solution):
            if self._pairwise:
                # New rows come with a column for each row of the input.
                solution = spread(solution, fitted.rows, int(data.X.shape[0]))
            return {**self._describe(solution, Z, kernel), **found}

        name = RESIDUAL if self.centers is None else GRADIENT
        monitor = self._start(data, describe, tol=self.tol, certificate=name)
        resume = self._take_resume(data)
        watch = record = FitRecord(monitor, self.random_state, resume)
        streams = record.streams(3)
        fitted, held = self._split(data, Y, sample_weight, labels, streams[0])
        kernel = self._resolved(fitted.X)
        Z = self._points(fitted, kernel, streams[2])
        if held is not None:
            beside = self._beside(kernel, held.X, Z)
            watch = ValidationMonitor(beside, held, self.n_iter_no_change, record)
        loop = {"rng": streams[1], "monitor": watch, "resume": resume}
        result = self._solve(kernel, fitted, Z, **loop)
        scores = None
        if held is not None:
            result = watch.kept(result)
            scores = watch.scores(result.solution.a)
            found["validation_errors_"] = np.asarray(watch.errors)
        found.update(self._calibrate(kernel, fitted, held, scores))
        return self._finish(result, data, describe, monitor)

    def _points(self, fitted, kernel, rng):
        """Return the points of the model: the rows of the fit, or its centres."""
        if self.centers is None:
            return fitted.X
        return choose_centers(fitted, self.centers, self.center_selection, kernel, rng)

    def _solve(self, kernel, fitted, Z, rows=None, alpha=None, **loop):
        """Return the result of the solver for the rows, or for the centres.

        Where ``rows`` yields chunks, ``fitted`` is the first of them.
        """
        alpha = float(self.alpha if alpha is None else alpha)
        options = {
            "tol": float(self.tol),
            "max_epochs": self.max_iter,
            "time_limit": self.time_limit,
            "start": self._warm(fitted, Z),
            "batch_size": self.batch_size,
            "n_components": self.n_components,
            **loop,
        }
        if self.centers is None:
            lam = alpha / fitted.unit
            operator = KernelOperator(kernel, fitted.X)
            options["solver"] = self._solver(operator)
            return solve_kernel_system(operator, fitted.Y, lam, **options)
        X, Y, weight = fitted.X, fitted.Y, fitted.unit_of_rows()
        if rows is not None:
            X, Y, weight = rows, None, None
        options |= {"solver": self._solver(), "alpha": alpha}
        return solve_on_centers(kernel, X, Y, Z, weight=weight, **options)

    def _describe(self, solution, Z, kernel):
        """Return the fitted attributes of a solution."""
        return {
            "dual_coef_": self._shape(solution.a),
            "centers_": None if self._pairwise else Z,
            "kernel_": kernel,
            "solver_": solution.solver,
            "n_epochs_": float(solution.n_epochs),
            "batch_size_": solution.batch_size,
            "step_size_": solution.step_size,
            "n_components_": solution.n_components,
            "n_restarts_": solution.n_restarts,
            "validation_errors_": None,
        }

    def _calibrate(self, kernel, fitted, held, scores):
        """Return further fitted attributes, from rows held out where there are any."""
        return {}

    def _split(self, data, Y, sample_weight, labels, rng):
        """Return the rows to fit and those held out, or None, as samples."""
        weight = raw_weight(data, sample_weight)
        whole = Sample(data.X, Y, weight, self._pairwise)
        if not self.early_stopping:
            return whole.positive(), None
        kept = np.arange(int(data.X.shape[0]))
        if isinstance(weight, np.ndarray):
            kept = np.flatnonzero(weight)
        some = None if labels is None else labels[kept]
        fitted, held = hold_out(kept.size, self.validation_fraction, rng, some)
        fitted, held = kept[fitted], kept[held]
        return whole.part(fitted, fitted), whole.part(held, fitted)

    def _makers(self):
        return {"kernel": self._kernel_of}

    def _kernel_of(self, kernel):
        return get_kernel(kernel, length_scale=self.length_scale)

    def _resolved(self, X):
        """Return the kernel with numbers for parameters, from the rows that differ."""
        kernel = self._kernel_of(self.kernel)
        if not _asks_for_median(kernel):
            return kernel.resolve(X)
        n = int(X.shape[0])
        if n > MEDIAN_ROWS:
            index = np.linspace(0, n - 1, MEDIAN_ROWS).astype(np.int64)
            X = rows_of(X, index)
        # A row of weight k must count as one that stands k times.
        return kernel.resolve(np.unique(to_numpy(X), axis=0))

    def _beside(self, kernel, X, centers):
        """Return the operator between new points and the centres."""
        if self._pairwise:
            return _Given(X)
        return KernelOperator(kernel, X, asarray_like(centers, X))

    def _solver(self, operator=None):
        """Return the name of the algorithm, for all rows or for centres."""
        if not (self.early_stopping and self.solver == "auto"):
            return self.solver
        if operator is None:
            return "eigenpro"
        scale = sum64(operator.diagonal()) / operator.shape[0]
        return "sap" if float(self.alpha) >= RIDGE * scale > 0.0 else "eigenpro"

    def _warm(self, sample, Z):
        """Return the former coefficients where they fit the new problem, or None."""
        if not (self.warm_start and hasattr(self, "dual_coef_")):
            return None
        former = self.dual_coef_
        shape = (int(Z.shape[0]), int(sample.Y.shape[1]))
        size = 1
        for length in former.shape:
            size *= int(length)
        if former.shape[0] != shape[0] or size != shape[0] * shape[1]:
            return None
        former = asarray_like(move(former, cuda.target_of(sample.Y)), sample.Y)
        return namespace(former).reshape(former, shape)

    def _shape(self, a):
        """Return coefficients (n, c) in the shape of the attribute."""
        return a

    @by_blocks
    def _values(self, X, method):
        """Return the model's values at new points, shape (n, c), where X lives."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="dual_coef_", method=method
        )
        source, target = cuda.resolve(self.device, X)
        with target.activate():
            coef, centers, kernel = convert(
                (self.dual_coef_, self.centers_, self.kernel_), target
            )
            points = move(X, target)
            xp = namespace(points)
            coef = coef[:, None] if coef.ndim == 1 else coef
            beside = self._beside(kernel, points, centers)
            values = beside.product(xp.astype(coef, points.dtype))
        return move(values, source)

    def _check_parameters(self):
        """Raise ValueError for a parameter out of range."""
        check_centers(self.centers, self.center_selection, self._pairwise)
        names = SOLVERS if self.centers is None else ("auto", *CENTER_SOLVERS)
        check_choice("solver", self.solver, names)
        self._check_alpha()
        check_positive("tol", self.tol)
        check_count("n_iter_no_change", self.n_iter_no_change)
        check_count("batch_size", self.batch_size, optional=True)
        check_count("n_components", self.n_components, optional=True)
        fraction = self.validation_fraction
        check_number("validation_fraction", fraction, 0, 1, closed="neither")
        if self.early_stopping:
            self._check_early_stopping()

    def _check_alpha(self):
        check_number("alpha", self.alpha, 0)

    def _check_early_stopping(self):
        if self.solver == "cholesky":
            raise ValueError(
                "solver='cholesky' has no iterations to stop early: use "
                "early_stopping=False, or another solver."
            )


def spread(solution, rows, n):
    """Return coefficients with zeros for rows that are not in the fit.

    Parameters
    ----------
    solution : Coefficients
        Of some rows.
    rows : ndarray of int
        Their numbers.
    n : int
        Number of all rows.

    Returns
    -------
    solution : Coefficients
        Of all rows.
    """
    a = solution.a
    xp = namespace(a)
    if rows.size == n:
        return solution
    room = {} if xp is np else {"device": device_of(a)}
    wide = xp.zeros((n, a.shape[1]), dtype=a.dtype, **room)
    wide = put(wide, index_like(rows, a), a)
    return dataclasses.replace(solution, a=wide)


class _Given:
    """Product with a kernel matrix that was given."""

    def __init__(self, K):
        self._K = K

    def product(self, V):
        return self._K @ V


def _asks_for_median(value):
    """Tell whether a kernel, or a part of it, has the parameter "median"."""
    if isinstance(value, (list, tuple)):
        return any(_asks_for_median(part) for part in value)
    if isinstance(value, Kernel):
        return any(_asks_for_median(part) for part in value.get_params(False).values())
    return isinstance(value, str) and value == "median"
