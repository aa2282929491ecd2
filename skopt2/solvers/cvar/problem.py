"""The tail of the losses of a linear model, as a problem of the Newton solver.

Problem: min F(w, b) = max_v { <v, u(eta)> - mu / 2 sum_ji (v_ji - v0_ji)^2 / s_i }
+ sum_j pen(w_j; lam_j), eta = X w + b, over the weights v of
:mod:`skopt2.solvers.cvar.tail`.

Its smooth part has the gradient X' sum_j v_j u_j' and the generalised Hessian X' (D -
r r' / T) X with D_i = sum_j (v_ji u_ji'' + f_ji s_i u_ji'^2 / mu), r_i = sum_j f_ji s_i
u_ji' / mu and T = sum_ji f_ji s_i / mu, f the indicator of the weights between their
bounds; without the last term where v sums to less than 1.
"""

import numpy as np

from skopt2._core.array import dot64, sum64
from skopt2.solvers.cvar.tail import Tail, tail_mean, tail_weights
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.working_model import CurvedModel


class TailProblem(LinearProblem):
    """Data, pieces, penalty and level of one problem, and its proximal form.

    The parameters are those of ``LinearProblem``, with pieces in the place of the loss.

    Parameters
    ----------
    X, y, pieces, penalty, lam, s, fit_intercept : object
        As there.
    beta : float
        Share of the losses below the tail, in [0, 1).
    """

    def __init__(self, X, y, pieces, penalty, lam, s, fit_intercept, *, beta):
        super().__init__(X, y, pieces, penalty, lam, s, fit_intercept)
        # Any beta from 1 - min s on stands for the largest loss; nearer to 1 only the
        # numbers are worse.
        xp = self.xp
        rarest = float(xp.min(xp.where(self.s > 0.0, self.s, 1.0)))
        beta = self.beta = min(beta, 1.0 - 0.5 * rarest)
        self.cap = self.s / (1.0 - beta)
        self.mu, self.base = np.inf, 0.0
        # Mean square of the slopes that is taken for the least.
        self.steepness = 0.0
        self.centre = self.mean_weights()
        self._held = self.ties = None

    def mean_weights(self):
        """Return s shared among the pieces, a point within the bounds."""
        J = self.loss.n_pieces
        return self.xp.stack([self.s / J] * J)

    def proximal(self, centre, mu, base):
        """Set the centre and the parameter of the proximal form.

        Parameters
        ----------
        centre : array of shape (J, n)
            v0.
        mu : float
            Proximal parameter.
        base : float
            Intercept of the centred problem at the start.
        """
        self.centre, self.mu, self.base = centre, mu, base
        self._held = self.ties = None

    @property
    def null_intercept(self):
        """Intercept from which the Newton solver starts without coefficients."""
        return self.base if self.fit_intercept else 0.0

    def losses(self, eta):
        """Return the losses of the samples, (n,)."""
        u = self.loss.values(self.y, eta)
        return self.xp.maximum(self.xp.max(u, axis=0), 0.0)

    def risk(self, eta):
        """Return value at risk and conditional value at risk of the losses."""
        return tail_mean(self.losses(eta), self.s, self.beta)

    def tail(self, eta):
        """Return the tail at a predictor; that of the last one is kept."""
        if self._held is None or self._held.eta is not eta:
            self._held = self._tail(eta)
        return self._held

    def _tail(self, eta):
        xp, y = self.xp, self.y
        u = self.loss.values(y, eta)
        v, tied = tail_weights(u, self.centre, self.s, self.cap, self.mu)
        move = v - self.centre
        unit = xp.where(self.s > 0, self.s, 1.0)
        value = dot64(v, u) - 0.5 * self.mu * dot64(move, move / unit[None, :])
        free = (v > 0.0) & (v < self.cap[None, :])
        slope, bend = self.loss.slopes(y, eta), self.loss.bends(y, eta)
        return Tail(eta, u, slope, bend, v, free, value, tied)

    def loss_value(self, eta):
        """Return the smooth part of F."""
        return self.tail(eta).value

    def weighted_gradient(self, eta):
        """Return sum_j v_j u_j', (n,)."""
        tail = self.tail(eta)
        return self.xp.sum(tail.v * tail.slope, axis=0)

    def curvature(self, eta):
        """Return D / s, (n,); keeps r and T for ``curvature_product``."""
        xp, tail = self.xp, self.tail(eta)
        rate = xp.where(tail.free, self.s[None, :] / self.mu, 0.0)
        pull = rate * tail.slope
        self.ties = None
        if tail.tied and bool(xp.any(tail.free)):
            self.ties = xp.sum(pull, axis=0), sum64(rate)
        D = xp.sum(tail.v * tail.bend + pull * tail.slope, axis=0)
        return D / xp.where(self.s > 0, self.s, 1.0)

    def curvature_product(self, h, v):
        """Return (D - r r' / T) v."""
        product = self.weigh(h * v)
        if self.ties is None:
            return product
        r, total = self.ties
        return product - r * (dot64(r, v) / total)

    def mean_curvature(self, h):
        """Return a bound of the sum of D, which is positive where D is 0 itself."""
        xp, tail = self.xp, self._held
        steep = xp.sum(self.weigh(xp.max(tail.slope * tail.slope, axis=0)))
        steep = xp.maximum(steep, self.steepness * xp.ones_like(steep))
        return steep / self.mu + xp.sum(self.weigh(h))

    def dual_value(self, eta, v):
        """Return a lower bound of the minimum from weights of the tail.

        The tangents of the pieces at eta bound them from below. With an intercept their
        slopes have to sum to 0: the weights of the heavier sign shrink. Then all shrink
        to where the conjugate of the penalty is finite.

        Parameters
        ----------
        eta : array of shape (n,)
            Where the tangents touch.
        v : array of shape (J, n)
            Weights in [0, c].
        """
        u, slope = self.loss.values(self.y, eta), self.loss.slopes(self.y, eta)
        v = v / max(1.0, sum64(v))
        return self.tangent_bound(v * (u - slope * eta[None, :]), v * slope)

    def tangent_bound(self, height, slope):
        """Return the minimum of weighted tangents and the penalty, by its dual.

        Parameters
        ----------
        height, slope : array of shape (J, n)
            Weighted tangents: sum_ji height_ji + slope_ji eta_i is below the tail for
            every eta, also if single ones are left out or shrink.
        """
        xp, penalty = self.xp, self.penalty
        if self.fit_intercept:
            rise = sum64(xp.maximum(slope, 0.0))
            fall = -sum64(xp.minimum(slope, 0.0))
            less = min(rise, fall)
            up, down = less / max(rise, 1e-300), less / max(fall, 1e-300)
            one = xp.ones_like(slope)
            keep = xp.where(slope > 0, up * one, xp.where(slope < 0, down * one, one))
            height, slope = keep * height, keep * slope
        c = self.design.gradient(xp.sum(slope, axis=0))
        t = penalty.dual_scale(-c, self.lam_full)
        return t * sum64(height) - penalty.conjugate(-t * c, self.lam_full)


class TailModel(CurvedModel):
    """The curved model, with the samples tied by the level of the tail.

    Its Gram matrix is that of D less the outer product of X' r: without it the matrix
    is a poor stand-in for the Hessian wherever many losses move together.

    The parameters are those of ``CurvedModel``.
    """

    def reset_reference(self):
        """Take the current curvature, ties and all, as that of the preconditioner."""
        super().reset_reference()
        self._tied = self.problem.ties

    def _gram_columns(self, fresh):
        columns = super()._gram_columns(fresh)
        if self._tied is None:
            return columns
        r, total = self._tied
        pull = self.adjoint(r)
        return columns - np.outer(pull, pull[fresh] / total)
