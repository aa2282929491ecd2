"""Newton steps on one block of a precision matrix, on the elements that may move.

At T an element may move if it is not zero, or if the gradient at zero exceeds the slope
of the penalty there. With their signs given, the l1 norm is linear, and a Newton
direction D solves (W D W)_free = -V_free, V the least subgradient, by conjugate
gradients with the preconditioner (T R T)_free: its inverse where all elements are free.
T + t D is projected on these signs, and t halved until the matrix is positive definite
and the objective falls enough.

The steps hardly depend on the condition of T, where proximal ones do, but each of their
conjugate gradients takes four products of matrices: they are for what is left after
many proximal steps.

Sources: F. Oztoprak, J. Nocedal, S. Rennie, P. Olsen, Newton-like methods for sparse
inverse covariance estimation, NIPS 2012, section 3; C.-J. Hsieh, M. Sustik, I. Dhillon,
P. Ravikumar, QUIC, JMLR 15, 2014, section 3 for the free set and the line search.
"""

from dataclasses import replace

from skopt2._core.array import max_abs, namespace
from skopt2.penalties.base import soft_threshold
from skopt2.solvers.precision.definite import symmetric
from skopt2.solvers.precision.spectral_gradient import SpectralGradient
from skopt2.solvers.precision.workspace import inner

SUFFICIENT = 1e-4
HALVINGS = 40
# Most products of a direction, and the least precision of its system.
INNER = 60
FORCING = 0.1


class OrthantNewton(SpectralGradient):
    """Newton's method on the signs of the elements of one block.

    Parameters
    ----------
    problem : PrecisionProblem
        Of the block.
    concave : bool, default=True
        Whether the concave part of the penalty is there, or l1 alone.
    """

    def step(self, state):
        """Return the next state, by a proximal step where Newton's brings nothing.

        Parameters
        ----------
        state : BlockState
            Not changed.

        Returns
        -------
        state : BlockState
        """
        xp, T, L = namespace(state.T), state.T, self.L
        V = xp.where(T == 0.0, soft_threshold(state.G, L), state.G + L * xp.sign(T))
        sign = xp.where(T == 0.0, -xp.sign(V), xp.sign(T))
        D = self._direction(state, V, (sign != 0.0) | (L == 0.0))
        limit, t = state.value + self._slack(state), 1.0
        for _ in range(HALVINGS):
            moved = T + t * D
            # The diagonal has no penalty, and is positive all the way.
            kept = (xp.sign(moved) == sign) | (L == 0.0)
            moved = xp.where(kept, moved, xp.zeros_like(moved))
            found = self._evaluate(moved)
            if found is not None:
                slope = inner(V, moved - T)
                if slope < 0.0 and found[0] <= limit + SUFFICIENT * slope:
                    accepted = self._accept(state, moved, *found, state.t)
                    return replace(accepted, recent=(found[0],))
            t *= 0.5
        return super().step(state)

    def _direction(self, state, V, free):
        """Return D with (W D W + V) near zero on the free elements, and zero else."""
        xp, T, W = namespace(V), state.T, self.problem.C - state.H
        zero = xp.zeros_like(V)
        R = xp.where(free, -V, zero)
        D = P = zero
        before, forcing = 0.0, min(FORCING, max_abs(R)) ** 2
        goal = 0.0
        for k in range(INNER):
            Z = xp.where(free, T @ R @ T, zero)
            size = inner(R, Z)
            if k == 0:
                goal = forcing * size
            if not size > goal:
                break
            P = Z + (size / before) * P if k else Z
            product = xp.where(free, W @ P @ W, zero)
            curved = inner(P, product)
            if not curved > 0.0:
                break
            D = D + (size / curved) * P
            R = R - (size / curved) * product
            before = size
        return symmetric(D)
