r"""The linear system of an iteration of ADMM, factorised once.

Problem: min over U and b of

    kappa |U - V|^2 + |G U - T|_s^2 + |F U + b - c|_s^2,

F U = sum_σh σ D_h X u_σh, G U = ((2 D_h - 1) X u_σh); with epsilon also kappa |U_m -
A|^2 of the moving features and omega |E U - Z|_s^2, E U = (z_i). Symbols as in
``program``; |v|_s^2 = sum_i s_i v_i^2.

(2 D_h - 1)^2 = 1, so that all blocks share one d x d matrix M = kappa + X'S X (kappa
twice for moving features with epsilon). What couples them has rank n:

    U = M^-1 (rhs + F'S w),   (1 + K S) w = c - F M^-1 rhs - b,   sum_i s_i w_i = 0,
    K = F M^-1 F' = 2 (X M^-1 X') o (D'D),

an n x n system for any number of patterns. Where n > P d, and with epsilon, whose
slopes have d numbers a row, the sum and the difference of the blocks of both signs are
solved for instead: the first by M alone, the second with one matrix of order P d.
"""

from skopt2._core.array import cholesky_solve, device_of

# Order of the largest matrix that is factorised.
LARGEST = 8_000


class NormalSystem:
    """Factorised system of a program.

    Parameters
    ----------
    program : ReLUProgram
        Data and patterns.
    kappa, omega : float
        Positive weights.

    Raises
    ------
    ValueError
        If neither form of the system is small enough.
    """

    def __init__(self, program, kappa, omega):
        self.program, self.kappa, self.omega = program, kappa, omega
        xp, X, s = program.xp, program.X, program.s
        M = X.T @ (s[:, None] * X) + kappa * self._eye(program.d)
        if program.epsilon > 0.0:
            extra = xp.zeros_like(X[0, :])
            extra[: program.moving] = kappa
            M = M + self._eye(program.d) * extra
        self.M_inverse = self._inverse(M)
        order = program.n_gates * program.d
        self.by_rows = program.epsilon == 0.0 and program.n <= order
        self.order = program.n if self.by_rows else order
        if self.order > LARGEST:
            raise ValueError(
                "n_gates times the number of features (a bias counts as one) and the "
                f"number of rows may not both exceed {LARGEST} for solver='admm', nor "
                f"the first with robust > 0; got {order} and {program.n}. Lower "
                "n_gates, or set solver='sampled'."
            )
        if self.by_rows:
            self._factorise_rows()
        else:
            self._factorise_blocks(M)

    def _eye(self, k):
        X = self.program.X
        return self.program.xp.eye(k, dtype=X.dtype, device=device_of(X))

    def _inverse(self, matrix):
        found = cholesky_solve(matrix, self._eye(matrix.shape[0]))
        if found is None:
            raise ValueError(
                "X has features whose squares are not finite, or of scales too far "
                "apart for the precision of the fit. Scale X, for example by "
                "sklearn.preprocessing.StandardScaler."
            )
        return 0.5 * (found + found.T)

    def _factorise_rows(self):
        """Invert the n x n matrix, whose eigenvalues are at least 1."""
        program = self.program
        xp, X, D = program.xp, program.X, program.D
        self.root = xp.sqrt(program.s)
        K = 2.0 * (X @ self.M_inverse @ X.T) * (D.T @ D)
        K = self.root[:, None] * K * self.root + self._eye(program.n)
        self.inverse = self._inverse(K)
        if program.bias:
            self.bias_direction = self.inverse @ self.root
            self.bias_size = self.root @ self.bias_direction

    def _factorise_blocks(self, M):
        """Invert the matrix of the difference of the blocks of both signs."""
        program = self.program
        xp, P, d, m = program.xp, program.n_gates, program.d, program.moving
        rows = program.D[:, :, None] * program.X
        F = xp.reshape(xp.permute_dims(rows, (1, 0, 2)), (program.n, P * d))
        F = xp.sqrt(program.s)[:, None] * F
        Q = 2.0 * (F.T @ F)
        if program.bias:
            mean = xp.sqrt(program.s) @ F
            Q = Q - 2.0 * mean[:, None] * mean
            self.mean = xp.reshape(mean, (P, d))
        Q = xp.reshape(Q, (P, d, P, d))
        overlap = 2.0 * self.omega * (program.D * program.s) @ program.D.T
        for h in range(P):
            Q[h, :, h, :] += M
        if program.epsilon > 0.0:
            for j in range(m):
                Q[:, j, :, j] += overlap
        self.inverse = self._inverse(xp.reshape(Q, (P * d, P * d)))

    def solve(self, rhs, c, Z=None):
        """Return the minimiser.

        Parameters
        ----------
        rhs : array of shape (K, 2, P, d)
            kappa V + G'S T, and kappa A for moving features.
        c : array of shape (K, n)
            Target of F U + b.
        Z : array of shape (n, moving), default=None
            Target of the slopes, with epsilon.

        Returns
        -------
        U : array of shape (K, 2, P, d)
        b : array of shape (K,)
        """
        return self._by_rows(rhs, c) if self.by_rows else self._by_blocks(rhs, c, Z)

    def _by_rows(self, rhs, c):
        program, xp = self.program, self.program.xp
        base = rhs @ self.M_inverse
        gap = base[:, 0, ...] - base[:, 1, ...]
        fitted = xp.sum(program.D * program.forward(gap), axis=1)
        target = self.root * (c - fitted)
        w = target @ self.inverse
        b = program.zeros((program.n_outputs,))
        if program.bias:
            b = (w @ self.root) / self.bias_size
            w = w - b[:, None] * self.bias_direction
        pull = program.adjoint(program.D * (self.root * w)[:, None, :])
        pull = pull @ self.M_inverse
        return base + xp.stack([pull, -pull], axis=1), b

    def _by_blocks(self, rhs, c, Z):
        program, xp = self.program, self.program.xp
        pull = program.adjoint(program.D * (program.s * c)[:, None, :])
        if program.bias:
            level = xp.sum(program.s * c, axis=1)
            pull = pull - level[:, None, None] * self.mean
        difference = rhs[:, 0, ...] - rhs[:, 1, ...] + 2.0 * pull
        if Z is not None:
            slope = 2.0 * self.omega * ((program.D * program.s) @ Z)
            difference[0, :, : program.moving] += slope
        shape = difference.shape
        flat = xp.reshape(difference, (shape[0], -1)) @ self.inverse
        W = xp.reshape(flat, shape)
        total = (rhs[:, 0, ...] + rhs[:, 1, ...]) @ self.M_inverse
        b = program.zeros((program.n_outputs,))
        if program.bias:
            b = level - xp.sum(self.mean * W, axis=(1, 2))
        return 0.5 * xp.stack([total + W, total - W], axis=1), b
