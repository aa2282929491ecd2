r"""Histograms under one ground cost: their distances and their barycentres.

Symbols: C (n, n) ground cost, eps regularisation, a and p histograms of n bins. With
W(a, p) the minimum of <P, C> + eps * sum P (log P - 1) over plans P from a to p, the
distance of a to p is

    W(a, p) + eps (1 + log n^2) = min_P <P, C> + eps KL(P | uniform),

which is never negative for C >= 0, or, debiased, the Sinkhorn divergence
W(a, p) - (W(a, a) + W(p, p)) / 2. The barycentre of histograms minimises the mean of
either, so that steps from one to the other never increase it.

Sources: J. Feydy et al., Interpolating between optimal transport and MMD using Sinkhorn
divergences, AISTATS 2019; H. Janati, M. Cuturi and A. Gramfort, Debiased Sinkhorn
barycenters, ICML 2020.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import asarray_like, index_like, move, namespace, put, take
from skopt2._core.histograms import (
    check_normalisation,
    cost_scale,
    grid_axes,
    ground_cost,
    normalise,
)
from skopt2._core.parameters import check_positive
from skopt2._core.transfer import convert
from skopt2.solvers.transport.batch import BatchProblem, solve_batch
from skopt2.solvers.transport.log_kernel import DenseLogKernel, GridLogKernel
from skopt2.transport.fixed_support import check_symmetric, solve_fixed

# Largest number of iterations of one problem inside another loop.
MAX_ITER = 10_000
# Share of the mass that a barycentre to start from has in equal parts in all bins.
SPREAD = 1e-2


@dataclass(frozen=True, eq=False)
class HistogramGeometry:
    """Ground cost and regularisation of histograms.

    Parameters
    ----------
    C : array of shape (n_bins, n_bins)
        Ground cost.
    axes : list of array of shape (n_k, n_k) or None
        Costs along the axes of a grid, whose sum ``C`` is.
    eps : float
        Regularisation, in the unit of the cost.
    debiased : bool
        Whether distances are divergences.
    """

    C: Any
    axes: Any
    eps: float
    debiased: bool

    def log_kernel(self):
        """Return a kernel for :func:`.fixed_support.solve_fixed`.

        Each solver needs one of its own: it changes the regularisation.
        """
        if self.axes is None:
            return DenseLogKernel(self.C)
        return GridLogKernel([axis.shape[0] for axis in self.axes], self.C)

    def barycentre(self, B, w, *, start=None, **options):
        """Return the barycentre of histograms.

        Parameters
        ----------
        B : array of shape (k, n_bins)
            Histograms.
        w : ndarray of shape (k,)
            Positive weights with the sum one.
        start : array of shape (k, n_bins), default=None
            Potentials of a barycentre to start from, -inf where it has no mass.
        **options : dict
            As in :func:`.fixed_support.solve_fixed`.

        Returns
        -------
        result : Result
            Of the loop.
        p : array of shape (n_bins,)
            Barycentre.
        g : array of shape (k, n_bins)
            Its potentials.
        """
        kernel = self.log_kernel()
        if start is not None:
            start = self._start(kernel, B, w, start)
        result, p, _, g = solve_fixed(
            kernel,
            B,
            w,
            self.eps,
            debiased=self.debiased,
            start=start,
            **options,
        )
        return result, p, g

    def _start(self, kernel, B, w, g):
        """Return finite potentials, of a barycentre with mass in all bins if debiased.

        Debiased steps multiply the masses. A bin that is all but empty at the start
        would stay so, whatever the histograms say, and the marginal errors would not
        tell.
        """
        xp = namespace(g)
        some = xp.isfinite(g)
        low = xp.min(xp.where(some, g, xp.zeros_like(g)), axis=1, keepdims=True)
        g = xp.where(some, g, low)
        if not self.debiased:
            return g
        kernel.set_reg(self.eps)
        x = g * (1.0 / self.eps)
        with np.errstate(divide="ignore", under="ignore"):
            q = kernel.cols(xp.log(B) - kernel.rows(x))
            p = xp.sum(asarray_like(w, B)[:, None] * xp.exp(x + q), axis=0)
        p = (1.0 - SPREAD) * p / xp.sum(p) + SPREAD / p.shape[0]
        return self.eps * (xp.log(p)[None, :] - q)


def describe_cost(estimator, X, target):
    """Return the geometry that the parameters of an estimator describe, and its unit.

    Parameters
    ----------
    estimator : estimator
        With ``reg``, ``cost``, ``normalize_cost`` and ``debiased``.
    X : array of shape (n_samples, n_bins)
        Checked histograms, on the target.
    target : Target
        Where to compute.

    Returns
    -------
    geometry : HistogramGeometry
    scale : float
        Unit of ``reg``.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the cost does not fit the histograms.
    """
    reg = check_positive("reg", estimator.reg, hint="normalize_cost sets its unit.")
    check_normalisation(estimator.normalize_cost)
    C = ground_cost(estimator.cost, X, target)
    scale = cost_scale(C, estimator.normalize_cost)
    axes, debiased = grid_axes(estimator.cost, X), bool(estimator.debiased)
    geometry = HistogramGeometry(C, axes, reg * scale, debiased)
    if debiased:
        check_symmetric(geometry.log_kernel())
    return geometry, scale


@dataclass(frozen=True)
class Assignment:
    """Distances of histograms to centres.

    Parameters
    ----------
    D : ndarray of shape (m, k)
        Distances, float64.
    S : ndarray of shape (m, k)
        Sinkhorn divergences, which are the distances if those are debiased.
    g : array of shape (m, n_bins) or None
        Potentials of the nearest centre of each histogram.
    error : float
        Largest marginal error.
    """

    D: Any
    S: Any
    g: Any
    error: float


class HistogramDistances:
    """Distances of histograms to a few others, in batches.

    Parameters
    ----------
    geometry : HistogramGeometry
        Cost and regularisation.
    tol : float
        Tolerance of every marginal error.
    max_iter : int, default=10_000
        Largest number of iterations of each problem.
    """

    def __init__(self, geometry, tol, max_iter=MAX_ITER):
        self.geometry, self.tol, self.max_iter = geometry, tol, max_iter
        self.problem = BatchProblem(geometry.C, geometry.eps, geometry.axes)
        # Once, before threads ask for it.
        self.problem.prepare()
        n = int(geometry.C.shape[0])
        self._offset = geometry.eps * (1.0 + 2.0 * math.log(n))

    def own(self, A):
        """Return W(a, a) of all rows in float64, and the largest marginal error."""
        parts = [self._solve(take(A, i), None) for i in self._chunks(A.shape[0], 1)]
        values = np.concatenate([part.objective for part in parts])
        error = max(float(part.error.max()) for part in parts)
        return values.astype(np.float64), error

    def to_centres(self, A, P):
        """Return the distances of histograms to centres, and the largest error.

        Parameters
        ----------
        A, P : array of shape (m, n_bins), (k, n_bins)
            Histograms and centres.

        Returns
        -------
        D : ndarray of shape (m, k)
            float64.
        error : float
        """
        own, error = np.zeros(A.shape[0]), 0.0
        if self.geometry.debiased:
            own, error = self.own(A)
        found = self.assign(A, own, P, keep=False)
        return found.D, max(error, found.error)

    def assign(self, A, own, P, labels=None, g=None, keep=True):
        """Return the distances of histograms to centres.

        Parameters
        ----------
        A, P : array of shape (m, n_bins), (k, n_bins)
            Histograms and centres.
        own : ndarray of shape (m,)
            What :meth:`own` returns for ``A``.
        labels : ndarray of shape (m,), default=None
            Centre to which the potentials of each histogram are known, -1 for none.
        g : array of shape (m, n_bins), default=None
            Those potentials.
        keep : bool, default=True
            Whether to return the potentials of the nearest centres.

        Returns
        -------
        found : Assignment
        """
        P = without_traces(P)
        itself = self._solve(P, None)
        halves = 0.5 * (own[:, None] + itself.objective)
        m, k = halves.shape
        W, nearest, error = np.empty((m, k)), [], float(itself.error.max())
        for rows in self._chunks(m, k):
            j = np.tile(np.arange(k), rows.size)
            start = take(itself.g, j)
            if g is not None:
                known = np.flatnonzero(labels[rows] >= 0)
                places = index_like(known * k + labels[rows[known]], start)
                start = put(start, places, take(g, rows[known]))
            B, i = take(P, j), np.repeat(rows, k)
            solution = self._solve(take(A, i), B, start)
            W[rows] = solution.objective.reshape(-1, k)
            error = max(error, float(solution.error.max()))
            if keep:
                best = self._distances(W[rows], halves[rows]).argmin(axis=1)
                places = np.arange(rows.size) * k + best
                nearest.append(take(solution.g, places))
        g = namespace(A).concat(nearest) if keep else None
        # Rounding may leave a divergence of equal histograms below zero.
        S = np.maximum(W - halves, 0.0)
        return Assignment(self._distances(W, halves), S, g, error)

    def _chunks(self, m, k):
        """Return row numbers such that the problems of each part fill a batch."""
        step = max(1, self.problem.block // k)
        return np.split(np.arange(m), range(step, m, step))

    def _distances(self, W, halves):
        if self.geometry.debiased:
            return np.maximum(W - halves, 0.0)
        return W + self._offset

    def _solve(self, A, B, start=None):
        limits = {"tol": self.tol, "max_iter": self.max_iter}
        return solve_batch(self.problem, A, B, start=start, **limits).solution


def distances_of(estimator, X, centres, geometry, tol, max_iter=None):
    """Return the distances of new data to the centres of a fitted estimator.

    Parameters
    ----------
    estimator : estimator
        Its ``device`` says where to compute, its class whom messages name.
    X : array of shape (n_samples, n_bins)
        Checked data.
    centres : array of shape (k, n_bins)
        Centres, beside the data.
    geometry : HistogramGeometry
        Of the fit.
    tol : float
        Tolerance of every marginal error.
    max_iter : int, default=None
        Largest number of iterations of each problem; None for 10000.

    Returns
    -------
    D : ndarray of shape (n_samples, k)
        float64, in host memory.

    Raises
    ------
    ValueError
        If a histogram is negative.

    Warns
    -----
    ConvergenceWarning
        If a marginal error did not reach the tolerance.
    """
    _, target = cuda.resolve(estimator.device, X)
    with target.activate():
        geometry, P = convert((geometry, centres), target)
        A = without_traces(normalise(move(X, target), type(estimator).__name__))
        limit = MAX_ITER if max_iter is None else max_iter
        D, error = HistogramDistances(geometry, tol, limit).to_centres(A, P)
    if not error <= tol:
        warnings.warn(
            f"Distances of {type(estimator).__name__} did not reach a marginal error "
            f"of {tol:.0e}: the largest is {error:.1e}. Increase max_iter or reg, or "
            "loosen the tolerance.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return D


def without_traces(P):
    """Return histograms without masses that rounding swallows, down to 1e-300.

    Their potentials would leave the range in which problems are scaled together.

    Parameters
    ----------
    P : array of shape (m, n_bins)
        Histograms with sums of one.

    Returns
    -------
    P : array of shape (m, n_bins)
    """
    xp = namespace(P)
    lowest = float(xp.finfo(P.dtype).eps) ** 2
    return xp.where(lowest > P, xp.zeros_like(P), P)
