"""ADMM for the convex program of a two-layer ReLU network.

Problem, symbols and certificate: see ``program``.

Splitting: eta = F U + b carries the loss, V = U the norms and T = G U the cones. With
epsilon the loss has the slopes Z as well, and the excesses of all rows and blocks.
These are variables of their own with two copies, C beside T and A = U (of moving
features), where T + C >= epsilon |A|_1, and N beside eta, where they count as
max(N, 0). One step solves the linear system of ``normal_system``, takes the proximal
map of each copy, and moves the scaled multipliers. The penalty rho multiplies all
copies alike, in the norms of ``normal_system``, so that it can change at no cost: the
factorisation is made once. Over-relaxed.

Sources: Y. Bai, T. Gautam and S. Sojoudi, Efficient global optimization of two-layer
ReLU networks, SIMODS 5, 2023, section 3, of which the splitting of norms and cones is;
S. Boyd et al., Distributed optimization and statistical learning via ADMM, 2011,
sections 3.3 and 3.4.3, for residuals and over-relaxation; B. Stellato et al., OSQP,
Mathematical Programming Computation 12, 2020, section 5.2, for rho.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.array import asarray_like, dot64, sum64, to_numpy
from skopt2._core.result import Measure
from skopt2.solvers.certificate import GAP
from skopt2.solvers.convex_relu.loss_prox import (
    excess_prox,
    prox,
    shrink_blocks,
    worst_prox,
)
from skopt2.solvers.convex_relu.normal_system import NormalSystem
from skopt2.solvers.convex_relu.program import Blocks

RELAXATION = 1.7
# Copies and their multipliers.
PAIRS = (("eta", "p"), ("V", "q"), ("T", "r"))
ROBUST = (("Z", "pz"), ("A", "qa"), ("C", "pc"), ("N", "pn"))
# Weight of the copies of blocks beside that of margins.
WEIGHT = 0.2
# The bound is slower than the network: rho aims at a dual residual, relative to the
# multipliers, of this part of the primal one; and changes by no less than IMBALANCE.
BALANCE, IMBALANCE = 0.2, 1.3


@dataclass(eq=False)
class ADMMState:
    """Where the iteration is: the copies, their scaled multipliers, the best so far.

    Parameters
    ----------
    eta, p : array of shape (K, n)
        Predictor.
    V, q : array of shape (K, 2, P, d)
        Blocks.
    T, r : array of shape (K, 2, P, n)
        Margins.
    b : array of shape (K,)
        Output biases.
    rho : float
        Penalty.
    Z, pz : array of shape (n, moving) or None
        Slopes.
    A, qa : array of shape (K, 2, P, moving) or None
        Weights of neurons.
    C, pc, N, pn : array of shape (K, 2, P, n) or None
        Excesses.
    primal, dual : float
        Relative residuals, of the last step after which they were wanted.
    steps : int
        Taken so far.
    adapted : int
        Step after which rho was last looked at.
    best : Blocks or None
        Best network.
    value, bound : float
        Its objective, and the best lower bound.
    theta : array of shape (n,) or (n, K)
        Dual point of that bound.
    """

    eta: object
    p: object
    V: object
    q: object
    T: object
    r: object
    b: object
    rho: float
    Z: object = None
    pz: object = None
    A: object = None
    qa: object = None
    C: object = None
    pc: object = None
    N: object = None
    pn: object = None
    primal: float = math.inf
    dual: float = math.inf
    steps: int = 0
    adapted: int = 0
    best: object = None
    value: float = math.inf
    bound: float = -math.inf
    theta: object = None


class ReLUADMM:
    """Alternating directions for a program.

    Parameters
    ----------
    program : ReLUProgram
        To minimise.
    """

    certificate_name = GAP

    def __init__(self, program):
        self.program = program
        X, s = program.X, program.s
        # In units of the mean square of a column.
        square = sum64(s[:, None] * X * X) / program.d
        self.kappa = WEIGHT * square if square > 0.0 else 1.0
        self.omega = self.kappa
        self.system = NormalSystem(program, self.kappa, self.omega)

    def init(self, start=None):
        """Return the state at the blocks of a former solution, or at zero.

        Parameters
        ----------
        start : Blocks, default=None
            Of the same shape.
        """
        program = self.program
        U = program.zeros(program.shape) if start is None else start.U
        b = program.null_bias if start is None else start.b
        XU = program.forward(U)
        eta = program.gated(XU) + b[:, None]
        T = program.xp.maximum(program.sign * XU, 0.0)
        robust = {}
        if program.epsilon > 0.0:
            copies = {
                "Z": program.slopes(U),
                "A": U[..., : program.moving] + 0.0,
                "C": program.excess(U, XU),
            }
            T = program.sign * XU
            copies["N"] = copies["C"]
            duals = {dual: 0.0 * copies[name] for name, dual in ROBUST}
            robust = {**copies, **duals}
        theta = program.loss.gradient(program.y, program.to_loss(eta))
        # The multiplier of the predictor is known to start with; a guess of the size of
        # the predictor gives the penalty its unit.
        spread = program.weighted_square(eta - program.from_loss(program.y))
        pull = program.weighted_square(program.from_loss(theta))
        rho = math.sqrt(pull / spread) if pull > 0.0 and spread > 0.0 else 1.0
        p = program.from_loss(theta) / rho
        robust["theta"] = 0.0 * theta
        state = ADMMState(eta, p, U, 0.0 * U, T, 0.0 * T, b, rho, **robust)
        if start is None:
            return state
        return replace(state, best=start, value=program.network_value(start))

    def step(self, state):
        """Return the next state."""
        program, kappa = self.program, self.kappa
        m = program.moving
        if self._due(state):
            state = self._adapt(state)
        rhs = kappa * (state.V - state.q)
        rhs = rhs + program.adjoint(program.sign * (program.s * (state.T - state.r)))
        Z = None
        if program.epsilon > 0.0:
            rhs[..., :m] += kappa * (state.A - state.qa)
            Z = state.Z - state.pz
        U, b = self.system.solve(rhs, state.eta - state.p, Z)
        XU = program.forward(U)
        images = {
            "eta": program.gated(XU) + b[:, None],
            "V": U,
            "T": program.sign * XU,
        }
        if program.epsilon > 0.0:
            images["Z"], images["A"] = program.slopes(U), U[..., :m]
            # The excess that is nearest to both of its copies.
            middle = 0.5 * (state.C - state.pc + state.N - state.pn)
            images["C"] = images["N"] = middle
        mixed = {
            name: RELAXATION * image + (1.0 - RELAXATION) * getattr(state, name)
            for name, image in images.items()
        }
        new = self._proximal(state, mixed)
        moved = {
            dual: getattr(state, dual) + mixed[name] - new[name]
            for name, dual in self._pairs()
        }
        after = replace(state, **new, **moved, b=b, steps=state.steps + 1)
        if not self._due(after):
            return after
        gap = {name: images[name] - new[name] for name in new}
        change = {name: new[name] - getattr(state, name) for name in new}
        primal = self._size(gap) / max(self._size(new), 1e-300)
        dual = self._size(change) / max(self._dual_size(moved), 1e-300)
        return replace(after, primal=primal, dual=dual)

    def _pairs(self):
        return PAIRS + ROBUST if self.program.epsilon > 0.0 else PAIRS

    def _proximal(self, state, mixed):
        """Return the proximal maps of all copies."""
        program, rho = self.program, state.rho
        level = program.alpha / (rho * self.kappa)
        new = {"V": shrink_blocks(mixed["V"] + state.q, level)}
        q = program.to_loss(mixed["eta"] + state.p)
        if program.epsilon == 0.0:
            guess = program.to_loss(state.eta)
            eta = prox(program.loss, program.y, q, rho, guess)
            new["T"] = program.xp.maximum(mixed["T"] + state.r, 0.0)
        else:
            guess = rho * program.xp.abs(state.p[0, :])
            N = mixed["N"] + state.pn
            flat = program.xp.reshape(N, (-1, program.n))
            eta, new["Z"], flat = worst_prox(
                program, q, mixed["Z"] + state.pz, flat, rho, self.omega, guess
            )
            new["N"] = program.xp.reshape(flat, N.shape)
            new["T"], new["A"], new["C"] = excess_prox(
                program,
                mixed["T"] + state.r,
                mixed["A"] + state.qa,
                mixed["C"] + state.pc,
                self.kappa,
            )
        new["eta"] = program.from_loss(eta)
        return new

    def _size(self, parts):
        """Return the norm of copies, in which ADMM is a contraction."""
        program, total = self.program, 0.0
        for name, x in parts.items():
            if name in ("eta", "T", "C", "N"):
                total += program.weighted_square(x)
            elif name == "Z":
                total += self.omega * dot64(program.s, program.xp.sum(x * x, axis=1))
            else:
                total += self.kappa * sum64(x * x)
        return math.sqrt(total)

    def _dual_size(self, moved):
        names = {dual: name for name, dual in self._pairs()}
        return self._size({names[dual]: x for dual, x in moved.items()})

    def _due(self, state):
        """Tell whether rho is to be looked at: ever rarer, in the end never."""
        return state.steps - state.adapted >= 10 + state.adapted // 4

    def _adapt(self, state):
        """Return the state with rho at the balance of the relative residuals."""
        state = replace(state, adapted=state.steps)
        if not (state.primal > 0.0 and state.dual > 0.0):
            return state
        factor = math.sqrt(BALANCE * state.primal / state.dual)
        if 1.0 / IMBALANCE < factor < IMBALANCE:
            return state
        factor = min(max(factor, 0.1), 10.0)
        duals = {dual: getattr(state, dual) / factor for _, dual in self._pairs()}
        return replace(state, rho=state.rho * factor, **duals)

    def certificate(self, state):
        """Return the objective of the best network, and the gap to the best bound."""
        self._measure(state)
        gap = max(state.value - state.bound, 0.0)
        norms = self.program.norms(state.best.U)
        xp = self.program.xp
        extra = {"neurons": int(xp.sum(xp.astype(norms > 0.0, xp.int64)))}
        return Measure(state.value, gap / self.program.scale, gap, extra)

    def _measure(self, state):
        """Improve the best network and the best bound of a state by its own."""
        # The state of the loop itself: what was found must outlive this call.
        program, rho = self.program, state.rho
        blocks = Blocks(state.V, state.b)
        value = program.network_value(blocks)
        theta = program.to_loss(rho * state.p)
        lam = program.xp.maximum(-rho * program.s * state.r, 0.0)
        if program.epsilon == 0.0:
            bound, theta = program.dual_value(theta, lam)
        else:
            beta = rho * self.omega * state.pz
            zeta = -rho * self.kappa * state.qa
            bound, theta = program.dual_value(theta, lam, beta, zeta)
        if value < state.value or state.best is None:
            state.value, state.best = value, blocks
        if bound > state.bound:
            state.bound, state.theta = bound, theta

    def finalize(self, state):
        """Return the best blocks, with the best dual point."""
        return replace(state.best, theta=state.theta)

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        packed = {
            name: to_numpy(value) if hasattr(value, "shape") else value
            for name, value in vars(state).items()
            if value is not None and name != "best"
        }
        packed["best_U"] = to_numpy(state.best.U)
        packed["best_b"] = to_numpy(state.best.b)
        return packed

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        state = self.init()
        values = {}
        for name in set(packed) & set(vars(state)):
            value, known = packed[name], getattr(state, name)
            if hasattr(known, "shape"):
                values[name] = asarray_like(np.asarray(value), known)
            else:
                values[name] = type(known)(value)
        best = Blocks(
            asarray_like(np.asarray(packed["best_U"]), state.V),
            asarray_like(np.asarray(packed["best_b"]), state.b),
        )
        return replace(state, best=best, **values)
