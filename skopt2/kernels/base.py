"""What every kernel shares.

A kernel k(x, y) is symmetric and positive semidefinite: for all points x_1 .. x_n the
matrix k(x_i, x_j) has no negative eigenvalue.

Symbols: X (n, d) points in the rows; A, B prepared points, which is X after all that
depends on one point alone (shift, scale, norms), so that no pass over the kernel matrix
repeats it; K (nA, nB) the matrix of a block.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone

from skopt2._core.array import (
    namespace,
)
from skopt2.kernels.points import check_points

# Entries of the blocks in which a whole matrix is computed on the host, where each
# operation on a block makes another array of its size.
_ENTRIES = 2**22
# Rows of the blocks in which a diagonal without a closed form is computed.
_DIAGONAL = 64


@dataclass(eq=False)
class Prepared:
    """Points that are ready for blocks of one kernel.

    Parameters
    ----------
    rows : array of shape (n, d)
        Points, shifted and scaled as the kernel wants them.
    dtype : dtype
        Of the kernel matrix; ``rows`` may be wider.
    norms : array of shape (n,) or None
        Squared norms of the rows.
    left, right : array of shape (n, d + 2) or None
        Rows for products whose entries are squared distances.
    origin : array of shape (d,) or None
        What was subtracted from the points.
    index : array of shape (n,) or None
        Numbers of the points, where a kernel matrix is given and not computed.
    lengths : array of shape (n,) or None
        Lengths of the points, where the rows are directions.
    """

    rows: Any
    dtype: Any
    norms: Any = None
    left: Any = None
    right: Any = None
    origin: Any = None
    index: Any = None
    lengths: Any = None

    @property
    def n_rows(self):
        """Number of points."""
        return int(self.rows.shape[0])

    @property
    def kinds(self):
        """Dtypes of the rows, one for each kernel that has its own."""
        return (self.rows.dtype,)

    @functools.cached_property
    def largest(self):
        """Largest squared norm, as a float."""
        return float(namespace(self.norms).max(self.norms)) if self.n_rows else 0.0

    def part(self, indices):
        """Return some of the points, views of them for a slice.

        Parameters
        ----------
        indices : slice or integer array of shape (k,)
            Which.

        Returns
        -------
        part : Prepared
            In that order.
        """

        def some(x):
            if x is None:
                return None
            if not isinstance(indices, slice):
                return namespace(x).take(x, indices, axis=0)
            return x[indices] if x.ndim == 1 else x[indices, :]

        return Prepared(
            some(self.rows),
            self.dtype,
            some(self.norms),
            some(self.left),
            some(self.right),
            self.origin,
            some(self.index),
            some(self.lengths),
        )

    def widened(self, dtype):
        """Return the points in a wider dtype, for a kernel matrix of the same dtype.

        Parameters
        ----------
        dtype : dtype
            Of the rows and what was computed from them.

        Returns
        -------
        widened : Prepared
            The points themselves if that is their dtype.
        """
        if self.rows.dtype == dtype:
            return self
        xp = namespace(self.rows)
        parts = (self.norms, self.left, self.right)
        parts = [None if x is None else xp.astype(x, dtype) for x in parts]
        rows = xp.astype(self.rows, dtype)
        return Prepared(rows, self.dtype, *parts, self.origin, self.index, self.lengths)


class Kernel(BaseEstimator):
    """Base of the kernels: points pass unchanged, blocks are computed as a whole."""

    name = ""
    is_stationary = False
    # Entries of a tile on the host. Kernels that work in place override it with a size
    # that stays in the cache; the others need few calls.
    tile = 2**20
    # Levels of kernels inside: a kernel made of kernels has more than they have.
    depth = 0
    # Number that stands for the whole matrix, or None.
    operand = None

    def check_parameters(self):
        """Raise ValueError if a parameter is out of range."""

    def resolve(self, X, rng=None):
        """Copy of the kernel whose parameters are numbers.

        Parameters
        ----------
        X : array of shape (n, d)
            Points that a parameter such as ``length_scale="median"`` is taken from.
        rng : numpy.random.Generator or None, default=None
            Draws the sample of the points; None takes evenly spaced ones.

        Returns
        -------
        kernel : Kernel
            A clone, with valid parameters.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        self.check_parameters()
        return clone(self)

    def origin(self, X):
        """Point about which rows are best prepared; None where it makes no difference.

        Parameters
        ----------
        X : array of shape (n, d)
            Points.

        Returns
        -------
        origin : array of shape (d,) or None
            In the dtype of X.
        """
        return None

    def features(self, X, origin=None, wide=False):
        """Prepare points for blocks.

        Parameters
        ----------
        X : array of shape (n, d)
            Points, in float32 or float64.
        origin : array of shape (d,) or None, default=None
            What :meth:`origin` returned, the same for both sides of a block.
        wide : bool, default=False
            Whether to prepare float32 points in float64 in any case.

        Returns
        -------
        prepared : Prepared
            For :meth:`block` and :meth:`diag`.

        Raises
        ------
        ValueError
            If the kernel cannot take these points.
        """
        return Prepared(X, X.dtype, origin=origin)

    def block(self, A, B):
        """Kernel matrix of prepared points.

        Parameters
        ----------
        A, B : Prepared
            What :meth:`features` returned for nA and nB points.

        Returns
        -------
        K : array of shape (nA, nB)
            In the dtype of the points.

        Raises
        ------
        ValueError
            If a function of the user returned another shape.
        """
        raise NotImplementedError

    def given(self, A, B):
        """Kernel matrix of all rows and columns where it was given, not computed.

        Parameters
        ----------
        A, B : Prepared
            What :meth:`features` returned for n and m points.

        Returns
        -------
        K : array of shape (n, m) or None
            None for all kernels but the precomputed one.

        Raises
        ------
        ValueError
            If the matrix does not have a column for each point.
        """
        return None

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix of prepared NumPy points into an array.

        Parameters
        ----------
        A, B : Prepared
            Points.
        out : ndarray of shape (nA, nB)
            Overwritten.
        workspace : Workspace
            Arrays of this thread.
        same : tuple of two ndarrays or None, default=None
            Rows and columns of the entries whose points are known to be one point.
        """
        out[...] = self.block(A, B)

    def diag(self, A):
        """Diagonal k(x, x) of prepared points.

        Parameters
        ----------
        A : Prepared
            What :meth:`features` returned for n points.

        Returns
        -------
        diagonal : array of shape (n,)
            In the dtype of the points.
        """
        xp, n = namespace(A.rows), A.n_rows
        parts = []
        for start in range(0, max(n, 1), _DIAGONAL):
            some = A.part(slice(start, min(start + _DIAGONAL, n)))
            parts.append(xp.linalg.diagonal(self.block(some, some)))
        return xp.concat(parts)

    def __call__(self, X, Y=None):
        """Kernel matrix of two sets of points.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Points.
        Y : array-like of shape (m, d) or None, default=None
            Other points; None for X.

        Returns
        -------
        K : array of shape (n, m)
            float32 for float32 points, else float64.
        """
        X = check_points(X, "X")
        kernel = self.resolve(X)
        origin = kernel.origin(X)
        A = kernel.features(X, origin)
        B = A if Y is None else kernel.features(check_points(Y, "Y", X), origin)
        step = max(1, _ENTRIES // max(1, B.n_rows))
        if namespace(X) is not np or A.n_rows <= step:
            return kernel.block(A, B)
        K = np.empty((A.n_rows, B.n_rows), dtype=A.dtype)
        for start in range(0, A.n_rows, step):
            rows = slice(start, min(start + step, A.n_rows))
            K[rows] = kernel.block(A.part(rows), B)
        return K


def index_size(index):
    """Return how many rows an index takes: a slice with numbers, or an array.

    Parameters
    ----------
    index : slice or integer array of shape (k,)
        The slice has the step 1.

    Returns
    -------
    size : int
        k.
    """
    if isinstance(index, slice):
        return index.stop - index.start
    return int(index.shape[0])


def some_of(index, start, stop):
    """Return a range of an index.

    Parameters
    ----------
    index : slice or integer array of shape (k,)
        The slice has numbers and the step 1.
    start, stop : int
        Range in 0 .. k.

    Returns
    -------
    part : slice or integer array
        As the index is.
    """
    if isinstance(index, slice):
        return slice(index.start + start, index.start + stop)
    return index[start:stop]
