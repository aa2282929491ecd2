"""The estimator that carries batches onto the sample of its fit."""

import dataclasses
import warnings

import numpy as np
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace, take, to_numpy
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.parameters import check_choice, check_count, errors_name
from skopt2._core.transfer import convert
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.transport.map_fit import MapFit
from skopt2.transport.map_input import carry, cast_points, check_settings

MAPS = ("entropic", "debiased")
# Figures of the transport of the reference to itself that are of use.
KEPT = ("potentials_", "reg_", "cost_scale_", "cost_", "marginal_error_")


class ReferenceTransport(OneToOneFeatureMixin, TransformerMixin, IterativeEstimator):
    r"""Carry new batches onto the sample of the fit by entropic optimal transport.

    ``fit`` keeps a reference sample. ``transform`` solves the transport from the rows
    that it gets, as one measure, to the reference, and carries each row by the map of
    that problem, see :class:`SinkhornTransport`. In a pipeline it takes new data whose
    distribution has shifted back to that of the training data: the steps that follow
    need not know of the shift, and there is no target to pass around.

    The images of a row depend on the batch it comes with. A batch of fewer than
    ``min_batch_size`` rows says too little about its distribution to be carried as one:
    its rows are taken for rows of the reference, and mapped one by one by the map of
    the reference to itself. With ``map="debiased"`` that leaves them where they are;
    and so it does the reference itself, so that ``fit_transform`` changes nothing
    where the reference is the whole sample.

    Parameters
    ----------
    reg : float, default=0.05
        Regularisation, in the unit that ``normalize_cost`` names.
    metric : str or callable, default="sqeuclidean"
        "sqeuclidean", "euclidean", "cityblock" or "cosine", or a callable.
        Ground cost; a callable gets blocks of points of shapes (n, n_features) and
        (m, n_features) and returns their costs, shape (n, m).
    normalize_cost : {None, "mean", "max", "median"}, default="mean"
        Unit of ``reg``: this figure of the costs between the points of the reference,
        or None for 1. No batch changes it.
    map : {"debiased", "entropic"}, default="debiased"
        ``"entropic"`` carries a row to the mean of its row of the plan, which pulls the
        batch together; ``"debiased"`` adds what the map of the batch to itself takes
        away.
    n_reference : int, default=None
        Points of the reference; None for all rows of the fit.
    reference : {"kmeans", "random"}, default="kmeans"
        How fewer points are found: centres of clusters with the mass of their clusters,
        or rows drawn without replacement.
    min_batch_size : int, default=32
        Fewest rows that are carried as a measure of their own.
    solver : {"auto", "sinkhorn", "newton"}, default="auto"
        As in :func:`skopt2.transport.sinkhorn`.
    tol : float, default=1e-6
        Tolerance of the marginal error.
    max_iter : int, default=None
        Largest number of iterations; None for 10000.
    random_state : int, RandomState instance or None, default=None
        For clusters and draws; ``transform`` draws nothing.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``. Clusters are found on the CPU.

    Attributes
    ----------
    reference_ : ndarray of shape (n_reference, n_features)
        Points of the reference.
    reference_weight_ : ndarray of shape (n_reference,)
        Their masses, of sum one.
    reg_ : float
        Regularisation, in the unit of the cost.
    cost_scale_ : float
        Unit of ``reg``.
    potentials_ : tuple of ndarray
        Potentials of the reference to itself, in the unit of the cost.
    cost_ : float
        Transport cost of the reference to itself.
    objective_ : float
        Dual objective of that problem.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Iterations for the problem of the reference to itself, which is that of the fit.
    converged_ : bool
        Whether it converged.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"callback"``, ``"stalled"`` or
        ``"diverged"``.
    certificate_ : Certificate
        Its marginal error, with the tolerance.
    marginal_error_ : float
        That error.
    dual_gap_ : float
        Bound on the error of the objective, in the unit of the cost.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate``,
        ``reg`` and ``omega``, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SinkhornTransport : One map, from the sample of the fit to a target.

    References
    ----------
    Courty, Flamary, Tuia and Rakotomamonjy, Optimal transport for domain adaptation,
    IEEE Transactions on Pattern Analysis and Machine Intelligence 39, 2017; Pooladian,
    Cuturi and Niles-Weed, Debiaser beware, ICML 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt2.transport import ReferenceTransport
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = rng.standard_normal((200, 2)) + 4.0 * y[:, None]
    >>> model = make_pipeline(ReferenceTransport(), LogisticRegression()).fit(X, y)
    >>> shifted = rng.standard_normal((200, 2)) + 4.0 * y[:, None] + [3.0, 3.0]
    >>> bool(model[-1].score(shifted, y) < 0.9)
    True
    >>> bool(model.score(shifted, y) > 0.95)
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
        map="debiased",
        n_reference=None,
        reference="kmeans",
        min_batch_size=32,
        solver="auto",
        tol=1e-6,
        max_iter=None,
        random_state=None,
        device=None,
    ):
        self.reg = reg
        self.metric = metric
        self.normalize_cost = normalize_cost
        self.map = map
        self.n_reference = n_reference
        self.reference = reference
        self.min_batch_size = min_batch_size
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Keep the reference, and solve its transport to itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Sample. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative masses; their sum does not matter.

        Returns
        -------
        self : ReferenceTransport
            Fitted estimator.

        Raises
        ------
        ValueError
            If the sample or a parameter is out of range.
        """
        settings = check_settings(self, MAPS)
        self._check_sizes()
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        with data.target.activate():
            R, b = self._choose(data)
            fit = MapFit(
                dataclasses.replace(settings, map="entropic"), R, R, b, b, same=True
            )
            xp, mass = namespace(R), b
            if b is None:
                mass = xp.zeros_like(R[:, 0]) + 1.0 / int(R.shape[0])
            points = {
                "reference_": xp.asarray(R, copy=True),
                "reference_weight_": xp.asarray(mass, copy=True),
                "_equal": b is None,
                "_settings": dataclasses.replace(
                    settings, reg=fit.eps, normalize_cost=None
                ),
            }

            def describe(solution):
                found = fit.describe(solution)
                kept = {name: found[name] for name in KEPT}
                return {**points, **kept, "_own": found["_maps"][0]}

            monitor = self._start(
                data, describe, tol=self.tol, certificate=MARGINAL_ERROR
            )
            result = fit.run(None, monitor, self._take_resume(data))
            return self._finish(result, data, describe, monitor)

    def transform(self, X):
        """Carry a batch onto the reference.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of one distribution, each of the same mass.

        Returns
        -------
        X_carried : ndarray of shape (n_samples, n_features)
            Images, in the namespace and dtype of ``X``. Fewer than ``min_batch_size``
            rows are mapped one by one.

        Warns
        -----
        ConvergenceWarning
            If the marginal error of the batch did not reach the tolerance.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="reference_", method="transform"
        )
        if X.shape[0] < self.min_batch_size or self._is_reference(X):
            if self._settings.map == "debiased":
                return namespace(X).asarray(X, copy=True)
            return carry(self._own, X, self.device)
        return carry(self._solve(X), X, self.device)

    def _is_reference(self, X):
        """Tell whether a batch is the reference itself, as in fit_transform."""
        if not self._equal or X.shape != self.reference_.shape:
            return False
        return bool(namespace(X).all(self.reference_ == X))

    def _solve(self, X):
        """Return the map of a batch onto the reference, and warn of a bad one."""
        _, target = cuda.resolve(self.device, X)
        with target.activate():
            R, b = convert((self.reference_, self.reference_weight_), target)
            batch = cast_points(move(X, target), R, "X", "the fit")
            fit = MapFit(self._settings, batch, R, None, None if self._equal else b)
            one, found = fit.forward()
        error = max(found.marginal_error, fit.own_error)
        if not error <= self._settings.tol:
            warnings.warn(
                f"The transport of the batch to the reference stopped "
                f"({found.stop_reason}) after {found.n_iter} iterations: marginal "
                f"error {error:.1e} (tol {self._settings.tol:.0e}). Increase max_iter "
                "or reg, or loosen tol.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return one

    def _check_sizes(self):
        """Raise ValueError unless the sizes are in range."""
        check_count("n_reference", self.n_reference, optional=True)
        check_count("min_batch_size", self.min_batch_size)
        check_choice("reference", self.reference, ("kmeans", "random"))

    def _choose(self, data):
        """Return the points of the reference, and their masses or None."""
        X, weight = data.X, data.sample_weight
        size = self.n_reference
        mass = None if weight is None else to_numpy(weight).astype(np.float64)
        kept = np.arange(X.shape[0]) if mass is None else np.flatnonzero(mass)
        if size is None or size >= kept.size:
            return X, weight
        with errors_name("random_state", self.random_state):
            random = check_random_state(self.random_state)
        if self.reference == "random":
            kept = np.sort(random.choice(kept, size, replace=False))
            R = take(X, kept)
            if mass is None:
                return R, None
            return R, asarray_like(mass[kept] / mass[kept].sum(), X)
        clusters = KMeans(size, n_init=1, random_state=random)
        clusters.fit(to_numpy(X), sample_weight=mass)
        share = np.bincount(clusters.labels_, mass, size)
        R = asarray_like(clusters.cluster_centers_, X)
        return R, asarray_like(share / share.sum(), X)
