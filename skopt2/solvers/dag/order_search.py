r"""Search of a node order: one node at a time moves to its best place.

Problem: over the orders of d nodes, least cost of :mod:`.score` with the parents of
each node chosen among the nodes before it. Whatever the order, there is no cycle.

Step: node v is taken out and put back where the cost is least. With c_u(A) the cost of
u with parents from A, and u_1, ..., u_(d-1) the others in their order, place k costs

    c_v({u_1 .. u_k}) + sum_(i <= k) c_(u_i)({u_1 .. u_(i-1)})
                      + sum_(i > k) c_(u_i)({u_1 .. u_(i-1), v}),

so that all places are known after at most 3 d choices of parents, each from the parents
that the node has already: a choice changes nothing, and is free, unless v is one of
them or would lower the cost as one. Every step lowers the cost, or nothing changes, and
the search ends where no node gains at any other place.

A move over k places is k topological swaps of neighbours at once. In the reference the
nodes of a pair of the greatest slope are swapped, and accepted if that gains.

Start: the node with the least residual variance given those before it comes next, which
is the true order where all noise has one variance and n is large.

Sources: C. Deng, K. Bello, B. Aragam and P. Ravikumar, Optimizing NOTEARS objectives
via topological swaps, ICML 2023; W. Chen, M. Drton and Y. S. Wang, On causal discovery
with an equal-variance assumption, Biometrika 106, 2019 (start); B. Andrews et al., Fast
scalable and accurate discovery of DAGs using the best order score search, NeurIPS 2023
(moves of one node).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.dag.places import best_place
from skopt2.solvers.dag.score import NOISE, NodeScore, Price

CERTIFICATE = "relative gain of moving one node"
# Rows for each node from which variances given all nodes before are as good as those
# given chosen parents.
PLENTY = 4.0


@dataclass(frozen=True, eq=False)
class OrderState:
    """Where the search stands.

    Parameters
    ----------
    order : tuple of int
        Nodes, parents before their children.
    nodes : dict of int to Node
        Parents and cost of each.
    score : NodeScore
        What the costs are measured with.
    gains : ndarray of shape (d,)
        What each node gained at its last turn, infinity before the first.
    turn : int
        Place in the list of turns.
    best : OrderState or None
        Where an earlier start ended, the best of them.
    left : int
        Further starts, from random orders.
    """

    order: tuple
    nodes: dict
    score: NodeScore
    gains: np.ndarray
    turn: int = 0
    best: object = None
    left: int = 0


class OrderSearch:
    """Search by moves of one node; a solver for ``iterate``.

    Parameters
    ----------
    S : ndarray of shape (d, d)
        Covariance matrix, float64, with a positive diagonal.
    n : float
        Rows.
    edge : float
        Price of an edge, in units of twice the log-likelihood.
    equal : bool
        Whether the noise of all nodes has one variance.
    allowed : ndarray of bool of shape (d, d) or None, default=None
        Whether i may be a parent of j.
    most : int, default=None
        Largest number of parents.
    tol : float, default=0.0
        Relative gain that counts as none.
    offset : float, default=0.0
        What the unit of S adds to the cost of a row.
    seed : int, default=0
        Draws the turns, and orders to start from.
    """

    name = "order search"

    def __init__(
        self,
        S,
        n,
        edge,
        equal,
        *,
        allowed=None,
        most=None,
        tol=0.0,
        offset=0.0,
        seed=0,
    ):
        self.S, self.n, self.edge, self.equal = S, float(n), float(edge), equal
        self.allowed, self.most, self.tol = allowed, most, tol
        self.offset = float(offset)
        self.d, self.seed = len(S), int(seed)
        self.turns = np.random.default_rng(seed).permutation(self.d)
        # An empty graph explains nothing: what it costs beside one node alone.
        self.scale = self.n * self.d

    def start(self, order=None, left=0, graph=None):
        """Return the state at an order, or at that of the residual variances.

        Parameters
        ----------
        order : sequence of int, default=None
            Nodes.
        left : int, default=0
            Further starts, from random orders.
        graph : ndarray of shape (d, d), default=None
            Edges along the order, to choose parents from; None for no edges.

        Returns
        -------
        state : OrderState
        """
        parents = None
        if graph is not None:
            parents = [np.flatnonzero(column).tolist() for column in graph.T]
        variance = None
        if self.equal:
            variance = float(np.mean(np.diag(self.S)))
            if order is None:
                # The least variance is that of the noise of the first node.
                variance = float(np.diag(self.S).min())
            if parents is not None:
                # The tangent at the graph: what lowers it lowers the cost.
                given = self._score(variance)
                nodes = [given.node(j, ids) for j, ids in enumerate(parents)]
                variance = float(np.mean([node.residual for node in nodes]))
        score = self._score(variance)
        if order is None and self.equal and self._plenty():
            order = by_conditional_variance(self.S)
        if order is None:
            order, nodes = by_variance(score)
        else:
            order = tuple(int(j) for j in order)
            nodes = chosen(score, order, parents)
        gains = np.full(self.d, math.inf)
        return self._repriced(OrderState(order, nodes, score, gains, left=left))

    def step(self, state):
        """Take out one node and put it back where the cost is least."""
        if state.left and self._settled(state):
            return self._restarted(state)
        if state.turn == self.d:
            state = self._repriced(replace(state, turn=0))
        v = int(self.turns[state.turn])
        place, gain, changed = best_place(state, v)
        gains = state.gains.copy()
        gains[v] = gain
        state = replace(state, turn=state.turn + 1, gains=gains)
        if gain == 0.0:
            return state
        rest = [u for u in state.order if u != v]
        order = (*rest[:place], v, *rest[place:])
        return replace(state, order=order, nodes={**state.nodes, **changed})

    def certificate(self, state):
        """Return the cost of a row, and the largest gain in the last turns of all."""
        edges = sum(len(node.parents) for node in state.nodes.values())
        worst = float(state.gains.max()) / self.scale
        if state.left:
            worst = math.inf
        else:
            state = self.finalize(state)
        value = self.cost(state) / self.n + self.offset
        return Measure(value, worst, extra={"edges": edges})

    def finalize(self, state):
        """Return the state of least cost of all starts, of equal ones the first."""
        best, slack = state.best, state.score.slack * self.d
        if best is None or self.cost(state) < self.cost(best) - slack:
            return state
        return best

    def cost(self, state):
        """Return twice the negative log-likelihood with the price of the edges."""
        r = np.array([state.nodes[j].residual for j in range(self.d)])
        edges = sum(len(node.parents) for node in state.nodes.values())
        if self.equal:
            fit = self.n * self.d * math.log(float(r.mean()))
        else:
            fit = self.n * float(np.log(r).sum())
        return fit + self.edge * edges

    def pack(self, state):
        """Return the state as arrays and numbers."""
        flat = [i for j in range(self.d) for i in state.nodes[j].parents]
        packed = {
            "order": np.array(state.order),
            "parents": np.array(flat, dtype=np.int64),
            "counts": np.array([len(state.nodes[j].parents) for j in range(self.d)]),
            "variance": state.score.price.variance or 0.0,
            "gains": state.gains,
            "turn": state.turn,
            "left": state.left,
        }
        if state.best is not None:
            best = self.pack(state.best)
            packed |= {f"best_{name}": value for name, value in best.items()}
        return packed

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        score = self._score(float(packed["variance"]) or None)
        ends = np.cumsum(packed["counts"])[:-1]
        split = np.split(np.asarray(packed["parents"]), ends)
        nodes = {j: score.node(j, ids.tolist()) for j, ids in enumerate(split)}
        inner = {k[5:]: value for k, value in packed.items() if k[:5] == "best_"}
        return OrderState(
            tuple(int(j) for j in packed["order"]),
            nodes,
            score,
            np.array(packed["gains"]),
            int(packed["turn"]),
            self.unpack(inner) if inner else None,
            int(packed["left"]),
        )

    def _plenty(self):
        """Return whether rows are enough to condition on all nodes at once."""
        free = self.allowed is None and (self.most is None or self.most >= self.d - 1)
        return free and self.n > PLENTY * self.d

    def _settled(self, state):
        return float(state.gains.max()) <= self.tol * self.scale

    def _restarted(self, state):
        """Return the state at a random order, with the best so far."""
        left = state.left - 1
        best = replace(self.finalize(state), best=None, left=0)
        draw = np.random.default_rng([self.seed, 1 + left])
        state = self.start(draw.permutation(self.d), left)
        return replace(state, best=best)

    def _score(self, variance):
        price = Price(self.n, self.edge, variance)
        return NodeScore(self.S, price, self.allowed, self.most)

    def _repriced(self, state):
        """Return the state with the common variance of its residuals."""
        if not self.equal:
            return state
        while True:
            residuals = [state.nodes[j].residual for j in range(self.d)]
            variance = float(np.mean(residuals))
            old = state.score.price.variance
            if abs(variance - old) <= 1e-12 * old:
                return state
            score = self._score(variance)
            same = {j: score.node(j, state.nodes[j].parents) for j in range(self.d)}
            nodes, before = {}, np.zeros(self.d, dtype=bool)
            for j in state.order:
                nodes[j] = score.improve(j, same[j], before)
                before[j] = True
            gains = np.full(self.d, math.inf)
            state = replace(state, nodes=nodes, score=score, gains=gains)


def chosen(score, order, parents=None):
    """Return the nodes with parents chosen among those before them."""
    nodes, before = {}, np.zeros(score.d, dtype=bool)
    for j in order:
        first = () if parents is None else parents[j]
        nodes[int(j)] = score.improve(j, score.node(j, first), before)
        before[j] = True
    return nodes


def by_conditional_variance(S):
    """Return the order in which the least variance given all before comes next."""
    C, order = S.copy(), []
    left = np.ones(len(S), dtype=bool)
    for _ in range(len(S)):
        j = int(np.where(left, C.diagonal(), np.inf).argmin())
        left[j] = False
        order.append(j)
        if C[j, j] > NOISE * S[j, j]:
            C -= np.outer(C[:, j], C[j] / C[j, j])
    return order


def by_variance(score):
    """Return the order in which the least residual variance comes next, and nodes."""
    d, before = score.d, np.zeros(score.d, dtype=bool)
    nodes = {j: score.node(j, ()) for j in range(d)}
    left, order = set(range(d)), []
    while left:
        j = min(left, key=lambda u: (nodes[u].residual, u))
        left.remove(j)
        order.append(j)
        before[j] = True
        for u in left:
            node = nodes[u]
            if score.allowed is not None and not score.allowed[j, u]:
                continue
            if len(node.parents) < score.most and score.pays(u, node, j):
                nodes[u] = score.improve(u, node, before)
    return tuple(order), nodes
