"""Costs between points, stored.

Symbols: x_i (n, d) and y_j (m, d) points, C_ij = c(x_i, y_j) (n, m) their costs. As for
streamed costs the matrix is that between centred points, which differs from C by terms
of one side that go into the potentials; see :mod:`.centring`. Costs that methods return
are those of C.
"""

from skopt2.solvers.transport.centring import centred
from skopt2.solvers.transport.cost import ground_cost
from skopt2.solvers.transport.geometry import DenseGeometry


class StoredPointGeometry(DenseGeometry):
    """Costs between two point clouds, held in memory.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Points, finite, in one floating dtype and namespace.
    metric : str or callable, default="sqeuclidean"
        See :func:`.cost.ground_cost`.
    """

    def __init__(self, X, Y, metric="sqeuclidean"):
        centring = centred(ground_cost(metric), X, Y)
        super().__init__(centring.cost.block(centring.X, centring.Y))
        self.centring = centring

    def inner(self, f, g, eps):
        """Return the transport cost <P, C>, accumulated in float64."""
        inner = super().inner(f, g, eps)
        if self.centring.p is None:
            return inner
        return inner + self.centring.offset(*self.marginals(f, g, eps))

    def round_with_divergence(self, f, g, eps, a, b):
        """Return cost, entropy and divergence from P of the plan P' rounded onto a, b.

        Returns
        -------
        cost, entropy, divergence : float
        """
        found = super().round_with_divergence(f, g, eps, a, b)
        return found[0] + self.centring.offset(a, b), *found[1:]
