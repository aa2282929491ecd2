"""Descent on the weights of a network, from a good start.

Problem: min over W, a, b of sum_i s_i l(y_i, eta_i) + alpha / 2 (|W|^2 + |a|^2),
eta_ik = sum_(j of k) a_j max(0, x_i'w_j) + b_k, with one output k for each neuron j.

Not convex, and with kinks: quasi-Newton steps with a line search for such functions, on
variables in host memory and values where the data are. It lowers the objective of the
start, and finds patterns around it that no sample has. See ``quasi_newton`` for the
sources.
"""

import numpy as np

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2.solvers.convex_relu.network import balanced
from skopt2.solvers.convex_relu.pilot import network_value
from skopt2.solvers.quasi_newton import LimitedBFGS

# Norms of what idle neurons begin with, beside the mean of the others.
SPARK = 0.3
# Share of the norm of all below which a neuron is idle.
FADED = 1e-7


class NetworkObjective:
    """Value and gradient in the weights.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    y : array of shape (n,) or (n, K)
        As the loss wants it.
    s : array of shape (n,)
        Weights with sum 1.
    loss : Loss
        With a gradient.
    alpha : float
        Level.
    output : ndarray of int of shape (m,)
        Output of each neuron.
    n_outputs : int
        K.
    bias : bool
        Whether b is free.
    """

    def __init__(self, X, y, s, loss, alpha, output, n_outputs, bias):
        self.X, self.y, self.s, self.loss, self.alpha = X, y, s, loss, alpha
        self.shape, self.bias = (output.size, int(X.shape[1])), bias
        self.place = np.eye(n_outputs)[output]

    def parts(self, x):
        """Return W (m, d), a (m, K) and b (K,) of the variables, in host memory."""
        m, d = self.shape
        W, a = x[: m * d].reshape(m, d), x[m * d : m * d + m]
        b = x[m * d + m :] if self.bias else np.zeros(self.place.shape[1])
        return W, a[:, None] * self.place, b

    def __call__(self, x):
        """Return value and gradient."""
        X, y = self.X, self.y
        xp = namespace(X)
        m, d = self.shape
        W, a, b = (asarray_like(part, X) for part in self.parts(x))
        hidden = xp.maximum(X @ W.T, 0.0)
        eta = hidden @ a + b
        eta = eta[:, 0] if y.ndim == 1 else eta
        theta = self.loss.gradient(y, eta)
        theta = self.s[:, None] * (theta[:, None] if y.ndim == 1 else theta)
        back = (theta @ a.T) * xp.astype(hidden > 0.0, X.dtype)
        size = m * d + m
        slope = np.empty(x.size)
        slope[: m * d] = to_numpy(xp.reshape(back.T @ X, (-1,)))
        slope[m * d : size] = (to_numpy(hidden.T @ theta) * self.place).sum(axis=1)
        slope[:size] += self.alpha * x[:size]
        if self.bias:
            slope[size:] = to_numpy(xp.sum(theta, axis=0))
        decay = 0.5 * self.alpha * float(x[:size] @ x[:size])
        return self.loss.value(y, eta, self.s) + decay, slope


def descend(problem, network, directions, max_iter):
    """Return a network that is no worse than another.

    Parameters
    ----------
    problem : tuple
        ``(X, y, s, loss, alpha, bias)``.
    network : Network
        Start.
    directions : array of shape (k, d)
        Hidden weights of idle neurons, which begin with a little weight, shared out
        among outputs and signs.
    max_iter : int
        Most steps.

    Returns
    -------
    network : Network
        Balanced, each neuron with one output.
    """
    X, y, s, loss, alpha, bias = problem
    K = 1 if y.ndim == 1 else int(y.shape[1])
    W, a, b = (to_numpy(part) for part in (network.W, network.a, network.b))
    neuron, output = np.nonzero(a)
    G = to_numpy(directions)
    weights = np.concatenate([W[neuron], G])
    signs = a[neuron, output]
    idle = np.arange(len(G))
    output = np.concatenate([output, idle % K])
    spark = SPARK * (np.abs(signs).mean() if signs.size else 1.0)
    signs = np.concatenate([signs, spark * np.where(idle // K % 2, -1.0, 1.0)])
    # Balanced: the weight of a neuron on both sides alike.
    norms = np.linalg.norm(weights, axis=1)
    norms[len(neuron) :] = np.abs(signs[len(neuron) :])
    weights[len(neuron) :] *= norms[len(neuron) :, None]
    ratio = np.sqrt(np.abs(signs) / np.maximum(norms, 1e-300))
    x = np.concatenate([(weights * ratio[:, None]).ravel(), signs / ratio])
    x = np.concatenate([x, b]) if bias else x
    objective = NetworkObjective(X, y, s, loss, alpha, output, K, bias)
    solver = LimitedBFGS(objective)
    state = solver.init(x)
    for _ in range(max_iter):
        before = state.value
        state = solver.step(state)
        if state.stalled or before - state.value <= 1e-9 * abs(before):
            break
    W, a, b = objective.parts(state.x)
    # Neurons fade out, and never are zero.
    sizes = np.linalg.norm(W, axis=1) * np.abs(a).sum(axis=1)
    keep = sizes > FADED * sizes.sum()
    W, a, b = (asarray_like(part, X) for part in (W[keep], a[keep], b))
    found = balanced(W, a, b)
    return (
        found
        if network_value(problem, found) <= network_value(problem, network)
        else network
    )
