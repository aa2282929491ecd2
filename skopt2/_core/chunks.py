"""Samples that come in chunks: iterators, Dask arrays and Dask data frames."""

import math
import sys
from functools import wraps
from numbers import Real

import numpy as np

from skopt2._core.array import is_sparse, namespace


def is_chunked(X):
    """Tell whether the first argument of a fit is a series of chunks.

    Parameters
    ----------
    X : object
        First argument of ``fit``.

    Returns
    -------
    chunked : bool
        True for a Dask array or data frame, and for an iterator or a generator.
    """
    return is_dask(X) or (hasattr(X, "__next__") and not hasattr(X, "shape"))


def is_dask(x):
    """Tell whether an object is a Dask array, data frame or series.

    Parameters
    ----------
    x : object
        Any.

    Returns
    -------
    lazy : bool
    """
    return hasattr(x, "__dask_graph__") and (_is_array(x) or _is_frame(x))


def chunks_of(X, y, sample_weight):
    """Yield chunks as tuples of rows, targets, and weights or None.

    Parameters
    ----------
    X : Dask array or data frame of shape (n, d), or iterator
        An iterator yields tuples (X, y) or (X, y, sample_weight).
    y : Dask or other array of shape (n,) or (n, c), or None
        Targets of Dask rows; None with an iterator.
    sample_weight : Dask or other array of shape (n,), float or None
        Weights likewise.

    Yields
    ------
    chunk : tuple
        ``(X, y, sample_weight)``, in memory, at least one row of positive weight. Dask
        collections are computed block by block, those of one block together.

    Raises
    ------
    ValueError
        If the arguments do not fit together.
    """
    found = _blocks(X, y, sample_weight) if is_dask(X) else _tuples(X, y, sample_weight)
    for chunk in found:
        if not _is_empty(*chunk):
            yield chunk


def gathered(X, y):
    """Return the rows of chunks in one piece.

    Parameters
    ----------
    X : array-like, Dask array or data frame of shape (n, d), or iterator
        As :func:`chunks_of` takes it; anything else is returned as it is.
    y : array-like, Dask array or series of shape (n,) or (n, c), or None
        Targets; None with an iterator.

    Returns
    -------
    X : array-like of shape (n, d)
        A data frame where the chunks were.
    y : array-like of shape (n,) or (n, c)
        In memory.

    Raises
    ------
    ValueError
        If the chunks do not fit together, have weights, or there are none.
    """
    if not is_chunked(X):
        return X, y
    rows, targets = [], []
    for chunk, some, weight in chunks_of(X, y, None):
        if weight is not None:
            raise ValueError(
                "The iterator X yielded tuples (X, y, sample_weight), but this "
                "estimator takes no weights: let it yield (X, y)."
            )
        rows.append(chunk)
        targets.append(some)
    if not rows:
        raise ValueError("X yielded no chunk with rows.")
    return _joined(rows, "X"), None if targets[0] is None else _joined(targets, "y")


def answer_blocks(answer, X):
    """Return what a function says of the rows of a Dask collection.

    Parameters
    ----------
    answer : callable
        Takes rows in memory, returns an array with as many rows, or a tuple of them.
    X : Dask array or data frame of shape (n, d)
        One block of rows at a time is computed, and forgotten before the next.

    Returns
    -------
    answers : array of shape (n, ...), or tuple of arrays
        In memory.
    """
    parts = [answer(block) for block, _, _ in chunks_of(X, None, None)]
    if not parts:
        # No rows at all: the function says what is wrong with that.
        return answer(_computed((X,))[0])
    if isinstance(parts[0], tuple):
        return tuple(namespace(*part).concat(part) for part in zip(*parts, strict=True))
    return namespace(*parts).concat(parts)


def by_blocks(method):
    """Let a method that answers for rows take those of Dask block by block.

    Parameters
    ----------
    method : callable
        ``method(self, X, *args)`` as in :func:`answer_blocks`.

    Returns
    -------
    method : callable
        The same for rows in memory.
    """

    @wraps(method)
    def wrapped(self, X, *args):
        if not is_dask(X):
            return method(self, X, *args)
        return answer_blocks(lambda block: method(self, block, *args), X)

    return wrapped


def _joined(parts, name):
    """Return rows of chunks below each other."""
    if any(is_sparse(part) for part in parts):
        raise TypeError(
            f"Sparse data was passed for {name}, but dense data is required: call "
            "toarray() on each chunk."
        )
    if all(hasattr(part, "iloc") for part in parts):
        names = list(getattr(parts[0], "columns", ()))
        if any(list(getattr(part, "columns", ())) != names for part in parts):
            raise ValueError(
                f"The chunks of {name} must have the same column names in the same "
                f"order: those of the first are {names}."
            )
        # The library of the frames, which need not be pandas.
        library = sys.modules[type(parts[0]).__module__.partition(".")[0]]
        return library.concat(parts, ignore_index=True)
    parts = [part if _has_namespace(part) else np.asarray(part) for part in parts]
    shapes = {tuple(part.shape[1:]) for part in parts}
    if len(shapes) > 1:
        raise ValueError(
            f"All chunks of {name} must have the same columns; their shapes are "
            f"{[tuple(part.shape) for part in parts]}."
        )
    return namespace(*parts).concat(parts, axis=0)


def _has_namespace(x):
    try:
        return namespace(x) is not None
    except TypeError:
        return False


def labels_among(y, sample_weight=None):
    """Return the labels that have weight, reading one block at a time.

    Parameters
    ----------
    y : Dask or other array of shape (n,) or None
        Labels.
    sample_weight : Dask or other array of shape (n,), float or None, default=None
        Weights.

    Returns
    -------
    labels : ndarray or None
        Sorted; None without ``y``.
    """
    if y is None:
        return None
    if is_dask(y):
        blocks = chunks_of(y, None, sample_weight)
    else:
        blocks = [(y, None, sample_weight)]
    found = []
    for labels, _, weight in blocks:
        labels = np.asarray(labels)
        if weight is not None and not isinstance(weight, Real):
            labels = labels[np.asarray(weight) > 0]
        found.append(np.unique(labels))
    return np.unique(np.concatenate(found)) if found else None


def _tuples(X, y, sample_weight):
    """Yield what an iterator yields, checked."""
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


def _is_empty(X, y, weight):
    """Tell whether no row of a chunk counts."""
    if hasattr(X, "shape") and len(X.shape) == 2 and X.shape[0] == 0:
        return True
    return isinstance(weight, np.ndarray) and weight.size > 0 and not weight.any()


def _is_array(x):
    return hasattr(x, "chunks") and hasattr(x, "blocks")


def _is_frame(x):
    return hasattr(x, "npartitions") and hasattr(x, "partitions")


def _count(x):
    """Return the number of blocks of rows of a Dask collection."""
    return len(x.chunks[0]) if _is_array(x) else x.npartitions


def _parts(x):
    """Yield the blocks of rows of a Dask collection, lazy."""
    blocks = x.blocks if _is_array(x) else x.partitions
    yield from (blocks[i] for i in range(_count(x)))


def _blocks(X, y, sample_weight):
    """Yield blocks of rows of Dask collections."""
    others = {"y": y, "sample_weight": sample_weight}
    n = _length(X)
    if n is None:
        pieces = _by_number(X, others)
    else:
        pieces = _by_range(X, others, n)
    for number, block in enumerate(pieces):
        block = _computed(block)
        sizes = {part.shape[0] for part in block if hasattr(part, "shape")}
        if len(sizes) > 1:
            raise ValueError(
                f"Block {number} has {block[0].shape[0]} rows in X, but another number "
                "in y or sample_weight: cut them at the same rows."
            )
        yield block


def _computed(block):
    """Return parts of a block in memory; together, so that what they share is once."""
    import dask

    if len({_is_array(part) for part in block if is_dask(part)}) > 1:
        # Graphs of arrays and of frames are of two kinds, which do not go together.
        return tuple(dask.compute(part)[0] for part in block)
    return dask.compute(*block)


def _length(X):
    """Return the rows of a Dask array, or None where it does not know them."""
    if not _is_array(X):
        return None
    n = sum(X.chunks[0])
    return None if math.isnan(n) else int(n)


def _by_range(X, others, n):
    """Yield blocks between the same rows; the others may be cut elsewhere."""
    for name, other in others.items():
        if other is None or isinstance(other, Real):
            continue
        length = _length(other) if is_dask(other) else len(other)
        if length is None:
            raise ValueError(
                f"{name} does not know its length, X does: call "
                f"{name}.compute_chunk_sizes() if it is an array, or "
                f"{name}.to_dask_array(lengths=True)."
            )
        if length != n:
            raise ValueError(f"{name} has {length} rows, X has {n}.")
    start = 0
    for size in X.chunks[0]:
        rows = slice(start, start + size)
        start += size
        yield (X[rows], *(_rows(other, rows) for other in others.values()))


def _by_number(X, others):
    """Yield blocks of the same number, whose lengths Dask does not know."""
    count = _count(X)
    for name, other in others.items():
        if other is None or isinstance(other, Real):
            continue
        if not is_dask(other):
            raise ValueError(
                f"X does not know the lengths of its blocks, so {name} must be a Dask "
                "collection with the same blocks; or use X.to_dask_array(lengths=True)."
            )
        if _count(other) != count:
            raise ValueError(
                f"{name} has {_count(other)} blocks, X has {count}: cut them at the "
                "same rows."
            )
    columns = [
        _parts(part) if is_dask(part) else [part] * count
        for part in (X, *others.values())
    ]
    yield from zip(*columns, strict=True)


def _rows(x, rows):
    """Return a range of rows of anything that has them."""
    if x is None or isinstance(x, Real):
        return x
    return x.iloc[rows] if hasattr(x, "iloc") else x[rows]
