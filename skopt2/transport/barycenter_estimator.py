"""The barycentre of histograms, and distances to it, as an estimator."""

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from skopt2._core.array import asarray_like, max_abs
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.histograms import normalise
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.transport.histogram_geometry import (
    MAX_ITER,
    describe_cost,
    distances_of,
)
from skopt2.transport.histogram_sample import HistogramSample
from skopt2.transport.sinkhorn import check_options


class WassersteinBarycenter(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, IterativeEstimator
):
    r"""Wasserstein barycentre of histograms, and the distances of others to it.

    Rows of ``X`` are histograms :math:`a_i` on common bins: nonnegative, divided by
    their sums. With the ground cost :math:`C` between bins and

    .. math:: W(a, p) = \min_P\; \langle P, C \rangle
              + \varepsilon \sum_{ij} P_{ij} (\log P_{ij} - 1)
              \quad \text{such that} \quad P \mathbf 1 = a,\; P^\top \mathbf 1 = p,

    the barycentre is the histogram :math:`p` that minimises the mean of the Sinkhorn
    divergences :math:`W(a_i, p) - (W(a_i, a_i) + W(p, p)) / 2`, or, with
    ``debiased=False``, of the :math:`W(a_i, p)`. It averages where the mass lies, while
    the arithmetic mean lays one histogram over the other.

    ``transform`` returns the distance of every histogram to the barycentre. For the
    barycentre of each class fit one estimator a class, see the example.

    Parameters
    ----------
    reg : float, default=0.05
        Regularisation :math:`\varepsilon`, in the unit that ``normalize_cost`` names.
    cost : "grid", tuple of int or array of shape (n_features, n_features), default=None
        Ground cost. None: the bins are points 0, 1, 2, ... of a line; ``"grid"``: the
        pixels of a square image in row-major order; a tuple of lengths: the pixels of
        an image of that shape; all three with squared distances. An array gives the
        costs, nonnegative, and symmetric if ``debiased``.
    normalize_cost : {None, "mean", "max", "median"}, default="mean"
        Unit of ``reg``: this figure of the ground cost, or None for 1. Distances stay
        in the unit of the ground cost.
    debiased : bool, default=True
        Whether to take away the bias of the entropy, which otherwise blurs the
        barycentre, by a variance of :math:`\varepsilon / 2` for squared distances.
    tol : float, default=1e-6
        Tolerance of the largest marginal error.
    max_iter : int, default=None
        Largest number of steps of the fit, and of each problem of ``transform``; None
        for 10000.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    barycenter_ : ndarray of shape (n_features,)
        Barycentre, with the sum one.
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
        Steps.
    converged_ : bool
        Whether the marginal error reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        (at the floor of rounding) or ``"diverged"``.
    certificate_ : Certificate
        Marginal error, beside its tolerance.
    marginal_error_ : float
        Largest over the histograms of :math:`|P 1 - a_i|_1 + |P^\top 1 - p|_1`, and
        debiased also that of the plan from the barycentre to itself.
    objective_ : float
        Weighted mean of the :math:`W(a_i, p)`, debiased less half of :math:`W(p, p)`,
        in the unit of the cost.
    dual_gap_ : float
        NaN: what is certified is the marginal error.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``reg`` (of the level), one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    wasserstein_barycenter : The function, also for point clouds, with plans.
    WassersteinKMeans : Several barycentres, each of a cluster.
    SinkhornDistance : Distances between all pairs of histograms.

    Notes
    -----
    Debiasing undoes a blur of variance ``reg_`` / 2 in the units of the cost. Detail
    that is much finer than that is found slowly, and hardly changes the objective:
    choose ``reg`` no larger than the detail that matters.

    References
    ----------
    Benamou et al., Iterative Bregman projections for regularized transportation
    problems, SISC 2015, section 3.2; Janati et al., Debiased Sinkhorn barycenters, ICML
    2020, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import WassersteinBarycenter
    >>> bins = np.arange(30)
    >>> X = np.exp(-0.5 * (bins - np.array([[8.0], [20.0]])) ** 2 / 4.0)
    >>> model = WassersteinBarycenter(reg=0.01).fit(X)
    >>> int(model.barycenter_.argmax()), model.converged_
    (14, True)
    >>> model.transform(X).round()
    array([[36.],
           [36.]])

    One barycentre for each class, and the distances to all of them:

    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> centres = [
    ...     WassersteinBarycenter(cost="grid").fit(X[:500][y[:500] == k])
    ...     for k in range(10)
    ... ]
    >>> np.hstack([centre.transform(X[500:600]) for centre in centres]).shape
    (100, 10)
    """

    _remedies = ("choose a reg near the detail of the histograms", "increase reg")
    _sparse_input = False

    def __init__(
        self,
        reg=0.05,
        *,
        cost=None,
        normalize_cost="mean",
        debiased=True,
        tol=1e-6,
        max_iter=None,
        time_limit=None,
        device=None,
    ):
        self.reg = reg
        self.cost = cost
        self.normalize_cost = normalize_cost
        self.debiased = debiased
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    @property
    def _n_features_out(self):
        return 1

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Find the barycentre of the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative. float32 stays float32. A row of zeros counts as
            equal masses in all bins, with a warning.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : WassersteinBarycenter
            Fitted estimator.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, the ground cost does not fit
            the number of features, or a parameter is out of range.
        """
        check_options("auto", self.tol, self.max_iter, self.time_limit)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        with data.target.activate():
            geometry, scale = describe_cost(self, data.X, data.target)
            A = normalise(data.X, type(self).__name__)
            sample = HistogramSample.of(A, data.sample_weight).with_mass()

            def describe(solution):
                return {
                    "barycenter_": solution.p,
                    "ground_cost_": geometry.C,
                    "cost_scale_": scale,
                    "reg_": geometry.eps,
                    "_geometry": geometry,
                    "marginal_error_": max_abs(solution.errors),
                }

            monitor = self._start(
                data, describe, tol=self.tol, certificate=MARGINAL_ERROR
            )
            result, _, _ = geometry.barycentre(
                sample.A,
                sample.w,
                tol=self.tol,
                max_iter=MAX_ITER if self.max_iter is None else self.max_iter,
                time_limit=self.time_limit,
                name=MARGINAL_ERROR,
                monitor=monitor,
                resume=self._take_resume(data),
            )
            return self._finish(result, data, describe, monitor)

    def transform(self, X):
        r"""Return the distances to the barycentre.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative.

        Returns
        -------
        distances : ndarray of shape (n_samples, 1)
            Sinkhorn divergences, zero at the barycentre itself; not debiased
            :math:`\langle P, C \rangle + \varepsilon\, \mathrm{KL}(P | U)` with the
            uniform plan :math:`U`. The barycentre minimises the mean of either over the
            rows of the fit. In the unit of the ground cost, a squared distance by
            default, in the namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, or has other features.

        Warns
        -----
        ConvergenceWarning
            If a marginal error did not reach the tolerance.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="barycenter_", method="transform"
        )
        centres, limit = self.barycenter_[None, :], self.max_iter
        D = distances_of(self, X, centres, self._geometry, self.tol, limit)
        return asarray_like(D, X)
