"""The accelerated gradient method for sparse models with concave penalties.

Problem: min_w f(w) + sum_j pen(w_j; lam_j) for MCP, SCAD and the l1 norm.
Split: pen(w) = lam * abs(w) + h(w), h concave and differentiable, h' = pen' - lam *
sign(w), with slope at most 1/gamma for MCP, 1/(gamma - 1) for SCAD and 0 for l1.
Symbols: L = max(L_f, that slope); beta = 0.99 / L; alpha_k the damping, alpha_1 = 1 and
alpha_{k+1} = 2 / (1 + sqrt(1 + 4 / alpha_k^2)); m the middle, v the aggregated point.

    m = (1 - alpha_k) * v + alpha_k * w
    w <- soft(w - beta / alpha_k * grad(f + h)(m), beta / alpha_k * lam)
    v <- soft(m - beta * grad(f + h)(m), beta * lam)

The damping is the one that minimises the complexity bound. It starts again at 1 when
the middle slows down (speed restart): abs(m_k - m_{k-1}) < abs(m_{k-1} - m_{k-2}), at
least three steps after the last time. The iteration stops on stationarity, where
abs(m - v) / beta is short, never on the size of a step.

Here L is a metric: L_j = max(c * theta * D_j, slope), which is the method above in
variables that give every column the same norm; where they have it, nothing changes.

Source: K. Yang, M. Asgharian and S. Bhatnagar, Accelerated gradient methods for sparse
statistical learning with nonconvex penalties, arXiv:2009.10629 (for the splitting and
the two sequences: S. Ghadimi and G. Lan, Accelerated gradient methods for nonconvex
nonlinear and stochastic programming, Mathematical Programming 156, 2016).
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like
from skopt2.penalties import MCP, SCAD
from skopt2.penalties.base import soft_threshold
from skopt2.penalties.l1 import L1
from skopt2.solvers.first_order import INNER_LIMIT, FirstOrder

# Iterations between two looks of the host.
PERIOD = 10
# Share of the largest step, and steps between two restarts.
SHARE, REST = 0.99, 3


@dataclass(frozen=True)
class Pace:
    """Where the iteration stands.

    Parameters
    ----------
    w, b : array
        Coefficients (m,) or (m, K) and intercept () or (K,) of the fast sequence.
    v, d : array
        The same of the aggregated sequence, which converges.
    m, e : array
        The same of the last middle.
    alpha : array of shape ()
        Damping.
    speed : array of shape ()
        Length of the last move of the middle, squared.
    rest : array of shape ()
        Steps since the last restart.
    """

    w: Any
    b: Any
    v: Any
    d: Any
    m: Any
    e: Any
    alpha: Any
    speed: Any
    rest: Any


class AcceleratedGradient(FirstOrder):
    """Accelerated gradient with optimal damping and speed restarts.

    Parameters
    ----------
    problem : LinearProblem
        A loss whose curvature is bounded; MCP, SCAD, or an l1 norm, weighted or not.
    tol : float
        Tolerance of the certificate.

    Raises
    ------
    ValueError
        If the method does not know the penalty, or the loss has no bounded curvature.
    """

    name = "ag"

    def __init__(self, problem, tol):
        penalty, loss = problem.penalty, problem.loss
        if not isinstance(penalty, (L1, MCP, SCAD)):
            raise ValueError(
                f"solver='ag' has no splitting for the {penalty.name} penalty: it "
                "takes 'l1', 'mcp' and 'scad'; use solver='proxgrad' for the others."
            )
        if not loss.has_lipschitz and not loss.smoothable:
            raise ValueError(
                f"solver='ag' needs a loss of bounded curvature, and that of the "
                f"{loss.name} loss has no bound; use solver='proxgrad'."
            )
        super().__init__(problem, tol)

    def _minimise(self, model, point, lam, goal, final):
        """Run the iteration; see FirstOrder."""
        steps = self.steps(model, point.eta)
        pace = self.start(point)
        best, value = point, model.objective(point, lam)
        for _ in range(INNER_LIMIT // PERIOD):
            for _ in range(PERIOD):
                pace = self.advance(model, pace, steps, lam)
            end = model.at(pace.v, pace.d)
            reached = model.objective(end, lam)
            # The sequence is not monotone: it goes on, but the best point is kept.
            if reached <= value:
                best, value = end, reached
            if self._length(model, pace, steps) <= goal:
                break
        return best

    def steps(self, model, eta):
        """Return beta for the coefficients, per coordinate, and for the intercept."""
        bound = model.curvature_bound(eta) * model.theta
        L = model.xp.maximum(bound * model.metric, largest_bend(self.problem.penalty))
        return SHARE / L, SHARE / bound

    def start(self, point):
        """Return the pace at rest in a point."""
        one = asarray_like(1.0, point.eta)
        w, b = point.w, point.b
        return Pace(w, b, w, b, w, b, one, 0.0 * one, 0.0 * one)

    def advance(self, model, pace, steps, lam):
        """Take one step; does not wait for the device."""
        xp, (beta, beta_b), alpha = model.xp, steps, pace.alpha
        m = (1.0 - alpha) * pace.v + alpha * pace.w
        e = (1.0 - alpha) * pace.d + alpha * pace.b
        g, slope = model.gradient(model.at(m, e).eta)
        level = model.penalty.slope_at_zero(lam)
        concave = model.penalty.derivative(m, lam) - xp.sign(m) * xp.where(
            m == 0.0, 0.0, level
        )
        g = g + concave
        long = beta / alpha
        w = soft_threshold(pace.w - long * g, long * level)
        v = soft_threshold(m - beta * g, beta * level)
        b = pace.b - (beta_b / alpha) * slope
        d = e - beta_b * slope
        speed = xp.sum((m - pace.m) ** 2 / beta) + xp.sum((e - pace.e) ** 2) / beta_b
        again = (speed < pace.speed) & (pace.rest >= REST)
        ahead = 2.0 / (1.0 + (1.0 + 4.0 / (alpha * alpha)) ** 0.5)
        return Pace(
            w,
            b,
            v,
            d,
            m,
            e,
            xp.where(again, xp.ones_like(alpha), ahead),
            speed,
            xp.where(again, xp.zeros_like(alpha), pace.rest + 1.0),
        )

    def _length(self, model, pace, steps):
        """Return the length of the gradient mapping at the middle; waits."""
        xp, (beta, beta_b) = model.xp, steps
        length = 0.0
        if model.m:
            length = float(xp.max(xp.abs(pace.m - pace.v) / beta))
        if model.explicit:
            length = max(length, float(xp.max(xp.abs(pace.e - pace.d))) / beta_b)
        return length


def largest_bend(penalty):
    """Return the largest slope of h', the derivative of the concave part."""
    if isinstance(penalty, MCP):
        return 1.0 / float(penalty.gamma)
    if isinstance(penalty, SCAD):
        return 1.0 / (float(penalty.gamma) - 1.0)
    return 0.0
