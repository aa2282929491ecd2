"""Samples that come in chunks: iterators, and Dask arrays."""

import numpy as np


def is_chunked(X):
    """Tell whether the first argument of a fit is a series of chunks.

    Parameters
    ----------
    X : object
        First argument of ``fit``.

    Returns
    -------
    chunked : bool
        True for a Dask array, and for an iterator or a generator.
    """
    return _is_dask(X) or (hasattr(X, "__next__") and not hasattr(X, "shape"))


def chunks_of(X, y, sample_weight):
    """Yield chunks as tuples of rows, targets, and weights or None.

    Parameters
    ----------
    X : Dask array of shape (n, d), or iterator
        An iterator yields tuples (X, y) or (X, y, sample_weight).
    y : Dask array or array of shape (n,) or (n, c), or None
        Targets of a Dask array; None with an iterator.
    sample_weight : Dask array or array of shape (n,), or None
        Weights likewise.

    Yields
    ------
    chunk : tuple
        ``(X, y, sample_weight)``, in host memory for Dask arrays.

    Raises
    ------
    ValueError
        If the arguments do not fit together.
    """
    if _is_dask(X):
        yield from _blocks(X, y, sample_weight)
        return
    if y is not None or sample_weight is not None:
        raise ValueError(
            "With an iterator for X, y and sample_weight come with each of its "
            "chunks: let it yield (X, y) or (X, y, sample_weight)."
        )
    for chunk in X:
        if not isinstance(chunk, tuple) or len(chunk) not in (2, 3):
            raise ValueError(
                "The iterator X must yield tuples (X, y) or (X, y, sample_weight); it "
                f"yielded {type(chunk).__name__}."
            )
        yield chunk if len(chunk) == 3 else (*chunk, None)


def _is_dask(X):
    return hasattr(X, "__dask_graph__") and hasattr(X, "chunks")


def _blocks(X, y, sample_weight):
    """Yield blocks of rows of Dask arrays."""
    n = sum(X.chunks[0])
    for name, other in (("y", y), ("sample_weight", sample_weight)):
        if other is not None and other.shape[0] != n:
            raise ValueError(f"{name} has {other.shape[0]} rows, X has {n}.")
    start = 0
    for size in X.chunks[0]:
        rows = slice(start, start + size)
        start += size
        yield tuple(
            None if part is None else np.asarray(part[rows])
            for part in (X, y, sample_weight)
        )
