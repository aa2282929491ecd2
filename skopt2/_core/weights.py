"""Sample weights: checked, and with or without their unit."""

import numbers

import numpy as np
from sklearn.utils.validation import check_array

from skopt2._core import cuda
from skopt2._core.array import is_sparse, move, namespace, to_numpy


def check_weights(sample_weight, X):
    """Return weights that sum to 1 beside ``X``, or None where all are equal.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        Weights as the user gave them; never modified.
    X : array or sparse matrix of shape (n_samples, n_features)
        Checked data.

    Returns
    -------
    weight : array of shape (n_samples,) or None
        In the dtype of ``X``, in its namespace and on its device.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or the shape is wrong.
    """
    if sample_weight is None:
        return None
    n_samples = X.shape[0]
    if isinstance(sample_weight, numbers.Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    # Weights are one vector, so they may cross to the host, where the checks below need
    # no synchronisation each.
    kind = cuda.target_of(sample_weight).kind
    if kind != "numpy":
        sample_weight = to_numpy(sample_weight)
    try:
        weight = check_array(
            sample_weight,
            ensure_2d=False,
            allow_nd=True,
            ensure_min_samples=0,
            dtype=np.float64,
            input_name="sample_weight",
        )
    except (TypeError, ValueError) as error:
        if "sample_weight" in str(error):
            raise
        raise ValueError(f"sample_weight must hold numbers: {error}.") from error
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weight.shape}, expected ({n_samples},): one "
            "weight for each row of X."
        )
    if (weight < 0).any():
        raise ValueError(
            f"sample_weight must be nonnegative; its smallest value is {weight.min()}."
        )
    largest = weight.max()
    if largest == 0:
        raise ValueError("sample_weight must not be zero for every sample.")
    if weight.min() == largest:
        return None
    # Divided by the largest first: the sum of huge weights must not overflow.
    weight = weight / largest
    weight /= weight.sum()
    if is_sparse(X):
        X = X.data
    if X.dtype == namespace(X).float32:
        weight = weight.astype(np.float32)
    return move(weight, cuda.target_of(X))


def raw_weight(data, sample_weight):
    """Return weights whose unit counts: an array in host memory, or a float.

    Parameters
    ----------
    data : FitInput
        Whose weights were checked.
    sample_weight : array-like, float or None
        The user's.

    Returns
    -------
    weight : ndarray of shape (n,) or float
        A float where all are equal.
    """
    if sample_weight is None:
        return 1.0
    if cuda.target_of(sample_weight).kind != "numpy":
        sample_weight = to_numpy(sample_weight)
    raw = np.asarray(sample_weight, dtype=np.float64)
    return float(raw.flat[0]) if data.sample_weight is None else raw
