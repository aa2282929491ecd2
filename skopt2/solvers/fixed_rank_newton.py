r"""Newton's method on the matrices of a fixed rank, for penalties of singular values.

Problem: min_(P, Q) q(P Q') + sum_j pen(sigma_j(P Q'); lam), P (r, k), Q (K, k), for a
quadratic q with the Hessian e *, see :mod:`skopt2.solvers.nuclear_norm_model`.
Symbols: B = P Q' = U diag(sigma) V'; M = grad q(B) (r, K); P = U sqrt(sigma), Q = V
sqrt(sigma) after every step.

Once a proximal method has found the rank k of the solution, the objective is smooth
around it along the matrices of rank k. Newton's equation is solved by conjugate
gradients; directions that only turn P and Q against each other have no curvature and no
slope. For the nuclear norm the penalty may be replaced by lam * (|P|^2 + |Q|^2) / 2,
which is no less and equal where P'P = Q'Q (Srebro et al.), and is as smooth as can be.
In general its gradient is G = U diag(pen') V', and that changes along D = p Q' + P q',
with N = U'D V, by

    U [S o (N + N') / 2 + A o (N - N') / 2] V' + (1 - U U') D V diag(pen' / sigma) V'
    + U diag(pen' / sigma) U'D (1 - V V'),
    S_ij = (pen'_i - pen'_j) / (sigma_i - sigma_j), pen''_i where they are equal,
    A_ij = (pen'_i + pen'_j) / (sigma_i + sigma_j).

The preconditioner holds the two diagonal blocks of the Hessian, which alternating least
squares would solve with: for diagonal e and orthogonal columns of Q, row i of P has e_i
Q'Q + pen', a diagonal matrix; every row of Q has P' e P + diag(pen').

Sources: N. Srebro, J. Rennie and T. Jaakkola, Maximum-margin matrix factorization, NIPS
2004; A. Lewis, Active sets, nonsmoothness, and sensitivity, SIAM J. Optimization 13,
2002 (partial smoothness); V. Noferini, A formula for the Frechet derivative of a
generalized matrix function, SIAM J. Matrix Analysis 38, 2017, theorem 2.8 (the change
of G); J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, 2006, algorithm
7.1 (truncated Newton).
"""

import math

import numpy as np

from skopt2._core.array import asarray_like, dot64, to_numpy

NEWTON_LIMIT, CG_LIMIT, BACKTRACKS = 12, 60, 6
# Curvature, relative to that of the preconditioner, that counts as none; singular
# values, relative to the largest, that are the same; what is added to curvatures.
FLAT, SAME, FLOOR = 1e-12, 1e-7, 1e-14


class TraceForm:
    """The nuclear norm as lam * (|P|^2 + |Q|^2) / 2.

    Parameters
    ----------
    lam : float
        Level.
    P, Q : array of shape (r, k) and (K, k)
        Balanced factors.
    sigma : array of shape (k,)
        Singular values.
    """

    def __init__(self, lam, P, Q, sigma):
        self.lam, self.P, self.Q, self.weights = lam, P, Q, 0.0 * sigma + lam

    def value(self):
        """Return the penalty."""
        return 0.5 * self.lam * (dot64(self.P, self.P) + dot64(self.Q, self.Q))

    def gradient(self):
        """Return its gradient in P and in Q."""
        return self.lam * self.P, self.lam * self.Q

    def curved(self, p, q, D):
        """Return the change of the gradient along a direction, D = p Q' + P q'."""
        return self.lam * p, self.lam * q


class SpectralForm:
    """Any smooth penalty of positive singular values.

    Parameters
    ----------
    scalar : Penalty
        Of one singular value.
    lam : float
        Level.
    P, Q : array of shape (r, k) and (K, k)
        Balanced factors.
    sigma : array of shape (k,)
        Singular values.
    xp : module
        Namespace.
    """

    def __init__(self, scalar, lam, P, Q, sigma, xp):
        self.xp, self.P, self.Q = xp, P, Q
        root = sigma[None, :] ** 0.5
        self.U, self.V = P / root, Q / root
        # A few numbers, whose table is made on the host.
        s = np.asarray(to_numpy(sigma), dtype=np.float64)
        level = np.float64(lam)
        slope = scalar.derivative(s, level)
        self._value = scalar.value(s, level)
        apart = s[:, None] - s[None, :]
        near = np.abs(apart) <= SAME * s.max()
        bend = np.broadcast_to(scalar.curvature(s, level), s.shape)
        even = (slope[:, None] - slope[None, :]) / np.where(near, 1.0, apart)
        even = np.where(near, 0.5 * (bend[:, None] + bend[None, :]), even)
        odd = (slope[:, None] + slope[None, :]) / (s[:, None] + s[None, :])
        self.weights = asarray_like(slope, sigma)
        self._even, self._odd = asarray_like(even, sigma), asarray_like(odd, sigma)
        self._ratio = asarray_like(slope / s, sigma)[None, :]

    def value(self):
        """Return the penalty."""
        return self._value

    def gradient(self):
        """Return its gradient in P and in Q."""
        return self.P * self.weights[None, :], self.Q * self.weights[None, :]

    def curved(self, p, q, D):
        """Return the change of the gradient along a direction, D = p Q' + P q'."""
        turn = self.xp.matrix_transpose
        U, V = self.U, self.V
        left, right = D @ V, turn(D) @ U
        N = turn(U) @ left
        inner = self._even * (N + turn(N)) * 0.5 + self._odd * (N - turn(N)) * 0.5
        # The change of G is [U inner + outside] V' + U [beside]'.
        outside = U @ inner + (left - U @ N) * self._ratio
        beside = (right - V @ turn(N)) * self._ratio
        hP = outside @ (turn(V) @ self.Q) + U @ (turn(beside) @ self.Q)
        hQ = V @ (turn(outside) @ self.P) + beside @ (turn(U) @ self.P)
        slope = self.weights[:, None]
        hP = hP + U @ (slope * (turn(V) @ q))
        return hP, hQ + V @ (slope * (turn(U) @ p))


class _Point:
    """Balanced factors, their product, gradient and objective."""

    def __init__(self, problem, P, Q):
        quadratic, xp = problem.quadratic, problem.quadratic.xp
        self.P, self.Q, sigma = rebalance(xp, P, Q)
        self.sigma = sigma
        self.B = self.P @ xp.matrix_transpose(self.Q)
        self.M = quadratic.gradient(self.B)
        self.form = problem.form(self.P, self.Q, sigma)
        self.value = quadratic.value(self.B, self.M) + self.form.value()

    def gradient(self, xp):
        """Return the gradient in P and in Q."""
        gP, gQ = self.form.gradient()
        return self.M @ self.Q + gP, xp.matrix_transpose(self.M) @ self.P + gQ


class FixedRank:
    """The problem on the matrices of one rank.

    Parameters
    ----------
    quadratic : Quadratic
        ``value(B, M)``, ``gradient(B)``, ``curved(D)`` and ``diagonal``.
    scalar : Penalty
        Of one singular value.
    convex : bool
        Whether that is the nuclear norm.
    lam : float
        Level, positive.
    """

    def __init__(self, quadratic, scalar, convex, lam):
        self.quadratic, self.scalar = quadratic, scalar
        self.convex, self.lam = convex, lam

    def form(self, P, Q, sigma):
        """Return the penalty around balanced factors."""
        if self.convex:
            return TraceForm(self.lam, P, Q, sigma)
        return SpectralForm(self.scalar, self.lam, P, Q, sigma, self.quadratic.xp)

    def minimise(self, factors, goal, expired):
        """Return a matrix that is no worse than a start, by Newton's method.

        Parameters
        ----------
        factors : tuple of array
            U (r, k), sigma (k,), V (K, k) of the start, sigma positive.
        goal : float
            Norm of the gradient, in units of M, to end at.
        expired : callable
            True when time is up.
        """
        xp = self.quadratic.xp
        U, sigma, V = factors
        root = (sigma**0.5)[None, :]
        point = _Point(self, U * root, V * root)
        for _ in range(NEWTON_LIMIT):
            gP, gQ = point.gradient(xp)
            size = math.sqrt(dot64(point.P, point.P) + dot64(point.Q, point.Q))
            slope = math.sqrt(dot64(gP, gP) + dot64(gQ, gQ))
            if slope <= goal * size or expired():
                break
            share = slope / (self.lam * size)
            p, q = _direction(self.quadratic, point, gP, gQ, min(0.1, share**0.5))
            found = self._search(point, p, q, dot64(p, gP) + dot64(q, gQ))
            if found is None:
                break
            point = found
        return point.B

    def _search(self, point, p, q, descent):
        """Backtrack; return the first point that is lower, or None."""
        t = 1.0
        for _ in range(BACKTRACKS):
            trial = _Point(self, point.P + t * p, point.Q + t * q)
            lower = trial.value <= point.value + 1e-4 * t * descent
            if lower and float(trial.sigma[-1]) > 0.0:
                return trial
            t *= 0.5
        return None


def rebalance(xp, P, Q):
    """Return factors of the same product with P'P = Q'Q = diag(sigma), and sigma."""
    left, R = xp.linalg.qr(P)
    right, S = xp.linalg.qr(Q)
    u, sigma, vt = xp.linalg.svd(R @ xp.matrix_transpose(S), full_matrices=False)
    root = (sigma**0.5)[None, :]
    return (left @ u) * root, (right @ xp.matrix_transpose(vt)) * root, sigma


def _direction(quadratic, point, gP, gQ, forcing):
    """Return an approximate Newton direction by preconditioned conjugate gradients."""
    xp, turn = quadratic.xp, quadratic.xp.matrix_transpose
    P, Q, M, form = point.P, point.Q, point.M, point.form
    Pt, Qt, Mt = turn(P), turn(Q), turn(M)
    weights = form.weights
    # Where neither loss nor penalty bends, something has to.
    floor = FLOOR * float(xp.max(quadratic.diagonal)) * float(point.sigma[0])
    rows = quadratic.diagonal * point.sigma[None, :] + weights[None, :] + floor
    block = Pt @ quadratic.curved(P)
    block = 0.5 * (block + turn(block))
    device = {} if isinstance(P, np.ndarray) else {"device": P.device}
    one = xp.eye(block.shape[0], dtype=block.dtype, **device)
    inverse = xp.linalg.inv(block + one * (weights + floor)[None, :])

    def times(p, q):
        D = p @ Qt + P @ turn(q)
        N = quadratic.curved(D)
        hP, hQ = form.curved(p, q, D)
        return N @ Q + M @ q + hP, turn(N) @ P + Mt @ p + hQ

    x, y = xp.zeros_like(P), xp.zeros_like(Q)
    a, b = -gP, -gQ
    z, w = a / rows, b @ inverse
    p, q = z, w
    rz = start = dot64(a, z) + dot64(b, w)
    for count in range(CG_LIMIT):
        Hp, Hq = times(p, q)
        bent = dot64(p, Hp) + dot64(q, Hq)
        if bent <= FLAT * rz:
            return (z, w) if count == 0 else (x, y)
        step = rz / bent
        x, y = x + step * p, y + step * q
        a, b = a - step * Hp, b - step * Hq
        z, w = a / rows, b @ inverse
        rz, old = dot64(a, z) + dot64(b, w), rz
        if rz <= forcing**2 * start:
            break
        p, q = z + (rz / old) * p, w + (rz / old) * q
    return x, y
