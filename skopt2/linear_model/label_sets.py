"""Label sets as distributions, and distributions as label sets.

Source: A. F. T. Martins and R. F. Astudillo, From softmax to sparsemax, ICML 2016,
section 4: the target of a sample is uniform over its labels, and the labels with a
posterior above a threshold are predicted. The threshold that they choose by validation
is here the one with the best F1 of all labels of the training sample together.
"""

import numpy as np
from sklearn.utils.multiclass import type_of_target

from skopt2._core.array import is_sparse, namespace, to_numpy


def indicators(y):
    """Return a 0/1 matrix of labels, None where y is no such matrix.

    Parameters
    ----------
    y : object
        What the user gave as target.

    Returns
    -------
    Y : array of shape (n, K) or None
        The object itself, in dense form.
    """
    if is_sparse(y):
        y = y.toarray()
    if isinstance(y, (list, tuple)):
        host = y
    elif getattr(y, "ndim", 0) == 2:
        host = to_numpy(y) if hasattr(y, "dtype") else np.asarray(y)
    else:
        return None
    # NaN, which the checks of the input name, is cast to integers there.
    with np.errstate(invalid="ignore"):
        kind = type_of_target(host, input_name="y")
    return y if kind == "multilabel-indicator" else None


def check_binary(Y):
    """Raise ValueError unless a matrix of labels holds only 0 and 1.

    Parameters
    ----------
    Y : array of shape (n, K)
        Of two values, finite.
    """
    xp = namespace(Y)
    if not bool(xp.all((Y == 0.0) | (Y == 1.0))):
        raise ValueError(
            "y with several columns must hold 0 and 1, one column for each label, got "
            f"values from {float(xp.min(Y))} to {float(xp.max(Y))}. Pass y > 0 where "
            "that says which labels a sample has."
        )


def uniform_targets(Y):
    """Return the uniform distribution over the labels of each sample, (n, K).

    A sample without labels is uniform over all: no label is above the others.

    Parameters
    ----------
    Y : array of shape (n, K)
        0 and 1, in floats.
    """
    xp = namespace(Y)
    Y = xp.where(xp.sum(Y, axis=1, keepdims=True) > 0, Y, xp.ones_like(Y))
    return Y / xp.sum(Y, axis=1, keepdims=True)


def best_threshold(posterior, Y, weight=None):
    """Return the threshold of the posterior with the largest micro-averaged F1.

    Parameters
    ----------
    posterior : ndarray of shape (n, K)
        Distributions over the labels.
    Y : ndarray of shape (n, K)
        Which labels a sample has: 0 or 1.
    weight : ndarray of shape (n,), default=None
        Weights of the samples; None for equal ones.

    Returns
    -------
    threshold : float
        Half-way between two values of the posterior, in [0, 1].
    """
    weight = np.ones(len(Y)) if weight is None else weight
    p = posterior.ravel().astype(np.float64)
    w = np.repeat(np.asarray(weight, dtype=np.float64), Y.shape[1])
    hit = w * Y.ravel()
    inside = (p > 0.0) & (w > 0.0)
    total, order = hit.sum(), np.flatnonzero(inside)
    if not total > 0.0 or not order.size:
        return 1.0
    order = order[np.argsort(-p[order], kind="stable")]
    p = p[order]
    last = np.append(p[1:] < p[:-1], True)
    found, named = np.cumsum(hit[order])[last], np.cumsum(w[order])[last]
    ends = np.append(p[last], 0.0)
    best = int(np.argmax(2.0 * found / (named + total)))
    return float(0.5 * (ends[best] + ends[best + 1]))
