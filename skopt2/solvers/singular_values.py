r"""What penalties of singular values need: prox, dual norm, subdifferential.

Symbols: Z, B, M (r, K); sigma the singular values; U, V the singular vectors of those
of B that are not 0; pen(.; lam) a scalar penalty.

prox: U diag(prox(sigma)) V' of the singular value decomposition of Z. With Z'Z = V
diag(sigma^2) V' and f = prox(sigma) / sigma it is Z V diag(f) V', an eigendecomposition
of the smaller side and two products.

Subdifferential at B: U diag(pen'(sigma)) V' + {N : U'N = 0, N V = 0, |N| <= lam}.

Sources: J.-F. Cai, E. Candes and Z. Shen, A singular value thresholding algorithm for
matrix completion, SIAM J. Optimization 20, 2010, theorem 2.1; A. Lewis, J. Convex
Analysis 2, 1995, theorem 2.4.
"""

import math

from skopt2._core.array import asarray_like, max_abs, namespace


def shrink(xp, scalar, Z, step, lam, exact=False):
    """Return the prox of a penalty of the singular values, and those.

    Parameters
    ----------
    xp : module
        Namespace.
    scalar : Penalty
        Of one singular value.
    Z : array of shape (r, K)
        Point.
    step : float
        Of the prox.
    lam : float
        Level.
    exact : bool, default=False
        Decompose Z itself: squares lose singular values below sqrt(eps) of the largest.

    Returns
    -------
    B : array of shape (r, K)
        The prox.
    sigma : array of shape (min(r, K),)
        Its singular values.
    top : array of shape ()
        Largest singular value of Z.
    """
    level = asarray_like(lam, Z)
    if exact:
        U, s, Vt = xp.linalg.svd(Z, full_matrices=False)
        sigma = scalar.prox(s, step, level)
        return (U * sigma[None, :]) @ Vt, sigma, xp.max(s)
    wide = Z.shape[1] <= Z.shape[0]
    Zt = xp.matrix_transpose(Z)
    squares, V = xp.linalg.eigh(Zt @ Z if wide else Z @ Zt)
    s = xp.where(squares > 0.0, squares, xp.zeros_like(squares)) ** 0.5
    sigma = scalar.prox(s, step, level)
    kept = sigma > 0.0
    factor = xp.where(kept, sigma / xp.where(kept, s, xp.ones_like(s)), 0.0 * s)
    turned = V * factor[None, :]
    Vt = xp.matrix_transpose(V)
    return (Z @ turned) @ Vt if wide else turned @ (Vt @ Z), sigma, xp.max(s)


def spectral_norm(M):
    """Return the largest singular value as a float."""
    xp = namespace(M)
    size = max_abs(M)
    if not size > 0.0 or not math.isfinite(size):
        return size
    unit = M / size
    turned = xp.matrix_transpose(unit)
    square = turned @ unit if M.shape[1] <= M.shape[0] else unit @ turned
    return size * math.sqrt(max(float(xp.linalg.eigvalsh(square)[-1]), 0.0))


def subspace_distance(xp, scalar, B, M, lam):
    """Return how far -M is from the subdifferential at B, in the spectral norm.

    The parts that touch the row or the column space of B have to vanish; the part
    orthogonal to both may be as large as lam.

    Parameters
    ----------
    xp : module
        Namespace.
    scalar : Penalty
        Of one singular value.
    B, M : array of shape (r, K)
        Point and gradient.
    lam : float
        Level.
    """
    U, s, Vt = xp.linalg.svd(B, full_matrices=False)
    top = float(s[0])
    noise = 1e3 * float(xp.finfo(B.dtype).eps) * top
    if lam > 0.0:
        k = int(xp.sum(xp.astype(s > noise, xp.int64)))
    else:
        k = 0
    if k == 0:
        return max(spectral_norm(M) - lam, 0.0)
    U, s, Vt = U[:, :k], s[:k], Vt[:k, :]
    T = M + (U * scalar.derivative(s, asarray_like(lam, s))[None, :]) @ Vt
    left = T - U @ (xp.matrix_transpose(U) @ T)
    outer = left - (left @ xp.matrix_transpose(Vt)) @ Vt
    return max(spectral_norm(T - outer), spectral_norm(outer) - lam, 0.0)
