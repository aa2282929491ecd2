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
from skopt2.solvers.low_rank.reciprocal import reciprocal
from skopt2.solvers.low_rank.row_solver import spectrum
from skopt2.solvers.low_rank.top_vectors import largest_value

STATIONARITY = "relative stationarity"

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
        self.count = sum64(entries.ones())
        self.null = self._null()
        self.null_value = self._loss(self.residual(self.null))

    def _null(self):
        """Return the model without factors."""
        like = self.entries.like
        U, V = (asarray_like(np.zeros((size, 0)), like) for size in self.entries.shape)
        ones = self.entries.ones()
        model = Factors(U, V, self.xp.zeros_like(self.entries.column_sums(ones)))
        for _ in range(LOCATION_STEPS if self.intercept else 0):
            b = self.best_intercept(model, self.residual(model))
            model = Factors(U, V, b)
            if self.loss.squared:
                break
        return model

    def critical_level(self):
        """Return the least level at which no factors are better than some."""
        slope = self.loss.slope(self.residual(self.null), self.entries.ones())
        return largest_value(self.entries, self.entries.pull(slope))

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
        return self._loss(r) + 0.5 * self.level * norms

    def _loss(self, r):
        return self.loss.total(r, self.entries.ones())

    def measure(self, model, r):
        """Return objective and certificate, divided by the number of entries."""
        value, extra = self.objective(model, r), {"rank": model.rank}
        if self.convex:
            gap = max(value - self.dual_value(r), 0.0)
            relative = gap / self.null_value if self.null_value > 0.0 else 0.0
            return Measure(value / self.count, relative, gap / self.count, extra)
        return Measure(value / self.count, self.stationarity(model, r), math.nan, extra)

    def dual_value(self, r):
        """Return the dual objective of a residual, made feasible, as a float."""
        entries, ones = self.entries, self.entries.ones()
        S = self.loss.slope(r, ones)
        if self.intercept:
            means = entries.column_sums(S) * reciprocal(entries.column_sums(ones))
            S = S - entries.shift(means) * ones
        over = largest_value(entries, entries.pull(S)) / self.level
        over = max(over, self.loss.excess(S, ones))
        best = 1.0 / over if over > 1.0 else 1.0
        linear = dot64(S, entries.X)
        square = 2.0 * self.loss.conjugate(S, ones)
        # The dual is quadratic along the ray: its top, or the last feasible point.
        if over > 0.0:
            best = 1.0 / over
        if square > 0.0:
            best = max(0.0, min(best, linear / square))
        return best * linear - 0.5 * best**2 * square

    def stationarity(self, model, r):
        """Return the certificate of the factors as a float."""
        if not self.null_value > 0.0:
            return 0.0
        entries, xp = self.entries, self.xp
        w = self.loss.weights(r, entries.ones())
        S, total = w * r, 0.0
        if model.rank:
            P = entries.pull(S)
            rows, columns = entries.shares(w)
            total += self._gain(entries.times(P, model.V), model.U, model.V, rows)
            total += self._gain(entries.adjoint(P, model.U), model.V, model.U, columns)
        if self.intercept:
            s, weight = entries.column_sums(S), entries.column_sums(w)
            total += float(xp.sum(s * s * reciprocal(weight)))
        return math.sqrt(total / (2.0 * self.null_value))

    def _gain(self, pulled, Z, B, share):
        """Return the squared gradient of a factor in the metric of its curvature."""
        scale, turn = spectrum(B)
        g = (pulled - self.level * Z) @ turn
        # Directions that are only rounding have no Hessian to divide by.
        tiny = 100.0 * float(self.xp.finfo(B.dtype).eps) * self.xp.max(scale)
        scale = self.xp.where(scale > tiny, scale, 0.0 * scale)
        return sum64(g * g * reciprocal(share * scale[None, :] + self.level))


def absolute_loss(delta):
    """Return the loss that is an absolute value beyond delta."""
    return EntryLoss(delta, 1.0 / delta)
