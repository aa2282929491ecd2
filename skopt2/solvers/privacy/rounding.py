"""Sums over rows whose rounding stays within the sensitivity.

Problem: sum_i g_i, norm(g_i) <= C, over n rows. With and without a row, two computed
sums may differ by more than what the row adds, for each of them is rounded.

Symbols: u the unit roundoff of the dtype of the rows, u64 that of float64, G the rows
of a group. Rows are summed by groups of G in their own dtype, and the groups in
float64. A computed sum of k numbers is off by at most k u times the sum of their
absolute values, so that one group is off by at most u G^2 C, and the sum of all groups
by u64 n^2 / G C. Only the group with the row rounds otherwise, in either sum:

    |change| <= C + 2 u G^2 C + 2 u64 n^2 / G C.

Gradients that are clipped to C less this share keep the change within C.

Source: S. Casacuberta and others, Widespread underestimation of sensitivity in
differentially private libraries, CCS 2022; N. Higham, Accuracy and Stability of
Numerical Algorithms, 2002, equation 3.5.
"""

import math

from skopt2._core.array import is_sparse, namespace

# Rows of a group: u G^2 is 1/4000 in float32, and 5e-7 in float64.
NARROW_GROUP, WIDE_GROUP = 64, 1 << 16
UNIT_64 = 2.0**-53
# Roundings of a factor and of the products that it enters, in units of eps.
MARGIN = 64


def group_rows(X):
    """Return how many rows to sum before the sums go on in float64.

    Parameters
    ----------
    X : array or sparse matrix of shape (b, d)
        Rows; products with sparse ones are summed in float64 at once.

    Returns
    -------
    size : int
        64 for dense rows in float32.
    """
    if is_sparse(X):
        return WIDE_GROUP
    return NARROW_GROUP if X.dtype == namespace(X).float32 else WIDE_GROUP


def rounding_share(X, n_rows):
    """Return by which share rounding can lengthen what one row changes.

    Parameters
    ----------
    X : array or sparse matrix of shape (b, d)
        Rows of a block.
    n_rows : int
        Rows of all blocks.

    Returns
    -------
    share : float
        Of C, at most 0.5.
    """
    values = X.data if is_sparse(X) else X
    eps = float(namespace(values).finfo(X.dtype).eps)
    rows = min(X.shape[0], group_rows(X))
    unit = UNIT_64 if is_sparse(X) else eps / 2
    between = UNIT_64 * n_rows * max(1.0, n_rows / max(rows, 1))
    share = MARGIN * eps + 2 * unit * rows**2 + 2 * between
    # The next power of two: a few rows more or less make no other numbers.
    return min(0.5, 2.0 ** math.ceil(math.log2(share)))


def grouped_product(X, residuals, dtype):
    """Return the sum over rows of the products of X and residuals.

    Parameters
    ----------
    X : array or sparse matrix of shape (b, d)
        Rows.
    residuals : array of shape (b,) or (b, K)
        What multiplies them, in the dtype of ``X``.
    dtype : dtype
        float64 where the device has it.

    Returns
    -------
    total : array of shape (d,) or (d, K)
        ``X.T @ residuals``, summed by groups.
    """
    xp, n, size = namespace(residuals), X.shape[0], group_rows(X)
    if is_sparse(X):
        residuals = xp.astype(residuals, dtype)
        if n <= size:
            return X.T @ residuals
        starts = range(0, n, size)
        return sum(X[at : at + size].T @ residuals[at : at + size] for at in starts)
    whole = n // size * size
    total = xp.astype(X[whole:, :].T @ residuals[whole:, ...], dtype)
    if not whole:
        return total
    columns = residuals[:whole, ...]
    columns = columns if residuals.ndim == 2 else columns[:, None]
    stack = xp.reshape(X[:whole, :], (whole // size, size, X.shape[1]))
    columns = xp.reshape(columns, (whole // size, size, columns.shape[1]))
    sums = xp.matmul(xp.permute_dims(stack, (0, 2, 1)), columns)
    sums = xp.sum(xp.astype(sums, dtype), axis=0)
    return total + (sums if residuals.ndim == 2 else sums[:, 0])
