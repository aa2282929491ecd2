"""Gaussian process posterior from a factor of its covariance matrix.

Model: y_i = f(x_i) + e_i, f a Gaussian process with the kernel k and mean 0, e_i normal
with variance lam_i. With H = K + Lambda = L L', k_x = k(X, x) (n,) and a = H^-1 y,

    E f(x) = k_x'a,    cov(f(x), f(z)) = k(x, z) - (L^-1 k_x)'(L^-1 k_z).

With a factor in float32 the second term has rounding errors of up to 0.5 eps sqrt(n)
k(x, x), as we measured on smooth and rough kernels and 1000 to 4000 rows. Where data
say more than that the variance is computed from solutions W of H W = B, B = k(X, Z),
that the factor gives, and their residuals R = B - H W, at the cost of a pass over K:

    B'H^-1 B = W'(B + R) + R'H^-1 R.

The last term is of second order in what rounding did to the factor, so that its own
rounding does not matter. Where it is not small W is refined by conjugate gradients.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, algorithm 2.1; the refinement is ours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    flatnonzero,
    namespace,
    put,
    take,
)
from skopt2.kernels import KernelOperator
from skopt2.solvers.kernel.solve import solve_kernel_system

# Multiple of eps sqrt(n) below which a variance, in units of that of the prior, is not
# what a factor in float32 gives to within 8 percent.
ROUNDED = 6.0
# Passes over K for a refinement, and share of the variance at which they end.
PASSES, SHARE = 10, 0.01
# Relative residual of the coefficients of draws.
FINE = 1e-4


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
    lam : float, array of shape (n,) or None, default=None
        Variances of the noise; None to take a factor in float32 for exact.
    """

    kernel: Any
    X: Any
    coef: Any
    factor: Any
    lam: Any = None

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
            parts.append(self._variance(K.T, prior[rows]))
        variance = xp.astype(xp.concat(parts), prior.dtype, copy=False)
        return xp.concat(means), xp.maximum(variance, xp.zeros_like(variance))

    def _variance(self, cross, prior):
        """Return prior variances less the forms of H^-1, in the widest dtype."""
        xp = namespace(cross)
        prior = xp.astype(prior, accumulation_dtype(prior), copy=False)
        variance = prior - forms(self.factor.half_solve(cross))
        if not self._is_rounded():
            return variance
        eps = float(xp.finfo(self.factor.L.dtype).eps)
        least = ROUNDED * eps * int(cross.shape[0]) ** 0.5
        few = flatnonzero(variance < least * prior)
        if not few.shape[0]:
            return variance
        cross = take(cross, few, axis=1)
        prior = take(prior, few)
        W, total, half = self._solved(cross, prior)
        exact = prior - forms(W, total) - forms(half)
        return put(variance, few, exact)

    def _is_rounded(self):
        """Tell whether the factor has fewer digits than there could be."""
        if self.lam is None or not hasattr(self.factor, "L"):
            return False
        L = self.factor.L
        return L.dtype != accumulation_dtype(L)

    def _solved(self, B, prior):
        """Return W, B + R and L^-1 R, for points whose prior variance is given.

        W is refined by conjugate gradients with the factor as the preconditioner.
        """
        xp, operator = namespace(B), KernelOperator(self.kernel, self.X)
        lam = asarray_like(self.lam, B)
        lam = lam[:, None] if lam.ndim else lam
        least = float(xp.finfo(B.dtype).eps) * prior
        W, D, before = self.factor.solve(B), xp.zeros_like(B), xp.ones_like(prior)
        R = B - (operator.product(W) + lam * W)
        for number in range(PASSES):
            half = self.factor.half_solve(R)
            rest = forms(half)
            left = xp.maximum(prior - forms(W, B + R), least)
            if number == PASSES - 1 or bool(xp.all(rest <= SHARE * left)):
                break
            D = self.factor.solve(R) + xp.astype(rest / before, B.dtype) * D
            HD = operator.product(D) + lam * D
            curvature = forms(D, HD)
            usable = curvature > 0
            step = xp.where(usable, rest, 0.0 * rest) / xp.where(
                usable, curvature, xp.ones_like(curvature)
            )
            step = xp.astype(step, B.dtype)
            W, R = W + step * D, R - step * HD
            before = xp.where(rest > 0, rest, xp.ones_like(rest))
        return W, B + R, half

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
        among = KernelOperator(self.kernel, Z).block(slice(0, m), slice(0, m))
        if self._is_rounded():
            prior = xp.linalg.diagonal(among)
            prior = xp.astype(prior, accumulation_dtype(prior), copy=False)
            W, total, half = self._solved(K.T, prior)
            C = among - W.T @ total - xp.astype(half.T @ half, among.dtype)
        else:
            V = self.factor.half_solve(K.T)
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
        B = asarray_like(prior_values, self.X)
        if not self._is_rounded():
            return self.factor.solve(B)
        return solve_kernel_system(
            KernelOperator(self.kernel, self.X),
            B,
            self.lam,
            solver="cholesky",
            tol=FINE,
            factor=self.factor,
        ).solution.a


def forms(V, W=None):
    """Return the inner products of columns, in the widest dtype.

    Parameters
    ----------
    V : array of shape (n, m)
        Columns.
    W : array of shape (n, m) or None, default=None
        Others; None for the same ones.

    Returns
    -------
    products : array of shape (m,)
        Also accumulated in the widest dtype: variances are differences of them.
    """
    xp, wide = namespace(V), accumulation_dtype(V)
    V = xp.astype(V, wide, copy=False)
    W = V if W is None else xp.astype(W, wide, copy=False)
    if xp is np:
        return np.einsum("ij,ij->j", V, W)
    return xp.sum(V * W, axis=0)


def _rows(operator):
    """Return how many new points fit the memory budget with their solves."""
    itemsize = int(operator.xp.finfo(operator.dtype).bits) // 8
    return max(1, operator.budget // (4 * operator.shape[1] * itemsize))
