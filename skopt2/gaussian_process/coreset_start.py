"""Where the fit of a coreset starts: rows of the data, and their spread."""

import math

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    index_like,
    namespace,
    take,
    to_numpy,
)
from skopt2.solvers.kernel.coreset_bound import Coreset
from skopt2.solvers.kernel.kmeans_rejection import seed_by_rejection
from skopt2.solvers.kernel.row_distances import row_distances

STARTS = ("k-means++", "random")
# Rows that the default kernel is taken from.
_SAMPLE = 10000


def start(X, Y, index, phi):
    """Return rows as a coreset.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    Y : array of shape (n, T)
        Their targets, in the widest dtype.
    index : ndarray of int of shape (M,)
        Which.
    phi : ndarray of shape (q,)
        Logarithms of the parameters of the covariance function.

    Returns
    -------
    coreset : Coreset
        Each point has the weight n / M.
    """
    xp = namespace(X)
    index = index_like(index, X)
    Z, U = xp.astype(take(X, index), Y.dtype), take(Y, index)
    log_w = xp.zeros_like(Z[:, 0]) + math.log(X.shape[0] / Z.shape[0])
    return Coreset(Z, U, log_w, asarray_like(phi, Y))


def start_rows(X, size, how, rng):
    """Choose the rows of a coreset.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    size : int
        How many to choose, at most all.
    how : {"k-means++", "random"}
        Far from each other in units of their spread, or any.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    index : ndarray of int of shape (M,)
        In increasing order.
    """
    n = int(X.shape[0])
    size = min(n, size)
    if how == "random" or size == n:
        return np.sort(rng.choice(n, size, replace=False))
    budget = cuda.memory_budget(cuda.target_of(X))
    units = namespace(X).astype(spread(X), X.dtype, copy=False)
    rows = row_distances(X / units, None, budget)
    seeding = seed_by_rejection(rows, size, np.full(n, 1.0 / n), rng)
    return np.sort(seeding.indices)


def sample(X, Y):
    """Return evenly spaced rows and their targets in host memory, in float64.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    Y : array of shape (n, T)
        Targets.

    Returns
    -------
    rows : ndarray of shape (k, d)
        k is at most 10000.
    targets : ndarray of shape (k, T)
    """
    n = int(X.shape[0])
    some = np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)
    index = index_like(some, X)
    return tuple(to_numpy(take(x, index)).astype(np.float64) for x in (X, Y))


def spread(X):
    """Return the standard deviations of columns, 1 for those that do not vary.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.

    Returns
    -------
    spread : array of shape (d,)
        In the widest dtype.
    """
    xp = namespace(X)
    wide = xp.astype(X, accumulation_dtype(X), copy=False)
    found = xp.std(wide, axis=0)
    # The deviation of a constant is not 0 but what rounding its mean left.
    least = 10.0 * float(xp.finfo(X.dtype).eps) * xp.abs(xp.mean(wide, axis=0))
    return xp.where(found > least, found, xp.ones_like(found))
