"""Stopping a fit when what is watched no longer improves."""

import copy
import math
from dataclasses import dataclass, field

from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2.callbacks.task import (
    certificate_value,
    check_every,
    is_fit,
    is_iteration,
    task_ids,
    task_key,
    task_path,
)

_MONITORS = ("score", "objective", "certificate")


@dataclass
class EarlyStoppingRun:
    """What early stopping saw of one fit.

    Attributes
    ----------
    estimator_name : str
        Class of the estimator.
    path : tuple of int
        Place of the fit in the outermost one, () for the outermost itself.
    iterations : list of int
        Number of iterations done at each evaluation.
    scores : list of float
        The watched value at each evaluation.
    best_score : float
        The best of them; NaN before any is finite.
    best_iteration : int or None
        Where it was reached.
    best_estimator : estimator or None
        The model of that moment, where it was asked for.
    stopped : bool
        Whether this run was stopped early.
    """

    estimator_name: str
    path: tuple
    iterations: list = field(default_factory=list)
    scores: list = field(default_factory=list)
    best_score: float = math.nan
    best_iteration: int | None = None
    best_estimator: object = None
    stopped: bool = False
    waited: int = field(default=0, repr=False)


class EarlyStopping:
    """Stop a fit when a validation score, the objective or the certificate stalls.

    A fit stops after ``patience`` evaluations in a row without an improvement over the
    best one by more than ``min_delta``; it keeps the coefficients of its last
    iteration, and its ``stop_reason_`` is "callback". Register it on the outermost
    estimator: it is auto-propagated to every level, and treats each fit below a search,
    a pipeline or a cross-validated estimator on its own.

    Parameters
    ----------
    monitor : {"score", "objective", "certificate"}, default="score"
        What is watched: the score on validation data (higher is better), or the
        objective or the certificate of the fit (lower is better).
    X_val : array-like of shape (n_samples, n_features), default=None
        Validation data for "score", as the outermost estimator takes it: below a
        pipeline it passes through the fitted steps before the one that iterates.
    y_val : array-like of shape (n_samples,), default=None
        Validation target.
    scoring : str, callable or None, default=None
        None is the estimator's ``score`` method. A string is the name of a
        scikit-learn scorer. A callable is called as ``scoring(estimator, X_val,
        y_val)``, or as ``scoring(estimator)`` where there is no ``X_val``.
    patience : int, default=5
        Evaluations without improvement before the fit is stopped.
    min_delta : float, default=0.0
        Least improvement that counts.
    relative : bool, default=False
        Whether ``min_delta`` is a share of the best value's magnitude.
    every : int, default=1
        Evaluate every so many certificate checks.
    keep_best : bool, default=False
        Whether to keep the model with the best value as ``best_estimator_``.

    Attributes
    ----------
    best_score_ : float
        Best value of the latest run.
    best_iteration_ : int
        Iteration where it was reached.
    best_estimator_ : estimator
        The model of that iteration, with ``keep_best=True``.
    stopped_ : bool
        Whether the latest run was stopped early.
    runs_ : list of EarlyStoppingRun
        All runs of the outermost fit, oldest first.

    Notes
    -----
    Copies of the callback in worker processes stop their fits by the same rule, but
    what they saw stays there: after a parallel search the attributes describe the
    refit, which runs in the calling process.

    Examples
    --------
    >>> from skopt2.callbacks import EarlyStopping
    >>> stopping = EarlyStopping("objective", min_delta=1e-4, relative=True)
    >>> stopping.runs_
    []
    """

    # Every level: whichever estimator iterates is the one to stop.
    max_propagation_depth = None

    def __init__(
        self,
        monitor="score",
        *,
        X_val=None,
        y_val=None,
        scoring=None,
        patience=5,
        min_delta=0.0,
        relative=False,
        every=1,
        keep_best=False,
    ):
        check_choice("monitor", monitor, _MONITORS)
        check_count("patience", patience)
        check_number("min_delta", min_delta, 0)
        if monitor == "score" and X_val is None and not callable(scoring):
            raise ValueError(
                "monitor='score' needs X_val and y_val, or a callable scoring that "
                "brings its own data; use monitor='objective' or 'certificate' to "
                "stop without validation data."
            )
        self.monitor = monitor
        self.X_val = X_val
        self.y_val = y_val
        self.scoring = scoring
        self.patience = int(patience)
        self.min_delta = float(min_delta)
        self.relative = relative
        self.every = check_every(every)
        self.keep_best = keep_best
        self._runs = {}
        self._checks = {}
        self._pipelines = {}
        self._inputs = {}
        self._active = set()

    @property
    def runs_(self):
        """All runs of the outermost fit, oldest first."""
        return list(self._runs.values())

    @property
    def best_score_(self):
        """Best value of the latest run."""
        return self._latest("best_score_").best_score

    @property
    def best_iteration_(self):
        """Iteration at which the latest run was best."""
        return self._latest("best_iteration_").best_iteration

    @property
    def best_estimator_(self):
        """Model of the best iteration of the latest run.

        Raises
        ------
        AttributeError
            Without ``keep_best=True``, or before a fit was evaluated.
        """
        best = self._latest("best_estimator_").best_estimator
        if best is None:
            raise AttributeError("best_estimator_ is kept with keep_best=True only.")
        return best

    @property
    def stopped_(self):
        """Whether the latest run was stopped early."""
        return self._latest("stopped_").stopped

    def _latest(self, name):
        if not self._runs:
            raise AttributeError(f"{name} exists once a fit has been evaluated.")
        return next(reversed(self._runs.values()))

    def setup(self, estimator, context):
        """Forget the runs of earlier fits, unless one is still going on.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            Its root task.
        """
        if not self._active:
            self._runs = {}
        self._active.add(context.root_uuid)

    def on_fit_task_begin(self, estimator, context):
        """Remember pipelines, whose steps the validation data has to pass.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            The task that begins.
        """
        if is_fit(context) and hasattr(estimator, "steps"):
            self._pipelines[task_key(context)] = estimator

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Evaluate a step of a fit; return True to stop it.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            The task that ends.
        fitted_estimator : estimator, default=None
            The estimator as of now.

        Returns
        -------
        stop : bool
            Whether the fit has to stop.
        """
        if not is_iteration(context):
            for table in (self._pipelines, self._inputs, self._checks):
                table.pop(task_key(context), None)
            return False
        if fitted_estimator is None or not self._can_watch(fitted_estimator):
            return False
        key = task_key(context.parent)
        count = self._checks[key] = self._checks.get(key, 0) + 1
        if count % self.every:
            return False
        if key not in self._runs:
            self._runs[key] = EarlyStoppingRun(
                context.estimator_name, task_ids(context.parent)
            )
        run = self._runs[key]
        value = self._value(fitted_estimator, context.parent)
        iteration = int(getattr(fitted_estimator, "n_iter_", count))
        return self._record(run, iteration, value, fitted_estimator)

    def teardown(self, estimator, context):
        """Forget what belongs to fits that are over.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        context : CallbackContext
            Its root task.
        """
        self._active.discard(context.root_uuid)
        for table in (self._pipelines, self._inputs, self._checks):
            for key in [key for key in table if key[0] == context.root_uuid]:
                del table[key]

    def _can_watch(self, estimator):
        """Return False for iterating steps that this monitor says nothing about."""
        if self.monitor != "score":
            return hasattr(estimator, f"{self.monitor}_")
        if callable(self.scoring):
            return True
        return hasattr(estimator, "score" if self.scoring is None else "predict")

    def _value(self, estimator, fit):
        """Return the watched value of the estimator as of now."""
        if self.monitor == "objective":
            return float(estimator.objective_)
        if self.monitor == "certificate":
            return certificate_value(estimator)
        if self.X_val is None:
            return float(self.scoring(estimator))
        key = task_key(fit)
        if key not in self._inputs:
            self._inputs[key] = self._validation_input(fit)
        if self.scoring is None:
            return float(estimator.score(self._inputs[key], self.y_val))
        scoring = self.scoring
        if isinstance(scoring, str):
            from sklearn.metrics import get_scorer

            scoring = get_scorer(scoring)
        return float(scoring(estimator, self._inputs[key], self.y_val))

    def _validation_input(self, fit):
        """Pass X_val through the pipeline steps before the one that iterates."""
        X = self.X_val
        path = task_path(fit)
        for outer, inner in zip(path[:-1], path[1:], strict=True):
            pipeline = self._pipelines.get(task_key(outer))
            if pipeline is None or inner.source_task_name is None:
                continue
            for name, step in pipeline.steps[:-1]:
                if inner.source_task_name == f"fit-transform-{name}":
                    break
                if step is not None and step != "passthrough":
                    X = step.transform(X)
        return X

    def _record(self, run, iteration, value, estimator):
        """Add an evaluation to a run; return True once patience is exhausted."""
        run.iterations.append(iteration)
        run.scores.append(value)
        sign = 1.0 if self.monitor == "score" else -1.0
        best = run.best_score
        margin = self.min_delta
        if self.relative and math.isfinite(best):
            margin *= abs(best)
        if math.isfinite(value) and (
            math.isnan(best) or sign * (value - best) > margin
        ):
            run.best_score, run.best_iteration, run.waited = value, iteration, 0
            if self.keep_best:
                run.best_estimator = self._detached(estimator)
        else:
            run.waited += 1
            run.stopped = run.waited >= self.patience
        return run.stopped

    def _detached(self, estimator):
        """Copy a model without the callbacks and tasks of the fit that it came from."""
        twin = copy.copy(estimator).set_callbacks()
        for name, value in list(vars(twin).items()):
            is_task = hasattr(value, "root_uuid")
            is_callbacks = isinstance(value, list) and any(v is self for v in value)
            if is_task or is_callbacks or name in ("_solver_state", "_fingerprint"):
                delattr(twin, name)
        return twin

    def __getstate__(self):
        # Live pipelines and transformed data belong to fits in this process.
        return {**vars(self), "_pipelines": {}, "_inputs": {}, "_active": set()}
