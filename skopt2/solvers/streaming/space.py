r"""The metric in which a stream moves, and proximal steps in it.

Symbols: x = (w, b), the coefficients (p,) or (p, K) and the intercept () or (K,) as the
last row; m_t (p,), means of the columns over the samples so far; v_t (p,), their
scales; c = b + m_t'w, the intercept of the centred columns; lam (p,) levels.

    norm(w, b)^2 = sum_j v_j w_j^2 + c^2,
    dual norm of a centred gradient (g_w, g_c)^2 = sum_j g_j^2 / v_j + g_c^2

v_j = sum_k d_kj^2 / sum_k d_kj, where d_kj is the mean squared deviation of column j in
minibatch k. Where minibatches are alike that is the variance. Of a column that is rare
it is what a minibatch has that does have it: a scale by the variance alone would make
the rarest columns the longest, and their gradients most of the noise. For minibatches
of m samples with kurtosis q it is the variance times 1 + (q - 1) / m, which is the
inverse of the longest step that keeps stochastic gradients of a squared loss stable.

A change of the unit of a column changes nothing in these norms, nor does a constant
added to it where there is an intercept. A gradient step in them is one for columns
standardised by what has been seen, taken on the columns as they are: nothing is copied,
and a sparse X stays sparse. A constant column counts with its mean square. Without
standardisation m = 0 and v = 1.

The means change from one minibatch to the next by O(1 / t), and coefficients keep their
meaning all the same, since x is never expressed in them.

Source: S. Ross, P. Mineiro and J. Langford, Normalized online learning, UAI 2013, for
metrics that are learnt on the way; v and the centring are ours.
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import dot64, namespace

# A scale that has grown by this factor has jumped.
JUMP = 4.0


@dataclass(frozen=True)
class Moments:
    """Means and variances of the columns so far.

    Parameters
    ----------
    rows : int
        Samples.
    weight : float
        Their total weight.
    mean : array of shape (p,)
        Means of the columns; zeros where they are not centred.
    spread : array of shape (p,)
        Mean squared deviations from ``mean``.
    peak : array of shape (p,)
        Root mean square, over the minibatches, of those of each.
    """

    rows: int
    weight: float
    mean: Any
    spread: Any
    peak: Any

    def merge(self, X, s, center):
        """Return the moments with a minibatch added.

        Two sets of samples have the spread of both plus that of their means: T. Chan,
        G. Golub and R. LeVeque, The American Statistician 37, 1983, eq. 2.1.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, p)
            Rows.
        s : array of shape (n,)
            Their weights.
        center : bool
            Whether deviations are from the means, or from 0.
        """
        xp = namespace(s)
        added = float(xp.sum(s))
        weight = self.weight + added
        share = added / weight
        mean, own = _moments(X, s / added, center)
        gap = mean - self.mean
        spread = self.spread + share * (own - self.spread)
        if center:
            spread = spread + (share * (1.0 - share)) * gap * gap
            # Of the minibatch, from the mean of all.
            own = own + ((1.0 - share) * gap) ** 2
        mean = self.mean + share * gap
        peak = root_mean_square(self.peak, own, share)
        return Moments(self.rows + X.shape[0], weight, mean, spread, peak)


def root_mean_square(before, new, share):
    """Return sqrt((1 - share) before^2 + share new^2) without overflow."""
    xp = namespace(before)
    top = xp.maximum(before, new)
    unit = xp.where(top > 0.0, top, 1.0)
    before, new = before / unit, new / unit
    return top * xp.sqrt((1.0 - share) * before * before + share * new * new)


def _moments(X, s, center):
    """Return weighted means and mean squared deviations of some rows."""
    xp = namespace(s)
    if hasattr(X, "nnz"):
        squares = X.power(2).T @ s
        if not center:
            return xp.zeros_like(squares), squares
        mean = X.T @ s
        spread = squares - mean * mean
        # Here the variance of a constant column is the rounding error of its squares.
        noise = 10.0 * float(xp.finfo(s.dtype).eps) * squares
        return mean, xp.where(spread > noise, spread, 0.0)
    if not center:
        squares = s @ (X * X)
        return xp.zeros_like(squares), squares
    mean = s @ X
    apart = X - mean
    return mean, s @ (apart * apart)


def _least(x):
    """Return the smallest number of a dtype that has all its digits."""
    limits = namespace(x).finfo(x.dtype)
    return float(limits.smallest_normal) / float(limits.eps)


class Space:
    """Norms and proximal steps.

    Parameters
    ----------
    moments : Moments
        So far.
    penalty : Penalty
        Separable, beside X.
    lam : array of shape (p,)
        Levels, beside X.
    like : array of shape (q,) or (q, K)
        An iterate.
    intercept : bool
        Whether the last row of an iterate is one.
    standardize : bool
        Whether the moments matter.
    has_kinks : bool
        Whether the penalty sets coefficients to zero.
    """

    def __init__(self, moments, penalty, lam, like, intercept, standardize, has_kinks):
        xp = self.xp = namespace(like)
        self.moments, self.penalty, self.intercept = moments, penalty, intercept
        self.has_kinks = has_kinks
        self.mean = None
        if standardize:
            spread, square = moments.spread, moments.mean * moments.mean
            peak = moments.peak
            # What rounding leaves of the variance of a constant column is no scale.
            noise = (100.0 * float(xp.finfo(spread.dtype).eps)) ** 2
            varies = spread > noise * square
            steep = peak * (peak / xp.where(varies, spread, 1.0))
            scale = xp.where(varies, steep, square)
            # Squares that vanish are those of a column without values.
            scale = xp.where(scale > _least(spread), scale, 1.0)
            if intercept:
                self.mean = moments.mean
        else:
            scale = xp.ones_like(moments.spread)
        self._variance = moments.spread / scale
        matrix = like.ndim == 2
        self.scale = scale[:, None] if matrix else scale
        self.lam = lam[:, None] if matrix else lam

    def shrinkage(self, reference):
        """Return what to multiply coefficients with, and their scales after it.

        A coefficient is a sum of steps g / v. Where v has jumped since, because a rare
        column was met with a small value first, the steps were too long by as much, and
        its next large value would meet a coefficient that is huge: Ross, Mineiro and
        Langford, section 3.

        Parameters
        ----------
        reference : array of shape (p,)
            Scales to which the coefficients belong.

        Returns
        -------
        factor : array of shape (q,) or (q, 1), or None
            1 where nothing jumped; None if nothing did at all.
        reference : array of shape (p,)
            Scales afterwards.
        """
        xp = self.xp
        scale = self.scale if self.scale.ndim == 1 else self.scale[:, 0]
        jumped = scale > JUMP * reference
        if not bool(xp.any(jumped)):
            return None, xp.minimum(reference, scale)
        factor = xp.where(jumped, reference / scale, 1.0)
        reference = xp.where(jumped, scale, xp.minimum(reference, scale))
        if self.intercept:
            factor = xp.concat([factor, xp.ones_like(factor[:1])])
        return factor if self.scale.ndim == 1 else factor[:, None], reference

    @property
    def deviation(self):
        """Largest standard deviation of a column, in units of the metric, a float."""
        return math.sqrt(float(self.xp.max(self._variance)))

    def full_metric(self, like):
        """Return the diagonal (v, 1) in the shape of an iterate."""
        base = self.scale + self.xp.zeros_like(like[: self.scale.shape[0], ...])
        if not self.intercept:
            return base
        return self.xp.concat([base, self.xp.ones_like(like[-1:, ...])])

    def centre(self, g):
        """Return a gradient in (w, b) as one in (w, c)."""
        if self.mean is None:
            return g
        mean = self.mean if g.ndim == 1 else self.mean[:, None]
        return self.xp.concat([g[:-1, ...] - mean * g[-1:, ...], g[-1:, ...]])

    def _shift(self, w):
        """Return m'w as one row."""
        return (
            self.xp.sum(self.mean * w, keepdims=True)
            if w.ndim == 1
            else (self.mean[None, :] @ w)
        )

    def norm(self, x):
        """Return the norm of a difference of iterates, as a float."""
        if not self.intercept:
            return math.sqrt(dot64(self.scale * x, x))
        w, c = x[:-1, ...], x[-1:, ...]
        if self.mean is not None:
            c = c + self._shift(w)
        return math.sqrt(dot64(self.scale * w, w) + dot64(c, c))

    def dual_norm(self, g):
        """Return the dual norm of a centred gradient, as a float."""
        return math.sqrt(self.product(g, g))

    def product(self, g, h):
        """Return the dual product of two centred gradients, as a float."""
        if not self.intercept:
            return dot64(g / self.scale, h)
        inner = dot64(g[:-1, ...] / self.scale, h[:-1, ...])
        return inner + dot64(g[-1:, ...], h[-1:, ...])

    def move(self, x, g, eta, metric=None):
        """Return the proximal step from x against a centred gradient.

        argmin over (w', b') of g'(z' - z) + norm(z' - z)_M^2 / (2 eta) + pen(w'; lam)
        with z = (w, c) and M = diag(v, 1), or another diagonal.

        Parameters
        ----------
        x : array of shape (q,) or (q, K)
            Iterate.
        g : array of the shape of x
            Direction.
        eta : float
            Step size.
        metric : array of the shape of x, default=None
            Diagonal in the place of (v, 1).
        """
        if metric is None:
            base, free = self.scale, 1.0
        elif self.intercept:
            base, free = metric[:-1, ...], metric[-1:, ...]
        else:
            base = metric
        rate = eta / base
        if not self.intercept:
            return self.penalty.prox(x - rate * g, rate, self.lam)
        w, b = x[:-1, ...], x[-1:, ...]
        new = self.penalty.prox(w - rate * g[:-1, ...], rate, self.lam)
        b = b - eta * g[-1:, ...] / free
        if self.mean is not None:
            b = b - self._shift(new - w)
        return self.xp.concat([new, b])
