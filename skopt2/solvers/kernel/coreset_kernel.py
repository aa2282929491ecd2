"""Covariance functions with derivatives in their parameters and in their points.

k(x, y) = sum_t c_t f_t(p_t),  p_t = s_t sum_k ((x_k - y_k) / l_tk)^2,

a sum of terms, each a positive number c times a profile f of the scaled distance: the
Gaussian one or a Matern one of half-integer smoothness, or 1. Terms that are white
noise belong to the diagonal of the data alone: their numbers c add up to a variance.

All of it is a function of phi, the logarithms of the parameters: c_t is the product of
some of them, and l_t one of them or one for each feature.

Symbols: X (n, d), Y (m, d) points; phi (q,); p_t (n, m); K (n, m); G (n, m) the
derivative of a number in K, of which this file makes derivatives in phi and X:

with D = c f'(p) G and the scaled points a_i = sqrt(s) x_i / l, b_j alike,
dF/dx_i = 2 (sum_j D_ij (a_i - b_j)) sqrt(s) / l, dF/dlog c = sum_ij G_ij c f(p_ij) and
dF/dlog l_k = -2 sum_ij D_ij (a_ik - b_jk)^2.

The last is computed from the row and column sums of D and from D b, as a product: an
array (n, m, d) never exists.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equations 4.9 and 4.17; the derivatives are elementary.
"""

import math
from dataclasses import dataclass

from skopt2._core.array import namespace
from skopt2.kernels.squares import prepare, squares

SMOOTHNESS = (0.5, 1.5, 2.5, math.inf)


@dataclass(frozen=True)
class Term:
    """One term of a covariance function.

    Parameters
    ----------
    amplitude : tuple of int
        Numbers of the parameters whose product is c; none for 1.
    nu : {0.5, 1.5, 2.5, inf} or None, default=None
        Smoothness of the profile; None for a term that is the same for all points.
    lengths : tuple of int, default=()
        Numbers of the length scales: one, or d.
    white : bool, default=False
        Whether the term is white noise, and no function of two points.
    """

    amplitude: tuple
    nu: float | None = None
    lengths: tuple = ()
    white: bool = False


class TermSum:
    """A covariance function as a sum of terms.

    Parameters
    ----------
    terms : sequence of Term
        The terms, at least one that is no white noise.
    """

    def __init__(self, terms):
        self.terms = tuple(term for term in terms if not term.white)
        self.white = tuple(term for term in terms if term.white)

    def scaled(self, phi, X, origin):
        """Prepare points for :meth:`block`.

        Parameters
        ----------
        phi : array of shape (q,)
            Logarithms of the parameters.
        X : array of shape (n, d)
            Points.
        origin : array of shape (d,)
            A point amid them, the same for both sides of a block.

        Returns
        -------
        points : list of Prepared or None
            One for each term; None where it does not depend on points.
        """
        return [
            None if term.nu is None else _prepared(term, phi, X, origin)
            for term in self.terms
        ]

    def block(self, phi, A, B):
        """Return the covariances of two sets of points, and what derivatives need.

        Parameters
        ----------
        phi : array of shape (q,)
            Logarithms of the parameters.
        A, B : list of Prepared or None
            What :meth:`scaled` returned for n and m points.

        Returns
        -------
        block : Block
            Its ``K`` is the matrix (n, m).
        """
        parts, K = [], 0.0
        for term, a, b in zip(self.terms, A, B, strict=True):
            c = _amplitude(term, phi)
            if term.nu is None:
                parts.append((c, None, 1.0, None))
                K = K + c
                continue
            p = squares(a, b, term.nu > 0.5)
            f, slope = profile(term.nu, p)
            parts.append((c, p, f, slope))
            K = K + c * f
        return Block(self.terms, A, B, parts, K)

    def variance(self, phi):
        """Return k(x, x), the same for all x.

        Parameters
        ----------
        phi : array of shape (q,)
            Logarithms of the parameters.

        Returns
        -------
        variance : scalar array
            Without the white terms.
        """
        return sum(_amplitude(term, phi) for term in self.terms)

    def noise(self, phi):
        """Return the variance of the white terms.

        Parameters
        ----------
        phi : array of shape (q,)
            Logarithms of the parameters.

        Returns
        -------
        noise : scalar array or 0.0
            Their sum.
        """
        return sum((_amplitude(term, phi) for term in self.white), 0.0)

    def diagonal_gradient(self, phi, variance, noise, out):
        """Add derivatives that come through the diagonal.

        Parameters
        ----------
        phi : array of shape (q,)
            Logarithms of the parameters.
        variance, noise : scalar array
            Derivatives of a number in :meth:`variance` and in :meth:`noise`.
        out : array of shape (q,)
            Derivatives in phi are added to it in place.
        """
        for terms, weight in ((self.terms, variance), (self.white, noise)):
            for term in terms:
                part = weight * _amplitude(term, phi)
                for index in term.amplitude:
                    out[index] += part


@dataclass(eq=False)
class Block:
    """Covariances of two sets of points.

    Parameters
    ----------
    terms : tuple of Term
        The terms.
    A, B : list of Prepared or None
        The points, scaled for each term.
    parts : list of tuple
        For each term c, p, f(p) and f'(p).
    K : array of shape (n, m)
        The covariances.
    """

    terms: tuple
    A: list
    B: list
    parts: list
    K: object

    def gradient(self, G, phi, out):
        """Return and add the derivatives of a number through this block.

        Parameters
        ----------
        G : array of shape (n, m)
            Derivative in K.
        phi : array of shape (q,)
            Logarithms of the parameters.
        out : array of shape (q,)
            Derivatives in phi are added to it in place.

        Returns
        -------
        gradient : array of shape (n, d)
            Derivative in the first set of points.
        """
        xp, gradient = namespace(G), 0.0
        for term, a, b, (c, p, f, slope) in zip(
            self.terms, self.A, self.B, self.parts, strict=True
        ):
            inside = c * xp.sum(G * f)
            for index in term.amplitude:
                out[index] += inside
            if term.nu is None:
                continue
            D = (c * G) * slope
            product = D @ b.rows
            rows = xp.sum(D, axis=1)[:, None] * a.rows - product
            gradient = gradient + 2.0 * rows * _factor(term, phi)
            lengths = slice(term.lengths[0], term.lengths[-1] + 1)
            if len(term.lengths) == 1:
                out[lengths] += -2.0 * xp.sum(D * p)
                continue
            change = xp.sum(a.rows * (rows - product), axis=0)
            change = change + xp.sum(D, axis=0) @ (b.rows * b.rows)
            out[lengths] += -2.0 * change
        return gradient


def profile(nu, p):
    """Return a profile and its derivative in p = s r^2.

    Parameters
    ----------
    nu : {0.5, 1.5, 2.5, inf}
        Smoothness; s is 2 nu, or 1/2 for infinity.
    p : array
        Nonnegative.

    Returns
    -------
    f, slope : array of the shape of p
        The derivative for nu = 0.5 is set to 0 at p = 0, where the kernel has a kink:
        the mean of the two sides.
    """
    xp = namespace(p)
    if nu == math.inf:
        f = xp.exp(-p)
        return f, -f
    t = xp.sqrt(p)
    decay = xp.exp(-t)
    if nu == 0.5:
        apart = t > 0.0
        safe = xp.where(apart, t, xp.ones_like(t))
        return decay, xp.where(apart, -0.5 * decay / safe, xp.zeros_like(t))
    if nu == 1.5:
        return (1.0 + t) * decay, -0.5 * decay
    once = (1.0 + t) * decay
    return once + (p * decay) / 3.0, once / -6.0


def _amplitude(term, phi):
    """Return c of a term."""
    xp = namespace(phi)
    if not term.amplitude:
        return 1.0
    return xp.exp(sum(phi[index] for index in term.amplitude))


def _factor(term, phi):
    """Return sqrt(s) / l of a term, of shape (1,) or (d,)."""
    xp = namespace(phi)
    scale = 0.5 if term.nu == math.inf else 2.0 * term.nu
    first, last = term.lengths[0], term.lengths[-1]
    return math.sqrt(scale) * xp.exp(-phi[first : last + 1])


def _prepared(term, phi, X, origin):
    """Return points scaled for one term."""
    rows = (X - origin) * _factor(term, phi)
    return prepare(rows, rows.dtype, origin)
