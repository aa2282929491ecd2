"""Continuous penalties by the gradient of the validation loss."""

import functools

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)

from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.parameters import check_number, check_positive
from skopt2._core.validation import check_fit_input, host_data
from skopt2.model_selection.best_estimator import BestEstimator
from skopt2.model_selection.hyper_gradient_problem import (
    HyperGradientProblem,
    check_estimator,
)


class HyperGradientCV(BestEstimator, IterativeEstimator):
    r"""Search for continuous penalties along the gradient of the validation loss.

    Minimises the mean validation loss of the splits over the logarithms
    :math:`\theta` of the levels of the penalty,

    .. math:: \min_\theta \frac1F \sum_f \sum_{i \in \mathrm{test}_f} v_i\,
              \ell(y_i, x_i^\top w_f(\theta) + b_f(\theta)), \qquad
              w_f(\theta) = \arg\min_w \text{ the penalised fit to } \mathrm{train}_f,

    with the slope of :math:`w_f(\theta)` from the implicit function theorem. It costs
    one linear system a split, however many levels there are: one for each feature or
    each group is no harder than one for all. No fit is more exact than a decision needs
    it to be, and every decision is one that the exact fits would take.

    Parameters
    ----------
    estimator : SparseRegressor or SparseClassifier
        Model with ``penalty="l1"`` or ``"elasticnet"`` (``ElasticNet(0)`` for ridge)
        and a loss among squared, Huber, Poisson, logistic and multinomial. Its
        ``alpha`` is what is searched for; its ``penalty_factor`` multiplies the levels.
    penalties : {"single", "terms", "feature", "group"}, default="single"
        What has a level of its own: the penalty; each of the two terms of the elastic
        net; each feature; each group of features.
    groups : int, array-like, list or dict, default=None
        Groups of features for ``penalties="group"``, as in
        :class:`~skopt2.linear_model.GroupRegressor`; without overlaps.
    cv : int, splitter or iterable of (train, test), default=None
        Folds, made once; None for five. One pair gives a single validation set.
    validation_loss : str or Loss, default=None
        Loss of the validation samples; None for that of the estimator. Squared and
        Huber may judge each other, and so may logistic and the smooth hinges.
    init : float or array-like of shape (n_levels,), default=None
        Levels to start from. None takes the best of a few levels, and before many
        levels moves a single one to its optimum.
    bounds : tuple of two floats, default=None
        Smallest and largest level. None for a box around the range in which the fit
        changes.
    shrinkage : float or "auto", default="auto"
        Pull of many levels towards each other, against fitting the validation samples:
        ``shrinkage / 2`` times the variance of their logarithms is added to the loss,
        in units of the loss of a model without features. ``"auto"`` chooses it on
        samples that a search in part of the folds has not seen, for some ten times the
        work; one level for all is among the choices.
    tol : float, default=1e-3
        Tolerance of ``certificate_``.
    max_iter : int, default=100
        Largest number of steps.
    time_limit : float, default=None
        Seconds after which the search stops at the end of a step. The first look and
        the choice of ``shrinkage`` come before and do not count.
    accuracy : float, default=0.1
        First accuracy of the validation loss and of the linear systems, relative. The
        search makes it smaller where it must.
    step_size : float, default=1.0
        Largest change of the logarithm of a level that the first step tries.
    refit : bool, default=True
        Whether to fit the estimator to all data with the best levels.
    n_jobs : int, default=None
        Splits at a time, in threads.

    Attributes
    ----------
    best_estimator_ : estimator
        Fitted to all data with the best levels, unless ``refit=False``.
    best_params_ : dict
        What the estimator is given: ``alpha``, the median of many levels with
        ``penalty_factor``, the sum of two terms with ``penalty``.
    best_score_ : float
        Minus the mean validation loss.
    levels_ : ndarray of shape (n_levels,)
        The levels: of the penalty, of the l1 and the squared term, of the features, or
        of the groups.
    group_labels_ : ndarray of shape (n_levels,) or None
        Labels of the groups, for ``penalties="group"``.
    shrinkage_ : float or None
        Pull of many levels; inf where one level for all did best. None otherwise.
    nested_losses_ : dict
        With ``shrinkage="auto"`` the mean loss on the samples set aside, by the pull:
        what many levels are worth on new data.
    n_splits_ : int
        Number of splits.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    classes_ : ndarray of shape (n_classes,)
        Class labels, for a classifier.
    n_iter_ : int
        Steps.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"`` or
        ``"stalled"``.
    certificate_ : Certificate
        Bound on the norm of the projected gradient of the loss, in units of the loss of
        a model without features, for a factor e of the levels: the inexact gradient and
        the bound of its error together. At a kink the shortest mean of the gradients
        within one percent of the levels.
    objective_ : float
        Mean validation loss, with the pull of ``shrinkage``.
    dual_gap_ : float
        NaN: the problem is not convex.
    history_ : dict of ndarray
        One row per step: ``iteration``, ``time``, ``objective``, ``certificate``,
        ``error`` (bound of the error of the objective), ``hypergradient_error``,
        ``accuracy``, ``moved``, the work so far (``fits``, ``lower_steps``,
        ``products``), and ``levels``, of shape (n_checks, n_levels).
    device_ : str
        Where the search was computed: on the CPU.

    See Also
    --------
    skopt2.linear_model.SparseRegressorCV : A grid for one level, along the path.
    skopt2.gaussian_process.GPSearchCV : Few parameters of any kind, without gradients.

    Notes
    -----
    The loss of the splits is that of data which chose the levels: with many levels it
    is too small, and levels that fit it too well predict badly. ``nested_losses_`` are
    fair, up to the choice among few. A callback
    :class:`~skopt2.callbacks.EarlyStopping` with samples of its own is another guard.

    References
    ----------
    M. S. Salehi, S. Mukherjee, L. Roberts and M. J. Ehrhardt, An adaptively inexact
    first-order method for bilevel optimization with application to hyperparameter
    learning, SIAM Journal on Mathematics of Data Science, 2025; Q. Bertrand et al.,
    Implicit differentiation for fast hyperparameter selection in non-smooth convex
    learning, JMLR 23, 2022; F. Pedregosa, Hyperparameter optimization with approximate
    gradient, ICML 2016.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import SparseRegressor
    >>> from skopt2.model_selection import HyperGradientCV
    >>> from skopt2.penalties import ElasticNet
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=100, n_features=20, n_informative=4, random_state=0
    ... )
    >>> ridge = SparseRegressor(penalty=ElasticNet(0.0))
    >>> single = HyperGradientCV(ridge).fit(X, y)
    >>> own = HyperGradientCV(ridge, penalties="feature").fit(X, y)
    >>> own.best_score_ > single.best_score_
    True
    >>> level = own.best_params_["penalty_factor"]
    >>> bool(level[coef != 0].max() < level[coef == 0].min())
    True
    """

    # Splits are fitted on the host; best_estimator_ has a device of its own.
    device = None
    _remedies = (
        "bring the features to one scale, drop duplicated columns or use "
        "penalty='elasticnet'",
        "bring the features to one scale, or raise the lower one of bounds",
    )

    def __init__(
        self,
        estimator,
        *,
        penalties="single",
        groups=None,
        cv=None,
        validation_loss=None,
        init=None,
        bounds=None,
        shrinkage="auto",
        tol=1e-3,
        max_iter=100,
        time_limit=None,
        accuracy=0.1,
        step_size=1.0,
        refit=True,
        n_jobs=None,
    ):
        self.estimator = estimator
        self.penalties = penalties
        self.groups = groups
        self.cv = cv
        self.validation_loss = validation_loss
        self.init = init
        self.bounds = bounds
        self.shrinkage = shrinkage
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.accuracy = accuracy
        self.step_size = step_size
        self.refit = refit
        self.n_jobs = n_jobs

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.target_tags = inner.target_tags
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        return tags

    @fit_method
    def fit(self, X, y, sample_weight=None, **params):
        """Search for the levels, and fit the estimator with them.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Target, or class labels of any kind.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights of the fits and of the validation losses.
        **params : dict
            ``groups`` for the splitter. With metadata routing on, whatever the splitter
            requests.

        Returns
        -------
        self : HyperGradientCV
            Fitted.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or the penalty or the loss of
            the estimator has no hypergradient.
        TypeError
            If the estimator is of another kind.
        """
        self._check_parameters()
        split_params = self._route(sample_weight, params)
        kind = self.estimator._y_kind
        data = check_fit_input(self, X, y, sample_weight, y_kind=kind, squares=True)
        problem = HyperGradientProblem(self, host_data(self, data, ""), split_params)
        if data.classes is not None:
            self.classes_ = data.classes
        self.n_splits_ = len(problem.folds)
        describe = functools.partial(
            self._describe, problem, X=X, y=y, sample_weight=sample_weight
        )
        solver, state = problem.solver()
        name = solver.certificate_name
        return self._run(solver, state, data, describe, name)

    def _check_parameters(self):
        """Raise unless the parameters of the search are in range."""
        check_estimator(self.estimator)
        for name in ("tol", "accuracy", "step_size"):
            check_positive(name, getattr(self, name))
        check_number("shrinkage", self.shrinkage, 0, named=("auto",))

    def get_metadata_routing(self):
        """Return where metadata given to ``fit`` goes.

        ``sample_weight`` is used by ``fit``; the splitter gets what it requests.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        # Only splitters request metadata; an iterable must not be used up here.
        return router.add(
            splitter=self.cv if hasattr(self.cv, "split") else check_cv(None),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )

    def _route(self, sample_weight, params):
        """Return what the splitter gets."""
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            return routed.splitter.split
        unknown = sorted(set(params) - {"groups"})
        if unknown:
            raise ValueError(
                f"fit of {type(self).__name__} got {unknown}. Beside sample_weight and "
                "groups it takes metadata only with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        return params

    def _describe(self, problem, solution, X, y, sample_weight):
        """Return the fitted attributes of a point."""
        theta, value = solution
        theta = problem.spread(theta)
        found = {
            "best_params_": problem.parameters(theta),
            "best_score_": -value,
            "levels_": np.exp(theta),
            "group_labels_": problem.labels,
            "shrinkage_": problem.shrinkage,
            "nested_losses_": problem.nested_losses,
        }
        if self.refit:
            inner = clone(self.estimator).set_params(**found["best_params_"])
            weights = {} if sample_weight is None else {"sample_weight": sample_weight}
            found["best_estimator_"] = inner.fit(X, y, **weights)
        return found

    def _store(self, result, data, attributes):
        # The estimator was fitted where the data are, and its labels stay on the host.
        best = attributes.pop("best_estimator_", None)
        super()._store(result, data, attributes)
        if best is not None:
            self.best_estimator_ = best
