"""A quadratic with a sparse Hessian, seen by blocks of coordinates.

Problem: f(x) = x'Ax / 2 - c'x, A (m, m) sparse, symmetric and positive definite.

The interface is that of :mod:`skopt2.solvers.block_coordinate_descent.smooth_part`. The
graph of A tells which blocks are forests: on those, systems are solved by messages.
"""

import numpy as np


class SparsePart:
    """Quadratic of a sparse matrix.

    Parameters
    ----------
    A : csr_array of shape (m, m)
        Symmetric, positive definite.
    c : ndarray of shape (m,)
        Linear term.
    x : ndarray of shape (m,)
        Where to start.
    """

    exact = safe = True
    rounding = 0.0

    def __init__(self, A, c, x):
        self.A, self.c = A, np.asarray(c, dtype=np.float64)
        self.size = A.shape[0]
        self.lipschitz = A.diagonal()
        self.restart(x)

    def restart(self, x):
        """Move to a point."""
        self._g = self.A @ x - self.c

    def gradient(self):
        """Return the gradient, (m,)."""
        return self._g

    def gradient_of(self, b):
        """Return the gradient of a block."""
        return self._g[b]

    def bound(self, b):
        """Return the Hessian of a block."""
        return self.A[b][:, b].toarray()

    hessian = bound

    def hessian_times(self, d):
        """Return A d."""
        return self.A @ d

    def change(self, b, d):
        """Return the change of f for x_b + d, and a token."""
        # The rows of the symmetric A serve as its columns.
        move = d @ self.A[b]
        return float(d @ self._g[b]) + 0.5 * float(d @ move[b]), move

    def accept(self, token):
        """Move to a point that was tried."""
        self._g = self._g + token

    def move(self, b, d):
        """Move."""
        self._g = self._g + d @ self.A[b]
