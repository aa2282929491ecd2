"""The minimiser of a quadratic model plus the penalty.

Problem: min_v g'(v - u) + (v - u)'(t B + r M)(v - u) / 2 + pen(v), with the symbols of
:mod:`skopt2.solvers.curvature.field`, B a curvature matrix, t > 0 and r >= 0.

Where the penalty is quadratic it belongs to g and B, and one linear system is all.
Otherwise proximal gradient steps with momentum in the metric M find the pieces of the
penalty that the solution is on, and Newton steps on these pieces end the search, every
ROUND steps: with the matrix where there is one, else by conjugate gradients.

Source: J. Lee, Y. Sun and M. Saunders, Proximal Newton-type methods for minimizing
composite functions, SIAM J. Optimization 24, 2014, for the model and for what accuracy
it is worth; A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009.
"""

import math

from skopt2._core.array import max_abs, sum64
from skopt2.solvers.krylov import conjugate_gradient

# Steps with momentum between two Newton steps, and rounds of both.
ROUND, ROUNDS = 20, 10
# Newton steps in a row, each of which may end at a kink.
NEWTON = 8
# Rounds without progress that are enough.
PATIENCE = 4
# Products of a Newton step.
PRODUCTS = 100
# Residual to reach, relative to that at the start.
INNER = 1e-3


def model_step(field, B, local, t=1.0, r=0.0):
    """Return v - u for the minimiser v.

    Parameters
    ----------
    field : Field
        The problem.
    B : CurvatureMatrix
        Curvature.
    local : Local
        Where the model is formed.
    t, r : float, default=1.0, 0.0
        Factor of B and of M.
    """
    if field.smooth:
        return B.solve(local.g / t, r / t)
    return _Model(field, B, local, t, r).minimise()


class _Model:
    """The quadratic model around one point."""

    def __init__(self, field, B, local, t, r):
        self.field, self.B, self.local, self.xp = field, B, local, field.xp
        self.t, self.r = t, r
        if getattr(B, "largest", None) is None:
            B.largest = B.top()
        self.L = max(t * B.largest + r, 1e-300)

    def times(self, d):
        """Return the matrix of the model times d."""
        return self.t * self.B.times(d) + (self.r * self.field.metric) * d

    def value(self, d, Hd):
        """Return the model at d, relative to the smooth part, as a float."""
        linear = sum64(d * self.local.g) + 0.5 * sum64(d * Hd)
        return linear + self.field.rest(self.local.u + d)

    def minimise(self):
        """Return the minimiser, as a difference."""
        field = self.field
        best = 0.0 * self.local.u
        Hbest, value = best, self.value(best, best)
        eps = float(field.xp.finfo(best.dtype).eps)
        self.slack = 4.0 * eps * (abs(value) + abs(self.local.value))
        first, least, idle = None, math.inf, 0
        for _ in range(ROUNDS):
            d, Hd = self._momentum(best, Hbest)
            reached = self.value(d, Hd)
            if not reached <= value:
                self.L *= 2.0
                idle += 1
            else:
                best, Hbest, value = d, Hd, reached
            residual = self._residual(best, Hbest)
            first = residual if first is None else first
            for _ in range(NEWTON):
                found = self._newton(best, Hbest, value)
                if found is None:
                    break
                best, Hbest, value = found
                residual = self._residual(best, Hbest)
                if residual <= INNER * first:
                    break
            idle = 0 if residual <= 0.5 * least else idle + 1
            least = min(least, residual)
            if residual <= INNER * first or idle > PATIENCE or field.problem.expired:
                break
        return best

    def _prox(self, d, gradient):
        """Return the proximal step in the metric, as a difference from u."""
        field, k = self.field, self.field.offset
        steps = 1.0 / (self.L * field.metric)
        v = self.local.u + d - steps * gradient
        w = field.penalty.prox(v[k:, ...], steps[k:, ...], field.lam)
        return field.join(v[:1, ...], w) - self.local.u

    def _momentum(self, d, Hd):
        """Return d after some steps with momentum, and the matrix times d."""
        g, xp = self.local.g, self.xp
        old, Hold, t = d, Hd, 1.0
        for _ in range(ROUND):
            ahead = 0.5 * (1.0 + (1.0 + 4.0 * t * t) ** 0.5)
            beta = (t - 1.0) / ahead
            z, Hz = d + beta * (d - old), Hd + beta * (Hd - Hold)
            new = self._prox(z, g + Hz)
            turn = xp.sum((z - new) * (new - d) * self.field.metric)
            t = 1.0 if float(turn) > 0.0 else ahead
            old, Hold, d = d, Hd, new
            Hd = self.times(d)
        return d, Hd

    def _residual(self, d, Hd):
        """Return the largest distance from stationarity of a coordinate."""
        local = self.local
        return max_abs(
            self.field.least(type(local)(local.u + d, None, 0.0, local.g + Hd))
        )

    def _newton(self, d, Hd, value):
        """Return d after a Newton step on its pieces, None if it gains nothing."""
        field, xp, k = self.field, self.xp, self.field.offset
        w = (self.local.u + d)[k:, ...]
        one = xp.ones_like(d[:1, ...])
        free = xp.astype(field.penalty.free(w, field.lam), d.dtype)
        mask = field.join(one, free)
        slope = field.penalty.derivative(w, field.lam)
        bend = field.penalty.curvature(w, field.lam)
        slope, bend = (field.join(0.0 * one, free * x) for x in (slope, bend))
        force = mask * (self.local.g + Hd + slope)
        move = self.B.solve_on(force, mask, self.t, self.r + bend / field.metric)
        if move is None:
            move = self._inexact(force, mask, bend)
        move = mask * move
        kink = field.join(0.0 * one, field.penalty.slope_at_zero(field.lam) + 0.0 * w)
        u = self.local.u + d
        meets = (kink > 0.0) & (u * move < 0.0)
        length = xp.where(meets, -u / xp.where(meets, move, xp.ones_like(u)), math.inf)
        # In the null space of a singular matrix the step is without end: it goes to the
        # first kink on its way.
        for t in (1.0, min(1.0, float(xp.min(length))), 0.25):
            v = u + t * move
            v = xp.where(length <= t, 0.0 * v, v)
            if field.penalty.bounds is not None:
                lam = field.lam
                level = xp.where(xp.isinf(lam), lam, xp.zeros_like(lam))
                v = field.join(v[:1, ...], field.penalty.prox(v[k:, ...], 1.0, level))
            new = v - self.local.u
            Hnew = self.times(new)
            reached = self.value(new, Hnew)
            if reached < value:
                return new, Hnew, reached
            # A gain that is less than rounding shows in the residual alone.
            level = reached <= value + self.slack
            if level and self._residual(new, Hnew) < 0.5 * self._residual(d, Hd):
                return new, Hnew, reached
        return None

    def _inexact(self, force, mask, bend):
        """Return the direction of a Newton step by conjugate gradients."""
        field, xp, shape = self.field, self.xp, force.shape
        bend = bend + 1e-12 * self.L * field.metric
        diagonal = self.t * self.B.diagonal() + self.r * field.metric + bend

        def multiply(v):
            v = xp.reshape(v, shape)
            return xp.reshape(mask * self.times(mask * v) + bend * v, (-1,))

        move, _ = conjugate_gradient(
            multiply,
            xp.reshape(-force, (-1,)),
            lambda v: v / xp.reshape(diagonal + 0.0 * force, (-1,)),
            1e-10,
            PRODUCTS,
            False,
            lambda: field.problem.expired,
        )
        return xp.reshape(move, shape)
