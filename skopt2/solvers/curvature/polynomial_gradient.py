"""Gradient methods with polynomial preconditioners.

Problem and symbols: :mod:`skopt2.solvers.curvature.field`, for quadratic penalties;
B = M^-1/2 (A'diag(s)A + diag(q) / c) M^-1/2, the curvature of the data in the metric,
c the bound of the second derivative of the loss: the Hessian of F, scaled, is at most
c B. All steps here are in the metric. Only products with A and A' are ever formed.

``form="symmetric"``: the fast gradient method with the preconditioner P_t of
:mod:`skopt2.solvers.curvature.symmetric_polynomial`. Momentum as in FISTA, restarted
where the step points back; the step u = z - P g / L is long enough if
F(u) <= F(z) - g'P g / (2 L), for which no inverse of P is needed; L is divided by 2
before each iteration and doubled until this holds, so that neither the spectrum nor c
has to be known. P is scaled to tr(B)^t, so that L keeps its size.

``form="krylov"``: the best polynomial at each point. F is minimised on the point plus
the span of g, B g, ..., B^t g: the basis is orthonormal by Lanczos, its predictors are
kept, and Newton steps in the t + 1 numbers follow, which do not touch the data. F falls
at least as far as with any fixed polynomial of that order. Two things differ from the
paper: B has the curvature of the loss at the point in place of its bound, and the last
step is one more direction of the subspace, which is what conjugate gradients do and
costs one product with A.

Source: N. Doikov and A. Rodomanov, Polynomial preconditioning for gradient methods,
ICML 2023, algorithms 1 (gradient method), 2 (adaptive, on the Krylov subspace) and 3
(fast gradient method).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import max_abs, sum64
from skopt2.solvers.curvature.method import CurvatureMethod
from skopt2.solvers.curvature.symmetric_polynomial import (
    moments,
    precondition,
    symmetric_polynomials,
    truncated,
)

# Least ratio of two symmetric polynomials, in units of rounding errors.
TINY = 1e6
# Newton steps on a subspace, and halvings of one.
SUBSPACE, HALVINGS = 4, 30


@dataclass(frozen=True)
class Momentum:
    """What the method remembers.

    Parameters
    ----------
    L : float
        Inverse of the last step.
    old, old_eta : array or None
        The iterate before and its predictor.
    t : float
        Momentum.
    c : float
        Typical curvature of the loss.
    sigma : list of float or None
        Symmetric polynomials of the spectrum, over powers of the trace.
    """

    L: float
    old: Any
    old_eta: Any
    t: float
    c: float
    sigma: Any = None


class PolynomialGradient(CurvatureMethod):
    """Gradient steps multiplied by a polynomial of the curvature of the data.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a quadratic penalty.
    tol : float
        Tolerance of the certificate.
    order : int, default=4
        Degree of the polynomial.
    form : {"krylov", "symmetric"}, default="krylov"
        The best polynomial at each point, or one for all.
    """

    name = "poly"
    takes = "smooth"
    period = 2

    def __init__(self, problem, tol, order=4, form="krylov"):
        super().__init__(problem, tol)
        self.order, self.form = order, form

    def _begin(self, field, local):
        bend = self.problem.mean_curvature(self.problem.curvature(local.eta))
        c = max(max_abs(field.xp.reshape(bend, (-1,))), 1e-300)
        if self.problem.loss.has_lipschitz:
            c = max(c, 0.1 * float(self.problem.loss.lipschitz))
        memory = Momentum(c, local.u, local.eta, 1.0, c)
        if self.form == "krylov":
            return memory
        like = field.metric if field.metric.ndim == 1 else field.metric[:, 0]
        found = moments(self._scaled(field, c, True), field.N, self.order + 1, like)
        self.counts["gradients"] += self.order + 1
        trace = max(found[0], 1e-300)
        shares = [value / trace**i for i, value in enumerate(found, 1)]
        eps = float(field.xp.finfo(self.problem.y.dtype).eps)
        sigma = truncated(symmetric_polynomials(shares), TINY * eps)
        return Momentum(c, local.u, local.eta, 1.0, c, [trace, *sigma])

    def _scaled(self, field, c, columns=False):
        """Return the product with B; with columns in place of the outputs if asked."""
        root, q, metric = field.metric**0.5, field.q / c, field.metric
        if columns and root.ndim == 1:
            root, q, metric = root[:, None], q[:, None], metric[:, None]
        s = self.problem.s

        def times(x):
            d = x / root
            v = field.times(d)
            v = (s if v.ndim == 1 else s[:, None]) * v
            return (field.adjoint(v) + q * d) / root

        return times

    def _advance(self, field, run):
        """Take one iteration; see CurvatureMethod."""
        if self.form == "krylov":
            return self._krylov(field, run)
        return self._fast(field, run)

    def _fast(self, field, run):
        """Take one step of the fast gradient method."""
        memory, local, slack = run.memory, run.local, self.rounding(run)
        trace, sigma = memory.sigma[0], memory.sigma[1:]
        times, root = self._scaled(field, memory.c), field.metric**0.5
        ahead = 0.5 * (1.0 + (1.0 + 4.0 * memory.t**2) ** 0.5)
        beta = (memory.t - 1.0) / ahead
        z = local
        if beta > 0.0:
            u = local.u + beta * (local.u - memory.old)
            z = field.at(u, local.eta + beta * (local.eta - memory.old_eta))
            self.counts["gradients"] += 1
        scaled = z.g / root
        P = precondition(lambda x: times(x) / trace, sigma, scaled)
        self.counts["gradients"] += len(sigma) - 1
        square = sum64(scaled * P)
        if not square > 0.0:
            # Random moments can be so wrong that P is not definite.
            P, square = scaled, sum64(scaled * scaled)
        direction = P / root
        ray = field.times(direction)
        L = 0.5 * memory.L
        for _ in range(2 * HALVINGS):
            u, eta = z.u - direction / L, z.eta - ray / L
            value = field.value(u, eta)
            if value <= z.value - 0.5 * square / L + slack:
                break
            L *= 2.0
        else:
            L = memory.L
        if not value <= local.value + slack:
            if beta > 0.0:
                # Where momentum has gone too far the next step is without.
                kept = Momentum(L, local.u, local.eta, 1.0, memory.c, memory.sigma)
                return self._run_at(field, local, kept)
            return run
        back = sum64(z.g * (u - local.u)) > 0.0
        t = 1.0 if back else ahead
        kept = Momentum(L, local.u, local.eta, t, memory.c, memory.sigma)
        new = field.at(u, eta, value)
        self.counts["gradients"] += 1
        return self._run_at(field, new, kept)

    def _krylov(self, field, run):
        """Minimise on a Krylov subspace."""
        local, memory, root = run.local, run.memory, field.metric**0.5
        h = field.curvature(local.eta)

        def times(x, ray):
            bent = self.problem.curvature_product(h, ray)
            return field.adjoint(bent) / root + field.q * x / field.metric

        directions, rays = _lanczos(field, times, local.g, self.order)
        self.counts["gradients"] += max(len(rays) - 1, 0)
        if not rays:
            return run
        last = local.u - memory.old
        size = sum64(last * last * field.metric) ** 0.5
        if size > 0.0:
            # Not from the last predictors: near the end their difference is rounding.
            directions.append(last / size)
            rays.append(field.times(directions[-1]))
        found = _subspace_newton(field, local, directions, rays, self.rounding(run))
        if found is None:
            return run
        u, eta, value = found
        new = field.at(u, eta, value)
        self.counts["gradients"] += 1
        kept = Momentum(memory.L, local.u, local.eta, 1.0, memory.c)
        return self._run_at(field, new, kept)


def _lanczos(field, times, g, order):
    """Return directions that span the Krylov subspace of g, and their predictors.

    They are orthonormal in the metric.
    """
    root = field.metric**0.5
    basis, directions, rays, v = [], [], [], g / root
    size = largest = sum64(v * v) ** 0.5
    while size > 1e-7 * largest:
        v = v / size
        basis.append(v)
        directions.append(v / root)
        rays.append(field.times(directions[-1]))
        if len(basis) > order:
            break
        v = times(v, rays[-1])
        largest = sum64(v * v) ** 0.5
        # Twice is enough for the digits that matter.
        for old in [*basis, *basis]:
            v = v - sum64(old * v) * old
        size = sum64(v * v) ** 0.5
    return directions, rays


def _subspace_newton(field, local, directions, rays, slack):
    """Return unknowns, predictor and value of the minimum on a subspace, nearly.

    None if no point on it is lower. A product with the data is not needed.
    """
    problem, xp = field.problem, field.xp
    u, eta, value = local.u, local.eta, local.value
    for count in range(SUBSPACE):
        v, h = problem.weighted_gradient(eta), field.curvature(eta)
        w = u[field.offset :, ...]
        slope = field.penalty.derivative(w, field.lam)
        slope = field.join(xp.zeros_like(u[:1, ...]), slope)
        k = len(directions)
        g, H = np.empty(k), np.empty((k, k))
        for i in range(k):
            g[i] = sum64(v * rays[i]) + sum64(slope * directions[i])
            bent = problem.curvature_product(h, rays[i])
            held = field.q * directions[i]
            for j in range(i + 1):
                H[i, j] = sum64(bent * rays[j]) + sum64(held * directions[j])
                H[j, i] = H[i, j]
        top = max(float(np.trace(H)), 1e-300)
        x = -np.linalg.lstsq(H + 1e-13 * top * np.eye(k), g, rcond=None)[0]
        fall = float(g @ x)
        if not fall < 0.0:
            break
        found = _on_ray(field, u, eta, value, x, directions, rays, fall)
        if found is None or found[2] > value + slack:
            break
        done = value - found[2] <= 1e-3 * (local.value - found[2])
        u, eta, value = found
        if problem.loss.is_quadratic or (count and done):
            break
    return (u, eta, value) if u is not local.u else None


def _on_ray(field, u, eta, value, x, directions, rays, fall):
    """Backtrack along a combination of the directions; None if nothing is gained."""
    d = sum(a * one for a, one in zip(x.tolist(), directions, strict=True))
    ray = sum(a * one for a, one in zip(x.tolist(), rays, strict=True))
    t = 1.0
    slack = 1e-15 * abs(value)
    for _ in range(HALVINGS):
        new, end = u + t * d, eta + t * ray
        reached = field.value(new, end)
        if reached <= value + 1e-4 * t * fall + slack:
            return new, end, reached
        t *= 0.5
    return None
