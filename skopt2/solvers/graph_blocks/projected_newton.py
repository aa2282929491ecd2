"""Newton steps for bounds on a graph, on the values that no bound holds.

A step solves A_ff d = R_f for the free values f of each column by conjugate gradients,
preconditioned by a sweep over the forests in which the held values take no part, and
projects F + d, with the step halved until the energy falls enough. After finitely many
steps the held values are those of the solution, and the steps are those of Newton's
method for a quadratic: the error falls faster than any geometric rate, as the system is
solved the better the closer the end.

Sources: D. Bertsekas, Projected Newton methods for optimization problems with simple
constraints, SIAM Journal on Control and Optimization 20, 1982, equations 31 to 37;
J. Nutini, I. Laradji, M. Schmidt, Let's make block coordinate descent converge faster,
JMLR 23, 2022, section 5, for the identification and the superlinear end.
"""

import numpy as np

from skopt2.solvers.graph_blocks.conjugate import ratio, sweep
from skopt2.solvers.graph_blocks.descent import GraphDescent, project
from skopt2.solvers.graph_blocks.problem import free_part

# Most inner products of a step, and the least precision of its system.
INNER = 1000
FORCING = 0.1


class GraphNewton(GraphDescent):
    """Projected Newton steps; the blocks are for the preconditioner.

    Parameters
    ----------
    problem : GraphProblem
        With bounds.
    blocks : list of ForestBlock
        They cover all nodes once.
    """

    def step(self, state):
        """Take one Newton step in each column."""
        problem = self.problem
        free = free_part(state.F, state.R, problem)
        R = np.where(free, state.R, 0.0)
        size = float(np.max(np.abs(R), initial=0.0))
        # Relative to the largest diagonal element: a residual of one edge.
        forcing = min(FORCING, size / float(np.max(self._diagonal, initial=1.0)))
        move = self._direction(R, free, forcing)
        move, _ = project(problem, problem.A, state.F, state.R, move)
        state.F = np.clip(state.F + move, problem.low, problem.high)
        state.R = problem.residual(state.F)
        return state

    def _direction(self, R, free, forcing):
        """Return the solution on the free values, to a relative precision."""
        factors = [block.factor(free[block.nodes]) for block in self.blocks]
        D, R, P, before, goal = np.zeros(R.shape), R.copy(), 0.0, None, None
        for _ in range(INNER):
            Z = sweep(self.blocks, R, free, factors)
            rz = np.sum(R * Z, axis=0)
            if before is None:
                goal = forcing**2 * rz
            elif np.all(rz <= goal):
                break
            P = Z if before is None else Z + ratio(rz, before) * P
            product = np.where(free, self.problem.A @ P, 0.0)
            length = ratio(rz, np.sum(P * product, axis=0))
            D += length * P
            R -= length * product
            before = rz
        return D
