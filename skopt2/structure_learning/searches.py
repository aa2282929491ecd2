"""The solver of a linear graph by its parameters, and what its states mean."""

import math

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.random import seed_sequence
from skopt2.solvers.dag import colide, order_search
from skopt2.solvers.dag.graphs import topological_order
from skopt2.solvers.dag.polished import Polished
from skopt2.structure_learning.dag_parameters import allowed_edges, edge_price

# Of a search whose number of starts is not given.
N_STARTS = {"ev": 1, "nv": 5}
# Steps of a path for each of max_iter, and between two measures.
STEPS, CADENCE = 1000, 100


class Search:
    """How a linear graph is searched for.

    Parameters
    ----------
    model : LinearDAG
        With checked parameters.
    moments : Moments
        Of the data.
    """

    def __init__(self, model, moments):
        self.model, self.moments, self.d = model, moments, len(moments.S)
        self.equal = model.noise == "ev"
        self.on_path = model.solver == "colide"
        self.polished = not self.on_path or model.refine
        # A feature of least deviation is noise: in its unit the level of the l1 norm
        # and the path do not depend on units.
        self.scale = math.sqrt(float(np.diag(moments.S).min()))
        most = model.max_parents
        if most is None:
            most = max(1, int(moments.n / 3.0))
        self.most = min(int(most), self.d - 1)
        self.allowed = allowed_edges(model.forbidden, self.d)
        self.starts = model.n_init or (1 if self.on_path else N_STARTS[model.noise])
        self.path = self._path() if self.on_path else None
        order = self._order_search() if self.polished else None
        if self.on_path and self.polished:
            self.solver = Polished(self.path, order, int(self.starts) - 1)
        else:
            self.solver = order if self.polished else self.path
        module = order_search if self.polished else colide
        self.certificate = module.CERTIFICATE

    def _path(self):
        alpha = self.model.alpha
        return colide.CoLiDE(
            self.moments.S / self.scale**2,
            self.equal,
            level=colide.LEVEL if isinstance(alpha, str) else alpha,
            threshold=self.model.threshold,
            steps=STEPS * self.model.max_iter,
            allowed=self.allowed,
            most=self.most,
            unit=self.moments.unit * self.scale,
        )

    def _order_search(self):
        model, moments = self.model, self.moments
        # A number is the level of the path.
        whole = self.on_path and not isinstance(model.alpha, str)
        alpha = "ebic" if whole else model.alpha
        return order_search.OrderSearch(
            moments.S,
            moments.n,
            edge_price(alpha, moments.n, self.d),
            self.equal,
            allowed=self.allowed,
            most=self.most,
            tol=float(model.tol),
            offset=2.0 * self.d * math.log(moments.unit),
            seed=int(seed_sequence(model.random_state).generate_state(1)[0]),
        )

    def start(self):
        """Return the first state, that of the last fit with ``warm_start``."""
        model = self.model
        last = getattr(model, "order_", None) if model.warm_start else None
        known = last is not None and len(last) == self.d
        if self.on_path:
            W = to_numpy(model.adjacency_).astype(np.float64) if known else None
            return self.solver.start(W)
        order = [int(j) for j in to_numpy(last)] if known else None
        return self.solver.start(order, int(self.starts) - 1)

    def max_steps(self):
        """Return the largest number of steps of the solver."""
        sweeps = self.model.max_iter * self.d if self.polished else 0
        # A stage ends, and the polish starts, with a step of their own.
        path = sum(self.path.limits) + len(colide.PATH) + 1 if self.on_path else 0
        return path + sweeps

    def check_every(self, state):
        """Return the steps until the next measure."""
        on_path = isinstance(state, colide.PathState)
        return CADENCE if on_path else max(1, self.d // 8)

    def describe(self, state, dtype):
        """Return the fitted attributes of a state.

        Parameters
        ----------
        state : PathState or OrderState
            Of the solver.
        dtype : dtype
            Of the attributes.

        Returns
        -------
        attributes : dict
        """
        if isinstance(state, colide.PathState):
            W = self.path.graph(state)
            order = topological_order(W)
            std = np.broadcast_to(self.scale * self.path.sigma(W), self.d)
        else:
            W, r = np.zeros((self.d, self.d)), np.zeros(self.d)
            for j, node in state.nodes.items():
                W[list(node.parents), j] = state.score.weights(j, node)
                r[j] = node.residual
            if self.equal:
                r[:] = r.mean()
            order, std = np.array(state.order, dtype=np.int64), np.sqrt(r)
        return {
            "adjacency_": W.astype(dtype),
            "order_": order,
            "noise_std_": (self.moments.unit * std).astype(dtype),
            "mean_": self.moments.mean.astype(dtype),
            "n_edges_": int(np.count_nonzero(W)),
        }
