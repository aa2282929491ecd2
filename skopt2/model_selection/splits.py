"""Folds of a splitter, as lists of rows that are left out."""

import copy

import numpy as np

from skopt2._core.array import to_numpy
from skopt2.linear_model.cross_validation import make_folds
from skopt2.solvers.leave_out.folds import Folds


def left_out_rows(posed, cv, groups=None):
    """Return the folds of a cross-validation.

    Parameters
    ----------
    posed : HostProblem
        All the data.
    cv : "loo", int, splitter or iterable of (train, test)
        What to leave out. The training part has to be all the rest.
    groups : array-like of shape (n,), default=None
        For splitters that keep groups of rows together.

    Returns
    -------
    folds : Folds
        Of rows of positive weight.

    Raises
    ------
    ValueError
        If a training part is not the rest, or lacks a class.
    """
    s = posed.s
    weighty = np.flatnonzero(s > 0.0)
    if isinstance(cv, str):
        if cv != "loo":
            raise ValueError(
                f"cv must be 'loo', a number of folds, a splitter or splits, got "
                f"cv={cv!r}."
            )
        _check_single(posed, weighty)
        return Folds.of(np.split(weighty, weighty.size), s)
    twin = copy.copy(posed.estimator)
    twin.cv = cv
    params = {} if groups is None else {"groups": to_numpy(groups)}
    made = make_folds(twin, posed.data, params)
    for fold in made:
        both = np.concatenate([fold.train, fold.test])
        if both.size != weighty.size or np.unique(both).size != weighty.size:
            raise ValueError(
                f"Fold {fold.number} does not train on all rows that it does not "
                "test. The approximation starts from the fit to all rows and takes "
                "the test rows out: use KFold or another cv whose parts are the whole."
            )
    return Folds.of([fold.test for fold in made], s)


def _check_single(posed, weighty):
    """Raise unless each row can be left out: two rows, two of each class."""
    if weighty.size < 2:
        raise ValueError(
            "Leave-one-out needs at least two samples of positive weight, got "
            f"n_samples={weighty.size}."
        )
    classes = posed.data.classes
    if classes is None:
        return
    counts = np.bincount(posed.data.y[weighty], minlength=len(classes))
    if counts.min() < 2:
        raise ValueError(
            f"Class {classes[np.argmin(counts)]!r} has one sample only, and a model "
            "without it has not all the classes. Use a stratified cv with fewer "
            "folds, or leave the class out."
        )
