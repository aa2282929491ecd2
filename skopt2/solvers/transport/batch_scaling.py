"""Sinkhorn's scaling of many small plans at once.

Problems: for each p, max_(f, g) <a_p, f> + <b_p, g> - eps * sum_ij P_ij with
P_ij = exp((f_i + g_j - C_ij) / eps), one eps for all.
Symbols: A (P, n), B (P, m) masses that sum to one in every row, zeros allowed;
U (P, n), V (P, m) scalings; U * (V K') and V * (U K) sums of the plans over rows and
over columns.

Every problem has its own relaxation and stops by itself: it leaves at the measure at
which it has converged. One whose scalings leave the range in which a shared kernel is
exact leaves unsolved, to be solved with a kernel of its own.

Sources: M. Cuturi, Sinkhorn distances, NIPS 2013; A. Thibault, L. Chizat, C. Dossal and
N. Papadakis, Overrelaxed Sinkhorn-Knopp algorithm for regularized optimal transport,
2017.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    index_like,
    namespace,
    take,
    to_numpy,
)
from skopt2._core.result import Measure
from skopt2.solvers.transport.batch_kernel import log_scaling
from skopt2.solvers.transport.batch_relaxation import BatchRelaxation

# Logarithm of the largest product of scalings for which clipped entries of a shared
# kernel, see LOWEST_EXPONENT, mean less than rounding.
RANGE = {"float64": 600.0, "float32": 60.0}
# Sweeps between two measures.
PERIOD = 10
# Measures without progress, at the floor of rounding, before a problem is given up.
PATIENCE = 10
# Sweeps at the start that are measured one by one: they move the scalings most.
FIRST = 3


@dataclass(frozen=True)
class BatchSolution:
    """Solutions of several problems.

    Parameters
    ----------
    f, g : array of shape (P, n), (P, m)
        Potentials in the units of the cost; -inf where there is no mass.
    objective : ndarray of shape (P,)
        Dual objectives, in host memory like all that follows.
    cost : ndarray of shape (P,)
        Transport costs <P, C>.
    error : ndarray of shape (P,)
        Marginal errors; infinite for a problem that was given up.
    n_iter : ndarray of shape (P,)
        Sweeps.
    """

    f: Any
    g: Any
    objective: Any
    cost: Any
    error: Any
    n_iter: Any


@dataclass
class BatchState:
    """Where the scaling of a batch stands; its solver changes it in place.

    Parameters
    ----------
    ids : ndarray of shape (k,)
        Numbers of the problems that are not done.
    kernel : SharedKernel or OwnKernels
        Theirs.
    A, B, U, V : array of shape (k, n) or (k, m)
        Their masses and scalings.
    KV, KU : array of shape (k, n), (k, m)
        V K' and U K.
    relaxation : BatchRelaxation
        Theirs.
    best, idle, error : ndarray of shape (k,)
        Smallest errors, measures since they were reached, and last errors.
    done : list of tuple
        Numbers and solutions of the others.
    total : float
        Sum of their dual objectives.
    n_steps, measured : int
        Sweeps so far, and those at the last measure.
    """

    ids: Any
    kernel: Any
    A: Any
    B: Any
    U: Any
    V: Any
    KV: Any
    KU: Any
    relaxation: BatchRelaxation
    best: Any
    idle: Any
    error: Any
    done: list
    total: float = 0.0
    n_steps: int = 0
    measured: int = 0


class BatchScaling:
    """Scaling of many plans; a solver for ``iterate``.

    Parameters
    ----------
    kernel : SharedKernel or OwnKernels
        Costs and regularisation.
    A, B : array of shape (P, n), (P, m)
        Nonnegative masses; every row sums to one.
    tol : float, default=1e-6
        Tolerance of each marginal error.
    """

    name = "sinkhorn"

    def __init__(self, kernel, A, B, *, tol=1e-6):
        self.kernel, self.A, self.B, self.tol = kernel, A, B, tol
        self.eps, self.xp = kernel.eps, namespace(A, B)
        self.wide = accumulation_dtype(A)
        name = "float32" if A.dtype == self.xp.float32 else "float64"
        self.range = RANGE[name]
        self.floor = 1e3 * float(self.xp.finfo(A.dtype).eps)

    def start(self, g=None):
        """Return the starting state.

        Parameters
        ----------
        g : array of shape (P, m), default=None
            Potentials of the columns to start from, finite where there is mass.
        """
        xp, V = self.xp, self.B
        if g is not None:
            some = (self.B > 0) & xp.isfinite(g)
            y = xp.where(some, (g - self.kernel.g) / self.eps, xp.zeros_like(g))
            # The common shift of a problem is free; this one keeps scalings moderate.
            y = xp.clip(y - xp.max(y, axis=1, keepdims=True), -self.range, 0.0)
            V = xp.where(self.B > 0, xp.exp(y), xp.zeros_like(y))
        return self._state(_mark(self.A), V)

    def _state(self, U, V):
        """Return the state at given scalings."""
        n = int(self.A.shape[0])
        return BatchState(
            np.arange(n),
            self.kernel,
            self.A,
            self.B,
            U,
            V,
            self.kernel.rows(V),
            None,
            BatchRelaxation(n, self.tol),
            np.full(n, math.inf),
            np.zeros(n, dtype=np.int64),
            np.full(n, math.inf),
            [],
        )

    def interval(self, state):
        """Return the number of sweeps to the next measure."""
        return 1 if state.n_steps < FIRST else PERIOD

    def step(self, state):
        """Take one sweep of every problem that is not done."""
        omega = state.relaxation.omega
        with np.errstate(all="ignore"):
            if (omega > 1.0).any():
                omega = asarray_like(omega[:, None], self.A)
                state.U = self._relaxed(state.A, state.U, state.KV, omega)
                state.KU = state.kernel.cols(state.U)
                state.V = self._relaxed(state.B, state.V, state.KU, omega)
            else:
                state.U = state.A / state.KV
                state.KU = state.kernel.cols(state.U)
                state.V = state.B / state.KU
            state.KV = state.kernel.rows(state.V)
        state.n_steps += 1
        return state

    def _relaxed(self, masses, scaling, product, omega):
        """Return scaling^(1 - w) (masses / product)^w, and 0 where there is no mass."""
        xp = self.xp
        some = masses > 0
        excess = scaling * product / xp.where(some, masses, xp.ones_like(masses))
        excess = xp.where(some, excess, xp.ones_like(excess))
        return masses / product * xp.exp((1.0 - omega) * xp.log(excess))

    def certificate(self, state):
        """Measure every error, and let go the problems that are done."""
        with np.errstate(all="ignore"):
            error, objective, far, top = self._figures(state)
        lost = ~(np.isfinite(error) & np.isfinite(objective))
        kernel = state.kernel.follow(state.U, state.V, float(far[~lost].max(initial=0)))
        if kernel is None:
            lost |= top > self.range
        elif kernel is not state.kernel:
            state.kernel = kernel
            state.U, state.V = _mark(state.U), _mark(state.V)
            state.KV = kernel.rows(state.V)
        if state.n_steps > FIRST:
            with np.errstate(all="ignore"):
                state.relaxation.update(
                    error, objective, state.n_steps - state.measured
                )
        state.measured = state.n_steps
        better = error < 0.9 * state.best
        state.idle = np.where(better, 0, state.idle + 1)
        state.best = np.where(better, error, state.best)
        stalled = (state.idle >= PATIENCE) & (error <= self.floor)
        state.error = np.where(lost, math.inf, error)
        worst = float(error[~(lost | stalled)].max(initial=0.0))
        omega = float(state.relaxation.omega.max(initial=1.0))
        total = state.total + float(objective[~lost].sum())
        measure = Measure(total, worst, extra={"reg": self.eps, "omega": omega})
        finished = lost | stalled | (error <= self.tol)
        if worst > self.tol and finished.any():
            state.total += float(objective[finished & ~lost].sum())
            self._release(state, finished)
        return measure

    def _figures(self, state):
        """Return errors, objectives, largest |log| and sum of the largest logs."""
        xp, wide, kernel = self.xp, self.wide, state.kernel
        x, y = log_scaling(state.U), log_scaling(state.V)
        rows = state.U * state.KV
        error = xp.sum(xp.abs(rows - state.A), axis=1, dtype=wide)
        cols = xp.abs(state.V * state.KU - state.B)
        error = error + xp.sum(cols, axis=1, dtype=wide)
        dual = state.A * (kernel.f + self.eps * x)
        objective = xp.sum(dual, axis=1, dtype=wide)
        dual = state.B * (kernel.g + self.eps * y)
        objective = objective + xp.sum(dual, axis=1, dtype=wide)
        objective = objective - self.eps * xp.sum(rows, axis=1, dtype=wide)
        far = xp.maximum(xp.max(xp.abs(x), axis=1), xp.max(xp.abs(y), axis=1))
        top = xp.max(x, axis=1) + xp.max(y, axis=1)
        far, top = xp.astype(far, wide), xp.astype(top, wide)
        return to_numpy(xp.stack([error, objective, far, top]))

    def _release(self, state, finished):
        """Move some problems to those that are done."""
        positions = np.flatnonzero(finished)
        state.done.append(self._solution(state, positions))
        kept = np.flatnonzero(~finished)
        index = self._index(kept)
        state.kernel = state.kernel.take(index)
        for name in ("A", "B", "U", "V", "KV", "KU"):
            setattr(state, name, take(getattr(state, name), index))
        for name in ("ids", "best", "idle", "error"):
            setattr(state, name, getattr(state, name)[kept])
        state.relaxation.take(kept)

    def _solution(self, state, positions):
        """Return numbers and solutions of some problems of the state."""
        xp, index = self.xp, self._index(positions)
        kernel = state.kernel.take(index)
        A, B, U, V = (
            take(values, index) for values in (state.A, state.B, state.U, state.V)
        )
        with np.errstate(all="ignore"):
            x, y = log_scaling(U), log_scaling(V)
            dual = xp.sum(A * (kernel.f + self.eps * x), axis=1, dtype=self.wide)
            dual = dual + xp.sum(B * (kernel.g + self.eps * y), axis=1, dtype=self.wide)
            total = xp.sum(U * kernel.rows(V), axis=1, dtype=self.wide)
            f, g = kernel.f + self.eps * x, kernel.g + self.eps * y
            cost = kernel.inner(U, V)
        none = xp.zeros_like(f[:1, :1]) - math.inf
        return (
            state.ids[positions],
            xp.where(A > 0, f, none),
            xp.where(B > 0, g, none),
            to_numpy(dual - self.eps * total),
            to_numpy(cost),
            state.error[positions],
            np.full(positions.size, state.n_steps),
        )

    def finalize(self, state):
        """Return the solutions, in the order of the problems."""
        last = self._solution(state, np.arange(state.ids.size))
        parts = list(zip(*state.done, last, strict=True))
        order = np.argsort(np.concatenate(parts[0]))
        f, g = (take(self.xp.concat(part), self._index(order)) for part in parts[1:3])
        host = [np.concatenate(part)[order] for part in parts[3:]]
        return BatchSolution(f, g, *host)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"g": self.finalize(state).g}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        return self.start(asarray_like(packed["g"], self.A))

    def _index(self, positions):
        """Return numbers of problems beside the masses."""
        return index_like(positions, self.A)


def _mark(scaling):
    """Return 1 for scalings that are positive, and 0."""
    xp = namespace(scaling)
    return xp.astype(scaling > 0, scaling.dtype)
