r"""The largest singular values of a matrix that is known at some positions.

The largest value alone decides what a duality gap is: dense matrices, and sparse ones
with a short side, are decomposed, and for others ARPACK iterates to convergence.

Vectors to start from need no such care. A block Krylov space is built for them: the
blocks K_0 = A G, K_(t+1) = A A'K_t of a Gaussian start G are orthonormalised, and A is
decomposed in their span. These values are from below, by a hundredth or so.

Source: C. Musco and C. Musco, Randomized block Krylov methods for stronger and faster
approximate singular value decomposition, NeurIPS 2015, algorithm 2.
"""

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, svds

from skopt2._core.array import asarray_like
from skopt2.solvers.singular_values import spectral_norm

# Sides up to which a product of the matrix with itself is decomposed.
SHORT = 600
# Blocks of the Krylov space, and columns of a block beside those asked for.
DEPTH, SPARE = 8, 4
# Relative accuracy of a largest value that is iterated for.
EXACT = 1e-8


def largest_value(entries, r):
    """Return the spectral norm as a float.

    Parameters
    ----------
    entries : DenseEntries or SparseEntries
        Positions.
    r : array
        Values there.
    """
    if not hasattr(entries, "order"):
        return spectral_norm(r)
    A = entries._matrix(r.astype(np.float64, copy=False))
    size = float(np.abs(A.data).max(initial=0.0))
    if size == 0.0:
        return 0.0
    A = A / size
    if min(A.shape) <= SHORT:
        square = (A.T @ A) if A.shape[1] <= A.shape[0] else (A @ A.T)
        values = np.linalg.eigvalsh(square.toarray())
        return size * float(np.sqrt(max(values[-1], 0.0)))
    start = np.random.default_rng(0).standard_normal(min(A.shape))
    try:
        value = svds(A, k=1, tol=EXACT, v0=start, return_singular_vectors=False)[0]
    except ArpackNoConvergence:
        # Never less, so that what follows from it stays a bound.
        value = np.linalg.norm(A.data)
    return size * float(value)


def top_triplets(entries, r, k, seed=0):
    """Return the largest singular values and their vectors.

    Parameters
    ----------
    entries : DenseEntries or SparseEntries
        Positions.
    r : array
        Values there.
    k : int
        How many.
    seed : int, default=0
        Of the start.

    Returns
    -------
    U : array of shape (n, k)
        Left vectors.
    s : array of shape (k,)
        Values, largest first.
    V : array of shape (p, k)
        Right vectors.
    """
    xp, (n, p) = entries.xp, entries.shape
    k = min(k, n, p)
    columns = min(k + SPARE, n, p)
    depth = DEPTH if columns * DEPTH <= min(n, p) else max(1, min(n, p) // columns)
    if min(n, p) <= min(2 * columns, SHORT):
        columns, depth = min(n, p), 1
    rng = np.random.default_rng(seed)
    G = asarray_like(rng.standard_normal((p, columns)), entries.like)
    block, blocks = _orthonormal(xp, entries.times(r, G)), []
    for _ in range(depth - 1):
        blocks.append(block)
        turned = _orthonormal(xp, entries.adjoint(r, block))
        block = _orthonormal(xp, entries.times(r, turned))
    blocks.append(block)
    Q = _orthonormal(xp, xp.concat(blocks, axis=1) if depth > 1 else block)
    left, s, Vt = xp.linalg.svd(
        xp.matrix_transpose(entries.adjoint(r, Q)), full_matrices=False
    )
    return Q @ left[:, :k], s[:k], xp.matrix_transpose(Vt)[:, :k]


def _orthonormal(xp, A):
    return xp.linalg.qr(A)[0]
