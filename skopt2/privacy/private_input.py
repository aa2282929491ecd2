"""Input of private fits: shapes and types can be wrong, values cannot.

An error about a value would tell that there is such a value. Whatever a row holds, the
fit goes on; a row that cannot count, for NaN, infinity or an unknown label, counts as
nothing. The number of rows, the number and names of features, and dtypes are public.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    all_finite,
    as_float,
    is_sparse,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.checks import check_lengths, check_matrix, check_real, column
from skopt2._core.chunks import chunks_of, is_chunked, is_dask


@dataclass(frozen=True, eq=False)
class PrivateInput:
    """Checked data of a private fit, whose values have not been looked at.

    Parameters
    ----------
    chunks : callable
        Returns a fresh iterator of ``(X, y)``, each checked, where the input lived.
    n_rows, n_features : int
        Shape of all rows.
    source, target : Target
        Where the input lived, and where to compute.
    streamed : bool
        Whether ``chunks`` reads data that need not fit in memory.
    is_sparse : bool
        Whether ``X`` is.
    dtype : dtype
        Of ``X``, or of its first chunk.
    """

    chunks: Any
    n_rows: int
    n_features: int
    source: Any
    target: Any
    streamed: bool
    is_sparse: bool
    dtype: Any
    # What callbacks may see of the data: nothing.
    X_source: Any = None
    y_source: Any = None
    sample_weight_source: Any = None
    metadata_source: Any = None

    def parts(self, encode, wide=False):
        """Return a callable that yields the rows for a query.

        Parameters
        ----------
        encode : callable or None
            ``encode(y)`` returns the targets in float64 on the host, or where y is,
            and None or an array of 0.0 for rows that count as nothing. None for
            targets of zero.
        wide : bool, default=False
            Whether to compute in float64 whatever the dtype of X.

        Returns
        -------
        parts : callable
            Returns a fresh iterator of ``(X, targets, keep)`` on the target.
        """

        def read():
            for X, y in self.chunks():
                targets, keep = (None, None) if encode is None else encode(y)
                X = move(X, self.target)
                if wide and X.dtype != accumulation_dtype(X):
                    X = _cast(X)
                xp, dtype = namespace(X), X.dtype
                if targets is None:
                    targets = np.zeros(X.shape[0])
                targets = xp.astype(move(targets, self.target), dtype)
                yield X, targets, move(keep, self.target)

        return read


def _cast(X):
    """Return X in the widest float of its device."""
    wide = accumulation_dtype(X)
    return X.astype(wide) if is_sparse(X) else namespace(X).astype(X, wide)


def check_private_input(estimator, X, y, *, accept_sparse=("csr",), y_kind="labels"):
    """Check types and shapes, and count the rows.

    Sets ``n_features_in_`` and ``feature_names_in_``.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``device``.
    X : array-like, CSR matrix or Dask array of shape (n, d), or iterator
        An iterator yields tuples ``(X, y)``; its chunks are kept.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), or None
        Targets; None with an iterator, or where ``y_kind`` is ``"none"``.
    accept_sparse : tuple of str or False, default=("csr",)
        Sparse formats that pass.
    y_kind : {"labels", "numbers", "none"}, default="labels"
        What ``y`` holds; numbers can be a matrix.

    Returns
    -------
    data : PrivateInput
        Counted, not read.

    Raises
    ------
    ValueError
        If a shape or a type is wrong.
    """
    if is_chunked(X):
        return _check_chunks(estimator, X, y, accept_sparse, y_kind)
    X, y, source, target = _check_part(estimator, X, y, accept_sparse, y_kind, True)

    def chunks():
        return iter([(X, y)])

    return PrivateInput(chunks, *X.shape, source, target, False, is_sparse(X), X.dtype)


def _check_chunks(estimator, X, y, accept_sparse, y_kind):
    """Check chunks: those of an iterator are kept, those of Dask are read again."""
    if is_dask(X):
        lazy = True

        def read():
            return chunks_of(X, y, None)
    else:
        lazy, kept = False, list(chunks_of(X, y, None))

        def read():
            return iter(kept)

    def chunks():
        first = True
        for part, targets, weight in read():
            _refuse_weight(weight)
            checked = _check_part(
                estimator, part, targets, accept_sparse, y_kind, first
            )
            first = False
            yield checked[:2]

    n_rows, places, sparse, dtype = 0, None, False, None
    for part, _ in chunks():
        if places is None:
            places = cuda.resolve(getattr(estimator, "device", None), part)
            sparse, dtype = is_sparse(part), part.dtype
        n_rows += part.shape[0]
    if places is None:
        raise ValueError("X yielded no chunk with rows.")
    return PrivateInput(
        chunks, n_rows, estimator.n_features_in_, *places, lazy, sparse, dtype
    )


def check_private_stream(estimator, X, *, accept_sparse=("csr",), y_kind="numbers"):
    """Check the first chunk of an iterator that is read once, and keep none.

    Sets ``n_features_in_`` and ``feature_names_in_``.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``device``.
    X : iterator
        Of tuples ``(X, y)``.
    accept_sparse : tuple of str or False, default=("csr",)
        Sparse formats that pass.
    y_kind : {"labels", "numbers"}, default="numbers"
        What ``y`` holds.

    Returns
    -------
    data : PrivateInput
        Its chunks can be read once; ``n_rows`` is 0, as it is not known before.
    shape : tuple of int
        Of the targets of a row: empty, or their number.

    Raises
    ------
    ValueError
        If a shape or a type is wrong.
    """

    def checked(chunk, reset):
        part, targets, weight = chunk
        _refuse_weight(weight)
        return _check_part(estimator, part, targets, accept_sparse, y_kind, reset)

    rest = chunks_of(X, None, None)
    first = next(rest, None)
    if first is None:
        raise ValueError("X yielded no chunk with rows.")
    part, targets, source, target = checked(first, True)

    def chunks():
        yield part, targets
        for chunk in rest:
            yield checked(chunk, False)[:2]

    places = source, target
    data = PrivateInput(
        chunks, 0, part.shape[1], *places, True, is_sparse(part), part.dtype
    )
    return data, tuple(targets.shape[1:])


def _refuse_weight(weight):
    if weight is not None:
        raise ValueError(
            "The iterator X yielded tuples (X, y, sample_weight), but private "
            "estimators take no weights: let it yield (X, y)."
        )


def _check_part(estimator, X, y, accept_sparse, y_kind, reset):
    """Return X in floating point, y as an array, and where they are."""
    source, target = cuda.resolve(getattr(estimator, "device", None), X)
    name = type(estimator).__name__
    if source.kind == "cuda":
        X = check_matrix(X, accept_sparse, name, finite=False)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        options = {
            "reset": reset,
            "accept_sparse": accept_sparse,
            "dtype": [np.float64, np.float32] if source.kind == "numpy" else "numeric",
            "ensure_all_finite": False,
        }
        try:
            X = validate_data(estimator, X, **options)
        except OverflowError:
            # An integer that no float holds: its row counts as nothing, too.
            validate_data(estimator, X, reset=reset, skip_check_array=True)
            X = _floats(X)
        X = X if is_sparse(X) else as_float(X)
    if y_kind == "none":
        return X, None, source, target
    if y is None:
        raise ValueError(
            f"This {name} estimator requires y to be passed, but the target y is None."
        )
    y = _targets(y, y_kind)
    check_lengths(X, y)
    return X, y, source, target


def _targets(y, y_kind):
    """Return y as an array of one dimension, or of two where it holds numbers."""
    if not hasattr(y, "dtype") or not hasattr(y, "ndim") or hasattr(y, "iloc"):
        y = np.asarray(y)
    check_real(y, "y")
    if y_kind == "labels":
        return column(to_numpy(y))
    if getattr(y.dtype, "kind", "f") in "OSTU":
        try:
            y = _floats(y)
        except (TypeError, ValueError) as error:
            raise ValueError(
                "y must be numeric: give numbers, labels are for classifiers."
            ) from error
    y = column(y) if y.ndim != 2 or y.shape[1] == 1 else y
    return as_float(y)


def _floats(x):
    """Return objects as float64, integers that are too large for it as infinity."""
    values = np.asarray(x, dtype=object)
    flat = [_float(value) for value in values.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(values.shape)


def _float(value):
    try:
        return float(value)
    except OverflowError:
        return np.inf


def rows_or_zeros(X):
    """Return rows to predict for, those that are not finite as rows of zeros.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
        Floating point.

    Returns
    -------
    X : array or sparse matrix of shape (n_samples, n_features)
        Finite, itself where it was. Such a row counted as nothing in the fit, too. Of a
        sparse matrix only the elements become zeros.
    """
    if all_finite(X):
        return X
    if is_sparse(X):
        X = X.copy()
        xp = namespace(X.data)
        finite = xp.isfinite(X.data)
        X.data = xp.where(finite, X.data, xp.zeros_like(X.data))
        return X
    xp = namespace(X)
    good = xp.all(xp.isfinite(X), axis=1, keepdims=True)
    return xp.where(good, X, xp.zeros_like(X))
