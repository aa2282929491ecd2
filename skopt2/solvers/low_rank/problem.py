r"""The problem of matrix completion: objective, certificates, balanced factors.

Problem: min over U (n, k), V (p, k), b (p,) of

    F = sum_((i, j) in Omega) psi(x_ij - b_j - u_i'v_j) + lam / 2 (|U|^2 + |V|^2).

Symbols: R the residual, S = psi'(R); q the share of known entries.

With M = U V' the least |U|^2 + |V|^2 is twice the nuclear norm of M, so that with k
large enough F is the convex problem

    P = sum_Omega psi(x - b - M) + lam |M|_*.

Its dual is the maximum of <T, X> - sum psi*(T) over T on Omega with spectral norm at
most lam and, with an intercept, columns of sum zero. A residual gives T: S without the
means of its columns, times the largest number that makes it feasible. P - D bounds how
far U V' is from the best matrix of any rank.

Without lam, or with a rank that is prescribed, F has other stationary points, and the
certificate is what a step of the alternating method would gain: with g_i = (S V - lam
U)_i and H_i the expectation of the Hessian of row i,

    sqrt(sum_i g_i' inv(H_i) g_i + the same for columns) / sqrt(2 F(0)).

Sources: N. Srebro, J. Rennie and T. Jaakkola, Maximum-margin matrix factorization,
NeurIPS 2004, section 3 (nuclear norm as factors); R. T. Rockafellar, Convex Analysis,
1970, theorem 31.1 (dual).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, dot64, sum64
from skopt2._core.result import Measure
from skopt2.solvers.low_rank.entry_loss import EntryLoss
from skopt2.solvers.low_rank.row_solver import reciprocal, spectrum
from skopt2.solvers.low_rank.top_vectors import largest_value

# Steps of reweighting for the intercept of no factors.
LOCATION_STEPS = 30


@dataclass(frozen=True)
class Factors:
    """A model of low rank.

    Parameters
    ----------
    U : array of shape (n, k)
        Factors of the rows.
    V : array of shape (p, k)
        Factors of the columns.
    b : array of shape (p,)
        Intercepts of the columns.
    """

    U: Any
    V: Any
    b: Any

    @property
    def rank(self):
        """Number of columns of the factors."""
        return int(self.U.shape[1])


class Completion:
    """A problem of matrix completion.

    Parameters
    ----------
    entries : DenseEntries or SparseEntries
        What is known.
    level : float
        Of the squared norms of the factors, lam.
    loss : EntryLoss
        Of a residual.
    intercept : bool
        Whether columns have intercepts.
    convex : bool
        Whether the certificate is that of matrices of any rank.
    """

    def __init__(self, entries, level, loss, intercept, convex):
        self.entries, self.level, self.loss = entries, float(level), loss
        self.intercept, self.convex = bool(intercept), convex and level > 0.0
        self.xp, self.turned = entries.xp, entries.turned()
        self.count = max(sum64(entries.ones()), 1.0)
        self.null = self._null()
        self.null_value = self.loss.total(self.residual(self.null))

    def _null(self):
        """Return the model without factors."""
        like = self.entries.like
        U, V = (asarray_like(np.zeros((size, 0)), like) for size in self.entries.shape)
        model = Factors(U, V, asarray_like(np.zeros(self.entries.shape[1]), like))
        for _ in range(LOCATION_STEPS if self.intercept else 0):
            b = self.best_intercept(model, self.residual(model))
            model = Factors(U, V, b)
            if self.loss.squared:
                break
        return model

    def critical_level(self):
        """Return the least level at which no factors are better than some."""
        slope = self.loss.slope(self.residual(self.null))
        return largest_value(self.entries, slope)

    def residual(self, model):
        """Return the residuals at the known positions."""
        r = self.entries.X - self.entries.forward(model.U, model.V)
        return r - self.entries.shift(model.b) if self.intercept else r

    def best_intercept(self, model, r):
        """Return the intercepts that majorise best, given everything else."""
        w = self.loss.weights(r, self.entries.ones())
        total = self.entries.column_sums(w)
        return model.b + self.entries.column_sums(w * r) * reciprocal(total)

    def objective(self, model, r):
        """Return F as a float."""
        norms = dot64(model.U, model.U) + dot64(model.V, model.V)
        return self.loss.total(r) + 0.5 * self.level * norms

    def measure(self, model, r):
        """Return objective and certificate, divided by the number of entries."""
        value, extra = self.objective(model, r), {"rank": model.rank}
        if self.convex:
            gap = max(value - self.dual_value(r)[0], 0.0)
            relative = gap / self.null_value if self.null_value > 0.0 else 0.0
            return Measure(value / self.count, relative, gap / self.count, extra)
        return Measure(value / self.count, self.stationarity(model, r), math.nan, extra)

    def dual_value(self, r):
        """Return the dual objective of a residual, and its spectral norm."""
        entries, S = self.entries, self.loss.slope(r)
        if self.intercept:
            ones = entries.ones()
            sizes = entries.column_sums(ones)
            S = S - entries.shift(entries.column_sums(S) * reciprocal(sizes)) * ones
        norm = largest_value(entries, S)
        best = self.level / norm if norm > self.level else 1.0
        bound = self.loss.delta * self.loss.curvature
        if not self.loss.squared:
            largest = float(self.xp.max(self.xp.abs(S)))
            best = min(best, bound / largest) if largest > bound else best
        linear, square = dot64(S, entries.X), 2.0 * self.loss.conjugate(S)
        # The dual is quadratic along the ray: its top, or the last feasible point.
        if square > 0.0:
            best = max(0.0, min(best if norm > 0.0 else 1.0, linear / square))
        return best * linear - 0.5 * best**2 * square, norm

    def stationarity(self, model, r):
        """Return the certificate of the factors as a float."""
        if not self.null_value > 0.0:
            return 0.0
        w = self.loss.weights(r, self.entries.ones())
        S = w * r
        sides = (
            (self.entries, S, w, model.V, model.U),
            (self.turned, self.entries.flip(S), self.entries.flip(w), model.U, model.V),
        )
        total = 0.0
        for entries, s, weight, B, Z in sides if model.rank else ():
            scale, turn = spectrum(B)
            g = (entries.times(s, B) - self.level * Z) @ turn
            share = entries.row_sums(weight)[:, None] / B.shape[0]
            # Directions that are only rounding have no Hessian to divide by.
            tiny = 100.0 * float(self.xp.finfo(B.dtype).eps) * self.xp.max(scale)
            H = share * self.xp.where(scale > tiny, scale, 0.0 * scale)[None, :]
            total += sum64(g * g * reciprocal(H + self.level))
        if self.intercept:
            s, total_weight = self.entries.column_sums(S), self.entries.column_sums(w)
            total += sum64(s * s * reciprocal(total_weight))
        return math.sqrt(total / (2.0 * self.null_value))


def absolute_loss(delta):
    """Return the loss that is an absolute value beyond delta."""
    return EntryLoss(delta, 1.0 / delta)
