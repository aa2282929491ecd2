"""Weights of the entries of a kernel matrix, of which sums are taken.

G (n, n), of which tiles are asked for: in sum_ij G_ij D_ij, D symmetric, an entry above
the diagonal stands for the one below as well, so a tile of the rows i and the columns
j beyond them holds G_ij + G_ji, and one on the diagonal the mean of both.

G = U V', U and V (n, c), is never formed: its tiles are products.
"""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    as_float,
    asarray_like,
    namespace,
)

# Share of the length of a column up to which V is a multiple of U.
_ROUNDING = 8.0


class DenseWeights:
    """Weights that are a matrix.

    Parameters
    ----------
    G : array of shape (n, n)
        Need not be symmetric: only the sum with its transpose counts.
    triangle : {None, "lower", "upper"}, default=None
        Which half of G, with the diagonal, is read, where G is symmetric but the other
        half does not hold its values, as a factorisation leaves it.

    Raises
    ------
    ValueError
        If G is no square matrix, or the triangle is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import DenseWeights
    >>> DenseWeights(np.eye(3)).diagonal().tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, G, triangle=None):
        if not hasattr(G, "ndim") or not hasattr(G, "dtype"):
            G = np.asarray(G)
        if G.ndim != 2 or G.shape[0] != G.shape[1]:
            raise ValueError(
                f"G must be a square matrix of weights; its shape is {tuple(G.shape)}."
            )
        if triangle not in (None, "lower", "upper"):
            raise ValueError(
                f'triangle must be None, "lower" or "upper"; got {triangle!r}.'
            )
        self.G, self.triangle = as_float(G), triangle

    @property
    def n_rows(self):
        """Number of rows n."""
        return int(self.G.shape[0])

    def diagonal(self):
        """Diagonal of G, ndarray-like of shape (n,) in the widest float."""
        xp = namespace(self.G)
        return xp.astype(xp.linalg.diagonal(self.G), accumulation_dtype(self.G))

    def beside(self, X):
        """Return the weights for points.

        Parameters
        ----------
        X : array of shape (n, d)
            Points.

        Returns
        -------
        weights : DenseWeights
            In the namespace of X and on its device.
        """
        dtype = X.dtype if namespace(self.G) is not namespace(X) else None
        G = asarray_like(self.G, X, dtype) if dtype is not None else self.G
        return DenseWeights(G, self.triangle)

    def tile(self, rows, columns, out=None):
        """Return the weights of some entries on the diagonal or above it.

        Parameters
        ----------
        rows, columns : slice
            With numbers; the columns are the rows, or begin after them.
        out : ndarray or None, default=None
            Overwritten by the result; None for a new array, on any namespace.

        Returns
        -------
        tile : array of shape (k, l)
            G_ij + G_ji beyond the rows, the symmetrised G within them.
        """
        G, own = self.G, rows.start == columns.start
        upper, lower = G[rows, columns], G[columns, rows].T
        if self.triangle is None:
            tile = _added(upper, lower, out)
            if own:
                tile *= 0.5
            return tile
        half = upper if self.triangle == "upper" else lower
        if own:
            # Twice the strict triangle and the diagonal once: D is symmetric.
            half = 2.0 * namespace(G).triu(half, k=1)
            other = namespace(G).tril(namespace(G).triu(upper))
            return _added(half, other, out)
        return _added(half, half, out)


class OuterWeights:
    """Weights G = U V', the sum over the columns of u_c v_c'.

    Parameters
    ----------
    U, V : array of shape (n, c) or (n,)
        Columns. G need not be symmetric: only the sum with its transpose counts.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Where V is U times a number for each column, tiles take half the time.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import OuterWeights
    >>> OuterWeights(np.array([1.0, 2.0]), np.array([3.0, 4.0])).diagonal().tolist()
    [3.0, 8.0]
    """

    def __init__(self, U, V):
        U, V = (x if hasattr(x, "dtype") else np.asarray(x) for x in (U, V))
        if U.ndim not in (1, 2) or tuple(U.shape) != tuple(V.shape):
            raise ValueError(
                "U and V must be two sets of columns of one shape (n, c); got shapes "
                f"{tuple(U.shape)} and {tuple(V.shape)}."
            )
        self.U, self.V = (as_float(x if x.ndim == 2 else x[:, None]) for x in (U, V))
        self._pair = None

    @property
    def n_rows(self):
        """Number of rows n."""
        return int(self.U.shape[0])

    def diagonal(self):
        """Diagonal of G, array of shape (n,) in the widest float."""
        xp, wide = namespace(self.U), accumulation_dtype(self.U)
        return xp.sum(xp.astype(self.U, wide) * xp.astype(self.V, wide), axis=1)

    def beside(self, X):
        """Return the weights for points.

        Parameters
        ----------
        X : array of shape (n, d)
            Points.

        Returns
        -------
        weights : OuterWeights
            In the dtype and the namespace of X, and on its device, with the columns
            whose products are its tiles.
        """
        weights = OuterWeights(asarray_like(self.U, X), asarray_like(self.V, X))
        weights._pair = _symmetric_pair(self.U, self.V)
        weights._pair = tuple(asarray_like(x, X) for x in weights._pair)
        return weights

    def tile(self, rows, columns, out=None):
        """Return the weights of some entries; see :meth:`DenseWeights.tile`."""
        left, right = self._pair or _symmetric_pair(self.U, self.V)
        left, right = left[rows, :], right[columns, :]
        if out is None:
            tile = left @ right.T
        else:
            tile = np.matmul(left, right.T, out=out)
        if rows.start == columns.start:
            tile *= 0.5
        return tile


def _added(x, y, out):
    """Return a sum, in an array where one is given."""
    return x + y if out is None else np.add(x, y, out=out, casting="same_kind")


def _symmetric_pair(U, V):
    """Return columns L and R with L R' = U V' + V U'."""
    xp, wide = namespace(U), accumulation_dtype(U)
    u, v = xp.astype(U, wide), xp.astype(V, wide)
    squares = xp.sum(u * u, axis=0)
    ratio = xp.sum(u * v, axis=0) / xp.where(squares > 0.0, squares, squares + 1.0)
    rest = xp.sum((v - ratio * u) ** 2, axis=0)
    limit = (_ROUNDING * float(xp.finfo(U.dtype).eps)) ** 2
    if bool(xp.all(rest <= limit * xp.sum(v * v, axis=0))):
        return U, 2.0 * V
    return xp.concat([U, V], axis=1), xp.concat([V, U], axis=1)
