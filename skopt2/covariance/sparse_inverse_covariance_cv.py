"""Sparse inverse covariance matrix at a level chosen along the path."""

import math
import warnings
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.array import move, namespace, sum64, take, to_numpy
from skopt2._core.array_parameters import as_numbers
from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_choice, check_number, errors_name
from skopt2._core.transfer import convert
from skopt2.covariance.empirical import from_rows
from skopt2.covariance.formulation import Formulation, log_likelihood
from skopt2.covariance.model import InverseCovarianceModel
from skopt2.covariance.path import (
    alpha_grid,
    count_edges,
    count_unsolved,
    follow,
)

CRITERIA = ("aic", "bic", "ebic")


class SparseInverseCovarianceCV(InverseCovarianceModel):
    """Sparse inverse covariance matrix that chooses ``alpha`` itself.

    By the log-likelihood of left out rows, or by an information criterion.

    Parameters
    ----------
    penalty : {"l1", "mcp", "scad"} or Penalty, default="l1"
        As in :class:`SparseInverseCovariance`.
    alphas : int or array-like of shape (n_alphas,), default=20
        Number of levels on a geometric grid, or the levels. The grid starts at the
        smallest ``alpha`` that gives no edge on all the data.
    eps : float, default=0.05
        Smallest over largest level of the grid.
    cv : int, splitter or iterable of (train, test), default=None
        Folds, made once for all levels; None for five.
    criterion : {"cv", "aic", "bic", "ebic"}, default="cv"
        Mean log-likelihood of the left out rows, or an information criterion of the
        models on all the data.
    selection : {"min", "1se"}, default="min"
        The best level, or the largest one whose mean score is within one standard
        error of the best.
    ebic_gamma : float, default=0.5
        Weight of the size of the model space in ``"ebic"``; 0 makes it ``"bic"``.
    n_jobs : int, default=None
        Folds at a time; ``joblib.parallel_config`` chooses where they run.
    penalize_diagonal, standardize : bool, default=False
        As in :class:`SparseInverseCovariance`.
    assume_centered : bool, default=False
        Whether the mean is known to be zero, and not subtracted.
    tol : float, default=1e-6
        Tolerance of the certificate of every fit.
    max_iter : int, default=2000
        Largest number of steps at one level.
    time_limit : float, default=None
        Seconds after which the fit at one level stops.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    alpha_ : float
        Chosen level.
    alphas_ : ndarray of shape (n_alphas,)
        Levels, descending.
    scores_path_ : ndarray of shape (n_alphas, n_folds) or None
        Mean log-likelihood of each fold; None with an information criterion.
    criterion_path_ : ndarray of shape (n_alphas,) or None
        Information criterion, smaller is better; None with ``criterion="cv"``.
    precision_ : ndarray of shape (n_features, n_features)
        Sparse inverse covariance matrix at ``alpha_``, with exact zeros.
    covariance_ : ndarray of shape (n_features, n_features)
        Its inverse.
    location_ : ndarray of shape (n_features,)
        Mean.
    n_edges_ : int
        Pairs of features with a precision that is not zero.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps at ``alpha_``.
    converged_ : bool
        Whether the certificate at ``alpha_`` holds.
    stop_reason_ : str
        As in :class:`SparseInverseCovariance`.
    certificate_ : Certificate
        At ``alpha_``.
    dual_gap_ : float
        Absolute duality gap, NaN for a nonconvex penalty.
    objective_ : float
        Value of the objective at ``alpha_``.
    history_ : dict of ndarray
        Of the fit at ``alpha_``.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseInverseCovariance : The model at one ``alpha``.
    inverse_covariance_path : Precision matrices at many levels.

    Notes
    -----
    With n rows, p features and E edges, the criteria are -2 log L + E c, with c = 2 for
    "aic", log(n) for "bic" and log(n) + 4 gamma log(p) for "ebic" (Foygel and Drton,
    2010). The likelihood is that of the estimate itself. n is the sum of
    ``sample_weight``, where it is given.

    The likelihood of left out rows is best for more edges than there are: it trades
    them for less shrinkage. The extended criterion is the one for the graph.

    References
    ----------
    Friedman, Hastie and Tibshirani, Biostatistics 9, 2008; Foygel and Drton, Extended
    Bayesian information criteria for Gaussian graphical models, NIPS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.covariance import SparseInverseCovarianceCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 4))
    >>> X[:, 1] += X[:, 0]
    >>> X[:, 2] += X[:, 1]
    >>> model = SparseInverseCovarianceCV("mcp", criterion="ebic").fit(X)
    >>> model.n_edges_
    2
    """

    def __init__(
        self,
        penalty="l1",
        *,
        alphas=20,
        eps=0.05,
        cv=None,
        criterion="cv",
        selection="min",
        ebic_gamma=0.5,
        n_jobs=None,
        penalize_diagonal=False,
        standardize=False,
        assume_centered=False,
        tol=1e-6,
        max_iter=2000,
        time_limit=None,
        device=None,
    ):
        self.penalty = penalty
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.criterion = criterion
        self.selection = selection
        self.ebic_gamma = ebic_gamma
        self.n_jobs = n_jobs
        self.penalize_diagonal = penalize_diagonal
        self.standardize = standardize
        self.assume_centered = assume_centered
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Follow the paths, choose ``alpha``, and fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights of the fits and of the scores.
        groups : array-like of shape (n_samples,), default=None
            Group labels for the splitter.

        Returns
        -------
        self : SparseInverseCovarianceCV
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter are out of range, or a fold lacks samples.

        Warns
        -----
        ConvergenceWarning
            If a certificate did not reach ``tol``.
        """
        check_choice("criterion", self.criterion, ("cv", *CRITERIA))
        check_choice("selection", self.selection, ("min", "1se"))
        check_number("ebic_gamma", self.ebic_gamma, 0)
        data, formulation = self._formulate(X, sample_weight)
        with data.target.activate():
            alphas = alpha_grid(formulation, self.alphas, self.eps)
            scores = values = start = None
            if self.criterion == "cv":
                scores, unsolved = self._cross_validate(
                    formulation, data, alphas, groups
                )
                chosen = _choose(scores, self.selection)
            else:
                n = _count(sample_weight, int(data.X.shape[0]))
                values, starts, unsolved = self._criteria(formulation, alphas, n)
                chosen = int(np.argmin(values))
                start = starts[chosen]
            attributes = {
                "alphas_": alphas,
                "scores_path_": scores,
                "criterion_path_": values,
            }
            vars(self).update(convert(attributes, data.source))
            self.alpha_ = float(alphas[chosen])
            self._warn_about(unsolved)
            return self._refit(formulation, data, start)

    def _refit(self, formulation, data, start):
        """Fit the model at the chosen level."""
        alpha = self.alpha_
        solver = formulation.solver(alpha, self.tol)

        def describe(solution):
            return self._describe(solution, formulation, alpha, data.X.dtype)

        return self._run(
            solver,
            solver.init(formulation.start(start, alpha)),
            data,
            describe,
            solver.certificate_name,
            check_every=solver.pause,
        )

    @property
    def _limits(self):
        return {
            "tol": self.tol,
            "max_iter": self.max_iter,
            "time_limit": self.time_limit,
        }

    def _cross_validate(self, formulation, data, alphas, groups):
        """Return the scores of all folds, and the number of fits not converged."""
        folds = self._folds(data, groups)
        # A device is shared by threads, and would be opened anew by every process.
        prefer = "processes" if data.target.kind == "numpy" else "threads"
        # Data inside of the function travel with each task. Those that are arguments
        # joblib would leave with one worker of a Dask cluster, and lose with it.
        calls = (
            partial(_follow_fold, self, formulation, data, alphas, *parts)
            for parts in folds
        )
        outcomes = Parallel(n_jobs=self.n_jobs, prefer=prefer)(
            delayed(call)() for call in calls
        )
        scores = np.column_stack([values for values, _ in outcomes])
        return scores, sum(unsolved for _, unsolved in outcomes)

    def _folds(self, data, groups):
        """Return the rows of positive weight of each split."""
        n = int(data.X.shape[0])
        rows, weight = np.arange(n), to_numpy(data.sample_weight)
        folds = []
        with errors_name("cv", self.cv):
            # Indexing turns masks into row numbers, and refuses rows that do not exist.
            splits = [
                [rows[np.asarray(part) if len(part) else []] for part in parts]
                for parts in check_cv(self.cv).split(np.zeros((n, 1)), None, groups)
            ]
        for number, parts in enumerate(splits):
            if weight is not None:
                parts = [part[weight[part] > 0] for part in parts]
            if not all(part.size for part in parts):
                raise ValueError(
                    f"A part of fold {number} has no sample of positive weight. Use "
                    "fewer folds, or another cv."
                )
            folds.append(parts)
        if not folds:
            raise ValueError(f"cv={self.cv!r} makes no folds.")
        return folds

    def _criteria(self, formulation, alphas, n):
        """Return the criterion at each level, the precisions, and the fits unsolved."""
        p = int(formulation.empirical.C.shape[0])
        cost = {"aic": 2.0}.get(self.criterion, math.log(n))
        if self.criterion == "ebic":
            cost += 4.0 * self.ebic_gamma * math.log(p)
        results, precisions, values = [], [], []
        for _, result, precision in follow(formulation, alphas, **self._limits):
            fitted = log_likelihood(precision, formulation.empirical)
            values.append(-2.0 * n * fitted + cost * count_edges(precision))
            results.append(result)
            precisions.append(precision)
        return np.asarray(values), precisions, count_unsolved(results)

    def _warn_about(self, unsolved):
        """Warn once of the fits on the paths that did not converge."""
        if unsolved:
            warnings.warn(
                f"{unsolved} fits on the paths of {type(self).__name__} stopped before "
                f"their certificates reached tol={self.tol}. Increase max_iter, loosen "
                "tol, or raise eps to leave out the smallest levels.",
                ConvergenceWarning,
                # _warn_about, fit, with_callbacks, fit_method, caller
                stacklevel=5,
            )


def _choose(scores, selection):
    """Return the number of the chosen level; the larger one where two tie."""
    mean = scores.mean(axis=1)
    mean = np.where(np.isfinite(mean), mean, -np.inf)
    best, n_folds = int(np.argmax(mean)), scores.shape[1]
    if mean[best] == -np.inf:
        raise ValueError(
            "The scores are not finite at any level of alphas. Check the data, or use "
            "larger levels."
        )
    if selection == "min" or n_folds == 1:
        return best
    error = scores[best].std(ddof=1) / np.sqrt(n_folds)
    return int(np.argmax(mean >= mean[best] - error))


def _count(sample_weight, n):
    """Return how many observations the rows stand for."""
    if sample_weight is None:
        return float(n)
    total = np.broadcast_to(as_numbers("sample_weight", sample_weight), n).sum()
    if total <= 1.0:
        raise ValueError(
            "An information criterion counts observations, and sample_weight has the "
            f"sum {total:g}. Give weights that count, or set criterion='cv'."
        )
    return float(total)


def _follow_fold(model, formulation, data, alphas, train, test):
    """Return the scores of a fold along the path, and the number of fits unsolved."""
    with data.target.activate():
        centered = bool(model.assume_centered)
        fitted = from_rows(*_part(data, train), centered)
        fold = Formulation(
            fitted,
            formulation.penalty,
            formulation.penalize_diagonal,
            formulation.standardize,
            formulation.names,
        )
        X, weight = _part(data, test)
        wide = namespace(X).astype(X, fitted.location.dtype)
        left_out = from_rows(wide - fitted.location, weight, True)
        results, scores = [], []
        for _, result, precision in follow(fold, alphas, **model._limits):
            results.append(result)
            scores.append(log_likelihood(precision, left_out))
    return np.asarray(scores), count_unsolved(results)


def _part(data, rows):
    """Return some of the rows, with their weights."""
    index = move(rows, data.target)
    weight = data.sample_weight
    if weight is not None:
        weight = take(weight, index)
        weight = weight / sum64(weight)
    return take(data.X, index), weight
