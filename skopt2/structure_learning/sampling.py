"""Rows drawn from a linear graph."""

import numbers

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.random import seed_sequence


def drawn_rows(model, n_samples, random_state):
    """Return rows of a fitted model.

    Parameters
    ----------
    model : LinearDAG
        Fitted.
    n_samples : int
        Rows.
    random_state : int, RandomState instance or None
        Draws them.

    Returns
    -------
    X : array of shape (n_samples, n_features)
        Beside the weights of the model.
    """
    check_is_fitted(model, "adjacency_")
    whole = isinstance(n_samples, numbers.Integral) and not isinstance(n_samples, bool)
    if not whole or n_samples < 1:
        raise ValueError(f"n_samples must be a positive integer; got {n_samples!r}.")
    W = np.asarray(to_numpy(model.adjacency_), dtype=np.float64)
    std = np.asarray(to_numpy(model.noise_std_), dtype=np.float64)
    rng = np.random.default_rng(seed_sequence(random_state))
    X = rng.standard_normal((n_samples, len(W))) * std
    # Parents come first, so that their values are final when they are used.
    for j in to_numpy(model.order_):
        X[:, j] += X @ W[:, j]
    X += np.asarray(to_numpy(model.mean_), dtype=np.float64)
    return asarray_like(X, model.adjacency_)
