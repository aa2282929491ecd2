r"""CoLiDE: weights of a graph and scales of its noise on a path to no cycles.

Problem: S (d, d) covariance matrix, W (d, d) weights with zero diagonal, sigma scales
of the noise, level lambda of the l1 norm. Over the graphs without a cycle

    "ev":  min  tr((I - W)' S (I - W)) / (2 sigma) + d sigma / 2 + lambda |W|_1,
    "nv":  min  sum_j [ q_j / (2 sigma_j) + sigma_j / 2 ]        + lambda |W|_1,

with q_j = [(I - W)' S (I - W)]_jj the mean squared residual of node j. The score is
convex in W and sigma together. The best sigma is known,

    sigma_j = max( sqrt(q_j), sigma_0j ),    "ev": sqrt(mean of q), one for all,

where sigma_0 = 0.01 sqrt(S_jj) (mean of S_jj for "ev") keeps the slope bounded. With it
put in, F(W) has the slope -S (I - W) diag(1 / sigma) + lambda sign(W).

No cycle: sI - W∘W is an M-matrix (its inverse has no negative entry) around W = 0, and
there

    h_s(W) = d log s - log det(sI - W∘W) >= 0,    slope 2 W∘[(sI - W∘W)^-1]',

is 0 for graphs without a cycle and no others.

Central path: minimise mu F(W) + h_s(W) by steps of Adam for mu = 1, 0.1, 0.01, 0.001
and s = 1, 0.9, 0.8, 0.7, each from where the last ended. A step that leaves the
M-matrices is taken back, and the rate halved; where a stage starts outside, s grows by
0.1.

Rounding: weights below a threshold are cut, and then, of the edges that close a cycle,
the smallest.

Source: S. Saboksayr, G. Mateos and M. Tepper, CoLiDE: Concomitant linear DAG
estimation, ICLR 2024 (score; scales; path, rate and numbers of steps; lambda = 0.05 and
threshold 0.3); K. Bello, B. Aragam and P. Ravikumar, DAGMA, NeurIPS 2022 (h_s, path).
With a diagonal that is free on the way, graphs with unequal noise had about twice the
wrong edges.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.dag.graphs import without_cycles

CERTIFICATE = "stationarity and cycles"
LEVEL, THRESHOLD = 0.05, 0.3
# s and mu of the stages, and their shares of the steps.
PATH = ((1.0, 1.0), (0.9, 0.1), (0.8, 0.01), (0.7, 0.001))
SHARES = (2 / 13, 2 / 13, 2 / 13, 7 / 13)
# Adam: rate, decay of the means of slopes and of their squares, least root.
RATE, FIRST, SECOND, LEAST = 3e-4, 0.99, 0.999, 1e-8
# A stage ends where so many steps change its objective by less, relatively.
WINDOW, CHANGE = 1000, 1e-6
# Of an inverse without negative entries.
ROUNDING = -1e-6
# sigma_0, relative to the deviation of the node.
FLOOR = 1e-2


@dataclass(frozen=True, eq=False)
class PathState:
    """Where the path stands.

    Parameters
    ----------
    W : ndarray of shape (d, d)
        Weights.
    inside : ndarray of shape (d, d)
        The last weights that were M-matrices.
    first, second : ndarray of shape (d, d)
        Means of slopes and of their squares.
    stage : int
        Of the path; as many as there are once it has ended.
    s, rate : float
        Of h_s, and of Adam.
    k : int
        Steps of the stage.
    spent : int
        Steps of the stage with those that were taken back.
    last : float
        Objective at the last window.
    """

    W: np.ndarray
    inside: np.ndarray
    first: np.ndarray
    second: np.ndarray
    stage: int = 0
    s: float = PATH[0][0]
    rate: float = RATE
    k: int = 0
    spent: int = 0
    last: float = math.inf


class CoLiDE:
    """Central path with steps of Adam; a solver for ``iterate``.

    Parameters
    ----------
    S : ndarray of shape (d, d)
        Covariance matrix, float64, with a positive diagonal.
    equal : bool
        Whether the noise of all nodes has one scale.
    level : float, default=0.05
        lambda, in the unit of S.
    threshold : float, default=0.3
        Weights below are cut at the end.
    steps : int, default=130_000
        Of Adam, over all stages.
    allowed : ndarray of bool of shape (d, d) or None, default=None
        Whether i may be a parent of j.
    most : int, default=None
        Largest number of parents, after rounding.
    unit : float, default=1.0
        Root of the unit of S, by which the reported objective is multiplied.
    """

    name = "CoLiDE"

    def __init__(
        self,
        S,
        equal,
        *,
        level=LEVEL,
        threshold=THRESHOLD,
        steps=130_000,
        allowed=None,
        most=None,
        unit=1.0,
    ):
        self.S, self.equal, self.level = S, equal, float(level)
        self.threshold, self.unit = float(threshold), float(unit)
        self.limits = [max(1, round(share * steps)) for share in SHARES]
        self.d = len(S)
        self.eye = np.eye(self.d)
        self.free = self.eye == 0.0
        if allowed is not None:
            self.free &= allowed
        self.most = self.d if most is None else most
        floor = np.diag(S).mean() if equal else np.diag(S)
        self.floor = FLOOR * np.sqrt(floor)

    def start(self, W=None):
        """Return the first state of the path, from a graph or from no edges.

        Parameters
        ----------
        W : ndarray of shape (d, d), default=None
            Weights of a graph without a cycle.

        Returns
        -------
        state : PathState
        """
        zero = np.zeros((self.d, self.d))
        W = zero if W is None else np.where(self.free, W, 0.0)
        return PathState(W, W, zero, zero)

    def step(self, state):
        """Return the state after a step of Adam; the same once the path has ended."""
        if state.stage == len(PATH):
            return state
        if state.spent >= self.limits[state.stage]:
            return self.next_stage(state)
        state = replace(state, spent=state.spent + 1)
        inverse = np.linalg.inv(state.s * self.eye - state.W * state.W)
        if inverse.min() < ROUNDING:
            if state.k == 0:
                return replace(state, s=state.s + 0.1)
            return replace(state, W=state.inside, rate=0.5 * state.rate)
        mu, k = PATH[state.stage][1], state.k + 1
        slope = mu * (self.slope(state.W) + self.level * np.sign(state.W))
        slope += 2.0 * state.W * inverse.T
        slope *= self.free
        first = FIRST * state.first + (1.0 - FIRST) * slope
        second = SECOND * state.second + (1.0 - SECOND) * slope * slope
        root = np.sqrt(second / (1.0 - SECOND**k)) + LEAST
        W = state.W - state.rate / (1.0 - FIRST**k) * first / root
        state = replace(state, W=W, inside=state.W, first=first, second=second, k=k)
        return self.at_window(state) if k % WINDOW == 0 else state

    def at_window(self, state):
        """Return the state, at the next stage if the objective stands still."""
        mu = PATH[state.stage][1]
        value = mu * self.value(state.W) + self.cycles(state.W, state.s)
        if abs(state.last - value) <= CHANGE * abs(value):
            return self.next_stage(state)
        return replace(state, last=value)

    def next_stage(self, state):
        """Return the first state of the next stage, or of the end."""
        stage, zero = state.stage + 1, np.zeros_like(state.W)
        W = state.W if self.inside(state.W, state.s) else state.inside
        s = PATH[stage][0] if stage < len(PATH) else state.s
        return PathState(W, W, zero, zero, stage, s)

    def sigma(self, W):
        """Return the scales of least cost, of shape (d,), or one with equal noise."""
        left = self.eye - W
        q = np.einsum("ij,ij->j", left, self.S @ left)
        q = np.maximum(q.mean() if self.equal else q, 0.0)
        return np.maximum(np.sqrt(q), self.floor)

    def value(self, W):
        """Return F with the scales of least cost."""
        left = self.eye - W
        q = np.einsum("ij,ij->j", left, self.S @ left)
        sigma = np.broadcast_to(self.sigma(W), q.shape)
        fit = 0.5 * float((q / sigma + sigma).sum())
        return fit + self.level * float(np.abs(W).sum())

    def slope(self, W):
        """Return the slope of F without that of the l1 norm, of shape (d, d)."""
        return self.S @ (W - self.eye) / self.sigma(W)

    def cycles(self, W, s):
        """Return h_s, infinity beyond the M-matrices."""
        if not self.inside(W, s):
            return math.inf
        log_det = np.linalg.slogdet(s * self.eye - W * W)[1]
        return max(0.0, self.d * math.log(s) - float(log_det))

    def inside(self, W, s):
        """Return whether sI - W∘W is an M-matrix."""
        return bool(np.linalg.inv(s * self.eye - W * W).min() >= ROUNDING)

    def stationarity(self, W, s, mu):
        """Return the largest step that one weight alone would make; 0 at a minimum.

        A proximal step on F + h_s / mu, of the length of the curvature in that weight.

        Parameters
        ----------
        W : ndarray of shape (d, d)
            Weights.
        s, mu : float
            Of the path.

        Returns
        -------
        move : float
            In units of W.
        """
        inverse = np.maximum(np.linalg.inv(s * self.eye - W * W).T, 0.0)
        bend = self.S.diagonal()[:, None] / self.sigma(W) + 2.0 / mu * inverse
        V = W - (self.slope(W) + 2.0 / mu * W * inverse) / bend
        V = np.sign(V) * np.maximum(np.abs(V) - self.level / bend, 0.0)
        return float(np.abs(np.where(self.free, W - V, 0.0)).max())

    def certificate(self, state):
        """Return F, and how far the path is from stationary and from no cycles."""
        ended = state.stage == len(PATH)
        worst = math.inf
        if ended:
            mu = PATH[-1][1]
            worst = self.stationarity(state.W, state.s, mu)
            worst = max(worst, self.cycles(state.W, state.s))
        value = self.unit * self.value(state.W)
        edges = int(np.count_nonzero(np.abs(state.W) > self.threshold))
        return Measure(value, worst, extra={"edges": edges}, stalled=ended)

    def finalize(self, state):
        """Return the last state that was an M-matrix."""
        return state

    def graph(self, state):
        """Return the weights of a graph without a cycle, after rounding."""
        W = np.where(np.abs(state.W) > self.threshold, state.W, 0.0)
        if self.most < self.d:
            rank = np.argsort(np.argsort(-np.abs(W), axis=0, kind="stable"), axis=0)
            W = np.where(rank < self.most, W, 0.0)
        return without_cycles(W)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return dict(vars(state))

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        whole = {name: int(packed[name]) for name in ("stage", "k", "spent")}
        real = {name: float(packed[name]) for name in ("s", "rate", "last")}
        names = ("W", "inside", "first", "second")
        return PathState(*(np.array(packed[name]) for name in names), **whole, **real)
