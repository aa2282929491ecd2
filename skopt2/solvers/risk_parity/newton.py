"""Newton's method for risk parity, with a step that cannot leave the domain.

Problem and symbols: :mod:`skopt2.solvers.risk_parity.problem`. Further: g = s - b / x
and H = C + diag(b / x^2) gradient and Hessian; d = -H^-1 g; u = d / x; delta = max_i
abs(u_i); l^2 = d'Hd. H is definite where C is singular.

With psi(t) = -t delta - log(1 - t delta), and t delta < 1,

    f(x + t d) - f(x) <= l^2 (psi(t) / delta^2 - t),

because -log(1 + t u) + t u <= (u / delta)^2 psi(t) for abs(u) <= delta, and t^2 / 2 <=
psi(t) / delta^2. The right side is smallest at t = 1 / (1 + delta), which is negative:
every step descends, x stays positive, and no line search is needed. A full step
descends by at least 0.2 l^2 where delta <= 1/2, and makes the end quadratic.

In v = b^(1/2) u the system is (I + Y C Y) v = r with Y = diag(x / b^(1/2)) and r = -g
x / b^(1/2), whose eigenvalues are at least 1. With many assets conjugate gradients from
v = 0 solve it in some tens of products with C, instead of a factorisation. Their
iterates have the residual orthogonal to v, so that d'Hd = -g'd holds however early they
end, and the bound above with it. A step that needs more products than a factorisation
costs is solved by one.

The start is one Jacobi sweep of the coordinate method from equal positions:

    a_i = (sum_j C_ij - 1) / (2 sqrt(sum_ij C_ij)),  x_i = sqrt(a_i^2 + b_i) - a_i.

Source: F. Spinu, An algorithm for computing risk parity weights, 2013 (damped Newton);
J. Choi and R. Chen, Improved iterative methods for solving risk parity portfolio,
Journal of Derivatives and Quantitative Studies 30, 2022 (the start). The bound of the
step in delta instead of the Newton decrement, the rescaling of its end, and conjugate
gradients are ours.
"""

from skopt2._core.array import (
    accumulation_dtype,
    cholesky_solve,
    device_of,
    dot64,
    max_abs,
    namespace,
)
from skopt2.solvers.risk_parity.problem import RiskProblem, RiskState

# Assets from which conjugate gradients are tried, and the products after which they are
# given up, as a part of the number of assets: n^3 / 3 operations against 2 n^2.
LARGE, PATIENCE = 300, 0.25
# Relative residual of the system, at most, and in units of the certificate.
FORCING = 0.1
# Largest relative change of a position at which the full step is taken.
FULL = 0.5


def positive_root(a, b):
    """Return the positive root of x^2 + 2 a x - b, without cancellation.

    Parameters
    ----------
    a : array of shape (n,)
        Any numbers.
    b : array of shape (n,)
        Positive.

    Returns
    -------
    x : array of shape (n,)
        Positive.
    """
    xp = namespace(a, b)
    root = xp.sqrt(a * a + b)
    # Never a zero denominator, also in the branch that is not taken.
    return xp.where(a > 0.0, b / (root + xp.abs(a)), root - a)


class RiskNewton(RiskProblem):
    """Damped Newton steps, each rescaled to x'Cx = 1.

    Parameters
    ----------
    C, b : array
        As in :class:`skopt2.solvers.risk_parity.problem.RiskProblem`.
    factorise : bool, default=None
        Whether to factorise the matrix in each step; None for fewer than 300 assets.
    """

    name = "newton"

    def __init__(self, C, b, factorise=None):
        super().__init__(C, b)
        self.factorise = self.n < LARGE if factorise is None else factorise

    def init(self, x=None):
        """Return the first state.

        Parameters
        ----------
        x : array of shape (n,), default=None
            Positive positions to start from; None for the start of the paper.

        Returns
        -------
        state : RiskState
            A start.
        """
        if x is not None:
            return self.state(x)
        equal = self.equal_positions()
        return self.state(positive_root(0.5 * (equal.s - equal.x), self.b))

    def step(self, state):
        """Return the state after one Newton step.

        Parameters
        ----------
        state : RiskState
            Any.

        Returns
        -------
        state : RiskState
            With a smaller objective, unless rounding forbids.
        """
        x, b = state.x, self.b
        if state.riskless:
            return state
        u = None if self.factorise else self._iterative_direction(state)
        if u is None:
            # In units of the positions the matrix has the diagonal x^2 + b, and no
            # entry is the inverse of a small position.
            H = x[:, None] * self.C * x[None, :] + self._diagonal(b)
            u = cholesky_solve(H, b - x * state.s)
        if u is None:
            return RiskState(x, state.s, 0.0, state.n_steps + 1, state.riskless)
        delta = max_abs(u)
        step = 1.0 if delta <= FULL else 1.0 / (1.0 + delta)
        moved = step * delta
        return self.state(x * (1.0 + step * u), moved, state.n_steps + 1)

    def _iterative_direction(self, state):
        """Return u by conjugate gradients, None if they are slow."""
        xp, C, root = self.xp, self.C, self.b**0.5
        y = state.x / root
        r = root - y * state.s
        square = dot64(r, r)
        # A residual as small as the error itself keeps the end quadratic.
        forcing = min(FORCING, max_abs(r / root))
        v, p, goal = xp.zeros_like(r), r, square * forcing**2
        if not square > 0.0:
            return v
        for _ in range(int(PATIENCE * self.n)):
            q = p + y * (C @ (y * p))
            length = square / dot64(p, q)
            v, r = v + length * p, r - length * q
            square, before = dot64(r, r), square
            if square <= goal:
                return v / root
            p = r + (square / before) * p
        return None

    def _diagonal(self, b):
        """Return diag(b)."""
        xp = self.xp
        if xp.__name__ == "numpy":
            return xp.diag(b)
        eye = xp.eye(self.n, dtype=accumulation_dtype(b), device=device_of(b))
        return eye * b[None, :]
