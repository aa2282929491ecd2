"""Sparse classification problems with a dense correlated design."""

import numpy as np

from skopt2._core.parameters import check_count, check_positive
from skopt2.datasets.design import (
    as_generator,
    check_dtype,
    correlated_design,
    group_labels,
    informative_features,
    signal_values,
)
from skopt2.datasets.response import draw_response


def make_sparse_classification(
    n_samples=100,
    n_features=200,
    *,
    n_classes=2,
    n_informative=10,
    correlation="ar1",
    rho=0.0,
    block_size=10,
    groups=None,
    snr=3.0,
    dtype=np.float64,
    random_state=None,
):
    """Generate a classification problem of which only few features matter.

    Labels follow the logistic model (two classes) or the multinomial model whose
    classes share the same informative features; no intercept is added.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    n_features : int, default=200
        Number of columns.
    n_classes : int, default=2
        Number of classes, at least 2.
    n_informative : int, default=10
        Number of informative features, or of groups where ``groups`` is given.
    correlation : {"ar1", "block"}, default="ar1"
        As in :func:`make_sparse_regression`.
    rho : float, default=0.0
        Correlation, in (-1, 1) for "ar1" and in [0, 1) for "block".
    block_size : int, default=10
        Features per correlated block, where ``groups`` does not define the blocks.
    groups : int or array-like of shape (n_features,), default=None
        Group size, or the label of every feature's group.
    snr : float, default=3.0
        Variance of the linear predictor over that of the latent noise: the logistic
        (pi^2 / 3) or Gumbel (pi^2 / 6, for each class) variable whose threshold or
        maximum is the label. The larger, the better the classes separate.
    dtype : {float64, float32}, default=float64
        Dtype of X and coef.
    random_state : int, Generator, RandomState or None, default=None
        Seed. Pass an int for the same data at every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Design, Fortran ordered.
    y : ndarray of shape (n_samples,)
        Labels 0, ..., n_classes - 1, int64.
    coef : ndarray of shape (n_features,) or (n_classes, n_features)
        The coefficients that generated y: one vector for two classes, else one row
        a class with rows that sum to zero over the classes.

    Raises
    ------
    ValueError
        If a size, ``rho``, ``snr``, ``correlation``, ``groups`` or ``dtype`` is out of
        its range.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_classification
    >>> X, y, coef = make_sparse_classification(
    ...     80, 300, n_classes=3, n_informative=5, random_state=0
    ... )
    >>> X.shape, sorted(set(y.tolist())), coef.shape
    ((80, 300), [0, 1, 2], (3, 300))
    """
    n_samples = check_count("n_samples", n_samples, 1)
    n_features = check_count("n_features", n_features, 1)
    n_classes = check_count("n_classes", n_classes, 2)
    snr = check_positive("snr", snr)
    dtype = check_dtype(dtype)
    rng = as_generator(random_state)
    labels = group_labels(groups, n_features)
    blocks = labels if groups is not None else group_labels(block_size, n_features)
    X = correlated_design(
        n_samples,
        n_features,
        correlation=correlation,
        rho=rho,
        blocks=blocks,
        dtype=dtype,
        rng=rng,
    )
    informative = informative_features(labels, n_informative, rng)
    if n_classes == 2:
        coef = np.zeros(n_features)
        coef[informative] = signal_values(informative.size, rng)
        y, coef = draw_response("logistic", X, coef, snr, rng)
        return X, y, coef.astype(dtype, copy=False)
    coef = np.zeros((n_features, n_classes))
    coef[informative] = signal_values((informative.size, n_classes), rng)
    # The multinomial model only sees differences between classes: the representative
    # of zero sum is the one that penalised fits return.
    coef -= coef.mean(axis=1, keepdims=True)
    y, coef = draw_response("multinomial", X, coef, snr, rng)
    return X, y, np.ascontiguousarray(coef.T, dtype=dtype)
