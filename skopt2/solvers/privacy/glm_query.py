"""Clipped gradients of generalised linear models, without a gradient of any row.

Problem: sum_i l(y_i, eta_i), eta_i = x~_i'w + c b, over W = (w; b) of shape (d + 1,)
or (d + 1, K) for K scores. Symbols: r_i = dl/deta_i, a number or a vector (K,); c the
value of the column of the intercept; a_i = norm((x~_i, c)). The gradient of a row is
the outer product (x~_i, c) r_i', whose norm is a_i norm(r_i) exactly: one matrix
product for eta, one for the sum, and nothing of the size n x p.

Clipping, C the clipping norm:

- "flat": f_i = min(1, C / norm(g_i));
- "automatic": f_i = C / (norm(g_i) + gamma), gamma = 0.01: every row counts alike.

C is less by the share of :mod:`skopt2.solvers.privacy.rounding`, for computed sums.

Source: M. Abadi and others, Deep learning with differential privacy, CCS 2016 (flat);
Z. Bu and others, Automatic clipping, NeurIPS 2023; norms of outer products after I.
Goodfellow, Efficient per-example gradient computations, arXiv 1510.01799.
"""

from skopt2._core.array import asarray_like, namespace
from skopt2.solvers.privacy.query import ClippedSum
from skopt2.solvers.privacy.rounding import grouped_product, rounding_share

CLIPPINGS = ("flat", "automatic")
STABILITY = 0.01


class GLMQuery(ClippedSum):
    """Sum of the clipped gradients of a generalised linear model.

    Parameters
    ----------
    rows : Rows
        With the targets that the loss takes.
    loss : Loss
        Its gradient must be row by row.
    clipping_norm : float
        Bound C of the norm of a row's gradient, intercept included.
    n_outputs : int or None, default=None
        Scores K of a row; None for one, as a vector.
    clipping : {"flat", "automatic"}, default="flat"
        How a gradient is brought within the bound.
    """

    def __init__(self, rows, loss, clipping_norm, *, n_outputs=None, clipping="flat"):
        self.rows = rows
        self.loss = loss
        self.clipping_norm = float(clipping_norm)
        self.clipping = clipping
        self.n_rows = rows.n_rows
        height = rows.n_features + bool(rows.fit_intercept)
        self.shape = (height,) if n_outputs is None else (height, n_outputs)

    def clipped_sum(self, W, rows=None):
        """Return the sum of the clipped gradients; see :class:`ClippedSum`."""
        total = namespace(W).zeros_like(W)
        blocks = self.rows.blocks() if rows is None else (self.rows.take(rows),)
        for block in blocks:
            if block.X.shape[0]:
                total = total + self.block_sum(W, block)
        return total

    def block_sum(self, W, block):
        """Return the sum over one block.

        Parameters
        ----------
        W : array of ``shape``
            Parameters, float64.
        block : RowBlock
            Prepared rows.

        Returns
        -------
        total : array of ``shape``
            float64.
        """
        return weighted_sum(self, block, self.residuals(W, block), W)

    def residuals(self, W, block):
        """Return the clipped derivatives f_i r_i of a block.

        Parameters
        ----------
        W : array of ``shape``
            Parameters.
        block : RowBlock
            Prepared rows.

        Returns
        -------
        residuals : array of shape (b,) or (b, K)
            Times a_i, each has a norm of at most C.
        """
        return self.clip(self.slopes(W, block), block)

    def slopes(self, W, block):
        """Return the derivatives r_i of a block; see :meth:`residuals`."""
        xp = namespace(block.y)
        several = W.ndim == 2
        weights = asarray_like(W, block.y)
        d = self.rows.n_features
        scale = block.scale[:, None] if several else block.scale
        eta = scale * (block.X @ weights[:d, ...])
        if self.rows.fit_intercept:
            eta = eta + self.rows.bias * weights[d, ...]
        residuals = self.loss.gradient(block.y, eta)
        return xp.where(xp.isfinite(residuals), residuals, xp.zeros_like(residuals))

    def clip(self, residuals, block):
        """Return derivatives times the factors that bound the gradients of rows."""
        xp = namespace(residuals)
        several = residuals.ndim == 2
        if several:
            size = xp.sqrt(xp.sum(residuals * residuals, axis=1))
        else:
            size = xp.abs(residuals)
        norms = xp.astype(size, block.norm.dtype) * block.norm
        ceiling = self.clipping_norm * (1 - rounding_share(block.X, self.n_rows))
        if self.clipping == "automatic":
            factor = ceiling / (norms + STABILITY)
        else:
            factor = xp.minimum(
                ceiling / xp.maximum(norms, xp.full_like(norms, 1e-30)),
                xp.ones_like(norms),
            )
        factor = xp.astype(factor, residuals.dtype) * block.keep
        return residuals * (factor[:, None] if several else factor)


def weighted_sum(query, block, residuals, like):
    """Return sum_i (x~_i, c) r_i' over a block, in float64.

    Parameters
    ----------
    query : GLMQuery
        For the shape.
    block : RowBlock
        Prepared rows.
    residuals : array of shape (b,) or (b, K)
        Derivatives.
    like : array
        Its dtype is that of the sum.

    Returns
    -------
    total : array of the shape of the query
        On the same device.
    """
    xp = namespace(residuals)
    several = residuals.ndim == 2
    scaled = residuals * (block.scale[:, None] if several else block.scale)
    total = grouped_product(block.X, scaled, like.dtype)
    if query.rows.fit_intercept:
        wide = xp.astype(residuals, like.dtype)
        bias = query.rows.bias * xp.sum(wide, axis=0, keepdims=True)
        total = xp.concat([total, bias], axis=0)
    return total
