"""Arithmetic on one tile of a kernel matrix and of its weights.

On the host an operation overwrites its argument or an array of the thread; elsewhere it
makes a new array. What is summed is kept in the widest float of the device, and fetched
from it when all tiles are done.
"""

import math

import numpy as np

from skopt2._core.array import accumulation_dtype, device_of, namespace
from skopt2.kernels.squares import squares, squares_into


class ArrayTile:
    """Tile on any array namespace.

    Parameters
    ----------
    rows, columns : slice
        With numbers.
    totals : dict
        Sums so far, by their place in theta.
    X : array of shape (n, d)
        Points.
    """

    def __init__(self, rows, columns, totals, X):
        self.rows, self.columns, self.totals, self.X = rows, columns, totals, X
        self.shape = (rows.stop - rows.start, columns.stop - columns.start)

    def points(self, A):
        """Return the points of the rows and those of the columns.

        Parameters
        ----------
        A : Prepared
            All points.

        Returns
        -------
        some, others : Prepared
            Parts.
        """
        return A.part(self.rows), A.part(self.columns)

    def value(self, kernel, A, name):
        """Kernel matrix of the tile.

        Parameters
        ----------
        kernel : Kernel
            Resolved.
        A : Prepared
            All points.
        name : str
            Of the array that holds it on the host.

        Returns
        -------
        K : array of shape (k, l)
            The values.
        """
        return kernel.block(*self.points(A))

    def squares(self, kernel, A, name):
        """Return the squared distances that a radial kernel is a function of."""
        return squares(*self.points(A), kernel.smooth)

    def full(self, number, name):
        """Return a number at each entry."""
        xp, device = namespace(self.X), device_of(self.X)
        return xp.full(self.shape, number, dtype=self.X.dtype, device=device)

    def copy(self, x, name):
        """Return a copy that may be overwritten."""
        return x + 0.0

    def sqrt(self, x, name):
        """Return the root."""
        return namespace(x).sqrt(x)

    def decay(self, x, name):
        """Return exp(-x)."""
        return namespace(x).exp(-x)

    def log1p(self, x, name):
        """Return log(1 + x)."""
        return namespace(x).log1p(x)

    def ratio(self, x, y):
        """Return x / y, in the place of y on the host."""
        return x / y

    def beyond(self, x, bound):
        """Return x where it is larger than a bound, else infinity."""
        xp = namespace(x)
        return xp.where(x > bound, x, xp.full_like(x, math.inf))

    def without_diagonal(self, x):
        """Return x with zeros where a point meets itself."""
        if self.rows.start != self.columns.start:
            return x
        xp = namespace(x)
        ones = xp.eye(*x.shape, dtype=x.dtype, device=device_of(x))
        return x * (1.0 - ones)

    def sum(self, x):
        """Return the sum of a tile, by rows and then in the widest float."""
        return self.sum_of_rows(namespace(x).sum(x, axis=1))

    def dot(self, x, y):
        """Return the sum of a product of two tiles."""
        return self.sum_of_rows(namespace(x).vecdot(x, y))

    def sum_of_rows(self, x):
        """Return the sum of a vector, in the widest float."""
        return namespace(x).sum(x, dtype=accumulation_dtype(x))

    def add(self, place, values):
        """Add to a sum.

        Parameters
        ----------
        place : int
            First place in theta.
        values : array of shape (m,) or ()
            In the widest float.
        """
        total = self.totals.get(place)
        self.totals[place] = values if total is None else total + values


class HostTile(ArrayTile):
    """Tile in the cache, on NumPy arrays.

    Parameters
    ----------
    rows, columns : slice
        With numbers.
    totals : dict
        Sums so far, by their place in theta.
    X : ndarray of shape (n, d)
        Points.
    workspace : Workspace
        Arrays of this thread.
    """

    def __init__(self, rows, columns, totals, X, workspace):
        super().__init__(rows, columns, totals, X)
        self.workspace, self.same = workspace, None
        if rows.start == columns.start:
            own = np.arange(min(self.shape))
            self.same = (own, own)

    def array(self, name):
        """Return the array of a name, of the shape of the tile."""
        return self.workspace.array(name, self.shape, self.X.dtype)

    def value(self, kernel, A, name):
        """Kernel matrix of the tile; see :meth:`ArrayTile.value`."""
        out = self.array(name)
        kernel.fill(*self.points(A), out, self.workspace, self.same)
        return out

    def squares(self, kernel, A, name):
        """Write the squared distances into the array of a name."""
        out = self.array(name)
        some, others = self.points(A)
        squares_into(some, others, kernel.smooth, out, self.workspace, self.same)
        return out

    def full(self, number, name):
        """Write a number into the array of a name."""
        out = self.array(name)
        out.fill(number)
        return out

    def copy(self, x, name):
        """Return a copy in the array of a name."""
        out = self.array(name)
        np.copyto(out, x)
        return out

    def sqrt(self, x, name):
        """Return the root in the array of a name."""
        return np.sqrt(x, out=self.array(name))

    def decay(self, x, name):
        """Return exp(-x) in the array of a name."""
        out = np.negative(x, out=self.array(name))
        return np.exp(out, out=out)

    def log1p(self, x, name):
        """Return log(1 + x) in the array of a name."""
        return np.log1p(x, out=self.array(name))

    def ratio(self, x, y):
        """Return x / y, in the place of y."""
        return np.divide(x, y, out=y)

    def beyond(self, x, bound):
        """Overwrite what is not larger than a bound by infinity."""
        if not x.min(initial=math.inf) > bound:
            x[x <= bound] = math.inf
        return x

    def without_diagonal(self, x):
        """Overwrite x by zeros where a point meets itself."""
        if self.same is not None:
            x[self.same] = 0.0
        return x
