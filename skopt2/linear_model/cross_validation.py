"""Paths over the folds of a cross-validation, and their scores.

The folds are made once, the levels are those of the problem on all the data, and every
fold follows its own path from the largest level down. Rows of weight 0 are left out,
and the weights of the others are scaled to sum to 1 in every part.
"""

import copy
import functools
import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.array import move, namespace, sum64, take, to_numpy, xlogy
from skopt2._core.parameters import errors_name
from skopt2._core.result import StopReason
from skopt2._core.sklearn_seam import check_method_params
from skopt2.linear_model.path_tasks import PathTasks
from skopt2.linear_model.sparse_path import follow

# Predictions of a path are made for as many levels at a time as fit in this many
# numbers.
_BLOCK = 2**24


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of the samples.

    Parameters
    ----------
    number : int
        Its place among the folds, from 0.
    train, test : ndarray of int
        Row numbers of positive weight.
    """

    number: int
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What the paths of all folds share.

    Parameters
    ----------
    estimator : estimator
        Its parameters, and its callbacks.
    data : FitInput
        All the data; a sparse X by rows.
    target : array
        The target as the loss wants it, beside X.
    loss : Loss
        Of the problem, which may be that of several classes.
    alphas : ndarray of shape (n_alphas,)
        Levels, descending.
    scorer : callable or None
        Scikit-learn scorer; None for the mean loss, or accuracy.
    score_params : dict
        What the scorer gets beside the data.
    """

    estimator: Any
    data: Any
    target: Any
    loss: Any
    alphas: np.ndarray
    scorer: Any = None
    score_params: Any = None

    def run(self, folds, context=None):
        """Follow the path of every fold.

        Parameters
        ----------
        folds : list of Fold
            The splits.
        context : sklearn.callback.CallbackContext, default=None
            Root task of the fit.

        Returns
        -------
        scores : ndarray of shape (n_alphas, n_folds)
            Larger is better; only the levels that every fold reached.
        n_unsolved : int
            Fits whose certificate does not hold.
        """
        tasks, outer = [None] * len(folds), None
        if context is not None:
            outer = context.subcontext(
                "cross-validation", max_subtasks=len(folds), sequential_subtasks=False
            )
            # Made ahead: a tree of tasks must not grow while it is sent to workers.
            tasks = [
                outer.subcontext(
                    "fold", task_id=fold.number, max_subtasks=len(self.alphas)
                )
                for fold in folds
            ]
            outer.call_on_fit_task_begin(**self._seen())
        # A device is shared by threads, and would be opened anew by every process.
        prefer = "processes" if self.data.target.kind == "numpy" else "threads"
        outcomes = Parallel(n_jobs=self.estimator.n_jobs, prefer=prefer)(
            delayed(_follow_fold)(self, fold, task)
            for fold, task in zip(folds, tasks, strict=True)
        )
        if outer is not None:
            outer.call_on_fit_task_end(**self._seen())
        reached = min(len(scores) for scores, _ in outcomes)
        scores = np.column_stack([scores[:reached] for scores, _ in outcomes])
        return scores, sum(unsolved for _, unsolved in outcomes)

    def _seen(self):
        """Return what callbacks see of all the data."""
        data = self.data
        weight = data.sample_weight_source
        return {
            "estimator": self.estimator,
            "X": data.X_source,
            "y": data.y_source,
            "metadata": None if weight is None else {"sample_weight": weight},
        }


def make_folds(estimator, data, params):
    """Split the samples, once and for all levels.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``cv``.
    data : FitInput
        All the data.
    params : dict
        For ``split``, ``groups`` for example.

    Returns
    -------
    folds : list of Fold
        At least one.

    Raises
    ------
    ValueError
        If there are no folds, or a part of one has no sample, no weight, or not all
        the classes.
    """
    y = to_numpy(data.y_source)
    # Splitters count the rows of X; none of scikit-learn reads it.
    X = data.X_source if data.source.kind == "numpy" else np.zeros((y.shape[0], 1))
    weight = to_numpy(data.sample_weight_source)
    rows = np.arange(y.shape[0])
    folds = []
    with errors_name("cv", estimator.cv):
        splitter = check_cv(estimator.cv, y, classifier=is_classifier(estimator))
        # Indexing turns masks into row numbers, and refuses rows that do not exist; an
        # empty list would be an array of floats.
        splits = [
            tuple(rows[np.asarray(part) if len(part) else []] for part in parts)
            for parts in splitter.split(X, y, **params)
        ]
    for number, (train, test) in enumerate(splits):
        if weight is not None:
            train, test = train[weight[train] > 0], test[weight[test] > 0]
        for part, name in ((train, "training"), (test, "test")):
            if part.size == 0:
                raise ValueError(
                    f"The {name} part of fold {number} has no sample of positive "
                    "weight. Use fewer folds, or another cv."
                )
        folds.append(Fold(number, train, test))
    if not folds:
        raise ValueError(f"cv={estimator.cv!r} makes no folds.")
    if data.classes is not None:
        _check_classes(folds, to_numpy(data.y), data.classes)
    return folds


def _check_classes(folds, codes, classes):
    """Raise unless every training part has samples of every class."""
    for fold in folds:
        counts = np.bincount(codes[fold.train], minlength=len(classes))
        if (counts == 0).any():
            raise ValueError(
                f"The training part of fold {fold.number} has no sample of class "
                f"{classes.tolist()[np.argmin(counts)]!r}. Use a stratified cv, with "
                "fewer folds than the rarest class has samples."
            )


def _rows(X, index, target):
    """Return rows of X, in the memory order of X."""
    if isinstance(X, np.ndarray):
        if X.flags.f_contiguous and not X.flags.c_contiguous:
            return np.asarray(np.take(X.T, index, axis=1)).T
        return np.asarray(np.take(X, index, axis=0))
    return take(X, move(index, target))


def part_of(data, index):
    """Return the input of a fit to some of the rows."""
    weight = data.sample_weight
    if weight is not None:
        weight = _rows(weight, index, data.target)
        weight = weight / sum64(weight)
    return replace(
        data,
        X=_rows(data.X, index, data.target),
        y=_rows(data.y, index, data.target),
        sample_weight=weight,
    )


def _follow_fold(cv, fold, context):
    """Return the scores of a fold along the path, and how many fits did not converge.

    Parameters
    ----------
    cv : CrossValidation
        What the folds share.
    fold : Fold
        The split.
    context : sklearn.callback.CallbackContext or None
        Its task.
    """
    data = cv.data
    with data.target.activate():
        part = part_of(data, fold.train)
        tasks = PathTasks(
            cv.estimator,
            context,
            cv.alphas,
            part,
            X=functools.cache(lambda: _rows(data.X_source, fold.train, data.source)),
            y=functools.cache(lambda: _rows(data.y_source, fold.train, data.source)),
            metadata=lambda: _weights_of(data, fold.train),
        )
        formulation = cv.estimator._formulate(part)
        results = follow(formulation, cv.alphas, on_point=tasks.end)
        if cv.scorer is None:
            scores = _mean_losses(cv, fold, results)
        else:
            scores = _scorer_values(cv, fold, results)
        tasks.close()
    return scores, count_unsolved(results)


def count_unsolved(results):
    """Return how many results neither converged nor were stopped on purpose."""
    fine = (StopReason.CONVERGED, StopReason.CALLBACK)
    return sum(result.reason not in fine for result in results)


def _weights_of(data, index):
    """Return the metadata of some rows for callbacks."""
    weight = data.sample_weight_source
    if weight is None:
        return None
    return {"sample_weight": _rows(weight, index, data.source)}


def predictors(X, results, target):
    """Yield X @ w + b for each result, (n,) or (n, K), many of them by one product."""
    dtype = "float32" if "float32" in str(X.dtype) else "float64"
    outputs = results[0].solution.w.shape[1:]
    width = math.prod(outputs)
    step = max(1, _BLOCK // (X.shape[0] * width))
    for start in range(0, len(results), step):
        solutions = [result.solution for result in results[start : start + step]]
        # Feature 0 always: with no column at all there would be no product.
        used = np.unique(np.concatenate([[0], *(s.ids for s in solutions)]))
        used = used.astype(np.int64)
        w = np.zeros((used.size, len(solutions), width), dtype=dtype)
        for i, solution in enumerate(solutions):
            places = np.searchsorted(used, solution.ids)
            w[places, i] = solution.w.reshape(-1, width)
        b = np.concatenate([np.ravel(s.intercept) for s in solutions]).astype(dtype)
        columns = take(X, move(used, target), axis=1)
        eta = columns @ move(w.reshape(used.size, -1), target) + move(b, target)
        for i in range(len(solutions)):
            block = eta[:, i * width : (i + 1) * width]
            yield block if outputs else block[:, 0]


def _mean_losses(cv, fold, results):
    """Return the mean score of the test part at every level."""
    data = cv.data
    test = part_of(data, fold.test)
    y = _rows(cv.target, fold.test, data.target)
    s, xp = test.sample_weight, namespace(y)
    if s is None:
        flat = y if y.ndim == 1 else y[:, 0]
        s = xp.zeros_like(flat) + 1.0 / y.shape[0]
    etas = predictors(test.X, results, data.target)
    return np.asarray([mean_score(cv.loss, y, eta, s, test.y) for eta in etas])


def mean_score(loss, y, eta, s, codes=None):
    """Return minus the mean loss, or the accuracy where there are no probabilities.

    In the units that are usual: mean squared error, mean Poisson deviance, mean Huber
    and pinball loss, log loss.

    Parameters
    ----------
    loss : Loss
        Of the problem.
    y, eta : array of shape (k,) or (k, K)
        Targets as the loss wants them, and predictors.
    s : array of shape (k,)
        Weights with sum 1.
    codes : array of int of shape (k,), default=None
        Class numbers, of a classifier.

    Returns
    -------
    score : float
        Larger is better.
    """
    if loss.task != "regression" and not loss.probabilistic:
        xp = namespace(eta)
        return sum64(s * xp.astype((eta > 0) == (codes == 1), s.dtype))
    scale, shift = 1.0, 0.0
    if loss.name in ("squared", "poisson"):
        scale = 2.0
    if y.ndim == 2 and loss.task == "regression":
        scale /= y.shape[1]
    if loss.name == "poisson":
        shift = sum64(s * (xlogy(y, y) - y))
    with np.errstate(over="ignore"):
        return -scale * (loss.value(y, eta, s) + shift)


def _scorer_values(cv, fold, results):
    """Return the values of a scikit-learn scorer on the test part, at every level."""
    data = cv.data
    X = to_numpy(_rows(data.X_source, fold.test, data.source))
    y = to_numpy(data.y_source)
    params = check_method_params(y, cv.score_params or {}, indices=fold.test)
    y = y[fold.test]
    model = copy.copy(cv.estimator)
    # The arrays have no column names.
    vars(model).pop("feature_names_in_", None)
    if data.classes is not None:
        model.classes_ = data.classes
    values = np.empty(len(results))
    for i, result in enumerate(results):
        vars(model).update(cv.estimator._describe(result.solution, data))
        value = cv.scorer(model, X, y, **params)
        if not isinstance(value, (Real, np.ndarray)) or np.ndim(value):
            raise ValueError(
                f"scoring must return a number, got {value!r} of type "
                f"{type(value).__name__}."
            )
        values[i] = value
    return values
