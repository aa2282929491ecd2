"""A search of a node order from where a continuous path ends.

The graph of the path gives the order and the first parents; from there every move
lowers the cost of :mod:`.score`, so that the polished graph never costs more than that
of the path with its own least squares weights.
"""

import math
from dataclasses import replace

from skopt2.solvers.dag.colide import PATH, PathState
from skopt2.solvers.dag.graphs import topological_order


class Polished:
    """The path of CoLiDE, then the order search; a solver for ``iterate``.

    Parameters
    ----------
    path : CoLiDE
        First.
    search : OrderSearch
        Second.
    left : int, default=0
        Further starts of the search, from random orders.
    """

    name = "CoLiDE with an order search"

    def __init__(self, path, search, left=0):
        self.path, self.search, self.left = path, search, left
        self.d = path.d

    def start(self, W=None):
        """Return the first state of the path, from a graph or from no edges."""
        return self.path.start(W)

    def step(self, state):
        """Return the state after a step of the path, or a move of the search."""
        if not isinstance(state, PathState):
            return self.search.step(state)
        if state.stage < len(PATH):
            return self.path.step(state)
        W = self.path.graph(state)
        return self.search.start(topological_order(W), self.left, graph=W)

    def certificate(self, state):
        """Return that of the search, infinity on the path."""
        if isinstance(state, PathState):
            measure = self.path.certificate(state)
            return replace(measure, value=math.inf, stalled=False)
        return self.search.certificate(state)

    def finalize(self, state):
        """Return the best state."""
        return state if isinstance(state, PathState) else self.search.finalize(state)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        on_path = isinstance(state, PathState)
        return self.path.pack(state) if on_path else self.search.pack(state)

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        solver = self.search if "order" in packed else self.path
        return solver.unpack(packed)
