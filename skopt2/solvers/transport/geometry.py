"""A stored cost matrix behind the operator protocol of transport.

Symbols: C (n, m) the cost, eps > 0 the regularisation, f (n,) and g (m,) potentials in
the units of C, P_ij = exp((f_i + g_j - C_ij) / eps) the plan, a (n,) and b (m,) masses.

The protocol. A geometry is any object with ``shape``, ``xp``, ``dtype``, ``scale`` (the
largest absolute cost, or a bound of it) and the methods of :class:`DenseGeometry`, save
those that need ``stored``:

- ``row_softmin``, ``col_softmin``: exact updates of one side;
- ``sweep``: both updates with one evaluation of the exponential function;
- ``marginals``, ``apply``, ``apply_t``, ``inner``, ``round``, ``plan``: of the plan;
- ``sparsify``: the large entries of the plan, and its full sums.

Potentials may be -inf, which means no mass and gives exact zeros. They belong to the
cost less the terms of one side in ``centring``, which translates; see
:mod:`skopt2.solvers.transport.centring`. Geometries with
``stored = True`` also offer ``kernel`` and ``reduction``: solvers then keep the kernel
and scale it, instead of evaluating it anew.

Sources: G. Peyre and M. Cuturi, Computational Optimal Transport, 2019, section 4.4
(log domain); J. Altschuler, J. Weed and P. Rigollet, Near-linear time approximation
algorithms for optimal transport via Sinkhorn iteration, NIPS 2017, algorithm 2.
"""

import functools
import math

import numpy as np
import scipy.sparse as sp

from skopt2._core.array import (
    device_of,
    flatnonzero,
    max_abs,
    namespace,
    sum64,
    to_numpy,
)
from skopt2.solvers.transport.centring import UNMOVED
from skopt2.solvers.transport.rounding import Rounding

# Elements of the temporary arrays of one block of rows: a few MB on the host, enough to
# fill a GPU elsewhere.
HOST_BLOCK = 2**18
DEVICE_BLOCK = 2**26
# Exponents below these make subnormal numbers, which are an order of magnitude slower
# to compute and to multiply than the smallest normal ones, and mean the same.
LOWEST_EXPONENT = {"float64": -700.0, "float32": -85.0}
# Elements of a block that stays in the cache between the steps of a kernel.
CACHE_BLOCK = 2**15
# Smallest entry of a kernel in float32 that stands for one in float64: scaled by as
# much as is allowed before an absorption it still counts for nothing.
FLOOR = np.float32(1e-36)


class DenseGeometry:
    """Costs held in memory.

    Parameters
    ----------
    C : array of shape (n, m)
        Finite costs in float32 or float64; never modified.
    """

    stored = True
    centring = UNMOVED

    def __init__(self, C):
        self.C = C
        self.xp = namespace(C)
        self.dtype = C.dtype
        self.shape = (int(C.shape[0]), int(C.shape[1]))
        size = HOST_BLOCK if self.xp is np else DEVICE_BLOCK
        self._step = max(1, size // self.shape[1])
        name = "float32" if C.dtype == self.xp.float32 else "float64"
        self._lowest = LOWEST_EXPONENT[name]

    @functools.cached_property
    def scale(self):
        """Largest absolute cost."""
        return max_abs(self.C)

    @functools.cached_property
    def spread(self):
        """Largest cost after :meth:`reduction`: terms of one side do not count."""
        (f, g), largest = self.reduction(), 0.0
        for rows in self._blocks():
            reduced = self.C[rows, :] - f[rows, None]
            reduced -= g[None, :]
            largest = max(largest, float(self.xp.max(reduced)))
        return largest

    def reduction(self):
        """Return potentials (f, g) that leave nonnegative costs with tight zeros.

        f_i = min_j C_ij, g_j = min_i (C_ij - f_i): every row and every column of
        C - f - g has a zero, so that the kernel there has an entry 1, whatever eps.
        """
        return self._reduction

    @functools.cached_property
    def _reduction(self):
        xp = self.xp
        f = xp.min(self.C, axis=1)
        best = None
        for rows in self._blocks():
            low = xp.min(self.C[rows, :] - f[rows, None], axis=0)
            best = low if best is None else xp.minimum(best, low)
        return f, best

    def kernel(self, f, g, eps, out=None):
        """Return exp((f_i + g_j - C_ij) / eps), clipped away from subnormal numbers.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Finite potentials.
        eps : float
            Regularisation.
        out : ndarray of shape (n, m), default=None
            Memory to overwrite, NumPy only; of the dtype that is wanted.

        Returns
        -------
        kernel : array of shape (n, m)
        """
        xp = self.xp
        if xp is not np:
            return xp.exp(xp.maximum(self._exponent(f, g, eps), self._floor()))
        if out is None:
            # In the order of the cost: products with F-ordered costs stay contiguous.
            out = np.empty_like(self.C)
        if out.dtype != self.dtype:
            return self._rounded_kernel(f, g, eps, out)
        np.subtract(g, self.C, out=out)
        out += f[:, None]
        out *= 1.0 / eps
        np.maximum(out, self._lowest, out=out)
        return np.exp(out, out=out)

    def _rounded_kernel(self, f, g, eps, out):
        """Compute the kernel in float32, from exponents that are not.

        Entries below ``FLOOR`` become zeros, which a sum of nothing else gives away.
        """
        C, lowest = self.C, LOWEST_EXPONENT["float32"]
        if C.flags.f_contiguous and not C.flags.c_contiguous:
            C, out, f, g = C.T, out.T, g, f
        step = max(1, CACHE_BLOCK // C.shape[1])
        memory = np.empty((step, C.shape[1]), dtype=C.dtype)
        for start in range(0, C.shape[0], step):
            rows = slice(start, start + step)
            z, block = memory[: C[rows].shape[0]], out[rows]
            np.subtract(g, C[rows], out=z)
            z += f[rows, None]
            np.multiply(z, 1.0 / eps, out=block, casting="same_kind")
            np.maximum(block, lowest, out=block)
            np.exp(block, out=block)
            np.maximum(block, FLOOR, out=block)
            block -= FLOOR
        return out if C is self.C else out.T

    def row_softmin(self, g, eps):
        """Return -eps * log sum_j exp((g_j - C_ij) / eps), shape (n,)."""
        xp, parts = self.xp, []
        for rows in self._blocks():
            z, top = self._shifted(g, rows, eps)
            parts.append(-eps * (silent_log(xp.sum(z, axis=1)) + top))
        return xp.concat(parts)

    def col_softmin(self, f, eps):
        """Return -eps * log sum_i exp((f_i - C_ij) / eps), shape (m,)."""
        xp, top = self.xp, None
        for rows in self._blocks():
            high = xp.max(f[rows, None] - self.C[rows, :], axis=0)
            top = high if top is None else xp.maximum(top, high)
        top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
        total = xp.zeros_like(top)
        for rows in self._blocks():
            z = (f[rows, None] - self.C[rows, :] - top[None, :]) * (1.0 / eps)
            total = total + xp.sum(xp.exp(z), axis=0)
        return -eps * silent_log(total) - top

    def sweep(self, f, g, log_a, log_b, eps):
        """Update f from g, then g from the new f, in one pass over the exponentials.

        Parameters
        ----------
        f, g : array of shape (n,), (m,)
            Potentials before the sweep.
        log_a, log_b : array of shape (n,), (m,)
            Logarithms of the masses.
        eps : float
            Regularisation.

        Returns
        -------
        f, g : array of shape (n,), (m,)
            Potentials after the sweep: the sums over columns are exact.
        row_error : float
            L1 error of the row sums before the sweep.
        """
        xp, parts, error = self.xp, [], 0.0
        cols = xp.zeros_like(g)
        for rows in self._blocks():
            z, top = self._shifted(g, rows, eps)
            total = xp.sum(z, axis=1)
            a = xp.exp(log_a[rows])
            new = eps * (log_a[rows] - silent_log(total) - top)
            change = xp.where(a > 0, (f[rows] - new) / eps, xp.zeros_like(a))
            error += sum64(a * xp.abs(_expm1(change)))
            cols = cols + (a / xp.where(total > 0, total, xp.ones_like(total))) @ z
            parts.append(new)
        f = xp.concat(parts)
        if bool(xp.any((cols <= 0) & (log_b > -math.inf))):
            # A column that no row of the block reached within the range of the floats.
            return f, eps * log_b + self.col_softmin(f, eps), error
        return f, g + eps * (log_b - silent_log(cols)), error

    def marginals(self, f, g, eps):
        """Return the sums of the plan over rows (n,) and columns (m,)."""
        xp, rows_of, cols = self.xp, [], None
        for rows in self._blocks():
            p = self._plan(f, g, rows, eps)
            rows_of.append(xp.sum(p, axis=1))
            part = xp.sum(p, axis=0)
            cols = part if cols is None else cols + part
        return xp.concat(rows_of), cols

    def sparsify(self, f, g, eps, threshold):
        """Return the full sums of the plan, and its entries above a threshold.

        Returns
        -------
        rows, cols : array of shape (n,), (m,)
            Sums over all entries.
        S : sparse matrix of shape (n, m)
            CSR; SciPy's for NumPy and for generic namespaces, the device's for CuPy.
        """
        xp, rows_of, cols, pieces = self.xp, [], None, []
        for rows in self._blocks():
            p = self._plan(f, g, rows, eps)
            rows_of.append(xp.sum(p, axis=1))
            part = xp.sum(p, axis=0)
            cols = part if cols is None else cols + part
            pieces.append(large_entries(p, threshold))
        return xp.concat(rows_of), cols, stack_rows(pieces)

    def apply(self, f, g, eps, V):
        """Return P @ V for V of shape (m,) or (m, k)."""
        parts = [self._plan(f, g, rows, eps) @ V for rows in self._blocks()]
        return self.xp.concat(parts)

    def apply_t(self, f, g, eps, U):
        """Return P' @ U for U of shape (n,) or (n, k)."""
        total = 0.0
        for rows in self._blocks():
            total = total + self._plan(f, g, rows, eps).T @ U[rows, ...]
        return total

    def inner(self, f, g, eps):
        """Return the transport cost <P, C>, accumulated in float64."""
        return sum(
            sum64(self._plan(f, g, rows, eps) * self.C[rows, :])
            for rows in self._blocks()
        )

    def plan(self, f, g, eps):
        """Return the plan of shape (n, m)."""
        parts = [self._plan(f, g, rows, eps) for rows in self._blocks()]
        return parts[0] if len(parts) == 1 else self.xp.concat(parts)

    def round(self, f, g, eps, a, b):
        """Return cost and entropy of the plan rounded onto the marginals a and b.

        Returns
        -------
        cost : float
            <P', C> of the rounded plan P'.
        entropy : float
            sum_ij P'_ij (log P'_ij - 1).
        """
        cost, entropy, _ = self.round_with_divergence(f, g, eps, a, b)
        return cost, entropy

    def round_with_divergence(self, f, g, eps, a, b):
        """Return cost, entropy and divergence from P of the plan P' rounded onto a, b.

        The divergence sum_ij P'_ij log(P'_ij / P_ij) - P'_ij + P_ij times eps is the
        duality gap of P' and (f, g): a sum of terms that are not negative, where the
        difference of the two objectives would cancel.

        Returns
        -------
        cost, entropy, divergence : float
        """
        xp = self.xp
        rounding = Rounding(self, f, g, eps, a, b)
        cost = entropy = divergence = 0.0
        for rows in self._blocks():
            log_p = self._exponent(f[rows], g, eps, rows)
            new = rounding.rows(rows, xp.exp(log_p))
            cost += sum64(new * self.C[rows, :])
            log_new = silent_log(xp.where(new > 0, new, xp.ones_like(new)))
            entropy += sum64(new * log_new) - sum64(new)
            ratio = xp.where(new > 0, log_new - log_p, xp.zeros_like(new))
            # t log t - t + 1 with t = new / p; its first terms cancel near t = 1.
            divergence += sum64(new * (ratio + _expm1(-ratio)))
            divergence += sum64(xp.where(new > 0, xp.zeros_like(new), xp.exp(log_p)))
        return cost, entropy, max(divergence, 0.0)

    def _blocks(self):
        """Return the slices of the blocks of rows."""
        n, step = self.shape[0], self._step
        return [slice(i, min(i + step, n)) for i in range(0, n, step)]

    def _floor(self):
        return self.xp.asarray(self._lowest, dtype=self.dtype, device=device_of(self.C))

    def _exponent(self, f, g, eps, rows=slice(None)):
        """Return (f_i + g_j - C_ij) / eps of some rows; ``f`` is theirs."""
        z = g[None, :] - self.C[rows, :]
        if self.xp is not np:
            return (z + f[:, None]) * (1.0 / eps)
        z += f[:, None]
        z *= 1.0 / eps
        return z

    def _plan(self, f, g, rows, eps):
        return self.xp.exp(self._exponent(f[rows], g, eps, rows))

    def _shifted(self, g, rows, eps):
        """Return exp((g_j - C_ij) / eps - top_i) and the finite row-wise top."""
        xp = self.xp
        z = (g[None, :] - self.C[rows, :]) * (1.0 / eps)
        top = xp.max(z, axis=1)
        top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
        return xp.exp(z - top[:, None]), top


def large_entries(p, threshold):
    """Return the entries of a block above a threshold as a CSR matrix.

    Parameters
    ----------
    p : array of shape (k, m)
        Block of the plan.
    threshold : float
        Entries above it are kept.

    Returns
    -------
    S : sparse matrix of shape (k, m)
        On the host, but beside ``p`` where that is an array of CuPy.
    """
    xp = namespace(p)
    if xp is not np:
        from skopt2._core.cuda import provider

        if provider.owns(p) and provider.has_kernels:
            kept = xp.where(p > threshold, p, xp.zeros_like(p))
            return provider.sparse.csr_matrix(kept)
        p = to_numpy(p)
    flat = np.ravel(p)
    index = flatnonzero(flat > threshold)
    shape = (int(p.shape[0]), int(p.shape[1]))
    starts = np.searchsorted(index, np.arange(shape[0] + 1) * shape[1])
    columns = index - np.repeat(np.arange(shape[0]) * shape[1], np.diff(starts))
    parts = (flat[index], columns.astype(np.int32), starts.astype(np.int32))
    return sp.csr_array(parts, shape=shape)


def stack_rows(pieces):
    """Return the CSR matrix of blocks of rows."""
    if len(pieces) == 1:
        return pieces[0]
    if sp.issparse(pieces[0]):
        return sp.vstack(pieces, format="csr")
    from skopt2._core.cuda import provider

    return provider.sparse.vstack(pieces, format="csr")


def silent_log(x):
    """Return log(x) with -inf at 0, silently."""
    with np.errstate(divide="ignore"):
        return namespace(x).log(x)


def _expm1(x):
    """Return exp(x) - 1, infinite where it overflows, silently."""
    with np.errstate(over="ignore"):
        return namespace(x).expm1(x)
