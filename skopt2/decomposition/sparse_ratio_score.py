"""How much of other rows the components explain."""

import numpy as np

from skopt2._core.array import asarray_like, is_sparse, namespace, to_numpy


def explained_share(X, codes, V, mean, weight):
    """Return the share of the squared distances from the mean that V explains.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, p)
        Rows.
    codes : array of shape (n, k)
        Their coordinates in the basis of the components.
    V, mean : array of shape (k, p), array of shape (p,)
        Components and fitted mean.
    weight : array of shape (n,) or None
        Weights of the rows.

    Returns
    -------
    share : float
        NaN if every row is the mean.
    """
    codes, V, mean = (np.asarray(to_numpy(v), dtype=float) for v in (codes, V, mean))
    explained = np.einsum("ik,kl,il->i", codes, V @ V.T, codes)
    if is_sparse(X):
        squares = np.asarray(to_numpy(X.multiply(X).sum(axis=1))).ravel()
        cross = np.asarray(to_numpy(X @ asarray_like(mean, X.data)))
        total = squares - 2.0 * cross + mean @ mean
    else:
        away = X - asarray_like(mean, X)
        total = np.asarray(to_numpy(namespace(X).sum(away * away, axis=1)))
    s = 1.0 if weight is None else np.asarray(to_numpy(weight), dtype=float)
    whole = float(np.sum(s * total))
    return float(np.sum(s * explained)) / whole if whole > 0.0 else float("nan")
