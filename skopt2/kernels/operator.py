"""Products with a kernel matrix that need not fit in memory.

K = (k(x_i, y_j)) (n, m), rows X (n, d), columns Y (m, d), Y = X where nothing else is
said. Solvers ask for rows of K V, V (m, c), for the adjoint of the same rows, or for a
small block of K itself; no array of n m entries is made unless it is asked for.
"""

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import HOST, index_like, namespace
from skopt2._core.parameters import check_choice, check_count
from skopt2._core.threads import TaskPool
from skopt2.kernels.base import index_size
from skopt2.kernels.blocks import Blocks
from skopt2.kernels.points import check_points
from skopt2.kernels.symmetric import pays, symmetric_product
from skopt2.kernels.tiles import Tiles

# Passes over the kernel matrix from which keeping it pays for computing it first.
_PASSES = 3


class KernelOperator:
    """Kernel matrix of two sets of points, as an operator on vectors.

    Parameters
    ----------
    kernel : Kernel
        Resolved on X if a parameter such as "median" is left.
    X : array of shape (n, d)
        Points of the rows, float32 or float64, of any array namespace.
    Y : array of shape (m, d) or None, default=None
        Points of the columns; None for X, which makes the operator symmetric.
    store : {"auto", True, False}, default="auto"
        Whether to compute and keep the whole matrix. "auto" keeps it if it fits the
        budget and ``n_passes`` says that it will be used often.
    n_passes : float or None, default=None
        How many times the rows will be passed over, as far as is known.
    n_threads : int or None, default=None
        Threads on the host; None for as many as the BLAS may use.
    budget : int or None, default=None
        Bytes for the matrix, or for blocks of it; None for a share of the free memory
        of a device, or scikit-learn's ``working_memory`` on the host.

    Attributes
    ----------
    kernel : Kernel
        With numbers for parameters.
    shape : tuple of int
        (n, m).
    dtype : dtype
        Of the matrix and of the products.
    xp : module
        Namespace of the arrays.
    stored : bool
        Whether the matrix is kept.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the points have values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, KernelOperator
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> K = KernelOperator(Gaussian(length_scale=1.0), X)
    >>> K.rows(slice(0, 2), np.ones((3, 1))).round(3).tolist()
    [[1.742], [2.213]]
    """

    def __init__(
        self,
        kernel,
        X,
        Y=None,
        *,
        store="auto",
        n_passes=None,
        n_threads=None,
        budget=None,
    ):
        _check_options(store, n_threads, budget)
        X = check_points(X, "X")
        self.kernel = kernel.resolve(X)
        origin = self.kernel.origin(X)
        A = self.kernel.features(X, origin)
        self.symmetric = Y is None
        if self.symmetric:
            B = A
        else:
            Y = check_points(Y, "Y", X)
            B = self.kernel.features(Y, origin)
            if A.kinds != B.kinds:
                A = self.kernel.features(X, origin, wide=True)
                B = self.kernel.features(Y, origin, wide=True)
        self.A, self.B = A, B
        self.shape, self.dtype, self.xp = (A.n_rows, B.n_rows), A.dtype, namespace(X)
        target = HOST if self.xp is np else cuda.target_of(X)
        self.budget = cuda.memory_budget(target) if budget is None else int(budget)
        if self.xp is np:
            pool = TaskPool(n_threads)
            self._tiles = Tiles(self.kernel, A, B, pool, self.symmetric)
        else:
            self._tiles = Blocks(self.kernel, A, B, self.budget)
        given = self.kernel.given(A, B)
        self._given = self.stored = given is not None
        if self._given:
            self._tiles.matrix = given
        elif self._worth_keeping(n_passes) if store == "auto" else store:
            self.keep()

    def _worth_keeping(self, n_passes):
        fits = self._n_bytes(*self.shape) <= self.budget
        return fits and n_passes is not None and n_passes >= _PASSES

    def _n_bytes(self, n_rows, n_cols):
        return n_rows * n_cols * int(self.xp.finfo(self.dtype).bits) // 8

    def keep(self):
        """Compute the whole matrix, which later products only read."""
        if not self.stored:
            self._tiles.matrix = self._tiles.dense(slice(0, self.shape[0]))
            self.stored = True

    def release(self):
        """Forget the matrix, and hand it over.

        Returns
        -------
        K : array of shape (n, m) or None
            Free to be overwritten; None where no matrix of the operator's own is kept.
        """
        if not self.stored or self._given:
            return None
        K, self._tiles.matrix, self.stored = self._tiles.matrix, None, False
        return K

    def rows(self, index, V):
        """Compute rows of the product K V.

        Parameters
        ----------
        index : slice or array of int of shape (k,)
            Which rows; a slice has the step 1.
        V : array of shape (m, c) or (m,)
            Vectors, converted to the dtype of the operator.

        Returns
        -------
        G : array of shape (k, c) or (k,)
            The product k(X_I, Y) V; on the host tiles of columns are summed in
            float64.
        """
        V, vector = self._vectors(V, self.shape[1], "V")
        G, _ = self._tiles.product(self._index(index, self.shape[0]), V)
        return G[:, 0] if vector else G

    def rows_and_adjoint(self, index, V, residual):
        """Compute rows of K V, and their adjoint applied to what follows.

        Parameters
        ----------
        index : slice or array of int of shape (k,)
            Which rows.
        V : array of shape (m, c) or (m,)
            Vectors.
        residual : callable
            Given G (k, c), returns R (k, e), such as G less the targets.

        Returns
        -------
        G : array of shape (k, c) or (k,)
            The product k(X_I, Y) V.
        H : array of shape (m, e) or (m,)
            The product k(X_I, Y)' R. The rows of K are computed once if they fit the
            budget, else twice.
        """
        V, vector = self._vectors(V, self.shape[1], "V")
        index = self._index(index, self.shape[0])
        size = index_size(index)
        keep = not self.stored and self._n_bytes(size, self.shape[1]) <= self.budget
        G, K = self._tiles.product(index, V, keep)
        R, flat = self._vectors(residual(G[:, 0] if vector else G), size, "residual")
        if K is not None:
            H = self._tiles.adjoint(K, R)
        else:
            H = self._adjoint(index, R)
        return (G[:, 0] if vector else G), (H[:, 0] if flat else H)

    def block(self, index, columns):
        """Dense block of K.

        Parameters
        ----------
        index, columns : slice or array of int of shape (k,), (l,)
            Rows and columns.

        Returns
        -------
        K : array of shape (k, l)
            A copy.
        """
        index = self._index(index, self.shape[0])
        columns = self._index(columns, self.shape[1])
        tiles = self._tiles
        if index_size(columns) < self.shape[1] or not isinstance(columns, slice):
            if self.stored:
                # All rows of these columns would be a copy of a part of the matrix.
                size = index_size(index)
                return tiles.part(index, columns).dense(slice(0, size))
            tiles = tiles.part(slice(0, self.shape[0]), columns)
        return tiles.dense(index)

    def diagonal(self):
        """Diagonal k(x_i, x_i).

        Returns
        -------
        diagonal : array of shape (n,)
            In the dtype of the operator.

        Raises
        ------
        ValueError
            If rows and columns are different points.
        """
        if not self.symmetric:
            raise ValueError(
                "Only a symmetric kernel operator has a diagonal; Y is set."
            )
        return self.kernel.diag(self.A)

    def product(self, V):
        """Product K V, all rows of K computed and forgotten.

        Takes half the time of the same rows asked for, where K is symmetric: each
        entry is computed once for the two places where it stands.

        Parameters
        ----------
        V : array of shape (m, c) or (m,)
            Vectors.

        Returns
        -------
        G : array of shape (n, c) or (n,)
            In the dtype of the operator.
        """
        n, c = V.shape[0], 1 if V.ndim == 1 else V.shape[1]
        if not self.symmetric or self.stored or self.xp is not np or not pays(n, c):
            return self.rows(slice(None), V)
        V, vector = self._vectors(V, self.shape[1], "V")
        G = symmetric_product(self._tiles, V)
        return G[:, 0] if vector else G

    def adjoint_product(self, U):
        """Product K' U, all rows of K computed and forgotten.

        Parameters
        ----------
        U : array of shape (n, c) or (n,)
            Vectors.

        Returns
        -------
        H : array of shape (m, c) or (m,)
            In the dtype of the operator.
        """
        if self.symmetric:
            return self.product(U)
        U, vector = self._vectors(U, self.shape[0], "U")
        H = self._adjoint(slice(0, self.shape[0]), U)
        return H[:, 0] if vector else H

    def _adjoint(self, index, R):
        """Return k(X_I, Y)' R, the rows computed again."""
        columns = self._tiles.part(index, slice(0, self.shape[1])).transposed()
        return columns.product(slice(0, self.shape[1]), R)[0]

    def _index(self, index, n):
        """Return a slice with numbers, or an integer array beside the points."""
        if isinstance(index, slice):
            start, stop, step = index.indices(n)
            if step != 1:
                raise ValueError(f"Slices of rows must have the step 1; got {step}.")
            return slice(start, max(start, stop))
        if "int" not in str(getattr(index, "dtype", "int")):
            raise TypeError(
                f"Rows are given by a slice or by whole numbers; got {index.dtype}."
            )
        index = index_like(index, self.A.rows)
        index = self.xp.reshape(index, (-1,))
        # A device would be waited for; it checks, or wraps, by its own rules.
        if self.xp is np and index.size and not 0 <= index.min() <= index.max() < n:
            raise IndexError(
                f"Indices must be from 0 to {n - 1}; got some from {index.min()} to "
                f"{index.max()}."
            )
        return index

    def _vectors(self, V, n, name):
        """Return vectors as columns beside the points, and whether it is one vector."""
        if V.shape[0] != n or V.ndim not in (1, 2):
            raise ValueError(
                f"{name} has shape {tuple(V.shape)}; the operator of shape "
                f"{self.shape} needs {n} rows."
            )
        vector = V.ndim == 1
        V = V[:, None] if vector else V
        V = V if V.dtype == self.dtype else self.xp.astype(V, self.dtype)
        return np.ascontiguousarray(V) if self.xp is np else V, vector


def _check_options(store, n_threads, budget):
    """Raise ValueError for an option out of range."""
    check_choice("store", store, ("auto", True, False))
    check_count("n_threads", n_threads, optional=True)
    check_count("budget", budget, optional=True)
