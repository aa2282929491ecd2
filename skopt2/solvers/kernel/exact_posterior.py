"""Gaussian process posterior from a factor of its covariance matrix.

Model: y_i = f(x_i) + e_i, f a Gaussian process with the kernel k and mean 0, e_i normal
with variance lam_i. With H = K + Lambda = L L', k_x = k(X, x) (n,) and a = H^-1 y,

    E f(x) = k_x'a,    cov(f(x), f(z)) = k(x, z) - (L^-1 k_x)'(L^-1 k_z).

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, algorithm 2.1.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like, namespace
from skopt2.kernels import KernelOperator


@dataclass(frozen=True, eq=False)
class ExactPosterior:
    """Posterior of a Gaussian process with a factorised covariance matrix.

    Parameters
    ----------
    kernel : Kernel
        Of the process, without noise.
    X : array of shape (n, d)
        Points of the fit.
    coef : array of shape (n, c)
        H^-1 Y for the targets Y.
    factor : CholeskyFactor or SpectralInverse
        Of H.
    """

    kernel: Any
    X: Any
    coef: Any
    factor: Any

    def mean(self, Z):
        """Return the posterior mean.

        Parameters
        ----------
        Z : array of shape (m, d)
            New points.

        Returns
        -------
        mean : array of shape (m, c)
        """
        return KernelOperator(self.kernel, Z, self.X).product(self.coef)

    def moments(self, Z):
        """Return the posterior mean and variance, in one pass over k(Z, X).

        Parameters
        ----------
        Z : array of shape (m, d)
            New points.

        Returns
        -------
        mean : array of shape (m, c)
        variance : array of shape (m,)
            Of f, without noise; not below 0.
        """
        xp, m = namespace(Z), int(Z.shape[0])
        operator = KernelOperator(self.kernel, Z, self.X)
        prior = self.kernel.diag(self.kernel.features(Z, self.kernel.origin(Z)))
        means, parts = [], []
        size = _rows(operator)
        for start in range(0, m, size):
            rows = slice(start, min(start + size, m))
            K = operator.block(rows, slice(0, operator.shape[1]))
            means.append(K @ self.coef)
            V = self.factor.half_solve(K.T)
            forms = xp.astype(xp.sum(V * V, axis=0), prior.dtype, copy=False)
            parts.append(prior[rows] - forms)
        variance = xp.concat(parts)
        return xp.concat(means), xp.maximum(variance, xp.zeros_like(variance))

    def covariance(self, Z):
        """Return the posterior mean and the joint covariance.

        Parameters
        ----------
        Z : array of shape (m, d)
            New points.

        Returns
        -------
        mean : array of shape (m, c)
        covariance : array of shape (m, m)
            Of f, without noise; symmetric.
        """
        xp, m = namespace(Z), int(Z.shape[0])
        operator = KernelOperator(self.kernel, Z, self.X)
        K = operator.block(slice(0, m), slice(0, operator.shape[1]))
        V = self.factor.half_solve(K.T)
        among = KernelOperator(self.kernel, Z).block(slice(0, m), slice(0, m))
        C = among - xp.astype(V.T @ V, among.dtype, copy=False)
        return K @ self.coef, 0.5 * (C + C.T)

    def conditioned(self, prior_values):
        """Return the coefficients that turn prior functions into posterior ones.

        Parameters
        ----------
        prior_values : array of shape (n, s)
            f_j(x_i) + e_ij for draws f_j of the prior and e_ij of the noise.

        Returns
        -------
        coef : array of shape (n, s)
            A = H^-1 of them: f_j - k(., X) A_j is a draw of the posterior, less its
            mean.
        """
        return self.factor.solve(asarray_like(prior_values, self.X))


def _rows(operator):
    """Return how many new points fit the memory budget with their solves."""
    itemsize = int(operator.xp.finfo(operator.dtype).bits) // 8
    return max(1, operator.budget // (4 * operator.shape[1] * itemsize))
