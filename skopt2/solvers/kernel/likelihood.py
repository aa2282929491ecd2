"""Log marginal likelihood of a Gaussian process, exactly, and its gradient.

Problem: for targets Y (n, c), each column a sample of N(0, H), H = K + Lambda (n, n),

    L = -1/2 tr Y' H^-1 Y - c/2 log det H - n c / 2 log 2 pi,

K the kernel matrix of the points X (n, d), Lambda the noise variances, those of white
parts of the kernel included. With a = H^-1 Y (n, c) the derivative by a parameter is

    dL = sum_ij G_ij dH_ij,    G = 1/2 (a a' - c H^-1).

One array of n^2 numbers holds, one after the other, H, its Cholesky factor, its inverse
and G. The derivatives dH are contracted with G tile by tile, for all parameters at
once, so no array with an axis of parameters is made. All of it is in float64 wherever
the device has that: the likelihood is a small difference of large terms.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equations 2.30 and 5.9.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    dot64,
    namespace,
    to_numpy,
)
from skopt2.kernels import DenseWeights, KernelOperator
from skopt2.solvers.kernel.cholesky import CholeskyFactor, lower_factor
from skopt2.solvers.kernel.system import KernelSystem

# Rows of G that are formed at a time.
ROWS = 256


@dataclass(frozen=True)
class Likelihood:
    """Log marginal likelihood at one set of parameters.

    Parameters
    ----------
    value : float
        The likelihood in nats, summed over rows and columns; minus infinity where H is
        not numerically positive definite.
    gradient : ndarray of shape (n_theta,) or None
        By the log parameters; zeros where the value is not finite, None unless asked
        for.
    coef : array of shape (n, c) or None
        a = H^-1 Y, which also predicts; None where there is no factor.
    factor : CholeskyFactor or None
        Of H; None unless it was to be kept.
    """

    value: float
    gradient: Any = None
    coef: Any = None
    factor: Any = None


def log_likelihood(process, X, Y, noise, *, gradient=False, keep=False):
    """Compute the exact log marginal likelihood.

    Parameters
    ----------
    process : ProcessKernel
        Kernel with its parameters.
    X : array of shape (n, d)
        Points, of any namespace.
    Y : array of shape (n,) or (n, c)
        Targets, beside the points.
    noise : float or array of shape (n,)
        Variance of the noise of each row, beyond the white part of the kernel.
    gradient : bool, default=False
        Whether to compute the gradient, which takes about four times as long.
    keep : bool, default=False
        Whether to return the factor, which needs another n^2 numbers beside the
        gradient.

    Returns
    -------
    likelihood : Likelihood

    Raises
    ------
    ValueError
        If shapes do not fit, or the noise is negative or not finite.

    Notes
    -----
    Takes n^2 numbers in float64, and n^3 / 3 operations, or n^3 with the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF
    >>> from skopt2.kernels.process import ProcessKernel
    >>> from skopt2.solvers.kernel.likelihood import log_likelihood
    >>> X, Y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 0.8, 0.9])
    >>> found = log_likelihood(ProcessKernel(RBF(1.0)), X, Y, 0.1, gradient=True)
    >>> round(found.value, 4), found.gradient.round(4).tolist()
    (-3.0033, [0.8794])
    """
    system = likelihood_system(process, X, Y, noise)
    n_theta = int(process.theta.shape[0])
    L = lower_factor(system, system.Y.dtype)
    if L is None:
        return Likelihood(-math.inf, np.zeros(n_theta) if gradient else None)
    factor = CholeskyFactor(L, 0.0)
    a = factor.solve(system.Y)
    units = system.units
    value = -0.5 * dot64(system.Y * units, a * units)
    value -= 0.5 * system.c * factor.log_determinant()
    value -= 0.5 * system.n * system.c * math.log(2.0 * math.pi)
    a = system.to_units(a)
    slope = None
    if gradient:
        G = likelihood_weights(factor, a, keep=keep) if n_theta else None
        points = _wide(X)
        slope = process.gradient(points, DenseWeights(G)) if n_theta else np.zeros(0)
    return Likelihood(value, slope, a, factor if keep else None)


def likelihood_system(process, X, Y, noise):
    """Return the kernel system of a Gaussian process, in the widest float.

    Parameters
    ----------
    process : ProcessKernel
        Kernel with its parameters.
    X : array of shape (n, d)
        Points.
    Y : array of shape (n,) or (n, c)
        Targets.
    noise : float or array of shape (n,)
        Variances beyond the white part of the kernel.

    Returns
    -------
    system : KernelSystem
    """
    X, Y = _wide(X), _wide(Y)
    if len(Y.shape) == 1:
        Y = Y[:, None]
    operator = KernelOperator(process.signal, X, store=False)
    return KernelSystem(operator, Y, total_noise(process, X, noise))


def total_noise(process, X, noise):
    """Return the noise variances: those given, and the white part of the kernel.

    Parameters
    ----------
    process : ProcessKernel
        Kernel with its parameters.
    X : array of shape (n, d)
        Points.
    noise : float or array of shape (n,)
        Variances that are given.

    Returns
    -------
    lam : ndarray of shape (n,) or float
        float64, on the host.
    """
    given = np.asarray(to_numpy(noise), dtype=np.float64)
    return given + np.asarray(to_numpy(process.noise(X)), dtype=np.float64)


def likelihood_weights(factor, a, *, keep=False):
    """Return G = 1/2 (a a' - c H^-1), the derivative of the likelihood by H.

    Parameters
    ----------
    factor : CholeskyFactor
        Of H; for NumPy overwritten by G unless it is to be kept.
    a : array of shape (n, c)
        H^-1 Y.
    keep : bool, default=False
        Whether the factor is needed again.

    Returns
    -------
    G : array of shape (n, n)
        Symmetric, both halves filled.
    """
    xp, c = namespace(a), int(a.shape[1])
    if xp is not np:
        eye = asarray_like(np.eye(int(a.shape[0])), a)
        G = a @ xp.matrix_transpose(a) - c * factor.solve(eye)
        return 0.25 * (G + xp.matrix_transpose(G))
    L = factor.L.copy() if keep else factor.L
    (potri,) = get_lapack_funcs(("potri",), (L,))
    # In LAPACK's column order the C array L is an upper factor.
    inverse, _ = potri(L.T, lower=False, overwrite_c=True)
    G, half = inverse.T, 0.5 * a
    for start in range(0, G.shape[0], ROWS):
        stop = min(start + ROWS, G.shape[0])
        rows = G[start:stop, :stop]
        rows *= -0.5 * c
        rows += half[start:stop] @ a[:stop].T
        G[:start, start:stop] = rows[:, :start].T
        square = rows[:, start:]
        upper = np.triu_indices(stop - start, 1)
        square[upper] = square.T[upper]
    return G


def _wide(x):
    """Return an array in the widest float of its device."""
    return namespace(x).astype(x, accumulation_dtype(x), copy=False)
