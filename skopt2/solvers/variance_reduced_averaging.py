r"""Variance-reduced cyclic dual averaging with extrapolation (VR-A-CODER), finite sums.

Problem and symbols: those of :mod:`skopt2.solvers.cyclic_dual_averaging`, f = sum_i s_i
f_i over n rows; s the epoch, with the anchor ytil and its gradient G; k = 1 .. K the
cycles in it, B the sample of b rows of one; u (m,) the averaged gradients.

Epoch s of the paper (algorithm 2), over the blocks from the last to the first:

    x_k = (A_{s-1} ytil + a_s v_{k-1}) / A_s
    r^j = mean over B of grad_j f_i(x_k^1 .. x_k^j, y_k^{j+1} ..) - grad_j f_i(ytil)
    q^j = G^j + r^j + ratio * mean over B of
          (grad_j f_i(x_{k-1}) - grad_j f_i(x_{k-1}^1 .. x_{k-1}^j, y_{k-1}^{j+1} ..))
    u^j = u^j_{k-1} + a_s / K * q^j
    v^j = prox of (A_{s-1} + k / K * a_s) g_j at x_0^j - u^j / Lam_j, steps 1 / Lam_j
    y_k^j = (A_{s-1} ytil^j + a_s v^j) / A_s
    ytil_s = mean of y_1 .. y_K

with ratio = a_{s-1} / a_s in the first cycle of an epoch and 1 in the others; A_1 = 1 /
(4 L) and a_s^2 = K A_{s-1} (1 + A_{s-1} mu) / (8 L), constants of the paper. Its rows
come one by one. For samples of b rows we take

    L = L_f + L_1 / b,    b = max(L_1 / L_f, n / 50),    K = n / b,

L_f the smoothness of f and L_1 that of its steepest row in the metric: the expected
smoothness of a sample with replacement is at most that. Beyond L_1 / L_f larger samples
do not allow longer steps, but more than 50 cycles in an epoch cost more calls than they
are worth. One sample serves all blocks of a cycle.

Ours: L is only where the search starts, at an eighth of it, for the constant 8 is far
from needed (measured: 4 to 13 times the passes). The objective at every anchor is
known, for its gradient is. Where it has fallen, L is cut by a fifth. Where it has not,
the averages start again at the best anchor with four times the L. They also start again
when the gradient mapping has shrunk to a fifth, as those of A-CODER do.

Source: C. Y. Lin, C. Song and J. Diakonikolas, ICML 2023, arXiv:2303.16279; R. Gower et
al., SGD: general analysis and improved rates, ICML 2019, for expected smoothness.
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import take
from skopt2.solvers.block_method import BlockMethod, longest
from skopt2.solvers.column_blocks import POWER_ITERATIONS
from skopt2.solvers.composite import Point
from skopt2.solvers.cyclic_dual_averaging import NEARER, refuse_nonconvex
from skopt2.solvers.row_sampler import RowSampler

# Epochs between two certificates; cycles of an epoch at most; fewest rows of a sample.
EPOCHS, MOST, FEWEST = 8, 50, 16
# The first L as a share of its bound; factors after a rise and after a fall.
BOLD, HARDER, EASE = 0.125, 4.0, 0.8


@dataclass(frozen=True)
class Epoch:
    """Where the iteration stands.

    Parameters
    ----------
    w0, b0 : array
        The start x_0.
    y : Point
        The anchor and what it predicts.
    v, c : array
        The minimiser of the model.
    u, t : array
        Averaged gradients.
    x, d : array
        The last middle x_{k-1}.
    move, e : array
        y_{k-1} - x_{k-1}.
    a, A : float
        The last weight and their sum.
    number : int
        Epochs since the start.
    first : float
        Length of the gradient mapping at the start.
    """

    w0: Any
    b0: Any
    y: Point
    v: Any
    c: Any
    u: Any
    t: Any
    x: Any
    d: Any
    move: Any
    e: Any
    a: float = 0.0
    A: float = 0.0
    number: int = 0
    first: float = 0.0


@dataclass(frozen=True)
class Anchor:
    """What is seen at an anchor.

    Parameters
    ----------
    G, slope : array
        Gradient in w and b.
    length : float
        Largest entry of the gradient mapping.
    """

    G: Any
    slope: Any
    length: float


class VarianceReducedAveraging(BlockMethod):
    """VR-A-CODER with samples of rows.

    Parameters
    ----------
    problem : LinearProblem
        A convex loss of bounded curvature, a convex separable penalty.
    tol : float
        Tolerance of the certificate.
    random_state : None, int, RandomState or Generator, default=None
        Draws rows.

    Raises
    ------
    ValueError
        If the penalty is not convex or the loss has no bounded curvature.
    """

    name = "vr-a-coder"
    stochastic = True

    def __init__(self, problem, tol, random_state=None):
        super().__init__(problem, tol)
        self.sampler = RowSampler(problem, random_state)
        self._sized = None

    def _refuse(self, penalty):
        refuse_nonconvex(self.name, penalty)

    def _minimise(self, model, point, lam, goal, final):
        """Run the epochs; see FirstOrder."""
        blocks = self._partition(model)
        self.size(blocks)
        mu = blocks.convexity(lam)
        run = self._kept(point, final)
        run = self.start(point) if run is None else run
        best, value = point, model.objective(point, lam)
        slack, here = self.slack(model, value), None
        for _ in range(EPOCHS):
            there, reached = self.look(blocks, run.y, lam), model.objective(run.y, lam)
            # Where objectives differ by rounding, the gradient mapping decides.
            closer = here is None or there.length <= here.length
            if reached <= value or (reached <= value + slack and closer):
                self.L *= EASE if run.number else 1.0
                best, value, here = run.y, min(value, reached), there
                if self.met(here.length, goal):
                    break
                if here.length <= NEARER * run.first:
                    run = self.start(best)
            else:
                self.L *= HARDER
                here = self.look(blocks, best, lam) if here is None else here
                run = self.start(best)
            run = self.advance(blocks, run, here, lam, mu)
        self._keep(run, best, final)
        return best

    def size(self, blocks):
        """Choose the sample and the smoothness of a model, once for each."""
        if self._sized is blocks:
            return
        n, whole = self.problem.design.n, blocks.smoothness()
        row = blocks.row_smoothness()
        self.read(blocks.model, 2 * POWER_ITERATIONS + 1)
        self.batch = min(n, max(FEWEST, math.ceil(row / whole), n // MOST))
        self.cycles = max(1, round(n / self.batch))
        self.L, self._sized = BOLD * (whole + row / self.batch), blocks

    def start(self, point):
        """Return the run that starts in a point."""
        w, b = point.w, point.b
        zero, none = 0.0 * w, 0.0 * b
        return Epoch(w, b, point, w, b, zero, none, w, b, zero, none)

    def look(self, blocks, y, lam):
        """Return the gradient at a point, and how far from stationary it is; waits.

        Parameters
        ----------
        blocks : ColumnBlocks
            Columns and metric.
        y : Point
            An anchor.
        lam : array of shape (m,) or (m, 1)
            Levels.
        """
        model = blocks.model
        G, slope = model.gradient(y.eta)
        slope = slope + 0.0 * y.b
        w = model.penalty.prox(y.w - G / blocks.metric, 1.0 / blocks.metric, lam)
        b = y.b - slope / blocks.free
        self.read(model, 2)
        return Anchor(G, slope, longest(blocks, (y.w, y.b), (w, b)))

    def advance(self, blocks, run, here, lam, mu):
        """Return the run after an epoch.

        Parameters
        ----------
        blocks : ColumnBlocks
            Columns and metric.
        run : Epoch
            Before it.
        here : Anchor
            What was seen there.
        lam : array of shape (m,) or (m, 1)
            Levels.
        mu : float
            Strong convexity of the penalty in the metric.
        """
        model, y = blocks.model, run.y
        if run.number == 0:
            return self._first(blocks, run, here, lam)
        a = (self.cycles * run.A * (1.0 + run.A * mu) / (8.0 * self.L)) ** 0.5
        end, total, free = run, 0.0 * run.v, 0.0 * run.c
        for k in range(1, self.cycles + 1):
            rows = self.sampler.rows(self.batch)
            level = run.A + a * k / self.cycles
            ratio = run.a / a if k == 1 else 1.0
            weights = (a, run.A + a, level, ratio)
            end = self._cycle(blocks, end, here, lam, rows, weights)
            total, free = total + end.v, free + end.c
        t = a / (run.A + a)
        w = y.w + t * (total / self.cycles - y.w)
        b = y.b + t * (free / self.cycles - y.b)
        ends = (end.v, end.c, end.u, end.t, end.x, end.d, end.move, end.e)
        scalars = (a, run.A + a, run.number + 1, run.first)
        return Epoch(run.w0, run.b0, model.at(w, b), *ends, *scalars)

    def _first(self, blocks, run, here, lam):
        """Return the run after its first epoch, one step along the exact gradient."""
        a, metric = 0.25 / self.L, blocks.metric
        u, t = a * here.G, a * here.slope
        v = blocks.model.penalty.prox(run.w0 - u / metric, a / metric, lam)
        c = run.b0 - t / blocks.free if blocks.model.explicit else run.b0
        start = (run.w0, run.b0, blocks.model.at(v, c), v, c, u, t)
        rest = (run.x, run.d, run.move, run.e, a, a, 1, here.length)
        return Epoch(*start, *rest)

    def _cycle(self, blocks, run, here, lam, rows, weights):
        """Return the run after one cycle over the blocks, its anchor as it was."""
        xp, model, loss = blocks.xp, blocks.model, self.problem.loss
        a, A, level, ratio = weights
        t, share = a / A, 1.0 / len(rows)
        parts, y = blocks.sample(rows)
        where = blocks.index(rows)
        still = take(run.y.eta, where)
        x, d = run.y.w + t * (run.v - run.y.w), run.y.b + t * (run.c - run.y.b)
        ahead, before = 0.0 * still, 0.0 * still
        for block in parts:
            ahead = ahead + block.times(run.v[block.part])
            before = before + block.times(run.x[block.part])
        if model.explicit:
            ahead, before = ahead + run.c, before + run.d
        late = still + t * (ahead - still)
        base = ratio * loss.gradient(y, before) - loss.gradient(y, still)
        c, total = run.c, run.t
        if model.explicit:
            q = loss.gradient(y, late) + base - ratio * loss.gradient(y, before)
            total = total + (a / self.cycles) * (here.slope + share * xp.sum(q, axis=0))
            c = run.b0 - total / blocks.free
            late, before = late + t * (c - run.c), before + run.e
        sums, ends = [], []
        for block in reversed(parts):
            part, metric = block.part, blocks.metric[block.part]
            q = loss.gradient(y, late) + base - ratio * loss.gradient(y, before)
            g = here.G[part] + block.adjoint(xp, share * q)
            u = run.u[part] + (a / self.cycles) * g
            v = block.penalty.prox(run.w0[part] - u / metric, level / metric, lam[part])
            late = late + block.times(t * (v - run.v[part]))
            before = before + block.times(run.move[part])
            sums.insert(0, u)
            ends.insert(0, v)
        self.read(model, 5, len(rows) / self.problem.design.n)
        u = xp.concat(sums) if sums else run.u
        v = xp.concat(ends) if ends else run.v
        move, e = t * (v - run.v), t * (c - run.c)
        scalars = (run.a, run.A, run.number, run.first)
        return Epoch(run.w0, run.b0, run.y, v, c, u, total, x, d, move, e, *scalars)

    def pack(self, state):
        """Return the state as plain arrays, the generator's among them."""
        return {**super().pack(state), "draws": self.sampler.pack()}

    def unpack(self, packed):
        """Return the state of a checkpoint; the draws go on where they stood."""
        self.sampler.unpack(packed["draws"])
        return super().unpack(packed)
