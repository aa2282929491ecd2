"""Projections onto the cones of patterns, to full precision.

Problem: |Pi_C(c)| for C = {u : A u >= 0}, A = (2 D_h - 1) X. By Moreau's theorem it is
min |c + A'lam| over lam >= 0: nonnegative least squares in host memory.

Source: C. Lawson and R. Hanson, Solving Least Squares Problems, 1974, chapter 23.
"""

import numpy as np
from scipy.optimize import nnls


def projected_norms(X, D, C, level):
    """Return the norms of projections onto cones, where they can exceed a level.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    D : ndarray of bool of shape (P, n)
        Patterns.
    C : ndarray of shape (P, k, d)
        Vectors to project onto the cone of each pattern.
    level : float
        Vectors that are no longer than this are not projected.

    Returns
    -------
    norms : ndarray of shape (P, k)
        Upper bounds where they are below the level, else exact.
    """
    norms = np.linalg.norm(C, axis=-1)
    for h, j in np.argwhere(norms > level):
        A = np.where(D[h], 1.0, -1.0)[:, None] * X
        norms[h, j] = nnls(A.T, -C[h, j])[1]
    return norms


def gate_violation(X, D, dual, alpha):
    """Return by how much patterns violate the dual constraint, relative to alpha.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    D : ndarray of bool of shape (P, n)
        Patterns.
    dual : ndarray of shape (n, K)
        s_i theta_i of a dual point.
    alpha : float
        Level.

    Returns
    -------
    violation : float
        Largest |Pi_C(c)| / alpha - 1 over patterns, outputs and signs.
    """
    force = np.einsum("hn,nk,nd->hkd", D, dual, X, optimize=True)
    both = np.concatenate([-force, force], axis=1)
    return float(projected_norms(X, D, both, alpha).max()) / alpha - 1.0
