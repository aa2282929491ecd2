"""A quadratic with a sparse Hessian, seen by blocks of coordinates.

Problem: f(x) = x'Ax / 2 - c'x, A (m, m) sparse, symmetric and positive definite.

The interface is that of :mod:`skopt2.solvers.block_coordinate_descent.smooth_part`. The
graph of A tells which blocks are forests: on those, systems are solved by messages.
"""

import numpy as np
import scipy.sparse as sp


def sparse_part(model, w):
    """Return the squared loss of sparse columns through A = X' diag(s) X.

    Parameters
    ----------
    model : CompositeModel
        In host memory.
    w : ndarray of shape (m,)
        Where to start.

    Raises
    ------
    ValueError
        If the Hessian changes, or centring fills it.
    """
    problem = model.problem
    sparse = problem.design.sparse and model.means is None
    if not (sparse and problem.loss.is_quadratic and model.K == 1):
        raise ValueError(
            "Blocks that are forests need a sparse Hessian: a sparse X, the squared "
            "loss and fit_intercept=False. Use partition='variable' otherwise."
        )
    X = sp.csr_array(model.X)
    weighted = sp.csr_array(X.multiply(problem.s[:, None]))
    A = sp.csr_array(weighted.T @ X).astype(np.float64)
    # What is in no sample has no curvature; any will do, as it stays at 0.
    A += sp.diags_array(np.where(A.diagonal() > 0.0, 0.0, 1.0))
    A = sp.csr_array(A)
    A.sort_indices()
    return SparsePart(A, weighted.T @ problem.y, w)


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
