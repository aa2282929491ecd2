"""Fitting a path and choosing one of its levels: what the CV estimators share."""

import functools
import inspect
import warnings
from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from skopt2._core.array import is_sparse
from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_choice, check_number, errors_name
from skopt2._core.transfer import convert
from skopt2.linear_model.cross_validation import (
    CrossValidation,
    count_unsolved,
    make_folds,
)
from skopt2.linear_model.information_criterion import (
    CRITERIA,
    InformationCriterion,
    count_observations,
)
from skopt2.linear_model.path_tasks import PathTasks
from skopt2.linear_model.sparse_path import alpha_grid, collect, follow


def choose_level(scores, selection):
    """Return the number of the chosen level.

    Parameters
    ----------
    scores : ndarray of shape (n_alphas, n_folds)
        Larger is better; levels are descending.
    selection : {"min", "1se"}
        The best mean, or the largest level within one standard error of it.

    Returns
    -------
    level : int
        The larger one where two tie.

    Raises
    ------
    ValueError
        If no level has a finite mean.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = scores.mean(axis=1)
    mean = np.where(np.isfinite(mean), mean, -np.inf)
    best = int(np.argmax(mean))
    if mean[best] == -np.inf:
        raise ValueError(
            "The scores are not finite at any level of alphas. Check the scoring, or "
            "scale the features."
        )
    n_folds = scores.shape[1]
    if selection == "min" or n_folds == 1:
        return best
    error = scores[best].std(ddof=1) / np.sqrt(n_folds)
    return int(np.argmax(mean >= mean[best] - error))


class PathSelection:
    """Mixin that replaces the fit at one ``alpha`` by a path and a choice."""

    _criterion = InformationCriterion

    @fit_method
    def fit(self, X, y, sample_weight=None, **params):
        """Follow the paths, choose ``alpha``, and fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32.
        y : array-like of shape (n_samples,)
            Target, or class labels of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights of the fits and of the scores.
        **params : dict
            ``groups`` for the splitter. With metadata routing on, whatever the splitter
            and the scorer request.

        Returns
        -------
        self : estimator
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, a fold lacks samples or classes,
            or the criterion needs a likelihood that the loss has not.
        """
        self._check_choices()
        scorer = self._scorer()
        routed = self._route(scorer, sample_weight, params)
        data = self._check_input(X, y, sample_weight)
        with data.target.activate():
            formulation = self._formulate(data)
            alphas = alpha_grid(formulation, self.alphas, self.eps)
            rule = self._rule(formulation, sample_weight)
            describe = functools.partial(self._describe, data=data)
            monitor = self._start(
                data,
                describe,
                tol=formulation.tol,
                certificate="",
                max_checks=2 if rule is None else 1,
            )
            context = None if monitor is None else monitor.context
            scores, unsolved = None, 0
            if rule is None:
                scores, unsolved = self._cross_validate(
                    formulation, data, alphas, scorer, routed, context
                )
                alphas = alphas[: len(scores)]
            results, values = self._follow(formulation, data, alphas, rule, context)
            chosen = self._store_path(results, alphas, scores, values, data)
            self._warn_about(unsolved + count_unsolved(results), results[chosen])
            return self._finish(results[chosen], data, describe, monitor)

    def _check_choices(self):
        """Raise unless the parameters of the choice are valid."""
        check_choice("criterion", self.criterion, ("cv", *CRITERIA))
        check_choice("selection", self.selection, ("min", "1se"))
        if self.criterion != "cv" and self.selection != "min":
            raise ValueError(
                'selection="1se" needs the folds of criterion="cv", got criterion='
                f"{self.criterion!r}; a criterion has no standard error."
            )
        check_number("ebic_gamma", self.ebic_gamma, 0)

    def _scorer(self):
        """Return the scikit-learn scorer, None for the default."""
        with errors_name("scoring", self.scoring):
            return None if self.scoring is None else check_scoring(self, self.scoring)

    def get_metadata_routing(self):
        """Return where metadata given to ``fit`` goes.

        ``sample_weight`` is used by ``fit`` and the default score; the splitter and the
        scorer get what they request.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        # Only splitters request metadata; an iterable must not be used up here.
        router.add(
            splitter=self.cv if hasattr(self.cv, "split") else check_cv(None),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        scorer = self._scorer()
        if scorer is not None:
            router.add(
                scorer=scorer,
                method_mapping=MethodMapping().add(caller="fit", callee="score"),
            )
        return router

    def _route(self, scorer, sample_weight, params):
        """Return what the splitter and the scorer get."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            scored = {} if scorer is None else routed.scorer.score
            return routed.splitter.split, scored
        unknown = sorted(set(params) - {"groups"})
        if unknown:
            raise ValueError(
                f"fit of {type(self).__name__} got {unknown}. Beside sample_weight and "
                "groups it takes metadata only with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        weighted = sample_weight is not None and not isinstance(sample_weight, Real)
        if weighted and _accepts_weights(scorer):
            return params, {"sample_weight": sample_weight}
        return params, {}

    def _rule(self, formulation, sample_weight):
        """Return the information criterion, None for cross-validation."""
        if self.criterion == "cv":
            return None
        n_observations = count_observations(sample_weight, formulation.problem.design.n)
        return self._criterion(
            self.criterion, formulation, n_observations, self.ebic_gamma
        )

    def _cross_validate(self, formulation, data, alphas, scorer, routed, context):
        """Return the scores of all folds and how many fits did not converge."""
        folds = make_folds(self, data, routed[0])
        if is_sparse(data.X):
            # Rows are what a fold takes, and a CSC matrix cannot give them quickly.
            same = data.X_source is data.X
            rows = data.X.tocsr()
            data = replace(data, X=rows, X_source=rows if same else data.X_source)
        loss = formulation.loss
        target = data.y if loss.task == "regression" else formulation.problem.y
        cv = CrossValidation(self, data, target, loss, alphas, scorer, routed[1])
        return cv.run(folds, context)

    def _follow(self, formulation, data, alphas, rule, context):
        """Follow the path on all the data; return results and values of the rule."""
        if context is not None:
            context = context.subcontext("path", max_subtasks=len(alphas))
        weight = data.sample_weight_source
        tasks = PathTasks(
            self,
            context,
            alphas,
            data,
            X=data.X_source,
            y=data.y_source,
            metadata=None if weight is None else {"sample_weight": weight},
        )
        values = []

        def on_point(i, result):
            saturated = rule is not None and rule.is_saturated(result.solution)
            if rule is not None and not saturated:
                values.append(rule(result.solution))
            return tasks.end(i, result, last=saturated)

        results = follow(formulation, alphas, on_point=on_point)
        tasks.close()
        if rule is None:
            return results, None
        if not values:
            raise ValueError(
                f"The model of the largest level, alpha={alphas[0]:.3g}, has too many "
                f"coefficients for criterion={self.criterion!r}. Add larger levels to "
                'alphas, or use criterion="cv".'
            )
        return results[: len(values)], np.asarray(values)

    def _store_path(self, results, alphas, scores, values, data):
        """Set the attributes that only a path has; return the number of the choice."""
        if values is None:
            scores = scores[: len(results)]
            chosen = choose_level(scores, self.selection)
        else:
            chosen = int(np.argmin(values))
        dtype = self._describe(results[chosen].solution, data)["coef_"].dtype
        path = collect(results, alphas, data.X.shape[1], dtype)
        intercepts = path.intercepts
        if intercepts.ndim == 2 and data.classes is not None:
            # As in intercept_: a constant added to all classes changes no probability.
            intercepts = intercepts - intercepts.mean(axis=1, keepdims=True)
        attributes = {
            "alphas_": path.alphas,
            "coef_path_": path.coefs,
            "intercept_path_": intercepts,
            "scores_path_": scores,
            "criterion_path_": values,
        }
        vars(self).update(convert(attributes, data.source))
        self.alpha_ = float(path.alphas[chosen])
        if data.classes is not None:
            self.classes_ = data.classes
        return chosen

    def _warn_about(self, unsolved, result):
        """Warn once of all the fits that did not converge, less the chosen one."""
        unsolved -= count_unsolved([result])
        if unsolved:
            warnings.warn(
                f"{unsolved} fits on the paths of {type(self).__name__} stopped before "
                f"their certificates reached tol={self.tol}. Increase max_iter, loosen "
                "tol, bring the features to one scale, or raise eps to leave out the "
                "smallest levels.",
                ConvergenceWarning,
                # _warn_about, fit, with_callbacks, fit_method, caller
                stacklevel=5,
            )


def _accepts_weights(scorer):
    """Return True if a scorer takes sample weights."""
    if scorer is None:
        return False
    # Scikit-learn's scorers wrap a metric, and hand their arguments down to it.
    metric = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(metric).parameters
