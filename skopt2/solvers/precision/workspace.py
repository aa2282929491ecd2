"""The work of a step on matrices, on the host without new arrays.

An array of some hundred rows squared is given back to the system when it is freed, and
touching its pages again takes longer than the arithmetic, as long as a Cholesky factor.
So what does not outlive a step is written to scratch arrays here, and what does, to one
of two arrays by turns: a precision matrix and its gradient hold until the step after
the next one.
"""

import numpy as np

from skopt2._core.array import namespace, sum64
from skopt2.penalties.base import soft_threshold
from skopt2.solvers.precision.definite import factorise, inverse, inverse_half


def inner(A, B):
    """Return the sum of the products of the elements, as a float."""
    # Both in the memory order of rows, so that vdot copies nothing.
    if namespace(A) is np:
        return float(np.vdot(A, B))
    return sum64(A * B)


class Workspace:
    """Element-wise functions of matrices, in any namespace.

    Parameters
    ----------
    problem : PrecisionProblem
        Of the block.
    """

    def __init__(self, problem):
        self.C, self.L = problem.C, problem.L

    def shrink(self, T, G, t):
        """Return soft(T - t G, t L)."""
        return soft_threshold(T - t * G, t * self.L)

    def difference(self, A, B):
        """Return A - B, until the next call."""
        return A - B

    def size(self, T):
        """Return sum L abs(T)."""
        return inner(self.L, namespace(T).abs(T))

    def factorise(self, M):
        """Return the Cholesky factor, None if there is none, and the log-determinant.

        The factor holds until the next call.
        """
        return factorise(M)

    def gradient(self, T, factor):
        """Return C - T^-1; the factor is used up."""
        return self.C - inverse(T, factor)

    def dual_point(self, T, H):
        """Return a dual point Z, and what the gap will be, without a factor.

        With W = C - H and R = Z - W, log det Z = log det W + tr(T R) - tr(T R T R) / 2
        + ..., and the second order is estimated with T near the identity.

        Parameters
        ----------
        T, H : array of shape (k, k)
            Precision, gradient of the likelihood.

        Returns
        -------
        Z : array of shape (k, k)
            Feasible, but perhaps not positive definite; until the next call.
        estimate : float
            Of the gap.
        """
        R = soft_threshold(H, self.L)
        clipped = H - R
        estimate = self.size(T) + inner(T, clipped) + 0.5 * inner(R, R)
        return self.C - clipped, estimate


class HostWorkspace(Workspace):
    """The same for NumPy arrays, in scratch memory.

    Parameters
    ----------
    problem : PrecisionProblem
        Of the block.
    """

    def __init__(self, problem):
        super().__init__(problem)
        self._scratch = [np.empty_like(self.C) for _ in range(3)]
        self._iterates = [np.empty_like(self.C) for _ in range(2)]
        # The first holds the last gradient, the second is free for a factor.
        self._factors = [np.empty_like(self.C) for _ in range(2)]
        self._minus_L = -self.L

    def shrink(self, T, G, t):
        """Return soft(T - t G, t L)."""
        free = self._iterates[1 if T is self._iterates[0] else 0]
        z, kept, bound = self._scratch
        np.multiply(G, -t, out=z)
        np.add(z, T, out=z)
        np.multiply(self.L, t, out=bound)
        np.minimum(z, bound, out=kept)
        np.negative(bound, out=bound)
        np.maximum(kept, bound, out=kept)
        return np.subtract(z, kept, out=free)

    def difference(self, A, B):
        """Return A - B, until the next call."""
        return np.subtract(A, B, out=self._scratch[0])

    def size(self, T):
        """Return sum L abs(T)."""
        return inner(self.L, np.abs(T, out=self._scratch[1]))

    def factorise(self, M):
        """Return the Cholesky factor, None if there is none, and the log-determinant.

        The factor holds until the next call.
        """
        return factorise(M, self._factors[1])

    def gradient(self, T, factor):
        """Return C - T^-1, in the memory of the factor."""
        self._factors.reverse()
        half = inverse_half(factor)
        W = np.add(half.T, half, out=self._scratch[1])
        W.reshape(-1)[:: len(W) + 1] *= 0.5
        return np.subtract(self.C, W, out=half.T)

    def dual_point(self, T, H):
        """Return a dual point Z, and what the gap will be, without a factor."""
        R, _, Z = self._scratch
        np.minimum(H, self.L, out=Z)
        np.maximum(Z, self._minus_L, out=Z)
        np.subtract(H, Z, out=R)
        estimate = self.size(T) + inner(T, Z) + 0.5 * inner(R, R)
        return np.subtract(self.C, Z, out=Z), estimate


def make_workspace(problem):
    """Return the workspace of the namespace of a problem.

    Parameters
    ----------
    problem : PrecisionProblem
        Of the block.
    """
    host = namespace(problem.C) is np
    return HostWorkspace(problem) if host else Workspace(problem)
