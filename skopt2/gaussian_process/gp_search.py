"""Hyperparameter search by Bayesian optimisation, as a search of scikit-learn.

Problem: maximise the cross-validated score over a space of parameters with few fits.

Every round fits a Gaussian process to the scores so far (`search_surrogate.py`) and
evaluates the points where an acquisition function of it is largest
(`search_strategy.py`). The folds, the refit and the rest are scikit-learn's.
"""

import numbers
import time
import warnings

import numpy as np
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import get_tags

from skopt2._core.random import seed_sequence
from skopt2._core.sklearn_seam import BaseSearchCV, HasMethods, Interval, StrOptions
from skopt2.gaussian_process.search_strategy import SearchStrategy
from skopt2.solvers.search.space import SearchSpace


class FixedSplits:
    """The splits of the first round, for every round.

    A splitter that shuffles without a seed would give every round splits of its own,
    and a candidate could win by its splits.

    Parameters
    ----------
    splits : list of tuple of ndarray
        Train and test indices.
    """

    def __init__(self, splits):
        self.splits = splits

    def split(self, X=None, y=None, **params):
        """Return the pairs of train and test indices."""
        return iter(self.splits)


class GPSearchCV(BaseSearchCV):
    """Hyperparameter search that learns from every fit where to look next.

    Candidates that fill the space are fitted and scored first. Then every round fits a
    Gaussian process to the scores and evaluates the candidates that promise most under
    it, so the fits gather where the score is high. It takes the place of
    ``RandomizedSearchCV`` wherever a fit costs more than some hundredths of a second,
    which is what a proposal costs.

    Parameters
    ----------
    estimator : estimator
        What is searched. It needs a ``score`` method unless ``scoring`` is given.
    param_distributions : dict or list of dicts
        By parameter name, what ``RandomizedSearchCV`` takes: a frozen distribution of
        ``scipy.stats`` or a list of values. A continuous distribution is searched on
        the scale of its distribution function (``loguniform`` on the log scale), a
        discrete one likewise. A list of different numbers is searched in their order,
        with equal steps; any other list is a choice among unrelated values. With
        several dictionaries a candidate belongs to one of them, and a parameter that
        appears in several with the same distribution is learned in common.
    n_iter : int, default=50
        Number of candidates, those at the start included. A finite space that has fewer
        is searched in full.
    acquisition : {"irgp_ucb", "gp_ucb", "thompson", "expected_improvement"}, \
            default="irgp_ucb"
        What makes a candidate promising. "irgp_ucb" is an upper confidence bound whose
        width is drawn anew for each proposal [1]_, "gp_ucb" one whose width grows with
        the rounds [2]_, "thompson" one draw of the score function, and
        "expected_improvement" the mean gain over the best expected score.
    n_initial : int or None, default=None
        Number of candidates at the start, evaluated all at once. None takes
        two a parameter and one more, not more than half of ``n_iter`` and at least
        four.
    batch_size : int, default=1
        Candidates of a round. More than one keeps more processors busy (``n_jobs``) and
        learns less from each: the second one is chosen as if the first had scored what
        was expected of it.
    surrogate : estimator or None, default=None
        Regressor that predicts scores, with the interface of scikit-learn's
        ``GaussianProcessRegressor``: ``predict`` with ``return_std``, and with
        ``return_cov`` for "thompson". It sees standardised scores, and parameters
        between 0 and 1. None takes a Gaussian process with a Matern-5/2 kernel, a
        length scale for each column, and fitted noise.
    scoring : str, callable, list, tuple or dict, default=None
        As in ``RandomizedSearchCV``. With several metrics ``refit`` names the one that
        is maximised.
    n_jobs : int or None, default=None
        Number of fits at a time.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all data, the name of the metric if there
        are several, or a function of ``cv_results_`` that returns the index of the
        candidate. Such a function does not direct the search.
    cv : int, splitter, iterable or None, default=None
        As in ``RandomizedSearchCV``. A splitter that shuffles is asked once, so that
        all candidates have the same folds.
    verbose : int, default=0
        As in ``RandomizedSearchCV``.
    pre_dispatch : int or str, default="2*n_jobs"
        As in ``RandomizedSearchCV``.
    random_state : int, RandomState, Generator or None, default=None
        Seed of the candidates.
    error_score : "raise" or float, default=nan
        Score of a fit that fails. The search takes it for the worst that it has seen.
        Only if all fits of the first candidates fail is that an error.
    return_train_score : bool, default=False
        Whether ``cv_results_`` has the scores on the training sets.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As of ``RandomizedSearchCV``, in the order of evaluation, with three more keys:
        "round" (0 at the start), and "predicted_mean" and "predicted_std", what the
        surrogate expected of the score before (NaN at the start).
    best_index_ : int
        Index of the best candidate in ``cv_results_``.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its mean score over the folds; not available if ``refit`` is a function.
    best_estimator_ : estimator
        Fitted with them to all data, unless ``refit`` is False.
    refit_time_ : float
        Seconds of that fit.
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
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if they have any.

    See Also
    --------
    ConstrainedGPSearchCV : The same under constraints.
    sklearn.model_selection.RandomizedSearchCV : Candidates at random.

    References
    ----------
    .. [1] S. Takeno, Y. Inatsu, M. Karasuyama, "Randomized Gaussian Process Upper
       Confidence Bound with Tighter Bayesian Regret Bounds", ICML 2023.
    .. [2] N. Srinivas, A. Krause, S. Kakade, M. Seeger, "Gaussian Process Optimization
       in the Bandit Setting: No Regret and Experimental Design", ICML 2010.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skopt2.gaussian_process import GPSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"C": loguniform(1e-3, 1e3), "gamma": loguniform(1e-4, 1e1)}
    >>> search = GPSearchCV(SVC(), space, n_iter=15, random_state=0).fit(X, y)
    >>> len(search.cv_results_["params"])
    15
    >>> search.best_score_ > 0.97
    np.True_
    """

    _parameter_constraints: dict = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list, tuple],
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "acquisition": [
            StrOptions({"irgp_ucb", "gp_ucb", "thompson", "expected_improvement"})
        ],
        "n_initial": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "surrogate": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=50,
        acquisition="irgp_ucb",
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
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.acquisition = acquisition
        self.n_initial = n_initial
        self.batch_size = batch_size
        self.surrogate = surrogate
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags = get_tags(self.estimator).target_tags
        return tags

    def _check_input_parameters(self, X, y, split_params):
        """Check what the search needs, and draw the splits of every round."""
        if y is None and get_tags(self.estimator).target_tags.required:
            raise ValueError(
                f"{type(self.estimator).__name__} requires y to be passed, but the "
                "target y is None."
            )
        several = isinstance(self.scoring, (list, tuple, dict))
        if several and not isinstance(self.refit, str):
            raise ValueError(_WHICH_METRIC.format(self.refit))
        self._space = SearchSpace(self.param_distributions)
        splits = self._checked_cv_orig.split(X, y, **split_params)
        self._splits = FixedSplits(list(splits))

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        """Evaluate points that fill the space, then one batch a round."""
        rng = np.random.default_rng(seed_sequence(self.random_state))
        strategy = self._strategy(self._space, rng)
        size = self._space.size
        budget = self.n_iter if size is None else min(self.n_iter, size)
        n_initial = self.n_initial
        if n_initial is None:
            n_initial = max(4, min(2 * self._space.n_raw + 1, self.n_iter // 2))
        n_initial = min(n_initial, budget)
        context = callback_ctx.subcontext(
            task_name="search",
            max_subtasks=1 + -(-(budget - n_initial) // self.batch_size),
        ).call_on_fit_task_begin(estimator=self)
        try:
            points, predicted = strategy.start(n_initial)
            self.n_rounds_ = 0
            while len(points):
                results = self._round(evaluate_candidates, context, points, predicted)
                self.n_rounds_ += 1
                left = budget - len(results["params"])
                if left <= 0:
                    break
                n_points = min(self.batch_size, left)
                points, predicted = strategy.step(n_points, *self._measured(results))
            measured = self._measured(results)
            self.surrogate_ = strategy.fit(*measured).model.model_
            if not np.isfinite(measured[0]).all():
                warnings.warn(
                    f"One or more of the test scores are non-finite: {measured[0]}",
                    UserWarning,
                    stacklevel=2,
                )
        finally:
            # Only the search needs them.
            for name in ("_space", "_splits", "_record", "_results"):
                self.__dict__.pop(name, None)
        context.call_on_fit_task_end(estimator=self)

    def _strategy(self, space, rng):
        """Return what proposes the candidates."""
        return SearchStrategy(space, self.acquisition, self.surrogate, rng)

    def _measured(self, results):
        """Return what the strategy is told of the candidates so far."""
        name = self.refit if isinstance(self.refit, str) else "score"
        if f"mean_test_{name}" not in results:
            raise ValueError(_WHICH_METRIC.format(self.refit))
        return (results[f"mean_test_{name}"],)

    def _round(self, evaluate_candidates, context, points, predicted):
        """Evaluate points and return the results of all so far."""
        candidates = [self._space.decode(point) for point in points]
        task = context.subcontext(
            task_name="search-round",
            max_subtasks=len(candidates) * self.n_splits_,
            sequential_subtasks=False,
        ).call_on_fit_task_begin(estimator=self)
        more = {
            "round": [self.n_rounds_] * len(candidates),
            "predicted_mean": predicted[:, 0].tolist(),
            "predicted_std": predicted[:, 1].tolist(),
        }
        begin = time.perf_counter()
        try:
            self._results = evaluate_candidates(
                candidates, cv=self._splits, more_results=more, callback_ctx=task
            )
        except ValueError as error:
            # Scikit-learn takes a call whose every fit failed for a broken estimator.
            # Here a call is one candidate, and others were fitted before.
            tolerated = self.n_rounds_ > 0 and self.error_score != "raise"
            if not tolerated or "fits failed" not in str(error):
                raise
            self._record_failure(candidates, more, error, time.perf_counter() - begin)
        task.call_on_fit_task_end(estimator=self)
        return self._results

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        # The lists are the record of the search, to which a failed round is added.
        self._record = candidate_params, out, more_results
        with warnings.catch_warnings():
            # Not in every round after a failed fit: once, at the end.
            warnings.filterwarnings("ignore", message="One or more of the")
            return super()._format_results(
                candidate_params, n_splits, out, more_results
            )

    def _record_failure(self, candidates, more, error, seconds):
        """Add candidates whose every fit failed to the results."""
        warnings.warn(str(error), FitFailedWarning, stacklevel=2)
        all_candidates, out, all_more = self._record
        n_fits = len(candidates) * self.n_splits_
        failed = {**out[0], "fit_error": str(error), "score_time": 0.0}
        failed["fit_time"] = seconds / n_fits
        for key in ("test_scores", "train_scores"):
            if isinstance(failed.get(key), dict):
                failed[key] = dict.fromkeys(failed[key], self.error_score)
            elif key in failed:
                failed[key] = self.error_score
        all_candidates.extend(candidates)
        out.extend(dict(failed) for _ in range(n_fits))
        for key, values in more.items():
            all_more[key].extend(values)
        results = self._format_results(all_candidates, self.n_splits_, out, all_more)
        # The base class goes on with this very dictionary.
        self._results.clear()
        self._results.update(results)


_WHICH_METRIC = (
    "With several metrics the search maximises the one that refit names; got "
    "refit={!r}. Set refit to the name of a metric."
)
