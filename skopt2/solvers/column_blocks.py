"""Blocks of columns, the metric that makes their gradients Lipschitz, row samples.

Problem: min_(w, b) f(w, b) + sum_j pen(w_j; lam_j), see
:mod:`skopt2.solvers.composite`; the m columns in order are cut into blocks.
Symbols: A_j (n, d) the centred columns of block j; D their weighted squared norms; c a
bound of the curvature of the loss; theta_j the largest eigenvalue of the block's Gram
matrix in coordinates where D = 1; Lam the metric, c * theta_j * D on block j and c for
the intercept, a block of its own.

In this metric every block of the gradient has the Lipschitz constant 1: f lies below
its quadratic model with the curvature Lam along every single block. It is a diagonal
Mahalanobis metric, so that proxes of separable penalties stay what they are, and the
scale of the columns does not matter.

A block is as wide as makes its products worth a call: the numbers per block, not the
blocks per cycle, decide the speed of Python on a CPU and on a GPU alike.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import take

# Columns of a dense block; a sparse one has at least so many stored entries per row.
WIDTH, FILL = 64, 2.0
# Wider blocks have their largest eigenvalue estimated, from below, with this margin.
EXACT, POWER_ITERATIONS, MARGIN = 256, 12, 1.1


@dataclass(frozen=True)
class ColumnBlock:
    """Neighbouring columns of a model.

    Parameters
    ----------
    part : slice
        Which ones.
    A : array or sparse matrix of shape (n, d)
        The columns, centred only if ``means`` is None.
    At : array or sparse matrix of shape (d, n)
        Their transpose.
    means : array of shape (d,) or None
        What products subtract.
    penalty : Penalty
        That of these features, beside A.
    """

    part: slice
    A: Any
    At: Any
    means: Any
    penalty: Any

    def times(self, d):
        """Return A_j d for d (d,) or (d, K)."""
        out = self.A @ d
        return out if self.means is None else out - self.means @ d

    def adjoint(self, xp, v):
        """Return A_j'v for v (n,) or (n, K)."""
        out = self.At @ v
        if self.means is None:
            return out
        total = xp.sum(v, axis=0)
        if out.ndim == 1:
            return out - self.means * total
        return out - self.means[:, None] * total


class ColumnBlocks:
    """The blocks of a composite model.

    Parameters
    ----------
    model : CompositeModel
        Columns of a working set.
    c : float
        Bound of the curvature of the loss.
    width : int, default=None
        Columns of a block; None chooses by density.

    Attributes
    ----------
    blocks : list of ColumnBlock
        In the order of the columns.
    metric : array of shape (m,) or (m, 1)
        Lam without the intercept.
    free : float
        Lam of the intercept.
    exact : bool
        True if no eigenvalue in the metric is estimated.
    """

    def __init__(self, model, c, width=None):
        self.model, self.xp, self.c = model, model.xp, c
        width = self._width() if width is None else width
        index = np.arange(model.m)
        self.blocks = []
        for first in range(0, model.m, width):
            part = slice(first, min(first + width, model.m))
            A = model.X if width >= model.m else model.X[:, part]
            where = model.problem.design.index(index[part])
            means = None if model.means is None else model.means[part]
            penalty = model.penalty.restrict(where)
            self.blocks.append(ColumnBlock(part, A, A.T, means, penalty))
        widest = max((b.A.shape[1] for b in self.blocks), default=0)
        self.exact = widest <= EXACT and not model.problem.design.sparse
        self.metric, self.free = self._metric(), c
        self._rows = None

    def _width(self):
        """Return how many columns make a block."""
        m, design = self.model.m, self.model.problem.design
        if not design.sparse or m == 0:
            return WIDTH
        density = max(self.model.X.nnz / (design.n * m), 1e-12)
        return max(WIDTH, int(np.ceil(FILL / density)))

    def _metric(self):
        """Return Lam of the coefficients."""
        xp, model = self.xp, self.model
        parts = []
        for block in self.blocks:
            scale = model.metric[block.part]
            parts.append(self.c * self._theta(block, scale) * scale)
        return xp.concat(parts) if parts else model.metric

    def _theta(self, block, scale):
        """Return the largest eigenvalue of a block in its own scale, at least 1."""
        xp, s = self.xp, self.model.problem.s
        root = (scale if scale.ndim == 1 else scale[:, 0]) ** 0.5
        one = xp.ones_like(root[0])
        if root.shape[0] == 1:
            return one
        if self.exact:
            G = block.At @ (block.A * s[:, None])
            if block.means is not None:
                G = G - block.means[:, None] * block.means[None, :]
            G = G / (root[:, None] * root[None, :])
            # The margin is that of rounding.
            return xp.maximum(1.0001 * xp.max(xp.linalg.eigvalsh(G)), one)
        v, size = xp.ones_like(root), one
        for _ in range(POWER_ITERATIONS):
            v = v / xp.maximum(xp.linalg.vector_norm(v), 1e-30)
            v = block.adjoint(xp, s * block.times(v / root)) / root
            size = xp.linalg.vector_norm(v)
        return MARGIN * xp.maximum(size, one)

    def widen(self):
        """Double the metric: an estimate was too small."""
        self.metric = 2.0 * self.metric

    def smoothness(self):
        """Return the Lipschitz constant of the whole gradient in the metric, a float.

        Found by the power method, with a margin; at most the number of blocks.
        """
        xp, model = self.xp, self.model
        root = self.metric**0.5
        root = root if root.ndim == 1 else root[:, 0]
        v, size = xp.ones_like(root), 0.0
        for _ in range(POWER_ITERATIONS):
            v = v / xp.maximum(xp.linalg.vector_norm(v), 1e-30)
            product = model._times(v / root)
            v = self.c * model._adjoint(model.problem.s * product) / root
            size = xp.linalg.vector_norm(v)
        return MARGIN * max(1.0, float(size))

    def row_smoothness(self):
        """Return the Lipschitz constant of the steepest single row, a float; waits.

        That is c * max_i |x_i|^2 in the dual metric, the intercept included.
        """
        xp, model = self.xp, self.model
        sparse, total = model.problem.design.sparse, 0.0 * model.problem.s
        for block in self.blocks:
            weight = 1.0 / self.metric[block.part]
            weight = weight if weight.ndim == 1 else weight[:, 0]
            square = block.A.power(2) if sparse else block.A * block.A
            total = total + square @ weight
            if block.means is not None:
                mean = block.means * weight
                total = total - 2.0 * (block.A @ mean) + xp.sum(block.means * mean)
        return self.c * float(xp.max(total)) + float(model.explicit)

    def square(self, d, e):
        """Return the squared length of a move (d, e) in the metric, on the device."""
        xp = self.xp
        return xp.sum(d * d * self.metric) + self.free * xp.sum(e * e)

    def dual_square(self, d, e):
        """Return the squared dual length of a gradient (d, e), on the device."""
        xp = self.xp
        return xp.sum(d * d / self.metric) + xp.sum(e * e) / self.free

    def convexity(self, lam):
        """Return the strong convexity of the penalty in the metric, a float; waits.

        0 unless every coordinate, the intercept among them, has a share of it.
        """
        xp, model = self.xp, self.model
        if model.explicit or model.m == 0:
            return 0.0
        bent = model.penalty.curvature(xp.ones_like(self.metric), lam) / self.metric
        least = float(xp.min(bent))
        return least if 0.0 < least < float("inf") else 0.0

    def index(self, rows):
        """Return numbers of rows on the host as an index of arrays beside X."""
        design = self.model.problem.design
        return rows if design.on_host else design.index(rows)

    def sample(self, rows):
        """Return the blocks of some rows.

        Parameters
        ----------
        rows : ndarray of int of shape (k,)
            On the host; a row may come more than once.

        Returns
        -------
        blocks : list of ColumnBlock
            Means and penalties are those of all rows.
        target : array of shape (k,) or (k, K)
            Their y.
        """
        model = self.model
        design = model.problem.design
        if self._rows is None:
            # Rows are what a sample reads: they have to lie side by side.
            self._rows = model.X.tocsr() if design.sparse else by_rows(model.X)
        where = self.index(rows)
        X = take(self._rows, where)
        X = X.tocsc() if design.sparse and len(self.blocks) > 1 else X
        blocks = []
        for block in self.blocks:
            A = X if len(self.blocks) == 1 else X[:, block.part]
            blocks.append(ColumnBlock(block.part, A, A.T, block.means, block.penalty))
        return blocks, take(model.problem.y, where)


def by_rows(X):
    """Return a dense matrix with its rows side by side in memory, where NumPy says."""
    return np.ascontiguousarray(X) if isinstance(X, np.ndarray) else X
