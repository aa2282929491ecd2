"""What the streaming estimators share: fit, partial_fit, and rows in chunks."""

from dataclasses import replace

import numpy as np

from skopt2._core.array import asarray_like, is_sparse, namespace
from skopt2._core.checks import check_squares
from skopt2._core.chunks import chunks_of, is_chunked, is_dask, labels_among
from skopt2._core.iterate import iterate
from skopt2._core.labels import codes_among, known_labels
from skopt2._core.result import StopReason
from skopt2._core.transfer import convert
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2._core.weights import raw_weight
from skopt2.linear_model.sparse_model import SparseLinearModel
from skopt2.linear_model.streaming_formulation import (
    StreamFormulation,
    check_parameters,
)
from skopt2.solvers.streaming.choice import SCHEDULES

# What only a fit to rows that are all there can say.
_OF_A_FIT = ("certificate_", "dual_gap_", "history_", "objective_")
_FORMATS = ("csr",)


def has_no_horizon(estimator):
    """Tell whether an estimator can learn without knowing how much is to come.

    Returns
    -------
    possible : bool
        Always True.

    Raises
    ------
    AttributeError
        If it cannot: ``partial_fit`` is then not there.
    """
    if estimator.step not in SCHEDULES:
        return True
    raise AttributeError(
        f"partial_fit is not available with step={estimator.step!r}, which decays to "
        "zero at the end of a run whose length is known; use step='dog'."
    )


class StreamingLinearModel(SparseLinearModel):
    """Base of the streaming regressor and the streaming classifier."""

    _remedies = (
        "use SparseRegressor or SparseClassifier, which solve the same problem",
        "increase alpha, or use standardize=True and step='dog'",
    )

    def _fit(self, X, y, sample_weight):
        """Learn in epochs over the rows; the body of ``fit``."""
        check_parameters(self)
        if is_chunked(X):
            return self._fit_chunks(X, y, sample_weight)
        data = check_fit_input(
            self,
            X,
            y,
            sample_weight,
            accept_sparse=_FORMATS,
            y_kind=self._y_kind,
            squares=True,
        )
        weight, unit = _in_units(raw_weight(data, sample_weight), None)
        codes = None if data.classes is None else data.y
        with data.target.activate():
            formulation = StreamFormulation(self, data, data.classes, codes, weight)
            solver = formulation.epochs()

            def describe(solution):
                return self._describe(solution, data)

            if data.classes is not None:
                self.classes_ = data.classes
            monitor = self._start(
                data,
                describe,
                tol=solver.tol,
                certificate=solver.certificate_name,
                max_checks=int(self.max_iter),
            )
            result = iterate(
                solver,
                solver.init(self._warm_start(data, formulation)),
                tol=solver.tol,
                max_iter=int(self.max_iter),
                time_limit=self.time_limit,
                monitor=monitor,
                name=solver.certificate_name,
                resume=self._take_resume(data),
            )
            self._keep(solver.state, unit, data)
            return self._finish(result, data, describe, monitor)

    def _warm_start(self, data, formulation):
        """Return the iterate of the previous fit, None without one."""
        outputs = formulation.rows.y.shape[1:]
        solution = self._warm_solution(data, outputs[0] if outputs else 1)
        if solution is None:
            return None
        solution = formulation.feasible(solution)
        x = np.zeros((data.X.shape[1], *outputs))
        x[solution.ids] = solution.w
        if self.fit_intercept:
            x = np.concatenate([x, np.reshape(solution.intercept, (1, *outputs))])
        return asarray_like(x, formulation.rows.s)

    def _partial_fit(self, X, y, sample_weight, classes=None):
        """Learn from rows once; the body of ``partial_fit``."""
        check_parameters(self)
        before = dict(vars(self))
        try:
            if self._y_kind == "classification":
                classes = known_labels(classes, vars(self).get("classes_"))
                if classes is None:
                    raise ValueError(
                        "classes is None: the first call of partial_fit needs all "
                        "labels that will come."
                    )
            self._learn(X, y, sample_weight, classes)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit_chunks(self, X, y, sample_weight):
        """Learn from each chunk once, in their order."""
        for name in ("_state", "_unit", "classes_", "n_iter_", *_OF_A_FIT):
            vars(self).pop(name, None)
        labelled = self._y_kind == "classification"
        classes = None
        if labelled and is_dask(X):
            classes = known_labels(labels_among(y, sample_weight))
        for chunk in chunks_of(X, y, sample_weight):
            if labelled and classes is None:
                classes = known_labels(labels_among(chunk[1], chunk[2]))
            self._learn(*chunk, classes)
        if not hasattr(self, "_state"):
            raise ValueError("X yielded no chunk with rows of positive weight.")
        self.n_iter_ = 1
        return self

    def _learn(self, X, y, sample_weight, classes):
        """Take the steps of some rows."""
        going = hasattr(self, "_state")
        if going:
            check_predict_input(self, X, accept_sparse=_FORMATS, method="partial_fit")
        data = check_fit_input(
            self,
            X,
            y,
            sample_weight,
            accept_sparse=_FORMATS,
            y_kind=self._y_kind,
            min_classes=1,
        )
        check_squares(data.X, "X", vanishing=False)
        if self._y_kind == "regression":
            check_squares(data.y, "y", vanishing=False)
        weight, unit = _in_units(
            raw_weight(data, sample_weight), vars(self).get("_unit")
        )
        with data.target.activate():
            state = convert(self._state, data.target) if going else None
            if going:
                data = _cast(data, state.moments.mean)
            codes = None
            if classes is not None:
                codes = codes_among(classes, data.classes, data.y)
                codes = asarray_like(codes, data.y)
            formulation = StreamFormulation(self, data, classes, codes, weight)
            stream, rows = formulation.stream(), formulation.rows
            if going:
                self._check_state(state, stream, rows)
            else:
                state = stream.begin(rows)
            with np.errstate(over="ignore", invalid="ignore"):
                state = stream.consume(state, rows)
            attributes = self._describe(stream.solution(state), data)
        for name in _OF_A_FIT:
            vars(self).pop(name, None)
        if classes is not None:
            self.classes_ = classes
        self._keep(state, unit, data)
        vars(self).update(
            convert(attributes, data.source),
            n_iter_=vars(self).get("n_iter_", 0) + 1,
            converged_=False,
            stop_reason_="stream",
            device_=data.target.label,
        )

    def _check_state(self, state, stream, rows):
        """Raise ValueError if the parameters no longer fit what has been learnt."""
        q = rows.X.shape[1] + int(self.fit_intercept)
        fits = type(state.run) is stream.rule.run and state.run.x.shape[0] == q
        if not fits:
            raise ValueError(
                "partial_fit goes on with the step rule and the intercept of the calls "
                f"before, which step={self.step!r} and fit_intercept="
                f"{self.fit_intercept!r} change: set them back, or call fit."
            )

    def _keep(self, state, unit, data):
        """Store what later calls of ``partial_fit`` go on with."""
        self._state = convert(state, data.source)
        self._unit = unit
        self.n_samples_seen_ = int(state.moments.rows)
        self.n_steps_ = int(state.run.steps)
        weight = state.loss_weight
        self.online_loss_ = float(state.loss / weight) if weight > 0.0 else np.nan

    def _limit(self, result):
        return f"max_iter={result.n_iter} epochs"

    def _warn_unless_converged(self, result):
        # Epochs without progress are how a stochastic method ends, and a schedule ends
        # where it was told to.
        ends = {StopReason.STALLED}
        if self.step in SCHEDULES:
            ends.add(StopReason.MAX_ITER)
        if result.reason not in ends:
            super()._warn_unless_converged(result)


def _in_units(weight, unit):
    """Return weights in units of the largest of the first call, and that unit."""
    largest = float(np.max(weight))
    unit = largest if unit is None else unit
    return weight / unit, unit


def _cast(data, like):
    """Return data in the dtype of the stream."""
    X, y = data.X, data.y
    values = X.data if is_sparse(X) else X
    if values.dtype == like.dtype:
        return data
    xp = namespace(values)
    if data.classes is None:
        y = xp.astype(y, like.dtype)
    X = X.astype(like.dtype) if is_sparse(X) else xp.astype(X, like.dtype)
    return replace(data, X=X, y=y)
