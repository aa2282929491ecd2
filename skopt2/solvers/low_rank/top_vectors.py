r"""The largest singular values of a matrix that is known at some positions.

Dense matrices, and sparse ones with a short side, are decomposed. For others a block
Krylov space is built: the blocks K_0 = A G, K_(t+1) = A A'K_t of a Gaussian start G are
orthonormalised, and A is decomposed in their span. The values are from below.

Source: C. Musco and C. Musco, Randomized block Krylov methods for stronger and faster
approximate singular value decomposition, NeurIPS 2015, algorithm 2.
"""

import numpy as np

from skopt2._core.array import asarray_like
from skopt2.solvers.singular_values import spectral_norm

# Sides up to which a product of the matrix with itself is decomposed.
SHORT = 600
# Blocks of the Krylov space, and columns of a block beside those asked for.
DEPTH, SPARE = 8, 4


def largest_value(entries, r):
    """Return the spectral norm as a float."""
    if not hasattr(entries, "order"):
        return spectral_norm(r)
    if min(entries.shape) <= SHORT:
        values = np.linalg.eigvalsh(_short_square(entries, r)[0])
        return float(np.sqrt(max(values[-1], 0.0)))
    return float(top_triplets(entries, r, 1)[1][0])


def _short_square(entries, r):
    """Return A'A or AA', the smaller, in float64, and whether it is A'A."""
    A = entries._matrix(r.astype(np.float64, copy=False))
    wide = A.shape[1] <= A.shape[0]
    return ((A.T @ A) if wide else (A @ A.T)).toarray(), wide


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
