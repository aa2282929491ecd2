"""The sampled convex program: a lasso on random neurons.

Problem: min over a, b of sum_i s_i l(y_i, eta_i) + alpha sum_jk |a_jk|,
eta_i = sum_j a_j max(0, x_i'g_j) + b, with |g_j| = 1 drawn at random.

The dual of the network asks |sum_i s_i theta_i max(0, x_i'g)| <= alpha of all g of the
unit ball. A sample of them leaves a dual that is larger, and a primal that is this
lasso: its optimum is that of the networks with these hidden directions, and an upper
bound of that of all networks. Its cost grows linearly with the sample.

Source: Y. Bai, T. Gautam and S. Sojoudi, Efficient global optimization of two-layer
ReLU networks, SIMODS 5, 2023 ("sampled convex programs").
"""

import numpy as np

from skopt2._core.array import asarray_like, index_like, namespace
from skopt2.penalties import L1
from skopt2.solvers.choice import make_solver
from skopt2.solvers.convex_relu.gates import draw_hyperplanes
from skopt2.solvers.convex_relu.network import balanced
from skopt2.solvers.problem import LinearProblem


def draw_directions(X, s, count, bias, rng):
    """Return random hidden weights of norm 1, (count, d).

    Parameters
    ----------
    X, s, count, bias, rng
        As in :func:`~skopt2.solvers.convex_relu.gates.draw_hyperplanes`.
    """
    xp = namespace(X)
    G = draw_hyperplanes(X, s, count, bias, rng)
    norms = xp.sqrt(xp.sum(G * G, axis=1))
    return G / xp.where(norms > 0.0, norms, xp.ones_like(norms))[:, None]


class SampledProgram:
    """The lasso, and the solver of sparse models for it.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows, the column of ones last if there is one.
    y : array of shape (n,) or (n, K)
        As the loss wants it.
    s : array of shape (n,)
        Positive weights with sum 1.
    loss : Loss
        Convex, with a curvature.
    G : array of shape (m, d)
        Hidden directions.
    alpha : float
        Level.
    bias : bool
        Whether b is free.
    tol : float
        Tolerance of the certificate.
    """

    def __init__(self, X, y, s, loss, G, alpha, bias, tol):
        self.X, self.G = X, G
        xp, count = namespace(X), int(G.shape[0])
        hidden = xp.maximum(X @ G.T, 0.0)
        if xp is np:
            hidden = np.asfortranarray(hidden)
        level = np.full(count, float(alpha))
        problem = LinearProblem(hidden, y, loss, L1(), level, s, bias)
        self.problem = problem
        self._solver = make_solver(problem, "auto", tol)
        self.certificate_name = self._solver.certificate_name

    def init(self, start=None):
        """Return the state at a former solution, None for the null model."""
        return self._solver.init(start)

    def step(self, state):
        """Return the next state."""
        return self._solver.step(state)

    def certificate(self, state):
        """Return objective and relative duality gap."""
        return self._solver.certificate(state)

    def finalize(self, state):
        """Return the network of a state."""
        return self.network(self._solver.finalize(state))

    def network(self, solution):
        """Return the network of a solution of the lasso."""
        ids = index_like(solution.ids, self.G)
        shape = (solution.ids.size, self.problem.n_outputs)
        a = np.asarray(solution.w, dtype=np.float64).reshape(shape)
        b = np.asarray(solution.intercept, dtype=np.float64).reshape(-1)
        b = np.broadcast_to(b, shape[1:])
        W = namespace(self.G).take(self.G, ids, axis=0)
        return balanced(W, asarray_like(a, W), asarray_like(b, W))

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        return self._solver.pack(state)

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        return self._solver.unpack(packed)
