"""Tables with missing entries: what is known of them, centred and scaled."""

import math

import numpy as np
import scipy.sparse as sp

from skopt2._core.array import is_sparse, namespace
from skopt2._core.checks import check_not_infinite
from skopt2.solvers.low_rank.entries import DenseEntries, SparseEntries
from skopt2.solvers.low_rank.reciprocal import reciprocal

# Dense host tables with a smaller share of known entries are kept as sparse ones.
SPARSE_SHARE, SPARSE_SIZE = 0.1, 200_000


def known_entries(X, missing_values):
    """Return what is known of a table.

    Parameters
    ----------
    X : array or CSR matrix of shape (n_samples, n_features)
        Without infinite values; stored entries of a sparse matrix are known.
    missing_values : float
        Marks entries that are not.

    Returns
    -------
    entries : DenseEntries or SparseEntries

    Raises
    ------
    ValueError
        If NaN is there and does not mark missing entries.
    """
    check_not_infinite(X, "X")
    values = X.data if is_sparse(X) else X
    xp = namespace(values)
    marked = xp.isnan(values)
    if not math.isnan(missing_values):
        if bool(xp.any(marked)):
            raise ValueError(
                "Input X contains NaN, but missing entries are marked by "
                f"missing_values={missing_values!r}. Set missing_values=np.nan."
            )
        marked = values == missing_values
    if is_sparse(X):
        return _stored(X, ~marked)
    mask = xp.astype(~marked, X.dtype)
    filled = xp.where(marked, xp.zeros_like(X), X)
    if xp is np and X.size > SPARSE_SIZE and mask.sum() < SPARSE_SHARE * X.size:
        return _stored(sp.csr_array(mask), None, filled[~marked])
    return DenseEntries(filled, mask)


def _stored(X, kept, values=None):
    """Return the entries of a CSR matrix, some of its stored ones left out."""
    X = sp.csr_array(X)
    values = X.data if values is None else values
    indptr, columns = X.indptr, X.indices
    if kept is not None and not kept.all():
        rows = np.repeat(np.arange(X.shape[0]), np.diff(indptr))[kept]
        counts = np.bincount(rows, minlength=X.shape[0])
        indptr = np.concatenate(([0], np.cumsum(counts)))
        columns, values = columns[kept], values[kept]
    X = sp.csr_array((values, columns, indptr), shape=X.shape)
    X.sort_indices()
    return SparseEntries(X)


def moments(entries, centre, scale):
    """Return the location and the scale of every column.

    Parameters
    ----------
    entries : DenseEntries or SparseEntries
        What is known.
    centre, scale : bool
        Whether they are to differ from zero and from one.

    Returns
    -------
    means : array of shape (p,)
        Means of the known entries; zero of columns without any.
    scales : array of shape (p,)
        Root mean square distances from the means; one where that is rounding.
    counts : array of shape (p,)
        Number of known entries.
    """
    xp, ones = entries.xp, entries.ones()
    counts = entries.column_sums(ones)
    means, scales = xp.zeros_like(counts), xp.ones_like(counts)
    if centre:
        means = entries.column_sums(entries.X) * reciprocal(counts)
    if scale and 0 not in entries.X.shape:
        # Divided by the largest first: squares of huge values must not overflow.
        left = entries.X - entries.shift(means)
        top = xp.max(xp.abs(left))
        if float(top) > 0.0:
            left = left / top
            found = xp.sqrt(entries.column_sums(left * left) * reciprocal(counts)) * top
            noise = 100.0 * float(xp.finfo(left.dtype).eps) * xp.abs(means)
            scales = xp.where(found > noise, found, scales)
    return means, scales, counts


def standardised(entries, means, scales):
    """Return the entries with columns that are centred and scaled."""
    X = (entries.X - entries.shift(means)) / (
        entries.shift(scales) + (1.0 - entries.ones())
    )
    if isinstance(entries, DenseEntries):
        return DenseEntries(X, entries.mask)
    return entries.replaced(X)


def dense_mask(entries):
    """Return where entries are known, and their values, as dense arrays."""
    if isinstance(entries, DenseEntries):
        return entries.mask > 0.0, entries.X
    known = np.zeros(entries.shape, dtype=bool)
    values = np.zeros(entries.shape, dtype=entries.X.dtype)
    known[entries.rows, entries.columns] = True
    values[entries.rows, entries.columns] = entries.X
    return known, values
