"""What the Bayesian searches have in common: scikit-learn's search, round by round.

The folds, the fits, the scores, the refit and the fitted attributes are scikit-learn's;
a `SearchStrategy` says what to fit next.
"""

import numbers
import time
import warnings
from abc import abstractmethod

import numpy as np
from joblib import parallel_config
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import get_tags

from skopt2._core.estimator import all_or_nothing
from skopt2._core.random import seed_sequence
from skopt2._core.sklearn_seam import BaseSearchCV, HasMethods, Interval
from skopt2._core.threads import without_warnings
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


class BayesianSearchCV(BaseSearchCV):
    """A search that proposes its candidates in rounds."""

    # The name of a metric, or a function.
    _not_flags = ("refit",)

    _parameter_constraints: dict = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list, tuple],
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_initial": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "surrogate": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state", np.random.Generator],
    }

    # A search that was interrupted is as before it, not fitted in part.
    fit = all_or_nothing(BaseSearchCV.fit)

    @property
    def n_features_in_(self):
        """Number of features seen in the fit; only with ``refit``."""
        return super().n_features_in_

    @property
    def classes_(self):
        """Class labels; only with ``refit``, and for classifiers."""
        return super().classes_

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter,
        n_initial,
        batch_size,
        surrogate,
        scoring,
        n_jobs,
        refit,
        cv,
        verbose,
        pre_dispatch,
        random_state,
        error_score,
        return_train_score,
    ):
        self.param_distributions = param_distributions
        self.n_iter = n_iter
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
        several = isinstance(self.scoring, (list, tuple, set, dict))
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
                # The pool of processes is that of the fits. A surrogate that took it
                # from the user's configuration would end it behind their back.
                with parallel_config("sequential"):
                    measured = self._measured(results)
                    points, predicted = strategy.step(n_points, *measured)
            measured = self._measured(results)
            with parallel_config("sequential"):
                self._finish(strategy.fit(*measured))
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

    @abstractmethod
    def _strategy(self, space, rng):
        """Return what proposes the candidates."""

    def _finish(self, strategy):
        """Keep what the search has learned."""
        self.surrogate_ = strategy.model.model_

    def _measured(self, results):
        """Return what the strategy is told of the candidates so far."""
        # With a single metric a name for refit means no more than True.
        for name in (self.refit, "score"):
            if isinstance(name, str) and f"mean_test_{name}" in results:
                return (results[f"mean_test_{name}"],)
        raise ValueError(_WHICH_METRIC.format(self.refit))

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
        # Not in every round after a failed fit: once, at the end.
        with without_warnings(message="One or more of the"):
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
