"""Proximal gradient for penalties that tie coefficients, with Newton on their pieces.

Problem: min_(w, b) f(w, b) + J(lam * w), J linear on pieces, see
:mod:`skopt2.penalties.structured`.
Symbols: E (m, k) the basis of the subspace of w's piece, w = E x; q (k,) the slopes of
the penalty there, J(lam * E x) = q'x.

The iteration is that of :mod:`skopt2.solvers.proximal_gradient` with two changes. The
metric is D_j = d * lam_j^2, one number d for all penalised features, because the prox
is only known there. And once the pieces have settled, Newton steps in x solve what is
left, min_x f(E x, b) + q'x, a smooth problem with one unknown per piece; a step that
makes pieces meet is cut where they do.

Sources: A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009; J. Larsson, Q.
Klopfenstein, M. Massias and J. Wallin, Coordinate descent for SLOPE, AISTATS 2023,
section 3, for steps in the values of the clusters.
"""

import numpy as np

from skopt2._core.array import asarray_like, cholesky_solve
from skopt2.penalties.structured import columns, precision
from skopt2.solvers.composite import column_scale
from skopt2.solvers.proximal_gradient import ProximalGradient
from skopt2.solvers.support_newton import DENSE_LIMIT, RIDGES


class PieceGradient(ProximalGradient):
    """Proximal gradient with momentum and a Newton finish on pieces.

    Parameters
    ----------
    problem : LinearProblem
        Any loss with a gradient, a penalty that is not separable.
    tol : float
        Tolerance of the certificate.
    """

    def _restrict(self, ids):
        """Return the model of a working set, in the metric of the levels."""
        model = super()._restrict(ids)
        if model.m and getattr(model, "levelled", None) is not self.problem.lam:
            metric = level_metric(self.problem)[ids]
            model.metric, model._theta = model._column(metric), None
            model.levelled = self.problem.lam
        return model

    def _next_level(self, state, used):
        if not self.problem.penalty.screens:
            return 1.0
        return super()._next_level(state, used)

    def _working_set(self, state, used, lam):
        if not self.problem.penalty.screens:
            return np.arange(self.problem.design.p)
        return super()._working_set(state, used, lam)

    def _violators(self, state, lam, slope, share):
        """Return which features would leave 0 in any output; see FirstOrder."""
        penalty, p = self.problem.penalty, self.problem.design.p
        w = self._host(state.point.w)
        w = w if w.ndim == 2 else w[:, None]
        c = state.c if state.c.ndim == 2 else state.c[:, None]
        wanted, score = np.zeros(p, dtype=bool), np.full(p, -np.inf)
        for w_k, c_k in zip(w.T, c.T, strict=True):
            used = np.zeros(p, dtype=bool)
            used[state.ids[w_k != 0]] = True
            some, much = penalty.entering(c_k, used, lam, share)
            wanted, score = wanted | some, np.maximum(score, much)
        return wanted, score

    def _newton(self, model, point, lam, ceiling):
        """Return the point after a Newton step on the pieces, None if none gains."""
        if model.K > 1:
            return None
        xp, problem = model.xp, model.problem
        w, levels, _ = columns(point.w, lam)[0]
        labels, direction, slopes = model.penalty.pieces(w, levels, precision(point.w))
        k = slopes.size
        if k == 0 or k > min(DENSE_LIMIT, point.eta.shape[0]):
            return None
        A = _collected(model, labels, direction, k)
        g = A.T @ problem.weighted_gradient(point.eta)
        rhs = -(g + asarray_like(slopes, g))
        if model.explicit:
            total = xp.sum(problem.weighted_gradient(point.eta))
            A = xp.concat([xp.ones_like(point.eta)[:, None], A], axis=1)
            rhs = xp.concat([xp.reshape(-total, (1,)), rhs])
        h = problem.weigh(problem.curvature(point.eta))
        H = A.T @ (h[:, None] * A)
        diagonal = xp.linalg.diagonal(H)
        root = xp.where(diagonal > 0.0, diagonal, xp.ones_like(diagonal)) ** 0.5
        H = H / (root[:, None] * root[None, :])
        one = asarray_like(np.eye(rhs.shape[0]), H)
        for ridge in RIDGES:
            d = cholesky_solve(H + ridge * one, rhs / root)
            if d is not None:
                break
        else:
            return None
        d = model.problem.design.to_host(d / root)
        e = float(d[0]) if model.explicit else None
        move = np.zeros(w.size)
        used = labels >= 0
        d = d[1:] if model.explicit else d
        move[used] = direction[used] * d[labels[used]]
        return _search(model, point, lam, ceiling, w, move, e)


def level_metric(problem):
    """Return D (p,) on the host: proportional to lam^2 where a feature is penalised."""
    scale, lam = column_scale(problem.design), problem.lam
    held = (lam > 0) & np.isfinite(lam)
    if not held.any():
        return scale
    square = (lam[held] / lam[held].max()) ** 2
    scale = scale.copy()
    scale[held] = square * (scale[held] / square).max()
    return scale


def _collected(model, labels, direction, k):
    """Return A E (n, k): the centred columns of X summed over pieces."""
    used = np.flatnonzero(labels >= 0)
    E = np.zeros((model.m, k))
    E[used, labels[used]] = direction[used]
    if isinstance(model.X, np.ndarray):
        from scipy.sparse import csr_array

        # Most entries of E are 0: a sparse product, but one of sparse by dense.
        thin = csr_array((direction[used], (labels[used], used)), shape=(k, model.m))
        A = (thin.astype(model.X.dtype) @ model.Xt).T
    else:
        A = model.X @ asarray_like(E, model.metric)
    if model.means is not None:
        A = A - (model.means @ asarray_like(E, model.means))[None, :]
    return A


def _search(model, point, lam, ceiling, w, move, e):
    """Backtrack along a direction of the piece; None if nothing is gained."""
    t = 1.0
    for _ in range(5):
        end = w + t * move
        end = np.where(end * w < 0.0, 0.0, end)
        b = point.b if e is None else point.b + t * e
        trial = model.at(asarray_like(end, point.w), b)
        reached = model.objective(trial, lam)
        if reached <= ceiling:
            return trial, reached
        t *= 0.5
    return None
