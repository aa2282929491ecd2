"""Problems whose design is a sparse array, drawn without a dense intermediate."""

import numpy as np
from scipy import sparse

from skopt2._core.parameters import check_choice, check_count, check_positive
from skopt2.datasets.design import as_generator, check_dtype, signal_values
from skopt2.datasets.response import REGRESSION_FAMILIES, draw_response

_VALUES = ("normal", "uniform", "ones")


def _distinct(total, count, rng):
    """Draw ``count`` distinct integers below ``total``, sorted, in O(count) memory."""
    if 2 * count > total:
        # Few are missing: draw those. The mask costs one byte for at most two entries.
        mask = np.ones(total, dtype=bool)
        mask[_distinct(total, total - count, rng)] = False
        return np.flatnonzero(mask)
    drawn = np.empty(0, dtype=np.int64)
    while drawn.size < count:
        more = rng.integers(total, size=count - drawn.size + (drawn.size > 0) * 64)
        drawn = np.concatenate((drawn, more))
        # Sorting beats the hash table of np.unique on millions of random integers.
        drawn.sort()
        drawn = drawn[np.concatenate(([True], drawn[1:] != drawn[:-1]))]
    if drawn.size > count:
        # The surplus of the last round is dropped at random: dropping the largest
        # would leave the end of the array emptier than the rest.
        drawn = np.delete(drawn, rng.choice(drawn.size, drawn.size - count, False))
    return drawn


def _entries(values, count, dtype, rng):
    if values == "ones":
        return np.ones(count, dtype=dtype)
    if values == "uniform":
        # (0, 1]: an explicit zero would be a stored entry that is not one.
        return 1 - rng.random(count, dtype=dtype)
    return rng.standard_normal(count, dtype=dtype)


def make_sparse_design(
    n_samples=1000,
    n_features=5000,
    density=0.01,
    *,
    n_informative=10,
    family="gaussian",
    snr=3.0,
    values="normal",
    format="csc",
    dtype=np.float64,
    random_state=None,
):
    """Generate a problem with a sparse design, its target or labels, and the truth.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of rows.
    n_features : int, default=5000
        Number of columns.
    density : float, default=0.01
        Share of stored entries, in (0, 1]; their number is exact and their places are
        uniform.
    n_informative : int, default=10
        Number of nonzero coefficients, placed on columns that are not empty.
    family : {"gaussian", "laplace", "heavy_tailed", "contaminated", "poisson", \
            "logistic"}, default="gaussian"
        As in :func:`make_sparse_regression`; "logistic" gives labels 0 and 1.
    snr : float, default=3.0
        Signal-to-noise ratio, defined as in :func:`make_sparse_regression` and
        :func:`make_sparse_classification`.
    values : {"normal", "uniform", "ones"}, default="normal"
        Stored entries: standard normal, uniform in (0, 1], or ones as in one-hot and
        presence data.
    format : {"csc", "csr"}, default="csc"
        Sparse format.
    dtype : {float64, float32}, default=float64
        Dtype of X and coef, and of y where it is a real target.
    random_state : int, Generator, RandomState or None, default=None
        Seed. Pass an int for the same data at every call.

    Returns
    -------
    X : csc_array or csr_array of shape (n_samples, n_features)
        Design with sorted indices, int32 where they fit.
    y : ndarray of shape (n_samples,)
        Target; for "logistic" labels 0 and 1, int64.
    coef : ndarray of shape (n_features,)
        The coefficients that generated y.

    Raises
    ------
    ValueError
        If a size, ``density``, ``snr``, ``family``, ``values``, ``format`` or
        ``dtype`` is out of its range, or ``n_informative`` exceeds the number of
        columns that are not empty.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_design
    >>> X, y, coef = make_sparse_design(200, 3000, 0.01, random_state=0)
    >>> X.format, X.shape, X.nnz
    ('csc', (200, 3000), 6000)
    """
    n_samples = check_count("n_samples", n_samples, 1)
    n_features = check_count("n_features", n_features, 1)
    if not 0.0 < density <= 1.0:
        raise ValueError(f"density must lie in (0, 1], got {density!r}.")
    check_choice("family", family, (*REGRESSION_FAMILIES, "logistic"))
    check_choice("values", values, _VALUES)
    check_choice("format", format, ("csc", "csr"))
    snr = check_positive("snr", snr)
    dtype = check_dtype(dtype)
    rng = as_generator(random_state)

    total = n_samples * n_features
    # Positions count along the columns, so that the CSC arrays can be read off them.
    places = _distinct(total, max(1, round(density * total)), rng)
    columns, rows = np.divmod(places, n_samples)
    counts = np.bincount(columns, minlength=n_features)
    index = np.int32 if max(places.size, n_samples) < 2**31 else np.int64
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(index)
    entries = _entries(values, places.size, dtype, rng)
    X = sparse.csc_array(
        (entries, rows.astype(index), indptr), shape=(n_samples, n_features)
    )

    filled = np.flatnonzero(counts)
    n_informative = check_count("n_informative", n_informative, 0, filled.size)
    coef = np.zeros(n_features)
    chosen = rng.choice(filled, n_informative, replace=False)
    coef[chosen] = signal_values(n_informative, rng)
    y, coef = draw_response(family, X, coef, snr, rng)
    if family != "logistic":
        y = y.astype(dtype, copy=False)
    return X.asformat(format), y, coef.astype(dtype, copy=False)
