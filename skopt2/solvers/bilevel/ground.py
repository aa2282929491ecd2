r"""The coordinates that matter at a fit, and what they say of its errors and its slope.

Symbols: F the objective of the fit, H its Hessian on the coordinates (b, w), M <= H;
g the validation loss; N and u bound the distance to the true fit, see :mod:`bend`;
q = H^-1 grad g; r the residual of conjugate gradients.

Slope (implicit function theorem, on the support where there is an l1 norm: Q. Bertrand
et al., Implicit differentiation for fast hyperparameter selection in non-smooth convex
learning, JMLR 23, 2022, theorem 9):
dg / d log l1_j = -l1_j sign(w_j) q_j, dg / d log l2_j = -l2_j w_j q_j.

Its bound: with * for the true fit, H* (q* - q) = (grad g* - grad g) - (H* - H) q - r.
Each term is bounded in the dual norm, and H* >= exp(-u) H, which gives Q, a bound of
norm_H(q* - q). With J = diag(l1 sign(w) + l2 w), summed over the features of theta_g,

norm(slope* - slope) <= norm(J) Q + norm(diag(l2 q)) N + N Q.

This has the form of theorem 2.1 of M. S. Salehi, S. Mukherjee, L. Roberts and M. J.
Ehrhardt, An adaptively inexact first-order method for bilevel optimization with
application to hyperparameter learning, SIAM Journal on Mathematics of Data Science,
2025, arXiv:2308.10098. There constants of Lipschitz enter that have to be guessed;
here every factor is measured at the fit.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2.solvers.bilevel import bend
from skopt2.solvers.bilevel.metric import (
    LIMIT,
    Coordinates,
    DiagonalMetric,
    FactorisedMetric,
    Hessian,
)
from skopt2.solvers.bilevel.rows import Rows
from skopt2.solvers.krylov import conjugate_gradient

# Products of conjugate gradients for one slope.
PRODUCTS = 2000


@dataclass(frozen=True, eq=False)
class Point:
    """A fit, as arrays.

    Parameters
    ----------
    w : ndarray of shape (p,) or (p, K)
        Coefficients.
    eta, eta_validation : ndarray
        Predictors of the training samples, as the problem has it, and of the others.
    gradient : ndarray of the shape of w
        Of the smooth part without l2.
    free_gradient : ndarray of shape (K,) or (0,)
        In the intercept.
    l1, l2 : ndarray of shape (p,)
        Levels.
    """

    w: np.ndarray
    eta: np.ndarray
    eta_validation: np.ndarray
    gradient: np.ndarray
    free_gradient: np.ndarray
    l1: np.ndarray
    l2: np.ndarray

    def column(self, level):
        """Return levels in the shape of w."""
        return level if self.w.ndim == 1 else np.repeat(level[:, None], self.K, axis=1)

    @property
    def K(self):
        """Number of outputs."""
        return 1 if self.w.ndim == 1 else self.w.shape[1]

    def residual(self):
        """Return the least subgradient in the coefficients, of the shape of w."""
        l1, l2 = self.column(self.l1), self.column(self.l2)
        force = self.gradient + l2 * self.w
        at_zero = np.sign(force) * np.maximum(np.abs(force) - l1, 0.0)
        return np.where(self.w == 0, at_zero, force + l1 * np.sign(self.w))


class Ground:
    """Coordinates of a point, with the Hessian and the norm there.

    Parameters
    ----------
    problem : LinearProblem
        Of the training samples.
    data : tuple
        Rows of the training and of the validation samples, (n, p) and (n_v, p).
    validation : tuple
        Targets, weights and loss of the validation samples.
    point : Point
        The fit.
    kept : ndarray of bool of the shape of w
        Which coefficients matter.
    ridge : float, default=0.0
        What is added to the diagonal of M, relative to it; with it there is a slope
        where there is no norm, but no bound.

    Raises
    ------
    numpy.linalg.LinAlgError
        If there is no norm: the Hessian is singular.
    """

    def __init__(self, problem, data, validation, point, kept, ridge=0.0):
        X, Xv = data
        self.problem, self.point = problem, point
        self.y_validation, self.v, self.loss_validation = validation
        self.ids = np.flatnonzero(kept if kept.ndim == 1 else kept.any(axis=1))
        o, K, means = int(problem.explicit_intercept), point.K, problem.design.offset
        l2 = point.column(point.l2)[self.ids].ravel()
        mask = np.concatenate([np.ones(o * K, bool), kept[self.ids].ravel()])
        l2 = np.concatenate([np.zeros(o * K), l2])[mask]
        formed = mask.sum() <= LIMIT or not (l2[o * K :] > 0).all()
        rows = Rows(X, self.ids, means, o, formed)
        self.rows_validation = Rows(Xv, self.ids, means, o, formed)
        self.coordinates = Coordinates(rows, K, mask)
        curvature = problem.curvature(point.eta)
        self.hessian = Hessian(self.coordinates, problem, curvature, l2)
        sure = bend.sure_curvature(problem.loss, problem.y, point.eta, curvature)
        below = Hessian(self.coordinates, problem, sure, l2)
        self.metric = (
            FactorisedMetric(below, ridge) if formed else DiagonalMetric(below)
        )
        self.l1 = self._pick(point.column(point.l1))
        self.l2, self.w = l2, self._pick(point.w)
        self.reach = self.metric.row_norms(rows)
        self.reach_validation = self.metric.row_norms(self.rows_validation)
        slope = self.loss_validation.gradient(self.y_validation, point.eta_validation)
        v = self.v if K == 1 else self.v[:, None]
        self.gradient = self.coordinates.collect(
            self.rows_validation.adjoint(v * slope)
        )

    def _pick(self, values, free=None):
        """Return values of the shape of w as flat coordinates, 0 for the intercept."""
        o, K = self.coordinates.rows.offset, self.point.K
        free = np.zeros(o * K) if free is None else free
        full = np.concatenate([free, values[self.ids].ravel()])
        return full[self.coordinates.kept]

    def distance(self, gap):
        """Return the bounds N and u.

        Parameters
        ----------
        gap : float
            Bound on the suboptimality, NaN without one.
        """
        residual = self._pick(self.point.residual(), self.point.free_gradient)
        norm = self.metric.dual_norm(residual)
        return bend.distance(
            self.problem.loss, norm, gap, float(self.reach.max(initial=0.0))
        )

    def value_error(self, N):
        """Return a bound on the error of the validation loss at a distance N."""
        if not math.isfinite(N):
            return math.inf
        return self.metric.dual_norm(self.gradient) * N + 0.5 * self._bent(N) * N * N

    def _bent(self, N):
        """Return a bound of norm_M'(grad g* - grad g) / N."""
        reach, y = self.reach_validation, self.y_validation
        eta = self.point.eta_validation
        bent = bend.bend_above(self.loss_validation, y, eta, reach * N)
        return float((self.v * bent * reach * reach).sum())

    def is_support(self, N):
        """Tell whether no coefficient under an l1 norm can be, or become, zero."""
        penalised = self.l1 > 0
        if not penalised.any():
            return True
        moved = self.metric.coordinate_norms() * N
        return bool((np.abs(self.w) > moved)[penalised].all())

    def slope(self, levels, forcing, N, u, certain):
        """Return the slope in theta, a bound of its error and the products it took.

        Parameters
        ----------
        levels : Levels
            What theta means.
        forcing : float
            Relative residual of conjugate gradients.
        N, u : float
            Bounds of :meth:`distance`.
        certain : bool
            Whether the true fit has the same coefficients.
        """
        c = self.coordinates
        q, products = conjugate_gradient(
            self.hessian.__matmul__,
            self.gradient,
            self.metric.solve,
            forcing,
            PRODUCTS,
            False,
            lambda: False,
        )
        # With a ridge the products end at the first direction without curvature.
        first, second = self.l1 * np.sign(self.w), self.l2 * self.w
        inner = np.arange(c.n_free, c.size)
        features = self.ids[c.place[inner] - c.rows.offset]
        slope = levels.pull_back(-(first * q)[inner], -(second * q)[inner], features)
        if not (certain and math.isfinite(N) and math.isfinite(u)):
            return slope, math.inf, products
        rest = self.gradient - self.hessian @ q
        Q = self.metric.dual_norm(rest) + self._bent(N) * N + self._turned(q, N, u)
        Q *= bend.growth(u)
        groups = [np.zeros(c.size, dtype=np.int64) for _ in range(2)]
        for own, index in zip(groups, levels.index, strict=True):
            own[inner] = index[features]
        parts = [(first, groups[0]), (second, groups[1])]
        if not levels.has_terms:
            parts = [(first + second, groups[0])]
        spread = math.hypot(*(self.metric.spread(*part, levels.n) for part in parts))
        turned = self.metric.spread(self.l2 * q, groups[1], levels.n)
        return slope, spread * Q + turned * N + N * Q, products

    def _turned(self, q, N, u):
        """Return a bound of norm_M'((H* - H) q)."""
        if self.problem.loss.name != "huber":
            return math.expm1(u) * math.sqrt(max(float(q @ (self.hessian @ q)), 0.0))
        problem, c = self.problem, self.coordinates
        crossed = bend.crossing(problem.loss, problem.y, self.point.eta, self.reach * N)
        moved = np.abs(c.rows.times(c.expand(q)))
        return float((problem.s * moved * self.reach)[crossed].sum())
