"""The evidence lower bound of a coreset from sums over the rows.

L of :mod:`skopt2.solvers.kernel.coreset_bound` depends on the rows through n,
sum_i y_i^2, Phi = sum_i c_i c_i' (M, M) and R = sum_i c_i y_i' (M, T) alone: with
A = C C' the sum of the variances is n k(x, x) - tr C^-1 Phi C^-T, and that of the
squared residuals sum_i y_i^2 + tr a'(Phi a - 2 R). So one pass over the rows gives L,
and L for other pseudo outputs.

L is quadratic in these. At its maximum (K_ZZ + Phi / v) a = R / v for a = A^-1 Y_c,
which is also the mean of the free posterior at the points Z.

Source of the latter: M. Titsias, Variational learning of inducing variables in sparse
Gaussian processes, AISTATS 2009, equation 10.
"""

from dataclasses import dataclass
from typing import Any

from skopt2.solvers.kernel.coreset_bound import Coreset, expected


def summarise(posterior, chunks, former=None):
    """Return all that the bound of a coreset needs to know of the rows.

    Parameters
    ----------
    posterior : CoresetPosterior
        Of the coreset.
    chunks : iterable of tuple of two arrays
        All rows X (b, d) and targets Y (b, T).
    former : Former or None, default=None
        A coreset that stands for further rows.

    Returns
    -------
    summary : Summary
        Sums over the rows.
    """
    n, mass, squares, Phi, right, xp = 0, 0.0, 0.0, 0.0, 0.0, posterior.xp
    for X, Y in chunks:
        c = posterior.block(X).K
        n, squares = n + int(X.shape[0]), squares + xp.sum(Y * Y)
        Phi, right = Phi + c @ c.T, right + c @ Y
    mass += n
    if former is not None:
        w = former.weight
        c = posterior.block(former.Z).K
        n, mass = n + former.n, mass + xp.sum(w)
        squares = squares + xp.sum(w[:, None] * former.Y**2) + former.scatter
        Phi, right = Phi + (c * w) @ c.T, right + (c * w) @ former.Y
    return Summary(posterior, n, mass, squares, Phi, right)


@dataclass(eq=False)
class Summary:
    """Sums over the rows, for a coreset whose pseudo outputs may still change.

    Parameters
    ----------
    posterior : CoresetPosterior
        Of the coreset.
    n : int
        Rows.
    mass : scalar array or float
        Sum of the weights of the rows.
    squares : scalar array
        Sum of the squared targets.
    Phi : array of shape (M, M)
        Sum of c_i c_i'.
    right : array of shape (M, T)
        Sum of c_i y_i'.
    """

    posterior: Any
    n: int
    mass: Any
    squares: Any
    Phi: Any
    right: Any

    def improve(self):
        """Change the pseudo outputs to those with the largest bound.

        The bound is quadratic in them: (K_ZZ + Phi / v) a = sum_i c_i y_i' / v has the
        best a, and Y_c = A a. Directions that neither the data nor the prior sees are
        left out.

        Returns
        -------
        coreset : Coreset
            With other pseudo outputs.
        """
        post, old = self.posterior, self.posterior.coreset
        xp, root = post.xp, post.root
        H = (post.own.K + self.Phi / post.noise) / (root * root.T)
        values, vectors = xp.linalg.eigh(0.5 * (H + H.T))
        cut = float(xp.finfo(H.dtype).eps) * H.shape[0] * xp.max(values)
        kept = values > cut
        safe = xp.where(kept, values, xp.ones_like(values))
        inverse = xp.where(kept, 1.0 / safe, xp.zeros_like(values))
        a = vectors.T @ (self.right / (root * post.noise))
        a = (vectors @ (inverse[:, None] * a)) / root
        Y = post.own.K @ a + post.s[:, None] * a
        post.coreset = Coreset(old.Z, Y, old.log_w, old.phi)
        post.a = a
        return post.coreset

    def value(self):
        """Return the bound as a float, in nats."""
        post, a = self.posterior, self.posterior.a
        xp, T = post.xp, int(a.shape[1])
        misfit = self.squares + xp.sum(a * (self.Phi @ a - 2.0 * self.right))
        lost = post.half(post.half(self.Phi).T)
        variance = self.mass * post.variance - xp.sum(xp.linalg.diagonal(lost))
        fit = expected(self.n * T, misfit + T * variance, post.noise)
        return float(fit - post.divergence())
