"""Approximate projection on the functions of many centres.

Problem: K theta = H for K = k(Z, Z) (p, p), p too large for a Cholesky factor, and
H (p, c) the values of a function at the centres: theta are the coefficients of its
projection on the span of k(z_j, .). Symbols: J a block of centres; S a subsample of
them, whose spectrum flattens the largest eigenvalues as in
:mod:`skopt2.solvers.kernel.spectral_preconditioner`, with V, D, b, l.

Epochs of EigenPro 2 from theta = 0: G = K_J theta - H_J, then theta_J <- theta_J - t G
and theta_S <- theta_S + t V D V' K_SJ G. The blocks are the same in every call, so the
map from H to theta is linear.

Source: A. Abedsoltan, M. Belkin and P. Pandit, Toward large kernel models, ICML 2023
(EigenPro 3), section 4.2, where one or two epochs are enough.
"""

import numpy as np

from skopt2._core.array import asarray_like, namespace, put, take


class InnerProjection:
    """Solve with the kernel matrix of centres, roughly.

    Parameters
    ----------
    operator : KernelOperator
        Symmetric, of shape (p, p).
    subsample : array of int of shape (s,)
        S.
    spectrum : SpectralPreconditioner
        Of K_SS.
    seed : int
        Of the order of the centres.
    n_epochs : int, default=1
        Passes over K for each solution.
    """

    exact = False
    jitter = 0.0

    def __init__(self, operator, subsample, spectrum, seed, n_epochs=1):
        self.operator, self.subsample, self.spectrum = operator, subsample, spectrum
        self.n_epochs = n_epochs
        p = operator.shape[0]
        critical = int(min(spectrum.diagonal / spectrum.top + 1.0, p))
        self.step_size = 0.9 / spectrum.diagonal
        order = np.random.default_rng((seed, p)).permutation(p)
        parts = np.array_split(order, -(-p // max(1, critical)))
        like, xp = operator.A.rows, operator.xp
        self.blocks = [asarray_like(np.sort(part), like, xp.int64) for part in parts]

    def solve(self, H):
        """Return theta.

        Parameters
        ----------
        H : array of shape (p, c)
            Values at the centres.

        Returns
        -------
        theta : array of shape (p, c)
            In the dtype of H.
        """
        xp = namespace(H)
        theta, S, t = xp.zeros_like(H), self.subsample, self.step_size
        for _ in range(self.n_epochs):
            for J in self.blocks:
                G = self.operator.rows(J, theta)
                G = t * (xp.astype(G, H.dtype, copy=False) - take(H, J))
                theta = put(theta, J, take(theta, J) - G)
                near = self.operator.block(S, J)
                change = self.spectrum.correct(near @ xp.astype(G, near.dtype))
                theta = put(theta, S, take(theta, S) + xp.astype(change, H.dtype))
        return theta
