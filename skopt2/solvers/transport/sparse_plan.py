"""The large entries of a streamed plan as one sparse matrix.

Symbols: P (n, m) the plan, known one block of rows and columns at a time; S (n, m) its
entries above a threshold, in compressed rows.
"""

import numpy as np
import scipy.sparse as sp

from skopt2.solvers.transport.geometry import large_entries, stack_rows


def large_entries_of(block, threshold, n_cols):
    """Return the entries of a block above a threshold, among all columns.

    Parameters
    ----------
    block : Evaluated
        Block of the plan.
    threshold : float
        Entries above it are kept.
    n_cols : int
        Number of columns of the plan.

    Returns
    -------
    S : sparse matrix of shape (n_rows, n_cols)
        CSR, columns in the order of the blocks.
    """
    S = large_entries(block.Z, threshold)
    if isinstance(block.cols, slice):
        return S
    columns = block.cols[S.indices].astype(np.int32)
    return sp.csr_array((S.data, columns, S.indptr), shape=(S.shape[0], n_cols))


def join_rows(pieces, row_order, col_order):
    """Return the matrix of blocks of rows, in the order of the user.

    Parameters
    ----------
    pieces : list of sparse matrix
        Blocks of rows, one below the other.
    row_order, col_order : ndarray or None
        Which row and column of the user's each one is; None for the same order.

    Returns
    -------
    S : sparse matrix of shape (n, m)
        CSR.
    """
    S = stack_rows(pieces)
    if row_order is None:
        return S
    columns = col_order[S.indices].astype(S.indices.dtype)
    back = np.empty_like(row_order)
    back[row_order] = np.arange(row_order.shape[0])
    return sp.csr_array((S.data, columns, S.indptr), shape=S.shape)[back]
