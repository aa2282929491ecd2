"""Cholesky factors that get more rows.

Problem: L L' = H (n, n) is known, and the factor of the matrix with m more rows and
columns is wanted:

    [ H     H12 ]   [ L        ] [ L'  L21' ]
    [ H12'  H22 ] = [ L21  L22 ] [     L22' ],

    L21' = L^-1 H12,    L22 L22' = H22 - L21 L21'.

It takes n^2 m + n m^2 + m^3 / 3 operations and no kernel values among the old rows,
where a new factor takes (n + m)^3 / 3 and all values.

Source: G. Golub, C. Van Loan, Matrix Computations, 4th edition, 2013, section 4.2.9,
block Cholesky.
"""

import numpy as np

from skopt2.solvers.kernel.cholesky import CHUNK, CholeskyFactor, lower_of
from skopt2.solvers.kernel.system import add_to_diagonal


def grown(factor, system):
    """Return the factor of a system whose first rows are those of a factor.

    Parameters
    ----------
    factor : CholeskyFactor or SpectralInverse
        Of the first n rows.
    system : KernelSystem
        With n + m rows. Its first rows and their regularisation are those of the
        factor.

    Returns
    -------
    factor : CholeskyFactor or None
        In the dtype of the former one. None where that is no plain Cholesky factor, or
        the larger matrix is not numerically definite; :func:`~.cholesky.factorise` has
        answers for such systems.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, KernelOperator
    >>> from skopt2.solvers.kernel.cholesky import factorise
    >>> from skopt2.solvers.kernel.grown_factor import grown
    >>> from skopt2.solvers.kernel.system import KernelSystem
    >>> X, kernel = np.array([[0.0], [1.0], [3.0]]), Gaussian(length_scale=1.0)
    >>> first, whole = (
    ...     KernelSystem(KernelOperator(kernel, Z), Z, 0.1) for Z in (X[:2], X))
    >>> L = grown(factorise(first), whole).L
    >>> np.allclose(np.tril(L) @ np.tril(L).T, kernel(X) + 0.1 * np.eye(3))
    True
    """
    if not isinstance(factor, CholeskyFactor) or factor.jitter:
        return None
    n, total = int(factor.L.shape[0]), system.n
    if total == n:
        return factor
    xp, dtype = system.xp, factor.L.dtype
    below = _rows_below(factor, system, n)
    rest = system.operator.block(slice(n, total), slice(n, total))
    rest = xp.astype(rest, dtype, copy=False) - below @ below.T
    lam = xp.astype(system.lam[n:, 0], dtype, copy=False)
    corner = lower_of(add_to_diagonal(rest, lam))
    if corner is None:
        return None
    if xp is not np:
        zeros = xp.zeros_like(below).T
        top = xp.concat([factor.L, zeros], axis=1)
        return CholeskyFactor(
            xp.concat([top, xp.concat([below, corner], axis=1)], axis=0), 0.0
        )
    L = np.zeros((total, total), dtype=dtype)
    L[:n, :n], L[n:, :n], L[n:, n:] = factor.L, below, corner
    return CholeskyFactor(L, 0.0)


def _rows_below(factor, system, n):
    """Return L21 (m, n)."""
    xp, total = system.xp, system.n
    size = max(1, CHUNK // (8 * n))
    parts = []
    for start in range(n, total, size):
        rows = slice(start, min(start + size, total))
        cross = system.operator.block(rows, slice(0, n))
        parts.append(factor.half_solve(cross.T).T)
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
