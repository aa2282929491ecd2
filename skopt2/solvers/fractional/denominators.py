r"""Denominators G(x), and their pieces along a coordinate.

Each denominator gives, at a point and for some coordinates i, the pieces on which
G(x + eta e_i) is D(eta) or sqrt(D(eta)) with D a polynomial of degree two:

- ``RootQuadratic``: G = sqrt(2 q(x)), such as the norm of Ax; one piece;
- ``Quadratic``: G = q(x); one piece;
- ``AbsoluteSum``: G = sum of abs(Ax); a breakpoint where a row of Ax is zero;
- ``TopSum``: G = sum of the k largest abs(x); with t the k-th largest of the others,
  G(x + eta e_i) = constant + max(abs(x_i + eta) - t, 0); two breakpoints.

``start(x)`` returns what is kept beside x, and ``open(kept, x, ids)`` what a sweep
keeps up to date. ``pieces`` returns d2, d1, d0, lo, hi of shape (pieces, m).
"""

import math

import numpy as np

from skopt2.solvers.fractional.forms import LocalForm, ray, scaled

# A ratio of two parabolas may be least at infinity: steps stay within this multiple of
# the coordinate, or of the length that changes the denominator by its value.
FAR = 1e6


class RootQuadratic:
    """G(x) = sqrt(2 q(x)).

    Parameters
    ----------
    form : form
        q, as in :mod:`skopt2.solvers.fractional.forms`.
    """

    root = smooth = True

    def __init__(self, form):
        self.form = form

    def start(self, x):
        """Return the value and the gradient of the form."""
        return self.form.evaluate(x)

    def value(self, kept):
        """Return G."""
        return max(2.0 * kept[0], 0.0) ** 0.5

    def subgradient(self, kept, x):
        """Return the gradient of G."""
        return kept[1] / self.value(kept)

    def pieces(self, kept, x, ids):
        """Return the polynomial under the root for each coordinate."""
        one = np.ones((1, ids.size))
        d2, d1 = self.form.diagonal[ids][None], 2.0 * kept[1][ids][None]
        return d2, d1, 2.0 * kept[0] * one, -np.inf * one, np.inf * one

    def ray(self, kept, x):
        """Return the polynomial in t under the root at t x."""
        slope, curvature = ray(self.form, kept[1], x)
        return curvature, 2.0 * slope, 2.0 * self.form.origin[0]

    def scale(self, kept, x, t):
        """Return what is kept at t x."""
        return scaled(self.form, kept[1], x, t)

    def open(self, kept, x, ids):
        """Return the form on some coordinates."""
        return LocalSmooth(self.form, kept, ids, 2.0)


class Quadratic(RootQuadratic):
    """G(x) = q(x).

    Parameters
    ----------
    form : form
        q, positive wherever a step may go.
    """

    root = False

    def value(self, kept):
        """Return G."""
        return kept[0]

    def subgradient(self, kept, x):
        """Return the gradient of G."""
        return kept[1]

    def pieces(self, kept, x, ids):
        """Return the polynomial for each coordinate."""
        d2, d1 = 0.5 * self.form.diagonal[ids][None], kept[1][ids][None]
        far = [reach(*v, kept[0]) for v in zip(x[ids], d2[0], strict=True)]
        far = np.array([far])
        return d2, d1, np.full_like(d2, kept[0]), -far, far

    def ray(self, kept, x):
        """Return the polynomial in t at t x."""
        slope, curvature = ray(self.form, kept[1], x)
        return 0.5 * curvature, slope, self.form.origin[0]

    def open(self, kept, x, ids):
        """Return the form on some coordinates."""
        return LocalSmooth(self.form, kept, ids, 1.0)


def reach(x, d2, d0):
    """Return how far a step along a coordinate may go where infinity may be best."""
    return FAR * max(abs(x), math.sqrt(abs(d0 / d2)) if d2 else 1.0)


class LocalSmooth(LocalForm):
    """A smooth denominator while a sweep moves coordinates.

    Parameters
    ----------
    form, kept, ids : form, tuple, ndarray of int
        The form, its value and gradient, and the coordinates.
    factor : float
        D is this multiple of the form.
    """

    def __init__(self, form, kept, ids, factor):
        super().__init__(form, *kept, ids)
        self.factor = factor

    def polynomial(self, k):
        """Return d2, d1, d0 of the k-th coordinate."""
        factor = self.factor
        return (
            0.5 * factor * self.diagonal[k],
            factor * self.gradient.item(k),
            factor * self.value,
        )


class AbsoluteSum:
    """G(x) = sum of abs(Ax).

    Parameters
    ----------
    A : ndarray of shape (n, p)
        Matrix, float64.
    """

    root = smooth = False

    def __init__(self, A):
        self.A = np.asfortranarray(A)

    def start(self, x):
        """Return Ax."""
        return self.A @ x

    def value(self, kept):
        """Return G."""
        return float(np.abs(kept).sum())

    def subgradient(self, kept, x):
        """Return A' sign(Ax), one of the subgradients."""
        return self.A.T @ np.sign(kept)

    def pieces(self, kept, x, ids):
        """Return n + 1 linear pieces for each coordinate."""
        A = self.A[:, ids]
        # Rows that a coordinate does not move break nowhere.
        with np.errstate(divide="ignore", invalid="ignore"):
            breaks = np.where(A == 0.0, np.inf, -kept[:, None] / A)
        order = np.argsort(breaks, axis=0)
        breaks = np.take_along_axis(breaks, order, axis=0)
        edge = np.full((1, ids.size), np.inf)
        size = np.take_along_axis(np.abs(A), order, axis=0)
        z = np.take_along_axis(np.where(A < 0.0, -1.0, 1.0) * kept[:, None], order, 0)
        # Left of all breaks abs(z + A eta) falls with eta; each break turns one row.
        slope = np.cumsum(np.vstack([-size.sum(axis=0), 2.0 * size]), axis=0)
        still = np.where(A == 0.0, np.abs(kept)[:, None], 0.0).sum(axis=0)
        moving = np.where(size == 0.0, 0.0, z)
        level = np.cumsum(np.vstack([still - moving.sum(axis=0), 2.0 * moving]), axis=0)
        lo, hi = np.vstack([-edge, breaks]), np.vstack([breaks, edge])
        return np.zeros_like(slope), slope, level, lo, hi

    def ray(self, kept, x):
        """Return the polynomial in t at t x."""
        return 0.0, self.value(kept), 0.0

    def scale(self, kept, x, t):
        """Return what is kept at t x."""
        return t * kept

    def open(self, kept, x, ids):
        """Return Ax, to be kept up to date."""
        return LocalPieces(self, kept.copy(), x.copy(), ids)

    def move(self, kept, x, i, eta):
        """Step along coordinate i in place."""
        kept += eta * self.A[:, i]


class TopSum:
    """G(x) = sum of the k largest abs(x).

    Parameters
    ----------
    k : int
        Between 1 and the number of coordinates.
    """

    root = smooth = False

    def __init__(self, k):
        self.k = int(k)

    def start(self, x):
        """Return the k-th and the next largest absolute value, and G."""
        size = np.sort(np.abs(x))[::-1]
        after = float(size[self.k]) if self.k < x.size else 0.0
        return np.array([size[self.k - 1], after, size[: self.k].sum()])

    def value(self, kept):
        """Return G."""
        return float(kept[2])

    def subgradient(self, kept, x):
        """Return the signs of the k largest coordinates, one of the subgradients."""
        g = np.zeros_like(x)
        top = np.argsort(-np.abs(x), kind="stable")[: self.k]
        g[top] = np.sign(x[top])
        return g

    def pieces(self, kept, x, ids):
        """Return three linear pieces for each coordinate."""
        last, after, total = kept
        size = np.abs(x[ids])
        # Without a coordinate of the k largest, the next moves up.
        t = np.where(size >= last, after, last)
        base = total - np.maximum(size - t, 0.0)
        zero, x = np.zeros_like(t), x[ids]
        edge = np.full_like(t, np.inf)
        slope = np.stack([zero - 1.0, zero, zero + 1.0])
        level = np.stack([base - x - t, base, base + x - t])
        lo, hi = np.stack([-edge, -x - t, t - x]), np.stack([-x - t, t - x, edge])
        return np.zeros_like(slope), slope, level, lo, hi

    def ray(self, kept, x):
        """Return the polynomial in t at t x."""
        return 0.0, self.value(kept), 0.0

    def scale(self, kept, x, t):
        """Return what is kept at t x."""
        return t * kept

    def open(self, kept, x, ids):
        """Return the largest values, to be kept up to date."""
        return LocalTop(self, kept, x.copy(), ids)


class LocalTop:
    """The sum of the largest values while a sweep moves coordinates.

    Parameters
    ----------
    denominator : TopSum
        The sum.
    kept, x, ids : ndarray
        What it keeps, the point (which is changed), and the coordinates.
    """

    def __init__(self, denominator, kept, x, ids):
        self.denominator, self.x, self.ids = denominator, x, ids
        self.last, self.after, self.level = kept.tolist()

    def few_pieces(self, k):
        """Return slope, level and ends of the pieces of the k-th coordinate."""
        x = self.x.item(self.ids[k])
        t = self.after if abs(x) >= self.last else self.last
        base = self.level - max(abs(x) - t, 0.0)
        return [
            (-1.0, base - x - t, -math.inf, -x - t),
            (0.0, base, -x - t, t - x),
            (1.0, base + x - t, t - x, math.inf),
        ]

    def move(self, k, eta):
        """Step along the k-th coordinate."""
        self.x[self.ids[k]] += eta
        self.last, self.after, self.level = self.denominator.start(self.x).tolist()


class LocalPieces:
    """A denominator of linear pieces while a sweep moves coordinates.

    Parameters
    ----------
    denominator : AbsoluteSum or TopSum
        Whose pieces.
    kept, x, ids : ndarray
        What it keeps, the point (both are changed), and the coordinates.
    """

    def __init__(self, denominator, kept, x, ids):
        self.denominator, self.kept, self.x, self.ids = denominator, kept, x, ids

    def pieces(self, k):
        """Return the pieces of the k-th coordinate, each of shape (pieces,)."""
        ids = self.ids[k : k + 1]
        return [v[:, 0] for v in self.denominator.pieces(self.kept, self.x, ids)]

    @property
    def level(self):
        """G where the sweep is."""
        return self.denominator.value(self.kept)

    def move(self, k, eta):
        """Step along the k-th coordinate."""
        i = self.ids[k]
        self.x[i] += eta
        self.denominator.move(self.kept, self.x, i, eta)
