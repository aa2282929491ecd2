"""Hyperparameter search by Bayesian optimisation, as a search of scikit-learn.

Problem: maximise the cross-validated score over a space of parameters with few fits.

The rounds are those of `search_strategy.py`, the grammar of a search that of
`bayesian_search.py`.
"""

from numbers import Real

import numpy as np

from skopt2._core.sklearn_seam import Interval, StrOptions
from skopt2.gaussian_process.bayesian_search import BayesianSearchCV
from skopt2.gaussian_process.search_strategy import SearchStrategy
from skopt2.solvers.search.acquisition import theoretical_shift


class GPSearchCV(BayesianSearchCV):
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
    shift : float or "theory", default=0.5
        Smallest value of the squared width that "irgp_ucb" draws, which is this and an
        exponential number of mean 2. The larger, the more the search explores. "theory"
        is 2 log(N / 2) for a finite space of N candidates, for which the bounds of [1]_
        hold; it is wider than pays within a hundred candidates.
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
    feature_names_in_ : ndarray of shape (n_features,)
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
        **BayesianSearchCV._parameter_constraints,
        "acquisition": [
            StrOptions({"irgp_ucb", "gp_ucb", "thompson", "expected_improvement"})
        ],
        "shift": [Interval(Real, 0, None, closed="left"), StrOptions({"theory"})],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=50,
        acquisition="irgp_ucb",
        shift=0.5,
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
        self.acquisition = acquisition
        self.shift = shift
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

    def _strategy(self, space, rng):
        shift = self.shift
        if shift == "theory":
            if space.size is None:
                raise ValueError(
                    "shift='theory' needs a finite space: the theorem for a continuous "
                    "one has constants that nobody knows. Give a number, or lists."
                )
            shift = theoretical_shift(space.size)
        return SearchStrategy(space, self.acquisition, self.surrogate, rng, shift)
