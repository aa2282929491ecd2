"""The joint posterior of new points: covariances and samples.

New points are ordered from coarse to fine among themselves and appended to those of the
fit. The neighbours of each are nearest points of the fit and nearest new points before
it, so that with f the process at the points of the fit and g at the new ones

    (I - C) g = B f + v^1/2 z,   B (q, n) and C (q, q) sparse, C strictly triangular.

Symbols: V sparse factor of the posterior at the points of the fit, m its mean; D =
(I - C)^-1; z standard normal.

Cao et al., ICML 2023, section 4.3, joint prediction.
"""

import numpy as np
import scipy.sparse as sp

from skopt2.solvers.kernel.inverse_cholesky_factor import conditionals
from skopt2.solvers.kernel.inverse_cholesky_posterior import FLOOR, order_points
from skopt2.solvers.symmetric_lu import symmetric_lu


class JointPosterior:
    """Posterior of f at several new points together.

    Parameters
    ----------
    posterior : SparsePosterior
        Of the fit.
    X : ndarray of shape (q, d)
        New points, float64.
    """

    def __init__(self, posterior, X):
        fit = posterior.points
        n, width = fit.neighbours.shape
        new = order_points(X, fit.scales, max(1, width))
        q = X.shape[0]
        index = posterior.nearest(new.X / fit.scales)
        later = np.where(new.neighbours >= 0, new.neighbours + n, -1)
        index = np.concatenate([index, later], axis=1)
        # New points that are equal, or nearly so, must not make a system singular.
        jitter = FLOOR * posterior.blocks.diagonal(new.X)
        weights, self.variances = conditionals(
            posterior.blocks,
            np.concatenate([fit.X, new.X]),
            np.concatenate([posterior.nugget, jitter]),
            new.X,
            index,
            np.zeros(q),
        )
        there = index >= 0
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        both = sp.csr_array((weights[there], index[there], starts), shape=(q, n + q))
        self.posterior, self.order = posterior, new.order
        self._known = both[:, :n]
        # Its entries above the diagonal are none, so that it is its own factor.
        self._links = symmetric_lu(sp.eye_array(q) - both[:, n:], ordered=True)

    def covariance(self):
        """Return the posterior covariance of the new points, shape (q, q)."""
        half = self.posterior.factor.solve(self._known.T.toarray())
        inner = half.T @ half + np.diag(self.variances)
        left = self._links.solve(inner)
        found = self._links.solve(np.ascontiguousarray(left.T))
        return self._placed(0.5 * (found + found.T), both=True)

    def sample(self, n_samples, rng):
        """Draw the process at the new points.

        Parameters
        ----------
        n_samples : int
            s.
        rng : numpy.random.Generator or numpy.random.RandomState
            Source of normal numbers.

        Returns
        -------
        samples : ndarray of shape (q, c, s)
            For each column of the posterior mean.
        """
        mean, q = self.posterior.mean, self.variances.size
        (n, c) = mean.shape
        noise = rng.standard_normal((n, c * n_samples))
        f = self.posterior.factor.transposed_solve(noise)
        f += np.repeat(mean, n_samples, axis=1)
        own = rng.standard_normal((q, c * n_samples))
        own *= np.sqrt(self.variances)[:, None]
        found = self._links.solve(self._known @ f + own)
        return self._placed(found).reshape(q, c, n_samples)

    def _placed(self, values, both=False):
        """Return rows, and columns if asked for, in the order of the user."""
        back = np.argsort(self.order)
        return values[back][:, back] if both else values[back]
