"""A plan in the form diag(u) K diag(v), for costs that are stored.

Symbols: K_ij = exp((f_i + g_j - C_ij) / eps) the kernel at the potentials f, g of the
last absorption, u = exp(x) and v = exp(y) the scalings since, r = P 1, c = P' 1.

Sums of the plan are products with K, which cost a tenth of the evaluation of K. They
mean the same as the log domain as long as x and y stay small: what K has lost below the
range of the floats would still be below it. :func:`absorb` moves x and y into the
potentials before they leave that range.

Far from the solution a kernel in float32 will do. Products with it take half the time,
less where only they fit the cache, and it is cheaper to evaluate. Their sums are right
to 1e-7.

Source: B. Schmitzer, Stabilized sparse scaling algorithms for entropy regularized
transport problems, SIAM J. Sci. Comput. 41, 2019, section 3.1.
"""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas

from skopt2._core.array import dot64, max_abs, sum64
from skopt2.solvers.transport.state import level

# Entries of a kernel below which float32 gains nothing.
SMALL = 100_000
# Share of entries above which the plan is handled as a dense matrix.
DENSE_SHARE = 0.12
# Elements of a block that stays in the cache while its large entries are found.
BLOCK = 2**16
# Rows in which large entries are counted for an estimate.
SAMPLE = 32
# Largest logarithm of a scaling before it is absorbed, with a kernel in float32 that
# stands for one in float64, and with others.
ABSORB_ROUGH = 25.0
ABSORB = {"float64": 100.0, "float32": 15.0}


class StoredPlan:
    """Products with the plan of a state, kept up to date.

    Parameters
    ----------
    geometry : object
        With ``stored = True``, see :mod:`skopt2.solvers.transport.geometry`.
    a : array of shape (n,)
        Positive masses of the rows.
    b : array of shape (m,)
        Positive masses of the columns.
    """

    def __init__(self, geometry, a, b):
        self.geometry, self.a, self.b = geometry, a, b
        self.xp = geometry.xp
        wide = geometry.dtype != geometry.xp.float32
        self.limit = ABSORB["float64" if wide else "float32"]
        size = geometry.shape[0] * geometry.shape[1]
        self.roughens = self.xp is np and wide and size >= SMALL
        self._argmax_abs = blas.idamax if wide else blas.isamax
        # Memory of the kernels in either dtype, on the host.
        self._memory = {}

    def renew(self, state):
        """Evaluate the kernel at the potentials, with scalings of one."""
        self._evaluate(state)
        self.reset(state)
        self.refresh(state)

    def _evaluate(self, state):
        """Compute the kernel, in the dtype that the state asks for."""
        memory = None
        if self.xp is np:
            dtype = np.float32 if state.rough else self.geometry.dtype
            memory = self._memory.get(dtype)
            if memory is None:
                memory = np.empty_like(self.geometry.C, dtype=dtype)
                self._memory[dtype] = memory
        state.kernel = self.geometry.kernel(state.f, state.g, state.eps, memory)

    def sharpen(self, state):
        """Absorb the scalings, and use the kernel in full precision from here on."""
        state.rough = False
        self.absorb(state)

    def reset(self, state):
        """Set the scalings to one."""
        xp = self.xp
        state.x, state.y = xp.zeros_like(self.a), xp.zeros_like(self.b)
        state.u, state.v = xp.ones_like(self.a), xp.ones_like(self.b)

    def refresh(self, state):
        """Compute the sums of the plan over rows and columns."""
        state.rows = state.u * self._times(state, state.v)
        state.cols = state.v * self._times_t(state, state.u)

    def absorb(self, state):
        """Move the scalings into the potentials and evaluate the kernel there."""
        state.f, state.g = self.potentials(state)
        self.renew(state)

    def potentials(self, state):
        """Return the potentials with the scalings in them."""
        f, g = state.f + state.eps * state.x, state.g + state.eps * state.y
        return level(f, g) if self.geometry.dtype == self.xp.float32 else (f, g)

    def far(self, state):
        """Return True if a scaling is about to leave the range of the floats; waits."""
        limit = ABSORB_ROUGH if state.rough else self.limit
        x, y = state.x, state.y
        if self.xp is np:
            # A tenth of the time of a maximum of absolute values.
            i, j = self._argmax_abs(x), self._argmax_abs(y)
            return max(abs(x[i]), abs(y[j])) > limit
        return max(max_abs(x), max_abs(y)) > limit

    def sweep(self, state, omega=1.0):
        """Scale the rows, then the columns, over-relaxed by ``omega``."""
        xp = self.xp
        change = xp.log(self.a / state.rows)
        state.x = state.x + (change if omega == 1.0 else omega * change)
        state.u = xp.exp(state.x)
        cols = self._times_t(state, state.u)
        change = xp.log(self.b / (state.v * cols))
        state.y = state.y + (change if omega == 1.0 else omega * change)
        state.v = xp.exp(state.y)
        state.cols = state.v * cols
        state.rows = state.u * self._times(state, state.v)

    def _times(self, state, v):
        """Return K v."""
        if state.rough:
            sums = state.kernel @ v.astype(np.float32)
            if sums.min() > 0.0:
                return sums
            self._give_up(state)
        return state.kernel @ v

    def _times_t(self, state, u):
        """Return K' u."""
        if state.rough:
            sums = u.astype(np.float32) @ state.kernel
            if sums.min() > 0.0:
                return sums
            self._give_up(state)
        return u @ state.kernel

    def _give_up(self, state):
        """Use the kernel in full precision: of 1e-40 float32 has nothing left."""
        state.rough = False
        self._evaluate(state)

    def move(self, state, dx, dy):
        """Add to the logarithms of the scalings, and compute the sums there."""
        xp = self.xp
        state.x, state.y = state.x + dx, state.y + dy
        state.exact = False
        if self.far(state):
            self.absorb(state)
            return
        state.u, state.v = xp.exp(state.x), xp.exp(state.y)
        self.refresh(state)

    def matrix(self, state):
        """Return the plan, shape (n, m)."""
        return state.u[:, None] * state.kernel * state.v[None, :]

    def large_entries(self, state, share):
        """Return the entries P_ij > share a_i b_j.

        Parameters
        ----------
        state : DualState
            With a kernel.
        share : float
            No row or column loses more than this share of its mass.

        Returns
        -------
        S : sparse array of shape (n, m) or None
            CSR in float64; None where the plan is better handled as a dense matrix, and
            for namespaces other than NumPy.
        """
        if self.xp is not np:
            return None
        n, m = state.kernel.shape
        left, right = state.u / self.a, state.v / self.b
        step = max(1, BLOCK // m)
        pieces, count = [], 0
        for start in range(0, n, step):
            rows = slice(start, start + step)
            block = state.kernel[rows] * right
            block *= left[rows, None]
            flat = block.ravel()
            index = np.flatnonzero(flat > share)
            pieces.append((index + start * m, flat[index]))
            count += index.shape[0]
            if count > DENSE_SHARE * n * m:
                return None
        index, data = (np.concatenate(part) for part in zip(*pieces, strict=True))
        starts = np.searchsorted(index, np.arange(n + 1) * m)
        length = np.diff(starts)
        columns = index - np.repeat(np.arange(n) * m, length)
        data = data.astype(np.float64, copy=False)
        data *= np.repeat(self.a, length)
        data *= self.b[columns]
        parts = (data, columns.astype(np.int32), starts.astype(np.int32))
        return sp.csr_array(parts, shape=(n, m))

    def count_large(self, state, share):
        """Return an estimate of the number of entries P_ij > share a_i b_j.

        Parameters
        ----------
        state : DualState
            With a kernel.
        share : float
            As for :meth:`large_entries`.

        Returns
        -------
        count : float
            From some rows; n m where the plan is better handled as a dense matrix.
        """
        n, m = self.geometry.shape
        if self.xp is not np:
            return float(n * m)
        rows = slice(n // (2 * SAMPLE) % n, n, max(1, n // SAMPLE))
        left, right = (state.u / self.a)[rows], state.v / self.b
        some = state.kernel[rows] * right * left[:, None]
        share_of_all = np.count_nonzero(some > share) / some.size
        return float(n * m) * (share_of_all if share_of_all <= DENSE_SHARE else 1.0)

    def error(self, state):
        """Return the marginal error |r - a|_1 + |c - b|_1; waits."""
        xp = self.xp
        rows = sum64(xp.abs(state.rows - self.a))
        return rows + sum64(xp.abs(state.cols - self.b))

    def objective(self, state):
        """Return the dual objective <a, f> + <b, g> - eps sum P; waits."""
        moved = dot64(self.a, state.x) + dot64(self.b, state.y) - sum64(state.rows)
        return dot64(self.a, state.f) + dot64(self.b, state.g) + state.eps * moved
