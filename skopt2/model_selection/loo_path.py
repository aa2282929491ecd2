"""Leave-one-out along the iterations of a first-order method."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.estimator import level_of_caller
from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_choice, check_count, check_positive
from skopt2._core.random import spawn
from skopt2._core.result import StopReason
from skopt2._core.transfer import convert
from skopt2.model_selection.fitted_point import LARGEST
from skopt2.model_selection.fold_checks import draw_folds
from skopt2.model_selection.host_problem import pose
from skopt2.model_selection.splits import left_out_rows
from skopt2.solvers.block_coordinate_descent.coordinates import group_columns
from skopt2.solvers.leave_out.copies import ExactCopies, LinearisedCopies
from skopt2.solvers.leave_out.descent import METHODS, PathDescent
from skopt2.solvers.state import Solution, in_use


@dataclass(frozen=True, eq=False)
class LooPath:
    """Outcome of a descent with approximate cross-validation along the way.

    Attributes
    ----------
    estimator : estimator
        The model at the iteration with the best score, fitted: it predicts.
    best_iteration : int
        That iteration.
    best_score : float
        Its approximate score.
    iterations : ndarray of int of shape (n_checks,)
        Iterations at which everything was measured.
    times : ndarray of shape (n_checks,)
        Seconds until then.
    scores : ndarray of shape (n_checks,)
        Approximate score of the rows that are left out, larger is better: minus the
        mean squared error, Poisson deviance, Huber loss or log loss.
    train_scores : ndarray of shape (n_checks,)
        The same of the model of all rows on the rows that it has seen.
    objectives : ndarray of shape (n_checks,)
        Exact value of the objective on all rows, with the penalty.
    checked : ndarray of int of shape (n_check,)
        Folds whose models were also carried along exactly.
    checked_scores : ndarray of shape (n_checks,)
        Exact score of those folds; empty without any.
    checked_errors : ndarray of shape (n_checks,)
        Approximate less exact score of those folds; empty without any.
    coef : ndarray of shape (n_features,) or (n_features, n_classes)
        Coefficients of all rows at the last iteration.
    fold_coefs : ndarray of shape (n_features, n_folds) or \
            (n_features, n_classes, n_folds)
        Approximate coefficients without each fold at the last iteration.
    stop_reason : str
        ``"converged"``, ``"patience"``, ``"max_iter"``, ``"time_limit"`` or
        ``"diverged"``.
    """

    estimator: Any
    best_iteration: int
    best_score: float
    iterations: np.ndarray
    times: np.ndarray
    scores: np.ndarray
    train_scores: np.ndarray
    objectives: np.ndarray
    checked: np.ndarray
    checked_scores: np.ndarray
    checked_errors: np.ndarray
    coef: np.ndarray
    fold_coefs: np.ndarray
    stop_reason: str

    def __repr__(self):
        return (
            f"LooPath(best_iteration={self.best_iteration} of {self.iterations[-1]}, "
            f"best_score={self.best_score:.6g}, stop_reason={self.stop_reason!r})"
        )


class _Patience:
    """A monitor that stops where the score has not improved for some checks.

    Parameters
    ----------
    patience : int or None
        How many; None never stops.
    """

    def __init__(self, patience):
        self.patience = patience

    def begin(self, iteration):
        """Do nothing."""

    def end(self, iteration, solver, state, measure, history):
        """Return True to stop."""
        if self.patience is None:
            return False
        scores = history.as_dict()["score"]
        return scores.size - 1 - int(np.argmax(scores)) >= self.patience


def loo_path(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    groups=None,
    cv="loo",
    method="gradient",
    step_size=None,
    batch_size=None,
    max_iter=1000,
    check_every=10,
    patience=None,
    n_check=0,
    random_state=None,
):
    r"""Fit by a first-order method, with the leave-one-out score along the way.

    The models without each row move beside the model of all rows, with gradients that
    are expanded there. The score of the rows that are left out is thus known before
    the fit has converged, and says where to stop.

    Parameters
    ----------
    estimator : estimator
        A :class:`~skopt2.linear_model.SparseRegressor` or
        :class:`~skopt2.linear_model.SparseClassifier`: its loss, penalty, ``alpha``,
        ``tol`` and ``time_limit``. Its ``solver`` is not used. Not changed.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data; everything is computed in host memory in float64, and a sparse matrix
        becomes dense there.
    y : array-like of shape (n_samples,)
        Target or labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights. A fold leaves its rows out with all their weight.
    groups : array-like of shape (n_samples,), default=None
        Passed to the splitter.
    cv : "loo", int, splitter or iterable of (train, test), default="loo"
        What to leave out; training parts have to be all the rest. Time and memory
        grow with the number of folds.
    method : {"gradient", "accelerated", "sgd"}, default="gradient"
        Proximal gradient descent; with momentum and restarts; or with gradients of
        random rows.
    step_size : float, default=None
        Step of every coordinate, on the objective with a mean of losses. None takes
        the inverse of a bound on the curvature in each coordinate.
    batch_size : int, default=None
        Expected rows of a stochastic gradient; None for a tenth of them.
    max_iter : int, default=1000
        Largest number of iterations.
    check_every : int, default=10
        Iterations between two measures.
    patience : int, default=None
        Measures without a better score after which to stop; None goes on until the
        gradient mapping is within ``estimator.tol``.
    n_check : int, default=0
        Folds, drawn at random, that are also carried along exactly.
    random_state : int, RandomState instance or None, default=None
        Draws rows and folds.

    Returns
    -------
    path : LooPath
        Scores along the way, and the model where they are best.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    ValueError
        If loss or penalty do not allow it, the data are too large, or a parameter is
        out of range.

    Warns
    -----
    ConvergenceWarning
        If the descent diverged.

    See Also
    --------
    approx_cross_validate : At the solution, without iterations.

    Notes
    -----
    The columns are centred with the means of all rows, and steps are those of all
    rows. For the squared loss the copies are then exact. An iteration takes
    :math:`O(n p^2 + F p^2)` operations for F folds where p is small beside n, and
    :math:`O(n p F)` otherwise, which is what exact copies take.

    References
    ----------
    Luo, Ren and Barber, Iterative approximate cross-validation, ICML 2023.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_classification
    >>> from skopt2.linear_model import SparseClassifier
    >>> from skopt2.model_selection import loo_path
    >>> X, y, _ = make_sparse_classification(
    ...     n_samples=60, n_features=20, n_informative=3, random_state=0
    ... )
    >>> path = loo_path(SparseClassifier(alpha=1e-4), X, y, max_iter=300)
    >>> 0 < path.best_iteration < 300
    True
    >>> path.estimator.predict(X).shape
    (60,)
    """
    _check(method, step_size, batch_size, max_iter, check_every, patience, n_check)
    posed = pose(estimator, X, y, sample_weight)
    _check_path(posed.formulation)
    folds = left_out_rows(posed, cv, groups)
    checked = draw_folds(len(folds), n_check, random_state)
    copies, exact = (
        [(LinearisedCopies, folds)],
        folds.take(checked) if n_check else None,
    )
    if n_check:
        copies.append((ExactCopies, exact))
    solver = PathDescent(
        posed.problem,
        _design(posed, folds),
        copies,
        method=method,
        step=step_size,
        batch_size=batch_size,
        rng=spawn(random_state, 2)[1],
        measure=lambda eta, etas: _columns(posed, folds, checked, exact, eta, etas),
    )
    with np.errstate(over="ignore", invalid="ignore"):
        result = iterate(
            solver,
            solver.start(),
            tol=posed.formulation.tol,
            max_iter=max_iter,
            check_every=check_every,
            time_limit=posed.formulation.time_limit,
            monitor=_Patience(patience),
        )
    if result.reason == StopReason.DIVERGED:
        warnings.warn(
            f"loo_path diverged after {result.n_iter} iterations with "
            f"step_size={step_size!r}: give a shorter one, or leave it None and bring "
            "the features to one scale.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )
    return _collect(posed, solver, result, checked, estimator)


def _check(method, step_size, batch_size, max_iter, check_every, patience, n_check):
    """Raise unless the parameters are in range."""
    check_choice("method", method, METHODS)
    check_positive("step_size", step_size, optional=True)
    check_count("batch_size", batch_size, optional=True)
    check_count("max_iter", max_iter)
    check_count("check_every", check_every)
    check_count("patience", patience, optional=True)
    check_count("n_check", n_check, 0)


def _check_path(formulation):
    """Raise unless gradient steps can solve the problem, copy by copy."""
    loss, penalty = formulation.loss, formulation.penalty
    if loss.smoothable:
        raise ValueError(
            f"loss={loss.name!r} has no gradient to follow. Use loss='huber'."
        )
    if not getattr(penalty, "separable", False) or formulation._n_reweightings:
        raise ValueError(
            f"penalty={getattr(penalty, 'name', penalty)!r} ties coefficients, or "
            "changes on the way. Use 'l1', 'elasticnet', 'mcp' or 'scad'."
        )


def _design(posed, folds):
    """Return the centred columns, with ones for an intercept."""
    problem = posed.problem
    n, p = problem.design.n, problem.design.p
    d = p + problem.fit_intercept
    if max(n * d, d * problem.n_outputs * len(folds)) > LARGEST:
        raise ValueError(
            f"The path needs {len(folds)} copies of {d} coefficients for "
            f"{problem.n_outputs} outputs, and a dense X of shape {(n, d)}: more than "
            f"{LARGEST:.0e} numbers. Use fewer folds, such as cv=20, or fewer features."
        )
    columns = group_columns(problem.design, np.arange(p))
    return np.hstack([columns, np.ones((n, d - p))])


def _columns(posed, folds, checked, exact, eta, etas):
    """Return the scores of one iteration as columns of the history."""
    shift, shape = posed.problem.y_mean, eta.shape[1:]
    every = np.flatnonzero(posed.s > 0.0)
    own = etas[0].reshape(-1, *shape) + shift
    row = {
        "score": posed.score(folds.rows, own),
        "train_score": posed.score(every, eta[every] + shift),
    }
    if exact is not None:
        same = np.concatenate([own[folds.pairs(f)] for f in checked])
        other = etas[1].reshape(-1, *shape) + shift
        row["checked_score"] = posed.score(exact.rows, other)
        row["checked_error"] = posed.score(exact.rows, same) - row["checked_score"]
    return row


def _collect(posed, solver, result, checked, estimator):
    """Return the outcome of the descent."""
    history = result.history.as_dict()
    best_score, best_iteration, state = solver.best
    p, shape = solver.p, (() if solver.rows.y.ndim == 1 else (solver.K,))
    last, copies = result.solution
    reason = "patience" if str(result.reason) == "callback" else str(result.reason)
    empty = np.empty(0)
    return LooPath(
        estimator=_model_at(posed, state.t, shape, estimator, best_iteration),
        best_iteration=best_iteration,
        best_score=best_score,
        iterations=history["iteration"],
        times=history["time"],
        scores=history["score"],
        train_scores=history["train_score"],
        objectives=history["objective"],
        checked=checked,
        checked_scores=history.get("checked_score", empty),
        checked_errors=history.get("checked_error", empty),
        coef=last[:p].reshape(p, *shape),
        fold_coefs=copies[0][:p].reshape(p, *shape, -1),
        stop_reason=reason,
    )


def _model_at(posed, t, shape, estimator, iteration):
    """Return an estimator that is fitted with the coefficients of an iteration."""
    problem, p = posed.problem, posed.problem.design.p
    w = t[:p].reshape(p, *shape)
    ids = np.flatnonzero(in_use(w))
    intercept = t[p].reshape(shape) if problem.explicit_intercept else 0.0
    intercept = problem.original_intercept(ids, w[ids], intercept)
    intercept = float(intercept) if not shape else intercept
    model, twin = clone(estimator), posed.estimator
    attributes = twin._describe(Solution(ids, w[ids], intercept), posed.data)
    vars(model).update(convert(attributes, posed.data.source))
    if posed.data.classes is not None:
        model.classes_ = posed.data.classes
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(twin, name):
            setattr(model, name, getattr(twin, name))
    model.n_iter_, model.stop_reason_, model.converged_ = iteration, "early", False
    return model
