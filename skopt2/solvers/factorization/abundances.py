r"""Abundances of pixels under fixed endmembers.

Problem, for each pixel x with the channel weights v and the sparsity level c g:

    min over a >= 0, and sum_j a_j = 1 where asked, of
    1/2 a' G a - b' a + c g sum_j phi(a_j),   phi(t) = (t + e)^p - e^p,

with G (k, k) and b (k,) of the weighted channels. The concave phi is majorised at the
last a by its tangent with the slopes u_j = p (a_j + e)^(p - 1): what is left is a
quadratic over a simplex or an orthant, and lowering it lowers the objective. It is
lowered by accelerated projected gradient steps of length 1 / L, L the largest
eigenvalue of G, which start again, pixel by pixel, where the momentum points uphill; of
the last iterate and the start the better is kept, pixel by pixel.

The guidance g of a pixel is exp(-guidance * phi(a)) / Z, the minimiser over g of
g phi(a) + (g log(g Z) - g) / guidance: pixels that are nearly pure are pushed to be
sparse, and mixed ones are left alone.

Symbols: A (k, n), B (k, n), g (n,), slopes u (k, n).

Source: F. Zhu et al., Effective spectral unmixing via robust representation and
learning-based sparsity, arXiv 1409.0685 (abundances with an l_p norm weighted by a
learnt map); this form of the map, and all steps, are ours. B. O'Donoghue and E. Candes,
Adaptive restart for accelerated gradient schemes, 2015 (the restart).
"""

import math
from dataclasses import dataclass

from skopt2._core.array import flatnonzero, namespace, put, take
from skopt2._core.simplex import onto_simplex

# Gradient steps for one tangent.
STEPS = 15


@dataclass(frozen=True)
class Sparsity:
    """The sparsity of abundances and its guidance.

    Parameters
    ----------
    level : float
        c, nonnegative.
    p : float
        Exponent in (0, 1].
    smoothing : float
        e, positive.
    guidance : float
        How strongly the guidance follows the sparsity; 0 for g = 1.
    sum_to_one : bool
        Whether the abundances of a pixel sum to one.
    """

    level: float
    p: float
    smoothing: float
    guidance: float
    sum_to_one: bool

    def phi(self, A):
        """Return sum_j phi(a_j) of every pixel, shape (n,)."""
        e = self.smoothing
        return namespace(A).sum((A + e) ** self.p - e**self.p, axis=0)

    def slopes(self, A):
        """Return the slopes of phi, shape (k, n)."""
        return self.p * (A + self.smoothing) ** (self.p - 1.0)

    def map(self, A, log_mean=None):
        """Return the guidance (n,) and the logarithm of its normaliser Z.

        Parameters
        ----------
        A : array of shape (k, n)
            Abundances.
        log_mean : float, default=None
            That logarithm; None: of the mean over these pixels, so that of g is one.
        """
        xp = namespace(A)
        phi = self.phi(A)
        if self.guidance == 0.0:
            return xp.ones_like(phi), 0.0
        exponent = -self.guidance * phi
        if log_mean is None:
            top = float(xp.max(exponent))
            log_mean = top + math.log(float(xp.mean(xp.exp(exponent - top))))
        return xp.exp(exponent - log_mean), log_mean

    def project(self, A):
        """Return the nearest feasible abundances."""
        xp = namespace(A)
        return onto_simplex(A) if self.sum_to_one else xp.maximum(A, 0.0)


def largest_curvature(G):
    """Return L as a float, positive."""
    xp = namespace(G)
    top = float(xp.max(xp.linalg.eigvalsh(G)))
    return max(top, float(xp.finfo(G.dtype).smallest_normal) ** 0.5) * (1.0 + 1e-6)


def improve(A, B, G, sparsity, g):
    """Return abundances that lower the objective of every pixel, g fixed.

    Parameters
    ----------
    A : array of shape (k, n)
        Feasible.
    B : array of shape (k, n)
        Linear part.
    G : array of shape (k, k)
        Quadratic part.
    sparsity : Sparsity
        Penalty and constraint.
    g : array of shape (n,)
        Guidance.
    """
    xp, L = namespace(A), largest_curvature(G)
    b = B - sparsity.level * g * sparsity.slopes(A) if sparsity.level > 0.0 else B
    x, y, t = A, A, xp.ones_like(A[:1, :])
    for _ in range(STEPS):
        new = sparsity.project(y - (G @ y - b) / L)
        uphill = xp.sum((y - new) * (new - x), axis=0, keepdims=True) > 0.0
        t = xp.where(uphill, xp.ones_like(t), t)
        after = 0.5 * (1.0 + xp.sqrt(1.0 + 4.0 * t * t))
        y = new + (t - 1.0) / after * (new - x)
        x, t = new, after
    before, now = _quadratic(A, b, G), _quadratic(x, b, G)
    return xp.where(now <= before, x, A)


def residuals(A, B, G, sparsity, g):
    """Return the distances (n,) to the projected gradient step, times sqrt(L)."""
    xp, L = namespace(A), largest_curvature(G)
    b = B - sparsity.level * g * sparsity.slopes(A) if sparsity.level > 0.0 else B
    step = A - sparsity.project(A - (G @ A - b) / L)
    return math.sqrt(L) * xp.sqrt(xp.sum(step * step, axis=0))


def solve_abundances(B, G, sparsity, log_mean, *, scale, tol, rounds):
    """Return the abundances of pixels, and the certificate of each.

    Parameters
    ----------
    B : array of shape (k, n)
        Linear part.
    G : array of shape (k, k)
        Quadratic part.
    sparsity : Sparsity
        Penalty and constraint.
    log_mean : float
        Logarithm of the normaliser of the guidance.
    scale : array of shape (n,)
        Unit of the certificate of each pixel.
    tol : float
        Certificate at which a pixel is left; it does not depend on the others.
    rounds : int
        Largest number of tangents.
    """
    xp, k = namespace(B), int(B.shape[0])
    A = sparsity.project(xp.zeros_like(B) + 1.0 / k)
    aim = max(tol, 64.0 * float(xp.finfo(B.dtype).eps))
    codes = xp.asarray(xp.matrix_transpose(A), copy=True)
    targets = xp.matrix_transpose(B)
    gaps = xp.zeros_like(B[0, :]) + math.inf
    open_ = flatnonzero(gaps > aim)
    for _ in range(rounds):
        a = xp.matrix_transpose(take(codes, open_))
        b = xp.matrix_transpose(take(targets, open_))
        g, _ = sparsity.map(a, log_mean)
        a = improve(a, b, G, sparsity, g)
        g, _ = sparsity.map(a, log_mean)
        gap = residuals(a, b, G, sparsity, g) / take(scale, open_)
        codes = put(codes, open_, xp.matrix_transpose(a))
        gaps = put(gaps, open_, gap)
        open_ = flatnonzero(gaps > aim)
        if int(open_.shape[0]) == 0:
            break
    return xp.matrix_transpose(codes), gaps


def _quadratic(A, b, G):
    """Return 1/2 a' G a - b' a of every pixel, shape (1, n)."""
    return namespace(A).sum(A * (0.5 * (G @ A) - b), axis=0, keepdims=True)
