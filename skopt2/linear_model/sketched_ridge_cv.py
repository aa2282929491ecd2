"""Ridge regression on random projections of the features, tuned without folds."""

import math

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import RegressorMixin
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2._core.array_parameters import check_alphas
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.random import seed_sequence
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2._core.weighted_quantile import weighted_quantile
from skopt2.linear_model.information_criterion import count_observations
from skopt2.linear_model.sketch_sizes import sketch_sizes
from skopt2.solvers.sketching.ridge_ensemble import RidgeEnsemble
from skopt2.solvers.sketching.sketches import SKETCHES, implicit_alpha


class SketchedRidgeCV(RegressorMixin, IterativeEstimator):
    r"""Ensemble of ridge models on sketched features, tuned by the GCV of the ensemble.

    Each of K members projects the features at random to :math:`q < p`, by a sketch
    :math:`S_k`, and minimises there, with weights :math:`s_i` that sum to 1,

    .. math:: \tfrac12 \sum_i s_i (y_i - x_i^\top S_k v - b)^2
              + \tfrac{\alpha}{2} \lVert v \rVert^2 ;

    the model is the mean of :math:`S_k v_k`. Level and sketch size are those of the
    smallest generalised cross-validation of the whole ensemble: no folds.

    Parameters
    ----------
    n_estimators : int, default=10
        Members K, at least 1; from 2 on the risk of infinitely many is known too.
    sketch_size : int, float, list of them or None, default=None
        Features q after the sketch, or sizes to choose from; a float is a share of the
        features. None tries an eighth, a quarter and a half of the features, or of the
        samples if those are fewer, and all features where they are 64 at most.
    sketch : {"dct", "countsketch", "gaussian", "orthogonal"}, default="dct"
        Random signs and rows of a cosine transform, fast for a dense X; random sums of
        features, which keep a sparse X sparse; independent normal entries; columns of a
        random rotation.
    alphas : int or array-like of shape (n_alphas,), default=20
        Number of levels on a geometric grid, or the levels, positive. ``alpha`` of this
        class is ``alpha / n_samples`` of :class:`sklearn.linear_model.Ridge`. The grid
        starts where the model has less than one degree of freedom.
    eps : float, default=1e-6
        Smallest over largest level of the grid.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    tol : float, default=1e-6
        Largest residual of the normal equations of a member, relative to their right
        side, at which the fit counts as converged.
    time_limit : float, default=None
        Seconds after which no member is added; the model is the mean of those there.
    n_jobs : int, default=None
        Members at a time.
    random_state : int, RandomState instance or None, default=None
        Draws the sketches.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Mean of the coefficients of the members, in the features of ``X``.
    intercept_ : float
        Intercept; 0.0 without one.
    alpha_ : float
        Chosen level.
    sketch_size_ : int
        Chosen size.
    gcv_ : float
        Generalised cross-validation there: an estimate of the squared error on new
        rows.
    unsketched_gcv_ : float
        Estimate of the same for infinitely many members, which is that of the ridge
        model without a sketch at ``implicit_alpha_``; NaN with one member.
    implicit_alpha_ : float
        Level of the ridge model without a sketch that the mean over infinitely many
        sketches stands for.
    alphas_ : ndarray of shape (n_alphas,)
        Levels, descending.
    sketch_sizes_ : ndarray of int of shape (n_sizes,)
        Sizes, increasing.
    gcv_path_ : ndarray of shape (n_sizes, n_alphas)
        Generalised cross-validation of the ensemble for each size and level; inf where
        there are no fewer degrees of freedom than observations.
    unsketched_gcv_path_ : ndarray of shape (n_sizes, n_alphas)
        The same for infinitely many members.
    implicit_alphas_ : ndarray of shape (n_sizes, n_alphas)
        Levels of the ridge models without a sketch.
    degrees_of_freedom_ : float
        Mean trace of the smoothers of the members, and the intercept.
    corrected_residuals_ : ndarray of shape (n_samples,)
        Residuals divided by 1 - degrees of freedom / observations: they are distributed
        as the errors on new rows.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Batches of members.
    n_members_ : int
        Members that were fitted.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"time_limit"``, ``"callback"`` or ``"max_iter"``, where the
        residual is larger than ``tol``.
    certificate_ : Certificate
        Largest relative residual of the normal equations, with the tolerance.
    objective_ : float
        ``gcv_``.
    dual_gap_ : float
        NaN: the members are solved directly.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``members``, one row per batch.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    sklearn.linear_model.RidgeCV : Without sketches, by leave-one-out.
    skopt2.model_selection.approx_cross_val_score : Leave-one-out of other models.

    Notes
    -----
    The estimate is consistent for proportionally many samples and features and any data
    with bounded moments, for sketches that are free from them; for ``"countsketch"``
    that is observed, not proved. Weights are numbers of observations: their sum is the
    sample size of the criterion.

    References
    ----------
    Patil and LeJeune, Asymptotically free sketched ridge ensembles: risks,
    cross-validation, and tuning, ICLR 2024.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import SketchedRidgeCV
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=200, n_features=400, n_informative=40, random_state=0
    ... )
    >>> model = SketchedRidgeCV(random_state=0).fit(X, y)
    >>> model.gcv_path_.shape
    (3, 20)
    >>> model.predict_interval(X[:5], coverage=0.8).shape
    (5, 2)
    """

    def __init__(
        self,
        n_estimators=10,
        *,
        sketch_size=None,
        sketch="dct",
        alphas=20,
        eps=1e-6,
        fit_intercept=True,
        tol=1e-6,
        time_limit=None,
        n_jobs=None,
        random_state=None,
        device=None,
    ):
        self.n_estimators = n_estimators
        self.sketch_size = sketch_size
        self.sketch = sketch
        self.alphas = alphas
        self.eps = eps
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the ensemble, and choose level and sketch size.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights, as numbers of observations.

        Returns
        -------
        self : SketchedRidgeCV
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or no level leaves fewer degrees
            of freedom than there are observations.
        """
        self._check_parameters()
        data = check_fit_input(self, X, y, sample_weight, squares=True)
        with data.target.activate():
            count = count_observations(sample_weight, data.X.shape[0])
            solver = self._solver(data, count)

            def describe(choice):
                return self._describe(choice, data, solver)

            batches = math.ceil(self.n_estimators / solver.batch)
            return self._run(
                solver, solver.init(), data, describe, solver.name, max_iter=batches
            )

    def _check_parameters(self):
        check_count("n_estimators", self.n_estimators)
        check_positive("tol", self.tol)
        check_choice("sketch", self.sketch, SKETCHES)

    def _solver(self, data, count):
        """Return the ensemble that grows."""
        y, n = data.y, data.X.shape[0]
        s = data.sample_weight
        if s is None:
            s = namespace(y).zeros_like(y) + 1.0 / n

        def run(function, items):
            # Most of the time is in LAPACK and the FFT, which let other threads run.
            jobs = Parallel(n_jobs=self.n_jobs, prefer="threads")
            return jobs(delayed(function)(item) for item in items)

        solver = RidgeEnsemble(
            data.X,
            y,
            s,
            fit_intercept=self.fit_intercept,
            sketch=self.sketch,
            sizes=sketch_sizes(self.sketch_size, *data.X.shape),
            alphas=np.ones(1),
            n_members=self.n_estimators,
            seed=seed_sequence(self.random_state),
            n_observations=count,
            run=run,
            batch=min(self.n_estimators, effective_n_jobs(self.n_jobs)),
        )
        solver.alphas = self._alphas(solver)
        return solver

    def _alphas(self, solver):
        """Return the levels, descending."""
        check_number("eps", self.eps, 0, 1, closed="neither")
        alphas = check_alphas(self.alphas, positive=True)
        if not isinstance(alphas, int):
            return alphas
        # The sum of all eigenvalues: constant columns leave any level.
        top = solver.energy or 1.0
        return np.geomspace(top, top * self.eps, alphas)

    def _describe(self, choice, data, solver):
        """Return the fitted attributes of an ensemble."""
        j, a = choice.size, choice.level
        dtype = np.float32 if "float32" in str(solver.y_dtype) else np.float64
        means = solver.means
        shift = 0.0 if means is None else float(means @ choice.coef)
        freedom = float(choice.traces[j, a]) + solver.free
        intercept = solver.y_mean - shift
        coef = choice.coef.astype(dtype)
        eta = data.X @ asarray_like(coef, data.y) + intercept
        rest = 1.0 - freedom / solver.n_observations
        p = data.X.shape[1]
        implicit = np.stack(
            [
                implicit_alpha(self.sketch, solver.alphas, trace, p, q)
                for q, trace in zip(solver.sizes, choice.traces, strict=True)
            ]
        )
        self._weights = to_numpy(data.sample_weight)
        return {
            "coef_": coef,
            "intercept_": float(intercept),
            "alpha_": float(solver.alphas[a]),
            "sketch_size_": int(solver.sizes[j]),
            "gcv_": float(choice.gcv[j, a]),
            "unsketched_gcv_": float(choice.limit[j, a]),
            "implicit_alpha_": float(implicit[j, a]),
            "alphas_": solver.alphas,
            "sketch_sizes_": np.asarray(solver.sizes),
            "gcv_path_": choice.gcv,
            "unsketched_gcv_path_": choice.limit,
            "implicit_alphas_": implicit,
            "degrees_of_freedom_": freedom,
            "corrected_residuals_": to_numpy(data.y - eta) / rest,
            "n_members_": choice.count,
        }

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions, in the namespace of ``X``.
        """
        X = check_predict_input(self, X, method="predict")
        return X @ self.coef_ + self.intercept_

    def predict_interval(self, X, coverage=0.9):
        r"""Predict intervals that hold the target with a given probability.

        Quantiles of ``corrected_residuals_``, with equal tails, around the prediction.
        Their coverage is right for many samples and features, over new rows, whatever
        the distribution of the noise; it is not right for each row alone, and all
        intervals have one width.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        coverage : float, default=0.9
            Probability, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2)
            Lower and upper ends, in the namespace of ``X``.

        Raises
        ------
        ValueError
            If the coverage is out of range.
        """
        check_number("coverage", coverage, 0, 1, closed="neither")
        center = self.predict(X)
        residuals = np.asarray(to_numpy(self.corrected_residuals_), dtype=float)
        ends = [
            center + weighted_quantile(residuals, level, self._weights)
            for level in (0.5 - coverage / 2.0, 0.5 + coverage / 2.0)
        ]
        return namespace(center).stack(ends, axis=1)
