"""The posterior of a sparse inverse Cholesky process, at its points and at new ones.

New points are appended to the order: a point x has neighbours among those of the fit,
and a column of its own,

    f(x) = b' f_s + v^1/2 z,  b = (K_ss + T_ss)^-1 k_sx,  v = k(x, x) - k_sx' b,

so that its posterior mean is b' m_s and its variance v + |V^-1 b|^2.

Symbols: X (n, d) points in their order; scales (d,) units of the distance; T nugget
(n,); m (n, c) posterior mean; V sparse factor of the posterior's inverse covariance.

Cao et al., ICML 2023, section 4.3.
"""

import functools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from skopt2.solvers.kernel.inverse_cholesky_ancestors import combination_variances
from skopt2.solvers.kernel.inverse_cholesky_factor import conditionals
from skopt2.solvers.kernel.inverse_cholesky_order import (
    earlier_neighbours,
    maximin_order,
    within_spacing,
)

# Part of the noise that belongs to the process: enough to keep it well conditioned,
# and too little to hide what distant data say.
NUGGET = 0.01
# Smallest noise, and smallest nugget, relative to the variance of the process.
FLOOR = 1e-10
# Part of the order that counts as coarse, and how many times the neighbours it has.
_COARSE, _COARSE_LEAST = 16, 4
# New points whose neighbours are searched at a time.
_CHUNK = 8192


@dataclass(frozen=True)
class OrderedPoints:
    """Points from coarse to fine, with their earlier neighbours.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Points in their order.
    order : ndarray of shape (n,)
        Where each was.
    scales : ndarray of shape (d,)
        Units of the distance.
    neighbours : ndarray of shape (n, m)
        Positions in the order; -1 for none.
    """

    X: np.ndarray
    order: np.ndarray
    scales: np.ndarray
    neighbours: np.ndarray


def order_points(X, scales, n_neighbors, rho=None):
    """Order points and find their neighbours.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Points.
    scales : ndarray of shape (d,)
        Units of the distance.
    n_neighbors : int
        Most neighbours of a point.
    rho : float or None, default=None
        Largest distance of a neighbour, in units of the spacing of the points so far.

    Returns
    -------
    points : OrderedPoints
    """
    scaled = X / scales
    order, spacing = maximin_order(scaled)
    scaled = np.ascontiguousarray(scaled[order])
    neighbours = earlier_neighbours(scaled, n_neighbors)
    if rho is not None and neighbours.shape[1]:
        neighbours = within_spacing(scaled, spacing, neighbours, rho)
    return OrderedPoints(
        np.ascontiguousarray(X[order]), order, np.asarray(scales), neighbours
    )


def split_noise(noise, variance):
    """Split noise into a nugget of the process and what is left.

    Parameters
    ----------
    noise : ndarray of shape (n,)
        Variances.
    variance : ndarray of shape (n,)
        Of the process.

    Returns
    -------
    nugget, rest : ndarray of shape (n,)
        Positive; their sum is the noise, or a tiny one where that is smaller.
    """
    noise = np.maximum(noise, FLOOR * variance)
    nugget = np.clip(NUGGET * noise, np.minimum(FLOOR * variance, 0.5 * noise), noise)
    return nugget, noise - nugget


class SparsePosterior:
    """Posterior distribution of a process, in host memory.

    Parameters
    ----------
    blocks : PointBlocks
        Kernel.
    points : OrderedPoints
        Points of the fit.
    nugget : ndarray of shape (n,)
        T.
    factor : SparseFactor
        V.
    mean : ndarray of shape (n, c)
        m.
    """

    def __init__(self, blocks, points, nugget, factor, mean):
        self.blocks, self.points, self.nugget = blocks, points, nugget
        self.factor, self.mean = factor, mean

    @functools.cached_property
    def _trees(self):
        """Search trees of all points, and of the first of them, which are coarse."""
        scaled = self.points.X / self.points.scales
        n, m = self.points.neighbours.shape
        coarse = max(_COARSE_LEAST * m, n // _COARSE)
        return cKDTree(scaled), cKDTree(scaled[:coarse]) if coarse < n else None

    def __getstate__(self):
        return {k: v for k, v in vars(self).items() if k != "_trees"}

    def predict(self, X, with_variance=False):
        """Return the distribution of f at new points.

        Parameters
        ----------
        X : ndarray of shape (q, d)
            Points, float64.
        with_variance : bool, default=False
            Whether to compute the variances.

        Returns
        -------
        mean : ndarray of shape (q, c)
            Posterior means.
        variance : ndarray of shape (q,) or None
            Posterior variances, the same for all columns.
        """
        q = X.shape[0]
        mean = np.empty((q, self.mean.shape[1]))
        variance = np.empty(q) if with_variance else None
        for start in range(0, q, _CHUNK):
            rows = slice(start, start + _CHUNK)
            scaled = X[rows] / self.points.scales
            index = self.nearest(scaled)
            weights, own = conditionals(
                self.blocks,
                self.points.X,
                self.nugget,
                X[rows],
                index,
                np.zeros(index.shape[0]),
            )
            mean[rows] = np.einsum("qm,qmc->qc", weights, self.mean[index])
            if with_variance:
                passed = combination_variances(self.factor, scaled, index, weights)
                variance[rows] = own + passed
        return mean, variance

    def nearest(self, scaled):
        """Find the neighbours of new points.

        These are one more than a column has, and half as many among the first, coarse
        points: in a gap of the data the nearest points all lie on one side.

        Parameters
        ----------
        scaled : ndarray of shape (q, d)
            Points in the units of the distance.

        Returns
        -------
        index : ndarray of shape (q, k)
            Positions of points of the fit, in increasing order; -1 in front.
        """
        n, m = self.points.neighbours.shape
        k = min(n, m + 1)
        every, coarse = self._trees
        index = every.query(scaled, k)[1].reshape(-1, k)
        if coarse is not None and m > 1:
            more = coarse.query(scaled, m // 2)[1].reshape(-1, m // 2)
            index = np.sort(np.concatenate([index, more], axis=1), axis=1)
            index[:, 1:][index[:, 1:] == index[:, :-1]] = -1
        return np.sort(index, axis=1)
