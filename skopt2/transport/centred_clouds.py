"""Two point clouds, each about its own mean, and what that does to costs.

Symbols: x_i (n, d), y_j (m, d) points; x~, y~ the same less the means of their clouds;
delta the difference of the means. For the squared distance

    |x - y|^2 = |x~ - y~|^2 + p_i + q_j,
    p_i = 2 <delta, x~_i>,  q_j = |delta|^2 - 2 <delta, y~_j>,

so that plans do not change and potentials change by p and q. Other costs keep their
points.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import accumulation_dtype, dot64, namespace
from skopt2.solvers.transport.cost import ground_cost


@dataclass(frozen=True, eq=False)
class Clouds:
    """Two clouds, each moved to its mean if the metric is the squared distance.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Points, less the means.
    mean_x, mean_y : array of shape (d,)
        What was subtracted.
    a, b : array of shape (n,), (m,) or None
        Masses of sum one; None for equal ones.
    metric : str or callable
        Ground cost.
    """

    X: Any
    Y: Any
    mean_x: Any
    mean_y: Any
    a: Any
    b: Any
    metric: Any

    @classmethod
    def of(cls, X, Y, a, b, metric, balanced=True):
        """Return the clouds of points where they are.

        Parameters
        ----------
        X, Y : array of shape (n, d), (m, d)
            Points.
        a, b : array of shape (n,), (m,) or None
            Masses of sum one; None for equal ones.
        metric : str or callable
            Ground cost.
        balanced : bool, default=True
            Whether all plans have the same sums. Otherwise p and q do not cost the same
            for all plans, and the points stay where they are.

        Returns
        -------
        clouds : Clouds
        """
        move = balanced and metric == "sqeuclidean"
        X, mean_x = _centre(X, a, move)
        Y, mean_y = _centre(Y, b, move)
        return cls(X, Y, mean_x, mean_y, a, b, metric)

    def swapped(self):
        """Return the clouds in the other order."""
        sides = (self.Y, self.X, self.mean_y, self.mean_x, self.b, self.a)
        return Clouds(*sides, self.metric)

    def costs(self):
        """Return the matrix of the costs between the moved points."""
        return ground_cost(self.metric).block(self.X, self.Y)

    def outside(self, f, g):
        """Return the potentials for the points where they are."""
        if self.metric != "sqeuclidean":
            return f, g
        p, q = self._shifts()
        xp = namespace(f)
        return xp.astype(f + p, f.dtype), xp.astype(g + q, g.dtype)

    def offset(self, rows, cols):
        """Return what moving took from the cost of a plan with these sums."""
        if self.metric != "sqeuclidean":
            return 0.0
        p, q = self._shifts()
        return dot64(rows, p) + dot64(cols, q)

    def squared_cost(self, found):
        """Return the squared distances that a plan between other points moves over.

        Parameters
        ----------
        found : TransportResult
            Between as many points.

        Returns
        -------
        cost : float
            sum_ij P_ij |x_i - y_j|^2 for the points where they are.
        """
        xp = namespace(self.X)
        square_x = xp.sum(self.X * self.X, axis=1)
        square_y = xp.sum(self.Y * self.Y, axis=1)
        ones_x, ones_y = xp.ones_like(square_x), xp.ones_like(square_y)
        rows, cols = found.apply(ones_y), found.apply_t(ones_x)
        inner = dot64(self.X, found.apply(self.Y))
        cost = dot64(rows, square_x) + dot64(cols, square_y) - 2.0 * inner
        return cost + self.offset(rows, cols)

    def _shifts(self):
        """Return p (n,) and q (m,)."""
        xp, wide = namespace(self.X), accumulation_dtype(self.X)
        x, y, mean_x, mean_y = (
            xp.astype(part, wide) for part in (self.X, self.Y, self.mean_x, self.mean_y)
        )
        delta = mean_x - mean_y
        return 2.0 * (x @ delta), xp.sum(delta * delta) - 2.0 * (y @ delta)


def _centre(X, mass, move):
    """Return points less their mean, and the mean; or the points, and zero."""
    xp = namespace(X)
    if not move:
        return X, xp.zeros_like(X[0, :])
    wide = xp.astype(X, accumulation_dtype(X))
    if mass is None:
        mean = xp.mean(wide, axis=0)
    else:
        mass = xp.astype(mass, wide.dtype)
        mean = (mass @ wide) / xp.sum(mass)
    # The rounded mean: what is subtracted and what is added again are the same.
    mean = xp.astype(mean, X.dtype)
    return X - mean, mean
