"""The likelihood of a sparse inverse Cholesky factor, and its gradient.

Targets y = f + e with noise e ~ N(0, diag(s)) have the covariance C = K + diag(s). The
best sparse factor of C^-1 for given neighbours is a product of conditional
distributions,

    log p(y) = sum_i log N(y_i; k_i' a_i, v_i),   a_i = C_ss^-1 y_s,  b_i = C_ss^-1 k_i,
    v_i = C_ii - k_i' b_i,  e_i = y_i - k_i' a_i.

With w = (-b, 1) and a filled by 0 for i itself, a change dC of the block of s and i
changes v by w' dC w and e by -a' dC w, so that the gradient is the sum of G . dC over
the blocks,

    G = ((e / v)^2 - 1 / v) w w' / 2 + (e / v) (a w' + w a') / 2.

The terms of a random subset of rows, times n over their number, estimate the sum
without bias.

Symbols: X (n, d) and Y (n, c) in their order; s (n,) noise; neighbours (n, m); theta
(t,) logarithms of the parameters of the kernel. Sums over the columns of Y.

Vecchia, J. R. Statist. Soc. B 1988; Guinness, Gaussian process learning via Fisher
scoring of Vecchia's approximation, Statistics and Computing 2021, for gradients.
"""

import math

import numpy as np

from skopt2.solvers.kernel.inverse_cholesky_factor import (
    block_chunks,
    neighbour_blocks,
)


def sparse_log_likelihood(blocks, X, Y, noise, neighbours, *, rows=None, gradient=True):
    """Return the logarithm of the likelihood of noisy targets, and its gradient.

    Parameters
    ----------
    blocks : PointBlocks
        Kernel. Its white part is noise too.
    X : ndarray of shape (n, d)
        Points in their order.
    Y : ndarray of shape (n, c)
        Targets, each column a draw.
    noise : ndarray of shape (n,)
        Variances of the noise beside the white part of the kernel.
    neighbours : ndarray of shape (n, m)
        Earlier points; -1 for none.
    rows : ndarray of int or None, default=None
        Terms to sum, scaled up to all n; None for all.
    gradient : bool, default=True
        Whether to return the gradient.

    Returns
    -------
    value : float
        -inf where the kernel matrix of a neighbourhood is singular.
    slope : ndarray of shape (t,)
        By theta; only if ``gradient``.
    """
    n = X.shape[0]
    total = noise + blocks.noise(X)
    rows = np.arange(n) if rows is None else rows
    value, slope = 0.0, np.zeros(blocks.n_theta)
    try:
        for part in block_chunks(rows.size, neighbours.shape[1] + 1):
            terms = _terms(blocks, X, Y, total, rows[part], neighbours, gradient)
            value += terms[0]
            slope += terms[1]
    except np.linalg.LinAlgError:
        value, slope = -math.inf, np.zeros(blocks.n_theta)
    if not math.isfinite(value):
        value, slope = -math.inf, np.zeros(blocks.n_theta)
    scale = n / rows.size
    return (scale * value, scale * slope) if gradient else scale * value


def _terms(blocks, X, Y, total, rows, neighbours, gradient):
    """Return the terms of some rows: their sum and its gradient."""
    index = neighbours[rows]
    K = neighbour_blocks(blocks, X, index, total)
    k = blocks.values(X[index], X[rows, None])
    k[index < 0] = 0.0
    Ys = np.where((index >= 0)[:, :, None], Y[index], 0.0)
    solved = np.linalg.solve(K, np.concatenate([k, Ys], axis=2))
    b, a = solved[:, :, :1], solved[:, :, 1:]
    prior = blocks.diagonal(X[rows]) + total[rows]
    v = prior - np.einsum("bmo,bmo->b", k, b)
    v = np.maximum(v, np.maximum(total[rows], np.finfo(np.float64).eps * prior))
    e = Y[rows] - np.einsum("bmo,bmc->bc", k, a)
    c = Y.shape[1]
    fit = (e * e).sum(axis=1) / v
    value = -0.5 * float((fit + c * np.log(2.0 * math.pi * v)).sum())
    if not gradient:
        return value, 0.0
    w = np.concatenate([-b[:, :, 0], np.ones((rows.size, 1))], axis=1)
    pull = np.zeros_like(w)
    pull[:, :-1] = np.einsum("bmc,bc->bm", a, e / v[:, None])
    pull += (0.5 * (fit - c) / v)[:, None] * w
    G = pull[:, :, None] * w[:, None, :]
    G = 0.5 * (G + G.swapaxes(1, 2))
    A = np.concatenate([X[index], X[rows, None]], axis=1)
    return value, blocks.gradient(A, G)
