"""Positive definite matrices: factor, determinant and inverse.

On the host LAPACK does it in place, half the work of the general routines of NumPy.
"""

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from skopt2._core.array import namespace, sum64


def symmetric(M):
    """Return the symmetric part of a matrix, equal to its mirror image bit by bit.

    Parameters
    ----------
    M : array of shape (p, p)
        Symmetric but for rounding.

    Returns
    -------
    M : array of shape (p, p)
    """
    return 0.5 * (M + namespace(M).matrix_transpose(M))


def factorise(M, out=None):
    """Return the Cholesky factor, with the logarithm of the determinant.

    Parameters
    ----------
    M : array of shape (p, p)
        Symmetric.
    out : ndarray of shape (p, p), default=None
        Memory for the factor, on the host, in the order of rows.

    Returns
    -------
    factor : array of shape (p, p) or None
        For :func:`inverse`; None if the matrix is not positive definite.
    log_det : float
        Minus infinity without a factor.
    """
    xp = namespace(M)
    if xp is np:
        # The transpose is the same matrix in the order that LAPACK reads.
        (potrf,) = get_lapack_funcs(("potrf",), (M,))
        out = np.empty_like(M) if out is None else out
        np.copyto(out, M)
        factor, info = potrf(out.T, lower=1, clean=1, overwrite_a=1)
        diagonal = factor.diagonal()
        if info:
            return None, -np.inf
    else:
        try:
            factor = xp.linalg.cholesky(M)
        except Exception as error:
            if type(error).__name__ not in ("LinAlgError", "_LinAlgError"):
                raise
            return None, -np.inf
        diagonal = xp.linalg.diagonal(factor)
    # CuPy fills the factor with NaN instead of raising.
    if not bool(xp.all(diagonal > 0.0)):
        return None, -np.inf
    return factor, 2.0 * sum64(xp.log(diagonal))


def inverse(M, factor):
    """Return the inverse, symmetric to the last digit.

    Parameters
    ----------
    M : array of shape (p, p)
        Symmetric and positive definite.
    factor : array of shape (p, p)
        What :func:`factorise` returned; it is used up.

    Returns
    -------
    W : array of shape (p, p)
    """
    if namespace(M) is np:
        half = inverse_half(factor)
        W = half + half.T
        W.reshape(-1)[:: len(W) + 1] *= 0.5
        return W
    return symmetric(namespace(M).linalg.inv(M))


def inverse_half(factor):
    """Return the lower triangle of an inverse on the host, and zeros above.

    Parameters
    ----------
    factor : ndarray of shape (p, p)
        What :func:`factorise` returned; it is overwritten, and the memory is in the
        order of columns.

    Returns
    -------
    half : ndarray of shape (p, p)
    """
    (potri,) = get_lapack_funcs(("potri",), (factor,))
    return potri(factor, lower=1, overwrite_c=1)[0]
