"""Pairs of rows of two matrices, and the problems between them."""

import numpy as np

from skopt2._core.array import take
from skopt2.solvers.transport.batch import solve_batch


class Pairs:
    """Numbered pairs of rows of two matrices.

    Parameters
    ----------
    n, m : int
        Numbers of rows.
    symmetric : bool, default=False
        Whether both matrices are the same, so that pairs i < j are enough.
    """

    def __init__(self, n, m, symmetric=False):
        self.n, self.m, self.symmetric = int(n), int(m), symmetric
        self.size = self.n * (self.n - 1) // 2 if symmetric else self.n * self.m

    def blocks(self, size):
        """Yield the row numbers (i, j) of consecutive pairs, ``size`` at a time."""
        for start in range(0, self.size, size):
            yield self._rows(np.arange(start, min(start + size, self.size)))

    def _rows(self, pairs):
        if not self.symmetric:
            return np.divmod(pairs, self.m)
        # Row i of the strict upper triangle starts at the pair i n - i (i + 1) / 2.
        i = np.arange(self.n)
        starts = i * self.n - i * (i + 1) // 2
        i = np.searchsorted(starts[:-1], pairs, side="right") - 1
        return i, i + 1 + pairs - starts[i]

    def assemble(self, values, diagonal):
        """Return the matrix (n, m) of the values of all pairs.

        Parameters
        ----------
        values : ndarray of shape (size,)
            In the order of the pairs.
        diagonal : ndarray of shape (n,)
            Of a symmetric matrix.

        Returns
        -------
        D : ndarray of shape (n, m)
            float64.
        """
        if not self.symmetric:
            return values.reshape(self.n, self.m).astype(np.float64)
        D = np.diag(diagonal)
        i, j = self._rows(np.arange(self.size))
        D[i, j] = values
        D[j, i] = values
        return D


def solve_pairs(problem, A, H, G, i, j, target, name, *, tol, max_iter):
    """Solve the problems between some rows of two matrices of histograms.

    They start at the potentials of H with itself, which solve those of near copies.

    Parameters
    ----------
    problem : BatchProblem
        Costs and regularisation.
    A, H : array of shape (n, n_bins), (m, n_bins)
        Histograms.
    G : array of shape (m, n_bins)
        Potentials of each row of ``H`` with itself.
    i, j : ndarray of shape (k,)
        Row numbers; ``j=None`` for problems of rows of ``A`` with themselves.
    target : Target
        Where the arrays are.
    name : {"cost", "objective"}
        Figure to return.
    tol, max_iter : float, int
        As in :func:`skopt2.solvers.transport.batch.solve_batch`.

    Returns
    -------
    values, error : ndarray of shape (k,)
        The figure and the marginal error of each problem.
    """
    with target.activate():
        A, B, start = take(A, i), None, None
        if j is not None:
            B, start = take(H, j), take(G, j)
        limits = {"tol": tol, "max_iter": max_iter, "start": start}
        solution = solve_batch(problem, A, B, **limits).solution
    # Not the potentials, which would take the memory of the data times the pairs.
    return getattr(solution, name), solution.error
