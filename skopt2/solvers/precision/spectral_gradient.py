"""Proximal gradient with spectral steps on one block of a precision matrix.

A step is T+ = soft(T - t G, t L), with the notation of
:mod:`skopt2.solvers.precision.problem`: one Cholesky factor, that says whether T+ is
positive definite and what the objective is there, and one inverse. t is the long step
of Barzilai and Borwein, then the short one or a half, and further halves, until the
objective is below the largest of the last values by a part of the squared step.

In correlations the curvature is near one at the start, and W has a unit diagonal at the
solution, so that the steps fit all the elements. While they do, this is faster than
Newton's method: a product with the curvature takes the time of three steps.

Sources: D. Guillot, B. Rajaratnam, B. Rolfs, A. Maleki, I. Wong, Iterative thresholding
algorithm for sparse inverse covariance estimation, NIPS 2012, algorithm 1; S. Wright,
R. Nowak, M. Figueiredo, Sparse reconstruction by separable approximation, IEEE
Transactions on Signal Processing 57, 2009, for the line search.
"""

from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import device_of, namespace
from skopt2.solvers.precision.definite import symmetric
from skopt2.solvers.precision.workspace import inner, make_workspace

HALVINGS = 60
# Values that the next one is compared with.
MEMORY = 5
SUFFICIENT = 1e-4
# Part of the objective that is rounding error, in units of the machine precision.
ROUNDINGS = 32.0
SHORTEST, LONGEST = 1e-12, 1e6
# Of a step where the curvature along the last one was not positive.
STRETCH = 2.0


@dataclass(frozen=True, eq=False)
class BlockState:
    """Where the iteration is on one block.

    Parameters
    ----------
    T, H, G : array of shape (k, k)
        Precision, gradient of the likelihood C - T^-1, gradient of all but the l1 part.
    value : float
        Objective.
    recent : tuple of float
        Last values, this one among them.
    t, short : float, default=1.0
        Lengths to try next.
    turn : int, default=0
        Steps so far.
    still : bool, default=False
        Whether no step lowers the objective.
    """

    T: Any
    H: Any
    G: Any
    value: float
    recent: tuple
    t: float = 1.0
    short: float = 1.0
    turn: int = 0
    still: bool = False


class SpectralGradient:
    """Proximal gradient on one block.

    Parameters
    ----------
    problem : PrecisionProblem
        Of the block.
    concave : bool, default=True
        Whether the concave part of the penalty is there, or l1 alone.
    """

    def __init__(self, problem, concave=True):
        self.problem = problem
        self.concave = concave and not problem.penalty.convex
        self.work = make_workspace(problem)
        self.L = self.work.L
        self.eps = float(namespace(problem.C).finfo(problem.C.dtype).eps)

    def init(self, T=None):
        """Return the state at a precision matrix, by default the identity.

        Parameters
        ----------
        T : array of shape (k, k), default=None
            Not used if it is not positive definite.

        Returns
        -------
        state : BlockState
        """
        found = None
        if T is not None:
            T = symmetric(T)
            found = self._evaluate(T)
        if found is None:
            C = self.problem.C
            T = namespace(C).eye(C.shape[0], dtype=C.dtype, device=device_of(C))
            found = self._evaluate(T)
        value, factor = found
        H, G = self._gradients(T, factor)
        return BlockState(T, H, G, value, (value,))

    def step(self, state):
        """Return the next state.

        Parameters
        ----------
        state : BlockState
            Not changed.

        Returns
        -------
        state : BlockState
        """
        t, limit = state.t, max(state.recent) + self._slack(state)
        for _ in range(HALVINGS):
            T = self.work.shrink(state.T, state.G, t)
            found = self._evaluate(T)
            if found is not None:
                value, factor = found
                dT = self.work.difference(T, state.T)
                square = inner(dT, dT)
                if value <= limit - SUFFICIENT / (2.0 * t) * square:
                    return self._accept(state, T, value, factor, t)
            t = min(0.5 * t, state.short) if t == state.t else 0.5 * t
        return replace(state, still=True)

    def _slack(self, state):
        """Return what of the objective may be rounding."""
        return ROUNDINGS * self.eps * (abs(state.value) + state.T.shape[0])

    def _evaluate(self, T):
        """Return the objective and the factor; None if T is not positive definite."""
        factor, log_det = self.work.factorise(T)
        if factor is None:
            return None
        value = inner(self.problem.C, T) - log_det + self.work.size(T)
        if self.concave:
            value += self.problem.concave_value(T, self.L)
        return value, factor

    def _gradients(self, T, factor):
        """Return the gradient of the likelihood, and of all but the l1 part."""
        H = self.work.gradient(T, factor)
        if not self.concave:
            return H, H
        return H, H + self.problem.concave_gradient(T, self.L)

    def _accept(self, state, T, value, factor, t):
        """Return the state after a step, with the length of the next one."""
        H, G = self._gradients(T, factor)
        dT = self.work.difference(T, state.T)
        square, curved = inner(dT, dT), inner(dT, G) - inner(dT, state.G)
        # The concave part may bend the objective down.
        t = short = STRETCH * t
        if curved > 0.0:
            dG = self.work.difference(G, state.G)
            t, short = square / curved, curved / inner(dG, dG)
        return BlockState(
            T,
            H,
            G,
            value,
            (*state.recent, value)[-MEMORY:],
            min(max(t, SHORTEST), LONGEST),
            min(max(short, SHORTEST), LONGEST),
            state.turn + 1,
        )
