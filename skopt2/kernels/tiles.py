"""Products with a kernel matrix that is never kept, on NumPy arrays.

K V, K (n, m) the kernel of points A and B, V (m, c): a tile of K that fits the cache is
filled, multiplied and overwritten by the next. Rows are shared out among threads. How
the rows and columns are cut depends on the sizes alone, and partial sums are added in
the order of the columns in float64, so the result is the same for every number of
threads.
"""

import threading

import numpy as np

from skopt2.kernels.base import index_size, some_of
from skopt2.kernels.workspace import Workspace

# Entries of columns of a kept block that one task multiplies.
SPAN = 2**16
# Most rows of a tile.
ROWS = 128
# Fewest tasks among which rows are shared out, where there are enough rows.
TASKS = 4
# Entries of rows gathered from a stored matrix.
GATHERED = 2**20


class Tiles:
    """Kernel matrix of NumPy points, one tile at a time.

    Parameters
    ----------
    kernel : Kernel
        Resolved.
    A, B : Prepared
        Points of the n rows and of the m columns.
    pool : TaskPool
        Threads.
    symmetric : bool, default=False
        Whether the i-th row and the i-th column are one point.
    matrix : ndarray of shape (n, m) or None, default=None
        The kernel matrix, where it is kept.
    """

    def __init__(self, kernel, A, B, pool, symmetric=False, matrix=None):
        self.kernel, self.A, self.B, self.pool = kernel, A, B, pool
        self.symmetric, self.matrix = symmetric, matrix
        self.shape = (A.n_rows, B.n_rows)
        self.dtype = np.dtype(A.dtype)
        self._threads = threading.local()
        self._chunks = {}

    def part(self, index, columns):
        """Return the tiles of some rows and columns.

        Parameters
        ----------
        index, columns : slice or ndarray
            Which.

        Returns
        -------
        tiles : Tiles
            On their own, with the same threads.
        """
        matrix = self.matrix
        if matrix is not None:
            if isinstance(index, slice) or isinstance(columns, slice):
                matrix = matrix[index, columns]
            else:
                matrix = matrix[np.ix_(index, columns)]
        A, B = self.A.part(index), self.B.part(columns)
        return Tiles(self.kernel, A, B, self.pool, matrix=matrix)

    def transposed(self):
        """Return the tiles of the transposed matrix."""
        matrix = None if self.matrix is None else self.matrix.T
        return Tiles(self.kernel, self.B, self.A, self.pool, self.symmetric, matrix)

    def product(self, index, V, keep=False):
        """Compute rows of K V.

        Parameters
        ----------
        index : slice or ndarray of shape (k,)
            Rows.
        V : ndarray of shape (m, c)
            In C order.
        keep : bool, default=False
            Whether to keep the rows of K.

        Returns
        -------
        G : ndarray of shape (k, c)
            The product.
        K : ndarray of shape (k, m) or None
            The rows, overwritten by the next call.
        """
        size, c = index_size(index), V.shape[1]
        G = np.empty((size, c), dtype=self.dtype)
        K = None
        if keep:
            K = self.workspace.array("kept", (size, self.shape[1]), self.dtype)

        def work(start, stop):
            space = self.workspace
            total = space.array("total", (stop - start, c), np.float64)
            piece = space.array("piece", (stop - start, c), self.dtype)
            total.fill(0.0)
            kept = None if K is None else K[start:stop]
            for columns, tile in self._tiles(some_of(index, start, stop), kept):
                np.matmul(tile, V[columns], out=piece)
                total += piece
            G[start:stop] = total

        self._share_out(work, size)
        return G, K

    def adjoint(self, K, R):
        """Return K' R for rows that were kept.

        Parameters
        ----------
        K : ndarray of shape (k, m)
            What :meth:`product` returned.
        R : ndarray of shape (k, e)
            Vectors.

        Returns
        -------
        H : ndarray of shape (m, e)
            In the dtype of the matrix.
        """
        H = np.empty((K.shape[1], R.shape[1]), dtype=self.dtype)

        def work(start, stop):
            np.matmul(K[:, start:stop].T, R, out=H[start:stop])

        width = max(1, SPAN // max(1, K.shape[0]))
        starts = range(0, K.shape[1], width)
        self.pool.run(work, [(j, min(j + width, K.shape[1])) for j in starts])
        return H

    def dense(self, index):
        """Compute rows of K.

        Parameters
        ----------
        index : slice or ndarray of shape (k,)
            Rows.

        Returns
        -------
        K : ndarray of shape (k, m)
            A new array.
        """
        K = np.empty((index_size(index), self.shape[1]), dtype=self.dtype)

        def work(start, stop):
            for _ in self._tiles(some_of(index, start, stop), K[start:stop]):
                pass

        self._share_out(work, K.shape[0])
        return K

    @property
    def workspace(self):
        """Buffers of the calling thread."""
        if not hasattr(self._threads, "space"):
            self._threads.space = Workspace()
        return self._threads.space

    def _share_out(self, work, n_rows):
        """Call work(start, stop) for ranges of rows, in threads."""
        step = self._height(n_rows)
        starts = range(0, n_rows, step)
        self.pool.run(work, [(i, min(i + step, n_rows)) for i in starts])

    def _height(self, n_rows):
        """Return the rows of a tile."""
        if n_rows * self.shape[1] <= self.kernel.tile:
            return max(n_rows, 1)
        most = ROWS
        if self.matrix is not None:
            most = min(most, max(1, GATHERED // self.shape[1]))
        return min(most, max(1, n_rows // TASKS))

    def _tiles(self, index, kept=None):
        """Yield the slice of columns and the tile of K, for one range of rows.

        The tile is a part of ``kept`` if that is given, else it lives until the next.
        """
        if self.matrix is not None:
            yield slice(0, self.shape[1]), self._gathered(index, kept)
            return
        numbers = self._numbers(index)
        rows, space = self.A.part(index), self.workspace
        chunks = self._columns(rows.n_rows)
        meetings = self._meetings(numbers, chunks)
        for (columns, part), here in zip(chunks, meetings, strict=True):
            if kept is None:
                tile = space.array("tile", (rows.n_rows, part.n_rows), self.dtype)
            else:
                tile = kept[:, columns]
            same = (here, numbers[here] - columns.start) if here.size else None
            self.kernel.fill(rows, part, tile, space, same)
            yield columns, tile

    def _gathered(self, index, kept):
        """Return rows of the matrix that is kept."""
        if isinstance(index, slice):
            rows = self.matrix[index]
        elif self.matrix.flags.c_contiguous:
            shape = (index.shape[0], self.shape[1])
            rows = kept
            if rows is None:
                rows = self.workspace.array("tile", shape, self.dtype)
            # The mode "raise" would make a copy first.
            np.take(self.matrix, index, axis=0, out=rows, mode="clip")
        else:
            rows = self.matrix[index]
        if kept is not None and rows is not kept:
            kept[...] = rows
        return rows

    def _columns(self, n_rows):
        """Return the column slices of a tile of that many rows, and their points."""
        width = self.kernel.tile >> (max(n_rows, 1) - 1).bit_length()
        if width not in self._chunks:
            m = self.shape[1]
            slices = [slice(j, min(j + width, m)) for j in range(0, m, width)]
            self._chunks[width] = [(some, self.B.part(some)) for some in slices]
        return self._chunks[width]

    def _numbers(self, index):
        """Return the row numbers as an array."""
        if isinstance(index, slice):
            return np.arange(index.start, index.stop)
        return index

    def _meetings(self, numbers, chunks):
        """Return, for each column slice, the rows whose own column lies in it."""
        if not self.symmetric:
            return [_NONE] * len(chunks)
        order = np.argsort(numbers)
        bounds = [columns.start for columns, _ in chunks[1:]]
        return np.split(order, np.searchsorted(numbers[order], bounds))


_NONE = np.empty(0, dtype=np.int64)
