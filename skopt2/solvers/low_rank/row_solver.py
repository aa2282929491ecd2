r"""Least squares for every row of one factor, the other fixed.

Problem: for each row i of Z (n, k) the minimum over z of

    sum_(j in Omega_i) w_ij (x_ij - z'B_j)^2 / 2 + sum_l c_l z_l^2 / 2.

Symbols: B (p, k) the fixed factor; c (k,) levels; R the residual at the current Z;
H_i = sum_j w_ij B_j B_j' + diag(c).

Two solvers. The direct one forms and factorises all H_i: O(N k^2 + n k^3). The other
one takes a few steps of conjugate gradients in all rows at once, O(N k) each: two
products with the entries. What makes few steps enough is the preconditioner that all
rows share but for a number: for entries at random positions H_i is near

    (sum_j w_ij / p) B'B + diag(c),

diagonal in the eigenvectors of B'B. The paper preconditions each row by a sketch of its
own system; where B is incoherent, which its analysis assumes, the expectation serves as
well and costs nothing.

Both solve for the change of Z from the residual, so that rounding errors and a solve
that stops early leave Z no worse than it was.

Source: Y. Gu, Z. Song, J. Yin and L. Zhang, Low rank matrix completion via robust
alternating minimization in nearly linear time, ICLR 2024, algorithms 2 and 4.
"""

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, namespace, sum64
from skopt2.solvers.low_rank.reciprocal import reciprocal

# Ranks up to which systems are factorised: their products are those of few steps.
DIRECT_LIMIT = 12
# Steps of conjugate gradients at most, and the relative residual that ends them.
STEPS, FORCING = 8, 0.1


def solve_rows(entries, w, R, B, Z, level, intercept=False, exact=True):
    """Return better rows, the best ones with ``exact``.

    Parameters
    ----------
    entries : DenseEntries or SparseEntries
        Of the matrix whose rows belong to Z.
    w, R : array
        Weights and residuals of the entries.
    B : array of shape (p, k)
        Fixed factor.
    Z : array of shape (n, k)
        Current rows.
    level : float
        Of the squared norm, nonnegative.
    intercept : bool, default=False
        Whether the last column of B holds ones, and that of Z is not penalised.
    exact : bool, default=True
        Whether to factorise the systems.

    Returns
    -------
    Z : array of shape (n, k)
        No worse than before.
    """
    k = B.shape[1]
    if k == 0:
        return Z
    levels = asarray_like([level] * (k - intercept) + [0.0] * intercept, B)
    gradient = entries.times(w * R, B) - Z * levels[None, :]
    if exact:
        return Z + _direct(entries, w, B, gradient, levels)
    return Z + _conjugate(entries, w, B, gradient, levels, intercept)


def _direct(entries, w, B, gradient, levels):
    """Return the change of every row by its own system."""
    xp, k = entries.xp, B.shape[1]
    eye, parts = asarray_like(np.eye(k), B)[None, :, :], []
    tiny = 16.0 * k * float(xp.finfo(B.dtype).eps)
    for rows, G in entries.grams(w, B):
        # Rows with fewer entries than columns have a singular system: a ridge at the
        # level of rounding gives the shortest change.
        trace = xp.sum(G * eye, axis=(1, 2)) + xp.max(levels)
        floor = xp.where(trace > 0.0, tiny * trace, xp.ones_like(trace))
        G = G + eye * (levels[None, None, :] + floor[:, None, None])
        parts.append(xp.linalg.solve(G, gradient[rows, :, None])[:, :, 0])
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


def _conjugate(entries, w, B, gradient, levels, intercept):
    """Return the change of every row by a few conjugate gradient steps in all rows."""
    xp = entries.xp
    scale, turn = spectrum(B, intercept)
    B, r = B @ turn, gradient @ turn
    share = entries.row_sums(w)[:, None] / B.shape[0]
    P = reciprocal(share * scale[None, :] + levels[None, :])
    d, z = xp.zeros_like(r), P * r
    q, rz = z, xp.sum(r * z, axis=1)
    goal = FORCING**2 * sum64(rz)
    for _ in range(STEPS):
        Aq = entries.times(w * entries.forward(q, B), B) + q * levels[None, :]
        step = (rz * reciprocal(xp.sum(q * Aq, axis=1)))[:, None]
        d, r = d + step * q, r - step * Aq
        z = P * r
        new = xp.sum(r * z, axis=1)
        if not sum64(new) > goal:
            break
        q, rz = z + (new * reciprocal(rz))[:, None] * q, new
    return d @ xp.matrix_transpose(turn)


def spectrum(B, intercept=False):
    """Return what diagonalises B'B, but for products with the column of ones.

    Parameters
    ----------
    B : array of shape (p, k)
        Factor.
    intercept : bool, default=False
        Whether its last column is not to be turned.

    Returns
    -------
    values : array of shape (k,)
        Eigenvalues, none negative.
    Q : array of shape (k, k)
        Orthonormal.
    """
    xp, k = namespace(B), B.shape[1] - intercept
    wide = xp.astype(B[:, :k], accumulation_dtype(B))
    values, Q = xp.linalg.eigh(xp.matrix_transpose(wide) @ wide)
    values = xp.astype(xp.where(values > 0.0, values, 0.0 * values), B.dtype)
    Q = xp.astype(Q, B.dtype)
    if not intercept:
        return values, Q
    last = asarray_like([float(B.shape[0])], B)
    side, end = asarray_like(np.zeros((k, 1)), B), asarray_like([[1.0]], B)
    below = xp.concat([xp.matrix_transpose(side), end], axis=1)
    turn = xp.concat([xp.concat([Q, side], axis=1), below], axis=0)
    return xp.concat([values, last]), turn
