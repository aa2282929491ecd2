"""Cross-validation from one fit."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from skopt2._core.parameters import check_choice, check_count
from skopt2.linear_model.group_formulation import GroupFormulation
from skopt2.model_selection.fitted_point import check_smooth, fitted_point
from skopt2.model_selection.fold_checks import (
    choose_checked,
    measured_errors,
    refit,
)
from skopt2.model_selection.held_out import Scorer
from skopt2.model_selection.host_problem import pose
from skopt2.model_selection.splits import left_out_rows
from skopt2.solvers.leave_out import newton, proximal

METHODS = ("auto", "newton", "proximal", "jackknife")


@dataclass(frozen=True, eq=False)
class ApproximateCV:
    """Outcome of an approximate cross-validation.

    Attributes
    ----------
    estimator : estimator
        Fitted to all rows.
    scores : ndarray of shape (n_folds,)
        Score of each fold, larger is better.
    mean_score : float
        Their mean, with the shares of the weights.
    rows : ndarray of int of shape (n_pairs,)
        Rows that were left out, fold by fold.
    folds : ndarray of int of shape (n_pairs,)
        Fold of each of them.
    predictors : ndarray of shape (n_pairs,) or (n_pairs, n_classes)
        Their linear predictors from the models without them, before any link.
    leverages : ndarray of shape (n_folds,)
        For single rows and ``method="newton"`` the share of the curvature that the row
        has by itself, in the direction in which that is largest; NaN otherwise. The
        step is the less exact the nearer to 1.
    refitted : ndarray of int
        Folds that were refitted, so that their scores are those of cross-validation:
        without them the rest does not determine the coefficients of the support, or
        the proximal step did not converge.
    method : str
        The step that was taken.
    checked : ndarray of int of shape (n_check,)
        Folds that were refitted to be compared: first those whose score the step
        changes most, then as many at random of the others.
    checked_scores : ndarray of shape (n_check,)
        Their scores by refitting.
    mean_error : float
        Estimate of approximate less exact ``mean_score``, from the checked folds: those
        that change most count for themselves, those at random for all the others. NaN
        with fewer than two.
    mean_error_std : float
        Its standard error, from the folds at random; NaN with fewer than two of them.
    max_error : float
        Largest absolute difference over the checked folds; NaN without any.
    fit_time : float
        Seconds of the fit to all rows.
    fold_time : float
        Seconds of the approximation, without the checked folds.
    check_time : float
        Seconds of the refits of the checked folds.
    """

    estimator: Any
    scores: np.ndarray
    mean_score: float
    rows: np.ndarray
    folds: np.ndarray
    predictors: np.ndarray
    leverages: np.ndarray
    refitted: np.ndarray
    method: str
    checked: np.ndarray
    checked_scores: np.ndarray
    mean_error: float
    mean_error_std: float
    max_error: float
    fit_time: float
    fold_time: float
    check_time: float

    def __repr__(self):
        error = ""
        if len(self.checked):
            error = f", max_error={self.max_error:.2g} in {len(self.checked)} checked"
        return (
            f"ApproximateCV({len(self.scores)} folds, method={self.method!r}, "
            f"mean_score={self.mean_score:.6g}{error})"
        )


def approx_cross_validate(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    groups=None,
    cv="loo",
    scoring=None,
    method="auto",
    n_check=0,
    random_state=None,
    n_jobs=None,
):
    r"""Approximate leave-one-out or k-fold cross-validation from a single fit.

    The model is fitted once. What it would predict for a fold without having seen it
    is the result of one Newton step on the objective without the fold.

    Parameters
    ----------
    estimator : estimator
        A :class:`~skopt2.linear_model.SparseRegressor`,
        :class:`~skopt2.linear_model.SparseClassifier`,
        :class:`~skopt2.linear_model.GroupRegressor` or
        :class:`~skopt2.linear_model.GroupClassifier`. A clone is fitted.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data. The fit runs where the estimator's ``device`` says, the folds in host
        memory in float64.
    y : array-like of shape (n_samples,)
        Target or labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights. A fold leaves its rows out with all their weight; rows of
        weight 0 are in no fold.
    groups : array-like of shape (n_samples,), default=None
        Passed to the splitter.
    cv : "loo", int, splitter or iterable of (train, test), default="loo"
        What to leave out; training parts have to be all the rest.
    scoring : str, callable or None, default=None
        Scikit-learn scorer, larger is better. None is minus the mean squared error,
        Poisson deviance, Huber loss or log loss, and accuracy for the hinge losses.
        Scores that compare the rows of a fold, such as ``"r2"``, need folds of several.
    method : {"auto", "newton", "proximal", "jackknife"}, default="auto"
        ``"newton"`` is a Newton step on the support of the fit. ``"proximal"`` is a
        proximal Newton step: features can enter and leave the model without a fold; it
        iterates, for all folds at once. ``"jackknife"``, the infinitesimal jackknife,
        is the derivative in the weights of the fold, which is biased where a row has a
        high leverage. ``"auto"`` takes the proximal step where the penalty can make
        coefficients zero one by one, and else the Newton step.
    n_check : int, default=0
        Folds that are refitted to measure the error, half of them drawn at random.
    random_state : int, RandomState instance or None, default=None
        Draws them.
    n_jobs : int, default=None
        Folds that are refitted at a time, by joblib: those of ``n_check``, and any
        that no step reaches.

    Returns
    -------
    result : ApproximateCV
        Scores, predictions and errors.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    ValueError
        If the model is not smooth in its data (quantile loss, penalties that tie
        coefficients), a training part is not the rest, or a parameter is out of range.

    See Also
    --------
    approx_cross_val_score : The scores alone.
    loo_path : Leave-one-out along the iterations of a solver.

    Notes
    -----
    For the squared loss with a convex separable penalty the result of ``"auto"`` is
    that of cross-validation, up to ``estimator.tol``. Otherwise the step leaves errors:
    the curvature that changes on the way, of second order in the leverage; with
    ``"newton"`` and groups features that would enter or leave without the fold; and
    other minima of a nonconvex penalty. ``n_check`` measures them together.

    References
    ----------
    Rad and Maleki, JRSS B 82, 2020; Stephenson and Broderick, AISTATS 2020; Wilson,
    Kasy and Mackey, AISTATS 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skopt2.linear_model import SparseRegressor
    >>> from skopt2.model_selection import approx_cross_validate
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SparseRegressor(alpha=1.0)
    >>> result = approx_cross_validate(model, scale(X), y, n_check=20, random_state=0)
    >>> result.scores.shape
    (442,)
    >>> bool(result.max_error < 0.01 * -result.mean_score)
    True
    """
    check_count("n_check", n_check, 0)
    posed = pose(estimator, X, y, sample_weight)
    check_smooth(posed.formulation)
    method = _choose(method, posed.formulation)
    folds, scorer = left_out_rows(posed, cv, groups), Scorer(posed, scoring)
    clock = [time.perf_counter()]
    model = clone(estimator).fit(X, y, sample_weight=sample_weight)
    clock.append(time.perf_counter())
    solution = posed.solution_of(model)
    change, leverages, refitted = _step(method, posed, solution, folds)
    seen = posed.predictor(solution)[folds.rows]
    eta = seen + change.reshape(seen.shape)
    for f, found in zip(refitted, refit(posed, folds, refitted, n_jobs), strict=True):
        eta[folds.pairs(f)] = found
    scores = scorer.of_folds(folds, eta)
    clock.append(time.perf_counter())
    moved = np.abs(scores - scorer.of_folds(folds, seen)) if n_check else None
    checked = choose_checked(len(folds), n_check, moved, random_state)
    exact = np.empty(n_check)
    for place, found in enumerate(refit(posed, folds, checked, n_jobs)):
        exact[place] = scorer(folds.rows[folds.pairs(checked[place])], found)
    clock.append(time.perf_counter())
    weights = folds.shares / folds.shares.sum()
    mean, std, largest = measured_errors(scores[checked] - exact, checked, weights)
    return ApproximateCV(
        model,
        scores,
        float(weights @ scores),
        folds.rows,
        folds.numbers,
        eta,
        leverages,
        refitted,
        method,
        checked,
        exact,
        mean,
        std,
        largest,
        *np.diff(clock).tolist(),
    )


def approx_cross_val_score(
    estimator,
    X,
    y,
    *,
    sample_weight=None,
    groups=None,
    cv="loo",
    scoring=None,
    method="auto",
):
    """Return the scores of an approximate cross-validation from a single fit.

    Parameters
    ----------
    estimator : estimator
        As in :func:`approx_cross_validate`.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,)
        Target or labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights.
    groups : array-like of shape (n_samples,), default=None
        Passed to the splitter.
    cv : "loo", int, splitter or iterable of (train, test), default="loo"
        What to leave out; training parts have to be all the rest.
    scoring : str, callable or None, default=None
        Scikit-learn scorer, larger is better; None is minus the mean loss.
    method : {"auto", "newton", "proximal", "jackknife"}, default="auto"
        As in :func:`approx_cross_validate`.

    Returns
    -------
    scores : ndarray of shape (n_folds,)
        Score of each fold, larger is better.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    ValueError
        As :func:`approx_cross_validate`.

    See Also
    --------
    approx_cross_validate : Predictions and a measured error beside the scores.
    loo_path : Leave-one-out along the iterations of a solver.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skopt2.linear_model import SparseClassifier
    >>> from skopt2.model_selection import approx_cross_val_score
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> scores = approx_cross_val_score(SparseClassifier(alpha=0.01), X, y)
    >>> scores.shape, bool(-0.2 < scores.mean() < 0.0)
    ((569,), True)
    """
    return approx_cross_validate(
        estimator,
        X,
        y,
        sample_weight=sample_weight,
        groups=groups,
        cv=cv,
        scoring=scoring,
        method=method,
    ).scores


def _choose(method, formulation):
    """Return the step that a name stands for."""
    check_choice("method", method, METHODS)
    grouped = isinstance(formulation, GroupFormulation)
    if method == "proximal" and grouped:
        raise ValueError(
            "method='proximal' is for penalties of single coefficients. Use 'newton'."
        )
    if method != "auto":
        return method
    if grouped:
        return "newton"
    penalty = formulation.penalty
    kink = penalty.bounds is not None or (penalty.slope_at_zero(formulation.factor) > 0)
    return "proximal" if np.any(kink) else "newton"


def _step(method, posed, solution, folds):
    """Return the change of the predictors, leverages, and the folds to be refitted."""
    if method == "proximal":
        leverages = np.full(len(folds), np.nan)
        # What is left out by it is far below the error of second order.
        tol = min(10.0 * posed.formulation.tol, 1e-4)
        change, solved = proximal.left_out(posed.problem, solution, folds, tol)
        return change, leverages, np.flatnonzero(~solved)
    point = fitted_point(posed.formulation, solution)
    change, leverages = newton.left_out(point, folds, method == "jackknife")
    lost = np.isnan(change).any(axis=1)
    return change, leverages, np.unique(folds.numbers[lost])
