r"""Factors of rows whose columns are known.

Problem: for each row the minimum over u of sum_(j in Omega_i) psi(x_ij - u'v_j) + lam
|u|^2 / 2, which is convex. Losses that are not squared are majorised and solved again
until no row moves, from a wide loss to the one that is asked for.

Source: P. Huber, Robust Statistics, 1981, section 7.8.
"""

import numpy as np

from skopt2._core.array import asarray_like, norm64
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.row_solver import solve_rows

# Solves at most, and the relative change that ends them.
ROUNDS, MOVED = 100, 1e-6
# Factor of the width of the loss from one round to the next, and the widest.
SHRINK, WIDEST = 0.5, 1e3


def fit_rows(entries, V, level, loss):
    """Return the factors of rows.

    Parameters
    ----------
    entries : DenseEntries or SparseEntries
        Without the intercepts.
    V : array of shape (p, k)
        Factors of the columns.
    level : float
        Of the squared norm.
    loss : EntryLoss
        Of a residual.

    Returns
    -------
    U : array of shape (n, k)
        Zero for rows of which nothing is known.
    """
    ones = entries.ones()
    U = asarray_like(np.zeros((entries.shape[0], V.shape[1])), entries.like)
    if loss.squared:
        return solve_rows(entries, loss.weights(ones, ones), entries.X, V, U, level)
    delta = WIDEST * loss.delta
    for _ in range(ROUNDS):
        wide = EntryLoss(delta, 1.0 / delta)
        r = entries.X - entries.forward(U, V)
        new = solve_rows(entries, wide.weights(r, ones), r, V, U, level)
        moved, U = norm64(new - U), new
        if delta <= loss.delta and moved <= MOVED * norm64(U):
            break
        delta = max(SHRINK * delta, loss.delta)
    return U
