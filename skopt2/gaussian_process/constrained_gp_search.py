"""Hyperparameter search by Bayesian optimisation under constraints.

Problem: maximise the cross-validated score subject to bounds on other scores, or on the
time that a fit or a prediction takes, where no bound can be checked without a fit.
"""

import numbers
import warnings

import numpy as np

from skopt2._core.sklearn_seam import Interval
from skopt2.gaussian_process.bayesian_search import BayesianSearchCV
from skopt2.gaussian_process.constrained_strategy import (
    ConstrainedStrategy,
    slacks_of,
)
from skopt2.solvers.search.optimistic import least_violation

TIMES = ("mean_fit_time", "mean_score_time")


class ConstrainedGPSearchCV(BayesianSearchCV):
    """Hyperparameter search for the best score that keeps within bounds.

    The search of [1]_: the score and every constrained quantity have a Gaussian process
    each, and every round fits the candidate that may score most among those that may be
    feasible. Where no candidate may be, it fits the one that comes nearest, and when
    five such rounds in a row have not changed that, it says so and stops.

    Parameters
    ----------
    estimator : estimator
        What is searched. It needs a ``score`` method unless ``scoring`` is given.
    param_distributions : dict or list of dicts
        Frozen distributions of ``scipy.stats`` or lists of values by parameter name, as
        in `GPSearchCV`.
    constraints : dict
        By name, a pair (lower, upper) of bounds, of which one may be None. A name is
        one of the metrics of ``scoring``, "score" for a single metric, or
        "mean_fit_time" or "mean_score_time", which are in seconds for one fold. What is
        bounded is the mean over the folds.
    n_iter : int, default=50
        Number of candidates, those at the start included.
    confidence : float, default=2.0
        Width of the bounds in standard deviations. The larger, the more a search
        explores, and the surer it is when it calls a problem infeasible.
    n_initial : int or None, default=None
        Number of candidates at the start, as in `GPSearchCV`.
    batch_size : int, default=1
        Candidates of a round.
    surrogate : estimator or None, default=None
        Regressor that predicts the score and the constraints, as in `GPSearchCV`.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``RandomizedSearchCV``. With several metrics ``refit`` names the one that
        is maximised.
    n_jobs : int or None, default=None
        Number of fits at a time. Times that are bounded are best measured with one.
    refit : bool, str or callable, default=True
        As in `GPSearchCV`.
    cv : int, splitter, iterable or None, default=None
        As in `GPSearchCV`.
    verbose : int, default=0
        As in ``RandomizedSearchCV``.
    pre_dispatch : int or str, default="2*n_jobs"
        As in ``RandomizedSearchCV``.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the candidates.
    error_score : "raise" or float, default=nan
        Score of a fit that fails; its constraints count as the worst seen, too.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has the scores on the training sets.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As of `GPSearchCV`, with one more key: "feasible", whether a candidate kept
        within all bounds.
    best_index_ : int
        Index of the best feasible candidate in ``cv_results_``; if there is none, of
        the one that comes nearest, with a warning.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its mean score over the folds; not available if ``refit`` is a function.
    best_estimator_ : estimator
        Fitted with them to all data, unless ``refit`` is False.
    infeasible_ : bool
        Whether the search stopped because no candidate can be feasible, as far as the
        surrogates tell.
    refit_time_ : float
        Seconds of the last fit.
    n_rounds_ : int
        Number of rounds, that of the start included.
    surrogate_ : estimator
        The regressor fitted to all scores, in its own standardised units.
    scorer_ : callable or dict
        Scorer or scorers.
    n_splits_ : int
        Number of folds.
    multimetric_ : bool
        Whether there are several metrics.
    classes_ : ndarray of shape (n_classes,)
        Labels, for a classifier.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if they have any.

    See Also
    --------
    GPSearchCV : The same without constraints.

    References
    ----------
    .. [1] W. Xu, Y. Jiang, B. Svetozarevic, C. N. Jones, "Constrained Efficient Global
       Optimization of Expensive Black-box Functions", ICML 2023.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skopt2.gaussian_process import ConstrainedGPSearchCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression())
    >>> search = ConstrainedGPSearchCV(
    ...     model,
    ...     {"logisticregression__C": loguniform(1e-4, 1e2)},
    ...     {"recall": (0.995, None)},
    ...     scoring=["precision", "recall"],
    ...     refit="precision",
    ...     n_iter=12,
    ...     random_state=0,
    ... )
    >>> search = search.fit(X, y)
    >>> bool(search.cv_results_["mean_test_recall"][search.best_index_] >= 0.995)
    True
    >>> search.infeasible_
    False
    """

    _parameter_constraints: dict = {
        **BayesianSearchCV._parameter_constraints,
        "constraints": [dict],
        "confidence": [Interval(numbers.Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        constraints,
        *,
        n_iter=50,
        confidence=2.0,
        n_initial=None,
        batch_size=1,
        surrogate=None,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        self.constraints = constraints
        self.confidence = confidence
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            n_initial=n_initial,
            batch_size=batch_size,
            surrogate=surrogate,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _check_input_parameters(self, X, y, split_params):
        """Check the constraints too."""
        super()._check_input_parameters(X, y, split_params)
        check_constraints(self.constraints)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        """Search, and say if that was in vain."""
        super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
        if self.infeasible_:
            warnings.warn(
                f"After {self.n_rounds_} rounds no candidate can keep within the "
                f"constraints {self.constraints}, as far as the surrogates tell, and "
                "the search stopped. Loosen them, or raise confidence to search on.",
                UserWarning,
                stacklevel=2,
            )

    def _strategy(self, space, rng):
        bounds = bounds_of(self.constraints)
        return ConstrainedStrategy(space, bounds, self.confidence, self.surrogate, rng)

    def _finish(self, strategy):
        super()._finish(strategy)
        self.infeasible_ = strategy.infeasible

    def _measured(self, results):
        return *super()._measured(results), quantities_of(results, self.constraints)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        results = super()._format_results(candidate_params, n_splits, out, more_results)
        results["feasible"] = self._violation(results) == 0.0
        return results

    def _violation(self, results):
        """Return how far each candidate is from keeping within the constraints."""
        values = quantities_of(results, self.constraints)
        return least_violation(slacks_of(values, bounds_of(self.constraints)))

    def _select_best_index(self, refit, refit_metric, results):
        """Return the best feasible candidate, or the one nearest to feasible."""
        if callable(refit):
            return super()._select_best_index(refit, refit_metric, results)
        scores = results[f"mean_test_{refit_metric}"]
        if results["feasible"].any():
            return int(np.nanargmax(np.where(results["feasible"], scores, np.nan)))
        warnings.warn(
            "No candidate kept within the constraints: the best is the one that comes "
            "nearest to them.",
            UserWarning,
            stacklevel=2,
        )
        return int(np.argmin(self._violation(results)))


def check_constraints(constraints):
    """Check the constraints of a search.

    Parameters
    ----------
    constraints : dict
        Pairs of bounds by name.

    Raises
    ------
    ValueError
        If there is none, or one is not a pair of bounds that something can lie between.
    """
    if not constraints:
        raise ValueError(
            "constraints is empty. Bound something, or use GPSearchCV for a search "
            "without constraints."
        )
    for name, pair in constraints.items():
        wrong = f"constraints[{name!r}] must be a pair (lower, upper), got {pair!r}: "
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(wrong + "give two bounds, None for one that is not there.")
        bounds = [bound for bound in pair if bound is not None]
        if not bounds:
            raise ValueError(wrong + "one of the two must be a number.")
        if not all(
            isinstance(bound, numbers.Real) and np.isfinite(bound) for bound in bounds
        ):
            raise ValueError(wrong + "bounds are finite numbers or None.")
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise ValueError(wrong + "the lower bound exceeds the upper one.")
        if name in TIMES and min(bounds) <= 0.0:
            raise ValueError(wrong + "a time is positive.")


def bounds_of(constraints):
    """Return the bounds of the constrained quantities.

    Parameters
    ----------
    constraints : dict
        Checked pairs of bounds by name.

    Returns
    -------
    bounds : ndarray of shape (n_constraints, 2)
        Lower and upper, infinite where there is none; logarithms for times.
    """
    rows = []
    for name, (lower, upper) in constraints.items():
        scale = np.log if name in TIMES else float
        rows.append(
            [
                -np.inf if lower is None else scale(lower),
                np.inf if upper is None else scale(upper),
            ]
        )
    return np.array(rows)


def quantities_of(results, constraints):
    """Return the constrained quantities of every candidate.

    Parameters
    ----------
    results : dict
        As ``cv_results_``.
    constraints : dict
        Checked pairs of bounds by name.

    Returns
    -------
    values : ndarray of shape (n_constraints, n_candidates)
        Means over the folds, NaN where a fit failed. Of times the logarithms, whose
        noise does not grow with them.

    Raises
    ------
    ValueError
        If a name is not in the results.
    """
    tests = [key for key in results if key.startswith("mean_test_")]
    failed = ~np.isfinite(np.sum([results[key] for key in tests], axis=0))
    values = []
    for name in constraints:
        key = name if name in TIMES else f"mean_test_{name}"
        if key not in results:
            known = [test.removeprefix("mean_test_") for test in tests]
            raise ValueError(
                f"constraints names {name!r}, which is not measured. There are "
                f"{', '.join([*known, *TIMES])}; add other metrics to scoring."
            )
        value = np.where(failed, np.nan, results[key])
        # The clock may not see a very short time.
        values.append(np.log(np.maximum(value, 1e-9)) if name in TIMES else value)
    return np.asarray(values)
