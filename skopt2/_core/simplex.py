"""The Euclidean projection onto the probability simplex, on any array namespace."""

import numpy as np

from skopt2._core.array import asarray_like, namespace


def onto_simplex(A):
    """Return the columns of an array projected onto the probability simplex.

    The projection is max(a - tau, 0) with the threshold tau, the largest of
    (sum of the j largest elements - 1) / j (Held, Wolfe and Crowder, 1974).

    Parameters
    ----------
    A : array of shape (k, n)
        Columns to be projected.

    Returns
    -------
    P : array of shape (k, n)
        Nonnegative, with columns that sum to 1; zeros are exact.
    """
    xp, k = namespace(A), int(A.shape[0])
    # A shift of a column changes nothing but the digits that sums of large numbers
    # lose: what is more than 1 below the largest element does not count.
    A = A - xp.max(A, axis=0)
    ordered = xp.flip(xp.sort(A, axis=0), axis=0)
    # NumPy has the standard's name for it only since 2.1.
    cumulate = np.cumsum if xp is np else xp.cumulative_sum
    sums = cumulate(ordered, axis=0)
    counts = asarray_like(np.arange(1.0, k + 1.0), A)[:, None]
    return xp.maximum(A - xp.max((sums - 1.0) / counts, axis=0), 0.0)
