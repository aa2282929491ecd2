"""A sparse precision matrix: blocks, stages, certificate.

Isolated nodes have T_ii = 1 / C_ii; the other blocks are solved one beside the other,
each until its own certificate holds, so that their sum does: by proximal gradient
steps, and where these have not been enough by Newton's. With a concave penalty the
l1 problem is solved first, roughly, and its solution is the start: the stationary point
that a path of tangents of the penalty (local linear approximation) leads to.

Source: J. Fan, L. Xue, H. Zou, Strong oracle optimality of folded concave penalized
estimation, Annals of Statistics 42, 2014, for the start from the l1 solution.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import asarray_like, device_of, max_abs, namespace, sum64, take
from skopt2._core.result import Measure
from skopt2.solvers.precision.components import find_blocks
from skopt2.solvers.precision.definite import factorise, inverse
from skopt2.solvers.precision.orthant_newton import OrthantNewton
from skopt2.solvers.precision.problem import dual_point, duality_gap, kkt_violation
from skopt2.solvers.precision.spectral_gradient import SpectralGradient

GAP, KKT = "relative duality gap", "KKT violation"
# Relative gap at which the l1 problem is near enough to start the concave one.
ROUGH = 1e-4
# Steps between two measures, while the gap is about that many times tol.
PAUSES = ((3.0, 1), (30.0, 2), (300.0, 4), (math.inf, 8))
# Proximal steps on a block before Newton's take over, and the most of these.
PATIENCE, NEWTON = 200, 100
# Precision of a node times its variance that is taken for a likelihood without bound.
UNBOUNDED = 1e6


@dataclass(eq=False)
class PrecisionState:
    """Where the iteration is.

    Parameters
    ----------
    parts : list of BlockState
        One a block.
    concave : bool
        Whether the stage is the last one.
    errors : list of float
        Certificate of each block, infinity before it was measured.
    """

    parts: list
    concave: bool
    errors: list


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
        self.problems = [problem.restrict(index) for index in self.index]
        self.rough = [SpectralGradient(part, False) for part in self.problems]
        self.last = [SpectralGradient(part) for part in self.problems]
        alone = take(diagonal_of(problem.C), self._beside(self.isolated))
        self._variances = alone
        self._offset = offset + sum64(namespace(alone).log(alone)) + self.isolated.size

    def _beside(self, index):
        return asarray_like(index, self.problem.C, namespace(self.problem.C).int64)

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
        for solver, index in zip(self.rough, self.index, strict=True):
            start = None if T is None else take(take(T, index), index, axis=1)
            parts.append(solver.init(start))
        return PrecisionState(parts, self.convex, [math.inf] * len(parts))

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

    def step(self, state):
        """Take a step on every block whose certificate does not hold yet."""
        solvers = self.last if state.concave else self.rough
        parts = []
        for solver, part, error in zip(solvers, state.parts, state.errors, strict=True):
            if error > self._goal(state, part):
                if PATIENCE <= part.turn < PATIENCE + NEWTON:
                    solver = OrthantNewton(solver.problem, solver.concave)
                part = solver.step(part)
            parts.append(part)
        return PrecisionState(parts, state.concave, state.errors)

    def _goal(self, state, part):
        """Return the error at which a block is left alone."""
        if not state.concave:
            return ROUGH * part.T.shape[0]
        return self.tol * part.T.shape[0] if self.convex else self.tol

    def pause(self, state):
        """Return the number of steps until the next measure, for ``iterate``.

        A gap takes a Cholesky factor, an estimate of it none.
        """
        if not self.convex:
            return 1
        expected = sum(
            dual_point(problem, solver.L, part.T, part.W)[1]
            for problem, solver, part in zip(
                self.problems, self.last, state.parts, strict=True
            )
        )
        ratio = expected / max(self.problem.size * self.tol, 1e-300)
        return next(steps for limit, steps in PAUSES if ratio <= limit)

    def certificate(self, state):
        """Return the objective, and the gap by row or the KKT violation."""
        state.errors = [
            self._error(state, *each)
            for each in zip(self.problems, self.last, state.parts, strict=True)
        ]
        goals = [self._goal(state, part) for part in state.parts]
        value = self._offset + sum(self._values(state))
        if not state.concave:
            solved = all(e <= g for e, g in zip(state.errors, goals, strict=True))
            if solved or all(part.still for part in state.parts):
                self._bend(state)
        extra = {"support": self.count_edges(state)}
        still = bool(state.parts) and all(
            part.still or error <= goal
            for part, error, goal in zip(state.parts, state.errors, goals, strict=True)
        )
        if self.convex:
            gap = sum(state.errors)
            return Measure(value, gap / self.problem.size, gap, extra, still)
        worst = max(self._violations(state), default=0.0)
        largest = max((max_abs(diagonal_of(s.T)) for s in state.parts), default=0.0)
        if largest > UNBOUNDED:
            value = -math.inf
        return Measure(value, worst, extra=extra, stalled=still and state.concave)

    def _error(self, state, problem, solver, part):
        """Return the certificate of a block, of the stage that it is in."""
        if state.concave and not self.convex:
            return kkt_violation(part.T, part.G, solver.L)
        Z, expected = dual_point(problem, solver.L, part.T, part.W)
        if not state.concave and expected > 2.0 * self._goal(state, part):
            return math.inf
        return duality_gap(Z, part.value)

    def _bend(self, state):
        """Begin the last stage where the l1 stage ended."""
        state.parts = [
            solver.init(part.T)
            for solver, part in zip(self.last, state.parts, strict=True)
        ]
        state.concave, state.errors = True, [math.inf] * len(state.parts)

    def _values(self, state):
        """Return the objective of each block, with the concave part of the penalty."""
        for problem, solver, part in zip(
            self.problems, self.last, state.parts, strict=True
        ):
            missing = 0.0 if state.concave else problem.concave_value(part.T, solver.L)
            yield part.value + missing

    def _violations(self, state):
        """Return the violation of each block, with the concave part of the penalty."""
        for problem, solver, part in zip(
            self.problems, self.last, state.parts, strict=True
        ):
            G = part.G
            if not state.concave:
                G = G + problem.concave_gradient(part.T, solver.L)
            yield kkt_violation(part.T, G, solver.L)

    def count_edges(self, state):
        """Return the number of pairs of nodes that are linked."""
        return sum(
            (int(namespace(s.T).count_nonzero(s.T)) - s.T.shape[0]) // 2
            for s in state.parts
        )

    def finalize(self, state):
        """Return the precision matrix and its inverse, both (p, p)."""
        return (
            self._assemble([part.T for part in state.parts], 1.0 / self._variances),
            self._assemble([part.W for part in state.parts], self._variances),
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
        return {"T": self.finalize(state)[0], "concave": state.concave}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        state = self.init(asarray_like(packed["T"], self.problem.C))
        if packed["concave"] and not self.convex:
            self._bend(state)
        return state


def diagonal_of(M):
    """Return the diagonal of a matrix."""
    return namespace(M).linalg.diagonal(M)
