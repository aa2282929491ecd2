"""A kernel from a function on two sets of points."""

from skopt2._core.array import asarray_like
from skopt2.kernels.base import Kernel


class FromCallable(Kernel):
    """Kernel from a function that returns whole blocks of the kernel matrix.

    Parameters
    ----------
    function : callable
        ``function(X, Y)`` returns the block of shape (nX, nY) for points of shape
        (nX, d) and (nY, d), which are arrays as the user's are: NumPy, CuPy or others.
        Must be symmetric and positive semidefinite. On the host several threads call
        it at one time.

    Notes
    -----
    A function on two single points goes into ``FromPairwise(function)``, which is much
    slower.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import FromCallable
    >>> kernel = FromCallable(lambda X, Y: np.minimum(X, Y.T))
    >>> kernel(np.array([[1.0], [2.0]])).tolist()
    [[1.0, 1.0], [1.0, 2.0]]
    """

    name = "callable"

    def __init__(self, function):
        self.function = function

    def check_parameters(self):
        """Raise TypeError unless the function can be called."""
        if not callable(self.function):
            raise TypeError(
                "function must be a callable of two arrays of points; got "
                f"{self.function!r}."
            )

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        K = self.function(A.rows, B.rows)
        shape, wanted = getattr(K, "shape", ()), (A.n_rows, B.n_rows)
        if tuple(shape) != wanted:
            raise ValueError(
                f"The kernel function returned shape {tuple(shape)} for sets of "
                f"{wanted[0]} and {wanted[1]} points; expected {wanted}. For a "
                "function of two single points use FromPairwise(function)."
            )
        return asarray_like(K, A.rows, A.dtype)
