"""Sparse triangular factors of symmetric, or already triangular, matrices.

Factorisation: P A P' = L U with the pivots on the diagonal, which is stable for
positive definite A and for M-matrices; U' = L D with D the diagonal of U.

Source: J. Demmel et al., A supernodal approach to sparse partial pivoting, SIAM Journal
on Matrix Analysis and Applications 20, 1999 (SuperLU, its symmetric mode).
"""

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu


def symmetric_lu(matrix, *, ordered=False):
    """Factorise a sparse matrix without pivoting.

    Parameters
    ----------
    matrix : sparse array of shape (n, n)
        Symmetric; or triangular, with ``ordered``.
    ordered : bool, default=False
        Keep the order of the rows. Otherwise those of least degree come first, which
        keeps the factor sparse.

    Returns
    -------
    factor : scipy.sparse.linalg.SuperLU
        ``factor.solve(r)`` solves, for r of shape (n,) or (n, k).

    Raises
    ------
    RuntimeError
        If a pivot is 0.
    """
    matrix = matrix.tocsc()
    # SuperLU takes 32-bit indices only.
    indices = matrix.indices.astype(np.intc, copy=False)
    starts = matrix.indptr.astype(np.intc, copy=False)
    return splu(
        csc_array((matrix.data, indices, starts), shape=matrix.shape),
        permc_spec="NATURAL" if ordered else "MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
