"""Rows with bounded norms, whatever they hold.

Map of a row: x -> m(x) = (min(max(x, low), high) - shift) * scale, then
x~ = min(1, R / norm(m(x))) m(x), so that norm(x~) <= R. Symbols: low, high, shift,
scale (d,) public, or private and paid for; R the feature norm; keep (n,) 0 for a row
that counts as nothing.

A row that has NaN or infinity, or whose norm is too large to be formed, counts as
nothing: to raise an error would tell that there is one. The factors of the rows are
kept beside X, which is copied only where it has to be.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    index_like,
    is_sparse,
    namespace,
    take,
)

# Bytes of X in one block: it is read twice, the second time from the cache.
BLOCK_BYTES = 1 << 21


@dataclass(frozen=True, eq=False)
class RowMap:
    """A map of rows that does not depend on the row: clip, shift, scale.

    Parameters
    ----------
    low, high : ndarray of shape (d,) or None, default=None
        Bounds to which values are clipped.
    shift : ndarray of shape (d,) or None, default=None
        What is subtracted.
    scale : ndarray of shape (d,), float or None, default=None
        What multiplies.
    """

    low: Any = None
    high: Any = None
    shift: Any = None
    scale: Any = None

    @property
    def is_identity(self):
        """True where rows stay as they are."""
        return self.low is None and self.shift is None and self.scale is None

    def __call__(self, X):
        """Return the mapped rows, a copy unless this is the identity.

        Parameters
        ----------
        X : array of shape (b, d)
            Rows, not sparse unless this only scales.

        Returns
        -------
        mapped : array of shape (b, d)
            In the dtype of ``X``.
        """
        if self.is_identity:
            return X
        xp = namespace(X)
        if self.low is not None:
            X = xp.minimum(xp.maximum(X, asarray_like(self.low, X)), self._high(X))
        if self.shift is not None:
            X = X - asarray_like(self.shift, X)
        return X if self.scale is None else X * asarray_like(self.scale, X)

    def _high(self, X):
        return asarray_like(self.high, X)

    def then(self, other):
        """Return this map followed by a shift and a scale.

        Parameters
        ----------
        other : RowMap
            Without bounds.

        Returns
        -------
        both : RowMap
            m2(m1(x)).
        """
        one = 1.0 if self.scale is None else np.asarray(self.scale, dtype=float)
        move = 0.0 if other.shift is None else np.asarray(other.shift, dtype=float)
        shift = (0.0 if self.shift is None else self.shift) + move / one
        scale = one * (1.0 if other.scale is None else other.scale)
        return RowMap(self.low, self.high, shift, scale)

    def fold(self, coef, intercept):
        """Return coefficients for rows as they come, of those for mapped rows.

        Parameters
        ----------
        coef : ndarray of shape (d,) or (d, K)
            For mapped rows.
        intercept : float or ndarray of shape (K,)
            Likewise.

        Returns
        -------
        coef, intercept : ndarray, float or ndarray
            Of the same scores, where no value is clipped.
        """
        if self.scale is not None:
            scale = np.broadcast_to(np.asarray(self.scale, float), coef.shape[:1])
            coef = coef * (scale if coef.ndim == 1 else scale[:, None])
        if self.shift is not None:
            shift = np.broadcast_to(np.asarray(self.shift, float), coef.shape[:1])
            intercept = intercept - shift @ coef
        return coef, intercept


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Prepared rows.

    Parameters
    ----------
    X : array or CSR matrix of shape (b, d)
        Finite.
    y : array of shape (b,) or (b, K)
        Targets, finite.
    scale : array of shape (b,)
        Factors min(1, R / norm(x)).
    norm : array of shape (b,)
        Norms of x~, float64, with the column of the intercept.
    keep : array of shape (b,)
        1.0, or 0.0 for a row that counts as nothing.
    """

    X: Any
    y: Any
    scale: Any
    norm: Any
    keep: Any


def prepare(X, y, keep, row_map, feature_norm, bias):
    """Return rows with their norms bounded.

    Parameters
    ----------
    X : array or CSR matrix of shape (b, d)
        Any floating-point values.
    y : array of shape (b,) or (b, K)
        Targets of the same dtype, any values.
    keep : array of shape (b,) or None
        0.0 for rows that count as nothing anyway.
    row_map : RowMap
        What is done to the rows first.
    feature_norm : float
        Bound R.
    bias : float
        Value of the column that is appended for the intercept; 0.0 for none.

    Returns
    -------
    block : RowBlock
        Nothing in it can overflow.
    """
    X, y, keep = _finite_rows(X, y, keep)
    X = row_map(X)
    norm = row_norms(X)
    xp = namespace(norm)
    tiny = asarray_like(1e-300 if norm.dtype == xp.float64 else 1e-30, norm)
    factor = xp.minimum(feature_norm / xp.maximum(norm, tiny), xp.ones_like(norm))
    bounded = norm * factor
    if bias:
        bounded = xp.sqrt(bounded * bounded + bias * bias)
    scale = xp.astype(factor, X.dtype)
    # Rounded up: the norms decide how much a row is allowed to count.
    slack = 1.0 + (X.shape[1] + 8) * float(xp.finfo(X.dtype).eps)
    return RowBlock(X, y, scale, bounded * slack, xp.astype(keep, X.dtype))


def _finite_rows(X, y, keep):
    """Return X, y with rows that are not finite, or huge, as zeros, and which stay."""
    values = X.data if is_sparse(X) else X
    xp = namespace(values)
    largest = _row_maxima(X)
    ceiling = math.sqrt(float(xp.finfo(X.dtype).max)) * 1e-6
    good = largest < ceiling  # False for NaN
    size = xp.abs(y) if y.ndim == 1 else xp.max(xp.abs(y), axis=1)
    good = good & (size < ceiling)
    if keep is not None:
        good = good & (keep > 0)
    if bool(xp.all(good)):
        return X, y, xp.ones(good.shape, dtype=X.dtype, device=_device(values))
    column = good[:, None]
    y = xp.where(good if y.ndim == 1 else column, y, xp.zeros_like(y))
    if is_sparse(X):
        X = X.copy()
        rows = xp.repeat(good, X.indptr[1:] - X.indptr[:-1])
        X.data = xp.where(rows, X.data, xp.zeros_like(X.data))
    else:
        X = xp.where(column, X, xp.zeros_like(X))
    return X, y, xp.astype(good, X.dtype)


def _device(x):
    from skopt2._core.array import device_of

    return device_of(x)


def _row_maxima(X):
    """Return the largest absolute value of each row, NaN where there is one."""
    if is_sparse(X):
        size = abs(X)
        # A sum of absolute values is no less than their largest, and keeps NaN.
        with np.errstate(over="ignore", invalid="ignore"):
            return namespace(X.data).asarray(size.sum(axis=1)).reshape(-1)
    xp = namespace(X)
    return xp.maximum(xp.max(X, axis=1), -xp.min(X, axis=1))


def row_norms(X):
    """Return the Euclidean norms of rows, accumulated in float64.

    Parameters
    ----------
    X : array or CSR matrix of shape (b, d)
        Finite, of values whose squares are.

    Returns
    -------
    norms : array of shape (b,)
        float64 where the device has it.
    """
    if is_sparse(X):
        xp = namespace(X.data)
        squares = X.multiply(X).sum(axis=1)
        return xp.sqrt(xp.asarray(squares, dtype=xp.float64).reshape(-1))
    xp = namespace(X)
    wide = accumulation_dtype(X)
    if xp is np:
        return np.sqrt(np.einsum("ij,ij->i", X, X, dtype=np.float64))
    return xp.sqrt(xp.sum(xp.astype(X, wide) ** 2, axis=1))


class Rows:
    """Rows that a query reads as often as it likes, block by block.

    Parameters
    ----------
    parts : callable
        Returns a fresh iterator of ``(X, y, keep)``, all rows once.
    n_rows, n_features : int
        Shape of all of them.
    row_map : RowMap
        What is done to each row.
    feature_norm : float
        Bound of the norms.
    fit_intercept : bool
        Whether the norms count a constant column.
    intercept_scaling : float, default=1.0
        Value of that column.
    in_memory : bool, default=True
        Whether to prepare the rows once and keep them.
    """

    def __init__(
        self,
        parts,
        n_rows,
        n_features,
        *,
        row_map=None,
        feature_norm=1.0,
        fit_intercept=True,
        intercept_scaling=1.0,
        in_memory=True,
    ):
        self.n_rows, self.n_features = n_rows, n_features
        self.feature_norm, self.fit_intercept = feature_norm, fit_intercept
        self.intercept_scaling = intercept_scaling
        self.bias = float(intercept_scaling) if fit_intercept else 0.0
        self.row_map = RowMap() if row_map is None else row_map
        self._parts = parts
        self._kept = list(self._prepared()) if in_memory else None

    def _prepared(self):
        for X, y, keep in self._parts():
            yield prepare(X, y, keep, self.row_map, self.feature_norm, self.bias)

    def mapped(self, row_map):
        """Return the same rows under another map.

        Parameters
        ----------
        row_map : RowMap
            Of the rows as they come.

        Returns
        -------
        rows : Rows
            Prepared anew.
        """
        return Rows(
            self._parts,
            self.n_rows,
            self.n_features,
            row_map=row_map,
            feature_norm=self.feature_norm,
            fit_intercept=self.fit_intercept,
            intercept_scaling=self.intercept_scaling,
            in_memory=self._kept is not None,
        )

    def blocks(self, width=0):
        """Yield the prepared rows in blocks that fit in a cache.

        Parameters
        ----------
        width : int, default=0
            Numbers that the work on a row makes, if they are more than its features.

        Yields
        ------
        block : RowBlock
            Consecutive rows; all rows once.
        """
        for part in self._prepared() if self._kept is None else self._kept:
            n = part.X.shape[0]
            step = _block_rows(part.X, width)
            if step >= n:
                yield part
                continue
            for start in range(0, n, step):
                yield _slice(part, slice(start, start + step))

    def take(self, rows):
        """Return some of the rows, which must be in memory in one part.

        Parameters
        ----------
        rows : array of int of shape (b,)
            Their numbers.

        Returns
        -------
        block : RowBlock
            Those rows.
        """
        (part,) = self._kept
        if rows.shape[0] == 0:
            return _slice(part, slice(0, 0))
        index = index_like(rows, part.keep)
        return RowBlock(
            take(part.X, index),
            take(part.y, index),
            take(part.scale, index),
            take(part.norm, index),
            take(part.keep, index),
        )


def _slice(part, rows):
    return RowBlock(
        part.X[rows, :],
        part.y[rows, ...],
        part.scale[rows],
        part.norm[rows],
        part.keep[rows],
    )


def _block_rows(X, width):
    """Return how many rows of X make a block: all of them where it is no host array."""
    if type(X) is not np.ndarray:
        return X.shape[0]
    return max(64, BLOCK_BYTES // (max(1, X.shape[1], width) * X.itemsize))
