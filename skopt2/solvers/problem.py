"""The linear problem that every solver of this package minimises.

Problem: F(w, b) = sum_i s_i l(y_i, x_i'w + b) + sum_j pen(w_j; lam_j).
Symbols: X (n, p); y (n,) or (n, K); s (n,) with sum 1; w (p,) or (p, K); b the
intercept; lam_j = alpha * factor_j in [0, inf].

The intercept of a quadratic loss is removed exactly, by centring the columns and the
target with the weighted means. Other losses carry it as an unpenalised coordinate, and
the columns are centred all the same: the shift is absorbed by b and the Hessian is
better conditioned.
"""

import math
import time

import numpy as np

from skopt2._core.array import asarray_like, dot64, max_abs, namespace, to_numpy
from skopt2.solvers.design import Design


class LinearProblem:
    """Data, loss, penalty and levels of one problem.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, p)
        On any device.
    y : array of shape (n,) or (n, K)
        As the loss wants it, beside X.
    loss : Loss
        From ``skopt2.losses``.
    penalty : Penalty
        From ``skopt2.penalties``.
    lam : ndarray of shape (p,)
        Level of the penalty per feature, on the host, in [0, inf].
    s : array of shape (n,) or None
        Sample weights with sum 1; None for equal ones.
    fit_intercept : bool
        Whether b is free or 0.
    """

    def __init__(self, X, y, loss, penalty, lam, s=None, fit_intercept=True):
        xp = self.xp = namespace(y)
        n = X.shape[0]
        if s is None:
            if xp is np:
                s = np.broadcast_to(np.asarray(1.0 / n, dtype=y.dtype), (n,))
            else:
                s = xp.zeros_like(y if y.ndim == 1 else y[:, 0]) + 1.0 / n
        self.s, self.loss, self.penalty = s, loss, penalty
        self.fit_intercept = fit_intercept
        self.explicit_intercept = fit_intercept and not loss.is_quadratic
        self.design = Design(X, s, center=fit_intercept)
        self.n_outputs = 1 if y.ndim == 1 else y.shape[1]
        self.y_mean = 0.0
        if fit_intercept and loss.is_quadratic:
            self.y_mean, y = _centred(y, s)
        self.y = y
        self._s_column = s if y.ndim == 1 else s[:, None]
        # When inner loops are to return what they have, on the clock of perf_counter.
        self.deadline = math.inf
        self.lam = None
        self.set_level(lam)
        self.forget_null()

    def forget_null(self):
        """Forget the null model, which the loss has changed."""
        self._null = self._null_gradient = None
        # The scales of the certificates, once they are known.
        self.null_excess = self.null_scale = None

    @property
    def expired(self):
        """True once the deadline has passed."""
        return self.deadline < math.inf and time.perf_counter() >= self.deadline

    def set_level(self, lam):
        """Change the level of the penalty, for a path."""
        lam = self._without_constants(lam)
        excluded = np.isinf(lam)
        if self.lam is None or not np.array_equal(excluded, np.isinf(self.lam)):
            self.null_scale = None
        self.lam = lam
        self.lam_full = lam if self.n_outputs == 1 else lam[:, None]

    def _without_constants(self, lam):
        """Return the levels, inf for free columns in which nothing varies.

        Beside an intercept every value of such a coefficient is as good as 0, and
        rounding would choose one of any size.
        """
        if not getattr(self.penalty, "separable", False):
            return lam
        free = np.flatnonzero(self.penalty.unpenalised(lam))
        still = free[self.design.squared_norms[free] == 0.0] if free.size else free
        if still.size:
            lam = lam.copy()
            lam[still] = np.inf
        return lam

    def weigh(self, v):
        """Return s * v, row by row."""
        return (self.s if v.ndim == 1 else self._s_column) * v

    def weighted_gradient(self, eta):
        """Return s * l'(y, eta)."""
        return self.weigh(self.loss.gradient(self.y, eta))

    def loss_value(self, eta):
        """Return sum_i s_i l(y_i, eta_i)."""
        return self.loss.value(self.y, eta, self.s)

    def curvature(self, eta):
        """Return what ``curvature_product`` needs, per sample."""
        return self.loss.curvature(self.y, eta)

    def curvature_product(self, h, v):
        """Return s * l''(v)."""
        return self.weigh(self.loss.curvature_product(h, v))

    def mean_curvature(self, h):
        """Return the weighted mean curvature, one number per output."""
        return self.xp.sum(self.weigh(self.loss.curvature_diagonal(h)), axis=0)

    def energy(self, v):
        """Return sum_i s_i v_i^2 in float64."""
        if v.ndim == 2:
            return dot64(self.s, self.xp.sum(v * v, axis=1))
        if self.xp is np and self.s.strides == (0,):
            return float(v @ v) * float(self.s[0])
        return dot64(self.s, v * v)

    @property
    def null_predictor(self):
        """Linear predictor of the model with w = 0 and the best intercept."""
        return self.predictor(np.empty(0, dtype=np.int64), None, self.null_intercept)

    @property
    def null_intercept(self):
        """The best intercept for w = 0, 0 without one; NumPy float or (K,)."""
        if not self.explicit_intercept:
            return 0.0 if self.n_outputs == 1 else np.zeros(self.n_outputs)
        start = self.loss.intercept_start(self.y, self.s)
        return start if self.n_outputs == 1 else np.asarray(to_numpy(start), float)

    @property
    def null_value(self):
        """Objective of the null model."""
        if self._null is None:
            self._null = self.loss_value(self.null_predictor)
        return self._null

    @property
    def null_gradient(self):
        """Gradient at the null model, on the host."""
        if self._null_gradient is None:
            self._null_gradient = self.design.gradient(
                self.weighted_gradient(self.null_predictor)
            )
        return self._null_gradient

    def predictor(self, ids, w, intercept):
        """Return the linear predictor of coefficients on some features.

        Parameters
        ----------
        ids : ndarray of int of shape (k,)
            Features.
        w : ndarray of shape (k,) or (k, K)
            Their coefficients, on the host.
        intercept : float or ndarray of shape (K,)
            Intercept of the centred problem.
        """
        shape = self.y.shape
        base = self.xp.zeros_like(self.y)
        if self.explicit_intercept:
            if len(shape) == 1:
                base = base + float(intercept)
            else:
                base = base + asarray_like(np.asarray(intercept), self.y)[None, :]
        if ids.size:
            base = base + self.design.predict(ids, w)
        return base

    def original_intercept(self, ids, w, intercept):
        """Return the intercept of the uncentred problem."""
        if not self.fit_intercept:
            return 0.0 if self.n_outputs == 1 else np.zeros(self.n_outputs)
        shift = self.design.offset[ids] @ w if ids.size else 0.0
        base = self.y_mean if self.loss.is_quadratic else intercept
        return base - shift

    def centred_intercept(self, ids, w, intercept):
        """Return the intercept of the centred problem; undoes the above."""
        if not self.explicit_intercept:
            return self.null_intercept
        return intercept + (self.design.offset[ids] @ w if ids.size else 0.0)

    def penalty_value(self, w, ids=None):
        """Return the penalty of coefficients (k,) or (k, K) of some features."""
        if ids is None:
            return self.penalty.value(w, self.lam_full)
        return self.penalty.restrict(ids).value(w, self.lam_full[ids])


def _centred(y, s):
    """Return the weighted means of a target, float or (K,), and what is left of it."""
    if y.ndim == 2:
        parts = [_centred(y[:, k], s) for k in range(y.shape[1])]
        means, rest = zip(*parts, strict=True)
        return np.array(means), namespace(y).stack(rest, axis=1)
    xp, mean = namespace(y), dot64(s, y)
    y = y - mean
    # The target is constant up to rounding, which is nothing to be explained.
    noise = 8.0 * float(xp.finfo(y.dtype).eps) * abs(mean)
    if mean and max_abs(y) <= noise:
        y = xp.zeros_like(y)
    return mean, y
