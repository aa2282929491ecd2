"""Folds that are refitted, to measure the error of the others."""

from functools import partial

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.random import spawn


def refit(posed, folds, numbers, n_jobs):
    """Return the predictors of the rows of folds, each from a fit to the rest.

    Parameters
    ----------
    posed : HostProblem
        All the data.
    folds : Folds
        What is left out.
    numbers : ndarray of int of shape (k,)
        Which.
    n_jobs : int or None
        Folds at a time.

    Returns
    -------
    predictors : list of k arrays
        In the order of ``numbers``.
    """
    calls = (partial(_refit_one, posed, folds, int(f)) for f in numbers)
    return Parallel(n_jobs=n_jobs)(delayed(call)() for call in calls)


def _refit_one(posed, folds, f):
    """Return the predictors of the rows of one fold."""
    rows = folds.rows[folds.pairs(f)]
    rest = posed.s > 0.0
    rest[rows] = False
    solution = posed.restrict(np.flatnonzero(rest)).solve()
    return predict_rows(posed, solution, rows)


def predict_rows(posed, solution, rows):
    """Return the predictors of some rows from any solution."""
    data = posed.data
    X = data.X.tocsr()[rows] if hasattr(data.X, "tocsr") else data.X[rows]
    ids = solution.ids
    eta = X[:, ids] @ solution.w + solution.intercept
    return np.asarray(eta, dtype=np.float64)


def draw_folds(n_folds, n_check, random_state):
    """Return the numbers of folds drawn at random, in increasing order."""
    if n_check > n_folds:
        raise ValueError(
            f"n_check={n_check} is more than the number of folds, {n_folds}."
        )
    rng = spawn(random_state, 1)[0]
    return np.sort(rng.choice(n_folds, n_check, replace=False))


def choose_checked(n_folds, n_check, moved, random_state):
    """Return the folds to be refitted: those that moved most, and some at random.

    Errors of a step are of second order in its length, and have heavy tails: a sample
    without the folds that move most would mostly miss them.
    """
    drawn = draw_folds(n_folds, n_check, random_state)
    if n_check < 2:
        return drawn
    order = np.argsort(-moved, kind="stable")
    top, rest = order[: n_check // 2], np.sort(order[n_check // 2 :])
    drawn = draw_folds(rest.size, n_check - top.size, random_state)
    return np.concatenate([top, rest[drawn]])


def measured_errors(error, checked, weights):
    """Return the estimated mean error, its standard error, and the largest.

    Parameters
    ----------
    error : ndarray of shape (n_check,)
        Of the checked folds.
    checked : ndarray of int of shape (n_check,)
        The first half chosen for their step, the others at random.
    weights : ndarray of shape (F,)
        Of all folds, with sum 1.
    """
    if error.size == 0:
        return np.nan, np.nan, np.nan
    largest = float(np.abs(error).max())
    if error.size < 2:
        return np.nan, np.nan, largest
    top = error.size // 2
    own, rest = weights[checked[:top]], weights[checked[top:]]
    left = 1.0 - float(own.sum())
    sample = error[top:]
    mean = float(own @ error[:top]) + left * float(rest @ sample) / float(rest.sum())
    std = np.nan
    if sample.size > 1:
        # A sample without replacement knows the more, the more it has of all.
        missing = 1.0 - sample.size / (weights.size - top)
        std = left * float(np.sqrt(sample.var(ddof=1) / sample.size * missing))
    return mean, std, largest
