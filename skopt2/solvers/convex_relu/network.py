"""Two-layer ReLU networks with explicit weights.

f(x)_k = sum_j a_jk max(0, x'w_j) + b_k. Symbols: W (m, d), hidden weights, the bias
last if there is one; a (m, K); b (K,). Neurons are balanced, |w_j| = |a_j|_1, which is
how alpha / 2 sum_j (|w_j|^2 + |a_j|_1^2) is least for a given function, and come in
decreasing order of |w_j| |a_j|_1.
"""

from dataclasses import dataclass

import numpy as np

from skopt2._core.array import asarray_like, index_like, namespace, take, to_numpy
from skopt2.solvers.convex_relu.program import Blocks


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of a network.

    Parameters
    ----------
    W : array of shape (m, d)
        Of the hidden layer.
    a : array of shape (m, K)
        Of the output layer.
    b : array of shape (K,)
        Output biases.
    """

    W: object
    a: object
    b: object

    @property
    def sizes(self):
        """Return |w_j| |a_j|_1, (m,)."""
        xp = namespace(self.W)
        norms = xp.sqrt(xp.sum(self.W * self.W, axis=1))
        return norms * xp.sum(xp.abs(self.a), axis=1)

    def __call__(self, X):
        """Return the outputs for rows (n, d), (n, K)."""
        hidden = namespace(X).maximum(X @ self.W.T, 0.0)
        return hidden @ self.a + self.b


def balanced(W, a, b):
    """Return the network of a function, without idle neurons.

    Parameters
    ----------
    W : array of shape (m, d)
        Hidden weights of any size.
    a : array of shape (m, K)
        Output weights.
    b : array of shape (K,)
        Output biases.

    Returns
    -------
    network : Network
    """
    xp = namespace(W)
    norms = xp.sqrt(xp.sum(W * W, axis=1))
    mass = xp.sum(xp.abs(a), axis=1)
    size = to_numpy(norms * mass)
    # Stable, so that the order does not depend on the library.
    order = np.argsort(-size, kind="stable")
    keep = index_like(order[size[order] > 0.0], W)
    W, a, norms, mass = (take(x, keep) for x in (W, a, norms, mass))
    ratio = xp.sqrt(mass / norms)[:, None]
    return Network(W * ratio, a / ratio, b)


def network_of(blocks):
    """Return the network of a point of the convex program.

    Parameters
    ----------
    blocks : Blocks
        Of the program.

    Returns
    -------
    network : Network
    """
    xp, U = namespace(blocks.U), blocks.U
    K, _, P, d = (int(k) for k in U.shape)
    sign = np.zeros((K, 2, P, K))
    for k in range(K):
        sign[k, 0, :, k], sign[k, 1, :, k] = 1.0, -1.0
    a = asarray_like(sign.reshape(-1, K), U)
    return balanced(xp.reshape(U, (-1, d)), a, blocks.b)


def blocks_of(network, D, X):
    """Return the point of the program with the function of a network.

    Parameters
    ----------
    network : Network
        Whose patterns are all in D.
    D : ndarray of bool of shape (P, n)
        Patterns, in host memory.
    X : array of shape (n, d)
        Rows.

    Returns
    -------
    blocks : Blocks
        A neuron with several outputs becomes one neuron for each.
    """
    place = {pattern.tobytes(): h for h, pattern in enumerate(D)}
    active = patterns_of(network, X)
    W, a = to_numpy(network.W), to_numpy(network.a)
    m, K = a.shape
    U = np.zeros((K, 2, len(D), W.shape[1]))
    for j in range(m):
        h = place.get(active[j].tobytes())
        if h is None:
            # Active nowhere: it has no effect on these rows.
            continue
        for k in range(K):
            U[k, int(a[j, k] < 0.0), h] += abs(a[j, k]) * W[j]
    return Blocks(asarray_like(U, X), network.b)


def patterns_of(network, X):
    """Return the patterns of the neurons, (m, n) booleans in host memory."""
    return np.ascontiguousarray(to_numpy(network.W @ X.T >= 0.0))
