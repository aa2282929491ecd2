"""The best sparse inverse Cholesky factor of a Gaussian process, column by column.

Of all factors with given neighbours, that of least Kullback-Leibler divergence
KL(N(0, K + T) | N(0, (U U')^-1)) has columns from systems of the size of a
neighbourhood: with s the neighbours of i,

    b_i = (K_ss + T_ss)^-1 k_si,    v_i = K_ii + T_ii - k_si' b_i,
    U_ii = v_i^-1/2,                U_si = -b_i v_i^-1/2,

which is K_ss^-1 e / (e' K_ss^-1 e)^1/2 over s and i together. New points are appended:
their columns are found in the same way, with neighbours among the points before them.

Symbols: X (n, d) points in their order; neighbours (n, m); T nugget (n,), the part of
the noise that belongs to the process here; b (q, m) weights, v (q,) variances.

Schaefer, Katzfuss and Owhadi 2021, theorem 2.1; Cao et al., ICML 2023, equation 3.
"""

import numpy as np

from skopt2.solvers.kernel.inverse_cholesky_sparse import SparseFactor

# Entries of the stacks of blocks that are computed at a time, which fit a cache.
_ENTRIES = 2**18


def block_chunks(n, m):
    """Yield slices of n rows whose blocks of m points fill the working memory.

    Parameters
    ----------
    n, m : int
        Rows, and points of each block.

    Yields
    ------
    rows : slice
        In order.
    """
    size = max(1, _ENTRIES // (m + 1) ** 2)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def neighbour_blocks(blocks, X, index, nugget):
    """Kernel matrices of sets of neighbours.

    Parameters
    ----------
    blocks : PointBlocks
        Kernel.
    X : ndarray of shape (n, d)
        Points.
    index : ndarray of shape (b, m)
        Their numbers in each set; -1 for none.
    nugget : ndarray of shape (n,)
        Added to the diagonal.

    Returns
    -------
    K : ndarray of shape (b, m, m)
        With rows and columns of the identity where there is no point.
    """
    A = X[index]
    K = blocks.values(A, A)
    m = index.shape[1]
    absent = index < 0
    K[:, np.arange(m), np.arange(m)] += nugget[index]
    if absent.any():
        K[absent[:, :, None] | absent[:, None, :]] = 0.0
        row, column = np.nonzero(absent)
        K[row, column, column] = 1.0
    return K


def conditionals(blocks, X, nugget, targets, index, own):
    """Distributions of the process at points, given that at their neighbours.

    Parameters
    ----------
    blocks : PointBlocks
        Kernel.
    X : ndarray of shape (n, d)
        Points that neighbours are taken from.
    nugget : ndarray of shape (n,)
        Variances of their nuggets.
    targets : ndarray of shape (q, d)
        Points.
    index : ndarray of shape (q, m)
        Neighbours of each; -1 for none.
    own : ndarray of shape (q,)
        Variances of the nuggets of the points.

    Returns
    -------
    weights : ndarray of shape (q, m)
        b, 0 where there is no neighbour.
    variances : ndarray of shape (q,)
        v.
    """
    q, m = index.shape
    weights, variances = np.empty((q, m)), np.empty(q)
    prior = blocks.diagonal(targets)
    # Rounding can take a variance below its bound, where points are nearly equal.
    least = np.maximum(own, 4 * np.finfo(np.float64).eps * prior)
    for rows in block_chunks(q, m):
        K = neighbour_blocks(blocks, X, index[rows], nugget)
        k = blocks.values(X[index[rows]], targets[rows, None])
        k[index[rows] < 0] = 0.0
        b = np.linalg.solve(K, k)
        weights[rows] = b[:, :, 0]
        explained = np.einsum("bmo,bmo->b", k, b)
        variances[rows] = np.maximum(prior[rows] + own[rows] - explained, least[rows])
    return weights, variances


def prior_factor(blocks, X, neighbours, nugget):
    """Return the sparse inverse Cholesky factor of a Gaussian process at points.

    Parameters
    ----------
    blocks : PointBlocks
        Kernel.
    X : ndarray of shape (n, d)
        Points in their order.
    neighbours : ndarray of shape (n, m)
        See :mod:`skopt2.solvers.kernel.inverse_cholesky_order`.
    nugget : ndarray of shape (n,)
        T, not negative.

    Returns
    -------
    factor : SparseFactor
        U, the best in Kullback-Leibler divergence.
    """
    weights, variances = conditionals(blocks, X, nugget, X, neighbours, nugget)
    return factor_of(neighbours, weights, variances)


def factor_of(neighbours, weights, variances):
    """Return the factor whose columns are given as conditional distributions.

    Parameters
    ----------
    neighbours : ndarray of shape (n, m)
        -1 for none.
    weights : ndarray of shape (n, m)
        b.
    variances : ndarray of shape (n,)
        v.

    Returns
    -------
    factor : SparseFactor
        U.
    """
    scale = 1.0 / np.sqrt(variances)
    values = np.concatenate([-weights, np.ones((weights.shape[0], 1))], axis=1)
    return SparseFactor(neighbours, values * scale[:, None])
