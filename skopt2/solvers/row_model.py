"""The objective on a working set of rows.

Problem: min_V q(V) + sum_j pen(|v_j|; lam) over V (m, K), the rows of a working set; q
is quadratic with the Hessian G (m, m) in every column, and known by its value and
gradient at a start, so that rounding errors of G only touch the change.
Symbols: M = grad q(V) (m, K); R the residual; see
:mod:`skopt2.solvers.multitask_problem`.

Source: G. Obozinski, B. Taskar and M. Jordan, Statistics and Computing 20, 2010.
"""

import numpy as np

from skopt2.solvers.multitask_problem import best_dual

# The power method estimates the largest eigenvalue from below: this is the margin.
POWER_ITERATIONS, MARGIN = 20, 1.1


def row_norms(V):
    """Return the Euclidean norms of the rows, (m,)."""
    return np.sqrt(np.einsum("ij,ij->i", V, V))


class RowModel:
    """The objective on a working set of rows.

    Parameters
    ----------
    scalar : Penalty
        Of the norm of a row.
    convex : bool
        Whether it is.
    curved : callable
        D -> G D.
    diagonal : ndarray of shape (m,)
        d, positive.
    lam : float
        Level, positive.
    V, M : ndarray of shape (m, K)
        The start and its gradient.
    base, fit : float
        The loss at the start, and <R, Y>_s there.
    target : ndarray of shape (m, K)
        X'(s * Y).
    factorise : callable
        ``factorise(ids, c)`` returns the map R -> (G + diag(c))^-1 R on some rows, or
        None.
    """

    def __init__(
        self,
        scalar,
        convex,
        curved,
        diagonal,
        lam,
        V,
        M,
        *,
        base,
        fit,
        target,
        factorise,
    ):
        self.scalar, self.convex, self.curved = scalar, convex, curved
        self.factorise = factorise
        self.d, self.lam = diagonal, lam
        self.V, self.M, self.base, self.fit, self.target = V, M, base, fit, target
        self._theta = None
        # Whether conjugate gradients have asked for a better preconditioner.
        self.stiff = False

    @property
    def theta(self):
        """Largest eigenvalue of G scaled to a unit diagonal, with a margin."""
        if self._theta is None:
            root = np.sqrt(self.d)
            v = np.cos(1.0 + 1.7 * np.arange(self.d.size))[:, None]
            size = 1.0
            for _ in range(POWER_ITERATIONS):
                v = v / max(float(np.linalg.norm(v)), 1e-300)
                v = self.curved(v / root[:, None]) / root[:, None]
                size = float(np.linalg.norm(v))
            self._theta = MARGIN * max(1.0, size)
        return self._theta

    def gradient(self, V):
        """Return M at a point."""
        return self.M + self.curved(V - self.V)

    def loss(self, V, M):
        """Return the loss from the gradient at the same point."""
        return self.base + 0.5 * float(np.vdot(V - self.V, self.M + M))

    def penalty(self, V):
        """Return the penalty."""
        return self.scalar.value(row_norms(V), np.float64(self.lam))

    def value(self, V, M):
        """Return the objective from the gradient at the same point."""
        return self.loss(V, M) + self.penalty(V)

    def gap(self, V, M, value):
        """Return the duality gap on the working set."""
        loss = self.loss(V, M)
        fit = self.fit - float(np.vdot(V - self.V, self.target))
        norm = float(row_norms(M).max(initial=0.0))
        return value - best_dual(2.0 * loss, fit, self.lam, norm)

    def distance(self, V, M):
        """Return the largest distance of a row of -M to the subdifferential."""
        return float(row_distances(self.scalar, V, M, self.lam).max(initial=0.0))

    def prox(self, Z, steps):
        """Return the prox of all rows, each with its own step."""
        norms = row_norms(Z)
        new = self.scalar.prox(norms, steps, np.float64(self.lam))
        return Z * (new / np.where(norms > 0.0, norms, 1.0))[:, None]


def row_distances(scalar, V, M, lam):
    """Return the distance of each row of -M to the subdifferential of pen(|v_j|).

    Parameters
    ----------
    scalar : Penalty
        Of the norm of a row.
    V, M : ndarray of shape (m, K)
        Point and gradient.
    lam : float
        Level.
    """
    norms = row_norms(V)
    safe = np.where(norms > 0.0, norms, 1.0)
    slope = scalar.derivative(norms, np.float64(lam)) / safe
    moved = row_norms(M + slope[:, None] * V)
    return np.where(norms > 0.0, moved, np.maximum(moved - lam, 0.0))
