"""Conjugate gradients on a graph, with a sweep of block descent for preconditioner.

Descent in turn over the blocks and back, from zero, is a linear map of the residual
that is symmetric and positive definite: symmetric block Gauss-Seidel. Conjugate
gradients with it take the square root of the passes that descent by itself would take
on a graph where labels are far apart. Each column has step lengths of its own.

Source: Y. Saad, Iterative methods for sparse linear systems, 2nd edition, SIAM 2003,
algorithm 9.1 and section 10.2; the blocks are those of J. Nutini, I. Laradji,
M. Schmidt, Let's make block coordinate descent converge faster, JMLR 23, 2022.
"""

from dataclasses import dataclass

import numpy as np

from skopt2.solvers.graph_blocks.descent import GraphDescent


@dataclass
class ConjugateState:
    """Where the iteration is.

    Parameters
    ----------
    F, R : ndarray of shape (n, k)
        Values and their residual.
    P : ndarray of shape (n, k) or None
        Last directions; None at the start.
    rz : ndarray of shape (k,) or None
        Inner products of the residual before them and its preconditioned form.
    """

    F: np.ndarray
    R: np.ndarray
    P: np.ndarray = None
    rz: np.ndarray = None


class GraphConjugate(GraphDescent):
    """Conjugate gradients; one step is one product and one sweep there and back.

    Parameters
    ----------
    problem : GraphProblem
        Without bounds.
    blocks : list of ForestBlock
        They cover all nodes once.
    """

    def init(self, F):
        """Return the state at some values."""
        F = np.array(F, dtype=np.float64)
        return ConjugateState(F, self.problem.residual(F))

    def step(self, state):
        """Take one step in the conjugate direction of each column."""
        Z = self.sweep(state.R)
        rz = np.sum(state.R * Z, axis=0)
        if state.P is None:
            state.P = Z
        else:
            state.P = Z + ratio(rz, state.rz) * state.P
        product = self.problem.A @ state.P
        length = ratio(rz, np.sum(state.P * product, axis=0))
        state.F += length * state.P
        state.R -= length * product
        state.rz = rz
        return state

    def sweep(self, R):
        """Return the values after a pass over the blocks and back, from zero.

        Parameters
        ----------
        R : ndarray of shape (n, k)
            Residual at zero.

        Returns
        -------
        Z : ndarray of shape (n, k)
        """
        return sweep(self.blocks, R)

    def pack(self, state):
        """Return the state for a checkpoint."""
        if state.P is None:
            return {"F": state.F}
        return {"F": state.F, "P": state.P, "rz": state.rz}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        state = self.init(packed["F"])
        state.P, state.rz = packed.get("P"), packed.get("rz")
        return state


def sweep(blocks, R, free=None, factors=None):
    """Return the values after a pass over blocks and back, from zero.

    Parameters
    ----------
    blocks : list of ForestBlock
        They cover all nodes once.
    R : ndarray of shape (n, k)
        Residual at zero.
    free : ndarray of bool of shape (n, k), default=None
        Values that take part; None for all.
    factors : list of tuple, default=None
        Factor of each block for them.

    Returns
    -------
    Z : ndarray of shape (n, k)
        0 where values are not free.
    """
    R, Z = R.copy(), np.zeros(R.shape)
    order = [*range(len(blocks)), *range(len(blocks) - 2, -1, -1)]
    for count, i in enumerate(order, 1):
        nodes = blocks[i].nodes
        if free is None:
            move = blocks[i].solve(R[nodes])
        else:
            move = blocks[i].solve(R[nodes], free[nodes], factors[i])
        Z[nodes] += move
        if count < len(order):
            R -= blocks[i].columns @ move
    return Z


def ratio(x, y):
    """Return x / y, and 0 where y is not positive: a column that is solved."""
    positive = y > 0.0
    return np.where(positive, x / np.where(positive, y, 1.0), 0.0)
