"""Gaussian process posterior by iterative solves, where no factor fits.

Model and symbols as in :mod:`skopt2.solvers.kernel.exact_posterior`, with H known by
products alone: for new points Z (m, d) the columns of W = H^-1 k(X, Z) are solved for,
and cov(f(Z)) = k(Z, Z) - k(Z, X) W. The variances take m right-hand sides, in chunks
that share every pass over the kernel matrix.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import namespace
from skopt2.kernels import KernelOperator
from skopt2.solvers.kernel.solve import solve_kernel_system

# Right-hand sides that share the passes over the kernel matrix.
COLUMNS = 256


@dataclass(frozen=True, eq=False)
class SolvedPosterior:
    """Posterior of a Gaussian process whose covariance matrix is never formed.

    Parameters
    ----------
    kernel : Kernel
        Of the process, without noise.
    X : array of shape (n, d)
        Points of the fit.
    coef : array of shape (n, c)
        H^-1 Y for the targets Y.
    lam : float or array of shape (n,)
        Variances of the noise.
    solver : {"auto", "cholesky", "sap", "sdd", "eigenpro", "cg"}
        For the solves.
    tol : float
        Their relative residual.
    max_epochs : float
        Passes over the kernel matrix for one chunk of them.
    seed : int
        Of their blocks.
    """

    kernel: Any
    X: Any
    coef: Any
    lam: Any
    solver: str
    tol: float
    max_epochs: float
    seed: int

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
        """Return the posterior mean and variance.

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
        xp = namespace(Z)
        prior = self.kernel.diag(self.kernel.features(Z, self.kernel.origin(Z)))
        parts = []
        for start in range(0, int(Z.shape[0]), COLUMNS):
            rows = slice(start, start + COLUMNS)
            cross = self._cross(Z[rows, :])
            parts.append(prior[rows] - xp.sum(cross * self.conditioned(cross), axis=0))
        variance = xp.concat(parts)
        return self.mean(Z), xp.maximum(variance, xp.zeros_like(variance))

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
        m = int(Z.shape[0])
        cross = self._cross(Z)
        among = KernelOperator(self.kernel, Z).block(slice(0, m), slice(0, m))
        C = among - cross.T @ self.conditioned(cross)
        return cross.T @ self.coef, 0.5 * (C + C.T)

    def conditioned(self, values):
        """Return H^-1 V.

        Parameters
        ----------
        values : array of shape (n, s)
            V.

        Returns
        -------
        coef : array of shape (n, s)
        """
        result = solve_kernel_system(
            KernelOperator(self.kernel, self.X, n_passes=self.max_epochs),
            values,
            self.lam,
            solver=self.solver,
            tol=self.tol,
            max_epochs=self.max_epochs,
            rng=self.seed,
        )
        return result.solution.a

    def _cross(self, Z):
        """Return k(X, Z)."""
        operator = KernelOperator(self.kernel, self.X, Z)
        return operator.block(slice(0, operator.shape[0]), slice(0, operator.shape[1]))
