r"""Normal equations from noisy moments, about the means and diagonalised.

Problem: (A + l D) theta = g (p, K), A = ((G, s), (s', N)) the bordered moments (p, p),
p = d + 1, and D the identity but for 0 at the intercept; or A = G, p = d, without an
intercept. With m = s / N and C = G - s s'/N = U diag(v) U' the block elimination is

    w = U diag(1 / (v + l)) U' (g_x - m g_0),   b = g_0 / N - m'w,   theta = (w; b).

It serves any l, one multiplication by U and one by U' for each. C is as noisy as G and
need not be definite: the spectral norm of its noise is about 2 tau sqrt(d), tau the
standard deviation of its entries, and seldom above 2 tau (sqrt(d) + 1/2) (K. Davidson
and S. Szarek, Local operator theory, random matrices and Banach spaces, 2001).
"""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import namespace


@dataclass(frozen=True, eq=False)
class CentredMoments:
    """The matrix A of noisy moments, factorised.

    Parameters
    ----------
    values : array of shape (d,)
        Eigenvalues v of C, ascending; some can be negative.
    vectors : array of shape (d, d)
        U.
    mean : array of shape (d,) or None
        m; None without an intercept.
    n_rows : int
        N.
    std : float
        Standard deviation tau of the noise of G.
    """

    values: Any
    vectors: Any
    mean: Any
    n_rows: int
    std: float

    def floor(self, margin, ridge=0.0):
        """Return the smallest lambda that makes C + l I safely definite.

        Parameters
        ----------
        margin : float
            Smallest eigenvalue wanted, in units of tau (sqrt(d) + 1/2).
        ridge : float, default=0.0
            What is added to C anyway.

        Returns
        -------
        lambda : float
            At least 0.
        """
        wanted = margin * self.std * (math.sqrt(self.values.shape[0]) + 0.5)
        return max(0.0, wanted - float(self.values[0]) - ridge)

    def reciprocals(self, ridge):
        """Return 1 / (v + l), with 0 for what is 0 but for rounding.

        Parameters
        ----------
        ridge : float
            l.

        Returns
        -------
        reciprocals : array of shape (d,)
            All positive where l is at least the floor.
        """
        xp, shifted = namespace(self.values), self.values + ridge
        size = xp.max(xp.abs(shifted))
        tiny = size * (shifted.shape[0] * float(xp.finfo(shifted.dtype).eps))
        small = xp.abs(shifted) <= tiny
        inverse = 1.0 / xp.where(small, xp.ones_like(shifted), shifted)
        return xp.where(small, xp.zeros_like(shifted), inverse)

    def solve(self, right, ridge):
        """Return (A + l D)^-1 g, the solution of least norm where l = 0 is singular.

        Parameters
        ----------
        right : array of shape (p,) or (p, K)
            g.
        ridge : float
            l.

        Returns
        -------
        theta : array of the shape of g
            Coefficients, then the intercept.
        """
        xp, d = namespace(right), self.values.shape[0]
        one = right.ndim == 1
        right = right[:, None] if one else right
        u = right[:d, :]
        if self.mean is not None:
            u = u - self.mean[:, None] * right[d:, :]
        turned = xp.matrix_transpose(self.vectors) @ u
        theta = self.vectors @ (self.reciprocals(ridge)[:, None] * turned)
        if self.mean is not None:
            bias = right[d:, :] / self.n_rows - self.mean[None, :] @ theta
            theta = xp.concat([theta, bias], axis=0)
        return theta[:, 0] if one else theta


def centred(moments):
    """Return noisy moments about the noisy means, factorised.

    Parameters
    ----------
    moments : NoisyMoments
        Released.

    Returns
    -------
    factor : CentredMoments
        On their device, in float64.
    """
    gram, xp = moments.gram, namespace(moments.gram)
    mean = None
    if moments.total is not None:
        mean = moments.total / moments.n_rows
        gram = gram - mean[:, None] * moments.total[None, :]
    # One half of a computed product can round otherwise than the other.
    values, vectors = xp.linalg.eigh((gram + xp.matrix_transpose(gram)) / 2)
    return CentredMoments(values, vectors, mean, moments.n_rows, moments.std)
