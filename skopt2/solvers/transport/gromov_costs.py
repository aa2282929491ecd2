"""The quadratic cost of a plan between two spaces, and its gradient.

Problem: Q(P) = sum_ijkl l(Cx_ik, Cy_jl) P_ij P_kl, with the loss l of a pair of
distances. Symbols: Cx (n, n) and Cy (m, m) costs within each space, P (n, m) a plan
with the marginals a (n,) and b (m,).

Losses are sums l(x, y) = f1(x) + f2(y) - h1(x) h2(y):

- squared: (x - y)^2, with f1 = x^2, f2 = y^2, h1 = x, h2 = 2 y;
- kl: x log(x / y) - x + y, with f1 = x log x - x, f2 = y, h1 = x, h2 = log y.

So sum_kl l(Cx_ik, Cy_jl) P_kl = (f1(Cx) a)_i + (f2(Cy) b)_j - (h1(Cx) P h2(Cy)')_ij, by
matrix products instead of the array with four indices. The marginals are taken as they
should be: Q is a quadratic form plus a constant, whose gradient has no other terms.

Squared Euclidean distances of points have the rank d + 2: with the factors
A = [|x|^2, 1, -2 x] and B = [1, |x|^2, x] of Cx = A B' the product costs O(n m d), for
the smaller d of both spaces.

Source: G. Peyre, M. Cuturi and J. Solomon, Gromov-Wasserstein averaging of kernel and
distance matrices, ICML 2016, proposition 1; M. Scetbon, G. Peyre and M. Cuturi,
Linear-time Gromov Wasserstein distances using low rank couplings and costs, ICML 2022,
section 3.1 (factors).
"""

import math

from skopt2._core.array import accumulation_dtype, dot64, max_abs, namespace, sum64

LOSSES = ("squared", "kl")


class StoredSpaces:
    """Two matrices of costs.

    Parameters
    ----------
    Cx, Cy : array of shape (n, n), (m, m)
        Costs within each space, symmetric or not; for ``"kl"`` Cx is nonnegative and Cy
        positive.
    a, b : array of shape (n,), (m,)
        Masses.
    loss : {"squared", "kl"}, default="squared"
        Loss of a pair of costs.
    """

    def __init__(self, Cx, Cy, a, b, loss="squared"):
        xp = namespace(Cx)
        self.shape = (int(Cx.shape[0]), int(Cy.shape[0]))
        if loss == "squared":
            f1, f2, self._h1, self._h2 = Cx * Cx, Cy * Cy, Cx, 2.0 * Cy
        else:
            some = Cx > 0
            log = xp.log(xp.where(some, Cx, xp.ones_like(Cx)))
            f1, f2, self._h1, self._h2 = Cx * log - Cx, Cy, Cx, xp.log(Cy)
        self._symmetric = _is_symmetric(Cx) and _is_symmetric(Cy)
        if self._symmetric:
            self.rows, self.cols = 2.0 * (f1 @ a), 2.0 * (f2 @ b)
        else:
            self.rows, self.cols = f1 @ a + a @ f1, f2 @ b + b @ f2

    def gradient(self, P):
        """Return the gradient of Q, shape (n, m)."""
        product = self._h1 @ P @ self._h2.T
        if self._symmetric:
            product = 2.0 * product
        else:
            product = product + self._h1.T @ P @ self._h2
        return self.rows[:, None] + self.cols[None, :] - product


class PointSpaces:
    """Squared Euclidean distances within two point clouds, of one space or of two.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, e)
        Points.
    a, b : array of shape (n,), (m,)
        Masses.
    """

    def __init__(self, X, Y, a, b):
        self.shape = (int(X.shape[0]), int(Y.shape[0]))
        (self._ax, self._bx), (self._ay, self._by) = _factors(X), _factors(Y)
        self.rows = 2.0 * _squares(self._ax, self._bx, a)
        self.cols = 2.0 * _squares(self._ay, self._by, b)

    def gradient(self, P):
        """Return the gradient of Q, shape (n, m)."""
        # The fewer columns meet all pairs.
        if self._ax.shape[1] <= self._ay.shape[1]:
            inner = (self._bx.T @ P) @ self._ay
            product = self._ax @ (4.0 * inner @ self._by.T)
        else:
            inner = self._bx.T @ (P @ self._ay)
            product = (4.0 * self._ax @ inner) @ self._by.T
        return self.rows[:, None] + self.cols[None, :] - product


def quadratic(spaces, G, P, rows, cols):
    """Return Q(P) for a plan whose marginals are nearly a and b.

    Parameters
    ----------
    spaces : object
        Costs.
    G : array of shape (n, m)
        Gradient at P.
    P : array of shape (n, m)
        Plan.
    rows, cols : array of shape (n,), (m,)
        P 1 - a and P' 1 - b. With them Q has the gradient G in all directions.

    Returns
    -------
    value : float
    """
    of_marginals = dot64(spaces.rows, rows) + dot64(spaces.cols, cols)
    return 0.5 * (sum64(G * P) + of_marginals)


def _is_symmetric(C):
    """Return True for a matrix that is symmetric but for rounding."""
    xp = namespace(C)
    unit = float(xp.finfo(C.dtype).eps)
    return max_abs(C - C.T) <= 16.0 * unit * max_abs(C)


def _factors(X):
    """Return A and B of shape (n, d + 2) with A B' the squared distances of points."""
    xp = namespace(X)
    wide = accumulation_dtype(X)
    # Distances do not change, and their digits are kept, where the mean is zero.
    Z = xp.astype(X, wide)
    Z = Z - xp.mean(Z, axis=0)
    square, one = xp.sum(Z * Z, axis=1)[:, None], xp.ones_like(Z[:, :1])
    A = xp.concat([square, one, -2.0 * Z], axis=1)
    B = xp.concat([one, square, Z], axis=1)
    return xp.astype(A, X.dtype), xp.astype(B, X.dtype)


def _squares(A, B, masses):
    """Return (C * C) masses for C = A B', shape (n,)."""
    xp = namespace(A)
    moments = B.T @ (masses[:, None] * B)
    return xp.sum((A @ moments) * A, axis=1)


def largest_gradient(spaces, a, b):
    """Return the largest absolute entry of the gradient at the plan a b'.

    Parameters
    ----------
    spaces : object
        With ``gradient``.
    a, b : array of shape (n,), (m,)
        Masses.

    Returns
    -------
    scale : float
        1.0 where it would be zero.
    """
    scale = max_abs(spaces.gradient(a[:, None] * b[None, :]))
    return scale if 0.0 < scale < math.inf else 1.0
