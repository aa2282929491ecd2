"""The large entries of a streamed plan as one sparse matrix.

Symbols: P_ij = rho_i kappa_j Z_ij the plan (n, m), Z known one block of rows and
columns at a time; S the entries with Z_ij above a threshold, in compressed rows.
"""

import numpy as np
import scipy.sparse as sp

from skopt2.solvers.transport.geometry import large_entries, stack_rows


class LargeEntries:
    """Collects the entries of a plan above a threshold, from blocks in any order.

    Parameters
    ----------
    one : PlanPass
        The pass that makes the blocks.
    threshold : float
        Entries Z_ij above it are kept.
    most : int or None
        Most entries to keep.
    """

    def __init__(self, one, threshold, most):
        self.one = one
        # What underflowed is not an entry.
        self.threshold = max(threshold, 2.0 * one.power.smallest)
        self.most = one.side.n * one.side.m if most is None else most
        self.count, self.pieces = 0, {}

    def add(self, block):
        """Collect from a block of Z, which stays as it is."""
        if self.count > self.most:
            return
        one, z = self.one, block.Z
        if one.side.on_host:
            S = large_entries(z, self.threshold)
        else:
            rho = one.xp.astype(one.rho[block.rows], one.dtype)
            p = z * rho[:, None] * one.weights[None, :]
            p = one.xp.where(z > self.threshold, p, one.xp.zeros_like(p))
            S = large_entries(p, 0.0)
        self.count += S.nnz
        self.pieces[block.rows.start] = (block.cols, S)

    def matrix(self, row_order, col_order):
        """Return S in the order of the user, None where it has too many entries.

        Parameters
        ----------
        row_order, col_order : ndarray or None
            Which row and column of the user's each one is; None for the same order.

        Returns
        -------
        S : sparse matrix of shape (n, m) or None
            CSR.
        """
        one, parts = self.one, [self.pieces[start] for start in sorted(self.pieces)]
        if sum(S.nnz for _, S in parts) > self.most:
            return None
        S = stack_rows([self._spread(*part) for part in parts])
        if not one.side.on_host:
            return S
        S.data *= np.repeat(one.rho, np.diff(S.indptr)).astype(S.dtype)
        S.data *= one.weights[S.indices]
        if row_order is None:
            return S
        columns = col_order[S.indices].astype(S.indices.dtype)
        back = np.empty_like(row_order)
        back[row_order] = np.arange(row_order.shape[0])
        return sp.csr_array((S.data, columns, S.indptr), shape=S.shape)[back]

    def _spread(self, cols, S):
        """Return a block of some columns as one of all."""
        if isinstance(cols, slice):
            return S
        columns = cols[S.indices].astype(S.indices.dtype)
        shape = (S.shape[0], self.one.side.m)
        return sp.csr_array((S.data, columns, S.indptr), shape=shape)
