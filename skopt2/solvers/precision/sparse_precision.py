"""A sparse precision matrix: its blocks, solved one beside the other.

Isolated nodes have T_ii = 1 / C_ii; the other blocks are solved by
:mod:`skopt2.solvers.precision.stages`, each until its own certificate holds, so that
that of the whole does: gaps add up, and the KKT violation is the largest.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import (
    asarray_like,
    device_of,
    index_like,
    max_abs,
    namespace,
    sum64,
    take,
)
from skopt2._core.result import Measure
from skopt2.solvers.certificate import GAP
from skopt2.solvers.precision.components import find_blocks
from skopt2.solvers.precision.definite import factorise, inverse
from skopt2.solvers.precision.stages import PAUSES, StagedBlock

KKT = "KKT violation"
# Precision of a node times its variance that is taken for a likelihood without bound.
UNBOUNDED = 1e6


@dataclass(eq=False)
class PrecisionState:
    """Where the iteration is.

    Parameters
    ----------
    parts : list of Part
        One a block.
    """

    parts: list


class SparsePrecision:
    """Solver of the penalised likelihood of a precision matrix.

    Parameters
    ----------
    problem : PrecisionProblem
        To minimise.
    tol : float
        Tolerance of the certificate: a block is left alone once it holds there.
    offset : float, default=0.0
        Added to the objective that is reported.
    """

    def __init__(self, problem, tol, offset=0.0):
        self.problem, self.tol = problem, tol
        self.convex = problem.penalty.convex
        self.certificate_name = GAP if self.convex else KKT
        self.isolated, self.blocks, self.n_components = find_blocks(problem)
        self.index = [self._beside(block) for block in self.blocks]
        self.solvers = [StagedBlock(problem.restrict(i), tol) for i in self.index]
        alone = take(diagonal_of(problem.C), self._beside(self.isolated))
        self._variances = alone
        self._offset = offset + sum64(namespace(alone).log(alone)) + self.isolated.size

    def _beside(self, index):
        return index_like(index, self.problem.C)

    def init(self, T=None):
        """Return the state at a precision matrix.

        Parameters
        ----------
        T : array of shape (p, p), default=None
            None for that of no correlation, and without a penalty for the inverse.

        Returns
        -------
        state : PrecisionState

        Raises
        ------
        ValueError
            If there is no penalty, and the covariance is singular.
        """
        if not max_abs(self.problem.level) > 0.0:
            T = self._unpenalised()
        parts = []
        for solver, index in zip(self.solvers, self.index, strict=True):
            start = None if T is None else take(take(T, index), index, axis=1)
            parts.append(solver.init(start))
        return PrecisionState(parts)

    def _unpenalised(self):
        """Return the inverse of the covariance."""
        C = self.problem.C
        factor, _ = factorise(C)
        if factor is None:
            raise ValueError(
                "alpha=0 needs a covariance matrix that is positive definite, and it "
                "is singular: the likelihood has no maximum. Set alpha > 0, or pass "
                "more rows."
            )
        return inverse(C, factor)

    def _each(self, state):
        return zip(self.solvers, state.parts, strict=True)

    def step(self, state):
        """Take a step on every block whose certificate does not hold yet."""
        return PrecisionState([s.step(part) for s, part in self._each(state)])

    def pause(self, state):
        """Return the number of steps until the next measure, for ``iterate``."""
        pauses = [solver.pause(part) for solver, part in self._each(state)]
        return min(pauses, default=PAUSES[0][1])

    def certificate(self, state):
        """Return the objective, and the gap by row or the KKT violation."""
        state.parts = [solver.measure(part) for solver, part in self._each(state)]
        value = self._offset + sum(part.value for part in state.parts)
        extra = {"support": self.count_edges(state)}
        stuck = [solver.stuck(part) for solver, part in self._each(state)]
        still = bool(stuck) and all(stuck)
        if self.convex:
            gap = float(sum(part.error for part in state.parts))
            return Measure(value, gap / self.problem.size, gap, extra, still)
        worst = max((part.error for part in state.parts), default=0.0)
        largest = max((s.largest(part) for s, part in self._each(state)), default=0.0)
        if largest > UNBOUNDED:
            value = -math.inf
        return Measure(value, worst, extra=extra, stalled=still)

    def count_edges(self, state):
        """Return the number of pairs of nodes that are linked."""
        return sum(
            (int(namespace(T).count_nonzero(T)) - T.shape[0]) // 2
            for T in (part.state.T for part in state.parts)
        )

    def finalize(self, state):
        """Return the precision matrix and its inverse, both (p, p)."""
        # In the precision of the problem also where a fit ends early.
        parts = [
            part if part.last else solver.finish(part.state.T)
            for solver, part in self._each(state)
        ]
        inverses = zip(self.solvers, (part.state.H for part in parts), strict=True)
        return (
            self._assemble([part.state.T for part in parts], 1.0 / self._variances),
            self._assemble([s.problem.C - H for s, H in inverses], self._variances),
        )

    def _assemble(self, parts, alone):
        """Return the matrix with these blocks, and isolated nodes on its diagonal."""
        C = self.problem.C
        xp, p = namespace(C), self.problem.size
        options = {"dtype": C.dtype, "device": device_of(C)}
        rows, start = [], 0
        lonely = xp.eye(self.isolated.size, **options) * alone
        for part in (lonely, *parts):
            k = int(part.shape[0])
            left = xp.zeros((k, start), **options)
            right = xp.zeros((k, p - start - k), **options)
            rows.append(xp.concat([left, part, right], axis=1))
            start += k
        places = np.argsort(np.concatenate([self.isolated, *self.blocks]))
        places = self._beside(places)
        return take(take(xp.concat(rows), places), places, axis=1)

    def pack(self, state):
        """Return the state for a checkpoint."""
        last = [part.last for part in state.parts]
        return {"T": self.finalize(state)[0], "last": last}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        state = self.init(asarray_like(packed["T"], self.problem.C))
        state.parts = [
            solver.finish(part.state.T) if last else part
            for solver, part, last in zip(
                self.solvers, state.parts, packed["last"], strict=True
            )
        ]
        return state


def diagonal_of(M):
    """Return the diagonal of a matrix."""
    return namespace(M).linalg.diagonal(M)
