"""Blocks of columns in memory, ready for products with a residual.

Symbols: B (d, n), the columns of a block as rows, each sample scaled by root_i, with
root^2 the weights of a quadratic model; r (n,) the residual of the model.

A dense block is contiguous. A sparse one holds the samples in which any of its columns
is stored. Its centring is implicit: with root^2 = s the residual of a sparse problem is
r - shift * root, where a change delta of the block adds m'delta to the shift, and
products with the columns see the shift through their means m, because
sum_i s_i x_i = m.

With K outputs the residual is (K, n), contiguous, the shift (K,), and the coefficients
of a block, (d, K), are passed end to end, row by row.
"""

import numpy as np
from scipy.linalg.blas import dgemm, dgemv, dger, sgemm, sgemv, sger

from skopt2.solvers.block_coordinate_descent.curvature import (
    diagonal_bound,
    principal_axes,
)

# By bytes of a float.
_PRODUCTS = {4: sgemv, 8: dgemv}
_MATRIX_PRODUCTS = {4: sgemm, 8: dgemm}
_OUTER_PRODUCTS = {4: sger, 8: dger}


class DenseBlock:
    """Columns in every sample.

    Parameters
    ----------
    rows : ndarray of shape (d, n)
        Scaled columns, contiguous.
    """

    __slots__ = ("_columns", "_product", "rows")
    outputs = members = 1

    def __init__(self, rows):
        self.rows = np.ascontiguousarray(rows)
        # One call of BLAS that adds in place: a sweep is bound by calls and memory.
        self._columns = self.rows.T
        self._product = _PRODUCTS[rows.dtype.itemsize]

    def gradient(self, r):
        """Return B r, (d,)."""
        return self._product(1.0, self._columns, r, trans=1)

    def add(self, r, delta):
        """Add B' delta to the residual, in place."""
        out = self._product(1.0, self._columns, delta, 1.0, r, overwrite_y=1)
        if out is not r:
            r[...] = out

    def gram(self):
        """Return B B', (d, d)."""
        return self.rows @ self.rows.T

    def scaled(self, root):
        """Return the block with its samples scaled by ``root``."""
        return DenseBlock(self.rows * root)

    def turned(self, T):
        """Return the block in other coordinates: T'B."""
        return DenseBlock(T.T.astype(self.rows.dtype) @ self.rows)


class DenseMatrixBlock:
    """Columns in every sample, for several outputs.

    Parameters
    ----------
    rows : ndarray of shape (d, n)
        Scaled columns, contiguous.
    outputs : int
        K.
    """

    __slots__ = ("_columns", "_product", "_shape", "outputs", "rows")
    # Groups that are held in the block.
    members = 1

    def __init__(self, rows, outputs):
        self.rows, self.outputs = np.ascontiguousarray(rows), outputs
        self._columns, self._shape = self.rows.T, (rows.shape[0], outputs)
        self._product = _MATRIX_PRODUCTS[rows.dtype.itemsize]

    def gradient(self, r):
        """Return B r, (d K,)."""
        return np.dot(self.rows, r.T).ravel()

    def add(self, r, delta):
        """Add B' delta to the residual, in place."""
        turned, delta = r.T, delta.reshape(self._shape)
        out = self._product(1.0, self._columns, delta, 1.0, turned, overwrite_c=1)
        if out is not turned:
            turned[...] = out

    def gram(self):
        """Return B B', (d, d)."""
        return self.rows @ self.rows.T

    def scaled(self, root):
        """Return the block with its samples scaled by ``root``."""
        return DenseMatrixBlock(self.rows * root, self.outputs)

    def turned(self, T):
        """Return the block in other coordinates: T'B."""
        return DenseMatrixBlock(T.T.astype(self.rows.dtype) @ self.rows, self.outputs)


class DenseRowBlock(DenseMatrixBlock):
    """One column in every sample, for several outputs.

    Parameters
    ----------
    rows : ndarray of shape (1, n)
        Scaled column.
    outputs : int
        K.
    """

    __slots__ = ("_outer", "_row")

    def __init__(self, rows, outputs):
        super().__init__(rows, outputs)
        self._row, self._outer = self.rows[0], _OUTER_PRODUCTS[rows.dtype.itemsize]

    def gradient(self, r):
        """Return B r, (K,)."""
        return r.dot(self._row)

    def add(self, r, delta):
        """Add B' delta to the residual, in place."""
        turned = r.T
        out = self._outer(1.0, self._row, delta, a=turned, overwrite_a=1)
        if out is not turned:
            turned[...] = out

    def turned(self, T):
        """Return the block in other coordinates: T'B."""
        rows = T.T.astype(self.rows.dtype) @ self.rows
        if rows.shape[0] == 1:
            return DenseRowBlock(rows, self.outputs)
        return DenseMatrixBlock(rows, self.outputs)


class SparseBlock:
    """Columns in the samples that they are stored in.

    Parameters
    ----------
    samples : ndarray of int of shape (k,)
        Increasing.
    rows : ndarray of shape (d, k)
        Scaled columns there.
    means : ndarray of shape (d,) or None
        What is subtracted from the columns; None without centring.
    shift : list of one float or None
        Shared by the blocks of one model.
    """

    __slots__ = ("means", "rows", "samples", "shift")
    outputs = members = 1

    def __init__(self, samples, rows, means=None, shift=None):
        self.samples, self.rows = samples, rows
        self.means, self.shift = means, shift

    def gradient(self, r):
        """Return B r, (d,)."""
        out = self.rows @ r[self.samples]
        return out if self.means is None else out - self.shift[0] * self.means

    def add(self, r, delta):
        """Add B' delta to the residual, in place up to the shift."""
        r[self.samples] += delta @ self.rows
        if self.means is not None:
            self.shift[0] += float(delta @ self.means)

    def gram(self):
        """Return B B', (d, d)."""
        out = self.rows @ self.rows.T
        return out if self.means is None else out - np.outer(self.means, self.means)

    def scaled(self, root):
        """Return the block with its samples scaled by ``root``, and no centring."""
        return self._like(self.rows * root[self.samples])

    def turned(self, T):
        """Return the block in other coordinates: T'B."""
        T = T.T.astype(self.rows.dtype)
        means = None if self.means is None else T @ self.means
        return self._like(T @ self.rows, means, self.shift)

    def _like(self, rows, means=None, shift=None):
        return SparseBlock(self.samples, rows, means, shift)


class SparseMatrixBlock(SparseBlock):
    """Columns in the samples that they are stored in, for several outputs.

    Parameters
    ----------
    samples : ndarray of int of shape (k,)
        Increasing.
    rows : ndarray of shape (d, k)
        Scaled columns there.
    outputs : int
        K.
    means : ndarray of shape (d,) or None
        What is subtracted from the columns; None without centring.
    shift : list of one ndarray of shape (K,) or None
        Shared by the blocks of one model.
    """

    __slots__ = ("outputs",)

    def __init__(self, samples, rows, outputs, means=None, shift=None):
        super().__init__(samples, rows, means, shift)
        self.outputs = outputs

    def gradient(self, r):
        """Return B r, (d K,)."""
        out = self.rows @ r[:, self.samples].T
        if self.means is not None:
            out -= np.outer(self.means, self.shift[0])
        return out.ravel()

    def add(self, r, delta):
        """Add B' delta to the residual, in place up to the shift."""
        delta = delta.reshape(-1, self.outputs)
        r[:, self.samples] += delta.T @ self.rows
        if self.means is not None:
            # Replaced and not changed: the point before keeps its own.
            self.shift[0] = self.shift[0] + self.means @ delta

    def _like(self, rows, means=None, shift=None):
        return SparseMatrixBlock(self.samples, rows, self.outputs, means, shift)


class Blocks:
    """The blocks of a problem, each gathered when it is first asked for.

    Parameters
    ----------
    problem : LinearProblem
        In host memory.
    coordinates : Coordinates
        Groups, and the transform of each.
    """

    def __init__(self, problem, coordinates):
        self.problem, self.coordinates = problem, coordinates
        self.design = problem.design
        # The quadratic loss has one set of weights: its blocks are scaled once.
        self.root = None
        if problem.loss.is_quadratic:
            self.root = np.ascontiguousarray(np.sqrt(problem.s))
        # A loss with an intercept among its coordinates absorbs the centring.
        self.centred = problem.design.means is not None and self.root is not None
        self.outputs = coordinates.outputs
        self.shift = [0.0 if self.outputs == 1 else np.zeros(self.outputs)]
        self._held, self._framed = {}, {}

    def get(self, group):
        """Return the block of a group."""
        block = self._held.get(group)
        if block is None:
            gather = self._sparse if self.design.sparse else self._dense
            block = gather(self.coordinates.groups.members(group))
            T = self.coordinates.block(group)
            block = self._held[group] = block if T is None else block.turned(T)
        return block

    def framed(self, group, principal):
        """Return a block of the quadratic loss with its curvatures and axes.

        Parameters
        ----------
        group : int
            Its number.
        principal : bool
            Whether to turn the block to its principal axes.
        """
        found = self._framed.get(group)
        if found is None:
            found = self._framed[group] = frame(self.get(group), principal)
            # The block is held once, in the coordinates that are used.
            del self._held[group]
        return found

    def _still(self, ids):
        return np.flatnonzero(self.design.squared_norms[ids] == 0.0)

    def _dense(self, ids):
        design = self.design
        # The gather is the one copy: what follows is done in it.
        rows = np.ascontiguousarray(design.X[:, ids].T)
        if design.means is not None:
            rows -= design.means[ids, None].astype(rows.dtype)
        if self.root is not None:
            rows *= self.root
        rows[self._still(ids)] = 0.0
        if self.outputs == 1:
            return DenseBlock(rows)
        kind = DenseRowBlock if ids.size == 1 else DenseMatrixBlock
        return kind(rows, self.outputs)

    def _sparse(self, ids):
        samples, rows = _stored(self.design.X, ids)
        means = self.design.means[ids].astype(rows.dtype) if self.centred else None
        still = self._still(ids)
        rows[still] = 0.0
        if means is not None:
            means[still] = 0.0
        if self.root is not None:
            rows *= self.root[samples]
        if self.outputs > 1:
            return SparseMatrixBlock(samples, rows, self.outputs, means, self.shift)
        return SparseBlock(samples, rows, means, self.shift)


def _stored(X, ids):
    """Return the samples in which columns of a CSC matrix are stored, and their values.

    Parameters
    ----------
    X : csc_array or csc_matrix of shape (n, p)
        Entries that are stored twice add up.
    ids : ndarray of int of shape (d,)
        Columns.

    Returns
    -------
    samples : ndarray of int of shape (k,)
        Increasing.
    rows : ndarray of shape (d, k)
        The columns there, one a row.
    """
    parts = [slice(X.indptr[j], X.indptr[j + 1]) for j in ids]
    places = np.concatenate([X.indices[part] for part in parts])
    samples, inverse = np.unique(places, return_inverse=True)
    rows = np.zeros((len(parts), samples.size), dtype=X.dtype)
    which = np.repeat(np.arange(len(parts)), [part.stop - part.start for part in parts])
    np.add.at(rows, (which, inverse), np.concatenate([X.data[part] for part in parts]))
    return samples, rows


def frame(block, principal):
    """Return a block, the curvatures of its coefficients, and its axes or None.

    The curvatures are those along the principal axes, or of a diagonal bound.

    Parameters
    ----------
    block : object
        In the coordinates of its group.
    principal : bool
        Whether to turn it to its principal axes.
    """
    if principal:
        values, axes = principal_axes(block.gram())
    else:
        values, axes = diagonal_bound(block.gram()), None
    turns = principal and values.size > 1
    if block.outputs > 1:
        values = np.repeat(values, block.outputs)
    return (block.turned(axes), values, axes) if turns else (block, values, None)
