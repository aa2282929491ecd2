"""Low-rank preconditioners of kernel systems, by randomly pivoted Cholesky.

Problem: F (n, r) with F F' near K, and from it P = F F' + D near H = K + Lambda.
Symbols: D = Lambda + e I diagonal, e the mean diagonal of K - F F'.

Pivots are drawn with probability proportional to the diagonal of what is left, a block
at a time, which finds the large eigenspaces of K from n r of its entries:

    C = (K - F F')(:, S),    F <- [F, C (C_SS)^-1/2],

the inverse square root by eigenvalues, without those that are rounding: a block may
hold rows that are nearly equal.

P^-1 V = D^-1 V - D^-1 F (I + F'D^-1 F)^-1 F'D^-1 V.

Source: Y. Chen, E. Epperly, J. Tropp and R. Webber, Randomly pivoted Cholesky:
practical approximation of a kernel matrix with few entry evaluations, Comm. Pure and
Applied Mathematics 78, 2025, algorithm 2.2 in blocks; M. Diaz, E. Epperly and others,
Robust, randomized preconditioning for kernel ridge regression, 2023, for P.
"""

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    HOST,
    accumulation_dtype,
    device_of,
    index_like,
    namespace,
    take,
    to_numpy,
)

# Blocks of pivots, and the smallest of them.
BLOCKS, SMALLEST = 20, 8
# Default rank over the square root of n, and the largest; of the budget for F.
ROOTS, LARGEST, SHARE = 8.0, 2000, 0.5
# Smallest ridge of P over the largest eigenvalue that K can have and the precision.
ROOM = 1e3


class LowRankPreconditioner:
    """P^-1 for P = F F' + D.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    rank : int or None, default=None
        Columns of F; None for 8 sqrt(n), at most 2000 and what half of the memory
        budget holds.
    seed : int, default=0
        Of the pivots.

    Attributes
    ----------
    rank : int
        Columns that were asked for.
    n_components : int
        Columns of F; fewer where K has a smaller rank.
    jitter : float
        Always 0: D changes the preconditioner only.
    """

    name = "cg"
    jitter = 0.0
    patience = 8

    def __init__(self, system, rank=None, seed=0):
        xp = system.xp
        rank = preferred_rank(system) if rank is None else min(rank, system.n)
        self.rank = rank
        F, left = pivoted_factor(system, rank, np.random.default_rng((seed, rank)))
        self.n_components = int(F.shape[1])
        wide = accumulation_dtype(F)
        # What is left of K acts as a ridge; a little of one keeps P definite, and the
        # matrix below well enough conditioned to be inverted.
        floor = ROOM * float(xp.finfo(wide).eps) * system.n
        floor = max(floor, 10.0 * system.eps) * system.scale
        self.inverse = 1.0 / (system.lam + max(float(np.mean(left)), floor))
        self.F = F
        weighted = xp.astype(F, wide) * xp.astype(xp.sqrt(self.inverse), wide)
        inner = weighted.T @ weighted
        inner = inner + xp.eye(int(F.shape[1]), **_like(inner))
        core = xp.linalg.inv(xp.linalg.cholesky(inner))
        self.core = xp.astype(core, F.dtype)

    def solve(self, V):
        """Return P^-1 V.

        Parameters
        ----------
        V : array of shape (n, c)
            Vectors.

        Returns
        -------
        X : array of shape (n, c)
        """
        V = self.inverse * V
        inner = self.core.T @ (self.core @ (self.F.T @ V))
        return V - self.inverse * (self.F @ inner)


def preferred_rank(system):
    """Return the rank whose factor costs some passes over K and fits the budget.

    Parameters
    ----------
    system : KernelSystem
        The problem.

    Returns
    -------
    rank : int
        From 1 to n.
    """
    n = system.n
    target = HOST if system.xp is np else cuda.target_of(system.Y)
    itemsize = int(system.xp.finfo(system.Y.dtype).bits) // 8
    affordable = int(SHARE * cuda.memory_budget(target) / (2 * n * itemsize))
    return max(1, min(n, int(ROOTS * n**0.5), LARGEST, affordable))


def pivoted_factor(system, rank, rng):
    """Return F of randomly pivoted Cholesky, and the diagonal of K - F F'.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    rank : int
        Most columns of F.
    rng : numpy.random.Generator
        Draws the pivots.

    Returns
    -------
    F : array of shape (n, r)
    left : ndarray of shape (n,)
        On the host, in float64.
    """
    xp, n = system.xp, system.n
    left = np.array(to_numpy(system.diagonal[:, 0]), dtype=np.float64)
    F, filled = xp.zeros((n, rank), **_like(system.Y)), 0
    size = max(SMALLEST, -(-rank // BLOCKS))
    floor = 10.0 * system.eps * system.scale
    while filled < rank:
        alive = np.flatnonzero(left > floor)
        if alive.size == 0:
            break
        share = left[alive] / left[alive].sum()
        count = min(size, rank - filled, alive.size)
        pivots = np.sort(rng.choice(alive, count, replace=False, p=share))
        index = index_like(pivots, system.Y)
        known = F[:, :filled]
        C = system.operator.block(slice(0, n), index)
        C = C - known @ take(known, index).T
        C = C @ _inverse_root(take(C, index), system.eps)
        new = int(C.shape[1])
        F[:, filled : filled + new] = C
        filled += new
        left -= np.asarray(to_numpy(xp.sum(C * C, axis=1)), dtype=np.float64)
        left[pivots] = 0.0
        np.maximum(left, 0.0, out=left)
    return F[:, :filled], left


def _like(x):
    """Return the options that make an array like another."""
    if namespace(x) is np:
        return {"dtype": x.dtype}
    return {"dtype": x.dtype, "device": device_of(x)}


def _inverse_root(block, eps):
    """Return W with W W' the inverse of a block, on its numerical range."""
    xp = namespace(block)
    wide = accumulation_dtype(block)
    values, vectors = xp.linalg.eigh(xp.astype(0.5 * (block + block.T), wide))
    cut = 10.0 * eps * int(block.shape[0]) * float(values[-1])
    first = int(np.sum(np.asarray(to_numpy(values)) <= cut))
    first = min(first, int(block.shape[0]) - 1)
    W = vectors[:, first:] / xp.sqrt(values[first:])
    return xp.astype(W, block.dtype)
