r"""The convex program of a two-layer ReLU network, its dual, and its networks.

Problem: min over u_kσh in C_h and b of

    sum_i s_i l(y_i, eta_i) + alpha sum_kσh |u_kσh|,
    eta_ik = sum_σh σ D_hi x_i'u_kσh + b_k,    C_h = {u : (2 D_hi - 1) x_i'u >= 0}.

Symbols: X (n, d), a column of ones included where there are hidden biases; s (n,) with
sum 1; D (P, n) patterns in {0, 1}; U (K, 2, P, d), with σ = +1, -1 along the second
axis; b (K,), 0 unless it is free; eta (K, n) here and (n,) or (n, K) for the loss.

A block u of sign σ in C_h is a neuron with the output σ (x_i'u)_+ on every row, so that
the program is the training of max(0, x'w_j) a_j + b with the penalty
alpha sum_j |w_j| |a_j|_1, which is alpha / 2 sum_j (|w_j|^2 + |a_j|_1^2) for balanced
neurons, over the networks whose neurons have one of the patterns. With all patterns
these are all networks.

Dual: max_theta -sum_i s_i l*(y_i, theta_i) over theta with sum_i s_i theta_i = 0 where
b is free and, for all blocks, |Pi_C(c)| <= alpha, c = -σ X'(D_h s theta_k), where Pi_C
is the projection onto C_h. Its norm is the minimum of |c + A_h'lam| over lam >= 0, A_h
= (2 D_h - 1) X, so that every lam >= 0 proves an upper bound: a theta of any quality,
shrunk until all bounds hold, gives a lower bound of the optimum.

Robust counterpart for rows that move by delta, |delta_i|_inf <= epsilon, the bias
column excepted: the loss is that of the worst move, l(y_i, eta_i -+ w_i), where

    w_i = epsilon |z_i|_1 + sum_kσh max(0, epsilon |u|_1 - (2 D_hi - 1) x_i'u),

z_i = sum_σh σ D_hi u_σh is the slope of the network at x_i, and the second part is how
far a neuron can get from the linear function of its pattern. There are no cones then.
The objective is an upper bound of that of the network under the worst moves, and equal
to it where no neuron can change its pattern. The papers forbid such changes by the
constraints (2 D_hi - 1) x_i'u >= epsilon |u|_1: a program of fewer points, which few
patterns survive among many rows.

Dual: theta_i x_i becomes theta_i x_i + beta_i with |beta_i|_inf <= epsilon gamma_i,
A_h'lam becomes A_h'lam + zeta with |zeta|_inf <= epsilon sum_i lam_i, and lam_i <= s_i
gamma_i. gamma_i = |theta_i| for classes. Losses of |y - eta| have a kink at y, where it
may be larger, with l*(0, gamma_i) + y_i theta_i in the place of l*(y_i, theta_i).

Sources: M. Pilanci and T. Ergen, Neural networks are convex regularizers, ICML 2020,
theorem 1 and its dual; Y. Bai, T. Gautam and S. Sojoudi, Efficient global optimization
of two-layer ReLU networks, SIAM Journal on Mathematics of Data Science 5, 2023,
sections 2 and 4, for sampled patterns and the robust counterpart; the form without
cones and its dual are derived here.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import (
    asarray_like,
    device_of,
    dot64,
    namespace,
    sum64,
)


@dataclass(frozen=True, eq=False)
class Blocks:
    """The neurons of a point of the program.

    Parameters
    ----------
    U : array of shape (K, 2, P, d)
        Blocks.
    b : array of shape (K,)
        Output biases.
    theta : array of shape (n,) or (n, K), default=None
        Feasible dual point of the best bound, for a solution.
    """

    U: object
    b: object
    theta: object = None


class ReLUProgram:
    """Data, patterns and level of one program.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows of positive weight, the column of ones last if there is one.
    y : array of shape (n,) or (n, K)
        As the loss wants it.
    s : array of shape (n,)
        Positive weights with sum 1.
    loss : Loss
        Convex, with a curvature.
    D : array of shape (P, n)
        Patterns, in the dtype of X.
    alpha : float
        Positive level.
    bias : bool
        Whether X has a column of ones and b is free.
    epsilon : float, default=0.0
        Largest move of a feature; for one output only.
    """

    def __init__(self, X, y, s, loss, D, alpha, bias, epsilon=0.0):
        self.xp = namespace(X)
        self.X, self.y, self.s, self.loss, self.D = X, y, s, loss, D
        self.alpha, self.bias, self.epsilon = alpha, bias, epsilon
        self.sign = 2.0 * D - 1.0
        self.n_outputs = 1 if y.ndim == 1 else int(y.shape[1])
        self.n_gates, self.n = (int(k) for k in D.shape)
        self.d = int(X.shape[1])
        # Features that move: all but the bias.
        self.moving = self.d - int(bias)
        self.shape = (self.n_outputs, 2, self.n_gates, self.d)
        self.XT = self.xp.asarray(X.T, copy=True) if self.xp is np else X.T
        self.null_value = loss.value(y, self.to_loss(self._null()), s)

    def _null(self):
        eta = self.zeros((self.n_outputs, self.n))
        if not self.bias:
            return eta
        return eta + self.null_bias[:, None]

    @property
    def null_bias(self):
        """Best output biases without neurons, (K,)."""
        start = self.zeros((self.n_outputs,))
        if not self.bias:
            return start
        best = self.loss.intercept_start(self.y, self.s)
        best = [best] if self.n_outputs == 1 else best
        return start + asarray_like(best, self.X)

    @property
    def scale(self):
        """Objective of the null model, 1 where there is nothing to explain."""
        return self.null_value if self.null_value > 0.0 else 1.0

    def zeros(self, shape):
        """Return zeros beside the data."""
        xp = self.xp
        return xp.zeros(shape, dtype=self.X.dtype, device=device_of(self.X))

    def to_loss(self, eta):
        """Return (K, n) in the layout of the loss."""
        return eta[0, :] if self.y.ndim == 1 else eta.T

    def from_loss(self, eta):
        """Return what the loss has in the layout (K, n)."""
        return eta[None, :] if self.y.ndim == 1 else eta.T

    def forward(self, U):
        """Return x_i'u of blocks (..., d), as (..., n)."""
        shape = U.shape
        flat = self.xp.reshape(U, (-1, self.d)) @ self.XT
        return self.xp.reshape(flat, (*shape[:-1], self.n))

    def adjoint(self, R):
        """Return sum_i R_i x_i of (..., n), as (..., d)."""
        shape = R.shape
        flat = self.xp.reshape(R, (-1, self.n)) @ self.X
        return self.xp.reshape(flat, (*shape[:-1], self.d))

    def gated(self, XU):
        """Return sum_h D_h (XU_+ - XU_-) of (K, 2, P, n), as (K, n)."""
        return self.xp.sum(self.D * (XU[:, 0, ...] - XU[:, 1, ...]), axis=1)

    def slopes(self, U):
        """Return z_i of blocks with one output, as (n, moving)."""
        W = U[0, 0, :, : self.moving] - U[0, 1, :, : self.moving]
        return self.D.T @ W

    def norms(self, U):
        """Return the norms of blocks, (K, 2, P)."""
        return self.xp.sqrt(self.xp.sum(U * U, axis=-1))

    def worst(self, eta, size):
        """Return eta moved by up to size against the target, in the loss's layout."""
        return eta + self.adverse(eta) * size

    def adverse(self, eta):
        """Return the sign of the moves of eta that increase the loss."""
        if self.loss.task != "regression":
            return -self.y
        return 2.0 * self.xp.astype(eta >= self.y, eta.dtype) - 1.0

    def network_value(self, blocks):
        """Return the objective of the network of the blocks.

        A block may leave its cone: what counts is what its neuron does. With epsilon it
        is the objective of the robust program.

        Parameters
        ----------
        blocks : Blocks
            Any.

        Returns
        -------
        value : float
        """
        xp, U = self.xp, blocks.U
        XU = self.forward(U)
        penalty = self.alpha * sum64(self.norms(U))
        if self.epsilon == 0.0:
            out = xp.maximum(XU, 0.0)
            eta = xp.sum(out[:, 0, ...] - out[:, 1, ...], axis=1) + blocks.b[:, None]
            return self.loss.value(self.y, self.to_loss(eta), self.s) + penalty
        eta = self.to_loss(self.gated(XU) + blocks.b[:, None])
        size = self.epsilon * xp.sum(xp.abs(self.slopes(U)), axis=1)
        size = size + xp.sum(self.excess(U, XU), axis=(0, 1, 2))
        return self.loss.value(self.y, self.worst(eta, size), self.s) + penalty

    def excess(self, U, XU):
        """Return max(0, epsilon |u|_1 - (2 D - 1) x'u) of blocks, (K, 2, P, n)."""
        xp = self.xp
        sizes = xp.sum(xp.abs(U[..., : self.moving]), axis=-1)[..., None]
        return xp.maximum(self.epsilon * sizes - self.sign * XU, 0.0)

    def dual_value(self, theta, multiplier, beta=None, zeta=None):
        """Return a lower bound of the optimum, and the dual point that proves it.

        Parameters
        ----------
        theta : array of shape (n,) or (n, K)
            Dual point in the layout of the loss, in the domain of the conjugate.
        multiplier : array of shape (K, 2, P, n)
            Nonnegative lam.
        beta : array of shape (n, moving), default=None
            With epsilon.
        zeta : array of shape (K, 2, P, moving), default=None
            With epsilon. All multipliers are cut to what theta allows.

        Returns
        -------
        value : float
            -inf if no multiple of theta is feasible.
        theta : array of the shape of theta
            Feasible.
        """
        xp, loss = self.xp, self.loss
        if self.bias:
            theta = loss.balance(self.y, theta, self.s)
        weighted = self.D * (self.s * self.from_loss(theta))[:, None, :]
        force = xp.stack([-weighted, weighted], axis=1)
        target, size, offset = self.y, theta, 0.0
        if beta is None:
            force = self.adjoint(force + self.sign * multiplier)
        else:
            gamma = xp.abs(theta)
            if loss.task == "regression":
                gamma = xp.maximum(gamma, xp.max(xp.abs(beta), axis=1) / self.epsilon)
                target, size = xp.zeros_like(self.y), gamma
                offset = dot64(self.s * theta, self.y)
            multiplier = xp.minimum(multiplier, self.s * gamma)
            force = self.adjoint(force + self.sign * multiplier)
            beta = self.s[:, None] * _within(beta, self.epsilon * gamma[:, None])
            most = self.epsilon * xp.sum(multiplier, axis=-1)[..., None]
            force = self._moved(force, beta, _within(zeta, most))
        scale = loss.to_domain(target, size)
        largest = math.sqrt(float(xp.max(xp.sum(force * force, axis=-1))))
        if largest > 0.0:
            scale = min(scale, self.alpha / largest)
        if not scale > 0.0:
            return -math.inf, 0.0 * theta
        value = -loss.conjugate(target, scale * size, self.s) - scale * offset
        return value, scale * theta

    def _moved(self, force, beta, zeta):
        """Return the forces of rows that move."""
        xp = self.xp
        gain = self.D @ beta
        extra = xp.stack([-gain, gain], axis=0)[None, ...] + zeta
        if not self.bias:
            return force + extra
        return xp.concat([force[..., :-1] + extra, force[..., -1:]], axis=-1)

    def weighted_square(self, v):
        """Return sum_i s_i v_i^2 over the last axis and all others, in float64."""
        return dot64(self.s, self.xp.sum(self.xp.reshape(v * v, (-1, self.n)), axis=0))


def _within(x, limit):
    """Return numbers cut to [-limit, limit]."""
    xp = namespace(x)
    return xp.minimum(xp.maximum(x, -limit), limit)
