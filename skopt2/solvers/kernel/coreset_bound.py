"""The evidence lower bound of a coreset posterior, and its derivatives.

Model: f ~ GP(0, k), Y = f(X) + noise of variance v, for n rows and T columns that share
k and v. The posterior is approximated by that of M weighted pseudo observations,

q(f) ~ p(f) prod_m N(y_m | f(z_m), v)^(w_m) = p(f) prod_m N(y_m | f(z_m), s_m) up to a
factor, s_m = v / w_m,

whose free parameters are Z (M, d), Y_c (M, T), log w (M,) and phi (q,), the logarithms
of the parameters of k and v. The latent values at Z are integrated out: with
A = K_ZZ + S, S = diag(s), a = A^-1 Y_c and c_i = k(Z, x_i),

q(f(x_i)) = N(c_i' a, k(x_i, x_i) - c_i' A^-1 c_i) for each column, and

L = sum_i E_q log N(y_i | f(x_i), v) - KL,
KL = 1/2 [tr a' K_ZZ a + T (log det(A S^-1) - tr A^-1 K_ZZ)],

the divergence of q from the prior at Z, which is all of it since q and p agree given
f(Z). L is at most log p(Y), and equal to it at Z = X, Y_c = Y, w = 1. A batch of b rows
with weights o_i = n / b in the sum gives an unbiased estimate of L.

All of it is computed from the factor C C' = E = I + S^-1/2 K_ZZ S^-1/2, whose
eigenvalues are at least 1: no jitter is added to it, not even where points coincide.
For the sake of rounding s is v / w + 100 eps M k(x, x), which is a posterior like any
other, with a valid bound.

Derivatives, with r = Y - c'a (b, T), g_i = o_i r_i / v, H = -diag(o) T / (2 v),
W = A^-1 c (M, b), B = A^-1, z = A^-1 S a and sym(U) = (U + U') / 2:

dL/dY_c = W g - a + z, dL/dc = a g' - 2 W H,
dL/dA = sym((a / 2 - W g - z) a') + W H W' - T/2 (B - B S B),
dL/ds = diag(dL/dA) + 1/2 (sum_t a^2 + T / s - T diag B), dL/dK_ZZ = dL/dA,

and those in phi and Z by :mod:`skopt2.solvers.kernel.coreset_kernel`. A step costs
O(M^3 + M^2 b) time and O(M^2 + M b) memory.

Source: M. Ketenci, A. Perotte, N. Elhadad, I. Urteaga, Accurate and scalable stochastic
Gaussian process regression via learnable coreset-based variational inference, UAI 2025
(arXiv:2311.01409). The derivatives, the symmetric form E and the best Y_c below are our
own.
"""

import functools
import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotri

from skopt2._core.array import device_of, namespace
from skopt2.solvers.kernel.cholesky import CholeskyFactor

LOG_TWO_PI = math.log(2.0 * math.pi)
# Variance that pseudo observations have in any case, in units of eps M k(x, x).
FLOOR = 100.0


@dataclass(eq=False)
class Coreset:
    """Parameters of a coreset posterior, or derivatives in them.

    Parameters
    ----------
    Z : array of shape (M, d)
        Pseudo inputs.
    Y : array of shape (M, T)
        Pseudo outputs.
    log_w : array of shape (M,)
        Logarithms of the weights.
    phi : array of shape (q,)
        Logarithms of the parameters of the covariance function and of the noise.
    """

    Z: Any
    Y: Any
    log_w: Any
    phi: Any

    def parts(self):
        """Return the four arrays in their order."""
        return tuple(getattr(self, field.name) for field in fields(self))


class CoresetPosterior:
    """A Gaussian process given weighted pseudo observations.

    Parameters
    ----------
    kernel : TermSum
        Covariance function.
    coreset : Coreset
        In the widest dtype of its device.
    alpha : float, default=0.0
        Variance of the noise beside the white terms of the kernel.
    """

    def __init__(self, kernel, coreset, alpha=0.0):
        xp = namespace(coreset.Z)
        self.kernel, self.coreset, self.xp = kernel, coreset, xp
        zero = xp.zeros_like(coreset.log_w[:1])[0]
        self.noise = zero + alpha + kernel.noise(coreset.phi)
        self.variance = kernel.variance(coreset.phi)
        # Any s gives a valid bound: no smaller ones than have a factor in this dtype.
        eps = float(xp.finfo(coreset.Z.dtype).eps)
        self.floor = FLOOR * eps * int(coreset.Z.shape[0])
        self.observed = self.noise * xp.exp(-coreset.log_w)
        self.s = self.observed + self.floor * self.variance
        self.root = xp.sqrt(self.s)[:, None]
        self.origin = xp.mean(coreset.Z, axis=0)
        self.points = kernel.scaled(coreset.phi, coreset.Z, self.origin)
        self.own = kernel.block(coreset.phi, self.points, self.points)
        E = self.own.K / (self.root * self.root.T)
        self.factor = CholeskyFactor(xp.linalg.cholesky(E + _eye(E)), 0.0)
        self.a = self.factor.solve(coreset.Y / self.root) / self.root

    def block(self, X):
        """Return the covariances between the coreset and points.

        Parameters
        ----------
        X : array of shape (b, d)
            Points.

        Returns
        -------
        block : Block
            Of shape (M, b).
        """
        phi = self.coreset.phi
        points = self.kernel.scaled(phi, X, self.origin)
        return self.kernel.block(phi, self.points, points)

    def half(self, c):
        """Return C^-1 S^-1/2 c, whose squared columns are what the variance loses.

        Parameters
        ----------
        c : array of shape (M, b)
            Covariances with the coreset.

        Returns
        -------
        half : array of shape (M, b)
        """
        return self.factor.half_solve(c / self.root)

    def moments(self, X):
        """Return means and variances at points.

        Parameters
        ----------
        X : array of shape (b, d)
            Points.

        Returns
        -------
        mean : array of shape (b, T)
        variance : array of shape (b,)
            Of f, without noise; the same for all columns, and not negative.
        """
        c = self.block(X).K
        half = self.half(c)
        variance = self.variance - self.xp.sum(half * half, axis=0)
        return c.T @ self.a, self.xp.clip(variance, 0.0, math.inf)

    def covariance(self, X):
        """Return covariances among points, with the white noise of the kernel.

        Parameters
        ----------
        X : array of shape (b, d)
            Points, one observation each.

        Returns
        -------
        covariance : array of shape (b, b)
            The same for all columns.
        """
        phi = self.coreset.phi
        points = self.kernel.scaled(phi, X, self.origin)
        half = self.half(self.kernel.block(phi, self.points, points).K)
        among = self.kernel.block(phi, points, points).K
        return among - half.T @ half + self.kernel.noise(phi) * _eye(among)

    def divergence(self):
        """Return KL, a scalar array."""
        xp, a, Y = self.xp, self.a, self.coreset.Y
        n, T = Y.shape
        fit = xp.sum(a * (Y - self.s[:, None] * a))
        volume = 2.0 * xp.sum(xp.log(xp.linalg.diagonal(self.factor.L)))
        trace = xp.sum(xp.linalg.diagonal(self.inverse))
        return 0.5 * (fit + T * (volume - n + trace))

    @functools.cached_property
    def inverse(self):
        """E^-1 (M, M), symmetric."""
        L = self.factor.L
        if self.xp is np:
            # LAPACK reads the C array by columns, where it is an upper factor.
            upper, _ = dpotri(L.T, lower=0)
            upper = np.triu(upper)
            upper += np.triu(upper, 1).T
            return upper
        half = self.factor.half_solve(_eye(L))
        return half.T @ half


@dataclass(frozen=True)
class Bound:
    """The evidence lower bound of a coreset for given rows.

    Parameters
    ----------
    kernel : TermSum
        Covariance function.
    alpha : float
        Variance of the noise beside the white terms of the kernel.
    """

    kernel: Any
    alpha: float = 0.0

    def posterior(self, coreset):
        """Return the posterior of a coreset.

        Parameters
        ----------
        coreset : Coreset
            In the widest dtype of its device.

        Returns
        -------
        posterior : CoresetPosterior
        """
        return CoresetPosterior(self.kernel, coreset, self.alpha)

    def value(self, coreset, chunks, n=None):
        """Return the bound as a float.

        Parameters
        ----------
        coreset : Coreset
            Parameters.
        chunks : iterable of tuple of two arrays
            Rows X (b, d) and targets Y (b, T).
        n : int or None, default=None
            Rows that those of the chunks stand for; None for their number.

        Returns
        -------
        value : float
            L, in nats.
        """
        posterior, count, total = self.posterior(coreset), 0, 0.0
        for X, Y in chunks:
            mean, variance = posterior.moments(X)
            xp, (b, T) = posterior.xp, Y.shape
            misfit = xp.sum((Y - mean) ** 2) + T * xp.sum(variance)
            total += float(expected(b * T, misfit, posterior.noise))
            count += b
        scale = 1.0 if n is None else n / count
        return scale * total - float(posterior.divergence())

    def gradient(self, coreset, X, Y, n, weight=None, scatter=0.0):
        """Return the bound for a batch and its derivatives.

        Parameters
        ----------
        coreset : Coreset
            Parameters.
        X : array of shape (b, d)
            Rows of the batch.
        Y : array of shape (b, T)
            Their targets.
        n : int
            Rows that the batch stands for.
        weight : array of shape (b,) or None, default=None
            Rows that each of them stands for; None for n / b.
        scatter : float, default=0.0
            Squares that the rows for which these stand have about them.

        Returns
        -------
        value : scalar array
            Estimate of L.
        gradient : Coreset
            Its derivatives.
        """
        post = self.posterior(coreset)
        xp, (b, T) = post.xp, Y.shape
        weight = xp.zeros_like(Y[:, 0]) + n / b if weight is None else weight
        block = post.block(X)
        half = post.half(block.K)
        W = post.factor.back_solve(half) / post.root
        variance = post.variance - xp.sum(half * half, axis=0)
        r = Y - block.K.T @ post.a
        misfit = xp.sum(weight * (xp.sum(r * r, axis=1) + T * variance)) + scatter
        value = expected(n * T, misfit, post.noise) - post.divergence()
        g, h = weight[:, None] * r / post.noise, (-0.5 * T / post.noise) * weight
        heavy = W * h
        own, s, in_Y = _inside(post, W @ g, heavy @ W.T)
        direct = 0.5 * (misfit / post.noise - n * T) / post.noise
        phi = xp.zeros_like(coreset.phi)
        self.kernel.diagonal_gradient(
            coreset.phi,
            xp.sum(h) + post.floor * xp.sum(s),
            direct + xp.sum(s * post.observed) / post.noise,
            phi,
        )
        # Both sides of the symmetric block are the coreset.
        Z = 2.0 * post.own.gradient(own, coreset.phi, phi)
        Z = Z + block.gradient(post.a @ g.T - 2.0 * heavy, coreset.phi, phi)
        return value, Coreset(Z, in_Y, -s * post.observed, phi)


def _eye(x):
    """Return the identity beside a square matrix."""
    xp = namespace(x)
    room = {} if xp is np else {"device": device_of(x)}
    return xp.eye(x.shape[0], dtype=x.dtype, **room)


def expected(count, misfit, noise):
    """Return the sum of E_q log N(y | f, v).

    Parameters
    ----------
    count : int
        Targets, n T.
    misfit : scalar array
        Sum of the squared residuals of the means and of the variances.
    noise : scalar array
        v.

    Returns
    -------
    value : scalar array
    """
    logs = LOG_TWO_PI + namespace(noise).log(noise)
    return -0.5 * (count * logs + misfit / noise)


def _inside(post, Q, outer):
    """Return derivatives of L in K_ZZ (M, M), s (M,) and Y_c (M, T).

    Symbols: Q = W g (M, T); outer = W H W' (M, M).
    """
    xp, a, root, s = post.xp, post.a, post.root, post.s
    T, inverse = int(a.shape[1]), post.inverse
    z = (inverse @ (root * a)) / root
    means = (0.5 * a - Q - z) @ a.T
    spread = (inverse - inverse @ inverse) / (root * root.T)
    own = 0.5 * (means + means.T) + outer - (0.5 * T) * spread
    diagonal = xp.linalg.diagonal(inverse) / s
    in_s = xp.linalg.diagonal(own)
    in_s = in_s + 0.5 * (xp.sum(a * a, axis=1) + T / s - T * diagonal)
    return own, in_s, Q - a + z
