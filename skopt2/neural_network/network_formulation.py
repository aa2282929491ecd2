"""From parameters and data to the convex program of a network and its solver."""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    device_of,
    index_like,
    max_abs,
    namespace,
    put,
    take,
    to_numpy,
)
from skopt2.losses.encoding import encode_target
from skopt2.neural_network.network_parameters import check_loss
from skopt2.solvers.convex_relu.admm import ReLUADMM
from skopt2.solvers.convex_relu.gates import all_gates, distinct, sample_gates
from skopt2.solvers.convex_relu.local_descent import descend
from skopt2.solvers.convex_relu.network import Network, blocks_of, patterns_of
from skopt2.solvers.convex_relu.normal_system import LARGEST
from skopt2.solvers.convex_relu.pilot import pilot_network
from skopt2.solvers.convex_relu.program import ReLUProgram
from skopt2.solvers.convex_relu.sampled import (
    SampledProgram,
    draw_directions,
)
from skopt2.solvers.state import Solution

_GATES = "fit_gates"
# A move of each feature that is so many times the largest value leaves only noise.
FARTHEST = 1e3
# Numbers that ADMM may hold of each kind where it was not asked for by name.
MOST_MARGINS = 20_000_000
# Neurons of the first network for each pattern that is drawn.
PILOT = 10
# What counts as drawn of all patterns, at most.
ALL = 100
# In which the dual is asked for more of them.
ROUNDS = 8
# Most neurons beside those, and most steps, of its descent.
MOST_IDLE, DESCENT = 50, 1000


class NetworkFormulation:
    """Data in the precision of the fit, and the program that they pose.

    Parameters
    ----------
    model : ConvexReLUModel
        Its parameters.
    data : FitInput
        Checked.
    """

    def __init__(self, model, data):
        self.model = model
        self.bias = bool(model.fit_intercept)
        n_classes = None if data.classes is None else len(data.classes)
        self.loss = check_loss(model, n_classes)
        X, y, s = data.X, data.y, data.sample_weight
        xp, self.places = namespace(X), None
        self.n_rows = int(X.shape[0])
        wide = accumulation_dtype(X)
        if s is not None and not to_numpy(s > 0.0).all():
            rows = index_like(np.flatnonzero(to_numpy(s) > 0.0), X)
            X, y, s = (take(part, rows) for part in (X, y, s))
            self.places = rows
        X = xp.astype(X, wide)
        largest = max_abs(X)
        if model.robust > FARTHEST * largest:
            raise ValueError(
                f"robust={model.robust!r} moves every feature by more than "
                f"{FARTHEST:g} times the largest value of X, {largest:g}, which leaves "
                "nothing to learn from. Give what an attack can change, in the units "
                "of X."
            )
        n = int(X.shape[0])
        if s is None:
            self.s = xp.zeros_like(X[:, 0]) + 1.0 / n
        else:
            s = xp.astype(s, wide)
            self.s = s / xp.sum(s)
        self.y = xp.astype(encode_target(self.loss, y, n_classes, X), wide)
        self.X = with_bias(X) if self.bias else X
        self.gates = None

    @property
    def method(self):
        """The solver that is used: that of the name, or the choice of "auto"."""
        model = self.model
        if model.solver != "auto":
            return model.solver
        if model.robust > 0 or model.n_gates == "all":
            return "admm"
        n, d = (int(k) for k in self.X.shape)
        outputs = 1 if self.y.ndim == 1 else int(self.y.shape[1])
        margins = 2 * model.n_gates * outputs * n
        small = min(n, model.n_gates * d) <= LARGEST and margins <= MOST_MARGINS
        return "admm" if small else "sampled"

    def solver(self, rng, notes, former):
        """Return the solver and its first state.

        Parameters
        ----------
        rng : numpy.random.Generator
            Draws patterns or directions.
        notes : dict
            Of a checkpoint, whose patterns are used again.
        former : Network or None
            To start from.

        Returns
        -------
        solver : ReLUADMM or SampledProgram
        state : object
        """
        build = self._admm if self.method == "admm" else self._sampled
        return build(rng, notes.get(_GATES), former)

    def pack(self):
        """Return what a checkpoint notes of this fit."""
        return {_GATES: np.asarray(to_numpy(self.gates))}

    def _admm(self, rng, known, former):
        X = self.X
        if known is not None:
            D = np.asarray(known, dtype=bool)
        else:
            D = self._patterns(rng)
            former = self._pilot(rng, len(D)) if former is None else former
            if former is not None:
                D = distinct(np.concatenate([D, patterns_of(former, X)]))
        self.gates = D
        program = ReLUProgram(
            X,
            self.y,
            self.s,
            self.loss,
            asarray_like(D.astype(np.float64), X),
            float(self.model.alpha),
            self.bias,
            float(self.model.robust),
        )
        solver = ReLUADMM(program)
        start = None if former is None else blocks_of(former, D, X)
        return solver, solver.init(start)

    def _patterns(self, rng):
        """Return the patterns of the options."""
        model = self.model
        if model.n_gates == "all":
            return all_gates(to_numpy(self.X))
        return sample_gates(self.X, self.s, model.n_gates, self.bias, rng)

    def _pilot(self, rng, found):
        """Return a network to start from, None for none."""
        model = self.model
        if model.init == "zero":
            return None
        alpha = float(model.alpha)
        program = (self.X, self.y, self.s, self.loss, alpha, self.bias)
        count = min(found, ALL) if model.n_gates == "all" else model.n_gates
        rounds = ROUNDS if model.init == "dual" else 0
        network = pilot_network(program, PILOT * count, rng, rounds)
        if model.init != "descent":
            return network
        count = min(count, MOST_IDLE)
        idle = draw_directions(self.X, self.s, count, self.bias, rng)
        return descend(program, network, idle, DESCENT)

    def _sampled(self, rng, known, former):
        model, X = self.model, self.X
        xp = namespace(X)
        m = 0 if former is None else int(former.W.shape[0])
        if known is not None:
            G, m = asarray_like(known, X), 0
        else:
            count = model.n_gates * (PILOT if model.solver == "auto" else 1)
            G = draw_directions(X, self.s, count, self.bias, rng)
        start = None
        if m:
            norms = xp.sqrt(xp.sum(former.W * former.W, axis=1))[:, None]
            G = xp.concat([former.W / norms, G])
            a = to_numpy(former.a * norms)
            b = to_numpy(former.b)
            if self.y.ndim == 1:
                a, b = a[:, 0], float(b[0])
            start = Solution(np.arange(m), a, b)
        self.gates = G
        solver = SampledProgram(
            X, self.y, self.s, self.loss, G, model.alpha, self.bias, model.tol
        )
        return solver, solver.init(start)

    def gradient_at(self, network):
        """Return the gradient of the loss at a network, balanced for its bias."""
        eta = network(self.X)
        eta = eta[:, 0] if self.y.ndim == 1 else eta
        theta = self.loss.gradient(self.y, eta)
        return self.loss.balance(self.y, theta, self.s) if self.bias else theta

    def dual_of(self, theta):
        """Return s_i theta_i of all rows of the data, (n_samples, K)."""
        theta = theta[:, None] if theta.ndim == 1 else theta
        dual = self.s[:, None] * theta
        if self.places is None:
            return dual
        xp = namespace(dual)
        every = xp.zeros(
            (self.n_rows, dual.shape[1]), dtype=dual.dtype, device=device_of(dual)
        )
        return put(every, self.places, dual)

    def former(self, weights):
        """Return fitted weights as a network for this problem, None if they do not fit.

        Parameters
        ----------
        weights : tuple of array or None
            Hidden weights (d, m), hidden biases (m,), output weights (m, K), output
            biases (K,).
        """
        if weights is None:
            return None
        W, c, a, b = (asarray_like(part, self.X) for part in weights)
        xp, outputs = namespace(self.X), 1 if self.y.ndim == 1 else self.y.shape[1]
        W = xp.concat([W.T, c[:, None]], axis=1) if self.bias else W.T
        if W.shape[1] != self.X.shape[1] or a.shape[1] != outputs or not W.shape[0]:
            return None
        return Network(W, a, b)


def with_bias(X):
    """Return rows with a column of ones."""
    xp = namespace(X)
    ones = xp.ones((X.shape[0], 1), dtype=X.dtype, device=device_of(X))
    return xp.concat([X, ones], axis=1)
