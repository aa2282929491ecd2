"""Conjugate gradients on the normal equations of a kernel model on centres.

Problem: A a = B, A = sum_I K_I'W_I K_I + alpha K (:mod:`skopt2.solvers.kernel.
center_data`), a (p, c), where stochastic steps have come as near as their noise allows.
Symbols: R = B - A a; N the preconditioner of
:mod:`skopt2.solvers.kernel.center_preconditioner`; Z = N R; D the directions. Columns
are solved side by side, one pass over the data for all of them:

    gamma_j = D_j'R_j / D_j'A D_j,    a_j += gamma_j D_j,    R_j -= gamma_j A D_j,
    D_j <- Z_j + max(0, Z_j'(R_j - R_j before) / Z_j'R_j before) D_j.

The last factor, of Polak and Ribiere, allows for an N that is not exactly symmetric.
The measure of R is the norm of its function, (R_j'K^-1 R_j)^1/2.

Source: Y. Notay, Flexible conjugate gradients, SIAM Journal on Scientific Computing 22,
2000, with one direction kept.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, namespace, to_numpy


@dataclass
class Conjugate:
    """Where conjugate gradients stand.

    Parameters
    ----------
    a, R, D : array of shape (p, c)
        Iterate, residual and direction.
    squares : ndarray of shape (c,)
        R_j'K^-1 R_j.
    rho : ndarray of shape (c,)
        Z_j'R_j.
    value : float
        F(a).
    """

    a: Any
    R: Any
    D: Any
    squares: Any
    rho: Any
    value: float


class ConjugateGradient:
    """Take steps on the normal equations.

    Parameters
    ----------
    data : CenterData
        Rows.
    operator : KernelOperator
        Of the centres.
    preconditioner : CenterPreconditioner
        N.
    alpha : float
        Ridge.
    """

    def __init__(self, data, operator, preconditioner, alpha):
        self.data, self.operator = data, operator
        self.preconditioner, self.alpha = preconditioner, alpha

    def begin(self, a):
        """Start at a point, by one pass.

        Parameters
        ----------
        a : array of shape (p, c)
            In float64.

        Returns
        -------
        state : Conjugate
        """
        g, value = self.data.gradient(a, self.operator, self.alpha)
        Z, squares = self.preconditioner.apply(-g)
        return Conjugate(a, -g, Z, squares, _columns(Z, -g), value)

    def step(self, state):
        """Take one step, by one pass.

        Parameters
        ----------
        state : Conjugate
            Not changed.

        Returns
        -------
        state : Conjugate
        """
        D, R = state.D, state.R
        AD = self.data.multiply(D)
        if self.alpha:
            product = self.operator.product(D)
            AD = AD + self.alpha * namespace(D).astype(product, D.dtype, copy=False)
        slope, curvature = _columns(D, R), _columns(D, AD)
        gamma = np.zeros_like(slope)
        np.divide(slope, curvature, out=gamma, where=curvature > 0.0)
        row = asarray_like(gamma[None, :], D)
        a, after = state.a + row * D, R - row * AD
        Z, squares = self.preconditioner.apply(after)
        beta = np.zeros_like(slope)
        np.divide(_columns(Z, after - R), state.rho, out=beta, where=state.rho > 0.0)
        D = Z + asarray_like(np.maximum(beta, 0.0)[None, :], D) * D
        value = state.value - float(np.sum(gamma * (2.0 * slope - gamma * curvature)))
        return Conjugate(a, after, D, squares, _columns(Z, after), value)


def _columns(x, y):
    """Return the inner products of columns, on the host."""
    return np.asarray(to_numpy(namespace(x).sum(x * y, axis=0)), dtype=np.float64)
