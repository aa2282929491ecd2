"""The stages of one block of a precision matrix, and its certificate.

The first stage is rough: the l1 problem, in single precision where the block is large,
up to a relative gap of 1e-5. A step there takes half the time, and its rounding does
not show yet. The last stage is the problem itself, from where the first one ended.

With a concave penalty this start leads to the stationary point that tangents of the
penalty (local linear approximation) lead to from the solution with l1.

Source: J. Fan, L. Xue, H. Zou, Strong oracle optimality of folded concave penalized
estimation, Annals of Statistics 42, 2014, for the start from the l1 solution.
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import has_float64, max_abs, namespace
from skopt2.solvers.precision.orthant_newton import OrthantNewton
from skopt2.solvers.precision.problem import gap_at, kkt_violation
from skopt2.solvers.precision.spectral_gradient import SpectralGradient

# Relative gap that ends the first stage.
ROUGH = 1e-5
# Rows of a block from which single precision saves time.
SINGLE = 100
# Steps between two measures, while the gap is about that many times what is asked for.
PAUSES = ((1.5, 1), (5.0, 2), (30.0, 4), (math.inf, 8))
# Proximal steps of a stage before Newton's take over, and the most of these.
PATIENCE, NEWTON = 200, 100


@dataclass(frozen=True, eq=False)
class Part:
    """Where the iteration is on one block.

    Parameters
    ----------
    state : BlockState
        Of the solver of the stage.
    last : bool
        Whether this is the last stage.
    error : float, default=inf
        Duality gap or KKT violation when it was last measured.
    value : float, default=inf
        Objective then.
    """

    state: Any
    last: bool
    error: float = math.inf
    value: float = math.inf


class StagedBlock:
    """Solver of one block.

    Parameters
    ----------
    problem : PrecisionProblem
        Of the block.
    tol : float
        Tolerance of the certificate.
    """

    def __init__(self, problem, tol):
        self.problem, self.size = problem, problem.size
        self.convex = problem.penalty.convex
        self.last = SpectralGradient(problem)
        self.goal = tol * self.size if self.convex else tol
        self.rough_goal = max(ROUGH, tol) * self.size
        rough = problem
        if self.size >= SINGLE and has_float64(namespace(problem.C)):
            rough = problem.astype(namespace(problem.C).float32)
        self.rough = None
        if rough is not problem or not self.convex:
            self.rough = SpectralGradient(rough, False)

    @functools.cached_property
    def newton(self):
        """Newton's method on the problem itself."""
        return OrthantNewton(self.problem)

    def init(self, T=None):
        """Return the first stage at a precision matrix.

        Parameters
        ----------
        T : array of shape (k, k), default=None
            None for that of no correlation.

        Returns
        -------
        part : Part
        """
        if self.rough is None:
            return Part(self.last.init(T), True)
        if T is not None:
            T = namespace(T).astype(T, self.rough.problem.C.dtype)
        return Part(self.rough.init(T), False)

    def step(self, part):
        """Take a step, unless the certificate holds.

        Parameters
        ----------
        part : Part
            Not changed.

        Returns
        -------
        part : Part
        """
        if part.last and part.error <= self.goal:
            return part
        solver = self.last if part.last else self.rough
        if part.last and PATIENCE <= part.state.turn < PATIENCE + NEWTON:
            solver = self.newton
        return replace(part, state=solver.step(part.state), error=math.inf)

    def pause(self, part):
        """Return the number of steps until the next measure.

        A gap takes a Cholesky factor, an estimate of it none.

        Parameters
        ----------
        part : Part
            Where the iteration is.

        Returns
        -------
        steps : int
        """
        if part.last and (part.error <= self.goal or not self.convex):
            return 1 if not self.convex else PAUSES[-1][1]
        goal = self.goal if part.last else self.rough_goal
        ratio = self._dual_point(part)[1] / max(goal, 1e-300)
        return next((steps for limit, steps in PAUSES if ratio <= limit), 1)

    def _dual_point(self, part):
        """Return a dual point of the stage, and an estimate of its gap."""
        solver = self.last if part.last else self.rough
        return solver.work.dual_point(part.state.T, part.state.H)

    def measure(self, part):
        """Measure, and go on to the last stage where the first one is done.

        Parameters
        ----------
        part : Part
            Not changed.

        Returns
        -------
        part : Part
            With its error and value.
        """
        if not part.last:
            Z, expected = self._dual_point(part)
            ready = expected <= self.rough_goal or part.state.still
            if not ready and part.state.turn < PATIENCE:
                gap = self._gap(self.rough, part, Z)
                measured = self._with_rough(part, max(gap, expected))
                if measured.error > self.goal:
                    return measured
            part = self.finish(part.state.T, part.state.t)
        state, L = part.state, self.last.L
        if part.error <= self.goal:
            return part
        if self.convex:
            error = self._gap(self.last, part, self._dual_point(part)[0])
        else:
            error = kkt_violation(state.T, state.G, L)
        return replace(part, error=error, value=state.value)

    def _gap(self, solver, part, Z):
        _, log_det = solver.work.factorise(Z)
        return gap_at(log_det, part.state.value, self.size)

    def finish(self, T, t=1.0):
        """Return the last stage at a precision matrix of any precision.

        Parameters
        ----------
        T : array of shape (k, k)
            Positive definite.
        t : float, default=1.0
            Length of the first step.

        Returns
        -------
        part : Part
        """
        state = self.last.init(namespace(T).astype(T, self.problem.C.dtype))
        return Part(replace(state, t=t, short=t), True)

    def _with_rough(self, part, gap):
        """Return a part of the first stage with the figures of the problem itself."""
        if self.convex:
            return replace(part, error=gap, value=part.state.value)
        problem, L, state = self.problem, self.last.L, part.state
        xp, dtype = namespace(L), L.dtype
        T, G = xp.astype(state.T, dtype), xp.astype(state.G, dtype)
        value = state.value + problem.concave_value(T, L)
        error = kkt_violation(T, G + problem.concave_gradient(T, L), L)
        return replace(part, error=error, value=value)

    def stuck(self, part):
        """Return whether no step brings anything any more.

        Parameters
        ----------
        part : Part
            Measured.
        """
        return part.last and (part.state.still or part.error <= self.goal)

    def largest(self, part):
        """Return the largest precision of a node.

        Parameters
        ----------
        part : Part
            Where the iteration is.
        """
        return max_abs(namespace(part.state.T).linalg.diagonal(part.state.T))
