"""Block coordinate descent for a quadratic on a graph.

A step takes a block b and minimises over its values. Without bounds that is
F_b += A_bb^-1 R_b. With bounds it is the two-metric projection: values that a bound
holds stay, the others take the Newton step of their own, are projected, and the step is
halved until the energy falls enough. Once the set of held values stays the same, that
is exact too.

Selections, for the residual R of values that may move:

- cyclic, random: each block in turn, or in a new random order each pass;
- gs: the largest |R_b|^2, Gauss-Southwell;
- gsd: the largest sum R_i^2 / A_ii;
- gsq: the largest R_b' A_bb^-1 R_b, twice the progress itself;
- variable: a forest built of the nodes with the largest R_i^2 / A_ii, new in each step.

Source: J. Nutini, I. Laradji, M. Schmidt, Let's make block coordinate descent converge
faster, JMLR 23, 2022: equations 9 to 12 for the rules, sections 4.3 and 5.3.
"""

from dataclasses import dataclass

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.block_coordinate_descent.block_partition import FixedBlocks
from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import greedy_forest
from skopt2.solvers.graph_blocks.problem import free_part

SELECTIONS = ("cyclic", "random", "gs", "gsd", "gsq", "variable")
# Part of the decrease of the linear model that a step must bring.
SUFFICIENT = 1e-4
HALVINGS = 40


@dataclass
class GraphState:
    """Where a descent is.

    Parameters
    ----------
    F : ndarray of shape (n, k)
        Values.
    R : ndarray of shape (n, k)
        Their residual B - A F.
    """

    F: np.ndarray
    R: np.ndarray


class GraphDescent:
    """Block coordinate descent; one step is a pass of as many updates as blocks.

    Parameters
    ----------
    problem : GraphProblem
        To minimise.
    blocks : list of ForestBlock or WholeGraph
        They cover all nodes once.
    selection : str, default="cyclic"
        One of ``SELECTIONS``.
    rng : numpy.random.Generator, default=None
        For the random selection.
    """

    def __init__(self, problem, blocks, selection="cyclic", rng=None):
        self.problem = problem
        self.blocks = blocks
        self.selection = selection
        self.rng = rng
        self._diagonal = problem.diagonal
        self._floor = problem.floor()
        self._fixed = FixedBlocks([block.nodes for block in blocks])

    def init(self, F):
        """Return the state at some values, within the bounds if there are any."""
        F = np.array(F, dtype=np.float64)
        if self.problem.bounded:
            np.clip(F, self.problem.low, self.problem.high, out=F)
        return GraphState(F, self.problem.residual(F))

    def step(self, state):
        """Update as many blocks as there are."""
        n_blocks = len(self.blocks)
        if self.selection == "random":
            order = self.rng.permutation(n_blocks)
        else:
            order = range(n_blocks)
        for i in order:
            if self.selection in ("cyclic", "random"):
                self.update(state, self.blocks[i])
            else:
                self.update(state, self.select(state))
        return state

    def select(self, state):
        """Return the block that a greedy rule takes next."""
        free = free_part(state.F, state.R, self.problem)
        R = state.R if free is None else np.where(free, state.R, 0.0)
        if self.selection == "gsq":
            return self.blocks[int(np.argmax(self._progress(R, free)))]
        scores = np.sum(R * R, axis=1)
        if self.selection != "gs":
            scores /= self._diagonal
        if self.selection == "variable":
            return ForestBlock(self.problem.A, greedy_forest(self.problem.A, scores))
        return self.blocks[int(np.argmax(self._fixed.sums(scores)))]

    def _progress(self, R, free):
        """Return R_b' A_bb^-1 R_b of all blocks."""
        found = []
        for block in self.blocks:
            some, mask = R[block.nodes], None if free is None else free[block.nodes]
            found.append(float(np.sum(some * block.solve(some, mask))))
        return found

    def update(self, state, block):
        """Minimise over the values of a block, in place; return the progress.

        Parameters
        ----------
        state : GraphState
            Changed.
        block : ForestBlock or WholeGraph
            Any block.

        Returns
        -------
        progress : float
            Decrease of the energy.
        """
        problem, nodes = self.problem, block.nodes
        F, R = state.F[nodes], state.R[nodes]
        free = free_part(F, R, problem)
        move = block.solve(R, free)
        if problem.bounded:
            move, progress = project(problem, block.inner, F, R, move)
        else:
            progress = 0.5 * float(np.sum(move * R))
        state.F[nodes] = F + move
        if problem.bounded:
            # F + (bound - F) may miss the bound by a rounding, which would free it.
            state.F[nodes] = np.clip(state.F[nodes], problem.low, problem.high)
        state.R -= block.columns @ move
        return progress

    def certificate(self, state):
        """Return the energy and the relative duality gap."""
        # Afresh: errors of the updates would pile up.
        state.R = self.problem.residual(state.F)
        energy = self.problem.energy(state.F, state.R)
        gap = self.problem.gap(state.F, state.R)
        scale, lost = self.problem.scale, gap <= self._floor
        # Labels of one class: the scale is rounding, and so is what can be left.
        value = gap / scale if scale > self._floor else (0.0 if lost else np.inf)
        return Measure(energy, value, gap, stalled=lost)

    def finalize(self, state):
        """Return the values."""
        return state.F.copy()

    def pack(self, state):
        """Return the state for a checkpoint."""
        return {"F": state.F}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        return self.init(packed["F"])


def project(problem, inner, F, R, move):
    """Return the projected move of each column, shortened until the energy falls.

    Parameters
    ----------
    problem : GraphProblem
        With the bounds.
    inner : csr_array or ndarray of shape (m, m)
        The part of A of the values.
    F, R, move : ndarray of shape (m, k)
        Values, their residual, and a direction in which the energy falls.

    Returns
    -------
    move : ndarray of shape (m, k)
        Leads to values within the bounds.
    progress : float
        Decrease of the energy.
    """
    length = np.ones(F.shape[1])
    slope = np.sum(R * move, axis=0)
    for _ in range(HALVINGS):
        trial = np.clip(F + length * move, problem.low, problem.high) - F
        fall = np.sum(trial * (R - 0.5 * (inner @ trial)), axis=0)
        enough = fall >= SUFFICIENT * length * slope
        if enough.all():
            break
        length = np.where(enough, length, 0.5 * length)
    else:
        # Nothing but rounding is left in these columns.
        trial, fall = trial * enough, fall * enough
    return trial, float(np.sum(fall))
