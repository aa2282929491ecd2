"""Squared distances between the points of many small sets.

Symbols: A (b, p, d) and B (b, q, d) stacks of points.
"""

import numpy as np

# Points with more features are compared by a product of matrices, which loses a few
# digits of small distances, instead of feature by feature.
_WIDE = 12


def squared_distances(A, B):
    """Squared Euclidean distances between the points of each pair of blocks.

    Parameters
    ----------
    A, B : ndarray of shape (b, p, d) and (b, q, d)
        Points.

    Returns
    -------
    squares : ndarray of shape (b, p, q)
        Exactly 0 for points that are equal.
    """
    d = A.shape[2]
    if d > _WIDE:
        origin = A[:, :1]
        left, right = A - origin, B - origin
        squares = -2.0 * (left @ right.swapaxes(1, 2))
        squares += np.einsum("bpd,bpd->bp", left, left)[:, :, None]
        squares += np.einsum("bqd,bqd->bq", right, right)[:, None, :]
        np.maximum(squares, 0.0, out=squares)
        if A is B:
            squares[:, np.arange(A.shape[1]), np.arange(A.shape[1])] = 0.0
        return squares
    squares = np.zeros((A.shape[0], A.shape[1], B.shape[1]))
    work = np.empty_like(squares)
    for k in range(d):
        np.subtract(A[:, :, k, None], B[:, None, :, k], out=work)
        np.multiply(work, work, out=work)
        squares += work
    return squares
