r"""Cyclic block descent with recursive variance reduction (VRO-CCD), in finite sums.

Problem and symbols: those of :mod:`skopt2.solvers.cyclic_descent`, f = sum_i s_i f_i
over n rows; B a sample of b' rows, drawn with the probabilities s_i; w_(k,j) the latest
values of all blocks when block j is reached in cycle k.

    g_(k,j) = grad_j f(w_(k,j))                                    with probability p,
              g_(k-1,j) + mean of grad_j f_i(w_(k,j)) - grad_j f_i(w_(k-1,j)) over B
    w_j <- prox of r_j at w_j - (g_(k,j) + h'(w_j)) / (eta * Lam_j)

with the batch sizes of the paper, b = n (its finite-sum case) and b' = sqrt(b), and p =
b' / (b + b'): a large batch then costs as much as all the small ones between two of
them. The difference is exact if B is all rows, and unbiased given the past always.

Ours: one coin and one sample serve all blocks of a cycle, so that rows are gathered
once. Before a large batch the objective is known: if it has risen, the cycles since the
last one are dropped and eta, at first 2, is doubled; if not, eta is cut by a fifth, but
not below 1. In a cycle of exact gradients eta is 1, which cannot raise the objective.
So the objective falls from one large batch to the next, and every limit point is
stationary whatever the small batches do: the paper's bound of eta, which needs the mean
square smoothness of the rows, is not needed.

Source: X. Cai, C. Song, S. J. Wright and J. Diakonikolas, ICML 2023, arXiv:2212.05088,
algorithm 2 (VRO-CCD); Z. Li, H. Bao, X. Zhang and P. Richtarik, PAGE, ICML 2021, for
the estimator.
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2.solvers.composite import Point
from skopt2.solvers.cyclic_descent import CyclicDescent, proximal_move
from skopt2.solvers.row_sampler import RowSampler

# Large batches between two certificates, and the first eta.
ROUNDS, CAUTION = 5, 2.0
# What eta is multiplied with after small batches that went well.
EASE = 0.8


@dataclass(frozen=True)
class Recursion:
    """Where the iteration stands.

    Parameters
    ----------
    w, b : array
        Coefficients and intercept.
    w_old, b_old : array
        The same one cycle ago.
    g, slope : array
        Estimates of the gradient, each block's where the last cycle reached it.
    """

    w: Any
    b: Any
    w_old: Any
    b_old: Any
    g: Any
    slope: Any


class VarianceReducedDescent(CyclicDescent):
    """VRO-CCD.

    Parameters
    ----------
    problem : LinearProblem
        A loss of bounded curvature; a convex separable penalty, MCP or SCAD.
    tol : float
        Tolerance of the certificate.
    random_state : None, int, RandomState or Generator, default=None
        Draws rows and coins.

    Raises
    ------
    ValueError
        If the method has no splitting of the penalty, or the loss no bounded curvature.
    """

    name = "vro-ccd"
    stochastic = True

    def __init__(self, problem, tol, random_state=None):
        super().__init__(problem, tol)
        self.sampler = RowSampler(problem, random_state)
        n = problem.design.n
        self.batch = max(1, round(math.sqrt(n)))
        self.chance = self.batch / (n + self.batch)
        self.caution = CAUTION

    def _chosen_width(self):
        """Return the columns of a block: those of a small sample are never long."""
        return self.width

    def _minimise(self, model, point, lam, goal, final):
        """Run the cycles; see FirstOrder."""
        blocks = self._partition(model)
        best, value = point, model.objective(point, lam)
        slack = self.slack(model, value)
        for _ in range(ROUNDS):
            run, end, length = self.refresh(blocks, best, lam)
            reached = model.objective(end, lam)
            if reached <= value + slack:
                best, value = end, reached
            elif blocks.exact:
                break
            else:
                blocks.widen()
                continue
            if self.met(length, goal):
                break
            small = self.sampler.failures(self.chance)
            for _ in range(small):
                rows = self.sampler.rows(self.batch)
                run = self.advance_on(blocks, run, lam, rows)
            if small:
                end = model.at(run.w, run.b)
                self.read(model, 1)
                reached = model.objective(end, lam)
                if reached <= value:
                    best, value = end, reached
                    self.caution = max(1.0, EASE * self.caution)
                else:
                    self.caution *= 2.0
        best = model.at(best.w, best.b)
        self.read(model, 1)
        return best

    def refresh(self, blocks, point, lam):
        """Take a cycle of exact gradients.

        Parameters
        ----------
        blocks : ColumnBlocks
            Columns and metric.
        point : Point
            Before the cycle.
        lam : array of shape (m,) or (m, 1)
            Levels.

        Returns
        -------
        run : Recursion
            After it.
        end : Point
            The same with its predictor.
        length : float
            Largest entry of the gradient mapping that the cycle met.
        """
        xp, model, problem = blocks.xp, blocks.model, self.problem
        w, eta, length = point.w, point.eta, 0.0
        gradients, moves = [], []
        for block in blocks.blocks:
            part, metric = block.part, blocks.metric[block.part]
            g = block.adjoint(xp, problem.weighted_gradient(eta))
            d = proximal_move(block, w[part], g, metric, lam[part])
            eta = eta + block.times(d)
            gradients.append(g)
            moves.append(d)
        self.read(model, 2)
        g, end, b, slope = 0.0 * w, w, point.b, 0.0 * point.b
        if moves:
            g, d = xp.concat(gradients), xp.concat(moves)
            end, length = w + d, float(xp.max(xp.abs(d) * blocks.metric))
        if model.explicit:
            slope = xp.sum(problem.weighted_gradient(eta), axis=0)
            b, eta = b - slope / blocks.free, eta - slope / blocks.free
            length = max(length, float(xp.max(xp.abs(slope))))
        return Recursion(end, b, w, point.b, g, slope), Point(end, b, eta), length

    def advance_on(self, blocks, run, lam, rows):
        """Return the run after a cycle with gradients from a sample.

        Parameters
        ----------
        blocks : ColumnBlocks
            Columns and metric.
        run : Recursion
            Before the cycle.
        lam : array of shape (m,) or (m, 1)
            Levels.
        rows : ndarray of int of shape (k,)
            The sample, on the host.
        """
        xp, model, loss = blocks.xp, blocks.model, self.problem.loss
        parts, y = blocks.sample(rows)
        share = 1.0 / len(rows)
        change = run.w - run.w_old
        steps = [block.times(change[block.part]) for block in parts]
        old = 0.0 * y
        for block in parts:
            old = old + block.times(run.w_old[block.part])
        new = old + sum(steps) if steps else old
        if model.explicit:
            old, new = old + run.b_old, new + run.b
        gradients, moves = [], []
        for block, step in zip(parts, steps, strict=True):
            part = block.part
            v = share * (loss.gradient(y, new) - loss.gradient(y, old))
            g = run.g[part] + block.adjoint(xp, v)
            metric = self.caution * blocks.metric[part]
            d = proximal_move(block, run.w[part], g, metric, lam[part])
            new, old = new + block.times(d), old + step
            gradients.append(g)
            moves.append(d)
        self.read(model, 4, len(rows) / self.problem.design.n)
        g, w, b, slope = run.g, run.w, run.b, run.slope
        if moves:
            g, w = xp.concat(gradients), w + xp.concat(moves)
        if model.explicit:
            v = share * (loss.gradient(y, new) - loss.gradient(y, old))
            slope = slope + xp.sum(v, axis=0)
            b = b - slope / (self.caution * blocks.free)
        return Recursion(w, b, run.w, run.b, g, slope)

    def pack(self, state):
        """Return the state as plain arrays, the generator's among them."""
        return {
            **super().pack(state),
            "caution": self.caution,
            "draws": self.sampler.pack(),
        }

    def unpack(self, packed):
        """Return the state of a checkpoint; the draws go on where they stood."""
        self.caution = float(packed["caution"])
        self.sampler.unpack(packed["draws"])
        return super().unpack(packed)
