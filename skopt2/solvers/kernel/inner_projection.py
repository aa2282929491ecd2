"""Approximate projection on the functions of many centres.

Problem: K theta = H for K = k(Z, Z) (p, p), p too large for a Cholesky factor, and
H (p, c) the values of a function at the centres: theta are the coefficients of its
projection on the span of k(z_j, .). Symbols: J a block of centres; S a subsample of
them, whose spectrum flattens the largest eigenvalues as in
:mod:`skopt2.solvers.kernel.spectral_preconditioner`, with V and D;
b the largest diagonal of the kernel and l the largest eigenvalue that this leaves.

Epochs of EigenPro 2 from theta = 0: G = K_J theta - H_J, then theta_J <- theta_J - t G
and theta_S <- theta_S + t V D V' K_SJ G, with t = 0.9 / b and blocks of at most
b / l + 1. They are the same in every call, so the map from H to theta is linear.

Source: A. Abedsoltan, M. Belkin and P. Pandit, Toward large kernel models, ICML 2023
(EigenPro 3), where one or two epochs are enough. The fixed blocks are ours.
"""

import numpy as np

from skopt2._core.array import asarray_like, index_like, namespace, put, take, to_numpy

# Share of the largest stable step, and centres on which it is measured.
SHARE, PROBES = 0.9, 400


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
        order = np.random.default_rng((seed, p)).permutation(p)
        like = operator.A.rows
        b = self._diagonal(order)
        critical = int(min(b / spectrum.top + 1.0, p))
        self.step_size = SHARE / b
        parts = np.array_split(order, -(-p // max(1, critical)))
        self.blocks = [index_like(np.sort(part), like) for part in parts]

    def _diagonal(self, order):
        """Return b, from centres that are not in S where there are any."""
        S = np.asarray(to_numpy(self.subsample))
        others = order[~np.isin(order, S)][:PROBES]
        probes = others if others.size else S
        probes = asarray_like(probes, self.subsample)
        diagonal = take(self.operator.diagonal(), probes)[:, None]
        near = self.operator.block(probes, self.subsample)
        return self.spectrum.remaining_diagonal(diagonal, near)

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
