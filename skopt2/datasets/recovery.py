"""Signal recovery: few clusters of strong signals in an autoregressive design.

Rows x_i ~ N(0, Sigma), Sigma_jk = rho^|j-k|, then columns centered and scaled to unit
variance; w holds clusters of nonzeros between long runs of zeros::

    regression       y = X w + e
    classification   y ~ Bernoulli(1 / (1 + exp(-(X w + e))))
    e ~ N(0, sigma^2 I),  sigma^2 = w' Sigma w / snr

The layout, the coefficients' distributions and the grids in the Notes are those of the
simulation study of Yang, Asgharian, Bhatnagar, "Accelerated Gradient Methods for Sparse
Statistical Learning with Nonconvex Penalties", arXiv:2009.10629. Ours are the O(n p)
recursion in place of a factorised p x p covariance (the same distribution), the random
streams (so single data sets differ from theirs), the free sizes, and float32.
"""

import math

import numpy as np

from skopt2._core.parameters import check_choice, check_count, check_positive
from skopt2.datasets.design import as_generator, check_dtype, correlated_design

# Mean and standard deviation of the normal coefficients, one pair a cluster.
_CLUSTERS = {
    "regression": ((0.5, 1.0), (5.0, 2.0), (10.0, 3.0), (20.0, 4.0), (50.0, 5.0)),
    "classification": ((0.5, 1.0), (0.5, 1.0), (-0.5, 1.0), (-0.5, 1.0), (1.0, 1.0)),
}


def _clustered_coef(task, cluster_size, gap, rng):
    """Draw the coefficients: clusters of normals with ``gap`` zeros in between."""
    pieces = []
    for mean, deviation in _CLUSTERS[task]:
        pieces += [rng.normal(mean, deviation, cluster_size), np.zeros(gap)]
    return np.concatenate(pieces[:-1])


def _signal_variance(coef, rho):
    """Return w' Sigma w for Sigma_jk = rho^|j-k|, from the support alone."""
    support = np.flatnonzero(coef)
    distance = np.abs(support[:, None] - support[None, :])
    return float(coef[support] @ (float(rho) ** distance) @ coef[support])


def make_signal_recovery(
    n_samples=1000,
    *,
    task="regression",
    rho=0.5,
    snr=3.0,
    cluster_size=10,
    gap=500,
    dtype=np.float64,
    random_state=None,
):
    """Generate the signal-recovery simulations of the accelerated-gradient paper.

    Five clusters of normal coefficients lie between runs of zeros in a standardized
    AR(1) design; the defaults give the paper's 50 signals among 2050 features.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows, at least 2.
    task : {"regression", "classification"}, default="regression"
        Linear model or logistic model.
    rho : float, default=0.5
        Autocorrelation of neighboring features, in (-1, 1).
    snr : float, default=3.0
        Variance of the linear predictor in the population over that of the noise
        added to it.
    cluster_size : int, default=10
        Coefficients per cluster.
    gap : int, default=500
        Zeros between two clusters.
    dtype : {float64, float32}, default=float64
        Dtype of X and coef, and of a real y.
    random_state : int, Generator, RandomState or None, default=None
        Seed. Pass an int for the same data at every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 5 * cluster_size + 4 * gap)
        Columns of mean 0 and variance 1, Fortran ordered.
    y : ndarray of shape (n_samples,)
        Target, or labels 0 and 1 as int64.
    coef : ndarray of shape (5 * cluster_size + 4 * gap,)
        The coefficients that generated y; there is no intercept.

    Raises
    ------
    ValueError
        If a size, ``task``, ``rho``, ``snr`` or ``dtype`` is out of its range.

    Notes
    -----
    The paper draws ``rho`` from 0.1, 0.5, 0.9 and ``snr`` from 1, 3, 7, 10; of 2000
    rows half are fitted along a path of 50 penalties and the other half choose one of
    them. The cluster means and standard deviations are (0.5, 1), (5, 2), (10, 3),
    (20, 4), (50, 5) for regression and (0.5, 1), (0.5, 1), (-0.5, 1), (-0.5, 1),
    (1, 1) for classification.

    References
    ----------
    .. [1] K. Yang, M. Asgharian, S. Bhatnagar, "Accelerated Gradient Methods for
           Sparse Statistical Learning with Nonconvex Penalties", arXiv:2009.10629.

    Examples
    --------
    >>> from skopt2.datasets import make_signal_recovery
    >>> X, y, coef = make_signal_recovery(100, rho=0.9, snr=7, random_state=0)
    >>> X.shape, int((coef != 0).sum())
    ((100, 2050), 50)
    """
    n_samples = check_count("n_samples", n_samples, 2)
    check_choice("task", task, tuple(_CLUSTERS))
    snr = check_positive("snr", snr)
    cluster_size = check_count("cluster_size", cluster_size, 1)
    gap = check_count("gap", gap, 0)
    dtype = check_dtype(dtype)
    rng = as_generator(random_state)
    coef = _clustered_coef(task, cluster_size, gap, rng)
    X = correlated_design(
        n_samples,
        coef.size,
        correlation="ar1",
        rho=rho,
        blocks=None,
        dtype=dtype,
        rng=rng,
    )
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    noise = math.sqrt(_signal_variance(coef, rho) / snr)
    coef = coef.astype(dtype, copy=False)
    eta = X @ coef + noise * rng.standard_normal(n_samples)
    if task == "regression":
        return X, eta.astype(dtype, copy=False), coef
    y = eta + rng.logistic(size=n_samples) > 0.0
    return X, y.astype(np.int64), coef
