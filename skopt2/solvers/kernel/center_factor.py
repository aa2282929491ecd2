"""Cholesky factors of matrices that are positive semidefinite but for rounding.

Problem: H + j I = L L' for H (p, p), in exact arithmetic positive semidefinite and in
floating point often not; above all the kernel matrix k(Z, Z) of centres Z. Symbols: L
(p, p) lower triangular; j > 0 the jitter, the smallest of a ladder for which the factor
exists. The ladder starts at the size of the negative eigenvalues that rounding the
entries of H makes: eps sqrt(p) / 2 times the mean of the diagonal.

Whoever uses such a factor takes it as a preconditioner, so that the jitter does not
move the solution. As a change of variables it has a flaw: directions that K does not
have, such as the difference of two equal centres, are scaled up until their rounding is
as large as the rest. The second factor, of a submatrix K_PP = L L' whose pivots P are
chosen one after the other by the largest remaining diagonal, leaves such centres out.
"""

import numpy as np
import scipy.linalg

from skopt2._core.array import (
    accumulation_dtype,
    all_finite,
    asarray_like,
    device_of,
    move,
    namespace,
    to_numpy,
)

# Centres up to which the factor of a float32 matrix is kept in float64.
WIDE = 8192
# Ratio of the steps of the ladder, and their number.
RATIO, STEPS = 10.0, 14
_NOT_SEMIDEFINITE = "is not positive semidefinite: use another kernel."


class TriangularFactor:
    """Solve with a matrix H = L L'.

    Parameters
    ----------
    factor : array of shape (p, p)
        L, in Fortran order for NumPy, whose upper triangle is not read; L^-1 elsewhere:
        devices multiply far faster than they solve triangular systems of few columns.
    jitter : float, default=0.0
        What is in H beside the matrix that was to be factored.

    Attributes
    ----------
    dtype : dtype
        Of the factor.
    """

    exact = True

    def __init__(self, factor, jitter=0.0):
        self._factor, self.jitter, self.dtype = factor, jitter, factor.dtype

    @property
    def xp(self):
        """Namespace of the factor; a module, which a pickle could not hold."""
        return namespace(self._factor)

    def moved(self, target):
        """Return the factor on a target; itself where it is there.

        Parameters
        ----------
        target : Target
            Where to.

        Returns
        -------
        factor : TriangularFactor
        """
        here, L = self.xp is np, self._factor
        if here == (target.kind == "numpy"):
            L = move(L, target)
        else:
            # One side keeps L, the other its inverse.
            L = np.tril(to_numpy(L))
            eye = np.eye(L.shape[0], dtype=L.dtype)
            L = scipy.linalg.solve_triangular(L, eye, lower=True)
            L = move(np.ascontiguousarray(L), target)
            L = L if here else np.asfortranarray(L)
        return self if L is self._factor else TriangularFactor(L, self.jitter)

    def whiten(self, B):
        """Return L^-1 B.

        Parameters
        ----------
        B : array of shape (p, k)
            Columns.

        Returns
        -------
        whitened : array of shape (p, k)
            In the dtype of B.
        """
        return self._solve(B, transposed=False)

    def unwhiten(self, B):
        """Return L^-T B.

        Parameters
        ----------
        B : array of shape (p, k)
            Columns.

        Returns
        -------
        columns : array of shape (p, k)
            In the dtype of B.
        """
        return self._solve(B, transposed=True)

    def solve(self, B):
        """Return (H + j I)^-1 B.

        Parameters
        ----------
        B : array of shape (p, k)
            Columns.

        Returns
        -------
        solution : array of shape (p, k)
            In the dtype of B.
        """
        return self.unwhiten(self.whiten(B))

    def _solve(self, B, transposed):
        xp, dtype = self.xp, B.dtype
        B = xp.astype(B, self.dtype, copy=False)
        if xp is np:
            (trtrs,) = scipy.linalg.get_lapack_funcs(("trtrs",), (self._factor,))
            solution, _ = trtrs(self._factor, B, lower=1, trans=int(transposed))
        elif transposed:
            solution = xp.matrix_transpose(self._factor) @ B
        else:
            solution = self._factor @ B
        return xp.astype(solution, dtype, copy=False)


def jittered_factor(matrix, eps=None):
    """Factor a matrix with the smallest jitter that works.

    Parameters
    ----------
    matrix : callable
        Returns H (p, p), an array that may be overwritten; called for each jitter.
    eps : float or None, default=None
        Relative rounding of the entries; None for that of their dtype.

    Returns
    -------
    factor : TriangularFactor

    Raises
    ------
    numpy.linalg.LinAlgError
        If no jitter of the ladder makes the matrix positive definite.
    """
    jitter = None
    for _ in range(STEPS):
        H = matrix()
        xp, p = namespace(H), int(H.shape[0])
        if jitter is None:
            rounding = float(xp.finfo(H.dtype).eps) if eps is None else eps
            size = abs(float(xp.mean(xp.linalg.diagonal(H)))) or 1.0
            jitter = 0.5 * rounding * p**0.5 * size
        factor = _factor(xp, H, jitter)
        if factor is not None:
            return TriangularFactor(factor, jitter)
        jitter *= RATIO
    raise np.linalg.LinAlgError(
        f"No Cholesky factor even with {jitter / RATIO:.1e} on the diagonal."
    )


def factor_centers(operator, wide=None, eps=None):
    """Return the factor of the kernel matrix of centres.

    Parameters
    ----------
    operator : KernelOperator
        Symmetric, of shape (p, p).
    wide : bool or None, default=None
        Whether to factor in float64; None for up to 8192 centres.
    eps : float or None, default=None
        Relative rounding of the entries; None for that of the operator's dtype.

    Returns
    -------
    factor : TriangularFactor

    Raises
    ------
    ValueError
        If there is none, which happens only where the kernel is not positive
        semidefinite.
    """
    xp, p = operator.xp, operator.shape[0]
    if eps is None:
        eps = float(xp.finfo(operator.dtype).eps)

    def matrix():
        K = operator.block(slice(0, p), slice(0, p))
        if (p <= WIDE) if wide is None else wide:
            K = xp.astype(K, accumulation_dtype(K), copy=False)
        return K

    try:
        return jittered_factor(matrix, eps)
    except np.linalg.LinAlgError as error:
        raise ValueError(
            f"The kernel matrix of the centres {_NOT_SEMIDEFINITE} {error}"
        ) from None


def factor_pivots(operator, eps):
    """Return the centres that are not combinations of the others, and their factor.

    Parameters
    ----------
    operator : KernelOperator
        Symmetric, of shape (p, p), in float64 where the device has it.
    eps : float
        Relative rounding of the kernel's blocks that will be whitened.

    Returns
    -------
    pivots : ndarray of shape (r,)
        Numbers of the centres, in the order of elimination.
    factor : TriangularFactor
        Of their kernel matrix; no jitter.

    Raises
    ------
    ValueError
        If the kernel is seen not to be positive semidefinite.

    Notes
    -----
    A centre is left out where the part of k(z, .) that the pivots do not span has a
    squared norm below p times the rounding of float64, or sqrt(p) / 2 times ``eps``,
    relative to the kernel's diagonal. Runs on the host.
    """
    xp, p = operator.xp, operator.shape[0]
    block = operator.block(slice(0, p), slice(0, p))
    K = np.asarray(to_numpy(block))
    K = K if K.flags.writeable else K.copy()
    # Two conditions of semidefinite matrices that cost little, else seen by nobody: a
    # direction with a negative square would be left out in silence.
    size = float(np.max(K.diagonal()))
    least, largest = float(np.min(K.diagonal())), float(np.max(np.abs(K)))
    if least < -1e-6 * abs(size) or largest > size * (1.0 + 1e-6):
        raise ValueError(f"The kernel matrix of the centres {_NOT_SEMIDEFINITE}")
    tol = max(p * float(np.finfo(K.dtype).eps), 0.5 * p**0.5 * eps) * size
    (pstrf,) = scipy.linalg.get_lapack_funcs(("pstrf",), (K,))
    factor, pivots, rank, _ = pstrf(K.T, tol=tol, lower=1, overwrite_a=1)
    if rank == 0:
        # A matrix of zeros: any factor will do, since all whitened rows are 0.
        factor[0, 0], rank = 1.0, 1
    pivots = pivots[:rank].astype(np.int64) - 1
    if xp is np:
        factor = factor if rank == p else np.asfortranarray(factor[:rank, :rank])
        return pivots, TriangularFactor(factor)
    lower = asarray_like(np.tril(factor[:rank, :rank]), block)
    eye = xp.eye(rank, dtype=lower.dtype, device=device_of(lower))
    return pivots, TriangularFactor(xp.linalg.solve(lower, eye))


def _factor(xp, K, jitter):
    """Return L in Fortran order for NumPy and L^-1 elsewhere; None if there is none."""
    K = add_to_diagonal(K, jitter)
    if xp is np:
        (potrf,) = scipy.linalg.get_lapack_funcs(("potrf",), (K,))
        # The transpose of a symmetric matrix in C order is itself in Fortran order.
        K = K if K.flags.f_contiguous else K.T
        factor, info = potrf(K, lower=1, clean=0, overwrite_a=1)
        return factor if info == 0 and np.isfinite(factor.diagonal()).all() else None
    eye = xp.eye(K.shape[0], dtype=K.dtype, device=device_of(K))
    try:
        factor = xp.linalg.cholesky(K)
    except Exception as error:
        if type(error).__name__ not in ("LinAlgError", "_LinAlgError"):
            raise
        return None
    # CuPy fills the factor with NaN where it does not exist.
    return xp.linalg.solve(factor, eye) if all_finite(factor) else None


def add_to_diagonal(H, value):
    """Add a number to the diagonal of a square matrix, in place where that is possible.

    Parameters
    ----------
    H : array of shape (p, p)
        Overwritten for NumPy.
    value : float
        What to add.

    Returns
    -------
    H : array of shape (p, p)
    """
    xp = namespace(H)
    if xp is not np:
        return H + value * xp.eye(H.shape[0], dtype=H.dtype, device=device_of(H))
    H = H if H.flags.writeable else H.copy()
    diagonal = np.einsum("ii->i", H)
    diagonal += value
    return H
