"""Sparse regression problems with a dense correlated design."""

import numpy as np

from skopt2._core.parameters import check_choice, check_count, check_positive
from skopt2.datasets.design import (
    as_generator,
    check_dtype,
    correlated_design,
    group_labels,
    informative_features,
    signal_values,
)
from skopt2.datasets.response import REGRESSION_FAMILIES, draw_response


def make_sparse_regression(
    n_samples=100,
    n_features=200,
    *,
    n_informative=10,
    correlation="ar1",
    rho=0.0,
    block_size=10,
    groups=None,
    family="gaussian",
    snr=3.0,
    dtype=np.float64,
    random_state=None,
):
    """Generate a regression problem of which only few features matter.

    The rows of X are Gaussian with unit variances, the informative coefficients have
    random signs and magnitudes uniform in [1, 2], and no intercept is added.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    n_features : int, default=200
        Number of columns.
    n_informative : int, default=10
        Number of nonzero coefficients, or of nonzero groups where ``groups`` is given.
    correlation : {"ar1", "block"}, default="ar1"
        "ar1": features i and j have correlation ``rho ** abs(i - j)``, drawn by the
        autoregression in O(n_samples * n_features). "block": correlation ``rho``
        inside a block and none between blocks.
    rho : float, default=0.0
        Correlation, in (-1, 1) for "ar1" and in [0, 1) for "block".
    block_size : int, default=10
        Features per correlated block, where ``groups`` does not define the blocks.
    groups : int or array-like of shape (n_features,), default=None
        Group size, or the label of every feature's group. Whole groups are
        informative or not.
    family : {"gaussian", "laplace", "heavy_tailed", "contaminated", "poisson"}, \
            default="gaussian"
        Noise. "heavy_tailed" is Student's t with 3 degrees of freedom;
        "contaminated" is Gaussian with every tenth value ten times larger, at random;
        "poisson" draws counts of mean ``exp(X @ coef)``.
    snr : float, default=3.0
        Variance of the mean of y over the mean of its variance; see Notes.
    dtype : {float64, float32}, default=float64
        Dtype of X, y and coef.
    random_state : int, Generator, RandomState or None, default=None
        Seed. Pass an int for the same data at every call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Design, Fortran ordered.
    y : ndarray of shape (n_samples,)
        Response.
    coef : ndarray of shape (n_features,)
        The coefficients that generated y.

    Raises
    ------
    ValueError
        If a size, ``rho``, ``snr``, ``family``, ``correlation``, ``groups`` or
        ``dtype`` is out of its range.

    Notes
    -----
    For additive noise the noise is scaled so that ``var(X @ coef) / var(noise)`` is
    ``snr`` ("contaminated": of the nine values in ten that are not enlarged). For
    counts the coefficients are scaled: a log-mean of variance s^2 gives
    ``snr = u**3 - u`` with ``u = exp(s**2 / 2)``.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> X, y, coef = make_sparse_regression(50, 300, n_informative=5, random_state=0)
    >>> X.shape, y.shape, int((coef != 0).sum())
    ((50, 300), (50,), 5)
    """
    n_samples = check_count("n_samples", n_samples, 1)
    n_features = check_count("n_features", n_features, 1)
    check_choice("family", family, REGRESSION_FAMILIES)
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
    coef = np.zeros(n_features)
    informative = informative_features(labels, n_informative, rng)
    coef[informative] = signal_values(informative.size, rng)
    y, coef = draw_response(family, X, coef, snr, rng)
    return X, y.astype(dtype, copy=False), coef.astype(dtype, copy=False)
