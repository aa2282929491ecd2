"""Least squares for several tasks at once, and the certificates of its solutions.

Problem: min_(W, b) sum_i s_i |y_i - W'x_i - b|^2 / 2 + sum_j pen(t_j(W); lam), with t
the norms of the rows of W or its singular values.
Symbols: X (n, p); Y (n, K); s (n,) with sum 1; W (p, K); b (K,); R = Y - X W the
residual of the centred problem; M = -X'(s * R) (p, K), the gradient.

Dual, for pen = lam * t: max_Theta <Theta, Y>_s - |Theta|_s^2 / 2 over the Theta with
dual_norm(X'(s * Theta)) <= lam, the largest norm of a row or the spectral norm. Of the
multiples of the residual, t R, the best one is feasible for abs(t) <= lam /
dual_norm(M).

Source: O. Fercoq, A. Gramfort and J. Salmon, Mind the duality gap, ICML 2015, section
3; E. Ndiaye et al., Gap safe screening rules for sparsity enforcing penalties, JMLR 18,
2017, section 2, for several tasks.
"""

import math

import numpy as np

from skopt2._core.array import dot64
from skopt2.solvers.problem import LinearProblem


class MultiTaskProblem(LinearProblem):
    """Data, penalty and level of one problem with several targets.

    The parameters are those of ``LinearProblem``, with y (n, K), the squared loss, a
    ``MultiTaskPenalty`` and one finite level, lam (1,).
    """

    @property
    def level(self):
        """The level as a float."""
        return float(self.lam[0])

    def inner(self, u, v):
        """Return sum_i s_i <u_i, v_i> in float64."""
        return dot64(self.weigh(u), v)

    @property
    def objective_scale(self):
        """Objective of the null model, 1 where there is nothing to explain."""
        return self.null_value if self.null_value > 0.0 else 1.0

    def gap(self, eta, penalty_value, dual_norm):
        """Return the objective and the duality gap of a convex penalty.

        Parameters
        ----------
        eta : array of shape (n, K)
            Linear predictor.
        penalty_value : float
            Penalty at the point.
        dual_norm : float
            Dual norm of the gradient there.
        """
        r = self.y - eta
        energy = self.inner(r, r)
        primal = 0.5 * energy + penalty_value
        dual = best_dual(energy, self.inner(r, self.y), self.level, dual_norm)
        return primal, max(primal - dual, 0.0)

    def gradient_scale(self, null_norm, exact):
        """Return the scale of the KKT violation: the null gradient, if it is one.

        Parameters
        ----------
        null_norm : float
            Dual norm of the gradient at the null model.
        exact : float
            Largest that it could be: what is far below is rounding.
        """
        eps = 1e-4 if self.y.dtype == self.xp.float32 else 2e-13
        scale = null_norm if null_norm > eps * exact else exact
        return scale if 0.0 < scale < math.inf else 1.0

    def intercept_of(self, W):
        """Return the intercept of coefficients (p, K) in host memory, (K,)."""
        if not self.fit_intercept:
            return np.zeros(self.n_outputs)
        return self.y_mean - self.design.offset @ W


def best_dual(energy, fit, lam, dual_norm):
    """Return the largest dual objective among the multiples of a residual.

    Parameters
    ----------
    energy : float
        <R, R>_s.
    fit : float
        <R, Y>_s.
    lam : float
        Level.
    dual_norm : float
        Dual norm of the gradient.
    """
    if not energy > 0.0:
        return 0.0
    limit = lam / dual_norm if dual_norm > 0.0 else math.inf
    t = min(max(fit / energy, -limit), limit)
    return t * fit - 0.5 * t * t * energy
