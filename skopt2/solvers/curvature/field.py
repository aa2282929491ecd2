"""The smooth part of the problem in one array of unknowns.

Problem: F(u) = f(u) + pen(w), f(u) = sum_i s_i l(y_i, (A u)_i), u = (b, w).
Symbols: A (n, N) the centred columns of a working set, after a column of ones where the
intercept b is explicit; u (N,) or (N, K); M (N,) or (N, 1) the metric, the weighted
squared norms of the columns of A; norms are those of M, and of 1 / M for gradients, so
that no method here notices the units of a column.

Where the penalty is quadratic, none or ridge, it belongs to f: then F is smooth, ``q``
(N,) is its second derivative, and M has q over a bound of the second derivative of the
loss in addition.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import max_abs, sum64
from skopt2.penalties.elastic_net import ElasticNet
from skopt2.solvers.composite import Point, smoothness

# Losses that are linear in places have no curvature there. This share of the largest
# that they have stands for it, or samples far away would have no say in a step.
FLOOR = 1e-3


@dataclass(frozen=True)
class Local:
    """A point with what is known of the smooth part there.

    Parameters
    ----------
    u : array of shape (N,) or (N, K)
        Unknowns.
    eta : array of shape (n,) or (n, K)
        Linear predictor.
    value : float
        Smooth part.
    g : array of the shape of u
        Its gradient.
    """

    u: Any
    eta: Any
    value: float
    g: Any


def is_smooth(penalty, lam):
    """Tell whether a penalty is quadratic at these levels, (p,) on the host."""
    if isinstance(penalty, ElasticNet) and penalty.l1_ratio == 0:
        return True
    return bool(np.all(penalty.unpenalised(lam[np.isfinite(lam)])))


class Field:
    """Values, gradients and products on a working set.

    Parameters
    ----------
    model : CompositeModel
        The working set.
    lam : array of shape (m,) or (m, 1)
        Levels, beside X.
    smooth : bool
        Whether the penalty is quadratic.
    """

    def __init__(self, model, lam, smooth):
        self.model, self.problem, self.xp = model, model.problem, model.xp
        self.lam, self.smooth = lam, smooth
        self.penalty = model.penalty
        self.offset = 1 if model.explicit else 0
        xp = self.xp
        self.metric = self.join(xp.ones_like(model.metric[:1, ...]), model.metric)
        if not model.m:
            one = xp.ones_like(self.problem.y[:1, ...])
            self.metric = one if one.ndim == 1 else one[:, :1]
        self.N = self.metric.shape[0]
        # What the curvature matrices of one field share in the samples' space.
        self.kernel = None
        # The softmax does not see what is added to all classes: a quadratic penalty is
        # least where that is 0, and no penalty has a say in the intercepts.
        self.shifts = self.problem.loss.task == "multiclass"
        self.q = xp.zeros_like(self.metric)
        if smooth:
            bend = self.penalty.curvature(xp.ones_like(model.metric), lam)
            self.q = self.join(xp.zeros_like(self.metric[:1, ...]), bend)
            # A column that is almost 0 has its curvature from the penalty.
            self.metric = self.metric + self.q / self._typical()

    def _typical(self):
        """Return the size of the second derivative of the loss, as a float."""
        problem = self.problem
        if problem.loss.has_lipschitz:
            return float(problem.loss.lipschitz)
        h = problem.curvature(problem.null_predictor)
        return max(sum64(problem.weigh(h)), 1e-30)

    def join(self, b, w):
        """Return b (1,) or (1, K) and w as one array; w alone without an intercept."""
        return self.xp.concat([b, w]) if self.offset else w

    def start(self, point):
        """Return the local view of a point."""
        xp, w = self.xp, point.w
        u = self.join(xp.reshape(point.b, (1, *w.shape[1:])), w)
        return self.at(u, point.eta)

    def point(self, local, b):
        """Return the point of a local view; b where there is no explicit intercept."""
        w = local.u[self.offset :, ...]
        return Point(w, local.u[0, ...] if self.offset else b, local.eta)

    def times(self, d):
        """Return A @ d."""
        eta = self.model._times(d[self.offset :, ...])
        return eta + d[0, ...] if self.offset else eta

    def adjoint(self, v):
        """Return A' @ v."""
        xp = self.xp
        out = self.model._adjoint(v)
        return self.join(xp.sum(v, axis=0, keepdims=True), out)

    def centred(self, u, eta):
        """Return unknowns and predictor without the part that the loss does not see."""
        if not self.shifts:
            return u, eta
        xp, k = self.xp, self.offset
        if self.smooth:
            eta = eta - xp.mean(eta, axis=1, keepdims=True)
            return u - xp.mean(u, axis=1, keepdims=True), eta
        if not k:
            return u, eta
        shift = xp.mean(u[:1, ...], axis=1, keepdims=True)
        return xp.concat([u[:1, ...] - shift, u[1:, ...]]), eta - shift

    def value(self, u, eta):
        """Return the smooth part as a float."""
        value = self.problem.loss_value(eta)
        if self.smooth:
            value += self.penalty.value(u[self.offset :, ...], self.lam)
        return value

    def at(self, u, eta, value=None):
        """Return the local view of unknowns with their predictor."""
        g = self.adjoint(self.problem.weighted_gradient(eta))
        if self.smooth:
            w = u[self.offset :, ...]
            slope = self.penalty.derivative(w, self.lam)
            g = g + self.join(self.xp.zeros_like(u[:1, ...]), slope)
        return Local(u, eta, self.value(u, eta) if value is None else value, g)

    def rest(self, u):
        """Return the part of the penalty that is not smooth, as a float."""
        if self.smooth:
            return 0.0
        return self.penalty.value(u[self.offset :, ...], self.lam)

    def norm(self, g):
        """Return the dual norm of a gradient, sqrt(sum g^2 / M)."""
        return sum64(g * g / self.metric) ** 0.5

    def stationarity(self, local):
        """Return the largest distance from stationarity of a coordinate; waits."""
        return max_abs(self.least(local))

    def least(self, local):
        """Return the distance of each coordinate from stationarity."""
        if self.smooth:
            return local.g
        k = self.offset
        w, g = local.u[k:, ...], local.g[k:, ...]
        distance = self.penalty.subdiff_distance(w, g, self.lam)
        return self.join(local.g[:1, ...], distance)

    def curvature(self, eta):
        """Return the second derivatives of the loss, none of them 0 for good."""
        loss, h = self.problem.loss, self.problem.curvature(eta)
        if self.problem.n_outputs > 1 or not loss.has_lipschitz or loss.probabilistic:
            return h
        return self.xp.maximum(h, 0.0 * h + FLOOR * float(loss.lipschitz))

    def bound(self, eta):
        """Return a bound of the second derivative of the loss, see smoothness."""
        return smoothness(self.problem, eta)
