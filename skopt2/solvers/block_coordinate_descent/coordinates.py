"""Coordinates in which the groups of a linear model are solved for.

Problem: w = T v, with T block diagonal over the groups. As given, T is the identity.
Orthonormal groups have (X_g - 1m_g') sqrt(s) = U D V' and T_g = V D^-1, so that the
columns of X_g T_g are orthonormal in the weighted inner product: a group lasso in v
penalises what a group predicts and not its coefficients, and the Hessian of the squared
loss in a block is the identity. Directions with no variance (repeated and constant
columns) have no coordinate, which gives the coefficients of least norm.

Symbols: X (n, p); s (n,) with sum 1; v (r,), r <= p; T (p, r), and T^+ (r, p) with
T^+ T = 1. With K outputs w is (p, K), and v (r K,): all outputs of a row end to end.

Source: N. Simon and R. Tibshirani, Standardization and the group lasso penalty,
Statistica Sinica 22, 2012, section 2; Breheny and Huang, Statistics and Computing 25,
2015, section 2.1.
"""

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from skopt2.penalties.partition import Partition


class Coordinates:
    """The features themselves, or orthonormal combinations within each group.

    Parameters
    ----------
    design : Design
        In host memory.
    groups : Partition
        Of the features.
    orthonormalize : bool
        Whether groups become orthonormal.
    outputs : int, default=1
        K.
    """

    def __init__(self, design, groups, orthonormalize, outputs=1):
        self.groups, self.outputs = groups, outputs
        self.transform = self.inverse = None
        self.partition = groups
        # What a constant column leaves behind is rounding error.
        self._dead = design.squared_norms == 0.0
        self._dead = self._dead if self._dead.any() else None
        if orthonormalize:
            self._orthonormalize(design)
        if outputs > 1:
            owners = np.repeat(self.partition.index, outputs)
            self.partition = Partition(owners, n_groups=groups.n_groups)

    def _orthonormalize(self, design):
        parts, backs, owners = [], [], []
        order = []
        for g in range(self.groups.n_groups):
            ids = self.groups.members(g)
            order.append(ids)
            T, back = _orthonormal(group_columns(design, ids), design)
            parts.append(T)
            backs.append(back)
            owners.append(np.full(T.shape[1], g))
        back_order = np.argsort(np.concatenate(order))
        self.transform = sp.block_diag(parts, format="csr")[back_order]
        self.inverse = sp.block_diag(backs, format="csc")[:, back_order]
        self._parts = parts
        owners = np.concatenate(owners).astype(np.int64)
        self.partition = Partition(owners, n_groups=self.groups.n_groups)

    @property
    def orthonormal(self):
        """True if the groups are orthonormal."""
        return self.transform is not None

    def block(self, group):
        """Return T_g, None where it is the identity."""
        return self._parts[group] if self.orthonormal else None

    def gradient(self, c):
        """Return the gradient in v of a gradient in w, with no rounding of constants.

        Parameters
        ----------
        c : ndarray of shape (p,) or (p, K)
            Gradient with respect to the coefficients of the features.
        """
        if self._dead is not None:
            dead = self._dead if c.ndim == 1 else self._dead[:, None]
            c = np.where(dead, 0.0, c)
        c = c if self.transform is None else self.transform.T @ c
        return c if c.ndim == 1 else c.ravel()

    def to_features(self, v):
        """Return w = T v, (p,) or (p, K)."""
        if self.outputs > 1:
            v = v.reshape(-1, self.outputs)
        return v if self.transform is None else self.transform @ v

    def from_features(self, w):
        """Return the v of least change with T v = w where there is one."""
        w = w if self.transform is None else self.inverse @ w
        return w if w.ndim == 1 else w.ravel()


def group_columns(design, ids):
    """Return the centred columns of a group, (n, d), dense."""
    A = design.columns(ids)
    A = A.toarray() if design.sparse else np.array(A)
    if design.means is not None:
        A -= design.means[ids].astype(A.dtype)
    still = design.squared_norms[ids] == 0.0
    if still.any():
        A[:, still] = 0.0
    return A


def _orthonormal(A, design):
    """Return T and T^+ of one group from its centred columns."""
    root = np.sqrt(np.asarray(design.s, dtype=np.float64))
    A = A.astype(np.float64) * root[:, None]
    scale = np.sqrt((A * A).sum(axis=0))
    # Columns of one size first: what is rank-deficient must not depend on units.
    safe = np.where(scale > 0.0, scale, 1.0)
    R = np.linalg.qr(A / safe, mode="r") if A.shape[0] > A.shape[1] else A / safe
    _, D, Vt = scipy.linalg.svd(R, full_matrices=False)
    rank_tol = 100.0 * max(design.eps, 1e-14) * max(A.shape[1], 1) ** 0.5
    kept = rank_tol * max(D[0], 1e-300) < D
    T = Vt[kept].T / D[kept] / safe[:, None]
    return T, (Vt[kept] * D[kept, None]) * safe
