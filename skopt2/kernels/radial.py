"""Kernels of the distance between two points.

k(x, y) = f(s r^2), r^2 = sum_k ((x_k - y_k) / l_k)^2, s the constant of the kernel that
spares its profile f a product.

One product gives a tile: with rows x scaled by sqrt(s) / l and N = |x|^2,
p = s r^2 = (x, N_x, 1) . (-2 y, 1, N_y). Its rounding error is about eps (N_x + N_y),
which would be most of a small p. Hence:

- rows are shifted to their mean, so that N is the spread of the data and not its place;
- float32 rows whose norms are large are multiplied in float64;
- a p that is small against its rounding error is computed again from the difference of
  the two rows. Where the host does not see each block and the profile is
  differentiable in p, it is set to 0 instead, which is as near.

Symbols: l length scale, a number or (d,); A, B prepared rows; p (nA, nB).
"""

import math
from numbers import Real

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    flatnonzero,
    namespace,
    put,
    take,
    to_numpy,
)
from skopt2.kernels.base import Kernel, Prepared

# Rows among which the median distance is taken.
MEDIAN_ROWS = 1000
# Error of p in the worst of all pairs up to which float32 products are good enough.
_TOLERABLE = 2.0**-12
# Rounding errors up to which a pair is close for a profile with a root of p in it.
_CLOSE = 64.0
# Pairs whose differences are computed at a time.
_PAIRS = 2**14


class Radial(Kernel):
    """Base of the kernels of the scaled distance between two points.

    Parameters
    ----------
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.
    """

    is_stationary = True
    # The constant s, and whether the profile is differentiable in p at 0.
    scale = 1.0
    smooth = True

    def __init__(self, length_scale="median"):
        self.length_scale = length_scale

    def check_parameters(self):
        """Raise ValueError unless the length scale is positive, or "median"."""
        value = self.length_scale
        if isinstance(value, str):
            if value == "median":
                return
        elif isinstance(value, Real):
            if 0 < value < math.inf:
                return
        else:
            scales = self._scales()
            if (
                scales.ndim == 1
                and scales.size
                and bool(np.all((scales > 0) & np.isfinite(scales)))
            ):
                return
        raise ValueError(
            f"length_scale of the {self.name} kernel must be a positive number, one "
            f'for each feature, or "median"; got length_scale={value!r}.'
        )

    def _scales(self):
        """Return a length scale for each feature as a NumPy array, of any shape."""
        try:
            return np.asarray(to_numpy(self.length_scale), dtype=np.float64)
        except (TypeError, ValueError):
            return np.empty((0, 0))

    def resolve(self, X, rng=None):
        """Copy of the kernel whose length scale is a number, or one for each feature.

        Parameters
        ----------
        X : array of shape (n, d)
            Points.
        rng : numpy.random.Generator or None, default=None
            Draws the sample for the median; None takes evenly spaced points.

        Returns
        -------
        kernel : Kernel
            A clone. The median is that of the positive distances where more than half
            of all are 0, and 1.0 where no two points differ.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        kernel = super().resolve(X, rng)
        if isinstance(kernel.length_scale, str):
            kernel.length_scale = median_distance(X, rng)
        return kernel

    def origin(self, X):
        """Mean of the points; see :meth:`Kernel.origin`."""
        xp = namespace(X)
        if not X.shape[0]:
            return None
        mean = xp.mean(xp.astype(X, accumulation_dtype(X)), axis=0)
        return xp.astype(mean, X.dtype)

    def features(self, X, origin=None, wide=False):
        """Shift and scale points, and take their norms; see :meth:`Kernel.features`."""
        if isinstance(self.length_scale, str):
            raise ValueError(
                f'length_scale="{self.length_scale}" of the {self.name} kernel has no '
                "value yet: prepare points with kernel.resolve(X)."
            )
        xp, accurate = namespace(X), accumulation_dtype(X)
        points = xp.astype(X, accurate) if wide and X.dtype != accurate else X
        # Squares that overflow are looked for below.
        with np.errstate(over="ignore", invalid="ignore"):
            rows = points if origin is None else points - origin
            rows = rows * self._factor(points)
            norms = xp.sum(rows * rows, axis=1)
        largest = float(xp.max(norms)) if X.shape[0] else 0.0
        error = 2.0 * largest * _rounding(rows)
        if not error <= _TOLERABLE and rows.dtype != accurate:
            return self.features(X, origin, wide=True)
        if not math.isfinite(largest):
            raise ValueError(
                f"Points divided by length_scale={self.length_scale!r} are too large "
                f"for {points.dtype}: rescale them, or use a larger length_scale."
            )
        column, one = norms[:, None], xp.ones_like(norms)[:, None]
        left = xp.concat([rows, column, one], axis=1)
        right = xp.concat([-2.0 * rows, one, column], axis=1)
        return Prepared(rows, X.dtype, norms, left, right, origin)

    def _factor(self, X):
        """Return sqrt(s) / l beside X, a number or (d,)."""
        root = math.sqrt(self.scale)
        if isinstance(self.length_scale, Real):
            return root / float(self.length_scale)
        scales = self._scales()
        if scales.shape != (X.shape[1],):
            raise ValueError(
                f"length_scale of the {self.name} kernel has {scales.size} values, X "
                f"has {X.shape[1]} features: give one value for each, or one number."
            )
        return asarray_like(root / scales, X)

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        _check_origins(A, B)
        A, B = _one_dtype(A, B)
        xp = namespace(A.rows)
        p = A.left @ xp.matrix_transpose(B.right)
        limit = self._near(A.rows) * (A.norms[:, None] + B.norms[None, :])
        close = p <= limit
        p = xp.where(close, xp.zeros_like(p), p)
        if not self.smooth:
            p = _renewed(p, close, A, B)
        if p.dtype != A.dtype:
            p = xp.astype(_capped(p, A, B), A.dtype)
        return self.profile(p)

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        A, B = _one_dtype(A, B)
        kind = A.rows.dtype
        p = out if kind == out.dtype else workspace.array("wide", out.shape, kind)
        np.matmul(A.left, B.right.T, out=p)
        near = self._near(A.rows)
        if same is not None:
            # Out of the way of the search below, which would stop at each of them.
            p[same] = math.inf
        # The smallest entry proves most tiles free of close pairs in one quick pass.
        if not p.min(initial=math.inf) > near * (A.largest + B.largest):
            close = p <= near * (A.norms[:, None] + B.norms[None, :])
            _renew(p, np.nonzero(close), A, B)
        if same is not None:
            p[same] = 0.0
        if p is not out:
            np.copyto(out, _capped(p, A, B), casting="same_kind")
        self.profile_in_place(out, workspace)

    def _near(self, rows):
        """Return the ratio of p to the sum of the norms up to which a pair is close."""
        return (1.0 if self.smooth else _CLOSE) * _rounding(rows)

    def profile(self, p):
        """Kernel as a function of p = s r^2.

        Parameters
        ----------
        p : array
            Nonnegative.

        Returns
        -------
        k : array of the shape of p
            In its dtype.
        """
        raise NotImplementedError

    def profile_in_place(self, p, workspace):
        """Overwrite a NumPy array of p = s r^2 by the kernel.

        Parameters
        ----------
        p : ndarray
            Nonnegative; holds the kernel afterwards.
        workspace : Workspace
            Arrays of this thread.
        """
        p[...] = self.profile(p)

    def diag(self, A):
        """Ones; see :meth:`Kernel.diag`."""
        return namespace(A.rows).ones_like(A.rows[:, 0], dtype=A.dtype)


def median_distance(X, rng=None):
    """Return the median distance between points, the length scale "median".

    Parameters
    ----------
    X : array of shape (n, d)
        Points.
    rng : numpy.random.Generator or None, default=None
        Draws the sample of at most 1000 points; None takes evenly spaced ones.

    Returns
    -------
    distance : float
        Positive; see :meth:`Radial.resolve`.
    """
    n = int(X.shape[0])
    if n > MEDIAN_ROWS:
        index = (
            np.linspace(0, n - 1, MEDIAN_ROWS).astype(np.int64)
            if rng is None
            else np.sort(rng.choice(n, MEDIAN_ROWS, replace=False))
        )
        X = take(X, asarray_like(index, X, namespace(X).int64))
    X = np.asarray(to_numpy(X), dtype=np.float64)
    X = X - X.mean(axis=0) if n else X
    unit = float(np.abs(X).max(initial=0.0))
    if unit == 0.0:
        return 1.0
    # In units of the largest: squares of huge or tiny values leave the range.
    X = X / unit
    norms = (X * X).sum(axis=1)
    squares = norms[:, None] + norms - 2.0 * (X @ X.T)
    squares[squares <= 4e-16 * (norms[:, None] + norms)] = 0.0
    squares = squares[np.triu_indices(squares.shape[0], 1)]
    median = math.sqrt(float(np.median(squares)))
    if median == 0.0:
        squares = squares[squares > 0]
        median = math.sqrt(float(np.median(squares))) if squares.size else 1.0 / unit
    return unit * median


def _rounding(rows):
    """Return the error of p over the sum of both norms, at six standard deviations."""
    eps = float(namespace(rows).finfo(rows.dtype).eps)
    return eps * (4.0 + math.sqrt(rows.shape[1]))


def _capped(p, A, B):
    """Return p within the range of float32, where every kernel is 0."""
    if A.largest + B.largest < 1e36:
        return p
    return namespace(p).minimum(p, 1e36)


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
    for start in range(0, index.shape[0], _PAIRS):
        some = index[start : start + _PAIRS]
        difference = take(A.rows, some // width) - take(B.rows, some % width)
        flat = put(flat, some, xp.sum(difference * difference, axis=1))
    return xp.reshape(flat, p.shape)
