"""The evidence bound of a sparse variational posterior, row by row, and its gradient.

    L = sum_i E log p(y_i | f_i) - |V^-1 u_i|^2 / 2 - (u_i' m)^2 / 2
              + log U_ii - log V_ii + 1 / 2,

u_i column i of U, with f_i ~ N(m_i, |V^-1 e_i|^2) in the expectation. Each term needs V
at the ancestors of i alone. The sum over a random batch of rows, times n over their
number, estimates L and its gradient without bias but for the ancestors left out.

A change dV of V changes |V^-1 c|^2 / 2 by -(V'^-1 x)' dV x with x = V^-1 c, so that
the gradient by the entries of V is a sum of outer products, read off at the pattern.

Symbols: U, V sparse factors; values (n, k + 1) the entries of V at k neighbours, the
diagonal last; m (n,).

Cao et al., ICML 2023, equations 5 to 7 and section 4.2.
"""

import numpy as np
from scipy.linalg import solve_triangular

from skopt2.solvers.kernel.inverse_cholesky_ancestors import (
    ancestors_of,
    generations,
    leaves,
    local_system,
)

# Rows that are near each other and share a system.
LEAF = 64


class EvidenceBound:
    """Evidence bound of a posterior N(m, (V V')^-1).

    Parameters
    ----------
    prior : SparseFactor
        U.
    points : ndarray of shape (n, d)
        The points in their order and in the units of the distance.
    y : ndarray of shape (n,)
        Targets.
    likelihood : object
        See :mod:`skopt2.solvers.kernel.inverse_cholesky_observation`.
    depth : int or None, default=None
        Generations of ancestors; None for as many as give three digits.
    """

    def __init__(self, prior, points, y, likelihood, depth=None):
        self.prior, self.points = prior, points
        self.y, self.likelihood = y, likelihood
        self.depth = generations(prior.neighbours.shape[1]) if depth is None else depth
        self.groups = list(leaves(points, LEAF))

    def value(self, mean, factor):
        """Return the bound.

        Parameters
        ----------
        mean : ndarray of shape (n,)
            m.
        factor : SparseFactor
            V, with the neighbours of U.

        Returns
        -------
        bound : float
            L.
        """
        parts = [self._group(mean, factor, rows) for rows in self.groups]
        return float(sum(parts))

    def gradient(self, mean, factor, groups=None):
        """Return an estimate of the bound, and its gradient.

        Parameters
        ----------
        mean, factor : ndarray of shape (n,) and SparseFactor
            m and V.
        groups : sequence of int or None, default=None
            Numbers of the groups of rows to sum over; None for all.

        Returns
        -------
        bound : float
            Scaled up to all rows.
        by_mean : ndarray of shape (n,)
            Derivative by m.
        by_values : ndarray of shape (n, k + 1)
            Derivative by the entries of V; 0 where there is none.
        """
        n = mean.shape[0]
        by_mean, by_values = np.zeros(n), np.zeros_like(factor.values)
        total, count = 0.0, 0
        for number in range(len(self.groups)) if groups is None else groups:
            rows = self.groups[number]
            bound = self._group(mean, factor, rows, (by_mean, by_values))
            total, count = total + bound, count + rows.size
        scale = n / count
        return scale * total, scale * by_mean, scale * by_values

    def _group(self, mean, factor, rows, out=None):
        """Return the terms of some rows; add their gradients to two arrays."""
        U = self.prior
        index = np.concatenate([U.neighbours[rows], rows[:, None]], axis=1)
        system = local_system(factor, ancestors_of(factor, index, self.depth))
        own = np.zeros_like(U.values[rows])
        own[:, -1] = 1.0
        rhs = np.concatenate(
            [
                system.combinations(index, own),
                system.combinations(index, U.values[rows]),
            ],
            axis=1,
        )
        x = solve_triangular(system.matrix, rhs, check_finite=False)
        squares = np.einsum("ij,ij->j", x, x)
        variances, passed = squares[: rows.size], squares[rows.size :]
        value, slope, curvature = self.likelihood.part(rows).expectations(
            self.y[rows], mean[rows], variances
        )
        around = np.where(index >= 0, mean[index], 0.0)
        pull = np.einsum("ij,ij->i", U.values[rows], around)
        bound = float((value - 0.5 * (passed + pull * pull) + 0.5).sum())
        diagonals = factor.values[rows, -1]
        bound += float((np.log(U.values[rows, -1]) - np.log(diagonals)).sum())
        if out is not None:
            by_mean, by_values = out
            by_mean[rows] += slope
            there = index >= 0
            push = pull[:, None] * U.values[rows]
            np.subtract.at(by_mean, index[there], push[there])
            x[:, : rows.size] *= np.sqrt(np.maximum(curvature, 0.0))
            z = solve_triangular(system.matrix, x, trans=1, check_finite=False)
            system.add(z @ x.T, by_values)
            by_values[rows, -1] -= 1.0 / diagonals
        return bound
