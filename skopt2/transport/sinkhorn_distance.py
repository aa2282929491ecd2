"""Sinkhorn distances between histograms, as a transformer."""

import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace, to_numpy
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.histograms import (
    check_normalisation,
    cost_scale,
    grid_axes,
    ground_cost,
    normalise,
)
from skopt2._core.parameters import check_positive
from skopt2._core.transfer import convert
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.solvers.transport.batch import BatchProblem, solve_batch
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.transport.pairs import Pairs, solve_pairs
from skopt2.transport.sinkhorn import MAX_ITER, check_options


class SinkhornDistance(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, IterativeEstimator
):
    r"""Distances from histograms to those of the fit, by entropic transport.

    Rows of ``X`` are histograms: nonnegative, divided by their sums. With the ground
    cost :math:`C` between bins, the distance of histograms :math:`a, b` is the cost
    :math:`\langle P, C \rangle` of the plan :math:`P` that minimises

    .. math:: \langle P, C \rangle + \varepsilon \sum_{ij} P_{ij} (\log P_{ij} - 1),
              \quad P \mathbf 1 = a,\ P^\top \mathbf 1 = b,

    or, debiased, the Sinkhorn divergence: with :math:`W` the minimum above,
    :math:`W(a, b) - (W(a, a) + W(b, b)) / 2`, which is zero for :math:`a = b`.

    All pairs are solved in batches, by matrix products with one kernel.

    Parameters
    ----------
    reg : float, default=0.05
        Regularisation :math:`\varepsilon`, in the unit that ``normalize_cost`` names.
    cost : "grid", tuple of int or array of shape (n_features, n_features), default=None
        Ground cost. None: the bins are points 0, 1, 2, ... of a line; ``"grid"``: the
        pixels of a square image in row-major order; a tuple of lengths: the pixels of
        an image of that shape; all three with squared distances. An array gives the
        costs, nonnegative.
    normalize_cost : {None, "mean", "max", "median"}, default="mean"
        Unit of ``reg``: this figure of the ground cost, or None for 1. Distances stay
        in the unit of the ground cost.
    debiased : bool, default=False
        Whether to return Sinkhorn divergences.
    tol : float, default=1e-6
        Tolerance of the marginal error of every plan.
    max_iter : int, default=None
        Largest number of iterations of a problem; None for 10000.
    n_jobs : int, default=None
        Threads, or workers of the active joblib backend, that share the pairs.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    histograms_ : ndarray of shape (n_fitted, n_features)
        Rows of the fit, each divided by its sum.
    ground_cost_ : ndarray of shape (n_features, n_features)
        Costs between the bins.
    cost_scale_ : float
        Unit of ``reg``.
    reg_ : float
        Regularisation in the unit of the ground cost.
    self_potentials_ : ndarray of shape (n_fitted, n_features)
        Dual potentials of the fitted histograms to themselves, in the unit of the
        ground cost, -inf in empty bins: the start of all other problems.
    self_cost_ : ndarray of shape (n_fitted,)
        Costs :math:`\langle P, C \rangle` of the fitted histograms to themselves.
    self_objective_ : ndarray of shape (n_fitted,)
        Regularised costs :math:`W(b, b)` of the fitted histograms to themselves.
    n_features_in_ : int
        Number of bins.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Largest number of iterations for the problems of the fitted histograms with
        themselves, which are those of the fit.
    converged_ : bool
        Whether each of them converged.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"callback"`` or ``"stalled"``.
    certificate_ : Certificate
        Largest of their marginal errors, with the tolerance.
    marginal_error_ : float
        That error.
    objective_ : float
        Sum of ``self_objective_``.
    dual_gap_ : float
        NaN: what is certified is the marginal error.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` (sum over problems),
        ``certificate`` (largest marginal error), ``reg``, ``omega`` (largest
        relaxation), one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    sinkhorn : One problem, with its plan and potentials.

    References
    ----------
    Cuturi, Sinkhorn distances, NIPS 2013; Feydy et al., Interpolating between optimal
    transport and MMD using Sinkhorn divergences, AISTATS 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from skopt2.transport import SinkhornDistance
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(
    ...     SinkhornDistance(reg=0.05, cost="grid"),
    ...     KNeighborsClassifier(3, metric="precomputed"),
    ... )
    >>> bool(model.fit(X[:100], y[:100]).score(X[100:150], y[100:150]) > 0.8)
    True
    """

    _remedies = ("increase reg", "increase reg")
    _sparse_input = False

    def __init__(
        self,
        reg=0.05,
        *,
        cost=None,
        normalize_cost="mean",
        debiased=False,
        tol=1e-6,
        max_iter=None,
        n_jobs=None,
        device=None,
    ):
        self.reg = reg
        self.cost = cost
        self.normalize_cost = normalize_cost
        self.debiased = debiased
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    @property
    def _n_features_out(self):
        return self.histograms_.shape[0]

    @fit_method
    def fit(self, X, y=None):
        """Keep the histograms, and solve the problem of each with itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative with a positive sum. float32 stays float32.
        y : None
            Ignored.

        Returns
        -------
        self : SinkhornDistance
            Fitted estimator.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, the ground cost does not fit the
            number of features, or a parameter is out of range.

        Warns
        -----
        UserWarning
            If a histogram is zero: it counts as one with equal masses in all bins.
        """
        reg = check_positive("reg", self.reg, hint="normalize_cost sets its unit.")
        check_options("auto", self.tol, self.max_iter, None)
        check_normalisation(self.normalize_cost)
        data = check_fit_input(self, X, None, accept_sparse=False, y_kind="none")
        with data.target.activate():
            C = ground_cost(self.cost, data.X, data.target)
            A = normalise(data.X, type(self).__name__)
            axes = grid_axes(self.cost, A)
            scale = cost_scale(C, self.normalize_cost)

            def describe(solution):
                return {
                    "histograms_": A,
                    "ground_cost_": C,
                    "_axes": axes,
                    "cost_scale_": scale,
                    "reg_": reg * scale,
                    "self_objective_": asarray_like(solution.objective, A),
                    "self_potentials_": solution.g,
                    "self_cost_": asarray_like(solution.cost, A),
                    "marginal_error_": float(solution.error.max()),
                }

            monitor = self._start(
                data, describe, tol=self.tol, certificate=MARGINAL_ERROR
            )
            result = solve_batch(
                BatchProblem(C, reg * scale, axes),
                A,
                None,
                tol=self.tol,
                max_iter=_limit(self.max_iter),
                monitor=monitor,
                resume=self._take_resume(data),
            )
            return self._finish(result, data, describe, monitor)

    def transform(self, X):
        """Return the distances to the histograms of the fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative with a positive sum.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_fitted)
            In the unit of the ground cost, in the namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, or has other features.

        Warns
        -----
        ConvergenceWarning
            If a marginal error did not reach the tolerance.
        UserWarning
            If a histogram is zero: it counts as one with equal masses in all bins.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="histograms_", method="transform"
        )
        return self._distances(X, symmetric=False)

    def fit_transform(self, X, y=None):
        """Fit, and return the distances between all histograms of the fit.

        Where the ground cost is symmetric every pair is solved once.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative with a positive sum.
        y : None
            Ignored.

        Returns
        -------
        distances : ndarray of shape (n_samples, n_samples)
            In the unit of the ground cost, in the namespace and dtype of ``X``.
        """
        self.fit(X)
        C = self.ground_cost_
        mirrored = bool(namespace(C).all(C == C.T))
        return self._distances(self.histograms_, symmetric=mirrored)

    def _distances(self, X, symmetric):
        """Return the distances of checked histograms to those of the fit."""
        _, target = cuda.resolve(self.device, X)
        with target.activate():
            fitted = (self.histograms_, self.self_potentials_)
            fitted += (self.ground_cost_, self._axes)
            H, G, C, axes = convert(fitted, target)
            A = H if symmetric else normalise(move(X, target), type(self).__name__)
            problem = BatchProblem(C, self.reg_, axes)
        pairs = Pairs(A.shape[0], H.shape[0], symmetric)
        name = "objective" if self.debiased else "cost"
        blocks = list(pairs.blocks(problem.block))
        own = self.debiased and not symmetric
        if own:
            starts = range(0, A.shape[0], problem.block)
            rows = np.split(np.arange(A.shape[0]), starts[1:])
            blocks = [*((ids, None) for ids in rows), *blocks]
        values = self._solve(problem, (A, H, G), blocks, target, name)
        fitted = _host(getattr(self, f"self_{name}_"))
        rows, flat = fitted, values
        if own:
            rows, flat = values[: A.shape[0]], values[A.shape[0] :]
        D = pairs.assemble(flat, fitted)
        if self.debiased:
            D -= 0.5 * (rows[:, None] + fitted)
            # Rounding may leave a divergence of equal histograms below zero.
            np.maximum(D, 0.0, out=D)
        return asarray_like(D, X)

    def _solve(self, problem, data, blocks, target, name):
        """Return a figure of the problems of all blocks, and warn of bad ones."""
        if len(blocks) == 0:
            return np.zeros(0)
        with target.activate():
            # Once, before threads ask for it.
            problem.prepare()
        limits = {"tol": self.tol, "max_iter": _limit(self.max_iter)}
        parts = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(solve_pairs)(problem, *data, *ids, target, name, **limits)
            for ids in blocks
        )
        values, error = (np.concatenate(part) for part in zip(*parts, strict=True))
        behind = int((error > self.tol).sum())
        if behind:
            warnings.warn(
                f"{behind} of {error.size} Sinkhorn distances did not reach "
                f"tol={self.tol:.0e}: the largest marginal error is {error.max():.1e}. "
                "Increase max_iter or reg, or loosen tol.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return values


def _host(values):
    """Return an array in host memory and float64."""
    return np.asarray(to_numpy(values), dtype=np.float64)


def _limit(max_iter):
    """Return the largest number of iterations."""
    return MAX_ITER if max_iter is None else max_iter
