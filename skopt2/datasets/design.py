"""Gaussian designs with correlated columns, drawn in O(n p) without a covariance.

Rows are independent N(0, Sigma) with unit variances, X of shape (n, p)::

    ar1    x_1 = e_1,  x_j = rho x_{j-1} + sqrt(1 - rho^2) e_j
           Sigma_ij = rho^|i-j|
    block  x_j = sqrt(rho) f_b(j) + sqrt(1 - rho) e_j
           Sigma_ij = rho for i != j in one block b, 0 between blocks

with e_j, f_b ~ N(0, I_n) independent.
"""

import math

import numpy as np

from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2._core.shared_parameters import check_random_state

CORRELATIONS = ("ar1", "block")


def as_generator(random_state):
    """Return a NumPy generator for a seed, a generator or a legacy RandomState."""
    check_random_state(random_state)
    if isinstance(random_state, np.random.RandomState):
        # One draw of the legacy stream seeds the new one, so that a shared RandomState
        # gives another data set at every call.
        random_state = int(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)


def group_labels(groups, n_features):
    """Return the group of every feature as integers 0, 1, ...

    Parameters
    ----------
    groups : None, int or array-like of shape (n_features,)
        None: every feature alone. An int: consecutive groups of that size, the last
        one smaller where it does not divide. An array: any labels.
    n_features : int
        Number of features.

    Returns
    -------
    labels : ndarray of shape (n_features,)
        Group numbers, contiguous from 0.

    Raises
    ------
    ValueError
        If the size is not a positive integer or the array has another length.
    """
    if groups is None:
        return np.arange(n_features)
    groups = np.asarray(groups)
    if groups.ndim == 0:
        return np.arange(n_features) // check_count("groups", groups.item(), 1)
    if groups.shape != (n_features,):
        raise ValueError(
            f"groups must be None, an int or have shape ({n_features},), got shape "
            f"{groups.shape}."
        )
    return np.unique(groups, return_inverse=True)[1]


def correlated_design(n_samples, n_features, *, correlation, rho, blocks, dtype, rng):
    """Draw a Gaussian design of one of the two families in the module's first lines.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of the design.
    correlation : {"ar1", "block"}
        Family.
    rho : float
        In (-1, 1) for "ar1", in [0, 1) for "block".
    blocks : ndarray of shape (n_features,)
        Block of every feature, used by "block".
    dtype : {float64, float32}
        Dtype of the design.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Fortran ordered, the layout that column-wise algorithms read fastest.

    Raises
    ------
    ValueError
        If the correlation is unknown or rho lies outside its range.
    """
    check_choice("correlation", correlation, CORRELATIONS)
    low = -1.0 if correlation == "ar1" else 0.0
    closed = "neither" if correlation == "ar1" else "low"
    check_number("rho", rho, low, 1, closed=closed, of=correlation)
    # Features are rows until the return: the recursion then runs over contiguous
    # memory and the transpose is the Fortran order that is promised.
    columns = rng.standard_normal((n_features, n_samples), dtype=dtype)
    if rho == 0.0:
        return columns.T
    if correlation == "ar1":
        columns[1:] *= math.sqrt(1.0 - rho**2)
        for j in range(1, n_features):
            columns[j] += rho * columns[j - 1]
    else:
        factors = rng.standard_normal((int(blocks.max()) + 1, n_samples), dtype=dtype)
        factors *= math.sqrt(rho)
        columns *= math.sqrt(1.0 - rho)
        for j in range(n_features):
            columns[j] += factors[blocks[j]]
    return columns.T


def informative_features(labels, n_informative, rng):
    """Draw which groups carry signal and return their features in increasing order."""
    n_groups = int(labels.max()) + 1
    n_informative = check_count("n_informative", n_informative, 0, n_groups)
    chosen = rng.choice(n_groups, n_informative, replace=False)
    return np.flatnonzero(np.isin(labels, chosen))


def signal_values(shape, rng):
    """Draw coefficients of random sign with magnitudes uniform in [1, 2].

    Bounded away from zero, so that "found" and "missed" are well defined whatever the
    draw.
    """
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(1.0, 2.0, shape)


def check_dtype(dtype):
    """Return float32 or float64 as a dtype, or raise a ValueError."""
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise ValueError(f"dtype must be float64 or float32, got {dtype}.")
    return dtype
