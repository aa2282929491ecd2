"""Directions from the block of a system: exact solutions, and Nystrom approximations.

Problem: D = P^-1 G for a block H_II = K_II + Lambda_I (b, b) and its gradient G (b, c),
P = H_II or near it.

A block that is not numerically definite (duplicate rows, smooth kernels, Lambda near 0)
gets a diagonal jitter. P only shortens the step where it is larger than H_II, so the
solution of the whole system stays what it was.
"""

from contextlib import nullcontext

import numpy as np

from skopt2._core.array import all_finite, asarray_like, cholesky_solve, namespace
from skopt2._core.threads import one_blas_thread
from skopt2.solvers.kernel.system import add_to_diagonal

# Power iterations for the largest eigenvalue of a preconditioned block.
POWER = 10
# Rows up to which a block is solved by one thread: several gain a millisecond where
# they run, and lose hundreds where they wait for a core that others use.
ALONE = 1024


class ExactBlock:
    """Solve blocks by Cholesky factorisation.

    Parameters
    ----------
    system : KernelSystem
        The problem.

    Attributes
    ----------
    jitter : float
        Diagonal that is added; grows when a block is not definite.
    """

    def __init__(self, system):
        self.system, self.jitter = system, 0.0

    def __call__(self, index, G):
        """Return H_II^-1 G.

        Parameters
        ----------
        index : array of int of shape (b,)
            Rows.
        G : array of shape (b, c)
            Gradient.

        Returns
        -------
        D : array of shape (b, c)

        Raises
        ------
        ValueError
            If no jitter below the size of the kernel makes the block definite.
        """
        system, size = self.system, int(index.shape[0])
        least = size * system.eps * system.scale
        if self.jitter == 0.0 and system.least * system.scale < least:
            self.jitter = least
        H = system.block(index)
        added = 0.0
        while True:
            H = add_to_diagonal(H, self.jitter - added)
            added = self.jitter
            # The transpose is what LAPACK's column order copies fastest.
            with one_blas_thread() if size <= ALONE else nullcontext():
                D = cholesky_solve(H.T, G)
            if D is not None:
                return D
            if not all_finite(G):
                # The guard of the engine deals with a divergence.
                return G
            self.jitter = max(10.0 * self.jitter, least)
            if self.jitter > system.scale:
                raise ValueError(
                    "The kernel matrix is not positive semidefinite: a block of "
                    f"{size} rows has an eigenvalue below {-system.scale:.1e}. Use "
                    "another kernel."
                )


class NystromBlock:
    """Precondition blocks by a randomized Nystrom approximation of low rank.

    P = U diag(s) U' + rho (I - U U') with U, s of the approximation of H_II and rho the
    smallest s; the direction is divided by the largest eigenvalue of P^-1 H_II, which
    makes a unit step safe.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    rank : int
        Columns of U.
    seed : int
        Of the test matrices.

    Attributes
    ----------
    jitter : float
        Shift of the approximation in the units of the kernel.
    """

    def __init__(self, system, rank, seed):
        self.system, self.rank, self.seed = system, int(rank), seed
        self.jitter = 0.0
        self._tests = {}

    def __call__(self, index, G):
        """Return P^-1 G over the largest eigenvalue of P^-1 H_II.

        Parameters
        ----------
        index : array of int of shape (b,)
            Rows.
        G : array of shape (b, c)
            Gradient.

        Returns
        -------
        D : array of shape (b, c)
        """
        H = self.system.block(index)
        test, probe = self._test_matrix(int(index.shape[0]))
        U, s = nystrom(H, test)
        rho = s[0]

        def precondition(V):
            inner = U.T @ V
            return (V - U @ inner) / rho + U @ (inner / s[:, None])

        v = probe
        for _ in range(POWER):
            v = precondition(H @ v)
            largest = self.system.xp.max(self.system.xp.abs(v))
            v = v / largest
        # The iteration has the eigenvalue from below.
        return precondition(G) / (1.1 * largest)

    def _test_matrix(self, size):
        """Return an orthonormal matrix (size, rank) and a vector (size, 1)."""
        if size not in self._tests:
            rng = np.random.default_rng((self.seed, size))
            rank = min(self.rank, size)
            numbers = rng.standard_normal((size, rank + 1))
            basis = np.linalg.qr(numbers[:, :rank])[0]
            Y = self.system.Y
            self._tests[size] = (
                asarray_like(basis, Y),
                asarray_like(numbers[:, rank:], Y),
            )
        return self._tests[size]


def nystrom(H, test):
    """Return the eigenvectors and eigenvalues of a randomized Nystrom approximation.

    Parameters
    ----------
    H : array of shape (b, b)
        Positive semidefinite.
    test : array of shape (b, r)
        Orthonormal columns Q: H is approximated by (H Q)(Q'H Q)^-1 (H Q)'.

    Returns
    -------
    U : array of shape (b, r)
        Orthonormal columns.
    s : array of shape (r,)
        Positive, in increasing order.

    Notes
    -----
    J. Tropp, A. Yurtsever, M. Udell and V. Cevher, Fixed-rank approximation of a
    positive-semidefinite matrix from streaming data, NeurIPS 2017, algorithm 3, with
    the pseudo-inverse of Q'H Q by its eigenvalues.
    """
    xp = namespace(H)
    sketch = H @ test
    core = test.T @ sketch
    values, vectors = xp.linalg.eigh(0.5 * (core + core.T))
    eps = float(xp.finfo(H.dtype).eps)
    shift = eps * int(H.shape[0]) * values[-1]
    root = vectors / xp.sqrt(xp.clip(values, shift, None))
    U, sigma, _ = xp.linalg.svd(sketch @ root, full_matrices=False)
    s = xp.flip(sigma) ** 2
    return xp.flip(U, axis=1), xp.clip(s, shift, None)
