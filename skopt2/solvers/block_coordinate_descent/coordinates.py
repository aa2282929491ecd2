"""Coordinates in which the groups of a linear model are solved for.

Problem: w = T v, with T block diagonal over the groups. As given, T is the identity.
Orthonormal groups have (X_g - 1m_g') sqrt(s) = U D V' and T_g = V D^-1, so that the
columns of X_g T_g are orthonormal in the weighted inner product: a group lasso in v
penalises what a group predicts and not its coefficients, and the Hessian of the squared
loss in a block is the identity. Directions with no variance (repeated and constant
columns) have no coordinate, which gives the coefficients of least norm.

Groups that overlap have a coefficient of their own for every feature in them, and w is
the sum over the groups: the latent group lasso, whose models are unions of groups. No
column is copied for that before its group enters the working set.

Symbols: X (n, p); s (n,) with sum 1; v (r,), r <= p for groups that
do not overlap; T (p, r), and T^+ (r, p) with
T^+ T = 1. With K outputs w is (p, K), and v (r K,): all outputs of a row end to end.

Sources: N. Simon and R. Tibshirani, Standardization and the group lasso penalty,
Statistica Sinica 22, 2012, section 2; Breheny and Huang, Statistics and Computing 25,
2015, section 2.1; G. Obozinski, L. Jacob and J.-P. Vert, Group lasso with overlaps: the
latent group lasso approach, arXiv:1110.0413, 2011.
"""

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from skopt2.penalties.partition import Cover, Partition


class Coordinates:
    """The features themselves, or orthonormal combinations within each group.

    Parameters
    ----------
    design : Design
        In host memory.
    groups : Partition or Cover
        Of the features.
    orthonormalize : bool
        Whether groups become orthonormal.
    outputs : int, default=1
        K.
    """

    def __init__(self, design, groups, orthonormalize, outputs=1):
        self.groups, self.outputs = groups, outputs
        self.orthonormal, self.overlapping = orthonormalize, isinstance(groups, Cover)
        self.transform = self.inverse = None
        self.partition = groups.partition if self.overlapping else groups
        # What a constant column leaves behind is rounding error.
        self._dead = design.squared_norms == 0.0
        self._dead = self._dead if self._dead.any() else None
        if orthonormalize or self.overlapping:
            self._assemble(design)
            # Rows of T' are what every gradient needs.
            self._adjoint = self.transform.T.tocsr()
        if outputs > 1:
            owners = np.repeat(self.partition.index, outputs)
            self.partition = Partition(owners, n_groups=groups.n_groups)

    def _assemble(self, design):
        """Set the transform and its inverse: what groups hold, and to whom it goes."""
        members = [self.groups.members(g) for g in range(self.groups.n_groups)]
        features = np.concatenate(members)
        places = np.arange(features.size)
        ones = np.ones(features.size)
        shape = (design.p, features.size)
        self._sum = sp.csr_array((ones, (features, places)), shape=shape)
        copies = np.bincount(features, minlength=design.p)
        self._share = self._sum.T.multiply(1.0 / copies).tocsr()
        self._spread = self._collect = None
        self.transform, self.inverse = self._sum, self._share
        if not self.orthonormal:
            return
        parts, backs, owners = [], [], []
        for g, ids in enumerate(members):
            T, back = _orthonormal(group_columns(design, ids), design)
            parts.append(T)
            backs.append(back)
            owners.append(np.full(T.shape[1], g))
        self._spread = _diagonal(parts)
        self._collect = _diagonal(backs)
        self.transform = (self._sum @ self._spread).tocsr()
        self.inverse = self._collect @ self._share
        self._parts = parts
        owners = np.concatenate(owners).astype(np.int64)
        self.partition = Partition(owners, n_groups=self.groups.n_groups)

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
        c = c if self.transform is None else self._adjoint @ c
        return c if c.ndim == 1 else c.ravel()

    def to_features(self, v):
        """Return w = T v, (p,) or (p, K)."""
        if self.outputs > 1:
            v = v.reshape(-1, self.outputs)
        return v if self.transform is None else self.transform @ v

    def from_features(self, w, latent=None):
        """Return the v of least change with T v = w where there is one.

        Parameters
        ----------
        w : ndarray of shape (p,) or (p, K)
            Coefficients of the features.
        latent : ndarray, default=None
            What :meth:`latent` returned for it, if the groups are still the same.
            Overlapping groups share each coefficient equally without.
        """
        if self._recalls(latent, w):
            v = latent if self._collect is None else self._collect @ latent
        else:
            v = w if self.transform is None else self.inverse @ w
        return v if v.ndim == 1 else v.ravel()

    def _recalls(self, latent, w):
        """Tell whether the coefficients of overlapping groups belong to these."""
        if latent is None or not self.overlapping:
            return False
        if latent.shape != (self.groups.features.size, *w.shape[1:]):
            return False
        return np.allclose(self._sum @ latent, w, rtol=1e-5, atol=1e-8)

    def latent(self, v):
        """Return the coefficients of the groups one after the other; None if disjoint.

        Their sum over the groups is what :meth:`to_features` returns.
        """
        if not self.overlapping:
            return None
        if self.outputs > 1:
            v = v.reshape(-1, self.outputs)
        return v if self._spread is None else self._spread @ v


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


def _diagonal(blocks):
    """Return a sparse array with dense blocks on the diagonal."""
    # Of NumPy arrays SciPy makes a sparse matrix or a sparse array by its version.
    return sp.block_diag([sp.coo_array(block) for block in blocks], format="csr")


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
