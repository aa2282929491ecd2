"""Squared distances between prepared rows, by one product for each block.

p_ij = |x_i - y_j|^2. With N = |x|^2, p = (x, N_x, 1) . (-2 y, 1, N_y), whose rounding
error is about eps (N_x + N_y): most of a small p. Hence:

- rows are shifted towards their mean by the caller, so that N is the spread of the data
  and not their place;
- float32 rows whose norms are large are multiplied in float64;
- a p that is small against its rounding error is computed again from the difference of
  the two rows. Where the host does not see each block and the kernel is differentiable
  in p, it is set to 0 instead, which is as near;
- one or two features need no product: their differences are as quick, and exact.

Symbols: A, B prepared rows; p (nA, nB).
"""

import math

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    flatnonzero,
    namespace,
    put,
    take,
)
from skopt2.kernels.base import Prepared

# Features up to which differences are quicker than a product.
_DIRECT = 2
# Error of p in the worst of all pairs up to which float32 products are good enough.
_TOLERABLE = 2.0**-12
# Error of r where differences are taken of float32 rows.
_TOLERABLE_ROW = 2.0**-17
# Rounding errors up to which a pair is close where the kernel has a root of p in it.
_CLOSE = 64.0
# Pairs whose differences are computed at a time.
_PAIRS = 2**14
# No kernel of float32 distinguishes this from infinity, and its root has a square.
_CAP = 1e36


def prepare(rows, dtype, origin=None):
    """Return rows ready for squared distances.

    Parameters
    ----------
    rows : array of shape (n, d)
        Shifted and scaled points.
    dtype : dtype
        Of the kernel matrix.
    origin : array of shape (d,) or None, default=None
        What was subtracted, to be compared with that of other rows.

    Returns
    -------
    prepared : Prepared or None
        None where the products would not be accurate in the dtype of the rows.

    Raises
    ------
    OverflowError
        If squared norms leave the range of the widest dtype.
    """
    xp, accurate = namespace(rows), accumulation_dtype(rows)
    # Squares that overflow are looked for below.
    with np.errstate(over="ignore"):
        norms = xp.sum(rows * rows, axis=1)
    largest = float(xp.max(norms)) if rows.shape[0] else 0.0
    direct = rows.shape[1] <= _DIRECT
    if rows.dtype != accurate:
        if direct:
            # No product rounds, but the scaled rows themselves are rounded.
            error = 2.0 * float(xp.finfo(rows.dtype).eps) * math.sqrt(largest)
            sufficient = error < _TOLERABLE_ROW
        else:
            sufficient = 2.0 * largest * _rounding(rows) < _TOLERABLE
        if not sufficient:
            return None
    if not math.isfinite(largest):
        raise OverflowError
    if direct:
        return Prepared(rows, dtype, norms, origin=origin)
    column, one = norms[:, None], xp.ones_like(norms)[:, None]
    left = xp.concat([rows, column, one], axis=1)
    right = xp.concat([-2.0 * rows, one, column], axis=1)
    return Prepared(rows, dtype, norms, left, right, origin)


def squares(A, B, smooth):
    """Return squared distances of prepared rows, on any namespace.

    Parameters
    ----------
    A, B : Prepared
        Rows about the same origin.
    smooth : bool
        Whether the kernel is differentiable in the squared distance at 0.

    Returns
    -------
    p : array of shape (nA, nB)
        Nonnegative, in the dtype of the kernel matrix.

    Raises
    ------
    ValueError
        If the origins differ.
    """
    _check_origins(A, B)
    A, B = _one_dtype(A, B)
    xp = namespace(A.rows)
    if A.left is None:
        p = 0.0
        for k in range(A.rows.shape[1]):
            p = p + (A.rows[:, k][:, None] - B.rows[:, k][None, :]) ** 2
    else:
        p = A.left @ xp.matrix_transpose(B.right)
        limit = _near(A.rows, smooth) * (A.norms[:, None] + B.norms[None, :])
        close = p <= limit
        p = xp.where(close, xp.zeros_like(p), p)
        if not smooth:
            p = _renewed(p, close, A, B)
    if p.dtype != A.dtype:
        p = xp.astype(xp.clip(p, 0.0, _CAP), A.dtype)
    return p


def squares_into(A, B, smooth, out, workspace, same=None):
    """Write squared distances of prepared NumPy rows into an array.

    Parameters
    ----------
    A, B : Prepared
        Rows about the same origin.
    smooth : bool
        Whether the kernel is differentiable in the squared distance at 0.
    out : ndarray of shape (nA, nB)
        Overwritten; nonnegative.
    workspace : Workspace
        Arrays of this thread.
    same : tuple of two ndarrays or None, default=None
        Rows and columns of the entries whose points are known to be one point.
    """
    A, B = _one_dtype(A, B)
    kind = A.rows.dtype
    p = out if kind == out.dtype else workspace.array("wide", out.shape, kind)
    if A.left is None:
        _differences(A.rows, B.rows, p, workspace)
    else:
        np.matmul(A.left, B.right.T, out=p)
        if same is not None:
            # Out of the way of the search, which would stop at each of them.
            p[same] = math.inf
        near = _near(A.rows, smooth)
        # The smallest entry proves most tiles free of close pairs in one quick pass.
        if not p.min(initial=math.inf) > near * (A.largest + B.largest):
            close = p <= near * (A.norms[:, None] + B.norms[None, :])
            _renew(p, np.nonzero(close), A, B)
        if same is not None:
            p[same] = 0.0
    if p is not out:
        if A.largest + B.largest > _CAP / 4.0:
            np.minimum(p, _CAP, out=p)
        np.copyto(out, p, casting="same_kind")


def _differences(x, y, p, workspace):
    """Write sums of one or two squared differences into an array."""
    # Columns with gaps between their entries would cost several times as much.
    y = np.ascontiguousarray(y.T)
    np.subtract(x[:, :1], y[0], out=p)
    p *= p
    if x.shape[1] == 2:
        work = workspace.array("profile", p.shape, p.dtype)
        np.subtract(x[:, 1:], y[1], out=work)
        work *= work
        p += work


def _rounding(rows):
    """Return the error of p over the sum of both norms, at six standard deviations."""
    eps = float(namespace(rows).finfo(rows.dtype).eps)
    return eps * (4.0 + math.sqrt(rows.shape[1]))


def _near(rows, smooth):
    """Return the ratio of p to the sum of the norms up to which a pair is close."""
    return (1.0 if smooth else _CLOSE) * _rounding(rows)


def _check_origins(A, B):
    """Raise ValueError if points were prepared about different origins."""
    if A.origin is B.origin:
        return
    if A.origin is not None and B.origin is not None:
        xp = namespace(A.origin, B.origin)
        if bool(xp.all(A.origin == B.origin)):
            return
    raise ValueError(
        "The points of a block were prepared about different origins: give "
        "kernel.features the same origin for both sides."
    )


def _one_dtype(A, B):
    """Return both sets of points in the wider dtype of the two."""
    if A.rows.dtype == B.rows.dtype:
        return A, B
    wide = accumulation_dtype(A.rows)
    return A.widened(wide), B.widened(wide)


def _renew(p, close, A, B):
    """Compute entries of a NumPy array again from the differences of their rows."""
    for start in range(0, close[0].size, _PAIRS):
        i, j = close[0][start : start + _PAIRS], close[1][start : start + _PAIRS]
        difference = A.rows[i] - B.rows[j]
        p[i, j] = np.einsum("ij,ij->i", difference, difference)


def _renewed(p, close, A, B):
    """Return an array whose close entries come from the differences of their rows."""
    xp = namespace(p)
    if xp is np:
        _renew(p, np.nonzero(close), A, B)
        return p
    if not bool(xp.any(close)):
        return p
    width = p.shape[1]
    flat = xp.reshape(p, (-1,))
    index = flatnonzero(xp.reshape(close, (-1,)))
    count = int(index.shape[0])
    for start in range(0, count, _PAIRS):
        some = index[start : min(start + _PAIRS, count)]
        difference = take(A.rows, some // width) - take(B.rows, some % width)
        flat = put(flat, some, xp.sum(difference * difference, axis=1))
    return xp.reshape(flat, p.shape)
