"""Products with a kernel matrix that is never kept, on any array namespace.

K V, K (n, m) the kernel of points A and B, V (m, c): blocks as large as the memory
budget allows are computed whole, since a device has no use for tiles of a cache.
"""

from skopt2._core.array import namespace, take
from skopt2.kernels.base import index_size, some_of

# Arrays of the size of a block that live at one time.
_TEMPORARIES = 6


class Blocks:
    """Kernel matrix of points on a device, one block at a time.

    Parameters
    ----------
    kernel : Kernel
        Resolved.
    A, B : Prepared
        Points of the n rows and of the m columns.
    budget : int
        Bytes.
    matrix : array of shape (n, m) or None, default=None
        The kernel matrix, where it is kept.
    """

    def __init__(self, kernel, A, B, budget, matrix=None):
        self.kernel, self.A, self.B, self.budget = kernel, A, B, budget
        self.matrix = matrix
        self.shape = (A.n_rows, B.n_rows)

    def part(self, index, columns):
        """Return the blocks of some rows and columns.

        Parameters
        ----------
        index, columns : slice or integer array
            Which.

        Returns
        -------
        blocks : Blocks
            On their own.
        """
        matrix = self.matrix
        if matrix is not None:
            matrix = _part(_part(matrix, index, 0), columns, 1)
        A, B = self.A.part(index), self.B.part(columns)
        return Blocks(self.kernel, A, B, self.budget, matrix)

    def transposed(self):
        """Return the blocks of the transposed matrix."""
        matrix = self.matrix
        if matrix is not None:
            matrix = namespace(matrix).matrix_transpose(matrix)
        return Blocks(self.kernel, self.B, self.A, self.budget, matrix)

    def product(self, index, V, keep=False):
        """Compute rows of K V.

        Parameters
        ----------
        index : slice or integer array of shape (k,)
            Rows.
        V : array of shape (m, c)
            Vectors.
        keep : bool, default=False
            Whether to keep the rows of K.

        Returns
        -------
        G : array of shape (k, c)
            The product.
        K : array of shape (k, m) or None
            The rows.
        """
        if self.matrix is not None:
            return _part(self.matrix, index, 0) @ V, None
        if keep:
            K = self.dense(index)
            return K @ V, K
        xp, parts = namespace(V), []
        for rows, chunks in self._pieces(index):
            total = 0.0
            for columns in chunks:
                block = self.kernel.block(rows, self.B.part(columns))
                total = total + block @ V[columns, :]
            parts.append(total)
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0), None

    def adjoint(self, K, R):
        """Return K' R for rows that were kept.

        Parameters
        ----------
        K : array of shape (k, m)
            What :meth:`product` returned.
        R : array of shape (k, e)
            Vectors.

        Returns
        -------
        H : array of shape (m, e)
            In the dtype of the matrix.
        """
        return namespace(K).matrix_transpose(K) @ R

    def dense(self, index):
        """Compute rows of K.

        Parameters
        ----------
        index : slice or integer array of shape (k,)
            Rows.

        Returns
        -------
        K : array of shape (k, m)
            A new array.
        """
        if self.matrix is not None:
            return _part(self.matrix, index, 0) + 0.0
        xp, parts = namespace(self.A.rows), []
        for rows, chunks in self._pieces(index):
            row = [self.kernel.block(rows, self.B.part(columns)) for columns in chunks]
            parts.append(row[0] if len(row) == 1 else xp.concat(row, axis=1))
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)

    def _pieces(self, index):
        """Yield points of some rows, and the slices of columns, within the budget."""
        n, m = index_size(index), self.shape[1]
        bits = namespace(self.A.rows).finfo(self.A.rows.dtype).bits
        entries = max(1, self.budget // (_TEMPORARIES * (bits // 8)))
        width = max(1, min(m, entries))
        height = max(1, min(n, entries // width))
        chunks = [slice(j, min(j + width, m)) for j in range(0, max(m, 1), width)]
        for i in range(0, max(n, 1), height):
            yield self.A.part(some_of(index, i, min(i + height, n))), chunks


def _part(matrix, index, axis):
    """Return rows or columns by a slice or an integer array."""
    if not isinstance(index, slice):
        return take(matrix, index, axis=axis)
    return matrix[index, :] if axis == 0 else matrix[:, index]
