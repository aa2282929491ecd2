r"""Predictions for rows that are left out, by one Newton step from the fit to all.

Problem: for each fold I the predictor of its rows at the minimiser of
F_I(t) = sum_{i not in I} s_i / (1 - S_I) l(y_i, J_i t) + pen(t), S_I = sum_I s_i,
given the minimiser t of F(t) = sum_i s_i l(y_i, J_i t) + pen(t).

Symbols: t (d,) the coefficients that the penalty leaves free to move, and the
intercepts; J_i (K, d) their design at row i, one row for each output; g_i (K,) and
h_i (K, K) the derivatives of the loss in the predictor, times s_i; G = sum_i J_i'g_i
(d,) and H = sum_i J_i'h_i J_i those of the loss; q (d,) and D those of the penalty.

The step. (1 - S_I) F_I has the gradient -r and the Hessian M_I at t,
    r = sum_I J_i'g_i - G - (1 - S_I) q,   M_I = H + (1 - S_I) D - sum_I J_i'h_i J_i,
so the Newton step changes t by M_I^-1 r. It is exact for quadratic F_I, from any t. At
the minimiser q = -G. The factor 1 - S_I is there because the model fitted to the rest
has a mean of n - |I| losses in front of the same penalty. The infinitesimal jackknife
replaces M_I by H + D, the linear term in the weights of the fold.

One factorisation for all folds: with V'(H + D)V = 1 and V'DV = diag(m), from a Cholesky
factor and eigenvectors, H + (1 - S) D = V^-T (1 - S diag(m)) V^-1 for every S. Where
all shares S are equal, the Cholesky factor of H + (1 - S) D does without eigenvectors.
With Z = J V, C_I the rows of I of Z (1 - S_I diag(m))^(-1/2), and h_i = root root',
    change of the predictor of I = C (1 - C' root root' C)^-1 (1 - S m)^(-1/2) V'r,
which for a single row and output is a / (1 - leverage), Allen's formula. With more
coefficients than rows, and D positive, the J_i D^(-1/2) span no more than n K
dimensions, and those replace t.

Sources: K. Rahnama Rad and A. Maleki, A scalable estimate of the out-of-sample
prediction error via approximate leave-one-out cross-validation, JRSS B 82, 2020 (the
formula and, for l1, the support); W. Stephenson and T. Broderick, Approximate
cross-validation in high dimensions with guarantees, AISTATS 2020 (l1, both
approximations); R. Giordano et al., A Swiss army infinitesimal jackknife, AISTATS 2019;
D. Allen, Technometrics 16, 1974.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

# Directions with less than this share of the largest curvature, in the unit diagonal,
# are repeated columns and rounding error: nothing moves there.
RANK = 1e-10
# A fold without which less than this share of the curvature is left in some direction
# cannot be left out by a step.
LEFT = 1e-8


@dataclass(frozen=True, eq=False)
class FittedPoint:
    """A fit to all rows, up to second order.

    Parameters
    ----------
    J : ndarray of shape (n, K, d)
        Design of the free coefficients and the intercepts.
    D : ndarray of shape (d,) or (d, d)
        Hessian of the penalty; one-dimensional for a diagonal one.
    g : ndarray of shape (n, K)
        Derivatives of the loss of each row, times its weight.
    h : ndarray of shape (n, K, K)
        Second derivatives, times the weight.
    q : ndarray of shape (d,), default=None
        Gradient of the penalty; None at a minimiser, where it balances that of the
        loss.
    """

    J: np.ndarray
    D: np.ndarray
    g: np.ndarray
    h: np.ndarray
    q: np.ndarray | None = None

    def reduced(self):
        """Return the same fit in no more coordinates than there are predictions."""
        n, K, d = self.J.shape
        if self.D.ndim == 2 or d <= n * K:
            return self
        bent = self.D > 0.0
        root = np.sqrt(self.D[bent])
        rows = (self.J[:, :, bent] / root).reshape(n * K, -1)
        values, vectors = np.linalg.eigh(rows @ rows.T)
        kept = values > np.finfo(float).eps * max(float(values[-1]), 1e-300)
        size, vectors = np.sqrt(values[kept]), vectors[:, kept]
        J = (vectors * size).reshape(n, K, -1)
        J = np.concatenate([J, self.J[:, :, ~bent]], axis=2)
        D = np.concatenate([np.ones(size.size), self.D[~bent]])
        q = self.q
        if q is not None:
            # What is orthogonal to all rows changes no predictor.
            seen = vectors.T @ (rows @ (q[bent] / root)) / size
            q = np.concatenate([seen, q[~bent]])
        return FittedPoint(J, D, self.g, self.h, q)


def left_out(point, folds, jackknife=False):
    """Return how the predictors change where their fold is left out.

    Parameters
    ----------
    point : FittedPoint
        The fit to all rows.
    folds : Folds
        What to leave out.
    jackknife : bool, default=False
        Take the infinitesimal jackknife instead of the Newton step.

    Returns
    -------
    change : ndarray of shape (m, K)
        For each pair of the folds; NaN where the rest does not determine the model.
    leverage : ndarray of shape (F,)
        Largest share of the curvature in any direction that a fold has by itself; from
        1 on the rest does not determine the model. With the jackknife and for folds of
        several rows NaN.

    Raises
    ------
    ValueError
        If the curvature is negative in some direction: no minimum.
    """
    point = point.reduced()
    share = None if not folds.equal else float(folds.shares[0])
    V, m = _whitening(point, 0.0 if jackknife else share)
    Z = point.J @ V
    total = np.einsum("ikd,ik->d", Z, point.g)
    slope = -total if point.q is None else V.T @ point.q
    leverage = np.full(len(folds), np.nan)
    if folds.single:
        Z, g = Z[folds.rows], point.g[folds.rows]
        shrink = 1.0 / np.sqrt(1.0 - np.multiply.outer(folds.shares, m))
        pull = np.einsum("ikd,ik->id", Z, g) - total
        pull -= np.multiply.outer(1.0 - folds.shares, slope)
        C, pull = Z * shrink[:, None, :], pull * shrink
        change = np.einsum("ikd,id->ik", C, pull)
        if not jackknife:
            change, leverage = _without_rows(C, point.h[folds.rows], change)
        return change, leverage
    change = np.empty((folds.rows.size, Z.shape[1]))
    for f, share in enumerate(folds.shares):
        own = folds.rows[folds.pairs(f)]
        shrink = 1.0 / np.sqrt(1.0 - share * m)
        C = Z[own] * shrink
        pull = np.einsum("ikd,ik->d", Z[own], point.g[own]) - total
        pull -= (1.0 - share) * slope
        if jackknife:
            change[folds.pairs(f)] = C @ (shrink * pull)
        else:
            change[folds.pairs(f)] = _without_fold(C, point.h[own], shrink * pull)
    return change, leverage


def _whitening(point, share):
    """Return V (d, r) and m (r,), see the module.

    Parameters
    ----------
    point : FittedPoint
        In reduced coordinates.
    share : float or None
        That of every fold, whose Hessian then becomes the identity, with m = 0.
    """
    n, K, d = point.J.shape
    flat = point.J.reshape(n * K, d)
    bent = np.einsum("ikl,ild->ikd", point.h, point.J).reshape(n * K, d)
    H = flat.T @ bent
    D = point.D if point.D.ndim == 2 else np.diag(point.D)
    V = _inverse_root(H + D if share is None else H + (1.0 - share) * D)
    m = np.zeros(V.shape[1])
    if share is None and D.any():
        m, Q = np.linalg.eigh(V.T @ D @ V)
        V = V @ Q
    return V, m


def _inverse_root(M):
    """Return V (d, r) with V'MV = 1, without the directions in which M vanishes."""
    size = np.sqrt(np.maximum(np.diag(M), 0.0))
    size = np.where(size > 0.0, size, 1.0)
    scaled = M / np.outer(size, size)
    try:
        factor = cholesky(scaled, lower=True)
        if M.shape[0] and np.diag(factor).min() ** 2 > RANK:
            inverse = solve_triangular(factor, np.eye(M.shape[0]), lower=True)
            return inverse.T / size[:, None]
    except LinAlgError:
        pass
    values, vectors = np.linalg.eigh(scaled)
    top = max(float(values[-1]), 1e-300) if values.size else 1.0
    if values.size and values[0] < -1e-6 * top:
        raise ValueError(
            "The model is at no minimum on its own support: the smallest curvature "
            f"there is {values[0] / top:.1e} of the largest. Fit it with a smaller "
            "tol, a larger gamma of the penalty, or a convex penalty."
        )
    kept = values > RANK * top
    return vectors[:, kept] / np.sqrt(values[kept]) / size[:, None]


def _roots(h):
    """Return symmetric roots (m, K, K) of positive semidefinite matrices."""
    if h.shape[1] == 1:
        return np.sqrt(np.maximum(h, 0.0))
    values, vectors = np.linalg.eigh(h)
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return scaled @ vectors.transpose(0, 2, 1)


def _without_rows(C, h, change):
    """Take the curvature of single rows out: (1 - C C'h)^-1 change for each.

    Parameters
    ----------
    C : ndarray of shape (m, K, r)
        Designs in coordinates in which the Hessian of the rest and the row is 1.
    h : ndarray of shape (m, K, K)
        Curvatures.
    change : ndarray of shape (m, K)
        With the curvature of all.
    """
    root = _roots(h)
    inner = np.einsum("ikd,ild->ikl", C, C)
    through = inner @ root
    values, vectors = np.linalg.eigh(root @ through)
    leverage = values[:, -1]
    sound = leverage < 1.0 - LEFT
    rest = np.where(sound[:, None], 1.0 - values, 1.0)
    turned = np.einsum("ikl,ikm,im->il", vectors, root, change) / rest
    change = change + np.einsum("ikl,ilm,im->ik", through, vectors, turned)
    return np.where(sound[:, None], change, np.nan), leverage


def _without_fold(C, h, pull):
    """Return the change of the predictors of a fold, NaN without a minimum.

    Parameters
    ----------
    C : ndarray of shape (k, K, r)
        Designs, as above.
    h : ndarray of shape (k, K, K)
        Curvatures.
    pull : ndarray of shape (r,)
        Minus the gradient in the same coordinates.
    """
    k, K, r = C.shape
    Y = np.einsum("ikl,ild->ikd", _roots(h), C).reshape(k * K, r)
    # The smaller of two equivalent systems (Woodbury).
    small = Y @ Y.T if k * K < r else Y.T @ Y
    try:
        factor = cholesky(np.eye(small.shape[0]) - small, lower=True)
    except LinAlgError:
        return np.full((k, K), np.nan)
    if np.diag(factor).min(initial=1.0) ** 2 < LEFT:
        return np.full((k, K), np.nan)

    def solve(b):
        half = solve_triangular(factor, b, lower=True)
        return solve_triangular(factor, half, lower=True, trans="T")

    moved = pull + Y.T @ solve(Y @ pull) if k * K < r else solve(pull)
    return C @ moved
