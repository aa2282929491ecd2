"""Proximal gradient with spectral steps on one block of a precision matrix.

A step is T+ = soft(T - t G, t L), with the notation of
:mod:`skopt2.solvers.precision.problem`: one Cholesky factor, that says whether T+ is
positive definite and what the objective is there, and one inverse. t is the long step
of Barzilai and Borwein, halved until the objective is below the largest of the last
values by a part of the squared step.

In correlations the curvature is near one at the start, and W has a unit diagonal at the
solution, so that the steps fit all the elements. While they do, this is faster than
Newton's method: a product with the curvature takes the time of three steps.

Sources: D. Guillot, B. Rajaratnam, B. Rolfs, A. Maleki, I. Wong, Iterative thresholding
algorithm for sparse inverse covariance estimation, NIPS 2012, algorithm 1; S. Wright,
R. Nowak, M. Figueiredo, Sparse reconstruction by separable approximation, IEEE
Transactions on Signal Processing 57, 2009, for the line search.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import device_of, namespace
from skopt2.penalties.base import soft_threshold
from skopt2.solvers.precision.definite import factorise, inverse, symmetric
from skopt2.solvers.precision.problem import inner

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
    T, W, G : array of shape (k, k)
        Precision, its inverse, gradient of all but the l1 part.
    value : float
        Objective.
    recent : tuple of float
        Last values, this one among them.
    dT, dG : array of shape (k, k) or None
        Changes of the last step.
    t : float
        Length of the last step.
    turn : int
        Steps so far.
    still : bool
        Whether no step lowers the objective.
    """

    T: Any
    W: Any
    G: Any
    value: float
    recent: tuple
    dT: Any = None
    dG: Any = None
    t: float = 1.0
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
        self.problem, self.L = problem, problem.L
        self.concave = concave and not problem.penalty.convex

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
        return self._at(T, factor, value, (value,))

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
        t, limit = self._length(state), max(state.recent)
        slack = self._slack(state)
        for _ in range(HALVINGS):
            T = soft_threshold(state.T - t * state.G, t * self.L)
            found = self._evaluate(T)
            if found is not None:
                value, factor = found
                dT = T - state.T
                fall = SUFFICIENT / (2.0 * t) * inner(dT, dT)
                if value <= limit - fall + slack:
                    recent = (*state.recent, value)[-MEMORY:]
                    options = {"dT": dT, "t": t, "turn": state.turn + 1}
                    return self._at(T, factor, value, recent, state.G, **options)
            t *= 0.5
        still = {name: getattr(state, name) for name in ("T", "W", "G", "value")}
        return BlockState(**still, recent=state.recent, still=True)

    def _slack(self, state):
        """Return what of the objective may be rounding."""
        T = state.T
        eps = float(namespace(T).finfo(T.dtype).eps)
        return ROUNDINGS * eps * (abs(state.value) + T.shape[0])

    def _evaluate(self, T):
        """Return the objective and the factor; None if T is not positive definite."""
        factor, log_det = factorise(T)
        if factor is None:
            return None
        xp = namespace(T)
        value = inner(self.problem.C, T) - log_det + inner(self.L, xp.abs(T))
        if self.concave:
            value += self.problem.concave_value(T, self.L)
        return value, factor

    def _at(self, T, factor, value, recent, before=None, **options):
        """Return the state at a point, with the change of the gradient."""
        W = inverse(T, factor)
        G = self.problem.C - W
        if self.concave:
            G = G + self.problem.concave_gradient(T, self.L)
        dG = None if before is None else G - before
        return BlockState(T, W, G, value, recent, dG=dG, **options)

    def _length(self, state):
        """Return the length of a step that fits the last changes."""
        if state.dT is None:
            return 1.0
        curved = inner(state.dT, state.dG)
        # The concave part may bend the objective down.
        if not curved > 0.0:
            return min(STRETCH * state.t, LONGEST)
        return min(max(inner(state.dT, state.dT) / curved, SHORTEST), LONGEST)
