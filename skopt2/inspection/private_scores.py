"""Scores of fits under growing privacy budgets, and what they must not spend."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import check_cv, cross_val_score
from sklearn.utils import check_random_state

from skopt2._core.threads import without_warnings
from skopt2.inspection.fitted import host_array


def epsilon_parameter(estimator, name=None):
    """Return the name of the parameter that holds the privacy budget.

    Parameters
    ----------
    estimator : estimator
        Private estimator, or a pipeline or search around one.
    name : str, default=None
        The name where there are several, such as ``"model__epsilon"``.

    Returns
    -------
    name : str
        As ``set_params`` takes it.

    Raises
    ------
    ValueError
        If the estimator has no such parameter, or several and none is named.
    """
    kind = type(estimator).__name__
    parameters = estimator.get_params()
    if name is not None:
        if name not in parameters:
            raise ValueError(f"param={name!r} is not a parameter of {kind}.")
        return name
    if "epsilon" in parameters:
        return "epsilon"
    found = sorted(key for key in parameters if key.endswith("__epsilon"))
    if not found:
        raise ValueError(
            f"{kind} has no parameter epsilon, in none of its steps. Pass a private "
            "estimator, and one that is not private as baseline."
        )
    if len(found) > 1:
        raise ValueError(
            f"{kind} has several budgets, {found}. Name the one to vary in param; the "
            "others are added to what the curve shows."
        )
    return found[0]


def check_unspent(estimator, name, n_fits):
    """Refuse an estimator whose fits would spend a shared budget, or ignore theirs.

    Parameters
    ----------
    estimator : estimator
        As it was given.
    name : str
        Its parameter of the budget.
    n_fits : int
        How many fits the curve takes.

    Raises
    ------
    ValueError
        If a parameter holds an accountant, or a noise multiplier overrules epsilon.
    """
    parameters = estimator.get_params()
    for key, value in sorted(parameters.items()):
        if key.rpartition("__")[2] == "accountant" and value is not None:
            raise ValueError(
                f"{key} is a shared accountant, and the curve takes {n_fits} fits, "
                "each of which would spend from it. That would make the curve no more "
                f"private, since its scores are exact. Set {key}=None and draw the "
                "curve from public or generated data."
            )
    multiplier = name.removesuffix("epsilon") + "noise_multiplier"
    if parameters.get(multiplier) is not None:
        raise ValueError(
            f"{multiplier}={parameters[multiplier]!r} takes the place of {name}, which "
            f"would have no effect. Set {multiplier}=None."
        )


def check_epsilons(epsilons):
    """Return the budgets as a float array.

    Raises
    ------
    ValueError
        If there are none, or one is not a positive finite number.
    """
    values = np.asarray(epsilons, dtype=float)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(
            f"epsilons must be a sequence of numbers, got shape {values.shape}."
        )
    if not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(
            "epsilons must be positive and finite, for they are on a logarithmic axis, "
            f"got {values.tolist()}. What a fit without noise reaches is a baseline."
        )
    return values


def sorted_scores(epsilons, scores):
    """Return budgets in increasing order, and scores with one column a fit.

    Parameters
    ----------
    epsilons : array-like of shape (n_epsilons,)
        Budgets.
    scores : dict of str to array-like of shape (n_epsilons,) or (n_epsilons, n_fits)
        Scores of each curve.

    Returns
    -------
    epsilons : ndarray of shape (n_epsilons,)
        Sorted.
    curves : dict of str to ndarray of shape (n_epsilons, n_fits)
        In the same order.

    Raises
    ------
    ValueError
        If shapes do not match.
    """
    epsilons = check_epsilons(epsilons)
    order = np.argsort(epsilons, kind="stable")
    curves = {}
    for name, values in scores.items():
        values = host_array(values)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[0] != epsilons.size or values.size == 0:
            raise ValueError(
                f"scores of {name!r} must have one row for each of the "
                f"{epsilons.size} epsilons, got shape {values.shape}."
            )
        curves[name] = values[order]
    return epsilons[order], curves


def name_of_score(estimator, scoring):
    """Return what the scores measure, for the axis."""
    if isinstance(scoring, str):
        return scoring.replace("_", " ")
    if scoring is None and is_classifier(estimator):
        return "accuracy"
    if scoring is None and is_regressor(estimator):
        return "R2"
    return "score"


def budget_holder(estimator, param):
    """Return the name of the class that holds the budget."""
    *path, _ = param.split("__")
    parameters = estimator.get_params()
    inner = parameters.get("__".join(path), estimator) if path else estimator
    return type(inner).__name__


def labelled(baseline):
    """Return baselines under their labels."""
    if baseline is None:
        return {}
    return baseline if isinstance(baseline, dict) else {"not private": baseline}


class CurveScores:
    """Scores of estimators on the same splits, one fit for each.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Targets.
    cv : int, splitter or iterable
        Splits, as ``cross_val_score`` takes them.
    n_repeats : int
        How often noise is drawn anew on each split.
    classifier : bool
        Whether splits of an integer ``cv`` are stratified.
    """

    def __init__(self, X, y, cv, n_repeats, classifier):
        if int(n_repeats) != n_repeats or n_repeats < 1:
            raise ValueError(f"n_repeats must be a positive integer, got {n_repeats}.")
        self.X, self.y = X, y
        # Once for all, so that every estimator sees the same rows.
        self.splits = list(check_cv(cv, y, classifier=classifier).split(X, y))
        self.n_repeats = int(n_repeats)

    @property
    def n_scores(self):
        """Number of scores for one budget."""
        return len(self.splits) * self.n_repeats

    def private(self, estimators, names, epsilons, scoring, n_jobs, random_state):
        """Return scores under each budget.

        Parameters
        ----------
        estimators : list of estimator
            They are cloned.
        names : list of str
            Their parameters of the budget.
        epsilons : ndarray of shape (n_epsilons,)
            The budgets.
        scoring : str, callable or None
            As ``cross_val_score`` takes it.
        n_jobs : int or None
            Fits at a time.
        random_state : int, RandomState instance or None
            None lets each fit draw its noise from the system, even where the estimator
            holds a seed, with which all fits would draw the same.

        Returns
        -------
        scores : list of ndarray of shape (n_epsilons, n_scores)
            One an estimator.
        """
        fresh = None if random_state is None else check_random_state(random_state)
        tasks = []
        for estimator, name in zip(estimators, names, strict=True):
            seed = name.removesuffix("epsilon") + "random_state"
            seeded = seed in estimator.get_params()
            for epsilon in epsilons:
                for _ in range(self.n_repeats):
                    for split in self.splits:
                        values = {name: float(epsilon)}
                        if seeded:
                            values[seed] = fresh and fresh.randint(2**31 - 1)
                        tasks.append((clone(estimator).set_params(**values), split))
        scores = self._run(tasks, scoring, n_jobs)
        return list(scores.reshape(len(estimators), len(epsilons), self.n_scores))

    def plain(self, estimator, scoring, n_jobs):
        """Return scores of an estimator as it is, one a split.

        Parameters
        ----------
        estimator : estimator
            It is cloned.
        scoring : str, callable or None
            As ``cross_val_score`` takes it.
        n_jobs : int or None
            Fits at a time.

        Returns
        -------
        scores : ndarray of shape (n_splits,)
        """
        tasks = [(clone(estimator), split) for split in self.splits]
        return self._run(tasks, scoring, n_jobs)

    def _run(self, tasks, scoring, n_jobs):
        with _quiet():
            scores = Parallel(n_jobs=n_jobs)(
                delayed(_one_score)(estimator, self.X, self.y, split, scoring)
                for estimator, split in tasks
            )
        return np.array(scores)


def _one_score(estimator, X, y, split, scoring):
    """Fit on one part of a split, score on the other."""
    # A process of its own does not have the filters of the caller.
    with _quiet():
        (score,) = cross_val_score(
            estimator, X, y, cv=[split], scoring=scoring, error_score="raise"
        )
    return score


def _quiet():
    """Leave out what each fit warns of: the caller has said it once, for them all."""
    from skopt2.privacy import PrivacyLeakWarning

    return without_warnings(PrivacyLeakWarning)
