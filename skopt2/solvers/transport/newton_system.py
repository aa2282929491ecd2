"""The linear system of a Newton step, solved by a factorised Schur complement.

Problem: [[diag(r (1 + mu)), P], [P', diag(c (1 + mu))]] (dx, dy) = (p, q), with P
(n, m) the plan, r (n,), c (m,) its sums, p = a - r, q = b - c, and a relative shift
mu > 0.
Symbols: T = diag(c (1 + mu)) - P' diag(r (1 + mu))^-1 P (m, m) the Schur complement; S
the entries of P above a threshold, in a sparse matrix.

Changing the sign of one block makes the matrix the Laplacian of the bipartite graph of
the plan, plus mu. Where the plan falls apart into pieces that are nearly unconnected
its smallest eigenvalues are tiny, and conjugate gradients alone stall; a factorisation
does not mind them. T is a Laplacian as well, and is given to the factorisation as one,
see :mod:`skopt2.solvers.transport.laplacian`: its entries off the diagonal are sums of
positive terms, right to rounding even in float32.

T is formed by a sparse product where S is sparse enough, otherwise by one symmetric
product in float32. The factor preconditions conjugate gradients on the system itself,
and serves later Newton steps for as long as these need few iterations.

Sources: X. Tang, M. Shavlovsky, H. Rahmanian et al., Accelerating Sinkhorn algorithm
with sparse Newton iterations, ICLR 2024, section 3 (sparse Hessian); C. Brauer,
C. Clason, D. Lorenz and B. Wirth, A Sinkhorn-Newton method for entropic optimal
transport, 2017, section 2 (the system).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import blas

from skopt2._core.array import (
    accumulation_dtype,
    cholesky_solve,
    device_of,
    namespace,
)
from skopt2.solvers.transport.laplacian import (
    DENSE_ORDER,
    dense_laplacian_factor,
    laplacian_factor,
)

# Products of a sparse matrix product that cost as much as n m^2 / DENSE_RATE of a dense
# one, and largest number of them.
DENSE_RATE, LARGEST_PRODUCT = 250.0, 3e8
# Iterations of a solve with a fresh factor, and with none.
FRESH_LIMIT, PLAIN_LIMIT = 60, 250
# Smallest entry of the float32 product: its square is not subnormal.
TINY = 1e-18


@dataclass
class Plan:
    """The plan at one point, as an operator, rows being the longer side or not.

    Parameters
    ----------
    rows, cols : ndarray of shape (n,), (m,)
        Full sums.
    S, St : sparse array of shape (n, m), (m, n) or None
        Large entries in CSR, and their transpose in CSR.
    dense : array of shape (n, m) or None
        The whole plan, where it is not sparse. Of any namespace, with the sums; the
        rest is of NumPy.
    """

    rows: Any
    cols: Any
    S: Any = None
    St: Any = None
    dense: Any = None

    def times(self, p):
        """Return P p."""
        return self.dense @ p if self.S is None else self.S @ p

    def times_t(self, q):
        """Return P' q."""
        return q @ self.dense if self.S is None else self.St @ q

    def transposed(self):
        """Return the plan with its sides exchanged."""
        dense = None if self.dense is None else self.dense.T
        return Plan(self.cols, self.rows, self.St, self.S, dense)


class NewtonSystem:
    """Solves the systems of consecutive Newton steps; keeps the factor between them."""

    def __init__(self):
        self.factor = None
        self.swapped = None

    def forget(self):
        """Drop the factor: the next system is of another level."""
        self.factor = None

    def solve(self, plan, p, q, mu, tol):
        """Return (dx, dy) and the number of iterations.

        Parameters
        ----------
        plan : Plan
            Of shape (n, m).
        p, q : ndarray of shape (n,), (m,)
            Right-hand side.
        mu : float
            Relative shift.
        tol : float
            Relative tolerance of the residual of the Schur system.

        Returns
        -------
        dx, dy : ndarray of shape (n,), (m,)
        n_iter : int
        """
        if namespace(p) is not np:
            return *_solve_dense(plan.dense, p, q, plan.rows, plan.cols, mu), 1
        if p.shape[0] < q.shape[0]:
            dy, dx, n_iter = self._solve(plan.transposed(), q, p, mu, tol)
        else:
            dx, dy, n_iter = self._solve(plan, p, q, mu, tol)
        return dx, dy, n_iter

    def _solve(self, plan, p, q, mu, tol):
        scale = 1.0 / ((1.0 + mu) * plan.rows)
        diagonal = (1.0 + mu) * plan.cols
        rhs = q - plan.times_t(scale * p)

        def schur(z):
            return diagonal * z - plan.times_t(scale * plan.times(z))

        dy, n_iter, reached = None, 0, False
        if self.factor is not None:
            limit = min(max(len(q) // 100, 10), 30)
            dy, n_iter, reached = pcg(schur, rhs, self.factor, tol, limit)
        if not reached and len(q) > DENSE_ORDER:
            # The fill of a large factor cannot be told in advance, and diagonal scaling
            # is often enough.
            jacobi = _Jacobi(plan, scale, mu)
            dy, more, reached = pcg(schur, rhs, jacobi, tol, PLAIN_LIMIT)
            n_iter += more
        if not reached:
            self.factor = factorise(plan, mu)
            limit = FRESH_LIMIT if self.factor.exact else PLAIN_LIMIT
            dy, more, _ = pcg(schur, rhs, self.factor, tol, limit)
            n_iter += more
        return scale * (p - plan.times(dy)), dy, n_iter


def _solve_dense(P, p, q, rows, cols, mu):
    """Return (dx, dy) by one dense factorisation, in any namespace."""
    xp = namespace(P)
    wide = accumulation_dtype(P)
    P, p, q, rows, cols = (xp.astype(z, wide) for z in (P, p, q, rows, cols))
    scale = 1.0 / ((1.0 + mu) * rows)
    W = P * xp.sqrt(scale)[:, None]
    T = xp.matrix_transpose(W) @ W
    eye = xp.eye(T.shape[0], dtype=wide, device=device_of(T))
    T = T - T * eye
    left = mu * (cols + (scale * rows) @ P)
    diagonal = left + xp.sum(T, axis=1)
    dy = None
    while dy is None:
        dy = cholesky_solve(diagonal[:, None] * eye - T, q - (scale * p) @ P)
        # A shift as large as the diagonal itself cannot fail.
        left = 10.0 * left + 1e-15 * diagonal
        diagonal = diagonal + left
    return scale * (p - P @ dy), dy


def pcg(operator, rhs, precondition, tol, limit):
    """Return the solution by preconditioned conjugate gradients.

    Parameters
    ----------
    operator, precondition : callable
        Symmetric positive definite products.
    rhs : ndarray of shape (m,)
        Right-hand side.
    tol : float
        Relative tolerance of the residual.
    limit : int
        Largest number of iterations.

    Returns
    -------
    z : ndarray of shape (m,)
        Solution.
    n_iter : int
        Iterations.
    reached : bool
        Whether the tolerance was reached.
    """
    z, r = np.zeros_like(rhs), rhs.copy()
    goal = tol * math.sqrt(float(r @ r))
    if goal == 0.0:
        return z, 0, True
    d = precondition(r)
    direction, rd = d.copy(), float(r @ d)
    for k in range(1, limit + 1):
        product = operator(direction)
        curvature = float(direction @ product)
        if not curvature > 0.0:
            return z, k, False
        step = rd / curvature
        z += step * direction
        r -= step * product
        if math.sqrt(float(r @ r)) <= goal:
            return z, k, True
        d = precondition(r)
        rd, old = float(r @ d), rd
        direction *= rd / old
        direction += d
    return z, limit, False


def factorise(plan, mu):
    """Return a preconditioner of the Schur complement on the columns of a plan.

    Parameters
    ----------
    plan : Plan
        Of shape (n, m).
    mu : float
        Relative shift.

    Returns
    -------
    factor : callable
        With the attribute ``exact``, True for a factorisation.
    """
    n, m = plan.rows.shape[0], plan.cols.shape[0]
    scale = 1.0 / ((1.0 + mu) * plan.rows)
    if plan.S is None:
        return _dense_factor(plan.dense, plan, scale, mu)
    length = np.diff(plan.S.indptr)
    products = float(np.dot(length, length.astype(np.float64)))
    if products > n * m * m / DENSE_RATE and m <= DENSE_ORDER:
        return _dense_factor(plan.S.toarray(), plan, scale, mu)
    if products > LARGEST_PRODUCT:
        return _Jacobi(plan, scale, mu)
    half = plan.S.copy()
    half.data = half.data * np.repeat(scale, length)
    factor = laplacian_factor((plan.St @ half).tocsc(), _left_over(plan, scale, mu))
    return _Jacobi(plan, scale, mu) if factor is None else factor


def _left_over(plan, scale, mu):
    """Return the row sums of the Schur complement, free of cancellation.

    mu c_j + d_j + sum_i S_ij (mu r_i + e_i) / (r_i (1 + mu)), with d and e what the
    threshold took from the columns and from the rows.
    """
    if plan.S is None:
        return mu * (plan.cols + plan.times_t(scale * plan.rows))
    e = np.maximum(plan.rows - plan.S.sum(axis=1), 0.0)
    d = np.maximum(plan.cols - plan.St.sum(axis=1), 0.0)
    return mu * plan.cols + d + plan.times_t((mu * plan.rows + e) * scale)


def _dense_factor(P, plan, scale, mu):
    """Form the Schur complement by one product in float32 and factorise it."""
    W = np.empty(P.shape, dtype=np.float32)
    np.multiply(P, np.sqrt(scale)[:, None], out=W, casting="same_kind")
    np.maximum(W, TINY, out=W)
    # The lower triangle of -W' W; W' is in Fortran order, so nothing is copied.
    matrix = blas.ssyrk(-1.0, W.T, lower=1).astype(np.float64, order="F")
    factor = dense_laplacian_factor(matrix, _left_over(plan, scale, mu))
    return _Jacobi(plan, scale, mu) if factor is None else factor


class _Jacobi:
    exact = False

    def __init__(self, plan, scale, mu):
        squares = plan.St.multiply(plan.St) if plan.S is not None else None
        if squares is None:
            taken = np.einsum("ij,ij,i->j", plan.dense, plan.dense, scale)
        else:
            taken = squares @ scale
        self.diagonal = np.maximum((1.0 + mu) * plan.cols - taken, mu * plan.cols)

    def __call__(self, r):
        return r / self.diagonal
