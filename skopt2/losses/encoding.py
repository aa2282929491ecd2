"""Targets of classifiers as the losses want them."""

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2.losses.multinomial import Multinomial


def several_classes(loss):
    """Return the loss of the same model for more than two classes."""
    if loss.name == "logistic":
        return Multinomial()
    raise ValueError(
        "Only binary classification is supported. The type of the target is "
        f"multiclass, and loss={loss.name!r} separates two classes. Use "
        "loss='logistic', which becomes multinomial, or wrap the classifier in "
        "sklearn.multiclass.OneVsRestClassifier."
    )


def encode_target(loss, y, n_classes, X):
    """Return the target as the loss wants it, in the dtype of X."""
    if n_classes is None:
        return y
    values = X if not hasattr(X, "nnz") else X.data
    xp = namespace(values)
    if loss.task == "binary":
        return xp.astype(2 * y - 1, values.dtype)
    codes = asarray_like(np.arange(n_classes), values, dtype=y.dtype)
    return xp.astype(y[:, None] == codes[None, :], values.dtype)
