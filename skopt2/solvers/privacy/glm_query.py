"""Clipped gradients of generalised linear models, without a gradient of any row.

Problem: sum_i l(y_i, eta_i), eta_i = x~_i'w + b, over W = (w; b) of shape (d + 1,), or
(d + 1, K) for K scores. Symbols: r_i = dl/deta_i, a number or a vector (K,); a_i =
norm((x~_i, 1)). The gradient of a row is the outer product (x~_i, 1) r_i', whose norm
is a_i norm(r_i) exactly: one matrix product for eta, one for the sum, and nothing of
the size n x p.

Clipping, C the clipping norm:

- "flat": f_i = min(1, C / norm(g_i));
- "automatic": f_i = C / (norm(g_i) + gamma), gamma = 0.01: every row counts alike.

Rounding counts too: with and without a row, a computed sum of n rows may differ by more
than what the row adds. Rows are summed by groups of G, and the groups in float64; with
the unit roundoff u of a group's sum, both computed sums are off by at most u G^2 C and
by u64 n^2/G C, so that f_i is made smaller by twice these shares.

Source: M. Abadi and others, Deep learning with differential privacy, CCS 2016 (flat);
Z. Bu and others, Automatic clipping, NeurIPS 2023; norms of outer products after I.
Goodfellow, Efficient per-example gradient computations, arXiv 1510.01799; rounding as a
leak after S. Casacuberta and others, Widespread underestimation of sensitivity in
differentially private libraries, CCS 2022, and N. Higham, Accuracy and Stability of
Numerical Algorithms, 2002, equation 3.5.
"""

from skopt2._core.array import asarray_like, is_sparse, namespace
from skopt2.solvers.privacy.query import ClippedSum

CLIPPINGS = ("flat", "automatic")
STABILITY = 0.01
# Rows of a group: G^2 roundoffs are 1/2000 in float32, and 1e-6 in float64.
NARROW_GROUP, WIDE_GROUP = 64, 1 << 16


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
            eta = eta + weights[d, ...]
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
        ceiling = self.clipping_norm * (1 - self._rounding(block))
        if self.clipping == "automatic":
            factor = ceiling / (norms + STABILITY)
        else:
            factor = xp.minimum(
                ceiling / xp.maximum(norms, xp.full_like(norms, 1e-30)),
                xp.ones_like(norms),
            )
        factor = xp.astype(factor, residuals.dtype) * block.keep
        return residuals * (factor[:, None] if several else factor)

    def _rounding(self, block):
        """Return by which share rounding can lengthen what one row changes."""
        xp = namespace(block.keep)
        eps = float(xp.finfo(block.keep.dtype).eps)
        rows = min(block.X.shape[0], _group_rows(block.X))
        unit = 2.0**-53 if is_sparse(block.X) else eps / 2
        between = 2.0**-53 * self.n_rows * max(1.0, self.n_rows / max(rows, 1))
        # The first term is the rounding of the norm of the residual.
        return min(0.5, 64 * eps + 2 * unit * rows**2 + 2 * between)


def weighted_sum(query, block, residuals, like):
    """Return sum_i (x~_i, 1) r_i' over a block, in float64.

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
    total = _grouped_product(block.X, scaled, like.dtype)
    if query.rows.fit_intercept:
        wide = xp.astype(residuals, like.dtype)
        total = xp.concat([total, xp.sum(wide, axis=0, keepdims=True)], axis=0)
    return total


def _group_rows(X):
    """Return how many rows to sum before the sums go on in float64."""
    narrow = not is_sparse(X) and str(X.dtype).endswith("float32")
    return NARROW_GROUP if narrow else WIDE_GROUP


def _grouped_product(X, residuals, dtype):
    """Return X' residuals of shape (d,) or (d, K), group by group."""
    xp, n, size = namespace(residuals), X.shape[0], _group_rows(X)
    if is_sparse(X):
        residuals = xp.astype(residuals, dtype)
        if n <= size:
            return X.T @ residuals
        starts = range(0, n, size)
        return sum(X[at : at + size].T @ residuals[at : at + size] for at in starts)
    whole = n // size * size
    total = xp.astype(X[whole:, :].T @ residuals[whole:, ...], dtype)
    if whole:
        stack = xp.reshape(X[:whole, :], (whole // size, size, X.shape[1]))
        columns = (
            residuals[:whole, :] if residuals.ndim == 2 else residuals[:whole, None]
        )
        columns = xp.reshape(columns, (whole // size, size, columns.shape[1]))
        sums = xp.matmul(xp.permute_dims(stack, (0, 2, 1)), columns)
        sums = xp.sum(xp.astype(sums, dtype), axis=0)
        total = total + (sums if residuals.ndim == 2 else sums[:, 0])
    return total
