"""k-means of histograms under the entropic Wasserstein distance."""

import warnings

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.histograms import normalise
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2._core.weights import check_weights
from skopt2.transport.cluster_problem import ClusterProblem
from skopt2.transport.cluster_runs import CERTIFICATE, check_clustering, run_clusters
from skopt2.transport.histogram_geometry import (
    describe_cost,
    distances_of,
    without_traces,
)
from skopt2.transport.histogram_sample import HistogramSample, total_weight


class WassersteinKMeans(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, IterativeEstimator
):
    r"""Cluster histograms by k-means, with Wasserstein barycentres for means.

    Rows of ``X`` are histograms :math:`a_i` on common bins: nonnegative, divided by
    their sums. Centres :math:`p_1, \dots, p_k` are sought that minimise the inertia

    .. math:: \sum_i w_i \min_j D(a_i, p_j),

    where :math:`D` is the Sinkhorn divergence of entropic transport with a ground cost
    between the bins. The bins have places, then: a stroke that is shifted by one pixel
    is near to where it was, and the mean of a cluster looks like its members.

    Lloyd's iterations start from centres by k-means++. They never increase the inertia.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    reg : float, default=0.05
        Regularisation, in the unit that ``normalize_cost`` names.
    cost : "grid", tuple of int or array of shape (n_features, n_features), default=None
        Ground cost. None: the bins are points 0, 1, 2, ... of a line; ``"grid"``: the
        pixels of a square image in row-major order; a tuple of lengths: the pixels of
        an image of that shape; all three with squared distances. An array gives the
        costs, nonnegative, and symmetric if ``debiased``.
    normalize_cost : {None, "mean", "max", "median"}, default="mean"
        Unit of ``reg``: this figure of the ground cost, or None for 1. Distances stay
        in the unit of the ground cost.
    debiased : bool, default=True
        Whether :math:`D` is the Sinkhorn divergence. If not it is the minimum of
        :math:`\langle P, C \rangle + \varepsilon\, \mathrm{KL}(P | U)` over plans,
        with the uniform plan :math:`U`, which blurs the centres.
    init : {"k-means++", "random"} or array, default="k-means++"
        Centres to start from: rows that are drawn far apart, or by their weight alone;
        or histograms, of shape (n_clusters, n_features).
    n_init : int, default=1
        Runs from different starts, the best of which is kept; 1 where ``init`` is an
        array.
    tol : float, default=1e-4
        A run has converged once a step lowers its inertia by no more than this share of
        the mean divergence, or no row has changed its cluster.
    max_iter : int, default=100
        Largest number of Lloyd's iterations.
    marginal_tol : float, default=1e-6
        Tolerance of the marginal error of every plan and of every centre.
    time_limit : float, default=None
        Seconds after which the fit stops at the end of an iteration.
    n_jobs : int, default=None
        Threads, or workers of the active joblib backend, that share the runs.
    random_state : int, RandomState instance or None, default=None
        Draws the starts.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Centres, each with the sum one.
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row of the fit.
    inertia_ : float
        Weighted sum of the distances of the rows to their centres, in the unit of the
        ground cost.
    objective_ : float
        The same, divided by the sum of the weights.
    ground_cost_ : ndarray of shape (n_features, n_features)
        Costs between the bins.
    cost_scale_ : float
        Unit of ``reg``.
    reg_ : float
        Regularisation in the unit of the ground cost.
    n_features_in_ : int
        Number of bins.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bins, where ``X`` had string names.
    n_iter_ : int
        Iterations, of the run that took most.
    converged_ : bool
        Whether all runs converged.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"`` or
        ``"diverged"``.
    certificate_ : Certificate
        Largest relative decrease of the inertia of a run in its last step; zero where
        no row changed its cluster: then every centre is the barycentre of its cluster,
        and every row in the cluster of its nearest centre.
    marginal_error_ : float
        Largest marginal error of the plans and centres of the last step.
    dual_gap_ : float
        NaN: the inertia has more than one minimum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` (of the best run),
        ``certificate``, ``moved`` (largest share of the weight that changed its
        cluster) and ``active`` (runs that have not converged), one row per iteration.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    WassersteinBarycenter : One centre for all rows.
    SinkhornDistance : Distances between all pairs of histograms.
    sklearn.cluster.KMeans : Means and distances of vectors.

    Notes
    -----
    A row of weight k counts as k equal rows, also in the draws of the starts, and the
    order of the rows does not matter. A centre that a solve to ``marginal_tol`` would
    leave worse than before stays as it was: that is what keeps the inertia from rising.
    An empty cluster gets the row that is farthest from its centre.

    Debiasing undoes a blur of variance ``reg_`` / 2 in the units of the cost. Centres
    with detail that is much finer than that are found slowly, and differ little in the
    inertia: choose ``reg`` no larger than the detail that matters.

    References
    ----------
    Lloyd, Least squares quantization in PCM, 1982; Arthur and Vassilvitskii, k-means++,
    SODA 2007; Feydy et al., AISTATS 2019 (divergence); Janati et al., Debiased Sinkhorn
    barycenters, ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import WassersteinKMeans
    >>> bins = np.arange(40)
    >>> places = np.array([[5.0], [7.0], [20.0], [22.0], [34.0]])
    >>> X = np.exp(-0.5 * (bins - places) ** 2)
    >>> model = WassersteinKMeans(3, reg=0.002, random_state=0).fit(X)
    >>> np.sort(model.cluster_centers_.argmax(axis=1))
    array([ 6, 21, 34])
    >>> bool(model.labels_[0] == model.labels_[1]), model.converged_
    (True, True)
    >>> round(model.inertia_, 2)  # of the places: 1 + 1 + 1 + 1 + 0
    4.0
    """

    _remedies = ("use fewer clusters", "increase reg")
    _sparse_input = False

    def __init__(
        self,
        n_clusters=8,
        reg=0.05,
        *,
        cost=None,
        normalize_cost="mean",
        debiased=True,
        init="k-means++",
        n_init=1,
        tol=1e-4,
        max_iter=100,
        marginal_tol=1e-6,
        time_limit=None,
        n_jobs=None,
        random_state=None,
        device=None,
    ):
        self.n_clusters = n_clusters
        self.reg = reg
        self.cost = cost
        self.normalize_cost = normalize_cost
        self.debiased = debiased
        self.init = init
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.marginal_tol = marginal_tol
        self.time_limit = time_limit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Not by ClusterMixin: scikit-learn checks what is derived from it on negative
        # numbers, whatever the tags say.
        tags.estimator_type = "clusterer"
        tags.input_tags.positive_only = True
        return tags

    @property
    def _n_features_out(self):
        return self.cluster_centers_.shape[0]

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Find clusters of the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative. float32 stays float32. A row of zeros counts as
            equal masses in all bins, with a warning.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.

        Returns
        -------
        self : WassersteinKMeans
            Fitted estimator.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, there are fewer rows than
            clusters, the ground cost does not fit the number of features, or a
            parameter is out of range.
        """
        check_clustering(self)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        with data.target.activate():
            problem, scale = self._problem(data)
            rows = problem.sample.rows
            total = total_weight(sample_weight, rows.size)

            def describe(clusters):
                return {
                    "cluster_centers_": self._padded(clusters.P),
                    "labels_": clusters.labels[rows],
                    "inertia_": clusters.inertia * total,
                    "ground_cost_": problem.geometry.C,
                    "cost_scale_": scale,
                    "reg_": problem.geometry.eps,
                    "_geometry": problem.geometry,
                    "marginal_error_": max(float(clusters.errors.max()), problem.error),
                }

            monitor = self._start(
                data,
                describe,
                tol=self.tol,
                certificate=CERTIFICATE,
                max_checks=self.max_iter,
            )
            resume = self._take_resume(data)
            result = run_clusters(problem, self, monitor, resume)
            self._finish(result, data, describe, monitor)
            self._warn_of_clusters(problem)
        return self

    def fit_predict(self, X, y=None, sample_weight=None):
        """Fit, and return the cluster of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Numbers of clusters, int64, in the namespace of ``X``.
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict(self, X):
        """Return the nearest centre of each histogram.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Numbers of clusters, int64, in the namespace of ``X``.
        """
        X, D = self._distances(X, "predict")
        return asarray_like(D.argmin(axis=1), X, namespace(X).int64)

    def transform(self, X):
        """Return the distances to the centres.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_clusters)
            In the unit of the ground cost, a squared distance by default, in the
            namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, or has other features.

        Warns
        -----
        ConvergenceWarning
            If a marginal error did not reach the tolerance.
        """
        X, D = self._distances(X, "transform")
        return asarray_like(D, X)

    def score(self, X, y=None, sample_weight=None):
        """Return the inertia of new data with a minus sign: larger is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.

        Returns
        -------
        score : float
            In the unit of the ground cost.
        """
        X, D = self._distances(X, "score")
        nearest = D.min(axis=1)
        weight = to_numpy(check_weights(sample_weight, X))
        mean = nearest.mean() if weight is None else weight @ nearest
        return -float(mean) * total_weight(sample_weight, nearest.size)

    def _distances(self, X, method):
        """Return checked histograms and their distances to the centres."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="cluster_centers_", method=method
        )
        centres, tol = self.cluster_centers_, self.marginal_tol
        return X, distances_of(self, X, centres, self._geometry, tol)

    def _problem(self, data):
        """Return the problem of the clusters, and the unit of the regularisation."""
        n, name = int(data.X.shape[0]), type(self).__name__
        if n < self.n_clusters:
            raise ValueError(
                f"n_samples={n} should be >= n_clusters={self.n_clusters}. Decrease "
                "n_clusters."
            )
        geometry, scale = describe_cost(self, data.X, data.target)
        A = without_traces(normalise(data.X, name))
        sample = HistogramSample.of(A, data.sample_weight)
        tol = self.marginal_tol
        return ClusterProblem(sample, geometry, data.target, tol), scale

    def _padded(self, P):
        """Return centres with the last one repeated up to the number of clusters."""
        xp, missing = namespace(P), self.n_clusters - int(P.shape[0])
        return xp.concat([P, *([P[-1:, :]] * missing)]) if missing else P

    def _warn_of_clusters(self, problem):
        """Emit a ConvergenceWarning for equal centres, or inexact ones."""
        different = int((problem.sample.w > 0.0).sum())
        message = None
        if different < self.n_clusters:
            message = (
                f"X has only {different} different histograms of positive weight, "
                f"fewer than n_clusters={self.n_clusters}: some centres are equal. "
                "Decrease n_clusters."
            )
        elif not self.marginal_error_ <= self.marginal_tol:
            message = (
                f"A plan or a centre of {type(self).__name__} did not reach "
                f"marginal_tol={self.marginal_tol:.0e}: the largest marginal error is "
                f"{self.marginal_error_:.1e}. Loosen marginal_tol, or choose a reg "
                "near the detail of the histograms."
            )
        if message is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
