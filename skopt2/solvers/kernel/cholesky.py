"""Cholesky factors of kernel systems: the direct solution, and what it leads to.

Problem: L L' = H + d I for H = K + Lambda (n, n) of
:mod:`skopt2.solvers.kernel.system`, d = 0 unless H is not numerically definite.

One array of n^2 entries is filled, half of it, and factorised in place. Where the
regularisation is not tiny a factor in float32 takes half the time and half the memory
of one in float64, and conjugate gradients with it as the preconditioner
(:mod:`skopt2.solvers.kernel.conjugate_gradient`) reach float64 accuracy in two or three
passes over K. The same passes remove the effect of d, and measure the residual.

A small matrix that has no factor gets its eigenvalues instead, and the solution of
least norm.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from array_api_compat import is_cupy_namespace
from scipy.linalg.lapack import get_lapack_funcs

from skopt2._core import cuda
from skopt2._core.array import accumulation_dtype, namespace, to_numpy
from skopt2.solvers.kernel.system import add_to_diagonal

# Bytes of the rows that are computed at a time.
CHUNK = 2**25
# Rows up to which a matrix without a factor is diagonalised.
SMALL = 2000
# Rows from which a factor in float32 saves time.
FEW = 1000
# Jitters to try, in units of n eps times the size of the kernel.
LADDER = (0.01, 0.1, 1.0, 10.0)
# Regularisation, in units of eps sqrt(n) times the size of the kernel, from which a
# factor in float32 is near enough; it was at 0.5 on data whose K has rank n.
SAFE = 10.0
# Negative eigenvalues, in units of what rounding explains, that a kernel has not.
NEGATIVE = 100.0


_INDEFINITE = (
    "The kernel matrix is not positive semidefinite: it has {}. Use another kernel, or "
    "a larger regularisation."
)


@dataclass(frozen=True, eq=False)
class CholeskyFactor:
    """Factor of a positive definite matrix.

    Parameters
    ----------
    L : array of shape (n, n)
        Lower triangular; what is above the diagonal is never read.
    jitter : float
        d, which was added to the diagonal.
    """

    L: Any
    jitter: float

    name: ClassVar = "cholesky"
    n_components: ClassVar = None
    rank: ClassVar = None
    patience: ClassVar = 2

    def solve(self, B):
        """Return (L L')^-1 B.

        Parameters
        ----------
        B : array of shape (n, c)
            Right-hand sides.

        Returns
        -------
        X : array of shape (n, c)
            In the dtype of B.
        """
        xp, dtype = namespace(B), B.dtype
        if xp is np:
            # In LAPACK's column order the C array L is an upper factor.
            (potrs,) = get_lapack_funcs(("potrs",), (self.L,))
            X, _ = potrs(self.L.T, B.astype(self.L.dtype, copy=False), lower=False)
            return np.ascontiguousarray(X, dtype=dtype)
        X = _triangular(self.L, self.half_solve(B), transposed=True)
        return xp.astype(X, dtype, copy=False)

    def half_solve(self, B):
        """Return L^-1 B, whose squared columns are the quadratic forms of H^-1.

        Parameters
        ----------
        B : array of shape (n, c)
            Right-hand sides.

        Returns
        -------
        X : array of shape (n, c)
            In the dtype of the factor.
        """
        xp = namespace(B)
        B = xp.astype(B, self.L.dtype, copy=False)
        if xp is np:
            (trtrs,) = get_lapack_funcs(("trtrs",), (self.L,))
            X, _ = trtrs(self.L.T, B, lower=False, trans=1)
            return np.ascontiguousarray(X)
        return _triangular(self.L, B)

    def back_solve(self, B):
        """Return L'^-1 B, the second half of :meth:`solve`.

        Parameters
        ----------
        B : array of shape (n, c)
            What :meth:`half_solve` returned.

        Returns
        -------
        X : array of shape (n, c)
            In the dtype of the factor.
        """
        xp = namespace(B)
        B = xp.astype(B, self.L.dtype, copy=False)
        if xp is np:
            (trtrs,) = get_lapack_funcs(("trtrs",), (self.L,))
            X, _ = trtrs(self.L.T, B, lower=False, trans=0)
            return np.ascontiguousarray(X)
        return _triangular(self.L, B, transposed=True)

    def log_determinant(self):
        """Return log det(L L') as a float, accumulated in float64."""
        diagonal = to_numpy(namespace(self.L).linalg.diagonal(self.L))
        return 2.0 * float(np.sum(np.log(diagonal.astype(np.float64))))


@dataclass(frozen=True, eq=False)
class SpectralInverse:
    """Pseudo-inverse of a small matrix that is singular.

    Parameters
    ----------
    vectors : array of shape (n, n)
        Eigenvectors in the columns.
    inverse : array of shape (n, 1)
        Inverses of the eigenvalues, 0 for those that are 0.
    n_components : int
        Rank.
    """

    vectors: Any
    inverse: Any
    n_components: int

    name: ClassVar = "cholesky"
    jitter: ClassVar = 0.0
    rank: ClassVar = None
    patience: ClassVar = 2

    @classmethod
    def of(cls, H, eps):
        """Diagonalise a matrix.

        Parameters
        ----------
        H : array of shape (n, n)
            Symmetric.
        eps : float
            Precision of the entries: eigenvalues below n eps times the largest are 0.

        Returns
        -------
        inverse : SpectralInverse

        Raises
        ------
        ValueError
            If an eigenvalue is negative beyond rounding.
        """
        xp = namespace(H)
        values, vectors = xp.linalg.eigh(H)
        cut = eps * int(H.shape[0]) * xp.max(xp.abs(values))
        if float(values[0]) < -NEGATIVE * float(cut):
            raise ValueError(
                _INDEFINITE.format(f"the eigenvalue {float(values[0]):.1e}")
            )
        kept = values > cut
        safe = xp.where(kept, values, xp.ones_like(values))
        inverse = xp.where(kept, 1.0 / safe, xp.zeros_like(values))[:, None]
        return cls(vectors, inverse, int(xp.sum(xp.astype(kept, xp.int64))))

    def solve(self, B):
        """Return the solution of least norm.

        Parameters
        ----------
        B : array of shape (n, c)
            Right-hand sides.

        Returns
        -------
        X : array of shape (n, c)
            In the dtype of B.
        """
        xp = namespace(B)
        wide = xp.astype(B, self.vectors.dtype, copy=False)
        X = self.vectors @ (self.inverse * (self.vectors.T @ wide))
        return xp.astype(X, B.dtype, copy=False)

    def half_solve(self, B):
        """Return S^-1/2 Q' B, whose squared columns are the forms of Q S^-1 Q'.

        Parameters
        ----------
        B : array of shape (n, c)
            Right-hand sides.

        Returns
        -------
        X : array of shape (n, c)
            In the dtype of the eigenvectors.
        """
        xp = namespace(B)
        B = xp.astype(B, self.vectors.dtype, copy=False)
        return xp.sqrt(self.inverse) * (self.vectors.T @ B)

    def log_determinant(self):
        """Return -inf: the matrix is singular."""
        return -np.inf


def factorise(system, *, single=None, matrix=None):
    """Factorise the matrix of a system, in as little time and memory as will do.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    single : bool or None, default=None
        Whether to try float32 for a float64 operator; None where the regularisation
        makes it accurate. A float32 operator is always factorised in float32.
    matrix : array of shape (n, n) or None, default=None
        K where it is at hand already; overwritten.

    Returns
    -------
    factor : CholeskyFactor or SpectralInverse
        The latter only for a small singular matrix.

    Raises
    ------
    ValueError
        If the matrix is not positive semidefinite.
    """
    xp, dtype = system.xp, system.Y.dtype
    if dtype == xp.float64:
        if single is None:
            single = single_is_enough(system)
        if single:
            L = lower_factor(system, xp.float32, matrix=matrix)
            if L is not None:
                return CholeskyFactor(L, 0.0)
            matrix = None
    L = lower_factor(system, dtype, matrix=matrix)
    if L is not None:
        return CholeskyFactor(L, 0.0)
    if system.n <= SMALL:
        wide = accumulation_dtype(system.Y)
        return SpectralInverse.of(_filled(system, wide, 0.0), system.eps)
    for step in LADDER:
        jitter = step * system.n * system.eps * system.scale
        L = lower_factor(system, dtype, jitter)
        if L is not None:
            return CholeskyFactor(L, jitter)
    failed = f"no Cholesky factor even with {jitter:.1e} added to its diagonal"
    raise ValueError(_INDEFINITE.format(failed))


def single_is_enough(system):
    """Return True if a factor in float32 is a good preconditioner for float64.

    Independent rounding errors of the entries change the eigenvalues by about eps
    sqrt(n) times the size of the kernel. A small system is worth a factor in float64,
    which costs next to nothing and solves it to rounding at once.

    Parameters
    ----------
    system : KernelSystem
        The problem.

    Returns
    -------
    enough : bool
    """
    if system.n < FEW:
        return False
    xp = system.xp
    noise = float(xp.finfo(xp.float32).eps) * system.n**0.5 * system.scale
    return float(xp.min(system.lam)) >= SAFE * noise


def lower_factor(system, dtype, jitter=0.0, matrix=None):
    """Return the lower Cholesky factor of H + jitter I.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    dtype : dtype
        Of the factor.
    jitter : float, default=0.0
        Added to the diagonal.
    matrix : array of shape (n, n) or None, default=None
        Where K was stored; see :func:`factorise`.

    Returns
    -------
    L : array of shape (n, n) or None
        What is above the diagonal means nothing; None where the matrix is not
        numerically definite.
    """
    return lower_of(_filled(system, dtype, jitter, matrix))


def lower_of(H):
    """Return the lower Cholesky factor of a matrix.

    Parameters
    ----------
    H : array of shape (n, n)
        Symmetric, its lower triangle filled; overwritten for NumPy.

    Returns
    -------
    L : array of shape (n, n) or None
        As :func:`lower_factor` returns it.
    """
    xp = namespace(H)
    if xp is np:
        (potrf,) = get_lapack_funcs(("potrf",), (H,))
        upper, info = potrf(H.T, lower=False, overwrite_a=True, clean=False)
        return upper.T if info == 0 else None
    try:
        L = xp.linalg.cholesky(H)
    except Exception as error:
        if type(error).__name__ not in ("LinAlgError", "_LinAlgError"):
            raise
        return None
    return L if bool(xp.all(xp.isfinite(L))) else None


def _filled(system, dtype, jitter, matrix=None):
    """Return H + jitter I; for NumPy of the upper triangle only what is at hand."""
    xp, n, operator = system.xp, system.n, system.operator
    if xp is np and matrix is not None:
        H = matrix.astype(dtype, copy=False)
        return add_to_diagonal(H, (system.lam[:, 0] + jitter).astype(dtype))
    if xp is not np:
        H = matrix
        if H is None:
            H = operator.block(slice(0, n), slice(0, n))
        H = add_to_diagonal(H, system.lam[:, 0] + jitter)
        return xp.astype(H, dtype, copy=False)
    H = np.empty((n, n), dtype=dtype)
    rows = max(1, CHUNK // max(1, n * H.itemsize))
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        H[start:stop, :stop] = operator.block(slice(start, stop), slice(0, stop))
    return add_to_diagonal(H, (system.lam[:, 0] + jitter).astype(dtype))


def _triangular(L, B, transposed=False):
    """Solve with the lower factor of another namespace."""
    xp = namespace(L)
    if is_cupy_namespace(xp):
        return cuda.provider.solve_triangular(L, B, transposed)
    return xp.linalg.solve(L.T if transposed else L, B)
