"""Gaussian process posterior by iterative solves, where no factor fits.

Model and symbols as in :mod:`skopt2.solvers.kernel.exact_posterior`, with H known by
products alone: for new points Z (m, d) the columns of W = H^-1 B, B = k(X, Z), are
solved for, in chunks that share every pass over the kernel matrix, and

    cov(f(Z)) = k(Z, Z) - W'(B + R),    R = B - H W.

The residual R of what the solver returns costs a pass. With it the error is R'H^-1 R,
of second order in the residual and positive semidefinite: covariances stay so, and
variances are never too small.

Each solve starts from the solution on the rows nearest to each point
(:mod:`skopt2.solvers.kernel.local_variance`), which saved half to two thirds of the
passes: 27 became 13 for the tolerance 1e-3, and 17 became 5 for 1e-2, on 3000 rows of
the pol data.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import accumulation_dtype, namespace
from skopt2.kernels import KernelOperator
from skopt2.solvers.kernel.exact_posterior import forms
from skopt2.solvers.kernel.local_variance import LocalData, nearest_rows
from skopt2.solvers.kernel.solve import solve_kernel_system

# Right-hand sides that share the passes over the kernel matrix.
COLUMNS = 256
# Rows nearest to each new point from which its solve starts.
NEIGHBORS = 64


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
        xp, wide = namespace(Z), accumulation_dtype(Z)
        prior = self.kernel.diag(self.kernel.features(Z, self.kernel.origin(Z)))
        operator, local, parts = *self._systems(), []
        for start in range(0, int(Z.shape[0]), COLUMNS):
            rows = slice(start, min(start + COLUMNS, int(Z.shape[0])))
            W, right = self._solved(Z[rows, :], operator, local)[:2]
            parts.append(xp.astype(prior[rows], wide) - forms(W, right))
        variance = xp.astype(xp.concat(parts), prior.dtype, copy=False)
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
        W, right, cross = self._solved(Z, *self._systems())
        among = KernelOperator(self.kernel, Z).block(slice(0, m), slice(0, m))
        C = among - W.T @ right
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
        return self._solve(self._systems()[0], values)

    def _solve(self, operator, values, start=None):
        """Return H^-1 V as the solver finds it."""
        result = solve_kernel_system(
            operator,
            values,
            self.lam,
            solver=self.solver,
            tol=self.tol,
            max_epochs=self.max_epochs,
            start=start,
            rng=self.seed,
        )
        return result.solution.a

    def _systems(self):
        """Return the operator of K, and the data of which points see near rows."""
        operator = KernelOperator(self.kernel, self.X, n_passes=self.max_epochs)
        return operator, LocalData(operator.kernel, self.X, self.lam)

    def _solved(self, Z, operator, local):
        """Return W, B + R and B for some points."""
        n, m = operator.shape[0], int(Z.shape[0])
        beside = KernelOperator(self.kernel, Z, self.X)
        cross = beside.block(slice(0, m), slice(0, n))
        index = nearest_rows(cross, local.precision, min(NEIGHBORS, n))
        cross = namespace(cross).matrix_transpose(cross)
        W = self._solve(operator, cross, local.solution(Z, index))
        lam = namespace(W).astype(local.lam[:, None], W.dtype, copy=False)
        residual = cross - operator.product(W) - lam * W
        return W, cross + residual, cross
