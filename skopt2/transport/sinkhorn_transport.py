"""The estimator that carries one sample onto another."""

from dataclasses import replace

from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skopt2._core.array import asarray_like, namespace, take
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.solvers.transport.cost import ground_cost
from skopt2.transport.label_cost import check_labels
from skopt2.transport.map_fit import MapFit
from skopt2.transport.map_input import (
    carry,
    check_no_points,
    check_settings,
    check_target,
)


class SinkhornTransport(OneToOneFeatureMixin, TransformerMixin, IterativeEstimator):
    r"""Map that carries a sample onto another one by entropic optimal transport.

    ``fit(X, target=Y)`` solves, with masses :math:`a, b` of sum one,

    .. math:: \min_P \langle P, C \rangle + \varepsilon \sum_{ij} P_{ij}
              (\log P_{ij} - 1), \quad P \mathbf 1 = a,\ P^\top \mathbf 1 = b,
              \quad C_{ij} = c(x_i, y_j),

    and ``transform`` carries any points by the entropic map of its potentials
    :math:`f, g`,

    .. math:: T(x) = \sum_j w_j(x)\, y_j, \quad
              w_j(x) \propto \exp((g_j - c(x, y_j)) / \varepsilon),

    for points of the fit the mean of their row of the plan. ``inverse_transform``
    carries points of the target back.

    Parameters
    ----------
    reg : float, default=0.05
        Regularisation :math:`\varepsilon`, in the unit that ``normalize_cost`` names.
    metric : str or callable, default="sqeuclidean"
        "sqeuclidean", "euclidean", "cityblock" or "cosine", or a callable.
        Ground cost :math:`c`. A callable gets blocks of points of shapes
        (n, n_features) and (m, n_features) and returns their costs, shape (n, m).
    normalize_cost : {None, "mean", "max", "median"}, default="mean"
        Unit of ``reg``, ``label_reg`` and ``reg_marginal``: this figure of all costs,
        weighted by the masses, or None for 1. For squared distances, unless
        ``reg_marginal`` is set, it is that of the samples moved to their means, so that
        it does not depend on how far apart they are.
    map : {"entropic", "debiased", "progressive"}, default="entropic"
        ``"debiased"`` is :math:`x + T(x) - T_{\mathrm{self}}(x)`, less the blur that
        the map of a sample to itself has. ``"progressive"`` takes ``n_steps`` shorter
        ways, each solved anew from where the points are by then, with a regularisation
        that falls with the share of the way that is left, to ``reg / n_steps``; squared
        distances only.
    n_steps : int, default=4
        Steps of the progressive map.
    reg_marginal : None, float or pair of float, default=None
        Prices of leaving the masses of the source and of the target, in that unit; inf
        keeps them, None keeps both. Points with no counterpart then lose their mass
        instead of pulling on others. The shift between the samples counts as a cost.
    label_reg : float, default=0.0
        Weight of the penalty :math:`\sum_j b_j \sum_k \sqrt{q_{kj}}` on the shares
        :math:`q_{kj}` of the classes ``y`` in the mass that a target point receives: it
        prefers mass of one class. Needs ``y``.
    label_limit : float, default=10.0
        With ``target_labels``: what a pair of different known classes costs beyond its
        distance, in units of the largest cost.
    n_rounds : int, default=10
        Largest number of rounds of the penalty, each one problem.
    unlabelled : object, default=-1
        Label of ``y`` and ``target_labels`` that means an unknown class. What is
        missing, None or NaN, means that too.
    solver : {"auto", "sinkhorn", "newton"}, default="auto"
        As in :func:`skopt2.transport.sinkhorn`.
    tol : float, default=1e-6
        Tolerance of the marginal error.
    max_iter : int, default=None
        Largest number of iterations of all problems together; None for 10000.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    warm_start : bool, default=False
        Start from the potentials of the previous fit, if they fit in shape.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    source_ : ndarray of shape (n_samples, n_features)
        Points of the fit.
    target_ : ndarray of shape (n_target, n_features)
        Points of the target, those of the fit without one.
    potentials_ : tuple of ndarray
        ``(f, g)`` of shapes (n_samples,) and (n_target,), in the unit of the cost; -inf
        where a point has no mass. Those of the last step of a progressive map.
    plan_ : ndarray of shape (n_samples, n_target)
        Transport plan, of sum one unless ``reg_marginal`` is set; computed when asked
        for.
    cost_ : float
        Transport cost :math:`\langle P, C \rangle`, without what labels add.
    objective_ : float
        Dual objective of the last problem solved.
    reg_ : float
        Regularisation :math:`\varepsilon`, in the unit of the cost; that of the last
        step of a progressive map.
    cost_scale_ : float
        Unit of ``reg``.
    label_classes_ : ndarray of shape (n_classes,) or None
        Known classes, where labels were used.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Sweeps and Newton steps of all problems.
    converged_ : bool
        Whether every problem was solved to the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        Marginal error of the last problem, with the tolerance.
    marginal_error_ : float
        That error: :math:`|P 1 - a|_1 + |P^\top 1 - b|_1`; with ``reg_marginal`` that
        of :class:`skopt2.transport.UnbalancedResult`.
    dual_gap_ : float
        Bound on the error of the objective, in the unit of the cost.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate``,
        ``reg`` and ``omega`` (relaxation), one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    ReferenceTransport : Carries batches onto the sample of the fit.
    sinkhorn : The problem for given masses and costs.

    Notes
    -----
    In a :class:`sklearn.pipeline.Pipeline` the target travels by metadata routing:
    request it by ``set_fit_request(target=True)``, and name it in the pipeline's
    ``transform_input`` so that earlier steps transform it too. A model that follows in
    the pipeline is fitted to points that were carried to the target: apply that model,
    not the pipeline, to points of the target. A search slices metadata that has as many
    rows as ``X``; give the target another number of rows to keep it whole.

    A label enters through the shares of the classes around a point, as far as ``reg``
    reaches, so that points of the fit and new points are mapped by the same formula.
    Where classes lie that close, the image of a point of the fit is a mean over theirs,
    not that of its own row of the plan alone. With labels the matrix of all costs is
    held in memory; without, costs that exceed the memory budget are computed when they
    are needed.

    References
    ----------
    Pooladian and Niles-Weed, 2021 (entropic map); Pooladian, Cuturi and Niles-Weed,
    ICML 2022 (debiased map); Kassraie et al., NeurIPS 2024 (progressive map); Courty,
    Flamary and Tuia, ECML 2014 (classes).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import SinkhornTransport
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 2))
    >>> Y = 0.5 * rng.standard_normal((150, 2)) + [3.0, -1.0]
    >>> model = SinkhornTransport(reg=0.02).fit(X, target=Y)
    >>> model.converged_
    True
    >>> bool(abs(model.transform(X).mean(axis=0) - Y.mean(axis=0)).max() < 1e-6)
    True
    """

    _remedies = ("increase reg", "increase reg")
    _sparse_input = False

    def __init__(
        self,
        reg=0.05,
        *,
        metric="sqeuclidean",
        normalize_cost="mean",
        map="entropic",
        n_steps=4,
        reg_marginal=None,
        label_reg=0.0,
        label_limit=10.0,
        n_rounds=10,
        unlabelled=-1,
        solver="auto",
        tol=1e-6,
        max_iter=None,
        time_limit=None,
        warm_start=False,
        device=None,
    ):
        self.reg = reg
        self.metric = metric
        self.normalize_cost = normalize_cost
        self.map = map
        self.n_steps = n_steps
        self.reg_marginal = reg_marginal
        self.label_reg = label_reg
        self.label_limit = label_limit
        self.n_rounds = n_rounds
        self.unlabelled = unlabelled
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.device = device

    @fit_method
    def fit(
        self,
        X,
        y=None,
        *,
        target=None,
        target_labels=None,
        sample_weight=None,
        target_weight=None,
    ):
        """Solve the transport from the rows of X to those of the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Points of the source. float32 stays float32.
        y : array-like of shape (n_samples,), default=None
            Classes of the source; used with ``target_labels`` or ``label_reg`` only.
        target : array-like of shape (n_target, n_features), default=None
            Points of the target; None for those of ``X``, whose map is nearly the
            identity.
        target_labels : array-like of shape (n_target,), default=None
            Classes of the target, as far as they are known.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative masses of the rows of ``X``; their sum does not matter.
        target_weight : array-like of shape (n_target,), default=None
            Likewise of the target.

        Returns
        -------
        self : SinkhornTransport
            Fitted estimator.

        Raises
        ------
        ValueError
            If points, masses or labels do not fit together, or a parameter is out of
            range.
        """
        settings = check_settings(self)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        check_no_points(y, target, data.X)
        same = target is None
        if same and not (target_labels is None and target_weight is None):
            raise ValueError(
                "target_labels and target_weight describe the rows of target, which is "
                "None. Pass target too."
            )
        Y, b = data.X, data.sample_weight
        if not same:
            Y, b = check_target(self, target, target_weight, data)
        labels = None
        if self.label_reg > 0.0 or target_labels is not None:
            labels = self._check_labels(y, target_labels, data.X, Y)
        others = {"target": Y, "target_weight": b}
        if labels is not None:
            others |= {"labels": labels.source, "target_labels": labels.target}
        data = replace(data, metadata_source=others)
        with data.target.activate():
            fit = MapFit(settings, data.X, Y, data.sample_weight, b, labels, same)
            points = {
                "source_": namespace(Y).asarray(data.X, copy=True),
                "target_": namespace(Y).asarray(Y, copy=True),
                "label_classes_": None if labels is None else labels.classes,
            }

            def describe(solution):
                return {**points, **fit.describe(solution)}

            monitor = self._start(
                data, describe, tol=self.tol, certificate=MARGINAL_ERROR
            )
            start = self._warm_potentials(fit)
            result = fit.run(start, monitor, self._take_resume(data))
            return self._finish(result, data, describe, monitor)

    def transform(self, X):
        """Carry points of the source to the target.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Points, of the fit or not.

        Returns
        -------
        X_carried : ndarray of shape (n_samples, n_features)
            Images, in the namespace and dtype of ``X``.
        """
        return self._carry(X, 0, "transform")

    def inverse_transform(self, X):
        """Carry points of the target to the source.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Points, of the target of the fit or not.

        Returns
        -------
        X_carried : ndarray of shape (n_samples, n_features)
            Images, in the namespace and dtype of ``X``. This is the mean of the columns
            of the plan; it undoes ``transform`` as far as the plan pairs points.
        """
        return self._carry(X, 1, "inverse_transform")

    def _carry(self, X, side, method):
        """Return the images of points under the map of one side."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="target_", method=method
        )
        return carry(self._maps[side], X, self.device)

    @property
    def plan_(self):
        """Transport plan of shape (n_samples, n_target)."""
        check_is_fitted(self, "potentials_")
        forward, backward = self._last
        C = ground_cost(forward.metric).block(backward.anchors, forward.anchors)
        if self._label_costs is not None:
            rows, costs = self._label_costs
            C = C + take(costs, rows)
        f, g = backward.potential, forward.potential
        return namespace(C).exp((f[:, None] + g[None, :] - C) / self.reg_)

    def _check_labels(self, y, target_labels, X, Y):
        """Return the classes of both sides."""
        if self.map == "progressive":
            raise ValueError(
                "map='progressive' has no labels: use map='entropic' with label_reg or "
                "target_labels."
            )
        if y is None:
            raise ValueError(
                "label_reg > 0 and target_labels need the classes of the source: pass "
                "y to fit."
            )
        n, m = int(X.shape[0]), int(Y.shape[0])
        return check_labels(y, target_labels, n, m, self.unlabelled)

    def _warm_potentials(self, fit):
        """Return the potentials of the previous fit as a start, None without."""
        if not self.warm_start or not hasattr(self, "potentials_"):
            return None
        lengths = (fit.X.shape[0], fit.Y.shape[0])
        if tuple(v.shape[0] for v in self.potentials_) != lengths:
            return None
        start = [asarray_like(v, fit.X) for v in self.potentials_]
        xp = namespace(fit.X)
        finite = [bool(xp.all(xp.isfinite(v))) for v in start]
        return start if all(finite) else None
