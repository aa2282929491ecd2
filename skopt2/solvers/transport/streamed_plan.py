"""A plan that is never stored, in the form that the scaling solver works with.

Symbols: f (n,) and g (m,) potentials, P_ij = exp((f_i + g_j - C_ij) / eps) the plan,
r = P 1 and c = P' 1 its sums, a (n,) and b (m,) masses.

The counterpart of :mod:`skopt2.solvers.transport.stored` for geometries with
``stored = False``. A sweep moves the potentials themselves, in the log domain, so that
there are no scalings to absorb. The sums of the present plan are computed when
something asks for them. That takes a pass, which gives the next sweep as well: the sums
are free where the sweep follows.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from skopt2._core.array import accumulation_dtype, dot64, sum64, to_numpy
from skopt2.solvers.transport.state import level

# Entries of a row, on average, up to which a sparse plan is held.
PER_ROW = 256


@dataclass(frozen=True)
class Ahead:
    """A sweep that was taken before it was asked for.

    Parameters
    ----------
    f, g : array of shape (n,), (m,)
        Potentials before it.
    eps : float
        Regularisation.
    omega : float
        Relaxation.
    moved : tuple of array
        Potentials after it.
    """

    f: Any
    g: Any
    eps: float
    omega: float
    moved: tuple

    def starts_at(self, state, omega):
        """Return True if it is the sweep that a state needs."""
        same = self.f is state.f and self.g is state.g
        return same and self.eps == state.eps and self.omega == omega


class StreamedPlan:
    """Sweeps over the plan of a state, and its sums when asked for.

    Parameters
    ----------
    geometry : object
        With ``stored = False``, see :mod:`skopt2.solvers.transport.streamed`.
    a : array of shape (n,)
        Masses of the rows.
    b : array of shape (m,)
        Masses of the columns.
    """

    # There is no kernel that could be one in float32.
    roughens = False

    def __init__(self, geometry, a, b):
        self.geometry, self.a, self.b = geometry, a, b
        self.xp = geometry.xp
        self.wide = accumulation_dtype(a)
        with np.errstate(divide="ignore"):
            self.log_a, self.log_b = (
                self.xp.log(self.xp.astype(z, self.wide)) for z in (a, b)
            )
        # Relaxation of the last sweep, and the sweep that came with the last sums.
        self.omega, self.ahead = 1.0, None

    def renew(self, state):
        """Forget what belongs to other potentials, and keep these in float64.

        Rounded to float32 they would move the sums by more than sweeps can mend.
        """
        state.f, state.g = (self.xp.astype(z, self.wide) for z in (state.f, state.g))
        self.reset(state)
        state.fresh = False

    def sharpen(self, state):
        """Do nothing: there is no kernel."""

    def reset(self, state):
        """Set the scalings to one, which they remain."""
        xp = self.xp
        state.x, state.y = xp.zeros_like(self.a), xp.zeros_like(self.b)
        state.u, state.v = xp.ones_like(self.a), xp.ones_like(self.b)

    def refresh(self, state):
        """Compute the sums of the plan, and the sweep that is likely to follow."""
        where = (state.f, state.g, self.log_a, self.log_b, state.eps)
        found = self.geometry.sweep_and_sums(*where, self.omega)
        *moved, state.rows, state.cols = found
        self.ahead = Ahead(state.f, state.g, state.eps, self.omega, tuple(moved))
        state.fresh = True

    def absorb(self, state):
        """Round the potentials to what is returned."""
        if self.geometry.dtype != self.wide:
            state.f, state.g = self.potentials(state)
            self.renew(state)

    def potentials(self, state):
        """Return the potentials as they are returned, in the dtype of the points."""
        dtype = self.geometry.dtype
        if dtype == self.wide:
            return state.f, state.g
        return tuple(self.xp.astype(z, dtype) for z in level(state.f, state.g))

    def far(self, state):
        """Return False: there are no scalings that could leave their range."""
        return False

    def sweep(self, state, omega=1.0):
        """Update the rows, then the columns, over-relaxed by ``omega``."""
        if self.ahead is not None and self.ahead.starts_at(state, omega):
            state.f, state.g = self.ahead.moved
        else:
            where = (state.f, state.g, self.log_a, self.log_b, state.eps)
            state.f, state.g, _ = self.geometry.sweep(*where, omega)
        self.omega, self.ahead = omega, None
        state.fresh = False

    def move(self, state, dx, dy):
        """Add to the logarithms of the scalings, and compute the sums there."""
        state.f = state.f + state.eps * dx
        state.g = state.g + state.eps * dy
        state.exact = False
        self.refresh(state)

    def large_entries(self, state, share):
        """Return the entries P_ij > share a_i b_j; None if there are too many.

        Parameters
        ----------
        state : DualState
            Of this plan.
        share : float
            No row or column loses more than this share of its mass.

        Returns
        -------
        S : sparse array of shape (n, m) or None
            CSR in float64, in host memory.
        """
        where = (state.f, state.g, state.eps, share, self.log_a, self.log_b)
        most = PER_ROW * max(self.geometry.shape)
        state.rows, state.cols, S = self.geometry.sparsify(*where, most)
        state.fresh = True
        if S is None:
            return None
        S = to_numpy(S)
        return sp.csr_array((S.data.astype(np.float64), S.indices, S.indptr), S.shape)

    def count_large(self, state, share):
        """Return the number of entries P_ij > share a_i b_j; inf for too many."""
        S = self.large_entries(state, share)
        return math.inf if S is None else float(S.nnz)

    def error(self, state):
        """Return the marginal error |r - a|_1 + |c - b|_1; waits."""
        if not state.fresh:
            self.refresh(state)
        xp = self.xp
        rows = sum64(xp.abs(state.rows - self.a))
        return rows + sum64(xp.abs(state.cols - self.b))

    def objective(self, state):
        """Return the dual objective <a, f> + <b, g> - eps sum P; waits."""
        if not state.fresh:
            self.refresh(state)
        linear = dot64(self.a, state.f) + dot64(self.b, state.g)
        return linear - state.eps * sum64(state.rows)
